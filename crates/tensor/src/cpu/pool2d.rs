//! Pooling: kernels on dense planes.

use talweg_kernels::pool2d::{self, Pool2d};

use super::{dense, float, indices, out_slice};
use crate::backend::{Out, View};

pub(super) fn max_pool2d(s: &Pool2d, x: &View<'_>, outputs: &mut [Out<'_>]) {
    let [y, index] = outputs else { unreachable!("the maxima and their places") };
    float!(y.dtype, T => pool2d::max_pool2d::<T>(s, &dense(x), out_slice(y), out_slice(index)));
}

pub(super) fn max_pool2d_grad(s: &Pool2d, dy: &View<'_>, index: &View<'_>, out: &mut Out<'_>) {
    float!(out.dtype, T => pool2d::max_pool2d_grad::<T>(s, &dense(dy), &indices(index), out_slice(out)));
}

pub(super) fn avg_pool2d(s: &Pool2d, x: &View<'_>, out: &mut Out<'_>) {
    float!(out.dtype, T => pool2d::avg_pool2d::<T>(s, &dense(x), out_slice(out)));
}

pub(super) fn avg_pool2d_grad(s: &Pool2d, dy: &View<'_>, out: &mut Out<'_>) {
    float!(out.dtype, T => pool2d::avg_pool2d_grad::<T>(s, &dense(dy), out_slice(out)));
}
