//! A small dense network as plain numbers, and one step of gradient descent on it, computed as it is explained.

use talweg::tensor::{DType, Param, Tensor};

/// A function of each unit's weighted sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    Sigmoid,
    Tanh,
    Relu,
    Gelu,
    /// The only one in which each output depends on all weighted sums.
    Softmax,
}

/// How the output is compared with the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    Mse,
    Bce,
    BceWithLogits,
    CrossEntropy,
}

/// One stage of the network.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stage {
    /// `z = W a + b`; `weight[j][i]` leads from input i to unit j.
    Linear {
        weight: Vec<Vec<f64>>,
        bias: Option<Vec<f64>>,
    },
    Activation(Activation),
}

/// A dense network and its loss.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Network {
    pub(crate) stages: Vec<Stage>,
    pub(crate) loss: Loss,
}

/// What is to be learnt from one example.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Target {
    Numbers(Vec<f64>),
    Class(usize),
}

/// Everything that one step computes.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// The input, and each stage's output.
    pub(crate) values: Vec<Vec<f64>>,
    pub(crate) loss: f64,
    /// The derivative of the loss by each of `values`: the error terms.
    pub(crate) errors: Vec<Vec<f64>>,
    /// For each stage, its gradients; none for activations.
    pub(crate) gradients: Vec<Option<Gradient>>,
}

/// The gradients of a linear stage, by the chain rule and by finite differences.
#[derive(Clone, Debug)]
pub(crate) struct Gradient {
    pub(crate) weight: Vec<Vec<f64>>,
    pub(crate) bias: Option<Vec<f64>>,
    pub(crate) weight_numeric: Vec<Vec<f64>>,
    pub(crate) bias_numeric: Option<Vec<f64>>,
}

/// The step of the finite differences.
pub(crate) const H: f64 = 1e-6;

impl Activation {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Activation::Sigmoid => "sigmoid",
            Activation::Tanh => "tanh",
            Activation::Relu => "relu",
            Activation::Gelu => "gelu",
            Activation::Softmax => "softmax",
        }
    }

    fn value(self, z: &[f64]) -> Vec<f64> {
        let each = |f: fn(f64) -> f64| z.iter().map(|&z| f(z)).collect();
        match self {
            Activation::Sigmoid => each(sigmoid),
            Activation::Tanh => each(f64::tanh),
            Activation::Relu => each(|z| z.max(0.0)),
            Activation::Gelu => each(|z| z * normal_cdf(z)),
            Activation::Softmax => softmax(z),
        }
    }

    /// The derivative of unit's output by its own weighted sum, where outputs do not depend on others' sums.
    pub(crate) fn slope(self, z: f64, a: f64) -> f64 {
        match self {
            Activation::Sigmoid => a * (1.0 - a),
            Activation::Tanh => 1.0 - a * a,
            Activation::Relu => (z > 0.0) as u8 as f64,
            Activation::Gelu => {
                normal_cdf(z) + z * (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
            }
            Activation::Softmax => a * (1.0 - a),
        }
    }

    fn back(self, z: &[f64], a: &[f64], da: &[f64]) -> Vec<f64> {
        if self == Activation::Softmax {
            let mean: f64 = a.iter().zip(da).map(|(a, da)| a * da).sum();
            return a.iter().zip(da).map(|(a, da)| a * (da - mean)).collect();
        }
        (0..z.len()).map(|i| da[i] * self.slope(z[i], a[i])).collect()
    }
}

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

fn softmax(z: &[f64]) -> Vec<f64> {
    let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = z.iter().map(|z| (z - max).exp()).sum();
    z.iter().map(|z| (z - max).exp() / sum).collect()
}

/// The normal distribution function, by the library's error function.
fn normal_cdf(z: f64) -> f64 {
    (Tensor::scalar(z * std::f64::consts::FRAC_1_SQRT_2).erf().item() + 1.0) / 2.0
}

