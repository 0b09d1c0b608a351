//! CSV and its relatives: a table of text with named columns.
//!
//! **Accepted:** any one-byte delimiter, quoted fields (with delimiters, line breaks and doubled quotes inside), line
//! ends LF and CRLF, a byte-order mark, blank lines (skipped), blanks around a field (cut off), gzip-compressed files,
//! a header line or none (the columns are then `column 1`, `column 2`, …).
//!
//! **Refused, with file, row and column:** rows of another length than the first line, text that is not UTF-8, two
//! columns of one name, a header of numbers (the file has none), an empty file, a header without rows, a row longer than [`CsvOptions::longest_row`] (a file
//! without line breaks or with an unclosed quote would otherwise fill the memory).
//!
//! What the cells mean, numbers or categories, is the business of [`preprocessing`](crate::preprocessing).

use std::cell::RefCell;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;

use csv::{ByteRecord, StringRecord};

use crate::error::{DataError, Place, listed, shorten};

/// How a CSV file is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvOptions {
    /// Whether the first line holds the columns' names. Default: true.
    pub header: bool,
    /// The byte between fields, neither a quote nor a line end. Default: the comma.
    pub delimiter: u8,
    /// The most bytes that one row may have. Default: 16 MiB.
    pub longest_row: u64,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self { header: true, delimiter: b',', longest_row: 16 << 20 }
    }
}

/// A table of text: names of columns, and rows that are all as long as there are names.
#[derive(Debug, Clone)]
pub struct Table {
    file: String,
    header: bool,
    columns: Vec<String>,
    rows: Vec<StringRecord>,
}

impl Table {
    /// Reads a file, plain or gzip-compressed.
    ///
    /// # Errors
    /// As the [module](self) lists.
    pub fn read(path: impl AsRef<Path>, options: &CsvOptions) -> Result<Self, DataError> {
        let path = path.as_ref();
        let (input, gzip) = super::open(path)?;
        Self::from_reader(input, &path.display().to_string(), options).map_err(|error| match error {
            DataError::Io { path, source } if gzip => {
                DataError::Gzip { file: path.display().to_string(), source }
            }
            other => other,
        })
    }

    /// Reads CSV text from anything readable; `name` stands for the file in messages.
    ///
    /// # Errors
    /// As the [module](self) lists.
    ///
    /// # Example
    /// ```
    /// use talweg_data::formats::csv::{CsvOptions, Table};
    ///
    /// let text = "length,kind\n5.1,setosa\n6.3,virginica\n";
    /// let table = Table::from_reader(text.as_bytes(), "iris.csv", &CsvOptions::default())?;
    /// assert_eq!(table.columns(), ["length", "kind"]);
    /// assert_eq!((table.len(), table.cell(1, 0)), (2, "6.3"));
    ///
    /// let text = "length,kind\n5.1,setosa\n6.3\n";
    /// let error = Table::from_reader(text.as_bytes(), "iris.csv", &CsvOptions::default()).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "iris.csv: row 2 (line 3): 1 fields, but 2 expected, as in the first line"
    /// );
    /// # Ok::<(), talweg_data::DataError>(())
    /// ```
    pub fn from_reader(input: impl Read, name: &str, options: &CsvOptions) -> Result<Self, DataError> {
        if matches!(options.delimiter, b'"' | b'\r' | b'\n') {
            let mark = char::from(options.delimiter);
            return Err(DataError::Options(format!(
                "delimiter {mark:?}: quotes and line ends cannot part fields"
            )));
        }
        let meter = Rc::new(RefCell::new(Meter::default()));
        let input = without_mark(input).map_err(|source| DataError::io(Path::new(name), source))?;
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(options.delimiter)
            .from_reader(Metered { input, meter: Rc::clone(&meter) });
        let mut table =
            Self { file: name.to_string(), header: options.header, columns: Vec::new(), rows: Vec::new() };
        let mut record = ByteRecord::new();
        loop {
            meter.borrow_mut().left = options.longest_row;
            let before = reader.position().line();
            let more = reader.read_byte_record(&mut record);
            if !more.map_err(|error| table.unreadable(error, before, options))? {
                break;
            }
            let line = starting_line(&record, reader.position(), &meter.borrow());
            record.trim();
            table.accept(&record, line, options)?;
        }
        table.complete(options)
    }

    /// The name of the file, for messages.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The names of the columns, in the order of the file.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Whether the names come from a header line of the file.
    pub fn has_header(&self) -> bool {
        self.header
    }

