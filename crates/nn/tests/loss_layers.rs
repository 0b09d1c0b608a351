//! Every loss by its three reductions, in both precisions, with factors, and its gradient against differences.

use talweg_nn::{
    Bpr, CosineEmbedding, Ctc, Dice, Focal, GaussianNll, Hinge, HingeEmbedding, Huber, InfoNce, KlDiv, L1,
    Loss, MarginRanking, Module, MultiMargin, Nll, PoissonNll, Reduction, SigmoidContrastive, SigmoidFocal,
    SmoothL1, SoftMargin, TripletMargin,
};
use talweg_tensor::testing::gradcheck;
use talweg_tensor::{DType, Rng, Tensor};

/// A loss of one prediction for a reduction and perhaps a factor for each of its losses.
type Make = fn(Reduction, Option<Tensor>) -> Box<dyn Fn(&Tensor) -> Tensor>;

fn drawn(seed: u64, shape: &[usize]) -> Tensor {
    Rng::seed(seed).uniform(shape, 0.1, 0.9, DType::F64)
}

/// In the precision of `x`.
fn like(t: Tensor, x: &Tensor) -> Tensor {
    if t.dtype().is_float() { t.cast(x.dtype()) } else { t }
}

fn signs(shape: &[usize]) -> Tensor {
    let numbers: Vec<f64> =
        (0..shape.iter().product()).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
    Tensor::from_slice(&numbers, shape)
}

fn classes() -> Tensor {
    Tensor::from_slice(&[2i64, 0, 1, 1], [4])
}

/// A loss with a target.
macro_rules! of {
    ($target:expr, $loss:expr) => {
        |reduction, weight| {
            let make = $loss;
            let loss = make(reduction, weight);
            Box::new(move |x: &Tensor| loss.forward(x, &like($target, x)))
        }
    };
}

const ROWS: [usize; 2] = [4, 3];

/// Name, loss, the shape of its prediction, whether it takes a factor for each row or element.
fn cases() -> Vec<(&'static str, Make, bool)> {
    vec![
        ("L1", of!(drawn(2, &ROWS), |reduction, weight| L1 { weight, reduction }), true),
        ("Huber", of!(drawn(2, &ROWS), |reduction, weight| Huber { delta: 0.2, weight, reduction }), true),
        (
            "SmoothL1",
            of!(drawn(2, &ROWS), |reduction, weight| SmoothL1 { beta: 0.2, weight, reduction }),
            true,
        ),
        ("Hinge", of!(signs(&ROWS), |reduction, weight| Hinge { weight, reduction }), true),
        ("SoftMargin", of!(signs(&ROWS), |reduction, weight| SoftMargin { weight, reduction }), true),
        (
            "HingeEmbedding",
            of!(signs(&ROWS), |reduction, weight| HingeEmbedding { margin: 0.5, weight, reduction }),
            true,
        ),
        (
            "PoissonNll",
            of!(drawn(2, &ROWS), |reduction, weight| PoissonNll { weight, reduction, ..Default::default() }),
            true,
        ),
        (
            "SigmoidFocal",
            of!(drawn(2, &ROWS), |reduction, weight| SigmoidFocal {
                weight,
                reduction,
                ..Default::default()
            }),
            true,
        ),
        ("Bpr", of!(drawn(2, &ROWS), |reduction, weight| Bpr { weight, reduction }), true),
        ("KlDiv", of!(drawn(2, &ROWS), |reduction, _| KlDiv { reduction, ..plain_mean() }), false),
        ("Nll", of!(classes(), |reduction, weight| Nll { weight, reduction, ignore_index: None }), false),
        (
            "MultiMargin",
            of!(classes(), |reduction, _| MultiMargin { reduction, ..Default::default() }),
            false,
        ),
        ("Focal", of!(classes(), |reduction, _| Focal { reduction, ..Default::default() }), false),
        ("Dice", of!(drawn(2, &ROWS), |reduction, _| Dice { reduction, ..Default::default() }), false),
        ("InfoNce", of!(drawn(2, &ROWS), |reduction, _| InfoNce { reduction, ..Default::default() }), false),
        ("GaussianNll", gaussian, true),
        ("MarginRanking", ranking, true),
        ("CosineEmbedding", cosine, false),
        ("TripletMargin", triplet, false),
        ("Ctc", ctc, false),
    ]
}

fn plain_mean() -> KlDiv {
    KlDiv { batch_mean: false, ..Default::default() }
}

