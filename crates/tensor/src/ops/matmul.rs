//! The matrix product.

use talweg_kernels::gemm::Precision;

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::dtype::DType;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::precision::{precision, with_precision};
use crate::shape::Shape;
use crate::tensor::Tensor;

#[derive(Debug)]
struct MatMul(Precision);

impl Op for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let [a, b] = inputs else { unreachable!("two inputs") };
        if a.dtype != DType::Bf16 {
            check::float("matmul", a)?;
        }
        check::alike("matmul", inputs)?;
        if a.shape.rank() < 2 || b.shape.rank() < 2 {
            return Err(OpError::new(format!(
                "matmul: needs matrices, got {} x {}; make a row of a vector with .unsqueeze(0), a column with \
                 .unsqueeze(1)",
                a.shape, b.shape
            )));
        }
        let (m, k) = (a.shape.size(-2), a.shape.size(-1));
        let (k2, n) = (b.shape.size(-2), b.shape.size(-1));
        if k != k2 {
            let hint = if k == n {
                "; did you mean b.t()?"
            } else if m == k2 {
                "; did you mean a.t()?"
            } else {
                "; the columns of the first must be as many as the rows of the second"
            };
            return Err(OpError::new(format!(
                "matmul: inner sizes differ, {} x {} ({k} vs {k2}){hint}",
                a.shape, b.shape
            )));
        }
        let lead = |s: &Spec| s.shape.front(s.shape.rank() - 2);
        let batch = lead(a).broadcast(&lead(b)).ok_or_else(|| {
            OpError::new(format!(
                "matmul: batches do not broadcast, {} x {}; leading sizes must be equal or 1",
                a.shape, b.shape
            ))
        })?;
        Ok(a.with_shape(batch.push(m).push(n)))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        let [a, b] = inputs else { unreachable!("two inputs") };
        saved.keep_input(0, a);
        saved.keep_input(1, b);
        // Batches are broadcast as views; the kernel sees equal ones.
        let spread = |x: &Tensor| {
            let mut sizes = out.shape.to_vec();
            let rank = sizes.len();
            sizes[rank - 2..].copy_from_slice(&x.shape().to_vec()[x.rank() - 2..]);
            if *x.shape() == sizes[..] { x.clone() } else { x.broadcast_to(sizes) }
        };
        if out.shape.rank() == 2 {
            return Tensor::run(&Kernel::MatMul(self.0), inputs, out);
        }
        Tensor::run(&Kernel::MatMul(self.0), &[&spread(a), &spread(b)], out)
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, needs: &[bool]) -> Vec<Option<Grad>> {
        let (a, b) = (saved.input(0), saved.input(1));
        let product = |a: &Tensor, b: &Tensor| with_precision(self.0, || a.matmul(b)).into();
        let da = needs[0].then(|| product(&dy, &b.t()));
        let db = needs[1].then(|| product(&a.t(), &dy));
        vec![da, db]
    }
}

