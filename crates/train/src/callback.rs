//! What listens to a run.

use std::path::Path;

use talweg_nn::Layer;

use crate::report::{EpochRecord, Report};

/// Something that listens to a run: it hears every event, and may end the run.
///
/// # Examples
/// ```
/// use talweg_train::{Callback, Event, Flow, Run};
///
/// /// Ends the run when the loss is low enough.
/// struct Enough(f64);
///
/// impl Callback for Enough {
///     fn on(&mut self, event: &Event<'_>, _: &Run<'_>) -> Flow {
///         match event {
///             Event::Step { loss, .. } if *loss < self.0 => Flow::Stop,
///             _ => Flow::Continue,
///         }
///     }
/// }
/// ```
pub trait Callback {
    /// Hears an event.
    fn on(&mut self, event: &Event<'_>, run: &Run<'_>) -> Flow;
}

/// What happens in a run.
#[derive(Debug)]
pub enum Event<'a> {
    /// The first step is about to be made; after a resume, the first one of this process.
    Start,
    /// A step was made.
    Step {
        /// The batch's loss, before the step.
        loss: f64,
        /// The learning rate of the step.
        lr: f64,
    },
    /// An epoch is over and was validated.
    Epoch(&'a EpochRecord),
    /// A checkpoint was written.
    Saved(&'a Path),
    /// Something that the user should know, e.g. a parameter without gradient.
    Warning(&'a str),
    /// Something that may interest the user, e.g. whether steps are replayed from a recording.
    Note(&'a str),
    /// The run is over.
    End(&'a Report),
}

/// Where a run is.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// The epoch, from 1.
    pub epoch: u64,
    /// The number of epochs, if it is fixed.
    pub epochs: Option<u64>,
    /// Batches of this epoch that are behind.
    pub position: u64,
    /// Batches in an epoch.
    pub batches: u64,
    /// Steps made in the whole run.
    pub step: u64,
    /// The mean training loss of this epoch so far; NaN before the first batch.
    pub mean_loss: f64,
    /// The model.
    pub model: &'a dyn Layer,
}

/// Whether a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It goes on.
    Continue,
    /// It ends after this step, as if that had been planned.
    Stop,
}
