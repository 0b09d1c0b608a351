//! Public items carry the headings that a reader looks for, the same ones for every item of a kind.

use syn::spanned::Spanned;

use super::tables::{Table, tables};
use super::tree::{File, Tree, documentation};
use super::{Finding, Rule};

/// Finds operations, layers and optimizer rules whose documentation lacks what belongs to its kind.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, rust) in tree.rust() {
        let items: Vec<&syn::Item> =
            rust.ast.items.iter().filter(|item| !rust.is_test(item.span().start().line)).collect();
        if file.path.starts_with("crates/tensor/src/ops/") {
            items.iter().for_each(|item| found.extend(operations(file, item)));
            tables(rust).iter().for_each(|table| found.extend(rows(file, table, OPERATION)));
        } else if file.path.starts_with("crates/nn/src/layers/") {
            found.extend(structs(file, &items, "Layer", LAYER));
            tables(rust).iter().for_each(|table| found.extend(rows(file, table, LAYER)));
        } else if file.path.starts_with("crates/optim/src/rules/") {
            found.extend(structs(file, &items, "Rule", RULE));
            found.extend(equations(file, &items));
        }
    }
    found
}

const OPERATION: &[&str] = &["Shapes", "Gradient", "Example"];
const LAYER: &[&str] = &["Arguments", "Shapes", "Parameters", "Source"];
const RULE: &[&str] = &["Hyperparameters", "Source", "Differs from the paper in"];

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
    missing(file, line, &name, &documentation(attributes), &with_panics(OPERATION, may_panic))
}

/// A function that points at its caller's line is one that may panic.
fn with_panics(wanted: &[&'static str], may_panic: bool) -> Vec<&'static str> {
    wanted.iter().copied().chain(may_panic.then_some("Panics")).collect()
}

/// What a table makes of its rows, with what row and table say together.
fn rows(file: &File, table: &Table, wanted: &[&'static str]) -> Vec<Finding> {
    let mut found = Vec::new();
    for item in &table.items {
        for row in &table.rows {
            let names: Vec<&str> = match item.is_function {
                true => row.functions().map(String::as_str).collect(),
                false => row.names.first().map(String::as_str).into_iter().collect(),
            };
            let mut text = if item.takes_row { row.documentation.clone() } else { String::new() };
            text.push_str(&item.documentation);
            found.extend(missing(
                file,
                row.line,
                &names.join(" "),
                &text,
                &with_panics(wanted, item.may_panic),
            ));
        }
    }
    found
}

/// Rules without their update equation: a block of text with the arrow `<-`.
fn equations(file: &File, items: &[&syn::Item]) -> Vec<Finding> {
    let mut found = Vec::new();
    for item in items.iter().filter_map(|item| implementor(items, item, "Rule")) {
        let text = documentation(&item.attrs);
        let has_equation = text.split("```text").nth(1).is_some_and(|rest| {
            let block = rest.split("```").next().unwrap_or("");
            block.contains("<-")
        });
        if !has_equation {
            let message =
                format!("the documentation of `{}` lacks its update, ```text with `w <- ...`", item.ident);
            found.push(file.finding(Rule::Headings, item.ident.span().start().line, "", message));
        }
    }
    found
}

/// Public structs that implement `kind`.
fn structs(file: &File, items: &[&syn::Item], kind: &str, wanted: &[&str]) -> Vec<Finding> {
    let chosen = items.iter().filter_map(|item| implementor(items, item, kind));
    let judge = |item: &syn::ItemStruct| {
        let (line, name) = (item.ident.span().start().line, item.ident.to_string());
        missing(file, line, &name, &documentation(&item.attrs), wanted)
    };
    chosen.filter_map(judge).collect()
}

/// The item, if it is a public struct that implements the trait `kind` in this file.
fn implementor<'a>(items: &[&syn::Item], item: &'a syn::Item, kind: &str) -> Option<&'a syn::ItemStruct> {
    let syn::Item::Struct(item) = item else { return None };
    let implements = items.iter().any(|other| match other {
        syn::Item::Impl(block) => {
            let of = block.trait_.as_ref().and_then(|(path, _)| path.segments.last());
            of.is_some_and(|last| last.ident == kind)
                && self_name(&block.self_ty).is_some_and(|name| *name == item.ident)
        }
        _ => false,
    });
    (is_public(&item.vis) && implements).then_some(item)
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

        let rule = "/// # Hyperparameters\n/// # Source\npub struct Sgd {}\nimpl crate::Rule for Sgd {}\n";
        let found: Vec<String> =
            messages("crates/optim/src/rules/sgd.rs", rule).into_iter().map(|(_, message)| message).collect();
        let expected = [
            "the documentation of `Sgd` lacks `# Differs from the paper in`",
            "the documentation of `Sgd` lacks its update, ```text with `w <- ...`",
        ];
        assert_eq!(found, expected);
        let equation = "/// ```text\n/// w <- w - lr g\n/// ```\n/// # Differs from the paper in\n";
        assert_eq!(messages("crates/optim/src/rules/sgd.rs", &format!("{equation}{rule}")), []);
    }
}
