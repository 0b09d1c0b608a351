//! Talweg: neural networks trained by backpropagation and gradient descent.
//!
//! This crate is what a program depends on. It brings together:
//! - [`tensor`]: [`Tensor`](tensor::Tensor), operations, automatic differentiation;
//! - [`nn`]: layers, losses, initialisers;
//! - [`optim`]: optimizers and learning-rate schedules;
//! - [`data`]: datasets, loaders, file formats;
//! - [`train`]: the training loop with checkpoints, metrics and early stopping.
//!
//! [`prelude`] has the names that nearly every program needs.
//!
//! ```
//! use talweg::prelude::*;
//!
//! fn main() -> talweg::Result<()> {
//!     let rng = &mut Rng::seed(7);
//!     let (train, test) = datasets::digits();
//!     let model = seq![Flatten, Linear::new(64, 64, rng), Relu, Dropout::new(0.2), Linear::new(64, 10, rng)];
//!     let report = Trainer::new(model, CrossEntropy::default())
//!         .optimizer(AdamW::default(), Schedule::one_cycle(1e-2))
//!         .metric(Accuracy)
//!         .epochs(5)
//!         .early_stopping(2)
//!         .fit(&train, &test)?;
//!     println!("{report}");
//!     Ok(())
//! }
//! ```
#![forbid(unsafe_code)]

mod files;

pub use files::{load, save};

pub use talweg_data as data;
pub use talweg_nn as nn;
pub use talweg_optim as optim;
pub use talweg_tensor as tensor;
pub use talweg_train as train;

pub use talweg_nn::seq;
pub use talweg_tensor::{
    AnomalyOptions, Create, Precision, capture, checkpoint, detect_anomaly, grad, grad_from, hessian,
    hessians, hvp, jacobian, jacobians, jvp, mixed_precision, no_grad, set_threads, threads, vjp,
    with_precision,
};

/// What can go wrong in a program that trains: reading data, training, reading and writing models.
///
/// Its debug form is its message too, because that is what a program shows whose `main` returns it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Data could not be read.
    #[error(transparent)]
    Data(#[from] talweg_data::DataError),
    /// A run could not start or go on.
    #[error(transparent)]
    Train(#[from] talweg_train::TrainError),
    /// A model's file could not be read or written, or is of another model.
    #[error(transparent)]
    Model(#[from] files::ModelError),
}

impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// The result of a program that trains.
pub type Result<T, E = Error> = std::result::Result<T, E>;

pub use files::ModelError;

/// The names that nearly every program needs.
pub mod prelude {
    pub use talweg_data::{Batch, DataLoader, Dataset, Examples, datasets};
    pub use talweg_nn::*;
    pub use talweg_optim::{Adagrad, Adam, AdamW, Clip, Optimizer, RmsProp, Schedule, Sgd};
    pub use talweg_tensor::{Create, DType, Grad, Gradients, Param, Rng, Shape, Tensor, grad, no_grad};
    pub use talweg_train::{Accuracy, Metric, Report, Trainer, evaluate};
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_error_that_main_returns_is_readable() {
        let model = talweg_nn::Relu;
        let error = crate::load(&model, "no-such.safetensors", talweg_nn::Load::Strict).unwrap_err();
        let text = format!("{:?}", crate::Error::from(error));
        assert!(text.starts_with("cannot read no-such.safetensors: "), "{text}");
    }
}
