//! Values that are right alone but impossible together.

use super::Config;
use super::check::{Checker, Table, Value};
use super::data::Task;
use super::keys::GROUPS;
use super::model::{Activation, LayerKind, Units};
use super::schema::{Default, one_of};
use super::source::Origin;
use super::train::{Clip, Loss, Metric, Optimizer, Schedule};

/// Refuses keys of `[data]` that do not apply to the source, and takes their defaults out.
pub(super) fn sources(root: &mut Table, checker: &mut Checker) {
    let source = root.table("data").text("source").to_owned();
    let Some((_, item)) = root.0.iter_mut().find(|(name, _)| *name == "data") else { return };
    let Value::Table(data) = &mut item.value else { return };
    for key in GROUPS[0].keys.iter().filter(|key| !applies(key.sources, &source)) {
        if let Some(given) = data.get(key.name).filter(|item| item.origin != Origin::Default) {
            let sources = one_of(key.sources.iter().map(|source| format!("{source:?}")));
            let message = format!(
                "`data.{}` does not apply to source = {source:?}, only to {sources}; remove it",
                key.name
            );
            checker.refuse::<()>(&given.origin, message);
        }
        data.0.retain(|(name, _)| *name != key.name);
    }
    let needed: &[&str] = match source.as_str() {
        "idx" | "csv" => &["path"],
        "images" => &["path", "size"],
        _ => &[],
    };
    for key in needed.iter().filter(|key| data.get(key).is_none()) {
        let origin = data.get("source").map_or(Origin::Whole, |item| item.origin.clone());
        checker.refuse::<()>(&origin, format!("source = {source:?} needs the key `data.{key}`"));
    }
}

fn applies(sources: &[&str], source: &str) -> bool {
    sources.is_empty() || sources.contains(&source)
}

/// Fills in the defaults that follow from other keys.
pub(super) fn derived(root: &mut Table) {
    for group in GROUPS {
        for key in group.keys {
            let Default::From(_, rule) = &key.default else { continue };
            let source = root.table("data").text("source");
            if root.table(group.name).get(key.name).is_some() || !applies(key.sources, source) {
                continue;
            }
            let Some(text) = rule(root) else { continue };
            let item = super::check::default_item(key, &text);
            if let Some((_, table)) = root.0.iter_mut().find(|(name, _)| *name == group.name)
                && let Value::Table(table) = &mut table.value
            {
                table.0.push((key.name, item));
                super::check::sort(group.keys, table);
            }
        }
    }
}

/// Checks the typed configuration as a whole.
pub(super) fn combinations(config: &Config, checker: &mut Checker) {
    data(config, checker);
    optimizer(config, checker);
    stopping(config, checker);
    let ends = ending(config, checker);
    // The shapes would only repeat what the ending has already complained about.
    if ends && let Some((input, classes)) = config.sizes() {
        checker.problems.extend(config.shapes(&input, classes).err());
    }
}

fn data(config: &Config, checker: &mut Checker) {
    let at = |key: &str| config.origin(&format!("data.{key}"));
    let data = &config.data;
    if data.task == Task::Regression && config.source() != "csv" {
        let message = format!("task = \"regression\" needs source = \"csv\", found {:?}", config.source());
        checker.refuse::<()>(&at("task"), message);
    }
    if data.test_fraction + data.validation_fraction >= 1.0 {
        let message = format!(
            "test_fraction = {} and validation_fraction = {} leave nothing to train on",
            data.test_fraction, data.validation_fraction
        );
        checker.refuse::<()>(&at("validation_fraction"), message);
    }
    if config.has("data.test") && data.test_fraction > 0.0 {
        let message = "`test` names the test part already; remove test_fraction or `test`";
        checker.refuse::<()>(&at("test_fraction"), message);
    }
    if let super::data::Source::Csv(csv) = &data.source {
        let named = |column: &super::data::Column| matches!(column, super::data::Column::Name(_));
        for (key, bad) in [("target", csv.target.iter().any(named)), ("ignore", csv.ignore.iter().any(named))]
        {
            if bad && !csv.has_header {
                let message = format!(
                    "`{key}` names a column, but has_header = false; give its position, counted from 1"
                );
                checker.refuse::<()>(&at(key), message);
            }
        }
        for (key, columns) in [("ignore", &csv.ignore), ("categorical", &csv.categorical)] {
            if csv.target.as_ref().is_some_and(|target| columns.contains(target)) {
                checker.refuse::<()>(&at(key), format!("the target column cannot be listed in `{key}`"));
            }
        }
        if ['"', '\n', '\r'].contains(&csv.delimiter) || !csv.delimiter.is_ascii() {
            let message = format!(
                "delimiter = {:?} cannot part columns; use an ASCII character such as `,`, `;` or a tab",
                csv.delimiter
            );
            checker.refuse::<()>(&at("delimiter"), message);
        }
    }
}

