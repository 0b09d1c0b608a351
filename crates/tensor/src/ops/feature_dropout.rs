//! Kinds of dropout: whole channels, and noise that keeps mean and variance for self-normalising networks.

use crate::random::Rng;
use crate::tensor::Tensor;

/// What a dropped element becomes in alpha dropout: the limit of SELU far below zero, −λα.
const FLOOR: f64 = -1.758_099_340_847_376_6;

#[track_caller]
fn check_dropout(name: &str, x: &Tensor, p: f64, channels: bool) {
    assert!(
        x.dtype().is_float(),
        "{name}: needs a floating-point tensor, got {} {}; convert it with .cast(DType::F32)",
        x.dtype(),
        x.shape()
    );
    assert!(
        (0.0..=1.0).contains(&p),
        "{name}: p is the probability to drop, but {p} is not between 0 and 1, for input {}; 0.5 drops half",
        x.shape()
    );
    assert!(
        !channels || x.rank() >= 2,
        "{name}: needs a batch of channels [n, channels, ..], got {}; add an axis with .unsqueeze(0)",
        x.shape()
    );
}

/// 0 with probability `p`, else `1 / (1 − p)`, for each element or channel of `x`.
fn mask(x: &Tensor, p: f64, channels: bool, rng: &mut Rng) -> Tensor {
    let mut sizes = x.shape().to_vec();
    if channels {
        sizes[2..].fill(1);
    }
    Tensor::ones(sizes, x.dtype()).dropout(p, rng)
}

/// `a (x m + FLOOR (1 − m)) + b` with a mask of 0 and 1, and `a` and `b` such that mean 0 and variance 1 stay.
fn alpha(x: &Tensor, p: f64, channels: bool, rng: &mut Rng) -> Tensor {
    let kept = mask(x, p, channels, rng);
    if p == 1.0 {
        return x * kept;
    }
    let a = 1.0 / ((1.0 - p) * (1.0 + p * FLOOR * FLOOR)).sqrt();
    let b = -a * FLOOR * p;
    // The mask holds 1 / (1 − p).
    let m = kept * (1.0 - p);
    x * (&m * a) + (m * (-a * FLOOR) + (a * FLOOR + b))
}

impl Tensor {
    /// In each example whole channels are 0 with probability `p`, the others divided by `1 − p` (Tompson et al., "Efficient object
    /// localization using convolutional networks", 2015, section 3.2): for pictures, whose neighbouring pixels say the same.
    /// PyTorch's `dropout1d`, `dropout2d` and `dropout3d`.
    ///
    /// # Shapes
    /// `[n, c, ..]` to the same.
    ///
    /// # Gradient
    /// `dx = dy` with the same channels dropped and divided.
    ///
    /// # Panics
    /// When `p` is not between 0 and 1, the tensor has fewer than two axes, or is not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{DType, Rng, Tensor};
    /// let y = Tensor::ones([1, 8, 3], DType::F32).feature_dropout(0.5, &mut Rng::seed(1)).to_vec::<f32>();
    /// assert!(y.chunks(3).all(|channel| channel == [0.0; 3] || channel == [2.0; 3]));
    /// ```
    #[track_caller]
    pub fn feature_dropout(&self, p: f64, rng: &mut Rng) -> Tensor {
        check_dropout("feature_dropout", self, p, true);
        self * mask(self, p, true, rng)
    }

    /// Dropout that keeps mean 0 and variance 1: dropped elements become the limit of SELU far below zero, and all are scaled and
    /// shifted, `y = a (x m + α' (1 − m)) + b` with `α' = −1.7581`, `a = ((1 − p) (1 + p α'²))^−½` and `b = −a α' p` (Klambauer et al.,
    /// "Self-normalizing neural networks", 2017, section 3).
    ///
    /// # Shapes
    /// Any to the same.
    ///
    /// # Gradient
    /// `dx = a m dy`
    ///
    /// # Panics
    /// When `p` is not between 0 and 1, or the tensor is not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{DType, Rng};
    /// let rng = &mut Rng::seed(1);
    /// let y = rng.normal([10_000], 0.0, 1.0, DType::F64).alpha_dropout(0.2, rng);
    /// assert!(y.mean(..).item().abs() < 0.05 && (y.square().mean(..).item() - 1.0).abs() < 0.05);
    /// ```
    #[track_caller]
    pub fn alpha_dropout(&self, p: f64, rng: &mut Rng) -> Tensor {
        check_dropout("alpha_dropout", self, p, false);
        alpha(self, p, false, rng)
    }

    /// [`Tensor::alpha_dropout`] of whole channels.
    ///
    /// # Shapes
    /// `[n, c, ..]` to the same.
    ///
    /// # Gradient
    /// `dx = a m dy`
    ///
    /// # Panics
    /// When `p` is not between 0 and 1, the tensor has fewer than two axes, or is not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{DType, Rng, Tensor};
    /// let y = Tensor::ones([1, 8, 2], DType::F32).feature_alpha_dropout(0.5, &mut Rng::seed(1)).to_vec::<f32>();
    /// assert!(y.chunks(2).all(|channel| channel[0] == channel[1]));
    /// ```
    #[track_caller]
    pub fn feature_alpha_dropout(&self, p: f64, rng: &mut Rng) -> Tensor {
        check_dropout("feature_alpha_dropout", self, p, true);
        alpha(self, p, true, rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

    crate::cases! {
        feature_dropout: |x| x[0].feature_dropout(0.4, &mut Rng::seed(6)); shapes [[3, 4, 2]] [[2, 3]] [[2, 0, 3]]  refuses [[3]];
        alpha_dropout: |x| x[0].alpha_dropout(0.4, &mut Rng::seed(6)); shapes [[3, 4]] [[2, 0]] [[]];
        alpha_dropout_of_all: |x| x[0].alpha_dropout(1.0, &mut Rng::seed(6)); shapes [[3, 4]];
        feature_alpha_dropout: |x| x[0].feature_alpha_dropout(0.4, &mut Rng::seed(6)); shapes [[0, 4, 2]] [[3, 4, 2]]  refuses [[3]];
    }

    #[test]
    fn channels_fall_together_and_about_the_share_of_them() {
        let y =
            Tensor::ones([100, 50, 3], DType::F64).feature_dropout(0.3, &mut Rng::seed(1)).to_vec::<f64>();
        let dropped = y.chunks(3).filter(|c| c.iter().all(|&x| x == 0.0)).count();
        assert!(y.chunks(3).all(|c| c == [c[0]; 3]));
        // Of 5000 with probability 0.3: the standard deviation is 32; five of those.
        assert!((dropped as f64 - 1500.0).abs() < 160.0, "{dropped}");
    }

    #[test]
    fn mean_and_variance_stay() {
        let rng = &mut Rng::seed(4);
        let y = rng.normal([200_000], 0.0, 1.0, DType::F64).alpha_dropout(0.3, rng);
        let (mean, variance) = (y.mean(..).item(), y.square().mean(..).item());
        // Standard errors are 0.0022 and about 0.003; five of those.
        assert!(mean.abs() < 0.012 && (variance - 1.0).abs() < 0.016, "{mean} {variance}");
    }

    #[test]
    #[should_panic(
        expected = "feature_dropout: p is the probability to drop, but 2 is not between 0 and 1, for input [2, 3]"
    )]
    fn a_share_above_one_is_refused() {
        Tensor::ones([2, 3], DType::F32).feature_dropout(2.0, &mut Rng::seed(1));
    }
}
