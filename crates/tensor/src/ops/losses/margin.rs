//! Losses with a margin: what is on the right side by enough costs nothing.

use crate::Tensor;
use crate::ops::losses::{LossOptions, Reduction, assert_same_shape, number};

/// How [`Tensor::multi_margin_loss`] counts.
#[derive(Clone, Debug)]
pub struct MultiMarginOptions {
    /// By how much the true class must lead; 1 by default.
    pub margin: f64,
    /// Whether each lack is squared.
    pub squared: bool,
    /// A factor for each class, `[classes]`, which multiplies the lacks of the rows of that class; all 1 by default.
    pub weight: Option<Tensor>,
    /// What becomes of the losses of the rows.
    pub reduction: Reduction,
}

impl Default for MultiMarginOptions {
    fn default() -> MultiMarginOptions {
        MultiMarginOptions { margin: 1.0, squared: false, weight: None, reduction: Reduction::Mean }
    }
}

/// How [`Tensor::cosine_embedding_loss`] counts.
#[derive(Clone, Debug, Default)]
pub struct CosineEmbeddingOptions {
    /// The cosine that vectors of different kinds may reach without a loss; 0 by default, at most 1.
    pub margin: f64,
    /// Factors for the rows, and what becomes of them.
    pub losses: LossOptions,
}

/// How [`Tensor::triplet_margin_loss`] counts.
#[derive(Clone, Debug)]
pub struct TripletMarginOptions {
    /// By how much the negative must be further away; 1 by default.
    pub margin: f64,
    /// The norm that measures distances; 2 by default.
    pub p: f64,
    /// What is added to each difference, so that a distance of 0 has a gradient; 1e-6 by default.
    pub eps: f64,
    /// Whether the negative's distance is the smaller one of those from the anchor and from the positive (Balntas et
    /// al., "Learning local feature descriptors with triplets", 2016).
    pub swap: bool,
    /// Factors for the rows, and what becomes of them.
    pub losses: LossOptions,
}

impl Default for TripletMarginOptions {
    fn default() -> TripletMarginOptions {
        TripletMarginOptions { margin: 1.0, p: 2.0, eps: 1e-6, swap: false, losses: LossOptions::default() }
    }
}

/// Rows of vectors, `[n, d]` or one, `[d]`.
#[track_caller]
fn assert_rows(name: &str, x: &Tensor) {
    assert!(
        x.rank() == 1 || x.rank() == 2,
        "{name}: needs rows of vectors [n, d] or one vector [d], got {}; reshape it",
        x.shape()
    );
}

impl Tensor {
    /// The hinge loss of numbers and signs, `loss = max(0, 1 − target x)` for each element, with targets −1 and 1 (Cortes
    /// and Vapnik, "Support-vector networks", 1995).
    ///
    /// # Shapes
    /// Input and target of one shape, to `[]`, or to that shape without reduction.
    ///
    /// # Gradient
    /// `dx = −dy target` where `target x < 1`, 0 elsewhere; for a mean over the number of elements.
    ///
    /// # Panics
    /// When the shapes differ (they do not broadcast), or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{LossOptions, Tensor};
    /// let (x, target) = (Tensor::from_slice(&[0.5f32, 2.0], [2]), Tensor::from_slice(&[1.0f32, -1.0], [2]));
    /// assert_eq!(x.hinge_loss(&target, &LossOptions::default()).item(), (0.5 + 3.0) / 2.0);
    /// ```
    #[track_caller]
    pub fn hinge_loss(&self, target: &Tensor, options: &LossOptions) -> Tensor {
        assert_same_shape("hinge_loss", self, target);
        options.apply("hinge_loss", &(1.0 - target * self).relu())
    }

