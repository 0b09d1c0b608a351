//! What layer and batch normalisation share: `y = x' w + b` with `x' = (x − mean) / √(variance + ε)`, the mean and
//! the biased variance taken over some of the axes.

use crate::op::{OpError, Spec, check};
use crate::shape::{Axes, Shape};
use crate::tensor::Tensor;

/// What the kernels of the normalisations know besides their inputs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormKernel {
    /// Whether there is a factor `w` among the inputs.
    pub weight: bool,
    /// Whether there is a summand `b`, after the factor.
    pub bias: bool,
    /// Added to the variance.
    pub eps: f64,
    /// Whether the rectifier follows (batch normalisation only).
    pub relu: bool,
    /// Whether a tensor like `x` is added before the rectifier, the last input (batch normalisation only).
    pub shortcut: bool,
}

impl NormKernel {
    pub(super) fn new(weight: Option<&Tensor>, bias: Option<&Tensor>, eps: f64) -> NormKernel {
        NormKernel { weight: weight.is_some(), bias: bias.is_some(), eps, relu: false, shortcut: false }
    }

    /// The first checks of the shape rule; factor and summand must have the given shape.
    pub(super) fn check(&self, name: &str, inputs: &[Spec], side: &Shape) -> Result<(), OpError> {
        check::float(name, &inputs[0])?;
        check::alike(name, inputs)?;
        let names: Vec<&str> =
            [(self.weight, "weight"), (self.bias, "bias")].iter().filter(|s| s.0).map(|s| s.1).collect();
        for (what, given) in names.iter().zip(&inputs[1..]) {
            if given.shape != *side {
                return Err(OpError::new(format!(
                    "{name}: {what} {} does not fit input {}; it must be {side}",
                    given.shape, inputs[0].shape
                )));
            }
        }
        if self.eps.is_nan() || self.eps < 0.0 {
            return Err(OpError::new(format!(
                "{name}: eps {} is negative, for input {}; it must be 0 or more",
                self.eps, inputs[0].shape
            )));
        }
        Ok(())
    }

    /// The gradients of the inputs, of those for `x`, `w` and `b` that there are.
    pub(super) fn pick<T>(&self, [dx, dw, db]: [T; 3]) -> Vec<T> {
        [Some(dx), self.weight.then_some(dw), self.bias.then_some(db)].into_iter().flatten().collect()
    }
}

/// The inputs that there are.
pub(super) fn present<'a>(
    x: &'a Tensor,
    weight: Option<&'a Tensor>,
    bias: Option<&'a Tensor>,
) -> Vec<&'a Tensor> {
    [Some(x), weight, bias].into_iter().flatten().collect()
}

/// The gradients in tensor expressions, for those that are themselves differentiated: of `x`, and `dy x'`, whose sum
/// is the gradient of `w`. `w` broadcasts to `x`.
pub(super) fn slopes(x: &Tensor, dy: &Tensor, w: Option<&Tensor>, eps: f64, axes: Axes) -> [Tensor; 2] {
    let mean = |t: &Tensor| t.mean_keep(axes.clone());
    let centred = x - mean(x);
    let rstd = (mean(&centred.square()) + eps).rsqrt();
    let normal = centred * &rstd;
    let g = match w {
        Some(w) => dy * w,
        None => dy.clone(),
    };
    let dx = (&g - mean(&g) - &normal * mean(&(&g * &normal))) * rstd;
    [dx, dy * normal]
}
