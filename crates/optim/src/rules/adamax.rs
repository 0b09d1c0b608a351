//! Adamax.

use std::sync::Arc;

use talweg_tensor::{Grad, Tensor};

use super::moments::{approach, decayed};
use crate::rule::{Rule, Slots, Step};

/// Adamax: Adam with the largest recent size of the gradient in place of the root of its mean square.
///
/// ```text
/// g <- g + weight_decay w
/// m <- beta1 m + (1 - beta1) g
/// u <- max(beta2 u, |g| + eps)
/// w <- w - lr / (1 - beta1^t) m / u
/// ```
///
/// # Hyperparameters
/// - `beta1`: decay of the mean of gradients; no unit, 0 to below 1, usually 0.9.
/// - `beta2`: decay of the largest size; no unit, 0 to below 1, usually 0.999.
/// - `eps`: added to the gradient's size, so that nothing is divided by 0; the gradient's unit, usually 1e-8.
/// - `weight_decay`: the factor of w added to the gradient; usually 0.
///
/// # Source
/// Kingma and Ba, "Adam: a method for stochastic optimization" (2015), algorithm 2.
///
/// # Differs from the paper in
/// `eps`, which the paper does not have, and the weight decay; both are PyTorch's.
///
/// # Examples
/// ```
/// # use talweg_optim::{Adamax, Optimizer};
/// # use talweg_tensor::{Param, Tensor};
/// let w = Param::new(Tensor::from_slice(&[1.0f64], [1]));
/// let mut optimizer = Optimizer::new(Adamax::default(), 0.1, vec![("w".into(), w.clone())]);
/// optimizer.step(&(w.get() * 7.0).sum(..).backward());
/// assert!((w.get().item() - 0.9).abs() < 1e-8);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adamax {
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the largest size.
    pub beta2: f64,
    /// Added to the gradient's size.
    pub eps: f64,
    /// The factor of the parameter added to its gradient.
    pub weight_decay: f64,
}

impl Default for Adamax {
    fn default() -> Adamax {
        Adamax { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 }
    }
}

impl Rule for Adamax {
    fn name(&self) -> &'static str {
        "adamax"
    }

    fn init(&self, param: &Tensor) -> Slots {
        Slots::zeros(param, &["m", "largest"])
    }

    fn update(&self, param: &mut Tensor, grad: &Grad, slots: &mut Slots, at: Step) {
        let g = decayed(grad, param, self.weight_decay);
        let [m, largest] = slots.tensors_mut() else { unreachable!("init made two") };
        approach(m, &g, self.beta1);
        *largest = (&*largest * self.beta2).maximum(&(g.abs() + self.eps));
        *param = &*param - &*m / &*largest * (at.lr / at.correction(self.beta1));
    }

    fn with_weight_decay(&self, weight_decay: f64) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(Adamax { weight_decay, ..*self }))
    }
}
