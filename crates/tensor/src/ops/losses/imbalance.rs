//! Losses for data where most examples are easy or of one class.

use crate::Tensor;
use crate::op::check;
use crate::ops::cross_entropy::check_target;
use crate::ops::losses::{LossOptions, Reduction, assert_same_shape};
use crate::ops::{BinaryCrossEntropyWithLogitsOptions, NllLossOptions};

/// How [`Tensor::focal_loss`] counts.
#[derive(Clone, Debug)]
pub struct FocalOptions {
    /// The power of the factor that makes easy rows cheap; 2 by default, and 0 is the cross-entropy.
    pub gamma: f64,
    /// A factor for each class, `[classes]`; all 1 by default.
    pub weight: Option<Tensor>,
    /// Targets with this number take no part. None by default.
    pub ignore_index: Option<i64>,
    /// What becomes of the losses of the rows; a mean divides by the sum of the targets' factors.
    pub reduction: Reduction,
}

impl Default for FocalOptions {
    fn default() -> FocalOptions {
        FocalOptions { gamma: 2.0, weight: None, ignore_index: None, reduction: Reduction::Mean }
    }
}

/// How [`Tensor::sigmoid_focal_loss`] counts.
#[derive(Clone, Debug)]
pub struct SigmoidFocalOptions {
    /// The power of the factor that makes easy elements cheap; 2 by default.
    pub gamma: f64,
    /// The factor of positive elements, negative ones having `1 − alpha`; 0.25 by default, no factors with `None`.
    pub alpha: Option<f64>,
    /// Factors for the elements, and what becomes of them.
    pub losses: LossOptions,
}

impl Default for SigmoidFocalOptions {
    fn default() -> SigmoidFocalOptions {
        SigmoidFocalOptions { gamma: 2.0, alpha: Some(0.25), losses: LossOptions::default() }
    }
}

/// How [`Tensor::dice_loss`] counts.
#[derive(Clone, Debug)]
pub struct DiceOptions {
    /// Whether the sizes are sums of squares.
    pub squared: bool,
    /// What is added above and below, so that two empty pictures agree; 1 by default.
    pub smooth: f64,
    /// Factors for the rows, and what becomes of them.
    pub losses: LossOptions,
}

impl Default for DiceOptions {
    fn default() -> DiceOptions {
        DiceOptions { squared: false, smooth: 1.0, losses: LossOptions::default() }
    }
}

/// `x^gamma` for numbers from 0 to 1.
fn modulation(x: &Tensor, gamma: f64) -> Tensor {
    match gamma {
        1.0 => x.clone(),
        2.0 => x.square(),
        _ => x.powf(gamma),
    }
}

impl Tensor {
    /// The focal loss of logits and class numbers, `loss = −(1 − p)^γ ln p` with `p = softmax(x)[target]` for each row: the
    /// cross-entropy with less weight where the answer is already right (Lin et al., "Focal loss for dense object
    /// detection", 2017, eq. 4).
    ///
    /// # Shapes
    /// Logits `[n, classes]` or `[n, classes, ..]`, target `[n]` or `[n, ..]`, to `[]`, or to the target's shape without
    /// reduction.
    ///
    /// # Gradient
    /// `dx[c] = dy (1 − p)^γ (γ p ln p / (1 − p) − 1) ([c = target] − softmax(x)[c])`; for a mean over the sum of factors.
    ///
    /// # Panics
    /// When a target is no class, or shapes or types do not fit.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{FocalOptions, Tensor};
    /// let x = Tensor::from_slice(&[0.0f64, 0.0], [1, 2]);
    /// // (1 − 0.5)² ln 2
    /// let loss = x.focal_loss(&Tensor::from_slice(&[1i64], [1]), &FocalOptions::default());
    /// assert!((loss.item() - 0.173286795140).abs() < 1e-10);
    /// ```
    #[track_caller]
    pub fn focal_loss(&self, target: &Tensor, options: &FocalOptions) -> Tensor {
        assert!(
            self.rank() >= 2,
            "focal_loss: needs logits [n, classes, ..], got {}; for one score an element use sigmoid_focal_loss",
            self.shape()
        );
        check::accept(check_target("focal_loss", &self.spec(), &target.spec()));
        let log = self.log_softmax(1);
        let nll = NllLossOptions {
            weight: options.weight.clone(),
            ignore_index: options.ignore_index,
            reduction: options.reduction,
        };
        if options.gamma == 0.0 {
            return log.nll_loss(target, &nll);
        }
        let rest = (1.0 - log.exp()).clamp(0.0, 1.0);
        (modulation(&rest, options.gamma) * log).nll_loss(target, &nll)
    }

    /// The focal loss of logits for yes or no, `loss = −α (1 − p)^γ ln p` with `p` the probability of the true answer, for each
    /// element (Lin et al., "Focal loss for dense object detection", 2017, eq. 5).
    ///
    /// # Shapes
    /// Logits and targets from 0 to 1 of one shape, to `[]`, or to that shape without reduction.
    ///
    /// # Gradient
    /// By the product rule from that of [`Tensor::binary_cross_entropy_with_logits`]; for a mean over the number of
    /// elements.
    ///
    /// # Panics
    /// When the shapes differ (they do not broadcast), or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{SigmoidFocalOptions, Tensor};
    /// let (x, target) = (Tensor::from_slice(&[0.0f64], [1]), Tensor::from_slice(&[1.0f64], [1]));
    /// // 0.25 · 0.5² ln 2
    /// let loss = x.sigmoid_focal_loss(&target, &SigmoidFocalOptions::default());
    /// assert!((loss.item() - 0.043321698785).abs() < 1e-10);
    /// ```
    #[track_caller]
    pub fn sigmoid_focal_loss(&self, target: &Tensor, options: &SigmoidFocalOptions) -> Tensor {
        assert_same_shape("sigmoid_focal_loss", self, target);
        let plain = BinaryCrossEntropyWithLogitsOptions { reduction: Reduction::None, ..Default::default() };
        let mut losses = self.binary_cross_entropy_with_logits(target, &plain);
        if options.gamma != 0.0 {
            let wrong = (-self).sigmoid() * target + self.sigmoid() * (1.0 - target);
            losses = losses * modulation(&wrong, options.gamma);
        }
        if let Some(alpha) = options.alpha {
            losses = losses * (target * (2.0 * alpha - 1.0) + (1.0 - alpha));
        }
        options.losses.apply("sigmoid_focal_loss", &losses)
    }

