//! Adam and AdamW.

use std::sync::Arc;

use talweg_tensor::{Grad, Tensor, Update, update_rules};

use crate::rule::{Rule, Slots, Step};

/// Adam: a step per element in units of the gradient's recent size.
///
/// ```text
/// g <- g + weight_decay w
/// m <- beta1 m + (1 - beta1) g
/// v <- beta2 v + (1 - beta2) g²
/// w <- w - lr (m / (1 - beta1^t)) / (√(v / (1 - beta2^t)) + eps)
/// ```
///
/// # Hyperparameters
/// - `beta1`: decay of the mean of gradients; no unit, 0 to below 1, usually 0.9.
/// - `beta2`: decay of the mean of squares; no unit, 0 to below 1, usually 0.999, for transformers 0.95 to 0.99.
/// - `eps`: the smallest size a gradient is divided by; the gradient's unit, usually 1e-8.
/// - `weight_decay`: the factor of w added to the gradient; usually 0 (use [`AdamW`] for decay).
/// - `amsgrad`: whether the largest v so far takes v's place (Reddi, Kale and Kumar, 2018).
///
/// # Source
/// Kingma and Ba, "Adam: a method for stochastic optimization" (2015), algorithm 1.
///
/// # Differs from the paper in
/// The weight decay, which the paper does not have.
///
/// # Examples
/// ```
/// # use talweg_optim::{Adam, Optimizer, Schedule};
/// # use talweg_tensor::{Param, Tensor};
/// let w = Param::new(Tensor::from_slice(&[1.0f64], [1]));
/// let mut optimizer = Optimizer::new(Adam::default(), Schedule::constant(0.1), vec![("w".into(), w.clone())]);
/// optimizer.step(&(w.get() * 7.0).sum(..).backward());
/// // The first step has the size of the learning rate, whatever the gradient's.
/// assert!((w.get().item() - 0.9).abs() < 1e-8);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squares.
    pub beta2: f64,
    /// The smallest size a gradient is divided by.
    pub eps: f64,
    /// The factor of the parameter added to its gradient.
    pub weight_decay: f64,
    /// Whether the largest mean of squares so far is used.
    pub amsgrad: bool,
}

impl Default for Adam {
    fn default() -> Adam {
        Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0, amsgrad: false }
    }
}

/// Adam with decoupled weight decay.
///
/// ```text
/// w <- w - lr weight_decay w
/// m <- beta1 m + (1 - beta1) g
/// v <- beta2 v + (1 - beta2) g²
/// w <- w - lr (m / (1 - beta1^t)) / (√(v / (1 - beta2^t)) + eps)
/// ```
///
/// # Hyperparameters
/// - `beta1`, `beta2`, `eps`, `amsgrad`: see [`Adam`].
/// - `weight_decay`: the share of w taken away each step, times the learning rate; no unit, usually 0.01 to 0.1.
///
/// # Source
/// Loshchilov and Hutter, "Decoupled weight decay regularization" (2019), algorithm 2.
///
/// # Differs from the paper in
/// The decay is multiplied by the learning rate itself, not by the schedule's multiplier alone, as in PyTorch.
///
/// # Examples
/// ```
/// # use talweg_optim::{AdamW, Optimizer, Schedule};
/// # use talweg_tensor::{Param, Tensor};
/// let w = Param::new(Tensor::from_slice(&[1.0f64], [1]));
/// let rule = AdamW { weight_decay: 0.5, ..Default::default() };
/// let mut optimizer = Optimizer::new(rule, Schedule::constant(0.1), vec![("w".into(), w.clone())]);
/// optimizer.step(&w.get().sum(..).backward());
/// assert!((w.get().item() - (1.0 - 0.1 * 0.5 - 0.1)).abs() < 1e-8);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squares.
    pub beta2: f64,
    /// The smallest size a gradient is divided by.
    pub eps: f64,
    /// The share of the parameter taken away each step, times the learning rate.
    pub weight_decay: f64,
    /// Whether the largest mean of squares so far is used.
    pub amsgrad: bool,
}

impl Default for AdamW {
    fn default() -> AdamW {
        AdamW { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.01, amsgrad: false }
    }
}

fn slots(param: &Tensor, amsgrad: bool) -> Slots {
    Slots::zeros(param, if amsgrad { &["m", "v", "largest_v"] } else { &["m", "v"] })
}

fn update(rule: update_rules::Adam, param: &mut Tensor, grad: &Grad, slots: &mut Slots) {
    let grad = grad.to_dense(param.shape());
    param.update(&Update::Adam(rule), &grad, slots.tensors_mut());
}

impl Rule for Adam {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn init(&self, param: &Tensor) -> Slots {
        slots(param, self.amsgrad)
    }

    fn update(&self, param: &mut Tensor, grad: &Grad, slots: &mut Slots, at: Step) {
        let Adam { beta1, beta2, eps, weight_decay, amsgrad: _ } = *self;
        let (lr, step) = (at.lr, at.count);
        let rule = update_rules::Adam { lr, beta1, beta2, eps, weight_decay, decoupled: false, step };
        update(rule, param, grad, slots);
    }

    fn with_weight_decay(&self, weight_decay: f64) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(Adam { weight_decay, ..*self }))
    }
}

impl Rule for AdamW {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn init(&self, param: &Tensor) -> Slots {
        slots(param, self.amsgrad)
    }

    fn update(&self, param: &mut Tensor, grad: &Grad, slots: &mut Slots, at: Step) {
        let AdamW { beta1, beta2, eps, weight_decay, amsgrad: _ } = *self;
        let (lr, step) = (at.lr, at.count);
        let rule = update_rules::Adam { lr, beta1, beta2, eps, weight_decay, decoupled: true, step };
        update(rule, param, grad, slots);
    }

    fn with_weight_decay(&self, weight_decay: f64) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(AdamW { weight_decay, ..*self }))
    }
}
