//! Elements where a mask of truth values holds.

use std::sync::Arc;

use crate::backend::{CustomKernel, HostArray, HostArrayMut, Kernel};
use crate::dtype::DType;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The running number of each true element, from 0; any number where there is none. Made from a mask of truth values.
#[derive(Debug)]
struct Count;

impl CustomKernel for Count {
    fn run(&self, inputs: &[HostArray<'_>], outputs: &mut [HostArrayMut<'_>]) {
        let n = inputs[0].shape.numel();
        let mask = &inputs[0].buffer.as_slice::<u8>()[..n];
        let out = &mut outputs[0].buffer.as_mut_slice::<i64>()[..n];
        let mut before = 0;
        for (to, &holds) in out.iter_mut().zip(mask) {
            *to = if holds != 0 { before } else { 0 };
            before += i64::from(holds != 0);
        }
    }
}

#[track_caller]
fn check_mask(name: &str, x: &Tensor, mask: &Tensor) {
    assert!(
        mask.dtype() == DType::Bool,
        "{name}: the mask must hold truth values, got {} {} for {}; compare first, or .cast(DType::Bool)",
        mask.dtype(),
        mask.shape(),
        x.shape()
    );
    assert!(
        x.shape().broadcast(mask.shape()).is_some(),
        "{name}: {} and the mask {} do not broadcast; sizes must be equal or 1, counted from the last axis",
        x.shape(),
        mask.shape()
    );
}

impl Tensor {
    /// This tensor with a number where the mask holds.
    ///
    /// # Shapes
    /// Tensor and mask broadcast together.
    ///
    /// # Gradient
    /// `dx` is `dy`, 0 where the mask holds.
    ///
    /// # Panics
    /// When the mask is not `bool`, or shapes do not broadcast.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let mask = Tensor::from_slice(&[true, false], [2]);
    /// assert_eq!(Tensor::arange(2).masked_fill(&mask, 7.0).to_vec::<i64>(), [7, 1]);
    /// ```
    #[track_caller]
    pub fn masked_fill(&self, mask: &Tensor, value: f64) -> Tensor {
        check_mask("masked_fill", self, mask);
        let number = Kernel::Fill(value);
        mask.select(&Tensor::run(&number, &[], &self.spec().with_shape(Shape::SCALAR)), self)
    }

    /// The elements where the mask holds, in row-major order. How many there are depends on the mask's numbers, so a
    /// step with this is not recorded for replay.
    ///
    /// # Shapes
    /// Tensor and mask broadcast together; the result is a list.
    ///
    /// # Gradient
    /// `dx` is `dy` in its places, 0 elsewhere.
    ///
    /// # Panics
    /// When the mask is not `bool`, or shapes do not broadcast.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let mask = Tensor::from_slice(&[true, false, true], [3]);
    /// assert_eq!(Tensor::arange(3).masked_select(&mask).to_vec::<i64>(), [0, 2]);
    /// ```
    #[track_caller]
    pub fn masked_select(&self, mask: &Tensor) -> Tensor {
        check_mask("masked_select", self, mask);
        let shape = self.shape().broadcast(mask.shape()).expect("checked above");
        let places = mask.broadcast_to(shape).true_places();
        self.broadcast_to(shape).at_places(&places)
    }

