//! What an optimizer is: a rule that moves one parameter by its gradient.

use std::fmt::Debug;
use std::sync::Arc;

use talweg_tensor::{Grad, Tensor};

/// One optimizer's mathematics. Its hyperparameters are its public fields; all state is in the [`Slots`].
///
/// A rule may wrap another one, as [`Lookahead`](crate::Lookahead) and [`Ema`](crate::Ema) do: it then adds slots of
/// its own behind those of the rule inside.
pub trait Rule: Debug + Send + Sync {
    /// The name that reports show, e.g. `adamw`.
    fn name(&self) -> &'static str;

    /// The state of one parameter before its first step.
    fn init(&self, param: &Tensor) -> Slots;

    /// Moves one parameter, and advances its state.
    fn update(&self, param: &mut Tensor, grad: &Grad, slots: &mut Slots, at: Step);

    /// The weights to evaluate and to save after `count` steps, for rules that train others than those: averages.
    /// `None` for all other rules.
    fn evaluated(&self, _param: &Tensor, _slots: &Slots, _count: u64) -> Option<Tensor> {
        None
    }

    /// The same rule with another weight decay; `None` for a rule that has none.
    fn with_weight_decay(&self, _weight_decay: f64) -> Option<Arc<dyn Rule>> {
        None
    }
}

/// A rule that is shared, or was chosen at run time, is a rule.
impl<R: Rule + ?Sized> Rule for Arc<R> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn init(&self, param: &Tensor) -> Slots {
        (**self).init(param)
    }

    fn update(&self, param: &mut Tensor, grad: &Grad, slots: &mut Slots, at: Step) {
        (**self).update(param, grad, slots, at);
    }

    fn evaluated(&self, param: &Tensor, slots: &Slots, count: u64) -> Option<Tensor> {
        (**self).evaluated(param, slots, count)
    }

    fn with_weight_decay(&self, weight_decay: f64) -> Option<Arc<dyn Rule>> {
        (**self).with_weight_decay(weight_decay)
    }
}

/// Where an optimizer is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// How many steps this parameter takes with this one: 1 at the first.
    pub count: u64,
    /// The learning rate of this step.
    pub lr: f64,
}

impl Step {
    /// `1 - beta^count`: what a mean that started from 0 is divided by.
    pub(crate) fn correction(&self, beta: f64) -> f64 {
        1.0 - beta.powf(self.count as f64)
    }
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
    ///
    /// # Panics
    /// When there is one of this name, as when a rule is wrapped twice in the same way.
    #[track_caller]
    pub fn with(mut self, name: &'static str, x: Tensor) -> Slots {
        self.push(name, x);
        self
    }

    /// One more tensor, behind the others.
    ///
    /// # Panics
    /// When there is one of this name, as when a rule is wrapped twice in the same way.
    #[track_caller]
    pub fn push(&mut self, name: &'static str, x: Tensor) {
        assert!(!self.names.contains(&name), "slots: there is already a tensor {name}");
        self.names.push(name);
        self.tensors.push(x);
    }

    /// Takes the last tensor out: how a rule that wraps another one hands it only the slots that are its own.
    pub fn pop(&mut self) -> Option<(&'static str, Tensor)> {
        Some((self.names.pop()?, self.tensors.pop()?))
    }

    /// Names and tensors, in the order in which the rule made them.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Tensor)> {
        self.names.iter().copied().zip(&self.tensors)
    }

    /// The tensors in this order, to be changed in place.
    pub fn tensors_mut(&mut self) -> &mut [Tensor] {
        &mut self.tensors
    }

    /// The tensor of a name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.iter().find(|(n, _)| *n == name).map(|(_, x)| x)
    }

    /// The tensor of a name, to be changed in place.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Tensor> {
        let at = self.names.iter().position(|n| *n == name)?;
        Some(&mut self.tensors[at])
    }
}
