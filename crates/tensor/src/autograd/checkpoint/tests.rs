//! Checkpoints beside the same computation without them: the same bits everywhere, in less memory.

use super::*;
use crate::{Buffer, Create, DType, Grad, Gradients, Param, capture, grad, hvp, jvp, pool_stats};

type Block = dyn Fn(&[&Tensor], &mut Rng) -> Tensor + Send + Sync;

/// A block with parameters, dropout and a buffer that it changes and then reads.
fn block(seed: u64) -> (Vec<Param>, Buffer, Arc<Block>) {
    let rng = &mut Rng::seed(seed);
    let params: Vec<Param> = [[6, 6], [1, 6]].map(|s| Param::new(rng.normal(s, 0.0, 0.5, DType::F32))).into();
    let mean = Buffer::new(Tensor::full([1, 6], 0.25, DType::F32));
    let (w, m) = (params.clone(), mean.clone());
    let f = move |x: &[&Tensor], rng: &mut Rng| {
        let y = (x[0].matmul(&w[0].get()) + w[1].get()).tanh().dropout(0.3, rng);
        let now = m.get();
        m.update(|m| *m = m.clone() * 0.9 + y.detach().mean_keep(0) * 0.1);
        // The weight is used twice, so that its gradient is a sum of parts.
        (y - m.get() + now).matmul(&w[0].get()) * x[0]
    };
    (params, mean, Arc::new(f))
}

fn input() -> Tensor {
    Rng::seed(9).normal([4, 6], 0.0, 1.0, DType::F32)
}

fn bits(grads: &Gradients) -> Vec<Vec<u8>> {
    grads
        .iter()
        .map(|(_, g)| match g {
            Grad::Dense(g) => g.to_bytes(),
            Grad::Rows { values, .. } => values.to_bytes(),
        })
        .collect()
}

/// Runs three blocks, and gives loss, gradients, buffers and generator afterwards, all as bits.
fn run(each: &dyn Fn(Arc<Block>, &[&Tensor], &mut Rng) -> Tensor) -> (Vec<Vec<u8>>, Vec<Vec<u8>>, Rng) {
    let blocks: Vec<_> = (0..3).map(block).collect();
    let (x, rng) = (input().requires_grad(), &mut Rng::seed(5));
    rng.normal([3], 0.0, 1.0, DType::F32);
    let mut y = x.clone();
    for (_, _, f) in &blocks {
        y = each(f.clone(), &[&y], rng);
    }
    let loss = y.square().mean(..) + (blocks[1].0[0].get() * 0.1).square().sum(..);
    let mut numbers = vec![loss.to_bytes()];
    let grads = loss.backward();
    numbers.extend(bits(&grads));
    let buffers = blocks.iter().map(|(_, buffer, _)| buffer.get().to_bytes()).collect();
    (numbers, buffers, rng.clone())
}

#[test]
fn gradients_buffers_and_generator_are_those_without_to_the_bit() {
    let plain = run(&|f, x, rng| f(x, rng));
    assert_eq!(plain.0.len(), 1 + 7);
    let one = run(&|f, x, rng| checkpoint(move |x, rng| f(x, rng), x, rng));
    assert!(one == plain);
    let nested = run(&|f, x, rng| {
        let inner = move |x: &[&Tensor], rng: &mut Rng| {
            let f = f.clone();
            let y = checkpoint(move |x, rng| f(x, rng), x, rng);
            y.dropout(0.0, rng)
        };
        checkpoint(inner, x, rng)
    });
    // `dropout(0.0)` moves the generator, and does nothing else.
    let plain = run(&|f, x, rng| f(x, rng).dropout(0.0, rng));
    assert!(nested == plain);
}

#[test]
fn what_is_not_tracked_stays_so() {
    let rng = &mut Rng::seed(1);
    let y = checkpoint(|x, _| x[0].exp(), &[&Tensor::scalar(0.0f32)], rng);
    assert!(!y.is_tracked());
    let x = Tensor::scalar(1.0f64).requires_grad();
    let ys =
        checkpoint_multi(|x, _| vec![x[0].exp(), x[0].argmax(0), x[1].clone()], &[&x.unsqueeze(0), &x], rng);
    assert!(ys[0].is_tracked() && !ys[1].is_tracked() && ys[2].is_tracked());
    assert_eq!(ys[2].clone().backward().wrt(&x).item(), 1.0);
    assert!(!no_grad(|| checkpoint(|x, _| x[0].exp(), &[&x], rng)).is_tracked());
}

#[test]
fn several_results_share_one_second_run() {
    let calls = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (a, b) = (Tensor::scalar(2.0f64).requires_grad(), Tensor::scalar(3.0f64).requires_grad());
    let count = calls.clone();
    let f = move |x: &[&Tensor], _: &mut Rng| {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        vec![x[0] * x[1], x[0] - x[1], x[1].exp()]
    };
    let ys = checkpoint_multi(f, &[&a, &b], &mut Rng::seed(1));
    // (a b)(a − b): the third result takes no part.
    let grads = (&ys[0] * &ys[1]).backward();
    assert_eq!((grads.wrt(&a).item(), grads.wrt(&b).item()), (2.0 * 6.0 - 9.0, 4.0 - 2.0 * 6.0));
    assert_eq!(calls.load(std::sync::atomic::Ordering::Relaxed), 2);
}

/// Tracked tensors that the closure holds are like inputs.
#[test]
fn captured_tensors_get_their_gradients() {
    let x = Tensor::scalar(2.0f64).requires_grad();
    let between = x.square();
    let held = between.clone();
    let y = checkpoint(move |x, _| x[0] * &held, &[&x], &mut Rng::seed(1));
    // x · x²
    assert_eq!(
        grad(&[&y], &[&x, &between], Create::Value).iter().map(Tensor::item).collect::<Vec<_>>(),
        [12.0, 2.0]
    );
    let held = between.clone();
    let y = checkpoint(move |_, _| &held + 1.0, &[], &mut Rng::seed(1));
    assert_eq!(y.backward().wrt(&x).item(), 4.0);
}

