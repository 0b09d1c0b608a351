//! The schedules of the learning rate that `train.schedule` may name, and their settings.

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
            keys: &[Key {
                name: "lr_min",
                kind: Kind::Number(Range::at_least(0.0)),
                default: Default::Is("0.0"),
                meaning: "the learning rate at the end",
                example: "1e-5",
                sources: &[],
            }],
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
