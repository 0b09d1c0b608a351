//! Pooling to a given size: along an axis of `n`, window `i` of `m` has the places from `i n / m`, rounded down, to before
//! `(i + 1) n / m`, rounded up. Windows overlap where `m` does not divide `n`.

use super::Pooling;
use super::avg::AvgPool;
use super::max::{MaxPool, with_indices};
use crate::op::apply;
use crate::tensor::Tensor;

impl Tensor {
    /// The mean of each of so many windows that cover a sequence, for each channel.
    ///
    /// # Shapes
    /// `[n, c, l]` to `[n, c, output]`
    ///
    /// # Gradient
    /// Every element of a window gets `dy` over the window's size.
    ///
    /// # Panics
    /// When the input is not floating-point with 3 axes, or its sequences are empty.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0], [1, 1, 5]);
    /// // The windows 1 2, 2 3 4 and 4 5.
    /// assert_eq!(x.adaptive_avg_pool1d([3]).to_vec::<f32>(), [1.5, 3.0, 4.5]);
    /// ```
    #[track_caller]
    pub fn adaptive_avg_pool1d(&self, output: [usize; 1]) -> Tensor {
        apply(AvgPool(Pooling::Adaptive(output)), &[self])
    }

    /// The mean of each of `output[0]` by `output[1]` windows that cover a picture, for each channel: `[1, 1]` is the mean
    /// of the whole.
    ///
    /// # Shapes
    /// `[n, c, h, w]` to `[n, c, output[0], output[1]]`
    ///
    /// # Gradient
    /// Every element of a window gets `dy` over the window's size.
    ///
    /// # Panics
    /// When the input is not floating-point with 4 axes, or its pictures are empty.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [1, 1, 2, 3]);
    /// assert_eq!(x.adaptive_avg_pool2d([1, 2]).to_vec::<f32>(), [3.0, 4.0]);
    /// ```
    #[track_caller]
    pub fn adaptive_avg_pool2d(&self, output: [usize; 2]) -> Tensor {
        apply(AvgPool(Pooling::Adaptive(output)), &[self])
    }

    /// The mean of each of `output[0]` by `output[1]` by `output[2]` windows that cover a volume, for each channel.
    ///
    /// # Shapes
    /// `[n, c, d, h, w]` to `[n, c, output[0], output[1], output[2]]`
    ///
    /// # Gradient
    /// Every element of a window gets `dy` over the window's size.
    ///
    /// # Panics
    /// When the input is not floating-point with 5 axes, or its volumes are empty.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [1, 1, 2, 1, 3]);
    /// assert_eq!(x.adaptive_avg_pool3d([1, 1, 2]).to_vec::<f32>(), [3.0, 4.0]);
    /// ```
    #[track_caller]
    pub fn adaptive_avg_pool3d(&self, output: [usize; 3]) -> Tensor {
        apply(AvgPool(Pooling::Adaptive(output)), &[self])
    }

    /// The greatest element of each of so many windows that cover a sequence, for each channel; NaN if one is.
    ///
    /// # Shapes
    /// `[n, c, l]` to `[n, c, output]`
    ///
    /// # Gradient
    /// As [`Tensor::max_pool1d`].
    ///
    /// # Panics
    /// When the input is not floating-point with 3 axes, or its sequences are empty.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 5.0, 4.0], [1, 1, 5]);
    /// assert_eq!(x.adaptive_max_pool1d([3]).to_vec::<f32>(), [2.0, 5.0, 5.0]);
    /// ```
    #[track_caller]
    pub fn adaptive_max_pool1d(&self, output: [usize; 1]) -> Tensor {
        apply(MaxPool(Pooling::Adaptive(output)), &[self])
    }

