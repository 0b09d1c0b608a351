//! Sharpness-aware minimisation.

use talweg_tensor::{Gradients, Tensor};

use crate::clip::global_norm;
use crate::optimizer::{KeptWeights, Optimizer, StepReport};

/// Sharpness-aware minimisation: steps by the gradient at the worst point nearby, which leads to wide minima. Any rule
/// makes the step; each costs two gradients.
///
/// ```text
/// e <- rho g / |g|                           (adaptive: e <- rho w² g / | |w| g |)
/// g <- the gradient at w + e
/// w <- the rule's step from w, by this g
/// ```
/// The norm is that of all gradients together.
///
/// # Hyperparameters
/// - `rho`: how far the worst point may lie; the parameters' unit, usually 0.05, adaptive 0.5 to 2.
/// - `adaptive`: whether distances are measured in units of each weight's size.
///
/// # Source
/// Foret, Kleiner, Mobahi and Neyshabur, "Sharpness-aware minimization for efficiently improving generalization" (2021),
/// algorithm 1; Kwon, Kim, Park and Choi, "ASAM: adaptive sharpness-aware minimization" (2021).
///
/// # Differs from the paper in
/// The adaptive form does not add a constant to the weights' sizes: a weight of 0 stays where it is in the search.
///
/// # Examples
/// ```
/// # use talweg_optim::{Optimizer, Sam, Sgd};
/// # use talweg_tensor::{Param, Tensor};
/// let w = Param::new(Tensor::from_slice(&[1.0f64], [1]));
/// let mut optimizer = Optimizer::new(Sgd::default(), 0.1, vec![("w".into(), w.clone())]);
/// let sam = Sam { rho: 0.5, ..Default::default() };
/// sam.step(&mut optimizer, &mut || w.get().square().sum(..));
/// // The gradient of w² at 1.5 is 3.
/// assert!((w.get().item() - 0.7).abs() < 1e-9);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sam {
    /// How far the worst point may lie.
    pub rho: f64,
    /// Whether distances are measured in units of each weight's size.
    pub adaptive: bool,
}

impl Default for Sam {
    fn default() -> Sam {
        Sam { rho: 0.05, adaptive: false }
    }
}

impl Sam {
    /// One step. `loss` computes the loss of one batch, the same both times, from the parameters as they are.
    ///
    /// Returns the loss before the step, and what the optimizer did.
    ///
    /// # Panics
    /// When a loss cannot be differentiated, or depends on no parameter of the optimizer.
    #[track_caller]
    pub fn step(&self, optimizer: &mut Optimizer, loss: &mut dyn FnMut() -> Tensor) -> (f64, StepReport) {
        let first = loss();
        let before = first.item();
        let kept = self.climb(optimizer, &first.backward());
        let mut grads = loss().backward();
        drop(kept);
        (before, optimizer.step_mut(&mut grads))
    }

    /// Moves the optimizer's trainable parameters to the worst point nearby, by their gradients here. They go back when
    /// what this returns is dropped: compute the gradient in between.
    pub fn climb(&self, optimizer: &Optimizer, grads: &Gradients) -> KeptWeights {
        let params: Vec<_> = optimizer.params().map(|(_, param)| param).collect();
        let found = params.iter().filter(|param| param.is_trainable()).filter_map(|param| {
            let grad = grads.get(*param)?.to_dense(&param.shape());
            Some((*param, param.get().detach(), grad))
        });
        let found: Vec<_> = found.collect();
        let mut scaled = Gradients::default();
        for (param, w, grad) in &found {
            let grad = if self.adaptive { w.abs() * grad } else { grad.clone() };
            scaled.set(param.id(), grad.into());
        }
        // The constant is that of the authors' program: no direction means no move.
        let step = self.rho / (global_norm(&scaled) + 1e-12);
        let climbed = found.iter().map(|(param, w, grad)| {
            let direction = if self.adaptive { w.square() * grad } else { grad.clone() };
            ((*param).clone(), w + direction * step)
        });
        KeptWeights::exchange(climbed.collect())
    }
}
