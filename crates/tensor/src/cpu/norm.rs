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
        let (channels, inner) = (shape.at(1), shape.iter().skip(2).product());
        BatchNorm { channels, inner, weight, bias, eps, relu: s.relu }
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

/// Inputs `x`, weight, bias and shortcut; outputs `y`, and mean, variance and 1 / √(variance + eps) of each channel.
pub(super) fn batch_norm(s: &NormKernel, inputs: &[View<'_>], outputs: &mut [Out<'_>]) {
    let [y, mean, variance, rstd] = outputs else { unreachable!("y and the statistics") };
    float!(y.dtype, T => {
        let sides = Sides::<T>::of(s, &inputs[1..]);
        let shortcut = if s.shortcut { inputs.last().map(dense::<T>) } else { None };
        let statistics = [out_slice(mean), out_slice(variance), out_slice(rstd)];
        let (norm, x) = (sides.batch(&inputs[0], s), dense(&inputs[0]));
        kernels::batch_norm(&norm, &x, shortcut.as_deref(), out_slice(y), statistics);
    });
}

/// Inputs `x`, the two statistics, `dy`, weight, and for the rectifier `y` behind a shortcut, else the bias; outputs the
/// gradients of `x`, weight and bias, and behind rectifier and shortcut that of the shortcut.
pub(super) fn batch_norm_grad(s: &NormKernel, inputs: &[View<'_>], outputs: &mut [Out<'_>]) {
    let [dx, dweight, dbias, dshortcut @ ..] = outputs else { unreachable!("three gradients") };
    float!(dx.dtype, T => {
        let gated = s.relu && s.shortcut;
        let sides = Sides::<T>::of(&NormKernel { bias: s.bias && s.relu && !s.shortcut, ..*s }, &inputs[4..]);
        let y = if gated { inputs.last().map(dense::<T>) } else { None };
        let [x, mean, rstd, dy]: [Dense<'_, T>; 4] = [0, 1, 2, 3].map(|i| dense(&inputs[i]));
        let out = NormGrad { dx: out_slice(dx), dweight: Some(out_slice(dweight)), dbias: Some(out_slice(dbias)) };
        let dshortcut = dshortcut.first_mut().map(out_slice::<T>);
        kernels::batch_norm_grad(&sides.batch(&inputs[0], s), &x, [&mean, &rstd], y.as_deref(), &dy, out, dshortcut);
    });
}
