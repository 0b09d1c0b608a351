//! Elements carried round: along axes, and matrices turned.

use crate::ints::Ints;
use crate::tensor::Tensor;

impl Tensor {
    /// The elements moved on by some places along axes; those that leave at the end come in at the front.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `dx` is `dy` rolled back.
    ///
    /// # Panics
    /// When there are not as many shifts as axes, or an axis is out of range.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::arange(4).roll(1, 0).to_vec::<i64>(), [3, 0, 1, 2]);
    /// ```
    #[track_caller]
    pub fn roll(&self, shifts: impl Into<Ints>, axes: impl Into<Ints>) -> Tensor {
        let (shifts, axes) = (shifts.into(), axes.into());
        assert!(
            shifts.len() == axes.len(),
            "roll: shifts {shifts} for axes {axes} of {}; give one shift an axis",
            self.shape()
        );
        let mut y = self.clone();
        for (&shift, &axis) in shifts.iter().zip(axes.iter()) {
            let Some(at) = self.shape().axis(axis) else { panic!("roll: {}", self.shape().no_axis(axis)) };
            let size = self.shape().at(at);
            // The first element comes to this place.
            let first = if size == 0 { 0 } else { shift.rem_euclid(size as isize) as usize };
            if first > 0 {
                let (head, tail) = (y.narrow(axis, 0, size - first), y.narrow(axis, size - first, first));
                y = Tensor::cat(&[&tail, &head], axis);
            }
        }
        y
    }

    /// The elements moved on by some places, in row-major order over all axes: [`Tensor::roll`] of the tensor as one
    /// row.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `dx` is `dy` rolled back.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::arange(4).reshape([2, 2]).roll_all(1).to_vec::<i64>(), [3, 0, 1, 2]);
    /// ```
    pub fn roll_all(&self, shift: isize) -> Tensor {
        self.flatten(..).roll(shift, 0).reshape(self.shape())
    }

    /// The plane of two axes turned by quarters, from the first axis towards the second; negative numbers turn back.
    /// A view.
    ///
    /// # Shapes
    /// For the axes 0 and 1, `[a, b, c]` to `[b, a, c]` for an odd number of quarters.
    ///
    /// # Gradient
    /// `dx` is `dy` turned back.
    ///
    /// # Panics
    /// When an axis is out of range, or both are the same.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::arange(4).reshape([2, 2]);
    /// assert_eq!(x.rot90(1, [0, 1]).to_vec::<i64>(), [1, 3, 0, 2]);
    /// ```
    #[track_caller]
    pub fn rot90(&self, quarters: isize, axes: [isize; 2]) -> Tensor {
        let [a, b] = axes;
        match (self.shape().axis(a), self.shape().axis(b)) {
            (Some(i), Some(j)) if i != j => {}
            _ => panic!(
                "rot90: axes {a} and {b} are not two axes of shape {}; name two that exist",
                self.shape()
            ),
        }
        match quarters.rem_euclid(4) {
            0 => self.clone(),
            1 => self.flip(b).transpose(a, b),
            2 => self.flip([a, b]),
            _ => self.flip(a).transpose(a, b),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Tensor;

    crate::cases! {
        roll: |x| x[0].roll([1, -4], [0, -1]); shapes [[2, 3]] [[3, 1, 5]] [[0, 2]] [[2, 0]]  refuses [[]];
        roll_all: |x| x[0].roll_all(2); shapes [[2, 3]] [[1]] [[0]] [[]];
        rot90: |x| x[0].rot90(1, [0, -1]); shapes [[2, 3]] [[2, 1, 4]] [[0, 2]]  refuses [[3]] [[]];
        rot90_back: |x| x[0].rot90(-1, [1, 0]); shapes [[2, 3]] [[2, 2, 2]];
        rot90_twice: |x| x[0].rot90(2, [0, 1]); shapes [[2, 3]];
    }

    /// `numpy.roll` and `numpy.rot90` of `arange(6).reshape(2, 3)`.
    #[test]
    fn values_are_those_of_numpy() {
        let x = Tensor::arange(6).reshape([2, 3]);
        assert_eq!(x.roll([1, 1], [0, 1]).to_vec::<i64>(), [5, 3, 4, 2, 0, 1]);
        assert_eq!(x.roll(-1, 1).to_vec::<i64>(), [1, 2, 0, 4, 5, 3]);
        assert_eq!(x.rot90(1, [0, 1]).to_vec::<i64>(), [2, 5, 1, 4, 0, 3]);
        assert_eq!(x.rot90(3, [0, 1]).to_vec::<i64>(), [3, 0, 4, 1, 5, 2]);
        assert_eq!(x.rot90(-2, [0, 1]).to_vec::<i64>(), [5, 4, 3, 2, 1, 0]);
    }
}
