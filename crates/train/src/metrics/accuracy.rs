//! The share of right answers.

use talweg_tensor::{DType, Tensor};

use super::Metric;

/// The share of examples whose most probable class is the right one, 0 to 1.
///
/// # Shapes
/// Predictions `[n, classes]` (scores or probabilities), targets `[n]` of class numbers; or both `[n, classes, ..]` and
/// `[n, ..]` with one answer a place. Targets that are negative (ignored) do not count.
///
/// # Examples
/// ```
/// # use talweg_tensor::Tensor;
/// # use talweg_train::{Accuracy, Metric};
/// let scores = Tensor::from_slice(&[0.1f32, 0.9, 0.8, 0.2], [2, 2]);
/// let mut sums = vec![0.0; Accuracy.sums()];
/// Accuracy.add(&mut sums, &scores, &Tensor::from_slice(&[1i64, 1], [2]));
/// assert_eq!(Accuracy.value(&sums), 0.5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accuracy;

impl Metric for Accuracy {
    fn name(&self) -> &'static str {
        "accuracy"
    }

    fn sums(&self) -> usize {
        2
    }

    #[track_caller]
    fn add(&self, sums: &mut [f64], prediction: &Tensor, target: &Tensor) {
        assert!(
            target.dtype() == DType::I64 && prediction.rank() == target.rank() + 1,
            "accuracy: predictions {} and targets {} {} do not fit; class numbers as i64 are needed, with the classes \
             along axis 1 of the predictions",
            prediction.shape(),
            target.dtype(),
            target.shape()
        );
        let right = prediction.detach().argmax(1).eq(target);
        sums[0] += right.cast(DType::F64).sum(..).item();
        sums[1] += target.ge(&Tensor::scalar(0i64)).cast(DType::F64).sum(..).item();
    }

    fn value(&self, sums: &[f64]) -> f64 {
        sums[0] / sums[1]
    }

    fn higher_is_better(&self) -> bool {
        true
    }
}

/// The share of yes-or-no answers that are right, 0 to 1: a prediction above the threshold means yes.
///
/// # Shapes
/// Predictions and targets of one shape; targets 0 or 1.
///
/// # Examples
/// ```
/// # use talweg_tensor::Tensor;
/// # use talweg_train::{BinaryAccuracy, Metric};
/// let metric = BinaryAccuracy { threshold: 0.5 };
/// let mut sums = vec![0.0; metric.sums()];
/// let probabilities = Tensor::from_slice(&[0.9f32, 0.2, 0.7], [3, 1]);
/// metric.add(&mut sums, &probabilities, &Tensor::from_slice(&[1.0f32, 0.0, 0.0], [3, 1]));
/// assert!((metric.value(&sums) - 2.0 / 3.0).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BinaryAccuracy {
    /// 0.5 for probabilities, 0 for logits.
    pub threshold: f64,
}

impl Metric for BinaryAccuracy {
    fn name(&self) -> &'static str {
        "accuracy"
    }

    fn sums(&self) -> usize {
        2
    }

    #[track_caller]
    fn add(&self, sums: &mut [f64], prediction: &Tensor, target: &Tensor) {
        assert!(
            prediction.shape() == target.shape(),
            "binary accuracy: predictions {} and targets {} differ in shape",
            prediction.shape(),
            target.shape()
        );
        let yes = |x: &Tensor, threshold: f64| {
            let x = x.detach().cast(DType::F64);
            x.gt(&Tensor::scalar(threshold))
        };
        let right = yes(prediction, self.threshold).eq(&yes(target, 0.5));
        sums[0] += right.cast(DType::F64).sum(..).item();
        sums[1] += target.numel() as f64;
    }

    fn value(&self, sums: &[f64]) -> f64 {
        sums[0] / sums[1]
    }

    fn higher_is_better(&self) -> bool {
        true
    }
}
