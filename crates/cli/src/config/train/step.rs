//! How a step is made of gradients, and what is made of the weights on their way, typed.

use serde::Serialize;

use super::Metric;
use crate::config::check::{Table, Value};

/// How gradients are limited.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Clip {
    Norm(f64),
    Value(f64),
    Adaptive(f64),
}

/// Other settings for some weights.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Group {
    pub(crate) pattern: String,
    pub(crate) lr: f64,
    pub(crate) weight_decay: Option<f64>,
}

/// What is made of the weights that the optimizer passes through.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Average {
    Ema {
        decay: f64,
    },
    /// In epochs.
    Swa {
        start: u64,
        every: u64,
    },
    Lookahead {
        every: u64,
        alpha: f64,
    },
}

/// When the learning rate falls by a score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Plateau {
    pub(crate) patience: u64,
    pub(crate) factor: f64,
    pub(crate) metric: Metric,
    pub(crate) threshold: f64,
    pub(crate) cooldown: u64,
    pub(crate) lr_min: f64,
}

/// Gradients at the worst point nearby.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Sam {
    pub(crate) rho: f64,
    pub(crate) adaptive: bool,
}

impl Clip {
    /// Those that are asked for; more than one is refused.
    pub(super) fn all(table: &Table) -> Vec<Clip> {
        let [norm, value, adaptive] =
            ["clip_norm", "clip_value", "clip_adaptive"].map(|key| table.number_if(key));
        [norm.map(Clip::Norm), value.map(Clip::Value), adaptive.map(Clip::Adaptive)]
            .into_iter()
            .flatten()
            .collect()
    }
}

impl Group {
    pub(super) fn all(table: &Table) -> Vec<Group> {
        if table.get("groups").is_none() {
            return Vec::new();
        }
        let group = |table: &Table| Group {
            pattern: table.text("match").to_owned(),
            lr: table.number("lr"),
            weight_decay: table.number_if("weight_decay"),
        };
        let groups = table.list("groups").iter().map(|item| match &item.value {
            Value::Table(table) => group(table),
            other => panic!("bug: group {other:?}"),
        });
        groups.collect()
    }
}

impl Average {
    pub(super) fn new(table: &Table) -> Option<Average> {
        table.get("average")?;
        let (name, t) = table.choice("average");
        Some(match name {
            "ema" => Average::Ema { decay: t.number("decay") },
            "swa" => Average::Swa { start: t.integer("start"), every: t.integer("every") },
            "lookahead" => Average::Lookahead { every: t.integer("every"), alpha: t.number("alpha") },
            other => panic!("bug: average {other}"),
        })
    }
}

impl Plateau {
    pub(super) fn new(table: &Table) -> Option<Plateau> {
        table.get("plateau")?;
        let t = table.table("plateau");
        Some(Plateau {
            patience: t.integer("patience"),
            factor: t.number("factor"),
            metric: Metric::new(t.text("metric")),
            threshold: t.number("threshold"),
            cooldown: t.integer("cooldown"),
            lr_min: t.number("lr_min"),
        })
    }
}

impl Sam {
    pub(super) fn new(table: &Table) -> Option<Sam> {
        table.get("sam")?;
        let t = table.table("sam");
        Some(Sam { rho: t.number("rho"), adaptive: t.bool("adaptive") })
    }
}
