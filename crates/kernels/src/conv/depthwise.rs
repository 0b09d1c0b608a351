//! Convolutions whose outputs see one input channel each, summed directly: there are too few products for a matrix.

use std::ops::Range;

use super::frame::{Frame, Layout};
use super::places::Places;
use super::{Conv2d, Placed};
use crate::dispatch::multiversion;
use crate::threads::{Shared, for_each};
use crate::{Buffer, Float};

/// Multiplications of a task.
const TASK: usize = 1 << 17;

/// Whether every output channel sees one input channel of several. (A single one is seen by many outputs, for which a
/// product is faster.)
pub(super) fn is_possible(s: &Conv2d) -> bool {
    s.groups == s.in_channels && s.groups > 1 && s.taps() > 0 && s.pixels() > 0
}

/// Output channels of one input channel.
fn multiple(s: &Conv2d) -> usize {
    s.out_channels / s.groups
}

/// The laid-out plane of one channel of one image, and where its taps see the first output pixel.
fn laid_out<'a, T: Float>(
    layout: Layout<'a>,
    s: &Placed,
    x: &'a [T],
    [n, c]: [usize; 2],
) -> (Frame<'a, T>, Places) {
    let (len, kernel) = (s.in_channels * s.height * s.width, s.kernel[0] * s.kernel[1]);
    let frame = Frame::new(layout, &x[n * len..][..len], c..c + 1, 0..s.pixels());
    let taps = frame.taps(c * kernel..(c + 1) * kernel);
    (frame, taps)
}

/// Calls `f(range)` for ranges of `0..count`, on several threads; each item takes `work` multiplications.
fn in_ranges(count: usize, work: usize, f: &(dyn Fn(Range<usize>) + Sync)) {
    let group = (TASK / work.max(1)).max(1);
    for_each(count.div_ceil(group), &|g| f(g * group..((g + 1) * group).min(count)));
}

pub(super) fn forward<T: Float>(s: &Conv2d, x: &[T], w: &[T], bias: Option<&[T]>, y: &mut [T]) {
    let (s, pixels, kernel, multiple) = (s.placed(), s.pixels(), s.taps(), multiple(s));
    let layout = Layout::new(&s);
    let y = Shared::new(y.as_mut_ptr());
    in_ranges(s.batch * s.in_channels, multiple * pixels * kernel, &|range| {
        for plane in range {
            let (n, c) = (plane / s.in_channels, plane % s.in_channels);
            let (frame, taps) = laid_out(layout, &s, x, [n, c]);
            for o in c * multiple..(c + 1) * multiple {
                let start = (n * s.out_channels + o) * pixels;
                // SAFETY: planes do not overlap, lie inside `y`, and every one is visited once.
                let y = unsafe { std::slice::from_raw_parts_mut(y.get().add(start), pixels) };
                let bias = bias.map_or(T::ZERO, |bias| bias[o]);
                let sizes = [s.output[1], layout.step()];
                weighted_sum(frame.items(), &taps, &w[o * kernel..][..kernel], bias, sizes, y);
            }
        }
    });
}

pub(super) fn input_grad<T: Float>(s: &Conv2d, dy: &[T], w: &[T], dx: &mut [T]) {
    let (s, pixels, kernel, multiple) = (s.placed(), s.pixels(), s.taps(), multiple(s));
    let layout = Layout::new(&s);
    let (len, taps) = (layout.plane(), layout.taps());
    let plane = s.height * s.width;
    let dx = Shared::new(dx.as_mut_ptr());
    in_ranges(s.batch * s.in_channels, multiple * pixels * kernel, &|range| {
        let mut frame = Buffer::take(len * size_of::<T>());
        let frame = frame.as_mut_slice::<T>();
        for i in range {
            let (n, c) = (i / s.in_channels, i % s.in_channels);
            frame.fill(T::ZERO);
            for o in c * multiple..(c + 1) * multiple {
                let dy = &dy[(n * s.out_channels + o) * pixels..][..pixels];
                add_weighted(dy, &taps, &w[o * kernel..][..kernel], [s.output[1], layout.step()], frame);
            }
            // SAFETY: planes do not overlap, lie inside `dx`, and every one is visited once.
            let dx = unsafe { std::slice::from_raw_parts_mut(dx.get().add(i * plane), plane) };
            layout.take_back(frame, dx);
        }
    });
}

/// Images are summed one after the other, output channels on several threads.
pub(super) fn weight_grad<T: Float>(s: &Conv2d, x: &[T], dy: &[T], dw: &mut [T]) {
    let (s, pixels, kernel, multiple) = (s.placed(), s.pixels(), s.taps(), multiple(s));
    let layout = Layout::new(&s);
    let dw = Shared::new(dw.as_mut_ptr());
    in_ranges(s.out_channels, s.batch * pixels * kernel, &|range| {
        for o in range {
            // SAFETY: channels do not overlap, lie inside `dw`, and every one is visited once.
            let dw = unsafe { std::slice::from_raw_parts_mut(dw.get().add(o * kernel), kernel) };
            dw.fill(T::ZERO);
            for n in 0..s.batch {
                let (frame, taps) = laid_out(layout, &s, x, [n, o / multiple]);
                let dy = &dy[(n * s.out_channels + o) * pixels..][..pixels];
                add_dots(frame.items(), &taps, dy, [s.output[1], layout.step()], dw);
            }
        }
    });
}

