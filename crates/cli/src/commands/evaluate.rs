//! `talweg evaluate RUN [DATA]`

use std::io::Write;
use std::path::Path;

use talweg::data::formats::csv::Table;
use talweg::data::{Dataset, Examples, ImageFolder, datasets};

use crate::arguments::EvaluateArguments;
use crate::commands::model;
use crate::config::data::Source;
use crate::error::CliError;
use crate::parts;

pub(super) fn run(arguments: &EvaluateArguments, out: &mut dyn Write) -> Result<(), CliError> {
    let model = model::Model::open(&arguments.run)?;
    let examples = match &arguments.data {
        Some(path) => other(&model, path)?,
        None => parts::read(&model.config.data)?.test.ok_or_else(|| {
            CliError::Call(format!(
                "{}: this run kept no test part; name the data to evaluate on",
                arguments.run
            ))
        })?,
    };
    if examples.input_shape() != model.inputs.shape {
        return Err(CliError::Failed(format!(
            "the inputs are {:?}, but the model was trained on {:?}",
            examples.input_shape(),
            model.inputs.shape
        )));
    }
    let count = examples.len();
    let scores = model.measure(examples)?;
    let text = match arguments.json {
        true => {
            let mut object = serde_json::json!({ "examples": count, "loss": scores.loss });
            for (name, value) in &scores.metrics {
                object[name] = serde_json::json!(value);
            }
            format!("{object:#}\n")
        }
        false => format!("{count} examples: {scores}\n"),
    };
    out.write_all(text.as_bytes()).map_err(CliError::Output)
}

/// Examples from another place, of the kind that the model was trained on.
fn other(model: &model::Model, path: &str) -> Result<Examples, CliError> {
    match (&model.config.data.source, &model.inputs.table) {
        (Source::Csv(csv), Some(table)) => {
            Ok(parts::labelled(table, &Table::read(path, &parts::csv_options(csv))?)?)
        }
        (Source::Images(images), _) => {
            let folder = ImageFolder::new(Path::new(path), parts::picture_options(images))?.load()?;
            parts::same_classes(&model.inputs.classes, &folder.classes, path)?;
            Ok(folder)
        }
        (Source::FashionMnist { .. }, _) => Ok(datasets::fashion_mnist(path)?.1),
        (Source::Mnist { .. }, _) => Ok(datasets::mnist(path)?.1),
        (Source::Idx { .. }, _) => Ok(datasets::idx_folder(path)?.1),
        _ => Err(CliError::Call(format!(
            "{path}: a model of built-in data is evaluated on its own test part; leave the data away"
        ))),
    }
}
