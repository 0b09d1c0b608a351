//! Datasets, loaders and file formats.
//!
//! ```text
//! file --formats--> numbers or text --preprocessing--> Examples --DataLoader--> Batch { x, y }
//!                                                      (or your own Dataset)    (+ transforms)
//! ```
//!
//! - [`datasets`]: XOR and the UCI digits, which are part of the library; MNIST, Fashion-MNIST, IDX folders and CSV
//!   tables from a path.
//! - [`Dataset`]: numbered items; [`Examples`] has all in memory, [`ImageFolder`] reads pictures when they are needed.
//! - [`DataLoader`]: batches, shuffled by seed, made by background workers. An epoch is a pure function of seed and
//!   number, so that a run can continue in the middle of one.
//! - [`formats`] and [`preprocessing`]: readers that refuse damaged input with file, row and column, and the step
//!   from text to numbers that is saved with the model.
#![forbid(unsafe_code)]

mod dataset;
pub mod datasets;
pub mod embedded;
mod error;
mod examples;
pub mod formats;
mod image_folder;
mod loader;
pub mod preprocessing;
mod sampler;
pub mod split;
pub mod transforms;

pub use dataset::{Batch, Collate, Dataset, Example, Subset};
pub use error::{DataError, Place};
pub use examples::Examples;
pub use image_folder::ImageFolder;
pub use loader::{BatchOf, DataLoader, Epoch};
pub use sampler::{Sampler, Sequential, Shuffled, Weighted};
