//! The networks whose training steps are timed.

use talweg::capture;
use talweg::nn::{
    Conv2d, Flatten, Gpt, GptOptions, Layer, Linear, MaxPool2d, Mode, Module, Relu, ResNet, Sequential,
    Sigmoid, Stem, Tanh, seq,
};
use talweg::optim::{Adam, AdamW, Optimizer, Rule, Sgd};
use talweg::tensor::{DType, Reduction, Rng, Tensor, mixed_precision};

/// One training step, all of it, that returns the loss.
pub(crate) type Step = Box<dyn FnMut() -> f64>;

/// A network with its batch, loss and optimizer.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    /// Floating-point operations of the products, convolutions and attention of a step: two for each multiply-add,
    /// forward and backward, without the gradient of the first layer's input.
    pub(crate) operations: f64,
    /// Steps of one sample: one of microseconds is too short to time alone.
    pub(crate) inner: usize,
    pub(crate) step: fn() -> Step,
}

/// All of them.
pub(crate) const WORKLOADS: &[Workload] = &[
    Workload { name: "w1", operations: XOR, inner: 100, step: || xor().eager() },
    Workload { name: "w1-captured", operations: XOR, inner: 1000, step: || xor().captured() },
    Workload { name: "w2", operations: 0.411e9, inner: 1, step: || mlp().eager() },
    Workload { name: "w2-captured", operations: 0.411e9, inner: 1, step: || mlp().captured() },
    Workload { name: "w3", operations: 4.58e9, inner: 1, step: || cnn().eager() },
    Workload { name: "w3-captured", operations: 4.58e9, inner: 1, step: || cnn().captured() },
    Workload { name: "w4", operations: 106.5e9, inner: 1, step: || resnet().eager() },
    Workload { name: "w4-captured", operations: 106.5e9, inner: 1, step: || resnet().captured() },
    Workload { name: "w5", operations: 207.0e9, inner: 1, step: || gpt().eager() },
    Workload { name: "w5-captured", operations: 207.0e9, inner: 1, step: || gpt().captured() },
    Workload { name: "w5-bf16", operations: 207.0e9, inner: 1, step: || gpt().rounded().eager() },
];

const XOR: f64 = 2.0 * 4.0 * (2.0 * 16.0 + 3.0 * 8.0);

/// The four rows of XOR.
fn xor() -> Setup {
    let rng = &mut Rng::seed(1);
    let model = seq![Linear::new(2, 8, rng), Tanh, Linear::new(8, 1, rng), Sigmoid];
    let x = Tensor::from_slice(&[0.0f32, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0], [4, 2]);
    let y = Tensor::from_slice(&[0.0f32, 1.0, 1.0, 0.0], [4, 1]);
    Setup::new(model, Sgd::default(), 0.5, x, move |out| out.mse_loss(&y, Reduction::Mean))
}

/// A dense network on 128 pictures of 784 random numbers.
fn mlp() -> Setup {
    let rng = &mut Rng::seed(1);
    let model =
        seq![Linear::new(784, 512, rng), Relu, Linear::new(512, 512, rng), Relu, Linear::new(512, 10, rng)];
    let (x, y) = (rng.normal([128, 784], 0.0, 1.0, DType::F32), classes(128, 10, rng));
    Setup::new(model, Adam::default(), 1e-3, x, move |out| out.cross_entropy(&y, &Default::default()))
}

/// A convolutional network on 64 pictures of 28 by 28 random numbers.
fn cnn() -> Setup {
    let rng = &mut Rng::seed(1);
    let model: Sequential = seq![
        Conv2d::new(1, 32, 3, rng),
        Relu,
        Conv2d::new(32, 64, 3, rng),
        Relu,
        MaxPool2d::new(2),
        Flatten,
        Linear::new(9216, 128, rng),
        Relu,
        Linear::new(128, 10, rng),
    ];
    let (x, y) = (rng.normal([64, 1, 28, 28], 0.0, 1.0, DType::F32), classes(64, 10, rng));
    let rule = Sgd { momentum: 0.9, ..Sgd::default() };
    Setup::new(model, rule, 0.01, x, move |out| out.cross_entropy(&y, &Default::default()))
}

