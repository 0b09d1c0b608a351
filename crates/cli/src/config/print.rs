//! The checked configuration as TOML again, with every default filled in and marked.

use super::Config;
use super::check::{Item, Table, Value};
use super::keys::GROUPS;
use super::source::Origin;

impl Config {
    /// The resolved configuration: a file that gives the same run, with all defaults written out.
    pub(crate) fn to_toml(&self) -> String {
        let mut out = format!(
            "# The configuration of this run with every default written out.\n\
             # \"default\" marks what {} did not say.\n",
            self.file
        );
        for group in GROUPS {
            out.push_str(&format!("\n[{}]\n", group.name));
            for (name, item) in &self.root.table(group.name).0 {
                match &item.value {
                    Value::List(items) if *name == "layers" => {
                        out.push_str(&format!("{name} = [\n"));
                        for item in items {
                            out.push_str(&format!("  {},{}\n", inline(&item.value), mark(item)));
                        }
                        out.push_str("]\n");
                    }
                    value => out.push_str(&format!("{name} = {}{}\n", inline(value), mark(item))),
                }
            }
        }
        out
    }

    /// The keys that were not given, each with the value that was taken.
    pub(crate) fn defaults_taken(&self) -> Vec<(String, String)> {
        let mut taken = Vec::new();
        for group in GROUPS {
            for (name, item) in &self.root.table(group.name).0 {
                if item.origin == Origin::Default {
                    taken.push((format!("{}.{name}", group.name), inline(&item.value)));
                }
            }
        }
        taken
    }
}

/// A value on one line.
fn inline(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        // The shortest digits that give the same number back; always with a point or an exponent.
        Value::Number(value) => format!("{value:?}"),
        Value::Text(text) => toml::Value::String(text.clone()).to_string(),
        Value::List(items) => {
            format!("[{}]", items.iter().map(|item| inline(&item.value)).collect::<Vec<_>>().join(", "))
        }
        Value::Table(table) => braces(settings(table, None)),
        Value::Variant { name, main, settings: table } => {
            let rest = settings(table, *main);
            match main.and_then(|main| table.get(main)) {
                Some(_) => braces([vec![head(value)], rest].concat()),
                None if rest.is_empty() => format!("{name:?}"),
                None => format!("{{ {name} = {} }}", braces(rest)),
            }
        }
    }
}

/// A chosen thing by its name and main setting: `conv2d = 32`, `flatten`.
pub(super) fn head(value: &Value) -> String {
    let Value::Variant { name, main, settings } = value else { return inline(value) };
    match main.and_then(|main| settings.get(main)) {
        Some(item) => format!("{name} = {}", inline(&item.value)),
        None => (*name).to_owned(),
    }
}

fn settings(table: &Table, but: Option<&str>) -> Vec<String> {
    let settings = table.0.iter().filter(|(name, _)| Some(*name) != but);
    settings.map(|(name, item)| format!("{name} = {}", inline(&item.value))).collect()
}

fn braces(parts: Vec<String>) -> String {
    if parts.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", parts.join(", ")) }
}

/// The comment that tells which parts of a value were not given.
fn mark(item: &Item) -> String {
    if item.origin == Origin::Default {
        return "  # default".to_owned();
    }
    let table = match &item.value {
        Value::Table(table) | Value::Variant { settings: table, .. } => table,
        _ => return String::new(),
    };
    let names = table.0.iter().filter(|(_, item)| item.origin == Origin::Default).map(|(name, _)| *name);
    match names.collect::<Vec<_>>()[..] {
        [] => String::new(),
        ref names => format!("  # default: {}", names.join(", ")),
    }
}
