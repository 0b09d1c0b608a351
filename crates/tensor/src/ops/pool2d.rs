//! Pooling: the greatest element or the mean of windows that slide over pictures.

use talweg_kernels::pool2d::Pool2d as Sizes;

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::dtype::DType;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// How a window moves over a picture; all pairs are (rows, columns).
///
/// # Examples
/// ```
/// # use talweg_tensor::Pool2dOptions;
/// let quarters = Pool2dOptions::default();
/// assert_eq!((quarters.kernel, quarters.stride, quarters.padding), ([2, 2], None, [0, 0]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool2dOptions {
    /// The size of the window; 2 by 2 by default.
    pub kernel: [usize; 2],
    /// The distance between windows; `None` is the window's size, so that windows lie side by side.
    pub stride: Option<[usize; 2]>,
    /// Rows and columns added on every side, at most half the window. They are never the greatest element, and count
    /// as zeros in a mean.
    pub padding: [usize; 2],
    /// Whether a mean divides by the size of the whole window (as by default), or by the number of its elements that
    /// are not padding. For `avg_pool2d` only.
    pub count_include_pad: bool,
}

impl Default for Pool2dOptions {
    fn default() -> Pool2dOptions {
        Pool2dOptions { kernel: [2, 2], stride: None, padding: [0, 0], count_include_pad: true }
    }
}

impl Pool2dOptions {
    fn sizes(&self, x: &Shape) -> Sizes {
        Sizes {
            batch: x.at(0) * x.at(1),
            height: x.at(2),
            width: x.at(3),
            kernel: self.kernel,
            stride: self.stride.unwrap_or(self.kernel),
            padding: self.padding,
            count_include_pad: self.count_include_pad,
        }
    }

    /// The output's shape, or what does not fit.
    fn output(&self, name: &str, x: &Spec) -> Result<Shape, OpError> {
        check::float(name, x)?;
        let refuse = |cause: String| Err(OpError::new(format!("{name}: input {}: {cause}", x.shape)));
        if x.shape.rank() != 4 {
            let hint =
                if x.shape.rank() == 3 { "; make a batch of one picture with .unsqueeze(0)" } else { "" };
            return refuse(format!("the input needs 4 axes (batch, channels, height, width){hint}"));
        }
        let s = self.sizes(&x.shape);
        if s.kernel.contains(&0) || s.stride.contains(&0) {
            return refuse(format!("window {:?} and stride {:?} must be at least 1", s.kernel, s.stride));
        }
        if (0..2).any(|i| 2 * s.padding[i] > s.kernel[i]) {
            return refuse(format!(
                "padding {:?} is more than half the window {:?}, so that windows would lie in it",
                s.padding, s.kernel
            ));
        }
        let padded = [s.height + 2 * s.padding[0], s.width + 2 * s.padding[1]];
        if s.height == 0 || s.width == 0 || s.kernel[0] > padded[0] || s.kernel[1] > padded[1] {
            return refuse(format!(
                "window {:?} is larger than the picture with its padding {padded:?}; use a smaller window, or pool \
                 less often",
                s.kernel
            ));
        }
        let [h, w] = s.output();
        Ok(Shape::new(&[x.shape.at(0), x.shape.at(1), h, w]))
    }
}

#[derive(Debug)]
struct MaxPool2d(Pool2dOptions);

impl Op for MaxPool2d {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        Ok(inputs[0].with_shape(self.0.output("max_pool2d", &inputs[0])?))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        let kernel = Kernel::MaxPool2d(self.0.sizes(inputs[0].shape()));
        let [y, index] = Tensor::run_many(&kernel, inputs, [*out, out.with_dtype(DType::I64)]);
        saved.keep(&index);
        y
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        let shape = *saved.shape(0);
        vec![Some(apply(MaxPool2dGrad { options: self.0, shape }, &[&dy, saved.value(0)]).into())]
    }
}

/// The gradient of [`MaxPool2d`]: zeros of a shape, with `dy` added in at each maximum's place in its plane.
#[derive(Debug)]
struct MaxPool2dGrad {
    options: Pool2dOptions,
    shape: Shape,
}

impl Op for MaxPool2dGrad {
    fn name(&self) -> &'static str {
        "max_pool2d_grad"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (dy, index) = (&inputs[0], &inputs[1]);
        check::float("max_pool2d_grad", dy)?;
        check::index("max_pool2d_grad", index)?;
        let dx = dy.with_shape(self.shape);
        let shape = self.options.output("max_pool2d_grad", &dx)?;
        if dy.shape != shape || index.shape != shape {
            return Err(OpError::new(format!(
                "max_pool2d_grad: gradient {} and places {} must have the pooled shape {shape}",
                dy.shape, index.shape
            )));
        }
        Ok(dx)
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        saved.keep_input(1, inputs[1]);
        Tensor::run(&Kernel::MaxPool2dGrad(self.options.sizes(&self.shape)), inputs, out)
    }

    fn vjp(&self, saved: &Saved, g: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        let (index, [n, c, h, w]) = (saved.input(1), g.sizes());
        let pooled = *index.shape();
        let flat = index.reshape([n, c, pooled.at(2) * pooled.at(3)]);
        let dy = g.reshape([n, c, h * w]).gather(-1, &flat).reshape(pooled);
        vec![Some(dy.into()), None]
    }
}

