//! From a table of text to numbers: what is learnt from the training rows, is saved with the model, and turns every
//! later table into the same numbers.
//!
//! | a column of | becomes |
//! | --- | --- |
//! | numbers | one value, (number - mean) / standard deviation |
//! | text, or listed as [`categorical`](PreprocessingOptions::categorical) | a value for every category of the training rows, sorted: 1 for the cell's own, 0 for the others |
//! | the target, for classification | the index of its class among the sorted classes |
//! | the target, for regression | one value, scaled like a number |
//!
//! **Refused, with file, row, column and the text:** a word among numbers and a number among words (list the column
//! as categorical, or leave it out), NaN and infinities, missing values unless [`Missing`] says otherwise, a
//! category that the training rows did not hold, a column that the model needs and the table lacks.

mod cell;
mod column;
mod target;

use std::path::Path;

use serde::{Deserialize, Serialize};
use talweg_tensor::Tensor;

pub use column::{Column, Encoding, Scale};
pub use target::{Target, TargetKind, Targets};

use crate::error::{DataError, listed};
use crate::formats::csv::Table;
use cell::Cells;

/// What to do with a cell that holds no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// Refuse the table and name the cell.
    #[default]
    Refuse,
    /// Put in the column's mean over the training rows, or its most frequent category; in the target: refuse.
    Mean,
    /// Leave the row out when training and evaluating; when predicting, where every row needs an answer: refuse.
    Drop,
}

/// What the target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Task {
    /// Text, or at most 20 different whole numbers, means classification; all else regression.
    #[default]
    Auto,
    /// One of several classes.
    Classification,
    /// A number.
    Regression,
}

/// How a table is to be understood. Columns are given by name, or by position counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreprocessingOptions {
    /// The column to predict. Default: none given, which means the last.
    pub target: Option<String>,
    /// What the target is. Default: found from its cells.
    pub task: Task,
    /// Columns to leave out, such as row numbers and names. Default: none.
    pub ignore: Vec<String>,
    /// Columns of numbers that stand for categories, such as postal codes. Default: none.
    pub categorical: Vec<String>,
    /// What to do with missing values. Default: refuse.
    pub missing: Missing,
    /// The texts that stand for a missing value. Default: the empty text, `?` and `NA`.
    pub missing_markers: Vec<String>,
    /// Whether to scale numbers to mean 0 and standard deviation 1. Default: true.
    pub standardise: bool,
    /// Whether to scale the target of a regression so, too; [`Target::value`] turns an output back. Default: true.
    pub standardise_target: bool,
    /// The most categories that a column may have. Default: 1,000.
    pub most_categories: usize,
}

impl Default for PreprocessingOptions {
    fn default() -> Self {
        Self {
            target: None,
            task: Task::Auto,
            ignore: Vec::new(),
            categorical: Vec::new(),
            missing: Missing::Refuse,
            missing_markers: ["", "?", "NA"].map(str::to_string).to_vec(),
            standardise: true,
            standardise_target: true,
            most_categories: 1_000,
        }
    }
}

impl PreprocessingOptions {
    /// The position of the target in a table, and the task, found from all its cells where it is [`Task::Auto`].
    ///
    /// # Errors
    /// [`NoSuchColumn`](DataError::NoSuchColumn).
    pub fn target_of(&self, table: &Table) -> Result<(usize, Task), DataError> {
        let position = match &self.target {
            Some(name) => table.position(name)?,
            None => table.columns().len() - 1,
        };
        let cells = Cells { table, markers: &self.missing_markers };
        let texts = (0..table.len()).filter_map(|row| cells.text(row, position)).collect();
        let task = if target::is_classification(&texts, self.task) {
            Task::Classification
        } else {
            Task::Regression
        };
        Ok((position, task))
    }
}

/// What was learnt from the training rows: it is part of the model, and is saved with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// Whether the training table had a header, so that columns are found by name instead of position.
    pub header: bool,
    /// The number of columns of the training table, target and ignored ones included.
    pub table_width: usize,
    /// The input columns, in the order of the training table.
    pub columns: Vec<Column>,
    /// The column to predict.
    pub target: Target,
    /// What to do with missing values.
    pub missing: Missing,
    /// The texts that stand for a missing value.
    pub missing_markers: Vec<String>,
}

/// Rows as numbers, ready for a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoded {
    /// The values, row by row: `rows.len() * width` of them.
    pub values: Vec<f32>,
    /// Values in a row, [`Preprocessing::width`].
    pub width: usize,
    /// The table's row, counted from 0, that each encoded row stands for: all of them, unless [`Missing::Drop`] left
    /// some out.
    pub rows: Vec<usize>,
}

