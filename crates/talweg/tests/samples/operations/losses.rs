//! Losses with their options.

use talweg::tensor::{
    BinaryCrossEntropyOptions, BinaryCrossEntropyWithLogitsOptions, CosineEmbeddingOptions,
    CrossEntropyOptions, GaussianNllOptions, KlDivOptions, LossOptions, MultiMarginOptions, NllLossOptions,
    PoissonNllOptions, Reduction, Shape, Tensor, TripletMarginOptions,
};

use crate::call::{Call, Made, Outcome, Row, one};

fn losses(c: &Call<'_>) -> Made<LossOptions> {
    Ok(LossOptions { weight: c.tensor(99, "weight")?, reduction: c.reduction(99)? })
}

/// Talweg's losses do not broadcast; PyTorch's do, with a warning.
fn alike(c: &Call<'_>, f: impl Fn(&Tensor, &Tensor) -> Outcome) -> Outcome {
    let (x, target) = (c.x()?, c.needed(1, "target")?);
    if x.shape() != target.shape() {
        return Err("a loss of an input and a target that broadcast".into());
    }
    f(&x, &target)
}

const DIFFERENCES: &[Row] = &[
    ("nn.functional.l1_loss", |c| alike(c, |x, t| one(x.l1_loss(t, &losses(c)?)))),
    ("nn.functional.smooth_l1_loss", |c| {
        let beta = c.number(99, "beta")?.unwrap_or(1.0);
        alike(c, |x, t| one(x.smooth_l1_loss(t, beta, &losses(c)?)))
    }),
    ("nn.functional.huber_loss", |c| {
        let delta = c.number(99, "delta")?.unwrap_or(1.0);
        alike(c, |x, t| one(x.huber_loss(t, delta, &losses(c)?)))
    }),
    ("nn.functional.soft_margin_loss", |c| alike(c, |x, t| one(x.soft_margin_loss(t, &losses(c)?)))),
    ("nn.functional.hinge_embedding_loss", |c| {
        let margin = c.number(99, "margin")?.unwrap_or(1.0);
        alike(c, |x, t| one(x.hinge_embedding_loss(t, margin, &losses(c)?)))
    }),
    ("nn.functional.kl_div", |c| {
        let log_target = c.flag(99, "log_target", false)?;
        let (batch_mean, reduction) = match c.text(99, "reduction", "mean")?.as_str() {
            "batchmean" => (true, Reduction::Mean),
            _ => (false, c.reduction(99)?),
        };
        alike(c, |x, t| one(x.kl_div(t, &KlDivOptions { log_target, batch_mean, reduction })))
    }),
    ("nn.functional.poisson_nll_loss", |c| {
        let options = PoissonNllOptions {
            log_input: c.flag(99, "log_input", true)?,
            full: c.flag(99, "full", false)?,
            eps: c.number(99, "eps")?.unwrap_or(1e-8),
            losses: losses(c)?,
        };
        alike(c, |x, t| one(x.poisson_nll_loss(t, &options)))
    }),
    ("nn.functional.gaussian_nll_loss", |c| {
        let options = GaussianNllOptions {
            full: c.flag(99, "full", false)?,
            eps: c.number(99, "eps")?.unwrap_or(1e-6),
            losses: losses(c)?,
        };
        let variance = c.operand(2, "var")?;
        alike(c, |x, t| one(x.gaussian_nll_loss(t, &fitting(&variance, x), &options)))
    }),
];

/// One variance for all as one for each row.
fn fitting(variance: &Tensor, x: &Tensor) -> Tensor {
    if variance.rank() > 0 { variance.clone() } else { variance.broadcast_to(x.shape()) }
}

const MARGINS: &[Row] = &[
    ("nn.functional.margin_ranking_loss", |c| {
        let (x, other, target) = (c.x()?, c.needed(1, "input2")?, c.needed(2, "target")?);
        if x.shape() != other.shape() || x.shape() != target.shape() {
            return Err("a loss of an input and a target that broadcast".into());
        }
        one(x.margin_ranking_loss(&other, &target, c.number(99, "margin")?.unwrap_or(0.0), &losses(c)?))
    }),
    ("nn.functional.cosine_embedding_loss", |c| {
        let options =
            CosineEmbeddingOptions { margin: c.number(99, "margin")?.unwrap_or(0.0), losses: losses(c)? };
        let (x, other, target) = (c.x()?, c.needed(1, "input2")?, c.needed(2, "target")?);
        one(x.cosine_embedding_loss(&other, &target, &options))
    }),
    ("nn.functional.multi_margin_loss", |c| {
        let options = MultiMarginOptions {
            margin: c.number(99, "margin")?.unwrap_or(1.0),
            squared: c.number(99, "p")?.unwrap_or(1.0) == 2.0,
            weight: c.tensor(99, "weight")?,
            reduction: c.reduction(99)?,
        };
        let (x, target) = (c.x()?, c.needed(1, "target")?);
        match x.rank() {
            2 => one(x.multi_margin_loss(&target, &options)),
            rank => {
                let x = if rank == 0 { x.reshape([1]) } else { x };
                let y = x.unsqueeze(0).multi_margin_loss(&target.reshape([1]), &options);
                one(if y.rank() > 0 && target.rank() == 0 { y.reshape(Shape::SCALAR) } else { y })
            }
        }
    }),
    ("nn.functional.triplet_margin_loss", |c| {
        let options = TripletMarginOptions {
            margin: c.number(99, "margin")?.unwrap_or(1.0),
            p: c.number(99, "p")?.unwrap_or(2.0),
            eps: c.number(99, "eps")?.unwrap_or(1e-6),
            swap: c.flag(99, "swap", false)?,
            losses: losses(c)?,
        };
        one(c.x()?.triplet_margin_loss(&c.needed(1, "positive")?, &c.needed(2, "negative")?, &options))
    }),
];

const LOSSES: &[Row] = &[
    ("nn.functional.mse_loss", |c| one(c.x()?.mse_loss(&c.needed(1, "target")?, c.reduction(99)?))),
    ("nn.functional.nll_loss", |c| {
        let options = NllLossOptions {
            weight: c.tensor(2, "weight")?,
            ignore_index: c.int(99, "ignore_index")?,
            reduction: c.reduction(99)?,
        };
        one(c.x()?.nll_loss(&c.needed(1, "target")?, &options))
    }),
    ("nn.functional.cross_entropy", |c| {
        let options = CrossEntropyOptions {
            weight: c.tensor(2, "weight")?,
            label_smoothing: c.number(99, "label_smoothing")?.unwrap_or(0.0),
            ignore_index: c.int(99, "ignore_index")?,
            reduction: c.reduction(99)?,
        };
        one(c.x()?.cross_entropy(&c.needed(1, "target")?, &options))
    }),
    ("nn.functional.binary_cross_entropy", |c| {
        let options =
            BinaryCrossEntropyOptions { weight: c.tensor(2, "weight")?, reduction: c.reduction(99)? };
        one(c.x()?.binary_cross_entropy(&c.needed(1, "target")?, &options))
    }),
    ("nn.functional.binary_cross_entropy_with_logits", |c| {
        let options = BinaryCrossEntropyWithLogitsOptions {
            weight: c.tensor(2, "weight")?,
            pos_weight: c.tensor(99, "pos_weight")?,
            reduction: c.reduction(99)?,
        };
        one(c.x()?.binary_cross_entropy_with_logits(&c.needed(1, "target")?, &options))
    }),
];

/// The lines of this file.
pub(crate) const TABLES: &[&[Row]] = &[LOSSES, DIFFERENCES, MARGINS];
