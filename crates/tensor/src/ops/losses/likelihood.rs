//! Negative log-likelihoods of counts and quantities, and the divergence of distributions.

use std::f64::consts::PI;

use crate::Tensor;
use crate::ops::losses::{LossOptions, Reduction, assert_same_shape, number};

/// How [`Tensor::kl_div`] counts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct KlDivOptions {
    /// Whether the target holds log-probabilities too.
    pub log_target: bool,
    /// Whether a mean divides by the number of rows, as the definition asks, instead of the number of elements.
    pub batch_mean: bool,
    /// What becomes of the terms of the elements.
    pub reduction: Reduction,
}

/// How [`Tensor::poisson_nll_loss`] counts.
#[derive(Clone, Debug)]
pub struct PoissonNllOptions {
    /// Whether the prediction is the logarithm of the rate (the default) or the rate itself.
    pub log_input: bool,
    /// Whether Stirling's approximation of `ln target!` is added, which has no influence on the gradient.
    pub full: bool,
    /// What is added to a rate before its logarithm; 1e-8 by default.
    pub eps: f64,
    /// Factors for the elements, and what becomes of them.
    pub losses: LossOptions,
}

impl Default for PoissonNllOptions {
    fn default() -> PoissonNllOptions {
        PoissonNllOptions { log_input: true, full: false, eps: 1e-8, losses: LossOptions::default() }
    }
}

/// How [`Tensor::gaussian_nll_loss`] counts.
#[derive(Clone, Debug)]
pub struct GaussianNllOptions {
    /// Whether the constant `ln(2π) / 2` is added.
    pub full: bool,
    /// Variances do not fall below this; 1e-6 by default.
    pub eps: f64,
    /// Factors for the elements, and what becomes of them.
    pub losses: LossOptions,
}

impl Default for GaussianNllOptions {
    fn default() -> GaussianNllOptions {
        GaussianNllOptions { full: false, eps: 1e-6, losses: LossOptions::default() }
    }
}

/// `t ln t`, 0 at 0.
fn entropy(t: &Tensor) -> Tensor {
    let safe = t.gt(&number(0.0, t)).select(t, &number(1.0, t));
    t * safe.ln()
}

impl Tensor {
    /// The Kullback-Leibler divergence of the target from these log-probabilities,
    /// `loss = target (ln target − x)` for each element (Kullback and Leibler, "On information and sufficiency", 1951).
    ///
    /// # Shapes
    /// Input and target of one shape, to `[]`, or to that shape without reduction.
    ///
    /// # Gradient
    /// `dx = −dy target`, with the target's exponential if it is a logarithm; for a mean over the number of elements or
    /// rows.
    ///
    /// # Panics
    /// When the shapes differ (they do not broadcast), or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{KlDivOptions, Tensor};
    /// let x = Tensor::from_slice(&[0.25f64, 0.75], [1, 2]).ln();
    /// let target = Tensor::from_slice(&[0.5f64, 0.5], [1, 2]);
    /// let options = KlDivOptions { batch_mean: true, ..Default::default() };
    /// // 0.5 ln 2 + 0.5 ln(2/3)
    /// assert!((x.kl_div(&target, &options).item() - 0.143841036226).abs() < 1e-10);
    /// ```
    #[track_caller]
    pub fn kl_div(&self, target: &Tensor, options: &KlDivOptions) -> Tensor {
        assert_same_shape("kl_div", self, target);
        let losses = match options.log_target {
            true => target.exp() * (target - self),
            false => entropy(target) - target * self,
        };
        if options.batch_mean && options.reduction == Reduction::Mean {
            assert!(
                self.rank() > 0,
                "kl_div: a mean over rows needs at least one axis, got {}; leave batch_mean off",
                self.shape()
            );
            return losses.sum(..) / self.size(0) as f64;
        }
        options.reduction.apply(&losses)
    }

