//! Groups of parameters: which ones, and what is different for them.

use std::sync::Arc;

use crate::rule::Rule;

/// What is different for the parameters of a group; see [`Optimizer::group_by`](crate::Optimizer::group_by). What is not
/// named stays as it is.
///
/// # Examples
/// ```
/// # use std::sync::Arc;
/// # use talweg_optim::{AdamW, Group, Muon, Optimizer};
/// # use talweg_tensor::{DType, Param, Tensor};
/// let ones = || Param::new(Tensor::ones([2, 2], DType::F32));
/// let params = vec![("embed.weight".into(), ones()), ("hidden.weight".into(), ones()), ("hidden.bias".into(), ones())];
/// let optimizer = Optimizer::new(Muon::default(), 0.02, params)
///     .group_by("embed.*", Group { rule: Some(Arc::new(AdamW::default())), lr: Some(0.1), ..Default::default() })
///     .group_by("*.bias", Group { weight_decay: Some(0.0), ..Default::default() });
/// # assert_eq!(optimizer.count(), 0);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// The factor of the schedule's learning rate.
    pub lr: Option<f64>,
    /// Another weight decay.
    pub weight_decay: Option<f64>,
    /// Another rule, with options of its own.
    pub rule: Option<Arc<dyn Rule>>,
}

/// Whether a name fits a pattern, in which `*` stands for any characters (dots too) and `?` for a single one.
///
/// # Examples
/// ```
/// # use talweg_optim::fits;
/// assert!(fits("*.bias", "layers.0.bias") && fits("layers.?.*", "layers.0.bias"));
/// assert!(!fits("bias", "layers.0.bias") && !fits("layers.?.*", "layers.10.bias"));
/// ```
pub fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where the last star stands, and up to where of the name it reaches for now.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == '?' || c == name[n] => (p, n) = (p + 1, n + 1),
            _ => {
                let Some((at, reach)) = star else { return false };
                star = Some((at, reach + 1));
                (p, n) = (at + 1, reach + 1);
            }
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::fits;

    /// The definition, by recursion over the first character.
    fn naive(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            (['*', rest @ ..], _) => (0..=name.len()).any(|k| naive(rest, &name[k..])),
            (['?', rest @ ..], [_, more @ ..]) => naive(rest, more),
            ([c, rest @ ..], [d, more @ ..]) => c == d && naive(rest, more),
            _ => false,
        }
    }

    /// All words over an alphabet up to a length.
    fn words(letters: &[char], length: usize) -> Vec<Vec<char>> {
        let mut all = vec![vec![]];
        let mut last = all.clone();
        for _ in 0..length {
            last = last.iter().flat_map(|w| letters.iter().map(|&c| [&w[..], &[c]].concat())).collect();
            all.extend(last.iter().cloned());
        }
        all
    }

    #[test]
    fn patterns_mean_what_their_definition_says() {
        let names = words(&['a', '.'], 4);
        let mut fitting = 0;
        for pattern in words(&['a', '.', '*', '?'], 4) {
            for name in &names {
                let text = |chars: &[char]| chars.iter().collect::<String>();
                let found = fits(&text(&pattern), &text(name));
                assert_eq!(found, naive(&pattern, name), "{pattern:?} {name:?}");
                fitting += found as usize;
            }
        }
        assert!(fitting > 1000);
    }
}
