//! Running sums and products along an axis, and the linear recurrence that products are made of.

use std::sync::Arc;

use talweg_kernels::Float;

use super::lines::{Lines, number};
use crate::autograd::Grad;
use crate::backend::{CustomKernel, HostArray, HostArrayMut};
use crate::dtype::DType;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::shape::{Axes, AxisSet};
use crate::tensor::Tensor;

impl Tensor {
    /// The running sum along an axis, `y[i] = x[0] + .. + x[i]`. Truth values and bytes are added up as `i64`.
    ///
    /// # Shapes
    /// Any with the axis; the result has the same.
    ///
    /// # Gradient
    /// `dx` is the running sum of `dy` from the other end.
    ///
    /// # Panics
    /// When the axis is out of range; for `bf16`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::from_slice(&[1.0f32, 2.0, 3.0], [3]).cumsum(0).to_vec::<f32>(), [1.0, 3.0, 6.0]);
    /// ```
    #[track_caller]
    pub fn cumsum(&self, axis: isize) -> Tensor {
        apply(Running { axis, sum: true }, &[&widened(self)])
    }

    /// The running product along an axis, `y[i] = x[0] .. x[i]`. Truth values and bytes are multiplied as `i64`.
    ///
    /// # Shapes
    /// Any with the axis; the result has the same.
    ///
    /// # Gradient
    /// `dx[k] = Σ dy[i] y[i] / x[k]` over `i >= k`, without the division, so that it is right where elements are 0.
    ///
    /// # Panics
    /// When the axis is out of range; for `bf16`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::from_slice(&[1.0f32, 2.0, 3.0], [3]).cumprod(0).to_vec::<f32>(), [1.0, 2.0, 6.0]);
    /// ```
    #[track_caller]
    pub fn cumprod(&self, axis: isize) -> Tensor {
        let x = widened(self);
        if !x.dtype().is_float() || x.shape().axis(axis).is_none() || x.numel() == 0 {
            return apply(Running { axis, sum: false }, &[&x]);
        }
        // y[i] = x[i] y[i - 1], with y[0] = x[0].
        let x = x.transpose(axis, -1);
        let first = x.narrow(-1, 0, 1);
        let zeros = x.narrow(-1, 1, x.size(-1) - 1).zeros_like();
        apply(LinearScan, &[&x, &Tensor::cat(&[&first, &zeros], -1)]).transpose(axis, -1)
    }

    /// The running logarithm of sums of exponentials along an axis, `y[i] = ln (exp x[0] + .. + exp x[i])`, without
    /// overflow.
    ///
    /// # Shapes
    /// Any with the axis; the result has the same.
    ///
    /// # Gradient
    /// `dx[k] = Σ dy[i] exp(x[k] - y[i])` over `i >= k`
    ///
    /// # Panics
    /// When the axis is out of range, or the tensor is not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let y = Tensor::from_slice(&[1000.0f64, 1000.0], [2]).logcumsumexp(0).to_vec::<f64>();
    /// assert!(y[0] == 1000.0 && (y[1] - 1000.693147180560).abs() < 1e-9);
    /// ```
    #[track_caller]
    pub fn logcumsumexp(&self, axis: isize) -> Tensor {
        apply(LogCumSumExp(axis), &[self])
    }

    /// The product over axes: `..` for all, `-1` for the last, `[0, 2]` for several. Of no elements it is 1; truth
    /// values and bytes are multiplied as `i64`.
    ///
    /// # Shapes
    /// The input's without the reduced axes.
    ///
    /// # Gradient
    /// `dx[k]` is `dy` times the product of the other elements, also where some are 0.
    ///
    /// # Panics
    /// For axes out of range or named twice; for `bf16`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[2.0f32, 0.0, 3.0], [3]).requires_grad();
    /// assert_eq!(x.prod(..).item(), 0.0);
    /// assert_eq!(x.prod(..).backward().wrt(&x).to_vec::<f32>(), [0.0, 6.0, 0.0]);
    /// ```
    #[track_caller]
    pub fn prod(&self, axes: impl Into<Axes>) -> Tensor {
        product(self, &axes.into(), false)
    }

    /// Like [`Tensor::prod`], but the axes stay, with size 1.
    ///
    /// # Shapes
    /// The input's with the reduced axes 1.
    ///
    /// # Gradient
    /// That of [`Tensor::prod`].
    ///
    /// # Panics
    /// As [`Tensor::prod`].
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::from_slice(&[2.0f32, 3.0], [1, 2]).prod_keep(-1).shape(), &[1, 1]);
    /// ```
    #[track_caller]
    pub fn prod_keep(&self, axes: impl Into<Axes>) -> Tensor {
        product(self, &axes.into(), true)
    }
}

