//! The repository as the checks see it: every tracked text file, Rust files parsed once.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::Command;

use syn::spanned::Spanned;
use syn::visit::Visit;

use super::tokens::{Token, flatten};
use super::{Finding, Rule};

/// All files, sorted by path.
pub(crate) struct Tree {
    /// The files.
    pub(crate) files: Vec<File>,
    /// The paths of files that are no text, such as pictures.
    binary: Vec<String>,
}

/// One text file.
pub(crate) struct File {
    /// Path from the root, with forward slashes.
    pub(crate) path: String,
    /// The whole text.
    pub(crate) text: String,
    /// What it holds when it is Rust.
    pub(crate) rust: Option<Rust>,
    /// Why it is not the Rust that its name promises: line and message.
    broken: Option<(usize, String)>,
}

/// A parsed Rust file.
pub(crate) struct Rust {
    /// The syntax tree.
    pub(crate) ast: syn::File,
    /// The same, flat.
    pub(crate) tokens: Vec<Token>,
    /// The lines of items under `#[cfg(test)]` and of `#[test]` functions; everything when the file is a test.
    tests: Vec<RangeInclusive<usize>>,
}

/// Programs in other frameworks, built outside the workspace to be measured: they follow those frameworks' ways.
const APART: &str = "benches/peers/";

impl Tree {
    /// Reads what git tracks, and new files below the source folders that git does not ignore.
    pub(crate) fn read(root: &Path) -> Result<Tree, String> {
        let mut paths = BTreeSet::new();
        for selection in [vec!["--cached"], [&["--others", "--exclude-standard", "--"], SOURCES].concat()] {
            let output = Command::new("git")
                .args(["ls-files", "-z"])
                .args(&selection)
                .current_dir(root)
                .output()
                .map_err(|error| format!("could not start git: {error}"))?;
            if !output.status.success() {
                return Err(format!("git ls-files: {}", String::from_utf8_lossy(&output.stderr).trim()));
            }
            let names =
                String::from_utf8(output.stdout).map_err(|_| "a file name is not UTF-8".to_string())?;
            paths.extend(names.split('\0').filter(|name| !name.is_empty()).map(str::to_string));
        }
        let (mut files, mut binary) = (Vec::new(), Vec::new());
        for path in paths {
            let place = root.join(&path);
            if path.starts_with(APART) {
                continue;
            }
            if !place.is_file() {
                continue; // Deleted but not yet committed, or a link to a folder.
            }
            let bytes = std::fs::read(&place).map_err(|error| format!("{path}: {error}"))?;
            // Images, archives and other data that is not UTF-8 have no text to check.
            match String::from_utf8(bytes) {
                Ok(text) => files.push(File::new(path, text)),
                Err(_) => binary.push(path),
            }
        }
        Ok(Tree { binary, ..Tree::new(files) })
    }

    /// A tree of the given paths and texts.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Tree {
        Tree::new(files.iter().map(|(path, text)| File::new((*path).into(), (*text).into())).collect())
    }

    /// The file at `path`.
    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Whether `path` is a file or a folder of the tree.
    pub(crate) fn holds(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        let paths = self.files.iter().map(|file| &file.path).chain(&self.binary);
        paths.into_iter().any(|other| other == path || other.starts_with(&folder))
    }

    /// The Rust files, with their parse.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&File, &Rust)> {
        self.files.iter().filter_map(|file| file.rust.as_ref().map(|rust| (file, rust)))
    }

    fn new(mut files: Vec<File>) -> Tree {
        // A file that another one declares as `#[cfg(test)] mod name;` is a test as a whole.
        let declared: Vec<String> = files
            .iter()
            .filter_map(|file| file.rust.as_ref().map(|rust| (file.path.as_str(), rust)))
            .flat_map(|(path, rust)| test_modules(path, &rust.ast))
            .collect();
        for file in &mut files {
            let is_test = declared.iter().any(|stem| {
                let folder = format!("{stem}/");
                file.path == format!("{stem}.rs") || file.path.starts_with(&folder)
            });
            if let Some(rust) = file.rust.as_mut().filter(|_| is_test) {
                rust.tests = vec![1..=usize::MAX];
            }
        }
        Tree { files, binary: Vec::new() }
    }
}

impl File {
    /// A finding in this file.
    pub(crate) fn finding(&self, rule: Rule, line: usize, item: &str, message: String) -> Finding {
        Finding { path: self.path.clone(), line, item: item.into(), message, rule }
    }

    /// The lines with their numbers.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    fn new(path: String, text: String) -> File {
        let mut file = File { path, text, rust: None, broken: None };
        if file.path.ends_with(".rs") {
            match parse(&file.path, &file.text) {
                Ok(rust) => file.rust = Some(rust),
                Err(error) => file.broken = Some((error.span().start().line, error.to_string())),
            }
        }
        file
    }
}

