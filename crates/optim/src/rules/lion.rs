//! Lion.

use std::sync::Arc;

use talweg_tensor::{Grad, Tensor};

use super::moments::approach;
use crate::rule::{Rule, Slots, Step};

/// Lion: the sign of a mean of gradients, so that every element moves by the learning rate.
///
/// ```text
/// c <- beta1 m + (1 - beta1) g
/// w <- w - lr (sign(c) + weight_decay w)
/// m <- beta2 m + (1 - beta2) g
/// ```
///
/// # Hyperparameters
/// - `beta1`: the share of the mean in the step's direction; no unit, 0 to below 1, usually 0.9.
/// - `beta2`: decay of the mean; no unit, 0 to below 1, usually 0.99.
/// - `weight_decay`: the share of w taken away each step, times the learning rate; no unit, usually 3 to 10 times that
///   of AdamW, as the learning rate is that much smaller.
///
/// # Source
/// Chen, Liang, Huang and others, "Symbolic discovery of optimization algorithms" (2023), algorithm 2.
///
/// # Differs from the paper in
/// Nothing.
///
/// # Examples
/// ```
/// # use talweg_optim::{Lion, Optimizer};
/// # use talweg_tensor::{Param, Tensor};
/// let w = Param::new(Tensor::from_slice(&[1.0f64], [1]));
/// let mut optimizer = Optimizer::new(Lion::default(), 0.1, vec![("w".into(), w.clone())]);
/// optimizer.step(&(w.get() * 7.0).sum(..).backward());
/// assert!((w.get().item() - 0.9).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lion {
    /// The share of the mean in the step's direction.
    pub beta1: f64,
    /// Decay of the mean.
    pub beta2: f64,
    /// The share of the weights taken away each step, times the learning rate.
    pub weight_decay: f64,
}

impl Default for Lion {
    fn default() -> Lion {
        Lion { beta1: 0.9, beta2: 0.99, weight_decay: 0.0 }
    }
}

impl Rule for Lion {
    fn name(&self) -> &'static str {
        "lion"
    }

    fn init(&self, param: &Tensor) -> Slots {
        Slots::zeros(param, &["m"])
    }

    fn update(&self, param: &mut Tensor, grad: &Grad, slots: &mut Slots, at: Step) {
        let g = grad.to_dense(param.shape());
        let [m] = slots.tensors_mut() else { unreachable!("init made one") };
        let direction = (&*m * self.beta1 + &g * (1.0 - self.beta1)).sign();
        *param = &*param * (1.0 - at.lr * self.weight_decay) - direction * at.lr;
        approach(m, &g, self.beta2);
    }

    fn with_weight_decay(&self, weight_decay: f64) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(Lion { weight_decay, ..*self }))
    }
}
