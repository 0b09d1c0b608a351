//! The affine map of a dense layer, in one kernel.

use talweg_kernels::gemm::{Activation, Precision};

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::ops::Reduce;
use crate::precision::{precision, with_precision};
use crate::shape::AxisSet;
use crate::tensor::Tensor;

#[derive(Debug)]
struct Linear(Precision);

impl Op for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (x, w) = (&inputs[0], &inputs[1]);
        check::float("linear", x)?;
        check::alike("linear", inputs)?;
        check::rank("linear", w, 2, "the weight is [out, in]")?;
        if x.shape.rank() == 0 || x.shape.size(-1) != w.shape.at(1) {
            let last = if x.shape.rank() == 0 { 1 } else { x.shape.size(-1) };
            return Err(OpError::new(format!(
                "linear: input {} does not fit weight {} (last size {last} vs {} inputs); flatten the input, or make \
                 the layer with {last} inputs",
                x.shape,
                w.shape,
                w.shape.at(1)
            )));
        }
        if let Some(b) = inputs.get(2)
            && b.shape != [w.shape.at(0)]
        {
            return Err(OpError::new(format!(
                "linear: bias {} does not fit weight {}; it needs one number for each output",
                b.shape, w.shape
            )));
        }
        Ok(x.with_shape(x.shape.with(x.shape.rank() - 1, w.shape.at(0))))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        saved.keep_input(0, inputs[0]);
        saved.keep_input(1, inputs[1]);
        Tensor::run(&Kernel::Linear(Activation::Identity, self.0), inputs, out)
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, needs: &[bool]) -> Vec<Option<Grad>> {
        let (x, w) = (saved.input(0), saved.input(1));
        // Straight to the kernel: around the products of a small layer, operations would cost more than these.
        if x.rank() == 2 && !(x.is_tracked() || w.is_tracked() || dy.is_tracked()) {
            let product = |a: &Tensor, b: &Tensor, like: &Tensor| {
                Tensor::run(&Kernel::MatMul(self.0), &[a, b], &like.spec())
            };
            let dx = needs[0].then(|| product(&dy, w, x).into());
            let dw = needs[1].then(|| product(&dy.with_layout(dy.layout().permute(&[1, 0])), x, w).into());
            let db = needs.get(2).map(|&needed| {
                let sum = Kernel::Reduce(Reduce::Sum, AxisSet::where_true(2, |axis| axis == 0));
                needed.then(|| Tensor::run(&sum, &[&dy], &dy.spec().with_shape(*saved.shape(2))).into())
            });
            return [Some(dx), Some(dw), db].into_iter().flatten().collect();
        }
        let rows = |x: &Tensor| {
            let last = x.size(-1);
            if x.rank() == 2 { x.clone() } else { x.reshape([x.numel() / last.max(1), last]) }
        };
        let product = |a: &Tensor, b: &Tensor| with_precision(self.0, || a.matmul(b));
        let dx = needs[0].then(|| product(&rows(&dy), w).reshape(saved.shape(0)).into());
        let dw = needs[1].then(|| product(&rows(&dy).t(), &rows(x)).into());
        // The backward walk sums the gradient down to the bias.
        let db = needs.get(2).map(|&needed| needed.then_some(dy.into()));
        [Some(dx), Some(dw), db].into_iter().flatten().collect()
    }
}

impl Tensor {
    /// The affine map of a dense layer, `y = x wᵀ + b`.
    ///
    /// # Shapes
    /// `x [.., in]`, `w [out, in]`, `b [out]` to `[.., out]`.
    ///
    /// # Gradient
    /// `dx = dy w`, `dw = dyᵀ x`, `db = Σ dy` over the rows; these products have the precision of the first.
    /// [`with_precision`] says which.
    ///
    /// # Panics
    /// When the sizes do not fit, or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 2.0], [1, 2]);
    /// let w = Tensor::from_slice(&[1.0f32, 1.0, 0.0, 3.0], [2, 2]);
    /// let b = Tensor::from_slice(&[0.5f32, 0.0], [2]);
    /// assert_eq!(x.linear(&w, Some(&b)).to_vec::<f32>(), [3.5, 6.0]);
    /// ```
    #[track_caller]
    pub fn linear(&self, w: &Tensor, b: Option<&Tensor>) -> Tensor {
        match b {
            Some(b) => apply(Linear(precision()), &[self, w, b]),
            None => apply(Linear(precision()), &[self, w]),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Tensor};

    crate::cases! {
        linear: |x| x[0].linear(x[1], Some(x[2]));
            shapes [[4, 3], [2, 3], [2]] [[2, 2, 3], [5, 3], [5]] [[3], [2, 3], [2]] [[0, 3], [2, 3], [2]]
             refuses [[4, 3], [2, 4], [2]] [[4, 3], [2, 3], [3]] [[4, 3], [3], [3]] [[], [2, 3], [2]];
        linear_without_bias: |x| x[0].linear(x[1], None); shapes [[4, 3], [2, 3]] [[2, 1, 3], [1, 3]];
    }

    #[test]
    #[should_panic(
        expected = "linear: input [4, 28, 28] does not fit weight [10, 784] (last size 28 vs 784 inputs)"
    )]
    fn a_picture_that_was_not_flattened() {
        Tensor::zeros([4, 28, 28], DType::F32).linear(&Tensor::zeros([10, 784], DType::F32), None);
    }
}
