//! Compares what was written with what the keys allow, and fills in the defaults.

use super::hint;
use super::nearest::nearest;
use super::problem::Problem;
use super::schema::{Choice, Default, Key, Kind};
use super::source::{Entry, Node, Origin, Raw};

/// A value that has passed its key's checks.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

/// A checked value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Bool(bool),
    Integer(i64),
    Number(f64),
    Text(String),
    List(Vec<Item>),
    Table(Table),
    /// One of a [`Choice`], by name, with its settings and the name of the setting that follows the name.
    Variant {
        name: &'static str,
        main: Option<&'static str>,
        settings: Table,
    },
}

/// Checked values by key, in the order of the documentation.
#[derive(Clone, Debug, std::default::Default)]
pub(crate) struct Table(pub(crate) Vec<(&'static str, Item)>);

impl Table {
    /// The value of a key, if it has one.
    pub(crate) fn get(&self, key: &str) -> Option<&Item> {
        self.0.iter().find(|(name, _)| *name == key).map(|(_, item)| item)
    }
}

/// A table as messages call it.
pub(crate) struct Inside<'a> {
    pub(crate) name: &'a str,
    /// The family that it names one of.
    pub(crate) family: Option<&'static Choice>,
}

/// What all checks of one configuration share.
#[derive(std::default::Default)]
pub(crate) struct Checker {
    pub(crate) problems: Vec<Problem>,
}

impl Checker {
    /// Notes a problem; always `None`, for the caller to return.
    pub(crate) fn refuse<T>(&mut self, origin: &Origin, message: impl Into<String>) -> Option<T> {
        self.problems.push(Problem::new(origin.clone(), message));
        None
    }

    /// Checks one value. `path` is how the value is called in messages, such as `train.epochs`.
    pub(crate) fn value(&mut self, kind: &Kind, node: &Node, path: &str) -> Option<Item> {
        let value = match (kind, &node.raw) {
            (Kind::Bool, Raw::Bool(value)) => Value::Bool(*value),
            (Kind::Integer { min, max }, Raw::Integer(value)) if (min..=max).contains(&value) => {
                Value::Integer(*value)
            }
            (Kind::Number(range), Raw::Float(value)) if range.contains(*value) => Value::Number(*value),
            (Kind::Number(range), Raw::Integer(value)) if range.contains(*value as f64) => {
                Value::Number(*value as f64)
            }
            (Kind::Text, Raw::Text(text)) if !text.is_empty() => Value::Text(text.clone()),
            (Kind::AnyText, Raw::Text(text)) => Value::Text(text.clone()),
            (Kind::Character, Raw::Text(text)) if text.chars().count() == 1 => Value::Text(text.clone()),
            (Kind::Word(words), Raw::Text(text)) => match words.iter().find(|(word, _)| word == text) {
                Some(_) => Value::Text(text.clone()),
                None => return self.unknown_word(kind, node, text, path),
            },
            (Kind::List { of, min, max }, Raw::List(items)) => {
                if !(min..=max).contains(&&items.len()) {
                    return self.mismatch(kind, node, path);
                }
                let mut checked = Vec::new();
                for (i, item) in items.iter().enumerate() {
                    checked.push(self.value(of, item, &format!("{path}[{i}]")));
                }
                Value::List(checked.into_iter().collect::<Option<_>>()?)
            }
            (Kind::Table { keys, .. }, Raw::Table(entries)) => {
                let given = entries.iter().collect::<Vec<_>>();
                let name = format!("`{path}`");
                Value::Table(self.keys(
                    keys,
                    &given,
                    &node.origin,
                    path,
                    &Inside { name: &name, family: None },
                )?)
            }
            (Kind::Table { keys, short }, _) => {
                let key = key(keys, short);
                let item = self.value_or(&key.kind, node, path, kind)?;
                let mut table = Table(vec![(key.name, item)]);
                self.fill(keys, &mut table);
                Value::Table(table)
            }
            (Kind::Choice(choice), _) => return self.choice(choice, node, path),
            (Kind::Either(kinds), _) => return self.either(kinds, kind, node, path),
            _ => return self.mismatch(kind, node, path),
        };
        Some(Item { value, origin: node.origin.clone() })
    }

    /// Checks the settings of a table against its keys and fills in defaults. `inside` names the table in messages.
    pub(crate) fn keys(
        &mut self,
        keys: &'static [Key],
        given: &[&Entry],
        origin: &Origin,
        path: &str,
        inside: &Inside<'_>,
    ) -> Option<Table> {
        let before = self.problems.len();
        for entry in given {
            if !keys.iter().any(|key| key.name == entry.key) {
                let hint = hint::unknown_key(&entry.key, keys, inside);
                let message = format!("unknown key `{}` in {}{hint}", entry.key, inside.name);
                self.refuse::<()>(&entry.key_origin, message);
            }
        }
        let mut table = Table::default();
        for key in keys {
            let found = given.iter().find(|entry| entry.key == key.name);
            let path = format!("{path}.{}", key.name);
            match (found, &key.default) {
                (Some(entry), _) => {
                    if let Some(item) = self.value(&key.kind, &entry.node, &path) {
                        table.0.push((key.name, item));
                    }
                }
                // A misspelt key has been complained about already.
                (None, Default::Required)
                    if given.iter().any(|entry| nearest(&entry.key, [key.name].into_iter()).is_some()) => {}
                (None, Default::Required) => {
                    let message = format!(
                        "{} lacks the key `{}`, such as {} = {}",
                        inside.name, key.name, key.name, key.example
                    );
                    self.refuse::<()>(origin, message);
                }
                (None, _) => {}
            }
        }
        if self.problems.len() > before {
            return None;
        }
        self.fill(keys, &mut table);
        Some(table)
    }

    /// Puts the fixed defaults of keys that are not given into a checked table, and the keys into their order.
    pub(super) fn fill(&mut self, keys: &'static [Key], table: &mut Table) {
        for key in keys {
            if let (None, Default::Is(text)) = (table.get(key.name), &key.default) {
                table.0.push((key.name, default_item(key, text)));
            }
        }
        sort(keys, table);
    }

    /// Checks a value against `kind`, but says in a message that `whole` was expected.
    fn value_or(&mut self, kind: &Kind, node: &Node, path: &str, whole: &Kind) -> Option<Item> {
        let before = self.problems.len();
        let item = self.value(kind, node, path);
        if item.is_none() && same_type(kind, node) {
            return None;
        }
        if item.is_none() {
            self.problems.truncate(before);
            return self.mismatch(whole, node, path);
        }
        item
    }

    fn either(&mut self, kinds: &[Kind], whole: &Kind, node: &Node, path: &str) -> Option<Item> {
        let before = self.problems.len();
        for kind in kinds {
            if let Some(item) = self.value(kind, node, path) {
                return Some(item);
            }
            // A value of the right type but out of range, or a list with a bad item, is best explained by its
            // own message.
            if same_type(kind, node) && !matches!(kind, Kind::Word(_)) {
                return None;
            }
            self.problems.truncate(before);
        }
        self.mismatch(whole, node, path)
    }

    fn unknown_word<T>(&mut self, kind: &Kind, node: &Node, text: &str, path: &str) -> Option<T> {
        let Kind::Word(words) = kind else { return self.mismatch(kind, node, path) };
        let hint = nearest(text, words.iter().map(|(word, _)| *word));
        let hint = hint.map_or(String::new(), |near| format!("; did you mean {near:?}?"));
        let message = format!("`{path}`: expected {}, found {}{hint}", kind.words(), node.words());
        self.refuse(&node.origin, message)
    }

    pub(crate) fn mismatch<T>(&mut self, kind: &Kind, node: &Node, path: &str) -> Option<T> {
        let mut message = format!("`{path}`: expected {}, found {}", kind.words(), node.words());
        if let (Raw::Text(text), Kind::Bool | Kind::Integer { .. } | Kind::Number(_)) = (&node.raw, kind) {
            let unquoted = match kind {
                Kind::Bool => text.parse::<bool>().is_ok(),
                _ => text.parse::<f64>().is_ok(),
            };
            if unquoted {
                message.push_str("; leave the quotes away");
            }
        }
        if let (Origin::Set(_), Kind::Text, Raw::Bool(_) | Raw::Integer(_) | Raw::Float(_)) =
            (&node.origin, kind, &node.raw)
        {
            message.push_str(&format!("; quote it: --set '{path}=\"...\"'"));
        }
        self.refuse(&node.origin, message)
    }
}

/// Puts keys into the order of the documentation.
pub(crate) fn sort(keys: &[Key], table: &mut Table) {
    table.0.sort_by_key(|(name, _)| keys.iter().position(|key| key.name == *name));
}

/// A default, parsed and checked like any other value.
pub(crate) fn default_item(key: &Key, text: &str) -> Item {
    let bug =
        |why: &dyn std::fmt::Debug| -> ! { panic!("bug: default `{text}` of key `{}`: {why:?}", key.name) };
    let node = Node::value(text, &Origin::Default).unwrap_or_else(|why| bug(&why));
    let mut checker = Checker::default();
    checker.value(&key.kind, &node, key.name).unwrap_or_else(|| bug(&checker.problems))
}

fn key(keys: &'static [Key], name: &str) -> &'static Key {
    keys.iter().find(|key| key.name == name).unwrap_or_else(|| panic!("bug: there is no key `{name}`"))
}

/// Whether the value has the kind's TOML type, whatever its range.
fn same_type(kind: &Kind, node: &Node) -> bool {
    match (kind, &node.raw) {
        (Kind::Bool, Raw::Bool(_))
        | (Kind::Integer { .. }, Raw::Integer(_) | Raw::HugeInteger(_))
        | (Kind::Number(_), Raw::Integer(_) | Raw::Float(_))
        | (Kind::Text | Kind::AnyText | Kind::Character | Kind::Word(_), Raw::Text(_))
        | (Kind::List { .. }, Raw::List(_))
        | (Kind::Table { .. }, _)
        | (Kind::Choice(_), Raw::Text(_) | Raw::Table(_)) => true,
        (Kind::Either(kinds), _) => kinds.iter().any(|kind| same_type(kind, node)),
        _ => false,
    }
}
