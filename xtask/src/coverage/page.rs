//! The table, as Markdown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::sources::{Found, Operation};
use super::{Evidence, PROPERTIES};

/// The page, and the cells that nobody explains.
pub(super) struct Page {
    /// Markdown.
    pub(super) text: String,
    /// Operation and property.
    pub(super) open: Vec<String>,
}

const HEAD: &str = "\
# Operations, and what is proven of each

Written by `cargo xtask coverage`, which runs the tests and collects what they proved; do not edit. A mark stands for a proof
that ran: **1st** and **2nd** derivatives against finite differences in f64, **fwd** forward mode likewise, **str** the same result
from every memory layout, **bcast** inputs of different shapes, **empty** inputs without elements, **f32** values and gradients beside
f64, **no** refusals that name operation and shapes. The last column counts PyTorch's own samples that give PyTorch's numbers,
outputs and gradients ([tests/golden/samples](../tests/golden/samples)). A number is a footnote with the reason for an empty cell.
A mark under **bcast**, **empty** or **no** comes from a case of the operation's own. For creation, layers, losses, optimizers and
schedules no proofs are recorded: their tables say only which tests name them.

";

/// Reasons that hold by what an operation is.
fn general(operation: &Operation, property: &str) -> Option<&'static str> {
    if operation.no_gradient {
        return Some("it has no gradient, so no case can run it; its own tests compare values");
    }
    match property {
        "refusals"
            if ANY_SHAPE.contains(&operation.family.as_str())
                || TAKE_ANY.contains(&operation.name.as_str()) =>
        {
            Some("it takes every shape; only an element type or an option can be wrong")
        }
        "broadcast"
            if NO_BROADCAST.contains(&operation.name.as_str()) || operation.family.starts_with("losses/") =>
        {
            Some("its inputs do not broadcast: sizes that differ are refused, or mean something else")
        }
        "empty" if STATISTICS.contains(&operation.name.as_str()) => Some(
            "a mean or a statistic of nothing is refused or NaN, which finite differences cannot compare",
        ),
        "dtypes" if operation.family.starts_with("losses/") || operation.name == "nll_loss" => {
            Some("its cases hold constants in f64; `crates/nn/tests/loss_layers.rs` compares f32")
        }
        _ if operation.name.ends_with("_keep") => Some("as its form without `_keep`, whose rule it shares"),
        _ => None,
    }
}

/// Operations whose results are truth values, and that a table makes.
pub(super) const TRUTH: [&str; 9] =
    ["eq", "ge", "gt", "le", "logical_and", "logical_or", "logical_xor", "lt", "ne"];

/// Operations of other families that take one tensor of any shape.
const TAKE_ANY: [&str; 4] = ["alpha_dropout", "dropout", "roll_all", "tile"];

/// Operations of several inputs that do not broadcast.
const NO_BROADCAST: [&str; 15] = [
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "linear_scan",
    "bmm",
    "dot",
    "outer",
    "index_add",
    "index_copy",
    "index_reduce",
    "mse_loss",
    "scatter_add",
    "scatter_reduce",
    "slice_scatter",
    "stack",
    "tensordot",
];

/// Operations that divide by how many there are.
const STATISTICS: [&str; 20] = [
    "batch_norm",
    "batch_norm_eval",
    "batch_norm_relu",
    "binary_cross_entropy",
    "cross_entropy",
    "ctc_loss",
    "focal_loss",
    "gaussian_nll_loss",
    "info_nce_loss",
    "instance_norm",
    "logsumexp",
    "median_all",
    "multi_margin_loss",
    "nll_loss",
    "poisson_nll_loss",
    "sigmoid_contrastive_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "norm",
    "embedding_bag",
];

/// Families whose operations take one tensor of any shape.
const ANY_SHAPE: [&str; 6] = ["activation", "binary", "clamp", "classify", "special", "unary"];

pub(super) fn write(found: &Found, evidence: &Evidence) -> Page {
    let mut page = Table { text: HEAD.to_string(), ..Table::default() };
    let mut families: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for operation in &found.operations {
        families.entry(&operation.family).or_default().push(operation);
    }
    let named: BTreeSet<&str> = found.operations.iter().map(|o| o.name.as_str()).collect();
    for (family, operations) in families {
        writeln!(page.text, "## {family}\n").expect("text");
        page.head();
        for operation in operations {
            page.row(evidence, operation);
        }
        page.text.push('\n');
    }
    by_table(&mut page, evidence, &named);
    let Table { mut text, mut open, notes, rows, compared } = page;
    parts(&mut text, found, &mut open);
    let sum = format!(
        "{rows} operations, {compared} of them beside PyTorch's samples ({} samples of {} of its entries); {} cells not proven",
        evidence.samples.values().sum::<u64>(),
        evidence.samples.len(),
        open.len()
    );
    end(&mut text, &sum, &notes);
    Page { text, open }
}

