//! Convolutions of 3x3 kernels with fewer multiplications: Winograd's minimal filtering.
//!
//! An image is cut into tiles of M x M outputs. Each tile and each filter is transformed to A x A values (A = M + 2),
//! which are multiplied position by position, summed over the input channels as A^2 matrix products, and transformed
//! back: `y = A^T [(G w G^T) (B^T x B)] A` instead of 9 M^2 multiplications takes A^2, which is 4 times fewer for
//! M = 4 and 2.25 times fewer for M = 2. The input gradient is the same with turned filters; the weight gradient is the
//! adjoint form.
//!
//! All that is transformed lies ready for the products as it is written; pixels are turned from planes to vectors of
//! channels, a few rows at a time, in the cache.
//!
//! **Accuracy.** For standard normal numbers, the largest error of M = 4 is below 2e-5 of the root mean square of the
//! result at the usual sizes (that of M = 2 is as small as without transforms). Errors scale with the largest number of
//! a tile, and an infinity or NaN in a tile makes all its outputs NaN, not only those that see it.
//!
//! Source: Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016. Differs from the paper in the
//! points of M = 4, which are 0, 5/8, -5/8, 3/2, -3/2 and infinity, for smaller errors.

mod engine;
mod forward;
mod grid;
mod planes;
mod transform;
mod variant;
mod weights;

use std::ops::Range;

use self::engine::Engine;
use self::planes::CHANNELS;
use self::transform::Filters;
use self::variant::{F2, F4, Variant};
use super::Conv2d;
use crate::Buffer;
#[cfg(target_arch = "x86_64")]
use crate::Isa;
use crate::dispatch::isa;
use crate::gemm::machine::BaselineF32;
#[cfg(target_arch = "x86_64")]
use crate::gemm::machine::{Avx2F32, Avx512F32};
use crate::gemm::{Left, Out, prefetch};

/// The outputs of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tile {
    Two,
    Four,
}

/// Whether a convolution can be computed this way.
pub(super) fn is_possible(s: &Conv2d) -> bool {
    let plain = s.kernel == [3, 3] && s.stride == [1, 1] && s.dilation == [1, 1] && s.groups == 1;
    plain && s.lens().iter().all(|&len| len > 0)
}

/// The convolution that is the input gradient of `s`, with turned filters: its padding is what the kernel reaches over
/// the own padding, which must be 2 at most.
pub(super) fn turned(s: &Conv2d) -> Option<Conv2d> {
    let [height, width] = s.output();
    let padding = [2usize.checked_sub(s.padding[0])?, 2usize.checked_sub(s.padding[1])?];
    let (in_channels, out_channels) = (s.out_channels, s.in_channels);
    Some(Conv2d { in_channels, out_channels, height, width, padding, ..*s })
}

/// Calls a function for the engine of the processor and the variant of a tile.
macro_rules! on_engine {
    ($tile:ident, $($f:ident)::+, ($($argument:expr),*)) => {
        match (isa(), $tile) {
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx512, Tile::Two) => $($f)::+::<Avx512F32, F2>($($argument),*),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx512, Tile::Four) => $($f)::+::<Avx512F32, F4>($($argument),*),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx2, Tile::Two) => $($f)::+::<Avx2F32, F2>($($argument),*),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx2, Tile::Four) => $($f)::+::<Avx2F32, F4>($($argument),*),
            (_, Tile::Two) => $($f)::+::<BaselineF32, F2>($($argument),*),
            (_, Tile::Four) => $($f)::+::<BaselineF32, F4>($($argument),*),
        }
    };
}

/// y = conv(x, w) + bias. All lengths must be those of `s`, which must be possible.
pub(super) fn forward(tile: Tile, s: &Conv2d, x: &[f32], w: &[f32], bias: Option<&[f32]>, y: &mut [f32]) {
    let filters = Filters { w, columns: s.out_channels, column: s.taps(), step: 9, turned: false };
    // SAFETY: `isa` finds what the processor has; the lengths are those of `s`.
    unsafe { on_engine!(tile, forward::forward, (s, x, filters, bias, y)) }
}

