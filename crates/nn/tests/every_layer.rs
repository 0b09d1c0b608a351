//! Every layer: its gradient by the input against differences, a gradient at every parameter, and all of them in one network.

extern crate talweg_nn as talweg;

use talweg_nn::*;
use talweg_tensor::testing::gradcheck;
use talweg_tensor::{DType, Rng, Tensor};

/// A layer, and the shape of an input that it takes.
type Case = (&'static str, Box<dyn Layer>, &'static [usize]);

fn case(name: &'static str, layer: impl Layer + 'static, shape: &'static [usize]) -> Case {
    (name, Box::new(layer), shape)
}

/// One entry, or more, for every layer that takes one tensor of numbers.
fn cases() -> Vec<Case> {
    let rng = &mut Rng::seed(1);
    let sequence: &[usize] = &[2, 3, 4];
    let mut cases = vec![
        case("Linear", Linear::new(4, 3, rng), &[5, 4]),
        case("Conv1d", Conv1d::new(3, 4, 2, rng).padding(1).stride(2), sequence),
        case("Conv1d", Conv1d::new(3, 4, 2, rng).same(), sequence),
        case("Conv2d", Conv2d::new(2, 4, [3, 2], rng).padding(1), &[2, 2, 4, 3]),
        case("Conv3d", Conv3d::new(2, 2, 2, rng).stride([1, 2, 1]), &[1, 2, 3, 4, 2]),
        case("ConvTranspose1d", ConvTranspose1d::new(3, 4, 3, rng).stride(2).output_padding(1), sequence),
        case("ConvTranspose2d", ConvTranspose2d::new(2, 3, 3, rng).stride(2).padding(1), &[2, 2, 2, 3]),
        case("ConvTranspose3d", ConvTranspose3d::new(2, 2, 2, rng).stride([2, 1, 1]), &[1, 2, 2, 2, 2]),
        case("MaxPool2d", MaxPool2d::new(2), &[2, 2, 4, 4]),
        case("AvgPool2d", AvgPool2d::new(2), &[2, 2, 4, 4]),
        case("BatchNorm1d", BatchNorm1d::new(3), &[5, 3]),
        case("BatchNorm2d", BatchNorm2d::new(2), &[3, 2, 2, 2]),
        case("BatchNorm3d", BatchNorm3d::new(2), &[2, 2, 2, 2, 2]),
        case("LayerNorm", LayerNorm::new([3, 4]), sequence),
        case("RmsNorm", RmsNorm::new(4), sequence),
        case("GroupNorm", GroupNorm::new(2, 4), &[2, 4, 3]),
        case("InstanceNorm1d", InstanceNorm1d::new(3).affine(), sequence),
        case("InstanceNorm2d", InstanceNorm2d::new(2).affine(), &[2, 2, 2, 3]),
        case("InstanceNorm3d", InstanceNorm3d::new(2).affine(), &[1, 2, 2, 2, 2]),
        case("LocalResponseNorm", LocalResponseNorm::new(3), &[2, 4, 2]),
        case("Dropout", Dropout::new(0.3), sequence),
        case("Dropout1d", Dropout1d::new(0.3), sequence),
        case("Dropout2d", Dropout2d::new(0.3), &[2, 5, 2, 2]),
        case("Dropout3d", Dropout3d::new(0.3), &[2, 5, 2, 1, 2]),
        case("AlphaDropout", AlphaDropout::new(0.3), sequence),
        case("FeatureAlphaDropout", FeatureAlphaDropout::new(0.3), &[2, 5, 2]),
        case("Flatten", Flatten, sequence),
        case("Identity", Identity, sequence),
        case("Relu", Relu, sequence),
        case("Sigmoid", Sigmoid, sequence),
        case("Tanh", Tanh, sequence),
        case("Gelu", Gelu, sequence),
        case("Softmax", Softmax::default(), sequence),
        case("LogSoftmax", LogSoftmax::default(), sequence),
        case("Sequential", seq![Linear::new(4, 3, rng), Tanh, Linear::new(3, 2, rng)], sequence),
        case("Checkpoint", Checkpoint::new(seq![Linear::new(4, 3, rng), Tanh]), sequence),
        case("Residual", Residual(Linear::new(4, 4, rng)), sequence),
        case("WeightNorm", WeightNorm::new(Linear::new(4, 3, rng)), sequence),
        case("WeightNorm", WeightNorm::new(Conv1d::new(3, 2, 2, rng)), sequence),
        case("SpectralNorm", SpectralNorm::new(Linear::new(4, 3, rng), &mut Rng::seed(2)), sequence),
        case("Positions", Positions::new(5, 4, rng), sequence),
        case("SinusoidalPositions", SinusoidalPositions::new(5, 4), sequence),
        case("RotaryPositions", RotaryPositions::new(5, 4, 10_000.0), sequence),
        case("MultiHeadAttention", MultiHeadAttention::new(4, 2, rng), sequence),
        case("MultiHeadAttention", MultiHeadAttention::grouped(4, 2, 1, rng).rotary(3).causal(), sequence),
        case("FeedForward", FeedForward::new(4, 6, rng), sequence),
        case("TransformerBlock", TransformerBlock::new(4, 2, rng).causal(), sequence),
        case("TransformerEncoder", TransformerEncoder::new(2, 4, 2, rng), sequence),
        case("Lstm", Lstm::new(4, 3, rng), sequence),
        case("Gru", Gru::new(4, 3, rng), sequence),
    ];
    let branches: Vec<Box<dyn Layer>> = vec![Box::new(Linear::new(4, 4, rng)), Box::new(Identity)];
    cases.push(case("Parallel", Parallel::new(branches, Join::Product), sequence));
    cases
}