    /// The dice loss of probabilities: how little two areas overlap, `loss = 1 − (2 Σ x t + s) / (Σ x + Σ t + s)` for each row,
    /// over all its elements (Milletari, Navab and Ahmadi, "V-Net", 2016, eq. 1, where the sums below are of squares).
    ///
    /// # Shapes
    /// Probabilities and target of one shape `[n, ..]`, to `[]`, or to `[n]` without reduction.
    ///
    /// # Gradient
    /// With `a = 2 Σ x t + s` and `b = Σ x + Σ t + s`: `dx = dy (a / b² − 2 t / b)`; for a mean over the number of rows.
    ///
    /// # Panics
    /// When the shapes differ (they do not broadcast), or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{DiceOptions, Tensor};
    /// let x = Tensor::from_slice(&[1.0f32, 1.0, 0.0], [1, 3]);
    /// let target = Tensor::from_slice(&[1.0f32, 0.0, 0.0], [1, 3]);
    /// // 1 − (2 + 1) / (2 + 1 + 1)
    /// assert_eq!(x.dice_loss(&target, &DiceOptions::default()).item(), 0.25);
    /// ```
    #[track_caller]
    pub fn dice_loss(&self, target: &Tensor, options: &DiceOptions) -> Tensor {
        assert_same_shape("dice_loss", self, target);
        assert!(
            self.rank() >= 1,
            "dice_loss: needs rows [n, ..], got {}; add an axis with .unsqueeze(0)",
            self.shape()
        );
        let rows = self.size(0);
        let flat = |x: &Tensor| x.reshape([rows, x.numel() / rows.max(1)]);
        let (x, t) = (flat(self), flat(target));
        let size = |x: &Tensor| if options.squared { x.square().sum(1) } else { x.sum(1) };
        let overlap = (&x * &t).sum(1) * 2.0 + options.smooth;
        options.losses.apply("dice_loss", &(1.0 - overlap / (size(&x) + size(&t) + options.smooth)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes() -> Tensor {
        Tensor::from_slice(&[2i64, 0, 1], [3])
    }

    fn focal(gamma: f64) -> FocalOptions {
        let weight = Some(Tensor::from_slice(&[0.5f64, 1.0, 2.0], [3]));
        FocalOptions { gamma, weight, ..Default::default() }
    }

    fn sigmoid(gamma: f64, alpha: Option<f64>) -> SigmoidFocalOptions {
        SigmoidFocalOptions { gamma, alpha, losses: Reduction::None.into() }
    }

    fn dice(squared: bool) -> DiceOptions {
        DiceOptions { squared, smooth: 0.5, losses: Reduction::None.into() }
    }

    crate::cases! {
        focal_loss: |x| x[0].focal_loss(&classes(), &focal(2.0)); shapes [[3, 3]]  refuses [[3]] [[2, 3]];
        focal_loss_of_another_power: |x| x[0].focal_loss(&classes(), &focal(1.5)); shapes [[3, 3]];
        focal_loss_of_power_0: |x| x[0].focal_loss(&classes(), &focal(0.0)); shapes [[3, 3]];
        sigmoid_focal_loss: |x| x[0].sigmoid_focal_loss(x[1], &sigmoid(2.0, Some(0.25))); shapes [[2, 3], [2, 3]] [[0], [0]] [[], []]
            on 0.1..0.9  refuses [[2, 1], [2]];
        sigmoid_focal_loss_without_factor: |x| x[0].sigmoid_focal_loss(x[1], &sigmoid(1.0, None)); shapes [[2, 3], [2, 3]]
            on 0.1..0.9;
        dice_loss: |x| x[0].dice_loss(x[1], &dice(false)); shapes [[2, 3], [2, 3]] [[2, 2, 3], [2, 2, 3]] [[0, 2], [0, 2]]
            on 0.1..0.9  refuses [[2, 1], [2]] [[], []];
        dice_loss_squared: |x| x[0].dice_loss(x[1], &dice(true)); shapes [[2, 3], [2, 3]] on 0.1..0.9;
    }

    #[test]
    fn without_focus_it_is_the_cross_entropy() {
        let x = Tensor::from_slice(&[0.5f64, -1.0, 2.0, 0.0, 3.0, 1.0, -2.0, 0.25, 0.75], [3, 3]);
        let weight = focal(0.0).weight;
        let whole = crate::CrossEntropyOptions { weight, ..Default::default() };
        let (a, b) =
            (x.focal_loss(&classes(), &focal(0.0)).item(), x.cross_entropy(&classes(), &whole).item());
        assert!((a - b).abs() < 1e-14);
        // A certain answer costs nothing, and its gradient is no NaN.
        let certain = Tensor::from_slice(&[0.0f32, 200.0], [1, 2]).requires_grad();
        let loss = certain.focal_loss(&Tensor::from_slice(&[1i64], [1]), &FocalOptions::default());
        assert_eq!(loss.item(), 0.0);
        assert_eq!(loss.backward().wrt(&certain).to_vec::<f32>(), [0.0, 0.0]);
    }
}
