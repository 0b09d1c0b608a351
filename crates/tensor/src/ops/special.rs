//! The rarer functions of one tensor: value beside slope, as in `unary.rs`, but without a kernel for each type and
//! instruction set. The value is one function of `f64`, called for every element; `f32` is rounded at the end.

mod values;

use std::f64::consts::{LN_2, LN_10, PI};
use std::sync::Arc;

use crate::autograd::Grad;
use crate::backend::{CustomKernel, HostArray, HostArrayMut};
use crate::dtype::DType;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::tensor::Tensor;

/// A function and its derivative.
#[derive(Debug)]
struct Special {
    name: &'static str,
    value: fn(f64) -> f64,
    keeps_output: bool,
    /// The slope as a tensor, of the input or the output.
    slope: fn(&Tensor) -> Tensor,
}

/// Whether a slope is written in terms of the input or of the output.
macro_rules! keeps_output {
    (x) => {
        false
    };
    (y) => {
        true
    };
}

macro_rules! special {
    ($(
        $(#[$doc:meta])*
        $name:ident = $value:expr,
        slope($kept:ident) = $slope:expr,
        gradient $gradient:literal,
        on $domain:expr,
        example $from:literal => $to:literal;
    )*) => {
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
                /// When the tensor is not floating-point.
                ///
                /// # Examples
                /// ```
                /// # use talweg_tensor::Tensor;
                #[doc = concat!("let y = Tensor::scalar(", stringify!($from), "_f64).", stringify!($name), "();")]
                #[doc = concat!("assert!((y.item() - ", stringify!($to), ").abs() < 1e-6);")]
                /// ```
                #[track_caller]
                pub fn $name(&self) -> Tensor {
                    static ROW: Special = Special {
                        name: stringify!($name),
                        value: $value,
                        keeps_output: keeps_output!($kept),
                        slope: |$kept| $slope,
                    };
                    apply(Function(&ROW), &[self])
                }
            )*
        }

        #[cfg(test)]
        type Row = (&'static str, fn(&Tensor) -> Tensor, std::ops::Range<f64>, f64, f64);

        #[cfg(test)]
        const CASES: &[Row] = &[$((stringify!($name), Tensor::$name, $domain, $from, $to)),*];
    };
}

special! {
    /// The power of two, `y = 2^x`.
    exp2 = f64::exp2, slope(y) = y * LN_2, gradient "`dx = dy y ln 2`", on -3.0..3.0, example 1.5 => 2.828427124746;
    /// The logarithm to base 2; NaN below 0.
    log2 = f64::log2, slope(x) = (x * LN_2).recip(), gradient "`dx = dy / (x ln 2)`",
        on 0.2..4.0, example 8.0 => 3.0;
    /// The logarithm to base 10; NaN below 0.
    log10 = f64::log10, slope(x) = (x * LN_10).recip(), gradient "`dx = dy / (x ln 10)`",
        on 0.2..4.0, example 1000.0 => 3.0;
    /// The tangent of an angle in radians.
    tan = f64::tan, slope(y) = y.square() + 1.0, gradient "`dx = dy (1 + y²)`",
        on -1.2..1.2, example 0.5 => 0.546302489844;
    /// The angle in radians whose sine is x, in `-π/2..=π/2`; NaN outside of `-1..=1`.
    asin = f64::asin, slope(x) = (1.0 - x.square()).rsqrt(), gradient "`dx = dy / √(1 - x²)`",
        on -0.8..0.8, example 0.3 => 0.304692654015;
    /// The angle in radians whose cosine is x, in `0..=π`; NaN outside of `-1..=1`.
    acos = f64::acos, slope(x) = -(1.0 - x.square()).rsqrt(), gradient "`dx = -dy / √(1 - x²)`",
        on -0.8..0.8, example 0.3 => 1.266103672779;
    /// The angle in radians whose tangent is x, between `-π/2` and `π/2`.
    atan = f64::atan, slope(x) = (x.square() + 1.0).recip(), gradient "`dx = dy / (1 + x²)`",
        on -3.0..3.0, example 0.5 => 0.463647609001;
    /// The hyperbolic sine, `y = (e^x - e^-x) / 2`.
    sinh = f64::sinh, slope(x) = x.cosh(), gradient "`dx = dy cosh x`", on -3.0..3.0, example 0.5 => 0.521095305494;
    /// The hyperbolic cosine, `y = (e^x + e^-x) / 2`.
    cosh = f64::cosh, slope(x) = x.sinh(), gradient "`dx = dy sinh x`", on -3.0..3.0, example 0.5 => 1.127625965206;
    /// The number whose hyperbolic sine is x.
    asinh = f64::asinh, slope(x) = (x.square() + 1.0).rsqrt(), gradient "`dx = dy / √(x² + 1)`",
        on -3.0..3.0, example 0.5 => 0.481211825060;
    /// The number, not below 0, whose hyperbolic cosine is x; NaN below 1.
    acosh = f64::acosh, slope(x) = (x.square() - 1.0).rsqrt(), gradient "`dx = dy / √(x² - 1)`",
        on 1.3..4.0, example 2.0 => 1.316957896925;
    /// The number whose hyperbolic tangent is x; NaN outside of `-1..=1`.
    atanh = f64::atanh, slope(x) = (1.0 - x.square()).recip(), gradient "`dx = dy / (1 - x²)`",
        on -0.8..0.8, example 0.5 => 0.549306144334;
    /// The number whose error function is x; NaN outside of `-1..=1`.
    erfinv = values::erfinv, slope(y) = y.square().exp() * (PI.sqrt() / 2.0), gradient "`dx = dy √π/2 e^(y²)`",
        on -0.9..0.9, example 0.5 => 0.476936276204;
    /// The logarithm of the size of the gamma function, `y = ln |Γ(x)|`; ∞ at 0, -1, -2 and so on.
    lgamma = libm::lgamma, slope(x) = x.digamma(), gradient "`dx = dy ψ(x)`, see [`Tensor::digamma`].",
        on 0.3..4.0, example 0.5 => 0.572364942925;
    /// The digamma function, the derivative of `ln |Γ(x)|`; -∞ at 0, NaN at -1, -2 and so on.
    digamma = values::digamma, slope(x) = x.polygamma(1), gradient "`dx = dy ψ'(x)`, see [`Tensor::polygamma`].",
        on 0.3..4.0, example 0.5 => -1.963510026021;
    /// The least whole number not below x.
    ceil = f64::ceil, slope(x) = x.zeros_like(), gradient "0, also at the steps.", on 0.1..0.9, example -1.5 => -1.0;
    /// The whole number next to x on the side of 0.
    trunc = f64::trunc, slope(x) = x.zeros_like(), gradient "0, also at the steps.",
        on 0.1..0.9, example -1.5 => -1.0;
}

