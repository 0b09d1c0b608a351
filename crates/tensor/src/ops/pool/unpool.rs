//! The way back of the greatest elements: each to the place where it was found, zeros between.

use std::sync::Arc;

use talweg_kernels::Float;

use super::max::channels;
use super::{Pool1dOptions, Pool2dOptions, Pool3dOptions, PoolOptions};
use crate::autograd::Grad;
use crate::backend::{CustomKernel, HostArray, HostArrayMut};
use crate::dtype::DType;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::shape::Shape;
use crate::tensor::Tensor;

impl Tensor {
    /// The greatest elements of windows back at their places in sequences, zeros elsewhere, see
    /// [`Tensor::max_unpool2d`].
    ///
    /// # Shapes
    /// `[n, c, l']` and places of the same shape to `[n, c, l]` as in [`Tensor::max_unpool2d`].
    ///
    /// # Gradient
    /// As [`Tensor::max_unpool2d`].
    ///
    /// # Panics
    /// As [`Tensor::max_unpool2d`], for 3 axes.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Pool1dOptions, Tensor};
    /// let options = Pool1dOptions::default();
    /// let x = Tensor::from_slice(&[1.0f32, 4.0, 3.0, 2.0], [1, 1, 4]);
    /// let (y, places) = x.max_pool1d_with_indices(&options);
    /// assert_eq!(y.max_unpool1d(&places, &options, None).to_vec::<f32>(), [0.0, 4.0, 3.0, 0.0]);
    /// ```
    #[track_caller]
    pub fn max_unpool1d(
        &self,
        indices: &Tensor,
        options: &Pool1dOptions,
        output: Option<[usize; 1]>,
    ) -> Tensor {
        max_unpool(self, indices, options, output)
    }

    /// The greatest elements of windows back at their places in pictures, zeros elsewhere: what
    /// [`Tensor::max_pool2d_with_indices`] found, undone but for the elements that were dropped.
    ///
    /// `output` chooses among the sizes that pool to the given one; `None` is `(h' − 1) stride − 2 padding + kernel`. Of
    /// several elements for one place the last one, in row-major order, is seen.
    ///
    /// # Shapes
    /// `[n, c, h', w']` and places of the same shape, `row · w + column`, to `[n, c, h, w]`.
    ///
    /// # Gradient
    /// `dy` at each element's place. Where several elements have one place each of them gets it, as in PyTorch.
    ///
    /// # Panics
    /// When the input is not floating-point with 4 axes, the places are not `i64`, of another shape or outside the picture,
    /// or `output` is further from what `None` gives than the stride.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Pool2dOptions, Tensor};
    /// let options = Pool2dOptions::default();
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 0.0], [1, 1, 2, 2]);
    /// let (y, places) = x.max_pool2d_with_indices(&options);
    /// assert_eq!(y.max_unpool2d(&places, &options, None).to_vec::<f32>(), [0.0, 0.0, 3.0, 0.0]);
    /// ```
    #[track_caller]
    pub fn max_unpool2d(
        &self,
        indices: &Tensor,
        options: &Pool2dOptions,
        output: Option<[usize; 2]>,
    ) -> Tensor {
        max_unpool(self, indices, options, output)
    }

    /// The greatest elements of windows back at their places in volumes, zeros elsewhere, see [`Tensor::max_unpool2d`].
    ///
    /// # Shapes
    /// `[n, c, d', h', w']` and places of the same shape to `[n, c, d, h, w]` as in [`Tensor::max_unpool2d`].
    ///
    /// # Gradient
    /// As [`Tensor::max_unpool2d`].
    ///
    /// # Panics
    /// As [`Tensor::max_unpool2d`], for 5 axes.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Pool3dOptions, Tensor};
    /// let (x, places) = (Tensor::from_slice(&[7.0f32], [1, 1, 1, 1, 1]), Tensor::from_slice(&[6i64], [1, 1, 1, 1, 1]));
    /// let y = x.max_unpool3d(&places, &Pool3dOptions::default(), None);
    /// assert_eq!(y.to_vec::<f32>(), [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 7.0, 0.0]);
    /// ```
    #[track_caller]
    pub fn max_unpool3d(
        &self,
        indices: &Tensor,
        options: &Pool3dOptions,
        output: Option<[usize; 3]>,
    ) -> Tensor {
        max_unpool(self, indices, options, output)
    }
}

