//! The optimizer: parameters, a rule, a schedule, and the state between steps.

use std::fmt::{self, Display};
use std::sync::Arc;

use talweg_tensor::{Gradients, Param, Tensor};

use crate::clip::Clip;
use crate::rule::{Rule, Slots, Step};
use crate::schedule::Schedule;

/// Changes parameters by their gradients.
///
/// # Examples
/// ```
/// # use talweg_optim::{AdamW, Clip, Optimizer, Schedule, Sgd};
/// # use talweg_tensor::{DType, Param, Tensor};
/// let params = vec![
///     ("weight".to_string(), Param::new(Tensor::ones([2, 2], DType::F32))),
///     ("bias".to_string(), Param::new(Tensor::zeros([2], DType::F32))),
/// ];
/// let mut optimizer = Optimizer::new(AdamW::default(), Schedule::constant(1e-3), params)
///     .clip(Clip::Norm(1.0))
///     .group(|name| name.ends_with("bias"), AdamW { weight_decay: 0.0, ..Default::default() }, 1.0);
/// assert_eq!(optimizer.count(), 0);
/// ```
#[derive(Debug)]
pub struct Optimizer {
    schedule: Schedule,
    clip: Option<Clip>,
    entries: Vec<Entry>,
    count: u64,
}

/// One parameter and what the optimizer knows of it.
#[derive(Debug)]
struct Entry {
    name: String,
    param: Param,
    rule: Arc<dyn Rule>,
    /// Multiplies the schedule's rate.
    scale: f64,
    slots: Option<Slots>,
    count: u64,
}

/// What one step did.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// The learning rate.
    pub lr: f64,
    /// The gradients' global norm before clipping, if there is clipping.
    pub norm: Option<f64>,
    /// Trainable parameters that got no gradient at the optimizer's first step: usually a layer that took no part in
    /// the loss. Empty at later steps.
    pub without_gradient: Vec<String>,
}

impl Optimizer {
    /// An optimizer of named parameters; `schedule` may be a plain number.
    ///
    /// # Panics
    /// When there are no parameters.
    #[track_caller]
    pub fn new(
        rule: impl Rule + 'static,
        schedule: impl Into<Schedule>,
        params: Vec<(String, Param)>,
    ) -> Optimizer {
        Optimizer::with_rule(Arc::new(rule), schedule, params)
    }

    /// The same for a rule chosen at run time.
    ///
    /// # Panics
    /// When there are no parameters.
    #[track_caller]
    pub fn with_rule(
        rule: Arc<dyn Rule>,
        schedule: impl Into<Schedule>,
        params: Vec<(String, Param)>,
    ) -> Optimizer {
        assert!(
            !params.is_empty(),
            "optimizer: there are no parameters to train; was the model built before?"
        );
        let entry =
            |(name, param)| Entry { name, param, rule: rule.clone(), scale: 1.0, slots: None, count: 0 };
        let entries = params.into_iter().map(entry).collect();
        Optimizer { schedule: schedule.into(), clip: None, entries, count: 0 }
    }

    /// Limits gradients before each step.
    pub fn clip(mut self, clip: Clip) -> Optimizer {
        self.clip = Some(clip);
        self
    }

    /// Gives the parameters whose names fit another rule, and a factor for their learning rate.
    ///
    /// # Panics
    /// When no parameter fits.
    #[track_caller]
    pub fn group(mut self, fits: impl Fn(&str) -> bool, rule: impl Rule + 'static, scale: f64) -> Optimizer {
        let rule: Arc<dyn Rule> = Arc::new(rule);
        let mut found = false;
        for entry in self.entries.iter_mut().filter(|entry| fits(&entry.name)) {
            (entry.rule, entry.scale, found) = (rule.clone(), scale, true);
        }
        assert!(
            found,
            "optimizer: no parameter's name fits the group; there are {}",
            self.names().join(", ")
        );
        self
    }

    /// Replaces the schedule, as the trainer does when it knows the run's length.
    pub fn set_schedule(&mut self, schedule: Schedule) {
        self.schedule = schedule;
    }

    /// The schedule.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// How many steps were made.
    pub fn count(&self) -> u64 {
        self.count
    }

    fn names(&self) -> Vec<&str> {
        self.entries.iter().map(|entry| entry.name.as_str()).collect()
    }

    /// Moves every trainable parameter that has a gradient.
    ///
    /// The gradients are clipped in place if the optimizer clips.
    ///
    /// # Panics
    /// When not one parameter has a gradient: the loss does not depend on these parameters.
    #[track_caller]
    pub fn step_mut(&mut self, grads: &mut Gradients) -> StepReport {
        let norm = self.clip.map(|clip| clip.apply(grads));
        StepReport { norm, ..self.advance(grads) }
    }