/// Truth values and bytes as whole numbers, so that their sums fit.
fn widened(x: &Tensor) -> Tensor {
    if matches!(x.dtype(), DType::Bool | DType::U8) { x.cast(DType::I64) } else { x.clone() }
}

#[track_caller]
fn product(x: &Tensor, axes: &Axes, keep: bool) -> Tensor {
    let set = AxisSet::of(axes, x.shape()).unwrap_or_else(|error| panic!("prod: {error}"));
    let shape = set.reduce(x.shape(), keep);
    let x = widened(x);
    let (mut order, reduced): (Vec<usize>, Vec<usize>) = (0..x.rank()).partition(|&a| !set.contains(a));
    let count: usize = reduced.iter().map(|&axis| x.shape().at(axis)).product();
    if count == 0 {
        return Tensor::ones(shape, x.dtype());
    }
    order.extend(reduced);
    let rows = x.permute(&order).reshape([shape.numel(), count]);
    rows.cumprod(-1).narrow(-1, count - 1, 1).reshape(shape)
}

/// The running sum, or the product of whole numbers.
#[derive(Clone, Copy, Debug)]
struct Running {
    axis: isize,
    sum: bool,
}

impl Op for Running {
    fn name(&self) -> &'static str {
        if self.sum { "cumsum" } else { "cumprod" }
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let x = &inputs[0];
        if x.dtype != DType::I64 {
            check::float(self.name(), x)?;
        }
        check::axis(self.name(), self.axis, &x.shape)?;
        Ok(*x)
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, _: &mut Saved) -> Tensor {
        Tensor::run_custom(Arc::new(*self), inputs, out)
    }

    fn vjp(&self, _: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        // A product comes here only when it has no elements.
        vec![Some(dy.flip(self.axis).cumsum(self.axis).flip(self.axis).into())]
    }
}

/// Arithmetic of stored numbers, which wraps for whole ones.
trait Arithmetic: Copy {
    fn plus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
}

macro_rules! arithmetic {
    ($($t:ty: $plus:expr, $times:expr;)*) => {$(
        impl Arithmetic for $t {
            fn plus(self, other: Self) -> Self {
                $plus(self, other)
            }
            fn times(self, other: Self) -> Self {
                $times(self, other)
            }
        }
    )*};
}
arithmetic! {
    f32: |a: f32, b: f32| a + b, |a: f32, b: f32| a * b;
    f64: |a: f64, b: f64| a + b, |a: f64, b: f64| a * b;
    i64: i64::wrapping_add, i64::wrapping_mul;
    u8: u8::wrapping_add, u8::wrapping_mul;
}

impl CustomKernel for Running {
    fn run(&self, inputs: &[HostArray<'_>], outputs: &mut [HostArrayMut<'_>]) {
        let (x, y) = (&inputs[0], &mut outputs[0]);
        let axis = x.shape.axis(self.axis).expect("the shape rule accepted the axis");
        number!("cumsum", x.dtype, T => {
            let combine = if self.sum { T::plus } else { T::times };
            let lines = Lines::of(&x.shape, axis);
            lines.map(x.buffer.as_slice::<T>(), x.shape.at(axis), y.buffer.as_mut_slice::<T>(), &mut |x, y| {
                let Some((&first, rest)) = x.split_first() else { return };
                let mut so_far = first;
                y[0] = first;
                for (x, y) in rest.iter().zip(&mut y[1..]) {
                    so_far = combine(so_far, *x);
                    *y = so_far;
                }
            });
        });
    }
}

/// The linear recurrence `h[i] = b[i] + a[i] h[i - 1]` along the last axis, with `h[0] = b[0]`; inputs `a` and `b`.
///
/// Its derivative is a recurrence of the same kind from the other end, `g[i] = dh[i] + a[i + 1] g[i + 1]`, so that it
/// can be differentiated any number of times; nothing is divided, so that zeros do no harm.
#[derive(Clone, Copy, Debug)]
struct LinearScan;

impl Op for LinearScan {
    fn name(&self) -> &'static str {
        "linear_scan"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        check::float("linear_scan", &inputs[0])?;
        check::alike("linear_scan", inputs)?;
        if inputs[0].shape.rank() == 0 || inputs[0].shape != inputs[1].shape {
            return Err(OpError::new(format!(
                "linear_scan: needs two tensors of one shape with an axis, got {}",
                check::shapes(inputs)
            )));
        }
        Ok(inputs[0])
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        let h = Tensor::run_custom(Arc::new(*self), inputs, out);
        saved.keep_input(0, inputs[0]);
        saved.keep_output(&h);
        h
    }

    fn vjp(&self, saved: &Saved, dh: Tensor, needs: &[bool]) -> Vec<Option<Grad>> {
        let back = delayed(&saved.input(0).flip(-1));
        let g = apply(LinearScan, &[&back, &dh.flip(-1)]).flip(-1);
        let da = needs[0].then(|| (&g * delayed(saved.output())).into());
        vec![da, Some(g.into())]
    }
}

