//! Distinct elements, counts, histograms and places in sorted rows.

use std::sync::Arc;

use talweg_kernels::Float;

use super::lines::{Number, number};
use crate::autograd::Grad;
use crate::backend::{CustomKernel, HostArray, HostArrayMut};
use crate::dtype::DType;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::tensor::Tensor;

/// The result of [`Tensor::unique`].
#[derive(Clone, Debug)]
pub struct Unique {
    /// Each element once, in order.
    pub values: Tensor,
    /// For each element of the input, in its shape, its position among the values; `i64`.
    pub inverse: Tensor,
    /// How often each value occurs; `i64`.
    pub counts: Tensor,
}

impl Tensor {
    /// Each element once, in order, with the positions that lead back and the counts. Every NaN counts as different.
    ///
    /// How many there are depends on the numbers, so a step with this cannot be recorded by [`crate::capture`].
    ///
    /// # Shapes
    /// Any; values and counts are lists, the inverse has the input's shape.
    ///
    /// # Gradient
    /// None: a tracked tensor is refused.
    ///
    /// # Panics
    /// When the tensor is tracked; for `bf16`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let y = Tensor::from_slice(&[3i64, 1, 3], [3]).unique();
    /// assert_eq!((y.values.to_vec::<i64>(), y.counts.to_vec::<i64>()), (vec![1, 3], vec![1, 2]));
    /// assert_eq!(y.inverse.to_vec::<i64>(), [1, 0, 1]);
    /// ```
    #[track_caller]
    pub fn unique(&self) -> Unique {
        constant("unique", self);
        let n = self.numel();
        let sorted = self.reshape([n]).sort(false, 0);
        let order = sorted.indices.to_vec::<i64>();
        let changes = match n {
            0 => Vec::new(),
            _ => sorted.values.narrow(0, 1, n - 1).ne(&sorted.values.narrow(0, 0, n - 1)).to_vec::<bool>(),
        };
        let (mut starts, mut counts, mut inverse) = (Vec::new(), Vec::<i64>::new(), vec![0i64; n]);
        for (k, &from) in order.iter().enumerate() {
            if k == 0 || changes[k - 1] {
                starts.push(k as i64);
                counts.push(0);
            }
            let last = counts.len() - 1;
            counts[last] += 1;
            inverse[from as usize] = last as i64;
        }
        Unique {
            values: sorted.values.gather(0, &Tensor::from_slice(&starts, [starts.len()])),
            inverse: Tensor::from_slice(&inverse, self.shape()),
            counts: Tensor::from_slice(&counts, [counts.len()]),
        }
    }

    /// How often each whole number occurs, `y[k] = #{i: x[i] = k}`, or the sum of their weights; at least `min_length`
    /// numbers are counted.
    ///
    /// The length depends on the numbers, so a step with this cannot be recorded by [`crate::capture`].
    ///
    /// # Shapes
    /// `x [n]` and, if there, weights `[n]` to `[max(max x + 1, min_length)]`, of `i64` or of the weights' type.
    ///
    /// # Gradient
    /// None: tracked weights are refused.
    ///
    /// # Panics
    /// When the tensor is no list of `i64`, holds a number below 0, or the weights do not fit or are tracked.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::from_slice(&[2i64, 0, 2], [3]).bincount(None, 0).to_vec::<i64>(), [1, 0, 2]);
    /// ```
    #[track_caller]
    pub fn bincount(&self, weights: Option<&Tensor>, min_length: usize) -> Tensor {
        let spec = self.spec();
        check::accept(
            check::index("bincount", &spec).and_then(|()| check::rank("bincount", &spec, 1, "a list")),
        );
        let bins: Vec<usize> = self.to_vec::<i64>().into_iter().map(bin).collect();
        let length = bins.iter().map(|bin| bin + 1).max().unwrap_or(0).max(min_length);
        let Some(weights) = weights else {
            let mut counts = vec![0i64; length];
            bins.iter().for_each(|&bin| counts[bin] += 1);
            return Tensor::from_slice(&counts, [length]);
        };
        constant("bincount", weights);
        assert!(
            weights.shape() == self.shape() && weights.dtype().is_float(),
            "bincount: the weights {} {} do not fit the numbers {}; give as many, of a floating-point type",
            weights.dtype(),
            weights.shape(),
            self.shape()
        );
        let mut sums = vec![0.0f64; length];
        bins.iter().zip(weights.cast(DType::F64).to_vec::<f64>()).for_each(|(&bin, w)| sums[bin] += w);
        Tensor::from_slice(&sums, [length]).cast(weights.dtype())
    }

