//! Softmax and the like: kernels on dense rows, along the last axis.

use talweg_kernels::softmax as kernels;

use super::{dense, float, out_slice};
use crate::backend::{Out, View};

/// The size of the last axis.
fn row(out: &Out<'_>) -> usize {
    out.shape.size(-1)
}

pub(super) fn softmax(x: &View<'_>, out: &mut Out<'_>) {
    float!(out.dtype, T => kernels::softmax::<T>(&dense(x), row(out), out_slice(out)));
}

pub(super) fn log_softmax(x: &View<'_>, out: &mut Out<'_>) {
    float!(out.dtype, T => kernels::log_softmax::<T>(&dense(x), row(out), out_slice(out)));
}

pub(super) fn softmax_grad(y: &View<'_>, dy: &View<'_>, out: &mut Out<'_>) {
    float!(out.dtype, T => kernels::softmax_grad::<T>(&dense(y), &dense(dy), row(out), out_slice(out)));
}

pub(super) fn log_softmax_grad(y: &View<'_>, dy: &View<'_>, out: &mut Out<'_>) {
    float!(out.dtype, T => kernels::log_softmax_grad::<T>(&dense(y), &dense(dy), row(out), out_slice(out)));
}
