//! The cross-entropy of classes.

use talweg_tensor::{CrossEntropyOptions, Reduction, Tensor};

use crate::losses::{Loss, as_prediction};

/// The cross-entropy of logits and class numbers, `−ln softmax(y)[t]` averaged over the rows: for one class of many.
/// The model ends with plain numbers, one for each class, without a softmax.
///
/// # Shapes
/// Logits `[n, classes]` and `i64` targets `[n]`; or `[n, classes, ..]` and `[n, ..]`, a class for each position.
/// Targets may also be probabilities, floating-point of the logits' shape.
///
/// # Examples
/// ```
/// # use talweg_nn::{CrossEntropy, Loss};
/// # use talweg_tensor::Tensor;
/// let logits = Tensor::from_slice(&[2.0f64, 0.0, 0.0, 0.0], [2, 2]);
/// let target = Tensor::from_slice(&[0i64, 1], [2]);
/// // ln(1 + e^-2) and ln 2, by hand.
/// let want = (0.126928011043 + 0.693147180560) / 2.0;
/// assert!((CrossEntropy::default().forward(&logits, &target).item() - want).abs() < 1e-9);
/// let smooth = CrossEntropy { label_smoothing: 0.1, ..Default::default() };
/// assert!((smooth.forward(&logits, &target).item() - want - 0.05).abs() < 1e-9);
/// ```
#[derive(Clone, Debug, Default)]
pub struct CrossEntropy {
    /// A factor for each class, `[classes]`, for classes of unequal frequency; all 1 by default. The mean divides by
    /// the sum of the targets' factors.
    pub weight: Option<Tensor>,
    /// How much of each target is spread evenly over all classes, from 0 (the default) to 1; 0.1 is usual.
    pub label_smoothing: f64,
    /// Targets with this number take no part; none by default.
    pub ignore_index: Option<i64>,
    /// What becomes of the rows' losses; the mean by default.
    pub reduction: Reduction,
}

impl Loss for CrossEntropy {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let options = CrossEntropyOptions {
            weight: as_prediction(self.weight.as_ref(), prediction),
            label_smoothing: self.label_smoothing,
            ignore_index: self.ignore_index,
            reduction: self.reduction,
        };
        prediction.cross_entropy(target, &options)
    }
}
