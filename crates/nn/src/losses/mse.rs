//! The squared error.

use talweg_tensor::{Reduction, Tensor};

use crate::losses::Loss;

/// The mean squared error, `(y − t)²` averaged over all elements: for predictions of quantities.
///
/// # Shapes
/// Prediction and target of one shape; they do not broadcast.
///
/// # Examples
/// ```
/// # use talweg_nn::{Loss, Mse};
/// # use talweg_tensor::Tensor;
/// let (y, t) = (Tensor::from_slice(&[1.0f32, 4.0], [2]), Tensor::from_slice(&[2.0f32, 2.0], [2]));
/// assert_eq!(Mse::default().forward(&y, &t).item(), 2.5);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mse {
    /// What becomes of the squares; the mean by default.
    pub reduction: Reduction,
}

impl Loss for Mse {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        prediction.mse_loss(target, self.reduction)
    }
}
