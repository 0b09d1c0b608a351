//! [`Lane`]: the number that elementwise formulas are written in.
//!
//! A formula such as `1.0 - y * y` over [`Lane<f32>`] is an ordinary scalar function. Every method is inlined and
//! free of branches, so that a loop over such a formula, compiled for a wide instruction set, becomes vector code.
//!
//! **`f32`** methods are this crate's own polynomials; their largest errors in units in the last place (ulp),
//! measured against `f64` at two million arguments spread over all magnitudes, stand at each method. They are made of fused multiply-adds, which
//! every vector instruction set has. Where it is missing ([`Isa::Scalar`](crate::Isa)), kernels evaluate the `f64`
//! formula instead and round once; calling these methods there directly is right but slow.
//! **`f64`** methods are those of the standard library, except [`Lane::erf`], [`Lane::erfc`] and
//! [`Lane::normal_cdf`], which it lacks.

mod double;
mod normal;
mod single;
mod trig;

use std::ops::{Add, Div, Mul, Neg, Sub};

/// A number of type `T` (`f32` or `f64`) that carries the vectorisable mathematics of this crate.
///
/// Literals infer on both sides: `1.0 - y * y`, `2.0 * x`, `x > 0.0` and `x.max(0.0)` compile for `Lane<f32>` and
/// for `Lane<f64>`.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Lane<T>(pub T);

/// What [`Lane`]'s two-argument methods accept beside a lane: a lane or a plain number of the same type.
pub trait Operand<T> {
    /// The plain number.
    fn number(self) -> T;
}

macro_rules! operators {
    ($t:ty; $($op:ident $method:ident $sign:tt),*) => {
        $(
            impl $op for Lane<$t> {
                type Output = Lane<$t>;
                #[inline(always)]
                fn $method(self, other: Lane<$t>) -> Lane<$t> {
                    Lane(self.0 $sign other.0)
                }
            }
            impl $op<$t> for Lane<$t> {
                type Output = Lane<$t>;
                #[inline(always)]
                fn $method(self, other: $t) -> Lane<$t> {
                    Lane(self.0 $sign other)
                }
            }
            impl $op<Lane<$t>> for $t {
                type Output = Lane<$t>;
                #[inline(always)]
                fn $method(self, other: Lane<$t>) -> Lane<$t> {
                    Lane(self $sign other.0)
                }
            }
        )*
        impl Neg for Lane<$t> {
            type Output = Lane<$t>;
            #[inline(always)]
            fn neg(self) -> Lane<$t> {
                Lane(-self.0)
            }
        }
        impl PartialEq<$t> for Lane<$t> {
            #[inline(always)]
            fn eq(&self, other: &$t) -> bool {
                self.0 == *other
            }
        }
        impl PartialOrd<$t> for Lane<$t> {
            #[inline(always)]
            fn partial_cmp(&self, other: &$t) -> Option<std::cmp::Ordering> {
                self.0.partial_cmp(other)
            }
            #[inline(always)]
            fn lt(&self, other: &$t) -> bool {
                self.0 < *other
            }
            #[inline(always)]
            fn le(&self, other: &$t) -> bool {
                self.0 <= *other
            }
            #[inline(always)]
            fn gt(&self, other: &$t) -> bool {
                self.0 > *other
            }
            #[inline(always)]
            fn ge(&self, other: &$t) -> bool {
                self.0 >= *other
            }
        }
        impl Operand<$t> for $t {
            #[inline(always)]
            fn number(self) -> $t {
                self
            }
        }
        impl Operand<$t> for Lane<$t> {
            #[inline(always)]
            fn number(self) -> $t {
                self.0
            }
        }
    };
}
operators!(f32; Add add +, Sub sub -, Mul mul *, Div div /);
operators!(f64; Add add +, Sub sub -, Mul mul *, Div div /);

