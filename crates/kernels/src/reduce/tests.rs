use proptest::prelude::*;

use super::{all, any, argmax, argmin, count, max, mean, min, prod, sum, sum_i64};
use crate::dispatch::tests::with_each_isa;
use crate::threads;

/// The elements of one column as f64, by plain indexing.
fn column<T: Copy>(x: &[T], [_, n, inner]: [usize; 3], at: usize) -> impl Iterator<Item = T> {
    let (o, i) = (at / inner, at % inner);
    (0..n).map(move |j| x[(o * n + j) * inner + i])
}

fn numbers(n: usize, salt: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7919 + salt * 104_729) % 1009) as f32 / 100.9 - 5.0).collect()
}

fn check_all(sizes: [usize; 3], x: &[f32]) {
    let [outer, n, inner] = sizes;
    let results = outer * inner;
    let mut out = vec![9.0f32; results];
    let mut at = vec![9i64; results];
    let single = |f: fn(&[f32], usize, usize, usize, &mut [f32]), out: &mut [f32]| f(x, outer, n, inner, out);
    single(sum, &mut out);
    for (i, &got) in out.iter().enumerate() {
        let want: f64 = column(x, sizes, i).map(f64::from).sum();
        let size: f64 = column(x, sizes, i).map(|x| f64::from(x.abs())).sum();
        assert!((f64::from(got) - want).abs() <= 5e-6 * size, "sum {sizes:?} at {i}: {got} {want}");
    }
    let sums = out.clone();
    single(mean, &mut out);
    for (i, &got) in out.iter().enumerate() {
        assert_eq!(got.to_bits(), (sums[i] / n as f32).to_bits(), "mean {sizes:?}");
    }
    let unit: Vec<f32> = x.iter().map(|x| 1.0 + x / 1000.0).collect();
    prod(&unit, outer, n, inner, &mut out);
    for (i, &got) in out.iter().enumerate() {
        let want: f64 = column(&unit, sizes, i).map(f64::from).product();
        assert!((f64::from(got) / want - 1.0).abs() < 1e-7 * (n + 1) as f64, "prod {sizes:?} at {i}");
    }
    if n == 0 {
        return;
    }
    for (largest, sign) in [(true, 1.0), (false, -1.0f32)] {
        single(if largest { max } else { min }, &mut out);
        (if largest { argmax } else { argmin })(x, outer, n, inner, &mut at);
        for i in 0..results {
            let mut best = 0;
            let column: Vec<f32> = column(x, sizes, i).map(|x| sign * x).collect();
            for (j, &x) in column.iter().enumerate() {
                if !column[best].is_nan() && (x > column[best] || x.is_nan()) {
                    best = j;
                }
            }
            assert_eq!(at[i], best as i64, "position {sizes:?} at {i}, largest {largest}");
            assert_eq!((sign * out[i]).to_bits() & !(1 << 31), column[best].to_bits() & !(1 << 31));
        }
    }
}

#[test]
fn sizes_around_blocks_and_tiles() {
    let shapes = [
        [1, 1, 1],
        [0, 3, 2],
        [3, 0, 2],
        [3, 2, 0],
        [1, 5000, 1],
        [1, 100_000, 1],
        [3, 1025, 1],
        [7, 33, 1],
        [2, 100, 3],
        [1, 9001, 10],
        [2, 65, 300],
        [1, 4000, 64],
        [5, 31, 257],
        [1, 70_000, 2],
    ];
    for sizes in shapes {
        let x = numbers(sizes.iter().product(), 1);
        with_each_isa(|_| check_all(sizes, &x));
    }
}

