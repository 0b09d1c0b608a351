//! Replays PyTorch's own sample calls (`op_db`) through Talweg: outputs and gradients, in `f64` to 1e-10 and in `f32`
//! to 1e-5 of the greatest element. `tests/golden/samples/README.md` says how they were made.
//!
//! `operations` maps each name of PyTorch to a call; `exclusions` names what is not compared, and why.

mod call;
mod compare;
mod exclusions;
mod file;
mod operations;
mod replay;

use std::collections::{BTreeMap, BTreeSet};

use exclusions::{ABSENT, RULES};
use file::Samples;
use replay::{Verdict, replay};

/// What became of the samples.
#[derive(Default)]
struct Tally {
    passed: BTreeMap<String, usize>,
    /// Samples compared in f64 alone, because PyTorch's f32 is itself far off.
    double_only: usize,
    excluded: BTreeMap<String, BTreeMap<String, usize>>,
    failures: Vec<String>,
    /// The rules that excused something.
    used: BTreeSet<usize>,
}

impl Tally {
    fn note(&mut self, op: &str, verdict: Verdict) {
        match verdict {
            Verdict::Passed { double_only } => {
                *self.passed.entry(op.to_string()).or_default() += 1;
                self.double_only += usize::from(double_only);
            }
            Verdict::Excluded { reason, rule } => {
                *self.excluded.entry(reason).or_default().entry(op.to_string()).or_default() += 1;
                self.used.extend(rule);
            }
            Verdict::Failed(message) => self.failures.push(message),
        }
    }

    fn print(&self, samples: &Samples) {
        let total: usize = self.passed.values().sum();
        println!(
            "{} operations, {total} samples passed ({} of them in f64 alone: PyTorch's own f32 is unstable there)",
            self.passed.len(),
            self.double_only
        );
        for (reason, ops) in &self.excluded {
            let names: Vec<String> = ops.iter().map(|(op, n)| format!("{op} {n}")).collect();
            println!("excluded: {reason}: {}", names.join(", "));
        }
        let mut left_out: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, why) in &samples.left_out {
            left_out.entry(why).or_default().push(name);
        }
        for (why, names) in left_out {
            println!("not dumped: {why}: {}", names.join(" "));
        }
    }
}

#[test]
fn pytorchs_samples() {
    let samples = Samples::read();
    let table: BTreeMap<_, _> = operations::rows().collect();
    let mut tally = Tally::default();
    // The refusals that are expected would fill the screen.
    std::panic::set_hook(Box::new(|_| {}));
    for (op, list) in &samples.ops {
        let Some(run) = table.get(op.as_str()) else { continue };
        for (number, sample) in list.iter().enumerate() {
            tally.note(op, replay(&samples, op, number, sample, *run));
        }
    }
    drop(std::panic::take_hook());
    let mut faults = std::mem::take(&mut tally.failures);
    let absent: BTreeMap<_, _> =
        ABSENT.iter().flat_map(|(names, why)| names.iter().map(move |n| (*n, *why))).collect();
    for (op, list) in &samples.ops {
        match (table.contains_key(op.as_str()), absent.get(op.as_str())) {
            (true, None) => {}
            (false, Some(why)) => {
                tally.excluded.entry(why.to_string()).or_default().insert(op.clone(), list.len());
            }
            (true, Some(_)) => faults.push(format!("{op} is mapped, and stands in ABSENT")),
            (false, None) => faults.push(format!("{op} is neither mapped nor in ABSENT")),
        }
    }
    let dumped = |name: &str| samples.ops.contains_key(name);
    faults.extend(table.keys().filter(|n| !dumped(n)).map(|n| format!("{n} is mapped, but has no samples")));
    faults.extend(
        absent.keys().filter(|n| !dumped(n)).map(|n| format!("{n} stands in ABSENT, but has no samples")),
    );
    for (number, rule) in RULES.iter().enumerate().filter(|(number, _)| !tally.used.contains(number)) {
        faults.push(format!("rule {number} excuses nothing: {} ({:?})", rule.reason, rule.ops));
    }
    tally.print(&samples);
    proofs::write(&tally.passed);
    let total: usize = tally.passed.values().sum();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert!(tally.passed.len() >= 150 && total >= 3000, "{} operations, {total} samples", tally.passed.len());
}

/// Which operations have PyTorch's numbers, for `cargo xtask coverage`.
mod proofs {
    use std::collections::BTreeMap;
    use std::io::Write;

    pub(crate) fn write(passed: &BTreeMap<String, usize>) {
        let Some(folder) = std::env::var_os("TALWEG_PROOFS") else { return };
        let path = std::path::Path::new(&folder).join("samples.jsonl");
        let mut file = std::fs::File::create(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for (op, samples) in passed {
            let line = serde_json::json!({ "pytorch": op, "samples": samples });
            writeln!(file, "{line}").expect("the proofs are written");
        }
    }
}
