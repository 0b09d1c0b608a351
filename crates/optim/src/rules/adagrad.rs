//! Adagrad.

use std::sync::Arc;

use talweg_tensor::{Grad, Tensor, Update, update_rules};

use crate::rows::step_on_rows;
use crate::rule::{Rule, Slots, Step};

/// Adagrad: the gradient divided by the root of the sum of all its squares so far.
///
/// ```text
/// g <- g + weight_decay w
/// s <- s + g²
/// w <- w - lr / (1 + (t - 1) lr_decay) g / (√s + eps)
/// ```
///
/// # Hyperparameters
/// - `lr_decay`: how fast the learning rate falls besides the sum; per step, usually 0.
/// - `eps`: the smallest size a gradient is divided by; the gradient's unit, usually 1e-10.
/// - `initial`: what the sum starts from; the gradient's unit squared, usually 0.
/// - `weight_decay`: the factor of w added to the gradient; usually 0.
///
/// # Source
/// Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization" (2011),
/// the diagonal form of figure 1.
///
/// # Differs from the paper in
/// No projection and no proximal term; `lr_decay` is PyTorch's.
///
/// # Row-sparse gradients
/// Without weight decay only the rows that the gradient lists are touched; it is the same step. With it every row moves,
/// so the gradient is made dense first.
///
/// # Examples
/// ```
/// # use talweg_optim::{Adagrad, Optimizer, Schedule};
/// # use talweg_tensor::{Param, Tensor};
/// let w = Param::new(Tensor::from_slice(&[1.0f64], [1]));
/// let mut optimizer = Optimizer::new(Adagrad::default(), Schedule::constant(0.1), vec![("w".into(), w.clone())]);
/// optimizer.step(&(w.get() * 7.0).sum(..).backward());
/// assert!((w.get().item() - 0.9).abs() < 1e-8);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adagrad {
    /// How fast the learning rate falls besides the sum.
    pub lr_decay: f64,
    /// The smallest size a gradient is divided by.
    pub eps: f64,
    /// What the sum of squares starts from.
    pub initial: f64,
    /// The factor of the parameter added to its gradient.
    pub weight_decay: f64,
}

impl Default for Adagrad {
    fn default() -> Adagrad {
        Adagrad { lr_decay: 0.0, eps: 1e-10, initial: 0.0, weight_decay: 0.0 }
    }
}

impl Rule for Adagrad {
    fn name(&self) -> &'static str {
        "adagrad"
    }

    fn init(&self, param: &Tensor) -> Slots {
        Slots::none().with("sum", param.full_like(self.initial))
    }

    fn update(&self, param: &mut Tensor, grad: &Grad, slots: &mut Slots, at: Step) {
        let Adagrad { lr_decay, eps, initial: _, weight_decay } = *self;
        let rule = update_rules::Adagrad { lr: at.lr, lr_decay, weight_decay, eps, step: at.count };
        if weight_decay == 0.0 {
            let step = Update::Adagrad(rule);
            return step_on_rows(param, grad, slots, |rows, g, state| rows.update(&step, g, state));
        }
        let grad = grad.to_dense(param.shape());
        param.update(&Update::Adagrad(rule), &grad, slots.tensors_mut());
    }

    fn with_weight_decay(&self, weight_decay: f64) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(Adagrad { weight_decay, ..*self }))
    }
}
