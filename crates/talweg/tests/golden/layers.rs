//! Single layers: output, and gradients by the input and every parameter. In tensor operations, but for batch norm,
//! which has running statistics.

use talweg::nn::{BatchNorm1d, BatchNorm2d, Layer, Mode, Module};
use talweg::tensor::{Buffer, Conv2dOptions, Create, Pool2dOptions, Rng, Tensor, grad_from};

use crate::file::{Case, DTYPES, Golden, Judge, data};

/// What a layer reads: the input first, then the parameters that the file has for it.
struct Leaves(Vec<(&'static str, Tensor)>);

impl Leaves {
    fn read(golden: &Golden, case: &Case) -> Leaves {
        let leaf = |key| {
            let array = golden.find(&format!("{}/{key}", case.name()))?;
            Some((key, array.tensor(golden.dtype).requires_grad()))
        };
        Leaves(["x", "weight", "bias"].into_iter().filter_map(leaf).collect())
    }

    fn find(&self, key: &str) -> Option<&Tensor> {
        self.0.iter().find(|(name, _)| *name == key).map(|(_, x)| x)
    }

    fn get(&self, key: &str) -> &Tensor {
        self.find(key).unwrap_or_else(|| panic!("no {key}"))
    }
}

fn conv2d(leaves: &Leaves, case: &Case) -> Tensor {
    assert_eq!(leaves.find("bias").is_some(), case.flag("bias"), "{}", case.name());
    let options = Conv2dOptions {
        stride: case.pair("stride"),
        padding: case.pair("padding"),
        extra: [0, 0],
        dilation: case.pair("dilation"),
        groups: case.size("groups"),
    };
    leaves.get("x").conv2d(leaves.get("weight"), leaves.find("bias"), &options)
}

fn pool_options(case: &Case) -> Pool2dOptions {
    Pool2dOptions {
        kernel: case.pair("kernel"),
        stride: Some(case.pair("stride")),
        padding: case.pair("padding"),
        ..Pool2dOptions::default()
    }
}

fn avg_pool2d(leaves: &Leaves, case: &Case) -> Tensor {
    let count_include_pad = case.flag("count_include_pad");
    leaves.get("x").avg_pool2d(&Pool2dOptions { count_include_pad, ..pool_options(case) })
}

/// Replays every case of these operations, and checks that the file has some of each.
fn replay(operations: &[&str], forward: impl Fn(&Leaves, &Case) -> Tensor) {
    for (dtype, _, limit) in DTYPES {
        let golden = Golden::read(&data(), "layers", dtype);
        let mut judge = Judge::new(format!("{}, {dtype}", operations.join(", ")), limit);
        for operation in operations {
            assert!(golden.cases.iter().any(|c| c.text("op") == *operation), "no case of {operation}");
        }
        for case in golden.cases.iter().filter(|c| operations.contains(&c.text("op"))) {
            let leaves = Leaves::read(&golden, case);
            let at = |key: &str| format!("{}/{key}", case.name());
            let y = forward(&leaves, case);
            judge.tensor(&at("y"), &y, golden.array(&at("y")));
            let xs: Vec<&Tensor> = leaves.0.iter().map(|(_, x)| x).collect();
            // The gradient that is itself recorded comes from other formulas than the fast one.
            for create in [Create::Value, Create::Graph] {
                let grads = grad_from(&[&y], &[&golden.tensor(&at("dy"))], &xs, create);
                for ((key, _), grad) in leaves.0.iter().zip(&grads) {
                    let key = at(&format!("d{key}"));
                    judge.tensor(&format!("{key} ({create:?})"), grad, golden.array(&key));
                }
            }
        }
        judge.finish();
    }
}

#[test]
fn linear() {
    replay(&["linear"], |l, _| l.get("x").linear(l.get("weight"), l.find("bias")));
}

#[test]
fn convolutions() {
    replay(&["conv2d"], conv2d);
}

#[test]
fn pools() {
    replay(&["max_pool2d", "avg_pool2d"], |l, case| match case.text("op") {
        "max_pool2d" => l.get("x").max_pool2d(&pool_options(case)),
        _ => avg_pool2d(l, case),
    });
}

#[test]
fn activations() {
    replay(&["relu", "gelu", "sigmoid", "tanh"], |l, case| match case.text("op") {
        "relu" => l.get("x").relu(),
        "gelu" => l.get("x").gelu(),
        "sigmoid" => l.get("x").sigmoid(),
        _ => l.get("x").tanh(),
    });
}

#[test]
fn softmax() {
    replay(&["softmax", "log_softmax"], |l, case| {
        let axis = case.size("axis") as isize;
        match case.text("op") {
            "softmax" => l.get("x").softmax(axis),
            _ => l.get("x").log_softmax(axis),
        }
    });
}

#[test]
fn layer_norm() {
    replay(&["layer_norm"], |l, case| {
        let shape: Vec<usize> = case.list("shape").into_iter().map(|n| n as usize).collect();
        assert_eq!(l.find("weight").is_some(), case.flag("affine"));
        l.get("x").layer_norm(&shape[..], l.find("weight"), l.find("bias"), case.number("eps"))
    });
}

/// A batch norm with the case's options, parameters and running statistics, and its statistics as handles.
fn batch_norm_layer(
    golden: &Golden,
    case: &Case,
    rank: usize,
) -> (Box<dyn Layer>, [(&'static str, Buffer); 2]) {
    let (features, momentum, eps) = (case.size("features"), case.number("momentum"), case.number("eps"));
    macro_rules! layer {
        ($kind:ident) => {{
            let mut layer = $kind { momentum, eps, ..$kind::new(features) };
            if !case.flag("affine") {
                layer = layer.without_affine();
            }
            layer.to_dtype(golden.dtype);
            let statistics =
                [("running_mean", layer.running_mean.clone()), ("running_var", layer.running_var.clone())];
            (Box::new(layer) as Box<dyn Layer>, statistics)
        }};
    }
    let (layer, statistics) = if rank == 4 { layer!(BatchNorm2d) } else { layer!(BatchNorm1d) };
    for (key, param) in layer.params() {
        param.set(&golden.tensor(&format!("{}/{key}", case.name())));
    }
    for (key, buffer) in &statistics {
        buffer.set(&golden.tensor(&format!("{}/{key}", case.name())));
    }
    (layer, statistics)
}

#[test]
fn batch_norm() {
    for (dtype, _, limit) in DTYPES {
        let golden = Golden::read(&data(), "layers", dtype);
        let mut judge = Judge::new(format!("batch_norm, {dtype}"), limit);
        for case in golden.cases.iter().filter(|c| c.text("op") == "batch_norm") {
            let at = |key: &str| format!("{}/{key}", case.name());
            let x = golden.tensor(&at("x")).requires_grad();
            let (layer, statistics) = batch_norm_layer(&golden, case, x.rank());
            let rng = &mut Rng::seed(0);
            let mut mode = if case.flag("train") { Mode::Train(rng) } else { Mode::Eval };
            let y = layer.forward(&x, &mut mode);
            judge.tensor(&at("y"), &y, golden.array(&at("y")));
            let grads = (&y * &golden.tensor(&at("dy"))).sum(..).backward();
            judge.tensor(&at("dx"), &grads.wrt(&x), golden.array(&at("dx")));
            for (key, param) in layer.params() {
                let key = at(&format!("d{key}"));
                judge.tensor(&key, &grads.wrt(&param), golden.array(&key));
            }
            for (key, buffer) in &statistics {
                // Evaluation leaves the statistics as they were.
                let after = at(&if case.flag("train") { format!("{key}_after") } else { key.to_string() });
                judge.tensor(&after, &buffer.get(), golden.array(&after));
            }
        }
        judge.finish();
    }
}