    /// A loss of distances `x` and signs: `loss = x` where the target is 1, `max(0, margin − x)` where it is −1.
    ///
    /// # Shapes
    /// Input and target of one shape, to `[]`, or to that shape without reduction.
    ///
    /// # Gradient
    /// `dx = dy` where the target is 1; `−dy` where it is −1 and `x < margin`; 0 elsewhere; for a mean over the number of
    /// elements.
    ///
    /// # Panics
    /// When the shapes differ (they do not broadcast), or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Reduction, Tensor};
    /// let (x, target) = (Tensor::from_slice(&[0.5f32, 0.25], [2]), Tensor::from_slice(&[1.0f32, -1.0], [2]));
    /// assert_eq!(x.hinge_embedding_loss(&target, 1.0, &Reduction::None.into()).to_vec::<f32>(), [0.5, 0.75]);
    /// ```
    #[track_caller]
    pub fn hinge_embedding_loss(&self, target: &Tensor, margin: f64, options: &LossOptions) -> Tensor {
        assert_same_shape("hinge_embedding_loss", self, target);
        let (one, zero) = (number(1.0, target), number(0.0, self));
        let apart = target.ne(&one).select(&(margin - self).relu(), &zero);
        let together = target.ne(&number(-1.0, target)).select(self, &zero);
        options.apply("hinge_embedding_loss", &(apart + together))
    }

    /// The logistic loss of numbers and signs, `loss = ln(1 + e^(−target x))` for each element, with targets −1 and 1;
    /// without overflow.
    ///
    /// # Shapes
    /// Input and target of one shape, to `[]`, or to that shape without reduction.
    ///
    /// # Gradient
    /// `dx = −dy target sigmoid(−target x)`; for a mean over the number of elements.
    ///
    /// # Panics
    /// When the shapes differ (they do not broadcast), or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{LossOptions, Tensor};
    /// let (x, target) = (Tensor::from_slice(&[1.0f64], [1]), Tensor::from_slice(&[-1.0f64], [1]));
    /// assert!((x.soft_margin_loss(&target, &LossOptions::default()).item() - 1.313261687518).abs() < 1e-10);
    /// ```
    #[track_caller]
    pub fn soft_margin_loss(&self, target: &Tensor, options: &LossOptions) -> Tensor {
        assert_same_shape("soft_margin_loss", self, target);
        options.apply("soft_margin_loss", &(-(target * self)).softplus())
    }

    /// The hinge loss of classes: `loss = Σ max(0, margin − x[target] + x[c])^p / classes` over the other classes `c` for each
    /// row, with `p` 1 or 2 (Crammer and Singer, "On the algorithmic implementation of multiclass kernel-based vector
    /// machines", 2001, in the form of a sum).
    ///
    /// # Shapes
    /// Scores `[n, classes]`, `i64` target `[n]`, to `[]`, or to `[n]` without reduction.
    ///
    /// # Gradient
    /// For `p = 1`: `dx[c] = dy / classes` for each other class that lacks margin, and `dx[target]` is minus their sum;
    /// for a mean over the number of rows.
    ///
    /// # Panics
    /// When a target is no class, or shapes or types do not fit.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{MultiMarginOptions, Tensor};
    /// let x = Tensor::from_slice(&[0.5f32, 2.0, 0.25, -1.0], [1, 4]);
    /// let loss = x.multi_margin_loss(&Tensor::from_slice(&[0i64], [1]), &MultiMarginOptions::default());
    /// // (1 − 0.5 + 2) + (1 − 0.5 + 0.25) over four classes; the last one is far enough.
    /// assert_eq!(loss.item(), 3.25 / 4.0);
    /// ```
    #[track_caller]
    pub fn multi_margin_loss(&self, target: &Tensor, options: &MultiMarginOptions) -> Tensor {
        assert!(
            self.rank() == 2 && target.rank() == 1 && self.size(0) == target.size(0),
            "multi_margin_loss: scores {} and target {} must be [n, classes] and [n]; reshape them",
            self.shape(),
            target.shape()
        );
        let class = target.unsqueeze(1);
        let lacks = (options.margin - self.gather(1, &class) + self).relu();
        let lacks = if options.squared { lacks.square() } else { lacks };
        let others = 1.0 - target.one_hot(self.size(1), self.dtype());
        let mut losses = (lacks * others).sum(1) / self.size(1) as f64;
        if let Some(weight) = &options.weight {
            assert!(
                weight.shape().to_vec() == [self.size(1)],
                "multi_margin_loss: weight {} for scores {}; give one factor for each class",
                weight.shape(),
                self.shape()
            );
            losses = losses * weight.index_rows(target);
        }
        options.reduction.apply(&losses)
    }

