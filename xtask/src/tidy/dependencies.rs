//! What depends on what: arrows point down only, and everything from outside has its reason.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::{File, Tree};
use super::{Finding, Rule};

/// Which of our packages a package may name among its dependencies, as `docs/architecture.md` draws it.
const ARROWS: &[(&str, &[&str])] = &[
    ("talweg-kernels", &[]),
    ("talweg-macros", &[]),
    ("talweg-tensor", &["talweg-kernels"]),
    ("talweg-nn", &["talweg-tensor", "talweg-macros"]),
    ("talweg-optim", &["talweg-tensor"]),
    ("talweg-data", &["talweg-tensor"]),
    ("talweg-train", &["talweg-tensor", "talweg-nn", "talweg-optim", "talweg-data"]),
    ("talweg", &["talweg-tensor", "talweg-nn", "talweg-optim", "talweg-data", "talweg-train"]),
    ("talweg-cli", &["talweg"]),
    // Programs that stand beside the library use it as everybody else does.
    ("talweg-benches", &["talweg"]),
    ("talweg-examples", &["talweg"]),
    ("xtask", &[]),
];

/// The document that gives each external dependency its reason.
const REASONS: &str = "docs/architecture.md";

/// Finds dependencies between our own packages that do not point down.
pub(crate) fn arrows(tree: &Tree) -> Vec<Finding> {
    let manifests = manifests(tree);
    let ours: BTreeSet<&str> = manifests.iter().map(|manifest| manifest.package.as_str()).collect();
    let mut found = Vec::new();
    for manifest in &manifests {
        let Some((_, below)) = ARROWS.iter().find(|(package, _)| *package == manifest.package) else {
            let message =
                format!("`{}` has no place in the order of crates; add a row to ARROWS", manifest.package);
            found.push(manifest.file.finding(Rule::Arrows, 1, &manifest.package, message));
            continue;
        };
        for dependency in manifest.dependencies.iter().filter(|d| ours.contains(d.name.as_str())) {
            if !below.contains(&dependency.name.as_str()) {
                let message = format!(
                    "{} may not depend on {}; below it are: {}",
                    manifest.package,
                    dependency.name,
                    if below.is_empty() { "none".to_string() } else { below.join(", ") },
                );
                found.push(manifest.file.finding(Rule::Arrows, dependency.line, &dependency.name, message));
            }
        }
        if !manifest.lints {
            let message =
                "without `[lints] workspace = true` the rules of the workspace do not hold here".into();
            found.push(manifest.file.finding(Rule::Arrows, 1, "lints", message));
        }
    }
    found.extend(broken(tree));
    found
}

/// Finds external dependencies without a row in the table of reasons, rows without a dependency, and rows that
/// name other users than the manifests do.
pub(crate) fn reasons(tree: &Tree) -> Vec<Finding> {
    let manifests = manifests(tree);
    let ours: BTreeSet<&str> = manifests.iter().map(|manifest| manifest.package.as_str()).collect();
    let rows: Vec<Row<'_>> = tree.file(REASONS).map(rows).unwrap_or_default();
    let mut found = Vec::new();
    let mut users: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for manifest in &manifests {
        for dependency in manifest.dependencies.iter().filter(|d| !ours.contains(d.name.as_str())) {
            users.entry(&dependency.name).or_default().insert(short(&manifest.package).to_string());
            if !rows.iter().any(|row| row.name == dependency.name) {
                let message = format!(
                    "`{0}` has no row in {REASONS}; give it one, `| `{0}` | who uses it | why |`, or remove it",
                    dependency.name
                );
                found.push(manifest.file.finding(
                    Rule::Dependencies,
                    dependency.line,
                    &dependency.name,
                    message,
                ));
            }
        }
    }
    for row in rows {
        let message = match users.get(row.name) {
            None => format!("no manifest depends on `{}` any more; remove the row", row.name),
            Some(users) if *users != row.users => {
                let users: Vec<&str> = users.iter().map(String::as_str).collect();
                format!("`{}` is used by {}; say so in the second column", row.name, users.join(", "))
            }
            Some(_) => continue,
        };
        let file = tree.file(REASONS).expect("rows come from this file");
        found.push(file.finding(Rule::Dependencies, row.line, row.name, message));
    }
    found
}

struct Manifest<'a> {
    file: &'a File,
    package: String,
    lints: bool,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    line: usize,
}

fn manifests(tree: &Tree) -> Vec<Manifest<'_>> {
    let files = tree.files.iter().filter(|file| file.path.ends_with("Cargo.toml"));
    files.filter_map(|file| manifest(file, &file.text.parse().ok()?)).collect()
}

fn broken(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.files.iter().filter(|file| file.path.ends_with(".toml")) {
        if let Err(error) = file.text.parse::<toml::Table>() {
            let before = error.span().map_or(0, |span| span.start).min(file.text.len());
            let line = file.text[..before].lines().count().max(1);
            found.push(file.finding(Rule::Parse, line, "", error.message().to_string()));
        }
    }
    found
}

/// Reads a package's manifest; a manifest without a package is the workspace's own.
fn manifest<'a>(file: &'a File, table: &toml::Table) -> Option<Manifest<'a>> {
    let package = table.get("package")?.get("name")?.as_str()?.to_string();
    let lints = table.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
    let mut dependencies = section(file, table);
    if let Some(targets) = table.get("target").and_then(toml::Value::as_table) {
        dependencies
            .extend(targets.values().filter_map(toml::Value::as_table).flat_map(|t| section(file, t)));
    }
    Some(Manifest { file, package, lints: lints == Some(true), dependencies })
}

