//! The network that a configuration describes.

use std::fmt::Debug;

use talweg::nn::{
    AvgPool2d, BatchNorm1d, BatchNorm2d, Conv2d, Dropout, Entry, Fan, Flatten, Gain, Gelu, Init, Layer,
    LayerNorm, Linear, MaxPool2d, Mode, Module, Path, Relu, Sigmoid, Softmax, Tanh,
};
use talweg::tensor::{Conv2dOptions, Rng, Shape, Tensor, in_module};

use crate::config::model::{self, Activation, LayerKind, Model, Padding, Pool2d, Units};
use crate::config::shapes::Shaped;

/// The layers of `model.layers`; the weight of the first is called `layers.0.weight`.
#[derive(Debug)]
pub(crate) struct Network {
    layers: Vec<Step>,
}

/// One entry of `model.layers`: a layer and the activation that it may have.
#[derive(Debug)]
struct Step {
    layer: Box<dyn Layer>,
    activation: Option<Box<dyn Layer>>,
}

impl Network {
    /// Builds the network for inputs of the shape that `shaped` was worked out from.
    pub(crate) fn new(model: &Model, shaped: &[Shaped], rng: &mut Rng) -> Network {
        let layers = model.layers.iter().zip(shaped).map(|(layer, shape)| step(layer, shape, rng)).collect();
        let network = Network { layers };
        if let Some(init) = init(model.init) {
            network.init_with(rng, &mut |name, shape: &Shape| match shape.rank() {
                0 | 1 => name.ends_with("bias").then_some(Init::Zeros),
                _ => Some(init),
            });
        }
        network
    }
}

impl Module for Network {
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&Path, Entry<'_>)) {
        path.scope("layers", |path| {
            for (i, step) in self.layers.iter().enumerate() {
                path.scope(i, |path| step.layer.visit(path, f));
            }
        });
    }
}

impl Layer for Network {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Tensor {
        let mut x = x.clone();
        for (i, step) in self.layers.iter().enumerate() {
            let run = || {
                let y = step.layer.forward(&x, mode);
                match &step.activation {
                    Some(activation) => activation.forward(&y, mode),
                    None => y,
                }
            };
            x = in_module("layers", || in_module(i, run));
        }
        x
    }
}

fn step(layer: &LayerKind, shape: &Shaped, rng: &mut Rng) -> Step {
    let plain = |layer: Box<dyn Layer>| Step { layer, activation: None };
    let (inputs, outputs) = (shape.input[0], shape.output[0]);
    match *layer {
        LayerKind::Linear { units: Units::Classes | Units::Exactly(_), bias, activation: function } => {
            let layer = Linear::new(inputs, outputs, rng);
            let layer = if bias { layer } else { layer.without_bias() };
            Step { layer: Box::new(layer), activation: function.map(activation) }
        }
        LayerKind::Conv2d(ref conv) => {
            Step { layer: Box::new(conv2d(conv, inputs, rng)), activation: conv.activation.map(activation) }
        }
        LayerKind::MaxPool2d(Pool2d { window, stride, padding, .. }) => {
            plain(Box::new(MaxPool2d::new(window).stride(stride).padding(padding)))
        }
        LayerKind::AvgPool2d(Pool2d { window, stride, padding, count_include_pad }) => {
            let mut pool = AvgPool2d::new(window).stride(stride).padding(padding);
            pool.options.count_include_pad = count_include_pad;
            plain(Box::new(pool))
        }
        LayerKind::Flatten => plain(Box::new(Flatten)),
        LayerKind::Dropout { p } => plain(Box::new(Dropout::new(p))),
        LayerKind::BatchNorm1d { eps, momentum, affine } => {
            let layer = BatchNorm1d { eps, momentum, ..BatchNorm1d::new(inputs) };
            plain(if affine { Box::new(layer) } else { Box::new(layer.without_affine()) })
        }
        LayerKind::BatchNorm2d { eps, momentum, affine } => {
            let layer = BatchNorm2d { eps, momentum, ..BatchNorm2d::new(inputs) };
            plain(if affine { Box::new(layer) } else { Box::new(layer.without_affine()) })
        }
        LayerKind::LayerNorm { eps, affine } => {
            let last = shape.input[shape.input.len() - 1];
            let layer = LayerNorm { eps, ..LayerNorm::new([last]) };
            plain(if affine { Box::new(layer) } else { Box::new(layer.without_affine()) })
        }
        LayerKind::Activation(function) => plain(activation(function)),
        LayerKind::Softmax => plain(Box::<Softmax>::default()),
    }
}

fn conv2d(conv: &model::Conv2d, inputs: usize, rng: &mut Rng) -> Conv2d {
    let padding = match conv.padding {
        Padding::Exactly(padding) => padding,
        // The shapes were worked out before: the reach of the kernel is even.
        Padding::Same => [0, 1].map(|axis| conv.dilation[axis] * (conv.kernel[axis] - 1) / 2),
    };
    let options = Conv2dOptions {
        stride: conv.stride,
        padding,
        extra: [0, 0],
        dilation: conv.dilation,
        groups: conv.groups,
    };
    let layer = Conv2d::with(inputs, conv.channels, conv.kernel, options, rng);
    if conv.bias { layer } else { layer.without_bias() }
}

fn activation(activation: Activation) -> Box<dyn Layer> {
    match activation {
        Activation::Relu => Box::new(Relu),
        Activation::Sigmoid => Box::new(Sigmoid),
        Activation::Tanh => Box::new(Tanh),
        Activation::Gelu => Box::new(Gelu),
    }
}