#[track_caller]
fn max_unpool<const N: usize>(
    x: &Tensor,
    indices: &Tensor,
    options: &PoolOptions<N>,
    output: Option<[usize; N]>,
) -> Tensor {
    apply(MaxUnpool { options: *options, output }, &[x, indices])
}

#[derive(Debug)]
struct MaxUnpool<const N: usize> {
    options: PoolOptions<N>,
    output: Option<[usize; N]>,
}

impl<const N: usize> Op for MaxUnpool<N> {
    fn name(&self) -> &'static str {
        ["max_unpool1d", "max_unpool2d", "max_unpool3d"][N - 1]
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (name, x, indices) = (self.name(), &inputs[0], &inputs[1]);
        check::float(name, x)?;
        check::index(name, indices)?;
        let refuse = |cause: String| {
            Err(OpError::new(format!("{name}: input {} with places {}: {cause}", x.shape, indices.shape)))
        };
        if x.shape.rank() != N + 2 || indices.shape != x.shape {
            return refuse(format!("both need the same {} axes, as pooling gives them", N + 2));
        }
        let (kernel, stride, padding) = (self.options.kernel, self.options.strides(), self.options.padding);
        let usual: [usize; N] = std::array::from_fn(|i| {
            (x.shape.at(i + 2).saturating_sub(1) * stride[i] + kernel[i]).saturating_sub(2 * padding[i])
        });
        let output = self.output.unwrap_or(usual);
        if stride.contains(&0) || (0..N).any(|i| output[i].abs_diff(usual[i]) >= stride[i]) {
            return refuse(format!(
                "the output size {output:?} must be less than the stride {stride:?} away from {usual:?}"
            ));
        }
        Ok(x.with_shape((0..N).fold(x.shape, |shape, i| shape.with(i + 2, output[i]))))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        saved.keep_input(1, inputs[1]);
        Tensor::run_custom(Arc::new(Unpool(self.name())), inputs, out)
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        let indices = saved.input(1);
        vec![Some(channels(&dy).gather(-1, &channels(indices)).reshape(*indices.shape()).into()), None]
    }
}

/// The loop, under the operation's name.
#[derive(Debug)]
struct Unpool(&'static str);

impl CustomKernel for Unpool {
    fn run(&self, inputs: &[HostArray<'_>], outputs: &mut [HostArrayMut<'_>]) {
        match inputs[0].dtype {
            DType::F32 => self.put::<f32>(inputs, &mut outputs[0]),
            DType::F64 => self.put::<f64>(inputs, &mut outputs[0]),
            other => unreachable!("the shape rule refuses {other}"),
        }
    }
}

impl Unpool {
    fn put<T: Float>(&self, inputs: &[HostArray<'_>], y: &mut HostArrayMut<'_>) {
        let size = |shape: &Shape| shape.iter().skip(2).product::<usize>();
        let (pooled, whole, count) = (size(&inputs[0].shape), size(&y.shape), inputs[0].shape.numel());
        let places = &inputs[1].buffer.as_slice::<i64>()[..count];
        let numel = y.shape.numel();
        let y = &mut y.buffer.as_mut_slice::<T>()[..numel];
        y.fill(T::ZERO);
        for (i, (&x, &place)) in inputs[0].buffer.as_slice::<T>()[..count].iter().zip(places).enumerate() {
            let Some(place) = usize::try_from(place).ok().filter(|&place| place < whole) else {
                panic!("{}: place {place} lies outside the output of {whole} elements", self.0)
            };
            y[i / pooled * whole + place] = x;
        }
    }
}