impl Tensor {
    /// The polygamma function, the derivative of order `order` of [`Tensor::digamma`]: 1 gives the trigamma function.
    ///
    /// Of order 2 and above it takes a time proportional to `-x` for negative x, and is NaN below -1,000,000.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `dx = dy ψ⁽ⁿ⁺¹⁾(x)`
    ///
    /// # Panics
    /// When the tensor is not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// // ψ'(1) is π²/6.
    /// assert!((Tensor::scalar(1.0_f64).polygamma(1).item() - 1.644934066848).abs() < 1e-9);
    /// ```
    #[track_caller]
    pub fn polygamma(&self, order: u32) -> Tensor {
        if order == 0 {
            return self.digamma();
        }
        apply(Polygamma(order), &[self])
    }

    /// The part behind the point, `y = x - trunc x`, with the sign of x.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `dx = dy`, also at the steps.
    ///
    /// # Panics
    /// When the tensor is not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::scalar(-1.5f32).frac().item(), -0.5);
    /// ```
    #[track_caller]
    pub fn frac(&self) -> Tensor {
        self - self.trunc()
    }
}

/// A function from the table, applied to every element.
#[derive(Debug)]
struct Function(&'static Special);

impl Op for Function {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        check::float(self.name(), &inputs[0])?;
        Ok(inputs[0])
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        let y = Tensor::run_custom(Arc::new(Function(self.0)), inputs, out);
        if self.0.keeps_output {
            saved.keep_output(&y);
        } else {
            saved.keep_input(0, inputs[0]);
        }
        y
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        let kept = if self.0.keeps_output { saved.output() } else { saved.input(0) };
        vec![Some((dy * (self.0.slope)(kept)).into())]
    }
}

impl CustomKernel for Function {
    fn run(&self, inputs: &[HostArray<'_>], outputs: &mut [HostArrayMut<'_>]) {
        map(&inputs[0], &mut outputs[0], self.0.value);
    }
}

/// The derivative of the digamma function of this order, at least 1.
#[derive(Clone, Copy, Debug)]
struct Polygamma(u32);

impl Op for Polygamma {
    fn name(&self) -> &'static str {
        "polygamma"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        check::float("polygamma", &inputs[0])?;
        Ok(inputs[0])
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        saved.keep_input(0, inputs[0]);
        Tensor::run_custom(Arc::new(*self), inputs, out)
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        vec![Some((dy * saved.input(0).polygamma(self.0 + 1)).into())]
    }
}

impl CustomKernel for Polygamma {
    fn run(&self, inputs: &[HostArray<'_>], outputs: &mut [HostArrayMut<'_>]) {
        map(&inputs[0], &mut outputs[0], |x| values::polygamma(self.0, x));
    }
}

