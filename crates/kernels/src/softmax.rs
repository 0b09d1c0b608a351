//! Softmax and its logarithm over rows of `n` numbers, with their gradients.

use crate::dispatch::{Parts, chunks, exp, ln, multiversion, ranges, rows_per_task};
use crate::float::Float;
use crate::reduce::{row_max, row_sum};

/// Row by row, y = exp(x - max(x)) / sum(exp(x - max(x))).
///
/// A row of infinities or with a NaN becomes NaN, as in PyTorch.
///
/// # Panics
/// If the lengths differ or are no multiple of `n`.
#[track_caller]
pub fn softmax<T: Float>(x: &[T], n: usize, y: &mut [T]) {
    if check("softmax", n, &[x.len(), y.len()]) {
        chunks(y, rows_per_task(n) * n, &|start, part| {
            softmax_rows::<T>(&x[start..start + part.len()], n, part)
        });
    }
}

/// Row by row, y = x - max(x) - ln(sum(exp(x - max(x)))).
///
/// # Panics
/// As [`softmax`].
#[track_caller]
pub fn log_softmax<T: Float>(x: &[T], n: usize, y: &mut [T]) {
    if check("log_softmax", n, &[x.len(), y.len()]) {
        chunks(y, rows_per_task(n) * n, &|start, part| {
            log_softmax_rows::<T>(&x[start..start + part.len()], n, part);
        });
    }
}

/// Row by row, out = ln(sum(exp(x))), one number per row; -infinity for a row of -infinities.
///
/// # Panics
/// If the length of `x` is not `out.len() * n`.
#[track_caller]
pub fn logsumexp<T: Float>(x: &[T], n: usize, out: &mut [T]) {
    assert!(x.len() == n * out.len(), "logsumexp: {} elements are not {} rows of {n}", x.len(), out.len());
    chunks(out, rows_per_task(n), &|start, part| {
        logsumexp_rows::<T>(&x[start * n..(start + part.len()) * n], n, part);
    });
}

/// The gradient of [`softmax`] from its result: dx = y * (dy - sum(dy * y)), row by row.
///
/// # Panics
/// As [`softmax`].
#[track_caller]
pub fn softmax_grad<T: Float>(y: &[T], dy: &[T], n: usize, dx: &mut [T]) {
    if check("softmax_grad", n, &[y.len(), dy.len(), dx.len()]) {
        let parts = Parts::new(dx);
        ranges(y.len(), rows_per_task(n) * n, &|range| {
            // SAFETY: the ranges are disjoint.
            let dx = unsafe { parts.part(range.clone()) };
            softmax_grad_rows::<T>(&y[range.clone()], &dy[range], n, dx);
        });
    }
}

/// The gradient of [`log_softmax`] from its result: dx = dy - exp(y) * sum(dy), row by row.
///
/// # Panics
/// As [`softmax`].
#[track_caller]
pub fn log_softmax_grad<T: Float>(y: &[T], dy: &[T], n: usize, dx: &mut [T]) {
    if check("log_softmax_grad", n, &[y.len(), dy.len(), dx.len()]) {
        let parts = Parts::new(dx);
        ranges(y.len(), rows_per_task(n) * n, &|range| {
            // SAFETY: the ranges are disjoint.
            let dx = unsafe { parts.part(range.clone()) };
            log_softmax_grad_rows::<T>(&y[range.clone()], &dy[range], n, dx);
        });
    }
}

/// Rows up to this length do not fill vectors, so several rows lie side by side in them.
const SHORT: usize = 64;
/// How many rows lie side by side.
const SIDE: usize = 16;

/// Columns of a block of short rows: element j of every row.
type Columns<T> = [[T; SIDE]; SHORT];

/// Cuts short rows into blocks of [`SIDE`], and hands each to `f` column by column, with its rows of `y`.
#[inline(always)]
fn side_by_side<T: Float>(x: &[T], n: usize, y: &mut [T], mut f: impl FnMut(&mut [[T; SIDE]], &mut [T])) {
    let mut columns: Columns<T> = [[T::ZERO; SIDE]; SHORT];
    for (x, y) in x.chunks(SIDE * n).zip(y.chunks_mut(SIDE * n)) {
        gather_columns(x, n, &mut columns[..n]);
        f(&mut columns[..n], y);
    }
}

#[inline(always)]
fn gather_columns<T: Float>(x: &[T], n: usize, columns: &mut [[T; SIDE]]) {
    for (row, x) in x.chunks_exact(n).enumerate().take(SIDE) {
        for (column, &x) in columns.iter_mut().zip(x) {
            column[row] = x;
        }
    }
}

#[inline(always)]
fn scatter_columns<T: Float>(columns: &[[T; SIDE]], y: &mut [T]) {
    for (row, y) in y.chunks_exact_mut(columns.len()).enumerate().take(SIDE) {
        for (y, column) in y.iter_mut().zip(columns) {
            *y = column[row];
        }
    }
}

