use super::*;
use crate::Bf16;
use crate::float::FloatKind;
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
fn reference<T: Float>(precision: Precision, a: &Mat<T>, b: &Mat<T>, i: usize, j: usize) -> (f64, f64) {
    let enter = |x: T| match (precision, T::KIND) {
        (Precision::Bf16, FloatKind::F32) => f64::from(Bf16::from_f32(x.to_f64() as f32).to_f32()),
        _ => x.to_f64(),
    };
    (0..a.cols).fold((0.0, 0.0), |(sum, size), p| {
        let x = enter(a.data[i * a.row_stride + p * a.col_stride]);
        let y = enter(b.data[p * b.row_stride + j * b.col_stride]);
        (sum + x * y, size + (x * y).abs())
    })
}

/// Compares a whole product, with everything that the epilogue can do, with the definition.
fn check<T: Float>(
    precision: Precision,
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
    // With and without a factor and a residual, whose rows are further apart than they need be.
    let alpha = T::from_f64(if (m + k) % 2 == 0 { 1.0 } else { -0.75 });
    let added = cast(noise(m * (n + 3), 8));
    let residual = Mat { data: &added[..], rows: m, cols: n, row_stride: n + 3, col_stride: 1 };
    let residual = (n % 2 == 0).then_some(residual);
    let epilogue = Epilogue { accumulate, alpha, bias: bias.then_some(&bias_row[..]), residual, activation };
    gemm_in(precision, a, b, &mut c, stride, &epilogue);
    for (at, (&got, &was)) in c.iter().zip(&old).enumerate() {
        let (i, j) = (at / stride, at % stride);
        if i >= m || j >= n {
            assert_eq!(got, was, "item {at} outside the product changed, {m} x {k} x {n}");
            continue;
        }
        let (mut z, mut size) = reference(precision, &a, &b, i, j);
        z *= alpha.to_f64();
        if residual.is_some() {
            let x = added[i * (n + 3) + j].to_f64();
            z += x;
            size += x.abs();
        }
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
            "{m} x {k} x {n} {precision:?}, alpha {alpha:?}, residual {}, accumulate {accumulate}, bias {bias}, \
             {activation:?}, layouts {layouts:?}, at ({i}, {j}): {got} is {error} off {expected}, more than {bound}",
            residual.is_some()
        );
    }
}

proptest! {
    #[test]
    fn products_by_definition(
        m in 0usize..40, k in 0usize..40, n in 0usize..70, la in 0u8..4, lb in 0u8..4,
        accumulate: bool, bias: bool, act in 0usize..4, double: bool, rounded: bool,
    ) {
        let activation = [Activation::Identity, Activation::Relu, Activation::Tanh, Activation::Sigmoid][act];
        let precision = if rounded { Precision::Bf16 } else { Precision::Full };
        if double {
            check::<f64>(precision, [m, k, n], [la, lb], accumulate, bias, activation);
        } else {
            check::<f32>(precision, [m, k, n], [la, lb], accumulate, bias, activation);
        }
    }

    /// The code around the instructions for pairs, run with their definition, and with the instructions where they
    /// exist. Sums of products of 8 significant bits are as exact as those of f32.
    #[test]
    fn pairs_by_definition(m in 1usize..40, k in 1usize..150, n in 1usize..40, la in 0u8..4, lb in 0u8..4) {
        let cast = |x: Vec<f64>| -> Vec<f32> { x.into_iter().map(|x| x as f32).collect() };
        let (da, db) = (cast(noise(storage(m, k), 1)), cast(noise(storage(k, n), 2)));
        let (a, b) = (mat(&da, m, k, la), mat(&db, k, n, lb));
        let (epilogue, precision) = (&Epilogue::default(), Precision::Bf16);
        let mut all: Vec<unsafe fn(&Product<f32>)> = vec![product::through_panels::<machine::BaselinePairs>];
        #[cfg(target_arch = "x86_64")]
        if crate::Isa::available().contains(&crate::Isa::Avx512) && is_x86_feature_detected!("avx512bf16") {
            all.push(product::through_panels::<machine::Avx512Bf16>);
        }
        for through_panels in all {
            let mut c = vec![f32::NAN; m * n];
            let product = Product { m, n, k, a, b, c: c.as_mut_ptr(), row_stride: n, epilogue, precision };
            // SAFETY: the instructions exist, and `c` has room for the product.
            unsafe { through_panels(&product) };
            for (at, &got) in c.iter().enumerate() {
                let (sum, size) = reference(precision, &a, &b, at / n, at % n);
                let bound = f64::from(f32::EPSILON) * (4.0 * size + 2.0);
                prop_assert!((f64::from(got) - sum).abs() <= bound, "{} {}", got, sum);
            }
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
        gemm_batched(Precision::Full, batch, (a, step_a), (b, step_b), &mut c, step_c);
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
            check::<f32>(Precision::Full, [m, k, n], layouts, true, true, Activation::Relu);
            check::<f32>(Precision::Bf16, [m, k, n], layouts, true, true, Activation::Relu);
        }
        check::<f64>(Precision::Full, [m, k, n], [0, 1], false, true, Activation::Identity);
    }
}

#[test]
fn lines_and_deep_products() {
    for [m, k, n] in
        [[1, 90, 70], [1, 300, 1500], [70, 90, 1], [1300, 301, 1], [23, 2100, 37], [20, 1500, 130]]
    {
        for layouts in [[0, 0], [0, 1], [1, 0], [1, 1], [2, 3]] {
            for precision in [Precision::Full, Precision::Bf16] {
                check::<f32>(precision, [m, k, n], layouts, m % 2 == 0, true, Activation::Relu);
            }
            check::<f64>(Precision::Full, [m, k, n], layouts, true, false, Activation::Identity);
        }
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let before = crate::threads::threads();
    for [m, k, n] in [[1, 1024, 700], [700, 1024, 1], [40, 3000, 100], [150, 500, 200], [600, 40, 30]] {
        for layouts in [[0, 0], [0, 1], [1, 0], [1, 1]] {
            let cast = |x: Vec<f64>| -> Vec<f32> { x.into_iter().map(|x| x as f32).collect() };
            let (da, db) = (cast(noise(storage(m, k), 1)), cast(noise(storage(k, n), 2)));
            let (a, b) = (mat(&da, m, k, layouts[0]), mat(&db, k, n, layouts[1]));
            let run = |threads| {
                crate::threads::set_threads(threads);
                let mut c = vec![0.0f32; m * n];
                gemm(a, b, &mut c, n, &Epilogue::default());
                c
            };
            assert_eq!(run(1), run(3), "{m} x {k} x {n} {layouts:?}");
        }
    }
    crate::threads::set_threads(before);
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
