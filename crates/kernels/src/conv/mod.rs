//! Two-dimensional convolutions of NCHW images, with their gradients.
//!
//! All three passes are matrix products over *columns*: the matrix that holds, for every tap of the kernel and every
//! output pixel, the input pixel that the tap sees (zero in the padding).

mod columns;
#[cfg(test)]
mod tests;

use crate::gemm::{Epilogue, Mat, gemm};
use crate::threads::{Shared, for_each};
use crate::{Buffer, Float};
use columns::{fold, unfold};

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

    /// Whether the columns of an image are the image itself.
    fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.stride == [1, 1] && self.padding == [0, 0]
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

/// `y[b, o, i, j] = bias[o] + sum over c, r, s of w[o, c, r, s] x[b, c, i * stride - padding + r * dilation, ..]`:
/// what deep learning calls a convolution (the kernel is not flipped).
///
/// `x` is [batch, in, height, width], `w` [out, in / groups, rows, columns], `y` [batch, out, ..[`Conv2d::output`]].
///
/// # Panics
/// If a slice has the wrong length, channels do not fall into groups, or a kernel, stride or dilation is 0.
#[track_caller]
pub fn conv2d<T: Float>(s: &Conv2d, x: &[T], w: &[T], bias: Option<&[T]>, y: &mut [T]) {
    s.check("conv2d", x.len(), w.len(), y.len());
    if let Some(bias) = bias {
        let out = s.out_channels;
        assert!(bias.len() == out, "conv2d: bias has {} items for {out} output channels", bias.len());
    }
    if y.is_empty() {
        return;
    }
    let (taps, pixels, out) = (s.taps(), s.pixels(), s.out_channels / s.groups);
    for_images(s, y, s.out_channels * pixels, &|image, y, scratch| {
        for g in 0..s.groups {
            let columns = unfold(s, x, image, g, scratch);
            let y = &mut y[g * out * pixels..][..out * pixels];
            if let Some(bias) = bias {
                y.chunks_mut(pixels).zip(&bias[g * out..]).for_each(|(y, &b)| y.fill(b));
            }
            let w = Mat::row_major(&w[g * out * taps..][..out * taps], out, taps);
            let epilogue = Epilogue { accumulate: bias.is_some(), ..Epilogue::default() };
            gemm(w, Mat::row_major(columns, taps, pixels), y, pixels, &epilogue);
        }
    });
}

/// `dx` = the gradient of [`conv2d`] with respect to `x`, given `dy`; `dx` is overwritten.
///
/// # Panics
/// As [`conv2d`].
#[track_caller]
pub fn conv2d_input_grad<T: Float>(s: &Conv2d, dy: &[T], w: &[T], dx: &mut [T]) {
    s.check("conv2d_input_grad", dx.len(), w.len(), dy.len());
    let (taps, pixels, out) = (s.taps(), s.pixels(), s.out_channels / s.groups);
    let (image_in, group_in) =
        (s.in_channels * s.height * s.width, s.in_channels / s.groups * s.height * s.width);
    if dx.is_empty() {
        return;
    }
    for_images(s, dx, image_in, &|image, dx, scratch| {
        for g in 0..s.groups {
            let dx = &mut dx[g * group_in..][..group_in];
            let dy = &dy[(image * s.groups + g) * out * pixels..][..out * pixels];
            let w = Mat::row_major(&w[g * out * taps..][..out * taps], out, taps);
            let dy = Mat::row_major(dy, out, pixels);
            if s.is_pointwise() {
                gemm(w.t(), dy, dx, pixels, &Epilogue::default());
            } else {
                let columns = &mut scratch[..taps * pixels];
                gemm(w.t(), dy, columns, pixels, &Epilogue::default());
                fold(s, columns, dx);
            }
        }
    });
}

/// `dw` = the gradient of [`conv2d`] with respect to `w`, given `dy`; `dw` is overwritten.
///
/// # Panics
/// As [`conv2d`].
#[track_caller]
pub fn conv2d_weight_grad<T: Float>(s: &Conv2d, x: &[T], dy: &[T], dw: &mut [T]) {
    s.check("conv2d_weight_grad", x.len(), dw.len(), dy.len());
    let (taps, pixels, out) = (s.taps(), s.pixels(), s.out_channels / s.groups);
    dw.fill(T::ZERO);
    let mut scratch = Buffer::take(columns::scratch_len(s) * size_of::<T>());
    for image in 0..s.batch {
        for g in 0..s.groups {
            let columns = unfold(s, x, image, g, scratch.as_mut_slice());
            let dy = &dy[(image * s.groups + g) * out * pixels..][..out * pixels];
            let dw = &mut dw[g * out * taps..][..out * taps];
            let epilogue = Epilogue { accumulate: true, ..Epilogue::default() };
            gemm(
                Mat::row_major(dy, out, pixels),
                Mat::row_major(columns, taps, pixels).t(),
                dw,
                taps,
                &epilogue,
            );
        }
    }
}

/// What is done for an image: (its number, its part of the destination, scratch).
type PerImage<'a, T> = &'a (dyn Fn(usize, &mut [T], &mut [T]) + Sync);

/// Calls `f(image, its part of out, scratch)` for every image, on several threads.
fn for_images<T: Float>(s: &Conv2d, out: &mut [T], image: usize, f: PerImage<T>) {
    let base = Shared::new(out.as_mut_ptr());
    debug_assert_eq!(out.len(), s.batch * image);
    for_each(s.batch, &|i| {
        let mut scratch = Buffer::take(columns::scratch_len(s) * size_of::<T>());
        // SAFETY: images do not overlap, lie inside `out`, and every one is visited once.
        let out = unsafe { std::slice::from_raw_parts_mut(base.get().add(i * image), image) };
        f(i, out, scratch.as_mut_slice());
    });
}
