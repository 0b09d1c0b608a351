//! What exists, by the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::tidy::Tree;

/// A public method of a tensor: its file, the first sentence of its documentation, and its arguments.
pub(super) struct Operation {
    /// The file's stem, which is the family's name.
    pub(super) family: String,
    /// The name.
    pub(super) name: String,
    /// The first sentence of its documentation.
    pub(super) about: String,
    /// Whether its documentation says that it has no gradient.
    pub(super) no_gradient: bool,
}

/// Everything that the table lists.
pub(super) struct Found {
    /// The operations, by family.
    pub(super) operations: Vec<Operation>,
    /// Layers, losses, optimizers and schedules, with the test files that name each.
    pub(super) parts: BTreeMap<&'static str, Vec<(String, Vec<String>)>>,
}

/// Where the names of a kind are exported, and which tests must name each of them.
const PARTS: &[(&str, &str, &[&str])] = &[
    ("Layers", "crates/nn/src/layers/mod.rs", &["crates/nn/tests/", "crates/talweg/tests/golden/"]),
    ("Losses", "crates/nn/src/losses/mod.rs", &["crates/nn/tests/", "crates/talweg/tests/golden/"]),
    (
        "Optimizers",
        "crates/optim/src/rules/mod.rs",
        &["crates/optim/src/", "crates/optim/tests/", "crates/talweg/tests/golden/"],
    ),
];

pub(super) fn read(root: &Path) -> Result<Found, String> {
    let tree = Tree::read(root)?;
    let mut operations = Vec::new();
    for (file, rust) in tree.rust() {
        let Some(place) = file.path.strip_prefix("crates/tensor/src/ops/") else { continue };
        let family = place.trim_end_matches(".rs").to_string();
        for item in &rust.ast.items {
            let syn::Item::Impl(block) = item else { continue };
            if block.trait_.is_some() || !is_tensor(&block.self_ty) {
                continue;
            }
            operations.extend(block.items.iter().filter_map(|item| method(item, &family)));
        }
    }
    let mut parts = BTreeMap::new();
    for (kind, exports, tests) in PARTS {
        let file = tree.files.iter().find(|f| f.path == *exports).ok_or(format!("{exports} is missing"))?;
        let list = exported(&file.text)
            .into_iter()
            .map(|name| {
                let found = naming(&tree, tests, &name);
                (name, found)
            })
            .collect();
        parts.insert(*kind, list);
    }
    for (kind, ty, folder, tests) in MAKERS {
        let mut list: Vec<(String, Vec<String>)> = Vec::new();
        for (file, rust) in tree.rust() {
            if !file.path.starts_with(folder) || file.path.starts_with("crates/tensor/src/ops/") {
                continue;
            }
            for item in &rust.ast.items {
                let syn::Item::Impl(block) = item else { continue };
                if block.trait_.is_none() {
                    let made = block.items.iter().filter_map(|item| maker(item, &block.self_ty, ty));
                    list.extend(made.map(|name| (name.clone(), naming(&tree, tests, &name))));
                }
            }
        }
        list.sort();
        parts.insert(*kind, list);
    }
    Ok(Found { operations, parts })
}

/// Functions that make something without an input that could have a gradient: the kind, what they make, where they stand, and
/// which tests must name each of them.
const MAKERS: &[(&str, &str, &str, &[&str])] = &[
    ("Creation and random numbers", "Tensor", "crates/tensor/src/", CREATION),
    ("Schedules", "Schedule", "crates/optim/src/", &["crates/optim/src/", "crates/talweg/tests/golden/"]),
];

/// Where creation is tested, and not only used.
const CREATION: &[&str] = &[
    "crates/talweg/tests/custom/op.rs",
    "crates/talweg/tests/samples/operations/",
    "crates/tensor/src/random",
    "crates/tensor/src/tensor",
    "crates/tensor/tests/",
];