    /// The negative log-likelihood of counts under Poisson's law: for the logarithm `x` of the rate,
    /// `loss = eˣ − target x`; for the rate, `loss = x − target ln(x + eps)`.
    ///
    /// # Shapes
    /// Input and target of one shape, to `[]`, or to that shape without reduction.
    ///
    /// # Gradient
    /// `dx = dy (eˣ − target)`, for a rate `dx = dy (1 − target / (x + eps))`; for a mean over the number of elements.
    ///
    /// # Panics
    /// When the shapes differ (they do not broadcast), or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{PoissonNllOptions, Tensor};
    /// let (x, target) = (Tensor::from_slice(&[0.0f64, 1.0], [2]), Tensor::from_slice(&[2.0f64, 3.0], [2]));
    /// // (1 − 0 + e − 3) / 2
    /// assert!((x.poisson_nll_loss(&target, &PoissonNllOptions::default()).item() - 0.359140914229).abs() < 1e-10);
    /// ```
    #[track_caller]
    pub fn poisson_nll_loss(&self, target: &Tensor, options: &PoissonNllOptions) -> Tensor {
        assert_same_shape("poisson_nll_loss", self, target);
        let mut losses = match options.log_input {
            true => self.exp() - target * self,
            false => self - target * (self + options.eps).ln(),
        };
        if options.full {
            let large = target.gt(&number(1.0, target));
            let safe = large.select(target, &number(1.0, target));
            let stirling = entropy(&safe) - &safe + (&safe * (2.0 * PI)).ln() * 0.5;
            losses = losses + large.select(&stirling, &number(0.0, target));
        }
        options.losses.apply("poisson_nll_loss", &losses)
    }

