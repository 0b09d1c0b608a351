//! Losses that tell pairs that belong together from pairs that do not.

use crate::ops::CrossEntropyOptions;
use crate::ops::losses::{LossOptions, Reduction, assert_same_shape};
use crate::{Shape, Tensor};

/// How [`Tensor::info_nce_loss`] counts.
#[derive(Clone, Debug)]
pub struct InfoNceOptions {
    /// What similarities are divided by; 0.07 by default, usually 0.05 to 0.5.
    pub temperature: f64,
    /// Whether vectors are scaled to length 1 first, so that similarities are cosines; they are by default.
    pub normalize: bool,
    /// Vectors `[m, d]` that belong to no row; by default the keys of the other rows are the wrong answers.
    pub negatives: Option<Tensor>,
    /// Whether the keys must find their rows as well, and the loss is the mean of both ways (Radford et al., "Learning
    /// transferable visual models from natural language supervision", 2021, fig. 3). Not together with `negatives`.
    pub symmetric: bool,
    /// What becomes of the losses of the rows.
    pub reduction: Reduction,
}

impl Default for InfoNceOptions {
    fn default() -> InfoNceOptions {
        InfoNceOptions {
            temperature: 0.07,
            normalize: true,
            negatives: None,
            symmetric: false,
            reduction: Reduction::Mean,
        }
    }
}

#[track_caller]
fn assert_pairs(name: &str, x: &Tensor, other: &Tensor) {
    assert_same_shape(name, x, other);
    assert!(x.rank() == 2, "{name}: needs rows of vectors [n, d], got {}; reshape them", x.shape());
}

/// The number of each row, as its class.
fn own_numbers(x: &Tensor) -> Tensor {
    Tensor::arange(x.size(0))
}

impl Tensor {
    /// The contrastive loss InfoNCE: each row must find its own key among all, `loss = −ln softmax(x·keys / τ)[own]` (van den
    /// Oord, Li and Vinyals, "Representation learning with contrastive predictive coding", 2018, eq. 4).
    ///
    /// # Shapes
    /// Rows `[n, d]` and keys `[n, d]`, the key of each row at its place, to `[]`, or to `[n]` without reduction.
    ///
    /// # Gradient
    /// That of the cross-entropy of the similarities; for a mean over the number of rows.
    ///
    /// # Panics
    /// When shapes or types do not fit, or `symmetric` meets `negatives`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{DType, InfoNceOptions, Tensor};
    /// let x = Tensor::eye(2, DType::F64);
    /// let options = InfoNceOptions { temperature: 1.0, ..Default::default() };
    /// // The own key has the cosine 1, the other one 0: −ln(e / (e + 1)).
    /// assert!((x.info_nce_loss(&x, &options).item() - 0.313261687518).abs() < 1e-10);
    /// ```
    #[track_caller]
    pub fn info_nce_loss(&self, keys: &Tensor, options: &InfoNceOptions) -> Tensor {
        let name = "info_nce_loss";
        assert_pairs(name, self, keys);
        let scaled = |x: &Tensor| if options.normalize { x.normalize(2.0, -1, 1e-12) } else { x.clone() };
        let (x, keys) = (scaled(self), scaled(keys));
        let cost = CrossEntropyOptions { reduction: options.reduction, ..Default::default() };
        let Some(negatives) = &options.negatives else {
            let scores = x.matmul(&keys.t()) / options.temperature;
            let own = own_numbers(self);
            let there = scores.cross_entropy(&own, &cost);
            return if options.symmetric {
                (there + scores.t().cross_entropy(&own, &cost)) * 0.5
            } else {
                there
            };
        };
        assert!(
            negatives.rank() == 2 && negatives.size(1) == self.size(1),
            "{name}: negatives {} for rows {}; they must be [m, {}]",
            negatives.shape(),
            self.shape(),
            self.size(1)
        );
        assert!(
            !options.symmetric,
            "{name}: symmetric with negatives {} for rows {}; they belong to one side only, so leave one of the two out",
            negatives.shape(),
            self.shape()
        );
        let own = (&x * &keys).sum_keep(1);
        let scores = Tensor::cat(&[&own, &x.matmul(&scaled(negatives).t())], 1) / options.temperature;
        scores.cross_entropy(&own_numbers(self).zeros_like(), &cost)
    }

