//! An optimizer rule.

use talweg::optim::{Optimizer, Rule, Schedule, Slots, Step};
use talweg::tensor::{Grad, Param, Tensor};

/// Steps of one size, in the direction that momentum and gradient agree on.
///
/// ```text
/// w <- w - lr sign(beta m + (1 - beta) g)
/// m <- beta m + (1 - beta) g
/// ```
///
/// # Hyperparameters
/// - `beta`: how much of the momentum stays; no unit, 0 to below 1, usually 0.9.
///
/// # Source
/// Chen, Liang, Huang and others, "Symbolic discovery of optimization algorithms", 2023 (Lion).
///
/// # Differs from the paper in
/// One factor instead of two, and no weight decay.
#[derive(Clone, Copy, Debug)]
struct SignMomentum {
    beta: f64,
}

impl Default for SignMomentum {
    fn default() -> SignMomentum {
        SignMomentum { beta: 0.9 }
    }
}

impl Rule for SignMomentum {
    fn name(&self) -> &'static str {
        "sign_momentum"
    }

    fn init(&self, param: &Tensor) -> Slots {
        Slots::zeros(param, &["m"])
    }

    fn update(&self, param: &mut Tensor, grad: &Grad, slots: &mut Slots, at: Step) {
        let m = slots.get_mut("m").expect("init made it");
        *m = &*m * self.beta + grad.to_dense(param.shape()) * (1.0 - self.beta);
        *param = &*param - m.sign() * at.lr;
    }
}

fn parameter(numbers: &[f64]) -> (Param, Vec<(String, Param)>) {
    let w = Param::new(Tensor::from_slice(numbers, [numbers.len()]));
    (w.clone(), vec![("w".into(), w)])
}

#[test]
fn two_steps_by_hand() {
    let (w, params) = parameter(&[1.0, -1.0]);
    let mut optimizer = Optimizer::new(SignMomentum { beta: 0.5 }, Schedule::constant(0.1), params);
    // g = [1, -4]: m = [0.5, -2], steps [-0.1, +0.1].
    let slope = |slope: [f64; 2]| (w.get() * Tensor::from_slice(&slope, [2])).sum(..).backward();
    optimizer.step(&slope([1.0, -4.0]));
    assert_eq!(w.get().to_vec::<f64>(), [0.9, -0.9]);
    // g = [-2, 3]: m = [-0.75, 0.5], and both turn round.
    optimizer.step(&slope([-2.0, 3.0]));
    assert_eq!(w.get().to_vec::<f64>(), [1.0, -1.0]);
}

#[test]
fn it_finds_the_bottom_of_a_parabola() {
    let (w, params) = parameter(&[2.0, -3.0]);
    let mut optimizer = Optimizer::new(SignMomentum::default(), Schedule::exponential(0.1, 0.98), params);
    for _ in 0..500 {
        optimizer.step(&w.get().square().sum(..).backward());
    }
    assert!(w.get().to_vec::<f64>().iter().all(|w| w.abs() < 0.01), "{}", w.get());
}

#[test]
fn a_resumed_optimizer_makes_the_same_steps() {
    let run = |interrupt: bool| {
        let (w, params) = parameter(&[2.0, -3.0]);
        let new = || Optimizer::new(SignMomentum::default(), Schedule::constant(0.01), params.clone());
        let mut optimizer = new();
        for step in 0..20 {
            if interrupt && step == 7 {
                let state = optimizer.state();
                optimizer = new();
                optimizer.load_state(&state).expect("the state of the same optimizer");
            }
            optimizer.step(&w.get().square().sum(..).backward());
        }
        w.get().to_vec::<f64>()
    };
    assert_eq!(run(true), run(false));
}
