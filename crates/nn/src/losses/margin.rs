//! Losses with a margin.

use talweg_tensor::{CosineEmbeddingOptions, MultiMarginOptions, Reduction, Tensor, TripletMarginOptions};

use crate::losses::difference::options;
use crate::losses::{Loss, as_prediction};

/// The hinge loss of numbers and signs, `max(0, 1 − t y)` averaged over all elements, with targets −1 and 1: a support-vector
/// machine's. See [`Tensor::hinge_loss`].
///
/// # Shapes
/// Prediction and target of one shape; they do not broadcast.
///
/// # Examples
/// ```
/// # use talweg_nn::{Hinge, Loss};
/// # use talweg_tensor::Tensor;
/// let (y, t) = (Tensor::from_slice(&[0.5f32, 2.0], [2]), Tensor::from_slice(&[1.0f32, -1.0], [2]));
/// assert_eq!(Hinge::default().forward(&y, &t).item(), 1.75);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Hinge {
    /// A factor for each element, as in [`L1`](crate::L1).
    pub weight: Option<Tensor>,
    /// What becomes of the elements' losses; the mean by default.
    pub reduction: Reduction,
}

impl Loss for Hinge {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        prediction.hinge_loss(target, &options(&self.weight, self.reduction, prediction))
    }
}

/// A loss of distances and signs: small where the target is 1, above a margin where it is −1. See
/// [`Tensor::hinge_embedding_loss`].
///
/// # Shapes
/// Distances and target of one shape; they do not broadcast.
///
/// # Examples
/// ```
/// # use talweg_nn::{HingeEmbedding, Loss};
/// # use talweg_tensor::Tensor;
/// let (y, t) = (Tensor::from_slice(&[0.5f32, 0.25], [2]), Tensor::from_slice(&[1.0f32, -1.0], [2]));
/// assert_eq!(HingeEmbedding::default().forward(&y, &t).item(), 0.625);
/// ```
#[derive(Clone, Debug)]
pub struct HingeEmbedding {
    /// The distance at which what is apart costs nothing any more; 1 by default.
    pub margin: f64,
    /// A factor for each element, as in [`L1`](crate::L1).
    pub weight: Option<Tensor>,
    /// What becomes of the elements' losses; the mean by default.
    pub reduction: Reduction,
}

impl Default for HingeEmbedding {
    fn default() -> HingeEmbedding {
        HingeEmbedding { margin: 1.0, weight: None, reduction: Reduction::Mean }
    }
}

impl Loss for HingeEmbedding {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let options = options(&self.weight, self.reduction, prediction);
        prediction.hinge_embedding_loss(target, self.margin, &options)
    }
}

/// The logistic loss of numbers and signs, `ln(1 + e^(−t y))` averaged over all elements, with targets −1 and 1. See
/// [`Tensor::soft_margin_loss`].
///
/// # Shapes
/// Prediction and target of one shape; they do not broadcast.
///
/// # Examples
/// ```
/// # use talweg_nn::{Loss, SoftMargin};
/// # use talweg_tensor::Tensor;
/// let (y, t) = (Tensor::from_slice(&[1.0f64], [1]), Tensor::from_slice(&[-1.0f64], [1]));
/// assert!((SoftMargin::default().forward(&y, &t).item() - 1.313261687518).abs() < 1e-10);
/// ```
#[derive(Clone, Debug, Default)]
pub struct SoftMargin {
    /// A factor for each element, as in [`L1`](crate::L1).
    pub weight: Option<Tensor>,
    /// What becomes of the elements' losses; the mean by default.
    pub reduction: Reduction,
}

impl Loss for SoftMargin {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        prediction.soft_margin_loss(target, &options(&self.weight, self.reduction, prediction))
    }
}

/// The hinge loss of classes: the true class must lead by a margin. See [`Tensor::multi_margin_loss`].
///
/// # Shapes
/// Scores `[n, classes]` and `i64` targets `[n]`.
///
/// # Examples
/// ```
/// # use talweg_nn::{Loss, MultiMargin};
/// # use talweg_tensor::Tensor;
/// let y = Tensor::from_slice(&[0.5f32, 2.0, 0.25, -1.0], [1, 4]);
/// assert_eq!(MultiMargin::default().forward(&y, &Tensor::from_slice(&[0i64], [1])).item(), 3.25 / 4.0);
/// ```
#[derive(Clone, Debug)]
pub struct MultiMargin {
    /// By how much the true class must lead; 1 by default.
    pub margin: f64,
    /// Whether each lack is squared; no by default.
    pub squared: bool,
    /// A factor for each class, `[classes]`; all 1 by default.
    pub weight: Option<Tensor>,
    /// What becomes of the rows' losses; the mean by default.
    pub reduction: Reduction,
}

impl Default for MultiMargin {
    fn default() -> MultiMargin {
        MultiMargin { margin: 1.0, squared: false, weight: None, reduction: Reduction::Mean }
    }
}

