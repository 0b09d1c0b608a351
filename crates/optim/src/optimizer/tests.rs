//! Every rule: convergence, exact state; groups, freezing, refusals.

mod rows;

use super::*;
use crate::{
    Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Asgd, Ema, Lamb, Lars, Lion, Lookahead, Muon, NAdam,
    RAdam, RmsProp, Rprop, Sam, ScheduleFreeAdamW, ScheduleFreeSgd, Sgd, SparseAdam, Swa,
};
use talweg_tensor::{DType, Tensor};

/// A rule, its learning rates for the parabola and for Rosenbrock's valley, and the steps that the valley takes.
struct Trial {
    rule: Arc<dyn Rule>,
    parabola: f64,
    valley: Schedule,
    steps: usize,
    shape: &'static [usize],
}

/// On a parameter `[2]`.
fn trial(rule: impl Rule + 'static, parabola: f64, valley: impl Into<Schedule>, steps: usize) -> Trial {
    Trial { rule: Arc::new(rule), parabola, valley: valley.into(), steps, shape: &[2] }
}

/// On a parameter `[2, 1]`, for rules that treat matrices in their own way.
fn matrix(rule: impl Rule + 'static, parabola: f64, valley: impl Into<Schedule>, steps: usize) -> Trial {
    Trial { shape: &[2, 1], ..trial(rule, parabola, valley, steps) }
}

/// A rate that falls to 0 in a straight line: for rules whose steps do not get smaller by themselves.
fn falling(lr: f64, steps: u64) -> Schedule {
    Schedule::linear(lr, 0.0).over(steps, steps)
}

/// Every rule.
fn rules() -> Vec<Trial> {
    vec![
        trial(Sgd::default(), 0.1, 1e-3, 40_000),
        trial(Sgd { momentum: 0.9, ..Default::default() }, 0.05, 2e-4, 20_000),
        trial(Sgd { momentum: 0.9, nesterov: true, ..Default::default() }, 0.05, 2e-4, 20_000),
        trial(Sgd { momentum: 0.9, dampening: 0.5, ..Default::default() }, 0.05, 4e-4, 20_000),
        trial(Adam::default(), 0.1, 2e-2, 10_000),
        trial(Adam { amsgrad: true, ..Default::default() }, 0.1, 2e-2, 20_000),
        trial(AdamW { weight_decay: 0.0, ..Default::default() }, 0.1, 2e-2, 10_000),
        trial(RmsProp::default(), 0.01, 1e-3, 20_000),
        trial(RmsProp { centred: true, momentum: 0.5, ..Default::default() }, 0.002, 2e-4, 30_000),
        trial(Adagrad::default(), 0.5, 0.5, 20_000),
        trial(Adamax::default(), 0.1, 2e-2, 5_000),
        trial(NAdam::default(), 0.1, 2e-2, 5_000),
        trial(RAdam::default(), 0.05, 3e-3, 10_000),
        trial(Adadelta::default(), 1.0, falling(0.5, 10_000), 10_000),
        trial(Rprop::default(), 0.1, 1e-2, 3_000),
        trial(Asgd { start: 1_000, ..Default::default() }, 0.05, 2e-3, 20_000),
        trial(Lion::default(), 0.005, 1e-3, 5_000),
        trial(Lamb::default(), 0.01, falling(1e-2, 5_000), 5_000),
        trial(Lars::default(), 1.0, 0.1, 20_000),
        trial(Adafactor::default(), 0.01, falling(0.03, 10_000), 10_000),
        matrix(Adafactor::default(), 0.01, falling(0.03, 10_000), 10_000),
        trial(Muon { weight_decay: 0.0, others_lr: 1.0, ..Default::default() }, 0.1, 2e-2, 5_000),
        matrix(Muon { weight_decay: 0.0, ..Default::default() }, 0.01, falling(5e-3, 5_000), 5_000),
        trial(ScheduleFreeSgd::default(), 0.1, 4e-3, 10_000),
        trial(ScheduleFreeAdamW::default(), 0.1, 5e-2, 5_000),
        trial(SparseAdam::default(), 0.1, 2e-2, 5_000),
        trial(Ema { rule: Adam::default(), decay: 0.99 }, 0.1, 2e-2, 5_000),
        trial(Swa { rule: Adam::default(), start: 1_500, every: 100 }, 0.1, 2e-2, 5_000),
        trial(Lookahead { rule: Adam::default(), ..Default::default() }, 0.1, 4e-2, 5_000),
        trial(
            Lookahead { rule: Arc::new(Lion::default()) as Arc<dyn Rule>, every: 3, alpha: 0.5 },
            0.005,
            2e-3,
            5_000,
        ),
    ]
}

