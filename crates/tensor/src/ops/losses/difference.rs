//! Losses of the difference between a prediction and its target.

use crate::Tensor;
use crate::ops::losses::{LossOptions, assert_same_shape};

/// `c (|d| − c / 2)` with `c = min(|d|, δ)`: half the square up to `δ`, a straight line beyond.
fn huber(difference: &Tensor, delta: f64) -> Tensor {
    let size = difference.abs();
    let limited = size.clamp(0.0, delta);
    &limited * (&size - &limited * 0.5)
}

impl Tensor {
    /// The absolute error, `loss = |x − target|` for each element.
    ///
    /// # Shapes
    /// Input and target of one shape, to `[]`, or to that shape without reduction.
    ///
    /// # Gradient
    /// `dx = dy sign(x − target)`, 0 where they are equal; for a mean over the number of elements.
    ///
    /// # Panics
    /// When the shapes differ (they do not broadcast), or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{LossOptions, Tensor};
    /// let (x, target) = (Tensor::from_slice(&[1.0f32, 2.0], [2]), Tensor::from_slice(&[3.0f32, 1.0], [2]));
    /// assert_eq!(x.l1_loss(&target, &LossOptions::default()).item(), 1.5);
    /// ```
    #[track_caller]
    pub fn l1_loss(&self, target: &Tensor, options: &LossOptions) -> Tensor {
        assert_same_shape("l1_loss", self, target);
        options.apply("l1_loss", &(self - target).abs())
    }

    /// The Huber loss, for each difference `d = x − target`: `loss = d² / 2` where `|d| ≤ δ`, `δ (|d| − δ / 2)` beyond
    /// (Huber, "Robust estimation of a location parameter", 1964).
    ///
    /// # Shapes
    /// Input and target of one shape, to `[]`, or to that shape without reduction.
    ///
    /// # Gradient
    /// `dx = dy min(max(d, −δ), δ)`; for a mean over the number of elements.
    ///
    /// # Panics
    /// When `delta` is not positive, the shapes differ, or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Reduction, Tensor};
    /// let (x, target) = (Tensor::from_slice(&[0.5f32, 4.0], [2]), Tensor::from_slice(&[0.0f32, 1.0], [2]));
    /// // 0.125 within, 1 (3 − 0.5) beyond.
    /// assert_eq!(x.huber_loss(&target, 1.0, &Reduction::None.into()).to_vec::<f32>(), [0.125, 2.5]);
    /// ```
    #[track_caller]
    pub fn huber_loss(&self, target: &Tensor, delta: f64, options: &LossOptions) -> Tensor {
        assert_same_shape("huber_loss", self, target);
        assert!(delta > 0.0, "huber_loss: delta {delta} for input {}; it must be above 0", self.shape());
        options.apply("huber_loss", &huber(&(self - target), delta))
    }

    /// The Huber loss divided by its threshold, for each difference `d = x − target`: `loss = d² / (2 β)` where `|d| < β`,
    /// `|d| − β / 2` beyond (Girshick, "Fast R-CNN", 2015, eq. 3, where `β` is 1). With `β = 0` it is
    /// [`Tensor::l1_loss`].
    ///
    /// # Shapes
    /// Input and target of one shape, to `[]`, or to that shape without reduction.
    ///
    /// # Gradient
    /// `dx = dy min(max(d / β, −1), 1)`; for a mean over the number of elements.
    ///
    /// # Panics
    /// When `beta` is negative, the shapes differ, or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Reduction, Tensor};
    /// let (x, target) = (Tensor::from_slice(&[1.0f32, 4.0], [2]), Tensor::from_slice(&[0.0f32, 1.0], [2]));
    /// // 1 / 4 within, 3 − 1 beyond.
    /// assert_eq!(x.smooth_l1_loss(&target, 2.0, &Reduction::None.into()).to_vec::<f32>(), [0.25, 2.0]);
    /// ```
    #[track_caller]
    pub fn smooth_l1_loss(&self, target: &Tensor, beta: f64, options: &LossOptions) -> Tensor {
        assert_same_shape("smooth_l1_loss", self, target);
        assert!(beta >= 0.0, "smooth_l1_loss: beta {beta} for input {}; it must be 0 or more", self.shape());
        let difference = self - target;
        let losses = if beta == 0.0 { difference.abs() } else { huber(&difference, beta) / beta };
        options.apply("smooth_l1_loss", &losses)
    }
}

#[cfg(test)]
mod tests {
    use crate::{LossOptions, Reduction, Tensor};

    fn weighted(reduction: Reduction) -> LossOptions {
        LossOptions { weight: Some(Tensor::from_slice(&[0.5f64, 2.0, 1.0], [3])), reduction }
    }

    crate::cases! {
        l1_loss: |x| x[0].l1_loss(x[1], &Reduction::Mean.into()); shapes [[2, 3], [2, 3]] [[], []]  refuses [[2, 1], [2]];
        l1_loss_none: |x| x[0].l1_loss(x[1], &Reduction::None.into()); shapes [[2, 3], [2, 3]] [[0], [0]];
        huber_loss: |x| x[0].huber_loss(x[1], 0.7, &Reduction::Sum.into()); shapes [[2, 3], [2, 3]] [[0], [0]] [[], []]
            refuses [[2, 1], [2]];
        smooth_l1_loss: |x| x[0].smooth_l1_loss(x[1], 0.7, &Reduction::None.into()); shapes [[2, 3], [2, 3]] [[0], [0]] [[], []]
            refuses [[2, 1], [2]];
        smooth_l1_loss_without_a_bend: |x| x[0].smooth_l1_loss(x[1], 0.0, &Reduction::Sum.into()); shapes [[2, 3], [2, 3]];
    }

    #[test]
    fn a_weighted_mean_divides_by_the_weights() {
        let (x, target) =
            (Tensor::from_slice(&[1.0f64; 6], [2, 3]), Tensor::zeros([2, 3], crate::DType::F64));
        let x = x * Tensor::from_slice(&[2.0f64, 3.0, 4.0], [3]);
        // (2 · 0.5 + 3 · 2 + 4 · 1) / 3.5, twice over.
        assert!((x.l1_loss(&target, &weighted(Reduction::Mean)).item() - 11.0 / 3.5).abs() < 1e-15);
        assert_eq!(x.l1_loss(&target, &weighted(Reduction::Sum)).item(), 22.0);
    }

    #[test]
    #[should_panic(
        expected = "l1_loss: weight [3] does not broadcast to the losses [2]; give one factor for each loss"
    )]
    fn a_weight_that_does_not_fit() {
        let x = Tensor::from_slice(&[1.0f64; 2], [2]);
        x.l1_loss(&x, &weighted(Reduction::Sum));
    }
}
