//! Checkpoints: what is between them is not kept for the backward pass, but computed again.

use std::collections::HashSet;
use std::fmt::{self, Debug};
use std::sync::Arc;

use super::record::{Back, Backward, OutputGrads, Record, State};
use super::{History, is_recording, no_grad, recording};
use crate::anomaly;
use crate::op::{Saved, Spec};
use crate::param::BufferLog;
use crate::random::Rng;
use crate::tensor::Tensor;
use crate::watch;

/// Runs `f` so that nothing that it computes on the way is kept for the backward pass, which runs `f` once more
/// instead: memory for time (Chen, Xu, Zhang and Guestrin, "Training deep nets with sublinear memory cost", 2016).
///
/// `f` gets the inputs and the generator. When it is run again, the generator stands where it stood, so that dropout
/// masks are the same, and [`Buffer`](crate::Buffer)s such as running statistics are read as they were and left as they
/// are. Gradients, generator and buffers are then the same as without the checkpoint, to the bit. Parameters and
/// other tracked tensors that the closure holds get their gradients like the inputs. Checkpoints may lie inside of
/// checkpoints, and derivatives of any order, forward mode, hooks on what goes in and comes out, and
/// [`capture`](crate::capture()) work through them.
///
/// `f` must compute the same when it is run again: from its inputs, parameters, buffers and the generator it is given.
/// Parameters must not be changed between the forward pass and the backward pass. Inside
/// [`no_grad`](crate::no_grad) `f` is simply called.
///
/// # Panics
/// The backward pass panics when `f` then gives results of other shapes.
///
/// # Examples
/// ```
/// # use talweg_tensor::{DType, Rng, Tensor, checkpoint};
/// let rng = &mut Rng::seed(1);
/// let x = rng.normal([100], 0.0, 1.0, DType::F32).requires_grad();
/// let block = |x: &[&Tensor], rng: &mut Rng| x[0].sin().dropout(0.5, rng).exp();
/// let mut again = rng.clone();
/// let grads = checkpoint(block, &[&x], rng).sum(..).backward();
/// let without = block(&[&x], &mut again).sum(..).backward();
/// assert_eq!(grads.wrt(&x).to_vec::<f32>(), without.wrt(&x).to_vec::<f32>());
/// assert_eq!(*rng, again);
/// ```
#[track_caller]
pub fn checkpoint(
    f: impl Fn(&[&Tensor], &mut Rng) -> Tensor + Send + Sync + 'static,
    inputs: &[&Tensor],
    rng: &mut Rng,
) -> Tensor {
    run(Box::new(move |inputs, rng| vec![f(inputs, rng)]), inputs, rng).remove(0)
}

/// The same as [`checkpoint`] for a function with several results.
///
/// # Panics
/// As [`checkpoint`].
///
/// # Examples
/// ```
/// # use talweg_tensor::{Rng, Tensor, checkpoint_multi};
/// let x = Tensor::from_slice(&[2.0f32], [1]).requires_grad();
/// let ys = checkpoint_multi(|x, _| vec![x[0].square(), x[0].exp()], &[&x], &mut Rng::seed(1));
/// assert_eq!((&ys[0] * 3.0).sum(..).backward().wrt(&x).item(), 12.0);
/// ```
#[track_caller]
pub fn checkpoint_multi(
    f: impl Fn(&[&Tensor], &mut Rng) -> Vec<Tensor> + Send + Sync + 'static,
    inputs: &[&Tensor],
    rng: &mut Rng,
) -> Vec<Tensor> {
    run(Box::new(f), inputs, rng)
}

type Function = dyn Fn(&[&Tensor], &mut Rng) -> Vec<Tensor> + Send + Sync;

/// A part of a computation, and how to compute it again.
struct Checkpoint {
    f: Box<Function>,
    /// Where the generator stood.
    start: Rng,
    /// The buffers that it reads, as they were.
    buffers: BufferLog,
    outs: Vec<Spec>,
    /// The modules that it is inside of, where that is heard of.
    path: Arc<str>,
}

#[track_caller]
fn run(f: Box<Function>, inputs: &[&Tensor], rng: &mut Rng) -> Vec<Tensor> {
    if !is_recording() {
        return f(inputs, rng);
    }
    let start = rng.clone();
    let (buffers, (ys, outside)) = BufferLog::record(|| watch::tracked_inputs(|| no_grad(|| f(inputs, rng))));
    let ys: Vec<Tensor> = ys.iter().map(Tensor::detach).collect();
    let mut parents: Vec<Option<History>> = inputs.iter().map(|x| x.history().cloned()).collect();
    let known: HashSet<u64> = parents.iter().flatten().map(History::number).collect();
    let others = outside.into_iter().filter(|history| !known.contains(&history.number()));
    parents.extend(others.map(Some));
    if parents.iter().all(Option::is_none) {
        return ys;
    }
    let outs = ys.iter().map(Tensor::spec).collect();
    let saved = Saved::of_inputs(inputs);
    let op = Checkpoint { f, start, buffers, outs, path: anomaly::path() };
    let record = Record::new(op, ys.len(), State { parents, saved, hooks: Vec::new() });
    let link = |(i, y): (usize, Tensor)| {
        if y.dtype().is_real() { y.with_history(record.clone(), i as u32) } else { y }
    };
    ys.into_iter().enumerate().map(link).collect()
}

impl Backward for Checkpoint {
    fn name(&self) -> &'static str {
        "checkpoint"
    }

    fn vjp(&self, state: &State, dys: OutputGrads, _: &[bool]) -> Back {
        let inputs: Vec<Tensor> = (0..state.saved.inputs())
            .map(|i| Tensor::from_parts(state.saved.input(i).value().clone(), state.parents[i].clone()))
            .collect();
        let inputs: Vec<&Tensor> = inputs.iter().collect();
        let again = || recording(|| (self.f)(&inputs, &mut self.start.clone()));
        let ys = anomaly::in_path(&self.path, || self.buffers.replay(again));
        let specs: Vec<Spec> = ys.iter().map(Tensor::spec).collect();
        assert!(
            specs == self.outs,
            "checkpoint: computed again, the function gives {:?} where it gave {:?}; it must depend on nothing but its \
             inputs, parameters, buffers and the generator",
            shapes(&specs),
            shapes(&self.outs)
        );
        Back::Again(ys.into_iter().zip(dys.into_vec()).filter_map(|(y, dy)| Some((y, dy?))).collect())
    }
}

fn shapes(specs: &[Spec]) -> Vec<String> {
    specs.iter().map(|spec| format!("{} {}", spec.dtype, spec.shape)).collect()
}

impl Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checkpoint({:?})", shapes(&self.outs))
    }
}

#[cfg(test)]
mod tests;
