//! The greatest element of each window, and where it lies.

use std::sync::Arc;

use talweg_kernels::Float;

use super::{Pool1dOptions, Pool2dOptions, Pool3dOptions, Pooling, Windows, three};
use crate::autograd::Grad;
use crate::backend::{CustomKernel, HostArray, HostArrayMut, Kernel};
use crate::dtype::DType;
use crate::op::{MultiOp, Op, OpError, Saved, Spec, apply, apply_multi, check};
use crate::shape::Shape;
use crate::tensor::Tensor;

impl Tensor {
    /// The greatest element of each window of each channel of sequences; NaN if one is.
    ///
    /// # Shapes
    /// `[n, c, l]` to `[n, c, l']` with `l' = (l + 2 padding − dilation (kernel − 1) − 1) / stride + 1`, rounded down, or
    /// up if so asked.
    ///
    /// # Gradient
    /// As [`Tensor::max_pool2d`].
    ///
    /// # Panics
    /// As [`Tensor::max_pool2d`], for 3 axes.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Pool1dOptions, Tensor};
    /// let x = Tensor::from_slice(&[1.0f32, 4.0, 2.0, 3.0, 5.0], [1, 1, 5]);
    /// assert_eq!(x.max_pool1d(&Pool1dOptions::default()).to_vec::<f32>(), [4.0, 3.0]);
    /// let all = Pool1dOptions { ceil_mode: true, ..Default::default() };
    /// assert_eq!(x.max_pool1d(&all).to_vec::<f32>(), [4.0, 3.0, 5.0]);
    /// ```
    #[track_caller]
    pub fn max_pool1d(&self, options: &Pool1dOptions) -> Tensor {
        apply(MaxPool(Pooling::Sliding(*options)), &[self])
    }

    /// The greatest element of each window of each channel of pictures; NaN if one is.
    ///
    /// # Shapes
    /// `[n, c, h, w]` to `[n, c, h', w']` with `h' = (h + 2 padding − dilation (kernel − 1) − 1) / stride + 1`, rounded
    /// down, or up if so asked, and `w'` likewise.
    ///
    /// # Gradient
    /// `dy` to the window's greatest element; to the first of equal ones, in row-major order, and to the last NaN. An
    /// element that is the greatest of several windows gets the sum.
    ///
    /// # Panics
    /// When the window is larger than the padded picture, the padding larger than half the window, a window, stride or
    /// dilation is 0, or the input is not floating-point with 4 axes.
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
        apply(MaxPool(Pooling::Sliding(*options)), &[self])
    }

    /// The greatest element of each window of each channel of volumes; NaN if one is.
    ///
    /// # Shapes
    /// `[n, c, d, h, w]` to `[n, c, d', h', w']`, each size as in [`Tensor::max_pool2d`].
    ///
    /// # Gradient
    /// As [`Tensor::max_pool2d`].
    ///
    /// # Panics
    /// As [`Tensor::max_pool2d`], for 5 axes.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Pool3dOptions, Tensor};
    /// let x = Tensor::from_slice(&[1.0f32, 8.0, 3.0, 4.0, 5.0, 6.0, 7.0, 2.0], [1, 1, 2, 2, 2]);
    /// assert_eq!(x.max_pool3d(&Pool3dOptions::default()).to_vec::<f32>(), [8.0]);
    /// ```
    #[track_caller]
    pub fn max_pool3d(&self, options: &Pool3dOptions) -> Tensor {
        apply(MaxPool(Pooling::Sliding(*options)), &[self])
    }

    /// [`Tensor::max_pool1d`], and the position in the sequence of each greatest element.
    ///
    /// # Shapes
    /// Both as the output of [`Tensor::max_pool1d`]; the positions hold `i64`.
    ///
    /// # Gradient
    /// As [`Tensor::max_pool1d`]; the positions have none.
    ///
    /// # Panics
    /// As [`Tensor::max_pool1d`].
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Pool1dOptions, Tensor};
    /// let x = Tensor::from_slice(&[1.0f32, 4.0, 3.0, 2.0], [1, 1, 4]);
    /// let (y, places) = x.max_pool1d_with_indices(&Pool1dOptions::default());
    /// assert_eq!((y.to_vec::<f32>(), places.to_vec::<i64>()), (vec![4.0, 3.0], vec![1, 2]));
    /// ```
    #[track_caller]
    pub fn max_pool1d_with_indices(&self, options: &Pool1dOptions) -> (Tensor, Tensor) {
        with_indices(Pooling::Sliding(*options), self)
    }

    /// [`Tensor::max_pool2d`], and the position in the picture of each greatest element, `row · w + column`.
    ///
    /// # Shapes
    /// Both as the output of [`Tensor::max_pool2d`]; the positions hold `i64`.
    ///
    /// # Gradient
    /// As [`Tensor::max_pool2d`]; the positions have none.
    ///
    /// # Panics
    /// As [`Tensor::max_pool2d`].
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Pool2dOptions, Tensor};
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], [1, 1, 2, 4]);
    /// let (y, places) = x.max_pool2d_with_indices(&Pool2dOptions::default());
    /// assert_eq!((y.to_vec::<f32>(), places.to_vec::<i64>()), (vec![6.0, 8.0], vec![5, 7]));
    /// ```
    #[track_caller]
    pub fn max_pool2d_with_indices(&self, options: &Pool2dOptions) -> (Tensor, Tensor) {
        with_indices(Pooling::Sliding(*options), self)
    }

    /// [`Tensor::max_pool3d`], and the position in the volume of each greatest element, in row-major order.
    ///
    /// # Shapes
    /// Both as the output of [`Tensor::max_pool3d`]; the positions hold `i64`.
    ///
    /// # Gradient
    /// As [`Tensor::max_pool3d`]; the positions have none.
    ///
    /// # Panics
    /// As [`Tensor::max_pool3d`].
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Pool3dOptions, Tensor};
    /// let x = Tensor::from_slice(&[1.0f32, 8.0, 3.0, 4.0, 5.0, 6.0, 7.0, 2.0], [1, 1, 2, 2, 2]);
    /// let (y, places) = x.max_pool3d_with_indices(&Pool3dOptions::default());
    /// assert_eq!((y.to_vec::<f32>(), places.to_vec::<i64>()), (vec![8.0], vec![1]));
    /// ```
    #[track_caller]
    pub fn max_pool3d_with_indices(&self, options: &Pool3dOptions) -> (Tensor, Tensor) {
        with_indices(Pooling::Sliding(*options), self)
    }
}

