//! Sorting, and elements at a place in the order: positions are found by a loop, and the elements there gathered, so
//! that a gradient goes back to where each came from.

use std::cmp::Ordering;
use std::sync::Arc;

use super::lines::{Lines, Number, number};
use crate::autograd::Grad;
use crate::backend::{CustomKernel, HostArray, HostArrayMut};
use crate::dtype::DType;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::tensor::Tensor;

/// Elements of a tensor, and where they stood along the axis.
#[derive(Clone, Debug)]
pub struct Indexed {
    /// The elements.
    pub values: Tensor,
    /// Their positions along the axis, `i64`.
    pub indices: Tensor,
}

macro_rules! indexed {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $t:ty),*) = |$axis:ident| $kind:expr, keep $keep:expr;)*) => {
        impl Tensor {
            $(
                $(#[$doc])*
                #[track_caller]
                pub fn $name(&self, $($arg: $t,)* axis: isize) -> Indexed {
                    let $axis = axis;
                    let indices = apply(Positions { name: stringify!($name), kind: $kind, axis }, &[self]);
                    let values = self.gather(axis, &indices);
                    match $keep {
                        true => Indexed { values, indices },
                        false => Indexed { values: values.squeeze(axis), indices: indices.squeeze(axis) },
                    }
                }
            )*
        }
    };
}

indexed! {
    /// The elements in order along an axis, equal ones in the order in which they stood. NaN comes after all numbers;
    /// descending, before them.
    ///
    /// # Shapes
    /// Any with the axis; values and indices have the same.
    ///
    /// # Gradient
    /// Of the values: `dx[indices[i]] = dy[i]`.
    ///
    /// # Panics
    /// When the axis is out of range; for `bf16`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let y = Tensor::from_slice(&[2.0f32, 3.0, 1.0], [3]).sort(false, -1);
    /// assert_eq!((y.values.to_vec::<f32>(), y.indices.to_vec::<i64>()), (vec![1.0, 2.0, 3.0], vec![2, 0, 1]));
    /// ```
    sort(descending: bool) = |_axis| Kind::Sort { descending }, keep true;
    /// The `k` greatest elements along an axis, or the least, in that order; the first of equal ones. NaN is greater
    /// than all numbers.
    ///
    /// # Shapes
    /// The input's, with `k` elements along the axis.
    ///
    /// # Gradient
    /// Of the values: `dx[indices[i]] = dy[i]`, 0 elsewhere.
    ///
    /// # Panics
    /// When the axis is out of range or has fewer elements; for `bf16`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let y = Tensor::from_slice(&[2.0f32, 3.0, 1.0], [3]).topk(2, true, -1);
    /// assert_eq!((y.values.to_vec::<f32>(), y.indices.to_vec::<i64>()), (vec![3.0, 2.0], vec![1, 0]));
    /// ```
    topk(k: usize, largest: bool) = |_axis| Kind::Top { k, largest }, keep true;
    /// The `k`-th least element along an axis, counted from 1; the first of equal ones. NaN is greater than all numbers.
    ///
    /// # Shapes
    /// The input's without the axis.
    ///
    /// # Gradient
    /// Of the value: `dx[index] = dy`, 0 elsewhere.
    ///
    /// # Panics
    /// When the axis is out of range, or `k` is 0 or above its number of elements; for `bf16`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::from_slice(&[2.0f32, 3.0, 1.0], [3]).kthvalue(3, -1).values.item(), 3.0);
    /// ```
    kthvalue(k: usize) = |_axis| Kind::Kth(k), keep false;
    /// The element in the middle of the order along an axis, the lower one of two; NaN if one is.
    ///
    /// # Shapes
    /// The input's without the axis.
    ///
    /// # Gradient
    /// Of the value: `dx[index] = dy`, 0 elsewhere.
    ///
    /// # Panics
    /// When the axis is out of range or empty; for `bf16`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let y = Tensor::from_slice(&[2.0f32, 3.0, 1.0, 9.0], [4]).median(0);
    /// assert_eq!((y.values.item(), y.indices.item()), (2.0, 0.0));
    /// ```
    median() = |_axis| Kind::Median, keep false;
    /// The greatest element along an axis and its position, the first of equal ones; the first NaN if there is one.
    /// [`Tensor::max`] shares the gradient among equal ones, this gives it to the one at the index.
    ///
    /// # Shapes
    /// The input's without the axis.
    ///
    /// # Gradient
    /// Of the value: `dx[index] = dy`, 0 elsewhere.
    ///
    /// # Panics
    /// When the axis is out of range or empty; for `bf16`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let y = Tensor::from_slice(&[2.0f32, 3.0, 3.0], [3]).max_with_index(0);
    /// assert_eq!((y.values.item(), y.indices.item()), (3.0, 1.0));
    /// ```
    max_with_index() = |_axis| Kind::First(Ordering::Greater), keep false;
    /// The least element along an axis and its position, the first of equal ones; the first NaN if there is one.
    /// [`Tensor::min`] shares the gradient among equal ones, this gives it to the one at the index.
    ///
    /// # Shapes
    /// The input's without the axis.
    ///
    /// # Gradient
    /// Of the value: `dx[index] = dy`, 0 elsewhere.
    ///
    /// # Panics
    /// When the axis is out of range or empty; for `bf16`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let y = Tensor::from_slice(&[2.0f32, 1.0, 1.0], [3]).min_with_index(0);
    /// assert_eq!((y.values.item(), y.indices.item()), (1.0, 1.0));
    /// ```
    min_with_index() = |_axis| Kind::First(Ordering::Less), keep false;
    /// The greatest element so far along an axis and its position, the last of equal ones; NaN from the first one on.
    ///
    /// # Shapes
    /// Any with the axis; values and indices have the same.
    ///
    /// # Gradient
    /// Of the values: `dx[indices[i]] += dy[i]`.
    ///
    /// # Panics
    /// When the axis is out of range; for `bf16`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let y = Tensor::from_slice(&[2.0f32, 3.0, 1.0], [3]).cummax(0);
    /// assert_eq!((y.values.to_vec::<f32>(), y.indices.to_vec::<i64>()), (vec![2.0, 3.0, 3.0], vec![0, 1, 1]));
    /// ```
    cummax() = |_axis| Kind::Running(Ordering::Greater), keep true;
    /// The least element so far along an axis and its position, the last of equal ones; NaN from the first one on.
    ///
    /// # Shapes
    /// Any with the axis; values and indices have the same.
    ///
    /// # Gradient
    /// Of the values: `dx[indices[i]] += dy[i]`.
    ///
    /// # Panics
    /// When the axis is out of range; for `bf16`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let y = Tensor::from_slice(&[2.0f32, 3.0, 1.0], [3]).cummin(0);
    /// assert_eq!((y.values.to_vec::<f32>(), y.indices.to_vec::<i64>()), (vec![2.0, 2.0, 1.0], vec![0, 0, 2]));
    /// ```
    cummin() = |_axis| Kind::Running(Ordering::Less), keep true;
}