/// `a b + c`
#[inline(always)]
fn fma<const FUSED: bool, T: Float>(a: T, b: T, c: T) -> T {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// One piece of N outputs of [`weighted_sum`].
#[inline(always)]
fn sum_piece<const FUSED: bool, const N: usize, T: Float>(
    x: &[T],
    taps: &[usize],
    w: &[T],
    bias: T,
    at: usize,
    y: &mut [T],
) {
    let mut sums = [bias; N];
    for (&tap, &w) in taps.iter().zip(w) {
        let x = &x[tap.wrapping_add(at)..][..N];
        for l in 0..N {
            sums[l] = fma::<FUSED, T>(x[l], w, sums[l]);
        }
    }
    y[..N].copy_from_slice(&sums);
}

/// One piece of N products of each tap of [`add_weighted`].
#[inline(always)]
fn add_piece<const FUSED: bool, const N: usize, T: Float>(dy: &[T], w: T, x: &mut [T]) {
    let (dy, x) = (&dy[..N], &mut x[..N]);
    for l in 0..N {
        x[l] = fma::<FUSED, T>(dy[l], w, x[l]);
    }
}

multiversion! {
    /// `y[i, j] = bias + sum over taps t of w[t] x[taps[t] + i * step + j]`, for rows of `cols`.
    fn weighted_sum[T: Float](x: &[T], taps: &[usize], w: &[T], bias: T, sizes: [usize; 2], y: &mut [T]) {
        let [cols, step] = sizes;
        for (i, y) in y.chunks_exact_mut(cols).enumerate() {
            let (mut j, at) = (0, i * step);
            while j + 16 <= cols {
                sum_piece::<FUSED, 16, T>(x, taps, w, bias, at + j, &mut y[j..]);
                j += 16;
            }
            while j + 4 <= cols {
                sum_piece::<FUSED, 4, T>(x, taps, w, bias, at + j, &mut y[j..]);
                j += 4;
            }
            while j < cols {
                sum_piece::<FUSED, 1, T>(x, taps, w, bias, at + j, &mut y[j..]);
                j += 1;
            }
        }
    }

    /// `x[taps[t] + i * step + j] += w[t] dy[i, j]`, for all taps t: the adjoint of [`weighted_sum`].
    fn add_weighted[T: Float](dy: &[T], taps: &[usize], w: &[T], sizes: [usize; 2], x: &mut [T]) {
        let [cols, step] = sizes;
        for (i, dy) in dy.chunks_exact(cols).enumerate() {
            for (&tap, &w) in taps.iter().zip(w) {
                let x = &mut x[tap + i * step..][..cols];
                let mut j = 0;
                while j + 8 <= cols {
                    add_piece::<FUSED, 8, T>(&dy[j..], w, &mut x[j..]);
                    j += 8;
                }
                while j < cols {
                    add_piece::<FUSED, 1, T>(&dy[j..], w, &mut x[j..]);
                    j += 1;
                }
            }
        }
    }

    /// `dw[t] += sum over i, j of dy[i, j] x[taps[t] + i * step + j]`.
    fn add_dots[T: Float](x: &[T], taps: &[usize], dy: &[T], sizes: [usize; 2], dw: &mut [T]) {
        let [cols, step] = sizes;
        for (&tap, dw) in taps.iter().zip(dw) {
            let (mut sums, mut rest) = ([T::ZERO; 16], T::ZERO);
            for (i, dy) in dy.chunks_exact(cols).enumerate() {
                let x = &x[tap.wrapping_add(i * step)..][..cols];
                let (pieces, others) = (dy.chunks_exact(16), cols / 16 * 16);
                for (x, dy) in x.chunks_exact(16).zip(pieces) {
                    for l in 0..16 {
                        sums[l] = fma::<FUSED, T>(x[l], dy[l], sums[l]);
                    }
                }
                let (x, dy) = (&x[others..], &dy[others..]);
                for (x, dy) in x.chunks_exact(4).zip(dy.chunks_exact(4)) {
                    for l in 0..4 {
                        sums[l] = fma::<FUSED, T>(x[l], dy[l], sums[l]);
                    }
                }
                for (&x, &dy) in x.iter().zip(dy).skip(x.len() / 4 * 4) {
                    rest = fma::<FUSED, T>(x, dy, rest);
                }
            }
            *dw += sums.into_iter().sum::<T>() + rest;
        }
    }
}
