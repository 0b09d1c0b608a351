//! Operations while something wants to hear of them: see [`crate::watch`]. The usual way knows nothing of it.

use std::panic::Location;

use super::{MultiOp, Op, Saved, Spec, link};
use crate::anomaly;
use crate::autograd::{self, Record};
use crate::tensor::Tensor;
use crate::watch;

/// Runs an operation with one output.
#[cold]
#[track_caller]
pub(super) fn single<O: Op>(op: O, inputs: &[&Tensor], out: &Spec, mut saved: Saved) -> Tensor {
    watch::operation(op.name(), inputs);
    let y = quietly(saved.recording || !out.dtype.is_real(), || op.forward(inputs, out, &mut saved));
    let site = anomaly::check_results(op.name(), inputs, &[&y], Location::caller());
    if !saved.recording {
        return y;
    }
    let record = match site {
        Some(site) => Record::of_at(op, inputs, saved, site),
        None => Record::of(op, inputs, saved),
    };
    y.with_history(record, 0)
}

/// Runs an operation with several outputs.
#[cold]
#[track_caller]
pub(super) fn several<O: MultiOp>(op: O, inputs: &[&Tensor], outs: &[Spec], mut saved: Saved) -> Vec<Tensor> {
    watch::operation(op.name(), inputs);
    let ys = autograd::set_watched(false, || autograd::no_grad(|| op.forward(inputs, outs, &mut saved)));
    let site = anomaly::check_results(op.name(), inputs, &ys.iter().collect::<Vec<_>>(), Location::caller());
    if !saved.recording {
        return ys;
    }
    let record = match site {
        Some(site) => Record::of_multi_at(op, inputs, saved, outs.len(), site),
        None => Record::of_multi(op, inputs, saved, outs.len()),
    };
    link(ys, &record)
}

/// What an operation computes inside is its own business: only the whole is heard of.
fn quietly(recorded: bool, forward: impl FnOnce() -> Tensor) -> Tensor {
    autograd::set_watched(false, || if recorded { autograd::no_grad(forward) } else { forward() })
}
