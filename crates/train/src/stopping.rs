//! When a run ends before its last epoch.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::evaluate::Scores;
use crate::metrics::Metric;

/// Which score is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Monitor {
    /// The validation loss.
    Loss,
    /// A metric by name.
    Metric(String),
}

impl Monitor {
    /// The name of what is watched.
    fn name(&self) -> &str {
        match self {
            Monitor::Loss => "loss",
            Monitor::Metric(name) => name,
        }
    }

    /// What is watched among the scores of an epoch; NaN if it is not there.
    pub(crate) fn score(&self, scores: &Scores) -> f64 {
        scores.get(self.name()).unwrap_or(f64::NAN)
    }

    /// Whether a larger score is a better one.
    pub(crate) fn higher_is_better(&self, metrics: &[Arc<dyn Metric>]) -> bool {
        match self {
            Monitor::Loss => false,
            Monitor::Metric(name) => metrics.iter().any(|m| m.name() == name && m.higher_is_better()),
        }
    }
}

/// Ends a run when the validation score has got no better for a number of epochs, and puts the best weights back.
///
/// # Source
/// Prechelt, "Early stopping - but when?" (1998), the criterion UP with patience.
#[derive(Clone, Debug, PartialEq)]
pub struct EarlyStopping {
    /// How many epochs in a row may bring nothing better.
    pub patience: u64,
    /// By how much a score must be better to count, in its unit.
    pub min_delta: f64,
    /// The score watched.
    pub monitor: Monitor,
}

impl Default for EarlyStopping {
    fn default() -> EarlyStopping {
        EarlyStopping { patience: 3, min_delta: 0.0, monitor: Monitor::Loss }
    }
}

/// Ends a run when the training loss has changed by less than `tolerance` from one epoch to the next, `patience` times
/// in a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Convergence {
    /// The least change that counts as progress, in the loss's unit.
    pub tolerance: f64,
    /// How many times in a row it may be less.
    pub patience: u64,
}

/// What early stopping remembers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Best {
    score: Option<f64>,
    pub(crate) epoch: u64,
    waited: u64,
}

/// What an epoch meant for early stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Better,
    Wait,
    Stop,
}

impl Best {
    /// Compares an epoch's score with the best so far. A score that is NaN is never better.
    pub(crate) fn judge(
        &mut self,
        rule: &EarlyStopping,
        epoch: u64,
        scores: &Scores,
        higher_is_better: bool,
    ) -> Verdict {
        let score = rule.monitor.score(scores);
        let gain = |best: f64| if higher_is_better { score - best } else { best - score };
        if self.score.is_none_or(|best| gain(best) > rule.min_delta) && !score.is_nan() {
            *self = Best { score: Some(score), epoch, waited: 0 };
            return Verdict::Better;
        }
        self.waited += 1;
        if self.waited >= rule.patience { Verdict::Stop } else { Verdict::Wait }
    }
}

/// What convergence remembers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settling {
    last: Option<f64>,
    waited: u64,
}

impl Settling {
    /// Whether the loss has settled.
    pub(crate) fn judge(&mut self, rule: &Convergence, loss: f64) -> bool {
        let little = self.last.is_some_and(|last| (last - loss).abs() < rule.tolerance);
        self.waited = if little { self.waited + 1 } else { 0 };
        self.last = Some(loss);
        self.waited >= rule.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(loss: f64) -> Scores {
        Scores { loss, metrics: vec![("accuracy".into(), 1.0 - loss)] }
    }

    #[test]
    fn patience_counts_epochs_without_progress() {
        let (mut best, rule) = (Best::default(), EarlyStopping { patience: 2, ..Default::default() });
        let verdicts: Vec<Verdict> = [0.5, 0.4, 0.45, 0.39, 0.39, 0.41]
            .iter()
            .zip(1..)
            .map(|(&loss, epoch)| best.judge(&rule, epoch, &scores(loss), false))
            .collect();
        use Verdict::*;
        assert_eq!(verdicts, [Better, Better, Wait, Better, Wait, Stop]);
        assert_eq!(best.epoch, 4);
    }

    #[test]
    fn a_metric_can_be_watched_and_nan_is_never_better() {
        let monitor = Monitor::Metric("accuracy".into());
        let (mut best, rule) = (Best::default(), EarlyStopping { patience: 1, min_delta: 0.05, monitor });
        assert_eq!(best.judge(&rule, 1, &scores(0.5), true), Verdict::Better);
        assert_eq!(best.judge(&rule, 2, &scores(0.3), true), Verdict::Better);
        assert_eq!(best.judge(&rule, 3, &scores(f64::NAN), true), Verdict::Stop);
    }

    #[test]
    fn convergence_needs_little_change_in_a_row() {
        let (mut settling, rule) = (Settling::default(), Convergence { tolerance: 0.01, patience: 2 });
        let settled: Vec<bool> =
            [1.0, 0.995, 0.5, 0.499, 0.498].iter().map(|&loss| settling.judge(&rule, loss)).collect();
        assert_eq!(settled, [false, false, false, false, true]);
    }
}
