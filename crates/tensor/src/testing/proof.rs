//! The record of what was proven, for the coverage table.
//!
//! When the environment variable `TALWEG_PROOFS` names a folder, every case that holds appends one line of JSON to a
//! file of its process there, `proofs-<process>.jsonl`. A line:
//!
//! ```json
//! {"case": "softmax", "file": "crates/tensor/src/ops/softmax.rs", "ops": ["softmax"], "inputs": 1, "shapes": 5,
//!  "proven": ["dtypes", "empty", "first", "forward", "refusals", "second", "strided"],
//!  "dtypes": ["f32", "f64"], "refusals": 1, "reasons": {"broadcast": "it has one input"}}
//! ```
//!
//! - `case`: the case's name; `file`: where it stands, from the root of the repository;
//! - `ops`: the operations that the function calls, by [`Op::name`](crate::Op::name), those inside of others left out;
//! - `inputs`: the most inputs of a list of shapes; `shapes`: the number of lists;
//! - `proven`: the properties that hold, by [`Property::name`]; `dtypes`: the element types that were compared;
//!   `refusals`: how many lists of shapes were refused as they should be;
//! - `reasons`: for properties that are not proven, why not, where that was said.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::panic::Location;
use std::path::Path;
use std::sync::Mutex;

use crate::dtype::DType;

/// What a case can prove of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Property {
    /// First derivatives are those of finite differences, by both walks back.
    First,
    /// Second derivatives are those of finite differences.
    Second,
    /// Forward mode gives what finite differences give.
    Forward,
    /// Inputs in other memory layouts give the same result.
    Strided,
    /// Inputs of different shapes are taken and broadcast.
    Broadcast,
    /// Inputs without elements are taken.
    Empty,
    /// `f32` gives what `f64` gives, result and gradients.
    Dtypes,
    /// Wrong shapes are refused, with a message that names operation and shapes.
    Refusals,
}

impl Property {
    /// All of them, in the order of the table's columns.
    pub const ALL: [Property; 8] = [
        Property::First,
        Property::Second,
        Property::Forward,
        Property::Strided,
        Property::Broadcast,
        Property::Empty,
        Property::Dtypes,
        Property::Refusals,
    ];

    /// The name in the record: `first`, `second`, `forward`, `strided`, `broadcast`, `empty`, `dtypes` or `refusals`.
    pub fn name(self) -> &'static str {
        match self {
            Property::First => "first",
            Property::Second => "second",
            Property::Forward => "forward",
            Property::Strided => "strided",
            Property::Broadcast => "broadcast",
            Property::Empty => "empty",
            Property::Dtypes => "dtypes",
            Property::Refusals => "refusals",
        }
    }
}

/// What was proven of an operation: by a case, or by a test of its own that then calls [`Proof::record`].
///
/// # Examples
/// ```
/// # use std::panic::Location;
/// # use talweg_tensor::{DType, testing::{Proof, Property}};
/// let mut proof = Proof::new("argmax_by_hand", Location::caller());
/// proof.ops.insert("argmax");
/// proof.dtypes.extend([DType::F32, DType::I64]);
/// proof.proven.insert(Property::Dtypes);
/// proof.reasons.insert(Property::First, "positions are whole numbers".into());
/// let line = proof.to_json();
/// assert!(line.starts_with(r#"{"case":"argmax_by_hand","file":"#));
/// assert!(line.contains(r#""ops":["argmax"],"inputs":0,"shapes":0,"proven":["dtypes"],"dtypes":["f32","i64"]"#));
/// ```
#[derive(Clone, Debug)]
pub struct Proof {
    /// The case's or the test's name.
    pub case: String,
    /// The file where it stands.
    pub file: String,
    /// The operations it runs, by their names.
    pub ops: BTreeSet<&'static str>,
    /// How many inputs it takes at most.
    pub inputs: usize,
    /// How many lists of input shapes were tried.
    pub shapes: usize,
    /// What holds.
    pub proven: BTreeSet<Property>,
    /// The element types whose results were compared with something.
    pub dtypes: BTreeSet<DType>,
    /// How many lists of shapes were refused.
    pub refusals: usize,
    /// Why something is not proven.
    pub reasons: BTreeMap<Property, String>,
}

