//! Borders around a tensor.

use crate::backend::Kernel;
use crate::tensor::Tensor;

/// What stands in the border that [`Tensor::pad`] adds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PadMode {
    /// A number.
    Constant(f64),
    /// What lies inside, mirrored at the outermost elements, which are not repeated: `c b | a b c | b a`.
    Reflect,
    /// The outermost elements: `a a | a b c | c c`.
    Replicate,
    /// What lies at the other end: `b c | a b c | a b`.
    Circular,
}

impl Tensor {
    /// A border around the tensor: `widths` says, from the last axis to the first, how many elements to put in front
    /// and behind, as PyTorch's `pad`. A negative width takes elements away.
    ///
    /// # Shapes
    /// `[a, b]` to `[a, b + left + right]` for the widths `[(left, right)]`.
    ///
    /// # Gradient
    /// `dx` is `dy` without the border, and what the border repeats added to where it came from.
    ///
    /// # Panics
    /// With more widths than axes, when more is taken away than there is, and when there is less inside than the
    /// border repeats: `Reflect` repeats all but the outermost element, `Circular` all, `Replicate` needs one element.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{PadMode, Tensor};
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0], [3]);
    /// assert_eq!(x.pad(&[(1, 0)], PadMode::Constant(9.0)).to_vec::<f32>(), [9.0, 1.0, 2.0, 3.0]);
    /// assert_eq!(x.pad(&[(2, 1)], PadMode::Reflect).to_vec::<f32>(), [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]);
    /// ```
    #[track_caller]
    pub fn pad(&self, widths: &[(isize, isize)], mode: PadMode) -> Tensor {
        assert!(
            widths.len() <= self.rank(),
            "pad: widths {widths:?} for {} axes, {} has {}; give at most one pair an axis, the last axis first",
            widths.len(),
            self.shape(),
            self.rank()
        );
        // All of them are judged before anything is computed.
        for (i, &(before, after)) in widths.iter().enumerate() {
            self.check_width(self.rank() - 1 - i, before, after, mode);
        }
        let mut y = self.clone();
        for (i, &(before, after)) in widths.iter().enumerate() {
            y = y.pad_axis((self.rank() - 1 - i) as isize, before, after, mode);
        }
        y
    }

    #[track_caller]
    fn check_width(&self, axis: usize, before: isize, after: isize, mode: PadMode) {
        let (size, shape) = (self.shape().at(axis) as isize, self.shape());
        let taken = (-before).max(0) + (-after).max(0);
        assert!(
            taken <= size,
            "pad: widths ({before}, {after}) take {taken} elements off axis {axis} of {shape}, which has {size}; take off fewer"
        );
        let border = before.max(after).max(0);
        let most = match mode {
            PadMode::Constant(_) => return,
            PadMode::Reflect => size - 1,
            // What repeats is what is left.
            PadMode::Circular => size - taken,
            PadMode::Replicate if size == 0 => 0,
            PadMode::Replicate => return,
        };
        assert!(
            border <= most.max(0),
            "pad: widths ({before}, {after}) along axis {axis} of {shape}; {mode:?} has at most {} elements to repeat",
            most.max(0)
        );
    }

    /// One axis made longer on both sides, or shorter.
    pub(super) fn pad_axis(&self, axis: isize, before: isize, after: isize, mode: PadMode) -> Tensor {
        let size = self.size(axis);
        let (cut_before, cut_after) = ((-before).max(0) as usize, (-after).max(0) as usize);
        let (before, after) = (before.max(0) as usize, after.max(0) as usize);
        let inner = size - cut_before - cut_after;
        let part = |start, n| self.narrow(axis, start, n);
        let middle = if inner == size { self.clone() } else { part(cut_before, inner) };
        if before + after == 0 {
            return middle;
        }
        let (front, back) = match mode {
            PadMode::Constant(x) => (self.border(axis, before, x), self.border(axis, after, x)),
            PadMode::Reflect => {
                let front = part(1.min(size - before), before).flip(axis);
                (front, part((size - after).saturating_sub(1), after).flip(axis))
            }
            PadMode::Replicate => (self.edge(axis, 0, before), self.edge(axis, size - 1, after)),
            PadMode::Circular => (middle.narrow(axis, inner - before, before), middle.narrow(axis, 0, after)),
        };
        Tensor::cat(&[&front, &middle, &back], axis)
    }

    /// `n` times the number `x` along an axis, without a history.
    fn border(&self, axis: isize, n: usize, x: f64) -> Tensor {
        let at = self.shape().axis(axis).expect("an axis that was counted");
        Tensor::run(&Kernel::Fill(x), &[], &self.spec().with_shape(self.shape().with(at, n)))
    }

    /// `n` times the element at a place along an axis.
    fn edge(&self, axis: isize, place: usize, n: usize) -> Tensor {
        let at = self.shape().axis(axis).expect("an axis that was counted");
        self.narrow(axis, place, 1).broadcast_to(self.shape().with(at, n))
    }
}

#[cfg(test)]
mod tests {
    use crate::{PadMode, Tensor};

    crate::cases! {
        pad: |x| x[0].pad(&[(1, 2), (0, 1)], PadMode::Constant(0.5));
            shapes [[2, 3]] [[2, 1, 2]] [[0, 2]] [[2, 0]]  refuses [[2]] [[]];
        pad_negative: |x| x[0].pad(&[(-1, 2), (1, -2)], PadMode::Constant(0.0)); shapes [[3, 4]]  refuses [[1, 2]];
        pad_reflect: |x| x[0].pad(&[(2, 1), (0, 1)], PadMode::Reflect); shapes [[2, 3]] [[2, 3, 4]] [[0, 2, 3]]
            refuses [[2, 2]] [[1, 3]] [[2]];
        pad_replicate: |x| x[0].pad(&[(3, 1), (1, -1)], PadMode::Replicate); shapes [[2, 3]] [[1, 2, 1]]
            refuses [[0, 0]] [[2]];
        pad_circular: |x| x[0].pad(&[(3, 1), (1, -1)], PadMode::Circular); shapes [[2, 3]] [[1, 2, 4]]
            refuses [[2, 2]] [[2]];
    }

    /// `numpy.pad` of `arange(3)` with (2, 2), modes reflect, edge, wrap, constant.
    #[test]
    fn values_are_those_of_numpy() {
        let x = Tensor::arange(3);
        let pad = |mode| x.pad(&[(2, 2)], mode).to_vec::<i64>();
        assert_eq!(pad(PadMode::Reflect), [2, 1, 0, 1, 2, 1, 0]);
        assert_eq!(pad(PadMode::Replicate), [0, 0, 0, 1, 2, 2, 2]);
        assert_eq!(pad(PadMode::Circular), [1, 2, 0, 1, 2, 0, 1]);
        assert_eq!(pad(PadMode::Constant(7.0)), [7, 7, 0, 1, 2, 7, 7]);
    }
}
