//! The input gradient of strided convolutions, without a multiplication by zero.
//!
//! The pixels of `x` whose rows and columns leave given remainders on division by the stride see every stride-th tap of
//! the kernel: their gradients are a convolution of `dy`, of stride 1, with these taps turned by half a turn. There is
//! one such convolution for each pair of remainders; their results are then put side by side.

use super::{Conv2d, Placed, passes};
use crate::dispatch::multiversion;
use crate::threads::{Shared, for_chunks, for_each};
use crate::{Buffer, Float};

/// One remainder along one axis: the pixels `remainder + i * stride` for i < `pixels`, and the taps
/// `first + m * stride` for m < `taps` that they see.
#[derive(Clone, Copy)]
struct Part {
    pixels: usize,
    first: usize,
    taps: usize,
    /// Pixels of `dy` that the turned taps reach before its start.
    padding: usize,
}

impl Part {
    /// None if the taps begin behind the start of `dy`, as large paddings make them.
    fn new(s: &Conv2d, axis: usize, remainder: usize) -> Option<Part> {
        let (size, stride) = ([s.height, s.width][axis], s.stride[axis]);
        let first = (remainder + s.padding[axis]) % stride;
        let taps = s.kernel[axis].saturating_sub(first).div_ceil(stride);
        // The first of the taps sees this pixel of `dy` from the first of the pixels.
        let sees = (remainder + s.padding[axis] - first) / stride;
        let padding = if taps == 0 { 0 } else { (taps - 1).checked_sub(sees)? };
        Some(Part { pixels: size.saturating_sub(remainder).div_ceil(stride), first, taps, padding })
    }

    fn all(s: &Conv2d, axis: usize) -> Option<Vec<Part>> {
        (0..s.stride[axis]).map(|remainder| Part::new(s, axis, remainder)).collect()
    }
}

/// Whether [`input_grad`] can be used.
pub(super) fn is_possible(s: &Conv2d) -> bool {
    let [height, width] = s.output();
    let plain = s.groups == 1 && s.dilation == [1, 1] && s.stride != [1, 1];
    let sized = height > 0 && width > 0 && s.out_channels > 0;
    // For few input channels, making the columns would take longer than using them.
    plain && sized && s.in_channels > 8 && Part::all(s, 0).is_some() && Part::all(s, 1).is_some()
}

pub(super) fn input_grad<T: Float>(s: &Conv2d, dy: &[T], w: &[T], dx: &mut [T]) {
    let (Some(rows), Some(cols)) = (Part::all(s, 0), Part::all(s, 1)) else {
        unreachable!("the caller asked whether it is possible")
    };
    let [height, width] = s.output();
    let planes = s.batch * s.in_channels;
    let mut parts = Vec::new();
    for &row in &rows {
        for &col in &cols {
            let len = row.pixels * col.pixels;
            if row.taps * col.taps == 0 || len == 0 {
                parts.push(None);
                continue;
            }
            let conv = Conv2d {
                in_channels: s.out_channels,
                out_channels: s.in_channels,
                height,
                width,
                kernel: [row.taps, col.taps],
                stride: [1, 1],
                padding: [row.padding, col.padding],
                ..*s
            };
            let mut part = Buffer::take(planes * len * size_of::<T>());
            let placed = Placed { conv, output: [row.pixels, col.pixels] };
            let w = choose(s, row, col, w);
            passes::forward(&placed, dy, w.as_slice::<T>(), None, part.as_mut_slice::<T>());
            parts.push(Some(part));
        }
    }
    let plane = s.height * s.width;
    let dx = Shared::new(dx.as_mut_ptr());
    let group = (GROUP / plane.max(1)).max(1);
    for_each(planes.div_ceil(group), &|g| {
        for i in g * group..((g + 1) * group).min(planes) {
            // SAFETY: planes do not overlap, lie inside `dx`, and every one is visited once.
            let dx = unsafe { std::slice::from_raw_parts_mut(dx.get().add(i * plane), plane) };
            for (r, row) in rows.iter().enumerate() {
                let parts: Vec<Option<&[T]>> = parts[r * cols.len()..][..cols.len()]
                    .iter()
                    .zip(&cols)
                    .map(|(part, col)| {
                        let len = row.pixels * col.pixels;
                        part.as_ref().map(|part| &part.as_slice::<T>()[i * len..][..len])
                    })
                    .collect();
                interleave(&parts, s.width, s.stride[0], &mut dx[(r * s.width).min(plane)..]);
            }
        }
    });
}

/// Pixels that are put in their places in one task.
const GROUP: usize = 1 << 15;

/// Channels of a square of weights that is copied at a time, so that both sides stay in the cache.
const SQUARE: usize = 16;

/// The taps of two parts, as the weights [in, out, rows, columns] of a convolution of `dy`.
fn choose<T: Float>(s: &Conv2d, row: Part, col: Part, w: &[T]) -> Buffer {
    let (kernel, outputs) = (s.kernel[0] * s.kernel[1], s.out_channels);
    let rows = (0..row.taps).rev().map(|m| row.first + m * s.stride[0]);
    let taps: Vec<usize> = rows
        .flat_map(|r| (0..col.taps).rev().map(move |m| r * s.kernel[1] + col.first + m * s.stride[1]))
        .collect();
    let mut chosen = Buffer::take(s.in_channels * outputs * taps.len() * size_of::<T>());
    for_chunks(chosen.as_mut_slice::<T>(), SQUARE * outputs * taps.len(), &|square, chosen| {
        for start in (0..outputs).step_by(SQUARE) {
            for (i, chosen) in chosen.chunks_exact_mut(outputs * taps.len()).enumerate() {
                let channel = square * SQUARE + i;
                let end = (start + SQUARE).min(outputs);
                let chosen = chosen[start * taps.len()..end * taps.len()].chunks_exact_mut(taps.len());
                for (o, chosen) in (start..end).zip(chosen) {
                    let w = &w[(o * s.in_channels + channel) * kernel..][..kernel];
                    chosen.iter_mut().zip(&taps).for_each(|(to, &tap)| *to = w[tap]);
                }
            }
        }
    });
    chosen
}

multiversion! {
    /// Fills every `stride`-th row of `width` pixels, from the first on, with the parts' pixels in turn; zeros where
    /// there is no part.
    fn interleave[T: Float](parts: &[Option<&[T]>], width: usize, stride: usize, out: &mut [T]) {
        let count = parts.len();
        for (i, row) in out.chunks_mut(width * stride).enumerate() {
            let row = &mut row[..width];
            let line = |c: usize| {
                let len = width.saturating_sub(c).div_ceil(count);
                parts[c].map(|part| &part[i * len..][..len])
            };
            if count == 2 && width.is_multiple_of(2) {
                // The usual stride, written in one go.
                let pairs = row.chunks_exact_mut(2);
                match (line(0), line(1)) {
                    (Some(a), Some(b)) => pairs.zip(a).zip(b).for_each(|((to, &a), &b)| (to[0], to[1]) = (a, b)),
                    (Some(a), None) => pairs.zip(a).for_each(|(to, &a)| (to[0], to[1]) = (a, T::ZERO)),
                    (None, Some(b)) => pairs.zip(b).for_each(|(to, &b)| (to[0], to[1]) = (T::ZERO, b)),
                    (None, None) => row.fill(T::ZERO),
                }
                continue;
            }
            for c in 0..count.min(width) {
                let places = row[c..].iter_mut().step_by(count);
                match line(c) {
                    Some(line) => places.zip(line).for_each(|(to, &x)| *to = x),
                    None => places.for_each(|to| *to = T::ZERO),
                }
            }
        }
    }
}
