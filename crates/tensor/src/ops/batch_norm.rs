//! Batch normalisation: with the batch's own statistics while training, with given ones at evaluation.

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::op::{MultiOp, OpError, Saved, Spec, apply_multi, check};
use crate::ops::norm::{NormKernel, present, slopes};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// What [`Tensor::batch_norm`] gives.
#[derive(Clone, Debug)]
pub struct BatchNormOutput {
    /// The normalised tensor.
    pub y: Tensor,
    /// The mean of each channel, `[c]`, without history: for running averages.
    pub mean: Tensor,
    /// The biased variance of each channel, `[c]`, without history; that of a sample of `n` elements for a channel is
    /// larger by `n / (n − 1)`.
    pub variance: Tensor,
}

impl BatchNormOutput {
    #[track_caller]
    fn of(kernel: NormKernel, inputs: &[&Tensor]) -> BatchNormOutput {
        let outputs = apply_multi(BatchNorm(kernel), inputs);
        let [y, mean, variance] = <[Tensor; 3]>::try_from(outputs).expect("three outputs");
        BatchNormOutput { y, mean: mean.detach(), variance: variance.detach() }
    }
}

/// Outputs the normalised tensor, and the means and variances, which leave it without history.
#[derive(Debug)]
struct BatchNorm(NormKernel);

/// The shape rule for inputs of either mode: gives the number of channels.
fn channels(name: &str, x: &Spec) -> Result<Shape, OpError> {
    if x.shape.rank() < 2 {
        return Err(OpError::new(format!(
            "{name}: input {} needs at least 2 axes (batch, channels, ..); make a batch of one with .unsqueeze(0)",
            x.shape
        )));
    }
    Ok(Shape::new(&[x.shape.at(1)]))
}

impl MultiOp for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Vec<Spec>, OpError> {
        let x = &inputs[0];
        let side = channels("batch_norm", x)?;
        self.0.check("batch_norm", inputs, &side)?;
        if let Some(shortcut) = inputs.last().filter(|shortcut| self.0.shortcut && shortcut.shape != x.shape)
        {
            return Err(OpError::new(format!(
                "batch_norm: shortcut {} does not fit input {}, it must have the same shape",
                shortcut.shape, x.shape
            )));
        }
        let count = x.shape.without(1).numel();
        if count < 2 {
            return Err(OpError::new(format!(
                "batch_norm: input {} has {count} values for each channel, which have no variance; use larger batches \
                 (drop a last batch of one), or evaluate with batch_norm_eval",
                x.shape
            )));
        }
        Ok(vec![*x, x.with_shape(side), x.with_shape(side)])
    }

    fn forward(&self, inputs: &[&Tensor], out: &[Spec], saved: &mut Saved) -> Vec<Tensor> {
        let [y, mean, variance, rstd] =
            Tensor::run_many(&Kernel::BatchNorm(self.0), inputs, [out[0], out[1], out[1], out[1]]);
        saved.keep_input(0, inputs[0]);
        if self.0.weight {
            saved.keep_input(1, inputs[1]);
        }
        if self.0.relu && self.0.shortcut {
            saved.keep_output_at(0, &y);
        } else if self.0.relu && self.0.bias {
            saved.keep_input(self.bias(), inputs[self.bias()]);
        }
        saved.keep(&mean);
        saved.keep(&rstd);
        vec![y, mean, variance]
    }

    fn vjp(&self, saved: &Saved, dys: Vec<Option<Tensor>>, needs: &[bool]) -> Vec<Option<Grad>> {
        // The statistics have no history: only the first output has gradients.
        let dy =
            dys.into_iter().next().flatten().expect("a record is visited because its output has a gradient");
        let x = saved.input(0);
        let weight = self.0.weight.then(|| saved.input(1));
        let graph = x.is_tracked() || dy.is_tracked() || weight.is_some_and(Tensor::is_tracked);
        let mut dxs =
            if graph { self.traced(saved, x, weight, &dy) } else { self.fused(saved, x, weight, &dy) };
        if self.0.shortcut {
            let dshortcut = if self.0.relu { dxs.remove(0) } else { dy };
            dxs.push(dshortcut);
        }
        dxs.into_iter().zip(needs).map(|(dx, &needed)| needed.then(|| dx.into())).collect()
    }
}

