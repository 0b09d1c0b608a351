//! The tables of keys themselves.

use crate::config::check::{Checker, Table};
use crate::config::keys::{FAMILIES, GROUPS};
use crate::config::nearest::nearest;
use crate::config::schema::{Default, Key, Kind};
use crate::config::source::{Node, Origin};

/// Every key of every section and family, with where it belongs.
fn every_key() -> Vec<(String, &'static Key)> {
    let mut all = Vec::new();
    let mut add = |place: &str, keys: &'static [Key]| {
        for key in keys {
            all.push((format!("{place}.{}", key.name), key));
            if let Kind::Table { keys, .. } = &key.kind {
                all.extend(keys.iter().map(|inner| (format!("{place}.{}.{}", key.name, inner.name), inner)));
            }
        }
    };
    for group in GROUPS {
        add(group.name, group.keys);
    }
    for (family, place) in FAMILIES {
        for variant in family.variants {
            add(&format!("{place}.{}", variant.name), variant.keys);
        }
    }
    all
}

fn accepted(key: &Key, text: &str) -> bool {
    let node = Node::value(text, &Origin::Whole).unwrap_or_else(|why| panic!("{}: {text}: {why}", key.name));
    let mut checker = Checker::default();
    checker.value(&key.kind, &node, key.name).is_some() && checker.problems.is_empty()
}

#[test]
fn every_example_and_default_passes_its_own_check() {
    let keys = every_key();
    assert!(keys.len() > 80, "only {} keys found", keys.len());
    for (place, key) in keys {
        assert!(accepted(key, key.example), "the example of {place}");
        if let Default::Is(text) = key.default {
            assert!(accepted(key, text), "the default of {place}");
        }
        let first = key.meaning.chars().next().expect("a meaning");
        assert!(!first.is_uppercase() && !key.meaning.ends_with('.'), "the meaning of {place}");
    }
}

#[test]
fn every_key_finds_itself_and_a_slip_of_it() {
    for (place, key) in every_key() {
        let name = key.name;
        assert_eq!(nearest(name, [name].into_iter()), Some(name));
        // A doubled letter is the slip that every name of three letters or more must survive.
        if name.len() >= 3 {
            let slip = format!("{}{name}", &name[..1]);
            assert_eq!(nearest(&slip, [name].into_iter()), Some(name), "{place}");
        }
    }
}

#[test]
fn every_name_is_unique_in_its_place() {
    for group in GROUPS {
        for (i, key) in group.keys.iter().enumerate() {
            assert!(
                group.keys[..i].iter().all(|other| other.name != key.name),
                "{}.{}",
                group.name,
                key.name
            );
        }
    }
    for (family, place) in FAMILIES {
        for (i, variant) in family.variants.iter().enumerate() {
            assert!(
                family.variants[..i].iter().all(|other| other.name != variant.name),
                "{place}.{}",
                variant.name
            );
            // A setting named like another variant would make `{ a = 1, b = 2 }` ambiguous.
            for key in variant.keys {
                assert!(family.find(key.name).is_none(), "{place}.{}.{}", variant.name, key.name);
            }
            if let Some(main) = variant.main {
                assert!(variant.keys.iter().any(|key| key.name == main), "{place}.{}", variant.name);
            }
        }
    }
}

#[test]
fn a_table_keeps_the_documented_order() {
    let config = crate::config::Config::parse(
        "a.toml",
        "[train]\nseed = 1\nepochs = 2\n[data]\nsource = \"xor\"\n[model]\nlayers = [{ linear = 1 }]\n[train.loss]\nmse = {}\n",
        &[],
    )
    .expect("a right configuration");
    let train: &Table = config.root.table("train");
    let order = |name: &str| train.0.iter().position(|(key, _)| *key == name).expect("a key");
    assert!(order("loss") < order("epochs") && order("epochs") < order("seed"));
}
