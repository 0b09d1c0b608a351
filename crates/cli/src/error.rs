//! Why a command ended early, and with which exit status.

use std::io;
use std::path::Path;

use talweg::ModelError;
use talweg::data::DataError;
use talweg::train::TrainError;

use crate::config::Problems;

/// The error of every command: 2 for a bad call or configuration, 1 for a failed run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The command line is wrong, or asks for help or the version.
    #[error("{0}")]
    Arguments(clap::Error),
    /// The configuration is wrong.
    #[error("{0}")]
    Config(Box<Problems>),
    /// The configuration's file cannot be used.
    #[error("{file}: {why}")]
    ConfigFile {
        /// The file as named in the call.
        file: String,
        /// What is wrong with it and what to do.
        why: String,
    },
    /// The call asks for something that cannot be.
    #[error("{0}")]
    Call(String),
    /// The run cannot go on.
    #[error("{0}")]
    Failed(String),
    /// Training stopped.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A model's file cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A file that a run needs or has left cannot be used.
    #[error("{file}: {why}")]
    File {
        /// The file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// The data cannot be used.
    #[error("{0}")]
    Data(#[from] DataError),
    /// The standard output cannot be written to.
    #[error("cannot write the output: {0}")]
    Output(io::Error),
}

impl CliError {
    /// The operating system's refusal, with the file and what was tried: `cannot be read`.
    pub(crate) fn io(path: &Path, tried: &str, why: &io::Error) -> CliError {
        CliError::File { file: path.display().to_string(), why: format!("{tried}: {why}") }
    }

    pub(crate) fn exit_status(&self) -> u8 {
        match self {
            // What the configuration says of the data does not fit it.
            CliError::Data(DataError::Options(_) | DataError::NoSuchColumn { .. }) | CliError::Call(_) => 2,
            CliError::Data(_) | CliError::Train(_) | CliError::Model(_) | CliError::Failed(_) => 1,
            CliError::Arguments(_) | CliError::Config(_) | CliError::ConfigFile { .. } => 2,
            CliError::File { .. } | CliError::Output(_) => 1,
        }
    }
}

impl From<Problems> for CliError {
    fn from(problems: Problems) -> CliError {
        CliError::Config(Box::new(problems))
    }
}
