//! The squared error, in one kernel each way: on small networks each kernel costs more than its arithmetic.

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::ops::Reduction;
use crate::ops::losses::assert_same_shape;
use crate::tensor::Tensor;

#[derive(Debug)]
struct MseLoss(Reduction);

impl Op for MseLoss {
    fn name(&self) -> &'static str {
        "mse_loss"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        check::float("mse_loss", &inputs[0])?;
        check::alike("mse_loss", inputs)?;
        Ok(if self.0 == Reduction::None { inputs[0] } else { inputs[0].with_shape([]) })
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        saved.keep_input(0, inputs[0]);
        saved.keep_input(1, inputs[1]);
        Tensor::run(&Kernel::MseLoss(self.0), inputs, out)
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, needs: &[bool]) -> Vec<Option<Grad>> {
        let (x, target) = (saved.input(0), saved.input(1));
        let share = if self.0 == Reduction::Mean { 1.0 / x.numel() as f64 } else { 1.0 };
        let factor = 2.0 * share;
        let dx = if dy.is_tracked() || x.is_tracked() || target.is_tracked() {
            (x - target) * (dy * factor)
        } else {
            Tensor::run(&Kernel::MseLossGrad(factor), &[&dy, x, target], &x.spec())
        };
        let dtarget = needs[1].then(|| (-&dx).into());
        vec![needs[0].then(|| dx.into()), dtarget]
    }
}

impl Tensor {
    /// The squared error, `loss = (x − target)²` for each element.
    ///
    /// # Shapes
    /// Input and target of one shape, to `[]`, or to that shape without reduction.
    ///
    /// # Gradient
    /// `dx = 2 dy (x − target)`, for a mean over the number of elements; `dtarget = −dx`.
    ///
    /// # Panics
    /// When the shapes differ (they do not broadcast), or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Reduction, Tensor};
    /// let (x, target) = (Tensor::from_slice(&[1.0f32, 2.0], [2]), Tensor::from_slice(&[3.0f32, 1.0], [2]));
    /// assert_eq!(x.mse_loss(&target, Reduction::Mean).item(), 2.5);
    /// assert_eq!(x.mse_loss(&target, Reduction::None).to_vec::<f32>(), [4.0, 1.0]);
    /// ```
    #[track_caller]
    pub fn mse_loss(&self, target: &Tensor, reduction: Reduction) -> Tensor {
        assert_same_shape("mse_loss", self, target);
        apply(MseLoss(reduction), &[self, target])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::cases! {
        mse_loss: |x| x[0].mse_loss(x[1], Reduction::Mean);
            shapes [[2, 3], [2, 3]] [[], []] [[1], [1]]  refuses [[2, 1], [2]];
        mse_loss_sum: |x| x[0].mse_loss(x[1], Reduction::Sum); shapes [[2, 3], [2, 3]] [[0], [0]];
        mse_loss_of_elements: |x| x[0].mse_loss(x[1], Reduction::None); shapes [[2, 3], [2, 3]] [[0], [0]] [[1], [1]];
    }

    #[test]
    fn the_mean_of_nothing_is_not_a_number() {
        let nothing = Tensor::zeros([0], crate::DType::F32);
        assert!(nothing.mse_loss(&nothing, Reduction::Mean).item().is_nan());
    }

    #[test]
    #[should_panic(
        expected = "mse_loss: input [2, 1] and target [2] must have one shape; reshape one of them"
    )]
    fn a_column_beside_a_row() {
        use crate::DType;
        Tensor::ones([2, 1], DType::F32).mse_loss(&Tensor::ones([2], DType::F32), Reduction::Mean);
    }
}
