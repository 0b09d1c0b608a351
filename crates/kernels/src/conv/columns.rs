//! From images to columns and back.

use super::Conv2d;
use crate::Float;

/// Items of scratch that [`unfold`] and the input gradient need for one group of one image.
pub(super) fn scratch_len(s: &Conv2d) -> usize {
    if s.is_pointwise() { 0 } else { s.taps() * s.pixels() }
}

/// The columns [taps, pixels] of one group of one image; in `scratch`, unless the image itself will do.
pub(super) fn unfold<'a, T: Float>(
    s: &Conv2d,
    x: &'a [T],
    image: usize,
    group: usize,
    scratch: &'a mut [T],
) -> &'a [T] {
    let (channels, plane) = (s.in_channels / s.groups, s.height * s.width);
    let x = &x[(image * s.groups + group) * channels * plane..][..channels * plane];
    if s.is_pointwise() {
        return x;
    }
    let [rows, cols] = s.output();
    let columns = &mut scratch[..s.taps() * rows * cols];
    for_taps(s, &mut |tap, channel, [r, q]| {
        let (h, w) = (Span::new(s, 0, s.height, rows, r), Span::new(s, 1, s.width, cols, q));
        let x = &x[channel * plane..][..plane];
        let out = &mut columns[tap * rows * cols..][..rows * cols];
        out[..h.start * cols].fill(T::ZERO);
        out[h.end * cols..].fill(T::ZERO);
        for i in h.start..h.end {
            let line = &mut out[i * cols..][..cols];
            line[..w.start].fill(T::ZERO);
            line[w.end..].fill(T::ZERO);
            let source = &x[h.source(i) * s.width..][..s.width];
            let line = &mut line[w.start..w.end];
            if line.is_empty() {
                continue;
            }
            let source = &source[w.source(w.start)..];
            if s.stride[1] == 1 {
                line.copy_from_slice(&source[..line.len()]);
            } else {
                line.iter_mut().zip(source.iter().step_by(s.stride[1])).for_each(|(l, &x)| *l = x);
            }
        }
    });
    columns
}

/// The adjoint of [`unfold`]: adds every item of the columns to the pixel that it came from, from zero.
pub(super) fn fold<T: Float>(s: &Conv2d, columns: &[T], dx: &mut [T]) {
    let ([rows, cols], plane) = (s.output(), s.height * s.width);
    dx.fill(T::ZERO);
    for_taps(s, &mut |tap, channel, [r, q]| {
        let (h, w) = (Span::new(s, 0, s.height, rows, r), Span::new(s, 1, s.width, cols, q));
        let dx = &mut dx[channel * plane..][..plane];
        let columns = &columns[tap * rows * cols..][..rows * cols];
        if w.start == w.end {
            return;
        }
        for i in h.start..h.end {
            let line = &columns[i * cols..][w.start..w.end];
            let target = &mut dx[h.source(i) * s.width..][..s.width][w.source(w.start)..];
            if s.stride[1] == 1 {
                target.iter_mut().zip(line).for_each(|(x, &l)| *x += l);
            } else {
                target.iter_mut().step_by(s.stride[1]).zip(line).for_each(|(x, &l)| *x += l);
            }
        }
    });
}

/// Calls `f(tap, channel, [row, column] of the kernel)` for all taps in order.
fn for_taps(s: &Conv2d, f: &mut dyn FnMut(usize, usize, [usize; 2])) {
    let [rows, cols] = s.kernel;
    for tap in 0..s.taps() {
        f(tap, tap / (rows * cols), [tap / cols % rows, tap % cols]);
    }
}

/// The output positions along one axis for which a tap lies inside the image: `start .. end`.
struct Span {
    start: usize,
    end: usize,
    stride: usize,
    /// Input position of output position 0, plus `padding`.
    offset: usize,
    padding: usize,
}

impl Span {
    /// The span of tap `r` of the kernel along `axis`, for an input of `size` and an output of `count`.
    fn new(s: &Conv2d, axis: usize, size: usize, count: usize, r: usize) -> Span {
        let (stride, padding, offset) = (s.stride[axis], s.padding[axis], r * s.dilation[axis]);
        let end = (size + padding).saturating_sub(offset).div_ceil(stride).min(count);
        let start = padding.saturating_sub(offset).div_ceil(stride).min(end);
        Span { start, end, stride, offset, padding }
    }

    /// The input position that the tap sees from output position `i` of the span.
    fn source(&self, i: usize) -> usize {
        i * self.stride + self.offset - self.padding
    }
}
