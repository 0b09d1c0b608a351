//! The optimizer and its learning rate, as the configuration names them.

use std::sync::Arc;

use talweg::nn::Layer;
use talweg::optim::{
    Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Asgd, Clip, CycleHeight, Cyclic, Ema, Group, Lamb,
    Lars, Lion, Lookahead, Muon, MuonScale, NAdam, OneCycle, Plateau, RAdam, RmsProp, Rprop, Rule, Sam,
    Schedule, ScheduleFreeAdamW, ScheduleFreeSgd, Sgd, Swa,
};
use talweg::train::{Monitor, Trainer};

use crate::config::train::{self, Average, Height, Optimizer, Train, Unit};

/// The rule, with the average that is taken of the weights, for epochs of `batches` steps.
pub(super) fn rule(train: &Train, batches: u64) -> Arc<dyn Rule> {
    let rule = plain(&train.optimizer);
    match train.average {
        None => rule,
        Some(Average::Ema { decay }) => Arc::new(Ema { rule, decay }),
        Some(Average::Swa { start, every }) => {
            let steps = |epochs: u64| epochs.saturating_mul(batches);
            // The first weights that count are those at the end of the first epoch behind the start.
            let start = steps(start.saturating_add(1)).saturating_sub(1);
            Arc::new(Swa { rule, start, every: steps(every) })
        }
        Some(Average::Lookahead { every, alpha }) => Arc::new(Lookahead { rule, every, alpha }),
    }
}

/// What surrounds the steps: limits of the gradients, groups, plateaus, SAM, parts of batches.
pub(super) fn refine<M: Layer>(mut trainer: Trainer<M>, train: &Train) -> Trainer<M> {
    for clip in &train.clip {
        trainer = trainer.clip(match *clip {
            train::Clip::Norm(norm) => Clip::Norm(norm),
            train::Clip::Value(value) => Clip::Value(value),
            train::Clip::Adaptive(factor) => Clip::Adaptive { factor, eps: 1e-3 },
        });
    }
    for group in &train.groups {
        let options = Group { lr: Some(group.lr), weight_decay: group.weight_decay, rule: None };
        trainer = trainer.group(&group.pattern, options);
    }
    if let Some(train::Plateau { patience, factor, metric, threshold, cooldown, lr_min }) = train.plateau {
        let plateau = Plateau { patience, factor, threshold, cooldown, lowest: lr_min, ..Plateau::default() };
        trainer = trainer.plateau(plateau, monitor(metric));
    }
    if let Some(train::Sam { rho, adaptive }) = train.sam {
        trainer = trainer.sam(Sam { rho, adaptive });
    }
    trainer.accumulate(train.accumulate)
}

/// The score that is watched.
pub(super) fn monitor(metric: train::Metric) -> Monitor {
    match metric {
        train::Metric::Loss => Monitor::Loss,
        train::Metric::Accuracy => Monitor::Metric("accuracy".to_owned()),
    }
}

