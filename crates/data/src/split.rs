//! Orders and splits as pure functions of a seed.
//!
//! The order of an epoch depends on the number of items, the seed and the epoch's number alone, so that a run that
//! was cut off continues with the same items when it knows those three and its position.

use std::collections::BTreeMap;

use talweg_tensor::Rng;

/// The order in which an epoch visits `len` items: a permutation of `0..len`, each as likely as any other.
///
/// # Example
/// ```
/// use talweg_data::split::permutation;
///
/// let first = permutation(5, 7, 0);
/// assert_eq!(first, permutation(5, 7, 0));
/// let mut sorted = first.clone();
/// sorted.sort();
/// assert_eq!(sorted, [0, 1, 2, 3, 4]);
/// assert_ne!(permutation(50, 7, 0), permutation(50, 7, 1));
/// ```
pub fn permutation(len: usize, seed: u64, epoch: u64) -> Vec<usize> {
    Purpose::Order.rng(seed, epoch).permutation(len)
}

/// Splits `0..len` at random into two parts, the second with `round(len * share)` members; both are shuffled.
///
/// # Panics
/// If `share` is not between 0 and 1.
#[track_caller]
pub fn split(len: usize, share: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    check_share(share);
    let mut first = Purpose::Split.rng(seed, 0).permutation(len);
    let second = first.split_off(len - portion(len, share));
    (first, second)
}

/// Splits `0..labels.len()` like [`split`], but takes `share` of every class, rounded, for the second part. At least
/// one of every class stays in the first part, unless `share` is 1.
///
/// # Panics
/// If `share` is not between 0 and 1.
///
/// # Example
/// ```
/// let labels = [0, 0, 0, 0, 1, 1, 1, 1];
/// let (train, test) = talweg_data::split::stratified(&labels, 0.25, 1);
/// assert_eq!((train.len(), test.len()), (6, 2));
/// assert_ne!(labels[test[0]], labels[test[1]]);
/// ```
#[track_caller]
pub fn stratified<L: Ord>(labels: &[L], share: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    check_share(share);
    let mut classes = BTreeMap::<&L, usize>::new();
    for label in labels {
        *classes.entry(label).or_default() += 1;
    }
    for count in classes.values_mut() {
        let most = if share < 1.0 { *count - 1 } else { *count };
        *count = portion(*count, share).min(most);
    }
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for index in Purpose::Split.rng(seed, 0).permutation(labels.len()) {
        let wanted = classes.get_mut(&labels[index]).expect("every label was counted");
        if *wanted > 0 {
            *wanted -= 1;
            second.push(index);
        } else {
            first.push(index);
        }
    }
    (first, second)
}

/// Draws numbers below `weights.len()` with replacement, in proportion to their weights.
///
/// # Panics
/// If a weight is negative or not finite, or all are zero.
pub(crate) fn weighted(weights: &[f64], draws: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let mut total = 0.0;
    let mut sums = Vec::with_capacity(weights.len());
    for (index, &weight) in weights.iter().enumerate() {
        assert!(weight >= 0.0 && weight.is_finite(), "weighted sampler: weight {index} is {weight}");
        total += weight;
        sums.push(total);
    }
    assert!(total > 0.0 && total.is_finite(), "weighted sampler: the weights add up to {total}");
    let mut rng = Purpose::Order.rng(seed, epoch);
    let last = weights.iter().rposition(|&weight| weight > 0.0).unwrap_or(0);
    // Rounding may bring a draw up to the total itself, which lies behind every sum.
    let draw = |_| {
        let point = rng.unit() * total;
        sums.partition_point(|&sum| sum <= point).min(last)
    };
    (0..draws).map(draw).collect()
}

/// What random numbers are drawn for: each purpose has streams of its own, so that one seed can serve a whole program
/// without the same numbers turning up twice.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// Orders of epochs.
    Order = 1,
    /// Parts of a data set.
    Split = 2,
    /// Transforms of batches.
    Transform = 3,
}

impl Purpose {
    /// The source for the `number`-th use, an epoch or (epoch, batch); the highest bits tell the purposes apart.
    pub(crate) fn rng(self, seed: u64, number: u64) -> Rng {
        Rng::seed(seed).stream((self as u64) << 60 | (number & (u64::MAX >> 4)))
    }
}

fn portion(len: usize, share: f64) -> usize {
    (len as f64 * share).round() as usize
}

#[track_caller]
fn check_share(share: f64) {
    assert!((0.0..=1.0).contains(&share), "split: share {share} is not between 0 and 1");
}