fn point(x: f64, y: f64) -> Param {
    Param::new(Tensor::from_slice(&[x, y], [2]))
}

impl Trial {
    fn start(&self, x: f64, y: f64) -> Param {
        Param::new(Tensor::from_slice(&[x, y], self.shape))
    }

    fn optimizer(&self, lr: impl Into<Schedule>, param: &Param) -> Optimizer {
        optimizer(&self.rule, lr, param)
    }
}

fn optimizer(rule: &Arc<dyn Rule>, lr: impl Into<Schedule>, param: &Param) -> Optimizer {
    Optimizer::with_rule(rule.clone(), lr, vec![("x".into(), param.clone())])
}

fn rosenbrock(p: &Tensor) -> Tensor {
    let (x, y) = (p.narrow(0, 0, 1), p.narrow(0, 1, 1));
    ((1.0 - &x).square() + 100.0 * (y - x.square()).square()).sum(..)
}

#[test]
fn every_rule_finds_the_bottom_of_a_parabola() {
    for trial in rules() {
        let scale = Tensor::from_slice(&[1.0f64, 5.0], trial.shape);
        let w = trial.start(2.0, -3.0);
        let mut optimizer = trial.optimizer(trial.parabola, &w);
        for _ in 0..2000 {
            optimizer.step(&(w.get().square() * &scale).sum(..).backward());
        }
        let rule = &trial.rule;
        optimizer.evaluation_weights().forget();
        // RMSprop steps by about the learning rate in every direction, however near it is.
        assert!(w.get().to_vec::<f64>().iter().all(|x| x.abs() < 0.02), "{rule:?}: {}", w.get());
    }
}

#[test]
fn every_rule_goes_down_rosenbrock_s_valley() {
    for trial in rules() {
        let w = trial.start(-1.2, 1.0);
        let mut optimizer = trial.optimizer(trial.valley.clone(), &w);
        for _ in 0..trial.steps {
            optimizer.step(&rosenbrock(&w.get()).backward());
        }
        let rule = &trial.rule;
        optimizer.evaluation_weights().forget();
        let loss = rosenbrock(&w.get()).item();
        // From 24.2 at the start; the valley's floor is flat, so the way along it is long.
        assert!(loss < 1e-2, "{rule:?}: loss {loss} at {}", w.get());
    }
}

#[test]
fn a_saved_state_continues_to_the_bit() {
    for trial in rules() {
        let (a, b) = (trial.start(-1.2, 1.0), trial.start(0.0, 0.0));
        let mut whole = trial.optimizer(trial.valley.clone(), &a);
        for _ in 0..7 {
            whole.step(&rosenbrock(&a.get()).backward());
        }
        let (state, at) = (whole.state(), a.get().detach());
        b.set(&at);
        let mut resumed = trial.optimizer(trial.valley.clone(), &b);
        resumed.load_state(&state).unwrap();
        for _ in 0..7 {
            whole.step(&rosenbrock(&a.get()).backward());
            resumed.step(&rosenbrock(&b.get()).backward());
        }
        let rule = &trial.rule;
        assert_eq!(a.get().to_vec::<f64>(), b.get().to_vec::<f64>(), "{rule:?}");
        assert_eq!(resumed.count(), 14);
        let (_x, _y) = (whole.evaluation_weights(), resumed.evaluation_weights());
        assert_eq!(a.get().to_vec::<f64>(), b.get().to_vec::<f64>(), "{rule:?}, averaged");
    }
}

/// Shapes that models have at their edges: no elements, one, none of an axis, many axes.
#[test]
fn every_rule_takes_every_shape() {
    for trial in rules() {
        for dtype in [DType::F32, DType::F64] {
            for shape in [&[][..], &[1], &[0], &[3, 0], &[1, 1], &[2, 3, 2, 2]] {
                let w = Param::new(Tensor::ones(shape, dtype));
                let mut optimizer = trial.optimizer(0.01, &w);
                for _ in 0..3 {
                    optimizer.step(&(w.get().square().sum(..) * 0.5).backward());
                }
                optimizer.evaluation_weights().forget();
                let after = w.get().detach();
                assert_eq!((after.shape().to_vec().as_slice(), after.dtype()), (shape, dtype));
                let numbers = after.cast(DType::F64).to_vec::<f64>();
                let rule = &trial.rule;
                assert!(
                    numbers.iter().all(|x| (0.5..1.0).contains(x)),
                    "{rule:?} {dtype} {shape:?}: {numbers:?}"
                );
            }
        }
    }
}

