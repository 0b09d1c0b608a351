//! `cargo xtask coverage`: what exists, against what was proven of it, as a table and as `docs/operations.md`.
//!
//! The evidence is what tests wrote down while they ran: `talweg_tensor::testing` has the format of a case's record, and
//! `crates/talweg/tests/samples` writes how many of PyTorch's own samples passed. The list of what exists comes from the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

mod page;
mod sources;

/// What a case can prove, in the order of the columns.
const PROPERTIES: [&str; 8] =
    ["first", "second", "forward", "strided", "broadcast", "empty", "dtypes", "refusals"];

/// The tests that leave records: package, and the arguments that choose them.
const TESTS: &[(&str, &[&str])] = &[("talweg-tensor", &["--lib"]), ("talweg", &["--test", "samples"])];

/// What holds for the case that was run, and not for every operation that it calls: which of its inputs are empty, of different
/// shapes or refused.
const OF_THE_CASE: [&str; 3] = ["broadcast", "empty", "refusals"];

/// What one case proved.
struct Record {
    case: String,
    /// The stem of the file where the case stands.
    family: String,
    ops: BTreeSet<String>,
    proven: BTreeSet<String>,
    reasons: BTreeMap<String, String>,
}

/// Everything that tests wrote down.
#[derive(Default)]
struct Evidence {
    records: Vec<Record>,
    /// Samples of PyTorch that passed, by PyTorch's name.
    samples: BTreeMap<String, u64>,
    /// Every operation: those of the sources, and those that records name.
    names: BTreeSet<String>,
}

/// Runs the tests, or reads the records in `from`; prints the table and writes the page. With unexplained cells it is an error.
pub(crate) fn run(from: Option<&str>) -> Result<(), String> {
    let root = crate::tidy::root()?;
    let folder = match from {
        Some(from) => PathBuf::from(from),
        None => record(&root)?,
    };
    let mut evidence = read(&folder)?;
    let found = sources::read(&root)?;
    let of_records = evidence.records.iter().flat_map(|record| record.ops.iter().cloned());
    let of_sources = found.operations.iter().map(|o| o.name.clone());
    evidence.names = of_sources.chain(of_records).chain(page::TRUTH.map(str::to_string)).collect();
    let page = page::write(&found, &evidence);
    let path = root.join("docs/operations.md");
    std::fs::write(&path, &page.text).map_err(|error| format!("{}: {error}", path.display()))?;
    print!("{}", page.text);
    match page.open.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "coverage: {} cells are neither proven nor explained; add a case, or a reason to the case:\n  {}",
            page.open.len(),
            page.open.join("\n  ")
        )),
    }
}

/// Runs the tests with a new folder for their records.
fn record(root: &Path) -> Result<PathBuf, String> {
    let folder = root.join("target/proofs");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for (package, chosen) in TESTS {
        let status = Command::new("cargo")
            .args(["test", "--quiet", "--package", package])
            .args(*chosen)
            .env("TALWEG_PROOFS", &folder)
            .current_dir(root)
            .status()
            .map_err(|error| format!("could not start cargo: {error}"))?;
        if !status.success() {
            return Err(format!("the tests of {package} fail; nothing is proven"));
        }
    }
    Ok(folder)
}

fn read(folder: &Path) -> Result<Evidence, String> {
    let mut evidence = Evidence::default();
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| format!("{}: {error}", folder.display()))?.path();
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        for (number, line) in text.lines().enumerate() {
            let value: Value = serde_json::from_str(line)
                .map_err(|error| format!("{}, line {}: {error}", path.display(), number + 1))?;
            if let Some(name) = value["pytorch"].as_str() {
                evidence.samples.insert(name.to_string(), value["samples"].as_u64().unwrap_or(0));
            } else {
                evidence.records.push(case(&value));
            }
        }
    }
    if evidence.records.is_empty() {
        return Err(format!(
            "{}: no records of proofs; run the tests with TALWEG_PROOFS naming it",
            folder.display()
        ));
    }
    Ok(evidence)
}

