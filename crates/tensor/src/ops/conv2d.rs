//! Two-dimensional convolution of pictures, and its two gradients.
//!
//! The three operations are closed under differentiation: each of them is linear in both of its inputs, and the
//! derivative of one by one input is one of the others. So derivatives of any order run the same three kernels.

use talweg_kernels::conv::Conv2d as Sizes;

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::ops::conv::{Conv2dOptions, padded};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// All sizes, from an input `[n, in, h, w]` and a weight `[out, in / groups, rows, columns]`.
fn sizes(options: &Conv2dOptions, x: &Shape, w: &Shape) -> Sizes {
    Sizes {
        batch: x.at(0),
        in_channels: x.at(1),
        out_channels: w.at(0),
        height: x.at(2),
        width: x.at(3),
        kernel: [w.at(2), w.at(3)],
        stride: options.stride,
        padding: options.padding,
        dilation: options.dilation,
        groups: options.groups,
    }
}

/// Inputs `x`, `w` and perhaps the bias.
#[derive(Debug)]
struct Conv2d(Conv2dOptions);

impl Op for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (x, w) = (&inputs[0], &inputs[1]);
        check::float("conv2d", x)?;
        check::alike("conv2d", inputs)?;
        let shape = self.0.output("conv2d", x, w)?;
        if let Some(bias) = inputs.get(2)
            && bias.shape != [w.shape.at(0)]
        {
            return Err(OpError::new(format!(
                "conv2d: bias {} does not fit weight {}, which makes {} channels; it needs one number for each",
                bias.shape,
                w.shape,
                w.shape.at(0)
            )));
        }
        Ok(x.with_shape(shape))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        saved.keep_input(0, inputs[0]);
        saved.keep_input(1, inputs[1]);
        Tensor::run(&Kernel::Conv2d(sizes(&self.0, inputs[0].shape(), inputs[1].shape())), inputs, out)
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, needs: &[bool]) -> Vec<Option<Grad>> {
        let (x, w) = (saved.input(0), saved.input(1));
        let input_grad = Conv2dInputGrad { options: self.0, size: [x.size(2), x.size(3)] };
        let weight_grad = Conv2dWeightGrad { options: self.0, kernel: [w.size(2), w.size(3)] };
        let db = needs.get(2).map(|&needed| needed.then(|| dy.sum([0, 2, 3]).into()));
        let dw = needs[1].then(|| apply(weight_grad, &[x, &dy]).into());
        let dx = needs[0].then(|| apply(input_grad, &[&dy, w]).into());
        [Some(dx), Some(dw), db].into_iter().flatten().collect()
    }
}

/// The gradient of `x` from `dy` and `w`: the transposed convolution.
#[derive(Debug)]
pub(super) struct Conv2dInputGrad {
    pub(super) options: Conv2dOptions,
    /// Height and width of `x`: several sizes give the same output, because division by the stride rounds down.
    pub(super) size: [usize; 2],
}

impl Op for Conv2dInputGrad {
    fn name(&self) -> &'static str {
        "conv2d_input_grad"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (dy, w) = (&inputs[0], &inputs[1]);
        check::float("conv2d_input_grad", dy)?;
        check::alike("conv2d_input_grad", inputs)?;
        check::rank("conv2d_input_grad", dy, 4, "batch, channels, height, width")?;
        check::rank("conv2d_input_grad", w, 4, "out, in / groups, rows, columns")?;
        let [h, width] = self.size;
        let x = dy.with_shape([dy.shape.at(0), w.shape.at(1) * self.options.groups, h, width]);
        match self.options.output("conv2d", &x, w)? {
            shape if shape == dy.shape => Ok(x),
            shape => Err(OpError::new(format!(
                "conv2d_input_grad: weight {} makes {shape} of {}, not {}",
                w.shape, x.shape, dy.shape
            ))),
        }
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        saved.keep_input(0, inputs[0]);
        saved.keep_input(1, inputs[1]);
        Tensor::run(
            &Kernel::Conv2dInputGrad(sizes(&self.options, &out.shape, inputs[1].shape())),
            inputs,
            out,
        )
    }

    fn vjp(&self, saved: &Saved, g: Tensor, needs: &[bool]) -> Vec<Option<Grad>> {
        let (dy, w) = (saved.input(0), saved.input(1));
        let kernel = [w.size(2), w.size(3)];
        let ddy = needs[0].then(|| apply(Conv2d(self.options), &[&g, w]).into());
        let dw =
            needs[1].then(|| apply(Conv2dWeightGrad { options: self.options, kernel }, &[&g, dy]).into());
        vec![ddy, dw]
    }
}

