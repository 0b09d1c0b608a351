//! Root-mean-square normalisation: kernels on dense rows.

use talweg_kernels::Float;
use talweg_kernels::rms_norm::{self as kernels, RmsNorm};

use super::{Dense, dense, float, out_slice};
use crate::backend::{Out, View};

fn sizes<'a, T: Float>(x: &View<'_>, weight: Option<&'a Dense<'_, T>>, eps: f64) -> RmsNorm<'a, T> {
    RmsNorm { n: x.layout.shape().size(-1), weight: weight.map(|weight| &**weight), eps: T::from_f64(eps) }
}

/// Inputs `x` and perhaps the weight; outputs `y`, and 1 / √(mean x² + eps) of each row.
pub(super) fn rms_norm(eps: f64, inputs: &[View<'_>], outputs: &mut [Out<'_>]) {
    let [y, rrms] = outputs else { unreachable!("y and the statistic") };
    float!(y.dtype, T => {
        let weight = inputs.get(1).map(dense::<T>);
        let s = sizes(&inputs[0], weight.as_ref(), eps);
        kernels::rms_norm(&s, &dense(&inputs[0]), out_slice(y), out_slice(rrms));
    });
}

/// Inputs `x`, the statistic, `dy` and perhaps the weight; outputs the gradients of `x` and weight.
pub(super) fn rms_norm_grad(eps: f64, inputs: &[View<'_>], outputs: &mut [Out<'_>]) {
    let [dx, dweight] = outputs else { unreachable!("two gradients") };
    float!(dx.dtype, T => {
        let weight = inputs.get(3).map(dense::<T>);
        let s = sizes(&inputs[0], weight.as_ref(), eps);
        let [x, rrms, dy]: [Dense<'_, T>; 3] = [0, 1, 2].map(|i| dense(&inputs[i]));
        kernels::rms_norm_grad(&s, &x, &rrms, &dy, out_slice(dx), out_slice(dweight));
    });
}
