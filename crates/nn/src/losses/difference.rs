//! Losses of the difference between a prediction and its target.

use talweg_tensor::{LossOptions, Reduction, Tensor};

use crate::losses::{Loss, as_prediction};

/// Factors in the prediction's precision, and a reduction.
pub(super) fn options(weight: &Option<Tensor>, reduction: Reduction, prediction: &Tensor) -> LossOptions {
    LossOptions { weight: as_prediction(weight.as_ref(), prediction), reduction }
}

/// The mean absolute error, `|y − t|` averaged over all elements: for quantities with outliers.
///
/// # Shapes
/// Prediction and target of one shape; they do not broadcast.
///
/// # Examples
/// ```
/// # use talweg_nn::{L1, Loss};
/// # use talweg_tensor::Tensor;
/// let (y, t) = (Tensor::from_slice(&[1.0f32, 4.0], [2]), Tensor::from_slice(&[2.0f32, 2.0], [2]));
/// assert_eq!(L1::default().forward(&y, &t).item(), 1.5);
/// ```
#[derive(Clone, Debug, Default)]
pub struct L1 {
    /// A factor for each element, of a shape that broadcasts to the prediction's; all 1 by default. The mean divides by
    /// their sum.
    pub weight: Option<Tensor>,
    /// What becomes of the elements' losses; the mean by default.
    pub reduction: Reduction,
}

impl Loss for L1 {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        prediction.l1_loss(target, &options(&self.weight, self.reduction, prediction))
    }
}

/// The Huber loss, half the square of a difference up to `delta` and a straight line beyond: for quantities with outliers,
/// smooth where it is right. See [`Tensor::huber_loss`].
///
/// # Shapes
/// Prediction and target of one shape; they do not broadcast.
///
/// # Examples
/// ```
/// # use talweg_nn::{Huber, Loss};
/// # use talweg_tensor::Tensor;
/// let (y, t) = (Tensor::from_slice(&[0.5f32, 4.0], [2]), Tensor::from_slice(&[0.0f32, 1.0], [2]));
/// assert_eq!(Huber::default().forward(&y, &t).item(), (0.125 + 2.5) / 2.0);
/// ```
#[derive(Clone, Debug)]
pub struct Huber {
    /// Where the straight line begins, in the target's unit; 1 by default.
    pub delta: f64,
    /// A factor for each element, as in [`L1`].
    pub weight: Option<Tensor>,
    /// What becomes of the elements' losses; the mean by default.
    pub reduction: Reduction,
}

impl Default for Huber {
    fn default() -> Huber {
        Huber { delta: 1.0, weight: None, reduction: Reduction::Mean }
    }
}

impl Loss for Huber {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        prediction.huber_loss(target, self.delta, &options(&self.weight, self.reduction, prediction))
    }
}

/// The smooth absolute error: the [`Huber`] loss divided by its threshold, so that its slope far away is 1 whatever the
/// threshold. See [`Tensor::smooth_l1_loss`].
///
/// # Shapes
/// Prediction and target of one shape; they do not broadcast.
///
/// # Examples
/// ```
/// # use talweg_nn::{Loss, SmoothL1};
/// # use talweg_tensor::Tensor;
/// let (y, t) = (Tensor::from_slice(&[1.0f32, 4.0], [2]), Tensor::from_slice(&[0.0f32, 1.0], [2]));
/// let loss = SmoothL1 { beta: 2.0, ..Default::default() };
/// assert_eq!(loss.forward(&y, &t).item(), (0.25 + 2.0) / 2.0);
/// ```
#[derive(Clone, Debug)]
pub struct SmoothL1 {
    /// Where the straight line begins, in the target's unit; 1 by default.
    pub beta: f64,
    /// A factor for each element, as in [`L1`].
    pub weight: Option<Tensor>,
    /// What becomes of the elements' losses; the mean by default.
    pub reduction: Reduction,
}

impl Default for SmoothL1 {
    fn default() -> SmoothL1 {
        SmoothL1 { beta: 1.0, weight: None, reduction: Reduction::Mean }
    }
}

impl Loss for SmoothL1 {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        prediction.smooth_l1_loss(target, self.beta, &options(&self.weight, self.reduction, prediction))
    }
}
