//! RAdam.

use std::sync::Arc;

use talweg_tensor::{Grad, Tensor};

use super::moments::{approach, approach_square, decayed};
use crate::rule::{Rule, Slots, Step};

/// RAdam: Adam whose first steps, while the mean of squares is not yet reliable, are those of momentum alone.
///
/// ```text
/// g <- g + weight_decay w                    (decoupled: w <- w - lr weight_decay w)
/// m <- beta1 m + (1 - beta1) g
/// v <- beta2 v + (1 - beta2) g²
/// ρ∞ <- 2 / (1 - beta2) - 1
/// ρ <- ρ∞ - 2 t beta2^t / (1 - beta2^t)
/// r <- √((ρ - 4) (ρ - 2) ρ∞ / ((ρ∞ - 4) (ρ∞ - 2) ρ))
/// w <- w - lr m / (1 - beta1^t) r √(1 - beta2^t) / (√v + eps)       (where ρ > 5)
/// w <- w - lr m / (1 - beta1^t)                                      (elsewhere)
/// ```
///
/// # Hyperparameters
/// - `beta1`, `beta2`, `eps`: see [`Adam`](crate::Adam).
/// - `weight_decay`: the factor of w added to the gradient, or, `decoupled`, the share of w taken away each step, times
///   the learning rate; usually 0.
/// - `decoupled`: which of the two.
///
/// # Source
/// Liu, Jiang, He, Chen, Liu, Gao and Han, "On the variance of the adaptive learning rate and beyond" (2020),
/// algorithm 2.
///
/// # Differs from the paper in
/// The rectified steps begin at ρ > 5, as in PyTorch and in the authors' program, where the paper has 4. `eps` and the
/// weight decay, which the paper does not have.
///
/// # Examples
/// ```
/// # use talweg_optim::{Optimizer, RAdam};
/// # use talweg_tensor::{Param, Tensor};
/// let w = Param::new(Tensor::from_slice(&[1.0f64], [1]));
/// let mut optimizer = Optimizer::new(RAdam::default(), 0.01, vec![("w".into(), w.clone())]);
/// optimizer.step(&(w.get() * 7.0).sum(..).backward());
/// // The first step is plain: the gradient times the rate.
/// assert!((w.get().item() - 0.93).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RAdam {
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squares.
    pub beta2: f64,
    /// The smallest size a gradient is divided by.
    pub eps: f64,
    /// The weight decay.
    pub weight_decay: f64,
    /// Whether the weights decay by themselves instead of through the gradient.
    pub decoupled: bool,
}

impl Default for RAdam {
    fn default() -> RAdam {
        RAdam { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0, decoupled: false }
    }
}

impl Rule for RAdam {
    fn name(&self) -> &'static str {
        "radam"
    }

    fn init(&self, param: &Tensor) -> Slots {
        Slots::zeros(param, &["m", "v"])
    }

    fn update(&self, param: &mut Tensor, grad: &Grad, slots: &mut Slots, at: Step) {
        let RAdam { beta1, beta2, eps, weight_decay, decoupled } = *self;
        let g = decayed(grad, param, if decoupled { 0.0 } else { weight_decay });
        if decoupled && weight_decay != 0.0 {
            *param = &*param * (1.0 - at.lr * weight_decay);
        }
        let [m, v] = slots.tensors_mut() else { unreachable!("init made two") };
        approach(m, &g, beta1);
        approach_square(v, &g, beta2);
        let steady = 2.0 / (1.0 - beta2) - 1.0;
        let correction = at.correction(beta2);
        let length = steady - 2.0 * at.count as f64 * (1.0 - correction) / correction;
        let lr = at.lr / at.correction(beta1);
        *param = if length > 5.0 {
            let rectified = (length - 4.0) * (length - 2.0) * steady;
            let rectified = (rectified / ((steady - 4.0) * (steady - 2.0) * length)).sqrt();
            &*param - &*m / (v.sqrt() + eps) * (lr * rectified * correction.sqrt())
        } else {
            &*param - &*m * lr
        };
    }

    fn with_weight_decay(&self, weight_decay: f64) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(RAdam { weight_decay, ..*self }))
    }
}