impl Proof {
    /// Nothing is proven yet.
    pub fn new(case: &str, at: &Location<'_>) -> Proof {
        Proof {
            case: case.to_owned(),
            file: at.file().replace('\\', "/"),
            ops: BTreeSet::new(),
            inputs: 0,
            shapes: 0,
            proven: BTreeSet::new(),
            dtypes: BTreeSet::new(),
            refusals: 0,
            reasons: BTreeMap::new(),
        }
    }

    /// The line of the record, in the form that the module describes.
    pub fn to_json(&self) -> String {
        let list = |words: Vec<&str>| words.iter().map(|w| text(w)).collect::<Vec<_>>().join(",");
        let mut proven: Vec<&str> = self.proven.iter().map(|p| p.name()).collect();
        let mut dtypes: Vec<&str> = self.dtypes.iter().map(|d| d.name()).collect();
        proven.sort_unstable();
        dtypes.sort_unstable();
        let reason = |(p, why): (&Property, &String)| format!("{}:{}", text(p.name()), text(why));
        let reasons: Vec<String> =
            self.reasons.iter().filter(|(p, _)| !self.proven.contains(p)).map(reason).collect();
        format!(
            "{{\"case\":{},\"file\":{},\"ops\":[{}],\"inputs\":{},\"shapes\":{},\"proven\":[{}],\"dtypes\":[{}],\
             \"refusals\":{},\"reasons\":{{{}}}}}",
            text(&self.case),
            text(&self.file),
            list(self.ops.iter().copied().collect()),
            self.inputs,
            self.shapes,
            list(proven),
            list(dtypes),
            self.refusals,
            reasons.join(",")
        )
    }

    /// Appends the line to this process's file in the folder that `TALWEG_PROOFS` names; nothing without that variable.
    ///
    /// # Panics
    /// When the file cannot be written: a record with gaps would look like missing proofs.
    #[track_caller]
    pub fn record(&self) {
        let Some(folder) = std::env::var_os("TALWEG_PROOFS").filter(|folder| !folder.is_empty()) else {
            return;
        };
        let folder = Path::new(&folder);
        if let Err(error) = self.append(folder) {
            panic!("{}: cannot write the record of proofs in {}: {error}", self.case, folder.display());
        }
    }

    fn append(&self, folder: &Path) -> io::Result<()> {
        // Tests of one process run on several threads.
        static ONE_LINE: Mutex<()> = Mutex::new(());
        let _guard = ONE_LINE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        std::fs::create_dir_all(folder)?;
        let path = folder.join(format!("proofs-{}.jsonl", std::process::id()));
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
        file.write_all((self.to_json() + "\n").as_bytes())
    }
}

/// A string of JSON.
fn text(words: &str) -> String {
    let mut quoted = String::from("\"");
    for c in words.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", c as u32)),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_json_whatever_stands_in_a_reason() {
        let mut proof = Proof::new("a \"case\"", Location::caller());
        proof.reasons.insert(Property::Second, "piecewise\nlinear \\ flat".into());
        proof.reasons.insert(Property::First, "proven all the same".into());
        proof.proven.insert(Property::First);
        let line = proof.to_json();
        assert!(line.contains(r#""case":"a \"case\"""#), "{line}");
        assert!(line.contains(r#""reasons":{"second":"piecewise\u000alinear \\ flat"}"#), "{line}");
        assert!(!line.contains('\n'));
    }

    #[test]
    fn lines_of_one_process_stand_in_one_file() {
        let folder = std::env::temp_dir().join(format!("talweg-proofs-of-{}", std::process::id()));
        let proof = Proof::new("twice", Location::caller());
        std::thread::scope(|s| {
            for _ in 0..8 {
                s.spawn(|| proof.append(&folder).unwrap());
            }
        });
        let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|f| f.unwrap().path()).collect();
        assert_eq!(files.len(), 1);
        let lines = std::fs::read_to_string(&files[0]).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(lines.lines().collect::<Vec<_>>(), vec![proof.to_json(); 8]);
    }
}
