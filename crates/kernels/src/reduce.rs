//! Reductions along one axis: `x` is viewed as \[outer, n, inner\], the result as \[outer, inner\].
//!
//! **Sums** are made of sums of small blocks and of blocks of blocks, so that rounding errors stay near those of one
//! block, and their order depends on the sizes alone: neither the number of threads nor the instruction set changes a
//! bit. **Maxima and minima** propagate NaN; the first of several equal positions wins, and the first NaN wins over
//! all numbers, as in PyTorch.

mod sums;

use crate::dispatch::{chunks, multiversion, rows_per_task};
use crate::float::{Float, Pod};
pub(crate) use sums::sum_blocks;
use sums::{LANES, SHORT, TILE, TINY, sum_one, sum_rows_part};
pub(crate) use sums::{row_dot, row_sum};

/// out\[o, i\] = sum over j of x\[o, j, i\]; 0 if `n` is 0.
///
/// # Panics
/// If the length of `x` is not `outer * n * inner` or that of `out` not `outer * inner`.
#[track_caller]
pub fn sum<T: Float>(x: &[T], outer: usize, n: usize, inner: usize, out: &mut [T]) {
    check("sum", x.len(), [outer, n, inner], out.len());
    if n == 0 || out.is_empty() {
        return out.fill(T::ZERO);
    }
    if outer * inner.div_ceil(TILE) < 16 {
        for (o, out) in out.chunks_exact_mut(inner).enumerate() {
            let x = &x[o * n * inner..(o + 1) * n * inner];
            sum_blocks(n, inner, 1, out, &|rows, out| {
                sum_one(&x[rows.start * inner..rows.end * inner], inner, out)
            });
        }
        return;
    }
    if inner == 1 {
        return chunks(out, rows_per_task(n), &|start, part| {
            sum_rows_part::<T>(&x[start * n..(start + part.len()) * n], n, part);
        });
    }
    chunks(out, rows_per_task(n * inner) * inner, &|start, part| {
        for (o, out) in part.chunks_exact_mut(inner).enumerate() {
            let at = (start / inner + o) * n * inner;
            sum_one(&x[at..at + n * inner], inner, out);
        }
    });
}

/// out\[o, i\] = mean over j of x\[o, j, i\]; NaN if `n` is 0.
///
/// # Panics
/// As [`sum`].
#[track_caller]
pub fn mean<T: Float>(x: &[T], outer: usize, n: usize, inner: usize, out: &mut [T]) {
    check("mean", x.len(), [outer, n, inner], out.len());
    sum(x, outer, n, inner, out);
    let n = T::from_f64(n as f64);
    for y in out {
        *y /= n;
    }
}

/// out\[o, i\] = product over j of x\[o, j, i\]; 1 if `n` is 0.
///
/// # Panics
/// As [`sum`].
#[track_caller]
pub fn prod<T: Float>(x: &[T], outer: usize, n: usize, inner: usize, out: &mut [T]) {
    check("prod", x.len(), [outer, n, inner], out.len());
    fold::<T, Product>(x, n, inner, out);
}

/// out\[o, i\] = the largest of x\[o, j, i\] over j; NaN if any is NaN.
///
/// # Panics
/// As [`sum`]; and if `n` is 0.
#[track_caller]
pub fn max<T: Float>(x: &[T], outer: usize, n: usize, inner: usize, out: &mut [T]) {
    check("max", x.len(), [outer, n, inner], out.len());
    check_not_empty("max", n, out.len());
    fold::<T, Largest>(x, n, inner, out);
}

/// out\[o, i\] = the smallest of x\[o, j, i\] over j; NaN if any is NaN.
///
/// # Panics
/// As [`sum`]; and if `n` is 0.
#[track_caller]
pub fn min<T: Float>(x: &[T], outer: usize, n: usize, inner: usize, out: &mut [T]) {
    check("min", x.len(), [outer, n, inner], out.len());
    check_not_empty("min", n, out.len());
    fold::<T, Smallest>(x, n, inner, out);
}

/// out\[o, i\] = the first position j of the largest x\[o, j, i\], or of the first NaN.
///
/// # Panics
/// As [`max`].
#[track_caller]
pub fn argmax<T: Float>(x: &[T], outer: usize, n: usize, inner: usize, out: &mut [i64]) {
    check("argmax", x.len(), [outer, n, inner], out.len());
    check_not_empty("argmax", n, out.len());
    position::<T, Largest>(x, n, inner, out);
}

/// out\[o, i\] = the first position j of the smallest x\[o, j, i\], or of the first NaN.
///
/// # Panics
/// As [`max`].
#[track_caller]
pub fn argmin<T: Float>(x: &[T], outer: usize, n: usize, inner: usize, out: &mut [i64]) {
    check("argmin", x.len(), [outer, n, inner], out.len());
    check_not_empty("argmin", n, out.len());
    position::<T, Smallest>(x, n, inner, out);
}

