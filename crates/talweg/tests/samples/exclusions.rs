//! What is not compared, and why.
//!
//! A rule excuses a sample only when Talweg did not agree, in the way that the rule names; a sample that agrees counts
//! as passed whatever the rules say, and a rule that excuses nothing is itself a fault.

use crate::call::places;
use crate::file::{Kind, Sample, Samples};

/// How a run went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Talweg panicked with a message.
    Refused,
    /// Outputs or gradients differ.
    Differs,
}

/// Samples that need not agree.
pub(crate) struct Rule {
    /// PyTorch's names; empty for all.
    pub(crate) ops: &'static [&'static str],
    /// What happens instead.
    pub(crate) trouble: Trouble,
    /// What the message has in it.
    pub(crate) text: &'static str,
    /// Which samples.
    pub(crate) holds: fn(&Samples, &Sample) -> bool,
    /// Why.
    pub(crate) reason: &'static str,
}

impl Rule {
    pub(crate) fn covers(
        &self,
        op: &str,
        trouble: Trouble,
        text: &str,
        samples: &Samples,
        sample: &Sample,
    ) -> bool {
        (self.ops.is_empty() || self.ops.contains(&op))
            && self.trouble == trouble
            && text.contains(self.text)
            && (self.holds)(samples, sample)
    }
}

/// Whether an argument holds whole numbers or truth values.
fn whole(samples: &Samples, sample: &Sample) -> bool {
    places(sample).iter().any(|(array, _)| matches!(samples.arrays[*array].kind, Kind::Whole | Kind::Truth))
}

fn always(_: &Samples, _: &Sample) -> bool {
    true
}

fn has(samples: &Samples, sample: &Sample, test: fn(&f64) -> bool) -> bool {
    places(sample).iter().any(|(array, _)| samples.arrays[*array].data.iter().any(test))
}

/// Whether there is a NaN or an infinity among the numbers.
fn unbounded(samples: &Samples, sample: &Sample) -> bool {
    has(samples, sample, |x| !x.is_finite())
}

/// Whether a number does not fit into a byte or into 64 bits.
fn too_large(samples: &Samples, sample: &Sample) -> bool {
    has(samples, sample, |x| !(0.0..256.0).contains(x))
}

/// Whether numbers stand there more than once.
fn ties(samples: &Samples, sample: &Sample) -> bool {
    places(sample).iter().any(|(array, _)| {
        let mut data = samples.arrays[*array].data.clone();
        data.sort_by(f64::total_cmp);
        data.windows(2).any(|pair| pair[0] == pair[1])
    })
}

const fn refused(ops: &'static [&'static str], text: &'static str, reason: &'static str) -> Rule {
    Rule { ops, trouble: Trouble::Refused, text, holds: always, reason }
}

const fn differs(
    ops: &'static [&'static str],
    text: &'static str,
    holds: fn(&Samples, &Sample) -> bool,
    reason: &'static str,
) -> Rule {
    Rule { ops, trouble: Trouble::Differs, text, holds, reason }
}