    /// The number of data rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no data rows; a table that was read has at least one.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text of a cell, both positions counted from 0, without the blanks around it.
    ///
    /// # Panics
    /// If there is no such row or column.
    #[track_caller]
    pub fn cell(&self, row: usize, column: usize) -> &str {
        assert!(
            row < self.len() && column < self.columns.len(),
            "cell: row {row} and column {column} of a table of {} rows and {} columns",
            self.len(),
            self.columns.len()
        );
        &self.rows[row][column]
    }

    /// The position, counted from 0, of a column given by its name, or by its position counted from 1 where no
    /// column has that name.
    ///
    /// # Errors
    /// [`NoSuchColumn`](DataError::NoSuchColumn), with all names that there are.
    pub fn position(&self, column: &str) -> Result<usize, DataError> {
        let by_name = || self.columns.iter().position(|name| name == column);
        let by_number = || column.parse().ok().filter(|number| (1..=self.columns.len()).contains(number));
        by_name().or_else(|| by_number().map(|number: usize| number - 1)).ok_or_else(|| {
            DataError::NoSuchColumn {
                file: self.file.clone(),
                wanted: format!("`{}`", shorten(column)),
                columns: listed(self.columns.iter().map(String::as_str)),
            }
        })
    }

    /// Where a cell stands in the file, for messages; both positions counted from 0.
    pub fn place(&self, row: usize, column: usize) -> Place {
        Place {
            file: self.file.clone(),
            row: row as u64 + 1,
            line: self.rows[row].position().map_or(0, csv::Position::line),
            column: Some((column + 1, self.columns[column].clone())),
        }
    }

    /// Adds a record, the header first where there is one.
    fn accept(&mut self, record: &ByteRecord, line: u64, options: &CsvOptions) -> Result<(), DataError> {
        let is_header = options.header && self.columns.is_empty();
        let row = if is_header { 0 } else { self.rows.len() as u64 + 1 };
        let mut place = Box::new(Place { file: self.file.clone(), row, line, column: None });
        if !self.columns.is_empty() && record.len() != self.columns.len() {
            let (expected, found) = (self.columns.len() as u64, record.len() as u64);
            return Err(DataError::Ragged { place, expected, found });
        }
        let mut text = StringRecord::from_byte_record(record.clone()).map_err(|error| {
            let error = error.utf8_error().clone();
            let (column, position) = (error.field(), error.valid_up_to());
            let name = self.columns.get(column).cloned().unwrap_or_else(|| unnamed(column));
            place.column = Some((column + 1, name));
            DataError::NotUtf8 { place, byte: record[column][position], position }
        })?;
        if is_header {
            self.columns = text.iter().map(str::to_string).collect();
            return self.check_names();
        }
        if self.columns.is_empty() {
            self.columns = (0..text.len()).map(unnamed).collect();
        }
        let mut position = csv::Position::new();
        position.set_line(line);
        text.set_position(Some(position));
        self.rows.push(text);
        Ok(())
    }

    /// Gives nameless columns a name; refuses a header that holds data, and two columns of one name.
    fn check_names(&mut self) -> Result<(), DataError> {
        if let Some(value) = value_among(&self.columns) {
            let problem = format!(
                "the header holds the number `{}`, so the file seems to have no header line: set header = \
                 false (in a configuration has_header = false), or rename the column",
                shorten(value)
            );
            return Err(DataError::malformed(&self.file, problem));
        }
        let mut seen = std::collections::HashMap::new();
        for (position, name) in self.columns.iter_mut().enumerate() {
            if name.is_empty() {
                *name = unnamed(position);
            }
            if let Some(first) = seen.insert(name.clone(), position + 1) {
                let (file, name) = (self.file.clone(), shorten(name));
                return Err(DataError::DuplicateColumn { file, name, first, second: position + 1 });
            }
        }
        Ok(())
    }

    fn complete(self, options: &CsvOptions) -> Result<Self, DataError> {
        let problem = match (self.columns.is_empty(), self.rows.is_empty()) {
            (true, _) => "empty: no line with any text",
            (_, true) => "a header but no rows",
            _ if self.columns.len() == 1 => return self.single_column(options),
            _ => return Ok(self),
        };
        Err(DataError::EmptyTable { file: self.file, problem })
    }

