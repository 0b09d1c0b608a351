//! What a run says when it has ended.

use std::fmt::Write as _;

use talweg::nn::{Layer, Mode, Module};
use talweg::tensor::no_grad;
use talweg::train::{Report, Scores};

use crate::config::data::Source;
use crate::error::CliError;
use crate::run_folder::{MODEL, RunFolder};
use crate::session::Session;

/// The report as JSON, for other programs.
pub(super) fn report(report: &Report, test: Option<&Scores>) -> String {
    let value = serde_json::json!({
        "stop": report.stop,
        "epochs": report.epochs.len(),
        "steps": report.steps,
        "restored_epoch": report.restored_epoch,
        "seconds": report.seconds,
        "warnings": report.warnings,
        "last": report.last(),
        "test": test,
    });
    format!("{value:#}\n")
}

/// Weights and answers of a network that is small enough to look at, and what to type next.
pub(super) fn words(session: &Session, folder: &RunFolder) -> Result<String, CliError> {
    let mut text = String::new();
    if session.config.data.source == Source::Xor {
        text.push_str(&small(session)?);
    }
    let run = folder.path.display();
    let input = match session.config.data.source {
        Source::Csv(_) | Source::Xor => "ROWS.csv",
        _ => "PICTURE.png",
    };
    writeln!(text, "model:    {}", folder.file(MODEL).display()).expect("writing to a string cannot fail");
    write!(text, "next:     talweg evaluate {run}\n          talweg predict {run} {input}\n          talweg inspect {run}")
        .expect("writing to a string cannot fail");
    Ok(text)
}

/// Every weight and bias, and the answers to the four rows.
fn small(session: &Session) -> Result<String, CliError> {
    let mut text = String::new();
    for (name, param) in session.network.params() {
        let value = param.get();
        let shape: Vec<usize> = value.shape().iter().collect();
        let width = shape.last().copied().unwrap_or(1).max(1);
        writeln!(text, "{name} {shape:?}").expect("writing to a string cannot fail");
        for row in value.to_vec::<f32>().chunks(width) {
            let row: Vec<String> = row.iter().map(|number| format!("{number:9.4}")).collect();
            writeln!(text, "  {}", row.join(" ")).expect("writing to a string cannot fail");
        }
    }
    let train = &session.parts.train;
    let outputs = no_grad(|| session.network.forward(&train.x, &mut Mode::Eval));
    let answers = session.form.answers(&outputs);
    for (x, answer) in train.x.to_vec::<f32>().chunks(2).zip(answers) {
        let class = super::predict::best(&answer);
        writeln!(text, "{} xor {} = {class}  (probability of 1: {:.4})", x[0], x[1], answer[1])
            .expect("writing to a string cannot fail");
    }
    Ok(text)
}
