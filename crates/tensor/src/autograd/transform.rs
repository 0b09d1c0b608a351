//! Derivatives of functions: products with the Jacobian from either side, and whole matrices of derivatives.
//!
//! Each takes a function of tensors and the point at which to differentiate it. The function must not have side
//! effects that matter: it is called once.

mod matrix;

use std::collections::HashSet;

use super::{Create, Grad, History, Mode, Record, grad_from, is_recording, recording, walk_back};
use crate::op::{Op, OpError, Saved, Spec, apply};
use crate::tensor::Tensor;

pub use matrix::{hessian, hessians, jacobian, jacobians};

/// The value of a function and the product of a row vector with its Jacobian: `(y, dyᵀ J)`, one gradient an input.
///
/// For `y = f(x₁, .., xₙ)` the gradients are `dxᵢ = Σ dy ∂y/∂xᵢ`: reverse mode, as in [`grad_from`](crate::grad_from),
/// which takes tensors where this takes a function. The cost is that of `f` and of one walk back.
///
/// When an input, `dy`, or a tensor that the closure brings along is tracked, so are the results: they can be
/// differentiated further. Inside [`no_grad`](crate::no_grad) they are not.
///
/// # Panics
/// When an input is not floating-point or `dy` has not the shape of `f`'s result.
///
/// # Examples
/// ```
/// # use talweg_tensor::{Tensor, vjp};
/// let (a, b) = (Tensor::from_slice(&[2.0f64, 3.0], [2]), Tensor::from_slice(&[5.0f64, 7.0], [2]));
/// let dy = Tensor::from_slice(&[1.0f64, 10.0], [2]);
/// let (y, dx) = vjp(|x| x[0] * x[1], &[&a, &b], &dy);
/// assert_eq!(y.to_vec::<f64>(), [10.0, 21.0]);
/// assert_eq!(dx[0].to_vec::<f64>(), [5.0, 70.0]);
/// assert_eq!(dx[1].to_vec::<f64>(), [2.0, 30.0]);
/// ```
#[track_caller]
pub fn vjp(f: impl Fn(&[&Tensor]) -> Tensor, inputs: &[&Tensor], dy: &Tensor) -> (Tensor, Vec<Tensor>) {
    let at = Traced::new("vjp", &f, inputs, &[dy]);
    assert!(
        at.y.shape() == dy.shape(),
        "vjp: the function gives {}, but the gradient of its result is {}; they must have one shape",
        at.y.shape(),
        dy.shape()
    );
    let dxs = at.back(&[&at.y], &[dy]);
    (at.result(), dxs)
}

/// The value of a function and the product of its Jacobian with a column vector: `(y, J t)`, the change of `y` when
/// the inputs move along the tangents. Forward mode.
///
/// `ty = Σᵢ ∂y/∂xᵢ tᵢ`. A walk back from `y` is a linear map of the gradient that it starts from; this transposes it,
/// so that it is exact for every operation that has a derivative, and no operation needs a second rule. The cost is
/// that of `f`, of one walk back, and of one through that walk: about twice that of [`vjp`], and independent of how many
/// inputs there are. Memory is kept for the whole of `f`.
///
/// Tracked inputs and tangents make the results tracked, as for [`vjp`].
///
/// # Panics
/// When an input is not floating-point, or a tangent has not its input's shape.
///
/// # Examples
/// ```
/// # use talweg_tensor::{Tensor, jvp};
/// let (a, b) = (Tensor::from_slice(&[2.0f64, 3.0], [2]), Tensor::from_slice(&[5.0f64, 7.0], [2]));
/// let (ta, tb) = (Tensor::from_slice(&[1.0f64, 0.0], [2]), Tensor::from_slice(&[0.5f64, 2.0], [2]));
/// let (y, ty) = jvp(|x| x[0] * x[1], &[&a, &b], &[&ta, &tb]);
/// assert_eq!(y.to_vec::<f64>(), [10.0, 21.0]);
/// assert_eq!(ty.to_vec::<f64>(), [6.0, 6.0]); // b ta + a tb
/// ```
#[track_caller]
pub fn jvp(f: impl Fn(&[&Tensor]) -> Tensor, inputs: &[&Tensor], tangents: &[&Tensor]) -> (Tensor, Tensor) {
    check_vectors("jvp", "tangent", inputs, tangents);
    let at = Traced::new("jvp", &f, inputs, tangents);
    let ty = at.transposed().map_or_else(|| at.y.zeros_like(), |map| map.apply(&at, tangents));
    (at.result(), ty)
}

