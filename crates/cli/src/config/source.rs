//! The configuration as it was written: a tree of values that know where they stand in the file.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::problem::Problem;

/// Where a value or a key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// These bytes of the file.
    File(Range<usize>),
    /// The `--set` argument of that number, counted from 0.
    Set(usize),
    /// Nowhere in particular: the file as a whole.
    Whole,
    /// Filled in by the program.
    Default,
}

/// A value as written.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) raw: Raw,
    pub(crate) origin: Origin,
}

/// The TOML types. A date has no use here and stays text with a flag of its own, for the message.
#[derive(Clone, Debug)]
pub(crate) enum Raw {
    Bool(bool),
    Integer(i64),
    /// A whole number that does not fit 64 bits, as written.
    HugeInteger(String),
    Float(f64),
    Text(String),
    Date(String),
    List(Vec<Node>),
    /// In the order of the file.
    Table(Vec<Entry>),
}

/// One key of a table as written.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_origin: Origin,
    pub(crate) node: Node,
}

impl Node {
    /// Parses a whole file; every syntax error that the parser can recover from is reported.
    pub(crate) fn document(text: &str) -> Result<Node, Vec<Problem>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            let problem = |error: &toml::de::Error| {
                let origin = error.span().map_or(Origin::Whole, Origin::File);
                Problem::new(origin, format!("this is not valid TOML: {}", syntax(error)))
            };
            return Err(errors.iter().map(problem).collect());
        }
        Ok(Node { raw: Raw::Table(entries(table.into_inner())), origin: Origin::Whole })
    }

    /// Parses one value, such as the right side of a `--set` argument; all of it gets that origin.
    pub(crate) fn value(text: &str, origin: &Origin) -> Result<Node, String> {
        let parsed = DeValue::parse(text).map_err(|error| syntax(&error))?;
        let span = parsed.span();
        let mut node = node(parsed.into_inner(), span);
        node.relocate(origin);
        Ok(node)
    }

    /// The type and, where short, the value: what a message puts after "found".
    pub(crate) fn words(&self) -> String {
        match &self.raw {
            Raw::Bool(value) => format!("the boolean {value}"),
            Raw::Integer(value) => format!("the whole number {value}"),
            Raw::HugeInteger(text) => format!("the whole number {text}, which does not fit 64 bits"),
            Raw::Float(value) => format!("the number {value:?}"),
            Raw::Text(text) if text.is_empty() => "an empty string".to_owned(),
            Raw::Text(text) if text.chars().count() <= 40 => format!("the string {text:?}"),
            Raw::Text(text) => format!("a string of {} characters", text.chars().count()),
            Raw::Date(text) => format!("the date or time {text}"),
            Raw::List(items) => format!("a list of {}", items.len()),
            Raw::Table(entries) if entries.is_empty() => "an empty table".to_owned(),
            Raw::Table(entries) => {
                let names = entries.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>();
                format!("a table with {}", names.join(", "))
            }
        }
    }

    fn relocate(&mut self, origin: &Origin) {
        self.origin = origin.clone();
        match &mut self.raw {
            Raw::List(items) => items.iter_mut().for_each(|item| item.relocate(origin)),
            Raw::Table(entries) => {
                for entry in entries {
                    entry.key_origin = origin.clone();
                    entry.node.relocate(origin);
                }
            }
            _ => {}
        }
    }
}

/// The parser's message on one line, without a final dot.
fn syntax(error: &toml::de::Error) -> String {
    let lines: Vec<&str> = error.message().lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(", ").trim_end_matches('.').to_owned()
}

fn entries(table: DeTable<'_>) -> Vec<Entry> {
    let mut entries: Vec<(Range<usize>, Entry)> = table
        .into_iter()
        .map(|(key, value)| {
            let (key_span, value_span) = (key.span(), value.span());
            let node = node(value.into_inner(), value_span);
            let entry = Entry {
                key: key.into_inner().into_owned(),
                key_origin: Origin::File(key_span.clone()),
                node,
            };
            (key_span, entry)
        })
        .collect();
    // The parser sorts by name; messages and defaults read better in the order of the file.
    entries.sort_by_key(|(span, _)| span.start);
    entries.into_iter().map(|(_, entry)| entry).collect()
}

fn node(value: DeValue<'_>, span: Range<usize>) -> Node {
    let raw = match value {
        DeValue::String(text) => Raw::Text(text.into_owned()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(value) => Raw::Integer(value),
            Err(_) => Raw::HugeInteger(number.as_str().to_owned()),
        },
        DeValue::Float(number) => match number.as_str().parse() {
            Ok(value) => Raw::Float(value),
            Err(_) => Raw::Text(number.as_str().to_owned()),
        },
        DeValue::Boolean(value) => Raw::Bool(value),
        DeValue::Datetime(date) => Raw::Date(date.to_string()),
        DeValue::Array(items) => {
            let item = |item: toml::Spanned<DeValue<'_>>| {
                let span = item.span();
                node(item.into_inner(), span)
            };
            Raw::List(items.into_iter().map(item).collect())
        }
        DeValue::Table(table) => Raw::Table(entries(table)),
    };
    Node { raw, origin: Origin::File(span) }
}
