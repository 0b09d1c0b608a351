//! The folder of a run: what it is called, what lies in it, and that nothing in it is ever half written.
//!
//! ```text
//! runs/digits/config.toml              the configuration with all defaults written out
//!             inputs.json              how raw data becomes the model's input: shape, classes, scales, columns
//!             metrics.jsonl            a line of numbers for every epoch
//!             checkpoint.safetensors   everything that `talweg resume` goes on from
//!             model.safetensors        the weights, once the run has ended
//!             report.json              how it ended, and the scores of the test part
//! ```

use std::cell::RefCell;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use talweg::train::{Callback, Event, Flow, Run};

use crate::error::CliError;
use crate::parts::Inputs;

pub(crate) const CONFIG: &str = "config.toml";
pub(crate) const INPUTS: &str = "inputs.json";
pub(crate) const REPORT: &str = "report.json";
pub(crate) const MODEL: &str = "model.safetensors";

/// A folder that belongs to one run.
#[derive(Clone, Debug)]
pub(crate) struct RunFolder {
    pub(crate) path: PathBuf,
}

impl RunFolder {
    /// Makes the folder of a new run: `wanted`, which must not hold a run yet, or else `runs/NAME`, `runs/NAME-2`
    /// and so on, the first that is free.
    pub(crate) fn create(wanted: Option<&str>, name: &str) -> Result<RunFolder, CliError> {
        match wanted {
            Some(path) => RunFolder::at(Path::new(path)),
            None => RunFolder::numbered(Path::new("runs"), name),
        }
    }

    fn at(path: &Path) -> Result<RunFolder, CliError> {
        if path.join(CONFIG).exists() {
            return Err(CliError::Call(format!(
                "{}: this folder holds a run already; go on with it by `talweg resume {}`, or give another run_dir",
                path.display(),
                path.display()
            )));
        }
        fs::create_dir_all(path).map_err(|why| CliError::io(path, "cannot be made", &why))?;
        Ok(RunFolder { path: path.to_path_buf() })
    }

    fn numbered(parent: &Path, name: &str) -> Result<RunFolder, CliError> {
        fs::create_dir_all(parent).map_err(|why| CliError::io(parent, "cannot be made", &why))?;
        for number in 1u32.. {
            let path = parent.join(if number == 1 { name.to_owned() } else { format!("{name}-{number}") });
            // Making the folder is what reserves it: of two runs that start together, one gets the next number.
            match fs::create_dir(&path) {
                Ok(()) => return Ok(RunFolder { path }),
                Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {}
                Err(why) => return Err(CliError::io(&path, "cannot be made", &why)),
            }
        }
        Err(CliError::Call(format!("{}: no name is left for a run of {name}", parent.display())))
    }

    /// The folder of an earlier run.
    pub(crate) fn open(path: &str) -> Result<RunFolder, CliError> {
        let folder = RunFolder { path: PathBuf::from(path) };
        if !folder.path.is_dir() {
            return Err(CliError::Call(format!("{path}: there is no such run folder")));
        }
        if !folder.file(CONFIG).is_file() {
            return Err(CliError::Call(format!(
                "{path}: this folder holds no run: there is no {CONFIG} in it"
            )));
        }
        Ok(folder)
    }

    /// The path of one of its files.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file whole or not at all: under another name first, flushed to the disk, then renamed.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), CliError> {
        let (path, draft) = (self.file(name), self.file(&format!(".{name}.part")));
        let written = fs::File::create(&draft)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&draft, &path));
        written.map_err(|why| CliError::io(&path, "cannot be written", &why))
    }

    /// How the run's inputs are made.
    pub(crate) fn inputs(&self) -> Result<Inputs, CliError> {
        let path = self.file(INPUTS).display().to_string();
        Inputs::from_json(&self.read(INPUTS)?).map_err(|why| CliError::File { file: path, why })
    }

    /// Reads one of its files, as text.
    pub(crate) fn read(&self, name: &str) -> Result<String, CliError> {
        let path = self.file(name);
        fs::read_to_string(&path).map_err(|why| CliError::io(&path, "cannot be read", &why))
    }
}

/// Writes the configuration of a run that goes on with changes, when its checkpoint has turned out to fit them: a
/// change that is refused leaves the folder as it was.
#[derive(Debug)]
pub(crate) struct ChangedConfig {
    pub(crate) folder: RunFolder,
    pub(crate) toml: String,
    /// Where it is noted that the file could not be written.
    pub(crate) failure: Rc<RefCell<Option<CliError>>>,
}

impl Callback for ChangedConfig {
    fn on(&mut self, event: &Event<'_>, _: &Run<'_>) -> Flow {
        if !matches!(event, Event::Start) {
            return Flow::Continue;
        }
        match self.folder.write(CONFIG, self.toml.as_bytes()) {
            Ok(()) => Flow::Continue,
            Err(why) => {
                self.failure.replace(Some(why));
                Flow::Stop
            }
        }
    }
}

/// The name of a run by its configuration: `digits` for `digits` and for `some/where/digits.toml`.
pub(crate) fn name_of(config: &str) -> String {
    let stem = Path::new(config).file_stem().and_then(|stem| stem.to_str()).unwrap_or("run");
    stem.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_get_the_next_free_number() {
        let folder = tempfile::tempdir().expect("a folder");
        let parent = folder.path().join("runs");
        let names: Vec<_> = (0..3)
            .map(|_| {
                RunFolder::numbered(&parent, "xor")
                    .expect("a run")
                    .path
                    .strip_prefix(&parent)
                    .expect("inside")
                    .to_owned()
            })
            .collect();
        assert_eq!(names, [Path::new("xor"), Path::new("xor-2"), Path::new("xor-3")]);
    }

    #[test]
    fn a_run_is_never_written_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a/b");
        let run = RunFolder::at(&path).expect("a new folder");
        run.write(CONFIG, b"first").expect("written");
        let refused = RunFolder::at(&path).expect_err("a second run").to_string();
        assert!(refused.contains("holds a run already"), "{refused}");
        assert_eq!(run.read(CONFIG).expect("read"), "first");
    }

    #[test]
    fn writing_replaces_whole_files_and_leaves_no_draft() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = RunFolder::at(folder.path()).expect("an empty folder");
        run.write("a", b"first").expect("written");
        run.write("a", b"2").expect("written");
        assert_eq!(run.read("a").expect("read"), "2");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn names_follow_the_configuration() {
        assert_eq!(name_of("xor"), "xor");
        assert_eq!(name_of("examples/configs/iris.toml"), "iris");
        assert_eq!(name_of("a.b.toml"), "a.b");
    }
}
