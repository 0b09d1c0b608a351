//! An optimizer's state: out, and in again to the bit.

use std::fmt::{self, Display};

use talweg_tensor::{DType, Tensor};

use super::Optimizer;
use crate::plateau::Memory;
use crate::rule::Slots;

/// The name under which the state of a [`Plateau`](crate::Plateau) stands among the tensors: no parameter has it.
const PLATEAU: &str = "/plateau";

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

impl StateError {
    pub(crate) fn new(text: String) -> StateError {
        StateError(text)
    }
}

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
        if let Some((_, memory)) = &self.plateau {
            state.slots.push((PLATEAU.into(), Tensor::from_slice(&memory.numbers(), [4])));
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
        let memory = self.load_plateau(state)?;
        used += memory.is_some() as usize;
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
        if let (Some((_, now)), Some(memory)) = (&mut self.plateau, memory) {
            *now = memory;
        }
        Ok(())
    }

    /// What the plateau remembered, if this optimizer has one; a state without it is refused.
    fn load_plateau(&self, state: &OptimizerState) -> Result<Option<Memory>, StateError> {
        if self.plateau.is_none() {
            return Ok(None);
        }
        let saved = state.slots.iter().find(|(name, _)| name == PLATEAU).map(|(_, x)| x);
        match saved.filter(|x| x.dtype() == DType::F64 && x.shape().to_vec() == [4]) {
            Some(x) => {
                let numbers = x.to_vec::<f64>();
                Ok(Some(Memory::from_numbers([numbers[0], numbers[1], numbers[2], numbers[3]])))
            }
            None => Err(StateError(
                "the saved optimizer state has no memory of a plateau, which this optimizer lowers its rate at".into(),
            )),
        }
    }
}
