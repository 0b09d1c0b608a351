use super::*;
use crate::Bf16;
use crate::Isa;
use crate::Pod;
use crate::dispatch::tests::with_each_isa;
use crate::threads;

struct Tanh;
impl Map for Tanh {
    #[inline(always)]
    fn f32(x: Lane<f32>) -> Lane<f32> {
        x.tanh()
    }
    #[inline(always)]
    fn f64(x: Lane<f64>) -> Lane<f64> {
        x.tanh()
    }
}

/// Not symmetric, so that exchanged arguments are noticed.
struct Less;
impl Zip for Less {
    fn f32(a: Lane<f32>, b: Lane<f32>) -> Lane<f32> {
        a - 2.0 * b
    }
    fn f64(a: Lane<f64>, b: Lane<f64>) -> Lane<f64> {
        a - 2.0 * b
    }
}

impl Compare for Less {
    fn compare<T: Pod>(a: T, b: T) -> bool {
        a < b
    }
}

/// Numbers from -5 to 5 in no particular order.
fn numbers(n: usize, salt: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7919 + salt * 104_729) % 1001) as f32 / 100.1 - 5.0).collect()
}

#[test]
fn vectors_give_the_bits_of_one_lane_and_plain_loops_those_of_double_precision() {
    for n in [0, 1, 7, 8, 31, 32, 33, 1000] {
        let x = numbers(n, 1);
        with_each_isa(|isa| {
            let want: Vec<f32> = match isa {
                Isa::Scalar => x.iter().map(|&x| f64::from(x).tanh() as f32).collect(),
                _ => x.iter().map(|&x| Lane(x).tanh().0).collect(),
            };
            let mut y = vec![9.0; n];
            map::<Tanh, f32>(&x, &mut y);
            assert_eq!(y, want, "{isa:?}");
            let mut y = x.clone();
            map_in_place::<Tanh, f32>(&mut y);
            assert_eq!(y, want, "{isa:?}");
        });
    }
}

#[test]
fn two_arguments_in_all_shapes() {
    for n in [0, 1, 2, 9, 100, 3 * CHUNK + 5] {
        let (a, b) = (numbers(n, 1), numbers(n, 2));
        with_each_isa(|isa| {
            let expect = |f: &dyn Fn(usize) -> f32, got: &[f32]| {
                assert_eq!(got.len(), n);
                for (i, &got) in got.iter().enumerate() {
                    assert_eq!(got, f(i), "{isa:?} at {i} of {n}");
                }
            };
            let mut out = vec![9.0; n];
            zip::<Less, f32>(&a, &b, &mut out);
            expect(&|i| a[i] - 2.0 * b[i], &out);
            zip::<Less, f32>(&a, &[3.0], &mut out);
            expect(&|i| a[i] - 6.0, &out);
            zip::<Less, f32>(&[3.0], &b, &mut out);
            expect(&|i| 3.0 - 2.0 * b[i], &out);
            zip::<Less, f32>(&[3.0], &[0.5], &mut out);
            expect(&|_| 2.0, &out);
            out.copy_from_slice(&a);
            zip_in_place::<Less, f32>(&mut out, &b);
            expect(&|i| a[i] - 2.0 * b[i], &out);
            out.copy_from_slice(&a);
            zip_in_place::<Less, f32>(&mut out, &[1.5]);
            expect(&|i| a[i] - 3.0, &out);
            out.copy_from_slice(&b);
            zip_into_second::<Less, f32>(&a, &mut out);
            expect(&|i| a[i] - 2.0 * b[i], &out);
            affine(&a, 0.5, 1.0, &mut out);
            expect(&|i| a[i] * 0.5 + 1.0, &out);
            affine_in_place(&mut out, 2.0, 0.0);
            expect(&|i| 2.0 * (a[i] * 0.5 + 1.0), &out);
            out.copy_from_slice(&a);
            axpy(0.25, &b, &mut out);
            expect(&|i| a[i] + 0.25 * b[i], &out);
        });
    }
}

#[test]
fn rows_and_channels_are_broadcast() {
    for [outer, channels, inner] in
        [[1, 1, 1], [3, 5, 1], [0, 4, 2], [2, 3, 7], [40, 10, 100], [9000, 10, 1], [700, 64, 1]]
    {
        let n = outer * channels * inner;
        let (a, side) = (numbers(n, 3), numbers(channels, 4));
        let mut out = vec![9.0; n];
        zip_channels::<Less, f32>(&a, &side, inner, &mut out);
        for i in 0..n {
            assert_eq!(
                out[i],
                a[i] - 2.0 * side[i / inner % channels],
                "at {i} of {outer} {channels} {inner}"
            );
        }
        if inner == 1 {
            let mut rows = vec![9.0; n];
            zip_rows::<Less, f32>(&a, &side, &mut rows);
            assert_eq!(rows, out);
        }
    }
}

