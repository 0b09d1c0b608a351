//! `[model]`, typed.

use serde::Serialize;

use super::check::{Table, Value};

/// The network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Model {
    pub(crate) layers: Vec<LayerKind>,
    pub(crate) init: Init,
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LayerKind {
    Linear {
        units: Units,
        bias: bool,
        activation: Option<Activation>,
    },
    #[serde(rename = "conv2d")]
    Conv2d(Conv2d),
    #[serde(rename = "max_pool2d")]
    MaxPool2d(Pool2d),
    #[serde(rename = "avg_pool2d")]
    AvgPool2d(Pool2d),
    Flatten,
    Dropout {
        p: f64,
    },
    #[serde(rename = "batch_norm1d")]
    BatchNorm1d {
        eps: f64,
        momentum: f64,
        affine: bool,
    },
    #[serde(rename = "batch_norm2d")]
    BatchNorm2d {
        eps: f64,
        momentum: f64,
        affine: bool,
    },
    LayerNorm {
        eps: f64,
        affine: bool,
    },
    Activation(Activation),
    Softmax,
}

/// The number of outputs of a linear layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Units {
    /// One per class of the data.
    Classes,
    Exactly(usize),
}

/// A convolution; pairs are height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Conv2d {
    /// Output channels.
    pub(crate) channels: usize,
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) padding: Padding,
    pub(crate) dilation: [usize; 2],
    pub(crate) groups: usize,
    pub(crate) bias: bool,
    pub(crate) activation: Option<Activation>,
}

/// Zeros around a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Padding {
    /// The output is as large as the input.
    Same,
    /// So many above and below, left and right.
    Exactly([usize; 2]),
}

/// A window that slides over a picture; pairs are height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Pool2d {
    pub(crate) window: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) padding: [usize; 2],
    /// Of the mean only; true for the maximum, where it has no meaning.
    pub(crate) count_include_pad: bool,
}

/// A function of each value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Activation {
    Relu,
    Sigmoid,
    Tanh,
    Gelu,
}

/// How the weights start.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Init {
    Pytorch,
    XavierUniform,
    XavierNormal,
    KaimingUniform,
    KaimingNormal,
    Normal { std: f64 },
    Uniform { bound: f64 },
}

impl Model {
    pub(super) fn new(table: &Table) -> Model {
        let (init, settings) = table.choice("init");
        Model {
            layers: table.list("layers").iter().map(|item| LayerKind::new(&item.value)).collect(),
            init: match init {
                "pytorch" => Init::Pytorch,
                "xavier_uniform" => Init::XavierUniform,
                "xavier_normal" => Init::XavierNormal,
                "kaiming_uniform" => Init::KaimingUniform,
                "kaiming_normal" => Init::KaimingNormal,
                "normal" => Init::Normal { std: settings.number("std") },
                "uniform" => Init::Uniform { bound: settings.number("bound") },
                other => panic!("bug: initialiser {other}"),
            },
        }
    }
}

impl LayerKind {
    fn new(value: &Value) -> LayerKind {
        let (name, settings) = value.choice();
        let (eps, affine) =
            (settings.number_if("eps"), settings.get("affine").map(|_| settings.bool("affine")));
        let norm = || (eps.expect("bug: eps"), settings.number("momentum"), affine.expect("bug: affine"));
        match name {
            "linear" => LayerKind::Linear {
                units: match &settings.get("units").expect("bug: units").value {
                    Value::Text(_) => Units::Classes,
                    value => Units::Exactly(value.integer() as usize),
                },
                bias: settings.bool("bias"),
                activation: activation(settings),
            },
            "conv2d" => LayerKind::Conv2d(Conv2d {
                channels: settings.integer("channels") as usize,
                kernel: pair(settings, "kernel").expect("bug: kernel"),
                stride: pair(settings, "stride").expect("bug: stride"),
                padding: match settings.get("padding").map(|item| &item.value) {
                    Some(Value::Text(_)) => Padding::Same,
                    _ => Padding::Exactly(pair(settings, "padding").expect("bug: padding")),
                },
                dilation: pair(settings, "dilation").expect("bug: dilation"),
                groups: settings.integer("groups") as usize,
                bias: settings.bool("bias"),
                activation: activation(settings),
            }),
            "max_pool2d" => LayerKind::MaxPool2d(pool(settings)),
            "avg_pool2d" => LayerKind::AvgPool2d(pool(settings)),
            "flatten" => LayerKind::Flatten,
            "dropout" => LayerKind::Dropout { p: settings.number("p") },
            "batch_norm1d" => {
                let (eps, momentum, affine) = norm();
                LayerKind::BatchNorm1d { eps, momentum, affine }
            }
            "batch_norm2d" => {
                let (eps, momentum, affine) = norm();
                LayerKind::BatchNorm2d { eps, momentum, affine }
            }
            "layer_norm" => {
                LayerKind::LayerNorm { eps: eps.expect("bug: eps"), affine: affine.expect("bug: affine") }
            }
            "softmax" => LayerKind::Softmax,
            other => LayerKind::Activation(Activation::new(other)),
        }
    }
}

impl Activation {
    fn new(name: &str) -> Activation {
        match name {
            "relu" => Activation::Relu,
            "sigmoid" => Activation::Sigmoid,
            "tanh" => Activation::Tanh,
            "gelu" => Activation::Gelu,
            other => panic!("bug: activation {other}"),
        }
    }
}

fn activation(settings: &Table) -> Option<Activation> {
    settings.text_if("activation").map(Activation::new)
}

fn pool(settings: &Table) -> Pool2d {
    let window = pair(settings, "window").expect("bug: window");
    Pool2d {
        window,
        stride: pair(settings, "stride").unwrap_or(window),
        padding: pair(settings, "padding").expect("bug: padding"),
        count_include_pad: settings
            .get("count_include_pad")
            .is_none_or(|_| settings.bool("count_include_pad")),
    }
}

/// One number for both directions, or two.
fn pair(settings: &Table, key: &str) -> Option<[usize; 2]> {
    settings.get(key).map(|item| match &item.value {
        Value::List(items) => [items[0].value.integer() as usize, items[1].value.integer() as usize],
        value => [value.integer() as usize; 2],
    })
}
