//! Losses with every combination of their options: value, and gradient by the predictions.

use talweg::tensor::{
    BinaryCrossEntropyOptions, BinaryCrossEntropyWithLogitsOptions, Create, CrossEntropyOptions, Reduction,
    Tensor, grad_from,
};

use crate::file::{Case, DTYPES, Golden, Judge, data};

fn reduction(case: &Case) -> Reduction {
    match case.text("reduction") {
        "mean" => Reduction::Mean,
        "sum" => Reduction::Sum,
        "none" => Reduction::None,
        other => panic!("no reduction {other}"),
    }
}

/// The loss of a case for this input; the case's other tensors come from the file.
fn loss(case: &Case, input: &Tensor, golden: &Golden) -> Tensor {
    let find = |key: &str| golden.find(&format!("{}/{key}", case.name())).map(|a| a.tensor(golden.dtype));
    let (target, weight, reduction) = (find("target").expect("a target"), find("weight"), reduction(case));
    match case.text("op") {
        "mse" => input.mse_loss(&target, reduction),
        "cross_entropy" => {
            let ignore_index = case.get("ignore_index").as_i64();
            let label_smoothing = case.number("label_smoothing");
            let options = CrossEntropyOptions { weight, label_smoothing, ignore_index, reduction };
            input.cross_entropy(&target, &options)
        }
        "bce" => input.binary_cross_entropy(&target, &BinaryCrossEntropyOptions { weight, reduction }),
        "bce_with_logits" => {
            let options =
                BinaryCrossEntropyWithLogitsOptions { weight, pos_weight: find("pos_weight"), reduction };
            input.binary_cross_entropy_with_logits(&target, &options)
        }
        other => panic!("no loss {other}"),
    }
}

#[test]
fn every_loss() {
    for (name, _, limit) in DTYPES {
        let golden = Golden::read(&data(), "losses", name);
        let mut judge = Judge::new(format!("losses, {name}"), limit);
        for case in &golden.cases {
            let at = |key: &str| format!("{}/{key}", case.name());
            let input = golden.tensor(&at("input")).requires_grad();
            let out = loss(case, &input, &golden);
            judge.tensor(&at("out"), &out, golden.array(&at("out")));
            // The gradient that is itself recorded comes from other formulas than the fast one.
            for create in [Create::Value, Create::Graph] {
                let grad = grad_from(&[&out], &[&golden.tensor(&at("dout"))], &[&input], create).remove(0);
                judge.tensor(&format!("{} ({create:?})", at("dinput")), &grad, golden.array(&at("dinput")));
            }
        }
        judge.finish();
    }
}