/// Names in `layers/mod.rs` that are no layers of one tensor, and why.
const OTHERS: &[(&str, &str)] = &[
    ("Layer", "the trait"),
    ("Weighted", "a trait"),
    ("Size", "sizes"),
    ("Size2d", "sizes"),
    ("Join", "an option"),
    ("NormOrder", "an option"),
    ("LstmState", "what a layer gives"),
    ("Recurrence", "what a layer gives"),
    ("Embedding", "takes whole numbers: below"),
    ("Bilinear", "takes two tensors: tests/sequence_layers.rs"),
    ("CrossAttention", "takes two tensors: tests/sequence_layers.rs"),
    ("TransformerDecoder", "takes two tensors: tests/sequence_layers.rs"),
    ("TransformerDecoderBlock", "takes two tensors: tests/sequence_layers.rs"),
];

/// The layer in f64, with parameters that are not at their special first values.
fn shaken(layer: &dyn Layer) {
    layer.to_dtype(DType::F64);
    let rng = &mut Rng::seed(9);
    for (_, param) in layer.params() {
        let noise = rng.normal(param.shape(), 0.0, 0.2, DType::F64);
        param.set(&(param.get().detach() + noise));
    }
}

/// In training, with the same random numbers at each call.
fn train(layer: &dyn Layer, x: &Tensor) -> Tensor {
    layer.forward(x, &mut Mode::Train(&mut Rng::seed(5)))
}

/// Every parameter of a network gets a gradient that is not zero everywhere.
fn learns_everywhere(name: &str, layer: &dyn Layer, y: &Tensor) {
    if layer.params().is_empty() {
        return;
    }
    let weights = Rng::seed(4).uniform(y.shape(), 0.5, 1.5, DType::F64);
    let grads = (y * weights).sum(..).backward();
    for (parameter, param) in layer.params() {
        let grad = grads.get(&param).unwrap_or_else(|| panic!("{name}: {parameter} gets no gradient"));
        let size = grad.to_dense(&param.shape()).abs().max(..).item();
        assert!(size > 1e-9, "{name}: the gradient of {parameter} is zero everywhere");
    }
}