fn map(x: &HostArray<'_>, y: &mut HostArrayMut<'_>, f: impl Fn(f64) -> f64) {
    let n = x.shape.numel();
    match x.dtype {
        DType::F32 => {
            let (from, to) = (x.buffer.as_slice::<f32>(), y.buffer.as_mut_slice::<f32>());
            to[..n].iter_mut().zip(from).for_each(|(y, &x)| *y = f(f64::from(x)) as f32);
        }
        DType::F64 => {
            let (from, to) = (x.buffer.as_slice::<f64>(), y.buffer.as_mut_slice::<f64>());
            to[..n].iter_mut().zip(from).for_each(|(y, &x)| *y = f(x));
        }
        other => unreachable!("the shape rule refuses {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, check_case};

    #[test]
    fn every_function_has_its_value_and_slopes() {
        for (name, f, domain, from, to) in CASES.iter().cloned() {
            let y = f(&Tensor::scalar(from)).item();
            assert!((y - to).abs() < 1e-9 * to.abs().max(1.0), "{name}: {y} for {from}");
            check_case(&Case {
                domain: domain.start..domain.end,
                ..Case::new(name, move |x| f(x[0])).shapes(&[&[2, 3]]).shapes(&[&[0]]).shapes(&[&[]])
            });
        }
    }

    crate::cases! {
        polygamma: |x| x[0].polygamma(2); shapes [[2, 3]] [[0]] [[]] on 0.4..4.0;
        frac: |x| x[0].frac(); shapes [[2, 3]] [[0]] [[]] on 0.1..0.9;
    }

    fn values(f: impl Fn(&Tensor) -> Tensor, x: &[f64]) -> Vec<f64> {
        f(&Tensor::from_slice(x, [x.len()])).to_vec()
    }

    fn close(got: &[f64], want: &[f64]) {
        for (got, want) in got.iter().zip(want) {
            let fine =
                (got - want).abs() <= 1e-12 * want.abs() || got == want || got.is_nan() && want.is_nan();
            assert!(fine, "{got} should be {want}");
        }
    }

    // mpmath with 40 digits, rounded to f64: log(abs(gamma(x))), psi(n, x) for n of 0, 1 and 2, and erfinv(1 - 1e-6).
    // PyTorch's trigamma function has only nine digits.
    const LGAMMA: &[f64] = &[
        -0.056243716497674054,
        1.2655121234846454,
        6.907178885383853,
        0.5723649429247001,
        -0.12078223763524522,
        5.219603986990229,
        71.25703896716801,
    ];
    const DIGAMMA: &[f64] = &[
        1.103156640645243,
        0.03648997397857652,
        -1000.5755719318103,
        -1.9635100260214235,
        0.03648997397857652,
        1.750453526883736,
        3.384438132685525,
    ];
    const TRIGAMMA: &[f64] = &[
        9.539246644989124,
        8.934802200544679,
        1000001.6425331958,
        4.934802200544679,
        0.9348022005446793,
        0.17347923315893218,
        0.033895060357739946,
    ];
    const TETRAGAMMA: &[f64] = &[
        -0.1082040516417274,
        -0.82879664423432,
        -2000000002.3976321,
        -16.82879664423432,
        -0.82879664423432,
        -0.030020952295197738,
        -0.0011487652037286,
    ];
    const ERFINV_NEAR_ONE: f64 = 3.458910737275499;

    #[test]
    fn gamma_functions_have_all_digits_and_pytorch_s_poles() {
        let x = [-2.5, -0.5, 0.001, 0.5, 1.5, 6.25, 30.0];
        close(&values(Tensor::lgamma, &x), LGAMMA);
        close(&values(Tensor::digamma, &x), DIGAMMA);
        close(&values(|x| x.polygamma(1), &x), TRIGAMMA);
        close(&values(|x| x.polygamma(2), &x), TETRAGAMMA);
        let poles = [0.0, -0.0, -1.0, f64::INFINITY];
        let inf = f64::INFINITY;
        close(&values(Tensor::lgamma, &poles), &[inf, inf, inf, inf]);
        close(&values(Tensor::digamma, &poles), &[-inf, inf, f64::NAN, inf]);
        close(&values(|x| x.polygamma(1), &poles), &[inf, inf, inf, 0.0]);
        close(&values(|x| x.polygamma(2), &poles[..3]), &[-inf, -inf, -inf]);
    }

    /// In every range the inverse undoes the function: `erf` is tested by itself against known numbers.
    #[test]
    fn erfinv_undoes_erf() {
        let x: Vec<f64> = (-999..1000).map(|i| i as f64 / 1000.0).chain([1e-300, 1.0 - 1e-12]).collect();
        let y = Tensor::from_slice(&x, [x.len()]).erfinv();
        for (x, back) in x.iter().zip(y.erf().to_vec::<f64>()) {
            assert!((x - back).abs() <= 4e-16, "{x}: {back}");
        }
        let y = values(Tensor::erfinv, &[1.0 - 1e-6, 1.0, -1.0, 2.0]);
        close(&y, &[ERFINV_NEAR_ONE, f64::INFINITY, -f64::INFINITY, f64::NAN]);
    }

    #[test]
    #[should_panic(
        expected = "tan: needs a floating-point tensor, got i64 [2]; convert it with .cast(DType::F32)"
    )]
    fn whole_numbers_are_refused() {
        Tensor::arange(2).tan();
    }
}