/// The gradient of `w` from `x` and `dy`.
#[derive(Debug)]
struct Conv2dWeightGrad {
    options: Conv2dOptions,
    /// Rows and columns of `w`: several kernels give the same output, because division by the stride rounds down.
    kernel: [usize; 2],
}

impl Op for Conv2dWeightGrad {
    fn name(&self) -> &'static str {
        "conv2d_weight_grad"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (x, dy) = (&inputs[0], &inputs[1]);
        check::float("conv2d_weight_grad", x)?;
        check::alike("conv2d_weight_grad", inputs)?;
        check::rank("conv2d_weight_grad", x, 4, "batch, channels, height, width")?;
        check::rank("conv2d_weight_grad", dy, 4, "batch, channels, height, width")?;
        let [rows, columns] = self.kernel;
        let w = x.with_shape([dy.shape.at(1), x.shape.at(1) / self.options.groups.max(1), rows, columns]);
        match self.options.output("conv2d", x, &w)? {
            shape if shape == dy.shape => Ok(w),
            shape => Err(OpError::new(format!(
                "conv2d_weight_grad: weight {} makes {shape} of {}, not {}",
                w.shape, x.shape, dy.shape
            ))),
        }
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        saved.keep_input(0, inputs[0]);
        saved.keep_input(1, inputs[1]);
        Tensor::run(
            &Kernel::Conv2dWeightGrad(sizes(&self.options, inputs[0].shape(), &out.shape)),
            inputs,
            out,
        )
    }

    fn vjp(&self, saved: &Saved, g: Tensor, needs: &[bool]) -> Vec<Option<Grad>> {
        let (x, dy) = (saved.input(0), saved.input(1));
        let size = [x.size(2), x.size(3)];
        let dx = needs[0].then(|| apply(Conv2dInputGrad { options: self.options, size }, &[dy, &g]).into());
        let ddy = needs[1].then(|| apply(Conv2d(self.options), &[x, &g]).into());
        vec![dx, ddy]
    }
}

