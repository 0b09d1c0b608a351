//! The cross-entropy of two classes from logits, element by element in one pass.

use talweg_kernels::Lane;
use talweg_kernels::elementwise::{Zip, zip};

use super::{dense, float, out_slice};
use crate::backend::{Out, View};

/// `(1 - target) x + ln(1 + e^-x)`, the exponential never above 1.
struct Loss;

/// `sigmoid(x) - target`.
struct Slope;

macro_rules! formulas {
    ($($t:ty)*) => {$(
        impl Formulas for Lane<$t> {
            #[inline(always)]
            fn loss(self, target: Self) -> Self {
                (1.0 - target) * self + ((-self).max(0.0) + (-self.abs()).exp().log1p())
            }

            #[inline(always)]
            fn slope(self, target: Self) -> Self {
                self.sigmoid() - target
            }
        }
    )*};
}

/// Both formulas, for both types of numbers.
trait Formulas: Sized {
    fn loss(self, target: Self) -> Self;
    fn slope(self, target: Self) -> Self;
}
formulas! { f32 f64 }

impl Zip for Loss {
    #[inline(always)]
    fn f32(x: Lane<f32>, target: Lane<f32>) -> Lane<f32> {
        x.loss(target)
    }

    #[inline(always)]
    fn f64(x: Lane<f64>, target: Lane<f64>) -> Lane<f64> {
        x.loss(target)
    }
}

impl Zip for Slope {
    #[inline(always)]
    fn f32(x: Lane<f32>, target: Lane<f32>) -> Lane<f32> {
        x.slope(target)
    }

    #[inline(always)]
    fn f64(x: Lane<f64>, target: Lane<f64>) -> Lane<f64> {
        x.slope(target)
    }
}

pub(super) fn losses(x: &View<'_>, target: &View<'_>, out: &mut Out<'_>) {
    float!(out.dtype, T => zip::<Loss, T>(&dense(x), &dense(target), out_slice(out)));
}

pub(super) fn slopes(inputs: &[View<'_>], out: &mut Out<'_>) {
    float!(out.dtype, T => zip::<Slope, T>(&dense(&inputs[0]), &dense(&inputs[1]), out_slice(out)));
}