#[test]
fn gradients_of_zero_move_nothing_and_make_no_nan() {
    for trial in rules() {
        let w = Param::new(Tensor::zeros([3, 2], DType::F32));
        let mut optimizer = trial.optimizer(0.01, &w);
        for _ in 0..3 {
            optimizer.step(&(w.get() * 0.0).sum(..).backward());
        }
        let rule = &trial.rule;
        assert_eq!(w.get().to_vec::<f32>(), [0.0; 6], "{rule:?}");
    }
}

#[test]
fn the_weight_decay_of_a_rule_can_be_changed() {
    let without = ["rprop", "sparse_adam"];
    for trial in rules() {
        let rule = &trial.rule;
        match rule.with_weight_decay(0.5) {
            None => assert!(without.contains(&rule.name()), "{rule:?}"),
            Some(other) => {
                assert_eq!(other.name(), rule.name());
                let (w, v) = (trial.start(1.0, -2.0), trial.start(1.0, -2.0));
                let (mut a, mut b) = (trial.optimizer(0.01, &w), optimizer(&other, 0.01, &v));
                // From the second step on: a rule that only looks at signs or at ratios may make the same first one.
                for _ in 0..5 {
                    a.step(&rosenbrock(&w.get()).backward());
                    b.step(&rosenbrock(&v.get()).backward());
                }
                assert_ne!(w.get().to_vec::<f64>(), v.get().to_vec::<f64>(), "{rule:?}");
            }
        }
    }
}

#[test]
fn a_state_of_another_rule_is_refused_and_changes_nothing() {
    let w = point(1.0, 1.0);
    let (adam, sgd): (Arc<dyn Rule>, Arc<dyn Rule>) = (Arc::new(Adam::default()), Arc::new(Sgd::default()));
    let (mut a, mut b) = (optimizer(&adam, 0.1, &w), optimizer(&sgd, 0.1, &w));
    a.step(&w.get().sum(..).backward());
    let error = b.load_state(&a.state()).unwrap_err().to_string();
    assert!(error.contains("saved by another optimizer"), "{error}");
    assert_eq!(b.count(), 0);
    b.step(&w.get().sum(..).backward());
    let error = a.load_state(&b.state()).unwrap_err().to_string();
    assert_eq!(error, "the saved optimizer state has no x/m, which the rule adam needs");
    let mut other = Optimizer::new(Sgd::default(), 0.1, vec![("y".into(), w)]);
    let error = other.load_state(&b.state()).unwrap_err().to_string();
    assert_eq!(error, "the saved optimizer state is of a parameter x, which this model does not have");
}

#[test]
fn updates_are_in_place() {
    let w = Param::new(Tensor::ones([1000], DType::F32));
    let mut optimizer = Optimizer::new(AdamW::default(), 0.1, vec![("w".into(), w.clone())]);
    let before = talweg_tensor::pool_stats().allocated_bytes;
    for _ in 0..100 {
        optimizer.step(&w.get().square().sum(..).backward());
    }
    // The pool may grow by a few blocks of 4 kB for the first step, not by one a step.
    assert!(talweg_tensor::pool_stats().allocated_bytes - before < 100_000);
}

#[test]
fn groups_have_their_own_rule_and_rate() {
    let (w, b) = (point(1.0, 1.0), point(1.0, 1.0));
    let params = vec![("w".to_string(), w.clone()), ("bias".to_string(), b.clone())];
    let mut optimizer = Optimizer::new(Sgd { weight_decay: 1.0, ..Default::default() }, 0.1, params).group(
        |n| n == "bias",
        Sgd::default(),
        0.5,
    );
    optimizer.step(&(w.get() * 0.0 + b.get()).sum(..).backward());
    assert_eq!(w.get().to_vec::<f64>(), [0.9, 0.9]);
    assert_eq!(b.get().to_vec::<f64>(), [0.95, 0.95]);
}

#[test]
fn parameters_without_gradient_are_reported_once() {
    let (w, unused) = (point(1.0, 1.0), point(2.0, 2.0));
    let params = vec![("w".to_string(), w.clone()), ("unused".to_string(), unused.clone())];
    let mut optimizer = Optimizer::new(Sgd::default(), 0.1, params);
    assert_eq!(optimizer.step(&w.get().sum(..).backward()).without_gradient, ["unused"]);
    assert!(optimizer.step(&w.get().sum(..).backward()).without_gradient.is_empty());
    assert_eq!(unused.get().to_vec::<f64>(), [2.0, 2.0]);
}

