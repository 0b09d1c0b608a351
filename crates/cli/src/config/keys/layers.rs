//! The layers that `model.layers` may name, and their settings.

use crate::config::schema::{Choice, Default, Key, Kind, Range, Variant};

pub(crate) static LAYERS: Choice = Choice {
    what: "layer",
    variants: &[
        Variant {
            name: "linear",
            meaning: "every output is a weighted sum of all inputs plus a bias: y = x Wᵀ + b; takes [features]",
            main: Some("units"),
            keys: &[
                Key {
                    name: "units",
                    kind: Kind::Either(&[
                        SIZE,
                        Kind::Word(&[("classes", "one output per class of the data")]),
                    ]),
                    default: Default::Required,
                    meaning: "the number of outputs, or \"classes\" for one per class of the data",
                    example: "128",
                    sources: &[],
                },
                BIAS,
                ACTIVATION,
            ],
        },
        Variant {
            name: "conv2d",
            meaning: "slides filters over a picture; takes [channels, height, width]",
            main: Some("channels"),
            keys: &[
                Key {
                    name: "channels",
                    kind: SIZE,
                    default: Default::Required,
                    meaning: "the number of filters, which is the number of output channels",
                    example: "32",
                    sources: &[],
                },
                Key {
                    name: "kernel",
                    kind: PAIR,
                    default: Default::Required,
                    meaning: "the filter's height and width: one number for both, or two",
                    example: "3",
                    sources: &[],
                },
                stride(Default::Is("1")),
                Key {
                    name: "padding",
                    kind: Kind::Either(&[
                        PAIR_0,
                        Kind::Word(&[("same", "the output is as large as the input")]),
                    ]),
                    default: Default::Is("0"),
                    meaning: "rows and columns of zeros around the picture; \"same\" keeps its size (stride 1 only)",
                    example: "\"same\"",
                    sources: &[],
                },
                Key {
                    name: "dilation",
                    kind: PAIR,
                    default: Default::Is("1"),
                    meaning: "the distance between neighbouring taps of the filter",
                    example: "2",
                    sources: &[],
                },
                Key {
                    name: "groups",
                    kind: SIZE,
                    default: Default::Is("1"),
                    meaning: "splits the channels into so many groups that do not see each other",
                    example: "32",
                    sources: &[],
                },
                BIAS,
                ACTIVATION,
            ],
        },
        Variant {
            name: "max_pool2d",
            meaning: "the largest value of each window; takes [channels, height, width]",
            main: Some("window"),
            keys: &[WINDOW, stride(WINDOW_STRIDE), POOL_PADDING],
        },
        Variant {
            name: "avg_pool2d",
            meaning: "the mean of each window; takes [channels, height, width]",
            main: Some("window"),
            keys: &[
                WINDOW,
                stride(WINDOW_STRIDE),
                POOL_PADDING,
                Key {
                    name: "count_include_pad",
                    kind: Kind::Bool,
                    default: Default::Is("true"),
                    meaning: "whether the padding's zeros count in the mean",
                    example: "false",
                    sources: &[],
                },
            ],
        },
        Variant {
            name: "flatten",
            meaning: "makes one long row of a picture: [channels, height, width] becomes [features]",
            main: None,
            keys: &[],
        },
        Variant {
            name: "dropout",
            meaning: "in training, sets each value to 0 with probability p and divides the rest by 1 - p",
            main: Some("p"),
            keys: &[Key {
                name: "p",
                kind: Kind::Number(Range::below(0.0, 1.0)),
                default: Default::Is("0.5"),
                meaning: "the probability",
                example: "0.25",
                sources: &[],
            }],
        },
        Variant {
            name: "batch_norm1d",
            meaning: "per feature: mean 0 and variance 1 over the batch, then scale and shift; takes [features]",
            main: None,
            keys: &[EPS, MOMENTUM, AFFINE],
        },
        Variant {
            name: "batch_norm2d",
            meaning: "the same per channel; takes [channels, height, width]",
            main: None,
            keys: &[EPS, MOMENTUM, AFFINE],
        },
        Variant {
            name: "layer_norm",
            meaning: "per example: mean 0 and variance 1 over the last axis, then scale and shift",
            main: None,
            keys: &[EPS, AFFINE],
        },
        Variant { name: "relu", meaning: RELU.1, main: None, keys: &[] },
        Variant { name: "sigmoid", meaning: SIGMOID.1, main: None, keys: &[] },
        Variant { name: "tanh", meaning: TANH.1, main: None, keys: &[] },
        Variant { name: "gelu", meaning: GELU.1, main: None, keys: &[] },
        Variant {
            name: "softmax",
            meaning: "exp(x) divided by its sum over the last axis: probabilities; not before `cross-entropy`, \
                      which does this itself",
            main: None,
            keys: &[],
        },
    ],
};

