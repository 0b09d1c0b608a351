//! The rarer functions of two tensors, with broadcasting: value beside slopes, without a kernel for each type and
//! instruction set. The value is one function of two `f64`, called for every pair of elements.

use std::sync::Arc;

use crate::autograd::Grad;
use crate::backend::{CustomKernel, HostArray, HostArrayMut};
use crate::dtype::DType;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::tensor::Tensor;

/// A function of two numbers and its two derivatives.
#[derive(Debug)]
struct Pair {
    name: &'static str,
    value: fn(f64, f64) -> f64,
    /// The same of whole numbers, if it is defined for them.
    whole: Option<fn(i64, i64) -> i64>,
    /// The slopes as tensors, of both inputs and the output.
    slopes: fn(&Tensor, &Tensor, &Tensor) -> [Tensor; 2],
}

macro_rules! pairs {
    ($(
        $(#[$doc:meta])*
        $name:ident = $value:expr, whole $whole:expr, slopes($a:ident, $b:ident, $y:ident) = $slopes:expr;
    )*) => {
        impl Tensor {
            $(
                $(#[$doc])*
                ///
                /// # Shapes
                /// Broadcast together: sizes equal or 1, aligned from the last axis.
                ///
                /// # Panics
                /// When the shapes do not broadcast, element types or devices differ, or the type has no such function.
                #[track_caller]
                pub fn $name(&self, b: &Tensor) -> Tensor {
                    static ROW: Pair = Pair {
                        name: stringify!($name),
                        value: $value,
                        whole: $whole,
                        slopes: |$a, $b, $y| $slopes,
                    };
                    apply(Function(&ROW), &[self, b])
                }
            )*
        }
    };
}

pairs! {
    /// The remainder of a division rounded down, `y = a - b ⌊a / b⌋`: it has the sign of b, as PyTorch's `remainder`.
    ///
    /// # Gradient
    /// `da = dy`, `db = -dy ⌊a / b⌋`
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::scalar(-5.0f32).rem(&Tensor::scalar(3.0f32)).item(), 1.0);
    /// assert_eq!(Tensor::scalar(5i64).rem(&Tensor::scalar(-3i64)).item(), -1.0);
    /// ```
    rem = remainder, whole Some(whole_remainder), slopes(a, b, y) = [a.ones_like(), -whole_quotient(a, b, y)];
    /// The remainder of a division rounded towards 0: it has the sign of a, as C's `fmod`.
    ///
    /// # Gradient
    /// `da = dy`, `db = -dy trunc(a / b)`
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::scalar(-5.0f32).fmod(&Tensor::scalar(3.0f32)).item(), -2.0);
    /// ```
    fmod = |a, b| a % b, whole Some(whole_fmod), slopes(a, b, y) = [a.ones_like(), -whole_quotient(a, b, y)];
    /// The angle of the point `(b, a)` in radians, in `-π..=π`: `arctan(a / b)` in the right quadrant.
    ///
    /// # Gradient
    /// `da = dy b / (a² + b²)`, `db = -dy a / (a² + b²)`; 0 at the origin.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let y = Tensor::scalar(1.0f64).atan2(&Tensor::scalar(-1.0f64));
    /// assert!((y.item() - 2.356194490192).abs() < 1e-9);
    /// ```
    atan2 = f64::atan2, whole None, slopes(a, b, _y) = {
        let square = a.square() + b.square();
        // At the origin, which has no angle, the slopes are 0.
        let zero = square.zeros_like();
        let some = square.gt(&zero);
        let scale = some.select(&some.select(&square, &square.ones_like()).recip(), &zero);
        [b * &scale, -(a * &scale)]
    };
    /// The length of the hypotenuse, `y = √(a² + b²)`, without overflow in between.
    ///
    /// # Gradient
    /// `da = dy a / y`, `db = dy b / y`; NaN where both are 0.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::scalar(3.0f64).hypot(&Tensor::scalar(4.0f64)).item(), 5.0);
    /// ```
    hypot = f64::hypot, whole None, slopes(a, b, y) = [a / y, b / y];
}

fn remainder(a: f64, b: f64) -> f64 {
    let r = a % b;
    if r != 0.0 && (r < 0.0) != (b < 0.0) { r + b } else { r }
}

fn whole_fmod(a: i64, b: i64) -> i64 {
    assert!(b != 0, "rem: a whole number {a} has no remainder of a division by 0");
    a.wrapping_rem(b)
}

fn whole_remainder(a: i64, b: i64) -> i64 {
    let r = whole_fmod(a, b);
    if r != 0 && (r < 0) != (b < 0) { r + b } else { r }
}

/// The whole number `(a - y) / b`, a constant of second derivatives.
fn whole_quotient(a: &Tensor, b: &Tensor, y: &Tensor) -> Tensor {
    ((a.detach() - y.detach()) / b.detach()).round()
}

