//! Transposed convolutions: what a convolution does to gradients, as an operation of its own that makes pictures larger.

use crate::op::{OpError, apply, check};
use crate::ops::conv::{ConvOptions, padded, slices, volumes, with_bias};
use crate::ops::conv2d::Conv2dInputGrad;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// How a transposed convolution of `N` axes moves its kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvTransposeOptions<const N: usize> {
    /// The distance between the places of two inputs, in outputs.
    pub stride: [usize; N],
    /// Outputs cut off on both sides of each axis.
    pub padding: [usize; N],
    /// Outputs added at the end of each axis, less than the stride: which of the sizes whose convolution has the input's
    /// size is meant.
    pub output_padding: [usize; N],
    /// The distance between the kernel's taps, in outputs; 1 is dense.
    pub dilation: [usize; N],
    /// Input and output channels fall into this many groups that do not see each other.
    pub groups: usize,
}

impl<const N: usize> Default for ConvTransposeOptions<N> {
    fn default() -> ConvTransposeOptions<N> {
        ConvTransposeOptions {
            stride: [1; N],
            padding: [0; N],
            output_padding: [0; N],
            dilation: [1; N],
            groups: 1,
        }
    }
}

impl<const N: usize> ConvTransposeOptions<N> {
    /// The sizes of the output's last axes for an input `[n, in, ..]` and a weight `[in, out / groups, ..]`, or what does not fit.
    fn output(&self, name: &str, x: &Shape, w: &Shape) -> Result<[usize; N], OpError> {
        let refuse = |cause: String| Err(OpError::new(format!("{name}: input {x} with weight {w}: {cause}")));
        if x.rank() != N + 2 || w.rank() != N + 2 {
            return refuse(format!(
                "both need {} axes (batch or in, channels or out / groups, {N} of space); add one with .unsqueeze(0)",
                N + 2
            ));
        }
        let ConvTransposeOptions { stride, padding, output_padding, dilation, groups } = *self;
        if groups == 0 || stride.contains(&0) || dilation.contains(&0) {
            return refuse(format!(
                "groups {groups}, stride {stride:?} and dilation {dilation:?} are too small; each must be at least 1"
            ));
        }
        if x.at(1) != w.at(0) {
            return refuse(format!(
                "the input has {} channels, the weight takes {}; the weight is [in, out / groups, ..]",
                x.at(1),
                w.at(0)
            ));
        }
        if !x.at(1).is_multiple_of(groups) {
            return refuse(format!("{} input channels do not fall into {groups} groups", x.at(1)));
        }
        if (0..N).any(|i| output_padding[i] >= stride[i]) {
            return refuse(format!(
                "output_padding {output_padding:?} must be less than the stride {stride:?}; larger outputs need padding of their own"
            ));
        }
        let mut sizes = [0; N];
        for (i, size) in sizes.iter_mut().enumerate() {
            let (n, kernel) = (x.at(i + 2), w.at(i + 2));
            if n == 0 || kernel == 0 {
                return refuse("an axis of space has no elements; give at least one".into());
            }
            let whole = (n - 1) * stride[i] + dilation[i] * (kernel - 1) + 1 + output_padding[i];
            if whole <= 2 * padding[i] {
                return refuse(format!("padding {padding:?} cuts everything off; use less"));
            }
            *size = whole - 2 * padding[i];
        }
        Ok(sizes)
    }

    /// The options of the last two of three axes.
    fn of_slices(&self) -> ConvTransposeOptions<2> {
        let last = |all: [usize; N]| [all[N - 2], all[N - 1]];
        ConvTransposeOptions {
            stride: last(self.stride),
            padding: last(self.padding),
            output_padding: last(self.output_padding),
            dilation: last(self.dilation),
            groups: self.groups,
        }
    }
}

#[track_caller]
fn checked<const N: usize>(
    name: &str,
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
    options: &ConvTransposeOptions<N>,
) -> [usize; N] {
    let specs = [x.spec(), w.spec()];
    let all = check::float(name, &specs[0])
        .and_then(|()| check::alike(name, &specs))
        .and_then(|()| options.output(name, x.shape(), w.shape()));
    let sizes = check::accept(all);
    super::conv::check_bias(name, bias, w, w.size(1) * options.groups);
    sizes
}