fn optimizer(config: &Config, checker: &mut Checker) {
    let train = &config.train;
    if let Optimizer::Sgd { momentum, dampening, nesterov: true, .. } = train.optimizer
        && (momentum == 0.0 || dampening != 0.0)
    {
        let message = format!(
            "nesterov = true needs momentum above 0 and dampening = 0; found momentum = {momentum:?}, \
             dampening = {dampening:?}"
        );
        checker.refuse::<()>(&config.origin("train.optimizer"), message);
    }
    if train.clip.len() > 1 {
        let message = "gradients are limited in one way: give one of clip_norm, clip_value and clip_adaptive";
        let adaptive = train.clip.iter().any(|clip| matches!(clip, Clip::Adaptive(_)));
        let at = if adaptive { "train.clip_adaptive" } else { "train.clip_value" };
        checker.refuse::<()>(&config.origin(at), message);
    }
    if matches!(train.optimizer, Optimizer::Rprop { .. })
        && let Some(group) = train.groups.iter().find(|group| group.weight_decay.is_some())
    {
        let message = format!("the group {:?} names a weight_decay, but rprop has none", group.pattern);
        checker.refuse::<()>(&config.origin("train.groups"), message);
    }
    let regression = config.data.task == Task::Regression;
    if train.plateau.is_some_and(|plateau| plateau.metric == Metric::Accuracy) && regression {
        let message = "metric = \"accuracy\" needs classes, but task = \"regression\"";
        checker.refuse::<()>(&config.origin("train.plateau"), message);
    }
    let mut schedule = &train.schedule;
    while let Schedule::Warmup { then, .. } | Schedule::Hold { then, .. } = schedule {
        schedule = then;
    }
    if let Some(lr_min) = schedule.lr_min()
        && lr_min > train.optimizer.lr()
    {
        let message = format!(
            "lr_min = {lr_min:?} is above the learning rate {:?} that the schedule falls from",
            train.optimizer.lr()
        );
        checker.refuse::<()>(&config.origin("train.schedule"), message);
    }
    if let Schedule::MultiStep { milestones, .. } = schedule
        && !milestones.is_sorted_by(|a, b| a < b)
    {
        let message = format!("milestones must increase, found {milestones:?}");
        checker.refuse::<()>(&config.origin("train.schedule"), message);
    }
    if let Optimizer::Rprop { etas: [shrink, grow], step_sizes: [smallest, largest], .. } = train.optimizer
        && (shrink >= 1.0 || grow < 1.0 || smallest > largest)
    {
        let message = format!(
            "rprop needs etas below 1 and above it, and step_sizes in order; found etas = [{shrink:?}, {grow:?}], \
             step_sizes = [{smallest:?}, {largest:?}]"
        );
        checker.refuse::<()>(&config.origin("train.optimizer"), message);
    }
}

fn stopping(config: &Config, checker: &mut Checker) {
    let at = config.origin("train.early_stopping");
    if let Some(early) = config.train.early_stopping {
        if config.data.validation_fraction == 0.0 {
            let message = match config.source() {
                "xor" => {
                    "early stopping watches a validation part, and source = \"xor\" has none; \
                          use `convergence`"
                }
                _ => {
                    "early stopping watches the validation part, but data.validation_fraction = 0; \
                      give a part such as 0.1"
                }
            };
            checker.refuse::<()>(&at, message);
        }
        if early.metric == Metric::Accuracy && config.data.task == Task::Regression {
            checker.refuse::<()>(&at, "metric = \"accuracy\" needs classes, but task = \"regression\"");
        }
    }
    let norm1d = |layer: &LayerKind| matches!(layer, LayerKind::BatchNorm1d { .. });
    if config.train.batch_size == Some(1)
        && let Some(i) = config.model.layers.iter().position(norm1d)
    {
        let message = "batch_norm1d needs batches of at least 2, found train.batch_size = 1: \
                       one example has no variance";
        checker.refuse::<()>(config.layer_origin(i), format!("`model.layers[{i}]`: {message}"));
    }
}

