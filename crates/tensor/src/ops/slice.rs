//! Parts of a tensor along an axis, and the reverse order: views without a copy.

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::shape::{Axes, AxisSet, Shape};
use crate::span::Span;
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
                "{}: elements {}..{} do not exist along axis {} of {}, which has {there}; start and size must end within it",
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

    /// Elements of a span along an axis: `x.slice(0, 2..-1)`, `x.slice(1, Span::from(..).step(2))`. A view.
    ///
    /// # Shapes
    /// The input's with the number of elements in the span along the axis; places past an end stop there.
    ///
    /// # Gradient
    /// `dx` is `dy` in its places, 0 elsewhere.
    ///
    /// # Panics
    /// When the axis is out of range, or the step 0.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::arange(5).slice(0, 1..-1).to_vec::<i64>(), [1, 2, 3]);
    /// ```
    #[track_caller]
    pub fn slice(&self, axis: isize, span: impl Into<Span>) -> Tensor {
        let span = span.into();
        let Some(at) = self.shape().axis(axis) else { panic!("slice: {}", self.shape().no_axis(axis)) };
        let Some((start, size)) = span.on(self.shape().at(at)) else {
            panic!("slice: {span} along axis {axis} of {} never ends; the step must not be 0", self.shape())
        };
        apply(Slice { axis, start, step: span.step, size, name: "slice" }, &[self])
    }

    /// The part at one place along an axis, which is taken away: PyTorch's `select`. A view.
    ///
    /// # Shapes
    /// `[a, b, c]` to `[a, c]` for axis 1.
    ///
    /// # Gradient
    /// `dx` is `dy` in its place, 0 elsewhere.
    ///
    /// # Panics
    /// When axis or place are out of range; a negative place counts from the end.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::arange(6).reshape([2, 3]);
    /// assert_eq!(x.select_at(1, -1).to_vec::<i64>(), [2, 5]);
    /// ```
    #[track_caller]
    pub fn select_at(&self, axis: isize, place: isize) -> Tensor {
        let Some(at) = self.shape().axis(axis) else { panic!("select_at: {}", self.shape().no_axis(axis)) };
        let size = self.shape().at(at) as isize;
        assert!(
            (-size..size).contains(&place),
            "select_at: place {place} does not exist along axis {axis} of {}, which has {size}; negative places count from \
             the end",
            self.shape()
        );
        let start = place.rem_euclid(size) as usize;
        let part = apply(Slice { axis, start, step: 1, size: 1, name: "select_at" }, &[self]);
        part.reshape(self.shape().without(at))
    }

    /// The elements along an axis, or several, in reverse order. A view.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `dx` is `dy` in reverse order.
    ///
    /// # Panics
    /// When an axis is out of range or named twice.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::arange(4).reshape([2, 2]).flip([0, 1]).to_vec::<i64>(), [3, 2, 1, 0]);
    /// ```
    #[track_caller]
    pub fn flip(&self, axes: impl Into<Axes>) -> Tensor {
        let set = match AxisSet::of(&axes.into(), self.shape()) {
            Ok(set) => set,
            Err(what) => panic!("flip: {what}"),
        };
        let mut y = self.clone();
        for axis in (0..self.rank()).filter(|&axis| set.contains(axis)) {
            let size = self.shape().at(axis);
            let (start, axis) = (size.saturating_sub(1), axis as isize);
            y = apply(Slice { axis, start, step: -1, size, name: "flip" }, &[&y]);
        }
        y
    }
}

#[cfg(test)]
mod tests {
    use crate::{Span, Tensor};

    crate::cases! {
        narrow: |x| x[0].narrow(1, 1, 2); shapes [[2, 3, 4]] [[0, 3]]  refuses [[3]] [[2, 2]];
        slice: |x| x[0].slice(-1, Span::from(1..).step(2)); shapes [[2, 5]] [[1]] [[0]] [[2, 2]]  refuses [[]];
        slice_backwards: |x| x[0].slice(0, Span::from(..0).step(-2)); shapes [[5, 2]] [[1]] [[0, 2]];
        select_at: |x| x[0].select_at(1, -2); shapes [[2, 3, 4]] [[0, 2]]  refuses [[3]] [[2, 1]];
        flip: |x| x[0].flip(-1); shapes [[2, 3]] [[1]] [[0]]  refuses [[]];
        flip_several: |x| x[0].flip([0, -1]); shapes [[2, 3, 2]] [[2, 0]]  refuses [[]] [[2]];
    }

    #[test]
    fn whole_numbers_and_truth_values_have_parts_too() {
        let x = Tensor::arange(6).reshape([2, 3]);
        assert_eq!(x.slice(1, Span::from(..).step(-2)).to_vec::<i64>(), [2, 0, 5, 3]);
        let odd = Tensor::from_slice(&[false, true, false], [3]);
        assert_eq!(odd.select_at(0, 1).to_vec::<bool>(), [true]);
    }

    #[test]
    #[should_panic(expected = "slice: .. by 0 along axis 0 of [3] never ends; the step must not be 0")]
    fn a_step_of_0_is_refused() {
        Tensor::arange(3).slice(0, Span::from(..).step(0));
    }
}
