//! Elementwise functions of two tensors, with broadcasting, and those of a tensor and a number.

use talweg_kernels::elementwise::{self, Zip};
use talweg_kernels::{Float, Lane};

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::dtype::DType;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::tensor::Tensor;

macro_rules! binary {
    ($($(#[$doc:meta])* $variant:ident $name:ident($a:ident, $b:ident) = $value:expr;)*) => {
        /// The elementwise functions of two tensors.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Binary {
            $(#[doc = concat!("See [`Tensor::", stringify!($name), "`].")] $variant,)*
        }

        mod formulas {
            use super::*;
            $(
                pub(super) struct $variant;
                impl Zip for $variant {
                    #[inline(always)]
                    fn f32($a: Lane<f32>, $b: Lane<f32>) -> Lane<f32> { $value }
                    #[inline(always)]
                    fn f64($a: Lane<f64>, $b: Lane<f64>) -> Lane<f64> { $value }
                }
            )*
        }

        /// The kernels on the host: each formula compiled for each type and instruction set.
        impl Binary {
            /// The method's name.
            pub const fn name(self) -> &'static str {
                match self { $(Binary::$variant => stringify!($name),)* }
            }

            pub(crate) fn zip<T: Float>(self, a: &[T], b: &[T], out: &mut [T]) {
                match self { $(Binary::$variant => elementwise::zip::<formulas::$variant, T>(a, b, out),)* }
            }

            pub(crate) fn zip_in_place<T: Float>(self, a: &mut [T], b: &[T]) {
                match self { $(Binary::$variant => elementwise::zip_in_place::<formulas::$variant, T>(a, b),)* }
            }

            pub(crate) fn zip_channels<T: Float>(self, a: &[T], b: &[T], inner: usize, out: &mut [T]) {
                match self {
                    $(Binary::$variant => elementwise::zip_channels::<formulas::$variant, T>(a, b, inner, out),)*
                }
            }
        }

        impl Tensor {
            $(
                $(#[$doc])*
                ///
                /// # Shapes
                /// Broadcast together: sizes equal or 1, aligned from the last axis.
                ///
                /// # Panics
                /// When the shapes do not broadcast, or element types or devices differ.
                #[track_caller]
                pub fn $name(&self, b: &Tensor) -> Tensor {
                    apply(Pairwise(Binary::$variant), &[self, b])
                }
            )*
        }
    };
}

binary! {
    /// The sum, `y = a + b`; also the operator `+`.
    ///
    /// # Gradient
    /// `da = dy`, `db = dy`
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let a = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [2, 2]);
    /// let b = Tensor::from_slice(&[10.0f32, 20.0], [2]);
    /// assert_eq!((&a + &b).to_vec::<f32>(), [11.0, 22.0, 13.0, 24.0]);
    /// ```
    Add add(a, b) = a + b;
    /// The difference, `y = a - b`; also the operator `-`.
    ///
    /// # Gradient
    /// `da = dy`, `db = -dy`
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let (a, b) = (Tensor::scalar(3.0f32), Tensor::scalar(5.0f32));
    /// assert_eq!((&a - &b).item(), -2.0);
    /// ```
    Sub sub(a, b) = a - b;
    /// The product of elements, `y = a b`; also the operator `*`.
    ///
    /// # Gradient
    /// `da = dy b`, `db = dy a`
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let (a, b) = (Tensor::scalar(3.0f32), Tensor::scalar(5.0f32));
    /// assert_eq!((&a * &b).item(), 15.0);
    /// ```
    Mul mul(a, b) = a * b;
    /// The quotient of elements, `y = a / b`; also the operator `/`.
    ///
    /// # Gradient
    /// `da = dy / b`, `db = -dy y / b`
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let (a, b) = (Tensor::scalar(3.0f32), Tensor::scalar(4.0f32));
    /// assert_eq!((&a / &b).item(), 0.75);
    /// ```
    Div div(a, b) = a / b;
    /// The greater of two elements; NaN if one is.
    ///
    /// # Gradient
    /// `dy` to the greater one; half to each where they are equal.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let (a, b) = (Tensor::scalar(3.0f32), Tensor::scalar(4.0f32));
    /// assert_eq!(a.maximum(&b).item(), 4.0);
    /// ```
    Maximum maximum(a, b) = a.max(b);
    /// The lesser of two elements; NaN if one is.
    ///
    /// # Gradient
    /// `dy` to the lesser one; half to each where they are equal.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let (a, b) = (Tensor::scalar(3.0f32), Tensor::scalar(4.0f32));
    /// assert_eq!(a.minimum(&b).item(), 3.0);
    /// ```
    Minimum minimum(a, b) = a.min(b);
    /// The power, `y = a^b`.
    ///
    /// # Gradient
    /// `da = dy b a^(b-1)`, which is 0 where `b = 0`; `db = dy y ln a`, which is 0 where `a = 0` and `b >= 0`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let (a, b) = (Tensor::scalar(2.0f64), Tensor::scalar(0.5f64));
    /// assert!((a.pow(&b).item() - 1.414213562).abs() < 1e-9);
    /// ```
    Pow pow(a, b) = a.powf(b);
}

/// A function from the table, applied to pairs of elements.
#[derive(Debug)]
pub(super) struct Pairwise(pub(super) Binary);

impl Op for Pairwise {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let [a, b] = inputs else { unreachable!("two inputs") };
        check::alike(self.name(), inputs)?;
        let whole = matches!(a.dtype, DType::I64 | DType::U8) && !matches!(self.0, Binary::Div | Binary::Pow);
        if !a.dtype.is_float() && !whole {
            return Err(OpError::new(format!(
                "{}: not defined for {}, got {} x {}; convert both with .cast(DType::F32)",
                self.name(),
                a.dtype,
                a.shape,
                b.shape
            )));
        }
        Ok(a.with_shape(check::broadcast(self.name(), a, b)?))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        let y = Tensor::run(&Kernel::Binary(self.0), inputs, out);
        if !matches!(self.0, Binary::Add | Binary::Sub) {
            saved.keep_input(0, inputs[0]);
            saved.keep_input(1, inputs[1]);
        }
        if matches!(self.0, Binary::Div | Binary::Pow) {
            saved.keep_output(&y);
        }
        y
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, needs: &[bool]) -> Vec<Option<Grad>> {
        let (a, b): (Option<Tensor>, Option<Tensor>) = match self.0 {
            Binary::Add => (needs[0].then(|| dy.clone()), needs[1].then_some(dy)),
            Binary::Sub => (needs[0].then(|| dy.clone()), needs[1].then(|| -dy)),
            Binary::Mul => {
                let (a, b) = (saved.input(0), saved.input(1));
                let da = needs[0].then(|| &dy * b);
                (da, needs[1].then(|| dy * a))
            }
            Binary::Div => {
                let (b, y) = (saved.input(1), saved.output());
                let da = dy / b;
                let db = needs[1].then(|| -(&da * y));
                (needs[0].then_some(da), db)
            }
            Binary::Maximum => extremum(saved, &dy, needs, |a, b| a.lt(b)),
            Binary::Minimum => extremum(saved, &dy, needs, |a, b| a.gt(b)),
            Binary::Pow => {
                let (a, b, y) = (saved.input(0), saved.input(1), saved.output());
                let da = needs[0].then(|| base_gradient(a, b, &dy));
                let db = needs[1].then(|| {
                    let flat = a.eq(&a.zeros_like()).logical_and(&b.ge(&b.zeros_like()));
                    let log = flat.select(&a.ones_like(), a).ln();
                    dy * y * log
                });
                (da, db)
            }
        };
        vec![a.map(Grad::Dense), b.map(Grad::Dense)]
    }
}

