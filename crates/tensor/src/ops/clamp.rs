//! Limits, and numbers in the place of those that are none.

use crate::ops::blend::fit;
use crate::tensor::Tensor;

/// What [`Tensor::nan_to_num`] puts in the place of NaN and infinities.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NanToNumOptions {
    /// In the place of NaN; 0 by default.
    pub nan: f64,
    /// In the place of ∞; by default the greatest number of the element type.
    pub posinf: Option<f64>,
    /// In the place of -∞; by default the least number of the element type.
    pub neginf: Option<f64>,
}

impl Tensor {
    /// Every element limited to `low..=high`; to `high` alone where `low` is above it. NaN stays.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `dx = dy` inside, 0 outside, and 0 at the limits.
    ///
    /// # Panics
    /// For truth values and `bf16`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::scalar(3.0f32).clamp(-1.0, 1.0).item(), 1.0);
    /// ```
    #[track_caller]
    pub fn clamp(&self, low: f64, high: f64) -> Tensor {
        ordered("clamp", self);
        let number = |x: f64| Tensor::full([], x, self.dtype());
        let (low, high) = (number(low.min(high)), number(high));
        self.le(&low).select(&low, &self.ge(&high).select(&high, self))
    }

    /// Every element that is below `low` raised to it. NaN stays.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `dx = dy` above the limit, else 0.
    ///
    /// # Panics
    /// For truth values and `bf16`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::scalar(-3.0f32).clamp_min(-1.0).item(), -1.0);
    /// ```
    #[track_caller]
    pub fn clamp_min(&self, low: f64) -> Tensor {
        ordered("clamp_min", self);
        let low = Tensor::full([], low, self.dtype());
        self.le(&low).select(&low, self)
    }

    /// Every element that is above `high` lowered to it. NaN stays.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `dx = dy` below the limit, else 0.
    ///
    /// # Panics
    /// For truth values and `bf16`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::scalar(3.0f32).clamp_max(1.0).item(), 1.0);
    /// ```
    #[track_caller]
    pub fn clamp_max(&self, high: f64) -> Tensor {
        ordered("clamp_max", self);
        let high = Tensor::full([], high, self.dtype());
        self.ge(&high).select(&high, self)
    }

    /// Every element limited to `low..=high`, with limits for each; to `high` alone where `low` is above it.
    ///
    /// # Shapes
    /// Tensor and limits broadcast together.
    ///
    /// # Gradient
    /// `dy` to that of the three whose number it is; half to each where x lies at one of two different limits.
    ///
    /// # Panics
    /// When shapes do not broadcast or element types differ; for truth values and `bf16`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[-5.0f32, 0.0, 5.0], [3]);
    /// let (low, high) = (Tensor::from_slice(&[-1.0f32, 1.0, 0.0], [3]), Tensor::scalar(2.0f32));
    /// assert_eq!(x.clamp_tensor(&low, &high).to_vec::<f32>(), [-1.0, 1.0, 2.0]);
    /// ```
    #[track_caller]
    pub fn clamp_tensor(&self, low: &Tensor, high: &Tensor) -> Tensor {
        ordered("clamp_tensor", self);
        fit("clamp_tensor", [self, low, high]);
        // Where both limits are the same number, minimum and maximum would split the gradient between them.
        let raised = self.lt(low).select(low, &self.gt(high).select(high, self));
        low.eq(high).select(&raised, &self.maximum(low).minimum(high))
    }

    /// Numbers in the place of NaN and infinities.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `dx = dy` where x is a finite number, else 0.
    ///
    /// # Panics
    /// For truth values and `bf16`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{NanToNumOptions, Tensor};
    /// let x = Tensor::from_slice(&[1.0f32, f32::NAN, f32::INFINITY], [3]);
    /// let y = x.nan_to_num(NanToNumOptions { posinf: Some(9.0), ..NanToNumOptions::default() });
    /// assert_eq!(y.to_vec::<f32>(), [1.0, 0.0, 9.0]);
    /// ```
    #[track_caller]
    pub fn nan_to_num(&self, options: NanToNumOptions) -> Tensor {
        ordered("nan_to_num", self);
        if !self.dtype().is_float() {
            return self.clone();
        }
        let number = |x: f64| Tensor::full([], x, self.dtype());
        let greatest = if self.dtype() == crate::DType::F32 { f64::from(f32::MAX) } else { f64::MAX };
        let high = number(options.posinf.unwrap_or(greatest));
        let low = number(options.neginf.unwrap_or(-greatest));
        let finite = self
            .eq(&number(f64::INFINITY))
            .select(&high, &self.eq(&number(f64::NEG_INFINITY)).select(&low, self));
        self.is_nan().select(&number(options.nan), &finite)
    }
}

