//! The number of threads changes no bit of what training gives.

use talweg::nn::{
    BatchNorm1d, BatchNorm2d, Conv2d, CrossEntropy, Dropout, Flatten, Gelu, Layer, LayerNorm, Linear, Loss,
    MaxPool2d, Mode, Module, Relu, Sequential, seq,
};
use talweg::optim::{AdamW, Clip, Optimizer, Schedule};
use talweg::tensor::{DType, Rng, Tensor};

/// The bits of all parameters and running statistics, and of the losses, after three steps.
fn train(build: impl Fn(&mut Rng) -> Sequential, shape: &[usize], dtype: DType) -> Vec<u8> {
    let rng = &mut Rng::seed(1);
    let model = build(rng);
    model.to_dtype(dtype);
    let x = rng.normal(shape, 0.0, 1.0, dtype);
    let y = Tensor::from_slice(&(0..shape[0]).map(|_| rng.below(10) as i64).collect::<Vec<_>>(), [shape[0]]);
    let mut optimizer =
        Optimizer::new(AdamW::default(), Schedule::constant(1e-3), model.params()).clip(Clip::Norm(0.5));
    let mut bits = Vec::new();
    for _ in 0..3 {
        let loss = CrossEntropy::default().forward(&model.forward(&x, &mut Mode::Train(rng)), &y);
        bits.extend(loss.to_bytes());
        optimizer.step_mut(&mut loss.backward());
    }
    let state = model
        .params()
        .into_iter()
        .map(|(_, p)| p.get())
        .chain(model.buffers().into_iter().map(|(_, b)| b.get()));
    state.for_each(|x| bits.extend(x.to_bytes()));
    bits
}

fn dense(rng: &mut Rng) -> Sequential {
    seq![
        Linear::new(784, 512, rng),
        BatchNorm1d::new(512),
        Relu,
        Dropout::new(0.3),
        Linear::new(512, 256, rng),
        LayerNorm::new([256]),
        Gelu,
        Linear::new(256, 10, rng),
    ]
}

fn convolutional(rng: &mut Rng) -> Sequential {
    seq![
        Conv2d::new(3, 32, 3, rng),
        BatchNorm2d::new(32),
        Relu,
        Conv2d::new(32, 48, 3, rng).stride(2).padding(1),
        Relu,
        MaxPool2d::new(2),
        Flatten,
        Linear::new(48 * 5 * 5, 10, rng),
    ]
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    for dtype in [DType::F32, DType::F64] {
        let run = |threads| {
            talweg::set_threads(threads);
            [train(dense, &[128, 784], dtype), train(convolutional, &[33, 3, 22, 22], dtype)]
        };
        let alone = run(1);
        assert_eq!(alone, run(1), "{dtype}: not even the same run twice is the same");
        for threads in [2, 3, 7] {
            // No assert_eq here: the message would hold megabytes.
            assert!(alone == run(threads), "{dtype}: other bits with {threads} threads than with 1");
        }
    }
}
