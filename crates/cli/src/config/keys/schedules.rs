//! The schedules of the learning rate that `train.schedule` may name, and their settings.

use super::forms::number;
use crate::config::schema::{Choice, Default, Key, Kind, Range, Variant};

pub(super) static SCHEDULES: Choice = Choice {
    what: "schedule",
    variants: &[
        Variant {
            name: "constant",
            meaning: "the optimizer's learning rate throughout",
            main: None,
            keys: &[],
        },
        Variant {
            name: "step",
            meaning: "multiplies the learning rate by `factor` after every `every` epochs",
            main: None,
            keys: &[
                Key {
                    name: "every",
                    kind: COUNT,
                    default: Default::Required,
                    meaning: "the number of epochs between two changes",
                    example: "10",
                    sources: &[],
                },
                Key {
                    name: "factor",
                    kind: Kind::Number(Range::above_to(0.0, 1.0)),
                    default: Default::Is("0.1"),
                    meaning: "what the learning rate is multiplied by",
                    example: "0.5",
                    sources: &[],
                },
                UNIT_EPOCHS,
            ],
        },
        Variant {
            name: "exponential",
            meaning: "multiplies the learning rate by `factor` after every epoch",
            main: Some("factor"),
            keys: &[
                Key {
                    name: "factor",
                    kind: Kind::Number(Range::above_to(0.0, 1.0)),
                    default: Default::Required,
                    meaning: "what the learning rate is multiplied by",
                    example: "0.95",
                    sources: &[],
                },
                UNIT_EPOCHS,
            ],
        },
        Variant {
            name: "cosine",
            meaning: "falls from the learning rate to `lr_min` along half a cosine wave over the rest of the run",
            main: None,
            keys: &[LR_MIN],
        },
        Variant {
            name: "one-cycle",
            meaning: "rises to the optimizer's learning rate, then falls to almost 0, along half cosine waves",
            main: None,
            keys: &[
                Key {
                    name: "pct_start",
                    kind: Kind::Number(Range::open(0.0, 1.0)),
                    default: Default::Is("0.3"),
                    meaning: "the part of the run in which the learning rate rises",
                    example: "0.2",
                    sources: &[],
                },
                Key {
                    name: "div_factor",
                    kind: Kind::Number(Range::at_least(1.0)),
                    default: Default::Is("25.0"),
                    meaning: "the largest learning rate divided by the first",
                    example: "10.0",
                    sources: &[],
                },
                Key {
                    name: "final_div_factor",
                    kind: Kind::Number(Range::at_least(1.0)),
                    default: Default::Is("1e4"),
                    meaning: "the first learning rate divided by the last",
                    example: "1e3",
                    sources: &[],
                },
            ],
        },
        Variant {
            name: "linear",
            meaning: "falls in a straight line from the learning rate to `lr_min` over the rest of the run",
            main: None,
            keys: &[LR_MIN],
        },
        Variant {
            name: "polynomial",
            meaning: "falls from the learning rate to `lr_min` with a power of what is left of the run",
            main: Some("power"),
            keys: &[
                number("power", Range::above(0.0), "1.0", "the power; 1 is a straight line", "0.9"),
                LR_MIN,
            ],
        },
        Variant {
            name: "multi-step",
            meaning: "multiplies the learning rate by `factor` at each of the milestones",
            main: Some("milestones"),
            keys: &[
                Key {
                    name: "milestones",
                    kind: Kind::List { of: &COUNT, min: 1, max: 1000 },
                    default: Default::Required,
                    meaning: "where it changes, in the `unit`, in increasing order",
                    example: "[30, 60, 80]",
                    sources: &[],
                },
                number(
                    "factor",
                    Range::above_to(0.0, 1.0),
                    "0.1",
                    "what the learning rate is multiplied by",
                    "0.2",
                ),
                UNIT_EPOCHS,
            ],
        },
        Variant {
            name: "inverse-time",
            meaning: "divides the learning rate by 1 + rate · t",
            main: Some("rate"),
            keys: &[
                Key {
                    default: Default::Required,
                    ..number(
                        "rate",
                        Range::above(0.0),
                        "",
                        "how fast it falls: to a half after 1 / rate",
                        "0.1",
                    )
                },
                UNIT_EPOCHS,
            ],
        },
        Variant {
            name: "inverse-sqrt",
            meaning: "rises in a straight line to the learning rate, then falls with the root of the step",
            main: Some("warmup_length"),
            keys: &[
                Key {
                    name: "warmup_length",
                    meaning: "how long it rises, in the `unit`",
                    example: "4000",
                    ..LENGTH
                },
                UNIT_STEPS,
            ],
        },
        Variant {
            name: "cosine-restarts",
            meaning: "falls along half a cosine wave again and again, each time from the learning rate",
            main: Some("first"),
            keys: &[
                Key {
                    name: "first",
                    meaning: "how long the first fall lasts, in the `unit`",
                    example: "10",
                    ..LENGTH
                },
                Key {
                    name: "growth",
                    kind: Kind::Integer { min: 1, max: 1000 },
                    default: Default::Is("1"),
                    meaning: "how many times as long as the one before each fall lasts",
                    example: "2",
                    sources: &[],
                },
                LR_MIN,
                UNIT_EPOCHS,
            ],
        },
        Variant {
            name: "cyclic",
            meaning: "rises from `lr_min` to the learning rate and back in straight lines, again and again",
            main: Some("up"),
            keys: &[
                Key { name: "up", meaning: "how long it rises, in the `unit`", example: "2000", ..LENGTH },
                Key {
                    name: "down",
                    default: Default::Absent("as long as `up`"),
                    meaning: "how long it falls, in the `unit`",
                    example: "4000",
                    ..LENGTH
                },
                LR_MIN,
                Key {
                    name: "height",
                    kind: Kind::Word(&[
                        ("triangular", "the height stays"),
                        ("triangular2", "the height halves with each cycle"),
                        ("exp-range", "the height is multiplied by `gamma` at every `unit`"),
                    ]),
                    default: Default::Is("\"triangular\""),
                    meaning: "how the height of the cycles changes",
                    example: "\"triangular2\"",
                    sources: &[],
                },
                number("gamma", Range::above_to(0.0, 1.0), "1.0", "the factor of `exp-range`", "0.9999"),
                UNIT_STEPS,
            ],
        },
        Variant {
            name: "warmup",
            meaning: "rises in a straight line from 0 to the learning rate, then follows another schedule",
            main: Some("length"),
            keys: &THEN,
        },
        Variant {
            name: "hold",
            meaning: "keeps the learning rate for a while, then follows another schedule",
            main: Some("length"),
            keys: &THEN,
        },
    ],
};

