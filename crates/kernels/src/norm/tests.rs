use super::*;
use crate::Float;
use crate::dispatch::tests::with_each_isa;
use crate::threads;

/// Values with a mean far from zero, distinct for each salt.
fn numbers(n: usize, salt: usize) -> Vec<f64> {
    (0..n).map(|i| f64::from((((i + 31 * salt) * 7919) % 1009) as f32 / 300.0 + 2.0)).collect()
}

fn to<T: Float>(x: &[f64]) -> Vec<T> {
    x.iter().map(|&x| T::from_f64(x)).collect()
}

#[track_caller]
fn close<T: Float>(what: &str, got: &[T], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!(
            (got.to_f64() - want).abs() <= tolerance * (1.0 + want.abs()),
            "{what} at {i}: {got}, not {want}"
        );
    }
}

const EPS: f64 = 1e-5;

/// Normalises the places of one group in f64: y without weight and bias, mean, variance.
fn reference(x: &[f64]) -> (Vec<f64>, f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
    (x.iter().map(|x| (x - mean) / (variance + EPS).sqrt()).collect(), mean, variance)
}

/// The gradient of sum(g * normalised(x)) with respect to x by central differences.
fn differences(x: &[f64], g: &[f64]) -> Vec<f64> {
    let value = |x: &[f64]| reference(x).0.iter().zip(g).map(|(y, g)| y * g).sum::<f64>();
    (0..x.len())
        .map(|i| {
            let at = |h: f64| {
                let mut moved = x.to_vec();
                moved[i] += h;
                value(&moved)
            };
            (at(1e-5) - at(-1e-5)) / 2e-5
        })
        .collect()
}

/// Groups of positions that are normalised together, and the position of weight and bias for each element.
struct Case {
    groups: Vec<Vec<usize>>,
    side: Vec<usize>,
    sides: usize,
}

impl Case {
    fn len(&self) -> usize {
        self.side.len()
    }

    fn expected(&self, x: &[f64], weight: &[f64], bias: &[f64]) -> [Vec<f64>; 3] {
        let mut out = [vec![0.0; x.len()], vec![], vec![]];
        for group in &self.groups {
            let (y, mean, variance) = reference(&group.iter().map(|&i| x[i]).collect::<Vec<_>>());
            for (&i, y) in group.iter().zip(y) {
                out[0][i] = y * weight[self.side[i]] + bias[self.side[i]];
            }
            out[1].push(mean);
            out[2].push(variance);
        }
        out
    }

    fn expected_grad(&self, x: &[f64], weight: &[f64], dy: &[f64]) -> [Vec<f64>; 3] {
        let mut out = [vec![0.0; x.len()], vec![0.0; self.sides], vec![0.0; self.sides]];
        for group in &self.groups {
            let part: Vec<f64> = group.iter().map(|&i| x[i]).collect();
            let g: Vec<f64> = group.iter().map(|&i| dy[i] * weight[self.side[i]]).collect();
            let y = reference(&part).0;
            for ((&i, dx), y) in group.iter().zip(differences(&part, &g)).zip(y) {
                out[0][i] = dx;
                out[1][self.side[i]] += dy[i] * y;
                out[2][self.side[i]] += dy[i];
            }
        }
        out
    }
}

fn layer_case(rows: usize, n: usize) -> Case {
    let groups = (0..rows).map(|row| (row * n..(row + 1) * n).collect()).collect();
    Case { groups, side: (0..rows * n).map(|i| i % n).collect(), sides: n }
}

fn batch_case(outer: usize, channels: usize, inner: usize) -> Case {
    let side: Vec<usize> = (0..outer * channels * inner).map(|i| i / inner % channels).collect();
    let groups = (0..channels).map(|c| (0..side.len()).filter(|&i| side[i] == c).collect()).collect();
    Case { groups, side, sides: channels }
}