impl Tensor {
    /// The transposed convolution of sequences: each input adds the kernel, times itself, to the outputs at its place,
    /// `y[n, o, i·stride − padding + r·dilation] += w[c, o, r] x[n, c, i]`, plus the bias.
    ///
    /// # Shapes
    /// `x [n, in, l]`, weight `[in, out / groups, taps]`, bias `[out]` to `[n, out, l']`, where
    /// `l' = (l − 1) stride − 2 padding + dilation (taps − 1) + 1 + output_padding`.
    ///
    /// # Gradient
    /// `dx` is the convolution of `dy` with `w`, `dw` the correlation of `dy` with `x`, and `db` the sums of `dy`.
    ///
    /// # Panics
    /// When channels do not fit the weight or the groups, `output_padding` is not less than the stride, the padding cuts
    /// everything off, or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{ConvTransposeOptions, Tensor};
    /// let x = Tensor::from_slice(&[1.0f32, 2.0], [1, 1, 2]);
    /// let w = Tensor::from_slice(&[1.0f32, 10.0, 100.0], [1, 1, 3]);
    /// let options = ConvTransposeOptions { stride: [2], ..Default::default() };
    /// assert_eq!(x.conv_transpose1d(&w, None, &options).to_vec::<f32>(), [1.0, 10.0, 102.0, 20.0, 200.0]);
    /// ```
    #[track_caller]
    pub fn conv_transpose1d(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        options: &ConvTransposeOptions<1>,
    ) -> Tensor {
        checked("conv_transpose1d", self, weight, bias, options);
        let row = ConvTransposeOptions {
            stride: [1, options.stride[0]],
            padding: [0, options.padding[0]],
            output_padding: [0, options.output_padding[0]],
            dilation: [1, options.dilation[0]],
            groups: options.groups,
        };
        self.unsqueeze(2).conv_transpose2d(&weight.unsqueeze(2), bias, &row).squeeze(2)
    }

    /// The transposed convolution of pictures: each input pixel adds the kernel, times itself, to the output at its place,
    /// `y[n, o, i·stride − padding + r·dilation, ..] += w[c, o, r, ..] x[n, c, i, ..]`, plus the bias (Dumoulin and Visin, "A
    /// guide to convolution arithmetic for deep learning", 2016, chapter 4).
    ///
    /// # Shapes
    /// `x [n, in, h, w]`, weight `[in, out / groups, rows, columns]`, bias `[out]` to `[n, out, h', w']`, where
    /// `h' = (h − 1) stride − 2 padding + dilation (rows − 1) + 1 + output_padding`, and `w'` likewise.
    ///
    /// # Gradient
    /// `dx` is the convolution of `dy` with `w`, `dw` the correlation of `dy` with `x`, and `db` the sums of `dy`.
    ///
    /// # Panics
    /// As [`Tensor::conv_transpose1d`].
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{ConvTransposeOptions, DType, Tensor};
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [1, 1, 2, 2]);
    /// let w = Tensor::ones([1, 1, 2, 2], DType::F32);
    /// let y = x.conv_transpose2d(&w, None, &ConvTransposeOptions::default());
    /// assert_eq!(y.to_vec::<f32>(), [1.0, 3.0, 2.0, 4.0, 10.0, 6.0, 3.0, 7.0, 4.0]);
    /// ```
    #[track_caller]
    pub fn conv_transpose2d(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        options: &ConvTransposeOptions<2>,
    ) -> Tensor {
        let size = checked("conv_transpose2d", self, weight, bias, options);
        let ConvTransposeOptions { stride, padding, dilation, groups, .. } = *options;
        let options = ConvOptions { stride, padding, extra: [0; 2], dilation, groups };
        with_bias(apply(Conv2dInputGrad { options, size }, &[self, weight]), bias, 2)
    }

    /// The transposed convolution of volumes, as [`Tensor::conv_transpose2d`] with one more axis, the depth.
    ///
    /// # Shapes
    /// `x [n, in, d, h, w]`, weight `[in, out / groups, depth, rows, columns]`, bias `[out]` to `[n, out, d', h', w']`, where
    /// `d' = (d − 1) stride − 2 padding + dilation (depth − 1) + 1 + output_padding`, and `h'` and `w'` likewise.
    ///
    /// # Gradient
    /// `dx` is the convolution of `dy` with `w`, `dw` the correlation of `dy` with `x`, and `db` the sums of `dy`.
    ///
    /// # Panics
    /// As [`Tensor::conv_transpose1d`].
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{ConvTransposeOptions, DType, Tensor};
    /// let (x, w) = (Tensor::ones([1, 1, 1, 1, 2], DType::F32), Tensor::ones([1, 1, 1, 1, 2], DType::F32));
    /// let y = x.conv_transpose3d(&w, None, &ConvTransposeOptions::default());
    /// assert_eq!(y.to_vec::<f32>(), [1.0, 2.0, 1.0]);
    /// ```
    #[track_caller]
    pub fn conv_transpose3d(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        options: &ConvTransposeOptions<3>,
    ) -> Tensor {
        let [depth, ..] = checked("conv_transpose3d", self, weight, bias, options);
        let (n, inputs, kernel) = (self.size(0), self.size(2), weight.size(2));
        let (stride, padding, dilation) = (options.stride[0], options.padding[0], options.dilation[0]);
        let (pictures, of_slices) = (slices(self), options.of_slices());
        // The whole depth, before anything is cut off: slices lie `stride` apart, and each tap moves them by `dilation`.
        let whole = depth + 2 * padding;
        let tap = |r: usize| {
            let y = pictures.conv_transpose2d(&weight.narrow(2, r, 1).squeeze(2), None, &of_slices);
            let apart = spread(&volumes(&y, n, inputs), stride);
            let before = r * dilation;
            padded(&apart, 2, before, whole - before - apart.size(2))
        };
        let y = (1..kernel).fold(tap(0), |sum, r| sum + tap(r));
        with_bias(y.narrow(2, padding, depth), bias, 3)
    }
}

