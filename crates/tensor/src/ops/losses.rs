//! Losses made of other operations, and what becomes of the losses of a batch.

mod contrastive;
mod ctc;
mod difference;
mod imbalance;
mod likelihood;
mod margin;

pub use contrastive::InfoNceOptions;
pub use ctc::CtcOptions;
pub use imbalance::{DiceOptions, FocalOptions, SigmoidFocalOptions};
pub use likelihood::{GaussianNllOptions, KlDivOptions, PoissonNllOptions};
pub use margin::{CosineEmbeddingOptions, MultiMarginOptions, TripletMarginOptions};

use crate::op::check;
use crate::ops::cross_entropy::{check_target, check_weight, kept, no_such_class};
use crate::tensor::Tensor;

/// What becomes of the losses of the elements or rows of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduction {
    /// Their mean.
    #[default]
    Mean,
    /// Their sum.
    Sum,
    /// Nothing: they stay as they are.
    None,
}

impl Reduction {
    /// The losses' mean, their sum, or the losses.
    pub(super) fn apply(self, losses: &Tensor) -> Tensor {
        match self {
            Reduction::Mean => losses.mean(..),
            Reduction::Sum => losses.sum(..),
            Reduction::None => losses.clone(),
        }
    }
}

/// Factors for the elements of a loss, and what becomes of them.
#[derive(Clone, Debug, Default)]
pub struct LossOptions {
    /// A factor for each loss, of a shape that broadcasts to theirs; all 1 by default. The mean divides by the sum of
    /// the factors.
    pub weight: Option<Tensor>,
    /// What becomes of the losses.
    pub reduction: Reduction,
}

impl From<Reduction> for LossOptions {
    fn from(reduction: Reduction) -> LossOptions {
        LossOptions { weight: None, reduction }
    }
}

impl LossOptions {
    /// The losses times their factors, reduced.
    #[track_caller]
    fn apply(&self, name: &str, losses: &Tensor) -> Tensor {
        let Some(weight) = &self.weight else { return self.reduction.apply(losses) };
        assert!(
            weight.shape().broadcast(losses.shape()) == Some(*losses.shape()),
            "{name}: weight {} does not broadcast to the losses {}; give one factor for each loss, or sizes of 1",
            weight.shape(),
            losses.shape()
        );
        let weighted = losses * weight;
        match self.reduction {
            Reduction::Mean => weighted.sum(..) / weight.broadcast_to(losses.shape()).sum(..),
            _ => self.reduction.apply(&weighted),
        }
    }
}

/// How [`Tensor::nll_loss`] counts: see [`crate::CrossEntropyOptions`].
#[derive(Clone, Debug, Default)]
pub struct NllLossOptions {
    /// A factor for each class, `[classes]`; all 1 by default.
    pub weight: Option<Tensor>,
    /// Targets with this number take no part. None by default.
    pub ignore_index: Option<i64>,
    /// What becomes of the losses of the rows.
    pub reduction: Reduction,
}

/// Losses compare numbers one by one: predictions `[n, 1]` beside targets `[n]` would broadcast to `[n, n]`.
#[track_caller]
pub(super) fn assert_same_shape(name: &str, x: &Tensor, target: &Tensor) {
    check::accept(check::float(name, &x.spec()));
    if x.shape() == target.shape() {
        return;
    }
    let hint = match x.numel() == target.numel() {
        true => "reshape one of them",
        false => "losses do not broadcast, because [n, 1] beside [n] would be [n, n]",
    };
    panic!("{name}: input {} and target {} must have one shape; {hint}", x.shape(), target.shape());
}

/// A constant of the type of `x`.
fn number(x: f64, like: &Tensor) -> Tensor {
    Tensor::full([], x, like.dtype())
}