/// The page while its rows are written.
#[derive(Default)]
struct Table {
    text: String,
    open: Vec<String>,
    notes: Vec<String>,
    rows: u64,
    compared: u64,
}

impl Table {
    fn head(&mut self) {
        self.text += "| operation | 1st | 2nd | fwd | str | bcast | empty | f32 | no | PyTorch | |\n";
        self.text += "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
    }

    fn row(&mut self, evidence: &Evidence, operation: &Operation) {
        self.rows += 1;
        let (mut proven, reasons) = evidence.of(&operation.name);
        if operation.no_gradient {
            // It was called in cases of others, whose gradients do not come through it.
            proven.clear();
        }
        let mut cells = String::new();
        for property in PROPERTIES {
            let reason = reasons.get(property).copied().or_else(|| general(operation, property));
            let cell = match (proven.contains(property), reason) {
                (true, _) => "✓".to_string(),
                (false, Some(reason)) => footnote(&mut self.notes, reason),
                (false, None) => {
                    self.open.push(format!("{} {property}", operation.name));
                    "not proven".to_string()
                }
            };
            write!(cells, " {cell} |").expect("text");
        }
        let samples = evidence.samples_of(&operation.name);
        self.compared += u64::from(samples > 0);
        let samples = if samples > 0 { samples.to_string() } else { "–".to_string() };
        let about = plain(&operation.about).replace('|', "\\|");
        writeln!(self.text, "| `{}` |{cells} {samples} | {about} |", operation.name).expect("text");
    }
}

/// Layers, losses and so on, with the tests in which they stand.
fn parts(text: &mut String, found: &Found, open: &mut Vec<String>) {
    for (kind, list) in &found.parts {
        writeln!(text, "## {kind}\n\n| name | tests that name it |\n| --- | --- |").expect("text");
        for (name, tests) in list {
            if tests.is_empty() {
                open.push(format!("{name} ({kind})"));
            }
            let tests: Vec<String> = tests.iter().map(|t| format!("`{t}`")).collect();
            writeln!(
                text,
                "| `{name}` | {} |",
                if tests.is_empty() { "not proven".into() } else { tests.join(", ") }
            )
            .expect("text");
        }
        text.push('\n');
    }
}

/// The sum, and the footnotes.
fn end(text: &mut String, sum: &str, notes: &[String]) {
    write!(text, "## Sum\n\n{sum}.\n\n## Footnotes\n\n").expect("text");
    for (number, note) in notes.iter().enumerate() {
        writeln!(text, "{}. {note}", number + 1).expect("text");
    }
}

/// Operations that tables of formulas make: they have no function of their own in the sources, but records under their names.
fn by_table(page: &mut Table, evidence: &Evidence, named: &BTreeSet<&str>) {
    page.text += "## made by tables of formulas, or inside of others\n\n";
    page.head();
    let made = evidence.names.iter().filter(|name| !named.contains(name.as_str()));
    // An operation that a test made for itself is none of the library's.
    for name in made.filter(|name| evidence.family_of(name) != Some("tests")) {
        page.row(
            evidence,
            &Operation {
                family: evidence.family_of(name).unwrap_or_default().to_string(),
                name: name.clone(),
                about: String::new(),
                no_gradient: TRUTH.contains(&name.as_str()),
            },
        );
    }
    page.text.push('\n');
}

/// The number of a reason among the footnotes.
fn footnote(notes: &mut Vec<String>, reason: &str) -> String {
    let at = notes.iter().position(|note| note == reason).unwrap_or_else(|| {
        notes.push(reason.to_string());
        notes.len() - 1
    });
    (at + 1).to_string()
}

/// Without the targets of links into the code, which lead nowhere outside of the documentation.
fn plain(text: &str) -> String {
    let mut pieces = text.split("](crate::");
    let mut plain = pieces.next().unwrap_or_default().to_string();
    for piece in pieces {
        plain.push(']');
        plain.push_str(piece.split_once(')').map_or(piece, |(_, rest)| rest));
    }
    plain
}