#[derive(Debug)]
struct AvgPool2d(Pool2dOptions);

impl Op for AvgPool2d {
    fn name(&self) -> &'static str {
        "avg_pool2d"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        Ok(inputs[0].with_shape(self.0.output("avg_pool2d", &inputs[0])?))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, _: &mut Saved) -> Tensor {
        Tensor::run(&Kernel::AvgPool2d(self.0.sizes(inputs[0].shape())), inputs, out)
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        vec![Some(apply(AvgPool2dGrad { options: self.0, shape: *saved.shape(0) }, &[&dy]).into())]
    }
}

/// The gradient of [`AvgPool2d`], which is linear: the derivative of this is the pooling again.
#[derive(Debug)]
struct AvgPool2dGrad {
    options: Pool2dOptions,
    shape: Shape,
}

impl Op for AvgPool2dGrad {
    fn name(&self) -> &'static str {
        "avg_pool2d_grad"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let dx = inputs[0].with_shape(self.shape);
        match self.options.output("avg_pool2d_grad", &dx)? {
            shape if shape == inputs[0].shape => Ok(dx),
            shape => Err(OpError::new(format!(
                "avg_pool2d_grad: gradient {} must have the pooled shape {shape}",
                inputs[0].shape
            ))),
        }
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, _: &mut Saved) -> Tensor {
        Tensor::run(&Kernel::AvgPool2dGrad(self.options.sizes(&self.shape)), inputs, out)
    }

    fn vjp(&self, _: &Saved, g: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        vec![Some(apply(AvgPool2d(self.options), &[&g]).into())]
    }
}

