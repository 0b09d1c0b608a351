//! A training step meets no fresh memory: once it is warm, the system finds no more pages for it, eager or captured.
#![cfg(target_os = "linux")]

use talweg::nn::{Conv2d, Flatten, Layer, Linear, MaxPool2d, Mode, Module, Relu, Sequential, seq};
use talweg::optim::{AdamW, Optimizer};
use talweg::tensor::{DType, Rng, Tensor, capture, pool_stats};

/// Minor page faults of this process since its start.
fn faults() -> u64 {
    let text = std::fs::read_to_string("/proc/self/stat").expect("the process's numbers");
    // The fields after the program's name, which stands in parentheses; the eighth of them is the count.
    let (_, fields) = text.rsplit_once(')').expect("a name in parentheses");
    fields.split_whitespace().nth(7).expect("a count").parse().expect("a number")
}

fn model(rng: &mut Rng) -> Sequential {
    seq![
        Conv2d::new(1, 16, 3, rng),
        Relu,
        MaxPool2d::new(2),
        Flatten,
        Linear::new(16 * 13 * 13, 256, rng),
        Relu,
        Linear::new(256, 10, rng),
    ]
}

/// Page faults of the quietest of four rounds of 8 steps, after 8 more. The values of a step take some 5 MB: without a
/// pool they would be a thousand pages at each step.
///
/// On a busy machine a worker thread may get its first work late, and then touches its own memory for the first time;
/// what a step needs again and again shows in every round.
#[track_caller]
fn check(name: &str, mut step: impl FnMut()) {
    let mut round = || {
        let (before, pool) = (faults(), pool_stats().system_allocations);
        (0..8).for_each(|_| step());
        (faults() - before, pool_stats().system_allocations - pool)
    };
    round();
    let rounds: [(u64, usize); 4] = std::array::from_fn(|_| round());
    println!("{name}: page faults and system allocations of rounds of 8 steps: {rounds:?}");
    // Less than one a step: the reading of the count touches a page now and then.
    let quiet = rounds.iter().any(|&(faults, allocations)| faults < 4 && allocations == 0);
    assert!(quiet, "{name}: page faults and system allocations of rounds of 8 steps: {rounds:?}");
}

#[test]
fn a_warm_step_takes_no_page_faults() {
    let rng = &mut Rng::seed(1);
    let x = rng.normal([16, 1, 28, 28], 0.0, 1.0, DType::F32);
    let y = Tensor::from_slice(&(0..16).map(|i| i % 10).collect::<Vec<i64>>(), [16]);
    let net = model(rng);
    let mut optimizer = Optimizer::new(AdamW::default(), 1e-3, net.params());
    check("eager", || {
        let out = net.forward(&x, &mut Mode::Train(rng));
        optimizer.step(&out.cross_entropy(&y, &Default::default()).backward());
    });
    let net = model(rng);
    let mut optimizer = Optimizer::new(AdamW::default(), 1e-3, net.params());
    let mut captured = capture(|inputs, rng| {
        net.forward(inputs[0], &mut Mode::Train(rng)).cross_entropy(inputs[1], &Default::default())
    });
    check("captured", || {
        optimizer.step(captured.run(&[&x, &y], rng).gradients);
    });
    assert_eq!(captured.why_not(), None);
}