    /// The negative log-likelihood of quantities under normal laws with these means and with variances `v`:
    /// `loss = (ln v + (x − target)² / v) / 2` (Nix and Weigend, "Estimating the mean and variance of the target
    /// probability distribution", 1994).
    ///
    /// # Shapes
    /// Input and target of one shape; variances of that shape, or with a last axis of 1, or without the last axis. To
    /// `[]`, or to that shape without reduction.
    ///
    /// # Gradient
    /// `dx = dy (x − target) / v`, `dtarget = −dx`, `dv = dy (1 / v − (x − target)² / v²) / 2`; for a mean over the number of
    /// elements. Where a variance is below `eps`, `eps` stands in its place, and its gradient still arrives, as in
    /// PyTorch.
    ///
    /// # Panics
    /// When the shapes do not fit, or the inputs are not floating-point of one type. A negative variance counts as
    /// `eps`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{GaussianNllOptions, Tensor};
    /// let one = |x: f64| Tensor::from_slice(&[x], [1]);
    /// let loss = one(1.0).gaussian_nll_loss(&one(3.0), &one(4.0), &GaussianNllOptions::default());
    /// // (ln 4 + 4 / 4) / 2
    /// assert!((loss.item() - 1.193147180560).abs() < 1e-10);
    /// ```
    #[track_caller]
    pub fn gaussian_nll_loss(
        &self,
        target: &Tensor,
        variance: &Tensor,
        options: &GaussianNllOptions,
    ) -> Tensor {
        assert_same_shape("gaussian_nll_loss", self, target);
        let fits =
            |v: &Tensor| v.rank() == self.rank() && v.shape().broadcast(self.shape()) == Some(*self.shape());
        let missing = variance.rank() + 1 == self.rank()
            && variance.shape().to_vec() == self.shape().to_vec()[..variance.rank()];
        let variance = if missing { variance.unsqueeze(-1) } else { variance.clone() };
        assert!(
            fits(&variance),
            "gaussian_nll_loss: variances {} for input {}; give one for each element, or one for each row",
            variance.shape(),
            self.shape()
        );
        // The limited number, with the gradient of the unlimited one.
        let limited = variance.detach().clamp(options.eps, f64::INFINITY) + (&variance - variance.detach());
        let mut losses = (limited.ln() + (self - target).square() / &limited) * 0.5;
        if options.full {
            losses = losses + 0.5 * (2.0 * PI).ln();
        }
        options.losses.apply("gaussian_nll_loss", &losses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kl(log_target: bool, reduction: Reduction) -> KlDivOptions {
        KlDivOptions { log_target, reduction, batch_mean: false }
    }

    fn poisson(log_input: bool, full: bool) -> PoissonNllOptions {
        PoissonNllOptions { log_input, full, ..Default::default() }
    }

    crate::cases! {
        kl_div: |x| x[0].kl_div(x[1], &kl(false, Reduction::None)); shapes [[2, 3], [2, 3]] [[], []] on 0.2..1.0
            refuses [[2, 1], [2]];
        kl_div_of_logarithms: |x| x[0].kl_div(x[1], &kl(true, Reduction::Mean)); shapes [[2, 3], [2, 3]] [[1], [1]];
        kl_div_sum: |x| x[0].kl_div(x[1], &kl(true, Reduction::Sum)); shapes [[0, 3], [0, 3]];
        kl_div_rows: |x| x[0].kl_div(x[1], &KlDivOptions { batch_mean: true, ..Default::default() });
            shapes [[2, 3], [2, 3]] on 0.2..1.0  refuses [[], []];
        poisson_nll_loss: |x| x[0].poisson_nll_loss(x[1], &poisson(true, false)); shapes [[2, 3], [2, 3]] [[], []]
            refuses [[2, 1], [2]];
        poisson_nll_loss_of_rates: |x| x[0].poisson_nll_loss(x[1], &poisson(false, true)); shapes [[2, 3], [2, 3]] on 1.1..4.0;
        gaussian_nll_loss: |x| x[0].gaussian_nll_loss(x[1], x[2], &GaussianNllOptions { full: true, ..Default::default() });
            shapes [[2, 3], [2, 3], [2, 3]] [[2, 3], [2, 3], [2, 1]] [[2, 3], [2, 3], [2]] [[2], [2], []] on 0.5..2.0
            refuses [[2, 3], [2, 1], [2, 3]] [[2, 3], [2, 3], [3, 3]] [[2, 3], [2, 3], [3]];
    }

    #[test]
    fn a_probability_of_zero_costs_nothing() {
        let target = Tensor::from_slice(&[0.0f64, 1.0], [2]);
        let x = Tensor::from_slice(&[-3.0f64, -1.0], [2]);
        assert_eq!(x.kl_div(&target, &kl(false, Reduction::None)).to_vec::<f64>(), [0.0, 1.0]);
    }

    #[test]
    fn small_counts_have_no_stirling_term_and_small_variances_are_limited() {
        let x = Tensor::from_slice(&[0.5f64, 0.5], [2]);
        let target = Tensor::from_slice(&[1.0f64, 4.0], [2]);
        let options = |full| PoissonNllOptions { full, losses: Reduction::None.into(), ..Default::default() };
        let without = x.poisson_nll_loss(&target, &options(false)).to_vec::<f64>();
        let with = x.poisson_nll_loss(&target, &options(true)).to_vec::<f64>();
        let stirling = 4.0 * 4f64.ln() - 4.0 + 0.5 * (8.0 * PI).ln();
        assert!(with[0] == without[0] && (with[1] - without[1] - stirling).abs() < 1e-14);

        let variance = Tensor::from_slice(&[1e-9f64], [1]).requires_grad();
        let one = |x: f64| Tensor::from_slice(&[x], [1]);
        let loss = one(0.0).gaussian_nll_loss(&one(0.0), &variance, &GaussianNllOptions::default());
        assert!((loss.item() - 0.5 * 1e-6f64.ln()).abs() < 1e-12);
        assert!((loss.backward().wrt(&variance).item() - 0.5e6).abs() < 1e-6);
    }
}
