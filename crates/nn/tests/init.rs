//! Initial distributions against their formulas.

extern crate talweg_nn as talweg;

use talweg_nn::{Conv2d, Fan, Gain, Init, Linear, Module, fans, seq};
use talweg_tensor::{DType, Rng, Shape};

/// Mean, standard deviation, and the largest size.
fn moments(xs: &[f64]) -> (f64, f64, f64) {
    let n = xs.len() as f64;
    let mean = xs.iter().sum::<f64>() / n;
    let var = xs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, var.sqrt(), xs.iter().fold(0.0, |a, x| x.abs().max(a)))
}

/// A weight of 64 outputs, 32 inputs and a kernel of 5 by 3: fans 480 and 960, 30,720 numbers.
const SHAPE: [usize; 4] = [64, 32, 5, 3];

#[test]
fn distributions_have_the_moments_of_their_formulas() {
    let root = |x: f64| x.sqrt();
    let uniform = |bound: f64| (bound / root(3.0), Some(bound));
    let cases = [
        (Init::Uniform { low: -0.5, high: 0.5 }, uniform(0.5)),
        (Init::Normal { mean: 0.0, std: 0.02 }, (0.02, None)),
        (Init::xavier_uniform(), uniform(root(6.0 / 1440.0))),
        (Init::XavierUniform { gain: Gain::Tanh }, uniform(5.0 / 3.0 * root(6.0 / 1440.0))),
        (Init::xavier_normal(), (root(2.0 / 1440.0), None)),
        (Init::kaiming_uniform(), uniform(root(6.0 / 480.0))),
        (Init::KaimingUniform { fan: Fan::Out, gain: Gain::Selu }, uniform(0.75 * root(3.0 / 960.0))),
        (Init::kaiming_normal(), (root(2.0 / 480.0), None)),
        (Init::KaimingNormal { fan: Fan::Out, gain: Gain::Factor(2.0) }, (2.0 / root(960.0), None)),
        (Init::KaimingUniform { fan: Fan::In, gain: Gain::LeakyRelu(root(5.0)) }, uniform(1.0 / root(480.0))),
        (Init::fan_in_uniform(480), uniform(1.0 / root(480.0))),
    ];
    for (k, (init, (std, bound))) in cases.into_iter().enumerate() {
        for dtype in [DType::F32, DType::F64] {
            let w = init.draw(SHAPE, dtype, &mut Rng::seed(k as u64));
            assert_eq!((w.dtype(), w.shape()), (dtype, &Shape::from(SHAPE)));
            let xs = w.cast(DType::F64).to_vec::<f64>();
            let (mean, found, largest) = moments(&xs);
            // Five standard errors: of the mean std / √n; of the deviation at most std / √(2 n), for the normal.
            let n = xs.len() as f64;
            assert!(mean.abs() < 5.0 * std / root(n), "{init:?} {dtype}: mean {mean}");
            let error = (found - std).abs();
            assert!(error < 5.0 * std / root(2.0 * n), "{init:?} {dtype}: deviation {found}, not {std}");
            match bound {
                // Rounding to f32 may reach the bound. The largest of n numbers is within 10 / n of it but for 1 in 20,000.
                Some(bound) => assert!(
                    largest <= bound * (1.0 + 1e-7) && largest > bound * (1.0 - 10.0 / n),
                    "{init:?} {dtype}: largest {largest}, bound {bound}"
                ),
                // Among 30,720 normal numbers one beyond three deviations is certain, one beyond seven is not seen.
                None => assert!(largest > 3.0 * std && largest < 7.0 * std, "{init:?} {dtype}: {largest}"),
            }
        }
    }
}

#[test]
fn constants_are_exact() {
    let rng = &mut Rng::seed(1);
    for (init, want) in [(Init::Zeros, 0.0), (Init::Ones, 1.0), (Init::Constant(-0.25), -0.25)] {
        assert_eq!(init.draw([3], DType::F64, rng).to_vec::<f64>(), [want; 3]);
    }
    assert_eq!(rng, &Rng::seed(1), "constants draw nothing");
}

#[test]
fn layers_start_as_pytorchs_do() {
    // Bounds 1 / √fan_in, by hand: Linear 100 inputs, Conv2d 2 channels of 5 by 5 = 50.
    let rng = &mut Rng::seed(5);
    let model = seq![Linear::new(100, 400, rng), Conv2d::new(2, 600, 5, rng)];
    for (name, param) in model.params() {
        let bound = if name.starts_with('0') { 0.1 } else { 1.0 / 50f64.sqrt() };
        let xs = param.get().detach().cast(DType::F64).to_vec::<f64>();
        let (_, std, largest) = moments(&xs);
        assert!(
            largest <= bound * (1.0 + 1e-7) && largest > 0.97 * bound,
            "{name}: {largest}, bound {bound}"
        );
        let want = bound / 3f64.sqrt();
        assert!(
            (std - want).abs() < 5.0 * want / (2.0 * xs.len() as f64).sqrt(),
            "{name}: {std}, not {want}"
        );
    }
}

#[test]
fn a_whole_model_is_drawn_anew() {
    let (rng, other) = (&mut Rng::seed(5), &mut Rng::seed(6));
    let model = seq![Linear::new(3, 4, rng), Linear::new(4, 2, rng)];
    let numbers = || model.state().iter().map(|(_, x)| x.to_vec::<f32>()).collect::<Vec<_>>();
    let before = numbers();
    model.init(Init::Uniform { low: 2.0, high: 3.0 }, other);
    let after = numbers();
    assert!([0, 2].iter().all(|&k| after[k].iter().all(|w| (2.0..3.0).contains(w))));
    assert!([1, 3].iter().all(|&k| after[k] == before[k]));
    model.init_with(other, &mut |name, _| name.ends_with("bias").then_some(Init::Zeros));
    assert!([1, 3].iter().all(|&k| numbers()[k].iter().all(|&b| b == 0.0)));
    assert_eq!([numbers()[0].clone(), numbers()[2].clone()], [after[0].clone(), after[2].clone()]);
    model.to_dtype(DType::F64);
    model.init(Init::xavier_normal(), other);
    assert_eq!(model.params()[0].1.get().dtype(), DType::F64);
}

#[test]
fn empty_weights_are_drawn_without_a_fan() {
    let rng = &mut Rng::seed(1);
    assert_eq!(Linear::new(0, 3, rng).bias.unwrap().get().to_vec::<f32>(), [0.0; 3]);
    assert_eq!(Init::kaiming_normal().draw([3, 0], DType::F32, rng).numel(), 0);
    assert_eq!(fans(&Shape::from([3, 0])), (0, 3));
}

#[test]
#[should_panic(expected = "init: the shape [3] has no fans")]
fn a_bias_has_no_fans() {
    Init::xavier_uniform().draw([3], DType::F32, &mut Rng::seed(1));
}
