//! Cells of a table, and what is wrong with them.

use crate::error::{DataError, shorten};
use crate::formats::csv::Table;

/// A table whose cells may be missing.
pub(super) struct Cells<'a> {
    pub(super) table: &'a Table,
    pub(super) markers: &'a [String],
}

impl Cells<'_> {
    pub(super) fn is_missing(&self, row: usize, column: usize) -> bool {
        let text = self.table.cell(row, column);
        self.markers.iter().any(|marker| marker == text)
    }

    /// The text of a cell, or none where it is missing.
    pub(super) fn text(&self, row: usize, column: usize) -> Option<&str> {
        (!self.is_missing(row, column)).then(|| self.table.cell(row, column))
    }

    /// The number in a cell, or none where it is missing.
    pub(super) fn number(&self, row: usize, column: usize) -> Result<Option<f64>, DataError> {
        let Some(text) = self.text(row, column) else { return Ok(None) };
        let Ok(number) = text.parse::<f64>() else {
            return Err(self.not_a_number(row, column, ""));
        };
        // A number beyond the range of f32 would reach the model as an infinity.
        if !(number as f32).is_finite() {
            return Err(self.not_finite(row, column));
        }
        Ok(Some(number))
    }

    pub(super) fn not_a_number(&self, row: usize, column: usize, help: &str) -> DataError {
        let text = self.table.cell(row, column);
        let comma = text.contains(',') && text.replace(',', ".").parse::<f64>().is_ok();
        let help = if comma { "; a decimal comma? use a point" } else { help };
        DataError::NotANumber {
            place: self.table.place(row, column).into(),
            found: shorten(text),
            help: help.to_string(),
        }
    }

    pub(super) fn not_finite(&self, row: usize, column: usize) -> DataError {
        let found = shorten(self.table.cell(row, column));
        DataError::NotFinite { place: self.table.place(row, column).into(), found }
    }

    pub(super) fn missing(&self, row: usize, column: usize, help: &'static str) -> DataError {
        let found = shorten(self.table.cell(row, column));
        DataError::MissingValue { place: self.table.place(row, column).into(), found, help }
    }
}

/// Whether a text is written as a number, NaN and the infinities included: these are numbers that went wrong, not
/// categories.
pub(super) fn is_numeric(text: &str) -> bool {
    text.parse::<f64>().is_ok()
}
