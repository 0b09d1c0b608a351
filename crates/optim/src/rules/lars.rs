//! LARS.

use std::sync::Arc;

use talweg_tensor::{Grad, Tensor};

use super::moments::{decayed, trust_ratio};
use crate::rule::{Rule, Slots, Step};

/// LARS: gradient descent with momentum, each parameter's gradient scaled to the size of its weights. For very large
/// batches.
///
/// ```text
/// g <- g + weight_decay w
/// s <- lr trust |w| / (|g| + eps) g          (the factor trust |w| / .. is 1 where |w| or |g| is 0)
/// v <- momentum v + s
/// w <- w - v                                 (Nesterov: w <- w - (s + momentum v))
/// ```
///
/// # Hyperparameters
/// - `momentum`: how much of the last step stays; no unit, 0 to below 1, usually 0.9.
/// - `nesterov`: whether to look ahead along the velocity.
/// - `trust`: the share of its size by which a parameter moves, times the learning rate; no unit, usually 1e-3.
/// - `eps`: added to the gradient's norm; usually 0.
/// - `weight_decay`: the factor of w added to the gradient; usually 0 to 5e-4.
///
/// # Source
/// You, Gitman and Ginsburg, "Large batch training of convolutional networks" (2017), algorithm 1.
///
/// # Differs from the paper in
/// The divisor is the norm of the decayed gradient, |g + weight_decay w|, where the paper adds two norms; the factor is 1
/// where a norm is 0.
///
/// # Examples
/// ```
/// # use talweg_optim::{Lars, Optimizer};
/// # use talweg_tensor::{Param, Tensor};
/// let w = Param::new(Tensor::from_slice(&[3.0f64, 4.0], [2]));
/// let rule = Lars { trust: 0.1, ..Default::default() };
/// let mut optimizer = Optimizer::new(rule, 1.0, vec![("w".into(), w.clone())]);
/// optimizer.step(&(w.get() * Tensor::from_slice(&[7.0, 0.0], [2])).sum(..).backward());
/// // A tenth of the weights' length 5, along the gradient.
/// assert!((w.get().to_vec::<f64>()[0] - 2.5).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lars {
    /// How much of the last step stays.
    pub momentum: f64,
    /// Whether to look ahead along the velocity.
    pub nesterov: bool,
    /// The share of its size by which a parameter moves.
    pub trust: f64,
    /// Added to the gradient's norm.
    pub eps: f64,
    /// The factor of the parameter added to its gradient.
    pub weight_decay: f64,
}

impl Default for Lars {
    fn default() -> Lars {
        Lars { momentum: 0.9, nesterov: false, trust: 1e-3, eps: 0.0, weight_decay: 0.0 }
    }
}

impl Rule for Lars {
    fn name(&self) -> &'static str {
        "lars"
    }

    fn init(&self, param: &Tensor) -> Slots {
        Slots::zeros(param, &["velocity"])
    }

    fn update(&self, param: &mut Tensor, grad: &Grad, slots: &mut Slots, at: Step) {
        let Lars { momentum, nesterov, trust, eps, weight_decay } = *self;
        let g = decayed(grad, param, weight_decay);
        let step = &g * &(trust_ratio(param, &g, trust, eps) * at.lr);
        let [velocity] = slots.tensors_mut() else { unreachable!("init made one") };
        *velocity = &*velocity * momentum + &step;
        *param = &*param - if nesterov { &*velocity * momentum + &step } else { velocity.clone() };
    }

    fn with_weight_decay(&self, weight_decay: f64) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(Lars { weight_decay, ..*self }))
    }
}