/// The largest of each row, NaN if there is one.
#[inline(always)]
fn column_max<T: Float>(columns: &[[T; SIDE]]) -> [T; SIDE] {
    let mut max = [T::NEG_INFINITY; SIDE];
    for column in columns {
        for (max, &x) in max.iter_mut().zip(column) {
            *max = if (x > *max) | x.is_nan() { x } else { *max };
        }
    }
    max
}

multiversion! {
    fn softmax_rows[T: Float](x: &[T], n: usize, y: &mut [T]) {
        if n <= SHORT {
            return side_by_side(x, n, y, #[inline(always)] |columns, y| {
                let max = column_max(columns);
                let mut sum = [T::ZERO; SIDE];
                for column in columns.iter_mut() {
                    for ((x, &max), sum) in column.iter_mut().zip(&max).zip(&mut sum) {
                        *x = exp::<FUSED, T>(*x - max);
                        *sum += *x;
                    }
                }
                let scale = sum.map(|sum| T::ONE / sum);
                for column in columns.iter_mut() {
                    for (x, &scale) in column.iter_mut().zip(&scale) {
                        *x *= scale;
                    }
                }
                scatter_columns(columns, y);
            });
        }
        for (x, y) in x.chunks_exact(n).zip(y.chunks_exact_mut(n)) {
            let max = row_max(x);
            for (y, &x) in y.iter_mut().zip(x) {
                *y = exp::<FUSED, T>(x - max);
            }
            let scale = T::ONE / row_sum(y, |y| y);
            for y in y {
                *y *= scale;
            }
        }
    }

    fn log_softmax_rows[T: Float](x: &[T], n: usize, y: &mut [T]) {
        if n <= SHORT {
            return side_by_side(x, n, y, #[inline(always)] |columns, y| {
                let max = column_max(columns);
                let mut sum = [T::ZERO; SIDE];
                for column in columns.iter_mut() {
                    for ((x, &max), sum) in column.iter_mut().zip(&max).zip(&mut sum) {
                        *x -= max;
                        *sum += exp::<FUSED, T>(*x);
                    }
                }
                for sum in &mut sum {
                    *sum = ln::<FUSED, T>(*sum);
                }
                for column in columns.iter_mut() {
                    for (x, &log) in column.iter_mut().zip(&sum) {
                        *x -= log;
                    }
                }
                scatter_columns(columns, y);
            });
        }
        for (x, y) in x.chunks_exact(n).zip(y.chunks_exact_mut(n)) {
            let max = row_max(x);
            let log = ln::<FUSED, T>(row_sum(x, #[inline(always)] |x| exp::<FUSED, T>(x - max)));
            for (y, &x) in y.iter_mut().zip(x) {
                *y = (x - max) - log;
            }
        }
    }

    fn logsumexp_rows[T: Float](x: &[T], n: usize, out: &mut [T]) {
        for (i, y) in out.iter_mut().enumerate() {
            let x = &x[i * n..(i + 1) * n];
            let max = row_max(x);
            // An infinite maximum is the answer, while subtracting it would make NaN.
            *y = if max.is_finite() || max.is_nan() { max + ln::<FUSED, T>(row_sum(x, #[inline(always)] |x| exp::<FUSED, T>(x - max))) } else { max };
        }
    }

    fn softmax_grad_rows[T: Float](y: &[T], dy: &[T], n: usize, dx: &mut [T]) {
        for ((y, dy), dx) in y.chunks_exact(n).zip(dy.chunks_exact(n)).zip(dx.chunks_exact_mut(n)) {
            for ((dx, &y), &dy) in dx.iter_mut().zip(y).zip(dy) {
                *dx = y * dy;
            }
            let dot = row_sum(dx, |x| x);
            for ((dx, &y), &dy) in dx.iter_mut().zip(y).zip(dy) {
                *dx = y * (dy - dot);
            }
        }
    }

    fn log_softmax_grad_rows[T: Float](y: &[T], dy: &[T], n: usize, dx: &mut [T]) {
        for (dx, &y) in dx.iter_mut().zip(y) {
            *dx = exp::<FUSED, T>(y);
        }
        for (dy, dx) in dy.chunks_exact(n).zip(dx.chunks_exact_mut(n)) {
            let sum = row_sum(dy, |x| x);
            for (dx, &dy) in dx.iter_mut().zip(dy) {
                *dx = dy - *dx * sum;
            }
        }
    }
}

/// Checks that all lengths agree on whole rows of `n`; tells whether there is anything to do.
#[track_caller]
fn check(op: &str, n: usize, lengths: &[usize]) -> bool {
    let len = lengths[0];
    assert!(lengths.iter().all(|&other| other == len), "{op}: lengths differ, {lengths:?}");
    assert!(
        if n == 0 { len == 0 } else { len.is_multiple_of(n) },
        "{op}: {len} elements are not whole rows of {n}"
    );
    len > 0
}

#[cfg(test)]
mod tests;
