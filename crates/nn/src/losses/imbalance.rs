//! Losses for data where most examples are easy or of one class.

use talweg_tensor::{DiceOptions, FocalOptions, Reduction, SigmoidFocalOptions, Tensor};

use crate::losses::difference::options;
use crate::losses::{Loss, as_prediction};

/// The focal loss of logits and class numbers: the cross-entropy with less weight where the answer is already right. See
/// [`Tensor::focal_loss`].
///
/// # Shapes
/// Logits `[n, classes]` and `i64` targets `[n]`; or `[n, classes, ..]` and `[n, ..]`.
///
/// # Examples
/// ```
/// # use talweg_nn::{Focal, Loss};
/// # use talweg_tensor::Tensor;
/// let x = Tensor::from_slice(&[0.0f64, 0.0], [1, 2]);
/// let loss = Focal::default().forward(&x, &Tensor::from_slice(&[1i64], [1]));
/// assert!((loss.item() - 0.173286795140).abs() < 1e-10);
/// ```
#[derive(Clone, Debug)]
pub struct Focal {
    /// The power of the factor that makes easy rows cheap; 2 by default, usually 0.5 to 5.
    pub gamma: f64,
    /// A factor for each class, `[classes]`; all 1 by default. The mean divides by the sum of the targets' factors.
    pub weight: Option<Tensor>,
    /// Targets with this number take no part; none by default.
    pub ignore_index: Option<i64>,
    /// What becomes of the rows' losses; the mean by default.
    pub reduction: Reduction,
}

impl Default for Focal {
    fn default() -> Focal {
        Focal { gamma: 2.0, weight: None, ignore_index: None, reduction: Reduction::Mean }
    }
}

impl Loss for Focal {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let weight = as_prediction(self.weight.as_ref(), prediction);
        let Focal { gamma, ignore_index, reduction, .. } = *self;
        prediction.focal_loss(target, &FocalOptions { gamma, weight, ignore_index, reduction })
    }
}

/// The focal loss of logits for yes or no. See [`Tensor::sigmoid_focal_loss`].
///
/// # Shapes
/// Logits and targets from 0 to 1 of one shape; they do not broadcast.
///
/// # Examples
/// ```
/// # use talweg_nn::{Loss, SigmoidFocal};
/// # use talweg_tensor::Tensor;
/// let (x, t) = (Tensor::from_slice(&[0.0f64], [1]), Tensor::from_slice(&[1.0f64], [1]));
/// assert!((SigmoidFocal::default().forward(&x, &t).item() - 0.043321698785).abs() < 1e-10);
/// ```
#[derive(Clone, Debug)]
pub struct SigmoidFocal {
    /// The power of the factor that makes easy elements cheap; 2 by default.
    pub gamma: f64,
    /// The factor of positive elements, negative ones having `1 − alpha`; 0.25 by default.
    pub alpha: Option<f64>,
    /// A factor for each element, as in [`L1`](crate::L1).
    pub weight: Option<Tensor>,
    /// What becomes of the elements' losses; the mean by default.
    pub reduction: Reduction,
}

impl Default for SigmoidFocal {
    fn default() -> SigmoidFocal {
        SigmoidFocal { gamma: 2.0, alpha: Some(0.25), weight: None, reduction: Reduction::Mean }
    }
}

impl Loss for SigmoidFocal {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let losses = options(&self.weight, self.reduction, prediction);
        let options = SigmoidFocalOptions { gamma: self.gamma, alpha: self.alpha, losses };
        prediction.sigmoid_focal_loss(target, &options)
    }
}

/// The dice loss of probabilities: how little two areas overlap, for segmentation. See [`Tensor::dice_loss`].
///
/// # Shapes
/// Probabilities and target of one shape `[n, ..]`.
///
/// # Examples
/// ```
/// # use talweg_nn::{Dice, Loss};
/// # use talweg_tensor::Tensor;
/// let x = Tensor::from_slice(&[1.0f32, 1.0, 0.0], [1, 3]);
/// assert_eq!(Dice::default().forward(&x, &Tensor::from_slice(&[1.0f32, 0.0, 0.0], [1, 3])).item(), 0.25);
/// ```
#[derive(Clone, Debug)]
pub struct Dice {
    /// Whether the sizes are sums of squares; no by default.
    pub squared: bool,
    /// What is added above and below the fraction; 1 by default.
    pub smooth: f64,
    /// A factor for each row, as in [`L1`](crate::L1).
    pub weight: Option<Tensor>,
    /// What becomes of the rows' losses; the mean by default.
    pub reduction: Reduction,
}

impl Default for Dice {
    fn default() -> Dice {
        Dice { squared: false, smooth: 1.0, weight: None, reduction: Reduction::Mean }
    }
}

impl Loss for Dice {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let losses = options(&self.weight, self.reduction, prediction);
        let options = DiceOptions { squared: self.squared, smooth: self.smooth, losses };
        prediction.dice_loss(target, &options)
    }
}
