//! `talweg predict RUN INPUT...`

mod input;
mod output;

use std::io::Write;

use talweg::data::Examples;
use talweg::nn::{Layer, Mode};
use talweg::tensor::{Tensor, no_grad};

use crate::arguments::PredictArguments;
use crate::commands::model::Model;
use crate::error::CliError;
use crate::session::measuring_loader;
use output::Answer;
pub(crate) use output::Format;
pub(super) use output::best;

pub(super) fn run(arguments: &PredictArguments, out: &mut dyn Write) -> Result<(), CliError> {
    let model = Model::open(&arguments.run)?;
    let mut answers = Vec::new();
    for path in &arguments.inputs {
        let (names, x) = input::read(&model, path, arguments.invert)?;
        answers.extend(names.into_iter().zip(predict(&model, x)?));
    }
    let target = model.inputs.table.as_ref().map_or("value", |table| table.target.name.as_str());
    let text = output::write(arguments.format, &model.inputs.classes, target, &answers);
    out.write_all(text.as_bytes()).map_err(CliError::Output)
}

/// The answers to inputs `[n, ..]`.
fn predict(model: &Model, x: Tensor) -> Result<Vec<Answer>, CliError> {
    let n = x.size(0);
    let examples = Examples::new(x, Tensor::from_slice(&vec![0i64; n], [n]));
    let examples = Examples { divisor: model.inputs.divisor, ..examples };
    let mut answers = Vec::new();
    for batch in measuring_loader(&model.config, &model.inputs, examples).epoch(0) {
        let outputs = no_grad(|| Ok::<_, CliError>(model.network.forward(&batch?.x, &mut Mode::Eval)))?;
        for values in model.form.answers(&outputs) {
            answers.push(match &model.inputs.table {
                _ if !model.inputs.classes.is_empty() => Answer::Classes(values),
                Some(table) => Answer::Number(table.target.value(values[0] as f32)),
                None => Answer::Number(values[0]),
            });
        }
    }
    Ok(answers)
}
