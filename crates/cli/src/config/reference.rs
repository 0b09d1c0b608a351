//! The reference page of all keys, made from the same tables that check them.

use super::keys::GROUPS;
use super::schema::{Choice, Default, Key, Kind, one_of};

/// The page `docs/configuration.md`.
pub(crate) fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    let mut choices = Vec::new();
    for group in GROUPS {
        page.push_str(&format!("\n## `[{}]`\n\n{}\n", group.name, group.meaning));
        for key in group.keys {
            page.push_str(&entry(key, group.name));
            if let Kind::Choice(choice) = first_choice(&key.kind) {
                choices.push(*choice);
            }
        }
    }
    for choice in choices {
        page.push_str(&family(choice));
    }
    page
}

const INTRODUCTION: &str = "\
# The configuration of `talweg train`

<!-- Made by `talweg config-reference`; change the tables in crates/cli/src/config/keys instead. -->

A configuration is a TOML file with the tables `[data]`, `[model]` and `[train]`. `talweg check FILE` checks it and
prints it with all defaults filled in; `talweg train FILE` trains with it. Unknown keys, wrong types, values out of
range and impossible combinations are refused before anything runs, with the line and column of each.

Single values can be changed on the command line: `--set train.epochs=3 --set model.layers[0].linear=64`. The value is
written as in the file; the quotes of a plain word may be left away.

Layers, optimizers, schedules, losses and initialisers are chosen by name. The name alone takes every default:
`optimizer = \"adam\"`. Settings stand in a table: `optimizer = { adam = { lr = 1e-3, eps = 1e-6 } }`. The most
important setting may follow the name, with the others beside it: `optimizer = { adam = 1e-3, eps = 1e-6 }`.
";

/// The entry of a key of a section.
fn entry(key: &Key, section: &str) -> String {
    let mut entry = format!("\n### `{section}.{}`\n\n{}.\n\n", key.name, sentence(key.meaning));
    entry.push_str(&format!("- Type: {}\n", kind(&key.kind)));
    entry.push_str(&format!("- Default: {}\n", default(&key.default)));
    if !key.sources.is_empty() {
        let sources = one_of(key.sources.iter().map(|source| format!("`{source}`")));
        entry.push_str(&format!("- Only for source {sources}\n"));
    }
    entry.push_str(&format!("- Example: `{} = {}`\n", key.name, key.example));
    if let Kind::Word(words) = &key.kind {
        entry.push('\n');
        for (word, meaning) in *words {
            entry.push_str(&format!("  - `\"{word}\"`: {meaning}\n"));
        }
    }
    if let Kind::Table { keys, .. } = &key.kind {
        entry.push_str(&settings(keys));
    }
    entry
}

/// The section of a family of named things.
fn family(choice: &Choice) -> String {
    let mut text = format!("\n## {}s\n", sentence(choice.what).replace("Loss", "Losse"));
    for variant in choice.variants {
        text.push_str(&format!("\n### `{}`\n\n{}.\n", variant.name, sentence(variant.meaning)));
        if let Some(main) = variant.main {
            text.push_str(&format!("\nThe value after the name is `{main}`: `{}`.\n", variant.example()));
        }
        if !variant.keys.is_empty() {
            text.push_str(&settings(variant.keys));
        }
    }
    text
}

fn settings(keys: &[Key]) -> String {
    let mut table = "\n| setting | type | default | meaning |\n| --- | --- | --- | --- |\n".to_owned();
    for key in keys {
        let cells = [kind(&key.kind), default(&key.default), key.meaning.to_owned()];
        let cells = cells.map(|cell| cell.replace('|', "\\|")).join(" | ");
        table.push_str(&format!("| `{}` | {cells} |\n", key.name));
    }
    table
}

fn default(default: &Default) -> String {
    match default {
        Default::Required => "none, it must be given".to_owned(),
        Default::Is(text) => format!("`{text}`"),
        Default::Absent(meaning) => format!("not set: {meaning}"),
        Default::From(rule, _) => (*rule).to_owned(),
    }
}

/// The kind in words; the names of a family only as a link.
fn kind(kind: &Kind) -> String {
    match first_choice(kind) {
        Kind::Choice(choice) => {
            let plural = format!("{}s", choice.what).replace("losss", "losses");
            let link = format!("[{plural}](#{plural})");
            if matches!(kind, Kind::List { .. }) {
                format!("a list of {link}")
            } else {
                format!("one of the {link}")
            }
        }
        _ => kind.words(),
    }
}

fn first_choice(kind: &Kind) -> &Kind {
    match kind {
        Kind::List { of, .. } => first_choice(of),
        kind => kind,
    }
}

/// The text with a capital letter in front.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}