/// The gradient of a power by its base. At exponent 0 it is 0, also where the formula has 0 times infinity.
fn base_gradient(a: &Tensor, b: &Tensor, dy: &Tensor) -> Tensor {
    let (zero, one) = (Tensor::zeros([], b.dtype()), Tensor::ones([], b.dtype()));
    let flat = b.eq(&zero);
    let b = flat.select(&one, b);
    flat.select(&zero, &(dy * &b * a.pow(&(&b - 1.0))))
}

/// Gradients of maximum or minimum: whole, half where equal, none where the element `loses`.
fn extremum(
    saved: &Saved,
    dy: &Tensor,
    needs: &[bool],
    loses: impl Fn(&Tensor, &Tensor) -> Tensor,
) -> (Option<Tensor>, Option<Tensor>) {
    let (a, b) = (&saved.input(0).detach(), &saved.input(1).detach());
    let zero = Tensor::zeros([], dy.dtype());
    let share = |a, b| loses(a, b).select(&zero, &a.eq(b).select(&(dy * 0.5), dy));
    (needs[0].then(|| share(a, b)), needs[1].then(|| share(b, a)))
}

/// `y = scale x + shift` with plain numbers: what `2.0 * x + 1.0` is made of.
#[derive(Debug)]
struct Affine {
    scale: f64,
    shift: f64,
}