#[test]
fn frozen_parameters_stay() {
    let (w, frozen) = (point(1.0, 1.0), point(2.0, 2.0));
    frozen.freeze();
    let params = vec![("w".to_string(), w.clone()), ("frozen".to_string(), frozen.clone())];
    let mut optimizer = Optimizer::new(Sgd::default(), 0.1, params);
    let report = optimizer.step(&(w.get() * frozen.get()).sum(..).backward());
    assert!(report.without_gradient.is_empty());
    assert_eq!(frozen.get().to_vec::<f64>(), [2.0, 2.0]);
}

#[test]
#[should_panic(expected = "optimizer: not one of its 1 parameters has a gradient")]
fn a_step_that_moves_nothing_is_an_error() {
    let (w, other) = (point(1.0, 1.0), point(1.0, 1.0));
    Optimizer::new(Sgd::default(), 0.1, vec![("w".into(), w)]).step(&other.get().sum(..).backward());
}

#[test]
fn clipping_limits_the_step() {
    let w = point(3.0, 4.0);
    let params = vec![("w".to_string(), w.clone())];
    let mut optimizer = Optimizer::new(Sgd::default(), 1.0, params).clip(Clip::Norm(1.0));
    let report = optimizer.step(&(w.get().square().sum(..) * 0.5).backward());
    assert_eq!(report.norm, Some(5.0));
    let moved = w.get().to_vec::<f64>();
    assert!((moved[0] - 2.4).abs() < 1e-6 && (moved[1] - 3.2).abs() < 1e-6, "{moved:?}");
}

#[test]
fn groups_by_pattern_change_what_they_name() {
    let names = ["encoder.0.weight", "encoder.0.bias", "head.weight", "head.bias"];
    let params: Vec<_> = names.iter().map(|name| (name.to_string(), point(1.0, 1.0))).collect();
    let decayed = Sgd { weight_decay: 1.0, ..Default::default() };
    let mut optimizer = Optimizer::new(decayed, 0.1, params.clone())
        .group_by("head.*", Group { lr: Some(0.5), ..Default::default() })
        .group_by("*.bias", Group { weight_decay: Some(0.0), ..Default::default() })
        .group_by("encoder.?.bias", Group { rule: Some(Arc::new(Lion::default())), ..Default::default() });
    let loss = params.iter().fold(Tensor::zeros([], DType::F64), |sum, (_, p)| sum + p.get().sum(..) * 2.0);
    optimizer.step(&loss.backward());
    let at: Vec<f64> = params.iter().map(|(_, p)| p.get().to_vec::<f64>()[0]).collect();
    // 0.1 (2 + 1); Lion by its sign; half of 0.1 (2 + 1); half of 0.1 · 2.
    let want = [0.7, 0.9, 0.85, 0.9];
    assert!(at.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-12), "{at:?}");
}

#[test]
#[should_panic(expected = "optimizer: no parameter's name fits the group \"*.bais\"; there are x")]
fn a_group_that_fits_nothing_is_an_error() {
    optimizer(&(Arc::new(Sgd::default()) as Arc<dyn Rule>), 0.1, &point(1.0, 1.0))
        .group_by("*.bais", Group::default());
}

#[test]
#[should_panic(expected = "optimizer: the rule rprop of the group \"*\" has no weight decay")]
fn a_weight_decay_for_a_rule_without_one_is_an_error() {
    optimizer(&(Arc::new(Rprop::default()) as Arc<dyn Rule>), 0.1, &point(1.0, 1.0))
        .group_by("*", Group { weight_decay: Some(0.1), ..Default::default() });
}

