//! What changes parameters: optimizers, learning-rate schedules and gradient clipping.
//!
//! - [`Rule`]: one optimizer's mathematics ([`Sgd`], [`Adam`], [`AdamW`], [`RmsProp`], [`Adagrad`]).
//! - [`Schedule`]: the learning rate as a pure function of the step.
//! - [`Optimizer`]: parameters, a rule, a schedule and the state, which can be saved and loaded exactly.
//!
//! ```
//! use talweg_optim::{Optimizer, Schedule, Sgd};
//! use talweg_tensor::{DType, Param, Tensor};
//!
//! let w = Param::new(Tensor::from_slice(&[5.0f32], [1]));
//! let mut optimizer = Optimizer::new(Sgd::default(), Schedule::constant(0.1), vec![("w".into(), w.clone())]);
//! for _ in 0..50 {
//!     let loss = w.get().square().sum(..);
//!     optimizer.step(&loss.backward());
//! }
//! assert!(w.get().item().abs() < 1e-3);
//! ```
#![forbid(unsafe_code)]

pub mod clip;
mod optimizer;
mod rule;
mod rules;
mod schedule;

pub use clip::Clip;
pub use optimizer::{Optimizer, OptimizerState, StateError, StepReport};
pub use rule::{Rule, Slots, Step};
pub use rules::{Adagrad, Adam, AdamW, RmsProp, Sgd};
pub use schedule::{OneCycle, RunLength, Schedule};
