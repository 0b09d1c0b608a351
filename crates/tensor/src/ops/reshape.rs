//! The same numbers with another shape: axes joined, parted, added, taken away.

use std::ops::{RangeFrom, RangeFull, RangeInclusive};

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::ints::Ints;
use crate::op::{Op, OpError, Saved, Spec, apply};
use crate::shape::{Axes, AxisSet, Shape};
use crate::tensor::Tensor;

/// Axes next to each other: one and all behind it (`1`, `1..`), from one to another (`0..=1`), or all (`..`).
/// Negative ones count from the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AxisRange {
    /// The first axis.
    pub first: isize,
    /// The last axis.
    pub last: isize,
}

impl From<isize> for AxisRange {
    fn from(first: isize) -> AxisRange {
        AxisRange { first, last: -1 }
    }
}

impl From<RangeFrom<isize>> for AxisRange {
    fn from(range: RangeFrom<isize>) -> AxisRange {
        AxisRange { first: range.start, last: -1 }
    }
}

impl From<RangeInclusive<isize>> for AxisRange {
    fn from(range: RangeInclusive<isize>) -> AxisRange {
        AxisRange { first: *range.start(), last: *range.end() }
    }
}

impl From<RangeFull> for AxisRange {
    fn from(_: RangeFull) -> AxisRange {
        AxisRange { first: 0, last: -1 }
    }
}

#[derive(Debug)]
struct Reshape {
    shape: Shape,
    /// Whether it is an error when a copy is needed.
    view: bool,
}

impl Op for Reshape {
    fn name(&self) -> &'static str {
        if self.view { "view" } else { "reshape" }
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let x = &inputs[0];
        if x.shape.numel() != self.shape.numel() {
            return Err(OpError::new(format!(
                "{}: {} has {} elements, {} takes {}; the numbers must be equal",
                self.name(),
                x.shape,
                x.shape.numel(),
                self.shape,
                self.shape.numel()
            )));
        }
        Ok(x.with_shape(self.shape))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, _: &mut Saved) -> Tensor {
        match inputs[0].layout().reshape(&self.shape) {
            Some(layout) => inputs[0].with_layout(layout),
            None => Tensor::run(&Kernel::Copy, inputs, out),
        }
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        vec![Some(dy.reshape(saved.shape(0)).into())]
    }
}

/// The sizes with the -1 among them, if there is one, replaced by what fits `numel` elements.
#[track_caller]
fn whole(name: &str, sizes: &Ints, shape: &Shape, numel: usize) -> Shape {
    let mut list = [0; crate::shape::MAX_RANK];
    let (mut open, mut known) = (None, 1);
    for (i, &size) in sizes.iter().enumerate() {
        match size {
            -1 if open.is_none() => open = Some(i),
            0.. => {
                list[i] = size as usize;
                known *= size as usize;
            }
            _ => panic!("{name}: {sizes} for {shape}; sizes are at least 0, and one of them may be -1"),
        }
    }
    if let Some(i) = open {
        assert!(
            known > 0 && numel.is_multiple_of(known),
            "{name}: {numel} elements of {shape} do not fill {sizes}; the sizes besides -1 must divide that number"
        );
        list[i] = numel / known;
    }
    Shape::new(&list[..sizes.len()])
}

impl Tensor {
    /// The same elements, in the same order, with another shape. One size may be -1: the others decide it.
    ///
    /// # Shapes
    /// Any to any with as many elements.
    ///
    /// # Gradient
    /// `dx = dy` with the shape of `x`.
    ///
    /// # Panics
    /// When the numbers of elements differ, or -1 has no or no single solution.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::arange(6).reshape([2, -1]).shape(), &[2, 3]);
    /// ```
    #[track_caller]
    pub fn reshape(&self, sizes: impl Into<Ints>) -> Tensor {
        let shape = whole("reshape", &sizes.into(), self.shape(), self.numel());
        if shape == *self.shape() {
            return self.clone();
        }
        apply(Reshape { shape, view: false }, &[self])
    }