fn case(value: &Value) -> Record {
    let list = |key: &str| -> BTreeSet<String> {
        value[key].as_array().into_iter().flatten().filter_map(|x| x.as_str().map(str::to_string)).collect()
    };
    let reasons = value["reasons"].as_object().into_iter().flatten();
    Record {
        case: value["case"].as_str().unwrap_or_default().to_string(),
        family: value["file"]
            .as_str()
            .and_then(|f| Path::new(f).file_stem()?.to_str())
            .unwrap_or_default()
            .to_string(),
        ops: list("ops"),
        proven: list("proven"),
        reasons: reasons.filter_map(|(k, v)| v.as_str().map(|v| (k.clone(), v.to_string()))).collect(),
    }
}

impl Evidence {
    /// What is proven of an operation, and the reasons that were given for the rest.
    fn of(&self, name: &str) -> (BTreeSet<&str>, BTreeMap<&str, &str>) {
        let mut proven = BTreeSet::new();
        let mut reasons = BTreeMap::new();
        for record in &self.records {
            let about = self.is_about(record, name);
            if about || record.ops.contains(name) {
                let holds = record.proven.iter().map(String::as_str);
                proven.extend(holds.filter(|property| about || !OF_THE_CASE.contains(property)));
            }
            if about {
                reasons.extend(record.reasons.iter().map(|(k, v)| (k.as_str(), v.as_str())));
            }
        }
        (proven, reasons)
    }

    /// Whether a case is an operation's own: the operation is the longest one whose name begins the case's, so that a case
    /// `scatter_add_none` says nothing of `scatter`.
    fn is_about(&self, record: &Record, name: &str) -> bool {
        let begins = |name: &str| {
            record.case.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        };
        begins(name) && !self.names.iter().any(|other| other.len() > name.len() && begins(other))
    }

    /// The file of an operation's own cases; `None` when it has none.
    fn family_of(&self, name: &str) -> Option<&str> {
        self.records.iter().find(|record| self.is_about(record, name)).map(|record| record.family.as_str())
    }

    /// How many of PyTorch's samples of an operation passed.
    fn samples_of(&self, name: &str) -> u64 {
        let own = |pytorch: &str| {
            let base = pytorch.split('/').next().unwrap_or(pytorch);
            let base = base.rsplit('.').next().unwrap_or(base);
            let renamed = RENAMED.iter().find(|(theirs, _)| *theirs == base || *theirs == pytorch);
            renamed.map_or(base, |(_, ours)| *ours).to_string()
        };
        self.samples.iter().filter(|(pytorch, _)| own(pytorch) == name).map(|(_, n)| n).sum()
    }
}

/// PyTorch's names that are not Talweg's.
const RENAMED: &[(&str, &str)] = &[
    ("log", "ln"),
    ("reciprocal", "recip"),
    ("logsigmoid", "log_sigmoid"),
    ("amax", "max"),
    ("amin", "min"),
    ("remainder", "rem"),
    ("isnan", "is_nan"),
    ("isinf", "is_inf"),
    ("isfinite", "is_finite"),
    ("true_divide", "div"),
    ("where", "select"),
    ("max/reduction_with_dim", "max_with_index"),
    ("min/reduction_with_dim", "min_with_index"),
    ("max/binary", "maximum"),
    ("min/binary", "minimum"),
    ("clamp", "clamp_tensor"),
    ("scaled_dot_product_attention", "attention"),
    ("nn.functional.unfold", "im2col"),
    ("vector_norm", "norm"),
    ("select", "select_at"),
    ("take_along_dim", "take_along_axis"),
    ("split_with_sizes", "split_sizes"),
    ("arange", "range"),
    ("dropout2d", "feature_dropout"),
    ("dropout3d", "feature_dropout"),
    ("float", "cast"),
    ("double", "cast"),
    ("long", "cast"),
    ("half", "cast"),
    ("bfloat16", "cast"),
    ("bool", "cast"),
    ("byte", "cast"),
    ("float_power", "pow"),
    ("constant_pad_nd", "pad"),
    ("mm", "matmul"),
    ("__rmatmul__", "matmul"),
    ("rsub", "sub"),
];
