//! Two-dimensional convolutions of NCHW images, with their gradients.
//!
//! All three passes are matrix products over *columns*: the matrix that holds, for every tap of the kernel and every
//! output pixel, the input pixel that the tap sees (zero in the padding). Columns are never written out as a whole:
//! panels of them are made, from a small copy of the image with its padding, where the product needs them. Kernels that
//! see one channel only (depthwise ones) are summed directly. Convolutions of several larger groups, those of single
//! taps with a stride, and dilated and strided input gradients go through whole columns of one image. (For strided
//! input gradients, a convolution of stride 1 for each remainder of a pixel's place by the stride was measured too: it
//! was as fast for some sizes, up to 1.3 times as long for others.)
//!
//! Kernels of 3x3 pixels with stride 1 can instead be computed with fewer multiplications, in single precision; see
//! [`Algorithm`].

mod algorithm;
mod columns;
mod depthwise;
mod factors;
mod frame;
mod grouped;
mod passes;
mod places;
#[cfg(test)]
mod tests;
mod winograd;

pub use algorithm::Algorithm;

use std::ops::Deref;

use crate::Float;
use crate::float::FloatKind;

/// The sizes of a convolution; all pairs are (rows, columns).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2d {
    /// Number of images.
    pub batch: usize,
    /// Channels of an input image; a multiple of `groups`.
    pub in_channels: usize,
    /// Channels of an output image; a multiple of `groups`.
    pub out_channels: usize,
    /// Rows of an input image.
    pub height: usize,
    /// Columns of an input image.
    pub width: usize,
    /// The size of the kernel.
    pub kernel: [usize; 2],
    /// The distance between output pixels, in input pixels.
    pub stride: [usize; 2],
    /// Zero rows and columns added on every side.
    pub padding: [usize; 2],
    /// The distance between taps of the kernel, in input pixels; 1 is dense.
    pub dilation: [usize; 2],
    /// Input and output channels fall into this many groups that do not see each other.
    pub groups: usize,
}

impl Conv2d {
    /// The size of an output image: `(size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1`, rounded down;
    /// 0 where the kernel is larger than the padded input.
    pub fn output(&self) -> [usize; 2] {
        let size = |n: usize, axis: usize| {
            let (padded, span) =
                (n + 2 * self.padding[axis], self.dilation[axis] * (self.kernel[axis].max(1) - 1) + 1);
            if padded < span { 0 } else { (padded - span) / self.stride[axis].max(1) + 1 }
        };
        [size(self.height, 0), size(self.width, 1)]
    }

    /// The number of items of the input, the weights [out, in / groups, rows, columns], and the output.
    pub fn lens(&self) -> [usize; 3] {
        let [h, w] = self.output();
        [
            self.batch * self.in_channels * self.height * self.width,
            self.out_channels * self.taps(),
            self.batch * self.out_channels * h * w,
        ]
    }

    /// Taps of one output channel: input channels of its group times the size of the kernel.
    fn taps(&self) -> usize {
        self.in_channels / self.groups.max(1) * self.kernel[0] * self.kernel[1]
    }

    /// Pixels of an output channel.
    fn pixels(&self) -> usize {
        let [h, w] = self.output();
        h * w
    }

    /// The same with its output made explicit.
    fn placed(&self) -> Placed {
        Placed { conv: *self, output: self.output() }
    }

    /// Whether the columns of an image are the image itself.
    fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.stride == [1, 1] && self.padding == [0, 0]
    }

    /// Whether most pixels of the input are seen by no output: then the frames that panels are made from would cost more
    /// than the columns.
    fn skips_pixels(&self) -> bool {
        self.kernel == [1, 1] && self.stride != [1, 1]
    }

    /// The convolution that computes the input gradient of this one from `dy` with turned kernels, if there is one:
    /// its padding is what the kernel reaches over the own padding.
    fn turned(&self) -> Option<Conv2d> {
        let [height, width] = self.output();
        let padding =
            |axis: usize| (self.dilation[axis] * (self.kernel[axis] - 1)).checked_sub(self.padding[axis]);
        // For few input channels, making the columns would take longer than using them.
        let worth = self.in_channels > 32 || self.is_pointwise();
        let possible = self.stride == [1, 1] && self.groups == 1 && height > 0 && width > 0 && worth;
        let padding = [padding(0)?, padding(1)?];
        let (in_channels, out_channels) = (self.out_channels, self.in_channels);
        possible.then_some(Conv2d { in_channels, out_channels, height, width, padding, ..*self })
    }

    #[track_caller]
    fn check(&self, op: &str, x: usize, w: usize, y: usize) {
        assert!(
            self.groups > 0
                && self.in_channels.is_multiple_of(self.groups)
                && self.out_channels.is_multiple_of(self.groups),
            "{op}: {} input and {} output channels do not fall into {} groups",
            self.in_channels,
            self.out_channels,
            self.groups
        );
        let positive = |pair: [usize; 2]| pair.iter().all(|&n| n > 0);
        assert!(
            positive(self.kernel) && positive(self.stride) && positive(self.dilation),
            "{op}: kernel {:?}, stride {:?} and dilation {:?} must be at least 1",
            self.kernel,
            self.stride,
            self.dilation
        );
        for ((name, got), expected) in [("x", x), ("w", w), ("y", y)].into_iter().zip(self.lens()) {
            assert!(got == expected, "{op}: {name} has {got} items, {self:?} needs {expected}");
        }
    }
}