fn section(file: &File, table: &toml::Table) -> Vec<Dependency> {
    let mut dependencies = Vec::new();
    for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (key, value) in table.get(kind).and_then(toml::Value::as_table).into_iter().flatten() {
            // A renamed dependency is known by its true name.
            let name = value.get("package").and_then(toml::Value::as_str).unwrap_or(key);
            let begins = |line: &str| {
                let rest = line.strip_prefix(key.as_str());
                rest.is_some_and(|rest| rest.starts_with([' ', '=', '.']))
                    || line.starts_with('[') && line.trim_end().ends_with(&format!(".{key}]"))
            };
            let line = file.lines().find(|(_, line)| begins(line)).map_or(1, |(number, _)| number);
            dependencies.push(Dependency { name: name.to_string(), line });
        }
    }
    dependencies
}

struct Row<'a> {
    line: usize,
    name: &'a str,
    users: BTreeSet<String>,
}

/// The table below the heading "Dependencies": name, and users without remarks in brackets.
fn rows(document: &File) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    let mut inside = false;
    for (line, text) in document.lines() {
        if text.starts_with('#') {
            inside = text.trim_start_matches('#').trim() == "Dependencies";
        }
        let cells: Vec<&str> = text.split('|').map(str::trim).collect();
        if let ["", name, users, ..] = cells.as_slice()
            && let Some(name) = name.strip_prefix('`').and_then(|name| name.strip_suffix('`'))
            && inside
        {
            let user = |text: &str| text.split('(').next().unwrap_or("").trim().to_string();
            rows.push(Row { line, name, users: users.split(',').map(user).collect() });
        }
    }
    rows
}

/// A package by the name of its folder.
fn short(package: &str) -> &str {
    package.strip_prefix("talweg-").unwrap_or(package)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(package: &str, rest: &str) -> String {
        format!("[package]\nname = \"{package}\"\n[lints]\nworkspace = true\n{rest}")
    }

    fn places(found: &[Finding]) -> Vec<(&str, usize, &str)> {
        found.iter().map(|f| (f.path.as_str(), f.line, f.item.as_str())).collect()
    }

    #[test]
    fn arrows_point_down_only() {
        let nn =
            manifest("talweg-nn", "[dependencies]\ntalweg-tensor.workspace = true\ntalweg-optim = \"1\"\n");
        let tensor =
            manifest("talweg-tensor", "[target.'cfg(unix)'.dev-dependencies.talweg-nn]\npath = \"../nn\"\n");
        let optim = manifest("talweg-optim", "[dependencies]\nt = { package = \"talweg-tensor\" }\n");
        let tree = Tree::of(&[
            ("crates/nn/Cargo.toml", &nn),
            ("crates/optim/Cargo.toml", &optim),
            ("crates/tensor/Cargo.toml", &tensor),
        ]);
        let found = arrows(&tree);
        let expected =
            [("crates/nn/Cargo.toml", 7, "talweg-optim"), ("crates/tensor/Cargo.toml", 5, "talweg-nn")];
        assert_eq!(places(&found), expected);
        assert!(
            found[0].message.ends_with("below it are: talweg-tensor, talweg-macros"),
            "{}",
            found[0].message
        );
    }

    #[test]
    fn unknown_packages_and_missing_lints_are_found() {
        let tree = Tree::of(&[
            ("crates/fun/Cargo.toml", &manifest("talweg-fun", "")),
            ("xtask/Cargo.toml", "[package]\nname = \"xtask\"\n"),
            ("deny.toml", "[a]\n[a]\n"),
        ]);
        let found = arrows(&tree);
        let expected = [
            ("crates/fun/Cargo.toml", 1, "talweg-fun"),
            ("xtask/Cargo.toml", 1, "lints"),
            ("deny.toml", 2, ""),
        ];
        assert_eq!(places(&found), expected);
    }

    #[test]
    fn every_dependency_has_its_reason_and_every_reason_its_dependency() {
        let data = manifest("talweg-data", "[dependencies]\ncsv = \"1\"\nflate2 = \"1\"\n");
        let document =
            "| `flate3` | x | not the table |\n## Dependencies\n| `csv` | data | y |\n| `old` | x | y |\n";
        let tree = Tree::of(&[("crates/data/Cargo.toml", &data), (REASONS, document)]);
        let found = reasons(&tree);
        assert_eq!(places(&found), [("crates/data/Cargo.toml", 7, "flate2"), (REASONS, 4, "old")]);
    }

    #[test]
    fn the_table_names_the_true_users() {
        let data = manifest("talweg-data", "[dependencies]\ncsv = \"1\"\n");
        let cli = manifest("talweg-cli", "[dev-dependencies]\ncsv = \"1\"\n");
        let judge = |users: &str| {
            let document = format!("## Dependencies\n| `csv` | {users} | rows |\n");
            let tree = Tree::of(&[("a/Cargo.toml", &data), ("b/Cargo.toml", &cli), (REASONS, &document)]);
            reasons(&tree).into_iter().map(|finding| finding.message).collect::<Vec<String>>()
        };
        assert_eq!(judge("data, cli (tests)"), Vec::<String>::new());
        assert_eq!(judge("data"), ["`csv` is used by cli, data; say so in the second column"]);
    }
}
