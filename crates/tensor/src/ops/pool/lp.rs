//! The p-th root of the sum of p-th powers of each window.

use super::avg::AvgPool;
use super::{Pool1dOptions, Pool2dOptions, Pool3dOptions, PoolOptions, Pooling};
use crate::op::{OpError, apply};
use crate::tensor::Tensor;

impl Tensor {
    /// The p-th root of the sum of p-th powers of each window of each channel of sequences, see [`Tensor::lp_pool2d`].
    ///
    /// # Shapes
    /// `[n, c, l]` to `[n, c, l']` as in [`Tensor::avg_pool1d`].
    ///
    /// # Gradient
    /// As [`Tensor::lp_pool2d`].
    ///
    /// # Panics
    /// As [`Tensor::lp_pool2d`], for 3 axes.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Pool1dOptions, Tensor};
    /// let x = Tensor::from_slice(&[3.0f64, 4.0, 0.0, -2.0], [1, 1, 4]);
    /// assert_eq!(x.lp_pool1d(2.0, &Pool1dOptions::default()).to_vec::<f64>(), [5.0, 2.0]);
    /// ```
    #[track_caller]
    pub fn lp_pool1d(&self, p: f64, options: &Pool1dOptions) -> Tensor {
        lp_pool("lp_pool1d", self, p, options)
    }

    /// The p-th root of the sum of p-th powers of each window of each channel of pictures, `(Σ xᵖ)^(1/p)`. For `p = 1` it is
    /// the sum; towards infinity it becomes the greatest element, for inputs that are not negative.
    ///
    /// As in PyTorch, a window that hangs over the end (with [`PoolOptions::ceil_mode`]) counts the mean of its powers as
    /// often as a whole window has elements; powers, not their absolute values, are summed; and a negative sum has no root
    /// but for `p = 1`: the result is NaN.
    ///
    /// # Shapes
    /// `[n, c, h, w]` to `[n, c, h', w']` as in [`Tensor::avg_pool2d`].
    ///
    /// # Gradient
    /// `dx = dy (x / y)^(p − 1)`; 0 where the sum is 0.
    ///
    /// # Panics
    /// As [`Tensor::avg_pool2d`]; when `p` is 0 or NaN; and when there is padding or another divisor.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Pool2dOptions, Tensor};
    /// let x = Tensor::from_slice(&[1.0f64, 2.0, 2.0, 4.0], [1, 1, 2, 2]);
    /// assert_eq!(x.lp_pool2d(2.0, &Pool2dOptions::default()).to_vec::<f64>(), [5.0]);
    /// ```
    #[track_caller]
    pub fn lp_pool2d(&self, p: f64, options: &Pool2dOptions) -> Tensor {
        lp_pool("lp_pool2d", self, p, options)
    }

    /// The p-th root of the sum of p-th powers of each window of each channel of volumes, see [`Tensor::lp_pool2d`].
    ///
    /// # Shapes
    /// `[n, c, d, h, w]` to `[n, c, d', h', w']` as in [`Tensor::avg_pool3d`].
    ///
    /// # Gradient
    /// As [`Tensor::lp_pool2d`].
    ///
    /// # Panics
    /// As [`Tensor::lp_pool2d`], for 5 axes.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Pool3dOptions, Tensor};
    /// let x = Tensor::from_slice(&[0.0f64, 1.0, 2.0, 2.0, 0.0, 4.0, 0.0, 0.0], [1, 1, 2, 2, 2]);
    /// assert_eq!(x.lp_pool3d(2.0, &Pool3dOptions::default()).to_vec::<f64>(), [5.0]);
    /// ```
    #[track_caller]
    pub fn lp_pool3d(&self, p: f64, options: &Pool3dOptions) -> Tensor {
        lp_pool("lp_pool3d", self, p, options)
    }
}

#[track_caller]
fn lp_pool<const N: usize>(name: &str, x: &Tensor, p: f64, options: &PoolOptions<N>) -> Tensor {
    let pooling = Pooling::Sliding(*options);
    if let Err(error) = check_lp(name, x, p, options) {
        panic!("{error}");
    }
    let size: usize = options.kernel.iter().product();
    let sum = apply(AvgPool(pooling), &[&x.powf(p)]) * size as f64;
    // The root's slope at 0 is infinite, and would make NaN of gradients that are 0.
    let nothing = sum.detach().eq(&sum.zeros_like());
    nothing.select(&sum.zeros_like(), &nothing.select(&sum.ones_like(), &sum).powf(1.0 / p))
}

fn check_lp<const N: usize>(name: &str, x: &Tensor, p: f64, o: &PoolOptions<N>) -> Result<(), OpError> {
    let refuse = |cause: String| Err(OpError::new(format!("{name}: input {}: {cause}", x.shape())));
    if p == 0.0 || p.is_nan() {
        return refuse(format!("the power must be a number other than 0, not {p}"));
    }
    if o.padding != [0; N] || o.divisor_override.is_some() {
        return refuse(format!(
            "it has no padding and no divisor, got {:?} and {:?}; pad the input before",
            o.padding, o.divisor_override
        ));
    }
    Pooling::Sliding(*o).means(name, &x.spec()).map(drop)
}
