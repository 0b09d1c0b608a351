//! `talweg check CONFIG`

use std::collections::BTreeMap;
use std::io::Write;

use crate::arguments::CheckArguments;
use crate::commands::load;
use crate::config::Config;
use crate::error::CliError;
use crate::parts::{self, Parts};

pub(super) fn run(arguments: &CheckArguments, out: &mut dyn Write) -> Result<(), CliError> {
    let config = load::config(&arguments.config.config, &arguments.config.sets)?;
    let parts = if arguments.data { Some(parts::read(&config.data)?) } else { None };
    let sizes = match &parts {
        Some(parts) => Some((parts.inputs.shape.clone(), parts.inputs.class_count())),
        None => config.sizes(),
    };
    let layers = match sizes {
        Some((input, classes)) => layers(&config, &input, classes)?,
        None => "# The layers' sizes follow from the data; --data reads it and shows them.\n".to_owned(),
    };
    let text = match arguments.json {
        true => json(&config),
        false => format!("{}\n{}{layers}", config.to_toml(), parts.as_ref().map_or(String::new(), described)),
    };
    out.write_all(text.as_bytes()).map_err(CliError::Output)
}

/// The sizes of the parts and the names of the classes.
fn described(parts: &Parts) -> String {
    let mut text = format!("# {}\n", parts.sizes());
    if let Some(table) = &parts.inputs.table {
        text.push_str(&format!("# inputs: {}\n", listed(&table.input_names())));
    }
    if !parts.inputs.classes.is_empty() {
        text.push_str(&format!("# classes: {}\n", listed(&parts.inputs.classes)));
    }
    text
}

/// Names for one line: of many, the first ones. They come from files, so control characters are written out.
fn listed(names: &[String]) -> String {
    const MOST: usize = 20;
    let mut shown: Vec<String> =
        names.iter().take(MOST).map(|name| name.escape_debug().to_string()).collect();
    if names.len() > MOST {
        shown.push(format!("... ({} in all)", names.len()));
    }
    shown.join(", ")
}

fn json(config: &Config) -> String {
    let defaults: BTreeMap<String, String> = config.defaults_taken().into_iter().collect();
    let value = serde_json::json!({
        "data": config.data, "model": config.model, "train": config.train, "defaults": defaults,
    });
    format!("{value:#}\n")
}

/// The layers with their shapes and parameter counts, as TOML comments, so that the whole output stays a
/// configuration.
fn layers(config: &Config, input: &[usize], classes: Option<usize>) -> Result<String, CliError> {
    let shaped = config.shapes(input, classes).map_err(|problem| config.problems(vec![problem]))?;
    let names: Vec<String> = (0..shaped.len()).map(|i| config.layer_name(i)).collect();
    let width = names.iter().map(String::len).max().unwrap_or(0);
    let mut text = format!("# {:width$}  {input:?}\n", "input");
    for (name, layer) in names.iter().zip(&shaped) {
        let output = format!("{:?}", layer.output);
        let line = match layer.parameters {
            0 => format!("# {name:width$}  {output}\n"),
            parameters => format!("# {name:width$}  {output:14}  {parameters} parameters\n"),
        };
        text.push_str(&line);
    }
    let total: u64 = shaped.iter().map(|layer| layer.parameters).sum();
    text.push_str(&format!("# {total} parameters in all\n"));
    Ok(text)
}