impl Tensor {
    /// The positions along an axis that put the elements in order, as [`Tensor::sort`] does.
    ///
    /// # Shapes
    /// Any with the axis; the result has the same and holds `i64`.
    ///
    /// # Gradient
    /// None: positions are constant nearly everywhere, and the result is never tracked.
    ///
    /// # Panics
    /// When the axis is out of range; for `bf16`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::from_slice(&[2.0f32, 3.0, 1.0], [3]).argsort(true, 0).to_vec::<i64>(), [1, 0, 2]);
    /// ```
    #[track_caller]
    pub fn argsort(&self, descending: bool, axis: isize) -> Tensor {
        apply(Positions { name: "argsort", kind: Kind::Sort { descending }, axis }, &[self])
    }

    /// The element in the middle of the order of all, the lower one of two; NaN if one is.
    ///
    /// # Shapes
    /// Any with elements; the result has no axes.
    ///
    /// # Gradient
    /// `dy` to the element in the middle; equal ones share it.
    ///
    /// # Panics
    /// When there are no elements; for `bf16`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::from_slice(&[2.0f32, 3.0, 1.0, 9.0], [2, 2]).median_all().item(), 2.0);
    /// ```
    #[track_caller]
    pub fn median_all(&self) -> Tensor {
        let x = self.reshape([self.numel()]);
        let middle = x.detach().median(0).values;
        if !self.is_tracked() {
            return middle;
        }
        // The mean of the equal elements is their number, and its derivative shares the gradient.
        let hits = x.detach().eq(&middle).logical_or(&x.detach().is_nan());
        let share = hits.cast(x.dtype());
        let share = &share / share.sum(..);
        (hits.select(&x, &Tensor::zeros([], x.dtype())) * share).sum(..)
    }
}

/// Which positions along a line are found.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Sort { descending: bool },
    Top { k: usize, largest: bool },
    Kth(usize),
    Median,
    First(Ordering),
    Running(Ordering),
}

/// Positions along an axis.
#[derive(Clone, Copy, Debug)]
struct Positions {
    name: &'static str,
    kind: Kind,
    axis: isize,
}