/// A function from the table, applied to pairs of elements.
#[derive(Debug)]
struct Function(&'static Pair);

impl Op for Function {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        check::alike(self.name(), inputs)?;
        if !(inputs[0].dtype == DType::I64 && self.0.whole.is_some()) {
            check::float(self.name(), &inputs[0])?;
        }
        Ok(inputs[0].with_shape(check::broadcast(self.name(), &inputs[0], &inputs[1])?))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        let [a, b] = [inputs[0].broadcast_to(out.shape), inputs[1].broadcast_to(out.shape)];
        let y = Tensor::run_custom(Arc::new(Function(self.0)), &[&a, &b], out);
        saved.keep_input(0, inputs[0]);
        saved.keep_input(1, inputs[1]);
        saved.keep_output(&y);
        y
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, needs: &[bool]) -> Vec<Option<Grad>> {
        let slopes = (self.0.slopes)(saved.input(0), saved.input(1), saved.output());
        slopes.iter().zip(needs).map(|(slope, need)| need.then(|| (&dy * slope).into())).collect()
    }
}

impl CustomKernel for Function {
    fn run(&self, inputs: &[HostArray<'_>], outputs: &mut [HostArrayMut<'_>]) {
        let ([a, b], y) = ([inputs[0].buffer, inputs[1].buffer], &mut outputs[0]);
        let n = y.shape.numel();
        match y.dtype {
            DType::F32 => zip(a.as_slice(), b.as_slice(), &mut y.buffer.as_mut_slice()[..n], |a: f32, b| {
                (self.0.value)(f64::from(a), f64::from(b)) as f32
            }),
            DType::F64 => zip(a.as_slice(), b.as_slice(), &mut y.buffer.as_mut_slice()[..n], self.0.value),
            DType::I64 => {
                let whole = self.0.whole.expect("the shape rule refuses whole numbers otherwise");
                zip(a.as_slice(), b.as_slice(), &mut y.buffer.as_mut_slice()[..n], whole);
            }
            other => unreachable!("the shape rule refuses {other}"),
        }
    }
}

fn zip<T: Copy>(a: &[T], b: &[T], y: &mut [T], f: impl Fn(T, T) -> T) {
    y.iter_mut().zip(a.iter().zip(b)).for_each(|(y, (&a, &b))| *y = f(a, b));
}

#[cfg(test)]
mod tests {
    use crate::{DType, Tensor};

    crate::cases! {
        rem: |x| (x[0] + 7.1).rem(&(x[1] + 3.4)); shapes [[3], [3]] [[2, 1], [3]] [[0], [1]] on 0.0..0.2  refuses [[2], [3]];
        fmod: |x| (x[0] - 7.1).fmod(&(x[1] + 3.4)); shapes [[3], [3]] [[2, 1], [3]] [[], [0]] on 0.0..0.2  refuses [[2], [3]];
        atan2: |x| x[0].atan2(x[1]); shapes [[2, 3], [2, 3]] [[2, 1], [3]] [[], []] [[0], [1]] on 0.4..2.0  refuses [[2], [3]];
        hypot: |x| x[0].hypot(x[1]); shapes [[2, 3], [2, 3]] [[2, 1], [3]] [[], []] [[0], [1]] on 0.4..2.0  refuses [[2], [3]];
    }

    /// torch.remainder and torch.fmod of the same numbers.
    #[test]
    fn remainders_are_those_of_pytorch() {
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        let a = Tensor::from_slice(&[5.0, -5.0, 5.0, -5.0, 1.0, -1.0, 1.0, inf, 1.0], [9]);
        let b = Tensor::from_slice(&[3.0, 3.0, -3.0, -3.0, inf, inf, -inf, 2.0, 0.0], [9]);
        let same = |y: Tensor, want: [f64; 9]| {
            let y = y.to_vec::<f64>();
            assert!(
                y.iter().zip(want).all(|(y, w)| *y == w || y.is_nan() && w.is_nan()),
                "{y:?}, not {want:?}"
            );
        };
        same(a.rem(&b), [2.0, 1.0, -1.0, -2.0, 1.0, inf, -inf, nan, nan]);
        same(a.fmod(&b), [2.0, -2.0, 2.0, -2.0, 1.0, -1.0, 1.0, nan, nan]);
        let (a, b) = (Tensor::from_slice(&[5i64, -5, 5], [3]), Tensor::from_slice(&[3i64, 3, -3], [3]));
        assert_eq!(a.rem(&b).to_vec::<i64>(), [2, 1, -1]);
        assert_eq!(a.fmod(&b).to_vec::<i64>(), [2, -2, 2]);
    }

    #[test]
    fn hypotenuses_do_not_overflow() {
        let x = Tensor::scalar(3e38f32);
        assert_eq!(x.hypot(&Tensor::scalar(0.0f32)).item() as f32, 3e38);
        let y = Tensor::scalar(3e200f64).hypot(&Tensor::scalar(4e200f64)).item();
        assert!((y / 5e200 - 1.0).abs() < 1e-15);
    }

    #[test]
    #[should_panic(expected = "rem: a whole number 3 has no remainder of a division by 0")]
    fn a_division_by_zero_has_no_whole_remainder() {
        Tensor::scalar(3i64).rem(&Tensor::scalar(0i64));
    }

    #[test]
    #[should_panic(expected = "atan2: needs a floating-point tensor, got i64 [2]")]
    fn angles_of_whole_numbers_are_refused() {
        Tensor::zeros([2], DType::I64).atan2(&Tensor::arange(2));
    }
}