const COUNT: Kind = Kind::Integer { min: 1, max: 1_000_000_000_000 };

const LR_MIN: Key = number("lr_min", Range::at_least(0.0), "0.0", "the smallest learning rate", "1e-5");

const LENGTH: Key = Key {
    name: "length",
    kind: COUNT,
    default: Default::Required,
    meaning: "how long this part lasts, in the `unit`",
    example: "500",
    sources: &[],
};

/// A static of its own, because a schedule may hold a schedule: a constant could not refer to itself.
static THEN: [Key; 3] = [
    LENGTH,
    Key {
        name: "then",
        kind: Kind::Choice(&SCHEDULES),
        default: Default::Is("\"constant\""),
        meaning: "the schedule of the rest of the run; it may itself be `warmup` or `hold`",
        example: "\"cosine\"",
        sources: &[],
    },
    UNIT_STEPS,
];

const UNITS: Kind = Kind::Word(&[
    ("epochs", "passes over the training part"),
    ("steps", "updates of the weights, one per batch"),
]);

const UNIT_EPOCHS: Key = Key {
    name: "unit",
    kind: UNITS,
    default: Default::Is("\"epochs\""),
    meaning: "what is counted",
    example: "\"steps\"",
    sources: &[],
};

const UNIT_STEPS: Key = Key {
    name: "unit",
    kind: UNITS,
    default: Default::Is("\"steps\""),
    meaning: "what is counted",
    example: "\"epochs\"",
    sources: &[],
};