impl Loss for MultiMargin {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let weight = as_prediction(self.weight.as_ref(), prediction);
        let MultiMargin { margin, squared, reduction, .. } = *self;
        prediction.multi_margin_loss(target, &MultiMarginOptions { margin, squared, weight, reduction })
    }
}

/// A loss of two scores of which one should be the larger. See [`Tensor::margin_ranking_loss`].
///
/// # Examples
/// ```
/// # use talweg_nn::MarginRanking;
/// # use talweg_tensor::Tensor;
/// let one = |x: f32| Tensor::from_slice(&[x], [1]);
/// let loss = MarginRanking { margin: 1.0, ..Default::default() };
/// assert_eq!(loss.forward(&one(2.0), &one(1.5), &one(1.0)).item(), 0.5);
/// ```
#[derive(Clone, Debug, Default)]
pub struct MarginRanking {
    /// By how much the larger must lead; 0 by default.
    pub margin: f64,
    /// A factor for each pair, as in [`L1`](crate::L1).
    pub weight: Option<Tensor>,
    /// What becomes of the pairs' losses; the mean by default.
    pub reduction: Reduction,
}

impl MarginRanking {
    /// The loss of two scores, with a target of 1 where the first should be the larger, −1 where the second should.
    ///
    /// # Shapes
    /// All of one shape.
    ///
    /// # Panics
    /// When shapes or types do not fit.
    #[track_caller]
    pub fn forward(&self, first: &Tensor, second: &Tensor, target: &Tensor) -> Tensor {
        first.margin_ranking_loss(second, target, self.margin, &options(&self.weight, self.reduction, first))
    }
}

/// A loss of two vectors that should point the same way, or not. See [`Tensor::cosine_embedding_loss`].
///
/// # Examples
/// ```
/// # use talweg_nn::CosineEmbedding;
/// # use talweg_tensor::Tensor;
/// let (x, y) = (Tensor::from_slice(&[1.0f64, 0.0], [1, 2]), Tensor::from_slice(&[0.6f64, 0.8], [1, 2]));
/// let same = Tensor::from_slice(&[1.0f64], [1]);
/// assert!((CosineEmbedding::default().forward(&x, &y, &same).item() - 0.4).abs() < 1e-9);
/// ```
#[derive(Clone, Debug, Default)]
pub struct CosineEmbedding {
    /// The cosine that vectors of different kinds may reach without a loss; 0 by default, at most 1.
    pub margin: f64,
    /// A factor for each row, as in [`L1`](crate::L1).
    pub weight: Option<Tensor>,
    /// What becomes of the rows' losses; the mean by default.
    pub reduction: Reduction,
}

impl CosineEmbedding {
    /// The loss of two vectors, with a target of 1 where they belong together, −1 where they do not.
    ///
    /// # Shapes
    /// Vectors `[n, d]` and target `[n]`, or `[d]` and `[]`.
    ///
    /// # Panics
    /// When shapes or types do not fit.
    #[track_caller]
    pub fn forward(&self, first: &Tensor, second: &Tensor, target: &Tensor) -> Tensor {
        let losses = options(&self.weight, self.reduction, first);
        first.cosine_embedding_loss(second, target, &CosineEmbeddingOptions { margin: self.margin, losses })
    }
}

/// A loss of three vectors: an anchor should be nearer to its positive than to its negative. See
/// [`Tensor::triplet_margin_loss`].
///
/// # Examples
/// ```
/// # use talweg_nn::TripletMargin;
/// # use talweg_tensor::Tensor;
/// let at = |x: f64| Tensor::from_slice(&[x, 0.0], [1, 2]);
/// assert!((TripletMargin::default().forward(&at(0.0), &at(1.0), &at(1.5)).item() - 0.5).abs() < 1e-5);
/// ```
#[derive(Clone, Debug)]
pub struct TripletMargin {
    /// By how much the negative must be further away; 1 by default.
    pub margin: f64,
    /// The norm that measures distances; 2 by default.
    pub p: f64,
    /// Whether the negative's distance is the smaller one of those from the anchor and from the positive; no by default.
    pub swap: bool,
    /// A factor for each row, as in [`L1`](crate::L1).
    pub weight: Option<Tensor>,
    /// What becomes of the rows' losses; the mean by default.
    pub reduction: Reduction,
}

impl Default for TripletMargin {
    fn default() -> TripletMargin {
        TripletMargin { margin: 1.0, p: 2.0, swap: false, weight: None, reduction: Reduction::Mean }
    }
}

impl TripletMargin {
    /// The loss of anchors, positives and negatives.
    ///
    /// # Shapes
    /// All three `[n, d]` or `[d]`.
    ///
    /// # Panics
    /// When shapes or types do not fit.
    #[track_caller]
    pub fn forward(&self, anchor: &Tensor, positive: &Tensor, negative: &Tensor) -> Tensor {
        let TripletMargin { margin, p, swap, .. } = *self;
        let losses = options(&self.weight, self.reduction, anchor);
        let options = TripletMarginOptions { margin, p, swap, losses, ..Default::default() };
        anchor.triplet_margin_loss(positive, negative, &options)
    }
}
