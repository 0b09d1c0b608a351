//! The training loop.
//!
//! - [`Trainer`]: model, loss, optimizer and data brought together; [`Trainer::fit`] trains, [`Trainer::resume`] goes
//!   on where a run stopped, to the bit.
//! - [`Metric`]: what is measured besides the loss.
//! - [`Callback`] and [`Event`]: what listens to a run, and may end it.
//! - [`Checkpoint`] and [`RunDir`]: the files of a run.
//! - [`evaluate()`]: loss and metrics over a data set.
#![forbid(unsafe_code)]

mod callback;
pub mod callbacks;
pub mod checkpoint;
mod error;
mod evaluate;
mod fit;
mod metrics;
mod report;
mod run_dir;
mod state;
mod step;
mod stopping;
mod trainer;

pub use callback::{Callback, Event, Flow, Run};
pub use checkpoint::Checkpoint;
pub use error::TrainError;
pub use evaluate::{Scores, evaluate};
pub use metrics::{Accuracy, BinaryAccuracy, MeanAbsoluteError, Metric, RootMeanSquaredError};
pub use report::{EpochRecord, Report, StopReason};
pub use run_dir::RunDir;
pub use stopping::{Convergence, EarlyStopping, Monitor};
pub use trainer::Trainer;
