//! Datasets, loaders and file formats.
#![forbid(unsafe_code)]

pub mod embedded;
mod error;
pub mod formats;
pub mod preprocessing;
pub mod split;

pub use error::{DataError, Place};