/// `y[0] = 0`, `y[i] = x[i - 1]` along the last axis.
fn delayed(x: &Tensor) -> Tensor {
    let n = x.size(-1);
    if n == 0 {
        return x.clone();
    }
    Tensor::cat(&[&x.narrow(-1, 0, 1).zeros_like(), &x.narrow(-1, 0, n - 1)], -1)
}

impl CustomKernel for LinearScan {
    fn run(&self, inputs: &[HostArray<'_>], outputs: &mut [HostArrayMut<'_>]) {
        let ([a, b], h) = ([inputs[0].buffer, inputs[1].buffer], &mut outputs[0]);
        let n = h.shape.size(-1);
        match h.dtype {
            DType::F32 => scan(a.as_slice::<f32>(), b.as_slice(), n, h.buffer.as_mut_slice()),
            DType::F64 => scan(a.as_slice::<f64>(), b.as_slice(), n, h.buffer.as_mut_slice()),
            other => unreachable!("the shape rule refuses {other}"),
        }
    }
}

fn scan<T: Float>(a: &[T], b: &[T], n: usize, h: &mut [T]) {
    let rows = a.chunks_exact(n.max(1)).zip(b.chunks_exact(n.max(1)));
    for ((a, b), h) in rows.zip(h.chunks_exact_mut(n.max(1))) {
        h[0] = b[0];
        for i in 1..n {
            h[i] = b[i] + a[i] * h[i - 1];
        }
    }
}

/// The running logarithm of sums of exponentials.
#[derive(Clone, Copy, Debug)]
struct LogCumSumExp(isize);

impl Op for LogCumSumExp {
    fn name(&self) -> &'static str {
        "logcumsumexp"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        check::float("logcumsumexp", &inputs[0])?;
        check::axis("logcumsumexp", self.0, &inputs[0].shape)?;
        Ok(inputs[0])
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        let y = Tensor::run_custom(Arc::new(*self), inputs, out);
        saved.keep_input(0, inputs[0]);
        saved.keep_output(&y);
        y
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        // dx[k] = exp(x[k] - y[k]) s[k] with s[k] = dy[k] + exp(y[k] - y[k + 1]) s[k + 1]: no exponent is positive.
        let last = |x: &Tensor| x.transpose(self.0, -1);
        let (x, y, dy) = (last(saved.input(0)), last(saved.output()), last(&dy));
        if y.numel() == 0 {
            return vec![Some(dy.transpose(self.0, -1).into())];
        }
        // Before the first finite element all sums are -∞, and so are all elements, whose gradients are 0.
        let low = Tensor::full([], f64::NEG_INFINITY, y.dtype());
        let y = y.eq(&low).select(&Tensor::zeros([], y.dtype()), &y);
        let back = y.flip(-1);
        let n = y.size(-1);
        let fall = (back.narrow(-1, 1, n - 1) - back.narrow(-1, 0, n - 1)).exp();
        let factors = Tensor::cat(&[&back.narrow(-1, 0, 1).zeros_like(), &fall], -1);
        let s = apply(LinearScan, &[&factors, &dy.flip(-1)]).flip(-1);
        vec![Some(((x - y).exp() * s).transpose(self.0, -1).into())]
    }
}

