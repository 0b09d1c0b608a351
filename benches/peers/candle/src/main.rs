//! A training step in candle: candle-steps WORKLOAD --threads N.

#[path = "../../harness.rs"]
mod harness;

use candle_core::backprop::GradStore;
use candle_core::{D, DType, Device, Result, Tensor, Var};
use candle_nn::loss::cross_entropy;
use candle_nn::{AdamW, Linear, Module, Optimizer, ParamsAdamW, ops};

const CPU: Device = Device::Cpu;

/// The parameters made so far.
#[derive(Default)]
struct Params(Vec<Var>);

impl Params {
    fn add(&mut self, x: Tensor) -> Result<Tensor> {
        let var = Var::from_tensor(&x)?;
        let tensor = var.as_tensor().clone();
        self.0.push(var);
        Ok(tensor)
    }

    fn normal(&mut self, shape: &[usize], std: f64) -> Result<Tensor> {
        self.add(Tensor::randn(0f32, std as f32, shape, &CPU)?)
    }

    fn constant(&mut self, shape: &[usize], x: f64) -> Result<Tensor> {
        self.add((Tensor::ones(shape, DType::F32, &CPU)? * x)?)
    }

    fn dense(&mut self, inputs: usize, outputs: usize) -> Result<Linear> {
        let w = self.normal(&[outputs, inputs], (1.0 / inputs as f64).sqrt())?;
        Ok(Linear::new(w, Some(self.constant(&[outputs], 0.0)?)))
    }

    fn norm(&mut self, width: usize) -> Result<(Tensor, Tensor)> {
        Ok((self.constant(&[width], 1.0)?, self.constant(&[width], 0.0)?))
    }

    fn adamw(&self, lr: f64, beta2: f64, weight_decay: f64) -> Result<Rule> {
        let options = ParamsAdamW { lr, beta1: 0.9, beta2, eps: 1e-8, weight_decay };
        Ok(Rule::AdamW(AdamW::new(self.0.clone(), options)?))
    }

    fn sgd(&self, lr: f64, momentum: f64) -> Rule {
        Rule::Sgd { vars: self.0.clone(), velocity: vec![None; self.0.len()], lr, momentum }
    }
}

/// candle's own SGD has no momentum.
enum Rule {
    AdamW(AdamW),
    Sgd { vars: Vec<Var>, velocity: Vec<Option<Tensor>>, lr: f64, momentum: f64 },
}

impl Rule {
    fn step(&mut self, grads: &GradStore) -> Result<()> {
        let Rule::Sgd { vars, velocity, lr, momentum } = self else {
            let Rule::AdamW(rule) = self else { unreachable!("the other case is above") };
            return rule.step(grads);
        };
        for (var, velocity) in vars.iter().zip(velocity) {
            let Some(grad) = grads.get(var) else { continue };
            let change = match velocity {
                Some(v) if *momentum != 0.0 => ((&*v * *momentum)? + grad)?,
                _ => grad.clone(),
            };
            var.set(&var.sub(&(&change * *lr)?)?)?;
            *velocity = Some(change);
        }
        Ok(())
    }
}

fn run(args: &harness::Arguments, mut rule: Rule, loss_of: impl Fn() -> Result<Tensor>) {
    let mut step = || -> Result<Tensor> {
        let loss = loss_of()?;
        rule.step(&loss.backward()?)?;
        Ok(loss)
    };
    args.report("candle 0.11.1", || {
        let loss = step().expect("the shapes fit");
        Box::new(move || loss.to_scalar().expect("one number"))
    });
}