impl Tensor {
    /// The convolution of pictures with a kernel (which is not flipped), for each picture `n` and output channel `o`
    ///
    /// `y[n, o, i, j] = b[o] + Σ w[o, c, r, s] x[n, c, i·stride − padding + r·dilation, j·stride − padding + s·dilation]`
    ///
    /// over the input channels `c` of `o`'s group and the kernel's taps `r, s`, where `x` is 0 in the padding.
    ///
    /// # Shapes
    /// `x [n, in, h, w]`, weight `[out, in / groups, rows, columns]`, bias `[out]` to `[n, out, h', w']`, where
    /// `h' = (h + 2 padding − dilation (rows − 1) − 1) / stride + 1`, rounded down, and `w'` likewise.
    ///
    /// # Gradient
    /// `dx` is the transposed convolution of `dy` with `w`, `dw` the correlation of `x` with `dy`, and
    /// `db[o] = Σ dy[n, o, i, j]`. All are differentiable again.
    ///
    /// # Panics
    /// When channels do not fit the weight or the groups, the kernel is larger than the padded input, a stride,
    /// dilation or number of groups is 0, or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Conv2dOptions, Tensor};
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], [1, 1, 3, 3]);
    /// let w = Tensor::from_slice(&[1.0f32, 0.0, 0.0, -1.0], [1, 1, 2, 2]);
    /// let b = Tensor::from_slice(&[10.0f32], [1]);
    /// let y = x.conv2d(&w, Some(&b), &Conv2dOptions::default());
    /// assert_eq!(y.to_vec::<f32>(), [6.0, 6.0, 6.0, 6.0]);
    /// ```
    #[track_caller]
    pub fn conv2d(&self, weight: &Tensor, bias: Option<&Tensor>, options: &Conv2dOptions) -> Tensor {
        if options.extra != [0, 0] {
            return self.conv2d_with_more_at_the_end(weight, bias, options);
        }
        match bias {
            Some(bias) => apply(Conv2d(*options), &[self, weight, bias]),
            None => apply(Conv2d(*options), &[self, weight]),
        }
    }

    /// The kernels pad both sides alike, so what is more at the end is put there first.
    #[track_caller]
    fn conv2d_with_more_at_the_end(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        options: &Conv2dOptions,
    ) -> Tensor {
        check::accept(options.output("conv2d", &self.spec(), &weight.spec()));
        let x = padded(&padded(self, 2, 0, options.extra[0]), 3, 0, options.extra[1]);
        x.conv2d(weight, bias, &Conv2dOptions { extra: [0, 0], ..*options })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Rng};

    const PLAIN: Conv2dOptions =
        Conv2dOptions { stride: [1, 1], padding: [0, 0], extra: [0, 0], dilation: [1, 1], groups: 1 };
    const UNEVEN: Conv2dOptions =
        Conv2dOptions { stride: [2, 1], padding: [1, 2], extra: [0, 0], dilation: [1, 2], groups: 2 };

    crate::cases! {
        conv2d: |x| x[0].conv2d(x[1], Some(x[2]), &PLAIN);
            shapes [[2, 2, 4, 3], [3, 2, 2, 2], [3]] [[1, 1, 2, 2], [1, 1, 2, 2], [1]] [[0, 1, 3, 3], [2, 1, 2, 2], [2]]
             refuses [[2, 2, 4, 3], [3, 1, 2, 2], [3]] [[2, 2, 4, 3], [3, 2, 2, 2], [2]] [[2, 4, 3], [3, 2, 2, 2], [3]]
                [[1, 1, 4, 3], [3, 1, 2, 4], [3]] [[1, 1, 4, 3], [3, 1, 2], [3]] [[1, 1, 4, 3], [3, 1, 0, 2], [3]];
        conv2d_uneven: |x| x[0].conv2d(x[1], None, &UNEVEN);
            shapes [[2, 4, 5, 4], [2, 2, 3, 2]]  refuses [[1, 4, 5, 4], [3, 2, 3, 2]] [[1, 2, 5, 4], [2, 2, 3, 2]];
        conv2d_pointwise: |x| x[0].conv2d(x[1], None, &PLAIN); shapes [[2, 3, 2, 3], [2, 3, 1, 1]];
        conv2d_input_grad: |x| apply(Conv2dInputGrad { options: UNEVEN, size: [4, 3] }, x);
            shapes [[2, 2, 2, 5], [2, 1, 3, 2]] [[0, 2, 2, 5], [2, 1, 3, 2]]  refuses [[2, 2, 2, 4], [2, 1, 3, 2]] [[2, 2], [2, 1, 3, 2]];
        conv2d_weight_grad: |x| apply(Conv2dWeightGrad { options: UNEVEN, kernel: [3, 2] }, x);
            shapes [[2, 2, 4, 3], [2, 2, 2, 5]] [[0, 2, 4, 3], [0, 2, 2, 5]]  refuses [[2, 2, 4, 3], [2, 2, 2, 4]] [[2, 2, 4, 3], [2, 2]];
    }

    /// The definition, in loops.
    fn by_definition(x: &Tensor, w: &Tensor, o: &Conv2dOptions) -> Vec<f64> {
        let ([n, ch, h, wd], [out, per, kh, kw]) = (x.sizes(), w.sizes());
        let (xs, ws) = (x.to_vec::<f64>(), w.to_vec::<f64>());
        let size = |n: usize, k: usize, i: usize| {
            (n + 2 * o.padding[i] - o.dilation[i] * (k - 1) - 1) / o.stride[i] + 1
        };
        let mut y = Vec::new();
        for (n, f) in (0..n).flat_map(|n| (0..out).map(move |f| (n, f))) {
            for (i, j) in (0..size(h, kh, 0)).flat_map(|i| (0..size(wd, kw, 1)).map(move |j| (i, j))) {
                let mut sum = 0.0;
                for (c, r, s) in (0..per * kh * kw).map(|t| (t / (kh * kw), t / kw % kh, t % kw)) {
                    let at = |i: usize, k: usize, axis: usize| {
                        (i * o.stride[axis] + k * o.dilation[axis]).wrapping_sub(o.padding[axis])
                    };
                    let (row, column) = (at(i, r, 0), at(j, s, 1));
                    if row < h && column < wd {
                        let channel = f / (out / o.groups) * per + c;
                        sum += ws[((f * per + c) * kh + r) * kw + s]
                            * xs[((n * ch + channel) * h + row) * wd + column];
                    }
                }
                y.push(sum);
            }
        }
        y
    }

    #[test]
    fn it_is_the_definition() {
        let rng = &mut Rng::seed(5);
        for (x, w, options) in [
            ([2, 3, 7, 6], [4, 3, 3, 2], PLAIN),
            ([3, 4, 8, 9], [6, 2, 3, 3], UNEVEN),
            ([1, 6, 5, 5], [6, 1, 5, 5], Conv2dOptions { padding: [2, 2], groups: 6, ..PLAIN }),
        ] {
            let x = rng.normal(x, 0.0, 1.0, DType::F64);
            let w = rng.normal(w, 0.0, 1.0, DType::F64);
            let (got, want) = (x.conv2d(&w, None, &options).to_vec::<f64>(), by_definition(&x, &w, &options));
            assert_eq!(got.len(), want.len(), "{options:?}");
            let worst = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-12, "{options:?}: {worst}");
        }
    }

    fn refusal(x: &[usize], w: &[usize], options: Conv2dOptions) -> String {
        let inputs = [x, w].map(|s| Tensor::zeros(s, DType::F32));
        crate::try_apply(Conv2d(options), &[&inputs[0], &inputs[1]]).unwrap_err().to_string()
    }

    #[test]
    fn refusals_name_what_does_not_fit() {
        assert_eq!(
            refusal(&[2, 3, 8, 8], &[4, 4, 3, 3], PLAIN),
            "conv2d: input [2, 3, 8, 8] with weight [4, 4, 3, 3]: the input has 3 channels, the weight takes 4; \
             axis 1 of both must agree"
        );
        assert_eq!(
            refusal(&[2, 3, 8, 8], &[4, 2, 3, 3], Conv2dOptions { groups: 2, ..PLAIN }),
            "conv2d: input [2, 3, 8, 8] with weight [4, 2, 3, 3]: the input has 3 channels, the weight takes 4 (2 in \
             each of 2 groups); axis 1 of both must agree"
        );
        assert_eq!(
            refusal(&[2, 4, 8, 8], &[3, 2, 3, 3], Conv2dOptions { groups: 2, ..PLAIN }),
            "conv2d: input [2, 4, 8, 8] with weight [3, 2, 3, 3]: 3 output channels do not fall into 2 groups; take a divisor"
        );
        assert_eq!(
            refusal(
                &[2, 3, 4, 8],
                &[4, 3, 3, 3],
                Conv2dOptions { padding: [0, 1], dilation: [2, 1], ..PLAIN }
            ),
            "conv2d: input [2, 3, 4, 8] with weight [4, 3, 3, 3]: the kernel covers [5, 3] pixels, the input with its \
             padding [0, 1] has [4, 10]; use a smaller kernel or more padding"
        );
        assert_eq!(
            refusal(&[3, 8, 8], &[4, 3, 3, 3], PLAIN),
            "conv2d: input [3, 8, 8] with weight [4, 3, 3, 3]: the input needs 4 axes (batch, channels, height, \
             width); make a batch of one picture with .unsqueeze(0)"
        );
        assert_eq!(
            refusal(&[2, 3, 8, 8], &[4, 3, 3, 3], Conv2dOptions { stride: [0, 1], ..PLAIN }),
            "conv2d: input [2, 3, 8, 8] with weight [4, 3, 3, 3]: groups 1, stride [0, 1] and dilation [1, 1] are \
             too small; each must be at least 1"
        );
    }
}
