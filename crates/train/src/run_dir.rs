//! The folder of a run.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::TrainError;

/// The folder of a run, held by one process at a time.
///
/// | file | what is in it |
/// | --- | --- |
/// | `checkpoint.safetensors` | everything that the rest of the run depends on |
/// | `metrics.jsonl` | a line for each epoch, and for each step that is logged |
/// | `model.safetensors` | the weights: the best ones if early stopping keeps them, else the last |
/// | `run.lock` | empty; locked while a process trains here |
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    metrics: File,
    _lock: File,
}

impl RunDir {
    /// The name of the checkpoint.
    pub const CHECKPOINT: &'static str = "checkpoint.safetensors";
    /// The name of the metrics file.
    pub const METRICS: &'static str = "metrics.jsonl";
    /// The name of the weights.
    pub const MODEL: &'static str = "model.safetensors";
    const LOCK: &'static str = "run.lock";

    /// A new run's folder, made if it is not there. Other files in it are left alone.
    ///
    /// # Errors
    /// When the folder holds a run already, another process trains in it, or it cannot be written.
    pub fn create(path: &Path) -> Result<RunDir, TrainError> {
        fs::create_dir_all(path).map_err(TrainError::io("make the folder", path))?;
        for file in [RunDir::CHECKPOINT, RunDir::METRICS, RunDir::MODEL] {
            if path.join(file).exists() {
                return Err(TrainError::RunExists { path: path.into() });
            }
        }
        RunDir::open(path)
    }

    /// The folder of a run to go on with.
    ///
    /// # Errors
    /// When there is no checkpoint in it, another process trains in it, or it cannot be written.
    pub fn resume(path: &Path) -> Result<RunDir, TrainError> {
        if !path.join(RunDir::CHECKPOINT).is_file() {
            return Err(TrainError::NoRun { path: path.into(), missing: RunDir::CHECKPOINT });
        }
        RunDir::open(path)
    }

    fn open(path: &Path) -> Result<RunDir, TrainError> {
        let open = |name: &str| {
            let file = path.join(name);
            let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&file);
            options.map_err(TrainError::io("open", file))
        };
        let lock = open(RunDir::LOCK)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(TrainError::Locked { path: path.into() }),
            // Some network file systems have no locks; the run is then not protected, but can be made.
            Err(TryLockError::Error(_)) => {}
        }
        Ok(RunDir { path: path.into(), metrics: open(RunDir::METRICS)?, _lock: lock })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Cuts the metrics file off after `bytes` bytes: what a process wrote after its last checkpoint is written again.
    pub(crate) fn rewind(&mut self, bytes: u64) -> Result<(), TrainError> {
        let path = self.file(RunDir::METRICS);
        let length = self.metrics.metadata().map_err(TrainError::io("read", &path))?.len();
        if length < bytes {
            let reason =
                format!("{} is shorter than when it was saved ({length} of {bytes} bytes)", path.display());
            return Err(TrainError::Checkpoint { path: self.file(RunDir::CHECKPOINT), reason });
        }
        self.metrics.set_len(bytes).map_err(TrainError::io("shorten", &path))?;
        self.metrics.seek(SeekFrom::End(0)).map_err(TrainError::io("write", &path))?;
        Ok(())
    }

    /// Adds a line to the metrics file, and returns how many bytes that were.
    pub(crate) fn log(&mut self, record: &impl Serialize) -> Result<u64, TrainError> {
        let path = self.file(RunDir::METRICS);
        let mut line = serde_json::to_vec(record)
            .map_err(|e| TrainError::Checkpoint { path: path.clone(), reason: e.to_string() })?;
        line.push(b'\n');
        self.metrics.write_all(&line).map_err(TrainError::io("write", path))?;
        Ok(line.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_a_run_is_not_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut run = RunDir::create(folder.path()).unwrap();
        assert!(matches!(RunDir::create(folder.path()), Err(TrainError::RunExists { .. })));
        assert!(matches!(RunDir::resume(folder.path()), Err(TrainError::NoRun { .. })));
        run.log(&serde_json::json!({"step": 1})).unwrap();
        drop(run);
        assert!(matches!(RunDir::create(folder.path()), Err(TrainError::RunExists { .. })));
        assert_eq!(fs::read_to_string(folder.path().join(RunDir::METRICS)).unwrap(), "{\"step\":1}\n");
    }

    #[test]
    fn one_process_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::create(folder.path()).unwrap();
        fs::write(run.file(RunDir::CHECKPOINT), b"").unwrap();
        assert!(matches!(RunDir::resume(folder.path()), Err(TrainError::Locked { .. })));
        drop(run);
        assert!(RunDir::resume(folder.path()).is_ok());
    }

    #[test]
    fn rewinding_cuts_what_came_later() {
        let folder = tempfile::tempdir().unwrap();
        let mut run = RunDir::create(folder.path()).unwrap();
        let bytes = run.log(&1).unwrap();
        run.log(&2).unwrap();
        run.rewind(bytes).unwrap();
        run.log(&3).unwrap();
        assert_eq!(fs::read_to_string(run.file(RunDir::METRICS)).unwrap(), "1\n3\n");
        assert!(run.rewind(100).is_err());
    }
}
