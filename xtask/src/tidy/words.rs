//! Nothing unfinished, nothing silenced, nothing ignored.

use super::tokens::{Token, closing};
use super::tree::{File, Rust, Tree};
use super::{Finding, Rule};

/// Macros that no landed code calls, with the reason.
const MACROS: &[(&str, &str)] = &[
    ("todo", "unfinished work does not land"),
    ("unimplemented", "unfinished work does not land; refuse with a message that says what is possible"),
    ("dbg", "it is for the moment of debugging only"),
];

/// Finds unfinished, silenced and ignored code, and notes to oneself in any text.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in &tree.files {
        found.extend(notes(file));
        if let Some(rust) = &file.rust {
            found.extend(macros(file, rust));
            found.extend(attributes(file, &rust.tokens));
            found.extend(doctests(file));
        }
    }
    found
}

/// The words that mark a note to oneself; split so that this file does not find itself.
fn marks() -> [String; 3] {
    [format!("FIX{}", "ME"), format!("TO{}", "DO"), format!("XX{}", "X")]
}

fn notes(file: &File) -> Vec<Finding> {
    let marks = marks();
    let mut found = Vec::new();
    for (number, line) in file.lines() {
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        if let Some(mark) = words.find(|word| marks.iter().any(|mark| mark == word)) {
            let message = format!("`{mark}`: finish it, or say in a sentence what holds today");
            found.push(file.finding(Rule::Words, number, mark, message));
        }
    }
    found
}

fn macros(file: &File, rust: &Rust) -> Vec<Finding> {
    let mut found = Vec::new();
    for pair in rust.tokens.windows(2).filter(|pair| pair[1].is_sign('!')) {
        for (name, reason) in MACROS.iter().filter(|(name, _)| pair[0].is_word(name)) {
            found.push(file.finding(Rule::Words, pair[0].line, name, format!("`{name}!`: {reason}")));
        }
    }
    found
}

/// `#[ignore]`, `allow(dead_code)`, and `allow` or `expect` without `reason = "..."`.
fn attributes(file: &File, tokens: &[Token]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (position, token) in tokens.iter().enumerate().filter(|(_, token)| token.is_sign('#')) {
        let open = position + 1 + usize::from(tokens.get(position + 1).is_some_and(|next| next.is_sign('!')));
        if !tokens.get(open).is_some_and(|next| next.is_sign('[')) {
            continue;
        }
        let inside = &tokens[open + 1..closing(tokens, open)];
        let has = |word: &str| inside.iter().any(|token| token.is_word(word));
        let first = inside.first().and_then(Token::word).unwrap_or("");
        let silences = has("allow") || has("expect");
        let message = if first == "ignore" || first == "cfg_attr" && has("ignore") {
            "an ignored test proves nothing; make it fast enough to run, or give it a suite of its own"
        } else if silences && has("dead_code") {
            "`dead_code` silenced; remove the dead code"
        } else if silences && matches!(first, "allow" | "expect" | "cfg_attr") && !has("reason") {
            "a lint silenced without a reason; fix the cause, or add `reason = \"...\"`"
        } else {
            continue;
        };
        found.push(file.finding(Rule::Words, token.line, first, message.into()));
    }
    found
}

/// Code blocks in documentation that the tests pass over.
fn doctests(file: &File) -> Vec<Finding> {
    let mut found = Vec::new();
    for (number, line) in file.lines() {
        let text = line.trim_start();
        let fence = text.strip_prefix("///").or_else(|| text.strip_prefix("//!")).map(str::trim_start);
        let language = fence.and_then(|text| text.strip_prefix("```"));
        if language.is_some_and(|words| words.split(',').any(|word| word.trim() == "ignore")) {
            let message = "an ignored example proves nothing; make it run, or mark it `text`";
            found.push(file.finding(Rule::Words, number, "ignore", message.into()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        check(&Tree::of(&[("crates/x/src/a.rs", text)])).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn unfinished_code_is_found() {
        let [fix, _, _] = marks();
        assert_eq!(lines(&format!("fn a() {{\n    to{}!()\n}}\n// {fix}: later\n", "do")), [4, 2]);
        assert_eq!(lines(&format!("fn a() {{ un{}!() }}\n", "implemented")), [1]);
        assert_eq!(lines(&format!("fn a() {{ d{}!(1); }}\n", "bg")), [1]);
        assert_eq!(lines("fn debug() {} // every word of todos in small letters is fine\n"), [0usize; 0]);
    }

    #[test]
    fn silenced_lints_need_a_reason_and_dead_code_has_none() {
        assert_eq!(lines("#[allow(clippy::too_many_arguments)]\nfn a() {}\n"), [1]);
        assert_eq!(
            lines("#[allow(clippy::too_many_arguments, reason = \"as BLAS\")]\nfn a() {}\n"),
            [0usize; 0]
        );
        assert_eq!(lines("#![allow(dead_code, reason = \"soon\")]\nfn a() {}\n"), [1]);
        assert_eq!(lines("fn f() { x.expect(\"positive\"); }\n"), [0usize; 0]);
    }

    #[test]
    fn ignored_tests_and_examples_are_found() {
        assert_eq!(lines("#[test]\n#[ignore = \"slow\"]\nfn a() {}\n"), [2]);
        assert_eq!(lines("/// ```ignore\n/// ```\nfn a() {}\n"), [1]);
        assert_eq!(lines("/// ```text\n/// ```\nfn a() {}\n"), [0usize; 0]);
    }
}