impl Tensor {
    /// The greatest element of each window of each channel; NaN if one is.
    ///
    /// # Shapes
    /// `[n, c, h, w]` to `[n, c, h', w']` with `h' = (h + 2 padding − kernel) / stride + 1`, rounded down, and `w'`
    /// likewise.
    ///
    /// # Gradient
    /// `dy` to the window's greatest element; to the first of equal ones, in row-major order. An element that is the
    /// greatest of several windows gets the sum.
    ///
    /// # Panics
    /// When the window is larger than the padded picture, the padding larger than half the window, a window or stride
    /// is 0, or the input is not floating-point with 4 axes.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Pool2dOptions, Tensor};
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], [1, 1, 2, 4]);
    /// assert_eq!(x.max_pool2d(&Pool2dOptions::default()).to_vec::<f32>(), [6.0, 8.0]);
    /// let sliding = Pool2dOptions { kernel: [1, 3], stride: Some([1, 1]), ..Default::default() };
    /// assert_eq!(x.max_pool2d(&sliding).to_vec::<f32>(), [3.0, 4.0, 7.0, 8.0]);
    /// ```
    #[track_caller]
    pub fn max_pool2d(&self, options: &Pool2dOptions) -> Tensor {
        apply(MaxPool2d(*options), &[self])
    }

    /// The mean of each window of each channel: its sum over its size, see [`Pool2dOptions::count_include_pad`].
    ///
    /// # Shapes
    /// As [`Tensor::max_pool2d`].
    ///
    /// # Gradient
    /// Every element of a window gets `dy` over the window's size.
    ///
    /// # Panics
    /// As [`Tensor::max_pool2d`].
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Pool2dOptions, Tensor};
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], [1, 1, 2, 4]);
    /// assert_eq!(x.avg_pool2d(&Pool2dOptions::default()).to_vec::<f32>(), [3.5, 5.5]);
    /// ```
    #[track_caller]
    pub fn avg_pool2d(&self, options: &Pool2dOptions) -> Tensor {
        apply(AvgPool2d(*options), &[self])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Rng};

    const QUARTERS: Pool2dOptions =
        Pool2dOptions { kernel: [2, 2], stride: None, padding: [0, 0], count_include_pad: true };
    const UNEVEN: Pool2dOptions =
        Pool2dOptions { kernel: [3, 2], stride: Some([2, 1]), padding: [1, 1], count_include_pad: false };
    const PADDED: Pool2dOptions = Pool2dOptions { count_include_pad: true, ..UNEVEN };

    /// Places inside planes of 2 by 4, for windows of 2 by 2.
    fn places() -> Tensor {
        Tensor::from_slice(&[5i64, 2, 0, 7], [1, 2, 1, 2])
    }

    crate::cases! {
        max_pool2d: |x| x[0].max_pool2d(&QUARTERS);
            shapes [[2, 3, 4, 4]] [[1, 1, 5, 3]] [[0, 2, 2, 2]]  refuses [[2, 3, 1, 4]] [[3, 4, 4]] [[1, 1, 0, 0]];
        max_pool2d_uneven: |x| x[0].max_pool2d(&UNEVEN); shapes [[2, 2, 5, 4]] [[1, 1, 1, 1]];
        max_pool2d_grad: |x| apply(MaxPool2dGrad { options: QUARTERS, shape: [1, 2, 2, 4].into() }, &[x[0], &places()]);
            shapes [[1, 2, 1, 2]]  refuses [[1, 2, 2, 2]] [[2]];
        max_pool2d_grad_none: |x| apply(
                MaxPool2dGrad { options: QUARTERS, shape: [0, 2, 2, 4].into() }, &[x[0], &Tensor::zeros([0, 2, 1, 2], DType::I64)]);
            shapes [[0, 2, 1, 2]]  refuses [[1, 2, 1, 2]];
        avg_pool2d: |x| x[0].avg_pool2d(&QUARTERS);
            shapes [[2, 3, 4, 4]] [[1, 1, 5, 3]] [[0, 2, 2, 2]]  refuses [[2, 3, 1, 4]] [[2, 2]];
        avg_pool2d_uneven: |x| x[0].avg_pool2d(&UNEVEN); shapes [[2, 2, 5, 4]] [[1, 1, 1, 1]];
        avg_pool2d_padded: |x| x[0].avg_pool2d(&PADDED); shapes [[2, 2, 5, 4]];
        avg_pool2d_grad: |x| apply(AvgPool2dGrad { options: UNEVEN, shape: [1, 2, 4, 3].into() }, x);
            shapes [[1, 2, 2, 4]]  refuses [[1, 2, 2, 3]] [[2]];
        avg_pool2d_grad_none: |x| apply(AvgPool2dGrad { options: UNEVEN, shape: [0, 2, 4, 3].into() }, x);
            shapes [[0, 2, 2, 4]]  refuses [[1, 2, 2, 4]];
    }

    /// The elements of every window, by the definition.
    fn windows(x: &Tensor, o: &Pool2dOptions) -> Vec<Vec<f64>> {
        let ([n, c, h, w], stride) = (x.sizes(), o.stride.unwrap_or(o.kernel));
        let (data, pooled) = (x.to_vec::<f64>(), o.output("windows", &x.spec()).unwrap());
        let (rows, cols) = (pooled.at(2), pooled.at(3));
        let mut all = Vec::new();
        for (plane, i, j) in (0..n * c * rows * cols).map(|t| (t / (rows * cols), t / cols % rows, t % cols))
        {
            let taps = (0..o.kernel[0] * o.kernel[1]).map(|t| (t / o.kernel[1], t % o.kernel[1]));
            let place = |(a, b): (usize, usize)| {
                let (row, col) = (
                    (i * stride[0] + a).checked_sub(o.padding[0])?,
                    (j * stride[1] + b).checked_sub(o.padding[1])?,
                );
                (row < h && col < w).then(|| data[(plane * h + row) * w + col])
            };
            all.push(taps.filter_map(place).collect());
        }
        all
    }

    #[test]
    fn they_are_the_definitions() {
        let x = Rng::seed(9).normal([2, 3, 7, 6], 0.0, 1.0, DType::F64);
        for options in [QUARTERS, UNEVEN, PADDED] {
            let windows = windows(&x, &options);
            let max: Vec<f64> = windows.iter().map(|w| w.iter().copied().fold(f64::MIN, f64::max)).collect();
            assert_eq!(x.max_pool2d(&options).to_vec::<f64>(), max);
            let count = |w: &Vec<f64>| {
                if options.count_include_pad { options.kernel[0] * options.kernel[1] } else { w.len() }
            };
            let got = x.avg_pool2d(&options).to_vec::<f64>();
            assert_eq!(got.len(), windows.len());
            for (got, w) in got.iter().zip(&windows) {
                assert!((got - w.iter().sum::<f64>() / count(w) as f64).abs() < 1e-14, "{options:?}");
            }
        }
    }

    #[test]
    fn the_first_of_equal_ones_gets_the_gradient() {
        let x = Tensor::from_slice(&[1.0f64, 2.0, 2.0, 2.0], [1, 1, 2, 2]).requires_grad();
        let dx = x.max_pool2d(&QUARTERS).sum(..).backward().wrt(&x);
        assert_eq!(dx.to_vec::<f64>(), [0.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn refusals_name_what_does_not_fit() {
        let refusal = |shape: &[usize], options: Pool2dOptions| {
            crate::try_apply(MaxPool2d(options), &[&Tensor::zeros(shape, DType::F32)])
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            refusal(&[1, 8, 1, 1], QUARTERS),
            "max_pool2d: input [1, 8, 1, 1]: window [2, 2] is larger than the picture with its padding [1, 1]; use a \
             smaller window, or pool less often"
        );
        assert_eq!(
            refusal(&[1, 8, 4, 4], Pool2dOptions { padding: [2, 0], ..QUARTERS }),
            "max_pool2d: input [1, 8, 4, 4]: padding [2, 0] is more than half the window [2, 2], so that windows would \
             lie in it"
        );
        assert_eq!(
            refusal(&[1, 8, 4, 4], Pool2dOptions { stride: Some([0, 1]), ..QUARTERS }),
            "max_pool2d: input [1, 8, 4, 4]: window [2, 2] and stride [0, 1] must be at least 1"
        );
    }
}