    /// The same memory with another shape: [`Tensor::reshape`] that refuses to copy.
    ///
    /// # Shapes
    /// Any to any with as many elements, if the elements lie so in memory that no copy is needed.
    ///
    /// # Gradient
    /// `dx = dy` with the shape of `x`.
    ///
    /// # Panics
    /// When the numbers of elements differ, or the elements would have to be copied.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::arange(6).view([-1, 2]).shape(), &[3, 2]);
    /// ```
    #[track_caller]
    pub fn view(&self, sizes: impl Into<Ints>) -> Tensor {
        let shape = whole("view", &sizes.into(), self.shape(), self.numel());
        assert!(
            shape.numel() != self.numel() || self.layout().reshape(&shape).is_some(),
            "view: {} does not lie in memory as {shape} would; .reshape({shape}) copies it",
            self.shape()
        );
        apply(Reshape { shape, view: true }, &[self])
    }

    /// Axes next to each other made one: `x.flatten(1)` joins all from axis 1 on, `x.flatten(0..=1)` the first two,
    /// `x.flatten(..)` all.
    ///
    /// # Shapes
    /// `[a, b, c]` to `[a, b c]` for `1`; a tensor without axes to `[1]`.
    ///
    /// # Gradient
    /// `dx = dy` with the shape of `x`.
    ///
    /// # Panics
    /// When an axis is out of range, or the last lies before the first.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{DType, Tensor};
    /// let x = Tensor::zeros([8, 3, 5], DType::F32);
    /// assert_eq!(x.flatten(1).shape(), &[8, 15]);
    /// assert_eq!(x.flatten(0..=1).shape(), &[24, 5]);
    /// ```
    #[track_caller]
    pub fn flatten(&self, axes: impl Into<AxisRange>) -> Tensor {
        let AxisRange { first, last } = axes.into();
        if self.rank() == 0 && matches!(first, -1 | 0) && matches!(last, -1 | 0) {
            return self.reshape([1]);
        }
        let axis = |axis: isize| match self.shape().axis(axis) {
            Some(at) => at,
            None => panic!("flatten: {}", self.shape().no_axis(axis)),
        };
        let (first, last) = (axis(first), axis(last));
        assert!(
            first <= last,
            "flatten: axis {last} lies before axis {first} in shape {}; give the first axis first",
            self.shape()
        );
        let mut sizes = self.shape().to_vec();
        let joined: usize = sizes.drain(first..=last).product();
        sizes.insert(first, joined);
        self.reshape(sizes)
    }

    /// One axis parted into several. One size may be -1: the others decide it.
    ///
    /// # Shapes
    /// `[a, b c]` to `[a, b, c]` for axis 1 and the sizes `[b, c]`.
    ///
    /// # Gradient
    /// `dx = dy` with the shape of `x`.
    ///
    /// # Panics
    /// When the axis is out of range, or the sizes do not multiply to its size.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::arange(12).unflatten(0, [3, -1]).shape(), &[3, 4]);
    /// ```
    #[track_caller]
    pub fn unflatten(&self, axis: isize, sizes: impl Into<Ints>) -> Tensor {
        let Some(at) = self.shape().axis(axis) else { panic!("unflatten: {}", self.shape().no_axis(axis)) };
        let (sizes, size) = (sizes.into(), self.shape().at(at));
        let parts = whole("unflatten", &sizes, self.shape(), size);
        assert!(
            parts.numel() == size && parts.rank() > 0,
            "unflatten: axis {axis} of {} has size {size}, the sizes {sizes} multiply to {}; one of them may be -1",
            self.shape(),
            parts.numel()
        );
        let mut all = self.shape().to_vec();
        all.splice(at..=at, parts.iter());
        self.reshape(all)
    }

    /// A new axis of size 1 at a position; -1 puts it last. A view.
    ///
    /// # Shapes
    /// `[a, b]` to `[a, 1, b]` for position 1.
    ///
    /// # Gradient
    /// `dx = dy` with the shape of `x`.
    ///
    /// # Panics
    /// When the position is out of range.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::arange(3).unsqueeze(-1).shape(), &[3, 1]);
    /// ```
    #[track_caller]
    pub fn unsqueeze(&self, axis: isize) -> Tensor {
        let rank = self.rank() as isize;
        let at = if axis < 0 { axis + rank + 1 } else { axis };
        assert!(
            (0..=rank).contains(&at),
            "unsqueeze: position {axis} is out of range for shape {}; 0 puts the new axis first, -1 last",
            self.shape()
        );
        let mut sizes = self.shape().to_vec();
        sizes.insert(at as usize, 1);
        self.reshape(sizes)
    }