impl CustomKernel for LogCumSumExp {
    fn run(&self, inputs: &[HostArray<'_>], outputs: &mut [HostArrayMut<'_>]) {
        let (x, y) = (&inputs[0], &mut outputs[0]);
        let axis = x.shape.axis(self.0).expect("the shape rule accepted the axis");
        let (lines, n) = (Lines::of(&x.shape, axis), x.shape.at(axis));
        // The sums themselves are kept in f64, so that a long line does not lose digits.
        let rows = |x: &mut dyn Iterator<Item = f64>, y: &mut dyn FnMut(f64)| {
            let mut so_far = f64::NEG_INFINITY;
            for x in x {
                let (low, high) = if x < so_far { (x, so_far) } else { (so_far, x) };
                let infinite = high.is_infinite() && !low.is_nan();
                so_far = if infinite { high } else { high + (low - high).exp().ln_1p() };
                y(so_far);
            }
        };
        match x.dtype {
            DType::F32 => {
                lines.map(x.buffer.as_slice::<f32>(), n, y.buffer.as_mut_slice::<f32>(), &mut |x, y| {
                    let mut to = y.iter_mut();
                    rows(&mut x.iter().map(|&x| f64::from(x)), &mut |sum| {
                        *to.next().expect("as long") = sum as f32
                    });
                });
            }
            DType::F64 => {
                lines.map(x.buffer.as_slice::<f64>(), n, y.buffer.as_mut_slice::<f64>(), &mut |x, y| {
                    let mut to = y.iter_mut();
                    rows(&mut x.iter().copied(), &mut |sum| *to.next().expect("as long") = sum);
                });
            }
            other => unreachable!("the shape rule refuses {other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::op::apply;
    use crate::testing::{gradcheck, gradgradcheck};
    use crate::{DType, Rng, Tensor};

    crate::cases! {
        cumsum: |x| x[0].cumsum(1); shapes [[2, 3]] [[2, 3, 2]] [[0, 2]] [[2, 0]] [[2, 1]]  refuses [[]] [[3]];
        cumprod: |x| x[0].cumprod(-2); shapes [[3, 2]] [[2, 3, 2]] [[0, 2]] [[2, 0]] [[1, 2]]  refuses [[]] [[3]];
        linear_scan: |x| apply(super::LinearScan, &[x[0], x[1]]); shapes [[2, 3], [2, 3]] [[1], [1]] [[0], [0]]
            refuses [[2], [3]] [[], []];
        logcumsumexp: |x| x[0].logcumsumexp(-2); shapes [[3, 2]] [[2, 3, 2]] [[0, 2]] [[1, 2]]  refuses [[]] [[3]];
        prod: |x| x[0].prod([0, -1]); shapes [[2, 2, 2]] [[3, 1]] [[2, 3, 0]] refuses [[3]] [[]];
        prod_all: |x| x[0].prod(..); shapes [[2, 3]] [[]] [[0]];
        prod_keep: |x| x[0] * x[0].prod_keep(1); shapes [[2, 3]];
    }

    #[test]
    fn products_with_zeros_have_their_derivatives() {
        for numbers in [[0.0, 2.0, 3.0, -1.5], [2.0, 0.0, 3.0, 0.0], [0.0, 0.0, 0.0, 5.0]] {
            let x = Tensor::from_slice(&numbers, [4]);
            for f in [(|x| x[0].prod(..)) as fn(&[&Tensor]) -> Tensor, |x| x[0].cumprod(0)] {
                gradcheck(&f, &[&x]).expect("first order");
                gradgradcheck(&f, &[&x]).expect("second order");
            }
        }
    }

    #[test]
    fn they_are_the_loops_along_every_axis() {
        let x = Rng::seed(2).normal([2, 3, 4], 0.0, 1.0, DType::F64);
        let data = x.to_vec::<f64>();
        for (axis, (n, inner)) in [(2, 12), (3, 4), (4, 1)].into_iter().enumerate() {
            let (mut sum, mut product, mut log) = (data.clone(), data.clone(), vec![0.0; 24]);
            for at in 0..24 {
                let first = at - at / inner % n * inner;
                log[at] = (first..=at).step_by(inner).map(|i| data[i].exp()).sum::<f64>().ln();
                if at != first {
                    sum[at] += sum[at - inner];
                    product[at] *= product[at - inner];
                }
            }
            let axis = axis as isize;
            for (y, want) in [(x.cumsum(axis), sum), (x.cumprod(axis), product), (x.logcumsumexp(axis), log)]
            {
                let near = y.to_vec::<f64>().iter().zip(&want).all(|(y, w)| (y - w).abs() < 1e-13);
                assert!(near, "axis {axis}");
            }
        }
    }

    #[test]
    fn whole_numbers_and_nothing() {
        let x = Tensor::from_slice(&[2i64, 3, 4], [3]);
        assert_eq!(x.cumsum(0).to_vec::<i64>(), [2, 5, 9]);
        assert_eq!(x.cumprod(0).to_vec::<i64>(), [2, 6, 24]);
        assert_eq!(x.prod(..).item(), 24.0);
        let bytes = Tensor::from_slice(&[200u8, 100], [2]);
        assert_eq!(bytes.cumsum(0).to_vec::<i64>(), [200, 300]);
        assert_eq!(Tensor::from_slice(&[true, true], [2]).cumsum(0).to_vec::<i64>(), [1, 2]);
        assert_eq!(Tensor::zeros([2, 0], DType::F32).prod(-1).to_vec::<f32>(), [1.0, 1.0]);
    }

    #[test]
    fn running_logarithms_of_infinities() {
        let low = f64::NEG_INFINITY;
        let x = Tensor::from_slice(&[low, low, 1.0, f64::INFINITY, 2.0], [5]).requires_grad();
        let y = x.logcumsumexp(0);
        assert_eq!(y.to_vec::<f64>(), [low, low, 1.0, f64::INFINITY, f64::INFINITY]);
        let dx = x.detach().narrow(0, 0, 3).requires_grad();
        let grads = dx.logcumsumexp(0).sum(..).backward();
        assert_eq!(grads.wrt(&dx).to_vec::<f64>(), [0.0, 0.0, 1.0]);
    }
}
