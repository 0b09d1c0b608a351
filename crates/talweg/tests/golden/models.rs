//! Whole models: twenty steps with the same weights and batches; every loss and every gradient.

use std::path::{Path, PathBuf};

use talweg::nn::{
    AvgPool2d, BatchNorm1d, BatchNorm2d, Conv2d, CrossEntropy, Flatten, Gelu, Layer, LayerNorm, Linear, Loss,
    MaxPool2d, Mode, Relu, ResNet, Sequential, Stem, seq,
};
use talweg::tensor::{Conv2dOptions, DType, Rng, Tensor};

use crate::file::{Array, DTYPES, Golden, Judge, data, numbers, relative};

fn dense(inputs: usize, hidden: usize) -> Sequential {
    let rng = &mut Rng::seed(0);
    seq![
        Linear::new(inputs, hidden, rng),
        Relu,
        Linear::new(hidden, hidden, rng),
        Relu,
        Linear::new(hidden, 10, rng)
    ]
}

fn convolutional(first: usize, second: usize, flat: usize, hidden: usize) -> Sequential {
    let rng = &mut Rng::seed(0);
    seq![
        Conv2d::new(1, first, 3, rng),
        Relu,
        Conv2d::new(first, second, 3, rng),
        Relu,
        MaxPool2d::new(2),
        Flatten,
        Linear::new(flat, hidden, rng),
        Relu,
        Linear::new(hidden, 10, rng),
    ]
}

/// Everything that a network of our day has: padding, stride, groups, both batch norms, layer norm, GELU, averages.
fn normalised() -> Sequential {
    let rng = &mut Rng::seed(0);
    let grouped = Conv2dOptions { stride: [2, 2], padding: [1, 1], groups: 4, ..Conv2dOptions::default() };
    seq![
        Conv2d::new(2, 8, 3, rng).padding(1).without_bias(),
        BatchNorm2d::new(8),
        Gelu,
        Conv2d::with(8, 8, 3, grouped, rng),
        AvgPool2d::new(2),
        Flatten,
        Linear::new(32, 16, rng),
        LayerNorm::new([16]),
        Gelu,
        Linear::new(16, 16, rng).without_bias(),
        BatchNorm1d::new(16),
        Relu,
        Linear::new(16, 10, rng),
    ]
}

/// Puts the file's initial weights into the model, whose names must be the same.
fn load(model: &impl Layer, golden: &Golden) {
    model.to_dtype(golden.dtype);
    let mut names: Vec<String> = model.params().into_iter().map(|(name, _)| name).collect();
    names.sort();
    assert_eq!(names, golden.names("init/").collect::<Vec<_>>());
    for (name, param) in model.params() {
        param.set(&golden.tensor(&format!("init/{name}")));
    }
}

/// Replays a file, comparing with it, and with the f64 numbers for the record.
fn replay<M: Layer>(folder: &Path, topic: &str, build: impl Fn() -> M) {
    let exact = Golden::read(folder, topic, "f64");
    for (name, dtype, limit) in DTYPES {
        let golden = Golden::read(folder, topic, name);
        let model = &build();
        load(model, &golden);
        let mut judge = Judge::new(format!("{topic}, {name}"), limit);
        let mut apart = Apart::default();
        for step in 0..golden.cases[0].size("steps") {
            train(model, &golden, step, &mut judge, &mut |key, grad| {
                apart.add(grad, golden.array(key), exact.array(key))
            });
        }
        for (key, param) in model.params() {
            judge.tensor(&format!("final/{key}"), &param.get(), golden.array(&format!("final/{key}")));
        }
        let x = golden.array("x").row(0).tensor(dtype);
        judge.tensor("logits_eval", &model.forward(&x, &mut Mode::Eval), golden.array("logits_eval"));
        if dtype == DType::F32 {
            let Apart { ours, theirs } = apart;
            println!(
                "{topic}: gradients in f32 are off from f64 by {ours:.1e}; the reference's own by {theirs:.1e}"
            );
        }
        judge.finish();
    }
}

/// One step of plain gradient descent; compares the loss, every gradient and every running statistic.
fn train(
    model: &impl Layer,
    golden: &Golden,
    step: usize,
    judge: &mut Judge,
    also: &mut dyn FnMut(&str, &Tensor),
) {
    let batch = |key| golden.array(key).row(step).tensor(golden.dtype);
    let logits = model.forward(&batch("x"), &mut Mode::Train(&mut Rng::seed(0)));
    if step == 0 {
        judge.tensor("logits", &logits, golden.array("logits"));
    }
    let loss = CrossEntropy::default().forward(&logits, &batch("y"));
    judge.slices(&format!("loss {step}"), &numbers(&loss), &golden.array("loss").row(step).data);
    let grads = loss.backward();
    for (key, param) in model.params() {
        let (grad, key) = (grads.wrt(&param), format!("grad/{step}/{key}"));
        judge.tensor(&key, &grad, golden.array(&key));
        also(&key, &grad);
        param.update(|w| *w = &*w - &(&grad * golden.cases[0].number("lr")));
    }
    let statistics: Vec<_> =
        model.buffers().into_iter().filter(|(_, b)| b.get().dtype().is_float()).collect();
    assert_eq!(statistics.len(), golden.names(&format!("stat/{step}/")).count());
    for (key, buffer) in statistics {
        let key = format!("stat/{step}/{key}");
        judge.tensor(&key, &buffer.get(), golden.array(&key));
    }
}

/// The largest distance of f32 gradients from those in f64: rounding alone, ours and the reference's.
#[derive(Default)]
struct Apart {
    ours: f64,
    theirs: f64,
}

impl Apart {
    fn add(&mut self, ours: &Tensor, theirs: &Array, exact: &Array) {
        self.ours = self.ours.max(relative(&numbers(ours), &exact.data));
        self.theirs = self.theirs.max(relative(&theirs.data, &exact.data));
    }
}

#[test]
fn dense_network() {
    replay(&data(), "mlp", || dense(64, 32));
}

#[test]
fn convolutional_network() {
    replay(&data(), "cnn", || convolutional(4, 8, 32, 16));
}

#[test]
fn network_with_normalisation() {
    replay(&data(), "cnn_norm", normalised);
}

/// Blocks with and without a convolution in the shortcut, every name as in torchvision.
#[test]
fn residual_network() {
    replay(&data(), "resnet", || {
        ResNet::new(2, 10, [1, 2, 1, 1], [3, 4, 4, 5], Stem::Small, &mut Rng::seed(0))
    });
}

/// The folder that `generate.py --full` filled, if the environment names one.
fn full_size() -> Option<PathBuf> {
    let folder = std::env::var_os("TALWEG_GOLDEN_FULL").map(PathBuf::from);
    if folder.is_none() {
        println!(
            "skipped: TALWEG_GOLDEN_FULL names no folder with the full-size numbers (tests/golden/README.md)"
        );
    }
    folder
}

#[test]
fn full_size_dense_network() {
    if let Some(folder) = full_size() {
        replay(&folder, "w2", || dense(784, 512));
    }
}

#[test]
fn full_size_convolutional_network() {
    if let Some(folder) = full_size() {
        replay(&folder, "w3", || convolutional(32, 64, 9216, 128));
    }
}
