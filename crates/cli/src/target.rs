//! What the loss compares the outputs with, and what is measured besides it.

use std::sync::Arc;

use talweg::data::Examples;
use talweg::tensor::{DType, Tensor};
use talweg::train::{Accuracy, BinaryAccuracy, MeanAbsoluteError, Metric, RootMeanSquaredError};

use crate::config::Config;
use crate::config::data::Task;
use crate::config::train::Loss;

/// The form of the targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The number of the class, `i64 [n]`.
    Class,
    /// 0 or 1 as a number, `f32 [n, 1]`; the output is a probability.
    Probability,
    /// The same; the output is a value before the sigmoid.
    Logit,
    /// A 1 in the place of the class among zeros, `f32 [n, classes]`.
    OneHot { classes: usize },
    /// A number, `f32 [n, 1]`.
    Number,
}

impl Form {
    /// The form that the configuration's loss takes, for a network with outputs of that shape.
    pub(crate) fn of(config: &Config, output: &[usize]) -> Form {
        match (config.data.task, &config.train.loss, output) {
            (Task::Regression, _, _) => Form::Number,
            (_, Loss::CrossEntropy { .. }, _) => Form::Class,
            (_, Loss::BceWithLogits { .. }, _) => Form::Logit,
            (_, Loss::Bce, _) | (_, Loss::Mse, [1]) => Form::Probability,
            (_, Loss::Mse, _) => Form::OneHot { classes: output.iter().product() },
        }
    }

    /// The examples with targets of this form.
    pub(crate) fn shape(self, examples: Examples) -> Examples {
        let n = examples.y.size(0);
        let y = match self {
            Form::Class => examples.y.cast(DType::I64).reshape([n]),
            Form::Probability | Form::Logit | Form::Number => examples.y.cast(DType::F32).reshape([n, 1]),
            Form::OneHot { classes } => {
                let mut hot = vec![0.0f32; n * classes];
                for (row, class) in examples.y.cast(DType::I64).to_vec::<i64>().into_iter().enumerate() {
                    hot[row * classes + class as usize] = 1.0;
                }
                Tensor::from_slice(&hot, [n, classes])
            }
        };
        Examples { y, ..examples }
    }

    /// What is measured; errors of numbers in the target's own unit, which is `unit` times the network's.
    pub(crate) fn metrics(self, unit: f64) -> Vec<Arc<dyn Metric>> {
        match self {
            Form::Class => vec![Arc::new(Accuracy)],
            Form::Probability => vec![Arc::new(BinaryAccuracy { threshold: 0.5 })],
            Form::Logit => vec![Arc::new(BinaryAccuracy { threshold: 0.0 })],
            Form::OneHot { .. } => vec![Arc::new(OneHotAccuracy)],
            Form::Number => vec![
                Arc::new(InUnit { metric: MeanAbsoluteError, unit }),
                Arc::new(InUnit { metric: RootMeanSquaredError, unit }),
            ],
        }
    }

    /// The probabilities of the classes from the outputs `[n, ..]`, a list for each example; numbers as they are.
    pub(crate) fn answers(self, outputs: &Tensor) -> Vec<Vec<f64>> {
        let n = outputs.size(0);
        let rows = match self {
            Form::Class => outputs.softmax(1),
            Form::Logit => outputs.sigmoid(),
            Form::Probability | Form::OneHot { .. } | Form::Number => outputs.clone(),
        };
        let values = rows.cast(DType::F64).to_vec::<f64>();
        let width = values.len() / n.max(1);
        let rows = values.chunks(width.max(1));
        match self {
            Form::Probability | Form::Logit => rows.map(|row| vec![1.0 - row[0], row[0]]).collect(),
            _ => rows.map(<[f64]>::to_vec).collect(),
        }
    }
}

/// A measure that grows with the numbers, in another unit than theirs.
#[derive(Clone, Copy, Debug)]
struct InUnit<M> {
    metric: M,
    unit: f64,
}

impl<M: Metric> Metric for InUnit<M> {
    fn name(&self) -> &'static str {
        self.metric.name()
    }

    fn sums(&self) -> usize {
        self.metric.sums()
    }

    fn add(&self, sums: &mut [f64], prediction: &Tensor, target: &Tensor) {
        self.metric.add(sums, prediction, target);
    }

    fn value(&self, sums: &[f64]) -> f64 {
        self.unit * self.metric.value(sums)
    }

    fn higher_is_better(&self) -> bool {
        self.metric.higher_is_better()
    }
}

/// The share of examples whose largest output stands where the target has its 1.
#[derive(Clone, Copy, Debug)]
struct OneHotAccuracy;

impl Metric for OneHotAccuracy {
    fn name(&self) -> &'static str {
        "accuracy"
    }

    fn sums(&self) -> usize {
        2
    }

    fn add(&self, sums: &mut [f64], prediction: &Tensor, target: &Tensor) {
        let right = prediction.detach().argmax(1).eq(&target.argmax(1));
        sums[0] += right.cast(DType::F64).sum(..).item();
        sums[1] += target.size(0) as f64;
    }

    fn value(&self, sums: &[f64]) -> f64 {
        sums[0] / sums[1]
    }

    fn higher_is_better(&self) -> bool {
        true
    }
}