#[test]
fn a_plateau_is_saved_with_the_state() {
    let w = point(1.0, 1.0);
    let plateau = Plateau { patience: 2, factor: 0.5, cooldown: 1, ..Default::default() };
    let new = || Optimizer::new(Adam::default(), 0.1, vec![("w".into(), w.clone())]).plateau(plateau);
    let mut whole = new();
    whole.step(&w.get().sum(..).backward());
    [1.0, 1.0, 1.0].into_iter().for_each(|loss| whole.observe(loss));
    let mut resumed = new();
    resumed.load_state(&whole.state()).unwrap();
    let mut plain = Optimizer::new(Adam::default(), 0.1, vec![("w".into(), w.clone())]);
    let error = plain.load_state(&whole.state()).unwrap_err().to_string();
    assert!(error.contains("saved by another optimizer"), "{error}");
    plain.step(&w.get().sum(..).backward());
    let error = resumed.load_state(&plain.state()).unwrap_err().to_string();
    assert!(error.contains("no memory of a plateau"), "{error}");
    let mut rates = Vec::new();
    for loss in [1.0, 0.5, f64::NAN, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0] {
        whole.observe(loss);
        resumed.observe(loss);
        assert_eq!(whole.lr(), resumed.lr());
        rates.push(whole.lr());
    }
    // 1, then three more that are no better: lowered, and one rest; 0.5 is better; NaN, 0.5 and 0.6 are not.
    assert_eq!(rates, [0.05, 0.05, 0.05, 0.05, 0.025, 0.025, 0.025, 0.025, 0.0125]);
    assert_eq!(whole.step(&w.get().sum(..).backward()).lr, 0.0125);
}

/// Two steps on w² with the gradients taken at w + rho, and adaptive at w + rho |w|.
#[test]
fn sam_steps_by_the_gradient_at_the_worst_point_nearby() {
    for (adaptive, want) in
        [(false, [3.0 - 0.2 * 3.5, 2.3 - 0.2 * 2.8]), (true, [3.0 - 0.2 * 4.5, 2.1 - 0.2 * 3.15])]
    {
        let w = Param::new(Tensor::from_slice(&[3.0f64], [1]));
        let mut optimizer = Optimizer::new(Sgd::default(), 0.1, vec![("w".into(), w.clone())]);
        let sam = Sam { rho: 0.5, adaptive };
        let (loss, report) = sam.step(&mut optimizer, &mut || w.get().square().sum(..));
        assert_eq!((loss, report.without_gradient.len()), (9.0, 0));
        assert!((w.get().item() - want[0]).abs() < 1e-9, "{adaptive}: {}", w.get().item());
        sam.step(&mut optimizer, &mut || w.get().square().sum(..));
        assert!((w.get().item() - want[1]).abs() < 1e-9, "{adaptive}: {}", w.get().item());
    }
}

/// The norm is that of both parameters together: (3, 4) / 5.
#[test]
fn sam_measures_all_parameters_together() {
    let (a, b) =
        (Param::new(Tensor::from_slice(&[1.5f64], [1])), Param::new(Tensor::from_slice(&[2.0f64], [1])));
    let params = vec![("a".to_string(), a.clone()), ("b".to_string(), b.clone())];
    let optimizer = Optimizer::new(Sgd::default(), 0.1, params);
    let grads = (a.get().square() + b.get().square()).sum(..).backward();
    let kept = Sam { rho: 0.5, adaptive: false }.climb(&optimizer, &grads);
    assert!((a.get().item() - 1.8).abs() < 1e-9 && (b.get().item() - 2.4).abs() < 1e-9);
    drop(kept);
    assert_eq!((a.get().item(), b.get().item()), (1.5, 2.0));
}

#[test]
fn gradients_of_parts_add_up_to_those_of_the_batch() {
    let rng = &mut talweg_tensor::Rng::seed(2);
    let (x, y) = (rng.normal([12, 3], 0.0, 1.0, DType::F64), rng.normal([12, 1], 0.0, 1.0, DType::F64));
    let start = rng.normal([3, 1], 0.0, 1.0, DType::F64);
    let (whole, parts) = (Param::new(start.clone()), Param::new(start));
    let loss = |w: &Param, from: usize, n: usize| {
        (x.narrow(0, from, n).matmul(&w.get()) - y.narrow(0, from, n)).square().sum(..) / 12.0
    };
    let new = |w: &Param| optimizer(&(Arc::new(AdamW::default()) as Arc<dyn Rule>), 0.1, w);
    let (mut a, mut b) = (new(&whole), new(&parts));
    for _ in 0..5 {
        a.step(&loss(&whole, 0, 12).backward());
        let mut grads = loss(&parts, 0, 5).backward();
        grads += loss(&parts, 5, 4).backward();
        grads += loss(&parts, 9, 3).backward();
        b.step(&grads);
    }
    let pairs = whole.get().to_vec::<f64>().into_iter().zip(parts.get().to_vec::<f64>());
    // The sums are split in another way: a few roundings apart.
    assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-13));
}