    /// How many elements lie in each of `bins` intervals of one width between two numbers, the last one with its upper
    /// end. Others are not counted; where both numbers are the same, they are the least and the greatest element.
    ///
    /// # Shapes
    /// Any; the result is `[bins]`, of the input's type.
    ///
    /// # Gradient
    /// None: a tracked tensor is refused.
    ///
    /// # Panics
    /// When the tensor is tracked or not floating-point, there are no bins, or `low` is above `high`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[0.0f32, 1.0, 2.5, 4.0, 9.0], [5]);
    /// assert_eq!(x.histc(4, 0.0, 4.0).to_vec::<f32>(), [1.0, 1.0, 1.0, 1.0]);
    /// ```
    #[track_caller]
    pub fn histc(&self, bins: usize, low: f64, high: f64) -> Tensor {
        apply(Histc { bins, low, high }, &[self])
    }

    /// For each value, where it would stand in this sorted row: before equal elements, or behind them with `right`.
    /// NaN stands behind all numbers.
    ///
    /// # Shapes
    /// Row `[n]` with values of any shape, or rows `[.., n]` with values `[.., m]`; the result has the values' shape and
    /// holds `i64`.
    ///
    /// # Gradient
    /// None: positions are constant nearly everywhere, and the result is never tracked.
    ///
    /// # Panics
    /// When the shapes do not fit, or the element types differ; for `bf16`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let row = Tensor::from_slice(&[1.0f32, 2.0, 2.0], [3]);
    /// assert_eq!(row.searchsorted(&Tensor::scalar(2.0f32), false).item(), 1.0);
    /// assert_eq!(row.searchsorted(&Tensor::scalar(2.0f32), true).item(), 3.0);
    /// ```
    #[track_caller]
    pub fn searchsorted(&self, values: &Tensor, right: bool) -> Tensor {
        apply(SearchSorted { right }, &[self, values])
    }
}

#[track_caller]
fn constant(name: &str, x: &Tensor) {
    assert!(
        !x.is_tracked(),
        "{name}: has no derivative, but the tensor {} needs a gradient; give it x.detach()",
        x.shape()
    );
}

#[track_caller]
fn bin(x: i64) -> usize {
    match usize::try_from(x) {
        Ok(bin) => bin,
        Err(_) => panic!("bincount: counts i64 numbers from 0, got {x}; shift them up first"),
    }
}

/// Counts of elements in intervals.
#[derive(Clone, Copy, Debug)]
struct Histc {
    bins: usize,
    low: f64,
    high: f64,
}

impl Op for Histc {
    fn name(&self) -> &'static str {
        "histc"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        check::float("histc", &inputs[0])?;
        let ordered = self.low <= self.high && self.low.is_finite() && self.high.is_finite();
        if self.bins == 0 || !ordered {
            return Err(OpError::new(format!(
                "histc: {} bins from {} to {} are none, for {}; choose at least one, and finite ends in order",
                self.bins, self.low, self.high, inputs[0].shape
            )));
        }
        Ok(inputs[0].with_shape([self.bins]))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, _: &mut Saved) -> Tensor {
        Tensor::run_custom(Arc::new(*self), inputs, out)
    }

    fn vjp(&self, _: &Saved, _: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        unreachable!("it says that it has no derivative")
    }

    fn no_derivative(&self) -> Option<&'static str> {
        Some("a count does not change with its elements: give it x.detach()")
    }
}

impl CustomKernel for Histc {
    fn run(&self, inputs: &[HostArray<'_>], outputs: &mut [HostArrayMut<'_>]) {
        let (x, y) = (inputs[0].buffer, &mut outputs[0]);
        let n = inputs[0].shape.numel();
        match y.dtype {
            DType::F32 => self.count(&x.as_slice::<f32>()[..n], y.buffer.as_mut_slice::<f32>(), f64::from),
            DType::F64 => self.count(&x.as_slice::<f64>()[..n], y.buffer.as_mut_slice::<f64>(), |x| x),
            other => unreachable!("the shape rule refuses {other}"),
        }
    }
}

