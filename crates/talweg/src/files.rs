//! Models as files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use talweg_nn::{Load, LoadReport, Module, StateError, StateFile, to_safetensors};
use talweg_train::checkpoint::write_atomic;

/// Why a model's file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The system's error.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is damaged, or is of another model.
    #[error("cannot use {path}: {source}")]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: StateError,
    },
}

/// Writes a model's parameters and buffers as a safetensors file, whole or not at all.
///
/// # Errors
/// When the file cannot be written; one that was there before is then unchanged.
///
/// # Examples
/// ```
/// use talweg::prelude::*;
///
/// let folder = std::env::temp_dir().join(format!("talweg-save-{}", std::process::id()));
/// std::fs::create_dir_all(&folder)?;
/// let path = folder.join("model.safetensors");
/// let (a, b) = (Linear::new(3, 2, &mut Rng::seed(1)), Linear::new(3, 2, &mut Rng::seed(2)));
/// talweg::save(&a, &path)?;
/// talweg::load(&b, &path, Load::Strict)?;
/// assert_eq!(a.weight.get().to_vec::<f32>(), b.weight.get().to_vec::<f32>());
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn save(model: &dyn Module, path: impl AsRef<Path>) -> Result<(), ModelError> {
    let path = path.as_ref();
    let bytes = to_safetensors(&model.state(), &Default::default());
    write_atomic(path, &bytes).map_err(|source| ModelError::Io { what: "write", path: path.into(), source })
}

/// Puts the parameters and buffers of a safetensors file into a model.
///
/// # Errors
/// When the file cannot be read, is damaged, or, in strict mode, does not fit the model exactly: the message lists every
/// name and shape that differs, and the model is unchanged.
pub fn load(model: &dyn Module, path: impl AsRef<Path>, how: Load) -> Result<LoadReport, ModelError> {
    let path = path.as_ref();
    let bytes =
        fs::read(path).map_err(|source| ModelError::Io { what: "read", path: path.into(), source })?;
    let state = |source| ModelError::State { path: path.into(), source };
    let file = StateFile::from_bytes(&bytes).map_err(state)?;
    model.load_state(&file.tensors, how).map_err(state)
}
