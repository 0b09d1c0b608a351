//! `#[derive(Module)]` and the walks over modules.

extern crate talweg_nn as talweg;

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use talweg_nn::{Entry, Identity, Layer, Linear, Mode, Module, Path, Relu, Sequential, seq};
use talweg_tensor::{Buffer, DType, Param, Rng, Tensor};

fn param(n: usize) -> Param {
    Param::new(Tensor::zeros([n], DType::F32))
}

fn buffer(n: usize) -> Buffer {
    Buffer::new(Tensor::zeros([n], DType::F32))
}

/// Everything that a walk meets, in its order.
fn walk(module: &dyn Module) -> Vec<String> {
    let mut names = Vec::new();
    module.visit(&mut Path::new(), &mut |path, entry| {
        names.push(match entry {
            Entry::Param(param) => format!("{path} {}", param.shape().numel()),
            Entry::Buffer(buffer) => format!("{path} buffer {}", buffer.shape().numel()),
        })
    });
    names
}

#[derive(Module)]
struct Leaf {
    weight: Param,
    bias: Option<Param>,
    mean: Buffer,
    r#type: Param,
    eps: f64,
    label: String,
}

fn leaf(n: usize, bias: bool) -> Leaf {
    Leaf {
        weight: param(n),
        bias: bias.then(|| param(1)),
        mean: buffer(n),
        r#type: param(2),
        eps: 1e-5,
        label: "leaf".into(),
    }
}

struct Settings;

#[derive(Module)]
struct Model<T, U>
where
    T: Clone,
{
    layers: Vec<Leaf>,
    pair: (Param, [Leaf; 1]),
    boxed: Box<Leaf>,
    inner: T,
    by_name: BTreeMap<String, Param>,
    #[module(skip)]
    settings: Settings,
    #[module(skip)]
    anything: U,
    nothing: Option<Leaf>,
    marker: PhantomData<Settings>,
}

#[test]
fn nested_names_follow_the_fields() {
    let model = Model {
        layers: vec![leaf(3, true), leaf(4, false)],
        pair: (param(5), [leaf(6, false)]),
        boxed: Box::new(leaf(7, false)),
        inner: Arc::new(leaf(8, false)),
        by_name: BTreeMap::from([("b".to_string(), param(10)), ("a".to_string(), param(9))]),
        settings: Settings,
        anything: std::thread::current().id(),
        nothing: None,
        marker: PhantomData,
    };
    let want = [
        "layers.0.weight 3",
        "layers.0.bias 1",
        "layers.0.mean buffer 3",
        "layers.0.type 2",
        "layers.1.weight 4",
        "layers.1.mean buffer 4",
        "layers.1.type 2",
        "pair.0 5",
        "pair.1.0.weight 6",
        "pair.1.0.mean buffer 6",
        "pair.1.0.type 2",
        "boxed.weight 7",
        "boxed.mean buffer 7",
        "boxed.type 2",
        "inner.weight 8",
        "inner.mean buffer 8",
        "inner.type 2",
        "by_name.a 9",
        "by_name.b 10",
    ];
    assert_eq!(walk(&model), want);
    assert_eq!(model.num_params(), 3 + 1 + 2 + 4 + 2 + 5 + 6 + 2 + 7 + 2 + 8 + 2 + 9 + 10);
    assert_eq!(model.buffers().len(), 5);
    // The skipped fields are there all the same.
    let Settings = model.settings;
    assert_eq!(model.anything, std::thread::current().id());
    assert_eq!((model.layers[0].eps, model.layers[0].label.as_str()), (1e-5, "leaf"));
}

#[derive(Module)]
enum Block<L> {
    Named { weight: Param, scale: f32 },
    Wrapped(L),
    Two(Param, Leaf),
    Empty,
}

