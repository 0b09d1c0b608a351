//! Reading checked values out of their table. The keys' tables guarantee that a value is there and has its type;
//! a lack is a mistake in the program and stops it.

use super::check::{Item, Table, Value};

impl Table {
    /// The table under a key.
    pub(crate) fn table(&self, key: &str) -> &Table {
        match self.must(key) {
            Value::Table(table) => table,
            other => wrong(key, other),
        }
    }

    /// The text under a key.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.text_if(key).unwrap_or_else(|| lacking(key))
    }

    /// The text under a key that may be absent.
    pub(crate) fn text_if(&self, key: &str) -> Option<&str> {
        self.get(key).map(|item| item.value.text())
    }

    pub(crate) fn bool(&self, key: &str) -> bool {
        match self.must(key) {
            Value::Bool(value) => *value,
            other => wrong(key, other),
        }
    }

    /// The number under a key.
    pub(crate) fn number(&self, key: &str) -> f64 {
        self.number_if(key).unwrap_or_else(|| lacking(key))
    }

    /// The number under a key that may be absent.
    pub(crate) fn number_if(&self, key: &str) -> Option<f64> {
        self.get(key).map(|item| item.value.number())
    }

    /// The whole number under a key.
    pub(crate) fn integer(&self, key: &str) -> u64 {
        self.integer_if(key).unwrap_or_else(|| lacking(key))
    }

    /// The whole number under a key that may be absent.
    pub(crate) fn integer_if(&self, key: &str) -> Option<u64> {
        self.get(key).map(|item| item.value.integer())
    }

    /// The list under a key.
    pub(crate) fn list(&self, key: &str) -> &[Item] {
        match self.must(key) {
            Value::List(items) => items,
            other => wrong(key, other),
        }
    }

    /// The name and the settings of the thing chosen under a key.
    pub(crate) fn choice(&self, key: &str) -> (&'static str, &Table) {
        self.must(key).choice()
    }

    fn must(&self, key: &str) -> &Value {
        self.get(key).map_or_else(|| lacking(key), |item| &item.value)
    }
}

impl Value {
    pub(crate) fn text(&self) -> &str {
        match self {
            Value::Text(text) => text,
            other => wrong("text", other),
        }
    }

    pub(crate) fn number(&self) -> f64 {
        match self {
            Value::Number(value) => *value,
            other => wrong("number", other),
        }
    }

    pub(crate) fn integer(&self) -> u64 {
        match self {
            Value::Integer(value) => u64::try_from(*value).unwrap_or_else(|_| wrong("integer", self)),
            other => wrong("integer", other),
        }
    }

    pub(crate) fn choice(&self) -> (&'static str, &Table) {
        match self {
            Value::Variant { name, settings, .. } => (name, settings),
            other => wrong("choice", other),
        }
    }
}

fn lacking(key: &str) -> ! {
    panic!("bug: the checked configuration lacks `{key}`")
}

fn wrong(key: &str, value: &Value) -> ! {
    panic!("bug: the checked configuration holds {value:?} under `{key}`")
}
