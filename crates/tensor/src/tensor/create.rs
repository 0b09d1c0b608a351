//! Tensors of regular numbers, and of nested arrays.

use super::Tensor;
use crate::dtype::{DType, Element};

/// A tensor with one axis.
///
/// # Examples
/// ```
/// # use talweg_tensor::Tensor;
/// assert_eq!(Tensor::from([1.0f32, 2.0]).shape(), &[2]);
/// assert_eq!(Tensor::from([[1i64, 2, 3], [4, 5, 6]]).shape(), &[2, 3]);
/// assert_eq!(Tensor::from([[[true], [false]]]).shape(), &[1, 2, 1]);
/// ```
impl<T: Element, const A: usize> From<[T; A]> for Tensor {
    fn from(numbers: [T; A]) -> Tensor {
        Tensor::from_slice(&numbers, [A])
    }
}

/// A tensor with two axes: rows, and the numbers of each.
impl<T: Element, const A: usize, const B: usize> From<[[T; B]; A]> for Tensor {
    fn from(rows: [[T; B]; A]) -> Tensor {
        Tensor::from_slice(rows.as_flattened(), [A, B])
    }
}

/// A tensor with three axes.
impl<T: Element, const A: usize, const B: usize, const C: usize> From<[[[T; C]; B]; A]> for Tensor {
    fn from(blocks: [[[T; C]; B]; A]) -> Tensor {
        Tensor::from_slice(blocks.as_flattened().as_flattened(), [A, B, C])
    }
}

/// Making tensors of regular numbers.
impl Tensor {
    /// The numbers `start, start + step, ..` before `end`, `start + i · step` each.
    ///
    /// # Panics
    /// When `step` is 0 or points away from `end`, or a number is not finite.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{DType, Tensor};
    /// assert_eq!(Tensor::range(1.0, 2.0, 0.25, DType::F32).to_vec::<f32>(), [1.0, 1.25, 1.5, 1.75]);
    /// assert_eq!(Tensor::range(3.0, 0.0, -1.0, DType::I64).to_vec::<i64>(), [3, 2, 1]);
    /// ```
    #[track_caller]
    pub fn range(start: f64, end: f64, step: f64, dtype: DType) -> Tensor {
        let count = (end - start) / step;
        assert!(
            step != 0.0 && count.is_finite() && count >= 0.0,
            "range: from {start} to {end} by {step} in {dtype}; the step must be finite, not 0, and point from the start to the end"
        );
        numbers(count.ceil() as usize, dtype, |i| start + i as f64 * step)
    }

    /// `count` numbers from `start` to `end`, both among them, at equal distances.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{DType, Tensor};
    /// assert_eq!(Tensor::linspace(0.0, 1.0, 5, DType::F32).to_vec::<f32>(), [0.0, 0.25, 0.5, 0.75, 1.0]);
    /// assert_eq!(Tensor::linspace(7.0, 9.0, 1, DType::F32).to_vec::<f32>(), [7.0]);
    /// ```
    pub fn linspace(start: f64, end: f64, count: usize, dtype: DType) -> Tensor {
        let step = if count > 1 { (end - start) / (count - 1) as f64 } else { 0.0 };
        // Counted from the nearer end, so that both ends are exact.
        numbers(count, dtype, |i| {
            if i < count.div_ceil(2) { start + i as f64 * step } else { end - (count - 1 - i) as f64 * step }
        })
    }

    /// `count` numbers from `base^start` to `base^end`, both among them, with equal quotients.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{DType, Tensor};
    /// assert_eq!(Tensor::logspace(0.0, 3.0, 4, 2.0, DType::F64).to_vec::<f64>(), [1.0, 2.0, 4.0, 8.0]);
    /// ```
    pub fn logspace(start: f64, end: f64, count: usize, base: f64, dtype: DType) -> Tensor {
        let powers = Tensor::linspace(start, end, count, DType::F64).to_vec::<f64>();
        numbers(count, dtype, |i| base.powf(powers[i]))
    }
}

fn numbers(count: usize, dtype: DType, at: impl Fn(usize) -> f64) -> Tensor {
    let all: Vec<f64> = (0..count).map(at).collect();
    Tensor::from_slice(&all, [count]).cast(dtype)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_exact_and_ranges_stop_before_theirs() {
        let x = Tensor::linspace(-0.1, 0.3, 1001, DType::F64).to_vec::<f64>();
        assert_eq!((x[0], x[1000], x.len()), (-0.1, 0.3, 1001));
        assert!(x.windows(2).all(|w| (w[1] - w[0] - 0.0004).abs() < 1e-15));
        assert_eq!(Tensor::linspace(1.0, 2.0, 0, DType::F32).numel(), 0);
        assert_eq!(Tensor::range(0.0, 1.0, 0.3, DType::F64).numel(), 4);
        assert_eq!(Tensor::range(2.0, 2.0, 1.0, DType::F64).numel(), 0);
    }

    #[test]
    fn powers_lie_at_equal_ratios() {
        let x = Tensor::logspace(3.0, -3.0, 7, 10.0, DType::F64).to_vec::<f64>();
        let want = [1e3, 1e2, 1e1, 1.0, 1e-1, 1e-2, 1e-3];
        // One rounding each of the exponent and of the power.
        assert!(x.iter().zip(want).all(|(x, want)| (x - want).abs() < 1e-14 * want), "{x:?}");
        assert_eq!(Tensor::logspace(2.0, 5.0, 1, 2.0, DType::F32).to_vec::<f32>(), [4.0]);
        assert_eq!(Tensor::logspace(0.0, 1.0, 0, 2.0, DType::F32).numel(), 0);
    }

    #[test]
    fn one_number_and_ones_on_the_diagonal() {
        let x = Tensor::scalar(-2.5f64);
        assert_eq!((x.rank(), x.numel(), x.dtype(), x.to_vec::<f64>()), (0, 1, DType::F64, vec![-2.5]));
        let i = Tensor::eye(3, DType::F32);
        assert_eq!(
            (i.shape().to_vec(), i.to_vec::<f32>()),
            (vec![3, 3], vec![1., 0., 0., 0., 1., 0., 0., 0., 1.])
        );
        assert_eq!(Tensor::eye(0, DType::F64).shape().to_vec(), [0, 0]);
    }

    #[test]
    fn bytes_are_numbers_in_the_order_of_the_machine() {
        let numbers = [1.5f32, -0.0, f32::INFINITY];
        let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_ne_bytes()).collect();
        let x = Tensor::from_bytes(&bytes, [3, 1], DType::F32);
        assert_eq!((x.to_vec::<f32>(), x.to_bytes()), (numbers.to_vec(), bytes));
        let x = Tensor::from_bytes(&(-2i64).to_ne_bytes(), [], DType::I64);
        assert_eq!(x.to_vec::<i64>(), [-2]);
        assert_eq!(Tensor::from_bytes(&[0, 1, 7], [3], DType::Bool).to_vec::<bool>(), [false, true, true]);
        assert_eq!(Tensor::from_bytes(&[], [2, 0], DType::F64).shape().to_vec(), [2, 0]);
    }

    #[test]
    #[should_panic(
        expected = "range: from 0 to 1 by -1 in f32; the step must be finite, not 0, and point from the start to the end"
    )]
    fn a_step_in_the_wrong_direction() {
        Tensor::range(0.0, 1.0, -1.0, DType::F32);
    }
}
