//! The command line.

use clap::{Args, Parser, Subcommand};

use crate::error::CliError;

/// Train neural networks on your own data, without code.
#[derive(Debug, Parser)]
#[command(name = "talweg", version, about, after_help = EXAMPLES, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  talweg check my.toml                      is my configuration right? show it with all defaults
  talweg check my.toml --data               does my network fit my data?
  talweg check digits                       a built-in configuration
  talweg check my.toml --set train.epochs=3 with one value changed
  talweg inspect digits                     its layers, shapes, parameters and memory
  talweg inspect model.safetensors          the tensors of a file of weights
  talweg config-reference                   every key with its type, default and meaning

Exit status: 0 all went well, 1 the run failed, 2 the call or the configuration is wrong.";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check a configuration, and print it with every default filled in
    Check(CheckArguments),
    /// Show the layers of a configuration or a run, or the tensors of a file of weights
    Inspect(InspectArguments),
    /// Print the reference page of all configuration keys (Markdown)
    ConfigReference,
}

/// A configuration and changes to it.
#[derive(Debug, Args)]
pub(crate) struct ConfigArguments {
    /// A TOML file, or the built-in `xor` or `digits`
    #[arg(value_name = "CONFIG")]
    pub(crate) config: String,

    /// Change one value: --set train.epochs=3 --set model.layers[0].linear=64
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) sets: Vec<String>,
}

/// The arguments of `talweg check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    #[command(flatten)]
    pub(crate) config: ConfigArguments,

    /// Read the data, too, and check the network against it
    #[arg(long)]
    pub(crate) data: bool,

    /// Print JSON instead of TOML
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `talweg inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// A run folder, a .safetensors file, a configuration, or the built-in `xor` or `digits`
    pub(crate) what: String,

    /// Change one value of the configuration: --set train.batch_size=256
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) sets: Vec<String>,
}

/// Reads the command line.
pub(crate) fn parse() -> Result<Command, CliError> {
    Arguments::try_parse().map(|arguments| arguments.command).map_err(CliError::Arguments)
}
