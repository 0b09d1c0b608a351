//! The instruction sets with their tile and block sizes, and the functions compiled for them.
//!
//! # Safety
//! Functions here may only be called where the instructions exist, and with pointers that are valid as their namesakes
//! in [`tile`](super::tile) and [`pack`](super::pack) demand.

use std::marker::PhantomData;

use super::gemv::{combine, dots};
use super::pack::{Block, Packer, pack};
#[cfg(any(target_arch = "x86_64", test))]
use super::pairs::pack_pairs;
#[cfg(any(target_arch = "x86_64", test))]
use super::tile::Double;
use super::tile::{Left, Out, Right, Single, tile};
use super::vector::{Plain, Vector};
use crate::Float;
use crate::bf16::round_in_place;

/// One instruction set for one type of number: what products through packed panels need.
///
/// The functions may only be called where the instructions exist, and with pointers that are valid as their
/// namesakes in [`tile`](super::tile) and [`pack`](super::pack) demand.
pub(crate) trait Panels: 'static {
    type Item: Float;
    type V: Vector<Item = Self::Item>;
    /// Rows and vectors of a tile.
    const ROWS: usize;
    const VECTORS: usize;
    const COLS: usize = Self::VECTORS * Self::V::LANES;
    /// Numbers along the depth that share one item of a panel.
    const PER_ITEM: usize = 1;
    /// Items of a lane that are summed up before a tile is written: a panel of the right factor shall stay in the
    /// first-level cache.
    const DEPTH: usize;
    /// A depth of up to so many items is not cut.
    const WHOLE_DEPTH: usize = Self::DEPTH;
    /// Rows, or columns, of a block that a thread packs for itself, so that it stays in the second-level cache.
    const BLOCK_ROWS: usize;
    const BLOCK_COLS: usize;

    /// A tile of packed panels; `rows` is in 1 ..= ROWS.
    unsafe fn packed(
        rows: usize,
        depth: usize,
        a: *const Self::Item,
        b: *const Self::Item,
        out: &Out<Self::Item>,
    );
    /// How the left and the right factor are packed.
    const LEFT: Packer<Self::Item>;
    const RIGHT: Packer<Self::Item>;
}

/// A machine that can also multiply straight from the matrices.
pub(crate) trait Machine: Panels {
    /// A tile straight from the matrices, at most `out.cols` (1 ..= COLS) wide; `rows` is in 1 ..= ROWS.
    unsafe fn direct(
        rows: usize,
        depth: usize,
        a: Left<Self::Item>,
        b: Right<Self::Item>,
        out: &Out<Self::Item>,
    );
    /// A tile with the left factor straight from the matrix and a packed panel on the right.
    unsafe fn half_packed(
        rows: usize,
        depth: usize,
        a: Left<Self::Item>,
        b: *const Self::Item,
        out: &Out<Self::Item>,
    );
    /// See [`gemv`](super::gemv).
    unsafe fn dots(
        rows: usize,
        depth: usize,
        a: *const Self::Item,
        stride: usize,
        x: *const Self::Item,
        sums: *mut Self::Item,
    );
    /// See [`gemv`](super::gemv).
    unsafe fn combine(
        rows: usize,
        depth: usize,
        a: *const Self::Item,
        stride: usize,
        x: *const Self::Item,
        sums: *mut Self::Item,
    );
}

