//! Rprop.

use talweg_tensor::{Grad, Tensor};

use crate::rule::{Rule, Slots, Step};

/// Resilient backpropagation: a step size for each element, which grows while the gradient keeps its sign and shrinks
/// when it changes. For the whole data at once: in small batches signs change by chance.
///
/// ```text
/// s <- min(s grow, largest)                  (where g has the sign it had before)
/// s <- max(s shrink, smallest), g <- 0       (where its sign has changed)
/// w <- w - s sign(g)
/// ```
/// The step sizes `s` start from the learning rate of the first step; later rates are not used.
///
/// # Hyperparameters
/// - `shrink`: the factor after a change of sign; no unit, below 1, usually 0.5.
/// - `grow`: the factor otherwise; no unit, above 1, usually 1.2.
/// - `smallest`, `largest`: bounds of the step sizes; the parameter's unit, usually 1e-6 and 50.
///
/// # Source
/// Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning: the RPROP algorithm" (1993).
///
/// # Differs from the paper in
/// A step after which the sign has changed is not taken back (the variant iRprop⁻ of Igel and Hüsken, 2000), as in
/// PyTorch.
///
/// # Examples
/// ```
/// # use talweg_optim::{Optimizer, Rprop};
/// # use talweg_tensor::{Param, Tensor};
/// let w = Param::new(Tensor::from_slice(&[1.0f64], [1]));
/// let mut optimizer = Optimizer::new(Rprop::default(), 0.1, vec![("w".into(), w.clone())]);
/// optimizer.step(&(w.get() * 7.0).sum(..).backward());
/// optimizer.step(&(w.get() * 3.0).sum(..).backward());
/// assert!((w.get().item() - (1.0 - 0.1 - 0.12)).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rprop {
    /// The factor after a change of sign.
    pub shrink: f64,
    /// The factor otherwise.
    pub grow: f64,
    /// The smallest step.
    pub smallest: f64,
    /// The largest step.
    pub largest: f64,
}

impl Default for Rprop {
    fn default() -> Rprop {
        Rprop { shrink: 0.5, grow: 1.2, smallest: 1e-6, largest: 50.0 }
    }
}

impl Rule for Rprop {
    fn name(&self) -> &'static str {
        "rprop"
    }

    fn init(&self, param: &Tensor) -> Slots {
        Slots::zeros(param, &["before", "size"])
    }

    fn update(&self, param: &mut Tensor, grad: &Grad, slots: &mut Slots, at: Step) {
        let g = grad.to_dense(param.shape());
        let [before, size] = slots.tensors_mut() else { unreachable!("init made two") };
        if at.count == 1 {
            *size = size.full_like(at.lr);
        }
        let agreement = &g * &*before;
        let zero = Tensor::zeros([], g.dtype());
        let (same, changed) = (agreement.gt(&zero), agreement.lt(&zero));
        let factor = |x: f64| Tensor::full([], x, g.dtype());
        let factors = same.select(&factor(self.grow), &changed.select(&factor(self.shrink), &factor(1.0)));
        *size = (&*size * &factors).clamp(self.smallest, self.largest);
        let g = changed.select(&zero, &g);
        *param = &*param - g.sign() * &*size;
        *before = g;
    }
}
