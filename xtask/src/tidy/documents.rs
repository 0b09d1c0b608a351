//! Links and commands in documents lead somewhere.

use std::collections::BTreeSet;

use super::tree::{File, Tree};
use super::{Finding, Rule};

/// Commands of cargo itself that documents may use.
const CARGO: &[&str] =
    &["add", "bench", "build", "check", "clippy", "doc", "fmt", "install", "new", "run", "test", "xtask"];

/// Where the subcommands of the program live, a file or folder each.
const COMMANDS: &str = "crates/cli/src/commands/";

/// Finds broken relative links in all documents, commands that do not exist, and Rust that is compiled nowhere.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    let code = code(tree);
    for file in tree.files.iter().filter(|file| file.path.ends_with(".md")) {
        found.extend(links(tree, file));
        found.extend(quotations(file, &code));
        for (number, command) in commands(file) {
            if let Err(message) = judge(tree, &command) {
                found.push(file.finding(
                    Rule::Documents,
                    number,
                    &command,
                    format!("`{command}`: {message}"),
                ));
            }
        }
    }
    found
}

fn links(tree: &Tree, file: &File) -> Vec<Finding> {
    let mut found = Vec::new();
    for (number, line) in file.lines() {
        for rest in line.split("](").skip(1) {
            let Some((target, _)) = rest.split_once(')') else { continue };
            let path = target.split('#').next().unwrap_or("");
            if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                continue;
            }
            if !resolve(&file.path, path).is_some_and(|path| tree.holds(&path)) {
                found.push(file.finding(
                    Rule::Documents,
                    number,
                    path,
                    format!("the link to `{path}` leads nowhere"),
                ));
            }
        }
    }
    found
}

/// A relative path as seen from the root; none when it leaves the repository.
fn resolve(document: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// All Rust of the repository, with indentation and the marks of documentation taken away, a line each.
fn code(tree: &Tree) -> String {
    let mut code = String::from("\n");
    for (file, _) in tree.rust() {
        for (_, line) in file.lines() {
            let line = line.trim();
            let line = line.strip_prefix("//!").or_else(|| line.strip_prefix("///")).unwrap_or(line);
            code.push_str(line.trim());
            code.push('\n');
        }
    }
    code
}

/// Paragraphs of Rust in a document that stand in no Rust file, where the compiler and the tests would see them.
fn quotations(file: &File, code: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for block in blocks(file).into_iter().filter(|block| block.language == "rust") {
        let mut paragraph = String::from("\n");
        for (number, line) in block.lines.iter().map(|(number, line)| (*number, line.trim())).chain([(0, "")])
        {
            if !line.is_empty() {
                paragraph.push_str(line);
                paragraph.push('\n');
                continue;
            }
            if !code.contains(&paragraph) {
                let first = paragraph.lines().nth(1).unwrap_or("");
                let message = format!(
                    "the code from `{first}` stands in no Rust file; quote an example, a test or a doctest word for word"
                );
                let number = if number == 0 { block.last + 1 } else { number };
                let above = paragraph.lines().count() - 1;
                found.push(file.finding(Rule::Documents, number - above, first, message));
            }
            paragraph.truncate(1);
        }
    }
    found
}

/// A fenced block of a document.
struct Block<'a> {
    language: &'a str,
    lines: Vec<(usize, &'a str)>,
    last: usize,
}

fn blocks(file: &File) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut inside = false;
    for (number, line) in file.lines() {
        if let Some(language) = line.trim().strip_prefix("```") {
            inside = !inside;
            if inside {
                blocks.push(Block { language, lines: Vec::new(), last: number });
            }
        } else if let Some(block) = blocks.last_mut().filter(|_| inside) {
            block.lines.push((number, line));
            block.last = number;
        }
    }
    blocks
}

/// The command lines in blocks of shell code, without prompts, comments and what follows a pipe.
fn commands(file: &File) -> Vec<(usize, String)> {
    let shells = ["sh", "bash", "console", "shell"];
    let mut list = Vec::new();
    for block in blocks(file).into_iter().filter(|block| shells.contains(&block.language)) {
        for (number, line) in block.lines {
            let line = line.trim().split(" #").next().unwrap_or("").trim_start_matches("$ ");
            let parts = line.split("&&").flat_map(|part| part.split('|')).map(str::trim);
            list.extend(parts.filter(|part| !part.is_empty()).map(|part| (number, part.to_string())));
        }
    }
    list
}

