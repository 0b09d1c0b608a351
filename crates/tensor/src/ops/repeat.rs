//! Elements and whole tensors repeated.

use crate::dtype::DType;
use crate::ints::Ints;
use crate::tensor::Tensor;

impl Tensor {
    /// The tensor laid out some number of times along each axis, counted from the last one; missing axes and
    /// missing numbers are 1.
    ///
    /// # Shapes
    /// `[a, b]` to `[2, 3 a, b]` for the numbers `[2, 3, 1]`.
    ///
    /// # Gradient
    /// `dx` is `dy` summed over the repetitions.
    ///
    /// # Panics
    /// When a number is negative.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::arange(2).tile(2).to_vec::<i64>(), [0, 1, 0, 1]);
    /// ```
    #[track_caller]
    pub fn tile(&self, times: impl Into<Ints>) -> Tensor {
        let times = times.into();
        self.laid_out("tile", &times)
    }

    /// [`Tensor::tile`] with a number for each axis, and perhaps for new ones in front of them.
    ///
    /// # Shapes
    /// `[a, b]` to `[2, 3 a, b]` for the numbers `[2, 3, 1]`.
    ///
    /// # Gradient
    /// `dx` is `dy` summed over the repetitions.
    ///
    /// # Panics
    /// When there are fewer numbers than axes, or one is negative.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::arange(2).repeat([2, 1]).to_vec::<i64>(), [0, 1, 0, 1]);
    /// ```
    #[track_caller]
    pub fn repeat(&self, times: impl Into<Ints>) -> Tensor {
        let times = times.into();
        assert!(
            times.len() >= self.rank(),
            "repeat: {} numbers {times} for the {} axes of {}; give one an axis",
            times.len(),
            self.rank(),
            self.shape()
        );
        self.laid_out("repeat", &times)
    }

    #[track_caller]
    fn laid_out(&self, name: &str, times: &Ints) -> Tensor {
        assert!(
            times.iter().all(|&n| n >= 0),
            "{name}: {times} of {}; no number may be negative",
            self.shape()
        );
        let rank = times.len().max(self.rank());
        let mut all = vec![1; rank];
        for (to, &n) in all[rank - times.len()..].iter_mut().zip(times.iter()) {
            *to = n as usize;
        }
        let mut sizes = vec![1; rank - self.rank()];
        sizes.extend(self.shape().iter());
        let mut y = self.reshape(&sizes);
        // Axis by axis from the last one, so that no more than one axis is added at a time.
        for axis in (0..rank).rev().filter(|&axis| all[axis] != 1) {
            let mut around = sizes.clone();
            around.insert(axis, all[axis]);
            sizes[axis] *= all[axis];
            let (outer, rest) = around.split_at(axis);
            let flat = [outer.iter().product(), rest[0], rest[1..].iter().product::<usize>()];
            y = y.reshape([flat[0], 1, flat[2]]).broadcast_to(flat).reshape(&sizes);
        }
        y
    }

    /// Each element along an axis repeated, `n` times in its place.
    ///
    /// # Shapes
    /// `[a, b]` to `[a, n b]` for axis 1.
    ///
    /// # Gradient
    /// `dx` is `dy` summed over the repetitions.
    ///
    /// # Panics
    /// When the axis is out of range.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::arange(2).repeat_interleave(2, 0).to_vec::<i64>(), [0, 0, 1, 1]);
    /// ```
    #[track_caller]
    pub fn repeat_interleave(&self, n: usize, axis: isize) -> Tensor {
        let Some(at) = self.shape().axis(axis) else {
            panic!("repeat_interleave: {}", self.shape().no_axis(axis))
        };
        let shape = self.shape();
        let outer: usize = shape.iter().take(at + 1).product();
        let inner: usize = shape.iter().skip(at + 1).product();
        let y = self.reshape([outer, 1, inner]).broadcast_to([outer, n, inner]);
        y.reshape(shape.with(at, shape.at(at) * n))
    }

    /// Each element along an axis repeated as often as a list says. The result's size depends on the list's numbers,
    /// so a step with this is not recorded for replay.
    ///
    /// # Shapes
    /// `[a, b]` and a list `[b]` to `[a, Σ list]` for axis 1; a list of one number stands for all.
    ///
    /// # Gradient
    /// `dx` is `dy` summed over the repetitions.
    ///
    /// # Panics
    /// When the axis is out of range, or the list not one of as many `i64` numbers, none negative.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let times = Tensor::from_slice(&[1i64, 0, 2], [3]);
    /// assert_eq!(Tensor::arange(3).repeat_interleave_each(&times, 0).to_vec::<i64>(), [0, 2, 2]);
    /// ```
    #[track_caller]
    pub fn repeat_interleave_each(&self, times: &Tensor, axis: isize) -> Tensor {
        let Some(at) = self.shape().axis(axis) else {
            panic!("repeat_interleave_each: {}", self.shape().no_axis(axis))
        };
        let size = self.shape().at(at);
        assert!(
            times.dtype() == DType::I64 && times.rank() <= 1 && (times.numel() == size || times.numel() == 1),
            "repeat_interleave_each: the numbers {} {} do not fit axis {axis} of {}; give {size} of type i64",
            times.dtype(),
            times.shape(),
            self.shape()
        );
        let list = times.reshape([times.numel()]).broadcast_to([size]).to_vec::<i64>();
        let mut index = Vec::new();
        for (place, &n) in list.iter().enumerate() {
            let n = usize::try_from(n).unwrap_or_else(|_| {
                panic!(
                    "repeat_interleave_each: {n} times at place {place} for {}; none may be negative",
                    self.shape()
                )
            });
            index.resize(index.len() + n, place as i64);
        }
        self.index_select(axis, &Tensor::from_slice(&index, [index.len()]))
    }
}

#[cfg(test)]
mod tests {
    use crate::Tensor;

    crate::cases! {
        tile: |x| x[0].tile([2, 3]); shapes [[2, 3]] [[4]] [[]] [[2, 1, 2]] [[0, 2]];
        repeat: |x| x[0].repeat([2, 1, 2]); shapes [[2, 3]] [[0, 2]] [[1, 2, 2]] [[]]  refuses [[1, 1, 1, 1]];
        repeat_none: |x| x[0].repeat([2, 0]); shapes [[2, 3]];
        repeat_interleave: |x| x[0].repeat_interleave(2, -1); shapes [[2, 3]] [[1]] [[0]]  refuses [[]];
        repeat_interleave_each: |x| x[0].repeat_interleave_each(&Tensor::from_slice(&[2i64, 0, 1], [3]), 1);
            shapes [[0, 3]] [[2, 3]] [[1, 3, 2]]  refuses [[2, 2]] [[]];
    }

    /// `numpy.tile` and `numpy.repeat` of `arange(4).reshape(2, 2)`.
    #[test]
    fn values_are_those_of_numpy() {
        let x = Tensor::arange(4).reshape([2, 2]);
        assert_eq!(x.tile([2, 2]).to_vec::<i64>(), [0, 1, 0, 1, 2, 3, 2, 3, 0, 1, 0, 1, 2, 3, 2, 3]);
        assert_eq!(x.tile(2).to_vec::<i64>(), [0, 1, 0, 1, 2, 3, 2, 3]);
        assert_eq!(x.repeat_interleave(2, 0).to_vec::<i64>(), [0, 1, 0, 1, 2, 3, 2, 3]);
        assert_eq!(x.repeat_interleave(2, 1).to_vec::<i64>(), [0, 0, 1, 1, 2, 2, 3, 3]);
        assert_eq!(x.tile([2, 1, 1]).shape(), &[2, 2, 2]);
    }
}
