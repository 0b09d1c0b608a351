//! `talweg trace`: one step of gradient descent, number by number.

use std::fs;
use std::io::Write;
use std::path::Path;

use talweg::data::transforms::Transform;
use talweg::data::{Dataset, Examples};
use talweg::nn::{Load, Module};
use talweg::tensor::{DType, Rng, Tensor};
use talweg::train::checkpoint::write_atomic;

use crate::arguments::TraceArguments;
use crate::commands::load;
use crate::config::Config;
use crate::config::model::{Activation as Function, LayerKind};
use crate::config::train::Loss as Named;
use crate::error::CliError;
use crate::network::Network as Model;
use crate::parts;
use crate::run_folder::{CONFIG, MODEL, RunFolder};
use crate::session;
use crate::trace::{Activation, Loss, Network, Stage, Subject, Target, explain, page};

/// A network with more weights makes pages that nobody reads.
const MOST_WEIGHTS: usize = 5_000;

pub(super) fn run(arguments: &TraceArguments, out: &mut dyn Write) -> Result<(), CliError> {
    let trained = Path::new(&arguments.what).is_dir();
    let config = match trained {
        true => {
            let folder = RunFolder::open(&arguments.what)?;
            load::config(&folder.file(CONFIG).display().to_string(), &arguments.sets)?
        }
        false => load::config(&arguments.what, &arguments.sets)?,
    };
    let parts = parts::read(&config.data)?;
    let (model, form) = session::build(&config, &parts.inputs)?;
    if trained {
        talweg::load(&model, Path::new(&arguments.what).join(MODEL), Load::Strict)?;
    }
    let (network, notes) = network(&config, &model)?;
    let rows = parts.train.len();
    let row = match arguments.row {
        Some(row) => row,
        None => first_to_learn_from(&parts.train),
    };
    if !(1..=rows).contains(&row) {
        return Err(CliError::Call(format!(
            "--row {row}: the training part has the rows 1 to {rows}; give one of them"
        )));
    }
    let example = form.shape(parts.train.select(&[row - 1])?);
    let batch = example.batch(&[0])?;
    let batch = match &parts.inputs.normalise {
        Some(channels) => channels.transform().apply(batch, &mut Rng::seed(0))?,
        None => batch,
    };
    let x = batch.x.cast(DType::F64).to_vec::<f64>();
    let target = target(&batch.y);
    let lr = match arguments.lr {
        Some(lr) if lr.is_finite() && lr > 0.0 => lr,
        Some(lr) => return Err(CliError::Call(format!("--lr {lr}: expected a number above 0"))),
        None => config.train.optimizer.lr(),
    };
    let class = match &target {
        Target::Class(class) => parts.inputs.classes.get(*class).cloned(),
        Target::Numbers(_) => None,
    };
    let names = parts.inputs.table.as_ref().map(|table| table.input_names()).unwrap_or_default();
    let subject = Subject {
        names: &names,
        class,
        network: &network,
        step: &network.step(&x, &target),
        example: format!("row {row} of the training part"),
        x: &x,
        target: &target,
        lr,
        notes: notes_on(&config, notes),
    };
    show(&subject, arguments.html.as_deref(), out)
}

/// Writes the explanation as text, or as a page.
fn show(subject: &Subject<'_>, html: Option<&str>, out: &mut dyn Write) -> Result<(), CliError> {
    let document = explain(subject);
    match html {
        None => write!(out, "{}", document.to_text()).map_err(CliError::Output),
        Some(path) => {
            let path = Path::new(path);
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                fs::create_dir_all(folder).map_err(|why| CliError::io(folder, "cannot be made", &why))?;
            }
            let bytes = page(&document, subject);
            write_atomic(path, bytes.as_bytes())
                .map_err(|why| CliError::io(path, "cannot be written", &why))?;
            writeln!(out, "wrote {}", path.display()).map_err(CliError::Output)
        }
    }
}