    /// A loss of two scores, the first of which should be the larger where the target is 1, and the smaller where it is
    /// −1: `loss = max(0, margin − target (x − other))`.
    ///
    /// # Shapes
    /// All three of one shape, to `[]`, or to that shape without reduction.
    ///
    /// # Gradient
    /// `dx = −dy target` where the order is not right by the margin, `dother = −dx`; for a mean over the number of elements.
    ///
    /// # Panics
    /// When the shapes differ (they do not broadcast), or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{LossOptions, Tensor};
    /// let one = |x: f32| Tensor::from_slice(&[x], [1]);
    /// assert_eq!(one(2.0).margin_ranking_loss(&one(1.5), &one(1.0), 1.0, &LossOptions::default()).item(), 0.5);
    /// ```
    #[track_caller]
    pub fn margin_ranking_loss(
        &self,
        other: &Tensor,
        target: &Tensor,
        margin: f64,
        options: &LossOptions,
    ) -> Tensor {
        assert_same_shape("margin_ranking_loss", self, other);
        assert_same_shape("margin_ranking_loss", self, target);
        options.apply("margin_ranking_loss", &(margin - target * (self - other)).relu())
    }

    /// A loss of two vectors, which should point the same way where the target is 1: `loss = 1 − cos`; and not where it is
    /// −1: `loss = max(0, cos − margin)`. `cos = x·y / √((x·x + 1e-12) (y·y + 1e-12))`.
    ///
    /// # Shapes
    /// Vectors `[n, d]` and target `[n]`, or `[d]` and `[]`; to `[]`, or to the target's shape without reduction.
    ///
    /// # Gradient
    /// That of the cosine, with its sign and factor; for a mean over the number of rows.
    ///
    /// # Panics
    /// When shapes or types do not fit.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{CosineEmbeddingOptions, Tensor};
    /// let (x, y) = (Tensor::from_slice(&[1.0f64, 0.0], [2]), Tensor::from_slice(&[0.6f64, 0.8], [2]));
    /// let loss = |sign: f64| x.cosine_embedding_loss(&y, &Tensor::scalar(sign), &CosineEmbeddingOptions::default()).item();
    /// assert!((loss(1.0) - 0.4).abs() < 1e-9 && (loss(-1.0) - 0.6).abs() < 1e-9);
    /// ```
    #[track_caller]
    pub fn cosine_embedding_loss(
        &self,
        other: &Tensor,
        target: &Tensor,
        options: &CosineEmbeddingOptions,
    ) -> Tensor {
        let name = "cosine_embedding_loss";
        assert_rows(name, self);
        assert_same_shape(name, self, other);
        assert!(
            target.shape().to_vec() == self.shape().to_vec()[..self.rank() - 1],
            "{name}: target {} for vectors {}; give one sign for each row",
            target.shape(),
            self.shape()
        );
        let (xx, yy) = (self.square().sum(-1) + 1e-12, other.square().sum(-1) + 1e-12);
        let cosine = (self * other).sum(-1) / (xx * yy).sqrt();
        let apart = (&cosine - options.margin).relu();
        let (one, zero) = (number(1.0, target), number(0.0, self));
        let opposite = target.eq(&number(-1.0, target)).select(&apart, &zero);
        options.losses.apply(name, &target.eq(&one).select(&(1.0 - cosine), &opposite))
    }

