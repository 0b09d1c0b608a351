//! The keys of `[train]` that say how a step is made of gradients, and what is made of the weights on their way.

use super::forms::{flag, number};
use crate::config::schema::{Choice, Default, Key, Kind, Range, Variant};

pub(super) const CLIP_VALUE: Key = Key {
    name: "clip_value",
    kind: Kind::Number(Range::above(0.0)),
    default: Default::Absent("gradients are used as they are"),
    meaning: "cuts every element of the gradients off at this size",
    example: "0.5",
    sources: &[],
};

pub(super) const CLIP_ADAPTIVE: Key = Key {
    name: "clip_adaptive",
    kind: Kind::Number(Range::above(0.0)),
    default: Default::Absent("gradients are used as they are"),
    meaning: "scales the gradient of each unit down to this share of the norm of its weights",
    example: "0.02",
    sources: &[],
};

pub(super) const ACCUMULATE: Key = Key {
    name: "accumulate",
    kind: Kind::Integer { min: 1, max: 1_000_000 },
    default: Default::Is("1"),
    meaning: "cuts each batch into so many parts, whose gradients are added up: the same step with less memory",
    example: "4",
    sources: &[],
};

pub(super) const SAM: Key = Key {
    name: "sam",
    kind: Kind::Table {
        keys: &[
            Key {
                default: Default::Required,
                ..number("rho", Range::above(0.0), "", "how far the worst point may lie", "0.05")
            },
            flag("adaptive", "measures distances in units of each weight's size"),
        ],
        short: "rho",
    },
    default: Default::Absent("gradients are taken where the weights are"),
    meaning: "sharpness-aware minimisation: takes each gradient at the worst point nearby, which costs a second pass",
    example: "0.05",
    sources: &[],
};

pub(super) const AVERAGE: Key = Key {
    name: "average",
    kind: Kind::Choice(&AVERAGES),
    default: Default::Absent("the weights themselves"),
    meaning: "what is made of the weights that the optimizer passes through",
    example: "{ ema = 0.99 }",
    sources: &[],
};

pub(super) static AVERAGES: Choice = Choice {
    what: "average",
    variants: &[
        Variant {
            name: "ema",
            meaning: "an exponential moving average, which is evaluated and saved",
            main: Some("decay"),
            keys: &[number(
                "decay",
                Range::below(0.0, 1.0),
                "0.999",
                "how much of the average stays at each step",
                "0.9999",
            )],
        },
        Variant {
            name: "swa",
            meaning: "the mean of the weights at equal distances late in the run, which is evaluated and saved",
            main: Some("start"),
            keys: &[
                Key {
                    name: "start",
                    kind: Kind::Integer { min: 0, max: 1_000_000_000 },
                    default: Default::Required,
                    meaning: "how many epochs come before it",
                    example: "15",
                    sources: &[],
                },
                Key {
                    name: "every",
                    kind: Kind::Integer { min: 1, max: 1_000_000_000 },
                    default: Default::Is("1"),
                    meaning: "how many epochs lie between the weights that are averaged",
                    example: "2",
                    sources: &[],
                },
            ],
        },
        Variant {
            name: "lookahead",
            meaning: "slow weights, which follow the optimizer's part of the way, and from which it goes on",
            main: Some("every"),
            keys: &[
                Key {
                    name: "every",
                    kind: Kind::Integer { min: 1, max: 1_000_000_000 },
                    default: Default::Is("5"),
                    meaning: "steps of the optimizer between two of the slow weights",
                    example: "10",
                    sources: &[],
                },
                number("alpha", Range::above_to(0.0, 1.0), "0.5", "the part of the way", "0.8"),
            ],
        },
    ],
};

pub(super) const PLATEAU: Key = Key {
    name: "plateau",
    kind: Kind::Table {
        keys: &[
            Key {
                name: "patience",
                kind: Kind::Integer { min: 0, max: 1_000_000_000 },
                default: Default::Required,
                meaning: "how many epochs in a row may be no better",
                example: "5",
                sources: &[],
            },
            number("factor", Range::open(0.0, 1.0), "0.1", "what the learning rate is multiplied by", "0.5"),
            Key {
                name: "metric",
                kind: Kind::Word(&[
                    ("loss", "the loss; smaller is better"),
                    ("accuracy", "the share that is classified right; larger is better"),
                ]),
                default: Default::Is("\"loss\""),
                meaning: "what is watched, on the validation part where there is one",
                example: "\"accuracy\"",
                sources: &[],
            },
            number(
                "threshold",
                Range::at_least(0.0),
                "1e-4",
                "by which share a value must be better to count",
                "1e-3",
            ),
            Key {
                name: "cooldown",
                kind: Kind::Integer { min: 0, max: 1_000_000_000 },
                default: Default::Is("0"),
                meaning: "how many epochs after a change are not judged",
                example: "2",
                sources: &[],
            },
            number("lr_min", Range::at_least(0.0), "0.0", "the smallest learning rate", "1e-5"),
        ],
        short: "patience",
    },
    default: Default::Absent("the schedule alone decides"),
    meaning: "lowers the learning rate when progress stops",
    example: "{ patience = 5, factor = 0.5 }",
    sources: &[],
};

pub(super) const GROUPS: Key = Key {
    name: "groups",
    kind: Kind::List { of: &GROUP, min: 1, max: 1000 },
    default: Default::Absent("all weights are treated alike"),
    meaning: "other settings for the weights whose names fit: `match` (`*` stands for any characters, `?` for one), `lr` \
              (the factor of the learning rate) and `weight_decay`; a later one wins",
    example: "[{ match = \"*.bias\", weight_decay = 0.0 }]",
    sources: &[],
};

static GROUP: Kind = Kind::Table {
    keys: &[
        Key {
            name: "match",
            kind: Kind::Text,
            default: Default::Required,
            meaning: "the pattern that the names of the weights fit",
            example: "\"*.bias\"",
            sources: &[],
        },
        Key {
            name: "lr",
            kind: Kind::Number(Range::at_least(0.0)),
            default: Default::Is("1.0"),
            meaning: "the factor of the learning rate",
            example: "0.1",
            sources: &[],
        },
        Key {
            name: "weight_decay",
            kind: Kind::Number(Range::at_least(0.0)),
            default: Default::Absent("that of the optimizer"),
            meaning: "the weight decay",
            example: "0.0",
            sources: &[],
        },
    ],
    short: "match",
};
