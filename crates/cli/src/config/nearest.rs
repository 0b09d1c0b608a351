//! Guessing which known name an unknown one was meant to be.

/// The known name nearest to `name`, if any is near enough to be a likely slip of the keyboard or of spelling.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = normal(name);
    // A third of the letters may be wrong: `optimiser` for `optimizer`, `batchsize` for `batch_size`.
    let limit = (plain.len() / 3).max(1);
    known
        .map(|candidate| (distance(&plain, &normal(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Letters and digits in lower case: `Cross_Entropy` is `crossentropy`.
fn normal(name: &str) -> Vec<char> {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The least number of insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`
/// (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        rows[i][0] = i;
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            rows[i][j] = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                rows[i][j] = rows[i][j].min(rows[i - 2][j - 2] + 1);
            }
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_by_hand() {
        let d = |a: &str, b: &str| distance(&normal(a), &normal(b));
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("optimiser", "optimizer", 1),
            ("eopchs", "epochs", 1),
            ("Cross_Entropy", "cross-entropy", 0),
            ("linaer", "linear", 1),
        ] {
            assert_eq!(d(a, b), expected, "{a} {b}");
            assert_eq!(d(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn only_near_names_are_offered() {
        let known = ["epochs", "batch_size", "seed", "l1", "l2"];
        let near = |name| nearest(name, known.into_iter());
        assert_eq!(near("epoch"), Some("epochs"));
        assert_eq!(near("batchSize"), Some("batch_size"));
        assert_eq!(near("BATCH-SIZE"), Some("batch_size"));
        assert_eq!(near("l3"), Some("l1"));
        assert_eq!(near("zzz"), None);
        assert_eq!(near(""), None);
        assert_eq!(near("é"), None);
    }
}
