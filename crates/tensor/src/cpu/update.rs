//! Optimizer steps.

use talweg_kernels::{Float, update as kernels};

use super::{dense, float, out_slice};
use crate::backend::{Out, View};
use crate::ops::Update;

pub(super) fn update(step: &Update, outputs: &mut [Out<'_>], gradient: &View<'_>) {
    float!(gradient.dtype, T => apply::<T>(step, outputs, &dense(gradient)));
}

fn apply<T: Float>(step: &Update, outputs: &mut [Out<'_>], g: &[T]) {
    let mut slices = outputs.iter_mut().map(out_slice::<T>);
    let mut next = || slices.next().expect("the operation checked the number of state tensors");
    let p = next();
    match step {
        Update::Sgd(rule) => kernels::sgd(rule, p, g, (rule.momentum != 0.0).then(next)),
        Update::Adam(rule) => {
            let means = [next(), next()];
            kernels::adam(rule, p, g, means, slices.next());
        }
        Update::RmsProp { rule, centred } => {
            let square = next();
            let mean = centred.then(&mut next);
            let momentum = (rule.momentum != 0.0).then(next);
            kernels::rmsprop(rule, p, g, square, mean, momentum);
        }
        Update::Adagrad(rule) => kernels::adagrad(rule, p, g, next()),
    }
}
