//! No file is named after nothing in particular: such a name attracts everything and explains nothing.

use super::tree::Tree;
use super::{Finding, Rule};

const EMPTY_NAMES: &[&str] = &["util", "utils", "helper", "helpers", "common", "misc", "shared", "stuff"];

/// Finds source files and folders with an empty name.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in &tree.files {
        let is_source =
            file.path.ends_with(".rs") || file.path.ends_with(".py") || file.path.ends_with(".sh");
        let empty = file.path.split('/').map(stem).find(|stem| EMPTY_NAMES.contains(stem));
        if let Some(name) = empty.filter(|_| is_source) {
            let message =
                format!("`{name}` says nothing about what is inside; name the idea that the code is about");
            found.push(file.finding(Rule::Names, 1, name, message));
        }
    }
    found
}

fn stem(part: &str) -> &str {
    part.split('.').next().unwrap_or(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_names_are_found_in_files_and_folders() {
        let tree = Tree::of(&[
            ("crates/x/src/utils.rs", ""),
            ("crates/x/tests/common/mod.rs", ""),
            ("crates/x/src/commons.rs", ""),
            ("docs/common.md", ""),
        ]);
        let paths: Vec<String> = check(&tree).into_iter().map(|finding| finding.path).collect();
        assert_eq!(paths, ["crates/x/src/utils.rs", "crates/x/tests/common/mod.rs"]);
    }
}
