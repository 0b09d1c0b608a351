//! A learning rate that falls when progress stops.

/// Lowers the learning rate when a score has got no better for a while.
///
/// ```text
/// lr <- max(lr factor, lowest)               (after more than patience scores in a row that are no better)
/// ```
/// It multiplies what the schedule gives: [`Optimizer::plateau`](crate::Optimizer::plateau) sets it,
/// [`Optimizer::observe`](crate::Optimizer::observe) tells it a score, once an epoch or as often as there is one. What it
/// remembers is saved with the optimizer's state.
///
/// # Hyperparameters
/// - `factor`: what the rate is multiplied by; no unit, below 1, usually 0.1 to 0.5.
/// - `patience`: how many scores in a row may be no better; usually 5 to 10.
/// - `threshold`: by how much a score must be better to count; usually 1e-4.
/// - `relative`: whether that is a share of the best score or a difference.
/// - `cooldown`: how many scores after a change are not judged; usually 0.
/// - `lowest`: the smallest rate; usually 0.
/// - `eps`: a change smaller than this is not made; usually 1e-8.
/// - `higher_is_better`: whether a score is an accuracy or the like, rather than a loss.
///
/// # Source
/// The rule and its numbers are PyTorch's `ReduceLROnPlateau`.
///
/// # Examples
/// ```
/// # use talweg_optim::{Optimizer, Plateau, Sgd};
/// # use talweg_tensor::{DType, Param, Tensor};
/// let w = Param::new(Tensor::ones([1], DType::F32));
/// let mut optimizer = Optimizer::new(Sgd::default(), 0.1, vec![("w".into(), w)])
///     .plateau(Plateau { patience: 1, factor: 0.5, ..Default::default() });
/// let rates: Vec<f64> = [1.0, 0.8, 0.9, 0.8, 0.9].into_iter().map(|loss| {
///     optimizer.observe(loss);
///     optimizer.lr()
/// }).collect();
/// assert_eq!(rates, [0.1, 0.1, 0.1, 0.05, 0.05]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plateau {
    /// What the rate is multiplied by.
    pub factor: f64,
    /// How many scores in a row may be no better.
    pub patience: u64,
    /// By how much a score must be better to count.
    pub threshold: f64,
    /// Whether the threshold is a share of the best score or a difference.
    pub relative: bool,
    /// How many scores after a change are not judged.
    pub cooldown: u64,
    /// The smallest rate.
    pub lowest: f64,
    /// A change smaller than this is not made.
    pub eps: f64,
    /// Whether a larger score is a better one.
    pub higher_is_better: bool,
}

impl Default for Plateau {
    fn default() -> Plateau {
        Plateau {
            factor: 0.1,
            patience: 10,
            threshold: 1e-4,
            relative: true,
            cooldown: 0,
            lowest: 0.0,
            eps: 1e-8,
            higher_is_better: false,
        }
    }
}

/// What a plateau remembers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Memory {
    /// The best score.
    best: f64,
    /// Scores in a row that were no better.
    waited: u64,
    /// Scores that are not judged yet.
    resting: u64,
    /// What the schedule's rate is multiplied by.
    pub(crate) scale: f64,
}

impl Plateau {
    pub(crate) fn start(&self) -> Memory {
        let best = if self.higher_is_better { f64::NEG_INFINITY } else { f64::INFINITY };
        Memory { best, waited: 0, resting: 0, scale: 1.0 }
    }

    /// Judges a score; `lr` is the schedule's rate now. A score that is NaN is no better.
    pub(crate) fn judge(&self, memory: &mut Memory, score: f64, lr: f64) {
        let best = memory.best;
        let better = match (self.higher_is_better, self.relative) {
            (false, true) => score < best * (1.0 - self.threshold),
            (false, false) => score < best - self.threshold,
            (true, true) => score > best * (1.0 + self.threshold),
            (true, false) => score > best + self.threshold,
        };
        if better {
            (memory.best, memory.waited) = (score, 0);
        } else {
            memory.waited += 1;
        }
        if memory.resting > 0 {
            memory.resting -= 1;
            memory.waited = 0;
        }
        if memory.waited > self.patience {
            let (old, new) = (lr * memory.scale, (lr * memory.scale * self.factor).max(self.lowest));
            if old - new > self.eps {
                memory.scale = new / lr;
            }
            (memory.resting, memory.waited) = (self.cooldown, 0);
        }
    }
}

impl Memory {
    pub(crate) fn numbers(&self) -> [f64; 4] {
        [self.best, self.waited as f64, self.resting as f64, self.scale]
    }

    pub(crate) fn from_numbers([best, waited, resting, scale]: [f64; 4]) -> Memory {
        Memory { best, waited: waited as u64, resting: resting as u64, scale }
    }
}
