//! Initial distributions against their formulas.

extern crate talweg_nn as talweg;

use talweg_nn::{Conv2d, Conv2dOptions, Fan, Gain, Init, Linear, Module, fans, seq};
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
        (Init::lecun_uniform(), uniform(root(3.0 / 480.0))),
        (Init::lecun_normal(), (1.0 / root(480.0), None)),
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

/// Mean and deviation of the standard normal distribution between bounds, by sums over a fine grid.
fn truncated_moments(low: f64, high: f64) -> (f64, f64) {
    let n = 200_000;
    let step = (high - low) / n as f64;
    let (mut mass, mut first, mut second) = (0.0, 0.0, 0.0);
    for i in 0..n {
        let x = low + step * (i as f64 + 0.5);
        // Relative to the density at the bound nearer to 0, so that far tails do not vanish.
        let nearest = if low > 0.0 {
            low
        } else if high < 0.0 {
            high
        } else {
            0.0
        };
        let density = (0.5 * (nearest * nearest - x * x)).exp();
        mass += density;
        first += density * x;
        second += density * x * x;
    }
    let mean = first / mass;
    (mean, (second / mass - mean * mean).sqrt())
}

#[test]
fn truncated_numbers_have_the_moments_of_their_density() {
    // Middle, one-sided, narrow, far tails on both sides, all but everything.
    let bounds = [
        (-2.0, 2.0),
        (-1.0, 3.0),
        (0.5, 4.0),
        (0.2, 0.3),
        (-0.1, 0.1),
        (6.0, 30.0),
        (-30.0, -6.0),
        (6.0, 6.01),
        (-8.0, 8.0),
    ];
    for (k, (low, high)) in bounds.into_iter().enumerate() {
        let (mean, std) = truncated_moments(low, high);
        let (shift, scale) = (0.3, 0.02);
        let init = Init::TruncatedNormal {
            mean: shift,
            std: scale,
            low: shift + scale * low,
            high: shift + scale * high,
        };
        let n = 40_000;
        let xs = init.draw([n], DType::F64, &mut Rng::seed(k as u64)).to_vec::<f64>();
        let between = |x: &f64| (shift + scale * low..=shift + scale * high).contains(x);
        assert!(xs.iter().all(between), "{low} to {high}");
        let xs: Vec<f64> = xs.iter().map(|x| (x - shift) / scale).collect();
        let (found_mean, found_std, _) = moments(&xs);
        // Five standard errors of the mean; of the deviation at most std √(kurtosis - 1) / (2 √n), with a kurtosis of 9
        // for an exponential tail, the heaviest of these.
        let error = std / (n as f64).sqrt();
        assert!((found_mean - mean).abs() < 5.0 * error, "{low} to {high}: mean {found_mean}, not {mean}");
        assert!(
            (found_std - std).abs() < 5.0 * 1.5 * error,
            "{low} to {high}: deviation {found_std}, not {std}"
        );
    }
    let f32s = Init::truncated_normal(0.02).draw([1000], DType::F32, &mut Rng::seed(1)).to_vec::<f32>();
    assert!(f32s.iter().all(|x| x.abs() <= 0.04));
}

/// `Q Qᵀ = gain² I` by loops, for the shorter side of the matrix.
#[test]
fn orthogonal_weights_are_orthogonal() {
    let rng = &mut Rng::seed(3);
    let shapes = [
        &[4, 4][..],
        &[3, 7],
        &[7, 3],
        &[70, 100],
        &[100, 70],
        &[8, 4, 3, 3],
        &[1, 1],
        &[33, 33],
        &[0, 3],
        &[3, 0],
    ];
    for shape in shapes {
        for (gain, dtype, tolerance) in [(1.0, DType::F64, 1e-13), (2f64.sqrt(), DType::F32, 1e-6)] {
            let init = Init::Orthogonal { gain: Gain::Factor(gain) };
            let w = init.draw(shape, dtype, rng);
            assert_eq!((w.shape().to_vec().as_slice(), w.dtype()), (shape, dtype));
            let (rows, columns) = (shape[0], shape[1..].iter().product::<usize>());
            let w = w.cast(DType::F64).to_vec::<f64>();
            let at =
                |i: usize, k: usize| if rows <= columns { w[i * columns + k] } else { w[k * columns + i] };
            let (short, long) = (rows.min(columns), rows.max(columns));
            for i in 0..short {
                for j in 0..=i {
                    let dot: f64 = (0..long).map(|k| at(i, k) * at(j, k)).sum();
                    let want = if i == j { gain * gain } else { 0.0 };
                    assert!((dot - want).abs() < tolerance, "{shape:?} {i} {j}: {dot}, not {want}");
                }
            }
        }
    }
}

/// Uniform among all rotations: each element has mean 0 and variance 1 / n over many draws, also the diagonal's, which a
/// factorisation with signs of its own would make positive.
#[test]
fn orthogonal_weights_prefer_no_direction() {
    let (rng, draws, n) = (&mut Rng::seed(8), 4000, 3);
    let mut sums = [[0.0; 2]; 9];
    for _ in 0..draws {
        let w = Init::orthogonal().draw([n, n], DType::F64, rng).to_vec::<f64>();
        for (sum, x) in sums.iter_mut().zip(w) {
            *sum = [sum[0] + x, sum[1] + x * x];
        }
    }
    let draws = draws as f64;
    for [first, second] in sums {
        // Five standard errors: the variance of an element is 1/3, that of its square 4/45.
        assert!((first / draws).abs() < 5.0 * (1.0 / 3.0 / draws).sqrt(), "{}", first / draws);
        assert!((second / draws - 1.0 / 3.0).abs() < 5.0 * (4.0 / 45.0 / draws).sqrt(), "{}", second / draws);
    }
}

