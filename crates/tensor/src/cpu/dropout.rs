//! Dropout: its kernel on dense numbers.

use talweg_kernels::random;

use super::{dense, float, out_slice};
use crate::backend::{Out, View};

pub(super) fn dropout(p: f64, [seed, stream, offset]: [u64; 3], x: &View<'_>, out: &mut Out<'_>) {
    float!(out.dtype, T => random::dropout::<T>(seed, stream, offset, p, &dense(x), out_slice(out)));
}
