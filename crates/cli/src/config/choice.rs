//! Checks the named things: layers, optimizers, schedules, losses, initialisers.

use super::check::{Checker, Inside, Item, Table, Value};
use super::nearest::nearest;
use super::schema::{Choice, Default, Kind, Variant};
use super::source::{Entry, Node, Origin, Raw};

impl Checker {
    /// Checks a value that names one of `choice`.
    pub(crate) fn choice(&mut self, choice: &'static Choice, node: &Node, path: &str) -> Option<Item> {
        let item = |name, main, settings| {
            let value = Value::Variant { name, main, settings };
            Some(Item { value, origin: node.origin.clone() })
        };
        match &node.raw {
            Raw::Text(name) => {
                let Some(variant) = choice.find(name) else {
                    return self.unknown_variant(choice, name, &node.origin, path);
                };
                if !variant.bare() {
                    let lacking = variant.keys.iter().filter(|key| matches!(key.default, Default::Required));
                    let lacking =
                        lacking.map(|key| format!("`{}`", key.name)).collect::<Vec<_>>().join(" and ");
                    let message =
                        format!("`{path}`: {name} needs its {lacking}, such as {}", full_example(variant));
                    return self.refuse(&node.origin, message);
                }
                let mut settings = Table::default();
                self.fill(variant.keys, &mut settings);
                item(variant.name, variant.main, settings)
            }
            Raw::Table(entries) => {
                let (variant, settings) = self.variant(choice, entries, node, path)?;
                item(variant.name, variant.main, settings)
            }
            _ => self.mismatch(&Kind::Choice(choice), node, path),
        }
    }

    /// Checks a table that names one of the choice: `{ conv2d = 32, kernel = 3 }`, or with all settings in a table
    /// of their own, `{ conv2d = { channels = 32, kernel = 3 } }`, or some here and some there.
    fn variant(
        &mut self,
        choice: &'static Choice,
        entries: &[Entry],
        node: &Node,
        path: &str,
    ) -> Option<(&'static Variant, Table)> {
        let named: Vec<(&Entry, &'static Variant)> =
            entries.iter().filter_map(|entry| Some((entry, choice.find(&entry.key)?))).collect();
        let (named, variant) = match named[..] {
            [one] => one,
            [] => return self.no_variant(choice, entries, node, path),
            [(first, _), (second, _), ..] => {
                let message = format!(
                    "`{path}` names two {}s, {} and {}; give one",
                    choice.what, first.key, second.key
                );
                return self.refuse(&second.key_origin, message);
            }
        };
        let mut given: Vec<&Entry> = entries.iter().filter(|entry| entry.key != variant.name).collect();
        let payload;
        match (&named.node.raw, variant.main) {
            (Raw::Table(inner), _) => given.extend(inner),
            (_, Some(main)) => {
                // The main value keeps the variant's name in messages: that is what the file shows.
                payload = Entry {
                    key: main.to_owned(),
                    key_origin: named.key_origin.clone(),
                    node: named.node.clone(),
                };
                given.push(&payload);
            }
            (_, None) => {
                let message = format!(
                    "`{path}.{}`: expected nothing but the name ({:?}) or a table of settings{}, found {}",
                    variant.name,
                    variant.name,
                    settings_words(variant),
                    named.node.words()
                );
                return self.refuse(&named.node.origin, message);
            }
        }
        self.no_doubles(variant, &given, path)?;
        let name = format!("{} {} (`{path}`)", choice.what, variant.name);
        let inside = Inside { name: &name, family: Some(choice) };
        let path = format!("{path}.{}", variant.name);
        let settings = self.keys(variant.keys, &given, &node.origin, &path, &inside)?;
        Some((variant, settings))
    }

    /// Refuses a setting that stands beside the name and in the table under it.
    fn no_doubles(&mut self, variant: &Variant, given: &[&Entry], path: &str) -> Option<()> {
        for (i, entry) in given.iter().enumerate() {
            if given[..i].iter().any(|other| other.key == entry.key) {
                let mut message = format!("`{path}`: `{}` of {} is given twice", entry.key, variant.name);
                if variant.main == Some(entry.key.as_str())
                    && given.iter().any(|e| matches!(e.key_origin, Origin::Set(_)))
                {
                    message.push_str(&format!("; set {path}.{}", variant.name));
                }
                return self.refuse(&entry.key_origin, message);
            }
        }
        Some(())
    }

    fn no_variant<T>(
        &mut self,
        choice: &'static Choice,
        entries: &[Entry],
        node: &Node,
        path: &str,
    ) -> Option<T> {
        // The key that is meant as a name: one that belongs to no variant as a setting, else the first.
        let setting =
            |name: &str| choice.variants.iter().any(|variant| variant.keys.iter().any(|k| k.name == name));
        match entries.iter().find(|entry| !setting(&entry.key)) {
            Some(entry) => self.unknown_variant(choice, &entry.key, &entry.key_origin, path),
            None => {
                let example = choice.variants[0].example();
                let message = format!(
                    "`{path}` names no {}: expected {}, such as {example}, found {}",
                    choice.what,
                    Kind::Choice(choice).words(),
                    node.words()
                );
                self.refuse(&node.origin, message)
            }
        }
    }

    fn unknown_variant<T>(&mut self, choice: &Choice, name: &str, origin: &Origin, path: &str) -> Option<T> {
        let names = choice.variants.iter().map(|variant| variant.name);
        let message = match nearest(name, names.clone()) {
            Some(near) => format!("`{path}`: unknown {} `{name}`; did you mean `{near}`?", choice.what),
            None => {
                let names = names.collect::<Vec<_>>().join(", ");
                format!("`{path}`: unknown {} `{name}`; there are {names}", choice.what)
            }
        };
        self.refuse(origin, message)
    }
}

fn settings_words(variant: &Variant) -> String {
    if variant.keys.is_empty() {
        return " (it has none)".to_owned();
    }
    let names = variant.keys.iter().map(|key| key.name).collect::<Vec<_>>().join(", ");
    format!(" ({names})")
}

/// The variant with all settings that it cannot do without.
fn full_example(variant: &Variant) -> String {
    let main = variant.main.unwrap_or_default();
    let settings =
        variant.keys.iter().filter(|key| matches!(key.default, Default::Required) && key.name != main);
    let settings = settings.map(|key| format!("{} = {}", key.name, key.example));
    match variant.keys.iter().find(|key| key.name == main) {
        Some(key) => {
            let first = format!("{} = {}", variant.name, key.example);
            format!("{{ {} }}", std::iter::once(first).chain(settings).collect::<Vec<_>>().join(", "))
        }
        None => variant.example(),
    }
}
