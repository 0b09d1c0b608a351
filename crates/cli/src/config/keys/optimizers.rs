//! The optimizers that `train.optimizer` may name, and their settings.

use crate::config::schema::{Choice, Default, Key, Kind, Range, Variant};

pub(super) static OPTIMIZERS: Choice = Choice {
    what: "optimizer",
    variants: &[
        Variant {
            name: "sgd",
            meaning: "stochastic gradient descent: w ← w − η g, with or without momentum",
            main: Some("lr"),
            keys: &[
                lr("0.01"),
                Key {
                    name: "momentum",
                    kind: Kind::Number(Range::below(0.0, 1.0)),
                    default: Default::Is("0.0"),
                    meaning: "the share of the last step that goes on into this one",
                    example: "0.9",
                    sources: &[],
                },
                Key {
                    name: "dampening",
                    kind: Kind::Number(Range::closed(0.0, 1.0)),
                    default: Default::Is("0.0"),
                    meaning: "the share of the gradient that does not enter the momentum",
                    example: "0.1",
                    sources: &[],
                },
                Key {
                    name: "nesterov",
                    kind: Kind::Bool,
                    default: Default::Is("false"),
                    meaning: "looks one step of momentum ahead (needs momentum, and no dampening)",
                    example: "true",
                    sources: &[],
                },
                weight_decay("0.0", COUPLED),
            ],
        },
        Variant {
            name: "adam",
            meaning: "steps scaled by running means of the gradient and of its square",
            main: Some("lr"),
            keys: &[lr("1e-3"), BETAS, eps("1e-8"), weight_decay("0.0", COUPLED)],
        },
        Variant {
            name: "adamw",
            meaning: "adam with the weight decay taken off the weights, apart from the gradient",
            main: Some("lr"),
            keys: &[
                lr("1e-3"),
                BETAS,
                eps("1e-8"),
                weight_decay("0.01", "takes lr · weight_decay · w off each weight w"),
            ],
        },
        Variant {
            name: "rmsprop",
            meaning: "steps scaled by a running mean of the squared gradient",
            main: Some("lr"),
            keys: &[
                lr("0.01"),
                Key {
                    name: "alpha",
                    kind: Kind::Number(Range::below(0.0, 1.0)),
                    default: Default::Is("0.99"),
                    meaning: "how much of the old mean stays in each step",
                    example: "0.9",
                    sources: &[],
                },
                eps("1e-8"),
                Key {
                    name: "momentum",
                    kind: Kind::Number(Range::below(0.0, 1.0)),
                    default: Default::Is("0.0"),
                    meaning: "the share of the last step that goes on into this one",
                    example: "0.9",
                    sources: &[],
                },
                Key {
                    name: "centered",
                    kind: Kind::Bool,
                    default: Default::Is("false"),
                    meaning: "scales by the variance of the gradient instead of its mean square",
                    example: "true",
                    sources: &[],
                },
                weight_decay("0.0", COUPLED),
            ],
        },
        Variant {
            name: "adagrad",
            meaning: "steps scaled by the sum of all squared gradients so far",
            main: Some("lr"),
            keys: &[
                lr("0.01"),
                Key {
                    name: "lr_decay",
                    kind: Kind::Number(Range::at_least(0.0)),
                    default: Default::Is("0.0"),
                    meaning: "divides the learning rate by 1 + lr_decay · steps",
                    example: "1e-4",
                    sources: &[],
                },
                eps("1e-10"),
                Key {
                    name: "initial_accumulator",
                    kind: Kind::Number(Range::at_least(0.0)),
                    default: Default::Is("0.0"),
                    meaning: "where the sum of squares starts",
                    example: "0.1",
                    sources: &[],
                },
                weight_decay("0.0", COUPLED),
            ],
        },
    ],
};

const COUPLED: &str = "adds weight_decay · w to the gradient of each weight w";

const fn lr(default: &'static str) -> Key {
    Key {
        name: "lr",
        kind: Kind::Number(Range::above(0.0)),
        default: Default::Is(default),
        meaning: "the learning rate η; under a schedule, its largest value",
        example: "1e-3",
        sources: &[],
    }
}

const fn eps(default: &'static str) -> Key {
    Key {
        name: "eps",
        kind: Kind::Number(Range::above(0.0)),
        default: Default::Is(default),
        meaning: "added to the divisor, so that nothing is divided by 0",
        example: "1e-6",
        sources: &[],
    }
}

const fn weight_decay(default: &'static str, meaning: &'static str) -> Key {
    Key {
        name: "weight_decay",
        kind: Kind::Number(Range::at_least(0.0)),
        default: Default::Is(default),
        meaning,
        example: "1e-4",
        sources: &[],
    }
}

const BETAS: Key = Key {
    name: "betas",
    kind: Kind::List { of: &Kind::Number(Range::below(0.0, 1.0)), min: 2, max: 2 },
    default: Default::Is("[0.9, 0.999]"),
    meaning: "how much of the old mean of the gradient, and of its square, stays in each step",
    example: "[0.9, 0.95]",
    sources: &[],
};
