//! Variances, standard deviations and norms.

use crate::op::check;
use crate::shape::{Axes, AxisSet};
use crate::tensor::Tensor;

/// Zero at 0, with slope 0 there: the square root of a sum of squares is not smooth where all are 0, and its gradient
/// is taken to be 0 there, as PyTorch does.
fn root(x: &Tensor) -> Tensor {
    let (zero, one) = (Tensor::zeros([], x.dtype()), Tensor::ones([], x.dtype()));
    let flat = x.eq(&zero);
    flat.select(&zero, &flat.select(&one, x).sqrt())
}

/// A tensor with size 1 along some axes, without them unless they are to be kept.
#[track_caller]
fn kept(name: &str, y: Tensor, x: &Tensor, axes: &Axes, keep: bool) -> Tensor {
    let set = AxisSet::of(axes, x.shape()).unwrap_or_else(|error| panic!("{name}: {error}"));
    if keep { y } else { y.reshape(set.reduce(x.shape(), false)) }
}

/// The axes of a floating-point tensor, both refused under the operation's own name.
#[track_caller]
fn known(name: &str, x: &Tensor, axes: &Axes) -> AxisSet {
    check::accept(check::float(name, &x.spec()));
    AxisSet::of(axes, x.shape()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[track_caller]
fn norm(name: &str, x: &Tensor, p: f64, axes: &Axes) -> Tensor {
    let set = known(name, x, axes);
    let number = |n: f64| Tensor::full([], n, x.dtype());
    let zero = x.eq(&number(0.0));
    // The greatest of no sizes is 0, which is the least that a size can be; there is no least of none.
    let none = x.numel() == 0 && set.reduce(x.shape(), true).numel() > 0;
    if p == 0.0 {
        // How many are not 0: constant nearly everywhere, but tracked, so that the gradient is 0 and not absent.
        let one = x.positive() * 0.0 + 1.0;
        return zero.select(&number(0.0), &one).sum_keep(axes.clone());
    }
    if p == 1.0 || none && p > 0.0 {
        return x.abs().sum_keep(axes.clone());
    }
    if p == 2.0 {
        return root(&x.square().sum_keep(axes.clone()));
    }
    if p == f64::INFINITY {
        return x.abs().max_keep(axes.clone());
    }
    if p == f64::NEG_INFINITY {
        return x.abs().min_keep(axes.clone());
    }
    // Where an element is 0 its power has slope 0, or an infinite one that PyTorch takes for 0, too.
    let at_zero = number(if p > 0.0 { 0.0 } else { f64::INFINITY });
    let sizes = zero.select(&number(1.0), &x.abs());
    let sum = zero.select(&at_zero, &sizes.powf(p)).sum_keep(axes.clone());
    let edge = sum.eq(&at_zero);
    edge.select(&number(0.0), &edge.select(&number(1.0), &sum).powf(1.0 / p))
}

impl Tensor {
    /// The variance over axes, `Σ (x - mean x)² / (n - correction)`; `correction` 1 gives the unbiased estimate, 0 that
    /// of the elements themselves. NaN where no more elements than `correction` are there.
    ///
    /// # Shapes
    /// The input's without the reduced axes.
    ///
    /// # Gradient
    /// `dx = 2 dy (x - mean x) / (n - correction)`
    ///
    /// # Panics
    /// For axes out of range or named twice, and for tensors that are not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::from_slice(&[1.0f32, 2.0, 3.0], [3]).var(.., 1).item(), 1.0);
    /// ```
    #[track_caller]
    pub fn var(&self, axes: impl Into<Axes>, correction: usize) -> Tensor {
        let axes = axes.into();
        known("var", self, &axes);
        kept("var", self.var_keep(axes.clone(), correction), self, &axes, false)
    }

    /// The standard deviation over axes, the square root of [`Tensor::var`].
    ///
    /// # Shapes
    /// The input's without the reduced axes.
    ///
    /// # Gradient
    /// `dx = dy (x - mean x) / (y (n - correction))`; 0 where y is 0.
    ///
    /// # Panics
    /// For axes out of range or named twice, and for tensors that are not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::from_slice(&[1.0f32, 3.0, 5.0], [3]).std(0, 1).item(), 2.0);
    /// ```
    #[track_caller]
    pub fn std(&self, axes: impl Into<Axes>, correction: usize) -> Tensor {
        let axes = axes.into();
        kept("std", self.std_keep(axes.clone(), correction), self, &axes, false)
    }

    /// Like [`Tensor::std`], but the axes stay, with size 1.
    ///
    /// # Shapes
    /// The input's with the reduced axes 1.
    ///
    /// # Gradient
    /// That of [`Tensor::std`].
    ///
    /// # Panics
    /// As [`Tensor::std`].
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::from_slice(&[1.0f32, 3.0], [1, 2]).std_keep(-1, 0).shape(), &[1, 1]);
    /// ```
    #[track_caller]
    pub fn std_keep(&self, axes: impl Into<Axes>, correction: usize) -> Tensor {
        let axes = axes.into();
        known("std", self, &axes);
        root(&self.var_keep(axes, correction))
    }

    /// The norm of order p over axes, `y = (Σ |x|^p)^(1/p)`: 2 gives the length, 1 the sum of sizes, ∞ the greatest
    /// size, -∞ the least, 0 the number of elements that are not 0.
    ///
    /// # Shapes
    /// The input's without the reduced axes.
    ///
    /// # Gradient
    /// `dx = dy sign(x) (|x| / y)^(p-1)`, and 0 where x or y is 0. For ±∞ equal sizes share it, for 0 it is 0.
    ///
    /// # Panics
    /// For axes out of range or named twice, for tensors that are not floating-point, and for p = -∞ over no elements.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[3.0f64, -4.0], [2]);
    /// assert_eq!((x.norm(2.0, ..).item(), x.norm(f64::INFINITY, 0).item()), (5.0, 4.0));
    /// ```
    #[track_caller]
    pub fn norm(&self, p: f64, axes: impl Into<Axes>) -> Tensor {
        let axes = axes.into();
        kept("norm", norm("norm", self, p, &axes), self, &axes, false)
    }

    /// Like [`Tensor::norm`], but the axes stay, with size 1.
    ///
    /// # Shapes
    /// The input's with the reduced axes 1.
    ///
    /// # Gradient
    /// That of [`Tensor::norm`].
    ///
    /// # Panics
    /// As [`Tensor::norm`].
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::from_slice(&[1.0f32, 3.0], [1, 2]).norm_keep(1.0, -1).shape(), &[1, 1]);
    /// ```
    #[track_caller]
    pub fn norm_keep(&self, p: f64, axes: impl Into<Axes>) -> Tensor {
        norm("norm_keep", self, p, &axes.into())
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Tensor};

    crate::cases! {
        var: |x| x[0].var([0, -1], 1); shapes [[2, 3, 4]] [[3, 2]] [[2, 0, 3]]  refuses [[]] [[3]];
        var_all: |x| x[0].var(.., 0); shapes [[2, 3]] [[1]] [[]];
        std: |x| x[0].std(1, 1); shapes [[2, 3]] [[0, 2]]  refuses [[3]] [[]];
        std_keep: |x| x[0] / x[0].std_keep(0, 0); shapes [[3, 2]];
        norm: |x| x[0].norm(2.0, -1); shapes [[2, 3]] [[4, 1]] [[0, 2]] [[2, 0]] on 0.2..2.0  refuses [[]];
        norm_all: |x| x[0].norm(2.0, ..); shapes [[2, 3]] [[]] [[0]] on 0.2..2.0;
        norm_0: |x| x[0].norm(0.0, 0); shapes [[3, 2]];
        norm_1: |x| x[0].norm(1.0, 0); shapes [[3, 2]] on 0.2..2.0;
        norm_3: |x| x[0].norm(3.0, 0); shapes [[3, 2]] [[0, 2]] on 0.2..2.0;
        norm_half: |x| x[0].norm(0.5, 0); shapes [[3, 2]] on 0.2..2.0;
        norm_negative: |x| x[0].norm(-1.0, 0); shapes [[3, 2]] on 0.2..2.0;
        norm_greatest: |x| x[0].norm(f64::INFINITY, 0); shapes [[3, 2]] [[0, 2]] on 0.2..2.0;
        norm_least: |x| x[0].norm(f64::NEG_INFINITY, 0); shapes [[3, 2]] on 0.2..2.0  refuses [[0, 2]];
        norm_keep: |x| x[0] / x[0].norm_keep(2.0, 1); shapes [[2, 3]] on 0.2..2.0;
    }

    /// `torch.linalg.vector_norm(x, p)` of `[0, -2, 2]` and `[0, 0, 0]` in f64, and its gradient.
    #[test]
    fn norms_of_zeros_are_those_of_pytorch() {
        let half = 0.5f64.sqrt();
        let cube = 2.0 * 2.0f64.powf(1.0 / 3.0);
        for (p, value, slope) in [
            (0.0, 2.0, [0.0, 0.0, 0.0]),
            (0.5, 8.0, [0.0, -2.0, 2.0]),
            (1.0, 4.0, [0.0, -1.0, 1.0]),
            (2.0, 8.0f64.sqrt(), [0.0, -half, half]),
            (3.0, cube, [0.0, -4.0 / cube.powi(2), 4.0 / cube.powi(2)]),
            (f64::INFINITY, 2.0, [0.0, -0.5, 0.5]),
            (f64::NEG_INFINITY, 0.0, [0.0, 0.0, 0.0]),
            (-1.0, 0.0, [0.0, 0.0, 0.0]),
        ] {
            let x = Tensor::from_slice(&[0.0f64, -2.0, 2.0], [3]).requires_grad();
            let y = x.norm(p, ..);
            assert!((y.item() - value).abs() < 1e-14, "p = {p}: {}", y.item());
            let dx = y.backward().wrt(&x).to_vec::<f64>();
            assert!(dx.iter().zip(slope).all(|(d, s)| (d - s).abs() < 1e-14), "p = {p}: {dx:?}");
            let x = Tensor::zeros([3], DType::F64).requires_grad();
            let y = x.norm(p, ..);
            assert_eq!((y.item(), y.backward().wrt(&x).to_vec::<f64>()), (0.0, vec![0.0; 3]), "p = {p}");
        }
    }

    #[test]
    fn deviations_of_equal_elements_have_no_gradient() {
        let x = Tensor::ones([3], DType::F64).requires_grad();
        let y = x.std(.., 1);
        assert_eq!((y.item(), y.backward().wrt(&x).to_vec::<f64>()), (0.0, vec![0.0; 3]));
        assert!(Tensor::ones([1], DType::F64).var(.., 1).item().is_nan());
        assert!(Tensor::ones([1], DType::F64).std(.., 1).item().is_nan());
        assert!(Tensor::ones([0], DType::F64).var(.., 1).item().is_nan());
    }
}
