//! Convolutions of any number of axes, and their transposes. Those of two axes have kernels, in `conv2d`; sequences are
//! pictures of one row, and volumes are taken apart into pictures, one for each depth of the kernel.

use crate::op::{OpError, Spec, check};
use crate::ops::pad::PadMode;
use crate::shape::Shape;
use crate::span::Span;
use crate::tensor::Tensor;

/// How a kernel moves over `N` axes: a sequence, a picture (rows, columns) or a volume (depth, rows, columns).
///
/// # Examples
/// ```
/// # use talweg_tensor::{Conv1dOptions, Conv2dOptions};
/// let half = Conv2dOptions { stride: [2, 2], padding: [1, 1], ..Default::default() };
/// assert_eq!((half.dilation, half.groups), ([1, 1], 1));
/// // As long as the input: a kernel of 4 needs one zero in front and two behind.
/// let same = Conv1dOptions::default().same([4]);
/// assert_eq!((same.padding, same.extra), ([1], [1]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvOptions<const N: usize> {
    /// The distance between outputs, in inputs.
    pub stride: [usize; N],
    /// Zeros added on both sides of each axis.
    pub padding: [usize; N],
    /// Zeros added at the end of each axis, on top of the padding.
    pub extra: [usize; N],
    /// The distance between the kernel's taps, in inputs; 1 is dense.
    pub dilation: [usize; N],
    /// Input and output channels fall into this many groups that do not see each other.
    pub groups: usize,
}

/// See [`ConvOptions`].
pub type Conv1dOptions = ConvOptions<1>;
/// See [`ConvOptions`].
pub type Conv2dOptions = ConvOptions<2>;
/// See [`ConvOptions`].
pub type Conv3dOptions = ConvOptions<3>;

impl<const N: usize> Default for ConvOptions<N> {
    fn default() -> ConvOptions<N> {
        ConvOptions { stride: [1; N], padding: [0; N], extra: [0; N], dilation: [1; N], groups: 1 }
    }
}

/// The words for the axes of an input and of a weight.
pub(super) const AXES: [(&str, &str, &str); 3] = [
    ("length", "taps", "sequence"),
    ("height, width", "rows, columns", "picture"),
    ("depth, height, width", "depth, rows, columns", "volume"),
];

impl<const N: usize> ConvOptions<N> {
    /// The padding with which a kernel of this size and stride 1 gives outputs as large as the input; where an odd number of
    /// zeros is needed, the one more is at the end, as in PyTorch's `padding="same"`.
    pub fn same(self, kernel: [usize; N]) -> ConvOptions<N> {
        let total: [usize; N] = std::array::from_fn(|i| self.dilation[i] * kernel[i].saturating_sub(1));
        ConvOptions { padding: total.map(|t| t / 2), extra: total.map(|t| t % 2), ..self }
    }

    /// The output's shape for an input `[n, in, ..]` and a weight `[out, in / groups, ..]`, or what does not fit.
    pub(super) fn output(&self, name: &str, x: &Spec, w: &Spec) -> Result<Shape, OpError> {
        let refuse = |cause: String| {
            Err(OpError::new(format!("{name}: input {} with weight {}: {cause}", x.shape, w.shape)))
        };
        let (inputs, taps, thing) = AXES[N - 1];
        if x.shape.rank() != N + 2 {
            let hint = match x.shape.rank() == N + 1 {
                true => format!("; make a batch of one {thing} with .unsqueeze(0)"),
                false => String::new(),
            };
            return refuse(format!("the input needs {} axes (batch, channels, {inputs}){hint}", N + 2));
        }
        if w.shape.rank() != N + 2 {
            return refuse(format!("the weight needs {} axes (out, in / groups, {taps})", N + 2));
        }
        let (ConvOptions { stride, padding, extra, dilation, groups }, of) = (*self, w.shape.at(0));
        if groups == 0 || stride.contains(&0) || dilation.contains(&0) {
            return refuse(format!(
                "groups {groups}, stride {stride:?} and dilation {dilation:?} are too small; each must be at least 1"
            ));
        }
        let (has, takes) = (x.shape.at(1), w.shape.at(1) * groups);
        if has != takes {
            let each = if groups == 1 {
                String::new()
            } else {
                format!(" ({} in each of {groups} groups)", w.shape.at(1))
            };
            return refuse(format!(
                "the input has {has} channels, the weight takes {takes}{each}; axis 1 of both must agree"
            ));
        }
        if !of.is_multiple_of(groups) {
            return refuse(format!("{of} output channels do not fall into {groups} groups; take a divisor"));
        }
        let kernel: [usize; N] = std::array::from_fn(|i| w.shape.at(i + 2));
        let padded: [usize; N] = std::array::from_fn(|i| x.shape.at(i + 2) + 2 * padding[i] + extra[i]);
        let span: [usize; N] = std::array::from_fn(|i| dilation[i] * kernel[i].saturating_sub(1) + 1);
        if kernel.contains(&0) || (0..N).any(|i| span[i] > padded[i]) {
            let elements = if N == 1 { "elements" } else { "pixels" };
            return refuse(format!(
                "the kernel covers {span:?} {elements}, the input with its padding {padding:?} has {padded:?}; use a \
                 smaller kernel or more padding"
            ));
        }
        let mut sizes = vec![x.shape.at(0), of];
        sizes.extend((0..N).map(|i| (padded[i] - span[i]) / stride[i] + 1));
        Ok(Shape::new(&sizes))
    }

