//! RMSprop.

use std::sync::Arc;

use talweg_tensor::{Grad, Tensor, Update, update_rules};

use crate::rule::{Rule, Slots, Step};

/// RMSprop: the gradient divided by its recent root mean square.
///
/// ```text
/// g <- g + weight_decay w
/// s <- alpha s + (1 - alpha) g²
/// a <- alpha a + (1 - alpha) g               (centred only; a is 0 otherwise)
/// d <- g / (√(s - a²) + eps)
/// b <- momentum b + d                        (b is d without momentum)
/// w <- w - lr b
/// ```
///
/// # Hyperparameters
/// - `alpha`: decay of the mean of squares; no unit, 0 to below 1, usually 0.9 to 0.99.
/// - `eps`: the smallest size a gradient is divided by; the gradient's unit, usually 1e-8.
/// - `momentum`: how much of the last step stays; no unit, 0 to below 1, usually 0.
/// - `centred`: whether the squared mean is subtracted, so that the variance is used.
/// - `weight_decay`: the factor of w added to the gradient; usually 0.
///
/// # Source
/// Tieleman and Hinton, "Lecture 6.5: rmsprop" (2012); Graves, "Generating sequences with recurrent neural networks"
/// (2013), section 4.2, for the centred form.
///
/// # Differs from the paper in
/// `eps` is added outside the root, as in PyTorch; Graves adds it inside.
///
/// # Examples
/// ```
/// # use talweg_optim::{Optimizer, RmsProp, Schedule};
/// # use talweg_tensor::{Param, Tensor};
/// let w = Param::new(Tensor::from_slice(&[1.0f64], [1]));
/// let rule = RmsProp { alpha: 0.75, ..Default::default() };
/// let mut optimizer = Optimizer::new(rule, Schedule::constant(0.1), vec![("w".into(), w.clone())]);
/// optimizer.step(&(w.get() * 7.0).sum(..).backward());
/// // √(0.25 · 7²) = 3.5: twice the learning rate.
/// assert!((w.get().item() - 0.8).abs() < 1e-8);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsProp {
    /// Decay of the mean of squares.
    pub alpha: f64,
    /// The smallest size a gradient is divided by.
    pub eps: f64,
    /// How much of the last step stays.
    pub momentum: f64,
    /// Whether the squared mean is subtracted.
    pub centred: bool,
    /// The factor of the parameter added to its gradient.
    pub weight_decay: f64,
}

impl Default for RmsProp {
    fn default() -> RmsProp {
        RmsProp { alpha: 0.99, eps: 1e-8, momentum: 0.0, centred: false, weight_decay: 0.0 }
    }
}

impl Rule for RmsProp {
    fn name(&self) -> &'static str {
        "rmsprop"
    }

    fn init(&self, param: &Tensor) -> Slots {
        let mut names = vec!["square"];
        names.extend(self.centred.then_some("mean"));
        names.extend((self.momentum != 0.0).then_some("step"));
        Slots::zeros(param, &names)
    }

    fn update(&self, param: &mut Tensor, grad: &Grad, slots: &mut Slots, at: Step) {
        let RmsProp { alpha, eps, momentum, centred, weight_decay } = *self;
        let rule = update_rules::RmsProp { lr: at.lr, alpha, eps, weight_decay, momentum };
        let grad = grad.to_dense(param.shape());
        param.update(&Update::RmsProp { rule, centred }, &grad, slots.tensors_mut());
    }

    fn with_weight_decay(&self, weight_decay: f64) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(RmsProp { weight_decay, ..*self }))
    }
}