impl Encoded {
    /// The values as a tensor `[rows, width]`.
    pub fn tensor(&self) -> Tensor {
        Tensor::from_slice(&self.values, [self.rows.len(), self.width])
    }
}

impl Preprocessing {
    /// Learns categories, means and standard deviations from the given rows of a table (counted from 0; the others
    /// are not looked at, so that a test part stays unseen).
    ///
    /// # Errors
    /// What the [module](self) lists as refused; a column that is not there or named twice; no rows or no input
    /// columns; a column with no value at all; more categories than allowed; fewer than two classes.
    ///
    /// # Example
    /// ```
    /// use talweg_data::formats::csv::{CsvOptions, Table};
    /// use talweg_data::preprocessing::{Preprocessing, PreprocessingOptions};
    ///
    /// let text = "length,colour,kind\n1,red,a\n3,blue,b\n";
    /// let table = Table::from_reader(text.as_bytes(), "kinds.csv", &CsvOptions::default())?;
    /// let learnt = Preprocessing::fit(&table, &[0, 1], &PreprocessingOptions::default())?;
    ///
    /// assert_eq!(learnt.input_names(), ["length", "colour=blue", "colour=red"]);
    /// assert_eq!(learnt.encode(&table)?.values, [-1.0, 0.0, 1.0, 1.0, 1.0, 0.0]);
    /// assert_eq!(learnt.target.classes(), Some(&["a".to_string(), "b".to_string()][..]));
    /// # Ok::<(), talweg_data::DataError>(())
    /// ```
    pub fn fit(table: &Table, rows: &[usize], options: &PreprocessingOptions) -> Result<Self, DataError> {
        let (target, _) = options.target_of(table)?;
        let ignored = positions(table, &options.ignore)?;
        let categorical = positions(table, &options.categorical)?;
        if ignored.contains(&target) || categorical.contains(&target) {
            let name = &table.columns()[target];
            return Err(DataError::Options(format!(
                "column `{name}` is the target, so it can be neither ignored nor listed as categorical"
            )));
        }
        let cells = Cells { table, markers: &options.missing_markers };
        let kept = rows_to_fit(&cells, rows, &ignored, options)?;
        let mut columns = Vec::new();
        for position in (0..table.columns().len()).filter(|p| *p != target && !ignored.contains(p)) {
            columns.push(Column::fit(&cells, &kept, position, categorical.contains(&position), options)?);
        }
        if columns.is_empty() {
            let problem = "no column is left as input beside the target; a table needs at least two";
            return Err(DataError::malformed(table.file(), problem));
        }
        Ok(Self {
            header: table.has_header(),
            table_width: table.columns().len(),
            columns,
            target: Target::fit(&cells, &kept, target, options)?,
            missing: options.missing,
            missing_markers: options.missing_markers.clone(),
        })
    }

    /// The number of values that a row becomes: the model's inputs.
    pub fn width(&self) -> usize {
        self.columns.iter().map(Column::width).sum()
    }

    /// What each of the values is, as `column` or `column=category`.
    pub fn input_names(&self) -> Vec<String> {
        self.columns.iter().flat_map(Column::value_names).collect()
    }

    /// Turns every row into numbers, to predict. The table needs no target; further columns are not looked at.
    ///
    /// With a header, columns are found by name. Without one, by position: the table has as many columns as the
    /// training table, or one less, the target.
    ///
    /// # Errors
    /// What the [module](self) lists as refused; a missing value also under [`Missing::Drop`].
    pub fn encode(&self, table: &Table) -> Result<Encoded, DataError> {
        let rows = (0..table.len()).collect();
        self.encode_rows(&self.cells(table), &self.locate(table)?, rows)
    }

    /// Turns the given rows (counted from 0) into numbers with their targets, to train or evaluate.
    ///
    /// # Errors
    /// What the [module](self) lists as refused; no target column; no rows left.
    pub fn encode_with_targets(
        &self,
        table: &Table,
        rows: &[usize],
    ) -> Result<(Encoded, Targets), DataError> {
        let mut located = self.locate(table)?;
        let target = match self.header {
            true => table.position(&self.target.name)?,
            false if table.columns().len() == self.table_width => self.target.position,
            false => {
                let (found, wanted) = (table.columns().len(), self.table_width);
                let problem = format!("{found} columns, so the target is not among them; {wanted} expected");
                return Err(DataError::malformed(table.file(), problem));
            }
        };
        let cells = self.cells(table);
        let mut rows = rows.to_vec();
        if self.missing == Missing::Drop {
            located.push(target);
            rows.retain(|&row| located.iter().all(|&column| !cells.is_missing(row, column)));
            located.pop();
        }
        if rows.is_empty() {
            return Err(no_rows_left(table));
        }
        let targets = self.target.encode(&cells, &rows, target)?;
        Ok((self.encode_rows(&cells, &located, rows)?, targets))
    }

