//! Comparisons, choices and logic. Truth values carry no gradient.

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::dtype::DType;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::tensor::Tensor;

/// Comparisons of two tensors, and logic of two truth values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// `a = b`
    Eq,
    /// `a ≠ b`
    Ne,
    /// `a < b`
    Lt,
    /// `a ≤ b`
    Le,
    /// `a > b`
    Gt,
    /// `a ≥ b`
    Ge,
    /// `a and b`, where any number but 0 is true
    And,
    /// `a or b`, likewise
    Or,
    /// Either `a` or `b`, likewise
    Xor,
}

impl Compare {
    /// The method's name.
    pub const fn name(self) -> &'static str {
        match self {
            Compare::Eq => "eq",
            Compare::Ne => "ne",
            Compare::Lt => "lt",
            Compare::Le => "le",
            Compare::Gt => "gt",
            Compare::Ge => "ge",
            Compare::And => "logical_and",
            Compare::Or => "logical_or",
            Compare::Xor => "logical_xor",
        }
    }
}

impl Op for Compare {
    fn name(&self) -> &'static str {
        (*self).name()
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let [a, b] = inputs else { unreachable!("two inputs") };
        check::alike(Op::name(self), inputs)?;
        let shape = check::broadcast(Op::name(self), a, b)?;
        Ok(a.with_shape(shape).with_dtype(DType::Bool))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, _: &mut Saved) -> Tensor {
        Tensor::run(&Kernel::Compare(*self), inputs, out)
    }

    fn vjp(&self, _: &Saved, _: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        unreachable!("results that are not floating-point are never tracked")
    }
}

