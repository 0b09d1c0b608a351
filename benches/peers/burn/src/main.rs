//! A training step in burn, on its `flex` backend for processors: burn-steps WORKLOAD --threads N.

#[path = "../../harness.rs"]
mod harness;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::pool::MaxPool2dConfig;
use burn::nn::{Embedding, EmbeddingConfig, Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, AdamWConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::activation::{gelu, relu, sigmoid, tanh};
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};

#[derive(Module, Debug)]
struct Dense {
    layers: Vec<Linear>,
}

#[derive(Module, Debug)]
struct Cnn {
    conv1: Conv2d,
    conv2: Conv2d,
    dense1: Linear,
    dense2: Linear,
}

#[derive(Module, Debug)]
struct DecoderLayer {
    norm1: LayerNorm,
    qkv: Linear,
    proj: Linear,
    norm2: LayerNorm,
    up: Linear,
    down: Linear,
}

#[derive(Module, Debug)]
struct Gpt {
    tokens: Embedding,
    places: Embedding,
    layers: Vec<DecoderLayer>,
    norm: LayerNorm,
}

impl Gpt {
    fn forward(&self, text: Tensor<2, Int>, places: Tensor<2, Int>) -> Tensor<2> {
        let [n, t] = text.dims();
        let mut x = self.tokens.forward(text) + self.places.forward(places);
        for layer in &self.layers {
            let qkv = layer.qkv.forward(layer.norm1.forward(x.clone())).reshape([n, t, 3, 6, 64]);
            let part = |i: usize| -> Tensor<4> {
                qkv.clone().slice([0..n, 0..t, i..i + 1, 0..6, 0..64]).reshape([n, t, 6, 64]).swap_dims(1, 2)
            };
            let causal = AttentionModuleOptions { is_causal: true, ..Default::default() };
            let y = attention(part(0), part(1), part(2), None, None, causal);
            x = x + layer.proj.forward(y.swap_dims(1, 2).reshape([n, t, 384]));
            x = x.clone() + layer.down.forward(gelu(layer.up.forward(layer.norm2.forward(x))));
        }
        self.norm.forward(x).reshape([n * t, 384]).matmul(self.tokens.weight.val().transpose())
    }
}

fn run<M: Module + 'static>(
    args: &harness::Arguments,
    lr: f64,
    model: M,
    mut optimizer: ModuleOptimizer,
    loss_of: impl Fn(&M) -> Tensor<1>,
    device: &Device,
) {
    let mut model = Some(model);
    args.report("burn 0.22.1", || {
        let m = model.take().expect("put back below");
        let loss = loss_of(&m);
        let grads = GradientsParams::from_grads(loss.backward(), &m);
        model = Some(optimizer.step(lr, m, grads));
        device.sync().expect("the device works");
        Box::new(move || loss.into_scalar::<f32>())
    });
}

fn main() {
    let args = harness::Arguments::parse();
    rayon::ThreadPoolBuilder::new().num_threads(args.threads).build_global().expect("the only pool");
    let plain = Device::flex();
    let device = plain.clone().autodiff();
    plain.seed(1);
    let dense = |i, o| LinearConfig::new(i, o).init(&device);
    let normal = Distribution::Normal(0.0, 1.0);
    let cross_entropy = CrossEntropyLossConfig::new().init(&device);
    let integers = |n: usize, below: usize| harness::integers(n, below).into_iter().map(|i| i as i32).collect::<Vec<_>>();
    let classes = |n: usize| Tensor::<1, Int>::from_data(TensorData::new(integers(n, 10), [n]), &device);
    match args.workload.as_str() {
        "w1" => {
            let x = Tensor::<2>::from_data([[0f32, 0.], [0., 1.], [1., 0.], [1., 1.]], &device);
            let y = Tensor::<2>::from_data([[0f32], [1.], [1.], [0.]], &device);
            let model = Dense { layers: vec![dense(2, 8), dense(8, 1)] };
            let loss = move |m: &Dense| {
                let h = tanh(m.layers[0].forward(x.clone()));
                let e = sigmoid(m.layers[1].forward(h)) - y.clone();
                (e.clone() * e).mean()
            };
            run(&args, 0.5, model, SgdConfig::new().init(), loss, &plain);
        }
        "w2" => {
            let (x, y) = (Tensor::<2>::random([128, 784], normal, &device), classes(128));
            let model = Dense { layers: vec![dense(784, 512), dense(512, 512), dense(512, 10)] };
            let loss = move |m: &Dense| {
                let h = relu(m.layers[1].forward(relu(m.layers[0].forward(x.clone()))));
                cross_entropy.forward(m.layers[2].forward(h), y.clone())
            };
            run(&args, 1e-3, model, AdamConfig::new().init(), loss, &plain);
        }
        "w3" => {
            let (x, y) = (Tensor::<4>::random([64, 1, 28, 28], normal, &device), classes(64));
            let conv = |i, o| Conv2dConfig::new([i, o], [3, 3]).init(&device);
            let model = Cnn { conv1: conv(1, 32), conv2: conv(32, 64), dense1: dense(9216, 128), dense2: dense(128, 10) };
            let pool = MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init();
            let momentum = MomentumConfig { momentum: 0.9, dampening: 0., nesterov: false };
            let loss = move |m: &Cnn| {
                let h = relu(m.conv2.forward(relu(m.conv1.forward(x.clone()))));
                let h: Tensor<2> = pool.forward(h).flatten(1, 3);
                cross_entropy.forward(m.dense2.forward(relu(m.dense1.forward(h))), y.clone())
            };
            run(&args, 0.01, model, SgdConfig::new().with_momentum(Some(momentum)).init(), loss, &plain);
        }
        "w5" => {
            let (n, t) = (12, 256);
            let x = Tensor::<2, Int>::from_data(TensorData::new(integers(n * t, 65), [n, t]), &device);
            let y = Tensor::<1, Int>::from_data(TensorData::new(integers(n * t, 64), [n * t]), &device);
            let places: Vec<i32> = (0..t as i32).collect();
            let places = Tensor::<2, Int>::from_data(TensorData::new(places, [1, t]), &device);
            let norm = || LayerNormConfig::new(384).init(&device);
            let small = Initializer::Normal { mean: 0., std: 0.02 };
            let table = |rows| EmbeddingConfig::new(rows, 384).with_initializer(small.clone()).init(&device);
            let layer = || DecoderLayer {
                norm1: norm(),
                qkv: dense(384, 1152),
                proj: dense(384, 384),
                norm2: norm(),
                up: dense(384, 1536),
                down: dense(1536, 384),
            };
            let layers = (0..6).map(|_| layer()).collect();
            let model = Gpt { tokens: table(65), places: table(256), layers, norm: norm() };
            let rule = AdamWConfig::new().with_beta_1(0.9).with_beta_2(0.95).with_weight_decay(0.1).init();
            let loss = move |m: &Gpt| cross_entropy.forward(m.forward(x.clone(), places.clone()), y.clone());
            run(&args, 1e-3, model, rule, loss, &plain);
        }
        other => panic!("burn-steps: workloads are w1, w2, w3 and w5, not {other:?}"),
    }
}