/// A convolution with an output of any size: `padding` is what lies before the image, and as many zeros lie behind it
/// as the output needs.
#[derive(Clone, Copy, Debug)]
struct Placed {
    conv: Conv2d,
    output: [usize; 2],
}

impl Deref for Placed {
    type Target = Conv2d;

    fn deref(&self) -> &Conv2d {
        &self.conv
    }
}

impl Placed {
    /// Pixels of an output channel.
    fn pixels(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Rows, or columns, that the outputs see together.
    fn seen(&self, axis: usize) -> usize {
        let reach = (self.conv.kernel[axis] - 1) * self.conv.dilation[axis] + 1;
        self.output[axis].saturating_sub(1) * self.conv.stride[axis] + reach
    }
}

/// `y[b, o, i, j] = bias[o] + sum over c, r, s of w[o, c, r, s] x[b, c, i * stride - padding + r * dilation, ..]`:
/// what deep learning calls a convolution (the kernel is not flipped).
///
/// `x` is [batch, in, height, width], `w` [out, in / groups, rows, columns], `y` [batch, out, ..[`Conv2d::output`]].
///
/// # Panics
/// If a slice has the wrong length, channels do not fall into groups, or a kernel, stride or dilation is 0.
#[track_caller]
pub fn conv2d<T: Float>(s: &Conv2d, algorithm: Algorithm, x: &[T], w: &[T], bias: Option<&[T]>, y: &mut [T]) {
    s.check("conv2d", x.len(), w.len(), y.len());
    if let Some(bias) = bias {
        let out = s.out_channels;
        assert!(bias.len() == out, "conv2d: bias has {} items for {out} output channels", bias.len());
    }
    if y.is_empty() {
        return;
    }
    if let Some(tile) = algorithm.tile::<T>(s) {
        winograd::forward(tile, s, single(x), single(w), bias.map(single), single_mut(y));
    } else if depthwise::is_possible(s) {
        depthwise::forward(s, x, w, bias, y);
    } else if s.groups == 1 && s.taps() > 0 && !s.skips_pixels() {
        passes::forward(&s.placed(), x, w, bias, y);
    } else {
        grouped::forward(s, x, w, bias, y);
    }
}

/// `dx` = the gradient of [`conv2d`] with respect to `x`, given `dy`; `dx` is overwritten.
///
/// # Panics
/// As [`conv2d`].
#[track_caller]
pub fn conv2d_input_grad<T: Float>(s: &Conv2d, algorithm: Algorithm, dy: &[T], w: &[T], dx: &mut [T]) {
    s.check("conv2d_input_grad", dx.len(), w.len(), dy.len());
    if dx.is_empty() {
        return;
    }
    if let Some((tile, turned)) = algorithm.tile::<T>(s).zip(winograd::turned(s)) {
        return winograd::input_grad(tile, &turned, single(dy), single(w), single_mut(dx));
    }
    if depthwise::is_possible(s) {
        depthwise::input_grad(s, dy, w, dx);
    } else if let Some(turned) = s.turned().filter(|turned| turned.taps() > 0) {
        passes::forward(&turned.placed(), dy, passes::turn(s, w).as_slice(), None, dx);
    } else {
        grouped::input_grad(s, dy, w, dx);
    }
}

/// `dw` = the gradient of [`conv2d`] with respect to `w`, given `dy`; `dw` is overwritten.
///
/// # Panics
/// As [`conv2d`].
#[track_caller]
pub fn conv2d_weight_grad<T: Float>(s: &Conv2d, algorithm: Algorithm, x: &[T], dy: &[T], dw: &mut [T]) {
    s.check("conv2d_weight_grad", x.len(), dw.len(), dy.len());
    if dw.is_empty() {
        return;
    }
    if dy.is_empty() {
        dw.fill(T::ZERO);
    } else if let Some(tile) = algorithm.tile::<T>(s) {
        winograd::weight_grad(tile, s, single(x), single(dy), single_mut(dw));
    } else if depthwise::is_possible(s) {
        depthwise::weight_grad(s, x, dy, dw);
    } else if s.groups == 1 {
        passes::weight_grad(s, x, dy, dw);
    } else {
        grouped::weight_grad(s, x, dy, dw);
    }
}

/// Numbers that are known to be `f32`, as such.
fn single<T: Float>(x: &[T]) -> &[f32] {
    assert!(T::KIND == FloatKind::F32);
    // SAFETY: the type is `f32`.
    unsafe { std::slice::from_raw_parts(x.as_ptr().cast(), x.len()) }
}

/// As [`single`], to be written.
fn single_mut<T: Float>(x: &mut [T]) -> &mut [f32] {
    assert!(T::KIND == FloatKind::F32);
    // SAFETY: the type is `f32`.
    unsafe { std::slice::from_raw_parts_mut(x.as_mut_ptr().cast(), x.len()) }
}