    /// The sigmoid contrastive loss: each pair of a row and a key is a question of its own,
    /// `loss[i] = −Σ ln sigmoid(± (scale x[i]·keys[j] + bias))` over `j`, plus for the own key, minus for the others (Zhai et
    /// al., "Sigmoid loss for language image pre-training", 2023, where `scale` begins at 10 and `bias` at −10, both
    /// learned, and rows have length 1).
    ///
    /// # Shapes
    /// Rows `[n, d]` and keys `[n, d]`, scale and bias `[]`, to `[]`, or to `[n]` without reduction.
    ///
    /// # Gradient
    /// With `z = scale x·keys + bias`: `dz[i, j] = dy[i] (sigmoid(z) − 1)` for the own key, `dy[i] sigmoid(z)` for the others; for
    /// a mean over the number of rows.
    ///
    /// # Panics
    /// When shapes or types do not fit.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{DType, LossOptions, Tensor};
    /// let x = Tensor::eye(2, DType::F64);
    /// let (scale, bias) = (Tensor::scalar(2.0f64), Tensor::scalar(0.0f64));
    /// // −ln sigmoid(2) − ln sigmoid(0) for each row.
    /// let loss = x.sigmoid_contrastive_loss(&x, &scale, &bias, &LossOptions::default());
    /// assert!((loss.item() - 0.820075191603).abs() < 1e-10);
    /// ```
    #[track_caller]
    pub fn sigmoid_contrastive_loss(
        &self,
        keys: &Tensor,
        scale: &Tensor,
        bias: &Tensor,
        options: &LossOptions,
    ) -> Tensor {
        let name = "sigmoid_contrastive_loss";
        assert_pairs(name, self, keys);
        for (what, x) in [("scale", scale), ("bias", bias)] {
            assert!(
                x.numel() == 1,
                "{name}: {what} {} for rows {}; it is one number, []",
                x.shape(),
                self.shape()
            );
        }
        let z = self.matmul(&keys.t()) * scale.reshape(Shape::SCALAR) + bias.reshape(Shape::SCALAR);
        let own = Tensor::eye(self.size(0), self.dtype()) * 2.0 - 1.0;
        options.apply(name, &-(z * own).log_sigmoid().sum(1))
    }

    /// Bayesian personalised ranking: what was chosen should score higher than what was not,
    /// `loss = −ln sigmoid(x − other)` for each pair (Rendle et al., "BPR: Bayesian personalized ranking from implicit
    /// feedback", 2009, section 4.2, without its penalty).
    ///
    /// # Shapes
    /// Scores of the chosen and of the others, of one shape, to `[]`, or to that shape without reduction.
    ///
    /// # Gradient
    /// `dx = −dy sigmoid(other − x)`, `dother = −dx`; for a mean over the number of elements.
    ///
    /// # Panics
    /// When the shapes differ (they do not broadcast), or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{LossOptions, Tensor};
    /// let one = |x: f64| Tensor::from_slice(&[x], [1]);
    /// assert!((one(2.0).bpr_loss(&one(1.0), &LossOptions::default()).item() - 0.313261687518).abs() < 1e-10);
    /// ```
    #[track_caller]
    pub fn bpr_loss(&self, other: &Tensor, options: &LossOptions) -> Tensor {
        assert_same_shape("bpr_loss", self, other);
        options.apply("bpr_loss", &(other - self).softplus())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nce(negatives: Option<&Tensor>, symmetric: bool) -> InfoNceOptions {
        InfoNceOptions { temperature: 0.5, negatives: negatives.cloned(), symmetric, ..Default::default() }
    }

    crate::cases! {
        info_nce_loss: |x| x[0].info_nce_loss(x[1], &nce(None, false)); shapes [[3, 4], [3, 4]] [[1, 2], [1, 2]]
            refuses [[2, 3], [3, 2]] [[2], [2]];
        info_nce_loss_both_ways: |x| x[0].info_nce_loss(x[1], &nce(None, true)); shapes [[3, 4], [3, 4]];
        info_nce_loss_with_negatives: |x| x[0].info_nce_loss(x[1], &nce(Some(x[2]), false)); shapes [[3, 4], [3, 4], [5, 4]]
            refuses [[3, 4], [3, 4], [5, 3]];
        sigmoid_contrastive_loss: |x| x[0].sigmoid_contrastive_loss(x[1], x[2], x[3], &Reduction::None.into());
            shapes [[3, 4], [3, 4], [], []]  refuses [[2, 3], [3, 2], [], []] [[2, 3], [2, 3], [2], []];
        bpr_loss: |x| x[0].bpr_loss(x[1], &Reduction::Mean.into()); shapes [[2, 3], [2, 3]] [[], []]  refuses [[2, 1], [2]];
        bpr_loss_none: |x| x[0].bpr_loss(x[1], &Reduction::None.into()); shapes [[0], [0]];
    }

    #[test]
    #[should_panic(
        expected = "info_nce_loss: symmetric with negatives [1, 2] for rows [2, 2]; they belong to one side"
    )]
    fn negatives_belong_to_one_side() {
        let x = Tensor::eye(2, crate::DType::F32);
        x.info_nce_loss(&x, &nce(Some(&x.narrow(0, 0, 1)), true));
    }
}
