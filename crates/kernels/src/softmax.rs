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

multiversion! {
    fn softmax_rows[T: Float](x: &[T], n: usize, y: &mut [T]) {
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
        for (x, y) in x.chunks_exact(n).zip(y.chunks_exact_mut(n)) {
            let max = row_max(x);
            let log = ln::<FUSED, T>(row_sum(x, |x| exp::<FUSED, T>(x - max)));
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
            *y = if max.is_finite() || max.is_nan() { max + ln::<FUSED, T>(row_sum(x, |x| exp::<FUSED, T>(x - max))) } else { max };
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
        for ((y, dy), dx) in y.chunks_exact(n).zip(dy.chunks_exact(n)).zip(dx.chunks_exact_mut(n)) {
            let sum = row_sum(dy, |x| x);
            for ((dx, &y), &dy) in dx.iter_mut().zip(y).zip(dy) {
                *dx = dy - exp::<FUSED, T>(y) * sum;
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
