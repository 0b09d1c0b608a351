//! The gradient of one step: from a batch at once, from its parts, or at the worst point nearby.

use talweg_nn::{Layer, Mode};
use talweg_optim::Optimizer;
use talweg_tensor::{
    AnomalyOptions, Grad, Gradients, Recordings, Rng, Tensor, detect_anomaly, with_precision,
};

use crate::error::TrainError;
use crate::trainer::Trainer;

/// What the forward pass of a batch gave.
pub(crate) struct Forward {
    /// The loss that is made small.
    pub(crate) total: f64,
    /// The same without the penalty.
    pub(crate) loss: f64,
    /// The model's output.
    pub(crate) prediction: Tensor,
}

impl<M> Trainer<M> {
    /// Whether the gradient of a step takes a single run.
    pub(crate) fn runs_once(&self) -> bool {
        self.parts == 1 && self.sam.is_none()
    }
}

/// Runs a step; where the trainer asks for it, in search of the operation that first makes a NaN.
pub(crate) fn searched<M: Layer, R>(
    trainer: &Trainer<M>,
    (step, epoch): (u64, u64),
    run: impl FnOnce() -> R,
) -> Result<R, TrainError> {
    if !trainer.anomaly {
        return Ok(run());
    }
    detect_anomaly(AnomalyOptions::default(), run).map_err(|found| {
        let params = trainer.model.params();
        let read = params.iter().filter(|(_, param)| found.leaves.contains(&param.id()));
        let names: Vec<&str> = read.map(|(name, _)| name.as_str()).collect();
        let parameters =
            if names.is_empty() { String::new() } else { format!("; it reads {}", names.join(", ")) };
        TrainError::Anomaly { step, epoch, found, parameters }
    })
}

/// Forward pass, loss and backward pass of a batch, recorded and replayed where that is possible.
pub(crate) fn run<'r, M: Layer>(
    trainer: &Trainer<M>,
    recordings: &'r mut Recordings,
    [x, y]: [&Tensor; 2],
    rng: &mut Rng,
) -> (Forward, &'r mut Gradients) {
    let Trainer { model, loss, penalty, precision, .. } = trainer;
    let ran = recordings.run(&[x, y], rng, |inputs, rng| {
        let forward = || model.forward(inputs[0], &mut Mode::Train(rng));
        let prediction = with_precision(*precision, forward);
        let data_loss = loss.forward(&prediction, inputs[1]);
        match penalty.as_ref().and_then(|penalty| penalty.forward(&model.params())) {
            Some(amount) => vec![&data_loss + amount, prediction, data_loss],
            None => vec![data_loss, prediction],
        }
    });
    let total = ran.loss.item();
    let loss = ran.outputs.get(2).map_or(total, Tensor::item);
    (Forward { total, loss, prediction: ran.outputs[1].clone() }, ran.gradients)
}

/// The same by the trainer's ways that take more than one run: parts of the batch, and the worst point nearby.
pub(crate) fn run_often<M: Layer>(
    trainer: &Trainer<M>,
    recordings: &mut Recordings,
    optimizer: &Optimizer,
    batch: [&Tensor; 2],
    rng: &mut Rng,
) -> (Forward, Gradients) {
    let start = rng.clone();
    let (forward, gradients) = in_parts(trainer, recordings, batch, rng);
    let Some(sam) = &trainer.sam else { return (forward, gradients) };
    let kept = sam.climb(optimizer, &gradients);
    // The same random numbers: the same dropout, so that the two gradients are of one function.
    let (_, gradients) = in_parts(trainer, recordings, batch, &mut start.clone());
    drop(kept);
    (forward, gradients)
}

/// The mean over the parts of a batch, each with the weight of its examples.
fn in_parts<M: Layer>(
    trainer: &Trainer<M>,
    recordings: &mut Recordings,
    [x, y]: [&Tensor; 2],
    rng: &mut Rng,
) -> (Forward, Gradients) {
    let examples = x.size(0);
    let size = examples.div_ceil(trainer.parts).max(1);
    let (mut sum, mut total, mut loss, mut predictions) = (Gradients::default(), 0.0, 0.0, Vec::new());
    for start in (0..examples).step_by(size) {
        let count = size.min(examples - start);
        let part = [x, y].map(|whole| whole.narrow(0, start, count));
        let (forward, gradients) = run(trainer, recordings, [&part[0], &part[1]], rng);
        let share = count as f64 / examples as f64;
        let mut gradients = gradients.clone();
        if share != 1.0 {
            gradients.iter_mut().for_each(|(_, grad)| scale(grad, share));
        }
        sum += gradients;
        total += share * forward.total;
        loss += share * forward.loss;
        predictions.push(forward.prediction);
    }
    let prediction = match predictions.len() {
        1 => predictions.remove(0),
        _ => Tensor::cat(&predictions.iter().collect::<Vec<_>>(), 0),
    };
    (Forward { total, loss, prediction }, sum)
}

fn scale(grad: &mut Grad, factor: f64) {
    let values = match grad {
        Grad::Dense(x) => x,
        Grad::Rows { values, .. } => values,
    };
    *values = &*values * factor;
}
