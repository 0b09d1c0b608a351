//! A matrix times a column, and a row times a matrix: every item of the matrix is used once, so that its speed is that of
//! reading it. It is read in long contiguous pieces, whichever way it lies.
//!
//! # Safety
//! Functions here may only be called where the instructions of their [`Machine`] exist, with pointers that cover
//! what [`Product`] has checked.

use super::machine::Machine;
use super::product::{PARALLEL, Product};
use super::vector::{Vector, load_up_to};
use super::{Activation, Epilogue};
use crate::threads::{Shared, for_each};
use crate::{Buffer, Float};

/// `y = activation(y (if accumulate) + A x + bias)`: A is [rows, depth] by any strides.
struct Line<'a, T> {
    rows: usize,
    depth: usize,
    a: &'a [T],
    row: usize,
    step: usize,
    x: &'a [T],
    x_step: usize,
    y: *mut T,
    y_step: usize,
    /// Distance of the bias of one row from that of the last: 1, or 0 where all have the same.
    bias_step: usize,
    epilogue: &'a Epilogue<'a, T>,
}

// SAFETY: whoever made it lent it the items of `y`; tasks write disjoint ones.
unsafe impl<T: Float> Sync for Line<'_, T> {}

/// Rows of a task, and of the sums that lie in the first-level cache.
const BLOCK: usize = 1024;

/// Computes the product if it is one of a line and lies so that this is fast; tells whether it did.
///
/// # Safety
/// As [`Multiply::multiply`](super::product::Multiply::multiply).
pub(super) unsafe fn multiply_line<M: Machine>(x: &Product<M::Item>) -> bool {
    let (a, b) = (&x.a, &x.b);
    let line = if x.n == 1 {
        Line {
            rows: x.m,
            depth: x.k,
            a: a.data,
            row: a.row_stride,
            step: a.col_stride,
            x: b.data,
            x_step: b.row_stride,
            y: x.c,
            y_step: x.row_stride,
            bias_step: 0,
            epilogue: x.epilogue,
        }
    } else if x.m == 1 {
        Line {
            rows: x.n,
            depth: x.k,
            a: b.data,
            row: b.col_stride,
            step: b.row_stride,
            x: a.data,
            x_step: a.col_stride,
            y: x.c,
            y_step: 1,
            bias_step: 1,
            epilogue: x.epilogue,
        }
    } else {
        return false;
    };
    let along = line.step == 1 && line.depth >= 2 * M::V::LANES;
    let across = line.row == 1 && line.rows >= 4 * M::V::LANES && line.depth > 0;
    if !along && !across {
        return false;
    }
    // SAFETY: as the caller's.
    unsafe { line.multiply::<M>(along) };
    true
}

impl<T: Float> Line<'_, T> {
    /// With `along`, A's rows are contiguous, otherwise its columns are.
    unsafe fn multiply<M: Machine<Item = T>>(&self, along: bool) {
        let mut dense = Buffer::take(if self.x_step == 1 { 0 } else { self.depth * size_of::<T>() });
        let x = if self.x_step == 1 {
            self.x
        } else {
            let dense = dense.as_mut_slice::<T>();
            dense.iter_mut().enumerate().for_each(|(p, to)| *to = self.x[p * self.x_step]);
            dense
        };
        // Each sum belongs to one row, so that blocks do not change it.
        let parallel = self.rows * self.depth >= PARALLEL;
        let block = if parallel { self.rows.div_ceil(16).next_multiple_of(64).min(BLOCK) } else { BLOCK };
        let y = Shared::new(self.y);
        let task = |i: usize| {
            let rows = i * block..((i + 1) * block).min(self.rows);
            let mut sums = [T::ZERO; BLOCK];
            let a = self.a[rows.start * self.row..].as_ptr();
            // SAFETY: the rows lie inside the checked matrix, `x` has `depth` items, and `y` an item for each row.
            unsafe {
                if along {
                    M::dots(rows.len(), self.depth, a, self.row, x.as_ptr(), sums.as_mut_ptr());
                } else {
                    M::combine(rows.len(), self.depth, a, self.step, x.as_ptr(), sums.as_mut_ptr());
                }
                for (i, &sum) in rows.zip(&sums) {
                    let to = y.get().add(i * self.y_step);
                    *to = self.finish(i, *to, sum);
                }
            }
        };
        let blocks = self.rows.div_ceil(block);
        if parallel {
            for_each(blocks, &task);
        } else {
            (0..blocks).for_each(task);
        }
    }

    fn finish(&self, i: usize, old: T, sum: T) -> T {
        let sum = self.epilogue.alpha * sum;
        let mut z = if self.epilogue.accumulate { old + sum } else { sum };
        if let Some(bias) = self.epilogue.bias {
            z += bias[i * self.bias_step];
        }
        if let Some(residual) = self.epilogue.residual {
            z += residual.data
                [i * if self.bias_step == 1 { residual.col_stride } else { residual.row_stride }];
        }
        if self.epilogue.activation == Activation::Relu && z < T::ZERO { T::ZERO } else { z }
    }
}

