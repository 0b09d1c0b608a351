//! The order in which an epoch visits a data set.

use crate::split::{permutation, weighted};

/// An order as a pure function of the epoch, so that a run resumes in the middle of an epoch from its number and the
/// position alone.
pub trait Sampler: Send + Sync {
    /// The numbers of the items to visit in this epoch, in order; `len` is the size of the data set. Items may be
    /// left out or come several times.
    fn order(&self, len: usize, epoch: u64) -> Vec<usize>;
}

/// From the first item to the last, in every epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sequential;

impl Sampler for Sequential {
    fn order(&self, len: usize, _epoch: u64) -> Vec<usize> {
        (0..len).collect()
    }
}

/// Every item once, in a random order that is another one in every epoch: [`permutation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shuffled {
    /// The seed: the same seed gives the same orders.
    pub seed: u64,
}

impl Sampler for Shuffled {
    fn order(&self, len: usize, epoch: u64) -> Vec<usize> {
        permutation(len, self.seed, epoch)
    }
}

/// Items drawn with replacement, item i with probability `weights[i] / sum(weights)`: to show rare classes as often
/// as frequent ones, weigh every item with 1 / (number of items of its class).
#[derive(Debug, Clone, PartialEq)]
pub struct Weighted {
    /// A weight for every item, none negative, not all zero.
    pub weights: Vec<f64>,
    /// Items drawn in an epoch.
    pub draws: usize,
    /// The seed: the same seed gives the same orders.
    pub seed: u64,
}

impl Sampler for Weighted {
    /// # Panics
    /// If there are not `len` weights, one is negative or not finite, or all are zero.
    fn order(&self, len: usize, epoch: u64) -> Vec<usize> {
        assert!(
            self.weights.len() == len,
            "weighted sampler: {} weights for a data set of {len} items",
            self.weights.len()
        );
        weighted(&self.weights, self.draws, self.seed, epoch)
    }
}
