//! Reductions to truth values and counts.

use crate::dtype::DType;
use crate::shape::{Axes, AxisSet};
use crate::tensor::Tensor;

/// The axes, refused under the operation's own name.
#[track_caller]
fn known(name: &str, x: &Tensor, axes: impl Into<Axes>) -> Axes {
    let axes = axes.into();
    if let Err(error) = AxisSet::of(&axes, x.shape()) {
        panic!("{name}: {error}")
    }
    axes
}

impl Tensor {
    /// Whether any element over axes is not 0; NaN is not. Of no elements it is false.
    ///
    /// # Shapes
    /// The input's without the reduced axes; the result holds `bool`.
    ///
    /// # Gradient
    /// None: the result is never tracked.
    ///
    /// # Panics
    /// For axes out of range or named twice.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[true, false, false, false], [2, 2]);
    /// assert_eq!(x.any(1).to_vec::<bool>(), [true, false]);
    /// ```
    #[track_caller]
    pub fn any(&self, axes: impl Into<Axes>) -> Tensor {
        self.count_nonzero(known("any", self, axes)).ne(&Tensor::zeros([], DType::I64))
    }

    /// Whether every element over axes is not 0; NaN is not. Of no elements it is true.
    ///
    /// # Shapes
    /// The input's without the reduced axes; the result holds `bool`.
    ///
    /// # Gradient
    /// None: the result is never tracked.
    ///
    /// # Panics
    /// For axes out of range or named twice.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[true, false, true, true], [2, 2]);
    /// assert_eq!(x.all(1).to_vec::<bool>(), [false, true]);
    /// ```
    #[track_caller]
    pub fn all(&self, axes: impl Into<Axes>) -> Tensor {
        self.logical_not().cast(DType::I64).sum(known("all", self, axes)).eq(&Tensor::zeros([], DType::I64))
    }

    /// How many elements over axes are not 0; NaN is not.
    ///
    /// # Shapes
    /// The input's without the reduced axes; the result holds `i64`.
    ///
    /// # Gradient
    /// None: the result is never tracked.
    ///
    /// # Panics
    /// For axes out of range or named twice.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::from_slice(&[0.0f32, 2.0, -1.0], [3]).count_nonzero(..).item(), 2.0);
    /// ```
    #[track_caller]
    pub fn count_nonzero(&self, axes: impl Into<Axes>) -> Tensor {
        self.cast(DType::Bool).cast(DType::I64).sum(known("count_nonzero", self, axes))
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Tensor};

    #[test]
    fn every_type_and_choice_of_axes() {
        let x = Tensor::from_slice(&[0.0f64, 1.0, 0.0, 0.0, -2.0, 3.0], [2, 3]);
        for dtype in [DType::F64, DType::F32, DType::I64, DType::Bf16, DType::Bool] {
            let x = x.cast(dtype);
            assert_eq!(x.count_nonzero(1).to_vec::<i64>(), [1, 2]);
            assert_eq!(x.any(0).to_vec::<bool>(), [false, true, true]);
            assert_eq!(x.all(0).to_vec::<bool>(), [false, true, false]);
            assert_eq!((x.any(..).item(), x.all([0, 1]).item()), (1.0, 0.0));
        }
        let nan = Tensor::scalar(f64::NAN).requires_grad();
        assert_eq!((nan.any(..).item(), nan.all(..).item()), (1.0, 1.0));
        assert!(!nan.count_nonzero(..).is_tracked());
        let nothing = Tensor::zeros([2, 0], DType::F32);
        assert_eq!(nothing.any(1).to_vec::<bool>(), [false, false]);
        assert_eq!(nothing.all(1).to_vec::<bool>(), [true, true]);
    }

    #[test]
    #[should_panic(expected = "any: axis 2 is out of range for shape [3]")]
    fn an_axis_that_is_not_there() {
        Tensor::arange(3).any(2);
    }
}