fn check_layer<T: Float>(rows: usize, n: usize, tolerance: f64) {
    let case = layer_case(rows, n);
    let (x, dy) = (numbers(case.len(), 1), numbers(case.len(), 2));
    let (weight, bias) = (numbers(n, 3), numbers(n, 4));
    let (weight_t, bias_t, ones, zeros) = (to::<T>(&weight), to::<T>(&bias), vec![1.0; n], vec![0.0; n]);
    for (with_weight, with_bias) in [(true, true), (true, false), (false, true), (false, false)] {
        let s = LayerNorm {
            n,
            weight: with_weight.then_some(&weight_t[..]),
            bias: with_bias.then_some(&bias_t[..]),
            eps: T::from_f64(EPS),
        };
        let w = if with_weight { &weight } else { &ones };
        let [y, mean, _] = case.expected(&x, w, if with_bias { &bias } else { &zeros });
        let (mut got, mut got_mean, mut rstd) =
            (vec![T::NAN; rows * n], vec![T::NAN; rows], vec![T::NAN; rows]);
        layer_norm(&s, &to(&x), &mut got, &mut got_mean, &mut rstd);
        close("y", &got, &y, tolerance);
        close("mean", &got_mean, &mean, tolerance);
        let [dx, dw, db] = case.expected_grad(&x, w, &dy);
        let (mut got_dw, mut got_db) = (vec![T::NAN; n], vec![T::NAN; n]);
        let out = NormGrad { dx: &mut got, dweight: Some(&mut got_dw), dbias: Some(&mut got_db) };
        layer_norm_grad(&s, &to(&x), [&got_mean, &rstd], &to(&dy), out);
        close("dx", &got, &dx, tolerance.max(1e-8) * 40.0);
        close("dweight", &got_dw, &dw, tolerance * 10.0);
        close("dbias", &got_db, &db, tolerance * 10.0);
    }
}

fn check_batch<T: Float>(sizes: [usize; 3], tolerance: f64) {
    let [outer, channels, inner] = sizes;
    let case = batch_case(outer, channels, inner);
    let (x, dy) = (numbers(case.len(), 1), numbers(case.len(), 2));
    let (weight, bias) = (numbers(channels, 3), numbers(channels, 4));
    let (weight_t, bias_t) = (to::<T>(&weight), to::<T>(&bias));
    let eps = T::from_f64(EPS);
    let s = BatchNorm { channels, inner, weight: Some(&weight_t), bias: Some(&bias_t), eps, relu: false };
    let [y, mean, variance] = case.expected(&x, &weight, &bias);
    let mut got = vec![T::NAN; case.len()];
    let mut stats = [vec![T::NAN; channels], vec![T::NAN; channels], vec![T::NAN; channels]];
    let [m, v, r] = &mut stats;
    batch_norm(&s, &to(&x), None, &mut got, [m, v, r]);
    close("y", &got, &y, tolerance);
    close("mean", m, &mean, tolerance);
    close("variance", v, &variance, tolerance);
    let [dx, dw, db] = case.expected_grad(&x, &weight, &dy);
    let (mut got_dw, mut got_db) = (vec![T::NAN; channels], vec![T::NAN; channels]);
    let out = NormGrad { dx: &mut got, dweight: Some(&mut got_dw), dbias: Some(&mut got_db) };
    batch_norm_grad(&s, &to(&x), [m, r], None, &to(&dy), out, None);
    close("dx", &got, &dx, tolerance.max(1e-8) * 40.0);
    close("dweight", &got_dw, &dw, tolerance * 10.0);
    close("dbias", &got_db, &db, tolerance * 10.0);
    // Without gradients of weight and bias dx is the same.
    let mut alone = vec![T::NAN; case.len()];
    let out = NormGrad { dx: &mut alone, dweight: None, dbias: None };
    batch_norm_grad(&s, &to(&x), [m, r], None, &to(&dy), out, None);
    assert_eq!(alone, got);
    check_rectified(&s, &to(&x), &to(&dy));
}

