//! Reductions along one axis: `x` is viewed as \[outer, n, inner\], the result as \[outer, inner\].
//!
//! **Sums** are pairwise (blocks of a fixed size, then a binary tree), so that the error grows with the logarithm of
//! n, and their order depends on the sizes alone: neither the number of threads nor the instruction set changes a
//! bit. **Maxima and minima** propagate NaN; the first of several equal positions wins, and the first NaN wins over
//! all numbers, as in PyTorch.

use std::ops::Range;

use crate::buffer::Buffer;
use crate::dispatch::{CHUNK, chunks, multiversion, rows_per_task};
use crate::float::{Float, Pod};

/// Independent accumulators along a row, so that the order of additions suits every vector width.
const LANES: usize = 32;
/// Rows below this length are added one by one: the additions of neighbouring rows overlap.
const TINY: usize = 16;
/// Rows below this length use fewer accumulators.
const SHORT: usize = 128;
/// Elements of a row that are added by plain accumulation before the binary tree begins.
const LEAF: usize = 1024;
/// Rows of a matrix that are added by plain accumulation before the binary tree begins.
const LEAF_ROWS: usize = 32;
/// Columns that are reduced together.
const TILE: usize = 256;

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

/// Sums over a long axis of `n` steps of `width * depth` numbers: `f` sums ranges of it into `width` numbers, in
/// parallel for blocks of fixed size, and the blocks' sums are then added in order.
pub(crate) fn sum_blocks<T: Float>(
    n: usize,
    width: usize,
    depth: usize,
    out: &mut [T],
    f: &(dyn Fn(Range<usize>, &mut [T]) + Sync),
) {
    let block = (2 * CHUNK / (width * depth)).max(1);
    if n <= 2 * block {
        return f(0..n, out);
    }
    let mut partial = Buffer::take(n.div_ceil(block) * width * size_of::<T>());
    let partial = partial.as_mut_slice::<T>();
    chunks(partial, width, &|start, part| {
        let first = start / width * block;
        f(first..n.min(first + block), part);
    });
    sum_one(partial, width, out);
}

/// The pairwise sum of a row, for kernels that are compiled for an instruction set themselves.
#[inline(always)]
pub(crate) fn row_sum<T: Float>(x: &[T], f: impl Fn(T) -> T + Copy) -> T {
    if x.len() <= LEAF {
        return leaf_sum(x, f);
    }
    // The binary counter of pairwise summation: level k holds the sum of 2^k leaves.
    let mut levels = [T::ZERO; 48];
    let mut leaves = 0usize;
    for leaf in x.chunks(LEAF) {
        let mut carry = leaf_sum(leaf, f);
        let mut level = 0;
        while leaves >> level & 1 == 1 {
            carry = levels[level] + carry;
            level += 1;
        }
        levels[level] = carry;
        leaves += 1;
    }
    let mut total = T::ZERO;
    for (level, &sum) in levels.iter().enumerate() {
        if leaves >> level & 1 == 1 {
            total = sum + total;
        }
    }
    total
}

/// The sum of at most [`LEAF`] numbers; few of them are spread over fewer accumulators, whose own sum costs time.
#[inline(always)]
fn leaf_sum<T: Float>(x: &[T], f: impl Fn(T) -> T + Copy) -> T {
    match x.len() {
        0..TINY => x.iter().fold(T::ZERO, |sum, &x| sum + f(x)),
        TINY..SHORT => lane_sum::<T, 8>(x, f),
        _ => lane_sum::<T, LANES>(x, f),
    }
}

#[inline(always)]
fn lane_sum<T: Float, const N: usize>(x: &[T], f: impl Fn(T) -> T + Copy) -> T {
    let mut lanes = [T::ZERO; N];
    let (blocks, rest) = x.as_chunks::<N>();
    for block in blocks {
        for (sum, &x) in lanes.iter_mut().zip(block) {
            *sum += f(x);
        }
    }
    for (sum, &x) in lanes.iter_mut().zip(rest) {
        *sum += f(x);
    }
    fold_lanes(lanes)
}

/// The sum of f over pairs, by the order of [`row_sum`] within leaves and plainly among them.
#[inline(always)]
pub(crate) fn row_dot<T: Float>(a: &[T], b: &[T], f: impl Fn(T, T) -> T + Copy) -> T {
    match a.len() {
        0..TINY => return a.iter().zip(b).fold(T::ZERO, |sum, (&a, &b)| sum + f(a, b)),
        TINY..SHORT => return lane_dot::<T, 8>(a, b, f),
        _ => {}
    }
    let mut total = T::ZERO;
    for (a, b) in a.chunks(LEAF).zip(b.chunks(LEAF)) {
        total += lane_dot::<T, LANES>(a, b, f);
    }
    total
}