impl Op for Affine {
    fn name(&self) -> &'static str {
        "affine"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let whole = inputs[0].dtype == DType::I64;
        if !whole {
            check::float("affine", &inputs[0])?;
        }
        if whole && (self.scale.fract() != 0.0 || self.shift.fract() != 0.0) {
            return Err(OpError::new(format!(
                "affine: {} x + {} of whole numbers {} is not whole; convert them with .cast(DType::F32)",
                self.scale, self.shift, inputs[0].shape
            )));
        }
        Ok(inputs[0])
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, _: &mut Saved) -> Tensor {
        if out.dtype == DType::I64 {
            let number = |x| Tensor::full([], x, DType::I64);
            return inputs[0] * number(self.scale) + number(self.shift);
        }
        Tensor::run(&Kernel::Affine(self.scale, self.shift), inputs, out)
    }

    fn vjp(&self, _: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        vec![Some(if self.scale == 1.0 { dy.into() } else { (dy * self.scale).into() })]
    }
}

impl Tensor {
    /// `y = scale x + shift` for every element; also the operators with a number, as in `2.0 * x + 1.0`.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `dx = scale dy`
    ///
    /// # Panics
    /// When the tensor is neither floating-point nor `i64` with whole numbers.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::scalar(3.0f32).affine(2.0, 1.0).item(), 7.0);
    /// ```
    #[track_caller]
    pub fn affine(&self, scale: f64, shift: f64) -> Tensor {
        apply(Affine { scale, shift }, &[self])
    }

    /// `y = x^p` for a number p.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `dx = p x^(p-1) dy`
    ///
    /// # Panics
    /// When the tensor is not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::scalar(3.0f64).powf(2.0).item(), 9.0);
    /// ```
    #[track_caller]
    pub fn powf(&self, p: f64) -> Tensor {
        self.pow(&Tensor::full([], p, self.dtype()))
    }
}

#[cfg(test)]
mod tests {
    use crate::Tensor;

    crate::cases! {
        add: |x| x[0] + x[1]; shapes [[2, 3], [2, 3]] [[2, 1], [3]] [[], [4]] [[2, 0], [1]]  refuses [[2], [3]];
        sub: |x| x[0] - x[1]; shapes [[2, 3], [2, 3]] [[0], [1]] [[2, 1], [3]] [[], [4]]  refuses [[2], [3]];
        mul: |x| x[0] * x[1]; shapes [[2, 3], [2, 3]] [[2, 1], [3]] [[], [4]] [[0], [0]]  refuses [[2], [3]];
        div: |x| x[0] / x[1]; shapes [[2, 3], [2, 3]] [[0], [1]] [[2, 1], [3]] on 0.5..2.0  refuses [[2], [3]];
        maximum: |x| x[0].maximum(x[1]); shapes [[2, 3], [2, 3]] [[0], [1]] [[2, 1], [3]]  refuses [[2], [3]];
        minimum: |x| x[0].minimum(x[1]); shapes [[2, 3], [2, 3]] [[0], [1]] [[2, 1], [3]]  refuses [[2], [3]];
        pow: |x| x[0].pow(x[1]); shapes [[2, 3], [2, 3]] [[0], [1]] [[2, 1], [3]] on 0.5..2.0  refuses [[2], [3]];
        affine: |x| 3.0 - x[0] * 2.0 + 1.0 / (x[0] * x[0] + 1.0); shapes [[2, 3]] [[0]] [[]];
        powf: |x| x[0].powf(2.5); shapes [[0]] [[4]] on 0.5..2.0;
    }