/// The first example with an input that is not 0, from 1: zeros bring no gradient to the weights that they meet.
fn first_to_learn_from(examples: &Examples) -> usize {
    let each = examples.x.numel() / examples.len().max(1);
    let x = examples.x.cast(DType::F64).to_vec::<f64>();
    let found = x.chunks(each.max(1)).position(|x| x.iter().any(|x| *x != 0.0));
    found.map_or(1, |i| i + 1)
}

/// The network as plain numbers, and what is left out of it.
fn network(config: &Config, model: &Model) -> Result<(Network, Vec<String>), CliError> {
    let params = model.params();
    let values = |name: String| {
        let found = params.iter().find(|(n, _)| *n == name);
        found.map(|(_, param)| param.get().detach().cast(DType::F64))
    };
    let (mut stages, mut notes) = (Vec::new(), Vec::new());
    for (i, layer) in config.model.layers.iter().enumerate() {
        match layer {
            LayerKind::Linear { activation, .. } => {
                let weight =
                    values(format!("layers.{i}.weight")).expect("bug: a linear layer without a weight");
                let bias = values(format!("layers.{i}.bias")).map(|b| b.to_vec::<f64>());
                let [_, inputs] = weight.sizes();
                let rows = weight.to_vec::<f64>().chunks(inputs.max(1)).map(<[f64]>::to_vec).collect();
                stages.push(Stage::Linear { weight: rows, bias });
                stages.extend(activation.map(|f| Stage::Activation(function(f))));
            }
            LayerKind::Activation(f) => stages.push(Stage::Activation(function(*f))),
            LayerKind::Softmax => stages.push(Stage::Activation(Activation::Softmax)),
            LayerKind::Flatten => {}
            LayerKind::Dropout { p } => {
                notes.push(format!("Dropout of {p} is left out: here every unit takes part."));
            }
            _ => {
                return Err(CliError::Call(format!(
                    "`model.layers[{i}]` ({}): only networks of linear layers and activations can be traced; try \
                     `talweg trace xor`",
                    config.layer_name(i)
                )));
            }
        }
    }
    let loss = match &config.train.loss {
        Named::Mse => Loss::Mse,
        Named::Bce => Loss::Bce,
        Named::BceWithLogits { .. } => Loss::BceWithLogits,
        Named::CrossEntropy { .. } => Loss::CrossEntropy,
    };
    let network = Network { stages, loss };
    if network.size() > MOST_WEIGHTS {
        return Err(CliError::Call(format!(
            "the network has {} weights and biases; at most {MOST_WEIGHTS} can be written out: make it smaller, e.g. \
             --set model.layers[0].linear=4",
            network.size()
        )));
    }
    if !matches!(network.stages.first(), Some(Stage::Linear { .. })) {
        return Err(CliError::Call(
            "the network does not begin with a linear layer, so it cannot be traced".into(),
        ));
    }
    Ok((network, notes))
}

fn function(f: Function) -> Activation {
    match f {
        Function::Relu => Activation::Relu,
        Function::Sigmoid => Activation::Sigmoid,
        Function::Tanh => Activation::Tanh,
        Function::Gelu => Activation::Gelu,
    }
}

fn target(y: &Tensor) -> Target {
    match y.dtype() {
        DType::I64 => Target::Class(y.to_vec::<i64>()[0] as usize),
        _ => Target::Numbers(y.cast(DType::F64).to_vec()),
    }
}

/// What the configuration asks for and this step leaves out.
fn notes_on(config: &Config, mut notes: Vec<String>) -> Vec<String> {
    let train = &config.train;
    notes.push("The step is plain gradient descent, w <- w - η g, on this one example.".into());
    if train.l1 > 0.0 || train.l2 > 0.0 {
        notes.push("The penalty on the weights is left out.".into());
    }
    let plain = |loss: &Named| match loss {
        Named::CrossEntropy { label_smoothing, class_weights } => {
            *label_smoothing == 0.0 && class_weights.is_none()
        }
        Named::BceWithLogits { pos_weight } => *pos_weight == 1.0,
        Named::Mse | Named::Bce => true,
    };
    if !plain(&train.loss) {
        notes.push("The loss's label smoothing and weights are left out.".into());
    }
    notes
}
