//! What an optimizer is: a rule that moves one parameter by its gradient.

use std::fmt::Debug;

use talweg_tensor::{Grad, Tensor};

/// One optimizer's mathematics. Its hyperparameters are its public fields; all state is in the [`Slots`].
pub trait Rule: Debug + Send + Sync {
    /// The name that reports show, e.g. `adamw`.
    fn name(&self) -> &'static str;

    /// The state of one parameter before its first step.
    fn init(&self, param: &Tensor) -> Slots;

    /// Moves one parameter, and advances its state.
    fn update(&self, param: &mut Tensor, grad: &Grad, slots: &mut Slots, at: Step);
}

/// Where an optimizer is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// How many steps this parameter takes with this one: 1 at the first.
    pub count: u64,
    /// The learning rate of this step.
    pub lr: f64,
}

/// The state of one parameter: tensors by name, e.g. Adam's `m` and `v`.
#[derive(Clone, Debug, Default)]
pub struct Slots {
    names: Vec<&'static str>,
    tensors: Vec<Tensor>,
}

impl Slots {
    /// No state.
    pub fn none() -> Slots {
        Slots::default()
    }

    /// Zeros like the parameter, under each name.
    pub fn zeros(param: &Tensor, names: &[&'static str]) -> Slots {
        Slots { names: names.to_vec(), tensors: names.iter().map(|_| param.zeros_like()).collect() }
    }

    /// One more tensor.
    pub fn with(mut self, name: &'static str, x: Tensor) -> Slots {
        self.names.push(name);
        self.tensors.push(x);
        self
    }

    /// Names and tensors, in the order in which the rule made them.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Tensor)> {
        self.names.iter().copied().zip(&self.tensors)
    }

    /// The tensors in this order, to be changed in place.
    pub fn tensors_mut(&mut self) -> &mut [Tensor] {
        &mut self.tensors
    }

    /// The tensor of a name, to be changed in place.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Tensor> {
        let at = self.names.iter().position(|n| *n == name)?;
        Some(&mut self.tensors[at])
    }
}
