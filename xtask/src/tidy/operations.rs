//! An operation without a row in a case table has no proof that its derivative is right.

use std::collections::BTreeSet;

use syn::spanned::Spanned;

use super::tokens::{Kind, closing};
use super::tree::{Rust, Tree};
use super::{Finding, Rule};

/// Finds operations of the tensor crate that no `cases!` table names.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let in_crate = |path: &str| path.starts_with("crates/tensor/");
    let mut named = BTreeSet::new();
    for (_, rust) in tree.rust().filter(|(file, _)| in_crate(&file.path)) {
        named.extend(in_tables(rust));
    }
    let mut found = Vec::new();
    for (file, rust) in tree.rust().filter(|(file, _)| file.path.starts_with("crates/tensor/src/ops")) {
        for (line, structure, name) in declared(rust) {
            if !rust.is_test(line) && !named.contains(&name) {
                let message = format!(
                    "no `cases!` table names `{name}` (struct {structure}); add a row, so that it is checked"
                );
                found.push(file.finding(Rule::Cases, line, &name, message));
            }
        }
    }
    found
}

/// All words and strings inside `cases!` tables.
fn in_tables(rust: &Rust) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (position, pair) in rust.tokens.windows(2).enumerate() {
        if pair[0].is_word("cases") && pair[1].is_sign('!') {
            let inside = &rust.tokens[position + 2..closing(&rust.tokens, position + 2)];
            names.extend(inside.iter().filter_map(|token| match &token.kind {
                Kind::Word(word) => Some(word.clone()),
                Kind::Literal(text) => Some(text.trim_matches('"').to_string()),
                Kind::Sign(_) => None,
            }));
        }
    }
    names
}

/// Line, struct and name of each `impl Op for ...`.
fn declared(rust: &Rust) -> Vec<(usize, String, String)> {
    let mut declared = Vec::new();
    for item in &rust.ast.items {
        if let syn::Item::Impl(block) = item
            && block
                .trait_
                .as_ref()
                .and_then(|(path, _)| path.segments.last())
                .is_some_and(|s| s.ident == "Op")
            && let syn::Type::Path(of) = &*block.self_ty
            && let Some(last) = of.path.segments.last()
        {
            let structure = last.ident.to_string();
            let name = name(block).unwrap_or_else(|| snake_case(&structure));
            declared.push((block.span().start().line, structure, name));
        }
    }
    declared
}

/// The string that `fn name` returns, when its body is just that string.
fn name(block: &syn::ItemImpl) -> Option<String> {
    let function = block.items.iter().find_map(|item| match item {
        syn::ImplItem::Fn(function) if function.sig.ident == "name" => Some(function),
        _ => None,
    })?;
    match function.block.stmts.as_slice() {
        [syn::Stmt::Expr(syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }), None)] => {
            Some(text.value())
        }
        _ => None,
    }
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_without_cases_are_found() {
        let text = "\
impl Op for LogSoftmax { fn name(&self) -> &'static str { \"log_softmax\" } }
impl Op for MaxPool2d { fn name(&self) -> &'static str { self.name } }
impl Op for Softmax { fn name(&self) -> &'static str { \"softmax\" } }
cases! { softmax: |x| x[0].softmax(-1); shapes [[5]] }
#[cfg(test)]
impl Op for Wrong { fn name(&self) -> &'static str { \"wrong\" } }
";
        let found = check(&Tree::of(&[("crates/tensor/src/ops/softmax.rs", text)]));
        let items: Vec<(usize, &str)> = found.iter().map(|f| (f.line, f.item.as_str())).collect();
        assert_eq!(items, [(1, "log_softmax"), (2, "max_pool2d")]);
    }
}