    /// The same for gradients that stay as they are: if the optimizer clips, a copy is clipped.
    ///
    /// # Panics
    /// When not one parameter has a gradient: the loss does not depend on these parameters.
    #[track_caller]
    pub fn step(&mut self, grads: &Gradients) -> StepReport {
        match self.clip {
            Some(_) => self.step_mut(&mut grads.clone()),
            None => self.advance(grads),
        }
    }

    #[track_caller]
    fn advance(&mut self, grads: &Gradients) -> StepReport {
        let lr = self.schedule.at(self.count);
        let (mut moved, mut without_gradient) = (0, Vec::new());
        for entry in &mut self.entries {
            match grads.get(&entry.param) {
                Some(grad) if entry.param.is_trainable() => {
                    entry.count += 1;
                    moved += 1;
                    let at = Step { count: entry.count, lr: lr * entry.scale };
                    let (rule, slots) = (&entry.rule, &mut entry.slots);
                    entry.param.update(|param| {
                        let slots = slots.get_or_insert_with(|| rule.init(param));
                        rule.update(param, grad, slots, at);
                    });
                }
                None if self.count == 0 && entry.param.is_trainable() => {
                    without_gradient.push(entry.name.clone())
                }
                _ => {}
            }
        }
        assert!(
            moved > 0,
            "optimizer: not one of its {} parameters has a gradient: the loss was computed from other parameters, or \
             all are frozen; the first is {}",
            self.entries.len(),
            self.entries[0].name
        );
        self.count += 1;
        StepReport { lr, norm: None, without_gradient }
    }
}

/// An optimizer's state, to be saved with a run.
#[derive(Clone, Debug, Default)]
pub struct OptimizerState {
    /// Steps made.
    pub count: u64,
    /// For each parameter that has moved: its name and its number of steps.
    pub counts: Vec<(String, u64)>,
    /// State tensors by `parameter/slot`, e.g. `layers.0.weight/m`.
    pub slots: Vec<(String, Tensor)>,
}

/// Why a saved state does not fit an optimizer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateError(String);

impl Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StateError {}

impl Optimizer {
    /// Everything that the next steps depend on besides the parameters.
    pub fn state(&self) -> OptimizerState {
        let mut state = OptimizerState { count: self.count, ..Default::default() };
        for entry in self.entries.iter().filter(|entry| entry.count > 0) {
            state.counts.push((entry.name.clone(), entry.count));
            let slots = entry.slots.iter().flat_map(Slots::iter);
            state.slots.extend(slots.map(|(slot, x)| (format!("{}/{slot}", entry.name), x.clone())));
        }
        state
    }

    /// Puts a saved state back: the next steps are those that would have followed it, to the bit.
    ///
    /// # Errors
    /// When the state is of other parameters or another rule; the optimizer is then unchanged.
    pub fn load_state(&mut self, state: &OptimizerState) -> Result<(), StateError> {
        for (name, _) in &state.counts {
            if !self.entries.iter().any(|entry| entry.name == *name) {
                return Err(StateError(format!(
                    "the saved optimizer state is of a parameter {name}, which this model does not have"
                )));
            }
        }
        let mut loaded = Vec::new();
        let mut used = 0;
        for entry in &self.entries {
            let Some((_, count)) = state.counts.iter().find(|(name, _)| *name == entry.name) else {
                loaded.push((None, 0));
                continue;
            };
            let mut slots = entry.rule.init(&entry.param.get().detach());
            let names: Vec<&'static str> = slots.iter().map(|(slot, _)| slot).collect();
            for slot in names {
                let key = format!("{}/{slot}", entry.name);
                let Some((_, saved)) = state.slots.iter().find(|(name, _)| *name == key) else {
                    return Err(StateError(format!(
                        "the saved optimizer state has no {key}, which the rule {} needs",
                        entry.rule.name()
                    )));
                };
                let to = slots.get_mut(slot).expect("the name came from the slots");
                if to.spec() != saved.spec() {
                    return Err(StateError(format!(
                        "the saved optimizer state has {key} as {} {}, but the parameter needs {} {}",
                        saved.dtype(),
                        saved.shape(),
                        to.dtype(),
                        to.shape()
                    )));
                }
                *to = saved.clone();
                used += 1;
            }
            loaded.push((Some(slots), *count));
        }
        if used != state.slots.len() {
            return Err(StateError(format!(
                "the saved optimizer state has {} tensors, of which the rule {} uses {used}: it was saved by another \
                 optimizer",
                state.slots.len(),
                self.entries[0].rule.name()
            )));
        }
        for (entry, (slots, count)) in self.entries.iter_mut().zip(loaded) {
            (entry.slots, entry.count) = (slots, count);
        }
        self.count = state.count;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
