//! The keys of `[train]`.

use super::optimizers::OPTIMIZERS;
use super::schedules::SCHEDULES;
use super::steps::{ACCUMULATE, AVERAGE, CLIP_ADAPTIVE, CLIP_VALUE, GROUPS, PLATEAU, SAM};
use crate::config::check::Table;
use crate::config::schema::{Choice, Default, Group, Key, Kind, Range, Variant};

pub(super) static TRAIN: Group = Group {
    name: "train",
    meaning: "How the network learns: what is minimised, by which rule, for how long.",
    keys: &[
        Key {
            name: "loss",
            kind: Kind::Choice(&LOSSES),
            default: Default::From("`cross-entropy` for classification, `mse` for regression", loss),
            meaning: "the number that training makes small",
            example: "{ cross-entropy = { label_smoothing = 0.1 } }",
            sources: &[],
        },
        Key {
            name: "optimizer",
            kind: Kind::Choice(&OPTIMIZERS),
            default: Default::Is("\"adam\""),
            meaning: "the rule that turns gradients into changes of the weights",
            example: "{ adamw = 1e-3, weight_decay = 0.05 }",
            sources: &[],
        },
        Key {
            name: "schedule",
            kind: Kind::Choice(&SCHEDULES),
            default: Default::Is("\"constant\""),
            meaning: "how the learning rate changes over the run",
            example: "{ warmup = 500, then = \"cosine\" }",
            sources: &[],
        },
        Key {
            name: "l1",
            kind: Kind::Number(Range::at_least(0.0)),
            default: Default::Is("0.0"),
            meaning: "adds l1 · Σ|w| over all weights (not biases) to the loss",
            example: "1e-5",
            sources: &[],
        },
        Key {
            name: "l2",
            kind: Kind::Number(Range::at_least(0.0)),
            default: Default::Is("0.0"),
            meaning: "adds l2 · Σw² over all weights (not biases) to the loss",
            example: "1e-4",
            sources: &[],
        },
        Key {
            name: "clip_norm",
            kind: Kind::Number(Range::above(0.0)),
            default: Default::Absent("gradients are used as they are"),
            meaning: "scales all gradients down where their joint norm exceeds this",
            example: "1.0",
            sources: &[],
        },
        CLIP_VALUE,
        CLIP_ADAPTIVE,
        GROUPS,
        AVERAGE,
        PLATEAU,
        SAM,
        Key {
            name: "epochs",
            kind: Kind::Integer { min: 1, max: 1_000_000_000 },
            default: Default::From("10, or no limit where `iterations` is given", epochs),
            meaning: "how often at most the training part is passed over",
            example: "20",
            sources: &[],
        },
        Key {
            name: "iterations",
            kind: Kind::Integer { min: 1, max: 1_000_000_000_000 },
            default: Default::Absent("no limit but `epochs`"),
            meaning: "ends the run after so many steps, each on one batch",
            example: "10000",
            sources: &[],
        },
        Key {
            name: "batch_size",
            kind: Kind::Either(&[
                Kind::Integer { min: 1, max: 1_000_000_000 },
                Kind::Word(&[("all", "the whole training part in one batch")]),
            ]),
            default: Default::From("64, but \"all\" for `xor`", batch_size),
            meaning: "how many examples each step sees",
            example: "128",
            sources: &[],
        },
        ACCUMULATE,
        Key {
            name: "early_stopping",
            kind: Kind::Table { keys: EARLY_STOPPING, short: "patience" },
            default: Default::Absent("the run goes to its end"),
            meaning: "ends the run when the validation part no longer improves, and takes the best weights back",
            example: "{ patience = 3, metric = \"accuracy\" }",
            sources: &[],
        },
        Key {
            name: "convergence",
            kind: Kind::Table { keys: CONVERGENCE, short: "tolerance" },
            default: Default::Absent("the run goes to its end"),
            meaning: "ends the run when the training loss no longer changes",
            example: "{ tolerance = 1e-6, patience = 5 }",
            sources: &[],
        },
        Key {
            name: "seed",
            kind: Kind::Integer { min: 0, max: i64::MAX },
            default: Default::Is("0"),
            meaning: "the seed of all chance in the run: first weights, order, dropout, augmentation",
            example: "7",
            sources: &[],
        },
        Key {
            name: "threads",
            kind: Kind::Integer { min: 1, max: 1024 },
            default: Default::Absent("all cores"),
            meaning: "how many threads compute; the result does not depend on it",
            example: "2",
            sources: &[],
        },
        Key {
            name: "precision",
            kind: Kind::Word(&[
                ("f32", "32 bits throughout"),
                (
                    "bf16",
                    "the factors of matrix products are rounded to 16 bits; sums, weights and gradients keep 32. Faster \
                     on processors with AVX512_BF16",
                ),
            ]),
            default: Default::Is("\"f32\""),
            meaning: "how exactly matrix products are computed in training",
            example: "\"bf16\"",
            sources: &[],
        },
        Key {
            name: "convolution",
            kind: Kind::Word(&[
                ("auto", "`f4` where it is faster"),
                (
                    "f4",
                    "by transformed tiles of 4 x 4, with the fewest multiplications; errors up to 2e-5 of the output",
                ),
                ("f2", "by transformed tiles of 2 x 2, as exact as `direct`"),
                ("direct", "without transforms"),
            ]),
            default: Default::Absent("what the environment variable TALWEG_CONV says, else `auto`"),
            meaning: "how 3 x 3 convolutions of stride 1 are computed",
            example: "\"f2\"",
            sources: &[],
        },
        Key {
            name: "capture",
            kind: Kind::Bool,
            default: Default::Is("true"),
            meaning: "whether steps are recorded once and replayed, where the network allows it; the result is the same",
            example: "false",
            sources: &[],
        },
        Key {
            name: "anomaly",
            kind: Kind::Bool,
            default: Default::Is("false"),
            meaning: "whether each step is searched for the operation that first makes a NaN, and the run ends there with \
                      its name, shapes and layer; for finding a mistake, as it makes training slow",
            example: "true",
            sources: &[],
        },
        Key {
            name: "workers",
            kind: Kind::Integer { min: 0, max: 256 },
            default: Default::From("1, but 0 for `xor`", workers),
            meaning: "how many threads prepare batches in the background; 0 prepares them in between",
            example: "2",
            sources: &[],
        },
        Key {
            name: "checkpoint_every",
            kind: Kind::Integer { min: 1, max: 1_000_000_000 },
            default: Default::Absent("after epochs, at most one a second, and every 30 seconds"),
            meaning: "how many steps at most lie between two checkpoints, from which `talweg resume` goes on",
            example: "1000",
            sources: &[],
        },
        Key {
            name: "log_every",
            kind: Kind::Integer { min: 1, max: 1_000_000_000 },
            default: Default::From("1, but 100 for `xor`", log_every),
            meaning: "how many epochs lie between two lines of the printed log",
            example: "10",
            sources: &[],
        },
        Key {
            name: "run_dir",
            kind: Kind::Text,
            default: Default::Absent("a new folder in `runs`, named after the configuration"),
            meaning: "the folder for the model, the log and the checkpoints; it must not hold a run yet",
            example: "\"runs/first\"",
            sources: &[],
        },
    ],
};

