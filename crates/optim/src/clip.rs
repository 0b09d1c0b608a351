//! Gradient clipping: a bound on how far one step can go.

use talweg_tensor::{Grad, Gradients, Tensor};

/// How gradients are limited before a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clip {
    /// All gradients together, as one vector, to this Euclidean norm at most; see [`norm`].
    Norm(f64),
    /// Every element of every gradient to this absolute value at most; see [`value`].
    Value(f64),
}

impl Clip {
    /// Limits the gradients, and returns the norm they had.
    pub fn apply(self, grads: &mut Gradients) -> f64 {
        match self {
            Clip::Norm(max) => norm(grads, max),
            Clip::Value(max) => {
                let before = global_norm(grads);
                value(grads, max);
                before
            }
        }
    }
}

/// The Euclidean norm of all gradients together: `√(Σ g²)` over every element of every gradient.
///
/// Rows that an embedding's gradient lists twice are counted as they are listed.
pub fn global_norm(grads: &Gradients) -> f64 {
    grads.iter().map(|(_, grad)| tensor(grad).square().sum(..).item()).sum::<f64>().sqrt()
}

/// Scales all gradients by one factor so that their global norm is at most `max`, and returns the norm before.
///
/// `g <- g max / (|g| + 1e-6)` when `|g| > max`.
///
/// # Source
/// Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks" (2013), section 3.2. The
/// 1e-6 is PyTorch's.
///
/// # Examples
/// ```
/// # use talweg_optim::clip;
/// # use talweg_tensor::Tensor;
/// let x = Tensor::from_slice(&[3.0f64, 4.0], [2]).requires_grad();
/// let mut grads = (x.square().sum(..) * 0.5).backward();
/// assert_eq!(clip::norm(&mut grads, 1.0), 5.0);
/// assert!((clip::global_norm(&grads) - 1.0).abs() < 1e-6);
/// ```
pub fn norm(grads: &mut Gradients, max: f64) -> f64 {
    let norm = global_norm(grads);
    let factor = max / (norm + 1e-6);
    if factor < 1.0 {
        change(grads, |g| g * factor);
    }
    norm
}

/// Limits every element to `-max..=max`.
///
/// # Examples
/// ```
/// # use talweg_optim::clip;
/// # use talweg_tensor::Tensor;
/// let x = Tensor::from_slice(&[3.0f64, -0.5], [2]).requires_grad();
/// let mut grads = x.square().sum(..).backward();
/// clip::value(&mut grads, 2.0);
/// assert_eq!(grads.wrt(&x).to_vec::<f64>(), [2.0, -1.0]);
/// ```
pub fn value(grads: &mut Gradients, max: f64) {
    change(grads, |g| g.clamp(-max, max));
}

fn tensor(grad: &Grad) -> &Tensor {
    match grad {
        Grad::Dense(x) => x,
        Grad::Rows { values, .. } => values,
    }
}

fn change(grads: &mut Gradients, f: impl Fn(Tensor) -> Tensor) {
    for (_, grad) in grads.iter_mut() {
        let x = match grad {
            Grad::Dense(x) => x,
            Grad::Rows { values, .. } => values,
        };
        let taken = std::mem::replace(x, Tensor::scalar(0.0f32));
        *x = f(taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grads() -> (Tensor, Tensor, Gradients) {
        let a = Tensor::from_slice(&[1.0f64, 2.0], [2]).requires_grad();
        let b = Tensor::from_slice(&[2.0f64], [1]).requires_grad();
        let grads = (a.square().sum(..) * 0.5 + b.square().sum(..) * 0.5).backward();
        (a, b, grads)
    }

    #[test]
    fn the_norm_is_that_of_all_gradients_together() {
        let (a, b, mut g) = grads();
        // √(1 + 4 + 4) = 3
        assert_eq!(norm(&mut g, 1.5), 3.0);
        let factor = 1.5 / (3.0 + 1e-6);
        assert_eq!(g.wrt(&a).to_vec::<f64>(), [factor, 2.0 * factor]);
        assert_eq!(g.wrt(&b).to_vec::<f64>(), [2.0 * factor]);
    }

    #[test]
    fn small_gradients_stay_as_they_are() {
        let (a, _, mut g) = grads();
        assert_eq!(Clip::Norm(100.0).apply(&mut g), 3.0);
        assert_eq!(g.wrt(&a).to_vec::<f64>(), [1.0, 2.0]);
    }
}
