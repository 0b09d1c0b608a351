//! Losses: what compares a prediction with a target; and penalties, which compare weights with zero.

mod binary;
mod contrastive;
mod cross_entropy;
mod difference;
mod imbalance;
mod likelihood;
mod margin;
mod mse;
mod penalty;

use std::fmt::Debug;

use talweg_tensor::Tensor;

pub use binary::{Bce, BceWithLogits};
pub use contrastive::{Bpr, InfoNce, SigmoidContrastive};
pub use cross_entropy::CrossEntropy;
pub use difference::{Huber, L1, SmoothL1};
pub use imbalance::{Dice, Focal, SigmoidFocal};
pub use likelihood::{Ctc, GaussianNll, KlDiv, Nll, PoissonNll};
pub use margin::{
    CosineEmbedding, Hinge, HingeEmbedding, MarginRanking, MultiMargin, SoftMargin, TripletMargin,
};
pub use mse::Mse;
pub use penalty::Penalty;

/// How far a prediction is from its target: what training makes small.
///
/// # Examples
/// ```
/// # use talweg_nn::Loss;
/// # use talweg_tensor::Tensor;
/// /// The mean absolute error.
/// #[derive(Debug)]
/// struct Absolute;
///
/// impl Loss for Absolute {
///     fn forward(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
///         (prediction - target).abs().mean(..)
///     }
/// }
/// let (y, t) = (Tensor::from_slice(&[1.0f32, 4.0], [2]), Tensor::from_slice(&[2.0f32, 2.0], [2]));
/// assert_eq!(Absolute.forward(&y, &t).item(), 1.5);
/// ```
pub trait Loss: Debug + Send + Sync {
    /// The loss: a tensor with one element, unless the loss is told not to reduce.
    ///
    /// # Panics
    /// When shapes or types of the two do not fit the loss or each other.
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Tensor;
}

impl<L: Loss + ?Sized> Loss for Box<L> {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        (**self).forward(prediction, target)
    }
}

/// A factor in the prediction's precision, so that settings need not follow the model's.
fn as_prediction(factor: Option<&Tensor>, prediction: &Tensor) -> Option<Tensor> {
    factor.map(|x| if x.dtype() == prediction.dtype() { x.clone() } else { x.cast(prediction.dtype()) })
}
