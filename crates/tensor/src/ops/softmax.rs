//! Softmax, its logarithm, and the logarithm of a sum of exponentials: all without overflow.

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::shape::{Axes, AxisSet, Shape};
use crate::tensor::Tensor;

/// Softmax along an axis, or its logarithm. The kernels work on the last axis; others are brought there as views.
#[derive(Debug)]
struct Softmax {
    axis: isize,
    log: bool,
}

impl Softmax {
    fn run(&self, kernel: &Kernel, inputs: &[&Tensor]) -> Tensor {
        if self.axis == -1 || self.axis + 1 == inputs[0].rank() as isize {
            return Tensor::run(kernel, inputs, &inputs[0].spec());
        }
        let moved: Vec<Tensor> = inputs.iter().map(|x| x.detach().transpose(self.axis, -1)).collect();
        let y = Tensor::run(kernel, &moved.iter().collect::<Vec<_>>(), &moved[0].spec());
        y.transpose(self.axis, -1)
    }
}

impl Op for Softmax {
    fn name(&self) -> &'static str {
        if self.log { "log_softmax" } else { "softmax" }
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        check::float(self.name(), &inputs[0])?;
        check::axis(self.name(), self.axis, &inputs[0].shape)?;
        Ok(inputs[0])
    }

    fn forward(&self, inputs: &[&Tensor], _: &Spec, saved: &mut Saved) -> Tensor {
        let y = self.run(if self.log { &Kernel::LogSoftmax } else { &Kernel::Softmax }, inputs);
        saved.keep_output(&y);
        y
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        let y = saved.output();
        let dx = match (y.is_tracked() || dy.is_tracked(), self.log) {
            (true, false) => y * (&dy - (&dy * y).sum_keep(self.axis)),
            (true, true) => &dy - y.exp() * dy.sum_keep(self.axis),
            (false, false) => self.run(&Kernel::SoftmaxGrad, &[y, &dy]),
            (false, true) => self.run(&Kernel::LogSoftmaxGrad, &[y, &dy]),
        };
        vec![Some(dx.into())]
    }
}

#[derive(Debug)]
struct LogSumExp {
    axes: Axes,
    keep: bool,
}

impl LogSumExp {
    fn axes(&self, shape: &Shape) -> Result<AxisSet, OpError> {
        AxisSet::of(&self.axes, shape).map_err(|e| OpError::new(format!("logsumexp: {e}")))
    }
}

/// Where a number is infinite, 0 instead: infinities cannot be subtracted from each other.
fn finite(x: &Tensor) -> Tensor {
    let number = |x0: f64| Tensor::full([], x0, x.dtype());
    x.abs().eq(&number(f64::INFINITY)).select(&number(0.0), x)
}

impl Op for LogSumExp {
    fn name(&self) -> &'static str {
        "logsumexp"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let x = &inputs[0];
        check::float("logsumexp", x)?;
        Ok(x.with_shape(self.axes(&x.shape)?.reduce(&x.shape, self.keep)))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        let x = inputs[0];
        let y = if x.numel() == 0 {
            Tensor::run(&Kernel::Fill(f64::NEG_INFINITY), &[], out)
        } else {
            let greatest = finite(&x.max_keep(self.axes.clone()));
            let sum = (x - &greatest).exp().sum_keep(self.axes.clone());
            (sum.ln() + greatest).reshape(out.shape)
        };
        saved.keep_input(0, x);
        saved.keep_output(&y);
        y
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        let (x, y) = (saved.input(0), saved.output());
        let kept = self.axes(x.shape()).expect("the shape rule accepted the axes").reduce(x.shape(), true);
        vec![Some((dy.reshape(kept) * (x - finite(&y.reshape(kept))).exp()).into())]
    }
}

impl Tensor {
    /// Softmax along an axis, `y[i] = exp(x[i]) / Σ exp(x[j])`: positive numbers that add up to 1.
    ///
    /// # Shapes
    /// Any with the axis; the result has the same.
    ///
    /// # Gradient
    /// `dx = y (dy − Σ dy y)`, the sum along the axis.
    ///
    /// # Panics
    /// When the axis is out of range or the tensor is not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let y = Tensor::from_slice(&[1000.0f32, 1000.0, 1000.0, 1000.0], [2, 2]).softmax(-1);
    /// assert_eq!(y.to_vec::<f32>(), [0.5, 0.5, 0.5, 0.5]);
    /// let y = Tensor::from_slice(&[0.0f64, 1.0], [2]).softmax(0).to_vec::<f64>();
    /// assert!((y[1] - 0.731058578630).abs() < 1e-9);
    /// ```
    #[track_caller]
    pub fn softmax(&self, axis: isize) -> Tensor {
        apply(Softmax { axis, log: false }, &[self])
    }

