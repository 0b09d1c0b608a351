//! How sums are ordered: by the sizes alone, in steps that keep rounding errors small and suit every vector width.

use std::ops::Range;

use crate::buffer::Buffer;
use crate::dispatch::{CHUNK, chunks, multiversion};
use crate::float::Float;

/// Independent accumulators along a row, so that the order of additions suits every vector width.
pub(super) const LANES: usize = 32;
/// Rows below this length are added one by one: the additions of neighbouring rows overlap.
pub(super) const TINY: usize = 16;
/// Rows below this length use fewer accumulators.
pub(super) const SHORT: usize = 128;
/// Elements of a row that are added by plain accumulation before the binary tree begins.
const LEAF: usize = 1024;
/// Rows of a matrix that are added by plain accumulation before their sum is added to others.
const LEAF_ROWS: usize = 32;
/// Columns that are reduced together.
pub(super) const TILE: usize = 256;

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
pub(super) fn sum_one<T: Float>(x: &[T], inner: usize, out: &mut [T]) {
    if inner == 1 {
        return sum_rows_part::<T>(x, x.len(), out);
    }
    sum_columns::<T>(x, inner, out);
}

multiversion! {
    /// The sum of each row of `n`.
    pub(super) fn sum_rows_part[T: Float](x: &[T], n: usize, out: &mut [T]) {
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

/// Adds the rows of a matrix.
#[inline(always)]
fn column_sums<T: Float>(x: &[T], inner: usize, out: &mut [T]) {
    sum_columns_with(x.len() / inner, out, |row, first, sums| {
        let at = row * inner + first;
        for (sum, &x) in sums.iter_mut().zip(&x[at..]) {
            *sum += x;
        }
    });
}

/// Adds `n` rows, a tile of columns at a time: `add(row, first column, sums)` adds one row's part of a tile. The sums
/// of 32 rows are added to those of 1024 rows, and these to the whole.
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
        let (mut middle, mut leaf) = ([T::ZERO; TILE], [T::ZERO; TILE]);
        let (middle, leaf) = (&mut middle[..width], &mut leaf[..width]);
        for start in (0..n).step_by(LEAF_ROWS) {
            for row in start..n.min(start + LEAF_ROWS) {
                add(row, first, leaf);
            }
            move_into(middle, leaf);
            if (start / LEAF_ROWS + 1).is_multiple_of(LEAF_ROWS) {
                move_into(out, middle);
            }
        }
        move_into(out, middle);
    }
}

/// Adds `from` to `sums` and clears it.
#[inline(always)]
fn move_into<T: Float>(sums: &mut [T], from: &mut [T]) {
    for (sum, from) in sums.iter_mut().zip(from) {
        *sum += std::mem::replace(from, T::ZERO);
    }
}
