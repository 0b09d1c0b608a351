//! The optimizer: parameters, a rule, a schedule, and the state between steps.

mod state;
mod weights;

use std::sync::Arc;

use talweg_tensor::{Gradients, Param};

pub use state::{OptimizerState, StateError};
pub use weights::KeptWeights;

use crate::clip::Clip;
use crate::group::{Group, fits};
use crate::plateau::{Memory, Plateau};
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
    /// What lowers the rate when progress stops, and what it remembers.
    plateau: Option<(Plateau, Memory)>,
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
        Optimizer { schedule: schedule.into(), clip: None, plateau: None, entries, count: 0 }
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

    /// Gives the parameters whose names fit a pattern other options: `*` in it stands for any characters, `?` for a single
    /// one, as in `"*.bias"` or `"encoder.*"`. What a group names wins over what earlier ones named.
    ///
    /// # Panics
    /// When no parameter fits, or the group names a weight decay for a rule that has none.
    ///
    /// # Examples
    /// ```
    /// # use talweg_optim::{AdamW, Group, Optimizer};
    /// # use talweg_tensor::{DType, Param, Tensor};
    /// # let (weight, bias) = (Param::new(Tensor::ones([2], DType::F32)), Param::new(Tensor::ones([2], DType::F32)));
    /// # let params = vec![("head.weight".to_string(), weight), ("head.bias".to_string(), bias)];
    /// let optimizer = Optimizer::new(AdamW::default(), 1e-3, params)
    ///     .group_by("head.*", Group { lr: Some(10.0), ..Default::default() })
    ///     .group_by("*.bias", Group { weight_decay: Some(0.0), ..Default::default() });
    /// # assert_eq!(optimizer.count(), 0);
    /// ```
    #[track_caller]
    pub fn group_by(mut self, pattern: &str, group: Group) -> Optimizer {
        let mut found = false;
        for entry in self.entries.iter_mut().filter(|entry| fits(pattern, &entry.name)) {
            let rule = group.rule.clone().unwrap_or_else(|| entry.rule.clone());
            entry.rule = match group.weight_decay {
                None => rule,
                Some(decay) => rule.with_weight_decay(decay).unwrap_or_else(|| {
                    panic!("optimizer: the rule {} of the group {pattern:?} has no weight decay", rule.name())
                }),
            };
            (entry.scale, found) = (group.lr.unwrap_or(entry.scale), true);
        }
        assert!(
            found,
            "optimizer: no parameter's name fits the group {pattern:?}; there are {}",
            self.names().join(", ")
        );
        self
    }

    /// Lowers the learning rate when the scores told to [`Optimizer::observe`] stop getting better.
    pub fn plateau(mut self, plateau: Plateau) -> Optimizer {
        self.plateau = Some((plateau, plateau.start()));
        self
    }

    /// Tells the [`Plateau`], if there is one, how good the model is now: the validation loss, or what it watches.
    pub fn observe(&mut self, score: f64) {
        let lr = self.schedule.at(self.count);
        if let Some((plateau, memory)) = &mut self.plateau {
            plateau.judge(memory, score, lr);
        }
    }

    /// The learning rate of the next step, before the factors of groups.
    pub fn lr(&self) -> f64 {
        let scale = self.plateau.as_ref().map_or(1.0, |(_, memory)| memory.scale);
        self.schedule.at(self.count) * scale
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

    /// The parameters by name.
    pub fn params(&self) -> impl Iterator<Item = (&str, &Param)> {
        self.entries.iter().map(|entry| (entry.name.as_str(), &entry.param))
    }

    /// Puts the weights that are to be evaluated into the parameters, for rules that train others than those, such as
    /// [`Ema`](crate::Ema), [`Swa`](crate::Swa), [`Asgd`](crate::Asgd) and the schedule-free ones. The weights of training
    /// come back when what this returns is dropped.
    pub fn evaluation_weights(&self) -> KeptWeights {
        let averaged = self.entries.iter().filter_map(|entry| {
            let weights =
                entry.rule.evaluated(&entry.param.get().detach(), entry.slots.as_ref()?, entry.count)?;
            Some((entry.param.clone(), weights))
        });
        KeptWeights::exchange(averaged.collect())
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
        let norm = self.clip.map(|clip| clip.apply(grads, self.entries.iter().map(|entry| &entry.param)));
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
        let lr = self.lr();
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

#[cfg(test)]
mod tests;
