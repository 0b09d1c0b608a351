//! Everything that can go wrong with a data file, as one enum.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Where in a table something was found: the file, the row, the line and, where one is concerned, the column.
///
/// Prints as ``flowers.csv: row 6 (line 7), column 3 `petal length` ``. Rows count data records from 1, so a header
/// is not a row; lines count the file's lines from 1, as an editor shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file's name, or what stands for it (`standard input`).
    pub file: String,
    /// The data row, counted from 1; 0 is the header.
    pub row: u64,
    /// The line on which the row starts, counted from 1.
    pub line: u64,
    /// The column's position, counted from 1, and its name.
    pub column: Option<(usize, String)>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row {
            0 => write!(f, "{}: header (line {})", self.file, self.line)?,
            row => write!(f, "{}: row {row} (line {})", self.file, self.line)?,
        }
        match &self.column {
            Some((position, name)) => write!(f, ", column {position} `{name}`"),
            None => Ok(()),
        }
    }
}

/// What can go wrong with data: files that cannot be read, that are damaged, or that do not fit the model.
///
/// Each message names the file and the place in it, what was found, what was expected and, where there is one, the
/// remedy. The cause, where another library reported it, is kept as [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The operating system refused to open or read a file.
    #[error("{path}: cannot be read: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A folder lacks files that a data set consists of.
    #[error("{path}: {missing} not found; {help}", path = folder.display(), missing = missing.join(", "))]
    MissingFiles {
        /// The folder that was searched.
        folder: PathBuf,
        /// The names of the files that are not there.
        missing: Vec<String>,
        /// Where the files come from.
        help: String,
    },
    /// A file is not in the format that it was read as, or is damaged.
    #[error("{file}: {problem}")]
    Malformed {
        /// The file.
        file: String,
        /// What was found and what was expected.
        problem: String,
    },
    /// A gzip stream is damaged or ends early.
    #[error("{file}: the gzip data is damaged or cut off: {source}")]
    Gzip {
        /// The file.
        file: String,
        /// What the decompressor said.
        source: io::Error,
    },
    /// A file ends before all the values that its header promises.
    #[error("{file}: truncated: the header promises {expected} bytes of values, the file holds {found}")]
    Truncated {
        /// The file.
        file: String,
        /// Bytes of values after the header, by the header.
        expected: u64,
        /// Bytes of values after the header, in fact.
        found: u64,
    },
    /// A file goes on after all the values that its header promises.
    #[error("{file}: oversized: the header promises {expected} bytes of values, but more bytes follow")]
    Oversized {
        /// The file.
        file: String,
        /// Bytes of values after the header, by the header.
        expected: u64,
    },
    /// A picture cannot be decoded.
    #[error("{file}: not a readable picture (PNG or JPEG): {source}")]
    Picture {
        /// The file.
        file: String,
        /// What the decoder said.
        source: image::ImageError,
    },
    /// A table without a single byte, or with a header and no rows.
    #[error("{file}: {problem}")]
    EmptyTable {
        /// The file.
        file: String,
        /// Which part is missing.
        problem: &'static str,
    },
    /// A row has another number of fields than the rows before it.
    #[error("{place}: {found} fields, but {expected} expected, as in the first line")]
    Ragged {
        /// The row.
        place: Box<Place>,
        /// Fields of the first line.
        expected: u64,
        /// Fields of this row.
        found: u64,
    },
    /// A row is longer than any row may be.
    #[error(
        "{file}: the row that starts on line {line} is longer than {limit} bytes; \
         the file may lack line breaks or a closing quote"
    )]
    RowTooLong {
        /// The file.
        file: String,
        /// The line on which the row starts, counted from 1.
        line: u64,
        /// The most bytes that a row may have.
        limit: u64,
    },
    /// A field is not UTF-8 text.
    #[error("{place}: not UTF-8 text (byte {byte:#04x} at position {position}); save the file as UTF-8")]
    NotUtf8 {
        /// The cell.
        place: Box<Place>,
        /// The first byte that is not part of UTF-8 text.
        byte: u8,
        /// Where in the field that byte is, counted from 0.
        position: usize,
    },
    /// Two columns have the same name.
    #[error("{file}: the header names `{name}` twice, as columns {first} and {second}")]
    DuplicateColumn {
        /// The file.
        file: String,
        /// The name.
        name: String,
        /// The first position, counted from 1.
        first: usize,
        /// The second position, counted from 1.
        second: usize,
    },
    /// A column that was asked for, or that the model was trained on, is not in the table.
    #[error("{file}: no column {wanted}; the table's columns are {columns}")]
    NoSuchColumn {
        /// The file.
        file: String,
        /// The name in backquotes, or the position.
        wanted: String,
        /// All columns of the table, for the reader.
        columns: String,
    },
    /// A numeric column holds something that is not a number.
    #[error("{place}: `{found}` is not a number{help}")]
    NotANumber {
        /// The cell.
        place: Box<Place>,
        /// The text of the cell, shortened.
        found: String,
        /// The remedy, starting with `; `, or nothing.
        help: String,
    },
    /// A numeric column holds NaN or an infinity, or a number too large for `f32` arithmetic.
    #[error(
        "{place}: `{found}` is not a finite number, which training needs; correct it, or name it as a marker of missing values"
    )]
    NotFinite {
        /// The cell.
        place: Box<Place>,
        /// The text of the cell, shortened.
        found: String,
    },
    /// A value is missing and the policy is to refuse.
    #[error("{place}: a value is missing (`{found}`){help}")]
    MissingValue {
        /// The cell.
        place: Box<Place>,
        /// The marker that stands for a missing value.
        found: String,
        /// The remedy, starting with `; `.
        help: &'static str,
    },
    /// A category that did not occur in the training data.
    #[error("{place}: unknown category `{found}`; the training data held {known}")]
    UnknownCategory {
        /// The cell.
        place: Box<Place>,
        /// The text of the cell, shortened.
        found: String,
        /// The known categories, shortened.
        known: String,
    },
    /// A column cannot be used as it is.
    #[error("{file}: column `{column}`: {problem}")]
    UnusableColumn {
        /// The file.
        file: String,
        /// The column's name.
        column: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// An item was asked for that a data set does not have.
    #[error("item {index} of a data set of {len}; the numbers go from 0 to one less")]
    NoSuchItem {
        /// The number asked for.
        index: usize,
        /// The number of items.
        len: usize,
    },
    /// Items of a batch that do not fit together.
    #[error(
        "item {number} of the batch has the {role} {found}, but {expected} is expected, as in the first item"
    )]
    UnequalItems {
        /// `input` or `target`.
        role: &'static str,
        /// The item's number within the batch.
        number: usize,
        /// Its type and shape.
        found: String,
        /// Type and shape of the batch's first item.
        expected: String,
    },
    /// Making a batch panicked.
    #[error("batch {batch}: a panic while it was made: {message}")]
    WorkerPanicked {
        /// The number of the batch in its epoch.
        batch: usize,
        /// The message of the panic.
        message: String,
    },
    /// Options contradict each other or the data.
    #[error("{0}")]
    Options(String),
}

impl DataError {
    /// Wraps an operating-system error with the file it concerns.
    pub fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), source }
    }

    pub(crate) fn malformed(file: &str, problem: impl Into<String>) -> Self {
        Self::Malformed { file: file.to_string(), problem: problem.into() }
    }
}

/// Shortens a cell's text for a message, so that a damaged file cannot flood the terminal, and makes control
/// characters visible.
pub(crate) fn shorten(text: &str) -> String {
    const LONGEST: usize = 40;
    let mut short: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}

/// Lists names for a message: all of a few, the first of many.
pub(crate) fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    const MOST: usize = 12;
    let total = names.len();
    let mut list: Vec<String> = names.take(MOST).map(|name| format!("`{}`", shorten(name))).collect();
    if total > MOST {
        list.push(format!("… ({total} in all)"));
    }
    list.join(", ")
}
