//! Negative log-likelihoods.

use talweg_tensor::{
    CtcOptions, GaussianNllOptions, KlDivOptions, NllLossOptions, PoissonNllOptions, Reduction, Tensor,
};

use crate::losses::difference::options;
use crate::losses::{Loss, as_prediction};

/// The negative log-likelihood of class numbers under log-probabilities, `−y[t]` averaged over the rows: for models that end
/// with [`LogSoftmax`](crate::LogSoftmax). [`CrossEntropy`](crate::CrossEntropy) does both at once.
///
/// # Shapes
/// Log-probabilities `[n, classes]` and `i64` targets `[n]`; or `[n, classes, ..]` and `[n, ..]`.
///
/// # Examples
/// ```
/// # use talweg_nn::{Loss, Nll};
/// # use talweg_tensor::Tensor;
/// let y = Tensor::from_slice(&[-1.0f32, -2.0, -3.0, -4.0], [2, 2]);
/// assert_eq!(Nll::default().forward(&y, &Tensor::from_slice(&[1i64, 0], [2])).item(), 2.5);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Nll {
    /// A factor for each class, `[classes]`; all 1 by default. The mean divides by the sum of the targets' factors.
    pub weight: Option<Tensor>,
    /// Targets with this number take no part; none by default.
    pub ignore_index: Option<i64>,
    /// What becomes of the rows' losses; the mean by default.
    pub reduction: Reduction,
}

impl Loss for Nll {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let weight = as_prediction(self.weight.as_ref(), prediction);
        let options = NllLossOptions { weight, ignore_index: self.ignore_index, reduction: self.reduction };
        prediction.nll_loss(target, &options)
    }
}

/// The Kullback-Leibler divergence of a target distribution from predicted log-probabilities, `t (ln t − y)`, summed over a
/// row and averaged over the rows: for distillation and soft labels. See [`Tensor::kl_div`].
///
/// # Shapes
/// Log-probabilities and target of one shape `[n, ..]`.
///
/// # Examples
/// ```
/// # use talweg_nn::{KlDiv, Loss};
/// # use talweg_tensor::Tensor;
/// let y = Tensor::from_slice(&[0.25f64, 0.75], [1, 2]).ln();
/// let t = Tensor::from_slice(&[0.5f64, 0.5], [1, 2]);
/// assert!((KlDiv::default().forward(&y, &t).item() - 0.143841036226).abs() < 1e-10);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KlDiv {
    /// Whether the target holds log-probabilities too; no by default.
    pub log_target: bool,
    /// Whether the mean divides by the number of rows, as the definition asks, instead of the number of elements; yes by
    /// default.
    pub batch_mean: bool,
    /// What becomes of the elements' terms; the mean by default.
    pub reduction: Reduction,
}

impl Default for KlDiv {
    fn default() -> KlDiv {
        KlDiv { log_target: false, batch_mean: true, reduction: Reduction::Mean }
    }
}

impl Loss for KlDiv {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let KlDiv { log_target, batch_mean, reduction } = *self;
        prediction.kl_div(target, &KlDivOptions { log_target, batch_mean, reduction })
    }
}

/// The negative log-likelihood of counts under Poisson's law with the predicted logarithm of the rate, `eʸ − t y` averaged
/// over all elements. See [`Tensor::poisson_nll_loss`].
///
/// # Shapes
/// Prediction and target of one shape; they do not broadcast.
///
/// # Examples
/// ```
/// # use talweg_nn::{Loss, PoissonNll};
/// # use talweg_tensor::Tensor;
/// let (y, t) = (Tensor::from_slice(&[0.0f64], [1]), Tensor::from_slice(&[2.0f64], [1]));
/// assert_eq!(PoissonNll::default().forward(&y, &t).item(), 1.0);
/// ```
#[derive(Clone, Debug)]
pub struct PoissonNll {
    /// Whether the prediction is the logarithm of the rate (the default) or the rate itself.
    pub log_input: bool,
    /// Whether Stirling's approximation of `ln t!` is added, which has no influence on the gradient.
    pub full: bool,
    /// What is added to a rate before its logarithm; 1e-8 by default.
    pub eps: f64,
    /// A factor for each element, as in [`L1`](crate::L1).
    pub weight: Option<Tensor>,
    /// What becomes of the elements' losses; the mean by default.
    pub reduction: Reduction,
}

