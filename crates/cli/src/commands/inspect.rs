//! `talweg inspect WHAT`: what a model consists of, and how much memory it takes.

mod header;

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use crate::arguments::InspectArguments;
use crate::commands::load;
use crate::config::Config;
use crate::error::CliError;
use crate::memory;
use crate::run_folder::{CONFIG, INPUTS, MODEL, RunFolder};
use header::Header;

pub(super) fn run(arguments: &InspectArguments, out: &mut dyn Write) -> Result<(), CliError> {
    let what = arguments.what.as_str();
    let path = Path::new(what);
    let text = if path.is_dir() && !load::is_built_in(what) {
        folder(what, &arguments.sets)?
    } else if path.extension().is_some_and(|extension| extension == "safetensors") {
        weights(what)?
    } else {
        layers(&load::config(what, &arguments.sets)?, None)?
    };
    out.write_all(text.as_bytes()).map_err(CliError::Output)
}

fn folder(path: &str, sets: &[String]) -> Result<String, CliError> {
    let folder = RunFolder::open(path)?;
    let config = load::config(&folder.file(CONFIG).display().to_string(), sets)?;
    let sizes = match folder.file(INPUTS).is_file() {
        true => folder.inputs().map(|inputs| Some((inputs.shape.clone(), inputs.class_count())))?,
        false => None,
    };
    let mut text = layers(&config, sizes)?;
    let model = folder.file(MODEL);
    if model.is_file() {
        text.push('\n');
        text.push_str(&weights(&model.display().to_string())?);
    }
    Ok(text)
}

/// The layers of a configuration with shapes, parameters and memory; `sizes` are the input's shape and the number of
/// classes where a run has noted them.
fn layers(config: &Config, sizes: Option<(Vec<usize>, Option<usize>)>) -> Result<String, CliError> {
    let Some((input, classes)) = sizes.or_else(|| config.sizes()) else {
        let names = (0..config.model.layers.len()).map(|i| format!("{}\n", config.layer_name(i)));
        return Ok(names.collect::<String>()
            + "\nthe sizes follow from the data: `talweg check CONFIG --data` reads it\n");
    };
    let shaped = config.shapes(&input, classes).map_err(|problem| config.problems(vec![problem]))?;
    let mut rows = vec![["layer", "output", "parameters"].map(str::to_owned)];
    rows.push(["input".to_owned(), format!("{input:?}"), String::new()]);
    for (i, layer) in shaped.iter().enumerate() {
        let parameters = if layer.parameters > 0 { layer.parameters.to_string() } else { String::new() };
        rows.push([config.layer_name(i), format!("{:?}", layer.output), parameters]);
    }
    let total: u64 = shaped.iter().map(|layer| layer.parameters).sum();
    rows.push(["all".to_owned(), String::new(), total.to_string()]);
    Ok(format!("{}\n{}", table(&rows), memory::estimate(config, &shaped)))
}

/// The tensors of a file of weights.
fn weights(file: &str) -> Result<String, CliError> {
    let header =
        Header::read(Path::new(file)).map_err(|why| CliError::File { file: file.to_owned(), why })?;
    let mut rows = vec![["tensor", "type", "shape", "numbers"].map(str::to_owned)];
    for tensor in &header.tensors {
        let row = [
            tensor.name.clone(),
            tensor.dtype.clone(),
            format!("{:?}", tensor.shape),
            tensor.numbers.to_string(),
        ];
        rows.push(row);
    }
    let numbers: u64 = header.tensors.iter().map(|tensor| tensor.numbers).sum();
    rows.push(["all".to_owned(), String::new(), String::new(), numbers.to_string()]);
    let mut text = format!(
        "{file}: {} in {} tensors\n\n{}",
        memory::bytes(header.bytes),
        header.tensors.len(),
        table(&rows)
    );
    if !header.metadata.is_empty() {
        text.push_str("\nnotes in the file:\n");
    }
    for (key, value) in &header.metadata {
        // The notes may come from anywhere; control characters must not reach the terminal.
        let plain: String = value.chars().take(200).flat_map(char::escape_debug).collect();
        writeln!(text, "  {}: {plain}", key.escape_debug()).expect("writing to a string cannot fail");
    }
    Ok(text)
}

/// Columns as wide as their widest cell; the last, of numbers, is aligned at its right end.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(i, (cell, width))| {
            if i + 1 == N { format!("{cell:>width$}") } else { format!("{cell:width$}") }
        });
        writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())
            .expect("writing to a string cannot fail");
    }
    text
}
