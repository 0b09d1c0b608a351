//! Public items carry the headings that a reader looks for, the same ones for every item of a kind.

use syn::spanned::Spanned;

use super::tables::{Table, tables};
use super::tree::{File, Tree, documentation};
use super::{Finding, Rule};

/// Finds operations, layers and optimizer rules whose documentation lacks a heading of its kind.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, rust) in tree.rust() {
        let items = rust.ast.items.iter().filter(|item| !rust.is_test(item.span().start().line));
        if file.path.starts_with("crates/tensor/src/ops/") {
            items.for_each(|item| found.extend(operations(file, item)));
            tables(rust).iter().for_each(|table| found.extend(rows(file, table)));
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
        syn::Item::Impl(block)
            if block.trait_.is_none() && self_name(&block.self_ty).is_some_and(|name| name == "Tensor") =>
        {
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

fn operation(file: &File, signature: &syn::Signature, attributes: &[syn::Attribute]) -> Option<Finding> {
    let may_panic = attributes.iter().any(|attribute| attribute.path().is_ident("track_caller"));
    let (line, name) = (signature.ident.span().start().line, signature.ident.to_string());
    missing(file, line, &name, &documentation(attributes), operation_headings(may_panic))
}

/// A function that points at its caller's line is one that may panic.
fn operation_headings(may_panic: bool) -> &'static [&'static str] {
    if may_panic { &["Shapes", "Gradient", "Example", "Panics"] } else { &["Shapes", "Gradient", "Example"] }
}

/// The methods that a table makes of its rows, with what row and table say together.
fn rows(file: &File, table: &Table) -> Vec<Finding> {
    let mut found = Vec::new();
    for method in &table.methods {
        for row in &table.rows {
            let name = row.names.join(" ");
            let mut text = if method.takes_row { row.documentation.clone() } else { String::new() };
            text.push_str(&method.documentation);
            found.extend(missing(file, row.line, &name, &text, operation_headings(method.may_panic)));
        }
    }
    found
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
            let (line, name) = (item.ident.span().start().line, item.ident.to_string());
            found.extend(missing(file, line, &name, &documentation(&item.attrs), wanted));
        }
    }
    found
}

fn missing(file: &File, line: usize, name: &str, text: &str, wanted: &[&str]) -> Option<Finding> {
    let headings: Vec<&str> =
        text.lines().filter_map(|line| line.trim_start().strip_prefix("# ")).map(str::trim).collect();
    let lacks =
        |heading: &&&str| !headings.iter().any(|found| found == *heading || *found == format!("{heading}s"));
    let absent: Vec<String> = wanted.iter().filter(lacks).map(|heading| format!("`# {heading}`")).collect();
    if absent.is_empty() {
        return None;
    }
    let message = format!("the documentation of `{name}` lacks {}", absent.join(", "));
    Some(file.finding(Rule::Headings, line, name, message))
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
    fn rows_of_tables_have_the_headings_of_both() {
        let text = "\
macro_rules! m { ($($(#[$d:meta])* $n:ident;)*) => { $($(#[$d])*
    /// # Shapes
    /// # Example
    pub fn $n() {})* } }
m! {
    /// # Gradient
    sin;
    /// Nothing.
    cos;
}
";
        let found = messages("crates/tensor/src/ops/sin.rs", text);
        assert_eq!(found, [(9, "the documentation of `cos` lacks `# Gradient`".to_string())]);
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
