//! Scores to probabilities.

use talweg_tensor::Tensor;

use crate::Module;
use crate::layers::Layer;
use crate::mode::Mode;

/// Softmax along an axis, `y[i] = exp(x[i]) / Σ exp(x[j])`: positive numbers that add up to 1.
///
/// A classifier that is trained with [`CrossEntropy`](crate::CrossEntropy) ends without it: that loss takes the scores.
///
/// # Arguments
/// - `axis`: the axis along which the numbers add up to 1, counted from the end when negative; the last by default.
///
/// # Shapes
/// Any with the axis, to the same.
///
/// # Parameters
/// None.
///
/// # Source
/// Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990.
///
/// # Examples
/// ```
/// # use talweg_nn::{Layer, Mode, Softmax};
/// # use talweg_tensor::Tensor;
/// let y = Softmax::default().forward(&Tensor::from_slice(&[0.0f64, 1.0], [1, 2]), &mut Mode::Eval);
/// assert!((y.to_vec::<f64>()[1] - 0.731058578630).abs() < 1e-9);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Module)]
pub struct Softmax {
    /// The axis.
    pub axis: isize,
}

impl Default for Softmax {
    fn default() -> Softmax {
        Softmax { axis: -1 }
    }
}

impl Layer for Softmax {
    fn forward(&self, x: &Tensor, _: &mut Mode<'_>) -> Tensor {
        x.softmax(self.axis)
    }
}

/// The logarithm of [`Softmax`], accurate also for probabilities that round to 0.
///
/// # Arguments
/// - `axis`: the axis along which the probabilities add up to 1; the last by default.
///
/// # Shapes
/// Any with the axis, to the same.
///
/// # Parameters
/// None.
///
/// # Source
/// That of [`Softmax`].
///
/// # Examples
/// ```
/// # use talweg_nn::{Layer, LogSoftmax, Mode};
/// # use talweg_tensor::Tensor;
/// let y = LogSoftmax::default().forward(&Tensor::from_slice(&[0.0f64, 1000.0], [1, 2]), &mut Mode::Eval);
/// assert_eq!(y.to_vec::<f64>(), [-1000.0, 0.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Module)]
pub struct LogSoftmax {
    /// The axis.
    pub axis: isize,
}

impl Default for LogSoftmax {
    fn default() -> LogSoftmax {
        LogSoftmax { axis: -1 }
    }
}

impl Layer for LogSoftmax {
    fn forward(&self, x: &Tensor, _: &mut Mode<'_>) -> Tensor {
        x.log_softmax(self.axis)
    }
}
