//! Models of sequences: result, loss, and every gradient. Initial weights follow the formula of the generator.

use talweg::nn::{Gpt, GptOptions, Gru, Layer, Lstm, LstmState, Mode, Module};
use talweg::tensor::{DType, Rng, Tensor};

use crate::file::{DTYPES, Golden, Judge, data, numbers};

/// As `fill` in `sequences.py`.
fn fill(model: &dyn Module, dtype: DType) {
    let mut params = model.params();
    params.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut k = 0u64;
    for (name, param) in params {
        let shift = if name.contains("norm") && name.ends_with("weight") { 1.0 } else { 0.0 };
        let shape = param.shape();
        let values: Vec<f32> = (0..shape.numel())
            .map(|_| {
                let number = ((7919 * k + 12345) % 1009) as f64 / 1009.0 - 0.5;
                k += 1;
                (number * 0.4 + shift) as f32
            })
            .collect();
        param.set(&Tensor::from_slice(&values, shape).cast(dtype));
    }
}

#[test]
fn small_language_model() {
    for (name, dtype, limit) in DTYPES {
        let golden = Golden::read(&data(), "sequences", name);
        let mut judge = Judge::new(format!("gpt, {name}"), limit);
        let case = &golden.cases[0];
        let options = GptOptions {
            vocabulary: case.size("vocabulary"),
            context: case.size("context"),
            layers: case.size("layers"),
            heads: case.size("heads"),
            size: case.size("size"),
            ..GptOptions::default()
        };
        let model = Gpt::new(&options, &mut Rng::seed(1));
        model.to_dtype(dtype);
        fill(&model, dtype);
        let (x, y) = (golden.tensor("gpt/x"), golden.tensor("gpt/y"));
        let mode = &mut Mode::Train(&mut Rng::seed(1));
        judge.tensor("logits", &model.forward(&x, mode), golden.array("gpt/logits"));
        let loss = model.loss(&x, &y, mode);
        judge.slices("loss", &numbers(&loss), &golden.array("gpt/loss").data);
        let grads = loss.backward();
        let params = model.params();
        assert_eq!(params.len(), golden.names("gpt/grad/").count());
        for (key, param) in params {
            let key = format!("gpt/grad/{key}");
            judge.tensor(&key, &grads.wrt(&param), golden.array(&key));
        }
        judge.finish();
    }
}

/// The name that PyTorch has for a parameter of ours: `layers.1.input.bias` is `bias_ih_l1`.
fn theirs(name: &str) -> String {
    let parts: Vec<&str> = name.split('.').collect();
    let [_, layer, map, kind] = parts[..] else { panic!("{name} is no parameter of a recurrent layer") };
    let map = if map == "input" { "ih" } else { "hh" };
    format!("{kind}_{map}_l{layer}")
}

/// First states of each layer, `[layers, b, size]`, as leaves.
fn leaves(golden: &Golden, key: &str) -> Vec<Tensor> {
    let all = golden.array(key);
    (0..all.shape[0]).map(|i| all.row(i).tensor(golden.dtype).requires_grad()).collect()
}

/// Result, last states and all gradients of a two-layer network. `run` gives the states of all steps, and the last
/// states by their letter.
fn recurrent(
    name: &str,
    model: &dyn Module,
    letters: &[&str],
    run: impl Fn(&Tensor, &[Vec<Tensor>]) -> (Tensor, Vec<Vec<Tensor>>),
) {
    for (dtype_name, dtype, limit) in DTYPES {
        let golden = Golden::read(&data(), "sequences", dtype_name);
        let at = |key: &str| format!("{name}/{key}");
        let mut judge = Judge::new(format!("{name}, {dtype_name}"), limit);
        model.to_dtype(dtype);
        for (key, param) in model.params() {
            param.set(&golden.tensor(&at(&theirs(&key))));
        }
        let x = golden.tensor(&at("x")).requires_grad();
        let first: Vec<Vec<Tensor>> =
            letters.iter().map(|letter| leaves(&golden, &at(&format!("{letter}0")))).collect();
        let (y, last) = run(&x, &first);
        judge.tensor(&at("y"), &y, golden.array(&at("y")));
        let mut loss = (&y * golden.tensor(&at("dy"))).sum(..);
        for (letter, last) in letters.iter().zip(&last) {
            let last = Tensor::stack(&last.iter().collect::<Vec<_>>(), 0);
            judge.tensor(&at(letter), &last, golden.array(&at(letter)));
            loss = loss + (last * golden.tensor(&at(&format!("d{letter}")))).sum(..);
        }
        let grads = loss.backward();
        judge.tensor(&at("dx"), &grads.wrt(&x), golden.array(&at("dx")));
        for (letter, first) in letters.iter().zip(&first) {
            let dfirst: Vec<Tensor> = first.iter().map(|state| grads.wrt(state)).collect();
            let key = at(&format!("d{letter}0"));
            judge.tensor(&key, &Tensor::stack(&dfirst.iter().collect::<Vec<_>>(), 0), golden.array(&key));
        }
        for (key, param) in model.params() {
            let key = at(&format!("d{}", theirs(&key)));
            judge.tensor(&key, &grads.wrt(&param), golden.array(&key));
        }
        judge.finish();
    }
}

#[test]
fn long_short_term_memory() {
    let model = Lstm::stacked(3, 5, 2, &mut Rng::seed(1));
    recurrent("lstm", &model, &["h", "c"], |x, first| {
        let states: Vec<LstmState> =
            first[0].iter().zip(&first[1]).map(|(h, c)| LstmState { h: h.clone(), c: c.clone() }).collect();
        let (y, last) = model.run(x, Some(&states), &mut Mode::Eval);
        let (h, c) = last.into_iter().map(|state| (state.h, state.c)).unzip();
        (y, vec![h, c])
    });
}

#[test]
fn gated_recurrent_unit() {
    let model = Gru::stacked(3, 5, 2, &mut Rng::seed(1));
    recurrent("gru", &model, &["h"], |x, first| {
        let (y, last) = model.run(x, Some(&first[0]), &mut Mode::Eval);
        (y, vec![last])
    });
}
