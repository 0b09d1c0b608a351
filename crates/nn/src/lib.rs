//! Layers, losses and initialisers.
//!
//! - [`Module`]: what holds parameters and gives each a name; `#[derive(Module)]` writes it.
//! - [`Layer`]: a module with a `forward`; [`Sequential`] and [`seq!`] put layers in a row.
//! - [`Mode`]: whether a forward pass trains or evaluates, and the random numbers of training.
//! - [`Init`]: the distributions of initial weights.
//! - [`Loss`]: what training makes small; [`Penalty`]: what keeps weights small.
//! - [`Module::state`], [`Module::load_state`], [`to_safetensors`], [`StateFile`]: weights out and in.
#![forbid(unsafe_code)]

// The derive macro writes `::talweg::nn::..`, the path that users have; these two lines make it hold in here as well.
extern crate self as talweg;
#[doc(hidden)]
pub mod nn {
    pub use crate::*;
}

mod gradient_report;
mod init;
mod layers;
mod losses;
mod mode;
mod models;
mod module;
mod state;
mod suggest;

pub use gradient_report::GradientReport;
pub use init::{Fan, Gain, Init, fans};
pub use layers::*;
pub use losses::*;
pub use mode::Mode;
pub use models::{BasicBlock, Gpt, GptOptions, ResNet, Stem};
pub use module::{Entry, Module, Path};
pub use state::{Form, Load, LoadReport, Mismatch, StateError, StateFile, to_safetensors};
pub use talweg_macros::Module;
pub use talweg_tensor::{Conv2dOptions, ConvOptions, ConvTransposeOptions, Pool2dOptions, Reduction};
