//! Public items carry the headings that a reader looks for, the same ones for every item of a kind.

use syn::spanned::Spanned;

use super::tree::{File, Tree, documentation};
use super::{Finding, Rule};

/// Finds operations, layers and optimizer rules whose documentation lacks a heading of its kind.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, rust) in tree.rust() {
        let items = rust.ast.items.iter().filter(|item| !rust.is_test(item.span().start().line));
        if file.path.starts_with("crates/tensor/src/ops/") {
            items.for_each(|item| found.extend(operations(file, item)));
        } else if file.path.starts_with("crates/nn/src/layers/") {
            let items: Vec<&syn::Item> = items.collect();
            found.extend(structs(file, &items, "Layer", &["Arguments", "Shapes", "Parameters", "Source"]));
        } else if file.path.starts_with("crates/optim/src/rules/") {
            let items: Vec<&syn::Item> = items.collect();
            found.extend(structs(file, &items, "Rule", &["Update", "Source", "Differs from the paper in"]));
        }
    }
    found
}

/// Public methods of `Tensor` and public functions: what a user calls.
fn operations(file: &File, item: &syn::Item) -> Vec<Finding> {
    let mut found = Vec::new();
    match item {
        syn::Item::Fn(function) if is_public(&function.vis) => {
            found.extend(operation(file, &function.sig, &function.attrs));
        }
        syn::Item::Impl(block) if block.trait_.is_none() => {
            for item in &block.items {
                if let syn::ImplItem::Fn(function) = item
                    && is_public(&function.vis)
                {
                    found.extend(operation(file, &function.sig, &function.attrs));
                }
            }
        }
        _ => {}
    }
    found
}

fn operation(file: &File, signature: &syn::Signature, attributes: &[syn::Attribute]) -> Vec<Finding> {
    let mut wanted = vec!["Shapes", "Gradient", "Example"];
    // A function that points at its caller's line is one that may panic.
    if attributes.iter().any(|attribute| attribute.path().is_ident("track_caller")) {
        wanted.push("Panics");
    }
    missing(file, &signature.ident, attributes, &wanted)
}

/// Public structs that implement `kind`.
fn structs(file: &File, items: &[&syn::Item], kind: &str, wanted: &[&str]) -> Vec<Finding> {
    let implements = |name: &syn::Ident| {
        items.iter().any(|item| match item {
            syn::Item::Impl(block) => {
                let of = block.trait_.as_ref().and_then(|(path, _)| path.segments.last());
                of.is_some_and(|last| last.ident == kind)
                    && self_name(&block.self_ty).is_some_and(|n| n == name)
            }
            _ => false,
        })
    };
    let mut found = Vec::new();
    for item in items {
        if let syn::Item::Struct(item) = item
            && is_public(&item.vis)
            && implements(&item.ident)
        {
            found.extend(missing(file, &item.ident, &item.attrs, wanted));
        }
    }
    found
}

fn missing(file: &File, name: &syn::Ident, attributes: &[syn::Attribute], wanted: &[&str]) -> Vec<Finding> {
    let text = documentation(attributes);
    let headings: Vec<&str> =
        text.lines().filter_map(|line| line.trim_start().strip_prefix("# ")).map(str::trim).collect();
    let lacks =
        |heading: &&&str| !headings.iter().any(|found| found == *heading || *found == format!("{heading}s"));
    let absent: Vec<String> = wanted.iter().filter(lacks).map(|heading| format!("`# {heading}`")).collect();
    if absent.is_empty() {
        return Vec::new();
    }
    let message = format!("the documentation of `{name}` lacks {}", absent.join(", "));
    vec![file.finding(Rule::Headings, name.span().start().line, &name.to_string(), message)]
}

fn is_public(visibility: &syn::Visibility) -> bool {
    matches!(visibility, syn::Visibility::Public(_))
}

fn self_name(of: &syn::Type) -> Option<&syn::Ident> {
    match of {
        syn::Type::Path(path) => path.path.segments.last().map(|last| &last.ident),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &str, text: &str) -> Vec<(usize, String)> {
        check(&Tree::of(&[(path, text)])).into_iter().map(|f| (f.line, f.message)).collect()
    }

    #[test]
    fn operations_have_their_headings() {
        let text = "\
impl Tensor {
    /// The sine.
    ///
    /// # Shapes
    /// any to the same
    /// # Gradient
    /// `dx = dy cos(x)`
    /// # Examples
    /// one
    #[track_caller]
    pub fn sin(&self) -> Tensor {}
    fn private(&self) {}
}
impl Op for Sin { fn name(&self) {} }
";
        let found = messages("crates/tensor/src/ops/sin.rs", text);
        assert_eq!(found, [(11, "the documentation of `sin` lacks `# Panics`".to_string())]);
        assert_eq!(messages("crates/tensor/src/sin.rs", text), []);
    }

    #[test]
    fn layers_and_rules_have_their_headings() {
        let layer = "/// # Arguments\n/// # Shapes\n/// # Source\npub struct Id;\nimpl Layer for Id {}\npub struct Not;\n";
        let found = messages("crates/nn/src/layers/id.rs", layer);
        assert_eq!(found, [(4, "the documentation of `Id` lacks `# Parameters`".to_string())]);

        let rule = "/// # Update\n/// # Source\npub struct Sgd {}\nimpl crate::Rule for Sgd {}\n";
        let found = messages("crates/optim/src/rules/sgd.rs", rule);
        assert_eq!(
            found,
            [(3, "the documentation of `Sgd` lacks `# Differs from the paper in`".to_string())]
        );
    }
}
