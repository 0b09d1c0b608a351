//! `train.optimizer`, typed.

use serde::Serialize;

use super::numbers;
use crate::config::check::Table;

/// The rule that changes the weights.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Optimizer {
    Sgd {
        lr: f64,
        momentum: f64,
        dampening: f64,
        nesterov: bool,
        weight_decay: f64,
    },
    Adam {
        lr: f64,
        betas: [f64; 2],
        eps: f64,
        weight_decay: f64,
    },
    AdamW {
        lr: f64,
        betas: [f64; 2],
        eps: f64,
        weight_decay: f64,
    },
    RmsProp {
        lr: f64,
        alpha: f64,
        eps: f64,
        momentum: f64,
        centered: bool,
        weight_decay: f64,
    },
    Adagrad {
        lr: f64,
        lr_decay: f64,
        eps: f64,
        initial_accumulator: f64,
        weight_decay: f64,
    },
    Adamax {
        lr: f64,
        betas: [f64; 2],
        eps: f64,
        weight_decay: f64,
    },
    NAdam {
        lr: f64,
        betas: [f64; 2],
        eps: f64,
        momentum_decay: f64,
        weight_decay: f64,
        decoupled: bool,
    },
    RAdam {
        lr: f64,
        betas: [f64; 2],
        eps: f64,
        weight_decay: f64,
        decoupled: bool,
    },
    Adadelta {
        lr: f64,
        rho: f64,
        eps: f64,
        weight_decay: f64,
    },
    Rprop {
        lr: f64,
        etas: [f64; 2],
        step_sizes: [f64; 2],
    },
    Asgd {
        lr: f64,
        lambd: f64,
        alpha: f64,
        t0: u64,
        weight_decay: f64,
    },
    Lion {
        lr: f64,
        betas: [f64; 2],
        weight_decay: f64,
    },
    Lamb {
        lr: f64,
        betas: [f64; 2],
        eps: f64,
        weight_decay: f64,
    },
    Lars {
        lr: f64,
        momentum: f64,
        nesterov: bool,
        trust: f64,
        eps: f64,
        weight_decay: f64,
    },
    Adafactor {
        lr: f64,
        beta2_decay: f64,
        eps: f64,
        clip: f64,
        weight_decay: f64,
    },
    Muon {
        lr: f64,
        momentum: f64,
        nesterov: bool,
        scale: MuonScale,
        others_lr: f64,
        weight_decay: f64,
    },
    #[serde(rename = "schedule-free-sgd")]
    ScheduleFreeSgd {
        lr: f64,
        beta: f64,
        weight_decay: f64,
    },
    #[serde(rename = "schedule-free-adamw")]
    ScheduleFreeAdamW {
        lr: f64,
        betas: [f64; 2],
        eps: f64,
        weight_decay: f64,
    },
}

/// The factor of Muon's step by the matrix's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MuonScale {
    Original,
    AdamW,
    Spectral,
}

impl Optimizer {
    pub(super) fn new(table: &Table) -> Optimizer {
        let (name, t) = table.choice("optimizer");
        let (lr, weight_decay) = (t.number("lr"), t.number_if("weight_decay").unwrap_or(0.0));
        let (betas, eps) = (|| pair(t, "betas"), || t.number("eps"));
        match name {
            "sgd" => Optimizer::Sgd {
                lr,
                momentum: t.number("momentum"),
                dampening: t.number("dampening"),
                nesterov: t.bool("nesterov"),
                weight_decay,
            },
            "adam" => Optimizer::Adam { lr, betas: betas(), eps: eps(), weight_decay },
            "adamw" => Optimizer::AdamW { lr, betas: betas(), eps: eps(), weight_decay },
            "rmsprop" => Optimizer::RmsProp {
                lr,
                alpha: t.number("alpha"),
                eps: eps(),
                momentum: t.number("momentum"),
                centered: t.bool("centered"),
                weight_decay,
            },
            "adagrad" => Optimizer::Adagrad {
                lr,
                lr_decay: t.number("lr_decay"),
                eps: eps(),
                initial_accumulator: t.number("initial_accumulator"),
                weight_decay,
            },
            "adamax" => Optimizer::Adamax { lr, betas: betas(), eps: eps(), weight_decay },
            "radam" => {
                let decoupled = t.bool("decoupled");
                Optimizer::RAdam { lr, betas: betas(), eps: eps(), weight_decay, decoupled }
            }
            "lamb" => Optimizer::Lamb { lr, betas: betas(), eps: eps(), weight_decay },
            "lion" => Optimizer::Lion { lr, betas: betas(), weight_decay },
            "schedule-free-sgd" => Optimizer::ScheduleFreeSgd { lr, beta: t.number("beta"), weight_decay },
            "schedule-free-adamw" => {
                Optimizer::ScheduleFreeAdamW { lr, betas: betas(), eps: eps(), weight_decay }
            }
            _ => Optimizer::with_own_settings(name, t, lr, weight_decay),
        }
    }

