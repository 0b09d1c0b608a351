//! Positions of extrema.

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::dtype::DType;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::shape::Axes;
use crate::tensor::Tensor;

/// Which position is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgReduce {
    /// Of the greatest element.
    Max,
    /// Of the least element.
    Min,
}

#[derive(Debug)]
struct ArgReduction {
    kind: ArgReduce,
    axis: isize,
}

impl Op for ArgReduction {
    fn name(&self) -> &'static str {
        match self.kind {
            ArgReduce::Max => "argmax",
            ArgReduce::Min => "argmin",
        }
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let x = &inputs[0];
        check::float(self.name(), x)?;
        let axis = check::axis(self.name(), self.axis, &x.shape)?;
        let shape = x.shape.without(axis);
        if x.shape.at(axis) == 0 && shape.numel() > 0 {
            return Err(OpError::new(format!(
                "{}: axis {} of {} is empty; choose one with elements",
                self.name(),
                self.axis,
                x.shape
            )));
        }
        Ok(x.with_shape(shape).with_dtype(DType::I64))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, _: &mut Saved) -> Tensor {
        let axis = inputs[0].shape().axis(self.axis).expect("the shape rule accepted the axis");
        Tensor::run(&Kernel::ArgReduce(self.kind, axis), inputs, out)
    }

    fn vjp(&self, _: &Saved, _: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        unreachable!("results that are not floating-point are never tracked")
    }
}

#[track_caller]
fn position(x: &Tensor, kind: ArgReduce, axes: &Axes) -> Tensor {
    let name = if kind == ArgReduce::Max { "argmax" } else { "argmin" };
    let (flat, axis) = match axes {
        Axes::All => (Some(x.reshape([x.numel()])), 0),
        Axes::Some(list) => match list.as_slice() {
            &[axis] => (None, axis),
            several => panic!(
                "{name}: a position is counted along one axis or among all elements, not along {several:?} of {}; \
                 flatten these axes first",
                x.shape()
            ),
        },
    };
    let x = flat.as_ref().unwrap_or(x);
    match (x.dtype().is_real(), kind) {
        (true, _) => apply(ArgReduction { kind, axis }, &[x]),
        (false, ArgReduce::Max) => x.max_with_index(axis).indices,
        (false, ArgReduce::Min) => x.min_with_index(axis).indices,
    }
}

impl Tensor {
    /// The position of the greatest element along an axis, or with `..` among all in row-major order; the first of equal
    /// ones, and the first NaN if there is one.
    ///
    /// # Shapes
    /// The input's without the axis, or none; the result holds `i64`.
    ///
    /// # Gradient
    /// None: a position is constant nearly everywhere, and the result is never tracked.
    ///
    /// # Panics
    /// For an axis out of range or empty, and for several axes.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 0.0], [2, 2]);
    /// assert_eq!(x.argmax(-1).to_vec::<i64>(), [1, 0]);
    /// assert_eq!(x.argmax(..).item(), 2.0);
    /// ```
    #[track_caller]
    pub fn argmax(&self, axis: impl Into<Axes>) -> Tensor {
        position(self, ArgReduce::Max, &axis.into())
    }

    /// The position of the least element along an axis, or with `..` among all in row-major order; the first of equal
    /// ones, and the first NaN if there is one.
    ///
    /// # Shapes
    /// The input's without the axis, or none; the result holds `i64`.
    ///
    /// # Gradient
    /// None: a position is constant nearly everywhere, and the result is never tracked.
    ///
    /// # Panics
    /// For an axis out of range or empty, and for several axes.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 0.0], [2, 2]);
    /// assert_eq!(x.argmin(0).to_vec::<i64>(), [0, 1]);
    /// ```
    #[track_caller]
    pub fn argmin(&self, axis: impl Into<Axes>) -> Tensor {
        position(self, ArgReduce::Min, &axis.into())
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Tensor};

    #[test]
    fn positions_are_those_of_the_first_extremum() {
        let x = Tensor::from_slice(&[3.0f32, 1.0, 3.0, 1.0, f32::NAN, 0.0], [2, 3]).requires_grad();
        assert_eq!(x.argmax(-1).to_vec::<i64>(), [0, 1]);
        assert_eq!(x.argmin(1).to_vec::<i64>(), [1, 1]);
        assert_eq!(x.argmax(0).to_vec::<i64>(), [0, 1, 0]);
        assert_eq!(x.t().argmin(0).to_vec::<i64>(), [1, 1]);
        assert_eq!((x.argmax(..).item(), x.t().argmin(..).item()), (4.0, 3.0));
        assert!(!x.argmax(0).is_tracked());
    }

    #[test]
    fn whole_numbers_have_extrema() {
        let x = Tensor::from_slice(&[i64::MAX - 1, i64::MAX, 4, 4], [2, 2]);
        assert_eq!(x.argmax(1).to_vec::<i64>(), [1, 0]);
        assert_eq!(x.argmin(..).item(), 2.0);
    }

    #[test]
    #[should_panic(expected = "argmax: axis 0 of [0, 2] is empty")]
    fn there_is_no_greatest_of_nothing() {
        Tensor::zeros([0, 2], DType::F32).argmax(0);
    }

    #[test]
    #[should_panic(
        expected = "argmin: a position is counted along one axis or among all elements, not along [0, 1] of [2, 3]"
    )]
    fn several_axes_have_no_position() {
        Tensor::zeros([2, 3], DType::F32).argmin([0, 1]);
    }
}
