use super::*;
use crate::dispatch::tests::with_each_isa;
use crate::threads;

#[test]
fn philox_gives_the_published_words() {
    // Known answers that come with the reference implementation of the paper (kat_vectors, philox4x32-10).
    assert_eq!(philox(0, 0, 0), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
    assert_eq!(philox(u64::MAX, u64::MAX, u64::MAX), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    let pi = philox(0x299f_31d0_a409_3822, 0x0370_7344_1319_8a2e, 0x85a3_08d3_243f_6a88);
    assert_eq!(pi, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    assert_eq!(next_u64(0, 0, 0), 0xe169_c58d_6627_e8d5);
}

#[test]
fn element_i_uses_the_documented_words() {
    for n in [0, 1, 3, 4, 5, 127, 128, 129, 1000, 3 * CHUNK + 7] {
        let start = u64::MAX - 5;
        let word = |i: usize| philox(7, 9, start.wrapping_add((i / 4) as u64))[i % 4];
        with_each_isa(|isa| {
            let mut single = vec![9.0f32; n];
            uniform(7, 9, start, 0.0, 1.0, &mut single);
            let mut double = vec![9.0f64; n];
            uniform(7, 9, start, 0.0, 1.0, &mut double);
            let ones = vec![1.0f64; n];
            let mut kept = vec![9.0f64; n];
            dropout(7, 9, start, 0.25, &ones, &mut kept);
            for i in 0..n {
                assert_eq!(
                    f64::from(single[i]),
                    f64::from(word(i) >> 8) / 2f64.powi(24),
                    "{isa:?} at {i} of {n}"
                );
                let bits = u64::from(word(2 * i + 1)) << 21 | u64::from(word(2 * i)) >> 11;
                assert_eq!(double[i], bits as f64 / 2f64.powi(53), "{isa:?} at {i} of {n}");
                assert_eq!(
                    kept[i],
                    if word(i) >= 1 << 30 { 4.0 / 3.0 } else { 0.0 },
                    "{isa:?} at {i} of {n}"
                );
            }
        });
    }
}

#[test]
fn calls_join_where_counters_say() {
    let (mut whole, mut parts) = (vec![0.0f32; 100], vec![0.0f32; 100]);
    normal(1, 2, 0, 0.0, 1.0, &mut whole);
    normal(1, 2, 0, 0.0, 1.0, &mut parts[..40]);
    normal(1, 2, counters::<f32>(40), 0.0, 1.0, &mut parts[40..]);
    assert_eq!(whole, parts);
    let (mut whole, mut parts) = (vec![0.0f64; 100], vec![0.0f64; 100]);
    normal(1, 2, 0, 0.0, 1.0, &mut whole);
    normal(1, 2, 0, 0.0, 1.0, &mut parts[..40]);
    normal(1, 2, counters::<f64>(40), 0.0, 1.0, &mut parts[40..]);
    assert_eq!(whole, parts);
    assert_eq!((counters::<f32>(5), counters::<f64>(5), counters::<f32>(0)), (2, 3, 0));
}

/// The mean of f over the numbers.
fn average<T: Float>(x: &[T], f: impl Fn(f64) -> f64) -> f64 {
    x.iter().map(|x| f(x.to_f64())).sum::<f64>() / x.len() as f64
}

fn check_normal<T: Float>() {
    let n = 1_000_000;
    let mut x = vec![T::NAN; n];
    normal(3, 0, 0, T::from_f64(2.0), T::from_f64(0.5), &mut x);
    let z: Vec<f64> = x.iter().map(|x| (x.to_f64() - 2.0) / 0.5).collect();
    // Five standard errors of each moment.
    for (power, want, error) in
        [(1, 0.0, 1.0), (2, 1.0, 2f64.sqrt()), (3, 0.0, 15f64.sqrt()), (4, 3.0, 96f64.sqrt())]
    {
        let got = average(&z, |z| z.powi(power));
        assert!((got - want).abs() < 5.0 * error / (n as f64).sqrt(), "moment {power}: {got}");
    }
    let tail = average(&z, |z| f64::from(u8::from(z.abs() > 3.0)));
    assert!((tail - 0.002_699_8).abs() < 5.0 * (0.0027 / n as f64).sqrt(), "{tail}");
    // The numbers of a pair are uncorrelated.
    let pairs: f64 = z.chunks(2).map(|z| z[0] * z[1]).sum::<f64>() / (n / 2) as f64;
    assert!(pairs.abs() < 5.0 / ((n / 2) as f64).sqrt(), "{pairs}");
}

#[test]
fn normal_numbers_have_normal_moments() {
    check_normal::<f32>();
    check_normal::<f64>();
}

#[test]
fn single_normal_numbers_are_box_and_muller_of_their_words() {
    let mut x = vec![0.0f32; 4000];
    normal(5, 6, 0, 0.0, 1.0, &mut x);
    for (i, pair) in x.chunks(2).enumerate() {
        let words = philox(5, 6, i as u64 / 2);
        let (w0, w1) = (words[i % 2 * 2], words[i % 2 * 2 + 1]);
        let radius = (-2.0 * ((f64::from(w0 >> 1) + 0.5) / 2f64.powi(31)).ln()).sqrt();
        let angle = std::f64::consts::TAU * f64::from(w1) / 2f64.powi(32);
        assert!((f64::from(pair[0]) - radius * angle.cos()).abs() < 2e-6, "{pair:?}");
        assert!((f64::from(pair[1]) - radius * angle.sin()).abs() < 2e-6, "{pair:?}");
    }
}

#[test]
fn uniform_numbers_stay_below_the_upper_bound() {
    let n = 1_000_000;
    let mut x = vec![0.0f32; n];
    uniform(1, 1, 0, 0.0, 1.0, &mut x);
    assert!(x.iter().all(|x| (0.0..1.0).contains(x)));
    assert!((average(&x, |x| x) - 0.5).abs() < 5.0 * (1.0 / 12.0 / n as f64).sqrt());
    // So narrow that rounding would reach the bound in half of all cases.
    uniform(1, 1, 0, 1.0, 1.0 + f32::EPSILON, &mut x);
    assert!(x.iter().all(|&x| x == 1.0));
    uniform(1, 1, 0, -3.0, -3.0, &mut x);
    assert!(x.iter().all(|&x| x == -3.0));
}

#[test]
fn dropout_keeps_the_mean_and_its_gradient_uses_the_same_mask() {
    let n = 200_000;
    let x = vec![2.0f32; n];
    for p in [0.0, 0.1, 0.5, 0.9] {
        let (mut y, mut dx) = (vec![0.0; n], vec![0.0; n]);
        dropout(11, 12, 13, p, &x, &mut y);
        dropout(11, 12, 13, p, &vec![1.0; n], &mut dx);
        assert!(y.iter().zip(&dx).all(|(&y, &dx)| y == 2.0 * dx));
        let kept = average(&y, |y| f64::from(u8::from(y != 0.0)));
        assert!((kept - (1.0 - p)).abs() <= 5.0 * (p * (1.0 - p) / n as f64).sqrt(), "{p}: {kept}");
        assert!(y.iter().all(|&y| y == 0.0 || (y - 2.0 / (1.0 - p as f32)).abs() < 1e-5));
        let mut flags = vec![0.0f64; n];
        bernoulli(11, 12, 13, p, &mut flags);
        assert!((average(&flags, |y| y) - p).abs() <= 5.0 * (p * (1.0 - p) / n as f64).sqrt(), "{p}");
    }
    let mut y = [9.0f32; 3];
    dropout(1, 2, 3, 1.0, &[1.0, f32::NAN, f32::INFINITY], &mut y);
    assert_eq!(y, [0.0; 3]);
    bernoulli(1, 2, 3, 1.0, &mut y);
    assert_eq!(y, [1.0; 3]);
}

#[test]
fn threads_change_no_bit() {
    let before = threads::threads();
    let mut results = Vec::new();
    for count in [1, 2] {
        threads::set_threads(count);
        let (mut a, mut b) = (vec![0.0f32; 5 * CHUNK + 9], vec![0.0f64; 3 * CHUNK + 1]);
        normal(1, 2, 3, 0.0, 1.0, &mut a);
        uniform(1, 2, 3, -1.0, 1.0, &mut b);
        results.push((a, b));
    }
    threads::set_threads(before);
    assert!(results[0] == results[1]);
}

#[test]
#[should_panic(expected = "dropout: the probability 1.5 is not between 0 and 1")]
fn an_impossible_probability_is_refused() {
    dropout(1, 2, 3, 1.5, &[0.0f32], &mut [0.0]);
}