const RELU: (&str, &str) = ("relu", "max(x, 0)");
const SIGMOID: (&str, &str) = ("sigmoid", "1/(1 + exp(-x)), between 0 and 1");
const TANH: (&str, &str) = ("tanh", "the hyperbolic tangent, between -1 and 1");
const GELU: (&str, &str) = ("gelu", "x Φ(x), with the normal distribution function Φ");

/// Larger sizes are slips: a single layer of them would not fit any memory.
const SIZE: Kind = Kind::Integer { min: 1, max: 1_000_000_000 };
const EDGE: Kind = Kind::Integer { min: 1, max: 4096 };
const EDGE_0: Kind = Kind::Integer { min: 0, max: 4096 };
const PAIR: Kind = Kind::Either(&[EDGE, Kind::List { of: &EDGE, min: 2, max: 2 }]);
const PAIR_0: Kind = Kind::Either(&[EDGE_0, Kind::List { of: &EDGE_0, min: 2, max: 2 }]);

const ACTIVATION: Key = Key {
    name: "activation",
    kind: Kind::Word(&[RELU, SIGMOID, TANH, GELU]),
    default: Default::Absent("the sums go on as they are"),
    meaning: "the function that the outputs go through, short for a layer of its own",
    example: "\"relu\"",
    sources: &[],
};

const BIAS: Key = Key {
    name: "bias",
    kind: Kind::Bool,
    default: Default::Is("true"),
    meaning: "whether a learnt number is added to each output",
    example: "false",
    sources: &[],
};

const WINDOW: Key = Key {
    name: "window",
    kind: PAIR,
    default: Default::Required,
    meaning: "the window's height and width: one number for both, or two",
    example: "2",
    sources: &[],
};

const WINDOW_STRIDE: Default = Default::Absent("as large as the window");

const fn stride(default: Default) -> Key {
    Key {
        name: "stride",
        kind: PAIR,
        default,
        meaning: "the step from one window to the next: one number for both directions, or two",
        example: "2",
        sources: &[],
    }
}

const POOL_PADDING: Key = Key {
    name: "padding",
    kind: PAIR_0,
    default: Default::Is("0"),
    meaning: "rows and columns added around the picture, at most half a window",
    example: "1",
    sources: &[],
};

const EPS: Key = Key {
    name: "eps",
    kind: Kind::Number(Range::above_to(0.0, 1.0)),
    default: Default::Is("1e-5"),
    meaning: "added to the variance, so that nothing is divided by 0",
    example: "1e-3",
    sources: &[],
};

const MOMENTUM: Key = Key {
    name: "momentum",
    kind: Kind::Number(Range::above_to(0.0, 1.0)),
    default: Default::Is("0.1"),
    meaning: "the share of the newest batch in the running mean and variance that evaluation uses",
    example: "0.05",
    sources: &[],
};

const AFFINE: Key = Key {
    name: "affine",
    kind: Kind::Bool,
    default: Default::Is("true"),
    meaning: "whether a learnt scale and shift follow",
    example: "false",
    sources: &[],
};
