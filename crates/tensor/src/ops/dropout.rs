//! Dropout: noise that sets elements to zero.

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::random::Rng;
use crate::tensor::Tensor;

/// A place in the random sequence, and so a mask: it is computed anew for the gradient instead of being kept.
#[derive(Clone, Debug)]
struct Dropout {
    p: f64,
    at: Rng,
}

impl Op for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        check::float("dropout", &inputs[0])?;
        if !(0.0..=1.0).contains(&self.p) {
            return Err(OpError::new(format!(
                "dropout: p is the probability to drop an element, but {} is not between 0 and 1, for input {}; 0.5 drops \
                 half",
                self.p, inputs[0].shape
            )));
        }
        Ok(inputs[0])
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, _: &mut Saved) -> Tensor {
        let Rng { seed, stream, offset } = self.at;
        Tensor::run(&Kernel::Dropout { p: self.p, seed, stream, offset }, inputs, out)
    }

    fn vjp(&self, _: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        vec![Some(apply(self.clone(), &[&dy]).into())]
    }
}

impl Tensor {
    /// Each element 0 with probability `p`, else divided by `1 − p`, so that its mean stays (Srivastava et al.,
    /// "Dropout: a simple way to prevent neural networks from overfitting", 2014; scaled while training, as is usual
    /// now).
    ///
    /// The mask depends on the generator's state and the element's position alone, not on the number of threads or the
    /// element type. With `p` 0 the result is the tensor itself, with `p` 1 all zeros.
    ///
    /// # Shapes
    /// Any; the result has the same.
    ///
    /// # Gradient
    /// `dx = dy / (1 − p)` where the element was kept, 0 elsewhere.
    ///
    /// # Panics
    /// When `p` is not between 0 and 1, or the tensor is not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{DType, Rng, Tensor};
    /// let y = Tensor::ones([1000], DType::F32).dropout(0.5, &mut Rng::seed(1)).to_vec::<f32>();
    /// let kept = y.iter().filter(|&&y| y == 2.0).count();
    /// assert_eq!((kept, y.iter().filter(|&&y| y == 0.0).count()), (499, 501));
    /// ```
    #[track_caller]
    pub fn dropout(&self, p: f64, rng: &mut Rng) -> Tensor {
        let at = rng.clone();
        // The kernel uses one block for four elements. Also without a draw, so that other numbers do not move with p.
        rng.offset = rng.offset.wrapping_add(self.numel().div_ceil(4) as u64);
        if p == 0.0 && self.dtype().is_float() {
            return self.clone();
        }
        apply(Dropout { p, at }, &[self])
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Rng, Tensor};

    crate::cases! {
        dropout: |x| x[0].dropout(0.4, &mut Rng::seed(6)); shapes [[3, 4]] [[2, 0]] [[]];
        dropout_of_nothing: |x| x[0].dropout(0.0, &mut Rng::seed(6)); shapes [[3, 4]];
        dropout_of_all: |x| x[0].dropout(1.0, &mut Rng::seed(6)); shapes [[3, 4]];
    }

    #[test]
    fn about_the_share_is_dropped_and_the_rest_scaled() {
        let (n, p) = (100_000, 0.3);
        let y = Tensor::ones([n], DType::F64).dropout(p, &mut Rng::seed(1)).to_vec::<f64>();
        assert!(y.iter().all(|&y| y == 0.0 || (y - 1.0 / 0.7).abs() < 1e-15));
        let dropped = y.iter().filter(|&&y| y == 0.0).count() as f64;
        // The standard deviation is 145; five of those.
        assert!((dropped - n as f64 * p).abs() < 725.0, "{dropped}");
    }

    #[test]
    fn the_gradient_has_the_same_mask() {
        let x = Rng::seed(2).uniform([40, 7], 1.0, 2.0, DType::F32).requires_grad();
        let y = x.dropout(0.5, &mut Rng::seed(3));
        let dx = y.sum(..).backward().wrt(&x).to_vec::<f32>();
        let kept: Vec<f32> = y.to_vec::<f32>().iter().map(|&y| if y == 0.0 { 0.0 } else { 2.0 }).collect();
        assert_eq!(dx, kept);
        assert!(kept.contains(&0.0) && kept.contains(&2.0));
    }

    #[test]
    fn limits_are_exact_and_masks_differ_from_call_to_call() {
        let x = Tensor::from_slice(&[1.0f32, f32::NAN, f32::INFINITY, 4.0], [4]);
        let rng = &mut Rng::seed(3);
        assert_eq!(x.dropout(1.0, rng).to_vec::<f32>(), [0.0; 4]);
        assert_eq!(x.dropout(0.0, rng).to_bytes(), x.to_bytes());
        assert_eq!(rng.offset, 2);
        let ones = Tensor::ones([256], DType::F32);
        assert_ne!(ones.dropout(0.5, rng).to_vec::<f32>(), ones.dropout(0.5, rng).to_vec::<f32>());
        assert_eq!(rng.offset, 130);
    }

    #[test]
    #[should_panic(
        expected = "dropout: p is the probability to drop an element, but 1.5 is not between 0 and 1, for input [2]"
    )]
    fn a_share_above_one_is_refused() {
        Tensor::ones([2], DType::F32).dropout(1.5, &mut Rng::seed(1));
    }
}