/// Whether the tree holds what the command names.
fn judge(tree: &Tree, command: &str) -> Result<(), String> {
    let words: Vec<&str> = command.split_whitespace().collect();
    match words.as_slice() {
        ["cargo", rest @ ..] => cargo(tree, rest),
        ["talweg", rest @ ..] => talweg(tree, rest),
        [program, ..] if program.starts_with("./") || program.starts_with(".ci/") => {
            let path = program.trim_start_matches("./");
            if tree.holds(path) { Ok(()) } else { Err(format!("there is no file `{path}`")) }
        }
        _ => Ok(()),
    }
}

fn cargo(tree: &Tree, words: &[&str]) -> Result<(), String> {
    let (ours, program) = match words.iter().position(|word| *word == "--") {
        Some(end) => (&words[..end], &words[end + 1..]),
        None => (words, &words[words.len()..]),
    };
    let subcommand = ours.first().copied().unwrap_or("");
    if !CARGO.contains(&subcommand) {
        return Err(format!("cargo has no command `{subcommand}` that this workspace uses"));
    }
    let value = |names: &[&str]| {
        ours.iter().position(|word| names.contains(word)).and_then(|at| ours.get(at + 1)).copied()
    };
    if let Some(package) = value(&["-p", "--package"]).filter(|_| subcommand != "add") {
        let needle = format!("name = \"{package}\"");
        let exists = tree.files.iter().any(|f| f.path.ends_with("Cargo.toml") && f.text.contains(&needle));
        exists.then_some(()).ok_or_else(|| format!("no package is called `{package}`"))?;
    }
    if let Some(example) = value(&["--example"]) {
        let exists = tree.files.iter().any(|file| file.path.ends_with(&format!("examples/{example}.rs")));
        exists.then_some(()).ok_or_else(|| format!("no example is called `{example}`"))?;
    }
    if subcommand == "run" && !ours.contains(&"--example") && !program.is_empty() {
        return talweg(tree, program);
    }
    Ok(())
}

fn talweg(tree: &Tree, words: &[&str]) -> Result<(), String> {
    let known: BTreeSet<&str> = tree
        .files
        .iter()
        .filter_map(|file| file.path.strip_prefix(COMMANDS))
        .map(|rest| rest.split(['/', '.']).next().unwrap_or(""))
        .collect();
    if let Some(command) = words.first().filter(|word| !word.starts_with('-') && !known.contains(*word)) {
        return Err(format!("the program has no command `{command}` in {COMMANDS}"));
    }
    let config = words.iter().find(|word| word.starts_with("examples/") && !tree.holds(word));
    config.map_or(Ok(()), |path| Err(format!("there is no file `{path}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(document: &str) -> Vec<(usize, String)> {
        let tree = Tree::of(&[
            ("README.md", document),
            ("docs/style.md", ""),
            ("examples/configs/xor.toml", ""),
            ("examples/by_hand.rs", ""),
            ("crates/cli/Cargo.toml", "[package]\nname = \"talweg-cli\"\n"),
            ("crates/cli/src/commands/train.rs", ""),
        ]);
        check(&tree).into_iter().map(|finding| (finding.line, finding.message)).collect()
    }

    #[test]
    fn links_lead_to_files() {
        let found = messages("[a](docs/style.md#x) [b](https://example.org/no)\n[c](docs/no.md) [d](../x)\n");
        let expected = ["the link to `docs/no.md` leads nowhere", "the link to `../x` leads nowhere"];
        assert_eq!(found, expected.map(|message| (2, message.to_string())));
    }

    #[test]
    fn rust_is_quoted_from_files() {
        let code = ("a.rs", "//! ```\n//! let x = 1;\n//! let y = 2;\n//! ```\nfn f() {\n    g();\n}\n");
        let judge = |document: &str| -> Vec<usize> {
            check(&Tree::of(&[code, ("docs/a.md", document)])).iter().map(|finding| finding.line).collect()
        };
        assert_eq!(judge("```rust\nlet x = 1;\nlet y = 2;\n\nfn f() {\n    g();\n}\n```\n"), [0usize; 0]);
        assert_eq!(judge("```rust\nlet x = 1;\n\nlet x = 2;\n\nfn f() {\n    h();\n}\n```\n"), [4, 6]);
        assert_eq!(judge("```text\nlet z = 3;\n```\n"), [0usize; 0]);
    }

    #[test]
    fn commands_exist() {
        let good = "\
```sh
cargo run --release -p talweg-cli -- train examples/configs/xor.toml   # a comment
talweg train xor && cargo test --workspace
cargo run --example by_hand
```
talweg fly
";
        assert_eq!(messages(good), []);
        let bad = "```sh\ntalweg fly\ncargo run -p talweg-no\ncargo soar\n.ci/no\ntalweg train examples/no.toml\n```\n";
        let found: Vec<usize> = messages(bad).into_iter().map(|(line, _)| line).collect();
        assert_eq!(found, [2, 3, 4, 5, 6]);
    }
}
