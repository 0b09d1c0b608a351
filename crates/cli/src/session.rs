//! Everything that a run is made of, put together from the configuration.

mod optimizing;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use talweg::data::transforms::{RandomFlip, RandomShift};
use talweg::data::{DataLoader, Dataset, Examples};
use talweg::nn::{self, Module, Penalty};
use talweg::optim::fits;
use talweg::tensor::{Precision, Rng, Tensor};
use talweg::train::callbacks::Progress;
use talweg::train::{EarlyStopping, Report, Scores, Trainer, evaluate};

use crate::config::Config;
use crate::config::shapes::Shaped;
use crate::config::train::{self, Loss};
use crate::error::CliError;
use crate::memory;
use crate::network::Network;
use crate::parts::{Channels, Inputs, Parts};
use crate::run_folder::ChangedConfig;
use crate::target::Form;
use optimizing::{rule, schedule};

/// The stream of `train.seed` that the first weights are drawn from; the trainer has its own.
const WEIGHTS: u64 = 2;

/// A configuration with its data and its network.
pub(crate) struct Session {
    pub(crate) config: Config,
    pub(crate) parts: Parts,
    pub(crate) form: Form,
    pub(crate) network: Arc<Network>,
}

impl Session {
    /// Builds the network for the data. Refuses what does not fit together.
    pub(crate) fn new(config: Config, parts: Parts) -> Result<Session, CliError> {
        let shaped = shapes(&config, &parts.inputs)?;
        let batch = config.train.batch_size.unwrap_or(usize::MAX).min(parts.train.len());
        memory::suffices(&shaped, memory::copies(&config.train), batch)?;
        let (network, form) = build(&config, &parts.inputs)?;
        groups_fit(&config, &network)?;
        let shape = |examples| form.shape(examples);
        let parts = Parts {
            train: shape(parts.train),
            validation: parts.validation.map(shape),
            test: parts.test.map(shape),
            inputs: parts.inputs,
        };
        Ok(Session { config, parts, form, network: Arc::new(network) })
    }

    /// Trains in the run folder, or goes on with the run that it holds.
    pub(crate) fn train(
        &self,
        folder: &Path,
        resume: bool,
        interrupt: Arc<AtomicBool>,
        changed: Option<ChangedConfig>,
    ) -> Result<Report, CliError> {
        let options = &self.config.train;
        let loader = self.training_loader();
        let batches = loader.batches(0) as u64;
        // Without a number of epochs, the iterations end the run; the trainer counts in both.
        let needed = options.iterations.map(|steps| steps.div_ceil(batches.max(1)).max(1));
        let mut trainer = Trainer::boxed(Arc::clone(&self.network), loss(&options.loss))
            .rule(rule(options, batches), schedule(&options.schedule, options.optimizer.lr(), batches))
            .metrics(self.form.metrics(self.parts.inputs.unit()))
            .callback(Progress::every(options.log_every))
            .epochs(options.epochs.or(needed).unwrap_or(1))
            .seed(options.seed)
            .interrupt(interrupt)
            .capture(options.capture)
            .anomaly(options.anomaly)
            .precision(match options.precision {
                train::Precision::F32 => Precision::Full,
                train::Precision::Bf16 => Precision::Bf16,
            })
            .run_dir(folder);
        if let Some(changed) = changed {
            trainer = trainer.callback(changed);
        }
        if let Some(steps) = options.iterations {
            trainer = trainer.iterations(steps);
        }
        if options.l1 > 0.0 || options.l2 > 0.0 {
            trainer = trainer.penalty(Penalty { l1: options.l1, l2: options.l2, ..Penalty::default() });
        }
        trainer = optimizing::refine(trainer, options);
        if let Some(early) = options.early_stopping {
            let monitor = optimizing::monitor(early.metric);
            let rule = EarlyStopping { patience: early.patience, min_delta: early.min_delta, monitor };
            trainer = trainer.early_stopping_by(rule);
        }
        if let Some(convergence) = options.convergence {
            trainer = trainer.convergence(convergence.tolerance, convergence.patience);
        }
        if let Some(steps) = options.checkpoint_every {
            trainer = trainer.save_every(steps);
        }
        let validation = self.parts.validation.clone();
        let validation = validation.map(|part| measuring_loader(&self.config, &self.parts.inputs, part));
        let report = match resume {
            true => trainer.resume_loaders(loader, validation),
            false => trainer.fit_loaders(loader, validation),
        };
        Ok(report?)
    }

