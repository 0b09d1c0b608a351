//! Checks that the repository's own rules hold.
//!
//! `cargo xtask ci` is everything that must pass before a change lands besides the tests; `cargo xtask tidy`
//! is the part of it that knows the rules of `docs/style.md` which neither the compiler nor clippy can check.
#![forbid(unsafe_code)]

use std::process::ExitCode;

mod ci;
mod tidy;

const HELP: &str = "\
Usage: cargo xtask <COMMAND>

Commands:
  ci     format check, tidy, clippy and documentation without a warning, licences of dependencies
  tidy   only the rules of docs/style.md that no other tool checks (takes a second)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["ci"] => ci::run(),
        ["tidy"] => tidy::run(),
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("xtask: expected one command, found {words:?}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
