//! `unsafe` stands only in `kernels`, and each time with the reason why it is sound.

use std::ops::RangeInclusive;

use super::tokens::{Token, closing};
use super::tree::{File, Rust, Tree};
use super::{Finding, Rule};

/// Finds `unsafe` outside `kernels`, `unsafe` without a reason, and crates that do not forbid it.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, rust) in tree.rust() {
        if file.path.starts_with("crates/kernels/") {
            found.extend(unexplained(file, rust));
        } else {
            for token in rust.tokens.iter().filter(|token| token.is_word("unsafe")) {
                let message = "`unsafe` outside crates/kernels; write a safe kernel there and call it";
                found.push(file.finding(Rule::Unsafe, token.line, "", message.into()));
            }
            if is_crate_root(&file.path) && !forbids_unsafe(&rust.ast) {
                let message =
                    "a crate root without `#![forbid(unsafe_code)]`; add it below the crate's doc comment";
                found.push(file.finding(Rule::Unsafe, 1, "", message.into()));
            }
        }
    }
    found
}

fn is_crate_root(path: &str) -> bool {
    path.ends_with("src/lib.rs") || path.ends_with("src/main.rs") || path.contains("/src/bin/")
}

fn forbids_unsafe(ast: &syn::File) -> bool {
    ast.attrs.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) => {
            list.path.is_ident("forbid") && list.tokens.to_string().contains("unsafe_code")
        }
        _ => false,
    })
}

fn unexplained(file: &File, rust: &Rust) -> Vec<Finding> {
    let lines: Vec<&str> = file.text.lines().collect();
    let contracts = contracts(&lines, &rust.tokens);
    // A module of functions with one and the same duty states it once, at the top.
    let for_all = lines.iter().any(|line| line.trim_end() == "//! # Safety");
    let mut found = Vec::new();
    for (position, token) in rust.tokens.iter().enumerate().filter(|(_, token)| token.is_word("unsafe")) {
        let kind = kind(&rust.tokens[position + 1..]);
        let stated = for_all || contracts.iter().any(|range| range.contains(&position));
        if kind == Kind::PointerType || kind == Kind::Function && stated || explained(&lines, token.line) {
            continue;
        }
        let (what, remedy) = match kind {
            Kind::Function => (
                "an unsafe function",
                "say what callers must ensure under `# Safety`, at it, at its trait or at the top of the file",
            ),
            Kind::Trait => ("an unsafe trait", "say what its implementations must ensure under `# Safety`"),
            Kind::Block | Kind::PointerType => (
                "an unsafe block, impl or attribute",
                "say why it is sound in a `// SAFETY:` comment above it",
            ),
        };
        let message = format!("{what} without a reason; {remedy}");
        found.push(file.finding(Rule::Unsafe, token.line, "", message));
    }
    found
}

/// The token ranges where functions take over a contract that is written elsewhere: the bodies of traits that
/// state one for all their functions, and implementations of traits.
fn contracts(lines: &[&str], tokens: &[Token]) -> Vec<RangeInclusive<usize>> {
    let mut ranges = Vec::new();
    for (position, token) in tokens.iter().enumerate() {
        let ends = |token: &Token| token.is_sign('{') || token.is_sign(';');
        let Some(length) = tokens[position..].iter().position(ends) else { continue };
        let (head, open) = (&tokens[position..position + length], position + length);
        // In `for<'a> Fn(&'a T)` the word means something else.
        let of_trait = |pair: &[Token]| pair[0].is_word("for") && !pair[1].is_sign('<');
        let implements = token.is_word("impl") && head.windows(2).any(of_trait);
        if implements || token.is_word("trait") && explained(lines, token.line) {
            ranges.push(open..=closing(tokens, open));
        }
    }
    ranges
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A promise that this code makes: a block, an `unsafe impl`, an unsafe attribute, an `extern` block.
    Block,
    /// A duty of the callers.
    Function,
    /// A duty of the implementations.
    Trait,
    /// The type `unsafe fn(...)`, which promises nothing.
    PointerType,
}