fn plain(optimizer: &Optimizer) -> Arc<dyn Rule> {
    match *optimizer {
        Optimizer::Sgd { momentum, dampening, nesterov, weight_decay, .. } => {
            Arc::new(Sgd { momentum, dampening, nesterov, weight_decay })
        }
        Optimizer::Adam { betas: [beta1, beta2], eps, weight_decay, .. } => {
            Arc::new(Adam { beta1, beta2, eps, weight_decay, ..Adam::default() })
        }
        Optimizer::AdamW { betas: [beta1, beta2], eps, weight_decay, .. } => {
            Arc::new(AdamW { beta1, beta2, eps, weight_decay, ..AdamW::default() })
        }
        Optimizer::RmsProp { alpha, eps, momentum, centered, weight_decay, .. } => {
            Arc::new(RmsProp { alpha, eps, momentum, centred: centered, weight_decay })
        }
        Optimizer::Adagrad { lr_decay, eps, initial_accumulator, weight_decay, .. } => {
            Arc::new(Adagrad { lr_decay, eps, initial: initial_accumulator, weight_decay })
        }
        Optimizer::Adamax { betas: [beta1, beta2], eps, weight_decay, .. } => {
            Arc::new(Adamax { beta1, beta2, eps, weight_decay })
        }
        Optimizer::NAdam { betas: [beta1, beta2], eps, momentum_decay, weight_decay, decoupled, .. } => {
            Arc::new(NAdam { beta1, beta2, eps, momentum_decay, weight_decay, decoupled })
        }
        Optimizer::RAdam { betas: [beta1, beta2], eps, weight_decay, decoupled, .. } => {
            Arc::new(RAdam { beta1, beta2, eps, weight_decay, decoupled })
        }
        Optimizer::Adadelta { rho, eps, weight_decay, .. } => Arc::new(Adadelta { rho, eps, weight_decay }),
        Optimizer::Rprop { etas: [shrink, grow], step_sizes: [smallest, largest], .. } => {
            Arc::new(Rprop { shrink, grow, smallest, largest })
        }
        _ => newer(optimizer),
    }
}

fn newer(optimizer: &Optimizer) -> Arc<dyn Rule> {
    match *optimizer {
        Optimizer::Asgd { lambd, alpha, t0, weight_decay, .. } => {
            Arc::new(Asgd { decay: lambd, power: alpha, start: t0, weight_decay })
        }
        Optimizer::Lion { betas: [beta1, beta2], weight_decay, .. } => {
            Arc::new(Lion { beta1, beta2, weight_decay })
        }
        Optimizer::Lamb { betas: [beta1, beta2], eps, weight_decay, .. } => {
            Arc::new(Lamb { beta1, beta2, eps, weight_decay })
        }
        Optimizer::Lars { momentum, nesterov, trust, eps, weight_decay, .. } => {
            Arc::new(Lars { momentum, nesterov, trust, eps, weight_decay })
        }
        Optimizer::Adafactor { beta2_decay, eps, clip, weight_decay, .. } => {
            Arc::new(Adafactor { beta2_decay, eps1: None, eps2: eps, clip, weight_decay })
        }
        Optimizer::Muon { momentum, nesterov, scale, others_lr, weight_decay, .. } => {
            let scale = match scale {
                train::MuonScale::Original => MuonScale::Original,
                train::MuonScale::AdamW => MuonScale::LikeAdamW,
                train::MuonScale::Spectral => MuonScale::Spectral,
            };
            let others = AdamW { weight_decay, ..AdamW::default() };
            Arc::new(Muon { momentum, nesterov, scale, weight_decay, others, others_lr, ..Muon::default() })
        }
        Optimizer::ScheduleFreeSgd { beta, weight_decay, .. } => {
            Arc::new(ScheduleFreeSgd { beta, weight_decay })
        }
        Optimizer::ScheduleFreeAdamW { betas: [beta1, beta2], eps, weight_decay, .. } => {
            Arc::new(ScheduleFreeAdamW { beta1, beta2, eps, weight_decay })
        }
        ref other => unreachable!("{other:?} was built before"),
    }
}

