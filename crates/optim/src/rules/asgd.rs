//! Averaged gradient descent.

use std::sync::Arc;

use talweg_tensor::{Grad, Tensor};

use super::moments::decayed;
use crate::rule::{Rule, Slots, Step};

/// Averaged stochastic gradient descent: plain steps at a falling rate, and the mean of the weights they pass through,
/// which is what is evaluated.
///
/// ```text
/// g <- g + weight_decay w
/// eta <- lr / (1 + decay lr (t - 1))^power
/// w <- w - eta (decay w + g)
/// a <- a + (w - a) / max(1, t - 1 - start)   (a <- w at the first step)
/// ```
///
/// # Hyperparameters
/// - `decay`: the decay of the weights, which also sets how fast the rate falls; per step, usually 1e-4.
/// - `power`: how fast the rate falls; no unit, 0.5 to 1, usually 0.75.
/// - `start`: the step at which averaging begins; until then the average is the last weights. Usually after the
///   first epoch or two.
/// - `weight_decay`: the factor of w added to the gradient; usually 0.
///
/// # Source
/// Polyak and Juditsky, "Acceleration of stochastic approximation by averaging" (1992); the rate is that of Bottou,
/// "Stochastic gradient descent tricks" (2012), section 5.
///
/// # Differs from the paper in
/// The numbers are PyTorch's, which takes the rate's fall from `decay` too; the average is that of the steps behind
/// `start` alone.
///
/// # Examples
/// ```
/// # use talweg_optim::{Asgd, Optimizer};
/// # use talweg_tensor::{Param, Tensor};
/// let w = Param::new(Tensor::from_slice(&[1.0f64], [1]));
/// let rule = Asgd { decay: 0.0, start: 0, ..Default::default() };
/// let mut optimizer = Optimizer::new(rule, 0.1, vec![("w".into(), w.clone())]);
/// for _ in 0..3 {
///     optimizer.step(&w.get().sum(..).backward());
/// }
/// assert!((w.get().item() - 0.7).abs() < 1e-12);
/// // The average of the two weights behind the start, 0.8 and 0.7.
/// let averaged = optimizer.evaluation_weights();
/// assert!((w.get().item() - 0.75).abs() < 1e-12);
/// # drop(averaged);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Asgd {
    /// The decay of the weights and of the rate.
    pub decay: f64,
    /// How fast the rate falls.
    pub power: f64,
    /// The step at which averaging begins.
    pub start: u64,
    /// The factor of the parameter added to its gradient.
    pub weight_decay: f64,
}

impl Default for Asgd {
    fn default() -> Asgd {
        Asgd { decay: 1e-4, power: 0.75, start: 1_000_000, weight_decay: 0.0 }
    }
}

impl Rule for Asgd {
    fn name(&self) -> &'static str {
        "asgd"
    }

    fn init(&self, param: &Tensor) -> Slots {
        Slots::zeros(param, &["average"])
    }

    fn update(&self, param: &mut Tensor, grad: &Grad, slots: &mut Slots, at: Step) {
        let Asgd { decay, power, start, weight_decay } = *self;
        let g = decayed(grad, param, weight_decay);
        let before = at.count - 1;
        let eta = at.lr / (1.0 + decay * at.lr * before as f64).powf(power);
        *param = &*param * (1.0 - decay * eta) - g * eta;
        let [average] = slots.tensors_mut() else { unreachable!("init made one") };
        let averaged = before.saturating_sub(start).max(1);
        *average =
            if averaged == 1 { param.clone() } else { (&*param - &*average) / averaged as f64 + &*average };
    }

    fn evaluated(&self, _: &Tensor, slots: &Slots, _: u64) -> Option<Tensor> {
        slots.get("average").cloned()
    }

    fn with_weight_decay(&self, weight_decay: f64) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(Asgd { weight_decay, ..*self }))
    }
}
