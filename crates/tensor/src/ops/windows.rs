//! Windows that move along an axis, and what they are good for: `im2col` and its adjoint.

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::layout::Layout;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::ops::pad::PadMode;
use crate::shape::{MAX_RANK, Shape};
use crate::tensor::Tensor;

/// The windows of [`Tensor::im2col`] and [`Tensor::fold`]: the arguments of PyTorch's `F.unfold` and `F.fold`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowOptions {
    /// Height and width of a window.
    pub size: [usize; 2],
    /// From one window to the next.
    pub stride: [usize; 2],
    /// Zeros around the picture, on both sides.
    pub padding: [usize; 2],
    /// From one element of a window to the next.
    pub dilation: [usize; 2],
}

impl Default for WindowOptions {
    fn default() -> WindowOptions {
        WindowOptions { size: [1, 1], stride: [1, 1], padding: [0, 0], dilation: [1, 1] }
    }
}

impl WindowOptions {
    /// How many windows there are on an axis of `there` elements, padding included; none if there is not one.
    fn count(&self, axis: usize, there: usize) -> Option<usize> {
        let reach = self.dilation[axis] * (self.size[axis].checked_sub(1)?) + 1;
        Some((there.checked_sub(reach)?) / self.stride[axis].max(1) + 1)
    }
}

/// Windows of `size` elements, `dilation` apart, along an axis; each begins `step` after the one before. The elements
/// of a window are the new last axis.
#[derive(Clone, Copy, Debug)]
struct Windows {
    axis: usize,
    size: usize,
    step: usize,
    dilation: usize,
    count: usize,
}

impl Windows {
    fn of(&self, x: &Layout) -> Layout {
        let (rank, mut strides) = (x.shape().rank(), x.strides());
        if rank < MAX_RANK {
            strides[rank] = strides[self.axis] * self.dilation as isize;
        }
        strides[self.axis] *= self.step as isize;
        Layout::strided(x.shape().with(self.axis, self.count).push(self.size), strides, x.offset())
    }
}

impl Op for Windows {
    fn name(&self) -> &'static str {
        "unfold"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        Ok(inputs[0].with_shape(inputs[0].shape.with(self.axis, self.count).push(self.size)))
    }

    fn forward(&self, inputs: &[&Tensor], _: &Spec, _: &mut Saved) -> Tensor {
        inputs[0].with_layout(self.of(inputs[0].layout()))
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        vec![Some(apply(Overlap { windows: *self, shape: *saved.shape(0) }, &[&dy]).into())]
    }
}

/// Windows added up where they overlap: the adjoint of [`Windows`].
#[derive(Debug)]
struct Overlap {
    windows: Windows,
    shape: Shape,
}

impl Op for Overlap {
    fn name(&self) -> &'static str {
        "fold"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        check::float("fold", &inputs[0])?;
        Ok(inputs[0].with_shape(self.shape))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, _: &mut Saved) -> Tensor {
        Tensor::run(&Kernel::Embed(self.windows.of(&Layout::dense(self.shape))), inputs, out)
    }

    fn vjp(&self, _: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        vec![Some(apply(self.windows, &[&dy]).into())]
    }
}

impl Tensor {
    /// Windows along an axis, their elements as a new last axis: window `i` begins at `i step`. A view.
    ///
    /// # Shapes
    /// `[a, b]` to `[a, (b - size) / step + 1, size]` for axis 1.
    ///
    /// # Gradient
    /// `dx` is the windows of `dy`, added up where they overlap.
    ///
    /// # Panics
    /// When the axis is out of range or shorter than a window, or the step 0.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let y = Tensor::arange(4).unfold(0, 2, 1);
    /// assert_eq!(y.to_vec::<i64>(), [0, 1, 1, 2, 2, 3]);
    /// ```
    #[track_caller]
    pub fn unfold(&self, axis: isize, size: usize, step: usize) -> Tensor {
        if self.rank() == 0 && (axis == 0 || axis == -1) {
            return self.reshape([1]).unfold(0, size, step).squeeze(0);
        }
        let Some(at) = self.shape().axis(axis) else { panic!("unfold: {}", self.shape().no_axis(axis)) };
        let there = self.shape().at(at);
        assert!(
            size <= there && step > 0,
            "unfold: no windows of {size} with step {step} along axis {axis} of {}; a window must fit, and the step be \
             at least 1",
            self.shape()
        );
        let count = (there - size) / step + 1;
        apply(Windows { axis: at, size, step, dilation: 1, count }, &[self])
    }