    /// The greatest element of each of `output[0]` by `output[1]` windows that cover a picture, for each channel; NaN if
    /// one is.
    ///
    /// # Shapes
    /// `[n, c, h, w]` to `[n, c, output[0], output[1]]`
    ///
    /// # Gradient
    /// As [`Tensor::max_pool2d`].
    ///
    /// # Panics
    /// When the input is not floating-point with 4 axes, or its pictures are empty.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [1, 1, 2, 3]);
    /// assert_eq!(x.adaptive_max_pool2d([1, 2]).to_vec::<f32>(), [5.0, 6.0]);
    /// ```
    #[track_caller]
    pub fn adaptive_max_pool2d(&self, output: [usize; 2]) -> Tensor {
        apply(MaxPool(Pooling::Adaptive(output)), &[self])
    }

    /// The greatest element of each of `output[0]` by `output[1]` by `output[2]` windows that cover a volume, for each
    /// channel; NaN if one is.
    ///
    /// # Shapes
    /// `[n, c, d, h, w]` to `[n, c, output[0], output[1], output[2]]`
    ///
    /// # Gradient
    /// As [`Tensor::max_pool3d`].
    ///
    /// # Panics
    /// When the input is not floating-point with 5 axes, or its volumes are empty.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [1, 1, 2, 1, 3]);
    /// assert_eq!(x.adaptive_max_pool3d([2, 1, 1]).to_vec::<f32>(), [3.0, 6.0]);
    /// ```
    #[track_caller]
    pub fn adaptive_max_pool3d(&self, output: [usize; 3]) -> Tensor {
        apply(MaxPool(Pooling::Adaptive(output)), &[self])
    }

    /// [`Tensor::adaptive_max_pool1d`], and the position in the sequence of each greatest element.
    ///
    /// # Shapes
    /// Both `[n, c, output]`; the positions hold `i64`.
    ///
    /// # Gradient
    /// As [`Tensor::max_pool1d`]; the positions have none.
    ///
    /// # Panics
    /// As [`Tensor::adaptive_max_pool1d`].
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 5.0, 4.0], [1, 1, 5]);
    /// assert_eq!(x.adaptive_max_pool1d_with_indices([3]).1.to_vec::<i64>(), [1, 3, 3]);
    /// ```
    #[track_caller]
    pub fn adaptive_max_pool1d_with_indices(&self, output: [usize; 1]) -> (Tensor, Tensor) {
        with_indices(Pooling::Adaptive(output), self)
    }

    /// [`Tensor::adaptive_max_pool2d`], and the position in the picture of each greatest element, `row · w + column`.
    ///
    /// # Shapes
    /// Both `[n, c, output[0], output[1]]`; the positions hold `i64`.
    ///
    /// # Gradient
    /// As [`Tensor::max_pool2d`]; the positions have none.
    ///
    /// # Panics
    /// As [`Tensor::adaptive_max_pool2d`].
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [1, 1, 2, 3]);
    /// assert_eq!(x.adaptive_max_pool2d_with_indices([1, 2]).1.to_vec::<i64>(), [4, 5]);
    /// ```
    #[track_caller]
    pub fn adaptive_max_pool2d_with_indices(&self, output: [usize; 2]) -> (Tensor, Tensor) {
        with_indices(Pooling::Adaptive(output), self)
    }

    /// [`Tensor::adaptive_max_pool3d`], and the position in the volume of each greatest element, in row-major order.
    ///
    /// # Shapes
    /// Both `[n, c, output[0], output[1], output[2]]`; the positions hold `i64`.
    ///
    /// # Gradient
    /// As [`Tensor::max_pool3d`]; the positions have none.
    ///
    /// # Panics
    /// As [`Tensor::adaptive_max_pool3d`].
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [1, 1, 2, 1, 3]);
    /// assert_eq!(x.adaptive_max_pool3d_with_indices([2, 1, 1]).1.to_vec::<i64>(), [2, 5]);
    /// ```
    #[track_caller]
    pub fn adaptive_max_pool3d_with_indices(&self, output: [usize; 3]) -> (Tensor, Tensor) {
        with_indices(Pooling::Adaptive(output), self)
    }
}
