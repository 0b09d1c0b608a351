//! Images with their padding written out, in which every tap is a fixed distance from the output pixel.

use std::ops::Range;

use super::Placed;
use super::places::Places;
use crate::dispatch::multiversion;
use crate::{Buffer, Float};

/// Items that may be read behind the end of a frame.
pub(super) const SLACK: usize = 32;

/// How the rows of a frame are laid out: of `stride` columns each, first all the first ones, then all the second
/// ones, and so on. What a tap sees from neighbouring output pixels is thus contiguous for every stride.
#[derive(Clone, Copy)]
pub(super) struct Layout<'a> {
    s: &'a Placed,
    /// Items from one part of a row to the next, and from row to row.
    part: usize,
    line: usize,
}

impl<'a> Layout<'a> {
    pub(super) fn new(s: &'a Placed) -> Self {
        let part = s.seen(1).div_ceil(s.stride[1]);
        Layout { s, part, line: part * s.stride[1] }
    }

    /// Whether an image is its own frame.
    fn is_plain(&self) -> bool {
        let s = self.s;
        s.padding == [0, 0] && s.stride[1] == 1 && self.line == s.width && s.seen(0) <= s.height
    }

    /// The distance of output pixel (i, j) from the start of a plane, for the first tap.
    fn pixel(&self, i: usize, j: usize) -> usize {
        i * self.s.stride[0] * self.line + j
    }

    /// Items from one row of output pixels to the next.
    pub(super) fn step(&self) -> usize {
        self.s.stride[0] * self.line
    }

    /// Items of a whole channel.
    pub(super) fn plane(&self) -> usize {
        self.s.seen(0) * self.line
    }

    /// Where the taps of the first channel see output pixel (0, 0) in a whole frame.
    pub(super) fn taps(&self) -> Places {
        let s = self.s;
        let places =
            (0..s.kernel[0] * s.kernel[1]).map(|t| (t / s.kernel[1], t % s.kernel[1] * s.dilation[1]));
        Places::collect(places.map(|(r, column)| {
            let (phase, place) = (column % s.stride[1], column / s.stride[1]);
            r * s.dilation[0] * self.line + phase * self.part + place
        }))
    }

    /// Copies the image out of a whole frame of one channel, zeros where no output sees it.
    pub(super) fn take_back<T: Float>(&self, frame: &[T], image: &mut [T]) {
        let (s, stride) = (self.s, self.s.stride[1]);
        for (h, to) in image.chunks_exact_mut(s.width.max(1)).enumerate() {
            let start = (h + s.padding[0]) * self.line;
            let Some(from) = frame.get(start..start + self.line) else {
                to.fill(T::ZERO);
                continue;
            };
            if stride == 1 {
                let from = &from[s.padding[1].min(from.len())..];
                let count = from.len().min(to.len());
                to[..count].copy_from_slice(&from[..count]);
                to[count..].fill(T::ZERO);
                continue;
            }
            for phase in 0..stride {
                // The first column of the image in this part.
                let first = (phase + stride - s.padding[1] % stride) % stride;
                let place = ((first + s.padding[1]) / stride).min(self.part);
                let from = &from[phase * self.part..][place..self.part];
                let mut places = to.iter_mut().skip(first).step_by(stride);
                from.iter().zip(places.by_ref()).for_each(|(&x, to)| *to = x);
                places.for_each(|to| *to = T::ZERO);
            }
        }
    }

    /// Calls `f(place in the range, source, length)` for the output pixels `range` of an image, cut into runs that
    /// are contiguous in the frame.
    pub(super) fn for_runs(&self, range: Range<usize>, mut f: impl FnMut(usize, usize, usize)) {
        let cols = self.s.output[1];
        let whole = self.s.stride[0] * self.line == cols;
        let mut at = range.start;
        while at < range.end {
            let end = if whole { range.end } else { (at / cols + 1) * cols }.min(range.end);
            f(at - range.start, self.pixel(at / cols, at % cols), end - at);
            at = end;
        }
    }
}

/// Some channels and rows of one image, laid out.
pub(super) struct Frame<'a, T> {
    layout: Layout<'a>,
    /// The image itself, or a copy.
    data: Data<'a, T>,
    channels: Range<usize>,
    /// The first row of the frame that is there, and the items of a channel.
    first_row: usize,
    plane: usize,
}

enum Data<'a, T> {
    Image(&'a [T]),
    Copy(Buffer, std::marker::PhantomData<T>),
}