    /// The windows of pictures as columns: PyTorch's `F.unfold`. Column `i` holds window `i`, channel by channel.
    ///
    /// # Shapes
    /// `[n, c, h, w]` to `[n, c kh kw, windows]`; `[c, h, w]` to `[c kh kw, windows]`.
    ///
    /// # Gradient
    /// `dx` is [`Tensor::fold`] of `dy`.
    ///
    /// # Panics
    /// When there are no three or four axes, or not one window fits.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Tensor, WindowOptions};
    /// let x = Tensor::arange(6).reshape([1, 2, 3]);
    /// let y = x.im2col(&WindowOptions { size: [2, 2], ..Default::default() });
    /// assert_eq!(y.to_vec::<i64>(), [0, 1, 1, 2, 3, 4, 4, 5]);
    /// ```
    #[track_caller]
    pub fn im2col(&self, options: &WindowOptions) -> Tensor {
        if self.rank() == 3 {
            return self.unsqueeze(0).im2col(options).squeeze(0);
        }
        assert!(
            self.rank() == 4,
            "im2col: needs pictures [n, c, h, w] or [c, h, w], got {}; add axes with .unsqueeze(0)",
            self.shape()
        );
        let [n, c, h, w] = self.sizes();
        let [ph, pw] = options.padding;
        let (rows, columns) = (options.count(0, h + 2 * ph), options.count(1, w + 2 * pw));
        let (Some(rows), Some(columns)) = (rows, columns) else {
            panic!("im2col: no window of {options:?} fits {}", self.shape())
        };
        let pad = |p: usize| (p as isize, p as isize);
        let x = self.pad(&[pad(pw), pad(ph)], PadMode::Constant(0.0));
        let x = apply(options.windows(0, 2, rows), &[&x]);
        let x = apply(options.windows(1, 3, columns), &[&x]);
        let [kh, kw] = options.size;
        x.permute([0, 1, 4, 5, 2, 3]).reshape([n, c * kh * kw, rows * columns])
    }

    /// Columns of windows added up to pictures: PyTorch's `F.fold`, the adjoint of [`Tensor::im2col`].
    ///
    /// # Shapes
    /// `[n, c kh kw, windows]` to `[n, c, h, w]` for the picture `[h, w]`; without `n` likewise.
    ///
    /// # Gradient
    /// `dx` is [`Tensor::im2col`] of `dy`.
    ///
    /// # Panics
    /// When the columns do not have as many windows as the picture, or the elements are not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{DType, Tensor, WindowOptions};
    /// let windows = WindowOptions { size: [1, 2], ..Default::default() };
    /// let y = Tensor::ones([2, 2], DType::F32).fold([1, 3], &windows);
    /// assert_eq!(y.to_vec::<f32>(), [1.0, 2.0, 1.0]);
    /// ```
    #[track_caller]
    pub fn fold(&self, picture: [usize; 2], options: &WindowOptions) -> Tensor {
        if self.rank() == 2 {
            return self.unsqueeze(0).fold(picture, options).squeeze(0);
        }
        assert!(self.rank() == 3, "fold: needs columns [n, c kh kw, windows], got {}", self.shape());
        let [n, ckk, windows] = self.sizes();
        let ([kh, kw], [ph, pw], [h, w]) = (options.size, options.padding, picture);
        let (rows, columns) = (options.count(0, h + 2 * ph), options.count(1, w + 2 * pw));
        let (Some(rows), Some(columns)) = (rows, columns) else {
            panic!("fold: no window of {options:?} fits a picture {picture:?}, columns {}", self.shape())
        };
        assert!(
            rows * columns == windows && ckk.is_multiple_of(kh * kw),
            "fold: columns {} do not fit a picture {picture:?}, which has {rows} x {columns} windows of {kh} x {kw}",
            self.shape()
        );
        let c = ckk / (kh * kw);
        let x = self.reshape([n, c, kh, kw, rows, columns]).permute([0, 1, 4, 5, 2, 3]);
        let (tall, wide) = (h + 2 * ph, w + 2 * pw);
        let shape = Shape::new(&[n, c, rows, wide, kh]);
        let x = apply(Overlap { windows: options.windows(1, 3, columns), shape }, &[&x]);
        let shape = Shape::new(&[n, c, tall, wide]);
        let x = apply(Overlap { windows: options.windows(0, 2, rows), shape }, &[&x]);
        x.narrow(2, ph, h).narrow(3, pw, w)
    }
}

