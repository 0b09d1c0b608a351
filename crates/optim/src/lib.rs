//! What changes parameters: optimizers, learning-rate schedules and gradient clipping.
//!
//! - [`Rule`]: one optimizer's mathematics ([`Sgd`], [`AdamW`], [`Lion`], [`Muon`] and the others below), or a rule around
//!   another one ([`Ema`], [`Swa`], [`Lookahead`]).
//! - [`Schedule`]: the learning rate as a pure function of the step; [`Plateau`]: what lowers it by a score.
//! - [`Optimizer`]: parameters, a rule, a schedule and the state, which can be saved and loaded exactly; [`Group`]: other
//!   options for some parameters.
//! - [`Sam`] and [`Lbfgs`]: steps that compute the loss more than once.
//! - [`clip`]: bounds on the gradients.
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
mod group;
mod lbfgs;
mod optimizer;
mod plateau;
mod rows;
mod rule;
mod rules;
mod sam;
mod schedule;

pub use clip::Clip;
pub use group::{Group, fits};
pub use lbfgs::{Lbfgs, LbfgsOptions, LineSearch};
pub use optimizer::{KeptWeights, Optimizer, OptimizerState, StateError, StepReport};
pub use plateau::Plateau;
pub use rule::{Rule, Slots, Step};
pub use rules::{
    Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Asgd, Ema, Lamb, Lars, Lion, Lookahead, Muon,
    MuonScale, NAdam, RAdam, RmsProp, Rprop, ScheduleFreeAdamW, ScheduleFreeSgd, Sgd, SparseAdam, Swa,
};
pub use sam::Sam;
pub use schedule::{CycleHeight, Cyclic, OneCycle, RunLength, Schedule};
