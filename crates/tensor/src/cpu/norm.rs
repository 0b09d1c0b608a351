//! Normalisations: kernels on dense rows and channels.

use talweg_kernels::Float;
use talweg_kernels::norm::{self as kernels, BatchNorm, LayerNorm, NormGrad};

use super::{Dense, dense, float, out_slice};
use crate::backend::{Out, View};
use crate::ops::NormKernel;

/// Weight and bias, those that there are.
struct Sides<'a, T>([Option<Dense<'a, T>>; 2]);

impl<'a, T: Float> Sides<'a, T> {
    fn of(s: &NormKernel, inputs: &[View<'a>]) -> Sides<'a, T> {
        let mut given = inputs.iter().map(dense::<T>);
        Sides([s.weight, s.bias].map(|there| if there { given.next() } else { None }))
    }

    fn layer(&self, n: usize, s: &NormKernel) -> LayerNorm<'_, T> {
        let [weight, bias] = [0, 1].map(|i| self.0[i].as_deref());
        LayerNorm { n, weight, bias, eps: T::from_f64(s.eps) }
    }

    fn batch(&self, x: &View<'_>, s: &NormKernel) -> BatchNorm<'_, T> {
        let [weight, bias] = [0, 1].map(|i| self.0[i].as_deref());
        let (shape, eps) = (x.layout.shape(), T::from_f64(s.eps));
        BatchNorm { channels: shape.at(1), inner: shape.iter().skip(2).product(), weight, bias, eps }
    }
}

/// Inputs `x`, weight and bias; outputs `y`, and mean and 1 / √(variance + eps) of each row.
pub(super) fn layer_norm(n: usize, s: &NormKernel, inputs: &[View<'_>], outputs: &mut [Out<'_>]) {
    let [y, mean, rstd] = outputs else { unreachable!("y and the statistics") };
    float!(y.dtype, T => {
        let sides = Sides::<T>::of(s, &inputs[1..]);
        let x = dense(&inputs[0]);
        kernels::layer_norm(&sides.layer(n, s), &x, out_slice(y), out_slice(mean), out_slice(rstd));
    });
}

/// Inputs `x`, the two statistics, `dy`, weight; outputs the gradients of `x`, weight and bias.
pub(super) fn layer_norm_grad(n: usize, s: &NormKernel, inputs: &[View<'_>], outputs: &mut [Out<'_>]) {
    let [dx, dweight, dbias] = outputs else { unreachable!("three gradients") };
    float!(dx.dtype, T => {
        let sides = Sides::<T>::of(&NormKernel { bias: false, ..*s }, &inputs[4..]);
        let [x, mean, rstd, dy]: [Dense<'_, T>; 4] = [0, 1, 2, 3].map(|i| dense(&inputs[i]));
        let out = NormGrad { dx: out_slice(dx), dweight: Some(out_slice(dweight)), dbias: Some(out_slice(dbias)) };
        kernels::layer_norm_grad(&sides.layer(n, s), &x, [&mean, &rstd], &dy, out);
    });
}

/// Inputs `x`, weight and bias; outputs `y`, and mean, variance and 1 / √(variance + eps) of each channel.
pub(super) fn batch_norm(s: &NormKernel, inputs: &[View<'_>], outputs: &mut [Out<'_>]) {
    let [y, mean, variance, rstd] = outputs else { unreachable!("y and the statistics") };
    float!(y.dtype, T => {
        let sides = Sides::<T>::of(s, &inputs[1..]);
        let statistics = [out_slice(mean), out_slice(variance), out_slice(rstd)];
        kernels::batch_norm(&sides.batch(&inputs[0], s), &dense(&inputs[0]), out_slice(y), statistics);
    });
}

/// As [`layer_norm_grad`].
pub(super) fn batch_norm_grad(s: &NormKernel, inputs: &[View<'_>], outputs: &mut [Out<'_>]) {
    let [dx, dweight, dbias] = outputs else { unreachable!("three gradients") };
    float!(dx.dtype, T => {
        let sides = Sides::<T>::of(&NormKernel { bias: false, ..*s }, &inputs[4..]);
        let [x, mean, rstd, dy]: [Dense<'_, T>; 4] = [0, 1, 2, 3].map(|i| dense(&inputs[i]));
        let out = NormGrad { dx: out_slice(dx), dweight: Some(out_slice(dweight)), dbias: Some(out_slice(dbias)) };
        kernels::batch_norm_grad(&sides.batch(&inputs[0], s), &x, [&mean, &rstd], &dy, out);
    });
}
