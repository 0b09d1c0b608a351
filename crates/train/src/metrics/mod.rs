//! What is measured besides the loss: one file each.
//!
//! A metric is a function of a few sums over the examples, so that it can be measured batch by batch, and saved in
//! the middle of an epoch.

use std::fmt::Debug;

use talweg_tensor::Tensor;

mod accuracy;
mod regression;

pub use accuracy::{Accuracy, BinaryAccuracy};
pub use regression::{MeanAbsoluteError, RootMeanSquaredError};

/// A measure of predictions against targets.
pub trait Metric: Debug + Send + Sync {
    /// The name that reports and files show, e.g. `accuracy`.
    fn name(&self) -> &'static str;

    /// How many sums it keeps.
    fn sums(&self) -> usize;

    /// Adds a batch to the sums.
    ///
    /// # Panics
    /// When the shapes of predictions and targets do not fit the metric.
    fn add(&self, sums: &mut [f64], prediction: &Tensor, target: &Tensor);

    /// The measure from the sums; NaN without examples.
    fn value(&self, sums: &[f64]) -> f64;

    /// Whether more is better.
    fn higher_is_better(&self) -> bool;
}
