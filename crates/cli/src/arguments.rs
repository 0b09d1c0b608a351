//! The command line.

use clap::{Args, Parser, Subcommand};

use crate::commands::Format;
use crate::error::CliError;

/// Train neural networks on your own data, without code.
#[derive(Debug, Parser)]
#[command(name = "talweg", version, after_help = EXAMPLES, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  talweg train xor                           the smallest network that learns something
  talweg train digits                        handwritten digits, in a few seconds
  talweg train my.toml                       your data, your network
  talweg train my.toml --set train.epochs=3  with one value changed
  talweg resume runs/my                      go on with a run that was interrupted
  talweg evaluate runs/my                    loss and accuracy of the test part
  talweg predict runs/my photo.png           what is in the picture?
  talweg predict runs/my rows.csv --format csv
  talweg check my.toml                       is my configuration right? show it with all defaults
  talweg check my.toml --data                and does my network fit my data?
  talweg trace xor                           one training step, number by number
  talweg trace xor --html step.html          the same as a page with a picture
  talweg inspect runs/my                     layers, shapes, parameters and memory
  talweg config-reference                    every key with its type, default and meaning

Exit status: 0 all went well (also when Ctrl-C ended a run that can be resumed), 1 the run failed, 2 the call or the configuration is wrong.";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a network by a configuration
    Train(ConfigArguments),
    /// Go on with a run, from its last checkpoint
    Resume(ResumeArguments),
    /// Measure a trained model on its test part, or on other data
    Evaluate(EvaluateArguments),
    /// Let a trained model answer: class and probabilities, or a number
    Predict(PredictArguments),
    /// Write out one training step of a small network, number by number
    Trace(TraceArguments),
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

/// The arguments of `talweg resume`.
#[derive(Debug, Args)]
pub(crate) struct ResumeArguments {
    /// The run folder, such as runs/digits
    pub(crate) run: String,

    /// Change one value for the rest of the run: --set train.epochs=40
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) sets: Vec<String>,
}

/// The arguments of `talweg evaluate`.
#[derive(Debug, Args)]
pub(crate) struct EvaluateArguments {
    /// The run folder, such as runs/digits
    pub(crate) run: String,

    /// Other data of the same kind: a CSV file, a folder of class folders, a folder of IDX files
    pub(crate) data: Option<String>,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `talweg predict`.
#[derive(Debug, Args)]
pub(crate) struct PredictArguments {
    /// The run folder, such as runs/digits
    pub(crate) run: String,

    /// CSV files (`-` for standard input), PNG or JPEG files, folders of them, IDX files
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<String>,

    /// How the answers are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,

    /// Exchange light and dark: for a dark drawing on white, where the model was trained on light on black
    #[arg(long)]
    pub(crate) invert: bool,
}

/// The arguments of `talweg trace`.
#[derive(Debug, Args)]
pub(crate) struct TraceArguments {
    /// A configuration of a dense network, the built-in `xor`, or a run folder for its trained weights
    pub(crate) what: String,

    /// Change one value of the configuration: --set model.layers[0].linear=3
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) sets: Vec<String>,

    /// Which example of the training part, from 1; the first that is not all zeros unless given
    #[arg(long, value_name = "N")]
    pub(crate) row: Option<usize>,

    /// The learning rate; that of the configuration unless given
    #[arg(long, value_name = "RATE")]
    pub(crate) lr: Option<f64>,

    /// Write a page for the browser instead of text
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<String>,
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
