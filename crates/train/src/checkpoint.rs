//! Checkpoints: one file with everything that the rest of a run depends on.
//!
//! # What is accepted and refused
//! A safetensors file with tensors under `model/`, `best/` and `optimizer/` and the text `talweg.run` in its metadata.
//! Files that are cut short, of another program, of another model or of another version are refused with a message;
//! nothing of them is used.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use talweg_nn::{StateFile, to_safetensors};
use talweg_optim::OptimizerState;
use talweg_tensor::Tensor;

use crate::error::TrainError;
use crate::state::RunState;

/// The key of the run's state in the file's metadata.
const KEY: &str = "talweg.run";

/// The version of the state's form.
const VERSION: u32 = 1;

/// Everything that the rest of a run depends on.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The model's parameters and buffers by name.
    pub model: Vec<(String, Tensor)>,
    /// The best weights so far, if early stopping keeps them.
    pub best: Vec<(String, Tensor)>,
    /// The optimizer's state.
    pub optimizer: OptimizerState,
    /// Epoch, position, random numbers, sums and decisions.
    pub(crate) run: RunState,
}

/// What stands in the metadata.
#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    optimizer_count: u64,
    optimizer_counts: Vec<(String, u64)>,
    run: RunState,
}

impl Checkpoint {
    /// Writes the checkpoint: first to another file beside it, then by renaming, so that the file is whole at any
    /// instant.
    ///
    /// # Errors
    /// When the folder cannot be written; an earlier checkpoint is then still there.
    pub fn save(&self, path: &Path) -> Result<(), TrainError> {
        let header = Header {
            version: VERSION,
            optimizer_count: self.optimizer.count,
            optimizer_counts: self.optimizer.counts.clone(),
            run: self.run.clone(),
        };
        let text = serde_json::to_string(&header)
            .map_err(|e| TrainError::Checkpoint { path: path.into(), reason: e.to_string() })?;
        let mut tensors = Vec::new();
        for (part, list) in
            [("model", &self.model), ("best", &self.best), ("optimizer", &self.optimizer.slots)]
        {
            tensors.extend(list.iter().map(|(name, x)| (format!("{part}/{name}"), x.clone())));
        }
        let bytes = to_safetensors(&tensors, &BTreeMap::from([(KEY.to_string(), text)]));
        write_atomic(path, &bytes).map_err(TrainError::io("write", path))
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or is not a checkpoint of this version.
    pub fn load(path: &Path) -> Result<Checkpoint, TrainError> {
        let refuse = |reason: String| TrainError::Checkpoint { path: path.into(), reason };
        let bytes = fs::read(path).map_err(TrainError::io("read", path))?;
        let file = StateFile::from_bytes(&bytes).map_err(|e| refuse(e.to_string()))?;
        let text = file.metadata.get(KEY).ok_or_else(|| {
            refuse(
                "it is a safetensors file without a run's state; it holds weights, or is of another program"
                    .into(),
            )
        })?;
        let header: Header = serde_json::from_str(text)
            .map_err(|e| refuse(format!("the run's state in it cannot be read: {e}")))?;
        if header.version != VERSION {
            return Err(refuse(format!(
                "it is of version {}, this program reads version {VERSION}",
                header.version
            )));
        }
        let mut checkpoint = Checkpoint {
            model: Vec::new(),
            best: Vec::new(),
            optimizer: OptimizerState {
                count: header.optimizer_count,
                counts: header.optimizer_counts,
                slots: Vec::new(),
            },
            run: header.run,
        };
        for (name, x) in file.tensors {
            let (part, rest) = name.split_once('/').unwrap_or(("", &name));
            let list = match part {
                "model" => &mut checkpoint.model,
                "best" => &mut checkpoint.best,
                "optimizer" => &mut checkpoint.optimizer.slots,
                _ => return Err(refuse(format!("it has a tensor {name}, which no checkpoint has"))),
            };
            list.push((rest.to_string(), x));
        }
        Ok(checkpoint)
    }

    /// Steps made.
    pub fn step(&self) -> u64 {
        self.run.step
    }

    /// Epochs that are over.
    pub fn epochs_done(&self) -> usize {
        self.run.history.len()
    }
}

/// Writes a file whole or not at all: to a temporary file in the same folder, flushed to the disk, then renamed.
/// What is no file, such as a device or a pipe, is written to as it is.
///
/// # Errors
/// The system's, e.g. no space; a file that was there before is then unchanged.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A rename would put a file in the place of the device.
    if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return File::options().write(true).open(path)?.write_all(bytes);
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".talweg-").suffix(".tmp");
    // Temporary files are private; this one is to be as readable as any other file of its owner.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    // The new name is on the disk only when its folder is. Systems that cannot open folders do not need it.
    if let Ok(folder) = File::open(folder) {
        folder.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use talweg_tensor::Rng;

    fn checkpoint() -> Checkpoint {
        let x = Tensor::from_slice(&[1.0f32, -0.0, f32::MIN_POSITIVE], [3]);
        let mut run = RunState::new(&Rng::seed(3), &[]);
        (run.step, run.position) = (17, 4);
        Checkpoint {
            model: vec![("0.weight".into(), x.clone())],
            best: vec![],
            optimizer: OptimizerState {
                count: 17,
                counts: vec![("0.weight".into(), 17)],
                slots: vec![("0.weight/m".into(), x)],
            },
            run,
        }
    }

    #[test]
    fn a_checkpoint_comes_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        let before = checkpoint();
        before.save(&path).unwrap();
        let after = Checkpoint::load(&path).unwrap();
        assert_eq!(after.run, before.run);
        assert_eq!(after.optimizer.counts, before.optimizer.counts);
        assert_eq!(after.model[0].1.to_bytes(), before.model[0].1.to_bytes());
        assert_eq!(after.optimizer.slots[0].0, "0.weight/m");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    #[cfg(unix)]
    fn what_is_no_file_is_not_replaced_by_one() {
        use std::os::unix::fs::FileTypeExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        write_atomic(&path, b"text").unwrap_err();
        assert!(fs::metadata(&path).unwrap().file_type().is_socket());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[cfg(unix)]
    #[test]
    fn files_are_as_readable_as_others_of_their_owner() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (plain, atomic) = (folder.path().join("plain"), folder.path().join("atomic"));
        fs::write(&plain, b"x").unwrap();
        write_atomic(&atomic, b"x").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&atomic), mode(&plain));
    }

    #[test]
    fn a_file_cut_short_anywhere_is_refused_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        checkpoint().save(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let error = Checkpoint::load(&path).unwrap_err().to_string();
            assert!(error.contains("checkpoint.safetensors"), "{length}: {error}");
        }
    }
}
