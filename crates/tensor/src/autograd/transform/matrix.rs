//! Whole matrices of derivatives, one vector at a time.

use super::Traced;
use crate::shape::{MAX_RANK, Shape};
use crate::tensor::Tensor;

/// The Jacobian of a function of one tensor: `j[o.., i..] = ∂y[o..] / ∂x[i..]`, with the shape of the result before that
/// of the input.
///
/// `f` runs once. Then there is one walk for each element of the result, or for each element of the input where those
/// are fewer (forward mode, see [`jvp`](crate::jvp)).
///
/// Tracked inputs make the result tracked, as for [`vjp`](crate::vjp).
///
/// # Panics
/// When the input or the result is not floating-point, or both together have more axes than a tensor can.
///
/// # Examples
/// ```
/// # use talweg_tensor::{Tensor, jacobian};
/// let x = Tensor::from_slice(&[1.0f64, 2.0, 3.0], [3]);
/// let j = jacobian(|x| x.narrow(0, 0, 2) * x.narrow(0, 1, 2), &x); // [x₀ x₁, x₁ x₂]
/// assert_eq!(j.shape(), &[2, 3]);
/// assert_eq!(j.to_vec::<f64>(), [2.0, 1.0, 0.0, 0.0, 3.0, 2.0]);
/// ```
#[track_caller]
pub fn jacobian(f: impl Fn(&Tensor) -> Tensor, input: &Tensor) -> Tensor {
    all_jacobians(&|x| f(x[0]), &[input]).remove(0)
}

/// The Jacobians of a function of several tensors, one for each: `∂y / ∂xᵢ` with the shape `[out.., inᵢ..]`.
///
/// Otherwise as [`jacobian`].
///
/// # Panics
/// As [`jacobian`].
///
/// # Examples
/// ```
/// # use talweg_tensor::{Tensor, jacobians};
/// let (a, b) = (Tensor::from_slice(&[2.0f64, 3.0], [2]), Tensor::from_slice(&[5.0f64], [1]));
/// let j = jacobians(|x| x[0] * x[1], &[&a, &b]);
/// assert_eq!(j[0].to_vec::<f64>(), [5.0, 0.0, 0.0, 5.0]);
/// assert_eq!((j[1].shape().to_string(), j[1].to_vec::<f64>()), ("[2, 1]".into(), vec![2.0, 3.0]));
/// ```
#[track_caller]
pub fn jacobians(f: impl Fn(&[&Tensor]) -> Tensor, inputs: &[&Tensor]) -> Vec<Tensor> {
    all_jacobians(&f, inputs)
}

/// The Hessian of a function of one tensor to one element: `h[i.., j..] = ∂²y / ∂x[i..] ∂x[j..]`.
///
/// The gradient is computed once with its graph; then there is one walk through it for each element of the input. For
/// a product with a vector, which costs one such walk, see [`hvp`](crate::hvp).
///
/// Tracked inputs make the result tracked, as for [`vjp`](crate::vjp).
///
/// # Panics
/// When the input is not floating-point or has more axes than half of what a tensor can have, or the result has more
/// than one element.
///
/// # Examples
/// ```
/// # use talweg_tensor::{Tensor, hessian};
/// let x = Tensor::from_slice(&[2.0f64, 3.0], [2]);
/// let h = hessian(|x| x.narrow(0, 0, 1).powf(3.0).sum(..) * x.narrow(0, 1, 1).sum(..), &x); // x₀³ x₁
/// assert_eq!(h.shape(), &[2, 2]);
/// assert_eq!(h.to_vec::<f64>(), [36.0, 12.0, 12.0, 0.0]);
/// ```
#[track_caller]
pub fn hessian(f: impl Fn(&Tensor) -> Tensor, input: &Tensor) -> Tensor {
    all_hessians(&|x| f(x[0]), &[input]).remove(0).remove(0)
}