    /// This tensor with the elements of `src`, in row-major order, where the mask holds.
    ///
    /// # Shapes
    /// Tensor and mask broadcast together; `src` has at least as many elements as the mask has that hold.
    ///
    /// # Gradient
    /// `dx` is `dy`, 0 where the mask holds; `dsrc` is `dy` at the places that its elements went to.
    ///
    /// # Panics
    /// When the mask is not `bool`, shapes do not broadcast, element types differ, or `src` has too few elements.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let mask = Tensor::from_slice(&[true, false, true], [3]);
    /// let y = Tensor::arange(3).masked_scatter(&mask, &Tensor::from_slice(&[8i64, 9], [2]));
    /// assert_eq!(y.to_vec::<i64>(), [8, 1, 9]);
    /// ```
    #[track_caller]
    pub fn masked_scatter(&self, mask: &Tensor, src: &Tensor) -> Tensor {
        check_mask("masked_scatter", self, mask);
        let shape = self.shape().broadcast(mask.shape()).expect("checked above");
        let mask = mask.broadcast_to(shape);
        if src.numel() == 0 {
            // Nothing can be read; that is right only if nothing is asked for.
            let asked = mask.true_places().numel();
            assert!(asked == 0, "masked_scatter: {} has no elements, the mask takes {asked}", src.shape());
            return self.broadcast_to(shape);
        }
        let numbers = Tensor::run_custom(Arc::new(Count), &[&mask], &mask.spec().with_dtype(DType::I64));
        mask.select(&src.at_places(&numbers), &self.broadcast_to(shape))
    }

    /// The positions of the elements that are not 0, a row each, in row-major order. How many there are depends on
    /// the numbers, so a step with this is not recorded for replay.
    ///
    /// # Shapes
    /// `[a, b]` to `[n, 2]`
    ///
    /// # Gradient
    /// None: positions are whole numbers.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[0.0f32, 2.0, 3.0, 0.0], [2, 2]);
    /// assert_eq!(x.nonzero().to_vec::<i64>(), [0, 1, 1, 0]);
    /// ```
    pub fn nonzero(&self) -> Tensor {
        let (places, rank) = (self.detach().cast(DType::Bool).true_places().to_vec::<i64>(), self.rank());
        let mut rows = vec![0i64; places.len() * rank];
        // Nothing is written for a tensor without axes, whose rows are empty.
        for (row, &place) in rows.chunks_exact_mut(rank.max(1)).zip(&places) {
            let mut rest = place;
            for axis in (0..rank).rev() {
                let size = self.shape().at(axis) as i64;
                (row[axis], rest) = (rest % size, rest / size);
            }
        }
        Tensor::from_slice(&rows, [places.len(), rank])
    }

    /// The places of this mask's elements that hold.
    pub(super) fn true_places(&self) -> Tensor {
        let mask = self.to_vec::<bool>();
        let places: Vec<i64> =
            (0..).zip(&mask).filter(|(_, holds)| **holds).map(|(place, _)| place).collect();
        Tensor::from_slice(&places, [places.len()])
    }
}

#[cfg(test)]
mod tests {
    use crate::Tensor;

    fn mask() -> Tensor {
        Tensor::from_slice(&[true, false, true], [3])
    }

    crate::cases! {
        masked_fill: |x| x[0].masked_fill(&mask(), 0.5); shapes [[2, 3]] [[1]] [[0, 3]] [[2, 1]]  refuses [[2]];
        masked_select: |x| x[0].masked_select(&mask()); shapes [[2, 3]] [[2, 1]] [[0, 3]]  refuses [[2]];
        masked_scatter: |x| x[0].masked_scatter(&mask(), x[1]); shapes [[2, 3], [4]] [[3], [2, 2]] [[2, 1], [5]]
            [[0, 3], [2]] [[0, 3], [0]]  refuses [[2], [2]] [[3], [0]];
    }

    #[test]
    fn positions_of_what_is_not_zero() {
        let x = Tensor::from_slice(&[true, false, false, true], [1, 2, 2]);
        assert_eq!(x.nonzero().to_vec::<i64>(), [0, 0, 0, 0, 1, 1]);
        assert_eq!(Tensor::scalar(3i64).nonzero().shape(), &[1, 0]);
        assert_eq!(Tensor::scalar(0i64).nonzero().shape(), &[0, 0]);
        assert_eq!(Tensor::from_slice(&[0.0f32, f32::NAN], [2]).nonzero().to_vec::<i64>(), [1]);
    }

    #[test]
    #[should_panic(expected = "masked_fill: the mask must hold truth values, got i64 [2] for [2]")]
    fn a_mask_holds_truth_values() {
        Tensor::arange(2).masked_fill(&Tensor::arange(2), 0.0);
    }
}