/// Shortcut and rectifier in the kernel give what they give behind it, to the bit.
fn check_rectified<T: Float>(s: &BatchNorm<T>, x: &[T], dy: &[T]) {
    let n = x.len();
    let with = BatchNorm { relu: true, ..*s };
    let shortcut: Vec<T> = dy.iter().rev().map(|&x| T::from_f64(1.0) - x).collect();
    let stats = || [vec![T::NAN; s.channels], vec![T::NAN; s.channels], vec![T::NAN; s.channels]];
    for other in [None, Some(&shortcut[..])] {
        let (mut plain, mut y, mut applied) = (vec![T::NAN; n], vec![T::NAN; n], vec![T::NAN; n]);
        let [mut m, mut v, mut r] = stats();
        batch_norm(s, x, None, &mut plain, [&mut m, &mut v, &mut r]);
        for (i, y) in plain.iter_mut().enumerate() {
            *y += other.map_or(T::ZERO, |other| other[i]);
        }
        let zero = T::ZERO;
        let want: Vec<T> = plain.iter().map(|&y| if y > zero { y } else { zero }).collect();
        batch_norm(&with, x, other, &mut y, [&mut m, &mut v, &mut r]);
        assert_eq!(y, want);
        batch_norm_apply(&with, x, other, [&m, &r], &mut applied);
        assert_eq!(applied, want);
        let gated: Vec<T> = dy.iter().zip(&want).map(|(&dy, &y)| if y > zero { dy } else { zero }).collect();
        let mut results = Vec::new();
        for (s, y, dy) in [(s, None, &gated[..]), (&with, other.map(|_| &want[..]), dy)] {
            let (mut dx, mut dw, mut db) =
                (vec![T::NAN; n], vec![T::NAN; s.channels], vec![T::NAN; s.channels]);
            let mut dshortcut = vec![T::NAN; n];
            let out = NormGrad { dx: &mut dx, dweight: Some(&mut dw), dbias: Some(&mut db) };
            batch_norm_grad(s, x, [&m, &r], y, dy, out, other.map(|_| &mut dshortcut[..]));
            assert!(other.is_none() || dshortcut == gated);
            results.push([dx, dw, db]);
        }
        assert!(results[0] == results[1]);
    }
}

#[test]
fn layers_agree_with_plain_formulas_and_differences() {
    for (rows, n) in [(0, 4), (1, 2), (3, 5), (7, 33), (2, 130)] {
        with_each_isa(|_| {
            check_layer::<f32>(rows, n, 3e-6);
            check_layer::<f64>(rows, n, 1e-12);
        });
    }
}

#[test]
fn batches_agree_with_plain_formulas_and_differences() {
    for sizes in [[4, 1, 1], [5, 3, 1], [2, 3, 4], [3, 2, 35], [70, 5, 1], [1, 2, 50]] {
        with_each_isa(|_| {
            check_batch::<f32>(sizes, 3e-6);
            check_batch::<f64>(sizes, 1e-12);
        });
    }
}

#[test]
fn a_large_mean_costs_no_accuracy() {
    let x: Vec<f32> = (0..64).map(|i| 10_000.0 + i as f32 / 8.0).collect();
    let s = LayerNorm { n: 64, weight: None, bias: None, eps: 0.0 };
    let (mut y, mut mean, mut rstd) = ([0.0; 64], [0.0], [0.0]);
    layer_norm(&s, &x, &mut y, &mut mean, &mut rstd);
    let want = (reference(&x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>()).2).sqrt();
    assert!((f64::from(rstd[0]) * want - 1.0).abs() < 1e-6, "{rstd:?} {want}");
}

/// Long runs, short ones and single features are different loops over the same channels.
#[test]
fn the_shape_of_a_channel_does_not_matter() {
    let channels = 3;
    for (outer, inner) in [(2, 1300), (9, 150), (40, 24), (1, 127)] {
        let n = outer * channels * inner;
        let (x, dy) = (numbers(n, 1), numbers(n, 2));
        let weight = numbers(channels, 3);
        let run = |x: &[f64], dy: &[f64], inner: usize| {
            let s = BatchNorm { channels, inner, weight: Some(&weight), bias: None, eps: EPS, relu: false };
            let mut stats = [[0.0; 3]; 3];
            let (mut y, mut dx, mut dw, mut db) = (vec![0.0; n], vec![0.0; n], [0.0; 3], [0.0; 3]);
            let [m, v, r] = &mut stats;
            batch_norm(&s, x, None, &mut y, [m, v, r]);
            let out = NormGrad { dx: &mut dx, dweight: Some(&mut dw), dbias: Some(&mut db) };
            batch_norm_grad(&s, x, [m, r], None, dy, out, None);
            (y, dx, [stats[0], stats[1], dw, db].concat())
        };
        // As rows of features, by moving the channels to the end.
        let place =
            |i: usize| (i / channels / inner * channels + i % channels) * inner + i / channels % inner;
        let moved = |x: &[f64]| (0..n).map(|i| x[place(i)]).collect::<Vec<_>>();
        let (y, dx, sides) = run(&x, &dy, inner);
        let (y_rows, dx_rows, sides_rows) = run(&moved(&x), &moved(&dy), 1);
        close("y", &moved(&y), &y_rows, 1e-12);
        close("dx", &moved(&dx), &dx_rows, 1e-11);
        close("sides", &sides, &sides_rows, 1e-11);
    }
}