fn main() -> Result<()> {
    let args = harness::Arguments::parse();
    let p = &mut Params::default();
    match args.workload.as_str() {
        "w1" => {
            let x = Tensor::new(&[[0f32, 0.], [0., 1.], [1., 0.], [1., 1.]], &CPU)?;
            let y = Tensor::new(&[[0f32], [1.], [1.], [0.]], &CPU)?;
            let (a, b) = (p.dense(2, 8)?, p.dense(8, 1)?);
            run(&args, p.sgd(0.5, 0.0), || ops::sigmoid(&b.forward(&a.forward(&x)?.tanh()?)?)?.sub(&y)?.sqr()?.mean_all());
        }
        "w2" => {
            let (x, y) = (Tensor::randn(0f32, 1., (128, 784), &CPU)?, Tensor::new(harness::integers(128, 10), &CPU)?);
            let (a, b, c) = (p.dense(784, 512)?, p.dense(512, 512)?, p.dense(512, 10)?);
            run(&args, p.adamw(1e-3, 0.999, 0.0)?, || {
                cross_entropy(&c.forward(&b.forward(&a.forward(&x)?.relu()?)?.relu()?)?, &y)
            });
        }
        "w3" => {
            let (x, y) = (Tensor::randn(0f32, 1., (64, 1, 28, 28), &CPU)?, Tensor::new(harness::integers(64, 10), &CPU)?);
            let mut conv = |i: usize, o: usize| -> Result<(Tensor, Tensor)> {
                Ok((p.normal(&[o, i, 3, 3], (1.0 / (9 * i) as f64).sqrt())?, p.constant(&[1, o, 1, 1], 0.0)?))
            };
            let (c1, c2) = (conv(1, 32)?, conv(32, 64)?);
            let (a, b) = (p.dense(9216, 128)?, p.dense(128, 10)?);
            run(&args, p.sgd(0.01, 0.9), || {
                let h = x.conv2d(&c1.0, 0, 1, 1, 1)?.broadcast_add(&c1.1)?.relu()?;
                let h = h.conv2d(&c2.0, 0, 1, 1, 1)?.broadcast_add(&c2.1)?.relu()?;
                let h = h.max_pool2d(2)?.flatten_from(1)?;
                cross_entropy(&b.forward(&a.forward(&h)?.relu()?)?, &y)
            });
        }
        "w5" => gpt(&args, p)?,
        other => panic!("candle-steps: workloads are w1, w2, w3 and w5, not {other:?}"),
    }
    Ok(())
}

/// candle's fast layer norm and softmax have no derivative; these are the ones that have.
fn gpt(args: &harness::Arguments, p: &mut Params) -> Result<()> {
    let (n, t) = (12, 256);
    let (x, y) = (Tensor::new(harness::integers(n * t, 65), &CPU)?, Tensor::new(harness::integers(n * t, 64), &CPU)?);
    let (tokens, places) = (p.normal(&[65, 384], 0.02)?, p.normal(&[256, 384], 0.02)?);
    let mut layers = Vec::new();
    for _ in 0..6 {
        let (n1, qkv, proj) = (p.norm(384)?, p.dense(384, 1152)?, p.dense(384, 384)?);
        layers.push((n1, qkv, proj, p.norm(384)?, p.dense(384, 1536)?, p.dense(1536, 384)?));
    }
    let last = p.norm(384)?;
    let mask: Vec<f32> = (0..t * t).map(|i| if i % t > i / t { f32::NEG_INFINITY } else { 0. }).collect();
    let mask = Tensor::from_vec(mask, (1, 1, t, t), &CPU)?;
    let norm = |x: &Tensor, (g, b): &(Tensor, Tensor)| ops::layer_norm_slow(x, g, b, 1e-5);
    run(args, p.adamw(1e-3, 0.95, 0.1)?, || {
        let mut h = tokens.index_select(&x, 0)?.reshape((n, t, 384))?.broadcast_add(&places)?;
        for (n1, qkv, proj, n2, up, down) in &layers {
            let z = qkv.forward(&norm(&h, n1)?)?.reshape((n, t, 3, 6, 64))?;
            let part = |i| z.narrow(2, i, 1)?.squeeze(2)?.transpose(1, 2)?.contiguous();
            let (q, k, v) = ((part(0)? * 0.125)?, part(1)?, part(2)?);
            let scores = q.matmul(&k.transpose(2, 3)?)?.broadcast_add(&mask)?;
            let a = ops::softmax(&scores, D::Minus1)?.matmul(&v)?.transpose(1, 2)?.reshape((n, t, 384))?;
            h = (h + proj.forward(&a)?)?;
            h = (&h + down.forward(&up.forward(&norm(&h, n2)?)?.gelu()?)?)?;
        }
        cross_entropy(&norm(&h, &last)?.reshape((n * t, 384))?.matmul(&tokens.t()?)?, &y)
    });
    Ok(())
}
