//! Convolutions of one group as products over all images at once.

use super::factors::{Outputs, Pixels, Taps};
use super::{Conv2d, Placed, grouped};
use crate::dispatch::isa;
use crate::gemm::{Lanes, Large, LargeEpilogue};
use crate::threads::{Shared, for_each};
use crate::{Buffer, Float};

/// y = W columns(x), a column per pixel.
pub(super) fn forward<T: Float>(s: &Placed, x: &[T], w: &[T], bias: Option<&[T]>, y: &mut [T]) {
    let (taps, pixels) = (s.taps(), s.pixels());
    let product = Large {
        depth: taps,
        rows: s.out_channels,
        cols: pixels,
        images: s.batch,
        left: &Lanes { lanes: s.out_channels, lane: taps, step: 1, data: w },
        right: &Pixels { s, x },
        c: y.as_mut_ptr(),
        row_stride: pixels,
        image_stride: s.out_channels * pixels,
        epilogue: LargeEpilogue { accumulate: false, bias: None, row_bias: bias, relu: false },
    };
    // SAFETY: `isa` finds what the processor has; lengths were checked, and `y` is borrowed mutably.
    unsafe { T::multiply_factors(isa(), &product) };
}

/// The weights for the input gradient: [out, in, rows, columns] becomes [in, out, ..] with the kernels turned by half
/// a turn.
pub(super) fn turn<T: Float>(s: &Conv2d, w: &[T]) -> Buffer {
    let kernel = s.kernel[0] * s.kernel[1];
    let mut memory = Buffer::take(size_of_val(w));
    let turned = memory.as_mut_slice::<T>();
    for (from, w) in w.chunks_exact(kernel).enumerate() {
        let (out, channel) = (from / s.in_channels, from % s.in_channels);
        let to = &mut turned[(channel * s.out_channels + out) * kernel..][..kernel];
        to.iter_mut().zip(w.iter().rev()).for_each(|(to, &w)| *to = w);
    }
    memory
}

/// Images are summed in at most this many groups, each on a thread of its own.
const GROUPS: usize = 8;
/// Only weights up to this size are worth a copy per group.
const GROUP_BYTES: usize = 1 << 20;
/// Multiplications that are worth groups.
const GROUP_WORK: usize = 1 << 21;

/// dW = dy columns(x)^T, summed over all pixels of all images.
pub(super) fn weight_grad<T: Float>(s: &Conv2d, x: &[T], dy: &[T], dw: &mut [T]) {
    let (len_x, len_y) = (s.in_channels * s.height * s.width, s.out_channels * s.pixels());
    // The groups depend on the sizes alone, and with them the order of the sum.
    let groups = if size_of_val(dw) > GROUP_BYTES || s.batch * s.pixels() * dw.len() < GROUP_WORK {
        1
    } else {
        GROUPS.min(s.batch)
    };
    let len = dw.len();
    let mut others = Buffer::take((groups - 1) * len * size_of::<T>());
    let others = others.as_mut_slice::<T>();
    let (first, rest) = (Shared::new(dw.as_mut_ptr()), Shared::new(others.as_mut_ptr()));
    for_each(groups, &|g| {
        let images = s.batch * g / groups..s.batch * (g + 1) / groups;
        let part = Conv2d { batch: images.len(), ..*s };
        let (x, dy) =
            (&x[images.start * len_x..images.end * len_x], &dy[images.start * len_y..images.end * len_y]);
        // SAFETY: group 0 has `dw`, each other one a part of `others` for itself, which has room for all of them.
        let dw = unsafe {
            let start = if g == 0 { first.get() } else { rest.get().add((g - 1) * len) };
            std::slice::from_raw_parts_mut(start, len)
        };
        if s.skips_pixels() && size_of_val(dw) <= GROUP_BYTES {
            grouped::weight_grad(&part, x, dy, dw);
        } else {
            sum_images(&part.placed(), x, dy, dw);
        }
    });
    for other in others.chunks_exact(len) {
        dw.iter_mut().zip(other).for_each(|(sum, &x)| *sum += x);
    }
}

/// The weight gradient as one product.
fn sum_images<T: Float>(s: &Placed, x: &[T], dy: &[T], dw: &mut [T]) {
    let product = Large {
        depth: s.batch * s.pixels(),
        rows: s.out_channels,
        cols: s.taps(),
        images: 1,
        left: &Outputs { channels: s.out_channels, pixels: s.pixels(), dy },
        right: &Taps { s, x },
        c: dw.as_mut_ptr(),
        row_stride: s.taps(),
        image_stride: 0,
        epilogue: LargeEpilogue { accumulate: false, bias: None, row_bias: None, relu: false },
    };
    // SAFETY: `isa` finds what the processor has; lengths were checked, and `dw` is borrowed mutably.
    unsafe { T::multiply_factors(isa(), &product) };
}
