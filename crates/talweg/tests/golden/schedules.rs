//! Learning rates, step by step. Every schedule is compared with the reference's that means the same.

use talweg::optim::Schedule;

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
        "multi_step" => milestones(lr, case.number("gamma"), &case.list("milestones"), 0.0),
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

/// Constants in a chain, each until the next milestone.
fn milestones(lr: f64, factor: f64, at: &[f64], now: f64) -> Schedule {
    match at {
        [] => Schedule::constant(lr),
        [next, rest @ ..] => {
            Schedule::constant(lr).then((next - now) as u64, milestones(lr * factor, factor, rest, *next))
        }
    }
}

#[test]
fn every_schedule() {
    let golden = Golden::read(&data(), "schedules", "f64");
    let mut judge = Judge::new("schedules", 1e-10);
    for case in &golden.cases {
        let expected = &golden.array(case.name()).data;
        let schedule = schedule(case, expected.len());
        for (step, want) in expected.iter().enumerate() {
            judge.slices(&format!("{} at {step}", case.name()), &[schedule.at(step as u64)], &[*want]);
        }
    }
    judge.finish();
}
