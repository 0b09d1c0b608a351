use super::*;
use crate::dispatch::tests::with_each_isa;

fn numbers(n: usize, scale: f64) -> Vec<f64> {
    (0..n).map(|i| (((i * 7919) % 1009) as f64 / 504.5 - 1.0) * scale).collect()
}

/// log_softmax of one row in f64.
fn reference(x: &[f64]) -> Vec<f64> {
    let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let log = x.iter().map(|x| (x - max).exp()).sum::<f64>().ln();
    x.iter().map(|x| x - max - log).collect()
}

fn to<T: Float>(x: &[f64]) -> Vec<T> {
    x.iter().map(|&x| T::from_f64(x)).collect()
}

#[track_caller]
fn close<T: Float>(got: &[T], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let error = (got.to_f64() - want).abs();
        assert!(error <= tolerance * (1.0 + want.abs()), "at {i}: {got} instead of {want}");
    }
}

/// One element of a gradient from a row of y, a row of dy and the position.
type Element<'a> = &'a dyn Fn(&[f64], &[f64], usize) -> f64;

fn check_rows<T: Float>(rows: usize, n: usize, scale: f64, tolerance: f64) {
    let x: Vec<f64> = to::<T>(&numbers(rows * n, scale)).iter().map(|x| x.to_f64()).collect();
    let dy: Vec<f64> = to::<T>(&numbers(rows * n + 5, 1.0)[5..]).iter().map(|x| x.to_f64()).collect();
    let log: Vec<f64> = x.chunks(n).flat_map(reference).collect();
    let soft: Vec<f64> = log.iter().map(|y| y.exp()).collect();
    let mut out = vec![T::NAN; rows * n];
    softmax(&to::<T>(&x), n, &mut out);
    close(&out, &soft, tolerance);
    log_softmax(&to::<T>(&x), n, &mut out);
    close(&out, &log, tolerance);
    // The Jacobians written out: sum over k of dy[k] * d out[k] / d x[i].
    let rowwise = |f: Element, y: &[f64]| -> Vec<f64> {
        y.chunks(n).zip(dy.chunks(n)).flat_map(|(y, dy)| (0..n).map(move |i| f(y, dy, i))).collect()
    };
    softmax_grad(&to::<T>(&soft), &to::<T>(&dy), n, &mut out);
    let delta = |i, k| f64::from(u8::from(i == k));
    close(
        &out,
        &rowwise(&|y, dy, i| (0..n).map(|k| dy[k] * y[k] * (delta(i, k) - y[i])).sum(), &soft),
        tolerance * 9.0,
    );
    log_softmax_grad(&to::<T>(&log), &to::<T>(&dy), n, &mut out);
    close(
        &out,
        &rowwise(&|y, dy, i| (0..n).map(|k| dy[k] * (delta(i, k) - y[i].exp())).sum(), &log),
        tolerance * 9.0,
    );
    let mut total = vec![T::NAN; rows];
    logsumexp(&to::<T>(&x), n, &mut total);
    let want: Vec<f64> = x.chunks(n).map(|x| x[0] - reference(x)[0]).collect();
    close(&total, &want, tolerance);
}

#[test]
fn rows_of_many_lengths() {
    for (rows, n) in [(1, 1), (3, 2), (5, 10), (4, 31), (2, 33), (3, 100), (2, 1500), (300, 65)] {
        for scale in [1.0, 30.0] {
            with_each_isa(|_| {
                check_rows::<f32>(rows, n, scale, 1e-6);
                check_rows::<f64>(rows, n, scale, 1e-14);
            });
        }
    }
}

#[test]
fn large_numbers_and_infinities() {
    let mut y = [0.0f32; 3];
    softmax(&[1e30, 1e30, -1e30], 3, &mut y);
    assert_eq!(y, [0.5, 0.5, 0.0]);
    softmax(&[f32::NEG_INFINITY, 0.0, 0.0], 3, &mut y);
    assert_eq!(y, [0.0, 0.5, 0.5]);
    log_softmax(&[f32::NEG_INFINITY, 0.0, f32::NEG_INFINITY], 3, &mut y);
    assert_eq!(y, [f32::NEG_INFINITY, 0.0, f32::NEG_INFINITY]);
    softmax(&[f32::NEG_INFINITY; 3], 3, &mut y);
    assert!(y.iter().all(|y| y.is_nan()));
    let mut total = [0.0f32; 3];
    logsumexp(&[f32::NEG_INFINITY, f32::NEG_INFINITY, f32::INFINITY, 0.0, f32::NAN, 0.0], 2, &mut total);
    assert_eq!(total[..2], [f32::NEG_INFINITY, f32::INFINITY]);
    assert!(total[2].is_nan());
}

#[test]
fn nothing_is_done_for_nothing() {
    softmax::<f32>(&[], 0, &mut []);
    log_softmax_grad::<f64>(&[], &[], 4, &mut []);
    logsumexp::<f32>(&[], 7, &mut []);
    let mut total = [0.0f32];
    logsumexp(&[], 0, &mut total);
    assert_eq!(total, [f32::NEG_INFINITY]);
}

#[test]
#[should_panic(expected = "softmax: 7 elements are not whole rows of 3")]
fn ragged_rows_are_refused() {
    softmax(&[0.0f32; 7], 3, &mut [0.0; 7]);
}