macro_rules! machine {
    (
        $name:ident, $item:ty, $v:ty, $rows:literal x $vectors:literal,
        rows $($r:literal)*, depth $depth:literal, block $block_rows:literal x $block_cols:literal,
        $(features $features:literal)?
    ) => {
        pub(crate) struct $name;

        impl $name {
            $(#[target_feature(enable = $features)])?
            unsafe fn pack<const W: usize>(x: Block<$item>, panel: usize, to: *mut $item) {
                // SAFETY: the caller vouches for all that `pack` needs.
                unsafe { pack::<$v, W>(x, panel, to) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn packed_rows<const R: usize>(depth: usize, a: *const $item, b: *const $item, out: &Out<$item>) {
                let a = Left { start: a, row: 1, step: $rows };
                let b = Right { start: b, step: $vectors * <$v>::LANES };
                // SAFETY: the caller vouches for all that `tile` needs.
                unsafe { tile::<$v, Single, R, $vectors, false>(depth, a, b, out) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn direct_rows<const R: usize, const N: usize, const MASK: bool>(
                depth: usize,
                a: Left<$item>,
                b: Right<$item>,
                out: &Out<$item>,
            ) {
                // SAFETY: the caller vouches for all that `tile` needs.
                unsafe { tile::<$v, Single, R, N, MASK>(depth, a, b, out) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn line<const ALONG: bool>(
                [rows, depth, stride]: [usize; 3],
                a: *const $item,
                x: *const $item,
                sums: *mut $item,
            ) {
                // SAFETY: the caller vouches for all that these need.
                unsafe {
                    if ALONG {
                        dots::<$v>(rows, depth, a, stride, x, sums);
                    } else {
                        combine::<$v>(rows, depth, a, stride, x, sums);
                    }
                }
            }
        }

        impl Panels for $name {
            type Item = $item;
            type V = $v;
            const ROWS: usize = $rows;
            const VECTORS: usize = $vectors;
            const DEPTH: usize = $depth;
            const BLOCK_ROWS: usize = $block_rows;
            const BLOCK_COLS: usize = $block_cols;
            const LEFT: Packer<$item> = Packer { width: $rows, per_item: Self::PER_ITEM, pack: Self::pack::<$rows> };
            const RIGHT: Packer<$item> = Packer {
                width: Self::COLS,
                per_item: Self::PER_ITEM,
                pack: Self::pack::<{ $vectors * <$v>::LANES }>,
            };

            #[inline]
            unsafe fn packed(rows: usize, depth: usize, a: *const $item, b: *const $item, out: &Out<$item>) {
                // Where one vector is enough, the others would multiply zeros.
                let narrow = out.cols <= <$v>::LANES;
                let (left, right) = (Left { start: a, row: 1, step: $rows }, Right { start: b, step: Self::COLS });
                // SAFETY: as the caller's.
                unsafe {
                    match (rows, narrow) {
                        $(
                            ($r, true) => Self::direct_rows::<$r, 1, false>(depth, left, right, out),
                            ($r, false) => Self::packed_rows::<$r>(depth, a, b, out),
                        )*
                        _ => unreachable!("a tile has 1 to {} rows, not {rows}", $rows),
                    }
                }
            }
        }

        impl Machine for $name {
            unsafe fn dots(
                rows: usize,
                depth: usize,
                a: *const $item,
                stride: usize,
                x: *const $item,
                sums: *mut $item,
            ) {
                // SAFETY: as the caller's.
                unsafe { Self::line::<true>([rows, depth, stride], a, x, sums) }
            }

            unsafe fn combine(
                rows: usize,
                depth: usize,
                a: *const $item,
                stride: usize,
                x: *const $item,
                sums: *mut $item,
            ) {
                // SAFETY: as the caller's.
                unsafe { Self::line::<false>([rows, depth, stride], a, x, sums) }
            }

            #[inline]
            unsafe fn direct(rows: usize, depth: usize, a: Left<$item>, b: Right<$item>, out: &Out<$item>) {
                let vectors = out.cols.div_ceil(<$v>::LANES);
                let mask = out.cols % <$v>::LANES != 0;
                // SAFETY: as the caller's; the right variant for the number of columns is chosen.
                unsafe {
                    match (rows, vectors, mask) {
                        $(
                            ($r, 1, true) => Self::direct_rows::<$r, 1, true>(depth, a, b, out),
                            ($r, 1, false) => Self::direct_rows::<$r, 1, false>(depth, a, b, out),
                            ($r, 2, true) => Self::direct_rows::<$r, 2, true>(depth, a, b, out),
                            ($r, 2, false) => Self::direct_rows::<$r, 2, false>(depth, a, b, out),
                        )*
                        _ => unreachable!("a tile of {rows} rows and {vectors} vectors"),
                    }
                }
            }

            #[inline]
            unsafe fn half_packed(rows: usize, depth: usize, a: Left<$item>, b: *const $item, out: &Out<$item>) {
                let b = Right { start: b, step: Self::COLS };
                // SAFETY: as the caller's.
                unsafe {
                    match (rows, out.cols <= <$v>::LANES) {
                        $(
                            ($r, true) => Self::direct_rows::<$r, 1, false>(depth, a, b, out),
                            ($r, false) => Self::direct_rows::<$r, $vectors, false>(depth, a, b, out),
                        )*
                        _ => unreachable!("a tile has 1 to {} rows, not {rows}", $rows),
                    }
                }
            }
        }
    };
}

machine!(BaselineF32, f32, Plain<f32>, 4 x 2, rows 1 2 3 4, depth 256, block 128 x 64,);
machine!(BaselineF64, f64, Plain<f64>, 4 x 2, rows 1 2 3 4, depth 256, block 64 x 32,);
#[cfg(target_arch = "x86_64")]
machine!(
    Avx2F32, f32, std::arch::x86_64::__m256, 6 x 2, rows 1 2 3 4 5 6, depth 384, block 108 x 64,
    features "avx2,fma"
);
#[cfg(target_arch = "x86_64")]
machine!(
    Avx2F64, f64, std::arch::x86_64::__m256d, 6 x 2, rows 1 2 3 4 5 6, depth 256, block 96 x 64,
    features "avx2,fma"
);
#[cfg(target_arch = "x86_64")]
machine!(
    Avx512F32, f32, std::arch::x86_64::__m512, 14 x 2, rows 1 2 3 4 5 6 7 8 9 10 11 12 13 14,
    depth 384, block 336 x 128,
    features "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"
);
#[cfg(target_arch = "x86_64")]
machine!(
    Avx512F64, f64, std::arch::x86_64::__m512d, 14 x 2, rows 1 2 3 4 5 6 7 8 9 10 11 12 13 14,
    depth 384, block 168 x 64,
    features "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"
);

/// Machines that multiply pairs of 16-bit numbers. They read matrices of `f32`.
#[cfg(any(target_arch = "x86_64", test))]
macro_rules! pair_machine {
    (
        $name:ident, $v:ty, $rows:literal x $vectors:literal, rows $($r:literal)*,
        depth $depth:literal up to $whole:literal, block $block_rows:literal x $block_cols:literal,
        $(features $features:literal)?
    ) => {
        pub(super) struct $name;

        impl $name {
            $(#[target_feature(enable = $features)])?
            unsafe fn pack<const W: usize>(x: Block<f32>, panel: usize, to: *mut f32) {
                // SAFETY: the caller vouches for all that `pack_pairs` needs.
                unsafe { pack_pairs::<$v, W>(x, panel, to) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn packed_rows<const R: usize>(depth: usize, a: *const f32, b: *const f32, out: &Out<f32>) {
                let a = Left { start: a, row: 1, step: $rows };
                let b = Right { start: b, step: $vectors * <$v>::LANES };
                // SAFETY: the caller vouches for all that `tile` needs.
                unsafe { tile::<$v, Double, R, $vectors, false>(depth, a, b, out) }
            }
        }

        impl Panels for $name {
            type Item = f32;
            type V = $v;
            const ROWS: usize = $rows;
            const VECTORS: usize = $vectors;
            const PER_ITEM: usize = 2;
            const DEPTH: usize = $depth;
            const WHOLE_DEPTH: usize = $whole;
            const BLOCK_ROWS: usize = $block_rows;
            const BLOCK_COLS: usize = $block_cols;
            const LEFT: Packer<f32> = Packer { width: $rows, per_item: Self::PER_ITEM, pack: Self::pack::<$rows> };
            const RIGHT: Packer<f32> = Packer {
                width: Self::COLS,
                per_item: Self::PER_ITEM,
                pack: Self::pack::<{ $vectors * <$v>::LANES }>,
            };

            #[inline]
            unsafe fn packed(rows: usize, depth: usize, a: *const f32, b: *const f32, out: &Out<f32>) {
                // SAFETY: as the caller's.
                unsafe {
                    match rows {
                        $($r => Self::packed_rows::<$r>(depth, a, b, out),)*
                        _ => unreachable!("a tile has 1 to {} rows, not {rows}", $rows),
                    }
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
pair_machine!(
    Avx512Bf16, std::arch::x86_64::__m512, 14 x 2, rows 1 2 3 4 5 6 7 8 9 10 11 12 13 14,
    depth 384 up to 768, block 336 x 128,
    features "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma"
);
#[cfg(test)]
pair_machine!(BaselinePairs, Plain<f32>, 4 x 2, rows 1 2 3 4, depth 32 up to 48, block 16 x 16,);

/// A machine that rounds the factors to 16 bits when it packs them, and multiplies them as `f32`.
pub(super) struct Rounding<M>(PhantomData<M>);

impl<M: Panels<Item = f32>> Rounding<M> {
    unsafe fn pack<const LEFT: bool>(x: Block<f32>, panel: usize, to: *mut f32) {
        let packer = if LEFT { M::LEFT } else { M::RIGHT };
        // SAFETY: the packer has written `depth` rows of every panel, which the caller lent.
        unsafe {
            (packer.pack)(x, panel, to);
            for q in 0..x.lanes.div_ceil(packer.width) {
                round_in_place(std::slice::from_raw_parts_mut(to.add(q * panel), x.depth * packer.width));
            }
        }
    }
}

impl<M: Panels<Item = f32>> Panels for Rounding<M> {
    type Item = f32;
    type V = M::V;
    const ROWS: usize = M::ROWS;
    const VECTORS: usize = M::VECTORS;
    const DEPTH: usize = M::DEPTH;
    const BLOCK_ROWS: usize = M::BLOCK_ROWS;
    const BLOCK_COLS: usize = M::BLOCK_COLS;
    const LEFT: Packer<f32> = Packer { pack: Self::pack::<true>, ..M::LEFT };
    const RIGHT: Packer<f32> = Packer { pack: Self::pack::<false>, ..M::RIGHT };

    unsafe fn packed(rows: usize, depth: usize, a: *const f32, b: *const f32, out: &Out<f32>) {
        // SAFETY: as the caller's.
        unsafe { M::packed(rows, depth, a, b, out) }
    }
}
