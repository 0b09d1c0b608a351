//! The number types that kernels are written for: [`Float`] (`f32`, `f64`) and [`Pod`] (everything that a buffer
//! may hold).

use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

mod sealed {
    /// Keeps [`super::Pod`] to the types for which reading arbitrary bytes is sound.
    pub trait Sealed {}
}

/// A type for which every bit pattern is a valid value, so that a byte buffer may be viewed as a slice of it.
///
/// Implemented for `f32`, `f64`, [`Bf16`](crate::Bf16), [`F16`](crate::F16), `i64`, `i32`, `u32`, `u16` and `u8`, and
/// sealed: soundness of [`Buffer::as_slice`](crate::Buffer::as_slice) rests on it.
pub trait Pod:
    sealed::Sealed + Copy + Default + PartialEq + PartialOrd + Debug + Display + Send + Sync + 'static
{
}

macro_rules! pod {
    ($($t:ty)*) => { $(impl sealed::Sealed for $t {} impl Pod for $t {})* };
}
pod!(f32 f64 i64 i32 u32 u16 u8 crate::Bf16 crate::F16);

/// Which of the two floating-point types a generic function was instantiated with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatKind {
    /// `f32`
    F32,
    /// `f64`
    F64,
}

/// A floating-point number, `f32` or `f64`.
///
/// The methods are the ones of the standard library under the same names; the trait exists so that one kernel serves
/// both types.
pub trait Float:
    Pod
    + crate::gemm::Multiply
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + Sum
{
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// Positive infinity.
    const INFINITY: Self;
    /// Negative infinity.
    const NEG_INFINITY: Self;
    /// A quiet NaN.
    const NAN: Self;
    /// The distance from 1 to the next larger number.
    const EPSILON: Self;
    /// The largest finite number.
    const MAX: Self;
    /// The most negative finite number.
    const MIN: Self;
    /// Which type this is.
    const KIND: FloatKind;

    /// The nearest number to `x`.
    fn from_f64(x: f64) -> Self;
    /// The same number in double precision (exact).
    fn to_f64(self) -> f64;
    /// `self * a + b`, rounded once where the processor has the instruction. Inside code without that instruction
    /// this is a slow library call, so kernels use it only in functions compiled for it.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// The square root.
    fn sqrt(self) -> Self;
    /// The absolute value.
    fn abs(self) -> Self;
    /// e to the power of `self`.
    fn exp(self) -> Self;
    /// The natural logarithm.
    fn ln(self) -> Self;
    /// The hyperbolic tangent.
    fn tanh(self) -> Self;
    /// The largest integer not above `self`.
    fn floor(self) -> Self;
    /// `self` to an integer power.
    fn powi(self, n: i32) -> Self;
    /// Whether `self` is NaN.
    fn is_nan(self) -> bool;
    /// Whether `self` is neither infinite nor NaN.
    fn is_finite(self) -> bool;
}

macro_rules! float {
    ($t:ident, $kind:ident) => {
        impl Float for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const INFINITY: Self = $t::INFINITY;
            const NEG_INFINITY: Self = $t::NEG_INFINITY;
            const NAN: Self = $t::NAN;
            const EPSILON: Self = $t::EPSILON;
            const MAX: Self = $t::MAX;
            const MIN: Self = $t::MIN;
            const KIND: FloatKind = FloatKind::$kind;

            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $t
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                $t::mul_add(self, a, b)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                $t::sqrt(self)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $t::abs(self)
            }
            #[inline(always)]
            fn exp(self) -> Self {
                $t::exp(self)
            }
            #[inline(always)]
            fn ln(self) -> Self {
                $t::ln(self)
            }
            #[inline(always)]
            fn tanh(self) -> Self {
                $t::tanh(self)
            }
            #[inline(always)]
            fn floor(self) -> Self {
                $t::floor(self)
            }
            #[inline(always)]
            fn powi(self, n: i32) -> Self {
                $t::powi(self, n)
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                $t::is_nan(self)
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                $t::is_finite(self)
            }
        }
    };
}
float!(f32, F32);
float!(f64, F64);

#[cfg(test)]
mod tests {
    use super::{Float, FloatKind};

    fn hypotenuse<T: Float>(a: f64, b: f64) -> f64 {
        let (a, b) = (T::from_f64(a), T::from_f64(b));
        (a * a + b * b).sqrt().to_f64()
    }

    #[test]
    fn one_function_serves_both_types() {
        assert_eq!(hypotenuse::<f32>(3.0, 4.0), 5.0);
        assert_eq!(hypotenuse::<f64>(5.0, 12.0), 13.0);
        assert_eq!((f32::KIND, f64::KIND), (FloatKind::F32, FloatKind::F64));
    }
}
