//! Ten steps of every optimizer, with gradients given beforehand.

use std::sync::Arc;

use talweg::optim::{
    Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Asgd, Ema, Lamb, Lars, Lion, Muon, MuonScale, NAdam,
    Optimizer, RAdam, RmsProp, Rprop, Rule, Schedule, ScheduleFreeAdamW, ScheduleFreeSgd, Sgd, SparseAdam,
    Swa,
};
use talweg::tensor::{Grad, Gradients, Param};

use crate::file::{Array, Case, Golden, Judge, data, numbers};

/// A step is a few roundings: less than what the layers of a model collect.
const LIMITS: [(&str, f64); 2] = [("f32", 1e-6), ("f64", 1e-12)];

fn rule(case: &Case) -> Arc<dyn Rule> {
    match case.text("op") {
        "rprop" => {
            let (etas, sizes) = (case.list("etas"), case.list("step_sizes"));
            Arc::new(Rprop { shrink: etas[0], grow: etas[1], smallest: sizes[0], largest: sizes[1] })
        }
        "sparse_adam" => {
            let (beta1, beta2) = betas(case);
            Arc::new(SparseAdam { beta1, beta2, eps: case.number("eps") })
        }
        "ema" => Arc::new(Ema { rule: momentum(case), decay: case.number("decay") }),
        "swa" => {
            let (start, every) = (case.size("start") as u64, case.size("every") as u64);
            Arc::new(Swa { rule: momentum(case), start, every })
        }
        _ => with_decay(case, case.number("weight_decay")),
    }
}

fn momentum(case: &Case) -> Sgd {
    Sgd { momentum: case.number("momentum"), ..Default::default() }
}

/// The rules with a weight decay.
fn with_decay(case: &Case, weight_decay: f64) -> Arc<dyn Rule> {
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
        _ => newer(case, weight_decay),
    }
}

fn newer(case: &Case, weight_decay: f64) -> Arc<dyn Rule> {
    let eps = || case.number("eps");
    let decoupled = || case.flag("decoupled_weight_decay");
    match case.text("op") {
        "adamax" => {
            let (beta1, beta2) = betas(case);
            Arc::new(Adamax { beta1, beta2, eps: eps(), weight_decay })
        }
        "nadam" => {
            let ((beta1, beta2), momentum_decay) = (betas(case), case.number("momentum_decay"));
            Arc::new(NAdam { beta1, beta2, eps: eps(), momentum_decay, weight_decay, decoupled: decoupled() })
        }
        "radam" => {
            let (beta1, beta2) = betas(case);
            Arc::new(RAdam { beta1, beta2, eps: eps(), weight_decay, decoupled: decoupled() })
        }
        "adadelta" => Arc::new(Adadelta { rho: case.number("rho"), eps: eps(), weight_decay }),
        "asgd" => Arc::new(Asgd {
            decay: case.number("lambd"),
            power: case.number("alpha"),
            start: case.number("t0") as u64,
            weight_decay,
        }),
        "adafactor" => {
            let eps = case.get("eps");
            Arc::new(Adafactor {
                beta2_decay: case.number("beta2_decay"),
                eps1: eps[0].as_f64(),
                eps2: eps[1].as_f64().expect("a number"),
                clip: case.number("d"),
                weight_decay,
            })
        }
        "muon" => Arc::new(Muon {
            momentum: case.number("momentum"),
            nesterov: case.flag("nesterov"),
            steps: case.size("ns_steps") as u32,
            eps: eps(),
            scale: match case.text("adjust_lr_fn") {
                "original" => MuonScale::Original,
                "match_rms_adamw" => MuonScale::LikeAdamW,
                "spectral_unclamped" => MuonScale::Spectral,
                other => panic!("no scale for {other}"),
            },
            weight_decay,
            others: AdamW { weight_decay, ..Default::default() },
            others_lr: case.number("others_lr"),
            ..Default::default()
        }),
        "lion" => {
            let (beta1, beta2) = betas(case);
            Arc::new(Lion { beta1, beta2, weight_decay })
        }
        "lamb" => {
            let (beta1, beta2) = betas(case);
            Arc::new(Lamb { beta1, beta2, eps: eps(), weight_decay })
        }
        "lars" => Arc::new(Lars {
            momentum: case.number("momentum"),
            nesterov: case.flag("nesterov"),
            trust: case.number("trust"),
            eps: eps(),
            weight_decay,
        }),
        "schedule_free_sgd" => Arc::new(ScheduleFreeSgd { beta: case.number("beta"), weight_decay }),
        "schedule_free_adamw" => {
            let (beta1, beta2) = betas(case);
            Arc::new(ScheduleFreeAdamW { beta1, beta2, eps: eps(), weight_decay })
        }
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
    /// What is evaluated, for rules that train other weights than those.
    evaluated: Option<Array>,
}

impl Track {
    fn compare(&mut self, what: &str, want: &Array, judge: &mut Judge) {
        let (got, want) = (numbers(&self.param.get()), &want.data);
        let (error, at) = by_element(&got, want, &mut self.size);
        judge.note(error, format!("{what} {}[{at}]: got {:e}, expected {:e}", self.name, got[at], want[at]));
    }
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
            evaluated: golden.find(&format!("{}/evaluated/{name}", case.name())).cloned(),
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
            let want = t.expected.row(step);
            t.compare(&format!("{} step {step}", case.name()), &want, judge);
        }
        let averaged = optimizer.evaluation_weights();
        for t in &mut tracks {
            if let Some(evaluated) = &t.evaluated {
                let want = evaluated.row(step);
                t.compare(&format!("{} evaluated after step {step}", case.name()), &want, judge);
            }
        }
        assert!(averaged.is_empty() || tracks[0].evaluated.is_some(), "{}", case.name());
    }
}

#[test]
fn ten_steps_of_every_optimizer() {
    for (name, limit) in LIMITS {
        let golden = Golden::read(&data(), "optimizers", name);
        let mut judge = Judge::new(format!("optimizers, {name}"), limit);
        for case in &golden.cases {
            replay(&golden, case, &mut judge);
        }
        judge.finish();
    }
}

#[test]
fn ten_steps_on_rows_of_a_table() {
    for (name, limit) in LIMITS {
        let golden = Golden::read(&data(), "rows", name);
        let mut judge = Judge::new(format!("row-sparse optimizers, {name}"), limit);
        for case in &golden.cases {
            let table = Param::new(golden.tensor("init"));
            let rule = match case.text("op") {
                "sgd" => Arc::new(Sgd::default()),
                _ => rule(case),
            };
            let params = vec![("table".to_string(), table.clone())];
            let mut optimizer = Optimizer::with_rule(rule, Schedule::constant(case.number("lr")), params);
            let mut size: Vec<f64> = golden.array("init").data.iter().map(|x| x.abs()).collect();
            for step in 0..10 {
                let values = golden.array("grad").row(step).tensor(golden.dtype);
                let index = golden.array("index").row(step).tensor(golden.dtype);
                let mut grads = Gradients::default();
                grads.set(table.id(), Grad::Rows { index, values });
                optimizer.step(&grads);
                let want = golden.array(case.name()).row(step).data;
                let (error, at) = by_element(&numbers(&table.get()), &want, &mut size);
                judge.note(error, format!("{} step {step} [{at}]", case.name()));
            }
        }
        judge.finish();
    }
}