/// `sums[i] = Σ a[i * stride + p] x[p]`
///
/// # Safety
/// To be inlined into a function compiled for V's instructions; the pointers must be valid for `rows` rows of `depth`
/// items, `depth` items and `rows` items.
#[inline(always)]
pub(super) unsafe fn dots<V: Vector>(
    rows: usize,
    depth: usize,
    a: *const V::Item,
    stride: usize,
    x: *const V::Item,
    sums: *mut V::Item,
) {
    let fours = rows / 4 * 4;
    // SAFETY: as the caller's.
    unsafe {
        for i in (0..fours).step_by(4) {
            dots_of::<V, 4>(depth, a.wrapping_add(i * stride), stride, x, sums.add(i));
        }
        for i in fours..rows {
            dots_of::<V, 1>(depth, a.wrapping_add(i * stride), stride, x, sums.add(i));
        }
    }
}

#[inline(always)]
unsafe fn dots_of<V: Vector, const R: usize>(
    depth: usize,
    a: *const V::Item,
    stride: usize,
    x: *const V::Item,
    sums: *mut V::Item,
) {
    // SAFETY: as the caller's; no vector is wider than 16 items.
    unsafe {
        let mut acc = [[V::zero(); 2]; R];
        let pairs = depth / (2 * V::LANES) * (2 * V::LANES);
        for p in (0..pairs).step_by(2 * V::LANES) {
            let (x0, x1) = (V::load(x.add(p)), V::load(x.add(p + V::LANES)));
            for (i, acc) in acc.iter_mut().enumerate() {
                let a = a.wrapping_add(i * stride + p);
                acc[0] = V::load(a).mul_add(x0, acc[0]);
                acc[1] = V::load(a.wrapping_add(V::LANES)).mul_add(x1, acc[1]);
            }
        }
        for p in (pairs..depth).step_by(V::LANES) {
            let n = depth - p;
            let x = load_up_to::<V>(x.add(p), n);
            for (i, acc) in acc.iter_mut().enumerate() {
                acc[0] = load_up_to::<V>(a.wrapping_add(i * stride + p), n).mul_add(x, acc[0]);
            }
        }
        for (i, acc) in acc.iter().enumerate() {
            let mut lanes = [V::Item::ZERO; 16];
            acc[0].add(acc[1]).store(lanes.as_mut_ptr());
            *sums.add(i) = lanes.iter().copied().sum();
        }
    }
}

/// `sums[i] = Σ a[p * stride + i] x[p]`
///
/// # Safety
/// As [`dots`], with `depth` columns of `rows` items.
#[inline(always)]
pub(super) unsafe fn combine<V: Vector>(
    rows: usize,
    depth: usize,
    a: *const V::Item,
    stride: usize,
    x: *const V::Item,
    sums: *mut V::Item,
) {
    let fours = depth / 4 * 4;
    // SAFETY: as the caller's.
    unsafe {
        std::slice::from_raw_parts_mut(sums, rows).fill(V::Item::ZERO);
        for p in (0..fours).step_by(4) {
            combine_of::<V, 4>(rows, a.wrapping_add(p * stride), stride, x.add(p), sums);
        }
        for p in fours..depth {
            combine_of::<V, 1>(rows, a.wrapping_add(p * stride), stride, x.add(p), sums);
        }
    }
}

#[inline(always)]
unsafe fn combine_of<V: Vector, const C: usize>(
    rows: usize,
    a: *const V::Item,
    stride: usize,
    x: *const V::Item,
    sums: *mut V::Item,
) {
    // SAFETY: as the caller's.
    unsafe {
        let mut factors = [V::zero(); C];
        for (c, factor) in factors.iter_mut().enumerate() {
            *factor = V::splat(x.add(c));
        }
        let whole = rows / V::LANES * V::LANES;
        for i in (0..whole).step_by(V::LANES) {
            let mut sum = V::load(sums.add(i));
            for (c, factor) in factors.iter().enumerate() {
                sum = V::load(a.wrapping_add(c * stride + i)).mul_add(*factor, sum);
            }
            sum.store(sums.add(i));
        }
        let rest = rows - whole;
        if rest > 0 {
            let mut sum = V::load_first(sums.add(whole), rest);
            for (c, factor) in factors.iter().enumerate() {
                sum = V::load_first(a.wrapping_add(c * stride + whole), rest).mul_add(*factor, sum);
            }
            sum.store_first(sums.add(whole), rest);
        }
    }
}
