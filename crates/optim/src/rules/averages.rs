//! Rules around a rule: averages of the weights that it passes through.

use std::sync::Arc;

use talweg_tensor::{Grad, Tensor};

use super::moments::approach;
use crate::rule::{Rule, Slots, Step};

/// An exponential moving average of the weights, which is what is evaluated and saved.
///
/// ```text
/// w <- the rule inside
/// a <- decay a + (1 - decay) w               (a <- w at the first step)
/// ```
///
/// # Hyperparameters
/// - `rule`: the rule inside.
/// - `decay`: how much of the average stays at each step; no unit, 0 to below 1, usually 0.99 to 0.9999: the average
///   reaches back over about 1 / (1 - decay) steps.
///
/// # Source
/// Polyak and Juditsky, "Acceleration of stochastic approximation by averaging" (1992), for averages of weights; the
/// moving one as in Tarvainen and Valpola, "Mean teachers are better role models" (2017).
///
/// # Differs from the paper in
/// A parameter without a gradient in a step is left as it is, its average too.
///
/// # Examples
/// ```
/// # use talweg_optim::{Ema, Optimizer, Sgd};
/// # use talweg_tensor::{Param, Tensor};
/// let w = Param::new(Tensor::from_slice(&[1.0f64], [1]));
/// let rule = Ema { rule: Sgd::default(), decay: 0.75 };
/// let mut optimizer = Optimizer::new(rule, 0.1, vec![("w".into(), w.clone())]);
/// optimizer.step(&w.get().sum(..).backward());
/// optimizer.step(&w.get().sum(..).backward());
/// let averaged = optimizer.evaluation_weights();
/// assert!((w.get().item() - (0.75 * 0.9 + 0.25 * 0.8)).abs() < 1e-12);
/// drop(averaged);
/// assert!((w.get().item() - 0.8).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ema<R> {
    /// The rule inside.
    pub rule: R,
    /// How much of the average stays at each step.
    pub decay: f64,
}

/// Stochastic weight averaging: the plain mean of the weights at equal distances late in a run, which is what is
/// evaluated and saved. Usually with a constant or cyclic learning rate.
///
/// ```text
/// w <- the rule inside
/// a <- a + (w - a) / (n + 1), n <- n + 1     (at the steps start + 1, start + 1 + every, ..; n is 0 at the first)
/// ```
/// Until then the weights themselves are evaluated. Running statistics of normalisations are not averaged: they are those
/// of the last weights.
///
/// # Hyperparameters
/// - `rule`: the rule inside.
/// - `start`: the step behind which averaging begins; usually three quarters of the run.
/// - `every`: the distance between the weights that are averaged; in steps, usually an epoch.
///
/// # Source
/// Izmailov, Podoprikhin, Garipov, Vetrov and Wilson, "Averaging weights leads to wider optima and better
/// generalization" (2018), algorithm 1.
///
/// # Differs from the paper in
/// The learning rate is the schedule's; the statistics of batch normalisation are not computed anew.
///
/// # Examples
/// ```
/// # use talweg_optim::{Optimizer, Sgd, Swa};
/// # use talweg_tensor::{Param, Tensor};
/// let w = Param::new(Tensor::from_slice(&[1.0f64], [1]));
/// let rule = Swa { rule: Sgd::default(), start: 1, every: 2 };
/// let mut optimizer = Optimizer::new(rule, 0.1, vec![("w".into(), w.clone())]);
/// for _ in 0..4 {
///     optimizer.step(&w.get().sum(..).backward());
/// }
/// // The weights after the steps 2 and 4: 0.8 and 0.6.
/// let averaged = optimizer.evaluation_weights();
/// assert!((w.get().item() - 0.7).abs() < 1e-12);
/// # drop(averaged);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Swa<R> {
    /// The rule inside.
    pub rule: R,
    /// The step behind which averaging begins.
    pub start: u64,
    /// The distance between the weights that are averaged.
    pub every: u64,
}

/// Lookahead: after every `every` steps of the rule inside, slow weights follow part of the way, and the fast ones go on
/// from there.
///
/// ```text
/// w <- the rule inside
/// s <- s + alpha (w - s), w <- s             (after every `every` steps; s is w before the first)
/// ```
///
/// # Hyperparameters
/// - `rule`: the rule inside.
/// - `every`: steps of the rule inside between two of the slow weights; usually 5 to 10.
/// - `alpha`: the part of the way; no unit, above 0 to 1, usually 0.5 to 0.8.
///
/// # Source
/// Zhang, Lucas, Hinton and Ba, "Lookahead optimizer: k steps forward, 1 step back" (2019), algorithm 1.
///
/// # Differs from the paper in
/// The state of the rule inside is kept over the slow steps (the first of the paper's three choices).
///
/// # Examples
/// ```
/// # use talweg_optim::{Lookahead, Optimizer, Sgd};
/// # use talweg_tensor::{Param, Tensor};
/// let w = Param::new(Tensor::from_slice(&[1.0f64], [1]));
/// let rule = Lookahead { rule: Sgd::default(), every: 2, alpha: 0.5 };
/// let mut optimizer = Optimizer::new(rule, 0.1, vec![("w".into(), w.clone())]);
/// optimizer.step(&w.get().sum(..).backward());
/// optimizer.step(&w.get().sum(..).backward());
/// assert!((w.get().item() - 0.9).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lookahead<R> {
    /// The rule inside.
    pub rule: R,
    /// Steps of the rule inside between two of the slow weights.
    pub every: u64,
    /// The part of the way that the slow weights follow.
    pub alpha: f64,
}

