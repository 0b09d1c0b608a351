//! Input columns: what is learnt of each, and how its cells become values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cell::{Cells, is_numeric};
use super::{Missing, PreprocessingOptions};
use crate::error::{DataError, listed, shorten};

/// An input column of the training table and how its cells become values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The name in the header, or `column N`.
    pub name: String,
    /// The position in the training table, counted from 0.
    pub position: usize,
    /// How a cell becomes values.
    pub encoding: Encoding,
}

/// How a cell becomes values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Encoding {
    /// One value, the scaled number.
    Number(Scale),
    /// A value for every category, 1 for the cell's own and 0 for the others.
    Category {
        /// The categories of the training rows, sorted.
        categories: Vec<String>,
        /// The index of the most frequent one (the first of several), which [`Missing::Mean`] puts in.
        most_frequent: usize,
    },
}

/// The scaling of numbers: value = (number - `mean`) / `divisor`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// The mean over the training rows, also where numbers are not scaled.
    pub mean: f64,
    /// The standard deviation over the training rows, sqrt(sum((number - mean)^2) / count), or 1 where that is 0.
    pub deviation: f64,
    /// Whether numbers are scaled at all; if not, the value is the number.
    pub standardise: bool,
}

impl Scale {
    /// The value of a number.
    pub fn apply(&self, number: f64) -> f64 {
        if self.standardise { (number - self.mean) / self.deviation } else { number }
    }

    /// The number of a value: the inverse of [`apply`](Self::apply).
    pub fn invert(&self, value: f64) -> f64 {
        if self.standardise { value * self.deviation + self.mean } else { value }
    }

    /// Learns mean and deviation; there is at least one number, and all fit in `f32`, so that squares fit in `f64`.
    pub(super) fn fit(numbers: &[f64], standardise: bool) -> Self {
        let count = numbers.len() as f64;
        let mean = numbers.iter().sum::<f64>() / count;
        let variance = numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / count;
        // Rounding leaves a trace of deviation in a column that holds one number only, such as 0.1.
        let noise = f64::EPSILON * mean.abs() * 4.0;
        let deviation = if variance.sqrt() > noise { variance.sqrt() } else { 1.0 };
        Self { mean, deviation, standardise }
    }

    pub(super) fn inconsistency(&self) -> Option<String> {
        let sound = self.mean.is_finite() && self.deviation.is_finite() && self.deviation > 0.0;
        (!sound).then(|| format!("mean {} and deviation {}", self.mean, self.deviation))
    }
}

impl Column {
    pub(super) fn fit(
        cells: &Cells<'_>,
        rows: &[usize],
        position: usize,
        categorical: bool,
        options: &PreprocessingOptions,
    ) -> Result<Self, DataError> {
        let name = cells.table.columns()[position].clone();
        let present = || rows.iter().copied().filter(|&row| !cells.is_missing(row, position));
        if let (Some(row), Missing::Refuse) =
            (rows.iter().find(|&&r| cells.is_missing(r, position)), options.missing)
        {
            let help =
                "; set missing = \"mean\" to put in the mean, \"drop\" to leave such rows out, or fill it in";
            return Err(cells.missing(*row, position, help));
        }
        if present().next().is_none() {
            let problem = "holds no value in any training row; ignore it".to_string();
            return Err(DataError::UnusableColumn {
                file: cells.table.file().to_string(),
                column: name,
                problem,
            });
        }
        let numeric = |row: usize| is_numeric(cells.table.cell(row, position));
        let words = present().filter(|&row| !numeric(row)).count();
        let encoding = if categorical || words == present().count() {
            categories(cells, &name, position, present(), options.most_categories)?
        } else if let Some(row) = present().find(|&row| !numeric(row)) {
            return Err(mixed(cells, position, row, present().find(|&row| numeric(row))));
        } else {
            let numbers = present().filter_map(|row| cells.number(row, position).transpose());
            Encoding::Number(Scale::fit(&numbers.collect::<Result<Vec<_>, _>>()?, options.standardise))
        };
        Ok(Self { name, position, encoding })
    }

