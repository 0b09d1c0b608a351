//! The table of layers: each row is checked for shapes, names, gradients, state and modes.

extern crate talweg_nn as talweg;

use std::collections::BTreeMap;

use talweg_nn::{
    AvgPool2d, BasicBlock, BatchNorm1d, BatchNorm2d, Conv2d, Conv2dOptions, Dropout, Embedding, FeedForward,
    Flatten, Gelu, Gpt, GptOptions, Gru, Identity, Layer, LayerNorm, Linear, Load, LogSoftmax, Lstm,
    MaxPool2d, Mode, Module, MultiHeadAttention, Pool2dOptions, Positions, Relu, ResNet, Residual, RmsNorm,
    Sigmoid, Softmax, StateFile, Stem, Tanh, TransformerBlock, seq, to_safetensors,
};
use talweg_tensor::testing::gradcheck;
use talweg_tensor::{DType, Grad, Rng, Tensor, capture};

struct Row {
    make: fn(&mut Rng) -> Box<dyn Layer>,
    name: &'static str,
    /// Input and output shapes.
    shapes: &'static [(&'static [usize], &'static [usize])],
    /// Parameters, then buffers, with their shapes.
    state: &'static [(&'static str, &'static [usize])],
    /// Whether training differs from evaluation.
    modes_differ: bool,
    /// A shape that the layer refuses.
    refuses: Option<&'static [usize]>,
}

const PLAIN: Row = Row {
    make: |_| Box::new(Identity),
    name: "Identity",
    shapes: &[(&[2, 3], &[2, 3]), (&[], &[]), (&[0, 4], &[0, 4])],
    state: &[],
    modes_differ: false,
    refuses: None,
};

const NORM: &[(&str, &[usize])] = &[
    ("weight", &[3]),
    ("bias", &[3]),
    ("running_mean", &[3]),
    ("running_var", &[3]),
    ("num_batches_tracked", &[]),
];

const TRANSFORMER: &[(&str, &[usize])] = &[
    ("norm1.weight", &[2]),
    ("norm1.bias", &[2]),
    ("attention.qkv.weight", &[6, 2]),
    ("attention.qkv.bias", &[6]),
    ("attention.proj.weight", &[2, 2]),
    ("attention.proj.bias", &[2]),
    ("norm2.weight", &[2]),
    ("norm2.bias", &[2]),
    ("feed_forward.up.weight", &[8, 2]),
    ("feed_forward.up.bias", &[8]),
    ("feed_forward.down.weight", &[2, 8]),
    ("feed_forward.down.bias", &[2]),
];

