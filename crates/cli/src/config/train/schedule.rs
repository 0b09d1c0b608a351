//! `train.schedule`, typed.

use serde::Serialize;

use crate::config::check::Table;

/// How the learning rate changes over the run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Schedule {
    Constant,
    Step { every: u64, factor: f64, unit: Unit },
    Exponential { factor: f64, unit: Unit },
    Cosine { lr_min: f64 },
    OneCycle { pct_start: f64, div_factor: f64, final_div_factor: f64 },
    Linear { lr_min: f64 },
    Polynomial { power: f64, lr_min: f64 },
    MultiStep { milestones: Vec<u64>, factor: f64, unit: Unit },
    InverseTime { rate: f64, unit: Unit },
    InverseSqrt { warmup_length: u64, unit: Unit },
    CosineRestarts { first: u64, growth: u64, lr_min: f64, unit: Unit },
    Cyclic { up: u64, down: Option<u64>, lr_min: f64, height: Height, gamma: f64, unit: Unit },
    Warmup { length: u64, unit: Unit, then: Box<Schedule> },
    Hold { length: u64, unit: Unit, then: Box<Schedule> },
}

/// How the height of cycles changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Height {
    Triangular,
    Triangular2,
    ExpRange,
}

/// What the lengths of a schedule count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unit {
    Epochs,
    Steps,
}

impl Schedule {
    pub(super) fn new((name, t): (&'static str, &Table)) -> Schedule {
        let unit = || if t.text("unit") == "epochs" { Unit::Epochs } else { Unit::Steps };
        let then = || Box::new(Schedule::new(t.choice("then")));
        let lr_min = || t.number("lr_min");
        match name {
            "constant" => Schedule::Constant,
            "step" => Schedule::Step { every: t.integer("every"), factor: t.number("factor"), unit: unit() },
            "exponential" => Schedule::Exponential { factor: t.number("factor"), unit: unit() },
            "cosine" => Schedule::Cosine { lr_min: lr_min() },
            "one-cycle" => Schedule::OneCycle {
                pct_start: t.number("pct_start"),
                div_factor: t.number("div_factor"),
                final_div_factor: t.number("final_div_factor"),
            },
            "linear" => Schedule::Linear { lr_min: lr_min() },
            "polynomial" => Schedule::Polynomial { power: t.number("power"), lr_min: lr_min() },
            "multi-step" => Schedule::MultiStep {
                milestones: t.list("milestones").iter().map(|item| item.value.integer()).collect(),
                factor: t.number("factor"),
                unit: unit(),
            },
            "inverse-time" => Schedule::InverseTime { rate: t.number("rate"), unit: unit() },
            "inverse-sqrt" => {
                Schedule::InverseSqrt { warmup_length: t.integer("warmup_length"), unit: unit() }
            }
            "cosine-restarts" => Schedule::CosineRestarts {
                first: t.integer("first"),
                growth: t.integer("growth"),
                lr_min: lr_min(),
                unit: unit(),
            },
            "cyclic" => Schedule::Cyclic {
                up: t.integer("up"),
                down: t.integer_if("down"),
                lr_min: lr_min(),
                height: match t.text("height") {
                    "triangular" => Height::Triangular,
                    "triangular2" => Height::Triangular2,
                    _ => Height::ExpRange,
                },
                gamma: t.number("gamma"),
                unit: unit(),
            },
            "warmup" => Schedule::Warmup { length: t.integer("length"), unit: unit(), then: then() },
            "hold" => Schedule::Hold { length: t.integer("length"), unit: unit(), then: then() },
            other => panic!("bug: schedule {other}"),
        }
    }

    /// The rate to which it falls, where that is said.
    pub(crate) fn lr_min(&self) -> Option<f64> {
        match self {
            Schedule::Cosine { lr_min }
            | Schedule::Linear { lr_min }
            | Schedule::Polynomial { lr_min, .. }
            | Schedule::CosineRestarts { lr_min, .. }
            | Schedule::Cyclic { lr_min, .. } => Some(*lr_min),
            _ => None,
        }
    }
}
