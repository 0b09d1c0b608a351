//! An operation that stands in no case table has no proof that its derivative is right.

use std::collections::BTreeSet;

use syn::spanned::Spanned;
use syn::visit::Visit;

use super::tables::tables;
use super::tokens::{Kind, Token, closing};
use super::tree::{Rust, Tree};
use super::{Finding, Rule};

/// Finds operations, in whatever crate, that no `cases!` table of that crate names; and, of those without a
/// derivative, the ones that no test of their file names.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, rust) in tree.rust().filter(|(file, _)| file.path.starts_with("crates/")) {
        let shipped = declared(rust);
        if shipped.is_empty() {
            continue;
        }
        let folder = file.path.split('/').take(2).collect::<Vec<&str>>().join("/") + "/";
        let beside: Vec<&Rust> =
            tree.rust().filter(|(f, _)| f.path.starts_with(&folder)).map(|(_, r)| r).collect();
        let cases: BTreeSet<String> = beside.iter().flat_map(|rust| in_tables(rust)).collect();
        let tests: BTreeSet<String> = words(rust.tokens.iter().filter(|token| rust.is_test(token.line)));
        let spelt: BTreeSet<String> = shipped.iter().flat_map(|operation| operation.names.clone()).collect();
        for operation in shipped {
            let (known, place) = match operation.differentiable {
                true => (&cases, "`cases!` table of its crate"),
                false => (&tests, "test in its file"),
            };
            for name in operation.all_names(rust, &spelt, &tests).difference(known) {
                let structure = &operation.structure;
                let message =
                    format!("no {place} names the operation `{name}` (struct {structure}); add one");
                found.push(file.finding(Rule::Cases, operation.line, name, message));
            }
        }
    }
    found
}

/// One `impl Op for ...` or `impl MultiOp for ...`.
struct Operation {
    line: usize,
    structure: String,
    /// The names that it may have, as strings in its `fn name`.
    names: Vec<String>,
    /// Whether its result can be differentiated.
    differentiable: bool,
}

impl Operation {
    /// All names that it may go by.
    fn all_names(
        &self,
        rust: &Rust,
        others: &BTreeSet<String>,
        tests: &BTreeSet<String>,
    ) -> BTreeSet<String> {
        if !self.names.is_empty() {
            return self.names.iter().cloned().collect();
        }
        // The name is a field, or comes from a table or a kind: what the file gives to such things, but for the
        // names that other operations spell out.
        let tables = tables(rust);
        let by_hand = tables.iter().filter(|table| !table.lists_cases || !tests.contains("check_case"));
        let mut names: BTreeSet<String> =
            by_hand.flat_map(|table| &table.rows).filter_map(|row| row.functions().next()).cloned().collect();
        names.extend(given_names(rust).into_iter().filter(|name| !others.contains(name)));
        if names.is_empty() && !tables.iter().any(|table| table.lists_cases) {
            names.insert(snake_case(&self.structure));
        }
        names
    }
}

fn words<'a>(tokens: impl Iterator<Item = &'a Token>) -> BTreeSet<String> {
    let word = |token: &Token| match &token.kind {
        Kind::Word(word) => Some(word.clone()),
        Kind::Literal(text) => Some(text.trim_matches('"').to_string()),
        Kind::Sign(_) => None,
    };
    tokens.filter_map(word).collect()
}

/// All words and strings inside `cases!` tables, and the names given to `Case::new`.
fn in_tables(rust: &Rust) -> BTreeSet<String> {
    let tokens = &rust.tokens;
    let mut names = BTreeSet::new();
    for position in 0..tokens.len() {
        match &tokens[position..] {
            [word, bang, _, ..] if word.is_word("cases") && bang.is_sign('!') => {
                names.extend(words(tokens[position + 2..closing(tokens, position + 2)].iter()));
            }
            [case, _, _, new, open, name, ..]
                if case.is_word("Case")
                    && new.is_word("new")
                    && open.is_sign('(')
                    && rust.is_test(case.line) =>
            {
                names.extend(words(std::iter::once(name)));
            }
            _ => {}
        }
    }
    names
}

fn declared(rust: &Rust) -> Vec<Operation> {
    let mut finder = Finder { list: Vec::new() };
    finder.visit_file(&rust.ast);
    finder.list.retain(|operation| !rust.is_test(operation.line));
    finder.list
}

struct Finder {
    list: Vec<Operation>,
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_item_impl(&mut self, block: &'ast syn::ItemImpl) {
        let of = block.trait_.as_ref().and_then(|(path, _)| path.segments.last());
        if of.is_some_and(|last| last.ident == "Op" || last.ident == "MultiOp")
            && let syn::Type::Path(structure) = &*block.self_ty
            && let Some(structure) = structure.path.segments.last()
        {
            let refuses =
                method(block, "no_derivative").is_some() || method(block, "vjp").is_some_and(is_unreachable);
            let mut strings = Strings { list: Vec::new() };
            if let Some(name) = method(block, "name") {
                strings.visit_block(&name.block);
            }
            self.list.push(Operation {
                line: block.span().start().line,
                structure: structure.ident.to_string(),
                names: strings.list.into_iter().filter(|text| is_name(text)).collect(),
                differentiable: !refuses,
            });
        }
        syn::visit::visit_item_impl(self, block);
    }
}