    /// One column alone nearly always means that the delimiter is another one.
    fn single_column(self, options: &CsvOptions) -> Result<Self, DataError> {
        let first = if options.header { &self.columns[0] } else { &self.rows[0][0] };
        let other = [(',', "a comma"), (';', "a semicolon"), ('\t', "a tab")]
            .into_iter()
            .find(|&(mark, _)| mark != char::from(options.delimiter) && first.contains(mark));
        let Some((_, other)) = other else { return Ok(self) };
        let problem = format!(
            "a single column `{}`; its text holds {other}: set that as the delimiter (now {:?})",
            shorten(first),
            char::from(options.delimiter)
        );
        Err(DataError::malformed(&self.file, problem))
    }

    fn unreadable(&self, error: csv::Error, line: u64, options: &CsvOptions) -> DataError {
        let file = self.file.clone();
        match error.into_kind() {
            csv::ErrorKind::Io(source) if source.get_ref().is_some_and(|inner| inner.is::<RowTooLong>()) => {
                DataError::RowTooLong { file, line, limit: options.longest_row }
            }
            csv::ErrorKind::Io(source) => DataError::io(Path::new(&file), source),
            other => DataError::malformed(&file, format!("not readable as CSV: {other:?}")),
        }
    }
}

fn unnamed(position: usize) -> String {
    format!("column {}", position + 1)
}

/// A name that can only be a value: a number with a fraction or a sign; a whole number where the whole numbers among
/// words neither rise nor fall (years and positions of pixels do); any number where all names are numbers, unless they
/// count from 0, as programs write them that have no names.
fn value_among(names: &[String]) -> Option<&String> {
    let numbers: Vec<&String> =
        names.iter().filter(|name| name.parse::<f64>().is_ok_and(f64::is_finite)).collect();
    let whole: Vec<u64> = numbers.iter().filter_map(|name| name.parse().ok()).collect();
    let telling = match whole.len() == numbers.len() {
        true if numbers.len() == names.len() => !whole.iter().copied().eq(0..names.len() as u64),
        true => !whole.is_sorted_by(|a, b| a < b) && !whole.is_sorted_by(|a, b| a > b),
        false => return numbers.into_iter().find(|name| name.parse::<u64>().is_err()),
    };
    numbers.first().copied().filter(|_| telling)
}

/// Cuts off a byte-order mark. The parser would do so too, but only if its first read brings all three bytes.
fn without_mark(mut input: impl Read) -> io::Result<impl Read> {
    let mut start = Vec::with_capacity(3);
    (&mut input).take(3).read_to_end(&mut start)?;
    if start == [0xEF, 0xBB, 0xBF] {
        start.clear();
    }
    Ok(io::Cursor::new(start).chain(input))
}

/// The line on which a record that was just read starts. The parser counts the line feeds that it has consumed,
/// but not where blank lines before the record ended; so count back from the record's end. There it has consumed
/// the line feed, or stands before it (after CR of CRLF, or where the file ends without one).
fn starting_line(record: &ByteRecord, after: &csv::Position, meter: &Meter) -> u64 {
    let inside = record.iter().flatten().filter(|&&byte| byte == b'\n').count() as u64;
    let last = after.line() - u64::from(meter.byte_before(after.byte()) == Some(b'\n'));
    last.saturating_sub(inside).max(1)
}

/// What the reader below has handed out, shared with whoever consumes it.
#[derive(Default)]
struct Meter {
    /// How many more bytes may be handed out before the current record has to end.
    left: u64,
    /// Bytes handed out in all.
    total: u64,
    /// The bytes handed out last; the parser asks for more only when it has consumed all of them.
    latest: Vec<u8>,
}

impl Meter {
    fn byte_before(&self, position: u64) -> Option<u8> {
        let start = self.total - self.latest.len() as u64;
        let index = position.checked_sub(1)?.checked_sub(start)?;
        self.latest.get(usize::try_from(index).ok()?).copied()
    }
}

/// A reader that fails once it has handed out more bytes than one record may have.
struct Metered<R> {
    input: R,
    meter: Rc<RefCell<Meter>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut meter = self.meter.borrow_mut();
        if meter.left == 0 {
            // The record may still end here, with the file.
            return match self.input.read(&mut [0])? {
                0 => Ok(0),
                _ => Err(io::Error::other(RowTooLong)),
            };
        }
        let room = buffer.len().min(usize::try_from(meter.left).unwrap_or(usize::MAX));
        let count = self.input.read(&mut buffer[..room])?;
        meter.left -= count as u64;
        meter.total += count as u64;
        if count > 0 {
            meter.latest.clear();
            meter.latest.extend_from_slice(&buffer[..count]);
        }
        Ok(count)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a row is too long")]
struct RowTooLong;
