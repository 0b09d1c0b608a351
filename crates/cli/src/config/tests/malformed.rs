//! Every malformed configuration of `malformed.txt` gets exactly the message that stands there.

use std::fmt::Write;
use std::path::Path;

use crate::config::Config;

const CASES: &str = include_str!("malformed.txt");

#[test]
fn every_malformed_configuration_gets_its_message() {
    let (introduction, rest) = CASES.split_once("=== ").expect("no cases");
    let mut golden = introduction.to_owned();
    let mut count = 0;
    for case in rest.split("\n=== ") {
        let (name, rest) = case.split_once('\n').expect("a name");
        let (input, _) = rest.split_once(">>>").expect("a line >>>");
        let message = message(name, input);
        writeln!(golden, "=== {name}\n{input}>>>\n{message}\n").expect("a string");
        count += 1;
    }
    assert!(count >= 80, "only {count} cases");
    if std::env::var_os("TALWEG_BLESS").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/tests/malformed.txt");
        std::fs::write(path, &golden).expect("the golden file can be written");
    } else if golden.trim_end() != CASES.trim_end() {
        let differs = golden.lines().zip(CASES.lines()).enumerate().find(|(_, (new, old))| new != old);
        panic!("malformed.txt differs (line, new, old): {differs:?}; TALWEG_BLESS=1 rewrites it");
    }
}

/// The message of one case; it must be refused, and the message must keep the style.
fn message(name: &str, input: &str) -> String {
    let mut text = String::new();
    let mut sets = Vec::new();
    for line in input.lines() {
        match line {
            "@data" => text.push_str("[data]\nsource = \"digits\"\n"),
            "@model" => text.push_str("[model]\nlayers = [\"flatten\", { linear = \"classes\" }]\n"),
            _ => match line.strip_prefix("--set ") {
                Some(set) => sets.push(set.to_owned()),
                None => text.push_str(&format!("{line}\n")),
            },
        }
    }
    let problems = Config::parse("bad.toml", &text, &sets).expect_err(name);
    for problem in &problems.list {
        let message = &problem.message;
        assert!(!message.is_empty() && !message.ends_with(['.', ' ', '\n']), "{name}: {message:?}");
        assert!(!message.starts_with(char::is_uppercase), "{name}: {message:?}");
        assert!(!message.contains("bug"), "{name}: {message:?}");
    }
    problems.to_string()
}
