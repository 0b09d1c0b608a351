//! Whole models: twenty steps with the same weights and batches; every loss and every gradient.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use talweg_tensor::{Conv2dOptions, DType, Param, Pool2dOptions, Tensor};

use crate::file::{Array, DTYPES, Golden, Judge, data, numbers, relative};

/// What stands at each position of a network; a position's number is the first part of its parameters' names.
#[derive(Clone, Copy)]
enum Stage {
    Linear,
    Conv,
    Relu,
    MaxPool,
    Flatten,
}
use Stage::*;

const DENSE: &[Stage] = &[Linear, Relu, Linear, Relu, Linear];
const PICTURES: &[Stage] = &[Conv, Relu, Conv, Relu, MaxPool, Flatten, Linear, Relu, Linear];

fn forward(stages: &[Stage], params: &BTreeMap<&str, Param>, x: &Tensor) -> Tensor {
    stages.iter().enumerate().fold(x.clone(), |x, (i, stage)| {
        let param = |name| params[&format!("{i}.{name}")[..]].get();
        match stage {
            Linear => x.linear(&param("weight"), Some(&param("bias"))),
            Conv => x.conv2d(&param("weight"), Some(&param("bias")), &Conv2dOptions::default()),
            Relu => x.relu(),
            MaxPool => x.max_pool2d(&Pool2dOptions::default()),
            Flatten => x.flatten(1),
        }
    })
}

/// Cross-entropy written out in tensor operations: the mean of log(sum of exp(z)) - z[class].
fn cross_entropy(logits: &Tensor, classes: &Tensor) -> Tensor {
    let z = logits - &logits.max_keep(-1).detach();
    let log_sum = z.exp().sum_keep(-1).ln();
    (&log_sum - &z.gather(-1, &classes.unsqueeze(-1))).mean(..)
}

/// Replays a file, comparing with it, and with the f64 numbers for the record.
fn replay(folder: &Path, topic: &str, stages: &[Stage]) {
    let exact = Golden::read(folder, topic, "f64");
    for (name, dtype, limit) in DTYPES {
        let golden = Golden::read(folder, topic, name);
        let params: BTreeMap<&str, Param> = golden
            .names("init/")
            .map(|key| (key, Param::new(golden.tensor(&format!("init/{key}")))))
            .collect();
        let mut judge = Judge::new(format!("{topic}, {name}"), limit);
        let mut apart = Apart::default();
        let case = &golden.cases[0];
        for step in 0..case.size("steps") {
            let (x, y) =
                (golden.array("x").row(step).tensor(dtype), golden.array("y").row(step).tensor(dtype));
            let logits = forward(stages, &params, &x);
            if step == 0 {
                judge.tensor("logits", &logits, golden.array("logits"));
            }
            let loss = cross_entropy(&logits, &y);
            judge.slices(&format!("loss {step}"), &numbers(&loss), &golden.array("loss").row(step).data);
            let grads = loss.backward();
            for (key, p) in &params {
                let (grad, key) = (grads.wrt(p), format!("grad/{step}/{key}"));
                judge.tensor(&key, &grad, golden.array(&key));
                apart.add(&grad, golden.array(&key), exact.array(&key));
                p.update(|w| *w = &*w - &(&grad * case.number("lr")));
            }
        }
        if dtype == DType::F32 {
            println!(
                "{topic}: gradients in f32 are off from f64 by {:.1e}; the reference's own by {:.1e}",
                apart.ours, apart.theirs
            );
        }
        judge.finish();
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
    replay(&data(), "mlp", DENSE);
}

#[test]
fn convolutional_network() {
    replay(&data(), "cnn", PICTURES);
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
        replay(&folder, "w2", DENSE);
    }
}

#[test]
fn full_size_convolutional_network() {
    if let Some(folder) = full_size() {
        replay(&folder, "w3", PICTURES);
    }
}