#[test]
fn sparse_columns_have_their_share_of_zeros() {
    let rng = &mut Rng::seed(4);
    for (sparsity, zeros) in [(0.0, 0), (0.3, 60), (0.301, 61), (1.0, 200)] {
        let w = Init::Sparse { sparsity, std: 0.5 }.draw([200, 50], DType::F64, rng).to_vec::<f64>();
        for column in 0..50 {
            assert_eq!((0..200).filter(|row| w[row * 50 + column] == 0.0).count(), zeros, "{sparsity}");
        }
        let others: Vec<f64> = w.into_iter().filter(|x| *x != 0.0).collect();
        if others.len() > 1 {
            let (mean, std, _) = moments(&others);
            let n = others.len() as f64;
            assert!(mean.abs() < 5.0 * 0.5 / n.sqrt() && (std - 0.5).abs() < 5.0 * 0.5 / (2.0 * n).sqrt());
        }
    }
    // Each row has its share too: the places are random. Binomial with 50 columns, deviation √(50 · 0.3 · 0.7) = 3.2.
    let w = Init::Sparse { sparsity: 0.3, std: 0.5 }.draw([200, 50], DType::F32, rng).to_vec::<f32>();
    assert!(w.chunks(50).all(|row| row.iter().filter(|x| **x == 0.0).count().abs_diff(15) < 17));
}

#[test]
fn dirac_weights_hand_their_input_on() {
    let rng = &mut Rng::seed(4);
    let x = rng.normal([2, 3, 5, 5], 0.0, 1.0, DType::F64);
    let w = Init::Dirac { groups: 1 }.draw([5, 3, 3, 3], DType::F64, rng);
    let y = x.conv2d(&w, None, &Conv2dOptions { padding: [1, 1], ..Default::default() });
    assert_eq!(y.narrow(1, 0, 3).to_vec::<f64>(), x.to_vec::<f64>());
    assert_eq!(y.narrow(1, 3, 2).to_vec::<f64>(), [0.0; 2 * 2 * 25]);
    // Two groups of three outputs with two inputs each, kernel of 4: the middle is 2, and output 2 of a group gets nothing.
    let w = Init::Dirac { groups: 2 }.draw([6, 2, 4], DType::F32, rng).to_vec::<f32>();
    let ones: Vec<usize> = (0..w.len()).filter(|&i| w[i] == 1.0).collect();
    assert_eq!(ones, [[0, 0], [1, 1], [3, 0], [4, 1]].map(|[output, input]| (output * 2 + input) * 4 + 2));
    assert_eq!(w.iter().sum::<f32>(), 4.0);
}

#[test]
fn identities_need_not_be_square() {
    let rng = &mut Rng::seed(4);
    assert_eq!(Init::Identity.draw([2, 3], DType::F32, rng).to_vec::<f32>(), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    assert_eq!(Init::Identity.draw([3, 1], DType::F64, rng).to_vec::<f64>(), [1.0, 0.0, 0.0]);
    assert_eq!(Init::Identity.draw([0, 2], DType::F64, rng).numel(), 0);
    assert_eq!(rng, &Rng::seed(4), "nothing is drawn");
}

/// PyTorch's `calculate_gain` of each name.
#[test]
fn gains_are_those_of_the_table() {
    let table = [
        ("linear", 1.0),
        ("conv1d", 1.0),
        ("conv2d", 1.0),
        ("conv3d", 1.0),
        ("sigmoid", 1.0),
        ("tanh", 1.6666666666666667),
        ("relu", std::f64::consts::SQRT_2),
        ("leaky_relu", 1.4141428569978354),
        ("selu", 0.75),
    ];
    for (name, want) in table {
        let gain = Gain::of(name).unwrap().value();
        assert!((gain - want).abs() < 1e-15, "{name}: {gain}");
    }
}

#[test]
fn shapes_of_another_kind_are_refused() {
    let refusals = [
        (Init::orthogonal(), &[3][..], "init: orthogonal is for weights with at least 2 axes"),
        (Init::Sparse { sparsity: 0.1, std: 1.0 }, &[3, 2, 2], "init: sparse is for matrices"),
        (Init::Sparse { sparsity: 1.1, std: 1.0 }, &[3, 2], "init: sparse is for matrices"),
        (Init::Dirac { groups: 1 }, &[3, 2], "init: dirac is for convolutions"),
        (Init::Dirac { groups: 2 }, &[3, 2, 1], "init: dirac is for convolutions"),
        (Init::Identity, &[3], "init: identity is for matrices, got [3]"),
        (Init::truncated_normal(0.0), &[3], "init: a truncated normal distribution needs low < high"),
    ];
    for (init, shape, want) in refusals {
        let draw = || init.draw(shape, DType::F32, &mut Rng::seed(1));
        let why = std::panic::catch_unwind(draw).expect_err("it is refused");
        let why = why.downcast_ref::<String>().unwrap();
        assert!(why.starts_with(want), "{init:?}: {why}");
    }
}
