//! The commands, a file each.

mod check;
mod closing;
mod config_reference;
mod evaluate;
mod inspect;
mod load;
mod model;
mod predict;
mod trace;
mod train;

use std::io::Write;

use crate::arguments::Command;
use crate::error::CliError;
pub(crate) use predict::Format;

/// Runs one command; what it has to say goes to `out`.
pub(crate) fn run(command: Command, out: &mut dyn Write) -> Result<(), CliError> {
    match command {
        Command::Train(arguments) => train::train(&arguments, out),
        Command::Resume(arguments) => train::resume(&arguments, out),
        Command::Evaluate(arguments) => evaluate::run(&arguments, out),
        Command::Predict(arguments) => predict::run(&arguments, out),
        Command::Trace(arguments) => trace::run(&arguments, out),
        Command::Check(arguments) => check::run(&arguments, out),
        Command::Inspect(arguments) => inspect::run(&arguments, out),
        Command::ConfigReference => config_reference::run(out),
    }
}