/// out\[o, i\] = 1 if any x\[o, j, i\] is not 0, else 0; 0 if `n` is 0.
///
/// # Panics
/// As [`sum`].
#[track_caller]
pub fn any(x: &[u8], outer: usize, n: usize, inner: usize, out: &mut [u8]) {
    check("any", x.len(), [outer, n, inner], out.len());
    fold_plain(x, n, inner, out, 0, &|found, x| found | u8::from(x != 0));
}

/// out\[o, i\] = 1 if all x\[o, j, i\] are not 0, else 0; 1 if `n` is 0.
///
/// # Panics
/// As [`sum`].
#[track_caller]
pub fn all(x: &[u8], outer: usize, n: usize, inner: usize, out: &mut [u8]) {
    check("all", x.len(), [outer, n, inner], out.len());
    fold_plain(x, n, inner, out, 1, &|held, x| held & u8::from(x != 0));
}

/// out\[o, i\] = how many x\[o, j, i\] are not 0.
///
/// # Panics
/// As [`sum`].
#[track_caller]
pub fn count(x: &[u8], outer: usize, n: usize, inner: usize, out: &mut [i64]) {
    check("count", x.len(), [outer, n, inner], out.len());
    fold_plain(x, n, inner, out, 0, &|count, x| count + i64::from(x != 0));
}

/// out\[o, i\] = sum over j of x\[o, j, i\] of integers, wrapping on overflow as PyTorch does.
///
/// # Panics
/// As [`sum`].
#[track_caller]
pub fn sum_i64(x: &[i64], outer: usize, n: usize, inner: usize, out: &mut [i64]) {
    check("sum_i64", x.len(), [outer, n, inner], out.len());
    fold_plain(x, n, inner, out, 0, &|sum, x| i64::wrapping_add(sum, x));
}

/// A reduction whose order does not matter: its neutral element and its step.
trait Fold {
    fn start<T: Float>() -> T;
    fn step<T: Float>(so_far: T, x: T) -> T;
}

struct Product;
struct Largest;
struct Smallest;

impl Fold for Product {
    fn start<T: Float>() -> T {
        T::ONE
    }
    #[inline(always)]
    fn step<T: Float>(so_far: T, x: T) -> T {
        so_far * x
    }
}

impl Fold for Largest {
    fn start<T: Float>() -> T {
        T::NEG_INFINITY
    }
    #[inline(always)]
    fn step<T: Float>(so_far: T, x: T) -> T {
        if (x > so_far) | x.is_nan() { x } else { so_far }
    }
}

impl Fold for Smallest {
    fn start<T: Float>() -> T {
        T::INFINITY
    }
    #[inline(always)]
    fn step<T: Float>(so_far: T, x: T) -> T {
        if (x < so_far) | x.is_nan() { x } else { so_far }
    }
}

fn fold<T: Float, F: Fold>(x: &[T], n: usize, inner: usize, out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    if inner == 1 {
        return chunks(out, rows_per_task(n), &|start, part| {
            fold_rows::<T, F>(&x[start * n..(start + part.len()) * n], n, part);
        });
    }
    chunks(out, rows_per_task(n * inner) * inner, &|start, part| {
        fold_columns::<T, F>(&x[start * n..(start + part.len()) * n], n, inner, part);
    });
}

fn position<T: Float, F: Fold>(x: &[T], n: usize, inner: usize, out: &mut [i64]) {
    if out.is_empty() {
        return;
    }
    if inner == 1 {
        return chunks(out, rows_per_task(n), &|start, part| {
            position_rows::<T, F>(&x[start * n..(start + part.len()) * n], n, part);
        });
    }
    chunks(out, rows_per_task(n * inner) * inner, &|start, part| {
        position_columns::<T, F>(&x[start * n..(start + part.len()) * n], n, inner, part);
    });
}

/// The extreme value of a row, for kernels that are compiled for an instruction set themselves.
#[inline(always)]
pub(crate) fn row_max<T: Float>(x: &[T]) -> T {
    row_fold::<T, Largest>(x)
}

#[inline(always)]
fn row_fold<T: Float, F: Fold>(x: &[T]) -> T {
    match x.len() {
        0..TINY => x.iter().fold(F::start(), |so_far, &x| F::step(so_far, x)),
        TINY..SHORT => lane_fold::<T, F, 8>(x),
        _ => lane_fold::<T, F, LANES>(x),
    }
}