pub(super) static LOSSES: Choice = Choice {
    what: "loss",
    variants: &[
        Variant {
            name: "cross-entropy",
            meaning: "−ln of the probability that softmax gives to the right class; takes one logit per class",
            main: None,
            keys: &[
                Key {
                    name: "label_smoothing",
                    kind: Kind::Number(Range::below(0.0, 1.0)),
                    default: Default::Is("0.0"),
                    meaning: "the share of the target that is spread evenly over all classes",
                    example: "0.1",
                    sources: &[],
                },
                Key {
                    name: "class_weights",
                    kind: Kind::List { of: &Kind::Number(Range::at_least(0.0)), min: 2, max: usize::MAX },
                    default: Default::Absent("all classes weigh the same"),
                    meaning: "how much an example of each class counts, in the order of the classes",
                    example: "[1.0, 2.5]",
                    sources: &[],
                },
            ],
        },
        Variant {
            name: "mse",
            meaning: "the mean of the squared differences between output and target",
            main: None,
            keys: &[],
        },
        Variant {
            name: "bce",
            meaning: "binary cross-entropy of one probability per example (a sigmoid's output); two classes",
            main: None,
            keys: &[],
        },
        Variant {
            name: "bce-with-logits",
            meaning: "the same from the value before the sigmoid, which is exact for large values too",
            main: None,
            keys: &[Key {
                name: "pos_weight",
                kind: Kind::Number(Range::above(0.0)),
                default: Default::Is("1.0"),
                meaning: "how much an example of the second class counts",
                example: "3.0",
                sources: &[],
            }],
        },
    ],
};

static EARLY_STOPPING: &[Key] = &[
    Key {
        name: "patience",
        kind: Kind::Integer { min: 1, max: 1_000_000_000 },
        default: Default::Required,
        meaning: "how many epochs in a row may bring nothing better",
        example: "3",
        sources: &[],
    },
    Key {
        name: "metric",
        kind: Kind::Word(&[
            ("loss", "the loss of the validation part; smaller is better"),
            ("accuracy", "the share of the validation part that is classified right; larger is better"),
        ]),
        default: Default::Is("\"loss\""),
        meaning: "what is watched",
        example: "\"accuracy\"",
        sources: &[],
    },
    Key {
        name: "min_delta",
        kind: Kind::Number(Range::at_least(0.0)),
        default: Default::Is("0.0"),
        meaning: "by how much a value must be better to count",
        example: "0.001",
        sources: &[],
    },
];

static CONVERGENCE: &[Key] = &[
    Key {
        name: "tolerance",
        kind: Kind::Number(Range::above(0.0)),
        default: Default::Required,
        meaning: "the change of the loss from epoch to epoch that counts as none",
        example: "1e-6",
        sources: &[],
    },
    Key {
        name: "patience",
        kind: Kind::Integer { min: 1, max: 1_000_000_000 },
        default: Default::Is("5"),
        meaning: "how many epochs in a row must show no change",
        example: "10",
        sources: &[],
    },
];

fn loss(root: &Table) -> Option<String> {
    let regression = root.table("data").text("task") == "regression";
    Some(if regression { "\"mse\"" } else { "\"cross-entropy\"" }.to_owned())
}

fn epochs(root: &Table) -> Option<String> {
    root.table("train").get("iterations").is_none().then(|| "10".to_owned())
}

fn batch_size(root: &Table) -> Option<String> {
    Some(if xor(root) { "\"all\"" } else { "64" }.to_owned())
}

fn workers(root: &Table) -> Option<String> {
    Some(if xor(root) { "0" } else { "1" }.to_owned())
}

fn log_every(root: &Table) -> Option<String> {
    Some(if xor(root) { "100" } else { "1" }.to_owned())
}

fn xor(root: &Table) -> bool {
    root.table("data").text("source") == "xor"
}