    /// Those whose settings are their own.
    fn with_own_settings(name: &str, t: &Table, lr: f64, weight_decay: f64) -> Optimizer {
        match name {
            "nadam" => Optimizer::NAdam {
                lr,
                betas: pair(t, "betas"),
                eps: t.number("eps"),
                momentum_decay: t.number("momentum_decay"),
                weight_decay,
                decoupled: t.bool("decoupled"),
            },
            "adadelta" => {
                Optimizer::Adadelta { lr, rho: t.number("rho"), eps: t.number("eps"), weight_decay }
            }
            "rprop" => Optimizer::Rprop { lr, etas: pair(t, "etas"), step_sizes: pair(t, "step_sizes") },
            "asgd" => Optimizer::Asgd {
                lr,
                lambd: t.number("lambd"),
                alpha: t.number("alpha"),
                t0: t.integer("t0"),
                weight_decay,
            },
            "lars" => Optimizer::Lars {
                lr,
                momentum: t.number("momentum"),
                nesterov: t.bool("nesterov"),
                trust: t.number("trust"),
                eps: t.number("eps"),
                weight_decay,
            },
            "adafactor" => Optimizer::Adafactor {
                lr,
                beta2_decay: t.number("beta2_decay"),
                eps: t.number("eps"),
                clip: t.number("clip"),
                weight_decay,
            },
            "muon" => Optimizer::Muon {
                lr,
                momentum: t.number("momentum"),
                nesterov: t.bool("nesterov"),
                scale: match t.text("scale") {
                    "original" => MuonScale::Original,
                    "adamw" => MuonScale::AdamW,
                    _ => MuonScale::Spectral,
                },
                others_lr: t.number("others_lr"),
                weight_decay,
            },
            other => panic!("bug: optimizer {other}"),
        }
    }

    /// The learning rate; under a schedule, its largest value.
    pub(crate) fn lr(&self) -> f64 {
        match self {
            Optimizer::Sgd { lr, .. }
            | Optimizer::Adam { lr, .. }
            | Optimizer::AdamW { lr, .. }
            | Optimizer::RmsProp { lr, .. }
            | Optimizer::Adagrad { lr, .. }
            | Optimizer::Adamax { lr, .. }
            | Optimizer::NAdam { lr, .. }
            | Optimizer::RAdam { lr, .. }
            | Optimizer::Adadelta { lr, .. }
            | Optimizer::Rprop { lr, .. }
            | Optimizer::Asgd { lr, .. }
            | Optimizer::Lion { lr, .. }
            | Optimizer::Lamb { lr, .. }
            | Optimizer::Lars { lr, .. }
            | Optimizer::Adafactor { lr, .. }
            | Optimizer::Muon { lr, .. }
            | Optimizer::ScheduleFreeSgd { lr, .. }
            | Optimizer::ScheduleFreeAdamW { lr, .. } => *lr,
        }
    }

    /// How many numbers it keeps for each weight, at most.
    pub(crate) fn slots(&self) -> u64 {
        match self {
            Optimizer::Sgd { momentum, .. } => u64::from(*momentum > 0.0),
            Optimizer::RmsProp { momentum, centered, .. } => {
                1 + u64::from(*momentum > 0.0) + u64::from(*centered)
            }
            // Rows and columns of a matrix; a whole number only for biases.
            Optimizer::Adafactor { .. } => 0,
            Optimizer::Adagrad { .. }
            | Optimizer::Asgd { .. }
            | Optimizer::Lion { .. }
            | Optimizer::Lars { .. }
            | Optimizer::Muon { .. }
            | Optimizer::ScheduleFreeSgd { .. } => 1,
            Optimizer::Adam { .. }
            | Optimizer::AdamW { .. }
            | Optimizer::Adamax { .. }
            | Optimizer::NAdam { .. }
            | Optimizer::RAdam { .. }
            | Optimizer::Adadelta { .. }
            | Optimizer::Rprop { .. }
            | Optimizer::Lamb { .. }
            | Optimizer::ScheduleFreeAdamW { .. } => 2,
        }
    }
}

fn pair(t: &Table, key: &str) -> [f64; 2] {
    let numbers = numbers(t.list(key));
    [numbers[0], numbers[1]]
}
