//! The usual forms of keys that have a default.

use crate::config::schema::{Default, Key, Kind, Range};

/// A number in a range.
pub(super) const fn number(
    name: &'static str,
    range: Range,
    default: &'static str,
    meaning: &'static str,
    example: &'static str,
) -> Key {
    Key { name, kind: Kind::Number(range), default: Default::Is(default), meaning, example, sources: &[] }
}

/// A switch that is off.
pub(super) const fn flag(name: &'static str, meaning: &'static str) -> Key {
    Key { name, kind: Kind::Bool, default: Default::Is("false"), meaning, example: "true", sources: &[] }
}

/// A whole number.
pub(super) const fn count(
    name: &'static str,
    default: &'static str,
    meaning: &'static str,
    example: &'static str,
) -> Key {
    let kind = Kind::Integer { min: 0, max: 1_000_000_000_000 };
    Key { name, kind, default: Default::Is(default), meaning, example, sources: &[] }
}

/// Two numbers of a kind.
pub(super) const fn pair(
    name: &'static str,
    of: &'static Kind,
    default: &'static str,
    meaning: &'static str,
    example: &'static str,
) -> Key {
    let kind = Kind::List { of, min: 2, max: 2 };
    Key { name, kind, default: Default::Is(default), meaning, example, sources: &[] }
}