impl Loss {
    pub(crate) fn value(self, output: &[f64], target: &Target) -> f64 {
        let pairs = |f: &dyn Fn(f64, f64) -> f64| match target {
            Target::Numbers(y) => output.iter().zip(y).map(|(&p, &y)| f(p, y)).sum::<f64>() / y.len() as f64,
            Target::Class(_) => f64::NAN,
        };
        match (self, target) {
            (Loss::Mse, _) => pairs(&|p, y| (p - y) * (p - y)),
            (Loss::Bce, _) => {
                pairs(&|p, y| -(y * p.ln().max(-100.0) + (1.0 - y) * (1.0 - p).ln().max(-100.0)))
            }
            (Loss::BceWithLogits, _) => pairs(&|z, y| z.max(0.0) - z * y + (-z.abs()).exp().ln_1p()),
            (Loss::CrossEntropy, Target::Class(c)) => -softmax(output)[*c].ln(),
            (Loss::CrossEntropy, Target::Numbers(_)) => f64::NAN,
        }
    }

    /// The derivative of the loss by each output.
    fn slope(self, output: &[f64], target: &Target) -> Vec<f64> {
        let pairs = |f: &dyn Fn(f64, f64) -> f64| match target {
            Target::Numbers(y) => output.iter().zip(y).map(|(&p, &t)| f(p, t) / y.len() as f64).collect(),
            Target::Class(_) => vec![f64::NAN; output.len()],
        };
        match (self, target) {
            (Loss::Mse, _) => pairs(&|p, y| 2.0 * (p - y)),
            (Loss::Bce, _) => pairs(&|p, y| (p - y) / (p * (1.0 - p)).max(1e-12)),
            (Loss::BceWithLogits, _) => pairs(&|z, y| sigmoid(z) - y),
            (Loss::CrossEntropy, Target::Class(c)) => {
                let mut slope = softmax(output);
                slope[*c] -= 1.0;
                slope
            }
            (Loss::CrossEntropy, Target::Numbers(_)) => vec![f64::NAN; output.len()],
        }
    }
}

impl Network {
    /// How many weights and biases there are.
    pub(crate) fn size(&self) -> usize {
        let of = |stage: &Stage| match stage {
            Stage::Linear { weight, bias } => {
                weight.iter().map(Vec::len).sum::<usize>() + bias.as_ref().map_or(0, Vec::len)
            }
            Stage::Activation(_) => 0,
        };
        self.stages.iter().map(of).sum()
    }

    /// The input, and each stage's output.
    pub(crate) fn values(&self, x: &[f64]) -> Vec<Vec<f64>> {
        let mut values = vec![x.to_vec()];
        for stage in &self.stages {
            let a = values.last().expect("the input is there");
            let next = match stage {
                Stage::Linear { weight, bias } => {
                    let sum = |row: &Vec<f64>| row.iter().zip(a).map(|(w, a)| w * a).sum::<f64>();
                    let bias = |j: usize| bias.as_ref().map_or(0.0, |b| b[j]);
                    weight.iter().enumerate().map(|(j, row)| sum(row) + bias(j)).collect()
                }
                Stage::Activation(f) => f.value(a),
            };
            values.push(next);
        }
        values
    }

    pub(crate) fn loss(&self, x: &[f64], target: &Target) -> f64 {
        let values = self.values(x);
        self.loss.value(values.last().expect("the input is there"), target)
    }