#[track_caller]
pub(super) fn with_indices<const N: usize>(pooling: Pooling<N>, x: &Tensor) -> (Tensor, Tensor) {
    let mut both = apply_multi(MaxPoolWithIndices(pooling), &[x]);
    let places = both.pop().expect("two outputs");
    (both.pop().expect("two outputs"), places)
}

/// The greatest elements and their places.
fn greatest<const N: usize>(pooling: &Pooling<N>, x: &[&Tensor], out: &Spec) -> [Tensor; 2] {
    let shape = x[0].shape();
    let kernel = match pooling.planes(shape) {
        Some(planes) => Kernel::MaxPool2d(planes),
        None => Kernel::Custom(Arc::new(Greatest(three(pooling.fitting(shape))))),
    };
    Tensor::run_many(&kernel, x, [*out, out.with_dtype(DType::I64)])
}

#[derive(Debug)]
pub(super) struct MaxPool<const N: usize>(pub(super) Pooling<N>);

impl<const N: usize> Op for MaxPool<N> {
    fn name(&self) -> &'static str {
        self.0.named(
            ["max_pool1d", "max_pool2d", "max_pool3d"],
            ["adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"],
        )
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        Ok(inputs[0].with_shape(self.0.output(self.name(), &inputs[0])?))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        let [y, places] = greatest(&self.0, inputs, out);
        saved.keep(&places);
        y
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        let shape = *saved.shape(0);
        vec![Some(apply(MaxPoolGrad { pooling: self.0, shape }, &[&dy, saved.value(0)]).into())]
    }
}

#[derive(Debug)]
struct MaxPoolWithIndices<const N: usize>(Pooling<N>);

impl<const N: usize> MultiOp for MaxPoolWithIndices<N> {
    fn name(&self) -> &'static str {
        self.0.named(
            ["max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices"],
            [
                "adaptive_max_pool1d_with_indices",
                "adaptive_max_pool2d_with_indices",
                "adaptive_max_pool3d_with_indices",
            ],
        )
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Vec<Spec>, OpError> {
        let y = inputs[0].with_shape(self.0.output(self.name(), &inputs[0])?);
        Ok(vec![y, y.with_dtype(DType::I64)])
    }

    fn forward(&self, inputs: &[&Tensor], outs: &[Spec], saved: &mut Saved) -> Vec<Tensor> {
        let both = greatest(&self.0, inputs, &outs[0]);
        saved.keep(&both[1]);
        both.into()
    }

