//! Orders and splits as pure functions of a seed.
//!
//! The order of an epoch depends on the number of samples, the seed and the epoch's number alone, so that a run that
//! was cut off continues with the same samples when it knows those three and its position.

/// The order in which an epoch visits `len` samples: a permutation of `0..len`, each as likely as any other.
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
    let mut order: Vec<usize> = (0..len).collect();
    Stream::new(seed, epoch).shuffle(&mut order);
    order
}

/// Splits `0..len` at random into two parts, the second with `round(len * share)` members; both are shuffled.
///
/// # Panics
/// If `share` is not between 0 and 1.
#[track_caller]
pub fn split(len: usize, share: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    check_share(share);
    let mut first = permutation(len, seed, SPLIT);
    let second = first.split_off(len - portion(len, share));
    (first, second)
}

/// Splits `0..labels.len()` like [`split`], but takes `share` of every class, rounded, for the second part.
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
    let order = permutation(labels.len(), seed, SPLIT);
    let mut classes = std::collections::BTreeMap::<&L, usize>::new();
    for label in labels {
        *classes.entry(label).or_default() += 1;
    }
    for count in classes.values_mut() {
        *count = portion(*count, share);
    }
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for index in order {
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

/// The epoch number that splits use, so that they differ from every epoch's order.
const SPLIT: u64 = u64::MAX;

fn portion(len: usize, share: f64) -> usize {
    (len as f64 * share).round() as usize
}

#[track_caller]
fn check_share(share: f64) {
    assert!((0.0..=1.0).contains(&share), "split: share {share} is not between 0 and 1");
}

/// Random numbers that are a function of (seed, epoch, position): SplitMix64 (Steele, Lea and Flood, "Fast splittable
/// pseudorandom number generators", 2014), whose starting point mixes seed and epoch.
struct Stream(u64);

impl Stream {
    fn new(seed: u64, epoch: u64) -> Self {
        Self(mix(mix(seed ^ 0x6A09_E667_F3BC_C908).wrapping_add(epoch)))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// A number below `bound`, without bias: products whose low half falls in the uneven rest are drawn again.
    fn below(&mut self, bound: u64) -> u64 {
        let uneven = bound.wrapping_neg() % bound;
        loop {
            let wide = u128::from(self.next()) * u128::from(bound);
            if wide as u64 >= uneven {
                return (wide >> 64) as u64;
            }
        }
    }

    /// Fisher and Yates' shuffle.
    fn shuffle(&mut self, items: &mut [usize]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