    /// The logarithm of [`Tensor::softmax`], `y[i] = x[i] − ln Σ exp(x[j])`, accurate also where the softmax is so
    /// small that it rounds to 0.
    ///
    /// # Shapes
    /// Any with the axis; the result has the same.
    ///
    /// # Gradient
    /// `dx = dy − exp(y) Σ dy`, the sum along the axis.
    ///
    /// # Panics
    /// When the axis is out of range or the tensor is not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let y = Tensor::from_slice(&[0.0f32, 1000.0], [2]).log_softmax(-1);
    /// assert_eq!(y.to_vec::<f32>(), [-1000.0, 0.0]);
    /// ```
    #[track_caller]
    pub fn log_softmax(&self, axis: isize) -> Tensor {
        apply(Softmax { axis, log: true }, &[self])
    }

    /// `y = ln Σ exp(x)` over axes, without overflow: a smooth maximum. Of no elements it is -∞.
    ///
    /// # Shapes
    /// The input's without the reduced axes.
    ///
    /// # Gradient
    /// `dx = dy exp(x − y)`; 0 where all elements are -∞.
    ///
    /// # Panics
    /// For axes out of range or named twice, and for tensors that are not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1000.0f64, 1000.0, 0.0, 1.0], [2, 2]);
    /// let y = x.logsumexp(-1).to_vec::<f64>();
    /// assert!((y[0] - 1000.693147180560).abs() < 1e-9 && (y[1] - 1.313261687518).abs() < 1e-9);
    /// ```
    #[track_caller]
    pub fn logsumexp(&self, axes: impl Into<Axes>) -> Tensor {
        apply(LogSumExp { axes: axes.into(), keep: false }, &[self])
    }

    /// The same as [`Tensor::logsumexp`], with the reduced axes kept as size 1.
    ///
    /// # Shapes
    /// The input's with the reduced axes 1.
    ///
    /// # Gradient
    /// That of [`Tensor::logsumexp`].
    ///
    /// # Panics
    /// As [`Tensor::logsumexp`].
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{DType, Tensor};
    /// assert_eq!(Tensor::zeros([2, 3], DType::F32).logsumexp_keep(-1).shape(), &[2, 1]);
    /// ```
    #[track_caller]
    pub fn logsumexp_keep(&self, axes: impl Into<Axes>) -> Tensor {
        apply(LogSumExp { axes: axes.into(), keep: true }, &[self])
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Rng, Tensor};

    crate::cases! {
        softmax: |x| x[0].softmax(-1); shapes [[2, 3]] [[4]] [[2, 1]] [[2, 0]] [[3, 2, 2]]  refuses [[]];
        softmax_first: |x| x[0].softmax(0); shapes [[3, 2]] [[3, 2, 2]];
        log_softmax: |x| x[0].log_softmax(1); shapes [[2, 3]] [[2, 3, 2]] [[0, 3]]  refuses [[3]];
        logsumexp: |x| x[0].logsumexp([0, -1]); shapes [[2, 3, 4]] [[3, 1]]  refuses [[3]] [[]];
        logsumexp_all: |x| x[0].logsumexp(..); shapes [[2, 3]] [[]];
        logsumexp_keep: |x| x[0] - x[0].logsumexp_keep(1); shapes [[2, 3]];
    }

    #[test]
    fn they_are_the_definitions_along_every_axis() {
        let x = Rng::seed(4).normal([3, 4, 5], 0.0, 2.0, DType::F64);
        for axis in 0..3 {
            let e = x.exp();
            let want = &e / e.sum_keep(axis);
            let near = |a: &Tensor, b: &Tensor| (a - b).abs().max(..).item() < 1e-13;
            assert!(near(&x.softmax(axis), &want), "axis {axis}");
            assert!(near(&x.log_softmax(axis), &want.ln()), "axis {axis}");
            assert!(near(&x.logsumexp(axis), &e.sum(axis).ln()), "axis {axis}");
        }
    }

    #[test]
    fn infinities_and_nothing() {
        let low = f64::NEG_INFINITY;
        let x = Tensor::from_slice(&[low, low, low, 3.0, f64::INFINITY, 3.0], [3, 2]).requires_grad();
        let y = x.logsumexp(-1);
        assert_eq!(y.to_vec::<f64>(), [low, 3.0, f64::INFINITY]);
        let dx = y.sum(..).backward().wrt(&x).to_vec::<f64>();
        assert_eq!(dx[..4], [0.0, 0.0, 0.0, 1.0]);
        assert_eq!(x.narrow(0, 0, 2).softmax(-1).to_vec::<f64>()[2..], [0.0, 1.0]);
        assert_eq!(Tensor::zeros([2, 0], DType::F32).logsumexp(-1).to_vec::<f32>(), [f32::NEG_INFINITY; 2]);
    }

    #[test]
    #[should_panic(expected = "softmax: axis 2 is out of range for shape [2, 3], which has 2 axes")]
    fn a_refusal_names_axis_and_shape() {
        Tensor::zeros([2, 3], DType::F32).softmax(2);
    }
}
