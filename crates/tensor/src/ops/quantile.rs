//! Quantiles along an axis.

use crate::op::check;
use crate::tensor::Tensor;

impl Tensor {
    /// The quantiles at `q`, each in `0..=1`, along an axis: with the `n` elements in order, the number at place
    /// `q (n - 1)`, on a straight line between its neighbours. NaN where an element is.
    ///
    /// # Shapes
    /// The input's without the axis, and an axis for the quantiles in front.
    ///
    /// # Gradient
    /// `dy` to the two neighbours, in the proportions in which they make up the quantile.
    ///
    /// # Panics
    /// When the axis is out of range or empty, the tensor is not floating-point, or a quantile is outside of `0..=1`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[4.0f64, 1.0, 2.0], [3]);
    /// assert_eq!(x.quantile(&[0.25, 0.5, 1.0], 0).to_vec::<f64>(), [1.5, 2.0, 4.0]);
    /// ```
    #[track_caller]
    pub fn quantile(&self, q: &[f64], axis: isize) -> Tensor {
        let refuse = |message: String| -> ! { panic!("quantile: {message}") };
        let spec = self.spec();
        let at = check::accept(
            check::float("quantile", &spec).and_then(|()| check::axis("quantile", axis, &spec.shape)),
        );
        let n = self.shape().at(at);
        if n == 0 {
            refuse(format!("axis {axis} of {} is empty; there is no quantile of no elements", self.shape()));
        }
        if q.is_empty() {
            refuse(format!(
                "no quantiles are asked for of {}; name at least one, as in &[0.5]",
                self.shape()
            ));
        }
        let sorted = self.sort(false, axis).values.transpose(axis, -1).unsqueeze(0);
        let pick = |k: usize| sorted.narrow(-1, k, 1);
        let parts: Vec<Tensor> = q
            .iter()
            .map(|&q| {
                if !(0.0..=1.0).contains(&q) {
                    refuse(format!(
                        "{q} is not in 0..=1, for {}; give percentages as fractions",
                        self.shape()
                    ));
                }
                let place = q * (n - 1) as f64;
                let (low, weight) = (place.floor() as usize, place.fract());
                if weight == 0.0 { pick(low) } else { between(&pick(low), &pick(low + 1), weight) }
            })
            .collect();
        let y = Tensor::cat(&parts.iter().collect::<Vec<_>>(), 0);
        // NaN is sorted to the end, so the last element tells of any.
        let last = pick(n - 1);
        last.is_nan().select(&last, &y).transpose(at as isize + 1, -1).squeeze(at as isize + 1)
    }
}

/// On the straight line, from the nearer end.
fn between(low: &Tensor, high: &Tensor, weight: f64) -> Tensor {
    if weight < 0.5 { low + (high - low) * weight } else { high - (high - low) * (1.0 - weight) }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Tensor};

    crate::cases! {
        quantile: |x| x[0].quantile(&[0.3, 1.0, 0.0, 0.9], 1); shapes [[2, 3]] [[2, 4, 2]] [[3, 1]] [[0, 2]]
            refuses [[]] [[3]] [[2, 0]];
    }

    /// `torch.quantile(torch.tensor([[1., 2., 4.], [3., nan, 0.]]), torch.tensor([.1, .5, 1.]), 1)`; the gradient of the
    /// median of `[1, 1, 1, 2]` likewise.
    #[test]
    fn they_are_those_of_pytorch() {
        let x = Tensor::from_slice(&[1.0f64, 2.0, 4.0, 3.0, f64::NAN, 0.0], [2, 3]);
        let y = x.quantile(&[0.1, 0.5, 1.0], 1);
        assert_eq!(y.shape(), &[3, 2]);
        let y = y.to_vec::<f64>();
        assert!((y[0] - 1.2).abs() < 1e-15 && y[2] == 2.0 && y[4] == 4.0);
        assert!(y[1].is_nan() && y[3].is_nan() && y[5].is_nan());
        let x = Tensor::from_slice(&[1.0f64, 1.0, 1.0, 2.0], [4]).requires_grad();
        let dx = x.quantile(&[0.5], 0).sum(..).backward().wrt(&x).to_vec::<f64>();
        assert_eq!((dx.iter().sum::<f64>(), dx[3]), (1.0, 0.0));
    }

    #[test]
    #[should_panic(expected = "quantile: 25 is not in 0..=1, for [2]; give percentages as fractions")]
    fn percentages_are_refused() {
        Tensor::zeros([2], DType::F32).quantile(&[25.0], 0);
    }
}