impl Rust {
    /// Whether the line belongs to test code.
    pub(crate) fn is_test(&self, line: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&line))
    }

    /// The tokens outside test code.
    pub(crate) fn shipped(&self) -> Vec<Token> {
        self.tokens.iter().filter(|token| !self.is_test(token.line)).cloned().collect()
    }
}

/// Files that do not parse; the other checks skip them.
pub(crate) fn parsed(tree: &Tree) -> Vec<Finding> {
    let broken = tree.files.iter().filter_map(|file| file.broken.as_ref().map(|reason| (file, reason)));
    broken.map(|(file, (line, message))| file.finding(Rule::Parse, *line, "", message.clone())).collect()
}

/// The text of the doc comments among `attributes`, a line each.
pub(crate) fn documentation(attributes: &[syn::Attribute]) -> String {
    let mut text = String::new();
    for attribute in attributes {
        if let syn::Meta::NameValue(pair) = &attribute.meta
            && pair.path.is_ident("doc")
            && let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(line), .. }) = &pair.value
        {
            text.push_str(&line.value());
            text.push('\n');
        }
    }
    text
}

/// Folders whose new, not yet tracked files are checked too.
const SOURCES: &[&str] = &["crates", "xtask", "benches", "examples", "docs", ".ci"];

fn parse(path: &str, text: &str) -> syn::Result<Rust> {
    let ast = syn::parse_file(text)?;
    let tokens = flatten(text.parse().map_err(syn::Error::from)?);
    let mut finder = TestFinder { ranges: Vec::new() };
    finder.visit_file(&ast);
    let in_tests = path.split('/').any(|part| part == "tests") || is_test_item(&ast.attrs);
    let tests = if in_tests { vec![1..=usize::MAX] } else { finder.ranges };
    Ok(Rust { ast, tokens, tests })
}

struct TestFinder {
    ranges: Vec<RangeInclusive<usize>>,
}

impl<'ast> Visit<'ast> for TestFinder {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes: &[syn::Attribute] = match item {
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Struct(item) => &item.attrs,
            syn::Item::Enum(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            syn::Item::Const(item) => &item.attrs,
            syn::Item::Static(item) => &item.attrs,
            syn::Item::Trait(item) => &item.attrs,
            syn::Item::Macro(item) => &item.attrs,
            _ => &[],
        };
        if is_test_item(attributes) {
            let span = item.span();
            let first = attributes.iter().map(|a| a.span().start().line).min().unwrap_or(span.start().line);
            self.ranges.push(first.min(span.start().line)..=span.end().line);
        } else {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if is_test_item(&item.attrs) {
            self.ranges.push(item.span().start().line..=item.span().end().line);
        } else {
            syn::visit::visit_impl_item_fn(self, item);
        }
    }
}

/// Whether the attributes leave the item out of every build but the tests.
fn is_test_item(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string().replace(' ', "");
            condition == "test" || condition.starts_with("all(test,")
        }
        _ => false,
    })
}

/// Paths, without `.rs`, of the modules that `ast` declares under `#[cfg(test)]` in files of their own.
fn test_modules(path: &str, ast: &syn::File) -> Vec<String> {
    let (folder, stem) = path.rsplit_once('/').unwrap_or(("", path));
    let base = match stem {
        "lib.rs" | "main.rs" | "mod.rs" => folder.to_string(),
        _ => format!("{folder}/{}", stem.trim_end_matches(".rs")),
    };
    let modules = ast.items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) if module.content.is_none() && is_test_item(&module.attrs) => Some(module),
        _ => None,
    });
    modules.map(|module| format!("{base}/{}", module.ident)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_code_is_told_from_shipped_code() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n#[cfg(not(test))]\nfn c() {}\n";
        let tree = Tree::of(&[("crates/x/src/lib.rs", text)]);
        let rust = tree.files[0].rust.as_ref().expect("parses");
        let flags: Vec<bool> = (1..=7).map(|line| rust.is_test(line)).collect();
        assert_eq!(flags, [false, true, true, true, true, false, false]);
    }

    #[test]
    fn a_test_module_in_its_own_file_is_a_test() {
        let tree = Tree::of(&[
            ("crates/x/src/deep.rs", "#[cfg(test)]\nmod proofs;\nmod shipped;\n"),
            ("crates/x/src/deep/proofs.rs", "fn a() {}\n"),
            ("crates/x/src/deep/shipped.rs", "fn a() {}\n"),
            ("crates/x/tests/whole.rs", "fn a() {}\n"),
        ]);
        let flags: Vec<bool> = tree.rust().map(|(_, rust)| rust.is_test(1)).collect();
        assert_eq!(flags, [true, true, false, true], "line 1 of deep.rs is the attribute");
    }

    #[test]
    fn broken_files_are_findings() {
        let found = parsed(&Tree::of(&[("a.rs", "fn a() {}\nfn {\n")]));
        assert_eq!((found.len(), found[0].rule), (1, Rule::Parse));
        assert!(found[0].line >= 2, "{found:?}");
    }
}