    /// The options of the last two of three axes.
    fn of_slices(&self) -> Conv2dOptions {
        let last = |all: [usize; N]| [all[N - 2], all[N - 1]];
        ConvOptions {
            stride: last(self.stride),
            padding: last(self.padding),
            extra: last(self.extra),
            dilation: last(self.dilation),
            groups: self.groups,
        }
    }
}

impl Conv1dOptions {
    /// The options for pictures of one row.
    fn of_a_row(&self) -> Conv2dOptions {
        ConvOptions {
            stride: [1, self.stride[0]],
            padding: [0, self.padding[0]],
            extra: [0, self.extra[0]],
            dilation: [1, self.dilation[0]],
            groups: self.groups,
        }
    }
}

/// Zeros before and behind along an axis.
pub(super) fn padded(x: &Tensor, axis: isize, before: usize, behind: usize) -> Tensor {
    x.pad_axis(axis, before as isize, behind as isize, PadMode::Constant(0.0))
}

/// `[n, c, d, h, w]` as a batch of pictures `[n d, c, h, w]`.
pub(super) fn slices(x: &Tensor) -> Tensor {
    let [n, c, d, h, w] = x.sizes();
    x.permute([0, 2, 1, 3, 4]).reshape([n * d, c, h, w])
}

/// Pictures `[n d, c, h, w]` as `[n, c, d, h, w]`.
pub(super) fn volumes(x: &Tensor, n: usize, d: usize) -> Tensor {
    let [_, c, h, w] = x.sizes();
    x.reshape([n, d, c, h, w]).permute([0, 2, 1, 3, 4])
}

/// The bias beside the channels of `N` axes.
pub(super) fn with_bias(y: Tensor, bias: Option<&Tensor>, axes: usize) -> Tensor {
    let Some(bias) = bias else { return y };
    let mut sizes = vec![bias.numel()];
    sizes.extend(vec![1; axes]);
    y + bias.reshape(sizes)
}

#[track_caller]
pub(super) fn check_bias(name: &str, bias: Option<&Tensor>, weight: &Tensor, channels: usize) {
    if let Some(bias) = bias
        && *bias.shape() != [channels]
    {
        panic!(
            "{name}: bias {} does not fit weight {}, which makes {channels} channels; it needs one number for each",
            bias.shape(),
            weight.shape()
        );
    }
}

/// Types, sizes and bias of a convolution.
#[track_caller]
fn check_conv<const N: usize>(
    name: &str,
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
    o: &ConvOptions<N>,
) -> Shape {
    let specs = [x.spec(), w.spec()];
    check::accept(check::float(name, &specs[0]));
    check::accept(check::alike(name, &specs));
    let shape = check::accept(o.output(name, &specs[0], &specs[1]));
    check_bias(name, bias, w, w.size(0));
    shape
}