const TABLE: &[Row] = &[
    PLAIN,
    Row { make: |_| Box::new(Relu), name: "Relu", ..PLAIN },
    Row { make: |_| Box::new(Sigmoid), name: "Sigmoid", ..PLAIN },
    Row { make: |_| Box::new(Tanh), name: "Tanh", ..PLAIN },
    Row { make: |_| Box::new(Gelu), name: "Gelu", ..PLAIN },
    Row {
        make: |_| Box::new(Softmax { axis: 1 }),
        name: "Softmax",
        shapes: &[(&[2, 3], &[2, 3]), (&[2, 3, 2], &[2, 3, 2])],
        refuses: Some(&[3]),
        ..PLAIN
    },
    Row {
        make: |_| Box::new(LogSoftmax::default()),
        name: "LogSoftmax",
        shapes: &[(&[2, 3], &[2, 3])],
        ..PLAIN
    },
    Row {
        make: |_| Box::new(Flatten),
        name: "Flatten",
        shapes: &[(&[2, 3, 4], &[2, 12]), (&[5, 2], &[5, 2])],
        ..PLAIN
    },
    Row {
        make: |_| Box::new(Dropout::new(0.4)),
        name: "Dropout",
        shapes: &[(&[4, 5], &[4, 5])],
        modes_differ: true,
        ..PLAIN
    },
    Row {
        make: |rng| Box::new(Linear::new(3, 4, rng)),
        name: "Linear",
        shapes: &[(&[2, 3], &[2, 4]), (&[3], &[4]), (&[2, 5, 3], &[2, 5, 4])],
        state: &[("weight", &[4, 3]), ("bias", &[4])],
        refuses: Some(&[2, 4]),
        ..PLAIN
    },
    Row {
        make: |rng| Box::new(Linear::new(3, 2, rng).without_bias()),
        name: "Linear",
        shapes: &[(&[2, 3], &[2, 2])],
        state: &[("weight", &[2, 3])],
        ..PLAIN
    },
    Row {
        make: |rng| Box::new(Conv2d::new(2, 3, 3, rng)),
        name: "Conv2d",
        shapes: &[(&[2, 2, 5, 4], &[2, 3, 3, 2])],
        state: &[("weight", &[3, 2, 3, 3]), ("bias", &[3])],
        refuses: Some(&[2, 3, 5, 4]),
        ..PLAIN
    },
    Row {
        make: |rng| {
            let grouped = Conv2dOptions { groups: 2, ..Default::default() };
            let layer = Conv2d::with(4, 2, [2, 3], grouped, rng);
            Box::new(layer.stride([2, 1]).padding([1, 0]).dilation(2).without_bias())
        },
        name: "Conv2d",
        shapes: &[(&[1, 4, 5, 6], &[1, 2, 3, 2])],
        state: &[("weight", &[2, 2, 2, 3])],
        ..PLAIN
    },
    Row {
        make: |_| Box::new(MaxPool2d::new(2)),
        name: "MaxPool2d",
        shapes: &[(&[2, 3, 4, 5], &[2, 3, 2, 2])],
        refuses: Some(&[2, 4, 5]),
        ..PLAIN
    },
    Row {
        make: |_| Box::new(MaxPool2d::new([3, 2]).stride(1).padding([1, 0])),
        name: "MaxPool2d",
        shapes: &[(&[1, 2, 3, 4], &[1, 2, 3, 3])],
        ..PLAIN
    },
    Row {
        make: |_| {
            let options = Pool2dOptions { count_include_pad: false, ..AvgPool2d::new(3).options };
            Box::new(AvgPool2d { options }.stride([2, 1]).padding(1))
        },
        name: "AvgPool2d",
        shapes: &[(&[1, 2, 4, 3], &[1, 2, 2, 3])],
        ..PLAIN
    },
    Row {
        make: |_| Box::new(BatchNorm1d::new(3)),
        name: "BatchNorm1d",
        shapes: &[(&[4, 3], &[4, 3]), (&[2, 3, 5], &[2, 3, 5])],
        state: NORM,
        modes_differ: true,
        refuses: Some(&[4, 4]),
    },
    Row {
        make: |_| Box::new(BatchNorm2d::new(3)),
        name: "BatchNorm2d",
        shapes: &[(&[2, 3, 2, 2], &[2, 3, 2, 2])],
        state: NORM,
        modes_differ: true,
        refuses: Some(&[2, 3, 2]),
    },
    Row {
        make: |_| Box::new(BatchNorm2d::new(2).without_affine()),
        name: "BatchNorm2d",
        shapes: &[(&[2, 2, 2, 2], &[2, 2, 2, 2])],
        state: &[("running_mean", &[2]), ("running_var", &[2]), ("num_batches_tracked", &[])],
        modes_differ: true,
        ..PLAIN
    },
    Row {
        make: |_| Box::new(LayerNorm::new([3])),
        name: "LayerNorm",
        shapes: &[(&[2, 3], &[2, 3]), (&[2, 2, 3], &[2, 2, 3])],
        state: &[("weight", &[3]), ("bias", &[3])],
        refuses: Some(&[3, 2]),
        ..PLAIN
    },
    Row {
        make: |_| Box::new(LayerNorm::new([2, 3]).without_affine()),
        name: "LayerNorm",
        shapes: &[(&[2, 2, 3], &[2, 2, 3])],
        ..PLAIN
    },
    Row {
        make: |rng| Box::new(seq![Linear::new(3, 2, rng), Tanh, Dropout::new(0.5), Linear::new(2, 1, rng)]),
        name: "Sequential",
        shapes: &[(&[5, 3], &[5, 1])],
        state: &[("0.weight", &[2, 3]), ("0.bias", &[2]), ("3.weight", &[1, 2]), ("3.bias", &[1])],
        modes_differ: true,
        refuses: Some(&[5, 2]),
    },
    Row {
        make: |_| Box::new(RmsNorm::new(3)),
        name: "RmsNorm",
        shapes: &[(&[2, 3], &[2, 3]), (&[2, 2, 3], &[2, 2, 3])],
        state: &[("weight", &[3])],
        refuses: Some(&[3, 2]),
        ..PLAIN
    },
    Row {
        make: |rng| Box::new(Lstm { dropout: 0.4, ..Lstm::stacked(2, 3, 2, rng) }),
        name: "Lstm",
        shapes: &[(&[2, 3, 2], &[2, 3, 3])],
        state: &[
            ("layers.0.input.weight", &[12, 2]),
            ("layers.0.input.bias", &[12]),
            ("layers.0.hidden.weight", &[12, 3]),
            ("layers.0.hidden.bias", &[12]),
            ("layers.1.input.weight", &[12, 3]),
            ("layers.1.input.bias", &[12]),
            ("layers.1.hidden.weight", &[12, 3]),
            ("layers.1.hidden.bias", &[12]),
        ],
        modes_differ: true,
        refuses: Some(&[2, 3, 1]),
    },
    Row {
        make: |rng| Box::new(Gru::new(2, 3, rng)),
        name: "Gru",
        shapes: &[(&[2, 3, 2], &[2, 3, 3]), (&[1, 1, 2], &[1, 1, 3])],
        state: &[
            ("layers.0.input.weight", &[9, 2]),
            ("layers.0.input.bias", &[9]),
            ("layers.0.hidden.weight", &[9, 3]),
            ("layers.0.hidden.bias", &[9]),
        ],
        refuses: Some(&[3, 2]),
        ..PLAIN
    },
    Row {
        make: |rng| Box::new(Positions::new(4, 2, rng)),
        name: "Positions",
        shapes: &[(&[2, 4, 2], &[2, 4, 2]), (&[3, 2], &[3, 2])],
        state: &[("weight", &[4, 2])],
        refuses: Some(&[1, 5, 2]),
        ..PLAIN
    },
    Row {
        make: |rng| Box::new(MultiHeadAttention::new(4, 2, rng).causal().dropout(0.3)),
        name: "MultiHeadAttention",
        shapes: &[(&[2, 3, 4], &[2, 3, 4])],
        state: &[
            ("qkv.weight", &[12, 4]),
            ("qkv.bias", &[12]),
            ("proj.weight", &[4, 4]),
            ("proj.bias", &[4]),
        ],
        modes_differ: true,
        refuses: Some(&[2, 4]),
    },
    Row {
        make: |rng| Box::new(MultiHeadAttention::grouped(4, 4, 2, rng).without_bias()),
        name: "MultiHeadAttention",
        shapes: &[(&[1, 3, 4], &[1, 3, 4])],
        state: &[("qkv.weight", &[8, 4]), ("proj.weight", &[4, 4])],
        ..PLAIN
    },
    Row {
        make: |rng| Box::new(Residual(Linear::new(2, 2, rng))),
        name: "Residual",
        shapes: &[(&[3, 2], &[3, 2])],
        state: &[("weight", &[2, 2]), ("bias", &[2])],
        refuses: Some(&[3, 3]),
        ..PLAIN
    },
    Row {
        make: |rng| Box::new(FeedForward::new(2, 3, rng)),
        name: "FeedForward",
        shapes: &[(&[2, 4, 2], &[2, 4, 2])],
        state: &[("up.weight", &[3, 2]), ("up.bias", &[3]), ("down.weight", &[2, 3]), ("down.bias", &[2])],
        refuses: Some(&[2, 3]),
        ..PLAIN
    },
    Row {
        make: |rng| Box::new(TransformerBlock::new(2, 1, rng).causal()),
        name: "TransformerBlock",
        shapes: &[(&[2, 3, 2], &[2, 3, 2])],
        state: TRANSFORMER,
        refuses: Some(&[2, 3, 4]),
        ..PLAIN
    },
    Row {
        make: |rng| Box::new(TransformerBlock::new(2, 2, rng).post_norm().dropout(0.4)),
        name: "TransformerBlock",
        shapes: &[(&[1, 3, 2], &[1, 3, 2])],
        state: TRANSFORMER,
        modes_differ: true,
        refuses: None,
    },
    Row {
        make: |rng| Box::new(BasicBlock::new(2, 2, 1, rng)),
        name: "BasicBlock",
        shapes: &[(&[2, 2, 3, 4], &[2, 2, 3, 4])],
        state: &[
            ("conv1.weight", &[2, 2, 3, 3]),
            ("bn1.weight", &[2]),
            ("bn1.bias", &[2]),
            ("conv2.weight", &[2, 2, 3, 3]),
            ("bn2.weight", &[2]),
            ("bn2.bias", &[2]),
            ("bn1.running_mean", &[2]),
            ("bn1.running_var", &[2]),
            ("bn1.num_batches_tracked", &[]),
            ("bn2.running_mean", &[2]),
            ("bn2.running_var", &[2]),
            ("bn2.num_batches_tracked", &[]),
        ],
        modes_differ: true,
        refuses: Some(&[2, 3, 3, 4]),
    },
];

