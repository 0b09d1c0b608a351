//! Optimizer steps in one pass over memory, in place. They have no derivative.

use talweg_kernels::update as rules;

use crate::backend::Kernel;
use crate::tensor::Tensor;
use crate::value::Value;

/// One optimizer's step as data. The kernels' structures hold the hyperparameters and state the formulas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Update {
    /// Gradient descent. State: the velocity, if there is momentum.
    Sgd(rules::Sgd),
    /// Adam and AdamW. State: the means of gradients and of their squares; with a third tensor, AMSGrad's largest
    /// mean of squares.
    Adam(rules::Adam),
    /// RMSprop. State: the mean of squares; then, if centred, the mean; then, if there is momentum, the last step.
    RmsProp {
        /// The hyperparameters.
        rule: rules::RmsProp,
        /// Whether the squared mean gradient is subtracted from the mean square.
        centred: bool,
    },
    /// Adagrad. State: the sum of squares.
    Adagrad(rules::Adagrad),
}

impl Update {
    /// How many state tensors the step takes.
    fn states(&self) -> std::ops::RangeInclusive<usize> {
        match self {
            Update::Sgd(rule) => {
                let n = (rule.momentum != 0.0) as usize;
                n..=n
            }
            Update::Adam(_) => 2..=3,
            Update::RmsProp { rule, centred } => {
                let n = 1 + *centred as usize + (rule.momentum != 0.0) as usize;
                n..=n
            }
            Update::Adagrad(_) => 1..=1,
        }
    }
}

impl Tensor {
    /// One optimizer step: this tensor moves against its gradient, and the state advances, all in place (shared
    /// numbers are copied first).
    ///
    /// # Shapes
    /// Gradient and state tensors have this tensor's shape and type.
    ///
    /// # Gradient
    /// None: the tensor must not be tracked.
    ///
    /// # Panics
    /// When the tensor is tracked, shapes or types differ, or the number of state tensors is not the step's.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Tensor, Update, update_rules::Sgd};
    /// let mut w = Tensor::from_slice(&[1.0f32, 2.0], [2]);
    /// let step = Update::Sgd(Sgd { lr: 0.5, ..Default::default() });
    /// w.update(&step, &Tensor::from_slice(&[1.0f32, -1.0], [2]), &mut []);
    /// assert_eq!(w.to_vec::<f32>(), [0.5, 2.5]);
    /// ```
    #[track_caller]
    pub fn update(&mut self, step: &Update, gradient: &Tensor, state: &mut [Tensor]) {
        assert!(
            !self.is_tracked(),
            "update: the tensor {} is tracked; update a Param, or detach()",
            self.shape()
        );
        assert!(
            step.states().contains(&state.len()),
            "update: {step:?} takes {:?} state tensors, got {}",
            step.states(),
            state.len()
        );
        let spec = self.spec();
        for other in std::iter::once(gradient).chain(state.iter()) {
            assert!(
                other.spec() == spec,
                "update: gradient and state must be {} {} as the parameter, got {} {}",
                spec.dtype,
                spec.shape,
                other.dtype(),
                other.shape()
            );
        }
        Value::update(&Kernel::Update(*step), self.value_mut(), state, gradient.value());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_numbers_are_copied_first() {
        let mut w = Tensor::from_slice(&[1.0f32, 2.0], [2]);
        let kept = w.clone();
        let step = Update::Sgd(rules::Sgd { lr: 1.0, ..Default::default() });
        w.update(&step, &kept, &mut []);
        assert_eq!((w.to_vec::<f32>(), kept.to_vec::<f32>()), (vec![0.0, 0.0], vec![1.0, 2.0]));
    }

    #[test]
    #[should_panic(expected = "takes 2..=3 state tensors, got 0")]
    fn missing_state_is_refused() {
        let mut w = Tensor::zeros([2], crate::DType::F32);
        let g = w.clone();
        w.update(&Update::Adam(rules::Adam::default()), &g, &mut []);
    }
}