    fn vjp(&self, saved: &Saved, mut dys: Vec<Option<Tensor>>, _: &[bool]) -> Vec<Option<Grad>> {
        let (pooling, shape) = (self.0, *saved.shape(0));
        let dx = |dy: Tensor| apply(MaxPoolGrad { pooling, shape }, &[&dy, saved.value(0)]).into();
        vec![dys[0].take().map(dx)]
    }
}

/// The gradient of [`MaxPool`]: zeros of a shape, with `dy` added in at each greatest element's place in its channel.
#[derive(Debug)]
pub(super) struct MaxPoolGrad<const N: usize> {
    pub(super) pooling: Pooling<N>,
    pub(super) shape: Shape,
}

impl<const N: usize> Op for MaxPoolGrad<N> {
    fn name(&self) -> &'static str {
        "max_pool_grad"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (dy, index) = (&inputs[0], &inputs[1]);
        check::float("max_pool_grad", dy)?;
        check::index("max_pool_grad", index)?;
        let dx = dy.with_shape(self.shape);
        let shape = self.pooling.output("max_pool_grad", &dx)?;
        if dy.shape != shape || index.shape != shape {
            return Err(OpError::new(format!(
                "max_pool_grad: gradient {} and places {} must have the pooled shape {shape}",
                dy.shape, index.shape
            )));
        }
        Ok(dx)
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        saved.keep_input(1, inputs[1]);
        if let Some(planes) = self.pooling.planes(&self.shape) {
            return Tensor::run(&Kernel::MaxPool2dGrad(planes), inputs, out);
        }
        let [dy, index] = [inputs[0], inputs[1]].map(channels);
        let shape = Shape::new(&[out.shape.at(0), out.shape.at(1), out.shape.iter().skip(2).product()]);
        Tensor::run(&Kernel::ScatterAdd(2), &[&dy, &index], &out.with_shape(shape)).reshape(out.shape)
    }

    fn vjp(&self, saved: &Saved, g: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        let index = saved.input(1);
        vec![Some(channels(&g).gather(-1, &channels(index)).reshape(*index.shape()).into()), None]
    }
}

/// `[n, c, ..]` as `[n, c, places]`.
pub(super) fn channels(x: &Tensor) -> Tensor {
    let shape = x.shape();
    x.reshape([shape.at(0), shape.at(1), shape.iter().skip(2).product()])
}

/// The loop over windows of three axes.
#[derive(Debug)]
struct Greatest([Windows; 3]);

impl CustomKernel for Greatest {
    fn run(&self, inputs: &[HostArray<'_>], outputs: &mut [HostArrayMut<'_>]) {
        let [y, places] = outputs else { unreachable!("the greatest elements and their places") };
        let (x, count) = (&inputs[0], y.shape.numel());
        let places = &mut places.buffer.as_mut_slice::<i64>()[..count];
        match x.dtype {
            DType::F32 => self.find::<f32>(x, &mut y.buffer.as_mut_slice()[..count], places),
            DType::F64 => self.find::<f64>(x, &mut y.buffer.as_mut_slice()[..count], places),
            other => unreachable!("the shape rule refuses {other}"),
        }
    }
}

impl Greatest {
    fn find<T: Float>(&self, x: &HostArray<'_>, y: &mut [T], places: &mut [i64]) {
        let x = &x.buffer.as_slice::<T>()[..x.shape.numel()];
        let [depth, height, width] = self.0.map(|w| w.size());
        let lines: [Vec<Vec<usize>>; 3] =
            self.0.map(|w| (0..w.count()).map(|i| w.places(i).collect()).collect());
        let mut out = y.iter_mut().zip(places);
        for channel in x.chunks_exact(depth * height * width) {
            for (slices, rows) in lines[0].iter().flat_map(|s| lines[1].iter().map(move |r| (s, r))) {
                for columns in &lines[2] {
                    let (y, place) = out.next().expect("an output for each window");
                    let line = |s: &usize, r: &usize| (s * height + r) * width;
                    *place = (line(&slices[0], &rows[0]) + columns[0]) as i64;
                    *y = channel[*place as usize];
                    for line in slices.iter().flat_map(|s| rows.iter().map(move |r| line(s, r))) {
                        for at in columns.iter().map(|column| line + column) {
                            // NaN is greater than all, and compares with nothing.
                            let x = channel[at];
                            if x > *y || x.partial_cmp(&x).is_none() {
                                (*y, *place) = (x, at as i64);
                            }
                        }
                    }
                }
            }
        }
    }
}