fn method<'a>(block: &'a syn::ItemImpl, name: &str) -> Option<&'a syn::ImplItemFn> {
    block.items.iter().find_map(|item| match item {
        syn::ImplItem::Fn(function) if function.sig.ident == name => Some(function),
        _ => None,
    })
}

/// Whether the body is one `unreachable!`: of an operation whose results are never floating-point.
fn is_unreachable(function: &syn::ImplItemFn) -> bool {
    match function.block.stmts.as_slice() {
        [syn::Stmt::Macro(only)] => only.mac.path.is_ident("unreachable"),
        [syn::Stmt::Expr(syn::Expr::Macro(only), _)] => only.mac.path.is_ident("unreachable"),
        _ => false,
    }
}

struct Strings {
    list: Vec<String>,
}

impl<'ast> Visit<'ast> for Strings {
    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.list.push(text.value());
    }
}

/// Whether the text can be the name of an operation: small letters, digits and underscores.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn strings(tokens: &[Token]) -> Vec<String> {
    let literals = tokens.iter().filter_map(|token| match &token.kind {
        Kind::Literal(text) => text.strip_prefix('"').and_then(|text| text.strip_suffix('"')),
        _ => None,
    });
    literals.filter(|text| is_name(text)).map(str::to_string).collect()
}

/// What functions called `name` return and fields called `name` are given, anywhere in the file.
fn given_names(rust: &Rust) -> Vec<String> {
    let tokens = rust.shipped();
    let mut names = Vec::new();
    for position in 0..tokens.len() {
        match &tokens[position..] {
            [function, name, open, ..]
                if function.is_word("fn") && name.is_word("name") && open.is_sign('(') =>
            {
                let body = tokens[position..]
                    .iter()
                    .position(|t| t.is_sign('{'))
                    .map_or(position, |at| position + at);
                names.extend(strings(&tokens[body..closing(&tokens, body)]));
            }
            [name, colon, value, ..] if name.is_word("name") && colon.is_sign(':') => {
                names.extend(strings(std::slice::from_ref(value)));
            }
            _ => {}
        }
    }
    names
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

    fn items(text: &str) -> Vec<(usize, String)> {
        let found = check(&Tree::of(&[("crates/tensor/src/ops/softmax.rs", text)]));
        found.into_iter().map(|finding| (finding.line, finding.item)).collect()
    }

    #[test]
    fn operations_without_cases_are_found() {
        let text = "\
impl Op for LogSoftmax { fn name(&self) -> &'static str { \"log_softmax\" } }
impl MultiOp for MaxPool2d { fn name(&self) -> &'static str { self.name() } }
impl Op for Softmax { fn name(&self) -> &'static str { if self.a { \"softmax\" } else { \"softmin\" } } }
#[cfg(test)]
mod tests {
    crate::cases! { softmax: |x| x[0].softmax(-1); shapes [[5]]; }
    impl Op for Wrong { fn name(&self) -> &'static str { \"wrong\" } }
}
";
        let expected = [(1, "log_softmax"), (2, "max_pool2d"), (3, "softmin")];
        assert_eq!(items(text), expected.map(|(line, name)| (line, name.to_string())));
    }

    #[test]
    fn operations_without_a_derivative_need_a_plain_test() {
        let op = "\
impl Op for Sort {
    fn name(&self) -> &'static str { self.0.name() }
    fn vjp(&self) { unreachable!(\"never tracked\") }
}
impl Kind { const fn name(self) -> &'static str { match self { A => \"sort\", B => \"order\" } } }
";
        let tests = "#[cfg(test)]\nmod tests { #[test] fn a() { x.sort(); } }\n";
        assert_eq!(items(&format!("{op}{tests}")), [(1, "order".to_string())]);
    }

    #[test]
    fn rows_of_a_table_are_operations() {
        let text = "\
macro_rules! unary { ($($kind:ident $name:ident = $v:expr;)*) => { impl Tensor { $(pub fn $name(&self) {})* } }; }
unary! { Sin sin = x; Cos cos = x; }
impl Op for Elementwise { fn name(&self) -> &'static str { self.0.name() } }
#[cfg(test)]
mod tests { crate::cases! { sin: |x| x[0].sin(); shapes [[5]]; } }
";
        assert_eq!(items(text), [(3, "cos".to_string())]);
        let listed = text.replace("impl Tensor", "const CASES: u8 = 1; impl Tensor");
        assert_eq!(items(&listed), [(3, "cos".to_string())], "a list that no test runs");
        assert_eq!(items(&listed.replace("mod tests {", "mod tests { fn a() { check_case(c) } ")), []);
    }
}