    /// Writes everything as JSON; numbers keep all their bits.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("finite numbers and text always serialise")
    }

    /// Reads what [`to_json`](Self::to_json) wrote; `name` stands for the file in messages.
    ///
    /// # Errors
    /// Text that is not such JSON, or values that training cannot have produced.
    pub fn from_json(json: &str, name: &str) -> Result<Self, DataError> {
        let read: Self = serde_json::from_str(json)
            .map_err(|error| DataError::malformed(name, format!("not a saved preprocessing: {error}")))?;
        match read.inconsistency() {
            Some(problem) => Err(DataError::malformed(name, format!("not a saved preprocessing: {problem}"))),
            None => Ok(read),
        }
    }

    fn inconsistency(&self) -> Option<String> {
        let mut places = self.columns.iter().map(|column| column.position).chain([self.target.position]);
        if self.columns.is_empty() || places.any(|position| position >= self.table_width) {
            return Some(format!("{} columns of a table of {}", self.columns.len(), self.table_width));
        }
        self.columns.iter().find_map(Column::inconsistency).or_else(|| self.target.inconsistency())
    }

    fn cells<'a>(&'a self, table: &'a Table) -> Cells<'a> {
        Cells { table, markers: &self.missing_markers }
    }

    /// Where in a table each input column is.
    fn locate(&self, table: &Table) -> Result<Vec<usize>, DataError> {
        if self.header {
            return self.columns.iter().map(|column| self.by_name(table, column)).collect();
        }
        let width = table.columns().len();
        let place = |column: &Column| match width {
            _ if width == self.table_width => column.position,
            _ => column.position - usize::from(column.position > self.target.position),
        };
        if width != self.table_width && width + 1 != self.table_width {
            let problem = format!(
                "{width} columns, but the model was trained on {} (with the target, which may be left out)",
                self.table_width
            );
            return Err(DataError::malformed(table.file(), problem));
        }
        Ok(self.columns.iter().map(place).collect())
    }

    fn by_name(&self, table: &Table, column: &Column) -> Result<usize, DataError> {
        let (names, name) = (table.columns(), &column.name);
        // Most tables have their columns where the training table had them; a search for each would take the square
        // of their number.
        if names.get(column.position) == Some(name) {
            return Ok(column.position);
        }
        names.iter().position(|found| found == name).ok_or_else(|| DataError::NoSuchColumn {
            file: table.file().to_string(),
            wanted: format!("`{name}`, which the model was trained on"),
            columns: listed(table.columns().iter().map(String::as_str)),
        })
    }

    fn encode_rows(
        &self,
        cells: &Cells<'_>,
        located: &[usize],
        rows: Vec<usize>,
    ) -> Result<Encoded, DataError> {
        let width = self.width();
        let mut values = Vec::with_capacity(rows.len() * width);
        for &row in &rows {
            for (column, &position) in self.columns.iter().zip(located) {
                column.encode(cells, (row, position), self.missing, &mut values)?;
            }
        }
        Ok(Encoded { values, width, rows })
    }

    /// Writes [`to_json`](Self::to_json) into a file.
    ///
    /// # Errors
    /// [`DataError::Io`], where the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), DataError> {
        let path = path.as_ref();
        std::fs::write(path, self.to_json()).map_err(|source| DataError::io(path, source))
    }

    /// Reads a file that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// As for [`from_json`](Self::from_json), and a file that cannot be read.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        let json = std::fs::read_to_string(path).map_err(|source| DataError::io(path, source))?;
        Self::from_json(&json, &path.display().to_string())
    }
}

fn positions(table: &Table, names: &[String]) -> Result<Vec<usize>, DataError> {
    names.iter().map(|name| table.position(name)).collect()
}

/// The rows to learn from: the given ones, less those with a missing value where these are dropped.
fn rows_to_fit(
    cells: &Cells<'_>,
    rows: &[usize],
    ignored: &[usize],
    options: &PreprocessingOptions,
) -> Result<Vec<usize>, DataError> {
    let used: Vec<usize> = (0..cells.table.columns().len()).filter(|p| !ignored.contains(p)).collect();
    let complete = |row: usize| used.iter().all(|&column| !cells.is_missing(row, column));
    let drop = options.missing == Missing::Drop;
    let kept: Vec<usize> = rows.iter().copied().filter(|&row| !drop || complete(row)).collect();
    if kept.is_empty() { Err(no_rows_left(cells.table)) } else { Ok(kept) }
}

fn no_rows_left(table: &Table) -> DataError {
    DataError::malformed(table.file(), "no rows are left: none was given, or each has a missing value")
}
