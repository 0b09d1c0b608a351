//! Losses that tell pairs that belong together from pairs that do not.

use talweg_tensor::{InfoNceOptions, LossOptions, Param, Reduction, Tensor};

use crate::Module;
use crate::losses::Loss;
use crate::losses::difference::options;

/// The contrastive loss InfoNCE: each row must find its own key among the keys of the batch. See
/// [`Tensor::info_nce_loss`].
///
/// # Shapes
/// Rows `[n, d]` as the prediction, their keys `[n, d]` as the target.
///
/// # Examples
/// ```
/// # use talweg_nn::{InfoNce, Loss};
/// # use talweg_tensor::{DType, Tensor};
/// let x = Tensor::eye(2, DType::F64);
/// let loss = InfoNce { temperature: 1.0, ..Default::default() };
/// assert!((loss.forward(&x, &x).item() - 0.313261687518).abs() < 1e-10);
/// ```
#[derive(Clone, Debug)]
pub struct InfoNce {
    /// What similarities are divided by; 0.07 by default, usually 0.05 to 0.5.
    pub temperature: f64,
    /// Whether vectors are scaled to length 1 first; yes by default.
    pub normalize: bool,
    /// Whether the keys must find their rows as well; no by default.
    pub symmetric: bool,
    /// What becomes of the rows' losses; the mean by default.
    pub reduction: Reduction,
}

impl Default for InfoNce {
    fn default() -> InfoNce {
        InfoNce { temperature: 0.07, normalize: true, symmetric: false, reduction: Reduction::Mean }
    }
}

impl Loss for InfoNce {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let InfoNce { temperature, normalize, symmetric, reduction } = *self;
        let options = InfoNceOptions { temperature, normalize, negatives: None, symmetric, reduction };
        prediction.info_nce_loss(target, &options)
    }
}

/// The sigmoid contrastive loss, with its learned scale and bias. See [`Tensor::sigmoid_contrastive_loss`].
///
/// # Shapes
/// Rows `[n, d]` of length 1 and their keys `[n, d]`.
///
/// # Parameters
/// | name | shape | initial |
/// | --- | --- | --- |
/// | `log_scale` | `[]` | ln 10 |
/// | `bias` | `[]` | −10 |
///
/// # Source
/// Zhai et al., "Sigmoid loss for language image pre-training", 2023, algorithm 1.
///
/// # Examples
/// ```
/// # use talweg_nn::{Loss, SigmoidContrastive};
/// # use talweg_tensor::{DType, Tensor};
/// let x = Tensor::eye(2, DType::F32);
/// // The own key has z = 10 − 10, the other z = −10: ln 2 and nearly 0.
/// assert!((SigmoidContrastive::new().forward(&x, &x).item() - 0.693193).abs() < 1e-5);
/// ```
#[derive(Debug, Module)]
pub struct SigmoidContrastive {
    /// The logarithm of what similarities are multiplied by.
    pub log_scale: Param,
    /// What is added to them.
    pub bias: Param,
}

impl SigmoidContrastive {
    /// The loss with its initial scale and bias, in `f32`.
    #[expect(clippy::new_without_default, reason = "a layer's parameters are made by new, as everywhere")]
    pub fn new() -> SigmoidContrastive {
        let number = |x: f32| Param::new(Tensor::scalar(x));
        SigmoidContrastive { log_scale: number(10f32.ln()), bias: number(-10.0) }
    }
}

impl Loss for SigmoidContrastive {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let scale = self.log_scale.get().exp();
        prediction.sigmoid_contrastive_loss(target, &scale, &self.bias.get(), &LossOptions::default())
    }
}

/// Bayesian personalised ranking: what was chosen should score higher than what was not. See [`Tensor::bpr_loss`].
///
/// # Shapes
/// Scores of what was chosen as the prediction, of what was not as the target, of one shape.
///
/// # Examples
/// ```
/// # use talweg_nn::{Bpr, Loss};
/// # use talweg_tensor::Tensor;
/// let one = |x: f64| Tensor::from_slice(&[x], [1]);
/// assert!((Bpr::default().forward(&one(2.0), &one(1.0)).item() - 0.313261687518).abs() < 1e-10);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Bpr {
    /// A factor for each pair, as in [`L1`](crate::L1).
    pub weight: Option<Tensor>,
    /// What becomes of the pairs' losses; the mean by default.
    pub reduction: Reduction,
}

impl Loss for Bpr {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        prediction.bpr_loss(target, &options(&self.weight, self.reduction, prediction))
    }
}
