//! Where a rule gives way, and why. An entry that covers nothing any more is itself a finding.

use super::{Finding, Rule};

/// One excused finding.
#[derive(Debug)]
pub(crate) struct Exception {
    /// The rule that gives way.
    pub(crate) rule: Rule,
    /// The file, from the root of the repository.
    pub(crate) path: &'static str,
    /// The function, operation or dependency; empty for the file as a whole.
    pub(crate) item: &'static str,
    /// Why the rule would make the code worse here.
    pub(crate) reason: &'static str,
}

impl Exception {
    /// Whether this entry excuses `finding`.
    pub(crate) fn covers(&self, finding: &Finding) -> bool {
        self.rule == finding.rule && self.path == finding.path && self.item == finding.item
    }
}

/// All of them.
pub(crate) const EXCEPTIONS: &[Exception] = &[
    Exception {
        rule: Rule::Purity,
        path: "crates/kernels/src/threads.rs",
        item: "time",
        reason: "a waiting worker measures how long it has been spinning; the clock decides only when it falls \
                 asleep, never a result, and where there are no threads it is not read",
    },
    Exception {
        rule: Rule::Purity,
        path: "crates/tensor/src/testing/proof.rs",
        item: "fs",
        reason: "the record of proofs is written by tests alone, also by those of operations outside the library, and \
                 only where an environment variable asks for it",
    },
    Exception {
        rule: Rule::Purity,
        path: "crates/tensor/src/testing/proof.rs",
        item: "process",
        reason: "the process's number keeps the records of test programs that run side by side in files of their own",
    },
    Exception {
        rule: Rule::Cases,
        path: "crates/tensor/src/ops/cast.rs",
        item: "cast",
        reason: "a case runs in f64, where a cast is the identity or cuts digits off, which finite differences cannot \
                 see; its tests compare values and gradients of every pair of types by hand",
    },
    Exception {
        rule: Rule::Cases,
        path: "crates/tensor/src/ops/slice.rs",
        item: "unslice",
        reason: "only the derivatives of `narrow` and `flip` make it; the second derivatives in their cases differentiate it",
    },
];
