//! Every rule: convergence, exact state; groups, freezing, refusals.

use super::*;
use crate::{Adagrad, Adam, AdamW, RmsProp, Sgd};
use talweg_tensor::DType;

/// Every rule, with a learning rate and a number of steps for the parabola and for Rosenbrock's valley.
fn rules() -> Vec<(Arc<dyn Rule>, f64, f64, usize)> {
    vec![
        (Arc::new(Sgd::default()), 0.1, 1e-3, 40_000),
        (Arc::new(Sgd { momentum: 0.9, ..Default::default() }), 0.05, 2e-4, 20_000),
        (Arc::new(Sgd { momentum: 0.9, nesterov: true, ..Default::default() }), 0.05, 2e-4, 20_000),
        (Arc::new(Sgd { momentum: 0.9, dampening: 0.5, ..Default::default() }), 0.05, 4e-4, 20_000),
        (Arc::new(Adam::default()), 0.1, 2e-2, 10_000),
        (Arc::new(Adam { amsgrad: true, ..Default::default() }), 0.1, 2e-2, 20_000),
        (Arc::new(AdamW { weight_decay: 0.0, ..Default::default() }), 0.1, 2e-2, 10_000),
        (Arc::new(RmsProp::default()), 0.01, 1e-3, 20_000),
        (Arc::new(RmsProp { centred: true, momentum: 0.5, ..Default::default() }), 0.002, 2e-4, 30_000),
        (Arc::new(Adagrad::default()), 0.5, 0.5, 20_000),
    ]
}

fn point(x: f64, y: f64) -> Param {
    Param::new(Tensor::from_slice(&[x, y], [2]))
}

fn optimizer(rule: &Arc<dyn Rule>, lr: f64, param: &Param) -> Optimizer {
    Optimizer::with_rule(rule.clone(), lr, vec![("x".into(), param.clone())])
}

fn rosenbrock(p: &Tensor) -> Tensor {
    let (x, y) = (p.narrow(0, 0, 1), p.narrow(0, 1, 1));
    ((1.0 - &x).square() + 100.0 * (y - x.square()).square()).sum(..)
}

#[test]
fn every_rule_finds_the_bottom_of_a_parabola() {
    let scale = Tensor::from_slice(&[1.0f64, 5.0], [2]);
    for (rule, lr, ..) in rules() {
        let w = point(2.0, -3.0);
        let mut optimizer = optimizer(&rule, lr, &w);
        for _ in 0..2000 {
            optimizer.step(&(w.get().square() * &scale).sum(..).backward());
        }
        // RMSprop steps by about the learning rate in every direction, however near it is.
        assert!(w.get().to_vec::<f64>().iter().all(|x| x.abs() < 0.02), "{rule:?}: {}", w.get());
    }
}

#[test]
fn every_rule_goes_down_rosenbrock_s_valley() {
    for (rule, _, lr, steps) in rules() {
        let w = point(-1.2, 1.0);
        let mut optimizer = optimizer(&rule, lr, &w);
        for _ in 0..steps {
            optimizer.step(&rosenbrock(&w.get()).backward());
        }
        let loss = rosenbrock(&w.get()).item();
        // From 24.2 at the start; the valley's floor is flat, so the way along it is long.
        assert!(loss < 1e-2, "{rule:?}: loss {loss} at {}", w.get());
    }
}

#[test]
fn a_saved_state_continues_to_the_bit() {
    for (rule, _, lr, _) in rules() {
        let (a, b) = (point(-1.2, 1.0), point(0.0, 0.0));
        let mut whole = optimizer(&rule, lr, &a);
        for _ in 0..7 {
            whole.step(&rosenbrock(&a.get()).backward());
        }
        let (state, at) = (whole.state(), a.get().detach());
        b.set(&at);
        let mut resumed = optimizer(&rule, lr, &b);
        resumed.load_state(&state).unwrap();
        for _ in 0..7 {
            whole.step(&rosenbrock(&a.get()).backward());
            resumed.step(&rosenbrock(&b.get()).backward());
        }
        assert_eq!(a.get().to_vec::<f64>(), b.get().to_vec::<f64>(), "{rule:?}");
        assert_eq!(resumed.count(), 14);
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
