//! Losses and penalties against hand-written loops over f64 numbers, and their gradients against differences.

extern crate talweg_nn as talweg;

use talweg_nn::{
    Bce, BceWithLogits, Conv2d, CrossEntropy, Linear, Loss, Module, Mse, Penalty, Reduction, seq,
};
use talweg_tensor::testing::gradcheck;
use talweg_tensor::{DType, Rng, Tensor};

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * b.abs().max(1.0)
}

/// Losses of each row or element of a prediction, with the factors that a mean divides by.
type Naive = fn(&[f64], &[f64]) -> Vec<(f64, f64)>;

fn logits(shape: [usize; 2]) -> Tensor {
    Rng::seed(3).normal(shape, 0.0, 2.0, DType::F64)
}

fn probabilities(shape: [usize; 2]) -> Tensor {
    Rng::seed(4).uniform(shape, 0.05, 0.95, DType::F64)
}

const CLASSES: usize = 3;
const FACTORS: [f64; CLASSES] = [0.5, 1.0, 2.0];

fn classes() -> Tensor {
    Tensor::from_slice(&[2i64, 0, 1, 1, 2], [5])
}

/// `−Σ q ln p` by the definition, with smoothing 0.3, factors for classes, and class 1 ignored.
fn naive_cross_entropy(x: &[f64], target: &[f64]) -> Vec<(f64, f64)> {
    let rows = x.chunks(CLASSES).zip(target).filter(|(_, t)| **t != 1.0);
    rows.map(|(row, t)| {
        let total: f64 = row.iter().map(|x| x.exp()).sum();
        let own = FACTORS[*t as usize];
        let loss = |c: usize| {
            let q = 0.7 * f64::from(c as f64 == *t) + 0.3 / CLASSES as f64;
            -FACTORS[c] * q * (row[c].exp() / total).ln()
        };
        ((0..CLASSES).map(loss).sum(), own)
    })
    .collect()
}

/// A loss for a reduction.
type Make = Box<dyn Fn(Reduction) -> Box<dyn Loss>>;

fn cases() -> Vec<(Make, Tensor, Tensor, Naive)> {
    let weight = || Tensor::from_slice(&FACTORS, [CLASSES]);
    vec![
        (Box::new(|reduction| Box::new(Mse { reduction })), logits([5, 3]), probabilities([5, 3]), |x, t| {
            x.iter().zip(t).map(|(x, t)| ((x - t).powi(2), 1.0)).collect()
        }),
        (
            Box::new(move |reduction| {
                Box::new(CrossEntropy {
                    weight: Some(weight()),
                    label_smoothing: 0.3,
                    ignore_index: Some(1),
                    reduction,
                })
            }),
            logits([5, 3]),
            classes(),
            naive_cross_entropy,
        ),
        (
            Box::new(move |reduction| {
                // In f32: the loss takes it to the prediction's precision.
                Box::new(Bce { weight: Some(Tensor::from_slice(&[0.5f32, 1.0, 2.0], [3])), reduction })
            }),
            probabilities([4, 3]),
            Rng::seed(9).uniform([4, 3], 0.0, 1.0, DType::F64),
            |y, t| {
                let one = |(i, (y, t)): (usize, (&f64, &f64))| {
                    (FACTORS[i % 3] * -(t * y.ln() + (1.0 - t) * (1.0 - y).ln()), 1.0)
                };
                y.iter().zip(t).enumerate().map(one).collect()
            },
        ),
        (
            Box::new(move |reduction| {
                let pos_weight = Some(Tensor::from_slice(&FACTORS, [3]));
                Box::new(BceWithLogits { weight: None, pos_weight, reduction })
            }),
            logits([4, 3]),
            Rng::seed(9).uniform([4, 3], 0.0, 1.0, DType::F64),
            |x, t| {
                let one = |(i, (x, t)): (usize, (&f64, &f64))| {
                    let y = 1.0 / (1.0 + (-x).exp());
                    (-(FACTORS[i % 3] * t * y.ln() + (1.0 - t) * (1.0 - y).ln()), 1.0)
                };
                x.iter().zip(t).enumerate().map(one).collect()
            },
        ),
    ]
}

#[test]
fn losses_are_those_of_the_definitions() {
    for (make, x, target, naive) in cases() {
        let target_numbers = match target.dtype() {
            DType::I64 => target.to_vec::<i64>().into_iter().map(|t| t as f64).collect(),
            _ => target.to_vec::<f64>(),
        };
        let want = naive(&x.to_vec::<f64>(), &target_numbers);
        let sum: f64 = want.iter().map(|(loss, _)| loss).sum();
        let mean = sum / want.iter().map(|(_, factor)| factor).sum::<f64>();
        let loss = |reduction| make(reduction).forward(&x, &target);
        let name = format!("{:?}", make(Reduction::Mean));
        assert!(
            close(loss(Reduction::Mean).item(), mean),
            "{name}: mean {} {mean}",
            loss(Reduction::Mean).item()
        );
        assert!(close(loss(Reduction::Sum).item(), sum), "{name}: sum");
        // Ignored rows are zeros, which the naive list leaves out.
        let kept: Vec<f64> =
            loss(Reduction::None).to_vec::<f64>().into_iter().filter(|x| *x != 0.0).collect();
        assert_eq!(kept.len(), want.len(), "{name}");
        assert!(kept.iter().zip(&want).all(|(a, (b, _))| close(*a, *b)), "{name}: {kept:?} {want:?}");
        gradcheck(&|xs| make(Reduction::Mean).forward(xs[0], &target), &[&x]).unwrap();
    }
}

#[test]
fn a_penalty_counts_weights_but_no_biases() {
    let rng = &mut Rng::seed(2);
    let model = seq![Linear::new(3, 4, rng), Conv2d::new(1, 2, 3, rng)];
    model.to_dtype(DType::F64);
    let params = model.params();
    let sums = |all: bool| {
        let counted = params.iter().filter(|(name, _)| all || name.ends_with("weight"));
        let numbers: Vec<f64> = counted.flat_map(|(_, w)| w.get().to_vec::<f64>()).collect();
        (numbers.iter().map(|w| w.abs()).sum::<f64>(), numbers.iter().map(|w| w * w).sum::<f64>())
    };
    for all in [false, true] {
        let penalty = Penalty { l1: 0.3, l2: 0.7, all };
        let (sizes, squares) = sums(all);
        assert!(close(penalty.forward(&params).unwrap().item(), 0.3 * sizes + 0.7 * squares));
    }
    let grads = Penalty { l1: 0.3, l2: 0.7, all: false }.forward(&params).unwrap().backward();
    for (name, param) in &params {
        let Some(grad) = grads.get(param) else {
            assert!(name.ends_with("bias"), "{name} has no gradient");
            continue;
        };
        let (w, dw) = (param.get().to_vec::<f64>(), grad.to_dense(&param.shape()).to_vec::<f64>());
        assert!(w.iter().zip(dw).all(|(w, dw)| close(dw, 0.3 * w.signum() + 1.4 * w)), "{name}");
    }
}

#[test]
fn a_penalty_leaves_out_what_is_not_trained() {
    let model = seq![Linear::new(3, 4, &mut Rng::seed(2))];
    assert!(Penalty::default().forward(&model.params()).is_none());
    model.freeze("");
    assert!(Penalty::l2(1.0).forward(&model.params()).is_none());
    assert_eq!(Penalty::l1(1.0).add_to(Tensor::scalar(2.5f64), &model.params()).item(), 2.5);
}