/// The value of a function with one element, and the product of its Hessian with a vector: `(y, H v)`, one product an
/// input.
///
/// `hᵢ = Σⱼ ∂²y/∂xᵢ∂xⱼ vⱼ`, without the matrix: the gradient is computed with its graph and differentiated once more
/// along `v`. The cost is that of `f` and three walks of its length.
///
/// Tracked inputs and vectors make the results tracked, as for [`vjp`].
///
/// # Panics
/// When an input is not floating-point, a vector has not its input's shape, or `f` gives more than one element.
///
/// # Examples
/// ```
/// # use talweg_tensor::{Tensor, hvp};
/// let x = Tensor::from_slice(&[1.0f64, 2.0], [2]);
/// let v = Tensor::from_slice(&[1.0f64, 10.0], [2]);
/// // y = (x₀² x₁)... as a product of all elements with x₀ once more: H = [[2 x₁, 2 x₀], [2 x₀, 0]]
/// let (y, h) = hvp(|x| x[0].narrow(0, 0, 1).square().sum(..) * x[0].narrow(0, 1, 1).sum(..), &[&x], &[&v]);
/// assert_eq!((y.item(), h[0].to_vec::<f64>()), (2.0, vec![24.0, 2.0]));
/// ```
#[track_caller]
pub fn hvp(
    f: impl Fn(&[&Tensor]) -> Tensor,
    inputs: &[&Tensor],
    vectors: &[&Tensor],
) -> (Tensor, Vec<Tensor>) {
    check_vectors("hvp", "vector", inputs, vectors);
    let at = Traced::new("hvp", &f, inputs, vectors);
    let dxs = at.gradient("hvp");
    let products = at.back(&dxs.iter().collect::<Vec<_>>(), vectors);
    (at.result(), products)
}

/// A function's result with its graph, and the inputs that the graph begins at.
struct Traced {
    xs: Vec<Tensor>,
    y: Tensor,
    /// Whether something outside wants derivatives of what is computed from this.
    open: bool,
}

impl Traced {
    #[track_caller]
    fn new(name: &str, f: &dyn Fn(&[&Tensor]) -> Tensor, inputs: &[&Tensor], vectors: &[&Tensor]) -> Traced {
        let outside = is_recording();
        let mut open = outside && inputs.iter().chain(vectors).any(|x| x.is_tracked());
        let mut xs = Vec::with_capacity(inputs.len());
        for (i, x) in inputs.iter().enumerate() {
            assert!(
                x.dtype().is_float(),
                "{name}: input {i} {} holds {}, but derivatives are by floating-point numbers; let the closure \
                 capture it",
                x.shape(),
                x.dtype()
            );
            // A node of its own, so that what the closure captures is told apart from what it is given.
            let own = outside && x.is_tracked();
            xs.push(if own { apply(Argument, &[x]) } else { x.detach().requires_grad() });
        }
        let y = recording(|| f(&xs.iter().collect::<Vec<_>>()));
        assert!(
            y.dtype().is_float(),
            "{name}: the function gives {} {}, which has no derivative; it must give floating-point numbers",
            y.dtype(),
            y.shape()
        );
        open = open || outside && reaches_outside(&y, &xs);
        Traced { xs, y, open }
    }

    /// The function's result.
    fn result(&self) -> Tensor {
        if self.open { self.y.clone() } else { self.y.detach() }
    }

    fn create(&self) -> Create {
        if self.open { Create::Graph } else { Create::Value }
    }