/// A row's worth of names would fill the page: the names are held against torchvision's by the golden numbers.
#[test]
fn residual_networks_take_small_and_large_pictures() {
    let rng = &mut Rng::seed(1);
    for (stem, side) in [(Stem::Small, 9), (Stem::Large, 33)] {
        let net = ResNet::new(3, 5, [1, 1, 2, 1], [2, 3, 4, 5], stem, rng);
        for x in [
            Tensor::ones([2, 3, side, side], DType::F32),
            rng.normal([1, 3, side, side + 7], 0.0, 1.0, DType::F32),
        ] {
            assert_eq!(net.forward(&x, &mut Mode::Eval).shape(), &[x.size(0), 5]);
        }
        let x = rng.normal([4, 3, side, side], 0.0, 1.0, DType::F32);
        let grads = train(&net, &x).square().sum(..).backward();
        for (name, param) in net.params() {
            assert!(grads.wrt(&param).to_vec::<f32>().iter().any(|&g| g != 0.0), "{name} has no gradient");
        }
    }
    assert_eq!(ResNet::resnet34(3, 1000, Stem::Large, rng).num_params(), 21_797_672);
}

/// A layer in f64 whose parameters are all drawn, so that none is at a special value.
fn layer(row: &Row, seed: u64) -> Box<dyn Layer> {
    let rng = &mut Rng::seed(seed);
    let layer = (row.make)(rng);
    layer.to_dtype(DType::F64);
    for (_, param) in layer.params() {
        param.set(&rng.uniform(param.shape(), 0.2, 1.2, DType::F64));
    }
    layer
}