/// The rules.
pub(crate) const RULES: &[Rule] = &[
    Rule {
        ops: &[],
        trouble: Trouble::Refused,
        text: "",
        holds: whole,
        reason: "PyTorch converts whole numbers and truth values to floating-point; Talweg asks for a cast",
    },
    refused(
        &[],
        "is out of range for shape []",
        "PyTorch lets a tensor without axes have an axis 0; Talweg refuses it",
    ),
    refused(&["clone", "contiguous"], "the most is 8", "Talweg's tensors have at most eight axes"),
    refused(
        &["cat"],
        "cat: ",
        "PyTorch skips a list of no elements among tensors with more axes; Talweg refuses it",
    ),
    refused(
        &["nn.functional.group_norm", "nn.functional.layer_norm", "nn.functional.rms_norm"],
        "is negative",
        "a negative ε",
    ),
    refused(&["nn.functional.batch_norm"], "needs at least 2 axes", "a batch without channels"),
    refused(
        &["nn.functional.linear"],
        "linear: needs 2 axes",
        "PyTorch takes a vector for the weight of one output; Talweg's weight has two axes",
    ),
    refused(
        &["nn.functional.linear"],
        "inner sizes differ",
        "PyTorch does not look at the sizes of a weight without elements",
    ),
    refused(
        &["nn.functional.normalize", "nn.functional.pairwise_distance"],
        " p ",
        "norms of order 0 and below are no lengths to divide by",
    ),
    differs(
        &["argsort", "sort", "topk", "kthvalue"],
        "output",
        ties,
        "which of equal numbers comes first: Talweg's order is stable, PyTorch's is not",
    ),
    differs(
        &["byte", "long"],
        "output 0",
        too_large,
        "a number that the type does not hold: the result is undefined in PyTorch",
    ),
    differs(&["abs"], "output 0", whole, "the least whole number, which has no positive counterpart"),
    differs(
        &["digamma"],
        "gradient 0",
        always,
        "beside a pole PyTorch's trigamma is finite or NaN; Talweg's overflows to an infinity",
    ),
    differs(
        &[
            "nn.functional.celu",
            "nn.functional.elu",
            "nn.functional.selu",
            "nn.functional.hardsigmoid",
            "nn.functional.relu",
            "nn.functional.relu6",
        ],
        "gradient 0",
        unbounded,
        "the slope at an infinity or NaN, where PyTorch multiplies 0 by an infinity or passes the gradient on",
    ),
    differs(
        &["nn.functional.celu", "nn.functional.hardsigmoid"],
        "gradient 0",
        always,
        "PyTorch rounds a factor of the slope to f32, 1e-8 from the f64 number",
    ),
    differs(
        &["nn.functional.cosine_similarity", "nn.functional.layer_norm", "nn.functional.normalize"],
        "allowed",
        cancels,
        "a gradient that is 0 but for rounding: every number of PyTorch's is below 1e-14",
    ),
];

/// Whether a gradient of PyTorch holds nothing but rounding errors.
fn cancels(samples: &Samples, sample: &Sample) -> bool {
    places(sample).iter().any(|(_, gradient)| {
        gradient.flatten().is_some_and(|array| samples.arrays[array].data.iter().all(|x| x.abs() < 1e-14))
    })
}

/// Entries of `op_db` that are dumped, but for which Talweg has no call.
pub(crate) const ABSENT: &[(&[&str], &str)] = &[
    (
        &[
            "addbmm",
            "addmv",
            "addr",
            "allclose",
            "atleast_1d",
            "atleast_2d",
            "atleast_3d",
            "block_diag",
            "cartesian_prod",
            "column_stack",
            "cross",
            "diff",
            "dsplit",
            "equal",
            "eye",
            "fmax",
            "fmin",
            "hsplit",
            "isclose",
            "linalg.cross",
            "linalg.eigvalsh",
            "linalg.multi_dot",
            "linalg.norm",
            "linalg.svdvals",
            "linalg.vecdot",
            "logaddexp",
            "logit",
            "nanmean",
            "nansum",
            "nn.functional.glu",
            "nn.functional.multilabel_margin_loss",
            "nn.functional.multilabel_soft_margin_loss",
            "nn.functional.pdist",
            "nn.functional.threshold",
            "round/decimals_0",
            "round/decimals_3",
            "round/decimals_neg_3",
            "sinc",
            "tensor_split",
            "vsplit",
            "xlogy",
        ],
        "a composition of others, without a method of its own",
    ),
    (
        &[
            "__getitem__",
            "index_put",
            "inner",
            "linalg.cholesky",
            "linalg.det",
            "linalg.eigh",
            "linalg.inv",
            "linalg.qr",
            "linalg.slogdet",
            "linalg.solve",
            "linalg.svd",
            "logdet",
            "nn.functional.bilinear",
            "nn.functional.grid_sample",
            "nn.functional.interpolate/area",
            "nn.functional.interpolate/bicubic",
            "nn.functional.interpolate/bilinear",
            "nn.functional.interpolate/linear",
            "nn.functional.interpolate/nearest",
            "nn.functional.interpolate/nearest-exact",
            "nn.functional.interpolate/trilinear",
            "nn.functional.upsample_bilinear",
            "nn.functional.upsample_nearest",
            "squeeze/multiple",
            "svd",
        ],
        "an operation that Talweg does not have yet",
    ),
];
