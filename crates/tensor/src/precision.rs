//! How exactly the factors of matrix products enter: the scope of mixed precision.

use std::cell::Cell;

use talweg_kernels::gemm::Precision;

thread_local! {
    static PRECISION: Cell<Precision> = const { Cell::new(Precision::Full) };
}

/// The precision of products that begin now, on this thread.
pub(crate) fn precision() -> Precision {
    PRECISION.get()
}

/// Runs `f` with matrix products ([`matmul`](crate::Tensor::matmul), [`linear`](crate::Tensor::linear)) in the given
/// precision, on this thread.
///
/// Each product remembers its precision for its gradients, so `backward` may run outside the scope.
///
/// # Examples
/// ```
/// # use talweg_tensor::{Precision, Tensor, with_precision};
/// let a = Tensor::from_slice(&[1.0f32 + 1.0 / 512.0], [1, 1]);
/// let exact = a.matmul(&a).item();
/// let rounded = with_precision(Precision::Bf16, || a.matmul(&a)).item();
/// assert!(exact > 1.003 && rounded == 1.0);
/// ```
pub fn with_precision<R>(precision: Precision, f: impl FnOnce() -> R) -> R {
    struct Restore(Precision);
    impl Drop for Restore {
        fn drop(&mut self) {
            PRECISION.set(self.0);
        }
    }
    let _restore = Restore(PRECISION.replace(precision));
    f()
}

/// Runs `f`, usually a forward pass, in mixed precision: the factors of matrix products of `f32` tensors are rounded to 16
/// bits ([`Precision::Bf16`]); sums, outputs, parameters and gradients stay `f32`.
///
/// On processors with AVX512_BF16 this about halves the time of large products. A model needs no change:
///
/// # Examples
/// ```
/// # use talweg_tensor::{DType, Rng, Tensor, mixed_precision};
/// let rng = &mut Rng::seed(1);
/// let (x, w) = (rng.normal([8, 4], 0.0, 1.0, DType::F32), rng.normal([2, 4], 0.0, 1.0, DType::F32).requires_grad());
/// let loss = mixed_precision(|| x.linear(&w, None).square().mean(..));
/// assert_eq!(loss.backward().wrt(&w).dtype(), DType::F32);
/// ```
pub fn mixed_precision<R>(f: impl FnOnce() -> R) -> R {
    with_precision(Precision::Bf16, f)
}

#[cfg(test)]
mod tests {
    use talweg_kernels::Bf16;

    use super::{mixed_precision, precision, with_precision};
    use crate::{DType, Precision, Rng, Tensor};

    /// The number that enters a product of mixed precision.
    fn enter(x: &Tensor) -> Vec<f64> {
        x.to_vec::<f32>().iter().map(|&x| f64::from(Bf16::from_f32(x).to_f32())).collect()
    }

    /// `a [m, k] b [k, n]` in f64, and the sum of the magnitudes.
    fn product(a: &[f64], b: &[f64], [m, k, n]: [usize; 3]) -> Vec<(f64, f64)> {
        let term = |i: usize, j: usize, p: usize| a[i * k + p] * b[p * n + j];
        let place = |at: usize| (at / n, at % n);
        let sum = |(i, j)| (0..k).fold((0.0, 0.0), |(s, z), p| (s + term(i, j, p), z + term(i, j, p).abs()));
        (0..m * n).map(|at| sum(place(at))).collect()
    }

    fn transpose(a: &[f64], [m, n]: [usize; 2]) -> Vec<f64> {
        (0..m * n).map(|at| a[at % m * n + at / m]).collect()
    }

    /// Roundings of f32 sums, measured by the magnitudes.
    #[track_caller]
    fn near(got: &Tensor, want: &[(f64, f64)]) {
        for (got, (sum, size)) in got.to_vec::<f32>().iter().zip(want) {
            assert!(
                (f64::from(*got) - sum).abs() <= 4.0 * f64::from(f32::EPSILON) * (size + 1.0),
                "{got} {sum}"
            );
        }
    }

    #[test]
    fn the_gradients_of_a_linear_map_are_products_of_rounded_factors() {
        let rng = &mut Rng::seed(3);
        // The second is large enough for packed panels, and its depth is odd.
        for (rows, ins, outs) in [(5, 7, 3), (130, 131, 70)] {
            let x = rng.normal([rows, ins], 0.0, 1.0, DType::F32).requires_grad();
            let w = rng.normal([outs, ins], 0.0, 1.0, DType::F32).requires_grad();
            let dy = rng.normal([rows, outs], 0.0, 1.0, DType::F32);
            let y = mixed_precision(|| x.linear(&w, None));
            let (rx, rw, rdy) = (enter(&x), enter(&w), enter(&dy));
            near(&y, &product(&rx, &transpose(&rw, [outs, ins]), [rows, ins, outs]));
            // Outside the scope: the product remembers. The factor dy itself is not rounded on its way.
            let grads = (&y * &dy).sum(..).backward();
            near(&grads.wrt(&x), &product(&rdy, &rw, [rows, outs, ins]));
            near(&grads.wrt(&w), &product(&transpose(&rdy, [rows, outs]), &rx, [outs, rows, ins]));
        }
    }

    #[test]
    fn the_scope_ends_also_when_it_panics() {
        let result = std::panic::catch_unwind(|| mixed_precision(|| panic!("on purpose")));
        assert!(result.is_err());
        assert_eq!(precision(), Precision::Full);
        mixed_precision(|| {
            with_precision(Precision::Full, || assert_eq!(precision(), Precision::Full));
            assert_eq!(precision(), Precision::Bf16);
        });
    }

    #[test]
    fn double_precision_is_left_alone() {
        let a = Rng::seed(4).normal([20, 20], 0.0, 1.0, DType::F64);
        assert_eq!(mixed_precision(|| a.matmul(&a)).to_vec::<f64>(), a.matmul(&a).to_vec::<f64>());
    }

    #[test]
    fn a_small_network_learns_xor() {
        let rng = &mut Rng::seed(5);
        let x = Tensor::from_slice(&[0.0f32, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0], [4, 2]);
        let t = Tensor::from_slice(&[0.0f32, 1.0, 1.0, 0.0], [4, 1]);
        let mut params = [
            rng.normal([8, 2], 0.0, 1.0, DType::F32),
            Tensor::zeros([8], DType::F32),
            rng.normal([1, 8], 0.0, 0.5, DType::F32),
            Tensor::zeros([1], DType::F32),
        ];
        let mut last = f64::INFINITY;
        for _ in 0..800 {
            let [w, b, v, c] = params.map(Tensor::requires_grad);
            let y = mixed_precision(|| x.linear(&w, Some(&b)).tanh().linear(&v, Some(&c)));
            let loss = (&y - &t).square().mean(..);
            last = loss.item();
            let grads = loss.backward();
            params = [w, b, v, c].map(|p| {
                let grad = grads.wrt(&p);
                assert_eq!(grad.dtype(), DType::F32);
                p.detach() - grad * 0.2
            });
        }
        assert!(last < 1e-2, "the loss is still {last}");
    }
}