    #[test]
    fn ties_share_the_gradient() {
        let a = Tensor::from_slice(&[1.0f64, 2.0], [2]).requires_grad();
        let b = Tensor::from_slice(&[1.0f64, 0.0], [2]).requires_grad();
        let grads = a.maximum(&b).sum(..).backward();
        assert_eq!(grads.wrt(&a).to_vec::<f64>(), [0.5, 1.0]);
        assert_eq!(grads.wrt(&b).to_vec::<f64>(), [0.5, 0.0]);
    }

    #[test]
    #[should_panic(expected = "add: shapes do not broadcast, [2, 3] x [4] (3 vs 4 along axis -1)")]
    fn a_refusal_names_shapes_and_axis() {
        let _ = Tensor::zeros([2, 3], crate::DType::F32) + Tensor::zeros([4], crate::DType::F32);
    }

    /// `torch.tensor(a, dtype=torch.float64) ** b` and its gradients.
    #[test]
    fn powers_of_zero_and_to_zero() {
        let inf = f64::INFINITY;
        for (p, at, slope) in [
            (0.0, [0.0, f64::NAN, 1.0], [0.0, 0.0, 0.0]),
            (0.5, [0.0, 1.0, 4.0], [inf, 0.5, 0.25]),
            (2.0, [0.0, -1.0, inf], [0.0, -2.0, inf]),
            (1.0, [0.0, -1.0, 5.0], [1.0, 1.0, 1.0]),
            (-1.0, [0.0, 1.0, -2.0], [-inf, -1.0, -0.25]),
        ] {
            let x = Tensor::from_slice(&at, [3]).requires_grad();
            let dx = x.powf(p).sum(..).backward().wrt(&x).to_vec::<f64>();
            assert_eq!(dx, slope, "power {p}");
        }
        let (a, b) = (
            Tensor::from_slice(&[0.0, 0.0, 0.0], [3]),
            Tensor::from_slice(&[0.0, 1.0, -1.0], [3]).requires_grad(),
        );
        let y = a.pow(&b);
        assert_eq!(y.to_vec::<f64>(), [1.0, 0.0, inf]);
        assert_eq!(y.sum(..).backward().wrt(&b).to_vec::<f64>(), [0.0, 0.0, -inf]);
        // The second derivative of x² at 0.
        let x = Tensor::scalar(0.0f64).requires_grad();
        let dx = &crate::grad(&[&x.powf(2.0)], &[&x], crate::Create::Graph)[0];
        assert_eq!(crate::grad(&[dx], &[&x], crate::Create::Graph)[0].item(), 2.0);
    }

    #[test]
    fn whole_numbers_and_bytes_wrap() {
        let x = Tensor::from_slice(&[7i64, -2], [2]);
        assert_eq!((&x * 3.0 - 1.0).to_vec::<i64>(), [20, -7]);
        let (a, b) = (Tensor::from_slice(&[250u8, 3], [2]), Tensor::from_slice(&[10u8, 5], [2]));
        assert_eq!((&a + &b).to_vec::<u8>(), [4, 8]);
        assert_eq!((&a - &b).to_vec::<u8>(), [240, 254]);
        assert_eq!(a.minimum(&b).to_vec::<u8>(), [10, 3]);
    }

    #[test]
    #[should_panic(expected = "affine: 0.5 x + 0 of whole numbers [2] is not whole")]
    fn half_of_a_whole_number_is_refused() {
        let _ = Tensor::arange(2) * 0.5;
    }
}
