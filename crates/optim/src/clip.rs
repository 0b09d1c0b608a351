//! Gradient clipping: a bound on how far one step can go.

use talweg_tensor::{Grad, Gradients, Param, Tensor};

use crate::rows::distinct;

/// How gradients are limited before a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clip {
    /// All gradients together, as one vector, to this Euclidean norm at most; see [`norm`].
    Norm(f64),
    /// Every element of every gradient to this absolute value at most; see [`value`].
    Value(f64),
    /// Every unit of every parameter to this share of its weights' norm at most; see [`adaptive`].
    Adaptive {
        /// The largest norm of a gradient over that of its weights; usually 0.01 to 0.1.
        factor: f64,
        /// The smallest norm that weights are taken to have, so that those that start from 0 can move; usually 1e-3.
        eps: f64,
    },
}

impl Clip {
    /// Limits the gradients of these parameters, and returns the norm they had. [`Clip::Norm`] and [`Clip::Value`] do
    /// not look at the parameters.
    pub fn apply<'a>(self, grads: &mut Gradients, params: impl IntoIterator<Item = &'a Param>) -> f64 {
        match self {
            Clip::Norm(max) => norm(grads, max),
            Clip::Value(max) => {
                let before = global_norm(grads);
                value(grads, max);
                before
            }
            Clip::Adaptive { factor, eps } => {
                let before = global_norm(grads);
                adaptive(grads, params, factor, eps);
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

/// Limits the gradient of every unit, such as an output of a layer, to a share of the norm of the unit's weights.
///
/// `g <- g min(1, factor max(|w|, eps) / max(|g|, 1e-6))` for each index of the first axis of a parameter; a parameter with
/// fewer than two axes is one unit. Of a row-sparse gradient the listed rows are the units.
///
/// The last layer of a classifier is better left out, as in the paper: give the clipping optimizer the other parameters.
///
/// # Source
/// Brock, De, Smith and Simonyan, "High-performance large-scale image recognition without normalization" (2021),
/// equation 3.
///
/// # Examples
/// ```
/// # use talweg_optim::clip;
/// # use talweg_tensor::{Param, Tensor};
/// let w = Param::new(Tensor::from_slice(&[3.0f64, 4.0, 6.0, 8.0], [2, 2]));
/// let slopes = Tensor::from_slice(&[0.0f64, 2.0, 0.0, 0.5], [2, 2]);
/// let mut grads = (w.get() * slopes).sum(..).backward();
/// // The rows have the norms 5 and 10: their gradients may have 0.5 and 1.
/// clip::adaptive(&mut grads, [&w], 0.1, 1e-3);
/// assert_eq!(grads.wrt(&w).to_vec::<f64>(), [0.0, 0.5, 0.0, 0.5]);
/// ```
pub fn adaptive<'a>(
    grads: &mut Gradients,
    params: impl IntoIterator<Item = &'a Param>,
    factor: f64,
    eps: f64,
) {
    for param in params {
        let Some(grad) = grads.get(param) else { continue };
        let w = param.get().detach();
        let limited = match grad {
            Grad::Dense(g) => Grad::Dense(limited(&w, g, factor, eps)),
            Grad::Rows { index, values } => {
                let (index, g) = distinct(index, values);
                let values = limited(&w.index_rows(&index), &g, factor, eps);
                Grad::Rows { index, values }
            }
        };
        grads.set(param.id(), limited);
    }
}

fn limited(w: &Tensor, g: &Tensor, factor: f64, eps: f64) -> Tensor {
    let (w, size) = (unit_norms(w), unit_norms(g));
    let most = w.clamp(eps, f64::INFINITY) * factor;
    let scale = (most / size.clamp(1e-6, f64::INFINITY)).clamp(0.0, 1.0);
    g * scale
}

/// The norm of each unit, with the axes kept.
fn unit_norms(x: &Tensor) -> Tensor {
    let square = x.square();
    let sums = match x.rank() {
        0 | 1 => square.sum_keep(..),
        rank => square.sum_keep((1..rank as isize).collect::<Vec<_>>().as_slice()),
    };
    sums.sqrt()
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
    use talweg_tensor::{DType, Rng};

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
        assert_eq!(Clip::Norm(100.0).apply(&mut g, []), 3.0);
        assert_eq!(g.wrt(&a).to_vec::<f64>(), [1.0, 2.0]);
    }

    /// Norms, bounds and factors written out element by element.
    #[test]
    fn adaptive_clipping_is_that_of_the_formula() {
        let rng = &mut Rng::seed(4);
        for shape in [&[][..], &[5], &[3, 4], &[2, 3, 2, 2], &[0, 3], &[1, 1]] {
            let w = Param::new(rng.normal(shape, 0.0, 0.1, DType::F64));
            let g = rng.normal(shape, 0.0, 1.0, DType::F64);
            let mut grads = Gradients::default();
            grads.set(w.id(), Grad::Dense(g.clone()));
            let before = Clip::Adaptive { factor: 0.4, eps: 0.05 }.apply(&mut grads, [&w]);
            let (weights, slopes) = (w.get().to_vec::<f64>(), g.to_vec::<f64>());
            assert!((before - slopes.iter().map(|x| x * x).sum::<f64>().sqrt()).abs() < 1e-12);
            let unit = if shape.len() < 2 { weights.len().max(1) } else { shape[1..].iter().product() };
            let norm = |xs: &[f64]| xs.iter().map(|x| x * x).sum::<f64>().sqrt();
            let parts = weights.chunks(unit).zip(slopes.chunks(unit));
            let want: Vec<f64> = parts
                .flat_map(|(w, g)| {
                    let scale = (0.4 * norm(w).max(0.05) / norm(g)).min(1.0);
                    g.iter().map(|g| g * scale).collect::<Vec<_>>()
                })
                .collect();
            let got = grads.wrt(&w).to_vec::<f64>();
            assert!(got.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-14), "{shape:?}: {got:?} {want:?}");
        }
    }

    #[test]
    fn adaptive_clipping_of_rows_is_that_of_their_sum() {
        let table = Param::new(Tensor::from_slice(&[3.0f64, 4.0, 0.0, 0.0], [2, 2]));
        let read = table.get().embedding(&Tensor::from_slice(&[0i64, 0], [2]));
        let mut grads = (read * 3.0).sum(..).backward();
        adaptive(&mut grads, [&table], 0.1, 1e-3);
        assert!(matches!(grads.get(&table), Some(Grad::Rows { .. })));
        // The row's gradient (6, 6) may have a norm of a tenth of 5.
        let want = 0.5 / 2f64.sqrt();
        let got = grads.wrt(&table).to_vec::<f64>();
        assert!((got[0] - want).abs() < 1e-12 && (got[1] - want).abs() < 1e-12, "{got:?}");
        assert_eq!(got[2..], [0.0, 0.0]);
    }
}