    /// Loss and metrics over a part, in evaluation mode.
    pub(crate) fn measure(&self, part: &Examples) -> Result<Scores, CliError> {
        let loader = measuring_loader(&self.config, &self.parts.inputs, part.clone());
        let loss = loss(&self.config.train.loss);
        Ok(evaluate(&self.network, loss.as_ref(), &self.form.metrics(self.parts.inputs.unit()), &loader)?)
    }

    fn training_loader(&self) -> DataLoader<Examples> {
        let (options, train) = (&self.config.train, &self.parts.train);
        let batch = options.batch_size.unwrap_or(train.len()).clamp(1, train.len().max(1));
        let mut loader =
            DataLoader::new(train.clone()).batch(batch).shuffle(options.seed).workers(options.workers);
        if let Some(augmentation) = self.config.data.augmentation {
            if augmentation.shift > 0 {
                loader = loader.transform(RandomShift { most: augmentation.shift, ..RandomShift::default() });
            }
            if augmentation.flip {
                loader = loader.transform(RandomFlip::default());
            }
        }
        normalised(loader, self.parts.inputs.normalise.as_ref())
    }
}

/// Refuses groups of weights whose pattern fits none.
fn groups_fit(config: &Config, network: &Network) -> Result<(), CliError> {
    let names: Vec<String> = network.params().into_iter().map(|(name, _)| name).collect();
    for group in &config.train.groups {
        if !names.iter().any(|name| fits(&group.pattern, name)) {
            return Err(CliError::Call(format!(
                "`train.groups`: no weight's name fits {:?}; there are {}",
                group.pattern,
                names.join(", ")
            )));
        }
    }
    Ok(())
}

/// The batches of a part that is measured, not trained on.
pub(crate) fn measuring_loader(config: &Config, inputs: &Inputs, part: Examples) -> DataLoader<Examples> {
    // Nothing is kept for a way back, so that batches can be larger.
    let batch = config.train.batch_size.unwrap_or(part.len()).max(256);
    let loader = DataLoader::new(part).batch(batch).workers(config.train.workers);
    normalised(loader, inputs.normalise.as_ref())
}

fn shapes(config: &Config, inputs: &Inputs) -> Result<Vec<Shaped>, CliError> {
    let shaped = config.shapes(&inputs.shape, inputs.class_count());
    Ok(shaped.map_err(|problem| config.problems(vec![problem]))?)
}

/// The network for inputs that are described so, and the form of its targets.
pub(crate) fn build(config: &Config, inputs: &Inputs) -> Result<(Network, Form), CliError> {
    let shaped = shapes(config, inputs)?;
    memory::suffices(&shaped, 1, 1)?;
    let last = shaped.last().expect("bug: a model without layers");
    let form = Form::of(config, &last.output);
    let rng = &mut Rng::seed(config.train.seed).stream(WEIGHTS);
    Ok((Network::new(&config.model, &shaped, rng), form))
}

fn normalised(loader: DataLoader<Examples>, channels: Option<&Channels>) -> DataLoader<Examples> {
    match channels {
        Some(channels) => loader.transform(channels.transform()),
        None => loader,
    }
}

/// The loss of the configuration.
pub(crate) fn loss(loss: &Loss) -> Box<dyn nn::Loss> {
    match loss {
        Loss::CrossEntropy { label_smoothing, class_weights } => {
            let weights = class_weights.as_ref().map(|weights| {
                let weights: Vec<f32> = weights.iter().map(|weight| *weight as f32).collect();
                Tensor::from_slice(&weights, [weights.len()])
            });
            Box::new(nn::CrossEntropy {
                label_smoothing: *label_smoothing,
                weight: weights,
                ..Default::default()
            })
        }
        Loss::Mse => Box::new(nn::Mse::default()),
        Loss::Bce => Box::new(nn::Bce::default()),
        Loss::BceWithLogits { pos_weight } => {
            let pos_weight = (*pos_weight != 1.0).then(|| Tensor::scalar(*pos_weight as f32));
            Box::new(nn::BceWithLogits { pos_weight, ..Default::default() })
        }
    }
}