impl<R: Default> Default for Ema<R> {
    fn default() -> Ema<R> {
        Ema { rule: R::default(), decay: 0.999 }
    }
}

impl<R: Default> Default for Swa<R> {
    fn default() -> Swa<R> {
        Swa { rule: R::default(), start: 0, every: 1 }
    }
}

impl<R: Default> Default for Lookahead<R> {
    fn default() -> Lookahead<R> {
        Lookahead { rule: R::default(), every: 5, alpha: 0.5 }
    }
}

impl<R: Rule> Rule for Ema<R> {
    fn name(&self) -> &'static str {
        "ema"
    }

    fn init(&self, param: &Tensor) -> Slots {
        self.rule.init(param).with("ema", param.clone())
    }

    fn update(&self, param: &mut Tensor, grad: &Grad, slots: &mut Slots, at: Step) {
        around(&self.rule, param, grad, slots, at, |param, average| {
            if at.count == 1 {
                *average = param.clone();
            } else {
                approach(average, param, self.decay);
            }
        });
    }

    fn evaluated(&self, _: &Tensor, slots: &Slots, _: u64) -> Option<Tensor> {
        slots.get("ema").cloned()
    }

    fn with_weight_decay(&self, weight_decay: f64) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(Ema { rule: self.rule.with_weight_decay(weight_decay)?, decay: self.decay }))
    }
}

impl<R: Rule> Rule for Swa<R> {
    fn name(&self) -> &'static str {
        "swa"
    }

    fn init(&self, param: &Tensor) -> Slots {
        self.rule.init(param).with("swa", param.clone())
    }

    fn update(&self, param: &mut Tensor, grad: &Grad, slots: &mut Slots, at: Step) {
        around(&self.rule, param, grad, slots, at, |param, average| {
            let Some(behind) = at.count.checked_sub(self.start + 1) else { return };
            if behind.is_multiple_of(self.every.max(1)) {
                let averaged = behind / self.every.max(1) + 1;
                *average = match averaged {
                    1 => param.clone(),
                    n => (&*param - &*average) / n as f64 + &*average,
                };
            }
        });
    }

    fn evaluated(&self, param: &Tensor, slots: &Slots, count: u64) -> Option<Tensor> {
        if count > self.start { slots.get("swa").cloned() } else { self.rule.evaluated(param, slots, count) }
    }

    fn with_weight_decay(&self, weight_decay: f64) -> Option<Arc<dyn Rule>> {
        let rule = self.rule.with_weight_decay(weight_decay)?;
        Some(Arc::new(Swa { rule, start: self.start, every: self.every }))
    }
}

impl<R: Rule> Rule for Lookahead<R> {
    fn name(&self) -> &'static str {
        "lookahead"
    }

    fn init(&self, param: &Tensor) -> Slots {
        self.rule.init(param).with("slow", param.clone())
    }

    fn update(&self, param: &mut Tensor, grad: &Grad, slots: &mut Slots, at: Step) {
        around(&self.rule, param, grad, slots, at, |param, slow| {
            if at.count.is_multiple_of(self.every.max(1)) {
                approach(slow, param, 1.0 - self.alpha);
                *param = slow.clone();
            }
        });
    }

    fn evaluated(&self, param: &Tensor, slots: &Slots, count: u64) -> Option<Tensor> {
        self.rule.evaluated(param, slots, count)
    }

    fn with_weight_decay(&self, weight_decay: f64) -> Option<Arc<dyn Rule>> {
        let rule = self.rule.with_weight_decay(weight_decay)?;
        Some(Arc::new(Lookahead { rule, every: self.every, alpha: self.alpha }))
    }
}

/// The step of a rule inside, without the last slot, which belongs to the rule around it; then that one's part.
fn around(
    rule: &dyn Rule,
    param: &mut Tensor,
    grad: &Grad,
    slots: &mut Slots,
    at: Step,
    after: impl FnOnce(&mut Tensor, &mut Tensor),
) {
    let (name, mut own) = slots.pop().expect("init made it");
    rule.update(param, grad, slots, at);
    after(param, &mut own);
    slots.push(name, own);
}