impl Histc {
    fn count<T: Float>(self, x: &[T], y: &mut [T], number: fn(T) -> f64) {
        let y = &mut y[..self.bins];
        y.fill(T::ZERO);
        let (mut low, mut high) = (self.low, self.high);
        if low == high {
            let ends = x.iter().map(|&x| number(x));
            let (least, most) =
                (ends.clone().fold(f64::INFINITY, f64::min), ends.fold(f64::NEG_INFINITY, f64::max));
            (low, high) = if x.is_empty() { (low, high) } else { (least, most) };
        }
        if low == high {
            (low, high) = (low - 1.0, high + 1.0);
        }
        for x in x.iter().map(|&x| number(x)).filter(|x| (low..=high).contains(x)) {
            let bin = ((x - low) / (high - low) * self.bins as f64) as usize;
            y[bin.min(self.bins - 1)] += T::ONE;
        }
    }
}

/// Places of values in sorted rows.
#[derive(Clone, Copy, Debug)]
struct SearchSorted {
    right: bool,
}

impl Op for SearchSorted {
    fn name(&self) -> &'static str {
        "searchsorted"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let [rows, values] = inputs else { unreachable!("two inputs") };
        check::alike("searchsorted", inputs)?;
        if rows.dtype.is_real() && !rows.dtype.is_float() {
            check::float("searchsorted", rows)?;
        }
        let (r, v) = (rows.shape.rank(), values.shape.rank());
        let batched = r > 1 && r == v && rows.shape.front(r - 1) == values.shape.front(r - 1);
        if r != 1 && !batched {
            return Err(OpError::new(format!(
                "searchsorted: the rows and the values differ besides the last axis, got {}; give one sorted row, or one for each \
                 row of values",
                check::shapes(inputs)
            )));
        }
        Ok(values.with_dtype(DType::I64))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, _: &mut Saved) -> Tensor {
        Tensor::run_custom(Arc::new(*self), inputs, out)
    }

    fn vjp(&self, _: &Saved, _: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        unreachable!("results that are not floating-point are never tracked")
    }
}