impl Op for Positions {
    fn name(&self) -> &'static str {
        self.name
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (name, x) = (self.name, &inputs[0]);
        if x.dtype.is_real() && !x.dtype.is_float() {
            check::float(name, x)?;
        }
        let axis = check::axis(name, self.axis, &x.shape)?;
        let n = x.shape.at(axis);
        let (least, most, out) = match self.kind {
            Kind::Sort { .. } | Kind::Running(_) => (0, n, n),
            Kind::Top { k, .. } => (k, n, k),
            Kind::Kth(k) => (k, if k == 0 { 0 } else { n }, 1),
            Kind::Median | Kind::First(_) => (1, n, 1),
        };
        let possible = least <= most && (n > 0 || out == 0) && !matches!(self.kind, Kind::Kth(0));
        if !possible && x.shape.without(axis).numel() > 0 {
            return Err(OpError::new(format!(
                "{name}: axis {} of {} has {n} elements, {} are needed; choose another axis or a k in 1..={n}",
                self.axis,
                x.shape,
                least.max(1)
            )));
        }
        Ok(x.with_shape(x.shape.with(axis, out)).with_dtype(DType::I64))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, _: &mut Saved) -> Tensor {
        Tensor::run_custom(Arc::new(*self), inputs, out)
    }

    fn vjp(&self, _: &Saved, _: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        unreachable!("results that are not floating-point are never tracked")
    }
}

impl CustomKernel for Positions {
    fn run(&self, inputs: &[HostArray<'_>], outputs: &mut [HostArrayMut<'_>]) {
        let (x, y) = (&inputs[0], &mut outputs[0]);
        let axis = x.shape.axis(self.axis).expect("the shape rule accepted the axis");
        let (lines, m) = (Lines::of(&x.shape, axis), y.shape.at(axis));
        let y = y.buffer.as_mut_slice::<i64>();
        number!(self.name, x.dtype, T => {
            let mut order = Vec::new();
            lines.map(x.buffer.as_slice::<T>(), m, y, &mut |x, y| find(self.kind, x, &mut order, y));
        });
    }
}

/// The positions of one line; `order` is memory that is used again.
fn find<T: Number>(kind: Kind, x: &[T], order: &mut Vec<usize>, y: &mut [i64]) {
    match kind {
        Kind::Sort { descending } => {
            sort(x, descending, order);
            y.iter_mut().zip(&*order).for_each(|(y, &i)| *y = i as i64);
        }
        Kind::Top { largest, .. } => {
            sort(x, largest, order);
            y.iter_mut().zip(&*order).for_each(|(y, &i)| *y = i as i64);
        }
        Kind::Kth(k) => {
            sort(x, false, order);
            y[0] = order[k - 1] as i64;
        }
        Kind::Median => {
            sort(x, false, order);
            let nan = x.iter().position(|x| x.is_nan());
            y[0] = nan.unwrap_or(order[(x.len() - 1) / 2]) as i64;
        }
        Kind::First(wanted) => {
            let mut best = 0;
            for (i, x_i) in x.iter().enumerate() {
                if !x[best].is_nan() && (x_i.is_nan() || x_i.order(x[best]) == wanted) {
                    best = i;
                }
            }
            y[0] = best as i64;
        }
        Kind::Running(wanted) => {
            let mut best = 0;
            for (i, (x_i, y)) in x.iter().zip(y).enumerate() {
                let better = x_i.order(x[best]) == wanted || x_i.order(x[best]) == Ordering::Equal;
                if x_i.is_nan() || !x[best].is_nan() && better {
                    best = i;
                }
                *y = best as i64;
            }
        }
    }
}

