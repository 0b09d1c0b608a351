//! The program `talweg`: trains neural networks from a configuration file.
#![forbid(unsafe_code)]

mod arguments;
mod commands;
mod config;
mod error;
mod memory;
mod network;
mod parts;
mod run_folder;
mod session;
mod target;
mod trace;

use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::Mutex;

use error::CliError;
use talweg::tensor::ConvAlgorithm;

/// What a panic said and where, noted by the hook for the report.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

fn main() -> ExitCode {
    panic::set_hook(Box::new(|info| {
        // Only the first panic is the cause; those that follow in other threads are its consequence.
        let mut note = PANIC.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        note.get_or_insert_with(|| info.to_string());
    }));
    match panic::catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => report(&error),
        Err(_) => {
            let note = PANIC.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            eprintln!(
                "talweg: this is a bug in talweg {}, not a mistake of yours; please report it with the lines below",
                env!("CARGO_PKG_VERSION")
            );
            eprintln!("  {}", note.as_deref().unwrap_or("no message").replace('\n', "\n  "));
            eprintln!("  arguments: {:?}", std::env::args().skip(1).collect::<Vec<_>>());
            ExitCode::from(101)
        }
    }
}

fn run() -> Result<(), CliError> {
    let command = arguments::parse()?;
    check_environment()?;
    let mut out = io::stdout().lock();
    commands::run(command, &mut out)?;
    out.flush().map_err(CliError::Output)
}

/// Refuses what the library would stop for in the middle of the work.
fn check_environment() -> Result<(), CliError> {
    let Some(asked) = std::env::var_os("TALWEG_CONV").filter(|asked| !asked.is_empty()) else {
        return Ok(());
    };
    match asked.to_str().and_then(ConvAlgorithm::from_name) {
        Some(_) => Ok(()),
        None => {
            let names = ConvAlgorithm::ALL.map(ConvAlgorithm::name).join(", ");
            Err(CliError::Call(format!(
                "the environment variable TALWEG_CONV is {asked:?}, but convolutions are computed by one of {names}"
            )))
        }
    }
}

fn report(error: &CliError) -> ExitCode {
    if let CliError::Output(why) = error
        && why.kind() == io::ErrorKind::BrokenPipe
    {
        // The reader, such as `head`, has seen enough.
        return ExitCode::SUCCESS;
    }
    // Help and version are no errors; they come this way because the parser stops for them.
    if let CliError::Arguments(why) = error {
        return match why.print() {
            Ok(()) => ExitCode::from(u8::try_from(why.exit_code()).unwrap_or(2)),
            Err(why) => report(&CliError::Output(why)),
        };
    }
    eprintln!("talweg: {error}");
    ExitCode::from(error.exit_status())
}
