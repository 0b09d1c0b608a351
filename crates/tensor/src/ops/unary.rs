//! Elementwise functions of one tensor: one table, value beside slope.
//!
//! `tanh(x) = x.tanh(), slope(y) = 1.0 - y * y` says what is computed, what its derivative is, and, by the slope's
//! argument, what is kept for it: the input `x` or the output `y`. The slope's text is compiled three times: for the
//! kernel in `f32` and `f64`, and for tensors, which makes second derivatives.

#![expect(
    clippy::approx_constant,
    clippy::excessive_precision,
    reason = "each formula is written once and compiled for f32 and f64, so its numbers have the digits of f64, and \
              the examples are plain decimals"
)]

use talweg_kernels::elementwise::{self, Map, Zip};
use talweg_kernels::{Float, Lane};

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::dtype::DType;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::tensor::Tensor;

/// Functions that slopes use by the same name on lanes and on tensors.
trait Formula: Copy {
    /// 1 where positive, 0 elsewhere.
    fn positive(self) -> Self;
    /// -1, 0 or 1.
    fn sign(self) -> Self;
    /// The slope of [`Unary::GeluTanh`] at `self`.
    fn gelu_tanh_slope(self) -> Self;
    /// The smooth rectifier, as [`Unary::Softplus`].
    fn softplus(self) -> Self;
    /// The slope of [`Unary::Silu`] at `self`.
    fn silu_slope(self) -> Self;
    /// The slope of [`Unary::Mish`] at `self`.
    fn mish_slope(self) -> Self;
}

macro_rules! formula {
    ($($t:ty)*) => {$(
        impl Formula for Lane<$t> {
            #[inline(always)]
            fn positive(self) -> Self {
                Lane::<$t>::select(self > 0.0, Lane(1.0), Lane(0.0))
            }

            #[inline(always)]
            fn sign(self) -> Self {
                self.signum()
            }

            #[inline(always)]
            fn gelu_tanh_slope(self) -> Self {
                let square = self * self;
                let s = ((square * 0.044_715 + 1.0) * self * 1.595_769_121_605_730_7).sigmoid();
                s + self * (s * (1.0 - s)) * ((square * 0.134_145 + 1.0) * 1.595_769_121_605_730_7)
            }

            #[inline(always)]
            fn softplus(self) -> Self {
                self.max(0.0) + (-self.abs()).exp().log1p()
            }

            #[inline(always)]
            fn silu_slope(self) -> Self {
                let s = self.sigmoid();
                s * (self * (1.0 - s) + 1.0)
            }

            #[inline(always)]
            fn mish_slope(self) -> Self {
                let t = self.softplus().tanh();
                t + self * (1.0 - t * t) * self.sigmoid()
            }
        }
    )*};
}
formula! { f32 f64 }

/// Whether a slope is written in terms of the input or of the output.
macro_rules! keeps_output {
    (x) => {
        false
    };
    (y) => {
        true
    };
}

