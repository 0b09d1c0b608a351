//! LAMB.

use std::sync::Arc;

use talweg_tensor::{Grad, Tensor};

use super::moments::{approach, approach_square, trust_ratio};
use crate::rule::{Rule, Slots, Step};

/// LAMB: AdamW's direction, scaled for each parameter to the size of its weights. For very large batches.
///
/// ```text
/// m <- beta1 m + (1 - beta1) g
/// v <- beta2 v + (1 - beta2) g²
/// u <- (m / (1 - beta1^t)) / (√(v / (1 - beta2^t)) + eps) + weight_decay w
/// w <- w - lr |w| / |u| u                    (the factor is 1 where |w| or |u| is 0)
/// ```
///
/// # Hyperparameters
/// - `beta1`, `beta2`: see [`Adam`](crate::Adam).
/// - `eps`: the smallest size a gradient is divided by; the gradient's unit, usually 1e-6.
/// - `weight_decay`: the share of w in the direction; no unit, usually 0.01.
///
/// # Source
/// You, Li, Reddi and others, "Large batch optimization for deep learning: training BERT in 76 minutes" (2020),
/// algorithm 2, with φ the identity.
///
/// # Differs from the paper in
/// The factor is 1 where a norm is 0, so that a parameter that starts from 0 can move.
///
/// # Examples
/// ```
/// # use talweg_optim::{Lamb, Optimizer};
/// # use talweg_tensor::{Param, Tensor};
/// let w = Param::new(Tensor::from_slice(&[3.0f64, 4.0], [2]));
/// let mut optimizer = Optimizer::new(Lamb { eps: 0.0, ..Default::default() }, 0.1, vec![("w".into(), w.clone())]);
/// optimizer.step(&(w.get() * Tensor::from_slice(&[7.0, 0.0], [2]) + w.get() * 0.1).sum(..).backward());
/// // The direction is (1, 1), its length √2; the step is a tenth of the weights' length 5.
/// assert!((w.get().to_vec::<f64>()[0] - (3.0 - 0.5 / 2f64.sqrt())).abs() < 1e-9);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lamb {
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squares.
    pub beta2: f64,
    /// The smallest size a gradient is divided by.
    pub eps: f64,
    /// The share of the weights in the direction.
    pub weight_decay: f64,
}

impl Default for Lamb {
    fn default() -> Lamb {
        Lamb { beta1: 0.9, beta2: 0.999, eps: 1e-6, weight_decay: 0.0 }
    }
}

impl Rule for Lamb {
    fn name(&self) -> &'static str {
        "lamb"
    }

    fn init(&self, param: &Tensor) -> Slots {
        Slots::zeros(param, &["m", "v"])
    }

    fn update(&self, param: &mut Tensor, grad: &Grad, slots: &mut Slots, at: Step) {
        let Lamb { beta1, beta2, eps, weight_decay } = *self;
        let g = grad.to_dense(param.shape());
        let [m, v] = slots.tensors_mut() else { unreachable!("init made two") };
        approach(m, &g, beta1);
        approach_square(v, &g, beta2);
        let size = (&*v / at.correction(beta2)).sqrt() + eps;
        let u = &*m / at.correction(beta1) / size + &*param * weight_decay;
        let ratio = trust_ratio(param, &u, 1.0, 0.0);
        *param = &*param - u * &(ratio * at.lr);
    }

    fn with_weight_decay(&self, weight_decay: f64) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(Lamb { weight_decay, ..*self }))
    }
}
