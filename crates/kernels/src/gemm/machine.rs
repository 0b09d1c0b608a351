//! The instruction sets with their tile and block sizes, and the functions compiled for them.
//!
//! # Safety
//! Functions here may only be called where the instructions exist, and with pointers that are valid as their namesakes
//! in [`tile`](super::tile) and [`pack`](super::pack) demand.

use super::pack::{Block, Packer, pack};
use super::tile::{Left, Out, Right, tile};
use super::vector::{Plain, Vector};
use crate::Float;

/// One instruction set for one type of number.
///
/// The functions may only be called where the instructions exist, and with pointers that are valid as their
/// namesakes in [`tile`](super::tile) and [`pack`](super::pack) demand.
pub(crate) trait Machine: 'static {
    type Item: Float;
    type V: Vector<Item = Self::Item>;
    /// Rows and vectors of a tile.
    const ROWS: usize;
    const VECTORS: usize;
    const COLS: usize = Self::VECTORS * Self::V::LANES;
    /// Products summed up before a tile is written: a panel of the right factor shall stay in the first-level cache.
    const DEPTH: usize;
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
    /// How the left and the right factor are packed.
    const LEFT: Packer<Self::Item>;
    const RIGHT: Packer<Self::Item>;
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
                unsafe { tile::<$v, R, $vectors, false>(depth, a, b, out) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn direct_rows<const R: usize, const N: usize, const MASK: bool>(
                depth: usize,
                a: Left<$item>,
                b: Right<$item>,
                out: &Out<$item>,
            ) {
                // SAFETY: the caller vouches for all that `tile` needs.
                unsafe { tile::<$v, R, N, MASK>(depth, a, b, out) }
            }
        }

        impl Machine for $name {
            type Item = $item;
            type V = $v;
            const ROWS: usize = $rows;
            const VECTORS: usize = $vectors;
            const DEPTH: usize = $depth;
            const BLOCK_ROWS: usize = $block_rows;
            const BLOCK_COLS: usize = $block_cols;
            const LEFT: Packer<$item> = Packer { width: $rows, pack: Self::pack::<$rows> };
            const RIGHT: Packer<$item> =
                Packer { width: Self::COLS, pack: Self::pack::<{ $vectors * <$v>::LANES }> };

            #[inline]
            unsafe fn packed(rows: usize, depth: usize, a: *const $item, b: *const $item, out: &Out<$item>) {
                // SAFETY: as the caller's.
                unsafe {
                    match rows {
                        $($r => Self::packed_rows::<$r>(depth, a, b, out),)*
                        _ => unreachable!("a tile has 1 to {} rows, not {rows}", $rows),
                    }
                }
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
    Avx2F32, f32, std::arch::x86_64::__m256, 6 x 2, rows 1 2 3 4 5 6, depth 256, block 192 x 128,
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