#[track_caller]
fn ordered(name: &str, x: &Tensor) {
    use crate::DType;
    assert!(
        !matches!(x.dtype(), DType::Bool | DType::Bf16 | DType::F16),
        "{name}: not defined for {}, got {}; convert it with .cast(DType::F32)",
        x.dtype(),
        x.shape()
    );
}

#[cfg(test)]
mod tests {
    use crate::{DType, NanToNumOptions, Tensor};

    crate::cases! {
        clamp: |x| x[0].clamp(-0.5, 0.5); shapes [[7]] [[0]] [[]];
        clamp_min: |x| x[0].clamp_min(0.3); shapes [[7]] [[0]] [[]];
        clamp_max: |x| x[0].clamp_max(0.3); shapes [[7]] [[0]] [[]];
        clamp_tensor: |x| x[0].clamp_tensor(x[1], x[2]); shapes [[2, 3], [3], []] [[7], [7], [7]] [[0], [1], [0]]
            refuses [[2], [3], []];
        nan_to_num: |x| x[0].nan_to_num(NanToNumOptions::default()); shapes [[4]] [[0]] [[]];
    }

    /// PyTorch 2.15: `x = torch.tensor([..], dtype=torch.float64, requires_grad=True); torch.clamp(x, low, high)`, its
    /// sum backward.
    #[test]
    fn limits_are_those_of_pytorch() {
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        let x = Tensor::from_slice(&[-1.0, 1.0, 0.0, inf, -inf, nan], [6]).requires_grad();
        let y = x.clamp(-1.0, 1.0);
        assert_eq!(y.to_vec::<f64>()[..5], [-1.0, 1.0, 0.0, 1.0, -1.0]);
        assert!(y.to_vec::<f64>()[5].is_nan());
        assert_eq!(y.sum(..).backward().wrt(&x).to_vec::<f64>()[..5], [0.0, 0.0, 1.0, 0.0, 0.0]);
        assert_eq!(x.clamp(1.0, -1.0).to_vec::<f64>()[..5], [-1.0; 5]);
        let leaf = |numbers: [f64; 10]| Tensor::from_slice(&numbers, [10]).requires_grad();
        let x = leaf([0., 0., 0., 0., 5., 0., 5., -5., -1., 1.]);
        let low = leaf([0., -1., 1., 0., 1., 1., 1., 1., 1., 1.]);
        let high = leaf([1., 0., 1., 0., 1., -1., -1., -1., -1., -1.]);
        let grads = x.clamp_tensor(&low, &high).sum(..).backward();
        assert_eq!(grads.wrt(&x).to_vec::<f64>(), [0.5, 0.5, 0., 1., 0., 0., 0., 0., 0., 0.]);
        assert_eq!(grads.wrt(&low).to_vec::<f64>(), [0.5, 0., 1., 0., 0., 0., 0., 0., 0., 0.]);
        assert_eq!(grads.wrt(&high).to_vec::<f64>(), [0., 0.5, 0., 0., 1., 1., 1., 1., 1., 1.]);
    }

    #[test]
    fn whole_numbers_have_limits() {
        assert_eq!(Tensor::arange(5).clamp(1.0, 3.0).to_vec::<i64>(), [1, 1, 2, 3, 3]);
        assert_eq!(Tensor::arange(3).nan_to_num(NanToNumOptions::default()).to_vec::<i64>(), [0, 1, 2]);
    }

    #[test]
    fn numbers_for_those_that_are_none() {
        let x = Tensor::from_slice(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.0], [4]).requires_grad();
        let y = x.nan_to_num(NanToNumOptions { nan: 7.0, ..NanToNumOptions::default() });
        assert_eq!(y.to_vec::<f32>(), [7.0, f32::MAX, f32::MIN, 1.0]);
        assert_eq!((y * 2.0).sum(..).backward().wrt(&x).to_vec::<f32>(), [0.0, 0.0, 0.0, 2.0]);
    }

    #[test]
    #[should_panic(expected = "clamp: not defined for bool, got [2]; convert it with .cast(DType::F32)")]
    fn truth_values_have_no_limits() {
        Tensor::zeros([2], DType::Bool).clamp(0.0, 1.0);
    }
}