impl BatchNorm {
    /// The place of the bias among the inputs.
    fn bias(&self) -> usize {
        1 + usize::from(self.0.weight)
    }

    /// The gradients by the kernel: first that of the shortcut behind a rectifier, then those of the other inputs.
    fn fused(&self, saved: &Saved, x: &Tensor, weight: Option<&Tensor>, dy: &Tensor) -> Vec<Tensor> {
        let mut inputs = vec![x, saved.value(0), saved.value(1), dy];
        inputs.extend(weight);
        let (kernel, side) = (Kernel::BatchNormGrad(self.0), x.spec().with_shape([x.size(1)]));
        if self.0.relu && self.0.shortcut {
            inputs.push(saved.output_at(0));
            let [dx, dw, db, dshortcut] =
                Tensor::run_many(&kernel, &inputs, [x.spec(), side, side, x.spec()]);
            let mut all = vec![dshortcut];
            all.extend(self.0.pick([dx, dw, db]));
            return all;
        }
        if self.0.relu && self.0.bias {
            inputs.push(saved.input(self.bias()));
        }
        self.0.pick(Tensor::run_many(&kernel, &inputs, [x.spec(), side, side]))
    }

    /// The same in tensor expressions.
    fn traced(&self, saved: &Saved, x: &Tensor, weight: Option<&Tensor>, dy: &Tensor) -> Vec<Tensor> {
        let dy = match (self.0.relu, self.0.shortcut) {
            (false, _) => dy.clone(),
            // Where the rectifier is open is a constant: y is 0 or positive.
            (true, true) => dy * &saved.output_at(0).detach().sign(),
            (true, false) => {
                let bias = self.0.bias.then(|| saved.input(self.bias()).detach());
                let weight = weight.map(Tensor::detach);
                let y = x.detach().batch_norm_relu(weight.as_ref(), bias.as_ref(), None, self.0.eps).y;
                dy * &y.sign()
            }
        };
        let (n, c) = (x.size(0), x.size(1));
        let planes = |t: &Tensor| t.reshape([n, c, x.numel() / (n * c)]);
        let weight = weight.map(|w| w.unsqueeze(1));
        let flat = planes(&dy);
        let [dx, dw] = slopes(&planes(x), &flat, weight.as_ref(), self.0.eps, [0, 2].into());
        let mut all = if self.0.relu && self.0.shortcut { vec![dy] } else { Vec::new() };
        all.extend(self.0.pick([dx.reshape(x.shape()), dw.sum([0, 2]), flat.sum([0, 2])]));
        all
    }
}

impl Tensor {
    /// Batch normalisation with the batch's own statistics, `y = (x − mean) / √(variance + ε) w + b`, with the mean and
    /// the biased variance of each channel over the batch and all positions (Ioffe and Szegedy, "Batch normalization",
    /// 2015).
    ///
    /// # Shapes
    /// `x [n, c]` or `[n, c, ..]`, `w` and `b` `[c]` (1 and 0 without them); `y` has the input's shape, the statistics
    /// `[c]`.
    ///
    /// # Gradient
    /// With `x' = (x − mean) / √(variance + ε)` and `g = dy w`:
    /// `dx = (g − mean g − x' mean(g x')) / √(variance + ε)`, the means over a channel; `dw = Σ dy x'`, `db = Σ dy`. None
    /// through the statistics that are returned.
    ///
    /// # Panics
    /// When a channel has fewer than two values, the weight or bias has another shape, ε is negative, or the inputs are
    /// not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 10.0, 3.0, 30.0], [2, 2]);
    /// let out = x.batch_norm(None, None, 0.0);
    /// assert_eq!(out.y.to_vec::<f32>(), [-1.0, -1.0, 1.0, 1.0]);
    /// assert_eq!(out.mean.to_vec::<f32>(), [2.0, 20.0]);
    /// assert_eq!(out.variance.to_vec::<f32>(), [1.0, 100.0]);
    /// ```
    #[track_caller]
    pub fn batch_norm(&self, weight: Option<&Tensor>, bias: Option<&Tensor>, eps: f64) -> BatchNormOutput {
        BatchNormOutput::of(NormKernel::new(weight, bias, eps), &present(self, weight, bias))
    }

