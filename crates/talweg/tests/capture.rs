//! A captured step is the eager step, to the bit, and says why when it cannot be replayed.

use talweg::nn::{
    BatchNorm2d, Conv2d, Dropout, Flatten, Layer, Linear, MaxPool2d, Mode, Module, Relu, Sequential, Sigmoid,
    Tanh, seq,
};
use talweg::optim::{Adam, Clip, Optimizer, Rule, Sgd};
use talweg::tensor::{
    Buffer, Captured, DType, Grad, Gradients, Param, Reduction, Rng, Status, Tensor, capture, no_grad,
};

type Loss = fn(&Tensor, &Tensor) -> Tensor;

/// Twins with the same parameters: one trained step by step, the other by a captured step.
struct Twins {
    models: [Sequential; 2],
    optimizers: [Optimizer; 2],
    rngs: [Rng; 2],
    loss: Loss,
}

impl Twins {
    fn new(
        model: impl Fn(&mut Rng) -> Sequential,
        rule: impl Rule + Clone + 'static,
        lr: f64,
        loss: Loss,
    ) -> Twins {
        let models = [7, 7].map(|seed| model(&mut Rng::seed(seed)));
        let optimizers = models.each_ref().map(|m| Optimizer::new(rule.clone(), lr, m.params()));
        Twins { models, optimizers, rngs: [3, 3].map(Rng::seed), loss }
    }

    /// Trains both on the batches and compares losses, predictions, parameters and buffers after each step. Returns
    /// how many steps were replayed.
    fn train(&mut self, batches: impl Iterator<Item = (Tensor, Tensor)>) -> usize {
        let Twins { models: [eager, captured], optimizers: [plain, other], rngs: [rng, other_rng], loss } =
            self;
        let mut step = capture(|inputs, rng| {
            let y = captured.forward(inputs[0], &mut Mode::Train(rng));
            [loss(&y, inputs[1]), y]
        });
        let mut replayed = 0;
        for (i, (x, target)) in batches.enumerate() {
            let y = eager.forward(&x, &mut Mode::Train(rng));
            let l = loss(&y, &target);
            let numbers = l.to_bytes();
            plain.step(&l.backward());

            let ran = step.run(&[&x, &target], other_rng);
            assert_eq!(ran.loss.to_bytes(), numbers, "loss of step {i}");
            assert_eq!(ran.outputs[1].to_bytes(), y.to_bytes(), "prediction of step {i}");
            other.step(ran.gradients);
            assert_eq!(rng, other_rng, "generator after step {i}");
            for ((name, a), (_, b)) in eager.state().into_iter().zip(captured.state()) {
                assert_eq!(a.to_bytes(), b.to_bytes(), "{name} after step {i}");
            }
            assert_eq!(step.why_not(), None);
            replayed += matches!(step.status(), Status::Replaying { .. }) as usize;
        }
        replayed
    }
}

fn mse(y: &Tensor, target: &Tensor) -> Tensor {
    y.mse_loss(target, Reduction::Mean)
}

fn cross_entropy(y: &Tensor, target: &Tensor) -> Tensor {
    y.cross_entropy(target, &Default::default())
}

fn xor(rng: &mut Rng) -> Sequential {
    seq![Linear::new(2, 8, rng), Tanh, Linear::new(8, 1, rng), Sigmoid]
}

fn xor_rows() -> (Tensor, Tensor) {
    let x = Tensor::from_slice(&[0.0f32, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0], [4, 2]);
    (x, Tensor::from_slice(&[0.0f32, 1.0, 1.0, 0.0], [4, 1]))
}

fn classes(n: usize, rng: &mut Rng) -> Tensor {
    Tensor::from_slice(&(0..n).map(|_| rng.below(3) as i64).collect::<Vec<_>>(), [n])
}

#[test]
fn xor_learns_by_replay() {
    let mut twins = Twins::new(xor, Sgd::default(), 2.0, mse);
    let replayed = twins.train(std::iter::repeat_with(xor_rows).take(600));
    // The first run is recorded, the second confirms the recording and makes the plan.
    assert_eq!(replayed, 599);
    let (x, target) = xor_rows();
    let y = no_grad(|| twins.models[1].forward(&x, &mut Mode::Eval));
    assert!(mse(&y, &target).item() < 0.01);
}