/// The schedule that peaks at `lr`, for epochs of `batches` steps.
pub(super) fn schedule(schedule: &train::Schedule, lr: f64, batches: u64) -> Schedule {
    let steps = |length: u64, unit: Unit| match unit {
        Unit::Steps => length,
        Unit::Epochs => length.saturating_mul(batches),
    };
    let in_unit = |schedule: Schedule, unit: &Unit| match unit {
        Unit::Steps => schedule,
        Unit::Epochs => schedule.per_epoch(),
    };
    match schedule {
        train::Schedule::Constant => Schedule::constant(lr),
        train::Schedule::Step { every, factor, unit } => in_unit(Schedule::step(lr, *every, *factor), unit),
        train::Schedule::Exponential { factor, unit } => in_unit(Schedule::exponential(lr, *factor), unit),
        train::Schedule::Cosine { lr_min } => Schedule::cosine_to(lr, *lr_min),
        train::Schedule::OneCycle { pct_start, div_factor, final_div_factor } => {
            let cycle = OneCycle { rise: *pct_start, start: *div_factor, end: *final_div_factor };
            Schedule::one_cycle_with(lr, cycle)
        }
        train::Schedule::Linear { lr_min } => Schedule::linear(lr, *lr_min),
        train::Schedule::Polynomial { power, lr_min } => Schedule::polynomial(lr, *lr_min, *power),
        train::Schedule::MultiStep { milestones, factor, unit } => {
            in_unit(Schedule::multi_step(lr, milestones, *factor), unit)
        }
        train::Schedule::InverseTime { rate, unit } => in_unit(Schedule::inverse_time(lr, *rate), unit),
        train::Schedule::InverseSqrt { warmup_length, unit } => {
            in_unit(Schedule::inverse_sqrt(lr, *warmup_length), unit)
        }
        train::Schedule::CosineRestarts { first, growth, lr_min, unit } => {
            in_unit(Schedule::cosine_restarts(lr, *lr_min, *first, *growth), unit)
        }
        train::Schedule::Cyclic { up, down, lr_min, height, gamma, unit } => {
            let height = match height {
                Height::Triangular => CycleHeight::Triangular,
                Height::Triangular2 => CycleHeight::Triangular2,
                Height::ExpRange => CycleHeight::ExpRange(*gamma),
            };
            in_unit(Schedule::cyclic(*lr_min, lr, Cyclic { up: *up, down: *down, height }), unit)
        }
        train::Schedule::Warmup { length, unit, then } => {
            self::schedule(then, lr, batches).warmup(steps(*length, *unit))
        }
        train::Schedule::Hold { length, unit, then } => {
            Schedule::constant(lr).then(steps(*length, *unit), self::schedule(then, lr, batches))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn config(train: &str) -> Config {
        let text = format!(
            "[data]\nsource = \"xor\"\n[model]\nlayers = [{{ linear = \"classes\" }}]\n[train]\n{train}\n"
        );
        Config::parse("a.toml", &text, &[]).unwrap_or_else(|problems| panic!("{problems}\nin\n{text}"))
    }

    /// Each name makes the rule of that name, and what it keeps is what the estimate of memory says.
    #[test]
    fn every_optimizer_is_the_rule_of_its_name() {
        use talweg::tensor::{DType, Tensor};
        let names = [
            "sgd",
            "adam",
            "adamw",
            "rmsprop",
            "adagrad",
            "adamax",
            "nadam",
            "radam",
            "adadelta",
            "rprop",
            "asgd",
            "lion",
            "lamb",
            "lars",
            "adafactor",
            "muon",
            "schedule-free-sgd",
            "schedule-free-adamw",
        ];
        let weight = Tensor::zeros([40, 50], DType::F32);
        for name in names {
            let optimizer = config(&format!("optimizer = \"{name}\"")).train.optimizer;
            let rule = plain(&optimizer);
            assert_eq!(rule.name(), name.replace('-', "_"));
            let kept: usize = rule.init(&weight).iter().map(|(_, x)| x.numel()).sum();
            // Numbers that belong to the whole weight, or to its rows and columns, do not count.
            assert_eq!((kept / 2000) as u64, optimizer.slots(), "{name}");
        }
    }

    #[test]
    fn settings_reach_the_rules() {
        let cases = [
            (
                "{ rprop = 0.1, etas = [0.4, 1.3], step_sizes = [1e-3, 2] }",
                "shrink: 0.4, grow: 1.3, smallest: 0.001, largest: 2.0",
            ),
            (
                "{ asgd = 0.1, lambd = 0.5, alpha = 0.6, t0 = 7 }",
                "decay: 0.5, power: 0.6, start: 7, weight_decay: 0.0",
            ),
            (
                "{ lion = 0.1, betas = [0.3, 0.4], weight_decay = 2 }",
                "beta1: 0.3, beta2: 0.4, weight_decay: 2.0",
            ),
            (
                "{ lars = 0.1, trust = 0.3, nesterov = true }",
                "momentum: 0.9, nesterov: true, trust: 0.3, eps: 0.0",
            ),
            (
                "{ adafactor = 0.1, eps = 0.5, clip = 3 }",
                "beta2_decay: -0.8, eps1: None, eps2: 0.5, clip: 3.0",
            ),
            (
                "{ muon = 0.1, scale = \"adamw\", weight_decay = 0.3 }",
                "scale: LikeAdamW, weight_decay: 0.3, others: AdamW",
            ),
            (
                "{ nadam = 0.1, momentum_decay = 0.2, decoupled = true }",
                "momentum_decay: 0.2, weight_decay: 0.0, decoupled: true",
            ),
            ("{ schedule-free-sgd = 0.1, beta = 0.7 }", "beta: 0.7, weight_decay: 0.0"),
        ];
        for (text, want) in cases {
            let found = format!("{:?}", plain(&config(&format!("optimizer = {text}")).train.optimizer));
            assert!(found.contains(want), "{text}: {found}");
        }
    }

    /// The rates of a run of 100 steps, 10 an epoch, for the learning rate 1.
    #[test]
    fn every_schedule_gives_the_rates_of_its_formula() {
        let root = |x: f64| x.sqrt();
        let cases: [(&str, &[(u64, f64)]); 10] = [
            ("\"linear\"", &[(0, 1.0), (25, 0.75), (100, 0.0)]),
            ("{ linear = { lr_min = 0.5 } }", &[(50, 0.75), (100, 0.5)]),
            ("{ polynomial = 2.0 }", &[(0, 1.0), (50, 0.25)]),
            ("{ multi-step = [2, 5], factor = 0.5 }", &[(19, 1.0), (20, 0.5), (50, 0.25)]),
            ("{ inverse-time = 0.5, unit = \"steps\" }", &[(0, 1.0), (2, 0.5)]),
            ("{ inverse-sqrt = 4 }", &[(0, 0.25), (3, 1.0), (7, 1.0 / root(2.0))]),
            ("{ cosine-restarts = 2, growth = 2 }", &[(0, 1.0), (10, 0.5), (20, 1.0), (40, 0.5), (60, 1.0)]),
            ("{ cyclic = 10, lr_min = 0.5 }", &[(0, 0.5), (5, 0.75), (10, 1.0), (20, 0.5)]),
            ("{ cyclic = 10, down = 5, height = \"triangular2\" }", &[(10, 1.0), (15, 0.0), (25, 0.5)]),
            (
                "{ hold = 5, then = { cyclic = 1, height = \"exp-range\", gamma = 0.5 } }",
                &[(4, 1.0), (6, 0.5), (8, 0.125)],
            ),
        ];
        for (text, rates) in cases {
            let config = config(&format!("optimizer = {{ sgd = 1.0 }}\nschedule = {text}"));
            let schedule = schedule(&config.train.schedule, 1.0, 10).over(100, 10);
            for &(step, want) in rates {
                let found = schedule.at(step);
                assert!((found - want).abs() < 1e-12, "{text} at {step}: {found}, not {want}");
            }
        }
    }

    #[test]
    fn averages_are_around_the_rule() {
        let cases = [
            ("{ ema = 0.5 }", "Ema { rule: Lion", "decay: 0.5"),
            ("\"lookahead\"", "Lookahead { rule: Lion", "every: 5, alpha: 0.5"),
            // The weights after the epochs 3, 5, .. of 10 steps: the steps 30, 50, ..
            ("{ swa = 2, every = 2 }", "Swa { rule: Lion", "start: 29, every: 20"),
        ];
        for (text, rule, settings) in cases {
            let config = config(&format!("optimizer = \"lion\"\naverage = {text}"));
            let found = format!("{:?}", super::rule(&config.train, 10));
            assert!(found.starts_with(rule) && found.contains(settings), "{text}: {found}");
        }
    }
}
