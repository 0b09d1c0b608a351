//! Loss and metrics over a data set.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use talweg_data::{Batch, Collate, DataLoader, Dataset};
use talweg_nn::{Layer, Loss, Mode};
use talweg_tensor::{Tensor, no_grad};

use crate::error::TrainError;
use crate::metrics::Metric;

/// Loss and metrics, each a mean over examples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// The mean loss.
    pub loss: f64,
    /// The other measures by name, in the order in which they were asked for.
    pub metrics: Vec<(String, f64)>,
}

impl Scores {
    /// A measure by name; `loss` is one.
    pub fn get(&self, name: &str) -> Option<f64> {
        if name == "loss" {
            return Some(self.loss);
        }
        self.metrics.iter().find(|(n, _)| n == name).map(|(_, value)| *value)
    }
}

/// Running sums for loss and metrics.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sums {
    loss: f64,
    examples: f64,
    metrics: Vec<Vec<f64>>,
}

impl Sums {
    pub(crate) fn new(metrics: &[Arc<dyn Metric>]) -> Sums {
        Sums { metrics: metrics.iter().map(|m| vec![0.0; m.sums()]).collect(), ..Default::default() }
    }

    /// Adds a batch; its loss is a mean over the batch's examples.
    pub(crate) fn add(
        &mut self,
        metrics: &[Arc<dyn Metric>],
        loss: f64,
        prediction: &Tensor,
        target: &Tensor,
    ) {
        let examples = target.shape().iter().next().unwrap_or(1) as f64;
        self.loss += loss * examples;
        self.examples += examples;
        for (metric, sums) in metrics.iter().zip(&mut self.metrics) {
            metric.add(sums, prediction, target);
        }
    }

    pub(crate) fn mean_loss(&self) -> f64 {
        self.loss / self.examples
    }

    pub(crate) fn scores(&self, metrics: &[Arc<dyn Metric>]) -> Scores {
        let value =
            |(metric, sums): (&Arc<dyn Metric>, &Vec<f64>)| (metric.name().to_string(), metric.value(sums));
        Scores { loss: self.mean_loss(), metrics: metrics.iter().zip(&self.metrics).map(value).collect() }
    }
}

/// The mean loss and the metrics of a model over the batches of a loader, in evaluation mode.
///
/// # Errors
/// When the data cannot be read, or there is none.
pub fn evaluate<D>(
    model: &dyn Layer,
    loss: &dyn Loss,
    metrics: &[Arc<dyn Metric>],
    loader: &DataLoader<D>,
) -> Result<Scores, TrainError>
where
    D: Dataset + 'static,
    D::Item: Collate<Batch = Batch>,
{
    if loader.data().is_empty() {
        return Err(TrainError::Empty { part: "validation" });
    }
    let mut sums = Sums::new(metrics);
    for batch in loader.epoch(0) {
        let Batch { x, y, .. } = batch?;
        no_grad(|| {
            let prediction = model.forward(&x, &mut Mode::Eval);
            let loss = loss.forward(&prediction, &y).item();
            sums.add(metrics, loss, &prediction, &y);
        });
    }
    Ok(sums.scores(metrics))
}
