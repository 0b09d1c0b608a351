//! How far predicted numbers are off.

use talweg_tensor::{DType, Tensor};

use super::Metric;

#[track_caller]
fn difference(name: &str, prediction: &Tensor, target: &Tensor) -> Tensor {
    assert!(
        prediction.shape() == target.shape(),
        "{name}: predictions {} and targets {} differ in shape",
        prediction.shape(),
        target.shape()
    );
    prediction.detach().cast(DType::F64) - target.cast(DType::F64)
}

/// The mean of `|prediction - target|`, in the target's unit.
///
/// # Shapes
/// Predictions and targets of one shape.
///
/// # Examples
/// ```
/// # use talweg_tensor::Tensor;
/// # use talweg_train::{MeanAbsoluteError, Metric};
/// let mut sums = vec![0.0; 2];
/// let (p, t) = (Tensor::from_slice(&[1.0f32, 5.0], [2]), Tensor::from_slice(&[2.0f32, 2.0], [2]));
/// MeanAbsoluteError.add(&mut sums, &p, &t);
/// assert_eq!(MeanAbsoluteError.value(&sums), 2.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeanAbsoluteError;

impl Metric for MeanAbsoluteError {
    fn name(&self) -> &'static str {
        "mae"
    }

    fn sums(&self) -> usize {
        2
    }

    #[track_caller]
    fn add(&self, sums: &mut [f64], prediction: &Tensor, target: &Tensor) {
        sums[0] += difference("mean absolute error", prediction, target).abs().sum(..).item();
        sums[1] += target.numel() as f64;
    }

    fn value(&self, sums: &[f64]) -> f64 {
        sums[0] / sums[1]
    }

    fn higher_is_better(&self) -> bool {
        false
    }
}

/// The root of the mean of `(prediction - target)²`, in the target's unit.
///
/// # Shapes
/// Predictions and targets of one shape.
///
/// # Examples
/// ```
/// # use talweg_tensor::Tensor;
/// # use talweg_train::{Metric, RootMeanSquaredError};
/// let mut sums = vec![0.0; 2];
/// let (p, t) = (Tensor::from_slice(&[1.0f32, 5.0], [2]), Tensor::from_slice(&[1.0f32, 1.0], [2]));
/// RootMeanSquaredError.add(&mut sums, &p, &t);
/// assert_eq!(RootMeanSquaredError.value(&sums), 8f64.sqrt());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootMeanSquaredError;

impl Metric for RootMeanSquaredError {
    fn name(&self) -> &'static str {
        "rmse"
    }

    fn sums(&self) -> usize {
        2
    }

    #[track_caller]
    fn add(&self, sums: &mut [f64], prediction: &Tensor, target: &Tensor) {
        sums[0] += difference("root mean squared error", prediction, target).square().sum(..).item();
        sums[1] += target.numel() as f64;
    }

    fn value(&self, sums: &[f64]) -> f64 {
        (sums[0] / sums[1]).sqrt()
    }

    fn higher_is_better(&self) -> bool {
        false
    }
}
