//! Reverse-mode automatic differentiation: the record of operations and the walk back through it.
//!
//! A tracked tensor holds the record of the operation that made it, records hold their inputs' records, and so the
//! tensors own the graph: when the loss goes, the graph goes. [`Tensor::backward`] takes the loss and gives back the
//! gradients; nothing is stored on tensors, so there is nothing to zero and nothing stale.

mod gradients;
mod record;

use std::cell::Cell;
use std::sync::Arc;

use crate::dtype::DType;
use crate::shape::Shape;
use crate::tensor::Tensor;

use gradients::add_into;
pub use gradients::{Grad, Gradients, Leaf};
pub use record::LeafId;
use record::OutputGrads;
pub(crate) use record::{History, Record};

thread_local! {
    static RECORDING: Cell<bool> = const { Cell::new(true) };
}

pub(crate) fn is_recording() -> bool {
    RECORDING.get()
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
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            RECORDING.set(self.0);
        }
    }
    let _restore = Restore(RECORDING.replace(on));
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
    assert_eq!(ys.len(), dys.len(), "grad: {} outputs but {} gradients for them", ys.len(), dys.len());
    let targets: Vec<&History> = xs
        .iter()
        .enumerate()
        .map(|(i, x)| {
            x.history().unwrap_or_else(|| {
                panic!("grad: input {i} {} is not tracked; make it by requires_grad()", x.shape())
            })
        })
        .collect();
    let mut found: Vec<Option<Tensor>> = vec![None; xs.len()];
    let mut walk = Walk { front: Vec::new(), take: false, graph: create == Create::Graph };
    let mut collect = |history: &History, dx: &Grad, shape: &Shape| {
        for (target, found) in targets.iter().zip(&mut found) {
            if target.same(history) {
                let dx = dx.to_dense(shape);
                *found = Some(match found.take() {
                    Some(old) => add_into(old, dx),
                    None => dx,
                });
            }
        }
    };
    let start = || {
        for (i, (y, dy)) in ys.iter().zip(dys).enumerate() {
            let Some(history) = y.history() else {
                panic!(
                    "grad: output {i} {} is not tracked: it does not depend on a tracked tensor",
                    y.shape()
                )
            };
            assert_eq!(y.shape(), dy.shape(), "grad: output {i} and its gradient differ in shape");
            walk.arrive(history.clone(), Grad::Dense((*dy).clone()), y.shape(), &mut collect);
        }
        walk.run(&mut collect);
    };
    set_recording(create == Create::Graph, start);
    found.into_iter().zip(xs).map(|(dx, x)| dx.unwrap_or_else(|| x.zeros_like())).collect()
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
        let (dy, shape) = (self.ones_like(), *self.shape());
        let Some(history) = self.into_history() else {
            panic!(
                "backward: the loss is not tracked: it was computed from no parameter and no requires_grad() \
                 tensor, or inside no_grad, or after detach()"
            )
        };
        let mut grads = Gradients::default();
        let mut walk = Walk { front: Vec::with_capacity(8), take: true, graph: false };
        let mut collect = |history: &History, dx: &Grad, shape: &Shape| {
            if let History::Leaf(id) = history {
                grads.add(*id, dx.clone(), shape);
            }
        };
        no_grad(|| {
            walk.arrive(history, Grad::Dense(dy), &shape, &mut collect);
            walk.run(&mut collect);
        });
        grads
    }
}

/// What hears of every gradient that arrives at a tensor: its history, the gradient, its shape.
type Collect<'a> = dyn FnMut(&History, &Grad, &Shape) + 'a;

/// The walk: records that have gradients, by number. The highest has no consumer left that was not visited.
struct Walk {
    /// In increasing order of the numbers: mostly few, and what arrives is mostly the highest.
    front: Vec<(Arc<Record>, OutputGrads)>,
    take: bool,
    graph: bool,
}

impl Walk {
    fn arrive(&mut self, history: History, dx: Grad, shape: &Shape, collect: &mut Collect<'_>) {
        collect(&history, &dx, shape);
        let History::Step(record, output) = history else { return };
        let dx = dx.into_dense(shape);
        let below = self.front.iter().rposition(|(other, _)| other.number <= record.number);
        let at = match below {
            Some(at) if self.front[at].0.number == record.number => at,
            _ => {
                let at = below.map_or(0, |below| below + 1);
                let dys = OutputGrads::none(record.outputs);
                self.front.insert(at, (record, dys));
                at
            }
        };
        let slot = self.front[at].1.slot(output as usize);
        *slot = Some(match slot.take() {
            Some(old) => add_into(old, dx),
            None => dx,
        });
    }

    #[track_caller]
    fn run(&mut self, collect: &mut Collect<'_>) {
        while let Some((mut record, dys)) = self.front.pop() {
            let mut state = record.state(self.take);
            if self.graph {
                state.saved = state.saved.linked(&state.parents, &record);
            }
            let needs = |i: usize| state.parents[i].is_some();
            let inputs = state.parents.len();
            let dxs = match inputs {
                1 => record.op.vjp(&state.saved, dys, &[needs(0)]),
                2 => record.op.vjp(&state.saved, dys, &[needs(0), needs(1)]),
                3 => record.op.vjp(&state.saved, dys, &[needs(0), needs(1), needs(2)]),
                n => record.op.vjp(&state.saved, dys, &(0..n).map(needs).collect::<Vec<_>>()),
            };
            assert_eq!(
                dxs.len(),
                inputs,
                "{}: vjp gives {} gradients for {inputs} inputs",
                record.op.name(),
                dxs.len(),
            );
            // What was saved goes before the gradients are added up, so that they find memory in the pool.
            state.saved.release();
            for (i, (parent, dx)) in state.parents.drain(..).zip(dxs).enumerate() {
                let (Some(history), Some(dx)) = (parent, dx) else { continue };
                let shape = *state.saved.shape(i);
                self.arrive(history, fit(dx, &shape), &shape, collect);
            }
        }
    }
}

/// A dense gradient brought to its input's shape: summed over axes that were broadcast, repeated over axes that
/// were reduced.
fn fit(dx: Grad, shape: &Shape) -> Grad {
    match dx {
        Grad::Dense(dx) if dx.shape() == shape => Grad::Dense(dx),
        Grad::Dense(dx) if dx.shape().broadcast(shape) == Some(*shape) => Grad::Dense(dx.broadcast_to(shape)),
        Grad::Dense(dx) if dx.dtype() == DType::Bf16 => {
            Grad::Dense(dx.cast(DType::F32).sum_to(shape).cast(DType::Bf16))
        }
        Grad::Dense(dx) => Grad::Dense(dx.sum_to(shape)),
        rows => rows,
    }
}

#[cfg(test)]
mod tests;