fn input(shape: &[usize]) -> Tensor {
    Rng::seed(77).normal(shape, 0.0, 1.0, DType::F64)
}

fn train(layer: &dyn Layer, x: &Tensor) -> Tensor {
    layer.forward(x, &mut Mode::Train(&mut Rng::seed(5)))
}

fn eval(layer: &dyn Layer, x: &Tensor) -> Vec<f64> {
    layer.forward(x, &mut Mode::Eval).to_vec::<f64>()
}

/// What a panic says.
fn message<R>(f: impl FnOnce() -> R + std::panic::UnwindSafe) -> String {
    let Err(error) = std::panic::catch_unwind(f) else { panic!("nothing was refused") };
    match error.downcast::<String>() {
        Ok(text) => *text,
        Err(error) => error.downcast::<&str>().map(|text| text.to_string()).expect("a message"),
    }
}

#[test]
fn shapes_and_names() {
    for row in TABLE {
        let layer = (row.make)(&mut Rng::seed(1));
        assert_eq!(layer.name(), row.name);
        assert!(format!("{layer:?}").starts_with(row.name));
        for (from, to) in row.shapes {
            let x = Tensor::ones(*from, DType::F32);
            for y in [layer.forward(&x, &mut Mode::Eval), train(&layer, &x)] {
                assert_eq!((y.shape().to_vec(), y.dtype()), (to.to_vec(), DType::F32), "{}", row.name);
            }
        }
        let state = layer.state();
        let found: Vec<(&str, Vec<usize>)> =
            state.iter().map(|(name, x)| (name.as_str(), x.shape().to_vec())).collect();
        let want: Vec<(&str, Vec<usize>)> = row.state.iter().map(|(name, s)| (*name, s.to_vec())).collect();
        assert_eq!(found, want, "{}", row.name);
    }
}

