//! `[train]`, typed.

mod optimizer;
mod schedule;
mod step;

use serde::Serialize;
use talweg::tensor::{ConvAlgorithm, set_convolution};

pub(crate) use optimizer::{MuonScale, Optimizer};
pub(crate) use schedule::{Height, Schedule, Unit};
pub(crate) use step::{Average, Clip, Group, Plateau, Sam};

use super::check::{Table, Value};

/// How the network learns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Train {
    pub(crate) loss: Loss,
    pub(crate) optimizer: Optimizer,
    pub(crate) schedule: Schedule,
    pub(crate) l1: f64,
    pub(crate) l2: f64,
    /// One at most.
    pub(crate) clip: Vec<Clip>,
    pub(crate) groups: Vec<Group>,
    pub(crate) average: Option<Average>,
    pub(crate) plateau: Option<Plateau>,
    pub(crate) sam: Option<Sam>,
    pub(crate) epochs: Option<u64>,
    pub(crate) iterations: Option<u64>,
    /// The whole training part where absent.
    pub(crate) batch_size: Option<usize>,
    /// Into how many parts a batch is cut.
    pub(crate) accumulate: usize,
    pub(crate) early_stopping: Option<EarlyStopping>,
    pub(crate) convergence: Option<Convergence>,
    pub(crate) seed: u64,
    pub(crate) threads: Option<usize>,
    pub(crate) precision: Precision,
    pub(crate) convolution: Option<String>,
    pub(crate) capture: bool,
    pub(crate) anomaly: bool,
    pub(crate) workers: usize,
    /// In steps.
    pub(crate) checkpoint_every: Option<u64>,
    pub(crate) log_every: u64,
    pub(crate) run_dir: Option<String>,
}

/// How exactly matrix products are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Precision {
    F32,
    Bf16,
}

/// What is made small.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Loss {
    CrossEntropy { label_smoothing: f64, class_weights: Option<Vec<f64>> },
    Mse,
    Bce,
    BceWithLogits { pos_weight: f64 },
}

/// When to give up on the validation part.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct EarlyStopping {
    pub(crate) patience: u64,
    pub(crate) metric: Metric,
    pub(crate) min_delta: f64,
}

/// What early stopping and plateaus watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Metric {
    Loss,
    Accuracy,
}

impl Metric {
    fn new(word: &str) -> Metric {
        if word == "accuracy" { Metric::Accuracy } else { Metric::Loss }
    }
}

/// When the training loss counts as settled.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Convergence {
    pub(crate) tolerance: f64,
    pub(crate) patience: u64,
}

impl Train {
    /// What holds for the whole process: threads, and how convolutions are computed.
    pub(crate) fn set_up(&self) {
        if let Some(threads) = self.threads {
            talweg::set_threads(threads);
        }
        if let Some(name) = &self.convolution {
            let algorithm =
                ConvAlgorithm::from_name(name).unwrap_or_else(|| panic!("bug: convolution {name}"));
            set_convolution(algorithm);
        }
    }

    pub(super) fn new(table: &Table) -> Train {
        Train {
            loss: Loss::new(table),
            optimizer: Optimizer::new(table),
            schedule: Schedule::new(table.choice("schedule")),
            l1: table.number("l1"),
            l2: table.number("l2"),
            clip: Clip::all(table),
            groups: Group::all(table),
            average: Average::new(table),
            plateau: Plateau::new(table),
            sam: Sam::new(table),
            epochs: table.integer_if("epochs"),
            iterations: table.integer_if("iterations"),
            batch_size: match &table.get("batch_size").expect("bug: batch_size").value {
                Value::Text(_) => None,
                value => Some(value.integer() as usize),
            },
            accumulate: table.integer("accumulate") as usize,
            early_stopping: table.get("early_stopping").map(|_| {
                let table = table.table("early_stopping");
                EarlyStopping {
                    patience: table.integer("patience"),
                    metric: Metric::new(table.text("metric")),
                    min_delta: table.number("min_delta"),
                }
            }),
            convergence: table.get("convergence").map(|_| {
                let table = table.table("convergence");
                Convergence { tolerance: table.number("tolerance"), patience: table.integer("patience") }
            }),
            seed: table.integer("seed"),
            threads: table.integer_if("threads").map(|n| n as usize),
            precision: if table.text("precision") == "bf16" { Precision::Bf16 } else { Precision::F32 },
            convolution: table.text_if("convolution").map(str::to_owned),
            capture: table.bool("capture"),
            anomaly: table.bool("anomaly"),
            workers: table.integer("workers") as usize,
            checkpoint_every: table.integer_if("checkpoint_every"),
            log_every: table.integer("log_every"),
            run_dir: table.text_if("run_dir").map(str::to_owned),
        }
    }
}

impl Loss {
    fn new(table: &Table) -> Loss {
        let (name, settings) = table.choice("loss");
        match name {
            "cross-entropy" => Loss::CrossEntropy {
                label_smoothing: settings.number("label_smoothing"),
                class_weights: settings.get("class_weights").map(|_| numbers(settings.list("class_weights"))),
            },
            "mse" => Loss::Mse,
            "bce" => Loss::Bce,
            "bce-with-logits" => Loss::BceWithLogits { pos_weight: settings.number("pos_weight") },
            other => panic!("bug: loss {other}"),
        }
    }
}

fn numbers(items: &[super::check::Item]) -> Vec<f64> {
    items.iter().map(|item| item.value.number()).collect()
}