#[test]
fn batches_keep_their_accuracy_far_from_zero_and_over_many_blocks() {
    let (outer, channels, inner) = (300, 2, 40);
    let x: Vec<f32> = (0..outer * channels * inner)
        .map(|i| 1e4 + (i * 7919 % 1009) as f32 / 64.0 + (i / 2400) as f32)
        .collect();
    let s = BatchNorm { channels, inner, weight: None, bias: None, eps: 0.0, relu: false };
    let mut stats = [[0.0f32; 2]; 3];
    let [m, v, r] = &mut stats;
    batch_norm(&s, &x, None, &mut vec![0.0; x.len()], [m, v, r]);
    for (c, group) in batch_case(outer, channels, inner).groups.iter().enumerate() {
        let (_, mean, variance) = reference(&group.iter().map(|&i| f64::from(x[i])).collect::<Vec<_>>());
        assert!((f64::from(m[c]) / mean - 1.0).abs() < 1e-7, "{m:?}");
        assert!((f64::from(v[c]) / (variance - EPS) - 1.0).abs() < 1e-5, "{v:?} {variance}");
    }
}

#[test]
fn threads_change_no_bit() {
    let before = threads::threads();
    let (n, rows) = (200, 700);
    let (x, dy) = (to::<f32>(&numbers(rows * n, 1)), to::<f32>(&numbers(rows * n, 2)));
    let mut results = Vec::new();
    for count in [1, 2, 3, 7] {
        threads::set_threads(count);
        let s = LayerNorm { n, weight: None, bias: None, eps: 1e-5 };
        let (mut y, mut mean, mut rstd) = (vec![0.0; rows * n], vec![0.0; rows], vec![0.0; rows]);
        layer_norm(&s, &x, &mut y, &mut mean, &mut rstd);
        let (mut dx, mut dw, mut db) = (vec![0.0; rows * n], vec![0.0; n], vec![0.0; n]);
        let out = NormGrad { dx: &mut dx, dweight: Some(&mut dw), dbias: Some(&mut db) };
        layer_norm_grad(&s, &x, [&mean, &rstd], &dy, out);
        results.push(vec![y, dx, dw, db]);
        for inner in [1, 20] {
            let channels = n / inner;
            let s = BatchNorm { channels, inner, weight: None, bias: None, eps: 1e-5, relu: true };
            let [mut m, mut v, mut r] = [0, 1, 2].map(|_| vec![0.0; channels]);
            let (mut y, mut dx) = (vec![0.0; rows * n], vec![0.0; rows * n]);
            batch_norm(&s, &x, None, &mut y, [&mut m, &mut v, &mut r]);
            let (mut dw, mut db) = (vec![0.0; channels], vec![0.0; channels]);
            let out = NormGrad { dx: &mut dx, dweight: Some(&mut dw), dbias: Some(&mut db) };
            batch_norm_grad(&s, &x, [&m, &r], None, &dy, out, None);
            results.last_mut().unwrap().extend([m, v, r, y, dx, dw, db]);
        }
    }
    threads::set_threads(before);
    assert!(results.iter().all(|result| *result == results[0]));
}

#[test]
#[should_panic(expected = "layer_norm: weight has length 2, but 3 are needed")]
fn a_weight_of_wrong_length_is_refused() {
    let s = LayerNorm { n: 3, weight: Some(&[1.0f32, 1.0][..]), bias: None, eps: 1e-5 };
    layer_norm(&s, &[0.0; 3], &mut [0.0; 3], &mut [0.0], &mut [0.0]);
}

#[test]
#[should_panic(
    expected = "batch_norm_apply: lengths [7, 7, 7] with [2, 2] statistics do not fit 2 channels of 3"
)]
fn channels_that_do_not_fit_are_refused() {
    let s = BatchNorm { channels: 2, inner: 3, weight: None, bias: None, eps: 1e-5f32, relu: false };
    batch_norm_apply(&s, &[0.0; 7], None, [&[0.0; 2], &[1.0; 2]], &mut [0.0; 7]);
}