    /// [`Tensor::batch_norm`] with a shortcut added and the rectifier behind it, in one pass:
    /// `y = max(0, (x − mean) / √(variance + ε) w + b + s)`, as at the end of a residual block.
    ///
    /// # Shapes
    /// As [`Tensor::batch_norm`]; `s` has the input's shape (0 without it).
    ///
    /// # Gradient
    /// `ds = dy` where `y > 0`, else 0; the others are those of [`Tensor::batch_norm`] for `ds` in place of `dy`.
    ///
    /// # Panics
    /// As [`Tensor::batch_norm`], and when the shortcut has another shape.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 10.0, 3.0, 30.0], [2, 2]);
    /// let s = Tensor::from_slice(&[0.0f32, 3.0, 0.5, 0.0], [2, 2]);
    /// assert_eq!(x.batch_norm_relu(None, None, Some(&s), 0.0).y.to_vec::<f32>(), [0.0, 2.0, 1.5, 1.0]);
    /// ```
    #[track_caller]
    pub fn batch_norm_relu(
        &self,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        shortcut: Option<&Tensor>,
        eps: f64,
    ) -> BatchNormOutput {
        let kernel =
            NormKernel { relu: true, shortcut: shortcut.is_some(), ..NormKernel::new(weight, bias, eps) };
        let mut inputs = present(self, weight, bias);
        inputs.extend(shortcut);
        BatchNormOutput::of(kernel, &inputs)
    }

