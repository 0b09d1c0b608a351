//! Running means and norms: the terms that many rules are written in.

use talweg_tensor::{Grad, Tensor};

/// The gradient as a tensor, with the gradient of `weight_decay |w|² / 2` added.
pub(super) fn decayed(grad: &Grad, param: &Tensor, weight_decay: f64) -> Tensor {
    let g = grad.to_dense(param.shape());
    if weight_decay == 0.0 { g } else { g + param * weight_decay }
}

/// `mean <- mean + (1 - beta) (x - mean)`.
pub(super) fn approach(mean: &mut Tensor, x: &Tensor, beta: f64) {
    let step = (x - &*mean) * (1.0 - beta);
    *mean = step + &*mean;
}

/// `mean <- beta mean + (1 - beta) x²`.
pub(super) fn approach_square(mean: &mut Tensor, x: &Tensor, beta: f64) {
    let old = &*mean * beta;
    *mean = x.square() * (1.0 - beta) + &old;
}

/// The Euclidean norm of all elements together, a tensor without axes.
pub(super) fn norm(x: &Tensor) -> Tensor {
    x.square().sum(..).sqrt()
}

/// `factor |w| / (|u| + eps)`, and 1 where one of the norms is 0, so that a parameter that starts from 0 can move.
pub(super) fn trust_ratio(w: &Tensor, u: &Tensor, factor: f64, eps: f64) -> Tensor {
    let (w, u) = (norm(w), norm(u));
    let moves = w.gt(&w.zeros_like()).logical_and(&u.gt(&u.zeros_like()));
    moves.select(&(&w * factor / (&u + eps)), &w.ones_like())
}
