//! Parts of a tensor along an axis, and the reverse order: views without a copy.

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// Elements `start, start + step, ..` (`size` of them) along an axis.
#[derive(Debug)]
struct Slice {
    axis: isize,
    start: usize,
    step: isize,
    size: usize,
    name: &'static str,
}

impl Op for Slice {
    fn name(&self) -> &'static str {
        self.name
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let x = &inputs[0];
        let axis = check::axis(self.name, self.axis, &x.shape)?;
        let last = self.start as isize + self.step * (self.size as isize - 1);
        let there = x.shape.at(axis) as isize;
        if self.size > 0 && !(0..there).contains(&last.max(self.start as isize)) {
            return Err(OpError::new(format!(
                "{}: elements {}..{} do not exist along axis {} of {}, which has {there}",
                self.name,
                self.start,
                self.start + self.size,
                self.axis,
                x.shape
            )));
        }
        Ok(x.with_shape(x.shape.with(axis, self.size)))
    }

    fn forward(&self, inputs: &[&Tensor], _: &Spec, _: &mut Saved) -> Tensor {
        let axis = inputs[0].shape().axis(self.axis).expect("the shape rule accepted the axis");
        inputs[0].with_layout(inputs[0].layout().slice(axis, self.start, self.step, self.size))
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        let back = Unslice { axis: self.axis, start: self.start, step: self.step, shape: *saved.shape(0) };
        vec![Some(apply(back, &[&dy]).into())]
    }
}

/// The adjoint of a slice: zeros of the whole shape with the slice's elements in their places.
#[derive(Debug)]
struct Unslice {
    axis: isize,
    start: usize,
    step: isize,
    shape: Shape,
}

impl Op for Unslice {
    fn name(&self) -> &'static str {
        "unslice"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        Ok(inputs[0].with_shape(self.shape))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, _: &mut Saved) -> Tensor {
        let axis = self.shape.axis(self.axis).expect("the slice's shape rule accepted the axis");
        let size = inputs[0].shape().at(axis);
        let places = crate::layout::Layout::dense(self.shape).slice(axis, self.start, self.step, size);
        Tensor::run(&Kernel::Embed(places), inputs, out)
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        let size = saved.shape(0).size(self.axis);
        let slice = Slice { axis: self.axis, start: self.start, step: self.step, size, name: "narrow" };
        vec![Some(apply(slice, &[&dy]).into())]
    }
}

impl Tensor {
    /// A range of elements along an axis: `size` of them from `start` on. A view.
    ///
    /// # Shapes
    /// The input's with `size` along the axis.
    ///
    /// # Gradient
    /// `dx` is `dy` in its places, 0 elsewhere.
    ///
    /// # Panics
    /// When axis or range are out of range.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::arange(5).narrow(0, 1, 3).to_vec::<i64>(), [1, 2, 3]);
    /// ```
    #[track_caller]
    pub fn narrow(&self, axis: isize, start: usize, size: usize) -> Tensor {
        apply(Slice { axis, start, step: 1, size, name: "narrow" }, &[self])
    }

    /// The elements along an axis in reverse order. A view.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `dx` is `dy` in reverse order.
    ///
    /// # Panics
    /// When the axis is out of range.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::arange(3).flip(0).to_vec::<i64>(), [2, 1, 0]);
    /// ```
    #[track_caller]
    pub fn flip(&self, axis: isize) -> Tensor {
        let Some(at) = self.shape().axis(axis) else {
            panic!("flip: axis {axis} is out of range for shape {}", self.shape())
        };
        let size = self.shape().at(at);
        apply(Slice { axis, start: size.saturating_sub(1), step: -1, size, name: "flip" }, &[self])
    }
}

#[cfg(test)]
mod tests {
    crate::cases! {
        narrow: |x| x[0].narrow(1, 1, 2); shapes [[2, 3, 4]] [[0, 3]]  refuses [[3]] [[2, 2]];
        flip: |x| x[0].flip(-1); shapes [[2, 3]] [[1]] [[0]]  refuses [[]];
    }
}
