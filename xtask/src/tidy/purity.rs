//! The core touches nothing outside itself, libraries do not print, and the text depends on no one machine.

use super::tokens::{Token, closing};
use super::tree::{File, Tree};
use super::{Finding, Rule};

/// Crates that must be able to run in a browser.
const PURE: &[&str] = &["kernels", "tensor", "nn", "optim"];

/// Crates that leave it to their callers what a person sees.
const SILENT: &[&str] = &["kernels", "tensor", "macros", "nn", "optim", "data", "talweg"];

/// Parts of the standard library that they therefore leave alone, outside their tests.
const OUTSIDE: &[&str] = &["fs", "net", "time", "process"];

/// Finds files, sockets and clocks in the crates that have none.
pub(crate) fn core(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, rust) in tree.rust() {
        let pure = PURE.iter().any(|name| file.path.starts_with(&format!("crates/{name}/src/")));
        if !pure {
            continue;
        }
        for (line, module) in reached(&rust.shipped()) {
            let message =
                format!("`std::{module}` in a crate that opens no files and sockets and reads no clocks");
            found.push(file.finding(Rule::Purity, line, &module, message));
        }
    }
    found
}

/// Finds printing in the crates that leave it to their callers.
pub(crate) fn silence(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, rust) in tree.rust() {
        if !SILENT.iter().any(|name| file.path.starts_with(&format!("crates/{name}/src/"))) {
            continue;
        }
        for pair in rust.shipped().windows(2).filter(|pair| pair[1].is_sign('!')) {
            let print = pair[0].word().filter(|w| matches!(*w, "print" | "println" | "eprint" | "eprintln"));
            if let Some(name) = print {
                let message = format!("`{name}!` in a library; return the text, or let a callback show it");
                found.push(file.finding(Rule::Purity, pair[0].line, name, message));
            }
        }
    }
    found
}

/// The modules of [`OUTSIDE`] named after `std::`, alone or in the braces of a `use`.
fn reached(tokens: &[Token]) -> Vec<(usize, String)> {
    let mut reached = Vec::new();
    for (position, token) in tokens.iter().enumerate().filter(|(_, token)| token.is_word("std")) {
        let after = position + 3;
        let is_path =
            tokens.get(position + 1..after).is_some_and(|signs| signs.iter().all(|t| t.is_sign(':')));
        if !is_path {
            continue;
        }
        let names = match tokens.get(after) {
            Some(open) if open.is_sign('{') => top_level(&tokens[after + 1..closing(tokens, after)]),
            Some(name) => vec![name],
            None => vec![],
        };
        let outside = names.into_iter().filter_map(Token::word).filter(|name| OUTSIDE.contains(name));
        reached.extend(outside.map(|name| (token.line, name.to_string())));
    }
    reached
}

/// The first token of each part of `a, b::c, d::{e, f}`.
fn top_level(tokens: &[Token]) -> Vec<&Token> {
    let mut firsts = Vec::new();
    let mut position = 0;
    let mut begins = true;
    while position < tokens.len() {
        let token = &tokens[position];
        if begins {
            firsts.push(token);
        }
        begins = token.is_sign(',');
        position = if token.is_sign('{') { closing(tokens, position) } else { position } + 1;
    }
    firsts
}

/// Beginnings of absolute paths that exist on one machine only.
const MACHINE_PATHS: &[&str] = &["home", "root", "work", "Users", "mnt", "workspace"];

/// Finds absolute paths of one machine, and package sources other than the public registry.
pub(crate) fn machine(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in &tree.files {
        for (number, line) in file.lines() {
            if let Some(path) = machine_path(line) {
                let message =
                    format!("`{path}...` exists on one machine only; use a path relative to the repository");
                found.push(file.finding(Rule::Machine, number, path, message));
            }
        }
        if file.path == "Cargo.lock" || file.path.starts_with(".cargo/") {
            found.extend(package_sources(file));
        }
    }
    found
}

fn machine_path(line: &str) -> Option<&'static str> {
    MACHINE_PATHS.iter().copied().find(|name| {
        let path = format!("/{name}/");
        line.match_indices(&path).any(|(start, _)| {
            // A path begins after a space, a quote or a bracket; `docs/work/` and `https://host/work/` do not count.
            line[..start]
                .chars()
                .next_back()
                .is_none_or(|before| !before.is_alphanumeric() && !"./-_}~:".contains(before))
        })
    })
}

fn package_sources(file: &File) -> Vec<Finding> {
    let public = "registry+https://github.com/rust-lang/crates.io-index";
    let mut found = Vec::new();
    for (number, line) in file.lines() {
        let is_source =
            ["source = ", "registry = ", "replace-with", "index = "].iter().any(|key| line.starts_with(key));
        if is_source && !line.contains(public) {
            let message =
                "a package source other than the public registry; others could not build this".to_string();
            found.push(file.finding(Rule::Machine, number, "", message));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(found: Vec<Finding>) -> Vec<usize> {
        found.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn files_and_clocks_are_found_in_the_core_only() {
        let text = "\
use std::{fmt, fs::File, sync::{Arc, time}};
fn a() { std::time::Instant::now(); }
use std::fmt;
#[cfg(test)]
mod tests {
    use std::fs;
}
";
        assert_eq!(lines(core(&Tree::of(&[("crates/nn/src/a.rs", text)]))), [1, 2]);
        assert_eq!(lines(core(&Tree::of(&[("crates/data/src/a.rs", text)]))), [0usize; 0]);
    }

    #[test]
    fn libraries_do_not_print() {
        let text = "//! println!(\"in words\")\nfn a() { println!(\"x\"); writeln!(f, \"x\"); }\n";
        assert_eq!(lines(silence(&Tree::of(&[("crates/nn/src/a.rs", text)]))), [2]);
        assert_eq!(lines(silence(&Tree::of(&[("crates/cli/src/a.rs", text)]))), [0usize; 0]);
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        let bad = format!("read \"/{}/ann/data\"\n/{}/x\n", "home", "root");
        assert_eq!(lines(machine(&Tree::of(&[("docs/a.md", &bad)]))), [1, 2]);
        let good = "crates/home/x, https://example.org/home/x, ../work/x, $PWD/work/x at home\n";
        assert_eq!(lines(machine(&Tree::of(&[("docs/a.md", good)]))), [0usize; 0]);
    }

    #[test]
    fn other_registries_are_found() {
        let bad = "source = \"registry+https://mirror.example/index\"\n";
        assert_eq!(lines(machine(&Tree::of(&[("Cargo.lock", bad)]))), [1]);
        let good = "source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
        assert_eq!(lines(machine(&Tree::of(&[("Cargo.lock", good)]))), [0usize; 0]);
    }
}