    /// Gradients of the inputs from those of what was computed from them. What is not tracked does not depend on them.
    #[track_caller]
    fn back(&self, ys: &[&Tensor], dys: &[&Tensor]) -> Vec<Tensor> {
        let (ys, dys): (Vec<&Tensor>, Vec<&Tensor>) =
            ys.iter().copied().zip(dys).filter(|(y, _)| y.is_tracked()).unzip();
        grad_from(&ys, &dys, &self.xs.iter().collect::<Vec<_>>(), self.create())
    }

    /// The gradient of a result with one element, with its graph.
    #[track_caller]
    fn gradient(&self, name: &str) -> Vec<Tensor> {
        assert!(
            self.y.numel() == 1,
            "{name}: second derivatives are of a function with one element, this one gives {}; reduce it with \
             .sum(..) or .mean(..)",
            self.y.shape()
        );
        match self.y.is_tracked() {
            true => {
                let xs: Vec<&Tensor> = self.xs.iter().collect();
                grad_from(&[&self.y], &[&self.y.ones_like()], &xs, Create::Graph)
            }
            false => self.xs.iter().map(Tensor::zeros_like).collect(),
        }
    }

    /// The walk back as a linear map of the gradient that it starts from; `None` when nothing depends on the inputs.
    #[track_caller]
    fn transposed(&self) -> Option<Transposed> {
        if !self.y.is_tracked() {
            return None;
        }
        // The map is linear, so that it does not matter where it is taken.
        let start = self.y.zeros_like().requires_grad();
        let mode = if self.open { Mode::Graph } else { Mode::Linear };
        let xs: Vec<&Tensor> = self.xs.iter().collect();
        let targets = xs.iter().filter_map(|x| x.history().cloned()).collect();
        let dxs = walk_back(&[&self.y], &[&start], &xs, targets, mode);
        Some(Transposed { start, dxs })
    }
}

/// A walk back from `start` to the inputs' gradients.
struct Transposed {
    start: Tensor,
    dxs: Vec<Tensor>,
}

impl Transposed {
    /// The product of the Jacobian with the tangents.
    #[track_caller]
    fn apply(&self, at: &Traced, tangents: &[&Tensor]) -> Tensor {
        let (dxs, tangents): (Vec<&Tensor>, Vec<&Tensor>) =
            self.dxs.iter().zip(tangents).filter(|(dx, _)| dx.is_tracked()).unzip();
        grad_from(&dxs, &tangents, &[&self.start], at.create()).remove(0)
    }
}

/// Whether a result depends on tracked tensors that the function was not given, such as parameters.
fn reaches_outside(y: &Tensor, xs: &[Tensor]) -> bool {
    let own: HashSet<u64> = xs.iter().filter_map(Tensor::history).map(History::number).collect();
    let mut stack: Vec<History> = y.history().cloned().into_iter().collect();
    let mut seen: HashSet<u64> = HashSet::new();
    while let Some(history) = stack.pop() {
        if own.contains(&history.number()) || !seen.insert(history.number()) {
            continue;
        }
        match &history {
            History::Leaf(_) => return true,
            History::Step(record, _) => stack.extend(Record::parents(record)),
        }
    }
    false
}

#[track_caller]
fn check_vectors(name: &str, what: &str, inputs: &[&Tensor], vectors: &[&Tensor]) {
    assert!(
        inputs.len() == vectors.len(),
        "{name}: {} inputs but {} {what}s; each input needs one of its shape",
        inputs.len(),
        vectors.len()
    );
    for (i, (x, v)) in inputs.iter().zip(vectors).enumerate() {
        assert!(
            x.shape() == v.shape() && x.dtype() == v.dtype(),
            "{name}: input {i} is {} {}, its {what} {} {}; they must be alike",
            x.dtype(),
            x.shape(),
            v.dtype(),
            v.shape()
        );
    }
}

/// An argument of a function that is differentiated: the same numbers, as a place of their own in the graph.
#[derive(Debug)]
struct Argument;

impl Op for Argument {
    fn name(&self) -> &'static str {
        "argument"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        Ok(inputs[0])
    }

    fn forward(&self, inputs: &[&Tensor], _: &Spec, _: &mut Saved) -> Tensor {
        inputs[0].detach()
    }

    fn vjp(&self, _: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        vec![Some(dy.into())]
    }
}

#[cfg(test)]
mod tests;
