//! Which numbers are NaN, infinite or finite.

use crate::tensor::Tensor;

impl Tensor {
    /// Where an element is NaN, which whole numbers never are.
    ///
    /// # Shapes
    /// Any; the result has the same and holds `bool`.
    ///
    /// # Gradient
    /// None: the result is never tracked.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::from_slice(&[1.0f32, f32::NAN], [2]).is_nan().to_vec::<bool>(), [false, true]);
    /// ```
    pub fn is_nan(&self) -> Tensor {
        self.ne(self)
    }

    /// Where an element is ∞ or -∞.
    ///
    /// # Shapes
    /// Any; the result has the same and holds `bool`.
    ///
    /// # Gradient
    /// None: the result is never tracked.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::from_slice(&[1.0f32, -f32::INFINITY], [2]).is_inf().to_vec::<bool>(), [false, true]);
    /// ```
    pub fn is_inf(&self) -> Tensor {
        let number = |x: f64| Tensor::full([], x, self.dtype());
        if !self.dtype().is_real() {
            return self.ne(self);
        }
        self.eq(&number(f64::INFINITY)).logical_or(&self.eq(&number(f64::NEG_INFINITY)))
    }

    /// Where an element is neither infinite nor NaN.
    ///
    /// # Shapes
    /// Any; the result has the same and holds `bool`.
    ///
    /// # Gradient
    /// None: the result is never tracked.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::from_slice(&[1.0f32, f32::NAN], [2]).is_finite().to_vec::<bool>(), [true, false]);
    /// ```
    pub fn is_finite(&self) -> Tensor {
        self.is_nan().logical_or(&self.is_inf()).logical_not()
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Tensor};

    #[test]
    fn every_kind_of_number_is_told_apart() {
        let x = Tensor::from_slice(&[0.0f64, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY], [5]);
        for dtype in [DType::F64, DType::F32, DType::Bf16] {
            let x = x.cast(dtype);
            assert_eq!(x.is_nan().to_vec::<bool>(), [false, false, true, false, false]);
            assert_eq!(x.is_inf().to_vec::<bool>(), [false, false, false, true, true]);
            assert_eq!(x.is_finite().to_vec::<bool>(), [true, true, false, false, false]);
        }
        let whole = Tensor::from_slice(&[i64::MAX, i64::MIN], [2]);
        assert_eq!(whole.is_inf().to_vec::<bool>(), [false, false]);
        assert_eq!(whole.is_finite().to_vec::<bool>(), [true, true]);
        assert!(!x.requires_grad().is_nan().is_tracked());
        assert_eq!(Tensor::zeros([2, 0], DType::F32).is_finite().shape(), &[2, 0]);
    }
}
