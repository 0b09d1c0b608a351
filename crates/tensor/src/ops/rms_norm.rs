//! Root-mean-square normalisation.

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::tensor::Tensor;

/// Normalises over the last axis.
#[derive(Debug)]
struct RmsNorm {
    eps: f64,
}

impl Op for RmsNorm {
    fn name(&self) -> &'static str {
        "rms_norm"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let x = &inputs[0];
        check::float("rms_norm", x)?;
        check::alike("rms_norm", inputs)?;
        let n = if x.shape.rank() == 0 { 0 } else { x.shape.size(-1) };
        if n == 0 {
            return Err(OpError::new(format!("rms_norm: input {} has nothing along a last axis", x.shape)));
        }
        if let Some(weight) = inputs.get(1)
            && weight.shape != [n]
        {
            return Err(OpError::new(format!(
                "rms_norm: weight {} does not fit input {}; it must be [{n}]",
                weight.shape, x.shape
            )));
        }
        if self.eps.is_nan() || self.eps < 0.0 {
            return Err(OpError::new(format!(
                "rms_norm: eps {} is negative, for input {}; it must be 0 or more",
                self.eps, x.shape
            )));
        }
        Ok(*x)
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        let rows = out.with_shape([out.shape.numel() / out.shape.size(-1)]);
        let [y, rrms] = Tensor::run_many(&Kernel::RmsNorm(self.eps), inputs, [*out, rows]);
        inputs.iter().enumerate().for_each(|(i, x)| saved.keep_input(i, x));
        saved.keep(&rrms);
        y
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, needs: &[bool]) -> Vec<Option<Grad>> {
        let x = saved.input(0);
        let weight = (needs.len() > 1).then(|| saved.input(1));
        let graph = x.is_tracked() || dy.is_tracked() || weight.is_some_and(Tensor::is_tracked);
        let dxs = if graph {
            let r = (x.square().mean_keep(-1) + self.eps).rsqrt();
            let normal = x * &r;
            let g = weight.map_or_else(|| dy.clone(), |w| &dy * w);
            let dx = (&g - &normal * (&g * &normal).mean_keep(-1)) * r;
            [dx, dy * normal]
        } else {
            let mut inputs = vec![x, saved.value(0), &dy];
            inputs.extend(weight);
            let side = x.spec().with_shape([x.size(-1)]);
            Tensor::run_many(&Kernel::RmsNormGrad(self.eps), &inputs, [x.spec(), side])
        };
        // The backward walk sums the second down to the weight.
        dxs.into_iter().zip(needs).map(|(dx, &needed)| needed.then(|| dx.into())).collect()
    }
}

impl Tensor {
    /// Root-mean-square normalisation of the last axis, `y = x / √(mean x² + ε) w` (Zhang and Sennrich, "Root mean square
    /// layer normalization", 2019): like [`Tensor::layer_norm`] without the mean.
    ///
    /// # Shapes
    /// `x [.., n]`; `w [n]` (1 without it); the result has the input's shape.
    ///
    /// # Gradient
    /// With `r = 1 / √(mean x² + ε)` and `g = dy w`: `dx = r (g − x r mean(g x r))`, the means over a row; `dw = Σ dy x r`
    /// over the rows.
    ///
    /// # Panics
    /// When the last axis is empty, the weight has another shape, ε is negative, or the inputs are not floating-point of
    /// one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 7.0, 3.0, 3.0], [2, 2]);
    /// assert_eq!(x.rms_norm(None, 0.0).to_vec::<f32>(), [0.2, 1.4, 1.0, 1.0]);
    /// ```
    #[track_caller]
    pub fn rms_norm(&self, weight: Option<&Tensor>, eps: f64) -> Tensor {
        match weight {
            Some(weight) => apply(RmsNorm { eps }, &[self, weight]),
            None => apply(RmsNorm { eps }, &[self]),
        }
    }
}

#[cfg(test)]
mod tests {
    crate::cases! {
        rms_norm: |x| x[0].rms_norm(Some(x[1]), 1e-5);
            shapes [[4, 3], [3]] [[2, 1, 3], [3]] [[3], [3]] [[0, 3], [3]]
             refuses [[4, 3], [2]] [[4, 3], [1]] [[], [1]] [[2, 0], [0]];
        rms_norm_plain: |x| x[0].rms_norm(None, 0.1); shapes [[2, 5]] [[1]];
    }
}
