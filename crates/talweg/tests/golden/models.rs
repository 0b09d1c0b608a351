//! Whole models: twenty steps with the same weights and batches; every loss and every gradient.

use std::collections::BTreeMap;

use talweg_tensor::{DType, Param, Tensor};

use crate::file::{DTYPES, Golden, Judge, data, numbers};

/// Cross-entropy written out in tensor operations: the mean of log(sum of exp(z)) - z[class].
fn cross_entropy(logits: &Tensor, classes: &Tensor) -> Tensor {
    let z = logits - &logits.max_keep(-1).detach();
    let log_sum = z.exp().sum_keep(-1).ln();
    (&log_sum - &z.gather(-1, &classes.unsqueeze(-1))).mean(..)
}

#[test]
fn the_dense_network_in_tensor_operations() {
    for (name, dtype, limit) in DTYPES {
        let golden = Golden::read(&data(), "mlp", name);
        let params: BTreeMap<&str, Param> =
            golden.names("init/").map(|key| (key, Param::new(golden.tensor(&format!("init/{key}"))))).collect();
        let mut judge = Judge::new(format!("mlp in tensor operations, {name}"), limit);
        let forward = |x: &Tensor| {
            let layer = |x: &Tensor, i: usize| {
                x.linear(&params[&format!("{i}.weight")[..]].get(), Some(&params[&format!("{i}.bias")[..]].get()))
            };
            layer(&layer(&layer(x, 0).relu(), 2).relu(), 4)
        };
        step_through(&golden, dtype, &params, forward, &mut judge);
        judge.finish();
    }
}

fn step_through(
    golden: &Golden,
    dtype: DType,
    params: &BTreeMap<&str, Param>,
    forward: impl Fn(&Tensor) -> Tensor,
    judge: &mut Judge,
) {
    let case = &golden.cases[0];
    for step in 0..case.size("steps") {
        let (x, y) = (golden.array("x").row(step).tensor(dtype), golden.array("y").row(step).tensor(dtype));
        let logits = forward(&x);
        if step == 0 {
            judge.tensor("logits", &logits, golden.array("logits"));
        }
        let loss = cross_entropy(&logits, &y);
        judge.slices(&format!("loss {step}"), &numbers(&loss), &golden.array("loss").row(step).data);
        let grads = loss.backward();
        for (key, p) in params {
            let grad = grads.wrt(p);
            judge.tensor(&format!("grad/{step}/{key}"), &grad, golden.array(&format!("grad/{step}/{key}")));
            p.update(|w| *w = &*w - &(&grad * case.number("lr")));
        }
    }
}
