//! Conversion between element types.

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::dtype::DType;
use crate::op::{Op, OpError, Saved, Spec, apply};
use crate::tensor::Tensor;

#[derive(Debug)]
struct Cast {
    from: DType,
    to: DType,
}

impl Op for Cast {
    fn name(&self) -> &'static str {
        "cast"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        Ok(inputs[0].with_dtype(self.to))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, _: &mut Saved) -> Tensor {
        Tensor::run(&Kernel::Copy, inputs, out)
    }

    fn vjp(&self, _: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        vec![Some(dy.cast(self.from).into())]
    }
}

impl Tensor {
    /// The same numbers as another element type; the tensor itself when it already has it.
    ///
    /// Real numbers become whole ones by dropping the fraction and stopping at the type's limits (NaN becomes 0);
    /// any number but 0 becomes `true`. The way to and from `Bf16` and `F16` is by `f32`: to the nearest number, ties to the even
    /// one.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `dx = dy` in the type of `x`; none through whole numbers and truth values, whose result is not tracked.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{DType, Tensor};
    /// let x = Tensor::from_slice(&[1.9f32, -1.9, 300.0], [3]);
    /// assert_eq!(x.cast(DType::I64).to_vec::<i64>(), [1, -1, 300]);
    /// assert_eq!(x.cast(DType::U8).to_vec::<u8>(), [1, 0, 255]);
    /// ```
    pub fn cast(&self, dtype: DType) -> Tensor {
        if dtype == self.dtype() {
            return self.clone();
        }
        apply(Cast { from: self.dtype(), to: dtype }, &[self])
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use crate::testing::{Proof, Property};
    use crate::{DType, Tensor};

    #[test]
    fn gradients_come_back_in_the_input_s_type() {
        let x = Tensor::from_slice(&[1.5f32, 2.5], [2]).requires_grad();
        let loss = x.cast(DType::F64).square().sum(..);
        assert_eq!(loss.dtype(), DType::F64);
        assert_eq!(loss.backward().wrt(&x).to_vec::<f32>(), [3.0, 5.0]);
        assert!(!x.cast(DType::I64).is_tracked());
    }

    #[test]
    fn a_tensor_without_elements_is_cast_to_every_type() {
        let types = [DType::F32, DType::F64, DType::Bf16, DType::F16, DType::I64, DType::U8, DType::Bool];
        for (from, to) in types.iter().flat_map(|from| types.map(|to| (*from, to))) {
            let y = Tensor::zeros([2, 0], from).cast(to);
            assert_eq!((y.dtype(), y.shape().to_vec()), (to, vec![2, 0]), "{from} to {to}");
        }
        let x = Tensor::zeros([2, 0], DType::F32).requires_grad();
        let dx = x.cast(DType::F64).square().sum(..).backward().wrt(&x);
        assert_eq!((dx.dtype(), dx.shape().to_vec()), (DType::F32, vec![2, 0]));

        let mut proof = Proof::new("cast", Location::caller());
        proof.ops.insert("cast");
        proof.proven.insert(Property::Empty);
        proof.reasons.insert(Property::Broadcast, "it has one input".into());
        proof.reasons.insert(Property::Refusals, "it takes every shape and every type".into());
        proof.record();
    }

    #[test]
    fn gradients_pass_through_bf16() {
        let x = Tensor::from_slice(&[1.0f32 + 1.0 / 512.0, -3.0], [2]).requires_grad();
        let y = x.cast(DType::Bf16);
        assert_eq!(y.cast(DType::F32).to_vec::<f32>(), [1.0, -3.0]);
        let loss = y.cast(DType::F32).square().sum(..);
        let dx = loss.backward().wrt(&x);
        assert_eq!((dx.dtype(), dx.to_vec::<f32>()), (DType::F32, vec![2.0, -6.0]));
        // Two uses: their gradients are added up as f32.
        let y = x.cast(DType::Bf16);
        let loss = y.cast(DType::F32).sum(..) + y.cast(DType::F64).cast(DType::F32).sum(..);
        assert_eq!(loss.backward().wrt(&x).to_vec::<f32>(), [2.0, 2.0]);
    }

    /// 2^-25 lies between 0 and the smallest number, 2^-24, and goes to the even one.
    #[test]
    fn gradients_pass_through_f16() {
        let x =
            Tensor::from_slice(&[1.0f32 + 1.0 / 4096.0, 70000.0, 2f32.powi(-25), -3.0], [4]).requires_grad();
        let y = x.cast(DType::F16);
        assert_eq!(y.cast(DType::F64).to_vec::<f64>(), [1.0, f64::INFINITY, 0.0, -3.0]);
        let loss = y.cast(DType::F32).sum(..) + y.cast(DType::F64).cast(DType::F32).sum(..) * 2.0;
        assert_eq!(loss.backward().wrt(&x).to_vec::<f32>(), [3.0; 4]);
        assert_eq!(y.to_bytes().len(), 8);
        assert_eq!(
            y.reshape([2, 2]).t().index_select(0, &Tensor::arange(1)).to_vec::<crate::F16>()[0].to_f32(),
            1.0
        );
    }

    #[test]
    #[should_panic(
        expected = "exp: not defined for bf16, which is for storage and matmul, got [2]; convert it with \
                               .cast(DType::F32)"
    )]
    fn arithmetic_with_bf16_names_the_cast() {
        Tensor::zeros([2], DType::Bf16).exp();
    }

    #[test]
    fn every_pair_of_types_converts() {
        let all = [DType::F32, DType::F64, DType::Bf16, DType::F16, DType::I64, DType::U8, DType::Bool];
        let x = Tensor::from_slice(&[0.0f64, 1.0, 1.0], [3]);
        for from in all {
            for to in all {
                let y = x.cast(from).cast(to);
                assert_eq!(
                    (y.dtype(), y.cast(DType::F64).to_vec::<f64>()),
                    (to, vec![0.0, 1.0, 1.0]),
                    "{from} {to}"
                );
            }
        }
    }
}
