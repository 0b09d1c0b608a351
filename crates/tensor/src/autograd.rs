//! Reverse-mode automatic differentiation: the record of operations and the walk back through it.
//!
//! A tracked tensor holds the record of the operation that made it, records hold their inputs' records, and so the
//! tensors own the graph: when the loss goes, the graph goes. [`Tensor::backward`] takes the loss and gives back the
//! gradients; nothing is stored on tensors, so there is nothing to zero and nothing stale.

mod checkpoint;
mod gradients;
mod hooks;
mod record;
mod transform;
mod walk;

use std::cell::Cell;

use crate::tensor::Tensor;

pub use checkpoint::{checkpoint, checkpoint_multi};
pub use gradients::{Grad, Gradients, Leaf};
pub use hooks::HookHandle;
pub(crate) use hooks::{
    REASON as HOOKED, any_at as any_hooked, forget as forget_hooks, register_leaf as register_leaf_hook,
};
pub use record::LeafId;
pub(crate) use record::{Back, History, Record};
pub use transform::{hessian, hessians, hvp, jacobian, jacobians, jvp, vjp};
use walk::{Aim, Mode, Walk};

/// What holds on this thread, in one byte, so that an operation reads it once: [`RECORDING`] and [`WATCHED`].
const RECORDING: u8 = 1;
/// Something wants to hear of every operation: see [`crate::watch`].
const WATCHED: u8 = 2;

thread_local! {
    static STATE: Cell<u8> = const { Cell::new(RECORDING) };
}

pub(crate) fn is_recording() -> bool {
    STATE.get() & RECORDING != 0
}

pub(crate) fn is_watched() -> bool {
    STATE.get() & WATCHED != 0
}

/// Runs `f` without recording operations, on this thread: for evaluation and for updates by hand.
///
/// # Examples
/// ```
/// # use talweg_tensor::{Tensor, no_grad};
/// let x = Tensor::from_slice(&[2.0f32], [1]).requires_grad();
/// assert!((&x * &x).is_tracked());
/// assert!(!no_grad(|| &x * &x).is_tracked());
/// ```
pub fn no_grad<R>(f: impl FnOnce() -> R) -> R {
    set_recording(false, f)
}

/// Runs `f` with recording on, also inside [`no_grad`].
pub(crate) fn recording<R>(f: impl FnOnce() -> R) -> R {
    set_recording(true, f)
}

fn set_recording<R>(on: bool, f: impl FnOnce() -> R) -> R {
    set_state(RECORDING, on, f)
}

/// Runs `f` while operations are told to [`crate::watch`], or are not.
pub(crate) fn set_watched<R>(on: bool, f: impl FnOnce() -> R) -> R {
    set_state(WATCHED, on, f)
}

fn set_state<R>(bit: u8, on: bool, f: impl FnOnce() -> R) -> R {
    struct Restore(u8);
    impl Drop for Restore {
        fn drop(&mut self) {
            STATE.set(self.0);
        }
    }
    let before = STATE.get();
    let _restore = Restore(before);
    STATE.set(if on { before | bit } else { before & !bit });
    f()
}

/// Whether gradients are themselves recorded, so that they can be differentiated again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Create {
    /// Numbers only.
    Value,
    /// With their graph, for higher derivatives.
    Graph,
}

/// The gradients of the sum of `ys` with respect to each of `xs`, which may be any tracked tensors.
///
/// Leaves the graph in place, unlike [`Tensor::backward`]. An `x` that took no part gets zeros.
///
/// # Panics
/// When a `y` or `x` is not tracked.
///
/// # Examples
/// ```
/// # use talweg_tensor::{Tensor, Create, grad};
/// let x = Tensor::from_slice(&[3.0f64], [1]).requires_grad();
/// let y = &x * &x * &x;
/// let dy = grad(&[&y], &[&x], Create::Graph).remove(0);
/// let ddy = grad(&[&dy], &[&x], Create::Value).remove(0);
/// assert_eq!((dy.item(), ddy.item()), (27.0, 18.0));
/// ```
#[track_caller]
pub fn grad(ys: &[&Tensor], xs: &[&Tensor], create: Create) -> Vec<Tensor> {
    let dys: Vec<Tensor> = ys.iter().map(|y| y.ones_like()).collect();
    grad_from(ys, &dys.iter().collect::<Vec<_>>(), xs, create)
}