impl<'a, T: Float> Frame<'a, T> {
    /// The frame of `channels` of an image for the output pixels `pixels`. `image` has all channels of a group.
    pub(super) fn new(
        layout: Layout<'a>,
        image: &'a [T],
        channels: Range<usize>,
        pixels: Range<usize>,
    ) -> Self {
        let s = layout.s;
        let plane = s.height * s.width;
        if layout.is_plain() {
            return Frame {
                layout,
                data: Data::Image(&image[channels.start * plane..]),
                channels,
                first_row: 0,
                plane,
            };
        }
        let cols = s.output[1];
        let first_row = pixels.start / cols * s.stride[0];
        let end = (pixels.end - 1) / cols * s.stride[0] + (s.kernel[0] - 1) * s.dilation[0] + 1;
        let len = (end - first_row) * layout.line;
        let mut buffer = Buffer::take((channels.len() * len + SLACK) * size_of::<T>());
        let place = Place { first_row, rows: end - first_row };
        lay_out(&layout, image, channels.clone(), place, buffer.as_mut_slice::<T>());
        Frame { layout, data: Data::Copy(buffer, std::marker::PhantomData), channels, first_row, plane: len }
    }

    /// The items, and how many of them there are (with the slack, for a copy).
    pub(super) fn items(&self) -> &[T] {
        match &self.data {
            Data::Image(image) => image,
            Data::Copy(buffer, _) => buffer.as_slice(),
        }
    }

    /// Where the taps of a range (of the group's) see the pixel that [`Layout::for_runs`] calls 0.
    ///
    /// Rows before the frame's first are missing, so that the sum with a pixel of the frame is what counts; it wraps.
    pub(super) fn taps(&self, taps: Range<usize>) -> Places {
        let (s, layout) = (self.layout.s, &self.layout);
        let [rows, cols] = s.kernel;
        let (mut channel, mut r, mut q) =
            (taps.start / (rows * cols), taps.start / cols % rows, taps.start % cols);
        let place = |channel: usize, r: usize, q: usize| {
            let (row, column) = ((r * s.dilation[0]).wrapping_sub(self.first_row), q * s.dilation[1]);
            let column = match s.stride[1] {
                1 => column,
                stride => column % stride * layout.part + column / stride,
            };
            ((channel - self.channels.start) * self.plane)
                .wrapping_add(row.wrapping_mul(layout.line))
                .wrapping_add(column)
        };
        // Counting on is much cheaper than three divisions per tap.
        Places::collect(taps.map(|_| {
            let here = place(channel, r, q);
            q += 1;
            if q == cols {
                (q, r) = (0, r + 1);
            }
            if r == rows {
                (r, channel) = (0, channel + 1);
            }
            here
        }))
    }
}

/// The rows of a frame that are there.
#[derive(Clone, Copy)]
struct Place {
    first_row: usize,
    rows: usize,
}

multiversion! {
    /// Lays `channels` of an image out, channel after channel, zeros for the padding.
    fn lay_out[T: Float](layout: &Layout<'_>, image: &[T], channels: Range<usize>, place: Place, to: &mut [T]) {
        let (s, plane) = (layout.s, layout.s.height * layout.s.width);
        for (channel, to) in channels.zip(to.chunks_exact_mut(place.rows * layout.line)) {
            let from = &image[channel * plane..][..plane];
            for (row, to) in (place.first_row..).zip(to.chunks_exact_mut(layout.line)) {
                match row.checked_sub(s.padding[0]).filter(|&h| h < s.height) {
                    Some(h) => copy_row(layout, &from[h * s.width..][..s.width], to),
                    None => to.fill(T::ZERO),
                }
            }
        }
    }
}

/// Lays one row of an image out. Parts of a row that no tap sees are left as they are.
#[inline(always)]
fn copy_row<T: Float>(layout: &Layout, from: &[T], to: &mut [T]) {
    let (s, padding, stride) = (layout.s, layout.s.padding[1], layout.s.stride[1]);
    if stride == 1 {
        let padding = padding.min(to.len());
        let count = from.len().min(to.len() - padding);
        to[..padding].fill(T::ZERO);
        to[padding..padding + count].copy_from_slice(&from[..count]);
        to[padding + count..].fill(T::ZERO);
        return;
    }
    for (phase, to) in to.chunks_exact_mut(layout.part).enumerate() {
        if !(0..s.kernel[1]).any(|q| q * s.dilation[1] % stride == phase) {
            continue;
        }
        // The first column of the image in this part, and its place.
        let start = padding.saturating_sub(phase).div_ceil(stride).min(to.len());
        let first = (start * stride + phase - padding).min(from.len());
        let from = &from[first..];
        let count = from.len().div_ceil(stride).min(to.len() - start);
        let from = &from[..from.len().min(count * stride)];
        to[..start].fill(T::ZERO);
        to[start + count..].fill(T::ZERO);
        let to = &mut to[start..start + count];
        if stride == 2 {
            // A stride that the compiler knows becomes a few shuffles.
            let pairs = from.chunks_exact(2);
            if let (Some(to), Some(&x)) = (to.last_mut(), pairs.remainder().first()) {
                *to = x;
            }
            to.iter_mut().zip(pairs).for_each(|(to, pair)| *to = pair[0]);
        } else {
            to.iter_mut().enumerate().for_each(|(i, to)| *to = from[i * stride]);
        }
    }
}