#[test]
fn comparison_and_selection() {
    for n in [0, 1, 33, 1000, 2 * CHUNK + 1] {
        let (a, b) = (numbers(n, 5), numbers(n, 6));
        let mut cond = vec![9; n];
        compare::<Less, f32>(&a, &[0.0], &mut cond);
        assert!(cond.iter().zip(&a).all(|(&c, &a)| c == u8::from(a < 0.0)));
        compare::<Less, f32>(&[0.0], &b, &mut cond);
        assert!(cond.iter().zip(&b).all(|(&c, &b)| c == u8::from(0.0 < b)));
        compare::<Less, f32>(&a, &b, &mut cond);
        assert!(cond.iter().zip(a.iter().zip(&b)).all(|(&c, (a, b))| c == u8::from(a < b)));
        let pick = |i: usize, a: f32, b: f32| if cond[i] != 0 { a } else { b };
        let mut out = vec![9.0; n];
        select(&cond, &a, &b, &mut out);
        assert!((0..n).all(|i| out[i] == pick(i, a[i], b[i])));
        select(&cond, &a, &[7.0], &mut out);
        assert!((0..n).all(|i| out[i] == pick(i, a[i], 7.0)));
        select(&cond, &[8.0], &b, &mut out);
        assert!((0..n).all(|i| out[i] == pick(i, 8.0, b[i])));
        select(&cond, &[8.0], &[7.0], &mut out);
        assert!((0..n).all(|i| out[i] == pick(i, 8.0, 7.0)));
    }
    let mut nan = [9; 2];
    compare::<Less, f64>(&[f64::NAN, 1.0], &[f64::NAN, 2.0], &mut nan);
    assert_eq!(nan, [0, 1]);
    let mut whole = [9; 3];
    compare::<Less, i64>(&[i64::MIN, 0, i64::MAX], &[0], &mut whole);
    assert_eq!(whole, [1, 0, 0]);
}

#[test]
fn conversions_saturate_and_round() {
    let mut bytes = [9u8; 6];
    cast(&[-1.0f32, 0.9, 254.5, 300.0, f32::NAN, f32::INFINITY], &mut bytes);
    assert_eq!(bytes, [0, 0, 254, 255, 0, 255]);
    let mut whole = [9i64; 3];
    cast(&[-1e30f64, 2.9, -2.9], &mut whole);
    assert_eq!(whole, [i64::MIN, 2, -2]);
    let mut single = [9f32; 2];
    cast(&[16_777_217i64, -3], &mut single);
    assert_eq!(single, [16_777_216.0, -3.0]);
    let mut flags = [9u8; 4];
    to_bool(&[0.0f32, -0.0, f32::NAN, 1e-40], &mut flags);
    assert_eq!(flags, [0, 0, 1, 1]);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let x = numbers(5 * CHUNK + 3, 7);
    let before = threads::threads();
    let mut results = Vec::new();
    for n in [1, 2] {
        threads::set_threads(n);
        let mut y = vec![0.0; x.len()];
        map::<Tanh, f32>(&x, &mut y);
        results.push(y);
    }
    threads::set_threads(before);
    assert_eq!(results[0], results[1]);
}

#[test]
#[should_panic(expected = "zip: b has length 3, but the result has length 2")]
fn a_wrong_length_is_refused() {
    zip::<Less, f32>(&[1.0, 2.0], &[1.0, 2.0, 3.0], &mut [0.0, 0.0]);
}

#[test]
#[should_panic(expected = "zip_channels: 7 elements cannot be cut into blocks of 3 x 1")]
fn a_row_that_does_not_fit_is_refused() {
    zip_rows::<Less, f32>(&[0.0; 7], &[0.0; 3], &mut [0.0; 7]);
}

#[test]
fn bf16_converts_by_way_of_f32() {
    let x = [1.0f32, 3.15, -2.5e-3, 300.7];
    let mut halves = [Bf16::default(); 4];
    cast(&x, &mut halves);
    let mut back = [0.0f64; 4];
    cast(&halves, &mut back);
    let expected = x.map(|x| f64::from(Bf16::from_f32(x).to_f32()));
    assert_eq!(back, expected);
    let mut whole = [0u8; 4];
    cast(&halves, &mut whole);
    assert_eq!(whole, [1, 3, 0, 255]);
}