/// The distribution of weights; none where the layers' own is kept.
fn init(init: model::Init) -> Option<Init> {
    match init {
        model::Init::Pytorch => None,
        model::Init::XavierUniform => Some(Init::xavier_uniform()),
        model::Init::XavierNormal => Some(Init::xavier_normal()),
        model::Init::KaimingUniform => Some(Init::KaimingUniform { fan: Fan::In, gain: Gain::Relu }),
        model::Init::KaimingNormal => Some(Init::KaimingNormal { fan: Fan::In, gain: Gain::Relu }),
        model::Init::Normal { std } => Some(Init::Normal { mean: 0.0, std }),
        model::Init::Uniform { bound } => Some(Init::Uniform { low: -bound, high: bound }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use talweg::tensor::{DType, Rng};

    use super::*;
    use crate::config::Config;
    use crate::config::shapes::shapes;
    use crate::config::tests::round_trip::layers;

    fn config(layers: &str, init: &str) -> Config {
        let text = format!("[data]\nsource = \"mnist\"\n[model]\nlayers = {layers}\ninit = {init}\n");
        Config::parse("a.toml", &text, &[]).unwrap_or_else(|problems| panic!("{problems}"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_network_has_the_shapes_that_were_worked_out(layers in layers()) {
            let config = config(&layers, "\"pytorch\"");
            let input = [1, 28, 28];
            let shaped = shapes(&config.model, &input, Some(10)).map_err(|misfit| TestCaseError::fail(misfit.reason))?;
            let network = Network::new(&config.model, &shaped, &mut Rng::seed(1));
            let mut x = Tensor::zeros([3, 1, 28, 28], DType::F32);
            for (i, (step, shape)) in network.layers.iter().zip(&shaped).enumerate() {
                x = step.layer.forward(&x, &mut Mode::Eval);
                if let Some(activation) = &step.activation {
                    x = activation.forward(&x, &mut Mode::Eval);
                }
                let found: Vec<usize> = x.shape().iter().skip(1).collect();
                prop_assert_eq!(&found, &shape.output, "layer {} of {}", i, layers);
                prop_assert_eq!(step.layer.num_params() as u64, shape.parameters, "layer {} of {}", i, layers);
            }
            let whole = network.forward(&Tensor::zeros([3, 1, 28, 28], DType::F32), &mut Mode::Eval);
            prop_assert_eq!(whole.to_vec::<f32>(), x.to_vec::<f32>());
        }
    }

    #[test]
    fn every_kind_of_layer_is_built() {
        let layers = r#"[
            { conv2d = 8, kernel = [3, 5], stride = [2, 1], dilation = [1, 2], groups = 1, bias = false },
            { batch_norm2d = { eps = 1e-3, momentum = 0.2 } }, { batch_norm2d = { affine = false } }, "relu",
            { conv2d = 8, kernel = 3, groups = 4, padding = "same", activation = "gelu" },
            { max_pool2d = 3, stride = 2, padding = 1 }, { avg_pool2d = [1, 2], count_include_pad = false },
            { dropout = 0.5 }, "flatten", { linear = 12, bias = false, activation = "sigmoid" }, "batch_norm1d",
            { layer_norm = { eps = 1e-3, affine = false } }, "layer_norm", "tanh", "sigmoid", "gelu", "softmax",
            { linear = "classes" },
        ]"#;
        let config = config(layers, "\"kaiming_normal\"");
        let shaped =
            shapes(&config.model, &[1, 28, 28], Some(10)).unwrap_or_else(|misfit| panic!("{misfit:?}"));
        let network = Network::new(&config.model, &shaped, &mut Rng::seed(1));
        let counted: u64 = shaped.iter().map(|layer| layer.parameters).sum();
        assert_eq!(network.num_params() as u64, counted);
        let names: Vec<String> = network.params().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names[..4], ["layers.0.weight", "layers.1.weight", "layers.1.bias", "layers.4.weight"]);
        let x = Tensor::ones([2, 1, 28, 28], DType::F32);
        let y = network.forward(&x, &mut Mode::Train(&mut Rng::seed(2)));
        assert_eq!(y.shape().iter().collect::<Vec<_>>(), [2, 10]);
    }

    #[test]
    fn initialisers_reach_weights_and_clear_biases() {
        for (init, within) in [
            ("{ uniform = 0.25 }", 0.25),
            ("\"xavier_uniform\"", (6.0f32 / 794.0).sqrt()),
            ("\"kaiming_uniform\"", (6.0f32 / 784.0).sqrt()),
            ("\"pytorch\"", 1.0 / 28.0),
        ] {
            let config = config("[\"flatten\", \"layer_norm\", { linear = \"classes\" }]", init);
            let shaped =
                shapes(&config.model, &[1, 28, 28], Some(10)).unwrap_or_else(|misfit| panic!("{misfit:?}"));
            let params = Network::new(&config.model, &shaped, &mut Rng::seed(1)).params();
            let values = |wanted: &str| {
                let found = params.iter().find(|(name, _)| name == wanted);
                found.map(|(_, param)| param.get().to_vec::<f32>()).unwrap_or_default()
            };
            let largest =
                |values: &[f32]| values.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
            let weight = largest(&values("layers.2.weight"));
            assert!(weight <= within && weight > 0.98 * within, "{init}: {weight} of {within}");
            // The layers' own distribution draws biases too; all others clear them. Scales stay 1.
            assert_eq!(largest(&values("layers.2.bias")) > 0.0, init == "\"pytorch\"", "{init}");
            assert_eq!(values("layers.1.weight"), [1.0; 784], "{init}");
        }
    }
}