    /// Axes of size 1 taken away: one (`-1`), several (`[0, 2]`), or all there are (`..`). A view.
    ///
    /// Unlike PyTorch's, an axis that is named must have size 1: what was meant as `[n, 1]` and is `[n, 2]` is a
    /// mistake that would go on unseen.
    ///
    /// # Shapes
    /// `[a, 1, b]` to `[a, b]` for axis 1.
    ///
    /// # Gradient
    /// `dx = dy` with the shape of `x`.
    ///
    /// # Panics
    /// When an axis is out of range or its size is not 1.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{DType, Tensor};
    /// assert_eq!(Tensor::zeros([3, 1], DType::F32).squeeze(-1).shape(), &[3]);
    /// assert_eq!(Tensor::zeros([1, 3, 1], DType::F32).squeeze(..).shape(), &[3]);
    /// ```
    #[track_caller]
    pub fn squeeze(&self, axes: impl Into<Axes>) -> Tensor {
        let axes = axes.into();
        let set = match &axes {
            Axes::All => AxisSet::where_true(self.rank(), |axis| self.shape().at(axis) == 1),
            named => match AxisSet::of(named, self.shape()) {
                Ok(set) => set,
                Err(what) => panic!("squeeze: {what}"),
            },
        };
        if let Some(wrong) = (0..self.rank()).find(|&axis| set.contains(axis) && self.shape().at(axis) != 1) {
            panic!(
                "squeeze: axis {wrong} of {} has size {}, not 1; only axes of size 1 can go",
                self.shape(),
                self.shape().at(wrong)
            );
        }
        self.reshape(set.reduce(self.shape(), false))
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Tensor};

    crate::cases! {
        reshape: |x| x[0].t().reshape([x[0].numel()]); shapes [[2, 3]] [[1, 4]] [[0, 2]];
        reshape_open: |x| x[0].reshape([-1, 2]); shapes [[2, 3]] [[4]] [[0, 2]]  refuses [[3]] [[]];
        view: |x| x[0].reshape([x[0].numel()]).view([2, -1]); shapes [[2, 3]] [[2]] [[0]]  refuses [[3]];
        flatten: |x| x[0].flatten(1); shapes [[2, 3, 4]] [[2, 3]] [[2, 0, 3]]  refuses [[3]];
        flatten_some: |x| x[0].flatten(0..=1); shapes [[2, 3, 4]] [[2, 3]] [[2, 0, 3]]  refuses [[3]];
        flatten_all: |x| x[0].flatten(..); shapes [[2, 3, 4]] [[2]] [[]];
        unflatten: |x| x[0].unflatten(-1, [2, -1]); shapes [[3, 4]] [[2]] [[0, 2]]  refuses [[3]] [[]];
        unsqueeze: |x| x[0].unsqueeze(1); shapes [[0]] [[2, 3]] [[4]]  refuses [[]];
        squeeze: |x| x[0].squeeze(1); shapes [[2, 1, 3]] [[2, 1]] [[0, 1]]  refuses [[2, 3]] [[2]];
        squeeze_several: |x| x[0].squeeze([0, -1]); shapes [[1, 2, 1]] [[1, 1]]  refuses [[1, 2]];
        squeeze_all: |x| x[0].squeeze(..); shapes [[1, 2, 1, 3]] [[1]] [[]] [[2]];
    }

    fn message(f: impl FnOnce() -> Tensor + std::panic::UnwindSafe) -> String {
        *std::panic::catch_unwind(f).expect_err("a refusal").downcast::<String>().expect("a message")
    }

    #[test]
    fn nine_axes_are_refused() {
        let x = Tensor::zeros([1; 8], DType::F32);
        let text = message(|| x.unsqueeze(0));
        assert!(text.contains("has 9 axes, the most is 8"), "{text}");
    }

    #[test]
    fn refusals_name_the_sizes() {
        let x = Tensor::zeros([2, 3], DType::F32);
        assert_eq!(
            message(|| x.reshape([4, -1])),
            "reshape: 6 elements of [2, 3] do not fill [4, -1]; the sizes besides -1 must divide that number"
        );
        assert_eq!(
            message(|| x.reshape([-1, -1])),
            "reshape: [-1, -1] for [2, 3]; sizes are at least 0, and one of them may be -1"
        );
        assert_eq!(
            message(|| x.t().view([6])),
            "view: [3, 2] does not lie in memory as [6] would; .reshape([6]) copies it"
        );
        assert_eq!(
            message(|| x.squeeze(0)),
            "squeeze: axis 0 of [2, 3] has size 2, not 1; only axes of size 1 can go"
        );
    }
}
