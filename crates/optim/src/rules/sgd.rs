//! Gradient descent.

use std::sync::Arc;

use talweg_tensor::{Grad, Tensor, Update, update_rules};

use crate::rows::step_on_rows;
use crate::rule::{Rule, Slots, Step};

/// (Stochastic) gradient descent, with momentum.
///
/// ```text
/// g <- g + weight_decay w
/// v <- momentum v + (1 - dampening) g        (v <- g at the first step)
/// w <- w - lr v                              (Nesterov: w <- w - lr (g + momentum v))
/// ```
///
/// # Hyperparameters
/// - `momentum`: how much of the last step stays; no unit, 0 to below 1, usually 0 or 0.9.
/// - `dampening`: how much of the gradient stays out of the velocity; no unit, 0 to 1, usually 0.
/// - `nesterov`: whether to look ahead along the velocity; needs momentum and no dampening.
/// - `weight_decay`: the factor of w added to the gradient, which is the gradient of `weight_decay |w|² / 2`; no unit,
///   usually 0 to 5e-4.
///
/// # Source
/// Robbins and Monro (1951); Polyak (1964) for momentum; Sutskever, Martens, Dahl and Hinton, "On the importance of
/// initialization and momentum in deep learning" (2013), for Nesterov's variant.
///
/// # Differs from the paper in
/// The velocity holds gradients, not steps: the learning rate multiplies it when it is used, as in PyTorch. At a
/// constant rate the two agree.
///
/// # Row-sparse gradients
/// Without momentum and weight decay only the rows that the gradient lists are touched; it is the same step. With one of
/// them every row moves, so the gradient is made dense first.
///
/// # Examples
/// ```
/// # use talweg_optim::{Optimizer, Schedule, Sgd};
/// # use talweg_tensor::{Param, Tensor};
/// let w = Param::new(Tensor::from_slice(&[1.0f64], [1]));
/// let rule = Sgd { momentum: 0.9, ..Default::default() };
/// let mut optimizer = Optimizer::new(rule, Schedule::constant(0.1), vec![("w".into(), w.clone())]);
/// optimizer.step(&w.get().sum(..).backward());
/// optimizer.step(&w.get().sum(..).backward());
/// assert!((w.get().item() - (1.0 - 0.1 - 0.19)).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Sgd {
    /// How much of the last step stays.
    pub momentum: f64,
    /// How much of the gradient stays out of the velocity.
    pub dampening: f64,
    /// Whether to look ahead along the velocity.
    pub nesterov: bool,
    /// The factor of the parameter added to its gradient.
    pub weight_decay: f64,
}

impl Rule for Sgd {
    fn name(&self) -> &'static str {
        "sgd"
    }

    fn init(&self, param: &Tensor) -> Slots {
        if self.momentum == 0.0 { Slots::none() } else { Slots::zeros(param, &["velocity"]) }
    }

    fn update(&self, param: &mut Tensor, grad: &Grad, slots: &mut Slots, at: Step) {
        let Sgd { momentum, dampening, nesterov, weight_decay } = *self;
        let first = at.count == 1;
        let rule = update_rules::Sgd { lr: at.lr, momentum, dampening, nesterov, weight_decay, first };
        if momentum == 0.0 && weight_decay == 0.0 {
            let step = Update::Sgd(rule);
            return step_on_rows(param, grad, slots, |rows, g, state| rows.update(&step, g, state));
        }
        let grad = grad.to_dense(param.shape());
        param.update(&Update::Sgd(rule), &grad, slots.tensors_mut());
    }

    fn with_weight_decay(&self, weight_decay: f64) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(Sgd { weight_decay, ..*self }))
    }
}
