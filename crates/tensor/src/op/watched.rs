//! Operations while something wants to hear of them: see [`crate::watch`]. The usual way knows nothing of it.

use super::{MultiOp, Op, Saved, Spec, link};
use crate::autograd::{self, Record};
use crate::tensor::Tensor;
use crate::watch;

/// Runs an operation with one output.
#[cold]
#[track_caller]
pub(super) fn single<O: Op>(op: O, inputs: &[&Tensor], out: &Spec, mut saved: Saved) -> Tensor {
    watch::operation(op.name(), inputs);
    let y = quietly(saved.recording, || op.forward(inputs, out, &mut saved));
    if !saved.recording {
        return y;
    }
    y.with_history(Record::of(op, inputs, saved), 0)
}

/// Runs an operation with several outputs.
#[cold]
#[track_caller]
pub(super) fn several<O: MultiOp>(op: O, inputs: &[&Tensor], outs: &[Spec], mut saved: Saved) -> Vec<Tensor> {
    watch::operation(op.name(), inputs);
    let ys = autograd::set_watched(false, || autograd::no_grad(|| op.forward(inputs, outs, &mut saved)));
    if !saved.recording {
        return ys;
    }
    link(ys, &Record::of_multi(op, inputs, saved, outs.len()))
}

/// What an operation computes inside is its own business: only the whole is heard of.
fn quietly(recorded: bool, forward: impl FnOnce() -> Tensor) -> Tensor {
    autograd::set_watched(false, || if recorded { autograd::no_grad(forward) } else { forward() })
}