#[test]
fn dropout_and_adam_with_batches_of_three_sizes() {
    let model = |rng: &mut Rng| {
        seq![
            Linear::new(5, 16, rng),
            Relu,
            Dropout::new(0.4),
            Linear::new(16, 16, rng),
            Tanh,
            Linear::new(16, 3, rng)
        ]
    };
    let mut twins = Twins::new(model, Adam::default(), 0.01, cross_entropy);
    let rng = &mut Rng::seed(9);
    let batches = (0..300).map(|i| {
        let n = [8, 8, 8, 5, 1][i % 5];
        (rng.normal([n, 5], 0.0, 1.0, DType::F32), classes(n, rng))
    });
    assert_eq!(twins.train(batches), 297);
}

#[test]
fn running_statistics_move_as_in_the_eager_step() {
    let model = |rng: &mut Rng| {
        seq![
            Conv2d::new(1, 4, 3, rng),
            BatchNorm2d::new(4),
            Relu,
            MaxPool2d::new(2),
            Flatten,
            Linear::new(36, 3, rng)
        ]
    };
    let rule = Sgd { momentum: 0.9, ..Sgd::default() };
    let mut twins = Twins::new(model, rule, 0.05, cross_entropy);
    let rng = &mut Rng::seed(9);
    let batches = (0..200).map(|_| (rng.normal([6, 1, 8, 8], 0.5, 2.0, DType::F32), classes(6, rng)));
    assert_eq!(twins.train(batches), 199);
    let counts =
        twins.models.map(|m| m.state().into_iter().find(|(name, _)| name.ends_with("tracked")).unwrap().1);
    assert_eq!(counts.map(|c| c.item()), [200.0, 200.0]);
}

#[test]
fn eager_steps_and_loaded_weights_come_in_between() {
    let models = [7, 7].map(|seed| xor(&mut Rng::seed(seed)));
    let [eager, captured] = &models;
    let mut optimizers = models.each_ref().map(|m| Optimizer::new(Adam::default(), 0.05, m.params()));
    let rng = &mut Rng::seed(1);
    let mut step = capture(|x, rng| mse(&captured.forward(x[0], &mut Mode::Train(rng)), x[1]));
    let (x, target) = xor_rows();
    let start = eager.state();
    for i in 0..200 {
        let loss = mse(&eager.forward(&x, &mut Mode::Train(rng)), &target);
        optimizers[0].step(&loss.backward());
        if i % 7 == 3 {
            let loss = mse(&captured.forward(&x, &mut Mode::Train(rng)), &target);
            optimizers[1].step(&loss.backward());
        } else {
            optimizers[1].step(step.run(&[&x, &target], rng).gradients);
        }
        if i == 90 {
            // Tensors that stay shared with this list.
            eager.load_state(&start, Default::default()).unwrap();
            captured.load_state(&start, Default::default()).unwrap();
        }
        for ((name, a), (_, b)) in eager.state().into_iter().zip(captured.state()) {
            assert_eq!(a.to_bytes(), b.to_bytes(), "{name} after step {i}");
        }
    }
    assert!(matches!(step.status(), Status::Replaying { .. }));
}

#[test]
fn a_table_s_gradient_stays_rows() {
    let table = Param::new(Rng::seed(2).normal([10, 4], 0.0, 1.0, DType::F32));
    let loss = |index: &Tensor| table.get().embedding(index).square().sum(..);
    let mut step = capture(|inputs, _| loss(inputs[0]));
    for numbers in [[1i64, 3, 1], [0, 0, 9], [7, 2, 5], [4, 4, 4]] {
        let index = Tensor::from_slice(&numbers, [3]);
        let want = loss(&index).backward();
        let ran = step.run(&[&index], &mut Rng::seed(1));
        let (Some(Grad::Rows { index: i, values: a }), Some(Grad::Rows { values: b, .. })) =
            (ran.gradients.get(&table), want.get(&table))
        else {
            panic!("the gradient is dense")
        };
        assert_eq!((i.to_vec::<i64>(), a.to_bytes()), (numbers.to_vec(), b.to_bytes()));
        let sgd = Sgd::default();
        Optimizer::new(sgd, 0.1, vec![("table".into(), table.clone())]).step(ran.gradients);
    }
    assert!(matches!(step.status(), Status::Replaying { .. }));
}