/// Checks the loss against the task and against the last layers. Whether all is well.
fn ending(config: &Config, checker: &mut Checker) -> bool {
    let before = checker.problems.len();
    let (layers, loss) = (&config.model.layers, &config.train.loss);
    let regression = config.data.task == Task::Regression;
    let name = config.loss_name();
    let at = config.origin("train.loss");
    let end =
        layers.iter().rposition(|layer| !matches!(layer, LayerKind::Dropout { .. } | LayerKind::Flatten));
    let end = end.map(|i| (i, activation(&layers[i])));
    if regression && *loss != Loss::Mse {
        let message = format!("loss {name} needs classes, but task = \"regression\"; use \"mse\"");
        checker.refuse::<()>(&at, message);
    }
    if let Loss::CrossEntropy { class_weights: Some(weights), .. } = loss
        && weights.iter().all(|weight| *weight == 0.0)
    {
        checker.refuse::<()>(&at, "class_weights are all 0: nothing would be learnt");
    }
    classes(config, checker);
    match (loss, end) {
        (Loss::CrossEntropy { .. }, Some((i, Some("softmax")))) => {
            let message =
                "loss cross-entropy applies softmax itself and takes the values before it; remove this";
            checker.refuse::<()>(config.layer_origin(i), format!("`model.layers[{i}]`: {message}"));
        }
        (
            Loss::CrossEntropy { .. } | Loss::BceWithLogits { .. },
            Some((i, Some(found @ ("sigmoid" | "relu")))),
        ) => {
            let message =
                format!("loss {name} takes values of any sign, but the network ends in {found}; remove it");
            checker.refuse::<()>(config.layer_origin(i), format!("`model.layers[{i}]`: {message}"));
        }
        (Loss::Bce, Some((i, found))) if found != Some("sigmoid") => {
            let message =
                "loss bce takes a probability: end the network in \"sigmoid\", or use \"bce-with-logits\"";
            checker.refuse::<()>(config.layer_origin(i), format!("`model.layers[{i}]`: {message}"));
        }
        _ => {}
    }
    let learns = |layer: &LayerKind| match layer {
        LayerKind::Linear { .. } | LayerKind::Conv2d(_) => true,
        LayerKind::BatchNorm1d { affine, .. } | LayerKind::BatchNorm2d { affine, .. } => *affine,
        LayerKind::LayerNorm { affine, .. } => *affine,
        _ => false,
    };
    if !layers.iter().any(learns) {
        let message = "no layer has weights to learn; add one such as { linear = \"classes\" }";
        checker.refuse::<()>(&config.origin("model.layers"), message);
    }
    checker.problems.len() == before
}

/// Checks where `linear = "classes"` stands.
fn classes(config: &Config, checker: &mut Checker) {
    let layers = &config.model.layers;
    let regression = config.data.task == Task::Regression;
    let last = layers.len() - 1;
    for (i, layer) in layers.iter().enumerate() {
        if !matches!(layer, LayerKind::Linear { units: Units::Classes, .. }) {
            continue;
        }
        if regression {
            let message = "linear = \"classes\" needs classes, but task = \"regression\"; use linear = 1";
            checker.refuse::<()>(config.layer_origin(i), format!("`model.layers[{i}]`: {message}"));
        } else if i < last && layers[i + 1..].iter().any(|layer| matches!(layer, LayerKind::Linear { .. })) {
            let message = "linear = \"classes\" belongs at the end of the network";
            checker.refuse::<()>(config.layer_origin(i), format!("`model.layers[{i}]`: {message}"));
        }
    }
}

/// The function that a layer's output has gone through.
fn activation(layer: &LayerKind) -> Option<&'static str> {
    let name = |activation: &Activation| match activation {
        Activation::Relu => "relu",
        Activation::Sigmoid => "sigmoid",
        Activation::Tanh => "tanh",
        Activation::Gelu => "gelu",
    };
    match layer {
        LayerKind::Linear { activation, .. } => activation.as_ref().map(name),
        LayerKind::Conv2d(conv) => conv.activation.as_ref().map(name),
        LayerKind::Activation(activation) => Some(name(activation)),
        LayerKind::Softmax => Some("softmax"),
        _ => None,
    }
}