#[test]
fn higher_derivatives_and_forward_mode_go_through() {
    let x = Rng::seed(3).normal([5], 0.0, 1.0, DType::F64);
    let plain = |x: &Tensor, rng: &mut Rng| (x.sin() * x.exp()).dropout(0.2, rng).square();
    let block = |x: &Tensor| checkpoint(move |x, rng| plain(x[0], rng), &[x], &mut Rng::seed(2));
    let without = |x: &Tensor| plain(x, &mut Rng::seed(2));
    let close = |a: &Tensor, b: &Tensor| (a - b).abs().max(..).item() < 1e-13;
    let v = x.cos();
    let (got, want) =
        (hvp(|x| block(x[0]).sum(..), &[&x], &[&v]), hvp(|x| without(x[0]).sum(..), &[&x], &[&v]));
    assert!(close(&got.1[0], &want.1[0]) && want.1[0].abs().sum(..).item() > 0.1);
    let (got, want) = (jvp(|x| block(x[0]), &[&x], &[&v]), jvp(|x| without(x[0]), &[&x], &[&v]));
    assert!(close(&got.1, &want.1));
    crate::testing::gradcheck(&|x| block(x[0]), &[&x]).unwrap();
    crate::testing::gradgradcheck(&|x| block(x[0]), &[&x]).unwrap();
    crate::testing::jvp_check(&|x| block(x[0]), &[&x]).unwrap();
    // The third derivative of x⁴ through two checkpoints.
    let x = Tensor::scalar(2.0f64).requires_grad();
    let square = |x: &Tensor| checkpoint(|x, _| x[0].square(), &[x], &mut Rng::seed(1));
    let mut y = square(&square(&x));
    for want in [32.0, 48.0, 48.0] {
        y = grad(&[&y], &[&x], Create::Graph).remove(0);
        assert_eq!(y.item(), want);
    }
}

/// A chain of 40 operations on 4 MiB: without checkpoints all are kept, with them one tensor a block of ten. Tests that
/// run beside this one use some memory too, but far from the difference.
#[test]
fn memory_is_saved() {
    let x = Tensor::ones([1 << 20], DType::F32).requires_grad();
    let ten = |x: &[&Tensor], _: &mut Rng| (0..10).fold(x[0].clone(), |x, _| x.square());
    let live = || {
        let stats = pool_stats();
        (stats.allocated_bytes - stats.held_bytes) as f64
    };
    let peak = |each: &dyn Fn(&Tensor) -> Tensor| {
        let before = live();
        let y = (0..4).fold(x.clone(), |x, _| each(&x));
        let kept = live() - before;
        (y.sum(..).backward().wrt(&x).to_vec::<f32>(), kept / (1 << 20) as f64)
    };
    let (want, all) = peak(&|x| ten(&[x], &mut Rng::seed(1)));
    let (got, some) = peak(&|x| checkpoint(ten, &[x], &mut Rng::seed(1)));
    assert!(got == want);
    assert!(all > 140.0 && some < 60.0, "{all} and {some} MiB are kept");
}

#[test]
fn long_chains_of_checkpoints_are_freed_without_recursion() {
    let x = Tensor::scalar(0.0f64).requires_grad();
    let chain =
        || (0..30_000).fold(x.clone(), |y, _| checkpoint(|y, _| y[0] + 1.0, &[&y], &mut Rng::seed(1)));
    drop(chain());
    assert_eq!(chain().backward().wrt(&x).item(), 1.0);
}

#[test]
fn a_captured_step_replays_the_second_run_too() {
    let losses = |replayed: bool| {
        let (params, mean, f) = block(1);
        let step = move |x: &[&Tensor], rng: &mut Rng| {
            let f = f.clone();
            checkpoint(move |x, rng| f(x, rng), x, rng).square().mean(..)
        };
        let mut step = capture(step);
        let rng = &mut Rng::seed(4);
        let mut numbers = Vec::new();
        for i in 0..6 {
            let x = input() * (i as f64 * 0.1);
            // A recording is made for each list of shapes; a new one each time keeps the steps as they are.
            let x = if replayed { x } else { Tensor::cat(&[&x, &x.narrow(0, 0, 1)], 0).narrow(0, 0, 4) };
            let ran = match replayed {
                true => step.run(&[&x], rng),
                false => {
                    let hook = params[0].register_hook(|_| None);
                    let ran = step.run(&[&x], rng);
                    drop(hook);
                    ran
                }
            };
            numbers.push(ran.loss.to_bytes());
            numbers.extend(bits(ran.gradients));
            let dw = ran.gradients.wrt(&params[0]);
            params[0].update(|w| *w = &*w - dw * 0.1);
            numbers.push(mean.get().to_bytes());
        }
        assert_eq!(step.why_not().is_none(), replayed, "{:?}", step.why_not());
        (numbers, rng.clone())
    };
    assert!(losses(true) == losses(false));
}

#[test]
#[should_panic(
    expected = "checkpoint: computed again, the function gives [\"f64 [2]\"] where it gave [\"f64 [1]\"]"
)]
fn a_function_that_changes_its_ways_is_refused() {
    let x = Tensor::ones([2], DType::F64).requires_grad();
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let f = move |x: &[&Tensor], _: &mut Rng| {
        x[0].narrow(0, 0, 1 + calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed)).exp()
    };
    checkpoint(f, &[&x], &mut Rng::seed(1)).sum(..).backward();
}