/// ResNet-18 on 32 pictures of 3 by 32 by 32 random numbers.
fn resnet() -> Setup {
    let rng = &mut Rng::seed(1);
    let model = ResNet::resnet18(3, 10, Stem::Small, rng);
    let (x, y) = (rng.normal([32, 3, 32, 32], 0.0, 1.0, DType::F32), classes(32, 10, rng));
    let rule = Sgd { momentum: 0.9, weight_decay: 5e-4, ..Sgd::default() };
    Setup::new(model, rule, 0.01, x, move |out| out.cross_entropy(&y, &Default::default()))
}

/// A transformer on 12 texts of 256 random characters out of 65.
fn gpt() -> Setup {
    let rng = &mut Rng::seed(1);
    let model = Gpt::new(&GptOptions { vocabulary: 65, ..GptOptions::default() }, rng);
    let mut text = || classes(12 * 256, 65, rng).reshape([12, 256]);
    let (x, y) = (text(), text().reshape([12 * 256]));
    let rule = AdamW { beta2: 0.95, weight_decay: 0.1, ..AdamW::default() };
    Setup::new(model, rule, 1e-3, x, move |out| {
        out.reshape([12 * 256, 65]).cross_entropy(&y, &Default::default())
    })
}

/// Random classes, 0 to `classes - 1`.
fn classes(n: usize, classes: usize, rng: &mut Rng) -> Tensor {
    Tensor::from_slice(&(0..n).map(|_| rng.below(classes) as i64).collect::<Vec<_>>(), [n])
}

/// A network in mixed precision.
#[derive(Debug, Module)]
struct Rounded(Box<dyn Layer>);

impl Layer for Rounded {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Tensor {
        mixed_precision(|| self.0.forward(x, mode))
    }
}

/// What a step is made of. The batch is always the same.
struct Setup {
    model: Box<dyn Layer>,
    optimizer: Optimizer,
    x: Tensor,
    loss_of: Box<dyn Fn(&Tensor) -> Tensor>,
    rng: Rng,
}

impl Setup {
    fn new(
        model: impl Layer + 'static,
        rule: impl Rule + 'static,
        lr: f64,
        x: Tensor,
        loss_of: impl Fn(&Tensor) -> Tensor + 'static,
    ) -> Setup {
        let optimizer = Optimizer::new(rule, lr, model.params());
        Setup { model: Box::new(model), optimizer, x, loss_of: Box::new(loss_of), rng: Rng::seed(2) }
    }

    /// The same in mixed precision.
    fn rounded(self) -> Setup {
        let Setup { model, optimizer, x, loss_of, rng } = self;
        Setup { model: Box::new(Rounded(model)), optimizer, x, loss_of, rng }
    }

    /// Forward, loss, backward and update.
    fn eager(self) -> Step {
        let Setup { model, mut optimizer, x, loss_of, mut rng } = self;
        Box::new(move || {
            let loss = loss_of(&model.forward(&x, &mut Mode::Train(&mut rng)));
            let value = loss.item();
            optimizer.step(&loss.backward());
            value
        })
    }

    /// The same, recorded and replayed.
    fn captured(self) -> Step {
        let Setup { model, mut optimizer, x, loss_of, mut rng } = self;
        let mut step = capture(move |inputs: &[&Tensor], rng: &mut Rng| {
            loss_of(&model.forward(inputs[0], &mut Mode::Train(rng)))
        });
        Box::new(move || {
            let run = step.run(&[&x], &mut rng);
            let value = run.loss.item();
            optimizer.step(run.gradients);
            value
        })
    }
}