    /// Batch normalisation with given statistics, as at evaluation: `y = (x − mean) / √(variance + ε) w + b`.
    ///
    /// # Shapes
    /// `x [n, c]` or `[n, c, ..]`, all others `[c]`; the result has the input's shape.
    ///
    /// # Gradient
    /// `dx = dy w / √(variance + ε)`, and those of the other inputs by the formula.
    ///
    /// # Panics
    /// When shapes do not fit, or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 10.0, 3.0, 30.0], [2, 2]);
    /// let (mean, variance) = (Tensor::from_slice(&[1.0f32, 0.0], [2]), Tensor::from_slice(&[4.0f32, 100.0], [2]));
    /// let y = x.batch_norm_eval(&mean, &variance, None, None, 0.0);
    /// assert_eq!(y.to_vec::<f32>(), [0.0, 1.0, 1.0, 3.0]);
    /// ```
    #[track_caller]
    pub fn batch_norm_eval(
        &self,
        mean: &Tensor,
        variance: &Tensor,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Tensor {
        let name = "batch_norm_eval";
        let side = check::accept(channels(name, &self.spec()));
        let named = [("mean", Some(mean)), ("variance", Some(variance)), ("weight", weight), ("bias", bias)];
        for (what, given) in named {
            if let Some(given) = given {
                assert!(
                    *given.shape() == side,
                    "{name}: {what} {} does not fit input {}; it must be {side}",
                    given.shape(),
                    self.shape()
                );
            }
        }
        let mut sizes = vec![1; self.rank() - 1];
        sizes[0] = side.numel();
        let over = |t: &Tensor| t.reshape(sizes.as_slice());
        let mut scale = (variance + eps).rsqrt();
        if let Some(weight) = weight {
            scale = scale * weight;
        }
        let y = (self - &over(mean)) * &over(&scale);
        match bias {
            Some(bias) => y + &over(bias),
            None => y,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Rng, Tensor};

    crate::cases! {
        batch_norm: |x| x[0].batch_norm(Some(x[1]), Some(x[2]), 1e-5).y;
            shapes [[4, 3], [3], [3]] [[2, 3, 2, 2], [3], [3]] [[2, 2, 3], [2], [2]] [[1, 2, 3], [2], [2]]
             refuses [[4, 3], [2], [3]] [[4, 3], [3], [4]] [[4], [4], [4]] [[1, 3], [3], [3]] [[0, 3], [3], [3]];
        batch_norm_plain: |x| x[0].batch_norm(None, None, 0.1).y; shapes [[3, 2, 2]];
        batch_norm_bias: |x| x[0].batch_norm(None, Some(x[1]), 0.1).y; shapes [[3, 2, 2], [2]];
        batch_norm_weight: |x| x[0].batch_norm(Some(x[1]), None, 0.1).y; shapes [[3, 2], [2]];
        batch_norm_relu: |x| x[0].batch_norm_relu(Some(x[1]), Some(x[2]), None, 0.1).y; shapes [[3, 2, 2], [2], [2]] [[4, 3], [3], [3]];
        batch_norm_relu_plain: |x| x[0].batch_norm_relu(None, None, None, 0.1).y; shapes [[3, 2, 2]];
        batch_norm_relu_shortcut: |x| x[0].batch_norm_relu(Some(x[1]), Some(x[2]), Some(x[3]), 0.1).y;
            shapes [[3, 2, 2], [2], [2], [3, 2, 2]]  refuses [[3, 2, 2], [2], [2], [3, 2]];
        batch_norm_eval: |x| x[0].batch_norm_eval(x[1], x[2], Some(x[3]), Some(x[4]), 1e-5);
            shapes [[4, 3], [3], [3], [3], [3]] [[2, 3, 2, 2], [3], [3], [3], [3]] on 0.5..2.0
             refuses [[4, 3], [2], [3], [3], [3]] [[4, 3], [3], [1], [3], [3]] [[3], [3], [3], [3], [3]];
        batch_norm_eval_plain: |x| x[0].batch_norm_eval(x[1], x[2], None, None, 0.1); shapes [[2, 3, 2], [3], [3]] on 0.5..2.0;
    }

    #[test]
    fn it_is_the_definition_also_far_from_zero() {
        let (n, c, inner) = (5, 3, 4);
        let x = Rng::seed(5).normal([n, c, 2, 2], 1e4, 1.0, DType::F64);
        let out = x.batch_norm(None, None, 1e-5);
        let (x, y) = (x.to_vec::<f64>(), out.y.to_vec::<f64>());
        for channel in 0..c {
            let places: Vec<usize> =
                (0..n * inner).map(|k| (k / inner * c + channel) * inner + k % inner).collect();
            let mean = places.iter().map(|&k| x[k]).sum::<f64>() / 20.0;
            let variance = places.iter().map(|&k| (x[k] - mean).powi(2)).sum::<f64>() / 20.0;
            assert!((out.mean.to_vec::<f64>()[channel] - mean).abs() < 1e-10);
            assert!((out.variance.to_vec::<f64>()[channel] - variance).abs() < 1e-10);
            for k in places {
                assert!((y[k] - (x[k] - mean) / (variance + 1e-5).sqrt()).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn evaluation_with_the_batch_s_statistics_is_training() {
        let x = Rng::seed(5).normal([5, 3, 2], 0.0, 1.0, DType::F64).requires_grad();
        let w = Rng::seed(6).normal([3], 0.0, 1.0, DType::F64);
        let out = x.batch_norm(Some(&w), Some(&w), 1e-5);
        assert!(out.y.is_tracked() && !out.mean.is_tracked() && !out.variance.is_tracked());
        let y = x.batch_norm_eval(&out.mean, &out.variance, Some(&w), Some(&w), 1e-5);
        assert!((y - out.y).abs().max(..).item() < 1e-14);
    }

    #[test]
    #[should_panic(
        expected = "batch_norm: input [1, 8] has 1 values for each channel, which have no variance"
    )]
    fn a_batch_of_one() {
        Tensor::ones([1, 8], DType::F32).batch_norm(None, None, 1e-5);
    }
}
