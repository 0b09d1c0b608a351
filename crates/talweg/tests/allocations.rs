//! A captured step allocates nothing, the optimizer's update included.

use talweg::nn::{Layer, Linear, Mode, Module, Relu, Sequential, Sigmoid, Tanh, seq};
use talweg::optim::{Adam, Optimizer, Rule, Sgd};
use talweg::tensor::{DType, Reduction, Rng, Status, Tensor, capture, pool_stats, set_threads};

/// Allocations in 100 steps after a warm-up.
fn count(model: &Sequential, rule: impl Rule + 'static, x: &Tensor, target: &Tensor) -> u64 {
    let mut optimizer = Optimizer::new(rule, 0.01, model.params());
    let rng = &mut Rng::seed(2);
    let mut step = capture(|inputs, rng| {
        model.forward(inputs[0], &mut Mode::Train(rng)).mse_loss(inputs[1], Reduction::Mean)
    });
    let mut losses = 0.0;
    let mut steps = |n: usize| {
        for _ in 0..n {
            let ran = step.run(&[x, target], rng);
            losses += ran.loss.item();
            optimizer.step(ran.gradients);
        }
    };
    steps(10);
    let pool = pool_stats().system_allocations;
    let made = allocation_counter::measure(|| steps(100)).count_total;
    assert_eq!(pool_stats().system_allocations, pool, "the pool asked the system for memory");
    assert!(matches!(step.status(), Status::Replaying { .. }) && losses.is_finite());
    made
}

/// One test, because the number of threads is the process's.
#[test]
fn a_captured_step_allocates_nothing() {
    let rng = &mut Rng::seed(1);
    let xor = seq![Linear::new(2, 8, rng), Tanh, Linear::new(8, 1, rng), Sigmoid];
    let mlp = seq![Linear::new(16, 32, rng), Relu, Linear::new(32, 32, rng), Relu, Linear::new(32, 10, rng)];
    let draw = |rng: &mut Rng, n: usize, m: usize| rng.normal([n, m], 0.0, 1.0, DType::F32);
    let (x, y) = (draw(rng, 4, 2), draw(rng, 4, 1));
    let (u, v) = (draw(rng, 8, 16), draw(rng, 8, 10));
    for threads in [1, 2] {
        set_threads(threads);
        assert_eq!(count(&xor, Sgd::default(), &x, &y), 0, "XOR with {threads} threads");
        assert_eq!(count(&mlp, Adam::default(), &u, &v), 0, "MLP with {threads} threads");
    }
}