/// The Hessian of a function of several tensors in blocks: `h[i][j] = ∂²y / ∂xᵢ ∂xⱼ` with the shape `[inᵢ.., inⱼ..]`.
///
/// Otherwise as [`hessian`].
///
/// # Panics
/// As [`hessian`].
///
/// # Examples
/// ```
/// # use talweg_tensor::{Tensor, hessians};
/// let (a, b) = (Tensor::scalar(2.0f64), Tensor::scalar(3.0f64));
/// let h = hessians(|x| x[0].square() * x[1], &[&a, &b]); // a² b
/// assert_eq!((h[0][0].item(), h[0][1].item(), h[1][0].item(), h[1][1].item()), (6.0, 4.0, 4.0, 0.0));
/// ```
#[track_caller]
pub fn hessians(f: impl Fn(&[&Tensor]) -> Tensor, inputs: &[&Tensor]) -> Vec<Vec<Tensor>> {
    all_hessians(&f, inputs)
}

#[track_caller]
fn all_jacobians(f: &dyn Fn(&[&Tensor]) -> Tensor, inputs: &[&Tensor]) -> Vec<Tensor> {
    let at = Traced::new("jacobian", f, inputs, &[]);
    let into: usize = inputs.iter().map(|x| x.numel()).sum();
    if into < at.y.numel() { at.columns() } else { at.rows("jacobian", &at.y) }
}

#[track_caller]
fn all_hessians(f: &dyn Fn(&[&Tensor]) -> Tensor, inputs: &[&Tensor]) -> Vec<Vec<Tensor>> {
    let at = Traced::new("hessian", f, inputs, &[]);
    at.gradient("hessian").iter().map(|dx| at.rows("hessian", dx)).collect()
}

impl Traced {
    /// The derivatives of `z`, computed from the inputs, by each of them: a walk back for each element of `z`.
    #[track_caller]
    fn rows(&self, name: &str, z: &Tensor) -> Vec<Tensor> {
        let shapes: Vec<Shape> = self.xs.iter().map(|x| joined(name, z.shape(), x.shape())).collect();
        if !z.is_tracked() || z.numel() == 0 {
            let zeros = |(x, shape): (&Tensor, Shape)| Tensor::zeros(shape, x.dtype()).to(x.device());
            return self.xs.iter().zip(shapes).map(zeros).collect();
        }
        let mut rows: Vec<Vec<Tensor>> = vec![Vec::with_capacity(z.numel()); self.xs.len()];
        for k in 0..z.numel() {
            for (rows, row) in rows.iter_mut().zip(self.back(&[z], &[&unit(z, k)])) {
                rows.push(row);
            }
        }
        let whole = |(rows, shape): (&Vec<Tensor>, Shape)| {
            Tensor::stack(&rows.iter().collect::<Vec<_>>(), 0).reshape(shape)
        };
        rows.iter().zip(shapes).map(whole).collect()
    }

    /// The Jacobians, with a product in forward mode for each element of the inputs.
    #[track_caller]
    fn columns(&self) -> Vec<Tensor> {
        let map = self.transposed();
        let column = |i: usize, k: usize| {
            let tangents: Vec<Tensor> = (self.xs.iter().enumerate())
                .map(|(j, x)| if i == j { unit(x, k) } else { x.zeros_like() })
                .collect();
            match &map {
                Some(map) => map.apply(self, &tangents.iter().collect::<Vec<_>>()),
                None => self.y.zeros_like(),
            }
        };
        let whole = |(i, x): (usize, &Tensor)| {
            let shape = joined("jacobian", self.y.shape(), x.shape());
            let columns: Vec<Tensor> = (0..x.numel()).map(|k| column(i, k)).collect();
            match columns.is_empty() {
                true => Tensor::zeros(shape, x.dtype()).to(x.device()),
                false => Tensor::stack(&columns.iter().collect::<Vec<_>>(), -1).reshape(shape),
            }
        };
        self.xs.iter().enumerate().map(whole).collect()
    }
}

/// Zeros with a 1 at element `k`.
fn unit(like: &Tensor, k: usize) -> Tensor {
    let at = Tensor::full([], k as f64, crate::DType::I64);
    let unit = Tensor::arange(like.numel()).eq(&at).cast(like.dtype());
    unit.reshape(like.shape()).to(like.device())
}

#[track_caller]
fn joined(name: &str, of: &Shape, by: &Shape) -> Shape {
    let axes = of.rank() + by.rank();
    assert!(
        axes <= MAX_RANK,
        "{name}: the derivatives of {of} by {by} have {axes} axes, and a tensor has at most {MAX_RANK}; flatten the \
         input or the result"
    );
    Shape::from(of.iter().chain(by.iter()).collect::<Vec<usize>>())
}