#[test]
fn wrong_shapes_are_refused_with_the_shape() {
    for row in TABLE {
        let Some(shape) = row.refuses else { continue };
        let make = row.make;
        let text = message(move || {
            let x = Tensor::ones(shape, DType::F32);
            make(&mut Rng::seed(1)).forward(&x, &mut Mode::Eval)
        });
        assert!(text.contains(&format!("{shape:?}")), "{}: {text}", row.name);
    }
}

/// Gradients of a weighted sum of the output against central differences, in both modes, by the input and by every
/// element of every parameter.
#[test]
fn gradients_reach_the_input_and_every_parameter() {
    for row in TABLE {
        let layer = layer(row, 3);
        for (from, _) in row.shapes {
            let x = input(from);
            gradcheck(&|xs| layer.forward(xs[0], &mut Mode::Eval), &[&x]).expect(row.name);
            gradcheck(&|xs| train(&layer, xs[0]), &[&x]).expect(row.name);
            for training in [false, true] {
                check_params(row, &layer, &x, training);
            }
        }
    }
}

fn check_params(row: &Row, layer: &dyn Layer, x: &Tensor, training: bool) {
    let forward = || if training { train(layer, x) } else { layer.forward(x, &mut Mode::Eval) };
    let weights = Rng::seed(17).uniform(forward().shape(), 0.5, 1.5, DType::F64);
    let loss = || (forward() * &weights).sum(..);
    let params = layer.params();
    if params.is_empty() {
        return;
    }
    let grads = loss().backward();
    for (name, param) in params {
        let analytic = grads.wrt(&param).to_vec::<f64>();
        let numbers = param.get().to_vec::<f64>();
        let at = |k: usize, w: f64| {
            let mut moved = numbers.clone();
            moved[k] = w;
            param.set(&Tensor::from_slice(&moved, param.shape()));
            loss().item()
        };
        for k in 0..numbers.len() {
            let numeric = (at(k, numbers[k] + 1e-5) - at(k, numbers[k] - 1e-5)) / 2e-5;
            let error = (analytic[k] - numeric).abs() / numeric.abs().max(1.0);
            assert!(error < 1e-7, "{} {name}[{k}]: {} should be {numeric}", row.name, analytic[k]);
        }
        param.set(&Tensor::from_slice(&numbers, param.shape()));
    }
}

#[test]
fn a_state_goes_through_bytes_into_another_layer() {
    for row in TABLE {
        let (a, b) = (layer(row, 3), layer(row, 4));
        let x = input(row.shapes[0].0);
        // Running statistics away from their initial values.
        train(&a, &x);
        let bytes = to_safetensors(&a.state(), &BTreeMap::new());
        let file = StateFile::from_bytes(&bytes).unwrap();
        assert!(b.load_state(&file.tensors, Load::Strict).unwrap().is_exact());
        assert_eq!(eval(&a, &x), eval(&b, &x), "{}", row.name);
    }
}

#[test]
fn evaluation_repeats_and_training_differs_where_it_should() {
    for row in TABLE {
        let layer = layer(row, 3);
        let x = input(row.shapes[0].0);
        let first = eval(&layer, &x);
        let trained = train(&layer, &x).to_vec::<f64>();
        assert_eq!(first != trained, row.modes_differ, "{}", row.name);
        assert_eq!(trained, train(&layer, &x).to_vec::<f64>(), "{}", row.name);
        let (second, third) = (eval(&layer, &x), eval(&layer, &x));
        assert_eq!(second, third, "{}", row.name);
    }
}

#[test]
fn dropout_draws_anew_and_keeps_the_mean() {
    let (layer, rng) = (Dropout::new(0.3), &mut Rng::seed(1));
    let x = Tensor::ones([100, 400], DType::F32);
    let mut draw = || layer.forward(&x, &mut Mode::Train(rng)).to_vec::<f32>();
    let (a, b) = (draw(), draw());
    assert_ne!(a, b);
    let dropped = a.iter().filter(|&&y| y == 0.0).count() as f64;
    // Binomial: 12,000 of 40,000 with standard deviation 92; five of those.
    assert!((dropped - 12_000.0).abs() < 460.0, "{dropped}");
    assert!(a.iter().all(|&y| y == 0.0 || (y - 1.0 / 0.7).abs() < 1e-6));
    assert!(message(|| Dropout::new(1.5)).contains("Dropout: the probability 1.5 is not between 0 and 1"));
}

