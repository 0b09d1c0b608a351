//! What came out of a run.

use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

use crate::evaluate::Scores;

/// One epoch: a line of the run's metrics file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// The epoch, from 1.
    pub epoch: u64,
    /// Steps made in the run so far.
    pub step: u64,
    /// The learning rate of the epoch's last step.
    pub lr: f64,
    /// Over the epoch's training batches, each measured before its step, in training mode.
    pub train: Scores,
    /// Over the validation data, after the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<Scores>,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopReason {
    /// All epochs were made.
    Epochs,
    /// The number of iterations was reached.
    Iterations,
    /// The validation score got no better for too long; the best weights were put back.
    EarlyStopping,
    /// The training loss changed too little for too long.
    Convergence,
    /// A callback asked for it.
    Callback,
    /// The user did. The run can be resumed.
    Interrupted,
}

impl Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StopReason::Epochs => "all epochs done",
            StopReason::Iterations => "the number of iterations was reached",
            StopReason::EarlyStopping => "stopped early: the validation score got no better",
            StopReason::Convergence => "converged: the training loss hardly changed any more",
            StopReason::Callback => "stopped by a callback",
            StopReason::Interrupted => "interrupted",
        })
    }
}

/// What came out of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// Every epoch, also those before a resume.
    pub epochs: Vec<EpochRecord>,
    /// Steps made.
    pub steps: u64,
    /// Why it ended.
    pub stop: StopReason,
    /// The epoch whose weights the model has now, if early stopping put the best ones back.
    pub restored_epoch: Option<u64>,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// Wall-clock time of this process's part, in seconds.
    pub seconds: f64,
}

impl Report {
    /// The record of the epoch whose weights the model has now; `None` before the first epoch's end.
    pub fn last(&self) -> Option<&EpochRecord> {
        match self.restored_epoch {
            Some(epoch) => self.epochs.iter().find(|record| record.epoch == epoch),
            None => self.epochs.last(),
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let epochs = self.epochs.len();
        writeln!(
            f,
            "{}: {epochs} epoch{}, {} steps, {:.1} s",
            self.stop,
            if epochs == 1 { "" } else { "s" },
            self.steps,
            self.seconds
        )?;
        if let Some(record) = self.last() {
            write!(f, "epoch {}: training {}", record.epoch, record.train)?;
            if let Some(validation) = &record.validation {
                write!(f, "; validation {validation}")?;
            }
        }
        Ok(())
    }
}

/// `loss 0.1234, accuracy 0.9567`
impl Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "loss {}", short(self.loss))?;
        self.metrics.iter().try_for_each(|(name, value)| write!(f, ", {name} {}", short(*value)))
    }
}

/// Four decimals, or a power of ten where those would say nothing.
fn short(x: f64) -> String {
    if x != 0.0 && x.abs() < 1e-3 { format!("{x:.1e}") } else { format!("{x:.4}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_losses_stay_readable() {
        let scores = Scores { loss: 3.21e-5, metrics: vec![("accuracy".into(), 1.0)] };
        assert_eq!(scores.to_string(), "loss 3.2e-5, accuracy 1.0000");
    }
}
