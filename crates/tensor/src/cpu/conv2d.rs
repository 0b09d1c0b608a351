//! Convolutions: kernels on dense NCHW pictures.

use talweg_kernels::conv::{self, Conv2d};

use super::{dense, float, out_slice};
use crate::backend::{Out, View};

pub(super) fn conv2d(s: &Conv2d, inputs: &[View<'_>], out: &mut Out<'_>) {
    float!(out.dtype, T => {
        let bias = inputs.get(2).map(dense::<T>);
        conv::conv2d::<T>(s, &dense(&inputs[0]), &dense(&inputs[1]), bias.as_deref(), out_slice(out));
    });
}

pub(super) fn conv2d_input_grad(s: &Conv2d, dy: &View<'_>, w: &View<'_>, out: &mut Out<'_>) {
    float!(out.dtype, T => conv::conv2d_input_grad::<T>(s, &dense(dy), &dense(w), out_slice(out)));
}

pub(super) fn conv2d_weight_grad(s: &Conv2d, x: &View<'_>, dy: &View<'_>, out: &mut Out<'_>) {
    float!(out.dtype, T => conv::conv2d_weight_grad::<T>(s, &dense(x), &dense(dy), out_slice(out)));
}