proptest! {
    #[test]
    fn any_shape(outer in 0usize..5, n in 0usize..80, inner in 0usize..70, salt in 0usize..100, nan in 0usize..2000) {
        let mut x = numbers(outer * n * inner, salt);
        check_all([outer, n, inner], &x);
        // NaNs anywhere: their columns become NaN, and their first place is the extreme one.
        for i in [nan, nan + 37] {
            if let Some(x) = x.get_mut(i) {
                *x = f32::NAN;
            }
        }
        if n > 0 {
            let mut out = vec![0.0; outer * inner];
            let mut at = vec![9; outer * inner];
            max(&x, outer, n, inner, &mut out);
            argmin(&x, outer, n, inner, &mut at);
            for i in 0..outer * inner {
                let first = column(&x, [outer, n, inner], i).position(f32::is_nan);
                prop_assert_eq!(out[i].is_nan(), first.is_some());
                if let Some(first) = first {
                    prop_assert_eq!(at[i], first as i64);
                }
            }
        }
    }

    #[test]
    fn whole_numbers_and_flags(outer in 0usize..4, n in 0usize..50, inner in 1usize..40, salt in 0usize..100) {
        let flags: Vec<u8> = numbers(outer * n * inner, salt).iter().map(|&x| u8::from(x > 4.0) * 3).collect();
        let whole: Vec<i64> = flags.iter().enumerate().map(|(i, &x)| i64::from(x) * i as i64 - 9).collect();
        let results = outer * inner;
        let (mut byte, mut out) = (vec![9; results], vec![9; results]);
        any(&flags, outer, n, inner, &mut byte);
        prop_assert!((0..results).all(|i| (byte[i] == 1) == column(&flags, [outer, n, inner], i).any(|x| x != 0)));
        all(&flags, outer, n, inner, &mut byte);
        prop_assert!((0..results).all(|i| (byte[i] == 1) == column(&flags, [outer, n, inner], i).all(|x| x != 0)));
        count(&flags, outer, n, inner, &mut out);
        for (i, &got) in out.iter().enumerate() {
            prop_assert_eq!(got, column(&flags, [outer, n, inner], i).filter(|&x| x != 0).count() as i64);
        }
        sum_i64(&whole, outer, n, inner, &mut out);
        for (i, &got) in out.iter().enumerate() {
            prop_assert_eq!(got, column(&whole, [outer, n, inner], i).sum::<i64>());
        }
    }
}

#[test]
fn a_long_sum_is_accurate() {
    // Plain accumulation of ten million times 0.1 in f32 is off by ten per cent.
    let n = 10_000_000;
    let x = vec![0.1f32; n];
    let want = f64::from(0.1f32) * n as f64;
    for inner in [1, 10, 1000] {
        let mut out = vec![0.0; inner];
        sum(&x, 1, n / inner, inner, &mut out);
        for y in out {
            assert!((f64::from(y) / (want / inner as f64) - 1.0).abs() < 1e-6, "{inner}: {y}");
        }
    }
}

#[test]
fn threads_and_instruction_sets_change_no_bit() {
    let before = threads::threads();
    for sizes in [[1, 300_000, 1], [1, 3000, 100], [300, 1000, 1], [4, 50, 3000]] {
        let [outer, n, inner] = sizes;
        let x: Vec<f32> = numbers(outer * n * inner, 3).iter().map(|x| x.exp()).collect();
        let mut results = Vec::new();
        for threads in [1, 2] {
            threads::set_threads(threads);
            let mut out = vec![0.0; outer * inner];
            sum(&x, outer, n, inner, &mut out);
            results.push(out);
        }
        threads::set_threads(1);
        with_each_isa(|_| {
            let mut out = vec![0.0; outer * inner];
            sum(&x, outer, n, inner, &mut out);
            assert_eq!(out, results[0], "{sizes:?}");
        });
        assert_eq!(results[0], results[1], "{sizes:?}");
    }
    threads::set_threads(before);
}

#[test]
fn empty_means_are_nan_and_empty_products_one() {
    let mut out = [9.0f64; 2];
    mean(&[], 1, 0, 2, &mut out);
    assert!(out.iter().all(|y| y.is_nan()));
    prod::<f64>(&[], 1, 0, 2, &mut out);
    assert_eq!(out, [1.0, 1.0]);
}

#[test]
#[should_panic(expected = "max: the axis has size 0, and no number is the max of none")]
fn the_largest_of_none_is_refused() {
    max::<f32>(&[], 1, 0, 2, &mut [0.0; 2]);
}

#[test]
#[should_panic(expected = "sum: x has 5 elements, but the sizes are 1 x 2 x 3")]
fn a_wrong_size_is_refused() {
    sum(&[0.0f32; 5], 1, 2, 3, &mut [0.0; 3]);
}
