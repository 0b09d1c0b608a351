//! The keys of `[model]`.

use super::layers::LAYERS;
use crate::config::schema::{Choice, Default, Group, Key, Kind, Range, Variant};

pub(super) static MODEL: Group = Group {
    name: "model",
    meaning: "The network: its layers from input to output. Input sizes are worked out from the data.",
    keys: &[
        Key {
            name: "layers",
            kind: Kind::List { of: &Kind::Choice(&LAYERS), min: 1, max: usize::MAX },
            default: Default::Required,
            meaning: "the layers in order; `linear = \"classes\"` has one output per class of the data",
            example: "[\"flatten\", { linear = 128, activation = \"relu\" }, { linear = \"classes\" }]",
            sources: &[],
        },
        Key {
            name: "init",
            kind: Kind::Choice(&INITS),
            default: Default::Is("\"pytorch\""),
            meaning: "how the weights of linear and convolution layers start; all but `pytorch` start biases at 0",
            example: "\"kaiming_normal\"",
            sources: &[],
        },
    ],
};

pub(super) static INITS: Choice = Choice {
    what: "initialiser",
    variants: &[
        Variant {
            name: "pytorch",
            meaning: "uniform in ±1/√fan_in, biases too: what PyTorch does when nothing else is asked for",
            main: None,
            keys: &[],
        },
        Variant {
            name: "xavier_uniform",
            meaning: "uniform in ±√(6/(fan_in + fan_out)): keeps the variance level with tanh and sigmoid",
            main: None,
            keys: &[],
        },
        Variant {
            name: "xavier_normal",
            meaning: "normal with variance 2/(fan_in + fan_out)",
            main: None,
            keys: &[],
        },
        Variant {
            name: "kaiming_uniform",
            meaning: "uniform in ±√(6/fan_in): keeps the variance level with relu",
            main: None,
            keys: &[],
        },
        Variant { name: "kaiming_normal", meaning: "normal with variance 2/fan_in", main: None, keys: &[] },
        Variant {
            name: "normal",
            meaning: "normal with mean 0 and a standard deviation of your choice",
            main: Some("std"),
            keys: &[Key {
                name: "std",
                kind: Kind::Number(Range::above(0.0)),
                default: Default::Required,
                meaning: "the standard deviation",
                example: "0.02",
                sources: &[],
            }],
        },
        Variant {
            name: "uniform",
            meaning: "uniform between two bounds of equal size",
            main: Some("bound"),
            keys: &[Key {
                name: "bound",
                kind: Kind::Number(Range::above(0.0)),
                default: Default::Required,
                meaning: "weights lie in ±bound",
                example: "0.1",
                sources: &[],
            }],
        },
    ],
};