/// Slices along axis 2 with `step − 1` slices of zeros between them.
fn spread(x: &Tensor, step: usize) -> Tensor {
    if step == 1 {
        return x.clone();
    }
    let [n, c, d, h, w] = x.sizes();
    let apart = padded(&x.unsqueeze(3), 3, 0, step - 1).reshape([n, c, d * step, h, w]);
    apart.narrow(2, 0, (d - 1) * step + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Conv3dOptions, DType, Rng};

    const LINE: ConvTransposeOptions<1> =
        ConvTransposeOptions { stride: [2], padding: [1], output_padding: [1], dilation: [2], groups: 2 };
    const UNEVEN: ConvTransposeOptions<2> = ConvTransposeOptions {
        stride: [2, 1],
        padding: [1, 0],
        output_padding: [1, 0],
        dilation: [1, 2],
        groups: 2,
    };
    const BOX: ConvTransposeOptions<3> = ConvTransposeOptions {
        stride: [2, 1, 2],
        padding: [1, 0, 1],
        output_padding: [1, 0, 0],
        dilation: [2, 1, 1],
        groups: 2,
    };

    crate::cases! {
        conv_transpose1d: |x| x[0].conv_transpose1d(x[1], Some(x[2]), &LINE);
            shapes [[2, 2, 3], [2, 1, 2], [2]] [[0, 2, 3], [2, 1, 2], [2]]
            refuses [[2, 3, 3], [3, 1, 2], [2]] [[2, 2, 3], [4, 1, 2], [2]] [[2, 2, 3], [2, 1, 2], [3]] [[2, 3], [2, 1, 2], [2]];
        conv_transpose2d: |x| x[0].conv_transpose2d(x[1], Some(x[2]), &UNEVEN);
            shapes [[0, 2, 2, 3], [2, 1, 2, 2], [2]] [[1, 2, 2, 3], [2, 1, 2, 2], [2]]  refuses [[1, 2, 0, 3], [2, 1, 2, 2], [2]] [[1, 2, 1, 3], [2, 1, 0, 2], [2]];
        conv_transpose3d: |x| x[0].conv_transpose3d(x[1], Some(x[2]), &BOX);
            shapes [[0, 2, 2, 2, 2], [2, 1, 2, 2, 1], [2]] [[1, 2, 2, 2, 2], [2, 1, 2, 2, 1], [2]]  refuses [[1, 2, 1, 2, 1], [3, 1, 2, 2, 2], [2]];
    }

    /// `<conv(x), y> = <x, transpose(y)>` for every x and y: this, and the sizes, is what a transpose is.
    #[test]
    fn it_is_the_transpose_of_the_convolution() {
        let rng = &mut Rng::seed(5);
        let conv = Conv3dOptions {
            stride: BOX.stride,
            padding: BOX.padding,
            dilation: BOX.dilation,
            groups: 2,
            extra: [0; 3],
        };
        let w = rng.normal([4, 3, 2, 3, 2], 0.0, 1.0, DType::F64);
        let y = rng.normal([2, 4, 3, 2, 3], 0.0, 1.0, DType::F64);
        let back = y.conv_transpose3d(&w, None, &BOX);
        assert_eq!(*back.shape(), [2, 6, 6, 4, 4]);
        for _ in 0..3 {
            let x = rng.normal(back.shape(), 0.0, 1.0, DType::F64);
            let (a, b) = ((x.conv3d(&w, None, &conv) * &y).sum(..).item(), (&x * &back).sum(..).item());
            // Sums of a few thousand products of size 1.
            assert!((a - b).abs() < 1e-11, "{a} {b}");
        }
    }

    #[test]
    #[should_panic(expected = "output_padding [2] must be less than the stride [2]")]
    fn too_much_output_padding() {
        let x = Tensor::zeros([1, 1, 2], DType::F32);
        let options = ConvTransposeOptions { stride: [2], output_padding: [2], ..Default::default() };
        x.conv_transpose1d(&x, None, &options);
    }
}
