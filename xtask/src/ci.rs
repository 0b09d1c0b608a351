//! The steps of `cargo xtask ci`: all of them run, so that one visit shows everything that is wrong.

use std::ffi::OsString;
use std::process::Command;
use std::time::Instant;

use crate::tidy;

/// Runs every step and fails, naming the steps that failed, unless all of them pass.
pub(crate) fn run() -> Result<(), String> {
    let mut failed = Vec::new();
    for step in STEPS {
        let started = Instant::now();
        println!("ci: {} ...", step.name);
        let outcome = (step.run)();
        let seconds = started.elapsed().as_secs_f64();
        match outcome {
            Ok(()) => println!("ci: {} passed in {seconds:.1} s", step.name),
            Err(message) => {
                println!("ci: {} FAILED after {seconds:.1} s: {message}", step.name);
                failed.push(step.name);
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

struct Step {
    name: &'static str,
    run: fn() -> Result<(), String>,
}

const STEPS: &[Step] = &[
    Step { name: "format", run: || cargo(&["fmt", "--all", "--check"], &[]) },
    Step { name: "tidy", run: tidy::run },
    Step {
        name: "clippy",
        run: || cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"], &[]),
    },
    Step {
        name: "documentation",
        run: || cargo(&["doc", "--locked", "--no-deps", "--workspace"], &[("RUSTDOCFLAGS", "-D warnings")]),
    },
    Step { name: "licences and sources", run: deny },
];

/// The rules of `deny.toml`, where cargo-deny is installed; a machine without it says that they were not checked.
fn deny() -> Result<(), String> {
    let version = Command::new(program()).args(["deny", "--version"]).output();
    if !version.is_ok_and(|output| output.status.success()) {
        println!("ci: cargo-deny is not installed, so deny.toml was not checked");
        return Ok(());
    }
    cargo(&["deny", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"], &[])
}

/// Runs cargo at the root of the repository, its output going straight to the terminal.
fn cargo(arguments: &[&str], variables: &[(&str, &str)]) -> Result<(), String> {
    let call = format!("cargo {}", arguments.join(" "));
    let status = Command::new(program())
        .args(arguments)
        .envs(variables.iter().copied())
        .current_dir(tidy::root()?)
        .status()
        .map_err(|error| format!("could not start `{call}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{call}` ended with {status}")) }
}

/// Cargo sets CARGO to itself for the programs that it runs, so the steps use the same toolchain.
fn program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
