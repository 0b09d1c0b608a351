//! The rules of `docs/style.md` that neither the compiler nor clippy can check.
//!
//! Every check is a function from the whole [`Tree`] to the list of its [`Finding`]s, so that a test can run it
//! on a tree of two small files. A finding may be excused only in [`exceptions::EXCEPTIONS`], with a reason.

use std::path::PathBuf;
use std::process::Command;

mod dependencies;
mod documents;
mod exceptions;
mod headings;
mod names;
mod operations;
mod purity;
mod sizes;
mod tables;
mod tokens;
mod tree;
mod unsafety;
mod words;

use exceptions::{EXCEPTIONS, Exception};
pub(crate) use tree::{File, Tree};

/// One breach of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Path from the root of the repository, with forward slashes.
    path: String,
    /// Line, counted from 1.
    line: usize,
    /// What the finding is about: a function, an operation, a dependency; empty for the file as a whole.
    item: String,
    /// What is wrong and what to do about it.
    message: String,
    rule: Rule,
}

/// The rules, by the names that exceptions refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// The file is not Rust or TOML that parses.
    Parse,
    /// `unsafe` stands only in `kernels`, with its reason.
    Unsafe,
    /// Crates depend only on what lies below them.
    Arrows,
    /// External dependencies are listed with their reasons.
    Dependencies,
    /// No file is named after nothing in particular.
    Names,
    /// Files have at most 400 lines without their tests.
    FileLength,
    /// Functions have at most 60 lines.
    FunctionLength,
    /// Public items carry the headings that their kind asks for.
    Headings,
    /// Every operation stands in a case table.
    Cases,
    /// Nothing unfinished, silenced or ignored.
    Words,
    /// The core reads no files, sockets or clocks; libraries do not print.
    Purity,
    /// Nothing in the text depends on one machine.
    Machine,
    /// Links and commands in documents lead somewhere.
    Documents,
}

const CHECKS: &[fn(&Tree) -> Vec<Finding>] = &[
    tree::parsed,
    unsafety::check,
    dependencies::arrows,
    dependencies::reasons,
    names::check,
    sizes::check,
    headings::check,
    operations::check,
    words::check,
    purity::core,
    purity::silence,
    purity::machine,
    documents::check,
];

/// Runs every check on the repository and prints what it finds.
pub(crate) fn run() -> Result<(), String> {
    let tree = Tree::read(&root()?)?;
    let found = CHECKS.iter().flat_map(|check| check(&tree)).collect();
    let findings = excuse(found, EXCEPTIONS);
    for finding in &findings {
        eprintln!("{}:{}: {}", finding.path, finding.line, finding.message);
    }
    match findings.len() {
        0 => {
            for Exception { path, item, reason, .. } in EXCEPTIONS {
                println!("tidy: excused {path} {item}: {reason}");
            }
            println!("tidy: {} files, every rule holds", tree.files.len());
            Ok(())
        }
        n => Err(format!(
            "tidy: {n} finding{}; docs/style.md gives the reasons",
            if n == 1 { "" } else { "s" }
        )),
    }
}

/// The root of the repository that the working directory lies in.
pub(crate) fn root() -> Result<PathBuf, String> {
    let output = Command::new("git")
        .args(["rev-parse", "--show-toplevel"])
        .output()
        .map_err(|error| format!("could not start git: {error}"))?;
    if !output.status.success() {
        return Err(format!("not inside a git checkout: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end()))
}

/// Drops the findings that an exception covers, and adds one for each exception that covers nothing any more.
fn excuse(found: Vec<Finding>, exceptions: &[Exception]) -> Vec<Finding> {
    let mut left: Vec<Finding> =
        found.iter().filter(|f| !exceptions.iter().any(|e| e.covers(f))).cloned().collect();
    for exception in exceptions.iter().filter(|e| !found.iter().any(|f| e.covers(f))) {
        left.push(Finding {
            path: "xtask/src/tidy/exceptions.rs".into(),
            line: 1,
            item: exception.item.into(),
            message: format!(
                "the exception for {} in {} covers nothing; remove it",
                exception.item, exception.path
            ),
            rule: exception.rule,
        });
    }
    left.sort();
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(path: &str, item: &str) -> Finding {
        Finding {
            path: path.into(),
            line: 3,
            item: item.into(),
            message: "m".into(),
            rule: Rule::FunctionLength,
        }
    }

    #[test]
    fn exceptions_cover_only_their_own_finding_and_go_stale() {
        let exceptions =
            [Exception { rule: Rule::FunctionLength, path: "a.rs", item: "long", reason: "one table" }];
        assert_eq!(excuse(vec![finding("a.rs", "long")], &exceptions), vec![]);

        let left = excuse(vec![finding("a.rs", "other"), finding("b.rs", "long")], &exceptions);
        let places: Vec<(&str, &str)> = left.iter().map(|f| (f.path.as_str(), f.item.as_str())).collect();
        assert_eq!(places, [("a.rs", "other"), ("b.rs", "long"), ("xtask/src/tidy/exceptions.rs", "long")]);
        assert!(left[2].message.contains("covers nothing"), "{}", left[2].message);
    }

    #[test]
    fn the_repository_reads_and_every_exception_has_a_reason() {
        let tree = Tree::read(&root().expect("a checkout")).expect("readable");
        assert!(tree.file("xtask/src/tidy.rs").is_some());
        for exception in EXCEPTIONS {
            assert!(exception.reason.len() > 20, "{exception:?}");
        }
    }
}