/// Positions in order, equal elements as they stood.
fn sort<T: Number>(x: &[T], descending: bool, order: &mut Vec<usize>) {
    order.clear();
    order.extend(0..x.len());
    match descending {
        true => order.sort_by(|&i, &j| x[j].order(x[i])),
        false => order.sort_by(|&i, &j| x[i].order(x[j])),
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Rng, Tensor};

    crate::cases! {
        sort: |x| x[0].sort(false, 1).values; shapes [[2, 3]] [[2, 3, 2]] [[2, 0]] [[0, 2]] [[2, 1]]  refuses [[]] [[3]];
        sort_descending: |x| x[0].sort(true, -1).values; shapes [[2, 3]] [[4]];
        topk: |x| x[0].topk(2, true, -1).values; shapes [[2, 3]] [[4]] [[2]] [[0, 2]]  refuses [[]] [[1]] [[2, 0]];
        topk_least: |x| x[0].topk(2, false, 0).values; shapes [[3, 2]] [[2]];
        kthvalue: |x| x[0].kthvalue(2, 0).values; shapes [[3, 2]] [[2]] [[2, 0]]  refuses [[]] [[1]];
        median: |x| x[0].median(-1).values; shapes [[2, 3]] [[4]] [[1]] [[0, 2]]  refuses [[]] [[2, 0]];
        median_all: |x| x[0].median_all(); shapes [[2, 3]] [[4]] [[]]  refuses [[0]];
        max_with_index: |x| x[0].max_with_index(0).values; shapes [[3, 2]] [[1]] [[3, 0]]  refuses [[]] [[0]];
        min_with_index: |x| x[0].min_with_index(-1).values; shapes [[3, 2]] [[1]] [[0, 3]]  refuses [[]] [[0]];
        cummax: |x| x[0].cummax(0).values; shapes [[4, 2]] [[1]] [[0]]  refuses [[]];
        cummin: |x| x[0].cummin(-1).values; shapes [[2, 4]] [[1]] [[0]]  refuses [[]];
    }

    fn both(y: &super::Indexed) -> (String, Vec<i64>) {
        (format!("{:?}", y.values.to_vec::<f64>()), y.indices.to_vec())
    }

    /// torch.sort(x, stable=True), torch.cummax, torch.cummin, torch.median, torch.max(x, 0) of the same numbers.
    #[test]
    fn nan_and_ties_are_those_of_pytorch() {
        let x = |numbers: [f64; 5]| Tensor::from_slice(&numbers, [5]);
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        let mixed = x([2.0, nan, 1.0, 2.0, -inf]);
        assert_eq!(both(&mixed.sort(false, 0)), ("[-inf, 1.0, 2.0, 2.0, NaN]".into(), vec![4, 2, 0, 3, 1]));
        assert_eq!(both(&mixed.sort(true, 0)), ("[NaN, 2.0, 2.0, 1.0, -inf]".into(), vec![1, 0, 3, 2, 4]));
        assert_eq!(mixed.argsort(false, 0).to_vec::<i64>(), [4, 2, 0, 3, 1]);
        assert_eq!(
            both(&x([1.0, 3.0, 3.0, nan, 2.0]).cummax(0)),
            ("[1.0, 3.0, 3.0, NaN, NaN]".into(), vec![0, 1, 2, 3, 3])
        );
        assert_eq!(
            both(&x([3.0, 1.0, 1.0, nan, 2.0]).cummin(0)),
            ("[3.0, 1.0, 1.0, NaN, NaN]".into(), vec![0, 1, 2, 3, 3])
        );
        assert_eq!(both(&mixed.median(0)), ("[NaN]".into(), vec![1]));
        assert_eq!(both(&x([2.0, 3.0, 3.0, nan, nan]).max_with_index(0)), ("[NaN]".into(), vec![3]));
        assert_eq!(both(&x([2.0, 1.0, 1.0, 5.0, 7.0]).min_with_index(0)), ("[1.0]".into(), vec![1]));
        let top = x([2.0, 3.0, 3.0, nan, nan]).topk(3, true, 0);
        assert_eq!(both(&top).0, "[NaN, NaN, 3.0]");
    }

    #[test]
    fn every_axis_and_type_sorts() {
        let x = Rng::seed(3).uniform([3, 4, 5], -50.0, 50.0, DType::F64);
        for dtype in [DType::F32, DType::F64, DType::I64, DType::U8, DType::Bool] {
            let x = x.cast(dtype).cast(DType::F64);
            for axis in 0..3 {
                let y = x.cast(dtype).sort(false, axis).values.cast(DType::F64);
                let (x, y) = (x.transpose(axis, -1), y.transpose(axis, -1));
                let n = x.size(-1);
                for (x, y) in x.to_vec::<f64>().chunks(n).zip(y.to_vec::<f64>().chunks(n)) {
                    let mut want = x.to_vec();
                    want.sort_by(f64::total_cmp);
                    assert_eq!(y, want, "{dtype} axis {axis}");
                }
            }
        }
    }

    #[test]
    fn equal_elements_share_the_median_of_all() {
        let x = Tensor::from_slice(&[2.0f64, 1.0, 2.0, 9.0], [2, 2]).requires_grad();
        let y = x.median_all();
        assert_eq!(y.item(), 2.0);
        assert_eq!(y.backward().wrt(&x).to_vec::<f64>(), [0.5, 0.0, 0.5, 0.0]);
        let one = x.max_with_index(0).values.sum(..).backward();
        assert_eq!(one.wrt(&x).to_vec::<f64>(), [1.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    #[should_panic(
        expected = "topk: axis -1 of [2, 3] has 3 elements, 4 are needed; choose another axis or a k in 1..=3"
    )]
    fn more_than_all_are_refused() {
        Tensor::zeros([2, 3], DType::F32).topk(4, true, -1);
    }
}
