//! Adadelta.

use std::sync::Arc;

use talweg_tensor::{Grad, Tensor};

use super::moments::{approach_square, decayed};
use crate::rule::{Rule, Slots, Step};

/// Adadelta: the gradient in units of its own recent size, times the recent size of the steps.
///
/// ```text
/// g <- g + weight_decay w
/// s <- rho s + (1 - rho) g²
/// d <- √(a + eps) / √(s + eps) g
/// a <- rho a + (1 - rho) d²
/// w <- w - lr d
/// ```
///
/// # Hyperparameters
/// - `rho`: decay of both means of squares; no unit, 0 to below 1, usually 0.9 to 0.95.
/// - `eps`: what starts the steps off; the unit of a square, usually 1e-6.
/// - `weight_decay`: the factor of w added to the gradient; usually 0.
///
/// The learning rate is usually 1: the rule finds its own unit.
///
/// # Source
/// Zeiler, "ADADELTA: an adaptive learning rate method" (2012), algorithm 1.
///
/// # Differs from the paper in
/// The learning rate and the weight decay, which the paper does not have.
///
/// # Examples
/// ```
/// # use talweg_optim::{Adadelta, Optimizer};
/// # use talweg_tensor::{Param, Tensor};
/// let w = Param::new(Tensor::from_slice(&[1.0f64], [1]));
/// let rule = Adadelta { rho: 0.75, eps: 0.0625, ..Default::default() };
/// let mut optimizer = Optimizer::new(rule, 1.0, vec![("w".into(), w.clone())]);
/// optimizer.step(&w.get().sum(..).backward());
/// // √0.0625 / √(0.25 + 0.0625)
/// assert!((w.get().item() - (1.0 - 0.25 / 0.3125f64.sqrt())).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adadelta {
    /// Decay of both means of squares.
    pub rho: f64,
    /// What starts the steps off.
    pub eps: f64,
    /// The factor of the parameter added to its gradient.
    pub weight_decay: f64,
}

impl Default for Adadelta {
    fn default() -> Adadelta {
        Adadelta { rho: 0.9, eps: 1e-6, weight_decay: 0.0 }
    }
}

impl Rule for Adadelta {
    fn name(&self) -> &'static str {
        "adadelta"
    }

    fn init(&self, param: &Tensor) -> Slots {
        Slots::zeros(param, &["square", "square_step"])
    }

    fn update(&self, param: &mut Tensor, grad: &Grad, slots: &mut Slots, at: Step) {
        let Adadelta { rho, eps, weight_decay } = *self;
        let g = decayed(grad, param, weight_decay);
        let [square, square_step] = slots.tensors_mut() else { unreachable!("init made two") };
        approach_square(square, &g, rho);
        let d = (&*square_step + eps).sqrt() / (&*square + eps).sqrt() * &g;
        approach_square(square_step, &d, rho);
        *param = &*param - d * at.lr;
    }

    fn with_weight_decay(&self, weight_decay: f64) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(Adadelta { weight_decay, ..*self }))
    }
}
