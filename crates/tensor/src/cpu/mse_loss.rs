//! The squared error of dense numbers.

use talweg_kernels::{Float, mse_loss as kernels};

use super::{dense, float, out_slice};
use crate::backend::{Out, View};
use crate::ops::Reduction;

pub(super) fn mse_loss(reduction: Reduction, x: &View<'_>, target: &View<'_>, out: &mut Out<'_>) {
    float!(out.dtype, T => losses::<T>(reduction, &dense(x), &dense(target), out_slice(out)));
}

/// The losses of dense numbers, reduced.
pub(super) fn losses<T: Float>(reduction: Reduction, x: &[T], target: &[T], out: &mut [T]) {
    match reduction {
        Reduction::None => kernels::squares(x, target, out),
        Reduction::Sum => out[0] = kernels::sum(x, target),
        Reduction::Mean => out[0] = kernels::sum(x, target) / T::from_f64(x.len() as f64),
    }
}

/// The gradient by `x`, with `factor dy` for each element: inputs `dy`, `x` and the target.
pub(super) fn mse_loss_grad(factor: f64, inputs: &[View<'_>], out: &mut Out<'_>) {
    float!(out.dtype, T => {
        let [dy, x, target] = [0, 1, 2].map(|i| dense::<T>(&inputs[i]));
        kernels::slopes(factor as T, &dy, &x, &target, out_slice(out));
    });
}