impl Tensor {
    /// The negative log-likelihood of class numbers, `loss = −w[target] x[target]` for each row of log-probabilities,
    /// as [`Tensor::log_softmax`] gives them; [`Tensor::cross_entropy`] does both at once. The mean divides by
    /// `Σ w[target]`.
    ///
    /// # Shapes
    /// Log-probabilities `[n, classes]` or `[n, classes, ..]`, target `[n]` or `[n, ..]`, to `[]`, or to the target's
    /// shape without reduction.
    ///
    /// # Gradient
    /// `dx[target] = −w[target] dy`, for a mean over `Σ w[target]`; 0 elsewhere.
    ///
    /// # Panics
    /// When a target is no class, or shapes or types do not fit.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{NllLossOptions, Tensor};
    /// let x = Tensor::from_slice(&[-1.0f32, -2.0, -3.0, -4.0], [2, 2]);
    /// let loss = x.nll_loss(&Tensor::from_slice(&[1i64, 0], [2]), &NllLossOptions::default());
    /// assert_eq!(loss.item(), 2.5);
    /// ```
    #[track_caller]
    pub fn nll_loss(&self, target: &Tensor, options: &NllLossOptions) -> Tensor {
        let NllLossOptions { weight, ignore_index, reduction } = options;
        check::accept(check_target("nll_loss", &self.spec(), &target.spec()));
        let classes = self.size(1);
        for (flat, class) in target.to_vec::<i64>().into_iter().enumerate() {
            let known = (0..classes as i64).contains(&class) || *ignore_index == Some(class);
            assert!(known, "{}", no_such_class("nll_loss", class, flat, target.shape(), classes));
        }
        let (class, mut factors) = kept(target, *ignore_index, self.dtype());
        let out = factors.eq(&Tensor::full([], 0.0, self.dtype()));
        if let Some(weight) = weight {
            check::accept(check_weight("nll_loss", &self.spec(), &weight.spec()));
            factors = factors * weight.index_rows(&class);
        }
        let losses = -(self.gather(1, &class.unsqueeze(1)).squeeze(1) * &factors);
        // Chosen, not multiplied: an ignored row may hold an infinity.
        let losses = out.select(&Tensor::full([], 0.0, self.dtype()), &losses);
        match reduction {
            Reduction::Mean => losses.sum(..) / factors.sum(..),
            _ => reduction.apply(&losses),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CrossEntropyOptions, DType, Rng};

    fn target() -> Tensor {
        Tensor::from_slice(&[2i64, 0, 1, 2], [4])
    }

    fn options(reduction: Reduction) -> NllLossOptions {
        let weight = Tensor::from_slice(&[0.5f64, 1.0, 2.0], [3]);
        NllLossOptions { weight: Some(weight), ignore_index: Some(1), reduction }
    }

    crate::cases! {
        nll_loss: |x| x[0].nll_loss(&target(), &options(Reduction::Mean)); shapes [[4, 3]]  refuses [[4, 4]] [[3, 3]] [[4]];
        nll_loss_of_positions: |x| x[0].nll_loss(&target().reshape([2, 2]), &options(Reduction::None)); shapes [[2, 3, 2]];
    }

    #[test]
    fn cross_entropy_is_the_likelihood_of_log_softmax() {
        let x = Rng::seed(8).normal([4, 3], 0.0, 1.0, DType::F64);
        for reduction in [Reduction::Mean, Reduction::Sum, Reduction::None] {
            let NllLossOptions { weight, ignore_index, .. } = options(reduction);
            let whole = CrossEntropyOptions { weight, ignore_index, reduction, label_smoothing: 0.0 };
            let a = x.log_softmax(1).nll_loss(&target(), &options(reduction)).to_vec::<f64>();
            let b = x.cross_entropy(&target(), &whole).to_vec::<f64>();
            assert!(
                a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-14),
                "{a:?} {b:?}"
            );
        }
    }

    #[test]
    #[should_panic(expected = "has class 2 in row 0, but there are 2 classes, 0 to 1")]
    fn a_class_that_does_not_exist() {
        Tensor::ones([4, 2], DType::F32).nll_loss(&target(), &NllLossOptions::default());
    }
}
