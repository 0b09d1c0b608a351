//! Layer normalisation.

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::op::{Op, OpError, Saved, Spec, apply};
use crate::ops::norm::{NormKernel, present, slopes};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// Normalises over the last axes, those of `shape`.
#[derive(Debug)]
struct LayerNorm {
    shape: Shape,
    norm: NormKernel,
}

impl Op for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let x = &inputs[0];
        self.norm.check("layer_norm", inputs, &self.shape)?;
        let lead = x.shape.rank().checked_sub(self.shape.rank());
        let fits = lead.is_some_and(|lead| x.shape.iter().skip(lead).eq(self.shape.iter()));
        if !fits || self.shape.rank() == 0 || self.shape.numel() == 0 {
            return Err(OpError::new(format!(
                "layer_norm: input {} does not end in the normalised shape {}; name the sizes of its last axes, at \
                 least one element",
                x.shape, self.shape
            )));
        }
        Ok(*x)
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        let n = self.shape.numel();
        let rows = out.with_shape([out.shape.numel() / n]);
        let [y, mean, rstd] = Tensor::run_many(&Kernel::LayerNorm(n, self.norm), inputs, [*out, rows, rows]);
        saved.keep_input(0, inputs[0]);
        if self.norm.weight {
            saved.keep_input(1, inputs[1]);
        }
        saved.keep(&mean);
        saved.keep(&rstd);
        y
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, needs: &[bool]) -> Vec<Option<Grad>> {
        let (x, n) = (saved.input(0), self.shape.numel());
        let weight = self.norm.weight.then(|| saved.input(1));
        let graph = x.is_tracked() || dy.is_tracked() || weight.is_some_and(Tensor::is_tracked);
        let dxs = if graph {
            let rows = |t: &Tensor| t.reshape([x.numel() / n, n]);
            let weight = weight.map(|w| w.reshape([n]));
            let dy = rows(&dy);
            let [dx, dw] = slopes(&rows(x), &dy, weight.as_ref(), self.norm.eps, (-1).into());
            let side = |t: &Tensor| t.sum(0).reshape(self.shape);
            [dx.reshape(x.shape()), side(&dw), side(&dy)]
        } else {
            let mut inputs = vec![x, saved.value(0), saved.value(1), &dy];
            inputs.extend(weight);
            let side = x.spec().with_shape(self.shape);
            Tensor::run_many(&Kernel::LayerNormGrad(n, self.norm), &inputs, [x.spec(), side, side])
        };
        let dxs = self.norm.pick(dxs);
        dxs.into_iter().zip(needs).map(|(dx, &needed)| needed.then(|| dx.into())).collect()
    }
}

impl Tensor {
    /// Layer normalisation, `y = (x − mean) / √(variance + ε) w + b`, with the mean and the biased variance of each
    /// row's own elements (Ba, Kiros and Hinton, "Layer normalization", 2016). A row is what the last axes hold.
    ///
    /// # Shapes
    /// `x [.., shape]` with the normalised `shape`, usually one axis; `w` and `b` of that shape (1 and 0 without them);
    /// the result has the input's shape.
    ///
    /// # Gradient
    /// With `x' = (x − mean) / √(variance + ε)` and `g = dy w`:
    /// `dx = (g − mean g − x' mean(g x')) / √(variance + ε)`, the means over a row; `dw = Σ dy x'` and `db = Σ dy` over
    /// the rows.
    ///
    /// # Panics
    /// When the input does not end in `shape`, the weight or bias has another shape, ε is negative, or the inputs are
    /// not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 3.0, 10.0, 30.0], [2, 2]);
    /// let b = Tensor::from_slice(&[0.0f32, 0.5], [2]);
    /// assert_eq!(x.layer_norm([2], None, Some(&b), 0.0).to_vec::<f32>(), [-1.0, 1.5, -1.0, 1.5]);
    /// ```
    #[track_caller]
    pub fn layer_norm(
        &self,
        shape: impl Into<Shape>,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Tensor {
        let norm = NormKernel::new(weight, bias, eps);
        apply(LayerNorm { shape: shape.into(), norm }, &present(self, weight, bias))
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Rng, Tensor};

    crate::cases! {
        layer_norm: |x| x[0].layer_norm([3], Some(x[1]), Some(x[2]), 1e-5);
            shapes [[4, 3], [3], [3]] [[2, 1, 3], [3], [3]] [[3], [3], [3]] [[0, 3], [3], [3]]
             refuses [[4, 2], [3], [3]] [[4, 3], [2], [3]] [[4, 3], [3], [1]] [[], [3], [3]];
        layer_norm_plain: |x| x[0].layer_norm([2, 3], None, None, 0.1); shapes [[2, 2, 3]] [[2, 3]]  refuses [[3, 2]] [[3]];
        layer_norm_bias: |x| x[0].layer_norm([3], None, Some(x[1]), 0.1); shapes [[2, 3], [3]];
        layer_norm_weight: |x| x[0].layer_norm([2, 2], Some(x[1]), None, 0.1); shapes [[3, 2, 2], [2, 2]];
    }

    #[test]
    fn it_is_the_definition_also_far_from_zero() {
        let x = Rng::seed(5).normal([6, 9], 1e4, 1.0, DType::F64);
        let (w, b) =
            (Rng::seed(6).normal([9], 0.0, 1.0, DType::F64), Rng::seed(7).normal([9], 0.0, 1.0, DType::F64));
        let (y, w0, b0) = (x.layer_norm([9], Some(&w), Some(&b), 1e-5), w.to_vec::<f64>(), b.to_vec::<f64>());
        for (x, y) in x.to_vec::<f64>().chunks(9).zip(y.to_vec::<f64>().chunks(9)) {
            let mean = x.iter().sum::<f64>() / 9.0;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 9.0;
            for i in 0..9 {
                let want = (x[i] - mean) / (variance + 1e-5).sqrt() * w0[i] + b0[i];
                assert!((y[i] - want).abs() < 1e-10, "{} {want}", y[i]);
            }
        }
    }

    #[test]
    #[should_panic(
        expected = "layer_norm: input [2, 3] does not end in the normalised shape [2]; name the sizes of its last axes, \
                    at least one element"
    )]
    fn a_refusal_names_both_shapes() {
        Tensor::ones([2, 3], DType::F32).layer_norm([2], None, None, 1e-5);
    }
}
