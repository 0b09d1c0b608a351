//! `talweg check CONFIG`

use std::collections::BTreeMap;
use std::io::Write;

use crate::arguments::CheckArguments;
use crate::commands::load;
use crate::config::Config;
use crate::error::CliError;

pub(super) fn run(arguments: &CheckArguments, out: &mut dyn Write) -> Result<(), CliError> {
    let config = load::config(&arguments.config.config, &arguments.config.sets)?;
    let text = if arguments.json { json(&config) } else { config.to_toml() + &layers(&config)? };
    out.write_all(text.as_bytes()).map_err(CliError::Output)
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
fn layers(config: &Config) -> Result<String, CliError> {
    let Some(input) = config.data.input_shape() else {
        return Ok(
            "\n# The layers' sizes follow from the data, which this command does not read.\n".to_owned()
        );
    };
    let shaped = config.shapes(&input, config.classes()).map_err(|problem| config.problems(vec![problem]))?;
    let names: Vec<String> = (0..shaped.len()).map(|i| config.layer_name(i)).collect();
    let width = names.iter().map(String::len).max().unwrap_or(0);
    let mut text = format!("\n# {:width$}  {input:?}\n", "input");
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