impl Default for PoissonNll {
    fn default() -> PoissonNll {
        PoissonNll { log_input: true, full: false, eps: 1e-8, weight: None, reduction: Reduction::Mean }
    }
}

impl Loss for PoissonNll {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let PoissonNll { log_input, full, eps, .. } = *self;
        let losses = options(&self.weight, self.reduction, prediction);
        prediction.poisson_nll_loss(target, &PoissonNllOptions { log_input, full, eps, losses })
    }
}

/// The negative log-likelihood of quantities under normal laws whose means and variances are both predicted. See
/// [`Tensor::gaussian_nll_loss`].
///
/// # Examples
/// ```
/// # use talweg_nn::GaussianNll;
/// # use talweg_tensor::Tensor;
/// let one = |x: f64| Tensor::from_slice(&[x], [1]);
/// // (ln 4 + 4 / 4) / 2
/// assert!((GaussianNll::default().forward(&one(1.0), &one(3.0), &one(4.0)).item() - 1.193147180560).abs() < 1e-10);
/// ```
#[derive(Clone, Debug)]
pub struct GaussianNll {
    /// Whether the constant `ln(2π) / 2` is added.
    pub full: bool,
    /// Variances do not fall below this; 1e-6 by default.
    pub eps: f64,
    /// A factor for each element, as in [`L1`](crate::L1).
    pub weight: Option<Tensor>,
    /// What becomes of the elements' losses; the mean by default.
    pub reduction: Reduction,
}

impl Default for GaussianNll {
    fn default() -> GaussianNll {
        GaussianNll { full: false, eps: 1e-6, weight: None, reduction: Reduction::Mean }
    }
}

impl GaussianNll {
    /// The loss of predicted means and variances.
    ///
    /// # Shapes
    /// Mean and target of one shape; variances of that shape, or with a last axis of 1, or without the last axis.
    ///
    /// # Panics
    /// When shapes or types do not fit.
    #[track_caller]
    pub fn forward(&self, mean: &Tensor, target: &Tensor, variance: &Tensor) -> Tensor {
        let losses = options(&self.weight, self.reduction, mean);
        mean.gaussian_nll_loss(
            target,
            variance,
            &GaussianNllOptions { full: self.full, eps: self.eps, losses },
        )
    }
}

/// Connectionist temporal classification: sequences of classes without known places in a longer sequence, as in the
/// recognition of speech and handwriting. See [`Tensor::ctc_loss`].
///
/// # Examples
/// ```
/// # use talweg_nn::Ctc;
/// # use talweg_tensor::Tensor;
/// let y = Tensor::from_slice(&[0.5f64; 4], [2, 1, 2]).ln();
/// let loss = Ctc::default().forward(&y, &Tensor::from_slice(&[1i64], [1, 1]), &[2], &[1]);
/// assert!((loss.item() + 0.75f64.ln()).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ctc {
    /// The class that stands for nothing; 0 by default.
    pub blank: i64,
    /// Whether rows whose target does not fit into their steps cost nothing instead of infinity.
    pub zero_infinity: bool,
    /// What becomes of the rows' losses; the mean, of each divided by the length of its target, by default.
    pub reduction: Reduction,
}

impl Ctc {
    /// The loss of log-probabilities, for rows of known lengths.
    ///
    /// # Shapes
    /// Log-probabilities `[steps, n, classes]`, targets `[n, S]`, `n` numbers of steps and `n` lengths of targets.
    ///
    /// # Panics
    /// When shapes, types or lengths do not fit, or a target is no class.
    #[track_caller]
    pub fn forward(
        &self,
        prediction: &Tensor,
        targets: &Tensor,
        steps: &[usize],
        lengths: &[usize],
    ) -> Tensor {
        let Ctc { blank, zero_infinity, reduction } = *self;
        prediction.ctc_loss(targets, steps, lengths, &CtcOptions { blank, zero_infinity, reduction })
    }
}
