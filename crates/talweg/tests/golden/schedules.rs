//! Learning rates, step by step. Every schedule is compared with the reference's that means the same.

use talweg::optim::{CycleHeight, Cyclic, Optimizer, Plateau, Schedule, Sgd};
use talweg::tensor::{DType, Param, Tensor};

use crate::file::{Case, Golden, Judge, data};

fn schedule(case: &Case, steps: usize) -> Schedule {
    let (lr, over) = (case.number("lr"), |s: Schedule, steps: f64| s.over(steps as u64, 1));
    match case.text("op") {
        "step" => Schedule::step(lr, case.size("step_size") as u64, case.number("gamma")),
        "exponential" => Schedule::exponential(lr, case.number("gamma")),
        "cosine" => over(Schedule::cosine_to(lr, case.number("eta_min")), case.number("T_max")),
        "linear" => over(
            Schedule::linear(lr * case.number("start_factor"), lr * case.number("end_factor")),
            case.number("total_iters"),
        ),
        "one_cycle" => over(Schedule::one_cycle(case.number("max_lr")), case.number("total_steps")),
        "multi_step" => {
            let milestones: Vec<u64> = case.list("milestones").iter().map(|&at| at as u64).collect();
            Schedule::multi_step(lr, &milestones, case.number("gamma"))
        }
        "polynomial" => over(Schedule::polynomial(lr, 0.0, case.number("power")), case.number("total_iters")),
        "inverse_time" => Schedule::inverse_time(lr, case.number("rate")),
        "inverse_sqrt" => Schedule::inverse_sqrt(lr, case.size("warmup") as u64),
        "cosine_restarts" => {
            let (first, growth) = (case.size("T_0") as u64, case.size("T_mult") as u64);
            Schedule::cosine_restarts(lr, case.number("eta_min"), first, growth)
        }
        "cyclic" => cyclic(case),
        "product" => {
            let held = Schedule::constant(case.number("factor"));
            let held = held.then(case.size("total_iters") as u64, 1.0.into());
            Schedule::exponential(lr, case.number("gamma")).times(held)
        }
        "chain" => {
            let at: Vec<u64> = case.list("milestones").iter().map(|&at| at as u64).collect();
            let parts = vec![
                Schedule::constant(lr * case.number("factor")),
                over(Schedule::cosine(lr), case.number("T_max")),
                Schedule::exponential(lr, case.number("gamma")),
            ];
            Schedule::chain(&at, parts)
        }
        "warmup_cosine" if case.size("iters") == case.size("at") => {
            let rise = Schedule::linear(lr * case.number("start_factor"), lr);
            let fall = Schedule::cosine_to(lr, case.number("eta_min"));
            over(rise.then(case.size("at") as u64, fall), steps as f64)
        }
        "warmup_cosine" => {
            let fall = Schedule::cosine_to(lr, case.number("eta_min"));
            over(fall.warmup(case.size("at") as u64), case.number("total"))
        }
        "warmup_exponential" => {
            Schedule::exponential(lr, case.number("gamma")).warmup(case.size("at") as u64)
        }
        other => panic!("no schedule for {other}"),
    }
}

fn cyclic(case: &Case) -> Schedule {
    let height = match case.text("mode") {
        "triangular" => CycleHeight::Triangular,
        "triangular2" => CycleHeight::Triangular2,
        "exp_range" => CycleHeight::ExpRange(case.number("gamma")),
        other => panic!("no mode {other}"),
    };
    let down = case.find("step_size_down").map(|_| case.size("step_size_down") as u64);
    let cycle = Cyclic { up: case.size("step_size_up") as u64, down, height };
    Schedule::cyclic(case.number("base_lr"), case.number("max_lr"), cycle)
}

/// The rate after each score.
fn plateau(case: &Case) -> Vec<f64> {
    let plateau = Plateau {
        factor: case.number("factor"),
        patience: case.size("patience") as u64,
        threshold: case.number("threshold"),
        relative: case.text("threshold_mode") == "rel",
        cooldown: case.size("cooldown") as u64,
        lowest: case.number("min_lr"),
        eps: case.number("eps"),
        higher_is_better: case.text("mode") == "max",
    };
    let w = Param::new(Tensor::zeros([1], DType::F32));
    let params = vec![("w".to_string(), w)];
    let mut optimizer = Optimizer::new(Sgd::default(), case.number("lr"), params).plateau(plateau);
    let mut heard = |score: &f64| {
        optimizer.observe(*score);
        optimizer.lr()
    };
    case.list("scores").iter().map(&mut heard).collect()
}

#[test]
fn every_schedule() {
    let golden = Golden::read(&data(), "schedules", "f64");
    let mut judge = Judge::new("schedules", 1e-10);
    for case in &golden.cases {
        let expected = &golden.array(case.name()).data;
        if case.text("op") == "plateau" {
            judge.slices(case.name(), &plateau(case), expected);
            continue;
        }
        let schedule = schedule(case, expected.len());
        for (step, want) in expected.iter().enumerate() {
            judge.slices(&format!("{} at {step}", case.name()), &[schedule.at(step as u64)], &[*want]);
        }
    }
    judge.finish();
}
