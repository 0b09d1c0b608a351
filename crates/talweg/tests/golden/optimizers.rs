//! Ten steps of every optimizer, with gradients given beforehand.

use std::sync::Arc;

use talweg::optim::{Adagrad, Adam, AdamW, Optimizer, RmsProp, Rule, Schedule, Sgd};
use talweg::tensor::{Grad, Gradients, Param};

use crate::file::{Array, Case, DTYPES, Golden, Judge, data, numbers};

fn rule(case: &Case) -> Arc<dyn Rule> {
    let weight_decay = case.number("weight_decay");
    match case.text("op") {
        "sgd" => Arc::new(Sgd {
            momentum: case.number("momentum"),
            dampening: case.number("dampening"),
            nesterov: case.flag("nesterov"),
            weight_decay,
        }),
        "adam" => {
            let (beta1, beta2) = betas(case);
            Arc::new(Adam {
                beta1,
                beta2,
                eps: case.number("eps"),
                weight_decay,
                amsgrad: case.flag("amsgrad"),
            })
        }
        "adamw" => {
            let (beta1, beta2) = betas(case);
            Arc::new(AdamW {
                beta1,
                beta2,
                eps: case.number("eps"),
                weight_decay,
                amsgrad: case.flag("amsgrad"),
            })
        }
        "rmsprop" => Arc::new(RmsProp {
            alpha: case.number("alpha"),
            eps: case.number("eps"),
            momentum: case.number("momentum"),
            centred: case.flag("centered"),
            weight_decay,
        }),
        "adagrad" => Arc::new(Adagrad {
            lr_decay: case.number("lr_decay"),
            eps: case.number("eps"),
            initial: case.number("initial_accumulator_value"),
            weight_decay,
        }),
        other => panic!("no rule for {other}"),
    }
}

fn betas(case: &Case) -> (f64, f64) {
    let betas = case.list("betas");
    (betas[0], betas[1])
}

/// |a - b| over the largest size that the element has had, elements that stay zero left out; 0 where all agree.
///
/// The elements of a parameter do not mix in an optimizer, so each has its own scale.
fn by_element(got: &[f64], want: &[f64], size: &mut [f64]) -> (f64, usize) {
    let mut worst = (0.0, 0);
    for (i, (a, b)) in got.iter().zip(want).enumerate() {
        size[i] = size[i].max(b.abs());
        let error = if a == b { 0.0 } else { (a - b).abs() / size[i] };
        if error.is_nan() || error > worst.0 {
            worst = (if error.is_nan() { f64::INFINITY } else { error }, i);
        }
    }
    worst
}

/// One parameter on its way.
struct Track {
    name: &'static str,
    param: Param,
    size: Vec<f64>,
    gradients: Array,
    expected: Array,
}

fn replay(golden: &Golden, case: &Case, judge: &mut Judge) {
    let mut tracks = ["w", "b"].map(|name| {
        let initial = golden.array(&format!("init/{name}"));
        Track {
            name,
            param: Param::new(initial.tensor(golden.dtype)),
            size: initial.data.iter().map(|x| x.abs()).collect(),
            gradients: golden.array(&format!("grad/{name}")).clone(),
            expected: golden.array(&format!("{}/{name}", case.name())).clone(),
        }
    });
    let params = tracks.iter().map(|t| (t.name.to_string(), t.param.clone())).collect();
    let mut optimizer = Optimizer::with_rule(rule(case), Schedule::constant(case.number("lr")), params);
    for step in 0..10 {
        let mut grads = Gradients::default();
        for t in &tracks {
            grads.set(t.param.id(), Grad::Dense(t.gradients.row(step).tensor(golden.dtype)));
        }
        optimizer.step(&grads);
        for t in &mut tracks {
            let (got, want) = (numbers(&t.param.get()), t.expected.row(step).data);
            let (error, at) = by_element(&got, &want, &mut t.size);
            let text = format!(
                "{} step {step} {}[{at}]: got {:e}, expected {:e}",
                case.name(),
                t.name,
                got[at],
                want[at]
            );
            judge.note(error, text);
        }
    }
}

#[test]
fn ten_steps_of_every_optimizer() {
    for (name, _, limit) in DTYPES {
        let golden = Golden::read(&data(), "optimizers", name);
        let mut judge = Judge::new(format!("optimizers, {name}"), limit);
        for case in &golden.cases {
            replay(&golden, case, &mut judge);
        }
        judge.finish();
    }
}
