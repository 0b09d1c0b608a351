use super::*;
use proptest::prelude::*;

/// Numbers in -1 .. 1 without pattern.
fn noise(len: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        })
        .collect()
}

/// A matrix with its storage: `[rows, cols]` in one of four layouts.
fn mat<T: Float>(data: &[T], rows: usize, cols: usize, layout: u8) -> Mat<'_, T> {
    match layout {
        0 => Mat::row_major(data, rows, cols),
        1 => Mat::row_major(data, cols, rows).t(),
        2 => Mat { data, rows, cols, row_stride: cols + 3, col_stride: 1 },
        _ => Mat { data, rows, cols, row_stride: 2, col_stride: 2 * rows + 1 },
    }
}

fn storage(rows: usize, cols: usize) -> usize {
    (2 * rows + 4) * (cols + 4)
}

/// The product by its definition in f64, and the sum of the magnitudes (which rounding errors are measured by).
fn reference<T: Float>(a: &Mat<T>, b: &Mat<T>, i: usize, j: usize) -> (f64, f64) {
    (0..a.cols).fold((0.0, 0.0), |(sum, size), p| {
        let x = a.data[i * a.row_stride + p * a.col_stride].to_f64();
        let y = b.data[p * b.row_stride + j * b.col_stride].to_f64();
        (sum + x * y, size + (x * y).abs())
    })
}

/// Compares a whole product, with everything that the epilogue can do, with the definition.
fn check<T: Float>(
    [m, k, n]: [usize; 3],
    layouts: [u8; 2],
    accumulate: bool,
    bias: bool,
    activation: Activation,
) {
    let cast = |x: Vec<f64>| -> Vec<T> { x.into_iter().map(T::from_f64).collect() };
    let (da, db) = (cast(noise(storage(m, k), 1)), cast(noise(storage(k, n), 2)));
    let (a, b) = (mat(&da, m, k, layouts[0]), mat(&db, k, n, layouts[1]));
    let stride = n + 2;
    let old = cast(noise(m * stride + 5, 3));
    let bias_row = cast(noise(n, 4));
    let mut c = old.clone();
    let epilogue = Epilogue { accumulate, bias: bias.then_some(&bias_row[..]), activation };
    gemm(a, b, &mut c, stride, &epilogue);
    for (at, (&got, &was)) in c.iter().zip(&old).enumerate() {
        let (i, j) = (at / stride, at % stride);
        if i >= m || j >= n {
            assert_eq!(got, was, "item {at} outside the product changed, {m} x {k} x {n}");
            continue;
        }
        let (mut z, mut size) = reference(&a, &b, i, j);
        if accumulate {
            z += was.to_f64();
            size += was.to_f64().abs();
        }
        if bias {
            z += bias_row[j].to_f64();
            size += bias_row[j].to_f64().abs();
        }
        let expected = match activation {
            Activation::Identity => z,
            Activation::Relu => z.max(0.0),
            Activation::Tanh => z.tanh(),
            Activation::Sigmoid => 1.0 / (1.0 + (-z).exp()),
        };
        let bound = T::EPSILON.to_f64() * (4.0 * size + 2.0);
        let error = (got.to_f64() - expected).abs();
        assert!(
            error <= bound,
            "{m} x {k} x {n} {epilogue:?} at ({i}, {j}): {got} is {error} off {expected}"
        );
    }
}

proptest! {
    #[test]
    fn products_by_definition(
        m in 0usize..40, k in 0usize..40, n in 0usize..70, la in 0u8..4, lb in 0u8..4,
        accumulate: bool, bias: bool, act in 0usize..4, double: bool,
    ) {
        let activation = [Activation::Identity, Activation::Relu, Activation::Tanh, Activation::Sigmoid][act];
        if double {
            check::<f64>([m, k, n], [la, lb], accumulate, bias, activation);
        } else {
            check::<f32>([m, k, n], [la, lb], accumulate, bias, activation);
        }
    }

    #[test]
    fn batches_are_single_products(
        batch in 0usize..6, m in 0usize..9, k in 0usize..9, n in 0usize..9, shared: bool, la in 0u8..4, lb in 0u8..4,
    ) {
        let (step_a, step_b, step_c) = (storage(m, k), if shared { 0 } else { storage(k, n) }, m * n + 1);
        let cast = |x: Vec<f64>| -> Vec<f32> { x.into_iter().map(|x| x as f32).collect() };
        let (da, db) = (cast(noise((batch + 1) * step_a, 5)), cast(noise(batch * step_b + storage(k, n), 6)));
        let (a, b) = (mat(&da, m, k, la), mat(&db, k, n, lb));
        let mut c = vec![7.0; batch * step_c + m * n];
        gemm_batched(batch, a, step_a, b, step_b, &mut c, step_c);
        for i in 0..batch {
            let (a, b) = (a.from(i * step_a), b.from(i * step_b));
            let mut expected = vec![0.0; m * n];
            gemm(a, b, &mut expected, n, &Epilogue::default());
            prop_assert_eq!(&c[i * step_c..][..m * n], &expected[..]);
            prop_assert_eq!(c[i * step_c + m * n], 7.0);
        }
    }
}

#[test]
fn larger_products_in_all_layouts() {
    for [m, k, n] in [[65, 500, 130], [128, 800, 10], [700, 30, 70], [300, 420, 333]] {
        for layouts in [[0, 0], [0, 1], [1, 0], [1, 1], [2, 3]] {
            check::<f32>([m, k, n], layouts, true, true, Activation::Relu);
        }
        check::<f64>([m, k, n], [0, 1], false, true, Activation::Identity);
    }
}

#[test]
fn not_a_number_and_infinity_pass_through() {
    let mut a = vec![0.0f32; 6 * 40];
    let b = vec![0.0f32; 40 * 20];
    a[2 * 40 + 3] = f32::NAN;
    a[4 * 40] = f32::INFINITY;
    let mut c = vec![0.0f32; 6 * 20];
    let relu = Epilogue { activation: Activation::Relu, ..Epilogue::default() };
    gemm(Mat::row_major(&a, 6, 40), Mat::row_major(&b, 40, 20), &mut c, 20, &relu);
    for (i, row) in c.chunks(20).enumerate() {
        // Infinity times zero is NaN too.
        assert!(row.iter().all(|x| x.is_nan() == (i == 2 || i == 4)), "row {i}: {row:?}");
    }
}

#[test]
#[should_panic(expected = "gemm: inner sizes differ, [2, 3] x [4, 5] (3 vs 4)")]
fn inner_sizes_must_agree() {
    gemm(
        Mat::row_major(&[0.0f32; 6], 2, 3),
        Mat::row_major(&[0.0; 20], 4, 5),
        &mut [0.0; 10],
        5,
        &Epilogue::default(),
    );
}

#[test]
#[should_panic(expected = "gemm: b has 11 items, too few for [3, 4] with strides [4, 1]")]
fn short_operands_are_refused() {
    gemm(
        Mat::row_major(&[0.0f32; 6], 2, 3),
        Mat::row_major(&[0.0; 11], 3, 4),
        &mut [0.0; 8],
        4,
        &Epilogue::default(),
    );
}

#[test]
#[should_panic(expected = "gemm: c has 7 items")]
fn a_short_destination_is_refused() {
    gemm(
        Mat::row_major(&[0.0f32; 6], 2, 3),
        Mat::row_major(&[0.0; 12], 3, 4),
        &mut [0.0; 7],
        4,
        &Epilogue::default(),
    );
}