#[inline(always)]
fn lane_dot<T: Float, const N: usize>(a: &[T], b: &[T], f: impl Fn(T, T) -> T + Copy) -> T {
    let mut lanes = [T::ZERO; N];
    let (a_blocks, a_rest) = a.as_chunks::<N>();
    let (b_blocks, b_rest) = b.as_chunks::<N>();
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for ((sum, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
            *sum += f(a, b);
        }
    }
    for ((sum, &a), &b) in lanes.iter_mut().zip(a_rest).zip(b_rest) {
        *sum += f(a, b);
    }
    fold_lanes(lanes)
}

/// The sum of the lanes as a binary tree.
#[inline(always)]
fn fold_lanes<T: Float, const N: usize>(mut lanes: [T; N]) -> T {
    let mut width = N;
    while width > 1 {
        width /= 2;
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
    }
    lanes[0]
}

/// The sums of the columns of one matrix.
fn sum_one<T: Float>(x: &[T], inner: usize, out: &mut [T]) {
    if inner == 1 {
        return sum_rows_part::<T>(x, x.len(), out);
    }
    sum_columns::<T>(x, inner, out);
}

multiversion! {
    /// The sum of each row of `n`.
    fn sum_rows_part[T: Float](x: &[T], n: usize, out: &mut [T]) {
        for (y, row) in out.iter_mut().zip(x.chunks_exact(n)) {
            *y = row_sum(row, |x| x);
        }
    }

    /// The sum of each column of a matrix of rows of `inner`.
    fn sum_columns[T: Float](x: &[T], inner: usize, out: &mut [T]) {
        let n = x.len() / inner;
        // Narrow rows are taken several at a time as one wide row.
        let group = TILE / 4 / inner;
        if group > 1 && n >= 2 * group {
            let mut wide = [T::ZERO; TILE];
            let wide = &mut wide[..group * inner];
            let whole = n / group * group * inner;
            column_sums(&x[..whole], wide.len(), wide);
            column_sums(wide, inner, out);
            for row in x[whole..].chunks_exact(inner) {
                for (sum, &x) in out.iter_mut().zip(row) {
                    *sum += x;
                }
            }
        } else {
            column_sums(x, inner, out);
        }
    }
}

/// Adds the rows pairwise.
#[inline(always)]
fn column_sums<T: Float>(x: &[T], inner: usize, out: &mut [T]) {
    sum_columns_with(x.len() / inner, out, |row, first, sums| {
        let at = row * inner + first;
        for (sum, &x) in sums.iter_mut().zip(&x[at..]) {
            *sum += x;
        }
    });
}

/// Adds `n` rows pairwise, a tile of columns at a time: `add(row, first column, sums)` adds one row's part of a tile.
#[inline(always)]
pub(crate) fn sum_columns_with<T: Float>(n: usize, out: &mut [T], add: impl Fn(usize, usize, &mut [T])) {
    for (tile, out) in out.chunks_mut(TILE).enumerate() {
        let first = tile * TILE;
        let width = out.len();
        out.fill(T::ZERO);
        if n <= LEAF_ROWS {
            for row in 0..n {
                add(row, first, out);
            }
            continue;
        }
        // The binary counter of pairwise summation, as in `row_sum`.
        let mut levels = [[T::ZERO; TILE]; 24];
        let leaves = n.div_ceil(LEAF_ROWS);
        for leaf in 0..leaves {
            let mut carry = [T::ZERO; TILE];
            let carry = &mut carry[..width];
            for row in leaf * LEAF_ROWS..n.min((leaf + 1) * LEAF_ROWS) {
                add(row, first, carry);
            }
            let mut level = 0;
            while leaf >> level & 1 == 1 {
                for (carry, &sum) in carry.iter_mut().zip(&levels[level][..width]) {
                    *carry = sum + *carry;
                }
                level += 1;
            }
            levels[level][..width].copy_from_slice(carry);
        }
        for (level, sums) in levels.iter().enumerate() {
            if leaves >> level & 1 == 1 {
                for (total, &sum) in out.iter_mut().zip(sums) {
                    *total = sum + *total;
                }
            }
        }
    }
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
