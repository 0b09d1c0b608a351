//! What can go wrong in a run.

use std::io;
use std::path::PathBuf;

use talweg_data::DataError;
use talweg_tensor::Anomaly;

/// Why a run could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// Reading the data failed.
    #[error(transparent)]
    Data(#[from] DataError),

    /// A file could not be read or written.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// What was tried, e.g. `write`.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },

    /// The folder already holds a run.
    #[error("the folder {path} already holds a run; resume it, or choose another folder")]
    RunExists {
        /// The folder.
        path: PathBuf,
    },

    /// The folder holds no run to go on with.
    #[error("the folder {path} holds no run: there is no {missing} in it")]
    NoRun {
        /// The folder.
        path: PathBuf,
        /// The file that a run would have.
        missing: &'static str,
    },

    /// Another process trains in this folder.
    #[error("another process is training in {path}; wait for it to end, or choose another folder")]
    Locked {
        /// The folder.
        path: PathBuf,
    },

    /// A checkpoint is damaged, or is of another model.
    #[error("cannot use the checkpoint {path}: {reason}")]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// The loss is no longer a number.
    #[error(
        "the loss became {loss} at step {step} (epoch {epoch}) with the learning rate {lr:e}; lower the learning rate, \
         or clip the gradients' norm{kept}"
    )]
    Diverged {
        /// The step, from 1.
        step: u64,
        /// The epoch, from 1.
        epoch: u64,
        /// NaN or an infinity.
        loss: f64,
        /// The learning rate of the step.
        lr: f64,
        /// Where the state before it is, if there is a run folder.
        kept: String,
    },

    /// Anomaly detection is on, and found an operation that made a NaN.
    #[error("step {step} (epoch {epoch}): {found}{parameters}")]
    Anomaly {
        /// The step, from 1.
        step: u64,
        /// The epoch, from 1.
        epoch: u64,
        /// The operation, the shapes of its inputs, and where it was called.
        found: Box<Anomaly>,
        /// The names of the parameters that it reads.
        parameters: String,
    },

    /// There is nothing to train on.
    #[error("the {part} data is empty; there must be at least one example")]
    Empty {
        /// Which data.
        part: &'static str,
    },
}

impl TrainError {
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> TrainError {
        let path = path.into();
        move |source| TrainError::Io { what, path, source }
    }
}
