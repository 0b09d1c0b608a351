//! The time of the XOR step: eager, captured, and what the captured step is made of.
//!
//! ```text
//! cargo bench --bench capture
//! ```

use std::hint::black_box;
use std::time::{Duration, Instant};

use talweg::nn::{Layer, Linear, Mode, Module, Sequential, Sigmoid, Tanh, seq};
use talweg::optim::{Optimizer, Sgd};
use talweg::tensor::{Gradients, Reduction, Rng, Tensor, capture, set_threads};

const STEPS: usize = 1000;
const AT_LEAST: Duration = Duration::from_secs(3);

struct Xor {
    model: Sequential,
    x: Tensor,
    y: Tensor,
    rng: Rng,
}

impl Xor {
    fn new() -> Xor {
        let mut rng = Rng::seed(1);
        let model = seq![Linear::new(2, 8, &mut rng), Tanh, Linear::new(8, 1, &mut rng), Sigmoid];
        let x = Tensor::from_slice(&[0.0f32, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0], [4, 2]);
        let y = Tensor::from_slice(&[0.0f32, 1.0, 1.0, 0.0], [4, 1]);
        Xor { model, x, y, rng }
    }

    fn loss(&mut self) -> Tensor {
        let out = self.model.forward(&self.x, &mut Mode::Train(&mut self.rng));
        out.mse_loss(&self.y, Reduction::Mean)
    }

    fn optimizer(&self) -> Optimizer {
        Optimizer::new(Sgd::default(), 0.5, self.model.params())
    }
}

fn main() {
    set_threads(1);
    // The variants take turns, so that what else the machine does falls on all of them.
    let mut rows = [
        ("eager: forward", Box::new(forward()) as Box<dyn FnMut()>, f64::INFINITY),
        ("eager: forward, backward", Box::new(backward()), f64::INFINITY),
        ("eager: the whole step", Box::new(eager()), f64::INFINITY),
        ("captured: forward, backward", Box::new(replay()), f64::INFINITY),
        ("captured: the whole step", Box::new(captured()), f64::INFINITY),
        ("the optimizer's update alone", Box::new(update()), f64::INFINITY),
    ];
    let start = Instant::now();
    while start.elapsed() < AT_LEAST {
        for (_, run, best) in &mut rows {
            let t = Instant::now();
            (0..STEPS).for_each(|_| run());
            *best = best.min(t.elapsed().as_secs_f64() * 1e6 / STEPS as f64);
        }
    }
    for (name, _, best) in rows {
        println!("{name:32} {best:8.3} µs");
    }
}

fn forward() -> impl FnMut() {
    let mut xor = Xor::new();
    move || {
        black_box(xor.loss());
    }
}

fn backward() -> impl FnMut() {
    let mut xor = Xor::new();
    move || {
        black_box(xor.loss().backward());
    }
}

fn eager() -> impl FnMut() {
    let mut xor = Xor::new();
    let mut optimizer = xor.optimizer();
    move || {
        let loss = xor.loss();
        black_box(loss.item());
        optimizer.step(&loss.backward());
    }
}

fn replay() -> impl FnMut() {
    let Xor { model, x, y, mut rng } = Xor::new();
    let mut step = capture(move |inputs, rng| {
        model.forward(inputs[0], &mut Mode::Train(rng)).mse_loss(inputs[1], Reduction::Mean)
    });
    move || {
        black_box(step.run(&[&x, &y], &mut rng).loss);
    }
}

fn captured() -> impl FnMut() {
    let xor = Xor::new();
    let mut optimizer = xor.optimizer();
    let Xor { model, x, y, mut rng } = xor;
    let mut step = capture(move |inputs, rng| {
        model.forward(inputs[0], &mut Mode::Train(rng)).mse_loss(inputs[1], Reduction::Mean)
    });
    move || {
        let ran = step.run(&[&x, &y], &mut rng);
        black_box(ran.loss.item());
        optimizer.step(ran.gradients);
    }
}

fn update() -> impl FnMut() {
    let mut xor = Xor::new();
    let mut optimizer = xor.optimizer();
    let grads: Gradients = xor.loss().backward();
    move || {
        optimizer.step(&grads);
    }
}
