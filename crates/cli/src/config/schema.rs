//! What a key of the configuration may hold: the types of the tables in [`super::keys`].
//!
//! One [`Key`] drives the check of a given value, the filling in of its default, the hints in error messages
//! and its entry on the reference page, so that none of the four can drift from the others.

use super::check::Table;

/// A table of the configuration, such as `[train]`.
pub(crate) struct Group {
    /// The name in brackets.
    pub(crate) name: &'static str,
    /// What the table decides, for the reference page.
    pub(crate) meaning: &'static str,
    /// Its keys, in the order in which they are documented and printed.
    pub(crate) keys: &'static [Key],
}

/// One key: everything that the program and its reference page know about it.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) default: Default,
    /// One sentence without the final dot.
    pub(crate) meaning: &'static str,
    /// A value as it would be written in the file.
    pub(crate) example: &'static str,
    /// The values of `data.source` that the key applies to; empty for all.
    pub(crate) sources: &'static [&'static str],
}

/// What holds when a key is not given.
pub(crate) enum Default {
    /// The key must be given.
    Required,
    /// This value, as it would be written in the file.
    Is(&'static str),
    /// Nothing: the feature is off, or decided elsewhere; the text says which.
    Absent(&'static str),
    /// A value that follows from other keys: how in words, and as a function of what is known so far.
    /// The function returns TOML text, or nothing where the key stays absent.
    From(&'static str, fn(&Table) -> Option<String>),
}

/// The type and range of a value.
pub(crate) enum Kind {
    Bool,
    /// A whole number in `min..=max`.
    Integer {
        min: i64,
        max: i64,
    },
    Number(Range),
    /// A string that is not empty.
    Text,
    AnyText,
    /// A string of exactly one character.
    Character,
    /// One of some words, each with its meaning.
    Word(&'static [(&'static str, &'static str)]),
    /// A list of `min..=max` values of one kind.
    List {
        of: &'static Kind,
        min: usize,
        max: usize,
    },
    /// A table with keys of its own; a bare value stands for the key `short`.
    Table {
        keys: &'static [Key],
        short: &'static str,
    },
    /// One of several named things, each with settings of its own.
    Choice(&'static Choice),
    /// Any of several kinds; the first that fits counts.
    Either(&'static [Kind]),
}

/// A family of named things: the layers, the optimizers, the schedules, the losses.
pub(crate) struct Choice {
    /// What one of them is called in a message, such as `layer`.
    pub(crate) what: &'static str,
    pub(crate) variants: &'static [Variant],
}

/// One named thing of a [`Choice`].
pub(crate) struct Variant {
    pub(crate) name: &'static str,
    /// One sentence without the final dot.
    pub(crate) meaning: &'static str,
    /// The key whose value may be written right after the name: `{ linear = 128 }` for `{ linear = { units = 128 } }`.
    pub(crate) main: Option<&'static str>,
    pub(crate) keys: &'static [Key],
}

/// The numbers from `low` to `high`; an open end is not part of the range.
#[derive(Clone, Copy)]
pub(crate) struct Range {
    low: f64,
    low_open: bool,
    high: f64,
    high_open: bool,
}

impl Range {
    /// Numbers above `low`.
    pub(crate) const fn above(low: f64) -> Range {
        Range { low, low_open: true, high: f64::INFINITY, high_open: true }
    }

    /// Numbers that are at least `low`.
    pub(crate) const fn at_least(low: f64) -> Range {
        Range { low, low_open: false, high: f64::INFINITY, high_open: true }
    }

    /// Numbers from `low` to `high`, both included.
    pub(crate) const fn closed(low: f64, high: f64) -> Range {
        Range { low, low_open: false, high, high_open: false }
    }

    /// Numbers from `low` to below `high`.
    pub(crate) const fn below(low: f64, high: f64) -> Range {
        Range { low, low_open: false, high, high_open: true }
    }

    /// Numbers above `low` up to `high`.
    pub(crate) const fn above_to(low: f64, high: f64) -> Range {
        Range { low, low_open: true, high, high_open: false }
    }

    /// Numbers between `low` and `high`, neither included.
    pub(crate) const fn open(low: f64, high: f64) -> Range {
        Range { low, low_open: true, high, high_open: true }
    }

    /// Whether `x` lies in the range.
    pub(crate) fn contains(&self, x: f64) -> bool {
        let above = if self.low_open { x > self.low } else { x >= self.low };
        let below = if self.high_open { x < self.high } else { x <= self.high };
        above && below
    }

    fn link(&self) -> &'static str {
        if self.low_open { "and" } else { "to" }
    }

    /// The range in words that follow "a number": `above 0`, `from 0 to below 1`.
    pub(crate) fn words(&self) -> String {
        let low = if self.low_open { format!("above {}", self.low) } else { format!("from {}", self.low) };
        match (self.low.is_finite(), self.high.is_finite()) {
            (true, false) if self.low_open => low,
            (true, false) => format!("of at least {}", self.low),
            (true, true) if self.high_open => format!("{low} {} below {}", self.link(), self.high),
            (true, true) if self.low_open => format!("{low} and at most {}", self.high),
            (true, true) => format!("{low} to {}", self.high),
            (false, _) => "of any size".to_owned(),
        }
    }
}

impl Kind {
    /// The kind in words: what a message puts after "expected".
    pub(crate) fn words(&self) -> String {
        match self {
            Kind::Bool => "true or false".to_owned(),
            Kind::Integer { min, max: i64::MAX } => format!("a whole number of at least {min}"),
            Kind::Integer { min, max } => format!("a whole number from {min} to {}", grouped(*max)),
            Kind::Number(range) => format!("a number {}", range.words()),
            Kind::Text | Kind::AnyText => "a string".to_owned(),
            Kind::Character => "a string of one character".to_owned(),
            Kind::Word(words) => one_of(words.iter().map(|(word, _)| format!("{word:?}"))),
            Kind::List { of, min, max } if min == max => format!("a list of {min} ({} each)", of.words()),
            Kind::List { of: Kind::Choice(choice), .. } => format!("a list of at least one {}", choice.what),
            Kind::List { of, .. } => format!("a list (of {})", of.words()),
            Kind::Table { keys, short } => {
                let names = keys.iter().map(|key| key.name).collect::<Vec<_>>().join(", ");
                let short = keys.iter().find(|key| key.name == *short).expect("bug: no such key");
                format!("{}, or a table with the keys {names}", short.kind.words())
            }
            Kind::Choice(choice) => choice.words(),
            Kind::Either(kinds) => one_of(kinds.iter().map(Kind::words)),
        }
    }
}

impl Choice {
    /// The variant of that exact name.
    pub(crate) fn find(&self, name: &str) -> Option<&'static Variant> {
        self.variants.iter().find(|variant| variant.name == name)
    }

    /// The choice in words: its kind and all names.
    fn words(&self) -> String {
        let names = self.variants.iter().map(|variant| variant.name).collect::<Vec<_>>().join(", ");
        format!("{} {} ({names})", article(self.what), self.what)
    }
}

impl Variant {
    /// Whether the bare name is enough: no setting must be given.
    pub(crate) fn bare(&self) -> bool {
        !self.keys.iter().any(|key| matches!(key.default, Default::Required))
    }

    /// The variant as the shortest value that the file may hold, with example settings: for hints.
    pub(crate) fn example(&self) -> String {
        match self.main.and_then(|main| self.keys.iter().find(|key| key.name == main)) {
            Some(main) => format!("{{ {} = {} }}", self.name, main.example),
            None if self.bare() => format!("{:?}", self.name),
            None => {
                let required = self.keys.iter().filter(|key| matches!(key.default, Default::Required));
                let settings = required.map(|key| format!("{} = {}", key.name, key.example));
                format!("{{ {} = {{ {} }} }}", self.name, settings.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// A whole number with TOML's separators: `1_000_000`.
fn grouped(number: i64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && digits.len() > 4 && (digits.len() - i).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

/// `a`, or `an` before a vowel.
pub(crate) fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

/// Alternatives in words: `x`, `x or y`, `x, y or z`.
pub(crate) fn one_of(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    match items.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}