/// The name of a public function that returns `ty`: of `ty` or of the generator of random numbers, and for tensors none of a
/// tensor's own methods.
fn maker(item: &syn::ImplItem, owner: &syn::Type, ty: &str) -> Option<String> {
    let syn::ImplItem::Fn(function) = item else { return None };
    let is =
        |found: &syn::Type, name: &str| matches!(found, syn::Type::Path(path) if path.path.is_ident(name));
    let syn::ReturnType::Type(_, output) = &function.sig.output else { return None };
    let of_a_tensor = is(owner, "Tensor") && function.sig.receiver().is_some();
    let public = matches!(function.vis, syn::Visibility::Public(_));
    let makes = is(output, ty) && (is(owner, ty) || is(owner, "Rng"));
    (public && makes && !of_a_tensor).then(|| function.sig.ident.to_string())
}

/// The files whose tests name something: files of tests, and files with tests at their end.
fn naming(tree: &Tree, tests: &[&str], name: &str) -> Vec<String> {
    let names = |f: &&crate::tidy::File| {
        let whole = f.path.contains("test");
        let text =
            if whole { Some(f.text.as_str()) } else { f.text.split_once("#[cfg(test)]").map(|(_, end)| end) };
        tests.iter().any(|t| f.path.starts_with(t)) && text.is_some_and(|text| has_word(text, name))
    };
    tree.files.iter().filter(names).map(|f| f.path.clone()).collect()
}

fn is_tensor(ty: &syn::Type) -> bool {
    matches!(ty, syn::Type::Path(path) if path.path.is_ident("Tensor"))
}

fn method(item: &syn::ImplItem, family: &str) -> Option<Operation> {
    let syn::ImplItem::Fn(function) = item else { return None };
    if !matches!(function.vis, syn::Visibility::Public(_)) {
        return None;
    }
    let lines: Vec<String> = function.attrs.iter().filter_map(doc).collect();
    let text = lines
        .iter()
        .take_while(|line| !line.trim().is_empty())
        .map(|l| l.trim())
        .collect::<Vec<_>>()
        .join(" ");
    let whole = lines.join("\n");
    let gradient = whole.split("# Gradient").nth(1).unwrap_or_default();
    let about =
        text.split_inclusive(". ").next().unwrap_or_default().trim().trim_end_matches('.').to_string();
    Some(Operation {
        family: family.to_string(),
        name: function.sig.ident.to_string(),
        about,
        no_gradient: gradient.trim_start().starts_with("None"),
    })
}

fn doc(attribute: &syn::Attribute) -> Option<String> {
    let syn::Meta::NameValue(pair) = &attribute.meta else { return None };
    let syn::Expr::Lit(literal) = &pair.value else { return None };
    let syn::Lit::Str(text) = &literal.lit else { return None };
    pair.path.is_ident("doc").then(|| text.value())
}

/// The names that a module exports by `pub use`.
fn exported(text: &str) -> BTreeSet<String> {
    let lists = text.split("pub use ").skip(1).filter_map(|rest| rest.split(';').next());
    let names = lists.flat_map(|list| {
        let list = list.rsplit("::").next().unwrap_or(list);
        list.split([',', '{', '}']).map(|name| name.trim().to_string()).collect::<Vec<_>>()
    });
    names.filter(|name| name.chars().next().is_some_and(char::is_uppercase)).collect()
}

fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let letter = |c: char| c.is_alphanumeric() || c == '_';
        !text[..at].chars().next_back().is_some_and(letter)
            && !text[at + word.len()..].chars().next().is_some_and(letter)
    })
}

#[test]
fn names_are_found() {
    let text = "mod a;\npub use a::{One, Two};\npub use b::Three;\npub(crate) use c::four;\n";
    assert_eq!(exported(text).into_iter().collect::<Vec<_>>(), ["One", "Three", "Two"]);
    assert!(has_word("a Conv1d::new", "Conv1d") && !has_word("Conv1dOptions", "Conv1d"));
}