#[inline(always)]
fn lane_fold<T: Float, F: Fold, const N: usize>(x: &[T]) -> T {
    let mut lanes = [F::start::<T>(); N];
    let (blocks, rest) = x.as_chunks::<N>();
    for block in blocks {
        for (so_far, &x) in lanes.iter_mut().zip(block) {
            *so_far = F::step(*so_far, x);
        }
    }
    for (so_far, &x) in lanes.iter_mut().zip(rest) {
        *so_far = F::step(*so_far, x);
    }
    let mut width = N;
    while width > 1 {
        width /= 2;
        for i in 0..width {
            lanes[i] = F::step(lanes[i], lanes[i + width]);
        }
    }
    lanes[0]
}

multiversion! {
    fn fold_rows[T: Float, F: Fold](x: &[T], n: usize, out: &mut [T]) {
        for (i, y) in out.iter_mut().enumerate() {
            *y = row_fold::<T, F>(&x[i * n..(i + 1) * n]);
        }
    }

    fn fold_columns[T: Float, F: Fold](x: &[T], n: usize, inner: usize, out: &mut [T]) {
        for (o, out) in out.chunks_exact_mut(inner).enumerate() {
            out.fill(F::start());
            for row in x[o * n * inner..(o + 1) * n * inner].chunks_exact(inner) {
                for (so_far, &x) in out.iter_mut().zip(row) {
                    *so_far = F::step(*so_far, x);
                }
            }
        }
    }

    fn position_rows[T: Float, F: Fold](x: &[T], n: usize, out: &mut [i64]) {
        for (y, row) in out.iter_mut().zip(x.chunks_exact(n)) {
            if n < SHORT {
                let (mut best, mut at) = (row[0], 0);
                for (j, &x) in row.iter().enumerate() {
                    let next = F::step(best, x);
                    let new = (next != best) & !best.is_nan();
                    best = if new { next } else { best };
                    at = if new { j as i64 } else { at };
                }
                *y = at;
                continue;
            }
            // The extreme value first, because that is vector work; then its first place.
            let extreme = row_fold::<T, F>(row);
            let found = row.iter().position(|&x| (x == extreme) | (x.is_nan() & extreme.is_nan()));
            *y = found.map_or(0, |j| j as i64);
        }
    }

    fn position_columns[T: Float, F: Fold](x: &[T], n: usize, inner: usize, out: &mut [i64]) {
        for (o, out) in out.chunks_exact_mut(inner).enumerate() {
            let x = &x[o * n * inner..(o + 1) * n * inner];
            for (tile, out) in out.chunks_mut(TILE).enumerate() {
                let first = tile * TILE;
                let mut extreme = [T::ZERO; TILE];
                extreme[..out.len()].copy_from_slice(&x[first..first + out.len()]);
                out.fill(0);
                for j in 1..n {
                    let row = &x[j * inner + first..j * inner + first + out.len()];
                    for ((best, y), &x) in extreme.iter_mut().zip(&mut *out).zip(row) {
                        let next = F::step(*best, x);
                        // A new value, or the first NaN; a NaN that stands is not replaced by a later one.
                        let new = (next != *best) & !best.is_nan();
                        *best = if new { next } else { *best };
                        *y = if new { j as i64 } else { *y };
                    }
                }
            }
        }
    }
}

/// A fold over plain numbers, whose order does not matter.
fn fold_plain<A: Pod, B: Pod>(
    x: &[A],
    n: usize,
    inner: usize,
    out: &mut [B],
    start: B,
    step: &(impl Fn(B, A) -> B + Sync),
) {
    if out.is_empty() {
        return;
    }
    chunks(out, rows_per_task(n * inner) * inner, &|first, part| {
        for (o, out) in part.chunks_exact_mut(inner).enumerate() {
            let at = (first / inner + o) * n * inner;
            let x = &x[at..at + n * inner];
            if inner == 1 {
                out[0] = x.iter().fold(start, |so_far, &x| step(so_far, x));
                continue;
            }
            out.fill(start);
            for row in x.chunks_exact(inner) {
                for (so_far, &x) in out.iter_mut().zip(row) {
                    *so_far = step(*so_far, x);
                }
            }
        }
    });
}

#[track_caller]
fn check(op: &str, len: usize, [outer, n, inner]: [usize; 3], out: usize) {
    assert!(
        len == outer * n * inner,
        "{op}: x has {len} elements, but the sizes are {outer} x {n} x {inner}"
    );
    assert!(out == outer * inner, "{op}: the result has {out} elements, but the sizes are {outer} x {inner}");
}

#[track_caller]
fn check_not_empty(op: &str, n: usize, out: usize) {
    assert!(n > 0 || out == 0, "{op}: the axis has size 0, and no number is the {op} of none");
}

#[cfg(test)]
mod tests;