#[test]
fn clipping_in_place_and_kept_results_do_not_disturb_the_next_run() {
    let w = Param::new(Tensor::from_slice(&[3.0f32, 4.0], [2]));
    let mut step = capture(|x, _| (w.get() * x[0]).sum(..));
    let rng = &mut Rng::seed(1);
    let mut kept: Vec<(Tensor, Gradients)> = Vec::new();
    for i in 0..6 {
        let x = Tensor::full([2], i as f64 + 1.0, DType::F32);
        let ran = step.run(&[&x], rng);
        kept.push((ran.loss.clone(), ran.gradients.clone()));
        Clip::Norm(0.5).apply(ran.gradients, []);
        assert!(ran.gradients.wrt(&w).square().sum(..).item() < 0.2501);
    }
    for (i, (loss, grads)) in kept.iter().enumerate() {
        let i = i as f32 + 1.0;
        assert_eq!((loss.item(), grads.wrt(&w).to_vec::<f32>()), (7.0 * f64::from(i), vec![i, i]));
    }
}

#[test]
fn a_frozen_parameter_has_no_gradient_from_then_on() {
    let (a, b) = (Param::new(Tensor::ones([2], DType::F32)), Param::new(Tensor::ones([2], DType::F32)));
    let mut step = capture(|x, _| (a.get() * b.get() * x[0]).sum(..));
    let (x, rng) = (Tensor::ones([2], DType::F32), &mut Rng::seed(1));
    for _ in 0..3 {
        assert_eq!(step.run(&[&x], rng).gradients.len(), 2);
    }
    a.freeze();
    for _ in 0..3 {
        let grads = step.run(&[&x], rng).gradients;
        assert!(grads.get(&a).is_none() && grads.get(&b).is_some());
    }
    assert!(matches!(step.status(), Status::Replaying { .. }));
    a.unfreeze();
    assert_eq!(step.run(&[&x], rng).gradients.len(), 2);
}

#[test]
fn parameters_that_share_memory_are_told_apart() {
    let x = Tensor::from_slice(&[1.0f32, 2.0], [2]);
    let (a, b, before) = (Param::new(x.clone()), Param::new(x.clone()), x.clone());
    let mut step = capture(|x, _| ((a.get() * 3.0 + b.get() - &before) * x[0]).sum(..));
    let rng = &mut Rng::seed(1);
    for i in 0..4 {
        let numbers = a.get().to_vec::<f32>()[0] * 3.0 + b.get().to_vec::<f32>()[0] - 1.0;
        let other = a.get().to_vec::<f32>()[1] * 3.0 + b.get().to_vec::<f32>()[1] - 2.0;
        let loss = step.run(&[&x], rng).loss.item();
        assert_eq!(loss, f64::from(numbers + 2.0 * other), "run {i}");
        a.set(&Tensor::full([2], f64::from(i), DType::F32));
    }
    assert!(matches!(step.status(), Status::Replaying { constants: 1, .. }));
}

#[test]
fn strided_and_shared_inputs_are_inputs() {
    let w = Param::new(Tensor::ones([2, 3], DType::F32));
    let mut step = capture(|x, _| (x[0].matmul(&w.get()) * x[1].t()).sum(..));
    let (rng, source) = (&mut Rng::seed(1), &mut Rng::seed(4));
    for i in 0..5 {
        let x = source.normal([6, 6], 0.0, 1.0, DType::F32);
        let (a, b) = (x.narrow(1, 1, 2), x.narrow(1, 3, 3).narrow(0, 0, 6).t().narrow(1, 0, 6));
        let want = (a.matmul(&w.get()) * b.t()).sum(..).item();
        assert_eq!(step.run(&[&a, &b], rng).loss.item(), want, "run {i}");
    }
    assert_eq!(step.why_not(), None);
}