    /// Forward pass, loss, and the chain rule back through every stage.
    pub(crate) fn step(&self, x: &[f64], target: &Target) -> Step {
        let values = self.values(x);
        let output = values.last().expect("the input is there");
        let loss = self.loss.value(output, target);
        let mut errors = vec![self.loss.slope(output, target)];
        let mut gradients = Vec::new();
        for (s, stage) in self.stages.iter().enumerate().rev() {
            let (input, output, error) = (&values[s], &values[s + 1], errors.last().expect("pushed above"));
            let (back, gradient) = match stage {
                Stage::Linear { weight, bias } => {
                    let back = |i: usize| weight.iter().zip(error).map(|(row, d)| row[i] * d).sum();
                    let gradient = Gradient {
                        weight: error.iter().map(|d| input.iter().map(|a| d * a).collect()).collect(),
                        bias: bias.is_some().then(|| error.clone()),
                        weight_numeric: self.differences(s, false, x, target),
                        bias_numeric: bias.is_some().then(|| self.differences(s, true, x, target).remove(0)),
                    };
                    ((0..input.len()).map(back).collect(), Some(gradient))
                }
                Stage::Activation(f) => (f.back(input, output, error), None),
            };
            errors.push(back);
            gradients.push(gradient);
        }
        errors.reverse();
        gradients.reverse();
        Step { values, loss, errors, gradients }
    }

    /// Central differences of the loss by every weight of a stage (or every bias, as one row).
    fn differences(&self, s: usize, of_bias: bool, x: &[f64], target: &Target) -> Vec<Vec<f64>> {
        let mut moved = self.clone();
        let rows = match &self.stages[s] {
            Stage::Linear { bias: Some(bias), .. } if of_bias => vec![bias.clone()],
            Stage::Linear { weight, .. } => weight.clone(),
            Stage::Activation(_) => Vec::new(),
        };
        let mut at = |j: usize, i: usize, to: f64| {
            match &mut moved.stages[s] {
                Stage::Linear { bias: Some(bias), .. } if of_bias => bias[i] = to,
                Stage::Linear { weight, .. } => weight[j][i] = to,
                Stage::Activation(_) => {}
            }
            moved.loss(x, target)
        };
        let mut difference = |j: usize, i: usize, w: f64| {
            let slope = (at(j, i, w + H) - at(j, i, w - H)) / (2.0 * H);
            at(j, i, w);
            slope
        };
        let row = |(j, row): (usize, &Vec<f64>)| {
            row.iter().enumerate().map(|(i, &w)| difference(j, i, w)).collect()
        };
        rows.iter().enumerate().map(row).collect()
    }

    /// The network after `w <- w - lr g`.
    pub(crate) fn updated(&self, step: &Step, lr: f64) -> Network {
        let mut next = self.clone();
        for (stage, gradient) in next.stages.iter_mut().zip(&step.gradients) {
            let (Stage::Linear { weight, bias }, Some(g)) = (stage, gradient) else { continue };
            for (row, g) in weight.iter_mut().zip(&g.weight) {
                row.iter_mut().zip(g).for_each(|(w, g)| *w -= lr * g);
            }
            if let (Some(bias), Some(g)) = (bias, &g.bias) {
                bias.iter_mut().zip(g).for_each(|(b, g)| *b -= lr * g);
            }
        }
        next
    }

    /// The greatest difference between this step's gradients and those of the library's own backward pass.
    pub(crate) fn compare(&self, step: &Step, x: &[f64], target: &Target) -> f64 {
        let mut params: Vec<(Param, Option<Param>)> = Vec::new();
        let mut a = Tensor::from_slice(x, [1, x.len()]);
        for stage in &self.stages {
            a = match stage {
                Stage::Linear { weight, bias } => {
                    let w = Param::new(Tensor::from_slice(&weight.concat(), [weight.len(), x_len(weight)]));
                    let b = bias.as_ref().map(|b| Param::new(Tensor::from_slice(b, [b.len()])));
                    let y = a.linear(&w.get(), b.as_ref().map(Param::get).as_ref());
                    params.push((w, b));
                    y
                }
                Stage::Activation(Activation::Sigmoid) => a.sigmoid(),
                Stage::Activation(Activation::Tanh) => a.tanh(),
                Stage::Activation(Activation::Relu) => a.relu(),
                Stage::Activation(Activation::Gelu) => a.gelu(),
                Stage::Activation(Activation::Softmax) => a.softmax(-1),
            };
        }
        let grads = self.library_loss(&a, target).backward();
        let linear = step.gradients.iter().flatten();
        let mut worst = 0.0f64;
        for (gradient, (w, b)) in linear.zip(&params) {
            let mut differ = |ours: &[f64], param: &Param| {
                let theirs = grads.wrt(param).to_vec::<f64>();
                ours.iter().zip(theirs).for_each(|(a, b)| worst = worst.max((a - b).abs()));
            };
            differ(&gradient.weight.concat(), w);
            if let (Some(ours), Some(b)) = (&gradient.bias, b) {
                differ(ours, b);
            }
        }
        worst
    }