macro_rules! unary {
    ($(
        $(#[$doc:meta])*
        $variant:ident $name:ident($x:ident) = $value:expr,
        slope($kept:ident) = $slope:expr,
        gradient $gradient:literal,
        on $domain:expr,
        example $from:literal => $to:literal;
    )*) => {
        /// The elementwise functions of one tensor.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Unary {
            $(#[doc = concat!("See [`Tensor::", stringify!($name), "`].")] $variant,)*
        }

        impl Unary {
            /// The method's name.
            pub const fn name(self) -> &'static str {
                match self { $(Unary::$variant => stringify!($name),)* }
            }

            /// Whether the derivative is a function of the output, not the input.
            const fn keeps_output(self) -> bool {
                match self { $(Unary::$variant => keeps_output!($kept),)* }
            }

            /// The slope as a tensor, recorded when `kept` is tracked.
            fn slope(self, kept: &Tensor) -> Tensor {
                match self { $(Unary::$variant => { let $kept = kept; $slope })* }
            }
        }

        /// The formulas as types, so that kernels are compiled for each.
        pub(crate) mod formulas {
            use super::*;
            $(
                pub(crate) struct $variant;
                impl Map for $variant {
                    #[inline(always)]
                    fn f32($x: Lane<f32>) -> Lane<f32> { $value }
                    #[inline(always)]
                    fn f64($x: Lane<f64>) -> Lane<f64> { $value }
                }
            )*
        }

        /// `dy * slope(kept)` as types.
        pub(crate) mod slopes {
            use super::*;
            $(
                pub(crate) struct $variant;
                impl Zip for $variant {
                    #[inline(always)]
                    fn f32(dy: Lane<f32>, $kept: Lane<f32>) -> Lane<f32> { dy * ($slope) }
                    #[inline(always)]
                    fn f64(dy: Lane<f64>, $kept: Lane<f64>) -> Lane<f64> { dy * ($slope) }
                }
            )*
        }

        /// The kernels on the host: each formula compiled for each type and instruction set.
        impl Unary {
            pub(crate) fn map<T: Float>(self, x: &[T], out: &mut [T]) {
                match self { $(Unary::$variant => elementwise::map::<formulas::$variant, T>(x, out),)* }
            }

            pub(crate) fn map_in_place<T: Float>(self, x: &mut [T]) {
                match self { $(Unary::$variant => elementwise::map_in_place::<formulas::$variant, T>(x),)* }
            }

            pub(crate) fn slope_map<T: Float>(self, dy: &[T], kept: &[T], out: &mut [T]) {
                match self { $(Unary::$variant => elementwise::zip::<slopes::$variant, T>(dy, kept, out),)* }
            }

            pub(crate) fn slope_in_place<T: Float>(self, dy: &mut [T], kept: &[T]) {
                match self { $(Unary::$variant => elementwise::zip_in_place::<slopes::$variant, T>(dy, kept),)* }
            }
        }

        impl Tensor {
            $(
                $(#[$doc])*
                ///
                /// # Shapes
                /// Any; the result has the same.
                ///
                /// # Gradient
                #[doc = $gradient]
                ///
                /// # Panics
                /// When the tensor is not floating-point; `neg`, `abs` and `sign` take `i64`, too.
                ///
                /// # Examples
                /// ```
                /// # use talweg_tensor::Tensor;
                #[doc = concat!("let y = Tensor::scalar(", stringify!($from), "_f64).", stringify!($name), "();")]
                #[doc = concat!("assert!((y.item() - ", stringify!($to), ").abs() < 1e-6);")]
                /// ```
                #[track_caller]
                pub fn $name(&self) -> Tensor {
                    apply(Elementwise(Unary::$variant), &[self])
                }
            )*
        }

        #[cfg(test)]
        const CASES: &[(Unary, std::ops::Range<f64>, f64, f64)] =
            &[$((Unary::$variant, $domain, $from, $to)),*];
    };
}

unary! {
    /// The negative, `y = -x`.
    Neg neg(x) = -x, slope(x) = x.positive() * 0.0 - 1.0, gradient "`dx = -dy`", on -3.0..3.0, example 2.0 => -2.0;
    /// The absolute value, `y = |x|`.
    Abs abs(x) = x.abs(), slope(x) = x.sign(), gradient "`dx = dy sign(x)`, 0 at 0.",
        on 0.1..3.0, example -2.5 => 2.5;
    /// The sign: -1, 0 or 1.
    Sign sign(x) = x.signum(), slope(x) = x.positive() * 0.0, gradient "0, also at the step.", on 0.1..3.0, example -2.5 => -1.0;
    /// 1 where positive, 0 elsewhere: the slope of the rectifier.
    Positive positive(x) = x.positive(), slope(x) = x.positive() * 0.0, gradient "0, also at the step.",
        on 0.1..3.0, example 0.5 => 1.0;
    /// The exponential function, `y = e^x`.
    Exp exp(x) = x.exp(), slope(y) = y * 1.0, gradient "`dx = dy y`", on -3.0..3.0, example 1.0 => 2.718281828459;
    /// `y = e^x - 1`, accurate near 0.
    Expm1 expm1(x) = x.expm1(), slope(y) = y + 1.0, gradient "`dx = dy (y + 1)`",
        on -3.0..3.0, example 1e-9 => 1e-9;
    /// The natural logarithm, `y = ln x`; NaN below 0.
    Ln ln(x) = x.ln(), slope(x) = 1.0 / x, gradient "`dx = dy / x`", on 0.2..4.0, example 2.0 => 0.693147180560;
    /// `y = ln(1 + x)`, accurate near 0; NaN below -1.
    Log1p log1p(x) = x.log1p(), slope(x) = 1.0 / (x + 1.0), gradient "`dx = dy / (1 + x)`",
        on -0.8..3.0, example 1e-9 => 1e-9;
    /// The square root; NaN below 0.
    Sqrt sqrt(x) = x.sqrt(), slope(y) = 0.5 / y, gradient "`dx = dy / (2 y)`", on 0.2..4.0, example 2.0 => 1.414213562373;
    /// The reciprocal of the square root, `y = 1 / √x`.
    Rsqrt rsqrt(x) = x.rsqrt(), slope(y) = -0.5 * y * y * y, gradient "`dx = -dy y³ / 2`",
        on 0.2..4.0, example 4.0 => 0.5;
    /// The reciprocal, `y = 1 / x`.
    Recip recip(x) = x.recip(), slope(y) = -(y * y), gradient "`dx = -dy y²`", on 0.3..3.0, example 4.0 => 0.25;
    /// The square, `y = x²`.
    Square square(x) = x * x, slope(x) = 2.0 * x, gradient "`dx = 2 x dy`", on -3.0..3.0, example 3.0 => 9.0;
    /// The sine of an angle in radians.
    Sin sin(x) = x.sin(), slope(x) = x.cos(), gradient "`dx = dy cos x`", on -3.0..3.0, example 1.0 => 0.841470984808;
    /// The cosine of an angle in radians.
    Cos cos(x) = x.cos(), slope(x) = -x.sin(), gradient "`dx = -dy sin x`", on -3.0..3.0, example 1.0 => 0.540302305868;
    /// The hyperbolic tangent.
    Tanh tanh(x) = x.tanh(), slope(y) = 1.0 - y * y, gradient "`dx = dy (1 - y²)`",
        on -3.0..3.0, example 0.5 => 0.462117157260;
    /// The logistic function, `y = 1 / (1 + e^-x)`.
    Sigmoid sigmoid(x) = x.sigmoid(), slope(y) = y * (1.0 - y), gradient "`dx = dy y (1 - y)`",
        on -3.0..3.0, example 0.5 => 0.622459331202;
    /// The rectifier, `y = max(x, 0)`.
    Relu relu(x) = x.max(0.0), slope(y) = y.positive(), gradient "`dx = dy` where `x > 0`, 0 elsewhere, also at 0.",
        on 0.1..3.0, example -1.5 => 0.0;
    /// The error function, `y = 2/√π ∫ e^(-t²) dt` from 0 to x.
    Erf erf(x) = x.erf(), slope(x) = (-(x * x)).exp() * 1.128_379_167_095_512_6,
        gradient "`dx = 2/√π e^(-x²) dy`", on -2.0..2.0, example 0.5 => 0.520499877813;
    /// The Gaussian error linear unit, `y = x Φ(x)` with the normal distribution function `Φ` (Hendrycks and Gimpel,
    /// 2016, the exact form).
    Gelu gelu(x) = x.gelu(), slope(x) = x.gelu_slope(),
        gradient "`dx = dy (Φ(x) + x φ(x))` with the normal density `φ`.", on -3.0..3.0, example 1.0 => 0.841344746069;
    /// The slope of the Gaussian error linear unit, `y = Φ(x) + x φ(x)` with the normal density `φ`.
    GeluSlope gelu_slope(x) = x.gelu_slope(),
        slope(x) = (2.0 - x * x) * (-0.5 * (x * x)).exp() * 0.398_942_280_401_432_7,
        gradient "`dx = dy (2 - x²) φ(x)`", on -3.0..3.0, example 1.0 => 1.083315470588;
    /// The Gaussian error linear unit with an approximation of `Φ`, `y = x / 2 (1 + tanh(√(2/π) (x + 0.044715 x³)))`
    /// (Hendrycks and Gimpel, 2016); at most 5e-4 from [`Tensor::gelu`].
    GeluTanh gelu_tanh(x) = x * ((x * x * 0.044_715 + 1.0) * x * 1.595_769_121_605_730_7).sigmoid(),
        slope(x) = x.gelu_tanh_slope(),
        gradient "`dx = dy (s + x s (1 - s) u')` with `s = y / x` and `u' = √(8/π) (1 + 0.134145 x²)`.",
        on -3.0..3.0, example 1.0 => 0.841191990608;
    /// The sigmoid linear unit, also called swish, `y = x sigmoid(x)` (Elfwing, Uchibe and Doya, 2018).
    Silu silu(x) = x * x.sigmoid(), slope(x) = x.silu_slope(),
        gradient "`dx = dy s (1 + x (1 - s))` with `s = sigmoid(x)`.", on -3.0..3.0, example 0.5 => 0.311229665601;
    /// A smooth rectifier that dips below 0, `y = x tanh(softplus(x))` (Misra, 2019).
    Mish mish(x) = x * x.softplus().tanh(), slope(x) = x.mish_slope(),
        gradient "`dx = dy (t + x (1 - t²) sigmoid(x))` with `t = tanh(softplus(x))`.",
        on -3.0..3.0, example 1.0 => 0.865098388267;
    /// The complement of the error function, `y = 1 - erf(x)`, accurate where it is small.
    Erfc erfc(x) = x.erfc(), slope(x) = (-(x * x)).exp() * -1.128_379_167_095_512_6,
        gradient "`dx = -2/√π e^(-x²) dy`", on -2.0..2.0, example 0.5 => 0.479500122187;
    /// `y = ln(1 + e^x)`, a smooth rectifier, without overflow.
    Softplus softplus(x) = x.softplus(), slope(x) = x.sigmoid(),
        gradient "`dx = dy sigmoid(x)`", on -3.0..3.0, example 0.5 => 0.974076984180;
    /// `y = ln sigmoid(x)`, without overflow.
    LogSigmoid log_sigmoid(x) = x.min(0.0) - (-x.abs()).exp().log1p(), slope(x) = (-x).sigmoid(),
        gradient "`dx = dy sigmoid(-x)`", on -3.0..3.0, example 0.5 => -0.474076984180;
    /// The greatest whole number not above x.
    Floor floor(x) = x.floor(), slope(x) = x.positive() * 0.0, gradient "0, also at the steps.", on 0.1..0.9, example -1.5 => -2.0;
    /// The nearest whole number, halves to the even one.
    Round round(x) = x.round(), slope(x) = x.positive() * 0.0, gradient "0, also at the steps.", on 0.1..0.4, example 2.5 => 2.0;
}

/// The slopes as on lanes, for second derivatives.
impl Tensor {
    fn silu_slope(&self) -> Tensor {
        let s = self.sigmoid();
        (self * (1.0 - &s) + 1.0) * s
    }

    fn mish_slope(&self) -> Tensor {
        let t = self.softplus().tanh();
        self * (1.0 - t.square()) * self.sigmoid() + t
    }

    fn gelu_tanh_slope(&self) -> Tensor {
        let square = self * self;
        let s = ((&square * 0.044_715 + 1.0) * self * 1.595_769_121_605_730_7).sigmoid();
        &s + self * (&s * (1.0 - &s)) * ((square * 0.134_145 + 1.0) * 1.595_769_121_605_730_7)
    }
}

/// A function from the table, applied to every element.
#[derive(Debug)]
struct Elementwise(Unary);

impl Elementwise {
    /// The same of whole numbers, by the arithmetic of two.
    fn whole(&self, x: &Tensor) -> Tensor {
        let zero = Tensor::zeros([], DType::I64);
        match self.0 {
            Unary::Neg => zero - x,
            Unary::Abs => x.maximum(&(zero - x)),
            Unary::Sign => x.gt(&zero).cast(DType::I64) - x.lt(&zero).cast(DType::I64),
            other => unreachable!("the shape rule refuses whole numbers in {}", other.name()),
        }
    }
}

impl Op for Elementwise {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let whole = inputs[0].dtype == DType::I64 && matches!(self.0, Unary::Neg | Unary::Abs | Unary::Sign);
        if !whole {
            check::float(self.name(), &inputs[0])?;
        }
        Ok(inputs[0])
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        if out.dtype == DType::I64 {
            return self.whole(inputs[0]);
        }
        let y = Tensor::run(&Kernel::Unary(self.0), inputs, out);
        if self.0.keeps_output() {
            saved.keep_output(&y);
        } else {
            saved.keep_input(0, inputs[0]);
        }
        y
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        let kept = if self.0.keeps_output() { saved.output() } else { saved.input(0) };
        let dx = if kept.is_tracked() || dy.is_tracked() {
            dy * self.0.slope(kept)
        } else {
            dy.run_over(&Kernel::Slope(self.0), &[kept])
        };
        vec![Some(dx.into())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;
    use crate::testing::{Case, check_case};

    #[test]
    fn every_function_has_its_value_and_slopes() {
        for (unary, domain, from, to) in CASES.iter().cloned() {
            let y = apply(Elementwise(unary), &[&Tensor::scalar(from)]).item();
            assert!((y - to).abs() < 1e-9 * to.abs().max(1.0), "{}: {y} for {from}", unary.name());
            check_case(&Case {
                domain: domain.start..domain.end,
                ..Case::new(unary.name(), move |x| apply(Elementwise(unary), &[x[0]]))
                    .shapes(&[&[2, 3]])
                    .shapes(&[&[0, 3]])
            });
        }
    }

    /// The kernels in f32 against the same formulas in f64, whose functions are the standard library's.
    #[test]
    fn single_precision_agrees_with_double() {
        for (unary, domain, ..) in CASES.iter().cloned() {
            let x = Rng::seed(1).uniform([1003], domain.start, domain.end, DType::F32);
            let y = apply(Elementwise(unary), &[&x]).to_vec::<f32>();
            let want = apply(Elementwise(unary), &[&x.cast(DType::F64)]).to_vec::<f64>();
            for ((x, y), want) in x.to_vec::<f32>().iter().zip(&y).zip(&want) {
                // Near a zero of the function the error is relative to the argument's rounding, 6e-8 each.
                let error = (*y as f64 - want).abs() / want.abs().max(0.05);
                assert!(error < 2e-6, "{}({x}): {y} should be {want}", unary.name());
            }
        }
    }

    #[test]
    fn whole_numbers_have_signs() {
        let x = Tensor::from_slice(&[-3i64, 0, 5], [3]);
        assert_eq!(x.neg().to_vec::<i64>(), [3, 0, -5]);
        assert_eq!((-&x).to_vec::<i64>(), [3, 0, -5]);
        assert_eq!(x.abs().to_vec::<i64>(), [3, 0, 5]);
        assert_eq!(x.sign().to_vec::<i64>(), [-1, 0, 1]);
    }

    /// Where a slope is constant, infinite inputs must not make NaN of it.
    #[test]
    fn constant_slopes_hold_at_infinity() {
        for (f, want) in
            [(Tensor::neg as fn(&Tensor) -> Tensor, -1.0), (Tensor::sign, 0.0), (Tensor::floor, 0.0)]
        {
            let x = Tensor::scalar(f64::INFINITY).requires_grad();
            assert_eq!(f(&x).backward().wrt(&x).item(), want);
        }
    }
}
