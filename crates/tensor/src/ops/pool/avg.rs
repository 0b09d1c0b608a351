//! The mean of each window.

use super::{Divide, Pool1dOptions, Pool2dOptions, Pool3dOptions, Pooling};
use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::op::{Op, OpError, Saved, Spec, apply};
use crate::ops::axis_map::AxisWeights;
use crate::shape::Shape;
use crate::tensor::Tensor;

impl Tensor {
    /// The mean of each window of each channel of sequences, see [`Tensor::avg_pool2d`].
    ///
    /// # Shapes
    /// `[n, c, l]` to `[n, c, l']` with `l' = (l + 2 padding − kernel) / stride + 1`, rounded down, or up if so asked.
    ///
    /// # Gradient
    /// As [`Tensor::avg_pool2d`].
    ///
    /// # Panics
    /// As [`Tensor::avg_pool2d`], for 3 axes.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Pool1dOptions, Tensor};
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 6.0], [1, 1, 4]);
    /// assert_eq!(x.avg_pool1d(&Pool1dOptions::default()).to_vec::<f32>(), [1.5, 4.5]);
    /// ```
    #[track_caller]
    pub fn avg_pool1d(&self, options: &Pool1dOptions) -> Tensor {
        apply(AvgPool(Pooling::Sliding(*options)), &[self])
    }

    /// The mean of each window of each channel of pictures: its sum over its size, see
    /// [`PoolOptions::count_include_pad`](crate::PoolOptions::count_include_pad) and
    /// [`PoolOptions::divisor_override`](crate::PoolOptions::divisor_override).
    ///
    /// # Shapes
    /// `[n, c, h, w]` to `[n, c, h', w']` with `h' = (h + 2 padding − kernel) / stride + 1`, rounded down, or up if so
    /// asked, and `w'` likewise.
    ///
    /// # Gradient
    /// Every element of a window gets `dy` over the window's size.
    ///
    /// # Panics
    /// When the window is larger than the padded picture, the padding larger than half the window, a window, stride or
    /// divisor is 0, there is a dilation, or the input is not floating-point with 4 axes.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Pool2dOptions, Tensor};
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], [1, 1, 2, 4]);
    /// assert_eq!(x.avg_pool2d(&Pool2dOptions::default()).to_vec::<f32>(), [3.5, 5.5]);
    /// let sums = Pool2dOptions { divisor_override: Some(1), ..Default::default() };
    /// assert_eq!(x.avg_pool2d(&sums).to_vec::<f32>(), [14.0, 22.0]);
    /// ```
    #[track_caller]
    pub fn avg_pool2d(&self, options: &Pool2dOptions) -> Tensor {
        apply(AvgPool(Pooling::Sliding(*options)), &[self])
    }

    /// The mean of each window of each channel of volumes, see [`Tensor::avg_pool2d`].
    ///
    /// # Shapes
    /// `[n, c, d, h, w]` to `[n, c, d', h', w']`, each size as in [`Tensor::avg_pool2d`].
    ///
    /// # Gradient
    /// As [`Tensor::avg_pool2d`].
    ///
    /// # Panics
    /// As [`Tensor::avg_pool2d`], for 5 axes.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Pool3dOptions, Tensor};
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], [1, 1, 2, 2, 2]);
    /// assert_eq!(x.avg_pool3d(&Pool3dOptions::default()).to_vec::<f32>(), [4.5]);
    /// ```
    #[track_caller]
    pub fn avg_pool3d(&self, options: &Pool3dOptions) -> Tensor {
        apply(AvgPool(Pooling::Sliding(*options)), &[self])
    }
}

impl<const N: usize> Pooling<N> {
    /// The shape of the means, or what does not fit.
    pub(super) fn means(&self, name: &str, x: &Spec) -> Result<Shape, OpError> {
        match self {
            Pooling::Sliding(o) if o.dilation != [1; N] => Err(OpError::new(format!(
                "{name}: input {}: means are of dense windows, the dilation {:?} must be 1",
                x.shape, o.dilation
            ))),
            _ => self.output(name, x),
        }
    }

    /// The maps along the axes that together make the means, and what remains to divide by.
    fn maps(&self, x: &Shape) -> ([AxisWeights; N], f64) {
        let (divide, divisor) = match self {
            Pooling::Adaptive(_) => (Divide::Places, 1),
            Pooling::Sliding(o) => match (o.divisor_override, o.count_include_pad) {
                (Some(divisor), _) => (Divide::One, divisor),
                (None, true) => (Divide::Padded, 1),
                (None, false) => (Divide::Places, 1),
            },
        };
        (self.fitting(x).map(|windows| AxisWeights::Sums(windows, divide)), divisor as f64)
    }
}

#[derive(Debug)]
pub(super) struct AvgPool<const N: usize>(pub(super) Pooling<N>);

impl<const N: usize> Op for AvgPool<N> {
    fn name(&self) -> &'static str {
        self.0.named(
            ["avg_pool1d", "avg_pool2d", "avg_pool3d"],
            ["adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"],
        )
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        Ok(inputs[0].with_shape(self.0.means(self.name(), &inputs[0])?))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, _: &mut Saved) -> Tensor {
        let shape = inputs[0].shape();
        if let Some(planes) = self.0.planes(shape) {
            return Tensor::run(&Kernel::AvgPool2d(planes), inputs, out);
        }
        let (maps, divisor) = self.0.maps(shape);
        let y = (0..N).fold(inputs[0].clone(), |y, i| y.axis_map(i + 2, maps[i]));
        if divisor == 1.0 { y } else { y / divisor }
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        vec![Some(apply(AvgPoolGrad { pooling: self.0, shape: *saved.shape(0) }, &[&dy]).into())]
    }
}

/// The gradient of [`AvgPool`], which is linear: the derivative of this is the pooling again.
#[derive(Debug)]
pub(super) struct AvgPoolGrad<const N: usize> {
    pub(super) pooling: Pooling<N>,
    pub(super) shape: Shape,
}

impl<const N: usize> Op for AvgPoolGrad<N> {
    fn name(&self) -> &'static str {
        "avg_pool_grad"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let dx = inputs[0].with_shape(self.shape);
        match self.pooling.means("avg_pool_grad", &dx)? {
            shape if shape == inputs[0].shape => Ok(dx),
            shape => Err(OpError::new(format!(
                "avg_pool_grad: gradient {} must have the pooled shape {shape}",
                inputs[0].shape
            ))),
        }
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, _: &mut Saved) -> Tensor {
        if let Some(planes) = self.pooling.planes(&self.shape) {
            return Tensor::run(&Kernel::AvgPool2dGrad(planes), inputs, out);
        }
        let (maps, divisor) = self.pooling.maps(&self.shape);
        let dx = (0..N).rev().fold(inputs[0].clone(), |dx, i| dx.axis_map_adjoint(i + 2, maps[i]));
        if divisor == 1.0 { dx } else { dx / divisor }
    }

    fn vjp(&self, _: &Saved, g: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        vec![Some(apply(AvgPool(self.pooling), &[&g]).into())]
    }
}