    fn library_loss(&self, output: &Tensor, target: &Target) -> Tensor {
        let numbers = |y: &[f64]| Tensor::from_slice(y, [1, y.len()]);
        match target {
            Target::Class(c) => {
                let one_hot = Tensor::from_slice(&[*c as i64], [1]).one_hot(output.size(1), DType::F64);
                -(output.log_softmax(-1) * one_hot).sum(..)
            }
            Target::Numbers(y) => {
                let y = &numbers(y);
                match self.loss {
                    Loss::Mse => (output - y).square().mean(..),
                    Loss::Bce => -(y * output.ln() + (1.0 - y) * (1.0 - output).ln()).mean(..),
                    Loss::BceWithLogits | Loss::CrossEntropy => (output.softplus() - output * y).mean(..),
                }
            }
        }
    }
}

fn x_len(weight: &[Vec<f64>]) -> usize {
    weight.first().map_or(0, Vec::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every activation and loss: the chain rule as explained agrees with finite differences and with the library.
    #[test]
    fn the_explained_gradients_are_right() {
        let hidden =
            [Activation::Sigmoid, Activation::Tanh, Activation::Relu, Activation::Gelu, Activation::Softmax];
        let outputs = [
            (Loss::Mse, None, Target::Numbers(vec![0.5, -1.0])),
            (Loss::Bce, Some(Activation::Sigmoid), Target::Numbers(vec![1.0, 0.0])),
            (Loss::BceWithLogits, None, Target::Numbers(vec![1.0, 0.0])),
            (Loss::CrossEntropy, None, Target::Class(1)),
            (Loss::Mse, Some(Activation::Softmax), Target::Numbers(vec![1.0, 0.0])),
        ];
        let weight = |rows: usize, cols: usize, k: f64| -> Vec<Vec<f64>> {
            (0..rows).map(|j| (0..cols).map(|i| ((j * cols + i) as f64 * k + 0.3).sin()).collect()).collect()
        };
        for f in hidden {
            for (loss, last, target) in &outputs {
                let mut stages = vec![
                    Stage::Linear { weight: weight(3, 2, 0.7), bias: Some(vec![0.1, -0.2, 0.3]) },
                    Stage::Activation(f),
                    Stage::Linear { weight: weight(2, 3, 1.3), bias: None },
                ];
                stages.extend(last.map(Stage::Activation));
                let network = Network { stages, loss: *loss };
                let x = [0.4, -0.9];
                let step = network.step(&x, target);
                for g in step.gradients.iter().flatten() {
                    for (a, n) in g.weight.concat().iter().zip(g.weight_numeric.concat()) {
                        // Central differences with step 1e-6 in f64: about 1e-10 from rounding.
                        assert!((a - n).abs() < 1e-8, "{f:?} {loss:?}: {a} and {n}");
                    }
                }
                assert!(network.compare(&step, &x, target) < 1e-12, "{f:?} {loss:?}");
                let after = network.updated(&step, 0.01).loss(&x, target);
                assert!(after < step.loss, "{f:?} {loss:?}: {} then {after}", step.loss);
            }
        }
    }
}