impl Tensor {
    /// The convolution of sequences with a kernel (which is not flipped), for each sequence `n` and output channel `o`
    ///
    /// `y[n, o, i] = b[o] + Σ w[o, c, r] x[n, c, i·stride − padding + r·dilation]`
    ///
    /// over the input channels `c` of `o`'s group and the kernel's taps `r`, where `x` is 0 in the padding.
    ///
    /// # Shapes
    /// `x [n, in, l]`, weight `[out, in / groups, taps]`, bias `[out]` to `[n, out, l']`, where
    /// `l' = (l + 2 padding + extra − dilation (taps − 1) − 1) / stride + 1`, rounded down.
    ///
    /// # Gradient
    /// That of [`Tensor::conv2d`], for pictures of one row.
    ///
    /// # Panics
    /// When channels do not fit the weight or the groups, the kernel is larger than the padded input, a stride,
    /// dilation or number of groups is 0, or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Conv1dOptions, Tensor};
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 4.0, 7.0], [1, 1, 4]);
    /// let w = Tensor::from_slice(&[-1.0f32, 1.0], [1, 1, 2]);
    /// assert_eq!(x.conv1d(&w, None, &Conv1dOptions::default()).to_vec::<f32>(), [1.0, 2.0, 3.0]);
    /// ```
    #[track_caller]
    pub fn conv1d(&self, weight: &Tensor, bias: Option<&Tensor>, options: &Conv1dOptions) -> Tensor {
        check_conv("conv1d", self, weight, bias, options);
        self.unsqueeze(2).conv2d(&weight.unsqueeze(2), bias, &options.of_a_row()).squeeze(2)
    }

    /// The convolution of volumes with a kernel (which is not flipped), as [`Tensor::conv2d`] with one more axis, the depth.
    /// It is the sum over the kernel's depth of the convolutions of slices.
    ///
    /// # Shapes
    /// `x [n, in, d, h, w]`, weight `[out, in / groups, depth, rows, columns]`, bias `[out]` to `[n, out, d', h', w']`, where
    /// `d' = (d + 2 padding + extra − dilation (depth − 1) − 1) / stride + 1`, rounded down, and `h'` and `w'` likewise.
    ///
    /// # Gradient
    /// `dx` is the transposed convolution of `dy` with `w`, `dw` the correlation of `x` with `dy`, and `db[o]` the sum of
    /// `dy[n, o, ..]`.
    ///
    /// # Panics
    /// As [`Tensor::conv2d`].
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Conv3dOptions, DType, Tensor};
    /// let (x, w) = (Tensor::ones([1, 2, 3, 3, 3], DType::F32), Tensor::ones([1, 2, 2, 2, 2], DType::F32));
    /// let y = x.conv3d(&w, None, &Conv3dOptions::default());
    /// assert_eq!(y.to_vec::<f32>(), [16.0; 8]);
    /// ```
    #[track_caller]
    pub fn conv3d(&self, weight: &Tensor, bias: Option<&Tensor>, options: &Conv3dOptions) -> Tensor {
        let out = check_conv("conv3d", self, weight, bias, options);
        let (n, depth, kernel) = (self.size(0), out.at(2), weight.size(2));
        let x = padded(self, 2, options.padding[0], options.padding[0] + options.extra[0]);
        let of_slices = options.of_slices();
        let tap = |r: usize| {
            let w = weight.narrow(2, r, 1).squeeze(2);
            let start = (r * options.dilation[0]) as isize;
            let end = start + ((depth - 1) * options.stride[0]) as isize + 1;
            let x = x.slice(2, Span::from(start..end).step(options.stride[0] as isize));
            slices(&x).conv2d(&w, None, &of_slices)
        };
        let y = (1..kernel).fold(tap(0), |sum, r| sum + tap(r));
        with_bias(volumes(&y, n, depth), bias, 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Rng};

    const LINE: Conv1dOptions =
        ConvOptions { stride: [2], padding: [2], extra: [1], dilation: [2], groups: 2 };
    const BOX: Conv3dOptions = ConvOptions {
        stride: [2, 1, 2],
        padding: [1, 0, 2],
        extra: [1, 0, 1],
        dilation: [2, 1, 1],
        groups: 2,
    };

    crate::cases! {
        conv1d: |x| x[0].conv1d(x[1], Some(x[2]), &LINE);
            shapes [[2, 4, 5], [2, 2, 3], [2]] [[0, 2, 5], [2, 1, 2], [2]]
            refuses [[2, 4, 5], [3, 2, 3], [3]] [[2, 4, 5], [2, 2, 3], [3]] [[4, 5], [2, 2, 3], [2]] [[1, 2, 1], [2, 1, 9], [2]];
        conv1d_plain: |x| x[0].conv1d(x[1], None, &Conv1dOptions::default()); shapes [[1, 2, 4], [3, 2, 2]];
        conv3d: |x| x[0].conv3d(x[1], Some(x[2]), &BOX);
            shapes [[1, 2, 3, 2, 2], [2, 1, 2, 2, 2], [2]] [[0, 2, 3, 2, 2], [2, 1, 2, 2, 2], [2]]
            refuses [[1, 2, 3, 2, 2], [3, 1, 2, 2, 2], [3]] [[2, 3, 2, 2], [2, 1, 2, 2, 2], [2]];
        conv3d_plain: |x| x[0].conv3d(x[1], None, &Conv3dOptions::default()); shapes [[1, 2, 2, 2, 3], [1, 2, 2, 1, 2]];
        conv2d_same: |x| x[0].conv2d(x[1], Some(x[2]), &Conv2dOptions::default().same([2, 3])); shapes [[1, 1, 3, 2], [1, 1, 2, 3], [1]];
    }

    /// The definition in three axes, in loops.
    fn by_definition(x: &Tensor, w: &Tensor, o: &Conv3dOptions) -> Vec<f64> {
        let out = o.output("test", &x.spec(), &w.spec()).unwrap().to_vec();
        let (xs, ws) = (x.to_vec::<f64>(), w.to_vec::<f64>());
        let ([_, channels, d, h, wd], [of, per, kd, kh, kw]) = (x.sizes(), w.sizes());
        let count: usize = out[2..].iter().product();
        let at = |flat: usize| [flat / (out[3] * out[4]), flat / out[4] % out[3], flat % out[4]];
        let mut y = Vec::new();
        for (n, f) in (0..out[0]).flat_map(|n| (0..of).map(move |f| (n, f))) {
            for place in (0..count).map(at) {
                let mut sum = 0.0;
                for t in 0..per * kd * kh * kw {
                    let (c, taps) = (t / (kd * kh * kw), [t / (kh * kw) % kd, t / kw % kh, t % kw]);
                    let from: [usize; 3] = std::array::from_fn(|i| {
                        (place[i] * o.stride[i] + taps[i] * o.dilation[i]).wrapping_sub(o.padding[i])
                    });
                    if from[0] < d && from[1] < h && from[2] < wd {
                        let channel = n * channels + f / (of / o.groups) * per + c;
                        sum += ws[f * per * kd * kh * kw + t]
                            * xs[((channel * d + from[0]) * h + from[1]) * wd + from[2]];
                    }
                }
                y.push(sum);
            }
        }
        y
    }

    fn near(got: &Tensor, want: &[f64]) {
        let got = got.to_vec::<f64>();
        assert_eq!(got.len(), want.len());
        // Sums of some fifty products of numbers of size 1.
        assert!(got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-12), "{got:?} {want:?}");
    }

    #[test]
    fn they_are_the_definition() {
        let rng = &mut Rng::seed(5);
        let mut drawn = |shape: &[usize]| rng.normal(shape, 0.0, 1.0, DType::F64);
        for (x, w, options) in [
            (drawn(&[2, 4, 5, 4, 6]), drawn(&[6, 2, 2, 3, 2]), BOX),
            (drawn(&[1, 3, 4, 4, 4]), drawn(&[2, 3, 3, 2, 1]), Conv3dOptions::default()),
        ] {
            near(&x.conv3d(&w, None, &options), &by_definition(&x, &w, &options));
        }
        let (x, w) = (drawn(&[2, 4, 9]), drawn(&[6, 2, 3]));
        let as_volume = ConvOptions {
            stride: [1, 1, 2],
            padding: [0, 0, 2],
            extra: [0, 0, 1],
            dilation: [1, 1, 2],
            groups: 2,
        };
        let want = by_definition(&x.reshape([2, 4, 1, 1, 9]), &w.reshape([6, 2, 1, 1, 3]), &as_volume);
        near(&x.conv1d(&w, None, &LINE), &want);
        let same =
            x.conv1d(&w.narrow(2, 0, 2), None, &Conv1dOptions { groups: 2, ..Default::default() }.same([2]));
        assert_eq!(same.size(2), 9);
    }

    #[test]
    #[should_panic(
        expected = "conv1d: input [2, 3, 8] with weight [4, 4, 3]: the input has 3 channels, the weight takes 4"
    )]
    fn a_refusal_names_its_own_operation() {
        let x = Tensor::zeros([2, 3, 8], DType::F32);
        x.conv1d(&Tensor::zeros([4, 4, 3], DType::F32), None, &Conv1dOptions::default());
    }
}
