//! Models of sequences: result, loss, and every gradient. Initial weights follow the formula of the generator.

use talweg::nn::{Gpt, GptOptions, Layer, Mode, Module};
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