/// What the tokens after the word `unsafe` make of it.
fn kind(rest: &[Token]) -> Kind {
    for (position, token) in rest.iter().enumerate().take(4) {
        if token.is_sign('{') || token.is_word("impl") || token.is_sign('(') {
            return Kind::Block;
        }
        if token.is_word("trait") {
            return Kind::Trait;
        }
        if token.is_word("fn") {
            let named = rest.get(position + 1).is_some_and(|next| !next.is_sign('('));
            return if named { Kind::Function } else { Kind::PointerType };
        }
    }
    Kind::Block
}

/// Whether a reason stands on the line or above it: above means over attributes, comments and the earlier
/// lines of the same statement.
fn explained(lines: &[&str], line: usize) -> bool {
    let says = |text: &str| text.contains("SAFETY:") || text.contains("# Safety");
    if says(lines[line - 1]) {
        return true;
    }
    for above in lines[..line - 1].iter().rev() {
        let above = above.trim();
        if says(above) {
            return true;
        }
        let transparent = above.starts_with("//") || above.starts_with("#[") || above.ends_with(")]");
        let begins_elsewhere =
            above.is_empty() || above.ends_with([';', '{', '}']) || above.ends_with("*/") && !says(above);
        if begins_elsewhere && !transparent {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Tree::of(&[(path, text)])).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn outside_kernels_the_word_itself_is_the_finding() {
        let text = "#![forbid(unsafe_code)]\nmacro_rules! m {\n    () => { unsafe { f() } };\n}\n";
        assert_eq!(lines("crates/tensor/src/lib.rs", text), [3]);
        assert_eq!(lines("crates/tensor/src/lib.rs", "//! Docs.\n"), [1], "forbid is missing");
        assert_eq!(lines("crates/tensor/src/deep.rs", "//! Says unsafe only in words.\n"), [0usize; 0]);
    }

    #[test]
    fn in_kernels_every_use_needs_its_reason() {
        let bad =
            "fn a() { unsafe { f() } }\nunsafe fn b() {}\nunsafe impl Send for X {}\nunsafe trait T {}\n";
        assert_eq!(lines("crates/kernels/src/lib.rs", bad), [1, 2, 3, 4]);
        let stale = "// SAFETY: this is about g.\nlet x = 1;\n";
        let bad = format!("fn a() {{\n{stale}unsafe {{ f() }}\n}}\n");
        assert_eq!(lines("crates/kernels/src/lib.rs", &bad), [4], "another statement stands between");
    }

    #[test]
    fn a_contract_may_stand_at_the_trait_or_at_the_top_of_the_file() {
        let text = "\
/// # Safety
/// The pointer is valid.
trait Load { unsafe fn load(p: *const u8); }
trait Plain { unsafe fn load(p: *const u8); }
macro_rules! m { () => { impl Load for X { unsafe fn load(p: *const u8) {} } }; }
impl X { unsafe fn own(p: *const u8) {} }
";
        assert_eq!(lines("crates/kernels/src/a.rs", text), [4, 6]);
        assert_eq!(lines("crates/kernels/src/a.rs", &format!("//! # Safety\n{text}")), [0usize; 0]);
    }

    #[test]
    fn reasons_are_found_across_attributes_and_statements() {
        let good = "\
/// Adds.
///
/// # Safety
///
/// The machine has AVX2.
#[inline]
#[target_feature(enable = \"avx2\")]
unsafe fn add(f: unsafe fn(u8)) {
    // SAFETY: the caller promises it,
    // and the length was checked.
    let sum =
        unsafe { g() };
}
// SAFETY: it holds no thread-local state.
unsafe impl Send for X {}
";
        assert_eq!(lines("crates/kernels/src/lib.rs", good), [0usize; 0]);
    }
}