/// Methods of one argument: documentation, name, and the function that computes it.
macro_rules! functions {
    ($t:ty; $($(#[$doc:meta])* $name:ident = $f:path;)*) => {
        impl Lane<$t> {
            $(
                $(#[$doc])*
                #[inline(always)]
                pub fn $name(self) -> Self {
                    Lane($f(self.0))
                }
            )*
        }
    };
}

functions! { f32;
    /// e^x, to 1.0 ulp; infinity above 88.72, subnormal below -87.33, 0 below -103.97.
    exp = single::exp;
    /// 2^x, to 0.9 ulp, exact at integers.
    exp2 = single::exp2;
    /// e^x - 1, to 1.6 ulp, near 0 too.
    expm1 = single::expm1;
    /// The natural logarithm, to 0.9 ulp: -infinity at 0, NaN below.
    ln = single::ln;
    /// ln(1 + x), to 0.9 ulp, near 0 too: -infinity at -1, NaN below.
    log1p = single::log1p;
    /// The logarithm to base 2, to 0.51 ulp, exact at powers of 2.
    log2 = single::log2;
    /// The logarithm to base 10, to 0.51 ulp.
    log10 = single::log10;
    /// The hyperbolic tangent, to 1.9 ulp.
    tanh = single::tanh;
    /// The logistic function 1 / (1 + e^-x), to 1.9 ulp, in both tails too.
    sigmoid = single::sigmoid;
    /// The error function 2/sqrt(pi) times the integral of e^(-t^2) from 0 to x, to 1.1 ulp.
    erf = single::erf;
    /// 1 - erf(x), to 2.0 ulp, in the right tail too.
    erfc = normal::erfc;
    /// The standard normal distribution function, (1 + erf(x / sqrt 2)) / 2, to 2.2 ulp, in the left tail too.
    normal_cdf = normal::normal_cdf;
    /// x times the standard normal distribution function, to 1.9 ulp for x above -0.66 and 2.9 ulp down to -12.9, where
    /// the distribution function becomes subnormal.
    gelu = normal::gelu;
    /// The derivative of [`Lane::gelu`], to 2.1e-7.
    gelu_slope = normal::gelu_slope;
    /// The sine of x radians, to 0.51 ulp for arguments of any size; NaN at infinities.
    sin = trig::sin;
    /// The cosine of x radians, to 0.51 ulp for arguments of any size; NaN at infinities.
    cos = trig::cos;
    /// The tangent of x radians, to 0.51 ulp for arguments of any size; NaN at infinities.
    tan = trig::tan;
}

functions! { f64;
    /// e^x.
    exp = f64::exp;
    /// 2^x.
    exp2 = f64::exp2;
    /// e^x - 1, accurate near 0.
    expm1 = f64::exp_m1;
    /// The natural logarithm: -infinity at 0, NaN below.
    ln = f64::ln;
    /// ln(1 + x), accurate near 0: -infinity at -1, NaN below.
    log1p = f64::ln_1p;
    /// The logarithm to base 2.
    log2 = f64::log2;
    /// The logarithm to base 10.
    log10 = f64::log10;
    /// The hyperbolic tangent.
    tanh = f64::tanh;
    /// The logistic function 1 / (1 + e^-x), accurate in both tails.
    sigmoid = double::sigmoid;
    /// The error function 2/sqrt(pi) times the integral of e^(-t^2) from 0 to x.
    erf = double::erf;
    /// 1 - erf(x), accurate in the right tail.
    erfc = double::erfc;
    /// The standard normal distribution function, (1 + erf(x / sqrt 2)) / 2, accurate in the left tail.
    normal_cdf = double::normal_cdf;
    /// x times the standard normal distribution function.
    gelu = double::gelu;
    /// The derivative of [`Lane::gelu`].
    gelu_slope = double::gelu_slope;
    /// The sine of x radians; NaN at infinities.
    sin = f64::sin;
    /// The cosine of x radians; NaN at infinities.
    cos = f64::cos;
    /// The tangent of x radians; NaN at infinities.
    tan = f64::tan;
}

/// Methods that read the same for both types.
macro_rules! shared {
    ($t:ident, $power:path) => {
        impl Lane<$t> {
            /// The square root; NaN below 0.
            #[inline(always)]
            pub fn sqrt(self) -> Self {
                Lane(self.0.sqrt())
            }
            /// 1 / sqrt(x), as a correctly rounded square root and division.
            #[inline(always)]
            pub fn rsqrt(self) -> Self {
                Lane(1.0 / self.0.sqrt())
            }
            /// 1 / x.
            #[inline(always)]
            pub fn recip(self) -> Self {
                Lane(1.0 / self.0)
            }
            /// The absolute value.
            #[inline(always)]
            pub fn abs(self) -> Self {
                Lane(self.0.abs())
            }
            /// -1, 0 or 1: 0 at both zeros (as PyTorch's `sign`, unlike the standard library), NaN at NaN.
            #[inline(always)]
            pub fn signum(self) -> Self {
                let one = (1.0 as $t).copysign(self.0);
                Self::select(self.0 == 0.0, Lane(0.0), Self::select(self.is_nan(), self, Lane(one)))
            }
            /// x * x.
            #[inline(always)]
            pub fn square(self) -> Self {
                Lane(self.0 * self.0)
            }
            /// x to the power of `exponent` (`f32`: to 0.51 ulp), with IEEE 754's special cases: 1 for exponent 0 or
            /// base 1, NaN for a negative base with a fractional exponent.
            #[inline(always)]
            pub fn powf(self, exponent: impl Operand<$t>) -> Self {
                Lane($power(self.0, exponent.number()))
            }
            /// x to an integer power, by repeated squaring: exact steps for small powers of small integers, an
            /// error that grows like `n` otherwise.
            #[inline(always)]
            pub fn powi(self, n: i32) -> Self {
                let (mut base, mut rest, mut y) = (self.0, n.unsigned_abs(), 1.0);
                while rest > 0 {
                    if rest & 1 == 1 {
                        y *= base;
                    }
                    base *= base;
                    rest >>= 1;
                }
                Lane(if n < 0 { 1.0 / y } else { y })
            }
            /// The largest integer not above x.
            #[inline(always)]
            pub fn floor(self) -> Self {
                Lane(self.0.floor())
            }
            /// The smallest integer not below x.
            #[inline(always)]
            pub fn ceil(self) -> Self {
                Lane(self.0.ceil())
            }
            /// The nearest integer, the even one of two equally near: 2.5 becomes 2.
            #[inline(always)]
            pub fn round(self) -> Self {
                Lane(self.0.round_ties_even())
            }
            /// The integer part.
            #[inline(always)]
            pub fn trunc(self) -> Self {
                Lane(self.0.trunc())
            }
            /// The larger of two numbers; NaN if either is NaN.
            #[inline(always)]
            pub fn max(self, other: impl Operand<$t>) -> Self {
                let other = other.number();
                Self::select((self.0 > other) | self.is_nan(), self, Lane(other))
            }
            /// The smaller of two numbers; NaN if either is NaN.
            #[inline(always)]
            pub fn min(self, other: impl Operand<$t>) -> Self {
                let other = other.number();
                Self::select((self.0 < other) | self.is_nan(), self, Lane(other))
            }
            /// `self.max(low).min(high)`: `high` where the bounds cross, NaN at NaN.
            #[inline(always)]
            pub fn clamp(self, low: impl Operand<$t>, high: impl Operand<$t>) -> Self {
                self.max(low).min(high)
            }
            /// `self * factor + addend`, rounded after each step.
            #[inline(always)]
            pub fn mul_add(self, factor: impl Operand<$t>, addend: impl Operand<$t>) -> Self {
                Lane(self.0 * factor.number() + addend.number())
            }
            /// The absolute value of `self` with the sign of `sign`.
            #[inline(always)]
            pub fn copysign(self, sign: impl Operand<$t>) -> Self {
                Lane(self.0.copysign(sign.number()))
            }
            /// `a` where the condition holds, else `b`. Both are computed.
            #[inline(always)]
            pub fn select(condition: bool, a: Self, b: Self) -> Self {
                if condition { a } else { b }
            }
            /// Whether this is NaN.
            #[inline(always)]
            pub fn is_nan(self) -> bool {
                self.0.is_nan()
            }
            /// Whether `self > other`, for [`Lane::select`]; false if either is NaN. `x > 0.0` means the same.
            #[inline(always)]
            pub fn gt(self, other: impl Operand<$t>) -> bool {
                self.0 > other.number()
            }
            /// Whether `self >= other`; false if either is NaN.
            #[inline(always)]
            pub fn ge(self, other: impl Operand<$t>) -> bool {
                self.0 >= other.number()
            }
            /// Whether `self < other`; false if either is NaN.
            #[inline(always)]
            pub fn lt(self, other: impl Operand<$t>) -> bool {
                self.0 < other.number()
            }
            /// Whether `self <= other`; false if either is NaN.
            #[inline(always)]
            pub fn le(self, other: impl Operand<$t>) -> bool {
                self.0 <= other.number()
            }
        }
    };
}
shared!(f32, single::powf);
shared!(f64, f64::powf);

#[cfg(test)]
mod tests;
