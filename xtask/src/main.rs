//! Checks that the repository's own rules hold.
//!
//! `cargo xtask ci` is everything that must pass before a change lands besides the tests; `cargo xtask tidy`
//! is the part of it that knows the rules of `docs/style.md` which neither the compiler nor clippy can check.
#![forbid(unsafe_code)]

use std::process::ExitCode;

mod ci;
mod coverage;
mod tidy;

const HELP: &str = "\
Usage: cargo xtask <COMMAND>

Commands:
  ci     format check, tidy, clippy and documentation without a warning, licences of dependencies
  tidy   only the rules of docs/style.md that no other tool checks (takes a second)
  coverage [--from FOLDER]
         runs the tests that prove operations, prints what is proven of each, and writes docs/operations.md;
         with FOLDER it reads the records of an earlier run with TALWEG_PROOFS=FOLDER
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["ci"] => ci::run(),
        ["tidy"] => tidy::run(),
        ["coverage"] => coverage::run(None),
        ["coverage", "--from", folder] => coverage::run(Some(folder)),
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
