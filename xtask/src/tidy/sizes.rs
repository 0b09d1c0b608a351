//! Files and functions stay short enough to be read in one sitting.

use syn::spanned::Spanned;
use syn::visit::Visit;

use super::tree::Tree;
use super::{Finding, Rule};

const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 60;

/// Finds files and functions that are too long. Tests do not count.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, rust) in tree.rust() {
        let lines = file.lines().filter(|(line, _)| !rust.is_test(*line)).count();
        if lines > FILE_LINES {
            let message = format!(
                "{lines} lines without tests, at most {FILE_LINES}; look for the idea that wants a room of its own"
            );
            found.push(file.finding(Rule::FileLength, 1, "", message));
        }
        let mut functions = Functions::default();
        functions.visit_file(&rust.ast);
        for Function { name, first, lines } in functions.list {
            if lines > FUNCTION_LINES && !rust.is_test(first) {
                let message = format!(
                    "`{name}` has {lines} lines, at most {FUNCTION_LINES}; give its parts names of their own"
                );
                found.push(file.finding(Rule::FunctionLength, first, &name, message));
            }
        }
    }
    found
}

struct Function {
    name: String,
    first: usize,
    lines: usize,
}

#[derive(Default)]
struct Functions {
    list: Vec<Function>,
}

impl Functions {
    fn push(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let first = signature.span().start().line;
        let lines = body.span().end().line + 1 - first;
        self.list.push(Function { name: signature.ident.to_string(), first, lines });
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.push(&item.sig, &item.block);
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.push(&item.sig, &item.block);
        syn::visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.push(&item.sig, body);
        }
        syn::visit::visit_trait_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &str) -> Vec<(Rule, String, usize)> {
        let found = check(&Tree::of(&[("crates/x/src/a.rs", text)]));
        found.into_iter().map(|finding| (finding.rule, finding.item, finding.line)).collect()
    }

    fn function(name: &str, lines: usize) -> String {
        format!("/// Docs.\nfn {name}() {{\n{}}}\n", "    f();\n".repeat(lines - 2))
    }

    #[test]
    fn functions_end_at_sixty_lines() {
        assert_eq!(items(&function("a", 60)), []);
        assert_eq!(items(&function("a", 61)), [(Rule::FunctionLength, "a".to_string(), 2)]);
        let method = format!("impl X {{\n{}}}\n", function("b", 61));
        assert_eq!(items(&method), [(Rule::FunctionLength, "b".to_string(), 3)]);
        assert_eq!(items(&format!("#[cfg(test)]\nmod t {{\n{}}}\n", function("c", 90))), []);
    }

    #[test]
    fn files_end_at_four_hundred_lines_without_tests() {
        let code = "const A: u8 = 1;\n".repeat(400);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "const A: u8 = 1;\n".repeat(99));
        assert_eq!(items(&format!("{code}{tests}")), []);
        let found = items(&format!("{code}// one more\n{tests}"));
        assert_eq!(found, [(Rule::FileLength, String::new(), 1)]);
    }
}