fn gaussian(reduction: Reduction, weight: Option<Tensor>) -> Box<dyn Fn(&Tensor) -> Tensor> {
    let loss = GaussianNll { weight, reduction, ..Default::default() };
    Box::new(move |x| loss.forward(x, &like(drawn(2, &ROWS), x), &like(drawn(3, &ROWS), x)))
}

fn ranking(reduction: Reduction, weight: Option<Tensor>) -> Box<dyn Fn(&Tensor) -> Tensor> {
    let loss = MarginRanking { margin: 0.3, weight, reduction };
    Box::new(move |x| loss.forward(x, &like(drawn(2, &ROWS), x), &like(signs(&ROWS), x)))
}

fn cosine(reduction: Reduction, weight: Option<Tensor>) -> Box<dyn Fn(&Tensor) -> Tensor> {
    let loss = CosineEmbedding { margin: 0.1, weight, reduction };
    Box::new(move |x| loss.forward(x, &like(drawn(2, &ROWS), x), &like(signs(&[4]), x)))
}

fn triplet(reduction: Reduction, weight: Option<Tensor>) -> Box<dyn Fn(&Tensor) -> Tensor> {
    let loss = TripletMargin { weight, reduction, ..Default::default() };
    Box::new(move |x| loss.forward(x, &like(drawn(2, &ROWS), x), &like(drawn(3, &ROWS), x)))
}

/// Four steps of one row; a target of length 1, whose mean is the same as the plain one.
fn ctc(reduction: Reduction, _: Option<Tensor>) -> Box<dyn Fn(&Tensor) -> Tensor> {
    let loss = Ctc { reduction, ..Default::default() };
    let target = Tensor::from_slice(&[2i64], [1, 1]);
    Box::new(move |x| loss.forward(&x.unsqueeze(1).log_softmax(2), &target, &[4], &[1]))
}

#[test]
fn reductions_are_sums_and_means_of_the_same_losses() {
    let x = drawn(1, &ROWS);
    for (name, make, _) in cases() {
        let each = make(Reduction::None, None)(&x);
        let (sum, mean) = (make(Reduction::Sum, None)(&x).item(), make(Reduction::Mean, None)(&x).item());
        // Sums of a dozen numbers of size 1 in f64.
        assert!(
            (each.sum(..).item() - sum).abs() < 1e-13 * sum.abs().max(1.0),
            "{name}: sum {sum}, losses {each}"
        );
        assert!(
            (each.mean(..).item() - mean).abs() < 1e-13 * sum.abs().max(1.0),
            "{name}: mean {mean}, losses {each}"
        );
        assert!(each.numel() > 0 && each.to_vec::<f64>().iter().all(|x| x.is_finite()), "{name}: {each}");
        gradcheck(&|xs| make(Reduction::Mean, None)(xs[0]), &[&x]).unwrap_or_else(|e| panic!("{name}: {e}"));
        let single = make(Reduction::Mean, None)(&x.cast(DType::F32));
        assert_eq!(single.dtype(), DType::F32, "{name}");
        // Some tens of roundings of 6e-8.
        assert!(
            (single.item() - mean).abs() < 5e-6 * mean.abs().max(1.0),
            "{name}: {} in f32, {mean}",
            single.item()
        );
    }
}

#[test]
fn factors_count_in_the_mean_and_follow_the_precision() {
    let x = drawn(1, &ROWS);
    // In f32: the loss takes it to the prediction's precision.
    let weight = Tensor::from_slice(&[0.5f32, 2.0, 1.0], [3]);
    for (name, make, weighted) in cases() {
        if !weighted {
            continue;
        }
        let factors = weight.cast(DType::F64);
        let each = make(Reduction::None, None)(&x) * &factors;
        let want = each.sum(..).item() / (4.0 * 3.5);
        let got = make(Reduction::Mean, Some(weight.clone()))(&x).item();
        assert!((got - want).abs() < 1e-13 * want.abs().max(1.0), "{name}: {got}, not {want}");
    }
}

#[test]
fn the_sigmoid_contrastive_loss_trains_its_scale_and_bias() {
    let loss = SigmoidContrastive::new();
    let x = drawn(1, &ROWS).cast(DType::F32);
    let grads = loss.forward(&x, &x).backward();
    for (name, param) in loss.params() {
        assert!(grads.wrt(&param).item() != 0.0, "{name}");
    }
}