    /// The number of values that a cell becomes.
    pub fn width(&self) -> usize {
        match &self.encoding {
            Encoding::Number(_) => 1,
            Encoding::Category { categories, .. } => categories.len(),
        }
    }

    pub(super) fn value_names(&self) -> Vec<String> {
        match &self.encoding {
            Encoding::Number(_) => vec![self.name.clone()],
            Encoding::Category { categories, .. } => {
                categories.iter().map(|category| format!("{}={category}", self.name)).collect()
            }
        }
    }

    pub(super) fn encode(
        &self,
        cells: &Cells<'_>,
        (row, position): (usize, usize),
        missing: Missing,
        values: &mut Vec<f32>,
    ) -> Result<(), DataError> {
        let present = !cells.is_missing(row, position);
        if !present && missing != Missing::Mean {
            let help = "; the model was trained without missing values, so the row cannot be used";
            return Err(cells.missing(row, position, help));
        }
        match &self.encoding {
            Encoding::Number(scale) => {
                let number = cells.number(row, position)?.unwrap_or(scale.mean);
                let value = scale.apply(number) as f32;
                // A number far outside a very narrow training range can still overflow.
                if !value.is_finite() {
                    return Err(cells.not_finite(row, position));
                }
                values.push(value);
            }
            Encoding::Category { categories, most_frequent } => {
                let text = cells.table.cell(row, position);
                let index = match categories.binary_search_by(|category| category.as_str().cmp(text)) {
                    Ok(index) => index,
                    Err(_) if !present => *most_frequent,
                    Err(_) => return Err(unknown(cells, (row, position), categories)),
                };
                let start = values.len();
                values.resize(start + categories.len(), 0.0);
                values[start + index] = 1.0;
            }
        }
        Ok(())
    }

    pub(super) fn inconsistency(&self) -> Option<String> {
        let problem = match &self.encoding {
            Encoding::Number(scale) => scale.inconsistency()?,
            Encoding::Category { categories, most_frequent } => {
                let sound = *most_frequent < categories.len() && categories.is_sorted_by(|a, b| a < b);
                (!sound).then(|| format!("categories {}", listed(categories.iter().map(String::as_str))))?
            }
        };
        Some(format!("column `{}` has {problem}", self.name))
    }
}

pub(super) fn unknown(cells: &Cells<'_>, (row, position): (usize, usize), known: &[String]) -> DataError {
    DataError::UnknownCategory {
        place: cells.table.place(row, position).into(),
        found: shorten(cells.table.cell(row, position)),
        known: listed(known.iter().map(String::as_str)),
    }
}

/// The error for a column of words and numbers. Where the number is NaN it is the odd one out, not the word.
fn mixed(cells: &Cells<'_>, position: usize, word: usize, number: Option<usize>) -> DataError {
    let text = |row| cells.table.cell(row, position);
    match number {
        Some(row) if !text(row).parse().is_ok_and(f64::is_finite) => cells.not_finite(row, position),
        _ => {
            let help = "; the column holds numbers too: correct the cell, or list the column as categorical or ignored";
            cells.not_a_number(word, position, help)
        }
    }
}

fn categories(
    cells: &Cells<'_>,
    name: &str,
    position: usize,
    rows: impl Iterator<Item = usize>,
    most: usize,
) -> Result<Encoding, DataError> {
    let mut counts = BTreeMap::<&str, usize>::new();
    for row in rows {
        *counts.entry(cells.table.cell(row, position)).or_default() += 1;
    }
    if counts.len() > most {
        let problem = format!(
            "{} different texts, but {most} categories are the most allowed; ignore the column, or raise \
             most_categories",
            counts.len()
        );
        let (file, column) = (cells.table.file().to_string(), name.to_string());
        return Err(DataError::UnusableColumn { file, column, problem });
    }
    let largest = counts.values().copied().max().unwrap_or(0);
    let most_frequent = counts.values().position(|&count| count == largest).unwrap_or(0);
    Ok(Encoding::Category { categories: counts.into_keys().map(str::to_string).collect(), most_frequent })
}