/// Large enough to be joined: 3 chains of several kernels, with single numbers and two tensors from outside.
#[test]
fn elementwise_chains_are_joined_and_have_the_same_bits() {
    for dtype in [DType::F32, DType::F64] {
        let rng = &mut Rng::seed(5);
        let w = Param::new(rng.normal([300, 111], 0.0, 1.0, dtype));
        let b = Param::new(rng.normal([1, 1], 0.0, 1.0, dtype));
        let loss = |x: &Tensor| {
            let y = ((w.get() * 0.5 + 0.1).tanh() * x + b.get()).sigmoid() * 3.0;
            (y.abs().sqrt() + x * 0.25).mean(..)
        };
        let mut step = capture(|x, _| loss(x[0]));
        for i in 0..4 {
            let x = rng.normal([300, 111], 0.0, 1.0, dtype);
            let want = loss(&x);
            let (value, grads) = (want.to_bytes(), want.backward());
            let ran = step.run(&[&x], &mut Rng::seed(1));
            assert_eq!(ran.loss.to_bytes(), value, "run {i}");
            for p in [&w, &b] {
                assert_eq!(ran.gradients.wrt(p).to_bytes(), grads.wrt(p).to_bytes(), "run {i}");
            }
        }
        let Status::Replaying { calls, .. } = step.status() else { panic!("{}", step.status()) };
        assert!(calls < 20, "{calls}");
    }
}

/// Runs a step three times and returns why it is not replayed.
fn refusal<F: FnMut(&[&Tensor], &mut Rng) -> Tensor>(mut step: Captured<F>) -> String {
    let x = Tensor::from_slice(&[1.0f32, 2.0], [2]);
    let mut rng = Rng::seed(1);
    for i in 0..3 {
        let x = &x * (i + 1) as f64;
        step.run(&[&x], &mut rng);
    }
    step.why_not().expect("the step is not replayed").to_string()
}

#[test]
fn what_cannot_be_replayed_is_said() {
    let w = Param::new(Tensor::ones([2], DType::F32));
    let loss = |x: &Tensor| (w.get() * x).sum(..);

    let read = refusal(capture(|x, _| if loss(x[0]).item() > 4.0 { loss(x[0]) } else { loss(x[0]) * 2.0 }));
    assert!(read.starts_with("item() reads numbers [] that change from run to run"), "{read}");
    let read = refusal(capture(|x, _| loss(x[0]) * x[0].to_vec::<f32>()[1] as f64));
    assert!(read.starts_with("to_vec() reads numbers [2] that change"), "{read}");
    let read = refusal(capture(|x, _| loss(x[0]) * w.get().max(..).item()));
    assert!(read.starts_with("item() reads numbers [] that change"), "{read}");

    let brought = refusal(capture(|x, _| loss(&(x[0] + &Tensor::from_slice(&[1.0f32, 2.0], [2])))));
    assert!(brought.starts_with("from_slice() brings in numbers that may change"), "{brought}");

    let changed = refusal(capture(|x, _| {
        w.update(|w| *w = &*w * 0.5);
        loss(x[0])
    }));
    assert!(changed.starts_with("a parameter is changed in it"), "{changed}");

    let other = &mut Rng::seed(99);
    let drawn = refusal(capture(|x, _| loss(&x[0].dropout(0.5, other))));
    assert!(drawn.starts_with("it draws random numbers from another generator"), "{drawn}");
    let drawn = refusal(capture(|x, rng| loss(x[0]) * rng.unit()));
    assert!(drawn.starts_with("the program draws a random number for itself"), "{drawn}");

    let mut factor = 1.0;
    let counted = refusal(capture(|x, _| {
        factor += 0.5;
        loss(x[0]) * factor
    }));
    let want = "call 1 was Affine(1.5, 0.0) of %0 [2]";
    assert!(counted.contains("Affine(1.5") && counted.contains("Affine(2.0"), "{counted}, not {want}");

    let mut state = Tensor::zeros([2], DType::F32);
    let kept = refusal(capture(|x, _| {
        state = (&state + x[0]).detach();
        loss(&state)
    }));
    assert!(kept.contains("the tensor [2] from outside was another one in the next run"), "{kept}");
}

