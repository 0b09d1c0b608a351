//! The optimizers that `train.optimizer` may name, and their settings.

use super::forms::{count, flag, number, pair};
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
            keys: &[lr("1e-3"), BETAS, eps("1e-8"), weight_decay("0.01", OFF_THE_WEIGHTS)],
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
        Variant {
            name: "adamax",
            meaning: "adam with the largest recent gradient in place of the mean of squares",
            main: Some("lr"),
            keys: &[lr("2e-3"), BETAS, eps("1e-8"), weight_decay("0.0", COUPLED)],
        },
        Variant {
            name: "nadam",
            meaning: "adam that looks one step of momentum ahead",
            main: Some("lr"),
            keys: &[
                lr("2e-3"),
                BETAS,
                eps("1e-8"),
                number(
                    "momentum_decay",
                    Range::at_least(0.0),
                    "4e-3",
                    "how fast the momentum grows to the first of the betas",
                    "1e-2",
                ),
                weight_decay("0.0", COUPLED),
                DECOUPLED,
            ],
        },
        Variant {
            name: "radam",
            meaning: "adam whose first steps wait until its mean of squares is reliable",
            main: Some("lr"),
            keys: &[lr("1e-3"), BETAS, eps("1e-8"), weight_decay("0.0", COUPLED), DECOUPLED],
        },
        Variant {
            name: "adadelta",
            meaning: "steps in units of their own recent size",
            main: Some("lr"),
            keys: &[
                lr("1.0"),
                number(
                    "rho",
                    Range::below(0.0, 1.0),
                    "0.9",
                    "how much of the old means stays in each step",
                    "0.95",
                ),
                eps("1e-6"),
                weight_decay("0.0", COUPLED),
            ],
        },
        Variant {
            name: "rprop",
            meaning: "a step size for each weight that grows while the gradient keeps its sign; for whole-data batches",
            main: Some("lr"),
            keys: &[
                lr("0.01"),
                pair(
                    "etas",
                    &POSITIVE,
                    "[0.5, 1.2]",
                    "the factors of a step size after a change of sign, and otherwise",
                    "[0.5, 1.1]",
                ),
                pair(
                    "step_sizes",
                    &POSITIVE,
                    "[1e-6, 50.0]",
                    "the smallest and the largest step size",
                    "[1e-6, 1.0]",
                ),
            ],
        },
        Variant {
            name: "asgd",
            meaning: "gradient descent at a falling rate; the mean of the weights is what is evaluated and saved",
            main: Some("lr"),
            keys: &[
                lr("0.01"),
                number(
                    "lambd",
                    Range::at_least(0.0),
                    "1e-4",
                    "the decay of the weights and of the rate",
                    "1e-3",
                ),
                number("alpha", Range::at_least(0.0), "0.75", "the power by which the rate falls", "0.6"),
                count("t0", "1000000", "the step at which averaging begins", "2000"),
                weight_decay("0.0", COUPLED),
            ],
        },
        Variant {
            name: "lion",
            meaning: "steps by the sign of a mean of gradients; wants a learning rate 3 to 10 times below adamw's",
            main: Some("lr"),
            keys: &[
                lr("1e-4"),
                pair(
                    "betas",
                    &UNIT_INTERVAL,
                    "[0.9, 0.99]",
                    "the mean's share in a step, and how much of the mean stays",
                    "[0.95, 0.98]",
                ),
                weight_decay("0.0", OFF_THE_WEIGHTS),
            ],
        },
        Variant {
            name: "lamb",
            meaning: "adamw with each layer's step in proportion to its weights; for very large batches",
            main: Some("lr"),
            keys: &[
                lr("1e-3"),
                BETAS,
                eps("1e-6"),
                weight_decay("0.0", "adds weight_decay · w to the step of each weight w"),
            ],
        },
        Variant {
            name: "lars",
            meaning: "gradient descent with each layer's step in proportion to its weights; for very large batches",
            main: Some("lr"),
            keys: &[
                lr("1.0"),
                MOMENTUM,
                flag("nesterov", "looks one step of momentum ahead"),
                number(
                    "trust",
                    Range::above(0.0),
                    "1e-3",
                    "the share of its size by which a layer moves",
                    "1e-2",
                ),
                number("eps", Range::at_least(0.0), "0.0", "added to the norm of the gradient", "1e-8"),
                weight_decay("0.0", COUPLED),
            ],
        },
        Variant {
            name: "adafactor",
            meaning: "a mean of squares by rows and columns, which takes little memory; steps relative to the weights",
            main: Some("lr"),
            keys: &[
                lr("0.01"),
                number(
                    "beta2_decay",
                    Range::closed(-1.0, 0.0),
                    "-0.8",
                    "the power by which the newest square's share falls",
                    "-0.5",
                ),
                number(
                    "eps",
                    Range::above(0.0),
                    "1e-3",
                    "the smallest size that weights are taken to have",
                    "1e-2",
                ),
                number("clip", Range::above(0.0), "1.0", "the largest root mean square of a step", "2.0"),
                weight_decay("0.0", OFF_THE_WEIGHTS),
            ],
        },
        Variant {
            name: "muon",
            meaning: "momentum brought near an orthogonal matrix for each weight matrix; adamw for all other weights",
            main: Some("lr"),
            keys: &[
                lr("0.02"),
                number(
                    "momentum",
                    Range::below(0.0, 1.0),
                    "0.95",
                    "how much of the old mean of gradients stays in each step",
                    "0.9",
                ),
                Key {
                    default: Default::Is("true"),
                    example: "false",
                    ..flag("nesterov", "counts the newest gradient twice")
                },
                Key {
                    name: "scale",
                    kind: Kind::Word(&[
                        ("original", "√max(1, outputs / inputs)"),
                        ("adamw", "0.2 √max(outputs, inputs): learning rates of adamw fit"),
                        ("spectral", "√(outputs / inputs)"),
                    ]),
                    default: Default::Is("\"original\""),
                    meaning: "the factor of the step by the matrix's shape",
                    example: "\"adamw\"",
                    sources: &[],
                },
                number(
                    "others_lr",
                    Range::above(0.0),
                    "0.1",
                    "the factor of the learning rate for weights that are no matrices",
                    "0.05",
                ),
                weight_decay("0.1", OFF_THE_WEIGHTS),
            ],
        },
        Variant {
            name: "schedule-free-sgd",
            meaning: "gradient descent with an average that needs no falling rate; the average is evaluated and saved",
            main: Some("lr"),
            keys: &[lr("1.0"), BETA, weight_decay("0.0", COUPLED)],
        },
        Variant {
            name: "schedule-free-adamw",
            meaning: "adamw with an average that needs no falling rate; the average is evaluated and saved",
            main: Some("lr"),
            keys: &[
                lr("2.5e-3"),
                pair(
                    "betas",
                    &INSIDE,
                    "[0.9, 0.999]",
                    "how near the trained weights are to the average, and how much of the mean of squares stays",
                    "[0.95, 0.99]",
                ),
                eps("1e-8"),
                weight_decay("0.0", "adds weight_decay · w to the step of each weight w"),
            ],
        },
    ],
};

const COUPLED: &str = "adds weight_decay · w to the gradient of each weight w";
const OFF_THE_WEIGHTS: &str = "takes lr · weight_decay · w off each weight w";

static POSITIVE: Kind = Kind::Number(Range::above(0.0));
static UNIT_INTERVAL: Kind = Kind::Number(Range::below(0.0, 1.0));
static INSIDE: Kind = Kind::Number(Range::open(0.0, 1.0));

const MOMENTUM: Key = number(
    "momentum",
    Range::below(0.0, 1.0),
    "0.9",
    "the share of the last step that goes on into this one",
    "0.95",
);
const DECOUPLED: Key =
    flag("decoupled", "takes the decay off the weights, apart from the gradient, as adamw does");
const BETA: Key =
    number("beta", Range::open(0.0, 1.0), "0.9", "how near the trained weights are to the average", "0.95");

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