#[derive(Module)]
struct Tuple(Param, #[module(skip)] Settings, Param);

#[derive(Module)]
struct Wrapper(Vec<Param>);

#[derive(Module)]
struct Unit;

#[derive(Module)]
struct Empty {}

#[derive(Module)]
enum Never {}

#[test]
fn variants_and_tuples_have_the_names_of_their_fields() {
    let blocks: Vec<Block<Box<dyn Layer>>> = vec![
        Block::Named { weight: param(1), scale: 2.0 },
        Block::Wrapped(Box::new(Linear::new(2, 1, &mut Rng::seed(1)))),
        Block::Two(param(3), leaf(4, false)),
        Block::Empty,
    ];
    assert!(matches!(blocks[0], Block::Named { scale: 2.0, .. }));
    let want =
        ["0.weight 1", "1.weight 2", "1.bias 1", "2.0 3", "2.1.weight 4", "2.1.mean buffer 4", "2.1.type 2"];
    assert_eq!(walk(&blocks), want);
    let tuple = Tuple(param(1), Settings, param(2));
    let Settings = tuple.1;
    assert_eq!(walk(&tuple), ["0 1", "2 2"]);
    assert_eq!(walk(&Wrapper(vec![param(1), param(2)])), ["0 1", "1 2"]);
    assert!(walk(&(Unit, Empty {})).is_empty());
    assert!(walk(&Option::<Never>::None).is_empty());
}

/// A macro that is told where the trait is, as crates that do not depend on the facade do.
mod elsewhere {
    pub(crate) mod place {
        pub(crate) use talweg_nn::{Entry, Module, Path};
    }

    #[derive(talweg_nn::Module)]
    #[module(crate = crate::elsewhere::place)]
    pub(crate) struct Told {
        pub(crate) weight: talweg_tensor::Param,
    }
}

#[test]
fn the_path_of_the_trait_can_be_given() {
    assert_eq!(walk(&elsewhere::Told { weight: param(3) }), ["weight 3"]);
}

#[test]
fn a_tied_weight_is_counted_once() {
    let (a, b) = (leaf(3, false), leaf(4, false));
    let tied = vec![a.weight.clone(), b.weight.clone(), a.weight.clone()];
    assert_eq!(walk(&tied).len(), 3);
    let names: Vec<String> = tied.params().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["0", "1"]);
    assert_eq!(tied.num_params(), 7);
    let buffers = vec![a.mean.clone(), a.mean.clone(), b.mean];
    let names: Vec<String> = buffers.buffers().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["0", "2"]);
}

#[test]
fn frozen_parameters_get_no_gradient() {
    let model = seq![Linear::new(2, 3, &mut Rng::seed(1)), Relu, Linear::new(3, 1, &mut Rng::seed(2))];
    assert_eq!(model.freeze("0"), 2);
    let y = model.forward(&Tensor::ones([4, 2], DType::F32), &mut Mode::Eval);
    let grads = y.sum(..).backward();
    let has = |model: &Sequential| -> Vec<bool> {
        model.params().iter().map(|(_, param)| grads.get(param).is_some()).collect()
    };
    assert_eq!(has(&model), [false, false, true, true]);
    assert_eq!(model.unfreeze("0.bias"), 1);
    let trained: Vec<bool> = model.params().iter().map(|(_, param)| param.is_trainable()).collect();
    assert_eq!(trained, [false, true, true, true]);
    assert_eq!(model.unfreeze(""), 4);
}

#[test]
fn a_prefix_ends_with_a_whole_name() {
    let many: Vec<Param> = (0..12).map(param).collect();
    assert_eq!(many.freeze("1"), 1);
    assert!(!many[1].is_trainable() && many[11].is_trainable());
}

#[test]
#[should_panic(expected = "freeze: no parameter at or below `0.wieght`; the nearest name is `0.weight`")]
fn a_wrong_prefix_is_refused() {
    seq![Linear::new(2, 3, &mut Rng::seed(1))].freeze("0.wieght");
}

#[test]
fn a_row_of_layers_is_a_layer() {
    let rng = &mut Rng::seed(3);
    let inner = seq![Linear::new(2, 2, rng).without_bias(), Identity];
    let mut outer = seq![inner, Relu,];
    outer.push(Linear::new(2, 1, rng));
    let names: Vec<String> = outer.params().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["0.0.weight", "2.weight", "2.bias"]);
    assert_eq!(
        outer.0.iter().map(|layer| layer.name()).collect::<Vec<_>>(),
        ["Sequential", "Relu", "Linear"]
    );
    let x = rng.normal([5, 2], 0.0, 1.0, DType::F32);
    let y = outer.forward(&x, &mut Mode::Eval).to_vec::<f32>();
    let p: Vec<Vec<f32>> = outer.params().iter().map(|(_, param)| param.get().to_vec::<f32>()).collect();
    for (row, y) in x.to_vec::<f32>().chunks(2).zip(y) {
        let hidden = |k: usize| (row[0] * p[0][2 * k] + row[1] * p[0][2 * k + 1]).max(0.0);
        let want = hidden(0) * p[1][0] + hidden(1) * p[1][1] + p[2][0];
        assert!((y - want).abs() < 1e-5, "{y} should be {want}");
    }
    assert_eq!(seq![].forward(&x, &mut Mode::Eval).shape(), x.shape());
}

#[test]
fn a_model_changes_its_type_in_place() {
    let model = seq![Linear::new(2, 3, &mut Rng::seed(1))];
    let before = model.params()[0].1.get().to_vec::<f32>();
    model.to_dtype(DType::F64);
    let after = model.params()[0].1.get();
    assert!(after.is_tracked());
    assert_eq!(after.to_vec::<f64>(), before.iter().map(|&x| x as f64).collect::<Vec<_>>());
    let counter = Buffer::new(Tensor::scalar(3i64));
    (counter.clone(), buffer(2)).to_dtype(DType::F64);
    assert_eq!(counter.get().to_vec::<i64>(), [3]);
}