impl Tensor {
    /// The matrix product, `y[i, j] = Σₖ a[i, k] b[k, j]`, over the last two axes; axes before them are batches.
    ///
    /// # Shapes
    /// `[.., m, k] x [.., k, n]` to `[.., m, n]`; batches broadcast. A vector `[k]` in front counts as a row, behind as a column,
    /// and its axis is gone in the result.
    ///
    /// # Gradient
    /// `da = dy bᵀ`, `db = aᵀ dy`, in the precision of the first product.
    ///
    /// # Precision
    /// [`with_precision`] says how exactly the factors enter. Two `Bf16` tensors give a `Bf16` tensor: sums are `f32`
    /// and rounded once at the end.
    ///
    /// # Panics
    /// When the inner sizes differ, batches do not broadcast, or one input is not a floating-point matrix.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let a = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [2, 2]);
    /// let b = Tensor::from_slice(&[10.0f32, 100.0], [2, 1]);
    /// assert_eq!(a.matmul(&b).to_vec::<f32>(), [210.0, 430.0]);
    /// ```
    #[track_caller]
    pub fn matmul(&self, b: &Tensor) -> Tensor {
        let product = |a: &Tensor, b: &Tensor| apply(MatMul(precision()), &[a, b]);
        match (self.rank(), b.rank()) {
            (1, 1) => product(&self.unsqueeze(0), &b.unsqueeze(1)).reshape(Shape::SCALAR),
            (1, 2..) => product(&self.unsqueeze(0), b).squeeze(-2),
            (2.., 1) => product(self, &b.unsqueeze(1)).squeeze(-1),
            _ => product(self, b),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Rng, Tensor};

    crate::cases! {
        matmul: |x| x[0].matmul(x[1]);
            shapes [[2, 3], [3, 4]] [[2, 2, 3], [3, 1]] [[2, 1, 2, 3], [3, 3, 2]] [[0, 2], [2, 3]] [[2, 0], [0, 3]] [[3], [3]] [[3], [2, 3, 4]]
            [[2, 2, 3], [3]]
             refuses [[2, 3], [4, 5]] [[3], [4]] [[], [3]] [[2, 2, 2], [3, 2, 2]];
        matmul_transposed: |x| x[0].t().matmul(&x[1].t()); shapes [[3, 2], [4, 3]] [[2, 3, 2], [4, 3]];
    }

    #[test]
    fn products_agree_with_loops() {
        let rng = &mut Rng::seed(2);
        for (m, k, n) in [(1, 1, 1), (3, 5, 7), (17, 33, 65), (64, 10, 128)] {
            let a = rng.normal([m, k], 0.0, 1.0, DType::F32);
            let b = rng.normal([k, n], 0.0, 1.0, DType::F32);
            let (x, y, z) = (a.to_vec::<f32>(), b.to_vec::<f32>(), a.matmul(&b).to_vec::<f32>());
            for (i, j) in (0..m).flat_map(|i| (0..n).map(move |j| (i, j))) {
                let want: f64 = (0..k).map(|p| x[i * k + p] as f64 * y[p * n + j] as f64).sum();
                // k roundings of terms of size about 1.
                assert!((z[i * n + j] as f64 - want).abs() < 1e-6 * (k as f64 + 4.0), "{m} {k} {n}");
            }
        }
    }

    #[test]
    fn sixteen_bit_factors_give_a_sixteen_bit_product() {
        let rng = &mut Rng::seed(7);
        let a = rng.normal([2, 9, 33], 0.0, 1.0, DType::F32).requires_grad();
        let b = rng.normal([33, 6], 0.0, 1.0, DType::F32).requires_grad();
        let (ha, hb) = (a.cast(DType::Bf16), b.cast(DType::Bf16));
        let y = ha.matmul(&hb);
        assert_eq!((y.dtype(), y.shape().to_vec()), (DType::Bf16, vec![2, 9, 6]));
        let wide = |x: &Tensor| x.detach().cast(DType::F64);
        let want = wide(&ha).matmul(&wide(&hb)).to_vec::<f64>();
        for (got, want) in wide(&y).to_vec::<f64>().iter().zip(want) {
            // Half a unit of 8 bits, beside which the error of the sum is small.
            assert!((got - want).abs() <= want.abs() / 256.0 + 1e-5, "{got} {want}");
        }
        // dy is one everywhere: the gradients are sums of rows and columns, rounded.
        let grads = y.cast(DType::F32).sum(..).backward();
        let want = wide(&hb).sum(-1).to_vec::<f64>();
        for (at, got) in grads.wrt(&a).to_vec::<f32>().iter().enumerate() {
            assert!((f64::from(*got) - want[at % 33]).abs() <= want[at % 33].abs() / 256.0 + 1e-5);
        }
        let want = wide(&ha).sum([0, 1]).to_vec::<f64>();
        for (at, got) in grads.wrt(&b).to_vec::<f32>().iter().enumerate() {
            // The two batches are rounded before they are added, and the sum again.
            assert!((f64::from(*got) - want[at / 6]).abs() <= 0.15, "{got} {}", want[at / 6]);
        }
    }

    #[test]
    #[should_panic(expected = "matmul: inner sizes differ, [2, 3] x [4, 3] (3 vs 4); did you mean b.t()?")]
    fn a_refusal_names_the_likely_fix() {
        Tensor::zeros([2, 3], DType::F32).matmul(&Tensor::zeros([4, 3], DType::F32));
    }
}
