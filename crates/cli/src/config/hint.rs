//! What to say about a name that is not known where it stands.

use super::check::Inside;
use super::keys::{FAMILIES, GROUPS};
use super::nearest::nearest;
use super::schema::{Choice, Key, Variant};

/// What to say about an unknown key: where it belongs, the nearest known one, or all known ones.
pub(crate) fn unknown_key(name: &str, keys: &[Key], inside: &Inside<'_>) -> String {
    if let Some(family) = inside.family {
        let owners = family.variants.iter().filter(|variant| variant.keys.iter().any(|key| key.name == name));
        let owners = owners.map(|variant| variant.name).collect::<Vec<_>>();
        if !owners.is_empty() {
            return format!("; it is a setting of {}", owners.join(", "));
        }
    } else if LEARNING_RATES.contains(&name) {
        return LEARNING_RATE.to_owned();
    }
    let names = keys.iter().map(|key| key.name);
    if let Some(near) = nearest(name, names.clone()) {
        return format!("; did you mean `{near}`?");
    }
    if let Some(hint) = elsewhere(name) {
        return hint;
    }
    match keys {
        [] => "; it has no settings".to_owned(),
        _ => format!("; there are {}", names.collect::<Vec<_>>().join(", ")),
    }
}

const LEARNING_RATES: [&str; 5] = ["lr", "learning_rate", "learning-rate", "eta", "step_size"];
const LEARNING_RATE: &str = "; the learning rate is part of the optimizer: optimizer = { adam = 1e-3 }";

/// What to say about an unknown name at the top of the file.
pub(crate) fn unknown_section(name: &str) -> String {
    let sections = GROUPS.iter().map(|group| group.name);
    match nearest(name, sections) {
        Some(near) => format!("; did you mean [{near}]?"),
        None => elsewhere(name).unwrap_or_else(|| "; there are [data], [model] and [train]".to_owned()),
    }
}

/// Where a name that is unknown here is known.
fn elsewhere(name: &str) -> Option<String> {
    if let Some(group) = GROUPS.iter().find(|group| group.keys.iter().any(|key| key.name == name)) {
        return Some(format!("; `{name}` belongs in [{}]", group.name));
    }
    if LEARNING_RATES.contains(&name) {
        return Some(LEARNING_RATE.to_owned());
    }
    let owner = |(family, place): &(&'static Choice, &str)| {
        let owner =
            family.variants.iter().find(|v| v.name == name || v.keys.iter().any(|key| key.name == name))?;
        let example = if owner.name == name { owner.example() } else { setting_example(owner, name) };
        Some(format!("; `{name}` belongs to the {} in {place}, as in {example}", family.what))
    };
    FAMILIES.iter().find_map(owner)
}

/// `{ adamw = 1e-3, weight_decay = 1e-4 }`
fn setting_example(variant: &Variant, name: &str) -> String {
    let find =
        |name: &str| variant.keys.iter().find(|key| key.name == name).expect("bug: a setting without a key");
    let key = find(name);
    let setting = format!("{} = {}", key.name, key.example);
    match variant.main {
        Some(main) => {
            format!("{{ {} = {}, {setting} }}", variant.name, find(main).example)
        }
        None => format!("{{ {} = {{ {setting} }} }}", variant.name),
    }
}