/// Mean and variance (biased) of each channel of `[n, c, ..]`, by a loop.
fn statistics(x: &Tensor) -> Vec<(f64, f64, usize)> {
    let (n, channels) = (x.size(0), x.size(1));
    let (inner, numbers) = (x.numel() / (n * channels), x.to_vec::<f64>());
    let of = |c: usize| {
        let own: Vec<f64> = (0..n)
            .flat_map(|i| (0..inner).map(move |j| (i * channels + c) * inner + j))
            .map(|k| numbers[k])
            .collect();
        let mean = own.iter().sum::<f64>() / own.len() as f64;
        (mean, own.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / own.len() as f64, own.len())
    };
    (0..channels).map(of).collect()
}

#[test]
fn batch_norm_keeps_running_statistics() {
    let layer = BatchNorm2d { momentum: 0.3, ..BatchNorm2d::new(3) };
    layer.to_dtype(DType::F64);
    let (mut mean, mut var) = (vec![0.0; 3], vec![1.0; 3]);
    let rng = &mut Rng::seed(8);
    for step in 1..=3 {
        let x = rng.normal([2, 3, 2, 5], 4.0, 2.0, DType::F64);
        let y = train(&layer, &x).to_vec::<f64>();
        for (c, (m, v, n)) in statistics(&x).into_iter().enumerate() {
            mean[c] = 0.7 * mean[c] + 0.3 * m;
            var[c] = 0.7 * var[c] + 0.3 * v * n as f64 / (n as f64 - 1.0);
            let want = (x.to_vec::<f64>()[c * 10] - m) / (v + 1e-5).sqrt();
            assert!((y[c * 10] - want).abs() < 1e-12, "{} should be {want}", y[c * 10]);
        }
        let close = |a: Vec<f64>, b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(close(layer.running_mean.get().to_vec(), &mean));
        assert!(close(layer.running_var.get().to_vec(), &var));
        assert_eq!(layer.num_batches_tracked.get().to_vec::<i64>(), [step]);
    }
    let x = input(&[1, 3, 1, 1]);
    let y = eval(&layer, &x);
    for (c, x) in x.to_vec::<f64>().into_iter().enumerate() {
        let want = (x - mean[c]) / (var[c] + 1e-5).sqrt();
        assert!((y[c] - want).abs() < 1e-12, "{} should be {want}", y[c]);
    }
    assert_eq!(layer.num_batches_tracked.get().item(), 3.0, "evaluation counts nothing");
}

#[test]
fn groups_must_divide_the_channels() {
    let text = message(|| {
        let options = Conv2dOptions { groups: 2, ..Default::default() };
        Conv2d::with(3, 4, 1, options, &mut Rng::seed(1))
    });
    assert!(
        text.contains("Conv2d: 2 groups do not divide 3 input channels and 4 output channels evenly"),
        "{text}"
    );
}

/// Rows are read by number, and both kinds of gradient are the same.
#[test]
fn embeddings_read_rows() {
    let (ids, dy) = (
        Tensor::from_slice(&[2i64, 0, 2, 1], [2, 2]),
        Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [2, 2, 1]),
    );
    let plain = Embedding::new(4, 1, &mut Rng::seed(1));
    let sparse = Embedding { weight: plain.weight.clone(), sparse: false }.sparse();
    for (layer, listed) in [(plain, false), (sparse, true)] {
        let table = layer.weight.get().to_vec::<f32>();
        let y = layer.forward(&ids, &mut Mode::Eval);
        assert_eq!(y.to_vec::<f32>(), [table[2], table[0], table[2], table[1]]);
        let grads = (y * &dy).sum(..).backward();
        assert_eq!(matches!(grads.get(&layer.weight), Some(Grad::Rows { .. })), listed);
        assert_eq!(grads.wrt(&layer.weight).to_vec::<f32>(), [2.0, 4.0, 4.0, 0.0]);
    }
}