/// The same from given gradients of the `ys`: vector-Jacobian products.
///
/// # Panics
/// When a `y` or `x` is not tracked, or a gradient's shape is not its `y`'s.
#[track_caller]
pub fn grad_from(ys: &[&Tensor], dys: &[&Tensor], xs: &[&Tensor], create: Create) -> Vec<Tensor> {
    let (outputs, given) = (ys.len(), dys.len());
    assert!(outputs == given, "grad: {outputs} outputs but {given} gradients for them");
    let targets = xs.iter().enumerate().map(|(i, x)| match x.history() {
        Some(history) => history.clone(),
        None => panic!("grad: input {i} {} is not tracked; make it by requires_grad()", x.shape()),
    });
    let mode = if create == Create::Graph { Mode::Graph } else { Mode::Value };
    walk_back(ys, dys, xs, targets.collect(), mode)
}

/// The walk from `ys` to `xs`, whose histories the targets are.
#[track_caller]
fn walk_back(
    ys: &[&Tensor],
    dys: &[&Tensor],
    xs: &[&Tensor],
    targets: Vec<History>,
    mode: Mode,
) -> Vec<Tensor> {
    let mut aim = Aim::new(targets);
    let mut walk = Walk::new(false, mode);
    let start = || {
        for (i, (y, dy)) in ys.iter().zip(dys).enumerate() {
            let Some(history) = y.history() else {
                panic!(
                    "grad: output {i} {} is not tracked: it does not depend on a tracked tensor",
                    y.shape()
                )
            };
            assert!(
                y.shape() == dy.shape(),
                "grad: output {i} is {}, but the gradient given for it is {}; give one of the output's shape",
                y.shape(),
                dy.shape()
            );
            walk.start(history.clone(), (*dy).clone(), &mut aim);
        }
        walk.run(&mut aim);
    };
    set_recording(mode != Mode::Value, start);
    aim.found.into_iter().zip(xs).map(|(dx, x)| dx.unwrap_or_else(|| x.zeros_like())).collect()
}

impl Tensor {
    /// The gradients of this scalar with respect to every leaf it was computed from.
    ///
    /// Takes the tensor and its graph; saved values are freed during the walk, also when other tensors still point
    /// into the graph.
    ///
    /// # Panics
    /// When the tensor has more than one element, when it is not tracked (nothing it was computed from is a
    /// parameter or made by [`Tensor::requires_grad`]), or when its graph was used before.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let w = Tensor::from_slice(&[1.0f32, -2.0], [2]).requires_grad();
    /// let loss = (&w * &w).sum(..);
    /// let grads = loss.backward();
    /// assert_eq!(grads.wrt(&w).to_vec::<f32>(), [2.0, -4.0]);
    /// ```
    #[track_caller]
    pub fn backward(self) -> Gradients {
        assert!(
            self.shape().numel() == 1,
            "backward: the loss must have one element, got {}; reduce it with .mean(..) or .sum(..), or give its \
             gradient to grad_from",
            self.shape()
        );
        let dy = self.ones_like();
        let Some(history) = self.into_history() else {
            panic!(
                "backward: the loss {} is not tracked: it was computed from no parameter and no requires_grad() \
                 tensor, or inside no_grad, or after detach(); compute it from what shall be trained",
                dy.shape()
            )
        };
        let mut grads = Gradients::default();
        let mut walk = Walk::new(true, Mode::Value);
        no_grad(|| {
            walk.start(history, dy, &mut grads);
            walk.run(&mut grads);
        });
        grads
    }
}

#[cfg(test)]
mod tests;
