//! A training loop does not leak: its memory after ten thousand steps is that after one thousand.
#![cfg(target_os = "linux")]

use talweg::nn::{
    AvgPool2d, BatchNorm2d, Conv2d, CrossEntropy, Dropout, Flatten, Layer, Linear, Loss, Mode, Module, Relu,
    seq,
};
use talweg::optim::{AdamW, Clip, Optimizer, Schedule};
use talweg::tensor::{DType, Rng, Tensor};

/// Kibibytes of this process that lie in memory.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the process's status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line VmRSS");
    line.trim().strip_suffix("kB").expect("kB").trim().parse().expect("a number")
}

#[test]
fn ten_thousand_steps_take_no_more_memory_than_a_thousand() {
    let rng = &mut Rng::seed(1);
    let model = seq![
        Conv2d::new(1, 4, 3, rng),
        BatchNorm2d::new(4),
        Relu,
        AvgPool2d::new(2),
        Flatten,
        Dropout::new(0.2),
        Linear::new(36, 10, rng),
    ];
    let mut optimizer =
        Optimizer::new(AdamW::default(), Schedule::constant(1e-3), model.params()).clip(Clip::Norm(1.0));
    let x = rng.normal([4, 1, 8, 8], 0.0, 1.0, DType::F32);
    let y = Tensor::from_slice(&[1i64, 5, 7, 0], [4]);
    let mut after_a_thousand = 0.0;
    for step in 1..=10_000 {
        let out = model.forward(&x, &mut Mode::Train(rng));
        optimizer.step_mut(&mut CrossEntropy::default().forward(&out, &y).backward());
        if step == 1000 {
            after_a_thousand = resident();
        }
    }
    let after = resident();
    println!("{after_a_thousand} KiB after 1,000 steps, {after} after 10,000");
    assert!(
        (after / after_a_thousand - 1.0).abs() < 0.02,
        "{after_a_thousand} KiB after 1,000 steps, {after} after 10,000"
    );
}
