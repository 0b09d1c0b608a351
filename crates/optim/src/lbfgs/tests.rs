//! L-BFGS: minima, the line search's conditions, exact state, refusals. PyTorch's trajectories are in the golden tests.

use super::*;
use crate::{Optimizer, Sgd};

fn point(x: &[f64]) -> Param {
    Param::new(Tensor::from_slice(x, [x.len()]))
}

fn rosenbrock(p: &Tensor) -> Tensor {
    let (x, y) = (p.narrow(0, 0, 1), p.narrow(0, 1, 1));
    ((1.0 - &x).square() + 100.0 * (y - x.square()).square()).sum(..)
}

#[test]
fn rosenbrock_s_minimum_takes_three_calls() {
    let w = point(&[-1.2, 1.0]);
    let mut optimizer = Lbfgs::new(LbfgsOptions::default(), vec![("w".into(), w.clone())]);
    for _ in 0..3 {
        optimizer.step(&mut || rosenbrock(&w.get()));
    }
    let loss = rosenbrock(&w.get()).item();
    assert!(loss < 1e-9, "loss {loss} at {}", w.get());
}

#[test]
fn a_parabola_takes_one_call_with_and_without_search() {
    let scale = Tensor::from_slice(&[1.0f64, 5.0], [2]);
    for line_search in [LineSearch::StrongWolfe, LineSearch::None] {
        let w = point(&[2.0, -3.0]);
        let options = LbfgsOptions { line_search, ..Default::default() };
        let mut optimizer = Lbfgs::new(options, vec![("w".into(), w.clone())]);
        optimizer.step(&mut || (w.get().square() * &scale).sum(..));
        assert!(w.get().to_vec::<f64>().iter().all(|x| x.abs() < 1e-5), "{line_search:?}: {}", w.get());
    }
}

/// One direction from many points: the loss has fallen by its share, and the slope is flat by its share.
#[test]
fn the_search_ends_where_the_conditions_hold() {
    let rng = &mut talweg_tensor::Rng::seed(3);
    for k in 0..50 {
        let start = rng.uniform([2], -2.0, 2.0, DType::F64);
        let w = Param::new(start.clone());
        let options = LbfgsOptions { max_iter: 1, max_eval: Some(50), ..Default::default() };
        let mut optimizer = Lbfgs::new(options, vec![("w".into(), w.clone())]);
        let gradient = |w: &Param| rosenbrock(&w.get()).backward().wrt(w);
        let (g, before) = (gradient(&w), rosenbrock(&w.get()).item());
        optimizer.step(&mut || rosenbrock(&w.get()));
        // The first direction is -g.
        let (slope, end) = (-dot(&g, &g), -dot(&gradient(&w), &g));
        let length = dot(&(&start - w.get().detach()), &g) / dot(&g, &g);
        let fallen = before - rosenbrock(&w.get()).item();
        assert!(fallen >= -1e-4 * length * slope * (1.0 - 1e-9), "{k}: fell by {fallen} over {length}");
        assert!(end.abs() <= 0.9 * -slope, "{k}: slope {end} of {slope}");
    }
}

#[test]
fn a_saved_state_continues_to_the_bit() {
    let (a, b) = (point(&[-1.2, 1.0]), point(&[0.0, 0.0]));
    let options = LbfgsOptions { max_iter: 3, history: 2, ..Default::default() };
    let mut whole = Lbfgs::new(options, vec![("w".into(), a.clone())]);
    for _ in 0..3 {
        whole.step(&mut || rosenbrock(&a.get()));
    }
    b.set(&a.get().detach());
    let mut resumed = Lbfgs::new(options, vec![("w".into(), b.clone())]);
    resumed.load_state(&whole.state()).unwrap();
    for _ in 0..3 {
        whole.step(&mut || rosenbrock(&a.get()));
        resumed.step(&mut || rosenbrock(&b.get()));
        assert_eq!(a.get().to_vec::<f64>(), b.get().to_vec::<f64>());
    }
}

#[test]
fn states_of_others_are_refused() {
    let (w, v) = (point(&[1.0, 2.0]), point(&[1.0, 2.0, 3.0]));
    let mut optimizer = Lbfgs::new(LbfgsOptions::default(), vec![("w".into(), w.clone())]);
    let sgd = Optimizer::new(Sgd::default(), 0.1, vec![("w".into(), w.clone())]);
    let error = optimizer.load_state(&sgd.state()).unwrap_err().to_string();
    assert_eq!(error, "the saved optimizer state is not that of lbfgs");
    let mut other = Lbfgs::new(LbfgsOptions::default(), vec![("v".into(), v.clone())]);
    other.step(&mut || v.get().square().sum(..));
    let error = optimizer.load_state(&other.state()).unwrap_err().to_string();
    assert_eq!(
        error,
        "the saved optimizer state has lbfgs/direction as f64 [3], but the parameters need f64 [2]"
    );
}

#[test]
fn frozen_parameters_and_those_without_gradient_stay() {
    let (w, frozen, unused) = (point(&[1.0, 2.0]), point(&[3.0]), point(&[4.0]));
    frozen.freeze();
    let params = [("w", &w), ("frozen", &frozen), ("unused", &unused)];
    let params = params.map(|(name, param)| (name.to_string(), param.clone())).to_vec();
    let mut optimizer = Lbfgs::new(LbfgsOptions::default(), params);
    optimizer.step(&mut || (w.get() - frozen.get()).square().sum(..));
    assert!(w.get().to_vec::<f64>().iter().all(|x| (x - 3.0).abs() < 1e-6));
    assert_eq!((frozen.get().item(), unused.get().item()), (3.0, 4.0));
}

#[test]
#[should_panic(expected = "lbfgs: all parameters must be of one type, b is f32, not f64")]
fn mixed_types_are_refused() {
    let b = Param::new(Tensor::zeros([1], DType::F32));
    Lbfgs::new(LbfgsOptions::default(), vec![("a".into(), point(&[1.0])), ("b".into(), b)]);
}