/// dx, as the forward pass of `turned`, the convolution that [`turned`] made.
pub(super) fn input_grad(tile: Tile, turned: &Conv2d, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    let columns = turned.out_channels;
    let filters = Filters { w, columns, column: 9, step: 9 * columns, turned: true };
    // SAFETY: `isa` finds what the processor has; the lengths are those of the convolution.
    unsafe { on_engine!(tile, forward::forward, (turned, dy, filters, None, dx)) }
}

/// dw. All lengths must be those of `s`, which must be possible.
pub(super) fn weight_grad(tile: Tile, s: &Conv2d, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    // SAFETY: `isa` finds what the processor has; the lengths are those of `s`.
    unsafe { on_engine!(tile, weights::weight_grad, (s, x, dy, dw)) }
}

/// The number of products of a tile.
const fn positions<T: Variant>() -> usize {
    T::A * T::A
}

/// The number of channels with room for whole panels and whole lines.
fn padded(channels: usize, cols: usize) -> usize {
    channels.next_multiple_of(cols.max(CHANNELS))
}

/// Room for transformed numbers.
struct Scratch(Buffer);

impl Scratch {
    fn take(len: usize) -> Scratch {
        Scratch(Buffer::take(len * size_of::<f32>()))
    }

    fn start(&mut self) -> *mut f32 {
        self.0.as_mut_slice::<f32>().as_mut_ptr()
    }
}

/// `to` = (or, with `add`, +=) the product of `left`, [rows, depth], and a panel: rows of [`Panels::COLS`] sums. Rows
/// are shared out evenly over the tiles of registers. The next product's left factor lies `ahead` items further on.
///
/// [`Panels::COLS`]: crate::gemm::machine::Panels::COLS
///
/// # Safety
/// The instructions must exist, the factors be readable and the destination writable.
#[inline(always)]
unsafe fn products<M: Engine>(
    [rows, depth]: [usize; 2],
    left: Left<f32>,
    ahead: usize,
    right: *const f32,
    to: *mut f32,
    add: bool,
) {
    let parts = rows.div_ceil(M::ROWS);
    let first = |part: usize| rows * part / parts;
    for part in 0..parts {
        let (start, end) = (first(part), first(part + 1));
        // Rows of a tile are too short and too far apart for the processor to foresee.
        if part + 1 < parts {
            prefetch_rows(&left, end..first(part + 2), depth);
        } else {
            let next = Left { start: left.start.wrapping_add(ahead), ..left };
            prefetch_rows(&next, 0..first(1), depth);
        }
        let out = Out {
            c: to.wrapping_add(start * M::COLS),
            row_stride: M::COLS,
            cols: M::COLS,
            add,
            alpha: 1.0,
            bias: std::ptr::null(),
            row_bias: std::ptr::null(),
            residual: std::ptr::null(),
            residual_stride: 0,
            relu: false,
        };
        let left = Left { start: left.start.wrapping_add(start * left.row), ..left };
        // SAFETY: as the caller's.
        unsafe { M::half_packed(end - start, depth, left, right, &out) };
    }
}

/// Asks for the lines of some rows of a left factor whose rows, or columns, are contiguous.
#[inline(always)]
fn prefetch_rows(left: &Left<f32>, rows: Range<usize>, depth: usize) {
    const LINE: usize = 64 / size_of::<f32>();
    if left.step == 1 {
        for row in rows {
            let start = left.start.wrapping_add(row * left.row);
            (0..depth).step_by(LINE).for_each(|p| prefetch(start.wrapping_add(p)));
        }
    } else if rows.start == 0 || (rows.start - 1) / LINE != (rows.end - 1) / LINE {
        let start = left.start.wrapping_add(rows.end - 1);
        (0..depth).for_each(|p| prefetch(start.wrapping_add(p * left.step)));
    }
}