/// A mask of nothing but earlier positions is what `causal` does, and hidden positions do not matter.
#[test]
fn a_mask_hides_positions() {
    let rng = &mut Rng::seed(2);
    let open = MultiHeadAttention::new(6, 3, rng);
    let x = rng.normal([2, 4, 6], 0.0, 1.0, DType::F32);
    let earlier = Tensor::arange(4).unsqueeze(1).ge(&Tensor::arange(4));
    let masked = open.masked(&x, &earlier, &mut Mode::Eval).to_vec::<f32>();
    let causal = open.causal().forward(&x, &mut Mode::Eval).to_vec::<f32>();
    assert_eq!(masked, causal);
    assert!(message(|| MultiHeadAttention::new(6, 4, &mut Rng::seed(1))).contains("4 heads do not divide"));
}

/// The token vectors are the output map too: one parameter, one gradient that sums both uses.
#[test]
fn a_language_model_ties_its_output() {
    let rng = &mut Rng::seed(3);
    let options =
        GptOptions { vocabulary: 5, context: 4, layers: 2, heads: 2, size: 4, ..GptOptions::default() };
    let model = Gpt::new(&options, rng);
    assert_eq!(model.params().iter().filter(|(name, _)| name.contains("tokens")).count(), 1);
    // 5 + 4 vectors, and for each block 4 x 12 + 4 x 4 + 2 x 4 x 16 weights and 12 + 4 + 16 + 4 + 4 x 4 others.
    assert_eq!(model.num_params(), 9 * 4 + 2 * (192 + 52) + 8);
    let (x, y) = (Tensor::from_slice(&[0i64, 1, 2, 4], [1, 4]), Tensor::from_slice(&[1i64, 2, 4, 3], [1, 4]));
    let grads = model.loss(&x, &y, &mut Mode::Eval).backward();
    for (name, param) in model.params() {
        assert!(grads.wrt(&param).to_vec::<f32>().iter().any(|&g| g != 0.0), "{name} has no gradient");
    }
    // Token 3 is never read, but predicted: its row has a gradient from the output map alone.
    let row = grads.wrt(&model.tokens.weight).narrow(0, 3, 1).to_vec::<f32>();
    assert!(row.iter().all(|&g| g != 0.0), "{row:?}");
    let noisy = Gpt::new(&GptOptions { dropout: 0.5, bias: false, ..options }, rng);
    let train = |seed| noisy.loss(&x, &y, &mut Mode::Train(&mut Rng::seed(seed))).item();
    assert!(train(1) == train(1) && train(1) != train(2));
    assert!(noisy.params().iter().all(|(name, _)| !name.contains("bias") || name.contains("norm")));
    assert!(
        message(|| noisy.forward(&Tensor::arange(4), &mut Mode::Eval))
            .contains("gpt: tokens are [batch, positions]")
    );
}

#[test]
fn recurrent_layers_want_a_state_for_each_layer() {
    let (layer, x) = (Gru::stacked(2, 3, 2, &mut Rng::seed(1)), Tensor::ones([1, 2, 2], DType::F32));
    let state = [Tensor::zeros([1, 3], DType::F32)];
    let text = message(|| layer.run(&x, Some(&state), &mut Mode::Eval));
    assert_eq!(text, "gru: 1 states for 2 layers; give one for each, or none");
}

/// Noise in attention and elsewhere is drawn anew at each replay, from where the generator stands.
#[test]
fn a_captured_language_model_draws_the_same_noise() {
    let options =
        GptOptions { vocabulary: 7, context: 6, layers: 2, heads: 2, size: 8, dropout: 0.3, bias: true };
    let model = Gpt::new(&options, &mut Rng::seed(1));
    let (x, y) = (
        Tensor::from_slice(&[0i64, 1, 2, 3, 4, 5], [2, 3]),
        Tensor::from_slice(&[1i64, 2, 3, 4, 5, 6], [2, 3]),
    );
    let mut step = capture(|inputs, rng| model.loss(inputs[0], inputs[1], &mut Mode::Train(rng)));
    let (rng, eager) = (&mut Rng::seed(9), &mut Rng::seed(9));
    for _ in 0..4 {
        let ran = step.run(&[&x, &y], rng);
        let loss = model.loss(&x, &y, &mut Mode::Train(eager));
        assert_eq!(ran.loss.item(), loss.item());
        let grads = loss.backward();
        let weight = &model.blocks[0].attention.qkv.weight;
        assert_eq!(ran.gradients.wrt(weight).to_vec::<f32>(), grads.wrt(weight).to_vec::<f32>());
    }
    assert_eq!((step.why_not(), &*rng), (None, &*eager));
}
