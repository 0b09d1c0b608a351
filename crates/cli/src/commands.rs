//! The commands, a file each.

mod check;
mod config_reference;
mod inspect;
mod load;

use std::io::Write;

use crate::arguments::Command;
use crate::error::CliError;

/// Runs one command; what it has to say goes to `out`.
pub(crate) fn run(command: Command, out: &mut dyn Write) -> Result<(), CliError> {
    match command {
        Command::Check(arguments) => check::run(&arguments, out),
        Command::Inspect(arguments) => inspect::run(&arguments, out),
        Command::ConfigReference => config_reference::run(out),
    }
}