macro_rules! comparisons {
    ($($(#[$doc:meta])* $variant:ident $name:ident;)*) => {
        impl Tensor {
            $(
                $(#[$doc])*
                ///
                /// # Shapes
                /// Broadcast together; the result holds `bool`.
                ///
                /// # Gradient
                /// None: a truth value is constant nearly everywhere, and the result is never tracked.
                ///
                /// # Panics
                /// When the shapes do not broadcast, or element types or devices differ.
                #[track_caller]
                pub fn $name(&self, b: &Tensor) -> Tensor {
                    apply(Compare::$variant, &[self, b])
                }
            )*
        }
    };
}

comparisons! {
    /// Where `a = b`. NaN equals nothing.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let (a, b) = (Tensor::arange(3), Tensor::scalar(1i64));
    /// assert_eq!(a.eq(&b).to_vec::<bool>(), [false, true, false]);
    /// ```
    Eq eq;
    /// Where `a ≠ b`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::arange(3).ne(&Tensor::scalar(1i64)).to_vec::<bool>(), [true, false, true]);
    /// ```
    Ne ne;
    /// Where `a < b`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::arange(3).lt(&Tensor::scalar(1i64)).to_vec::<bool>(), [true, false, false]);
    /// ```
    Lt lt;
    /// Where `a ≤ b`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::arange(3).le(&Tensor::scalar(1i64)).to_vec::<bool>(), [true, true, false]);
    /// ```
    Le le;
    /// Where `a > b`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::arange(3).gt(&Tensor::scalar(1i64)).to_vec::<bool>(), [false, false, true]);
    /// ```
    Gt gt;
    /// Where `a ≥ b`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::arange(3).ge(&Tensor::scalar(1i64)).to_vec::<bool>(), [false, true, true]);
    /// ```
    Ge ge;
    /// Where both truth values hold. Any number but 0 is true, NaN too.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let a = Tensor::from_slice(&[true, true], [2]);
    /// assert_eq!(a.logical_and(&Tensor::from_slice(&[true, false], [2])).to_vec::<bool>(), [true, false]);
    /// ```
    And logical_and;
    /// Where one of two truth values holds, or both. Any number but 0 is true, NaN too.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let a = Tensor::from_slice(&[false, true], [2]);
    /// assert_eq!(a.logical_or(&Tensor::from_slice(&[false, false], [2])).to_vec::<bool>(), [false, true]);
    /// ```
    Or logical_or;
    /// Where exactly one of two truth values holds. Any number but 0 is true, NaN too.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let a = Tensor::from_slice(&[false, true], [2]);
    /// assert_eq!(a.logical_xor(&Tensor::from_slice(&[true, true], [2])).to_vec::<bool>(), [true, false]);
    /// ```
    Xor logical_xor;
}

#[derive(Debug)]
struct Select;

impl Op for Select {
    fn name(&self) -> &'static str {
        "select"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let [condition, a, b] = inputs else { unreachable!("three inputs") };
        if condition.dtype != DType::Bool {
            return Err(OpError::new(format!(
                "select: the condition must hold truth values, got {} {}; compare first, or .cast(DType::Bool)",
                condition.dtype, condition.shape
            )));
        }
        check::alike("select", &[*a, *b])?;
        let values = a.with_shape(check::broadcast("select", a, b)?);
        Ok(values.with_shape(check::broadcast("select", condition, &values)?))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        saved.keep_input(0, inputs[0]);
        Tensor::run(&Kernel::Where, inputs, out)
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, needs: &[bool]) -> Vec<Option<Grad>> {
        let (condition, zero) = (saved.input(0), Tensor::full([], 0.0, dy.dtype()));
        let da = needs[1].then(|| condition.select(&dy, &zero).into());
        let db = needs[2].then(|| condition.select(&zero, &dy).into());
        vec![None, da, db]
    }
}

impl Tensor {
    /// Elements of `a` where this truth value holds, of `b` elsewhere.
    ///
    /// # Shapes
    /// All three broadcast together.
    ///
    /// # Gradient
    /// `da = dy` where true, `db = dy` where false, 0 elsewhere.
    ///
    /// # Panics
    /// When this tensor is not `bool`, shapes do not broadcast, or the types of `a` and `b` differ.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let (a, b) = (Tensor::scalar(1.0f32), Tensor::scalar(2.0f32));
    /// assert_eq!(Tensor::from_slice(&[true, false], [2]).select(&a, &b).to_vec::<f32>(), [1.0, 2.0]);
    /// ```
    #[track_caller]
    pub fn select(&self, a: &Tensor, b: &Tensor) -> Tensor {
        apply(Select, &[self, a, b])
    }

    /// The opposite truth values: where a number is 0.
    ///
    /// # Shapes
    /// Any; the result has the same and holds `bool`.
    ///
    /// # Gradient
    /// None: the result is never tracked.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::scalar(true).logical_not().to_vec::<bool>(), [false]);
    /// ```
    pub fn logical_not(&self) -> Tensor {
        self.eq(&Tensor::zeros([], self.dtype()))
    }
}

#[cfg(test)]
mod tests {
    use crate::Tensor;

    crate::cases! {
        select: |x| x[0].detach().gt(&Tensor::scalar(0.0)).select(x[0], x[1]);
            shapes [[2, 3], [2, 3]] [[2, 1], [3]] [[4], []] [[0], [0]]  refuses [[2], [3]];
    }

    #[test]
    fn every_type_compares() {
        let (a, b) = (Tensor::from_slice(&[1i64, 2, 3], [3]), Tensor::from_slice(&[2i64, 2, 2], [3]));
        assert_eq!(a.lt(&b).to_vec::<bool>(), [true, false, false]);
        let (a, b) = (a.cast(crate::DType::U8), b.cast(crate::DType::U8));
        assert_eq!(a.ge(&b).to_vec::<bool>(), [false, true, true]);
        let nan = Tensor::scalar(f32::NAN);
        assert!(nan.ne(&nan).to_vec::<bool>()[0] && !nan.eq(&nan).to_vec::<bool>()[0]);
    }

    #[test]
    fn relations_and_logic_are_those_of_numbers_and_truth_values() {
        let (a, b) = (Tensor::from_slice(&[1.0f64, 2.0, 3.0], [3]), Tensor::scalar(2.0f64));
        let relations: [(fn(&Tensor, &Tensor) -> Tensor, fn(&f64, &f64) -> bool); 6] = [
            (Tensor::eq, f64::eq),
            (Tensor::ne, f64::ne),
            (Tensor::lt, f64::lt),
            (Tensor::le, f64::le),
            (Tensor::gt, f64::gt),
            (Tensor::ge, f64::ge),
        ];
        for (number, (ours, theirs)) in relations.into_iter().enumerate() {
            let want: Vec<bool> = a.to_vec::<f64>().iter().map(|x| theirs(x, &2.0)).collect();
            assert_eq!(ours(&a, &b).to_vec::<bool>(), want, "relation {number}");
        }
        let (p, q) = (Tensor::from_slice(&[false, true], [2, 1]), Tensor::from_slice(&[false, true], [1, 2]));
        assert_eq!(p.logical_and(&q).to_vec::<bool>(), [false, false, false, true]);
        assert_eq!(p.logical_or(&q).to_vec::<bool>(), [false, true, true, true]);
        assert_eq!(p.logical_xor(&q).to_vec::<bool>(), [false, true, true, false]);
        let (x, y) = (Tensor::from_slice(&[0.0f64, f64::NAN, -2.0], [3]), Tensor::scalar(0.5));
        assert_eq!(x.logical_and(&y).to_vec::<bool>(), [false, true, true]);
        assert_eq!(x.logical_xor(&y).to_vec::<bool>(), [true, false, false]);
        assert_eq!(x.logical_not().to_vec::<bool>(), [true, false, false]);
        assert!(!a.requires_grad().le(&b).is_tracked());
    }

    #[test]
    #[should_panic(expected = "select: the condition must hold truth values, got f32 [2]")]
    fn a_condition_is_a_truth_value() {
        let x = Tensor::ones([2], crate::DType::F32);
        x.select(&x, &x);
    }
}
