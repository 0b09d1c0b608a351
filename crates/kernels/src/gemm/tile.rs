//! The innermost loops: a tile of the product, held in registers while it is summed up.

use std::mem::MaybeUninit;

#[cfg(any(target_arch = "x86_64", test))]
use super::vector::Pairs;
use super::vector::{Vector, prefetch};
use crate::Float;

/// Where a tile goes and what happens to it on the way.
#[derive(Clone, Copy)]
pub(crate) struct Out<T> {
    /// Its first item.
    pub(crate) c: *mut T,
    pub(crate) row_stride: usize,
    /// Columns that exist; the tile may be wider.
    pub(crate) cols: usize,
    /// Whether the sum is added to the old items.
    pub(crate) add: bool,
    /// A factor of the sum.
    pub(crate) alpha: T,
    /// The first of `cols` numbers to add to every row, or null.
    pub(crate) bias: *const T,
    /// The first of as many numbers as there are rows, to add to the items of each, or null.
    pub(crate) row_bias: *const T,
    /// Numbers to add item by item, `residual_stride` from row to row, or null.
    pub(crate) residual: *const T,
    pub(crate) residual_stride: usize,
    pub(crate) relu: bool,
}

impl<T: Float> Out<T> {
    /// Whether the sums are at most added to the old items.
    #[inline(always)]
    fn is_plain(&self) -> bool {
        let numbers = self.bias.is_null() && self.row_bias.is_null() && self.residual.is_null();
        numbers && !self.relu && self.alpha == T::ONE
    }

    /// The same for the tile that begins `i` rows and `j` columns further on and has `cols` columns.
    #[inline(always)]
    pub(super) fn at(&self, i: usize, j: usize, cols: usize) -> Self {
        let shift = |p: *const T, items: usize| if p.is_null() { p } else { p.wrapping_add(items) };
        Out {
            c: self.c.wrapping_add(i * self.row_stride + j),
            cols,
            bias: shift(self.bias, j),
            row_bias: shift(self.row_bias, i),
            residual: shift(self.residual, i * self.residual_stride + j),
            ..*self
        }
    }
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

/// What one step adds to a sum.
pub(super) trait Term<V> {
    /// `sum` plus what the lanes of `a` and `b` contribute.
    ///
    /// # Safety
    /// As the methods of [`Vector`].
    unsafe fn add(a: V, b: V, sum: V) -> V;
}

/// Lanes hold one number each: the product of the two.
pub(super) struct Single;

impl<V: Vector> Term<V> for Single {
    #[inline(always)]
    unsafe fn add(a: V, b: V, sum: V) -> V {
        // SAFETY: as the caller's.
        unsafe { a.mul_add(b, sum) }
    }
}

/// Lanes hold two numbers of 16 bits each: the sum of two products.
#[cfg(any(target_arch = "x86_64", test))]
pub(super) struct Double;

#[cfg(any(target_arch = "x86_64", test))]
impl<V: Pairs> Term<V> for Double {
    #[inline(always)]
    unsafe fn add(a: V, b: V, sum: V) -> V {
        // SAFETY: as the caller's.
        unsafe { a.dot(b, sum) }
    }
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
pub(super) unsafe fn tile<V: Vector, S: Term<V>, const R: usize, const N: usize, const MASK: bool>(
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
                    acc[v] = S::add(x, row[v], acc[v]);
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
        let last = out.cols.wrapping_sub((N - 1) * V::LANES);
        if out.is_plain() && !out.add && last <= V::LANES {
            // One decision for the whole tile.
            for (i, acc) in acc.iter().enumerate() {
                for (v, &x) in acc.iter().enumerate() {
                    let p = out.c.wrapping_add(i * out.row_stride + v * V::LANES);
                    if v + 1 < N || last == V::LANES {
                        x.store(p);
                    } else {
                        x.store_first(p, last);
                    }
                }
            }
            return;
        }
        if out.is_plain() && last == V::LANES {
            for (i, acc) in acc.iter().enumerate() {
                for (v, &x) in acc.iter().enumerate() {
                    let p = out.c.wrapping_add(i * out.row_stride + v * V::LANES);
                    x.add(V::load(p)).store(p);
                }
            }
            return;
        }
        // Only here do the sums go through memory: an array that is indexed would leave the registers everywhere.
        let mut sums = [[MaybeUninit::<V>::uninit(); N]; R];
        for (acc, sums) in acc.iter().zip(&mut sums) {
            for (&x, sum) in acc.iter().zip(sums) {
                x.store(sum.as_mut_ptr().cast());
            }
        }
        for j in (0..N * V::LANES).step_by(V::LANES) {
            finish_vectors::<V, R>(|i| V::load(sums[i][j / V::LANES].as_ptr().cast()), j, out);
        }
    }
}

/// Writes the vectors of a tile that begin at column `j`, row after row.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
unsafe fn finish_vectors<V: Vector, const R: usize>(sum: impl Fn(usize) -> V, j: usize, out: &Out<V::Item>) {
    // SAFETY: as the caller's; vectors are full where all their columns exist, and partial otherwise.
    unsafe {
        let cols = out.cols.saturating_sub(j);
        let load = |p| if cols >= V::LANES { V::load(p) } else { V::load_first(p, cols) };
        let bias = if out.bias.is_null() { V::zero() } else { load(out.bias.wrapping_add(j)) };
        for i in 0..R {
            let p = out.c.wrapping_add(i * out.row_stride + j);
            let mut x = sum(i);
            if out.alpha != V::Item::ONE {
                x = x.mul_add(V::splat(&out.alpha), V::zero());
            }
            if out.add {
                x = x.add(load(p));
            }
            if !out.bias.is_null() {
                x = x.add(bias);
            }
            if !out.row_bias.is_null() {
                x = x.add(V::splat(out.row_bias.wrapping_add(i)));
            }
            if !out.residual.is_null() {
                x = x.add(load(out.residual.wrapping_add(i * out.residual_stride + j)));
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