#[test]
fn every_layer_passes_gradients_on_and_learns() {
    for (name, layer, shape) in cases() {
        shaken(&*layer);
        let x = Rng::seed(3).normal(shape, 0.0, 1.0, DType::F64);
        // Running statistics and power iterations move at each call, which finite differences must not see.
        let moves = ["SpectralNorm"].contains(&name);
        let f = |xs: &[&Tensor]| match moves {
            true => layer.forward(xs[0], &mut Mode::Eval),
            false => train(&*layer, xs[0]),
        };
        gradcheck(&f, &[&x]).unwrap_or_else(|e| panic!("{name}: {e}"));
        learns_everywhere(name, &*layer, &f(&[&x]));
        let eval = layer.forward(&x, &mut Mode::Eval);
        assert_eq!(eval.shape(), f(&[&x]).shape(), "{name}: training and evaluation give one shape");
        assert_eq!(layer.name(), name, "summaries show the type's name");
    }
}

#[test]
fn no_layer_is_forgotten() {
    let source = include_str!("../src/layers/mod.rs");
    let exported = source.split("pub use ").skip(1).flat_map(|line| {
        let names = line.split(';').next().unwrap_or_default();
        let names =
            names.rsplit("::").next().unwrap_or_default().trim_matches(['{', '}', ' ', '\n']).to_string();
        names
            .split(',')
            .map(|name| name.trim().trim_matches(['{', '}']).trim().to_string())
            .collect::<Vec<_>>()
    });
    let covered: Vec<&str> =
        cases().iter().map(|(name, ..)| *name).chain(OTHERS.iter().map(|(name, _)| *name)).collect();
    for name in exported.filter(|name| !name.is_empty()) {
        assert!(
            covered.contains(&name.as_str()),
            "{name} stands in no case: add a line to `cases` in this file"
        );
    }
}

/// Pictures to classes through every kind of layer that a picture can pass, then words through every kind for sequences.
#[test]
fn one_network_of_many_layers_learns_everywhere() {
    let rng = &mut Rng::seed(1);
    let pictures = seq![
        // A bias before a normalisation of its channel has no influence.
        Conv2d::new(1, 4, 3, rng).padding(1).without_bias(),
        BatchNorm2d::new(4),
        Relu,
        Residual(seq![WeightNorm::new(Conv2d::new(4, 4, 3, rng).same()), GroupNorm::new(2, 4), Tanh]),
        Dropout2d::new(0.1),
        MaxPool2d::new(2),
        ConvTranspose2d::new(4, 3, 2, rng).stride(2).without_bias(),
        InstanceNorm2d::new(3).affine(),
        LocalResponseNorm::new(3),
        SpectralNorm::new(Conv2d::new(3, 4, 2, rng), &mut Rng::seed(2)),
        AvgPool2d::new(2),
        Flatten,
        Linear::new(36, 8, rng),
        LayerNorm::new([8]),
        Gelu,
        AlphaDropout::new(0.1),
        Linear::new(8, 3, rng),
        LogSoftmax::default(),
    ];
    shaken(&pictures);
    let x = Rng::seed(3).normal([3, 1, 8, 8], 0.0, 1.0, DType::F64);
    learns_everywhere("pictures", &pictures, &train(&pictures, &x));

    let words = seq![
        Embedding::new(7, 8, rng),
        Positions::new(5, 8, rng),
        SinusoidalPositions::new(5, 8),
        TransformerEncoder::new(1, 8, 2, rng),
        Residual(MultiHeadAttention::new(8, 2, rng).rotary(5)),
        RmsNorm::new(8),
        Lstm::new(8, 6, rng),
        Gru::new(6, 6, rng),
        Residual(FeedForward::new(6, 8, rng)),
        Dropout::new(0.1),
        Linear::new(6, 2, rng),
    ];
    shaken(&words);
    let x = Tensor::from_slice(&[0i64, 1, 2, 3, 4, 5, 6, 0, 1, 2], [2, 5]);
    learns_everywhere("words", &words, &train(&words, &x));
}