impl WindowOptions {
    fn windows(&self, side: usize, axis: usize, count: usize) -> Windows {
        let (size, step, dilation) = (self.size[side], self.stride[side], self.dilation[side]);
        Windows { axis, size, step, dilation, count }
    }
}

#[cfg(test)]
mod tests {
    use super::WindowOptions;
    use crate::{DType, Rng};

    const WIDE: WindowOptions =
        WindowOptions { size: [2, 3], stride: [2, 1], padding: [1, 0], dilation: [1, 2] };

    crate::cases! {
        unfold: |x| x[0].unfold(-1, 2, 1); shapes [[2, 4]] [[3]] [[0, 2]]  refuses [[2, 1]];
        unfold_apart: |x| x[0].unfold(0, 2, 3); shapes [[6, 2]] [[2]];
        im2col: |x| x[0].im2col(&WIDE); shapes [[2, 2, 3, 6]] [[1, 2, 5]] [[0, 1, 2, 5]]  refuses [[1, 3, 3]] [[3, 5]];
        fold: |x| x[0].fold([3, 6], &WIDE); shapes [[2, 6, 4]] [[12, 4]] [[0, 6, 4]]  refuses [[2, 6, 5]] [[2, 5, 4]] [[4]];
    }

    #[test]
    fn columns_are_windows() {
        let (h, w) = (5, 7);
        let x = Rng::seed(3).normal([2, 3, h, w], 0.0, 1.0, DType::F64);
        let y = x.im2col(&WIDE).to_vec::<f64>();
        let (rows, columns) = (3, 3);
        let data = x.to_vec::<f64>();
        for (at, got) in y.iter().enumerate() {
            let (l, k, n) = (at % (rows * columns), at / (rows * columns) % 18, at / (rows * columns * 18));
            let (c, i, j) = (k / 6, k / 3 % 2, k % 3);
            let (r, s) = ((l / columns * 2 + i) as isize - 1, l % columns + j * 2);
            let inside = (0..h as isize).contains(&r);
            let want = if inside { data[((n * 3 + c) * h + r as usize) * w + s] } else { 0.0 };
            assert_eq!(*got, want, "element {at}");
        }
    }

    /// `⟨im2col(x), y⟩ = ⟨x, fold(y)⟩`
    #[test]
    fn folding_is_the_adjoint() {
        let rng = &mut Rng::seed(4);
        let x = rng.normal([2, 3, 4, 6], 0.0, 1.0, DType::F64);
        let columns = x.im2col(&WIDE);
        let y = rng.normal(columns.shape(), 0.0, 1.0, DType::F64);
        let (a, b) = ((columns * &y).sum(..).item(), (x * y.fold([4, 6], &WIDE)).sum(..).item());
        assert!((a - b).abs() < 1e-12 * a.abs().max(1.0), "{a} {b}");
    }
}