#[test]
fn a_step_that_is_not_replayed_is_right_all_the_same() {
    let w = Param::new(Tensor::from_slice(&[2.0f32], [1]));
    // The Collatz step of the input: which branch is taken depends on its numbers.
    let mut step = capture(|x, _| {
        let odd = x[0].item() % 2.0 == 1.0;
        (w.get() * x[0] * if odd { 3.0 } else { 0.5 }).sum(..)
    });
    for n in 1..8 {
        let loss = step.run(&[&Tensor::full([1], n as f64, DType::F32)], &mut Rng::seed(1)).loss.item();
        assert_eq!(loss, if n % 2 == 1 { 6.0 * n as f64 } else { n as f64 });
    }
    assert!(step.status().to_string().starts_with("the step is not replayed: item() reads"));
}

#[test]
fn buffers_that_a_step_reads_and_writes_twice() {
    let (w, count) = (Param::new(Tensor::ones([1], DType::F32)), Buffer::new(Tensor::zeros([1], DType::F32)));
    let mut step = capture(|x, _| {
        count.update(|c| *c = &*c + x[0]);
        let once = count.get();
        count.set(&(count.get() * 2.0));
        (w.get() * once).sum(..)
    });
    let (mut want, x) = (0.0, Tensor::ones([1], DType::F32));
    let mut kept = Vec::new();
    for i in 0..6 {
        let loss = step.run(&[&x], &mut Rng::seed(1)).loss.item();
        assert_eq!(loss, want + 1.0);
        want = (want + 1.0) * 2.0;
        assert_eq!(count.get().item(), want);
        if i % 2 == 0 {
            kept.push((count.get(), want));
        }
    }
    assert!(kept.iter().all(|(c, want)| c.item() == *want));
    assert_eq!(step.why_not(), None);
}

#[test]
fn a_panic_in_a_kernel_leaves_the_step_usable() {
    let w = Param::new(Rng::seed(1).normal([2, 3], 0.0, 1.0, DType::F32));
    let loss = |x: &Tensor, y: &Tensor| cross_entropy(&x.matmul(&w.get()), y);
    let mut step = capture(|x, _| loss(x[0], x[1]));
    let (x, rng) = (Tensor::ones([2, 2], DType::F32), &mut Rng::seed(1));
    let target = |class: i64| Tensor::from_slice(&[0, class], [2]);
    for class in [1i64, 2, 0, 7, 1, 2] {
        let y = target(class);
        if class < 3 {
            let want = loss(&x, &y).item();
            assert_eq!(step.run(&[&x, &y], rng).loss.item(), want);
        } else {
            let run = std::panic::AssertUnwindSafe(|| step.run(&[&x, &y], rng).loss.item());
            assert!(std::panic::catch_unwind(run).is_err());
        }
    }
    assert!(matches!(step.status(), Status::Replaying { .. }));
}

#[test]
fn many_shapes_do_not_pile_up() {
    let w = Param::new(Tensor::ones([1], DType::F32));
    let mut step = capture(|x, _| (w.get() * x[0]).sum(..));
    for n in (1..20).chain(1..20) {
        for _ in 0..3 {
            assert_eq!(step.run(&[&Tensor::ones([n], DType::F32)], &mut Rng::seed(1)).loss.item(), n as f64);
        }
        assert!(matches!(step.status(), Status::Replaying { .. }));
    }
}

#[test]
#[should_panic(expected = "capture: input 0 [2] is tracked; detach() it")]
fn tracked_inputs_are_refused() {
    let mut step = capture(|x, _| x[0].sum(..));
    step.run(&[&Tensor::ones([2], DType::F32).requires_grad()], &mut Rng::seed(1));
}
