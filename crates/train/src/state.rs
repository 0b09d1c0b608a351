//! The state of a run besides model and optimizer.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use talweg_tensor::Rng;

use crate::evaluate::Sums;
use crate::metrics::Metric;
use crate::report::{EpochRecord, StopReason};
use crate::stopping::{Best, Settling};

/// Where a run is, exactly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunState {
    /// Epochs that are over.
    pub(crate) epoch: u64,
    /// Batches of the present epoch that are behind.
    pub(crate) position: u64,
    /// Steps made.
    pub(crate) step: u64,
    /// The learning rate of the last step.
    pub(crate) lr: f64,
    /// The random numbers of training: seed, stream, offset.
    rng: [u64; 3],
    /// Loss and metrics of the present epoch so far.
    pub(crate) sums: Sums,
    pub(crate) best: Best,
    pub(crate) settling: Settling,
    pub(crate) history: Vec<EpochRecord>,
    pub(crate) warnings: Vec<String>,
    /// Length of the metrics file in bytes, so that a resumed run cuts off what came later.
    pub(crate) metrics_bytes: u64,
    /// Why the run ended, if it did.
    pub(crate) stop: Option<StopReason>,
}

impl RunState {
    pub(crate) fn new(rng: &Rng, metrics: &[Arc<dyn Metric>]) -> RunState {
        RunState {
            epoch: 0,
            position: 0,
            step: 0,
            lr: 0.0,
            rng: [rng.seed, rng.stream, rng.offset],
            sums: Sums::new(metrics),
            best: Best::default(),
            settling: Settling::default(),
            history: Vec::new(),
            warnings: Vec::new(),
            metrics_bytes: 0,
            stop: None,
        }
    }

    pub(crate) fn rng(&self) -> Rng {
        let [seed, stream, offset] = self.rng;
        Rng { seed, stream, offset }
    }

    pub(crate) fn set_rng(&mut self, rng: &Rng) {
        self.rng = [rng.seed, rng.stream, rng.offset];
    }
}
