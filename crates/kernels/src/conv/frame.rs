//! Images with their padding written out, in which every tap is a fixed distance from the output pixel.

use std::ops::Range;

use super::Conv2d;
use crate::{Buffer, Float};

/// Items that may be read behind the end of a frame.
pub(super) const SLACK: usize = 32;

/// How the rows of a frame are laid out: of `stride` columns each, first all the first ones, then all the second
/// ones, and so on. What a tap sees from neighbouring output pixels is thus contiguous for every stride.
#[derive(Clone, Copy)]
pub(super) struct Layout<'a> {
    s: &'a Conv2d,
    /// Items from one part of a row to the next, and from row to row.
    part: usize,
    line: usize,
}

impl<'a> Layout<'a> {
    pub(super) fn new(s: &'a Conv2d) -> Self {
        let part = (s.width + 2 * s.padding[1]).div_ceil(s.stride[1]);
        Layout { s, part, line: part * s.stride[1] }
    }

    /// Whether an image is its own frame.
    fn is_plain(&self) -> bool {
        self.s.padding == [0, 0] && self.s.stride[1] == 1
    }

    /// The distance of output pixel (i, j) from the start of a plane, for the first tap.
    fn pixel(&self, i: usize, j: usize) -> usize {
        i * self.s.stride[0] * self.line + j
    }

    /// Calls `f(place in the range, source, length)` for the output pixels `range` of an image, cut into runs that
    /// are contiguous in the frame.
    pub(super) fn for_runs(&self, range: Range<usize>, mut f: impl FnMut(usize, usize, usize)) {
        let cols = self.s.output()[1];
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
        let cols = s.output()[1];
        let first_row = pixels.start / cols * s.stride[0];
        let end = (pixels.end - 1) / cols * s.stride[0] + (s.kernel[0] - 1) * s.dilation[0] + 1;
        let len = (end - first_row) * layout.line;
        let mut buffer = Buffer::take((channels.len() * len + SLACK) * size_of::<T>());
        let copy = buffer.as_mut_slice::<T>();
        for (channel, to) in channels.clone().zip(copy.chunks_exact_mut(len)) {
            let from = &image[channel * plane..][..plane];
            for (row, to) in (first_row..end).zip(to.chunks_exact_mut(layout.line)) {
                match row.checked_sub(s.padding[0]).filter(|&h| h < s.height) {
                    Some(h) => layout.copy_row(&from[h * s.width..][..s.width], to),
                    None => to.fill(T::ZERO),
                }
            }
        }
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
    pub(super) fn taps(&self, taps: Range<usize>) -> Vec<usize> {
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
        taps.map(|_| {
            let here = place(channel, r, q);
            q += 1;
            if q == cols {
                (q, r) = (0, r + 1);
            }
            if r == rows {
                (r, channel) = (0, channel + 1);
            }
            here
        })
        .collect()
    }
}

impl Layout<'_> {
    /// Lays one row of an image out, zeros for the padding.
    fn copy_row<T: Float>(&self, from: &[T], to: &mut [T]) {
        let (padding, stride) = (self.s.padding[1], self.s.stride[1]);
        if stride == 1 {
            to[..padding].fill(T::ZERO);
            to[padding..padding + from.len()].copy_from_slice(from);
            to[padding + from.len()..].fill(T::ZERO);
            return;
        }
        to.fill(T::ZERO);
        for (phase, to) in to.chunks_exact_mut(self.part).enumerate() {
            // The first column of the image in this part, and its place.
            let place = padding.saturating_sub(phase).div_ceil(stride);
            let first = place * stride + phase - padding;
            let columns = from.iter().skip(first).step_by(stride);
            to[place..].iter_mut().zip(columns).for_each(|(to, &x)| *to = x);
        }
    }
}