    /// A loss of three vectors: this anchor should be nearer to the positive than to the negative by a margin,
    /// `loss = max(0, d(x, positive) − d(x, negative) + margin)` (Schroff, Kalenichenko and Philbin, "FaceNet", 2015, there
    /// with squared distances).
    ///
    /// # Shapes
    /// All three `[n, d]` or `[d]`, to `[]`, or to `[n]` without reduction.
    ///
    /// # Gradient
    /// That of the distances where the loss is above 0; for a mean over the number of rows.
    ///
    /// # Panics
    /// When the shapes differ, or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Tensor, TripletMarginOptions};
    /// let at = |x: f64| Tensor::from_slice(&[x, 0.0], [1, 2]);
    /// let loss = at(0.0).triplet_margin_loss(&at(1.0), &at(1.5), &TripletMarginOptions::default());
    /// assert!((loss.item() - 0.5).abs() < 1e-5);
    /// ```
    #[track_caller]
    pub fn triplet_margin_loss(
        &self,
        positive: &Tensor,
        negative: &Tensor,
        options: &TripletMarginOptions,
    ) -> Tensor {
        let name = "triplet_margin_loss";
        assert_rows(name, self);
        assert_same_shape(name, self, positive);
        assert_same_shape(name, self, negative);
        let distance = |a: &Tensor, b: &Tensor| a.pairwise_distance(b, options.p, options.eps);
        let (near, mut far) = (distance(self, positive), distance(self, negative));
        if options.swap {
            far = far.minimum(&distance(positive, negative));
        }
        options.losses.apply(name, &(near - far + options.margin).relu())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signs(shape: &[usize]) -> Tensor {
        let numbers: Vec<f64> = (0..shape.iter().product()).map(|i| [1.0, -1.0, -1.0][i % 3]).collect();
        Tensor::from_slice(&numbers, shape)
    }

    fn classes() -> Tensor {
        Tensor::from_slice(&[2i64, 0, 1], [3])
    }

    fn multi(squared: bool) -> MultiMarginOptions {
        let weight = Some(Tensor::from_slice(&[0.5f64, 1.0, 2.0, 1.5], [4]));
        MultiMarginOptions { margin: 0.8, squared, weight, reduction: Reduction::None }
    }

    fn triplet(p: f64, swap: bool) -> TripletMarginOptions {
        TripletMarginOptions { p, swap, losses: Reduction::None.into(), ..Default::default() }
    }

    crate::cases! {
        hinge_loss: |x| x[0].hinge_loss(&signs(&x[0].shape().to_vec()), &Reduction::None.into()); shapes [[2, 3]] [[0]] [[]];
        hinge_loss_refusal: |x| x[0].hinge_loss(x[1], &Reduction::Mean.into()); shapes [[3], [3]]  refuses [[2, 1], [2]];
        hinge_embedding_loss: |x| x[0].hinge_embedding_loss(&signs(&x[0].shape().to_vec()), 1.3, &Reduction::Sum.into());
            shapes [[2, 3]] [[0]] [[]];
        hinge_embedding_loss_refusal: |x| x[0].hinge_embedding_loss(&signs(&[2, 3]), 1.3, &Reduction::Sum.into());
            shapes [[2, 3]]  refuses [[2]] [[3, 2]];
        soft_margin_loss: |x| x[0].soft_margin_loss(x[1], &Reduction::Mean.into()); shapes [[2, 3], [2, 3]] [[], []]
            refuses [[2, 1], [2]];
        multi_margin_loss: |x| x[0].multi_margin_loss(&classes(), &multi(false)); shapes [[3, 4]]  refuses [[2, 4]] [[3]] [[3, 5]];
        multi_margin_loss_squared: |x| x[0].multi_margin_loss(&classes(), &multi(true)); shapes [[3, 4]];
        margin_ranking_loss: |x| x[0].margin_ranking_loss(x[1], &signs(&x[0].shape().to_vec()), 0.3, &Reduction::None.into());
            shapes [[2, 3], [2, 3]] [[0], [0]] [[], []]  refuses [[2, 1], [2]];
        cosine_embedding_loss: |x| x[0].cosine_embedding_loss(
                x[1], &signs(&x[0].shape().to_vec()[..x[0].rank().max(1) - 1]), &CosineEmbeddingOptions { margin: 0.1, losses: Reduction::None.into() });
            shapes [[3, 4], [3, 4]] [[4], [4]] [[0, 2], [0, 2]] on 0.2..2.0  refuses [[2, 3], [3, 2]] [[], []];
        triplet_margin_loss: |x| x[0].triplet_margin_loss(x[1], x[2], &triplet(2.0, true));
            shapes [[3, 4], [3, 4], [3, 4]] [[4], [4], [4]]  refuses [[2, 3], [3, 2], [2, 3]] [[], [], []];
        triplet_margin_loss_in_other_norms: |x| {
            x[0].triplet_margin_loss(x[1], x[2], &triplet(1.0, false)) + x[0].triplet_margin_loss(x[1], x[2], &triplet(3.0, false))
        }; shapes [[3, 4], [3, 4], [3, 4]];
    }

    #[test]
    #[should_panic(expected = "gather")]
    fn a_class_that_does_not_exist() {
        Tensor::from_slice(&[0.0f32; 2], [1, 2])
            .multi_margin_loss(&Tensor::from_slice(&[2i64], [1]), &MultiMarginOptions::default());
    }
}
