//! The innermost loops: a tile of the product, held in registers while it is summed up.

use super::vector::{Vector, prefetch};

/// Where a tile goes and what happens to it on the way.
pub(crate) struct Out<T> {
    /// Its first item.
    pub(crate) c: *mut T,
    pub(crate) row_stride: usize,
    /// Columns that exist; the tile may be wider.
    pub(crate) cols: usize,
    /// Whether the sum is added to the old items.
    pub(crate) add: bool,
    /// The first of `cols` numbers to add to every row, or null.
    pub(crate) bias: *const T,
    /// The first of as many numbers as there are rows, to add to the items of each, or null.
    pub(crate) row_bias: *const T,
    pub(crate) relu: bool,
}

/// The left factor of a tile: item (i, p) is at `start + i * row + p * step`.
#[derive(Clone, Copy)]
pub(crate) struct Left<T> {
    pub(crate) start: *const T,
    pub(crate) row: usize,
    pub(crate) step: usize,
}

/// The right factor of a tile: item (p, j) is at `start + p * step + j`.
#[derive(Clone, Copy)]
pub(crate) struct Right<T> {
    pub(crate) start: *const T,
    pub(crate) step: usize,
}

/// A tile of R rows and N vectors of columns: the sum over `depth` products of a column of `a` with a row of `b`.
///
/// With MASK, the last vector of a row of `b` is read as far as `out.cols` goes; without, `b` has all columns of
/// the tile.
///
/// # Safety
/// To be inlined into a function compiled for V's instructions; `a` and `b` must be readable as described, and `out`
/// writable for R rows.
#[inline(always)]
pub(super) unsafe fn tile<V: Vector, const R: usize, const N: usize, const MASK: bool>(
    depth: usize,
    a: Left<V::Item>,
    b: Right<V::Item>,
    out: &Out<V::Item>,
) {
    // SAFETY: the caller vouches for instructions and pointers.
    unsafe {
        let mut acc = [[V::zero(); N]; R];
        let (mut pa, mut pb) = (a.start, b.start);
        let rest = out.cols.wrapping_sub((N - 1) * V::LANES);
        for i in 0..R {
            prefetch(out.c.wrapping_add(i * out.row_stride));
        }
        for _ in 0..depth {
            let mut row = [V::zero(); N];
            for (v, row) in row.iter_mut().enumerate() {
                let p = pb.wrapping_add(v * V::LANES);
                *row = if MASK && v == N - 1 { V::load_first(p, rest) } else { V::load(p) };
            }
            for (i, acc) in acc.iter_mut().enumerate() {
                let x = V::splat(pa.wrapping_add(i * a.row));
                for v in 0..N {
                    acc[v] = x.mul_add(row[v], acc[v]);
                }
            }
            pa = pa.wrapping_add(a.step);
            pb = pb.wrapping_add(b.step);
        }
        finish(acc, out);
    }
}

/// Writes a summed tile.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
unsafe fn finish<V: Vector, const R: usize, const N: usize>(acc: [[V; N]; R], out: &Out<V::Item>) {
    // SAFETY: vectors are full where all their columns exist, and partial otherwise.
    unsafe {
        let full = out.cols >= N * V::LANES;
        if full && !out.add && out.bias.is_null() && out.row_bias.is_null() && !out.relu {
            for (i, acc) in acc.iter().enumerate() {
                for (v, &x) in acc.iter().enumerate() {
                    x.store(out.c.add(i * out.row_stride + v * V::LANES));
                }
            }
            return;
        }
        for v in 0..N {
            let cols = out.cols.saturating_sub(v * V::LANES);
            let load = |p| if cols >= V::LANES { V::load(p) } else { V::load_first(p, cols) };
            let bias = if out.bias.is_null() { V::zero() } else { load(out.bias.wrapping_add(v * V::LANES)) };
            for (i, acc) in acc.iter().enumerate() {
                let p = out.c.wrapping_add(i * out.row_stride + v * V::LANES);
                let mut x = acc[v];
                if out.add {
                    x = x.add(load(p));
                }
                if !out.bias.is_null() {
                    x = x.add(bias);
                }
                if !out.row_bias.is_null() {
                    x = x.add(V::splat(out.row_bias.wrapping_add(i)));
                }
                if out.relu {
                    x = x.relu();
                }
                if cols >= V::LANES {
                    x.store(p);
                } else {
                    x.store_first(p, cols);
                }
            }
        }
    }
}
