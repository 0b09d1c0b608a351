//! The column to predict.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::cell::{Cells, is_numeric};
use super::column::{Scale, unknown};
use super::{Missing, PreprocessingOptions, Task};
use crate::error::DataError;

/// The column that the model predicts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The name in the header, or `column N`.
    pub name: String,
    /// The position in the training table, counted from 0.
    pub position: usize,
    /// Classes or a number.
    pub kind: TargetKind,
}

/// What the target is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum TargetKind {
    /// One of these classes: sorted as numbers where all are numbers, else as text.
    Classes(Vec<String>),
    /// A number, and how it is scaled.
    Number(Scale),
}

/// The targets of encoded rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    /// Indices of classes.
    Classes(Vec<i64>),
    /// Scaled numbers.
    Numbers(Vec<f32>),
}

/// Without another word, so many different whole numbers at most are taken for classes.
const MOST_NUMBERED_CLASSES: usize = 20;

/// The most classes that a target may have: beyond it, a model's last layer would hardly fit in memory.
const MOST_CLASSES: usize = 100_000;

impl Target {
    pub(super) fn fit(
        cells: &Cells<'_>,
        rows: &[usize],
        position: usize,
        options: &PreprocessingOptions,
    ) -> Result<Self, DataError> {
        let mut texts = BTreeSet::new();
        for &row in rows {
            texts.insert(present(cells, row, position, options.missing)?);
        }
        let kind = match is_classification(&texts, options.task) {
            true => TargetKind::Classes(classes(cells, position, texts)?),
            false => {
                let numbers = numbers(cells, rows, position)?;
                TargetKind::Number(Scale::fit(&numbers, options.standardise_target))
            }
        };
        Ok(Self { name: cells.table.columns()[position].clone(), position, kind })
    }

    /// The names of the classes, or none where the target is a number.
    pub fn classes(&self) -> Option<&[String]> {
        match &self.kind {
            TargetKind::Classes(classes) => Some(classes),
            TargetKind::Number(_) => None,
        }
    }

    /// The number that a model's output stands for, in the unit of the table; for classes, the output itself.
    pub fn value(&self, output: f32) -> f64 {
        match &self.kind {
            TargetKind::Classes(_) => f64::from(output),
            TargetKind::Number(scale) => scale.invert(f64::from(output)),
        }
    }

    pub(super) fn encode(
        &self,
        cells: &Cells<'_>,
        rows: &[usize],
        position: usize,
    ) -> Result<Targets, DataError> {
        match &self.kind {
            TargetKind::Classes(classes) => {
                let indices: HashMap<&str, i64> = classes.iter().map(String::as_str).zip(0..).collect();
                let index = |&row: &usize| {
                    let text = present(cells, row, position, Missing::Mean)?;
                    indices.get(text).copied().ok_or_else(|| unknown(cells, (row, position), classes))
                };
                Ok(Targets::Classes(rows.iter().map(index).collect::<Result<_, _>>()?))
            }
            TargetKind::Number(scale) => {
                let numbers = numbers(cells, rows, position)?;
                let values: Vec<f32> = numbers.iter().map(|&number| scale.apply(number) as f32).collect();
                match values.iter().position(|value| !value.is_finite()) {
                    Some(index) => Err(cells.not_finite(rows[index], position)),
                    None => Ok(Targets::Numbers(values)),
                }
            }
        }
    }

    pub(super) fn inconsistency(&self) -> Option<String> {
        match &self.kind {
            TargetKind::Number(scale) => scale.inconsistency(),
            TargetKind::Classes(classes) if classes.len() < 2 => Some(format!("{} classes", classes.len())),
            TargetKind::Classes(_) => None,
        }
        .map(|problem| format!("the target has {problem}"))
    }
}

/// The text of a target cell; a missing one is never made up.
fn present<'a>(
    cells: &'a Cells<'_>,
    row: usize,
    position: usize,
    missing: Missing,
) -> Result<&'a str, DataError> {
    let help = match missing {
        Missing::Mean => {
            "; it is the target, which is never filled in: remove the row, or set missing = \"drop\""
        }
        _ => "; it is the target: remove the row, or set missing = \"drop\"",
    };
    cells.text(row, position).ok_or_else(|| cells.missing(row, position, help))
}

pub(super) fn is_classification(texts: &BTreeSet<&str>, task: Task) -> bool {
    let whole = |text: &&str| text.parse::<i64>().is_ok();
    match task {
        Task::Classification => true,
        Task::Regression => false,
        Task::Auto if texts.iter().all(|text| is_numeric(text)) => {
            texts.len() <= MOST_NUMBERED_CLASSES && texts.iter().all(whole)
        }
        Task::Auto => true,
    }
}

fn classes(cells: &Cells<'_>, position: usize, texts: BTreeSet<&str>) -> Result<Vec<String>, DataError> {
    let unusable = |problem| DataError::UnusableColumn {
        file: cells.table.file().to_string(),
        column: cells.table.columns()[position].clone(),
        problem,
    };
    if texts.len() < 2 {
        let only = texts.first().copied().unwrap_or_default();
        let problem = format!("the target is `{only}` in all training rows; at least two classes are needed");
        return Err(unusable(problem));
    }
    if texts.len() > MOST_CLASSES {
        let problem =
            format!("{} classes, but {MOST_CLASSES} are the most allowed; is it a number?", texts.len());
        return Err(unusable(problem));
    }
    let mut classes: Vec<&str> = texts.into_iter().collect();
    if classes.iter().all(|text| is_numeric(text)) {
        let number = |text: &&str| text.parse::<f64>().unwrap_or(f64::NAN);
        classes.sort_by(|a, b| number(a).total_cmp(&number(b)));
    }
    Ok(classes.into_iter().map(str::to_string).collect())
}

/// The numbers of the given rows, none of which is missing.
fn numbers(cells: &Cells<'_>, rows: &[usize], position: usize) -> Result<Vec<f64>, DataError> {
    rows.iter()
        .map(|&row| {
            present(cells, row, position, Missing::Mean)?;
            let number = cells.number(row, position).map_err(|error| match error {
                DataError::NotANumber { .. } => {
                    cells.not_a_number(row, position, "; the target of a regression must be numbers")
                }
                other => other,
            })?;
            Ok(number.unwrap_or(f64::NAN))
        })
        .collect()
}
