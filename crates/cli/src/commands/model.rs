//! The trained model of a run folder.

use talweg::data::Examples;
use talweg::nn::Load;
use talweg::train::{Scores, evaluate};

use crate::commands::load;
use crate::config::Config;
use crate::error::CliError;
use crate::network::Network;
use crate::parts::Inputs;
use crate::run_folder::{CONFIG, MODEL, RunFolder};
use crate::session::{self, measuring_loader};
use crate::target::Form;

/// A model with all that is needed to use it.
pub(super) struct Model {
    pub(super) config: Config,
    pub(super) inputs: Inputs,
    pub(super) network: Network,
    pub(super) form: Form,
}

impl Model {
    /// Reads a run folder: the configuration, how inputs are made, and the weights.
    pub(super) fn open(run: &str) -> Result<Model, CliError> {
        let folder = RunFolder::open(run)?;
        let config = load::config(&folder.file(CONFIG).display().to_string(), &[])?;
        config.train.set_up();
        let inputs = folder.inputs()?;
        let (network, form) = session::build(&config, &inputs)?;
        let weights = folder.file(MODEL);
        if !weights.is_file() {
            return Err(CliError::Failed(format!(
                "{run}: there is no {MODEL}: the run has not ended; go on with it by `talweg resume {run}`"
            )));
        }
        talweg::load(&network, &weights, Load::Strict)?;
        Ok(Model { config, inputs, network, form })
    }

    /// Loss and metrics over examples as they were read.
    pub(super) fn measure(&self, examples: Examples) -> Result<Scores, CliError> {
        let loader = measuring_loader(&self.config, &self.inputs, self.form.shape(examples));
        let loss = session::loss(&self.config.train.loss);
        Ok(evaluate(&self.network, loss.as_ref(), &self.form.metrics(self.inputs.unit()), &loader)?)
    }
}
