//! What is predicted from: rows of a table, pictures, IDX files.

use std::fs;
use std::io;
use std::path::Path;

use talweg::data::DataError;
use talweg::data::formats::csv::{CsvOptions, Table};
use talweg::data::formats::idx::{Idx, IdxValues};
use talweg::data::formats::image::{Colours, Picture, PictureOptions};
use talweg::tensor::Tensor;

use crate::commands::model::Model;
use crate::config::data::Source;
use crate::error::CliError;
use crate::parts;

/// The inputs that a path holds: a name for each, and all of them as one tensor. `-` is a table on standard input.
pub(super) fn read(model: &Model, path: &str, invert: bool) -> Result<(Vec<String>, Tensor), CliError> {
    if let [_] = model.inputs.shape[..] {
        return rows(model, path);
    }
    let extension =
        Path::new(path).extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    match extension.as_str() {
        _ if Path::new(path).is_dir() => folder(model, path, invert),
        "png" | "jpg" | "jpeg" => pictures(model, &[path.to_owned()], invert),
        "csv" | "tsv" | "txt" => Err(CliError::Call(format!(
            "{path}: this model takes pictures {:?}; give PNG or JPEG files, a folder of them, or an IDX file",
            model.inputs.shape
        ))),
        _ => idx(model, path),
    }
}

fn rows(model: &Model, path: &str) -> Result<(Vec<String>, Tensor), CliError> {
    let options = match &model.config.data.source {
        Source::Csv(csv) => parts::csv_options(csv),
        // The columns of built-in data have no names.
        _ => CsvOptions { header: false, ..CsvOptions::default() },
    };
    let table = match path {
        "-" => Table::from_reader(io::stdin().lock(), "standard input", &options)?,
        _ => Table::read(path, &options)?,
    };
    let x = match &model.inputs.table {
        Some(learnt) => learnt.encode(&table)?.tensor(),
        None => numbers(model, &table)?,
    };
    Ok(((1..=table.len()).map(|row| format!("row {row}")).collect(), x))
}

/// A table of plain numbers, one column for each input.
fn numbers(model: &Model, table: &Table) -> Result<Tensor, CliError> {
    let (rows, columns) = (table.len(), table.columns().len());
    let wanted = model.inputs.shape[0];
    if columns != wanted {
        return Err(CliError::Failed(format!(
            "{}: {columns} columns, but the model takes {wanted}",
            table.file()
        )));
    }
    let mut values = Vec::with_capacity(rows * columns);
    for row in 0..rows {
        for column in 0..columns {
            let cell = table.cell(row, column);
            match cell.parse::<f32>() {
                Ok(value) if value.is_finite() => values.push(value),
                _ => {
                    let place = Box::new(table.place(row, column));
                    let found = cell.chars().take(40).flat_map(char::escape_debug).collect();
                    return Err(DataError::NotANumber { place, found, help: String::new() }.into());
                }
            }
        }
    }
    Ok(Tensor::from_slice(&values, [rows, columns]))
}

fn folder(model: &Model, path: &str, invert: bool) -> Result<(Vec<String>, Tensor), CliError> {
    let unreadable = |why: &io::Error| CliError::io(Path::new(path), "cannot be read", why);
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(|why| unreadable(&why))? {
        let path = entry.map_err(|why| unreadable(&why))?.path();
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        if ["png", "jpg", "jpeg"].contains(&extension.as_str()) {
            names.push(path.display().to_string());
        }
    }
    names.sort();
    if names.is_empty() {
        return Err(CliError::Call(format!("{path}: there is no PNG or JPEG file in this folder")));
    }
    pictures(model, &names, invert)
}

fn pictures(model: &Model, names: &[String], invert: bool) -> Result<(Vec<String>, Tensor), CliError> {
    let (colours, height, width) = match model.inputs.shape[..] {
        [1, height, width] => (Colours::Grey, height, width),
        [3, height, width] => (Colours::Rgb, height, width),
        ref other => {
            return Err(CliError::Failed(format!(
                "this model takes inputs {other:?}, which are no pictures"
            )));
        }
    };
    let options = PictureOptions { height, width, colours, invert };
    let mut values = Vec::new();
    for name in names {
        // From 0 to 1, as all pictures that are trained on: bytes need no divisor any more.
        values.extend(Picture::read(name, &options)?.values());
    }
    let shape = [names.len(), colours.channels(), height, width];
    Ok((names.to_vec(), Tensor::from_slice(&values, shape)))
}

fn idx(model: &Model, path: &str) -> Result<(Vec<String>, Tensor), CliError> {
    let idx = Idx::read(path)?;
    let [1, height, width] = model.inputs.shape[..] else {
        return Err(CliError::Failed(format!(
            "{path}: IDX files hold pictures of one channel; the model takes others"
        )));
    };
    match (&idx.values, idx.shape.as_slice()) {
        (IdxValues::U8(bytes), &[n, h, w]) if (h, w) == (height, width) => {
            let names = (0..n).map(|i| format!("{path}[{i}]")).collect();
            Ok((names, Tensor::from_slice(bytes, [n, 1, h, w])))
        }
        _ => Err(CliError::Failed(format!(
            "{path}: holds {} {:?}; expected pictures, u8 [n, {height}, {width}]",
            idx.values.type_name(),
            idx.shape
        ))),
    }
}