impl CustomKernel for SearchSorted {
    fn run(&self, inputs: &[HostArray<'_>], outputs: &mut [HostArrayMut<'_>]) {
        let (rows, values) = (&inputs[0], &inputs[1]);
        let (n, count) = (rows.shape.size(-1), values.shape.numel());
        // One row serves all values; of several, each serves as many as a line of the values has.
        let share = if rows.shape.rank() == 1 { count } else { values.shape.size(-1) };
        let to = &mut outputs[0].buffer.as_mut_slice::<i64>()[..count];
        number!("searchsorted", rows.dtype, T => {
            let (rows, values) = (rows.buffer.as_slice::<T>(), values.buffer.as_slice::<T>());
            for (k, (to, value)) in to.iter_mut().zip(values).enumerate() {
                let first = k / share * n;
                let row = &rows[first..first + n];
                *to = match self.right {
                    true => row.partition_point(|x| !x.order(*value).is_gt()),
                    false => row.partition_point(|x| x.order(*value).is_lt()),
                } as i64;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Rng, Tensor};

    /// `torch.unique(x, return_inverse=True, return_counts=True)`
    #[test]
    fn distinct_elements_are_those_of_pytorch() {
        let nan = f64::NAN;
        let y = Tensor::from_slice(&[3.0, 2.0, 3.0, nan, nan, 2.0], [2, 3]).unique();
        assert_eq!(format!("{:?}", y.values.to_vec::<f64>()), "[2.0, 3.0, NaN, NaN]");
        assert_eq!(
            (y.inverse.shape().to_vec(), y.inverse.to_vec::<i64>()),
            (vec![2, 3], vec![1, 0, 1, 2, 3, 0])
        );
        assert_eq!(y.counts.to_vec::<i64>(), [2, 2, 1, 1]);
        let y = Tensor::from_slice(&[true, false, true], [3]).unique();
        assert_eq!((y.values.to_vec::<bool>(), y.counts.to_vec::<i64>()), (vec![false, true], vec![1, 2]));
        let y = Tensor::zeros([2, 0], DType::I64).unique();
        assert_eq!((y.values.numel(), y.inverse.shape().to_vec(), y.counts.numel()), (0, vec![2, 0], 0));
    }

    #[test]
    fn numbers_are_counted_and_weighed() {
        let x = Tensor::from_slice(&[3i64, 1, 3], [3]);
        assert_eq!(x.bincount(None, 6).to_vec::<i64>(), [0, 1, 0, 2, 0, 0]);
        let weights = Tensor::from_slice(&[0.5f32, 2.0, 0.25], [3]);
        assert_eq!(x.bincount(Some(&weights), 0).to_vec::<f32>(), [0.0, 2.0, 0.0, 0.75]);
        assert_eq!(Tensor::zeros([0], DType::I64).bincount(None, 0).numel(), 0);
    }

    /// torch.histc of the same numbers.
    #[test]
    fn histc_counts_as_pytorch() {
        let x = Tensor::from_slice(&[0.0f32, 1.0, 2.0, 3.0, f32::NAN, 4.0], [6]);
        assert_eq!(x.histc(4, 0.0, 4.0).to_vec::<f32>(), [1.0, 1.0, 1.0, 2.0]);
        let x = Tensor::from_slice(&[0.0f64, 1.0, 2.0, 3.0, 4.0], [5]);
        assert_eq!(x.histc(4, 0.0, 0.0).to_vec::<f64>(), [1.0, 1.0, 1.0, 2.0]);
        assert_eq!(Tensor::full([2], 2.0, DType::F64).histc(3, 0.0, 0.0).to_vec::<f64>(), [0.0, 2.0, 0.0]);
        assert_eq!(Tensor::zeros([0], DType::F64).histc(2, 0.0, 0.0).to_vec::<f64>(), [0.0, 0.0]);
    }

    #[test]
    fn searchsorted_finds_the_places_of_a_plain_count() {
        let rng = &mut Rng::seed(8);
        let round = |x: Tensor| x.round();
        let rows = round(rng.uniform([3, 7], 0.0, 6.0, DType::F64)).sort(false, -1).values;
        let values = round(rng.uniform([3, 5], -1.0, 7.0, DType::F64));
        for right in [false, true] {
            let y = rows.searchsorted(&values, right).to_vec::<i64>();
            for (k, value) in values.to_vec::<f64>().into_iter().enumerate() {
                let row = &rows.to_vec::<f64>()[k / 5 * 7..][..7];
                let want = row.iter().filter(|&&x| x < value || right && x == value).count();
                assert_eq!(y[k], want as i64, "{value} in {row:?}");
            }
        }
        // torch.searchsorted of the same numbers: NaN stands at the end.
        let row = Tensor::from_slice(&[1.0, 2.0, 2.0, 3.0], [4]);
        let values = Tensor::from_slice(&[2.0, f64::NAN, 0.0, 9.0], [2, 2]);
        assert_eq!(row.searchsorted(&values, false).to_vec::<i64>(), [1, 4, 0, 4]);
        assert_eq!(row.searchsorted(&values, true).to_vec::<i64>(), [3, 4, 0, 4]);
        assert_eq!(Tensor::zeros([0], DType::F64).searchsorted(&values, true).to_vec::<i64>(), [0; 4]);
    }

    #[test]
    #[should_panic(
        expected = "histc: has no derivative, but input 0 [3] needs a gradient; a count does not change"
    )]
    fn counts_have_no_derivative() {
        Tensor::ones([3], DType::F32).requires_grad().histc(2, 0.0, 1.0);
    }

    #[test]
    #[should_panic(
        expected = "unique: has no derivative, but the tensor [3] needs a gradient; give it x.detach()"
    )]
    fn distinct_elements_have_no_derivative() {
        Tensor::ones([3], DType::F32).requires_grad().unique();
    }

    #[test]
    #[should_panic(expected = "bincount: counts i64 numbers from 0, got -1; shift them up first")]
    fn numbers_below_zero_are_not_counted() {
        Tensor::from_slice(&[-1i64], [1]).bincount(None, 0);
    }

    #[test]
    #[should_panic(
        expected = "searchsorted: the rows and the values differ besides the last axis, got [2, 3] x [4]; give one"
    )]
    fn rows_must_fit_the_values() {
        Tensor::zeros([2, 3], DType::F32).searchsorted(&Tensor::zeros([4], DType::F32), false);
    }
}
