//! Cases of all poolings; their values against the definition in loops, and against PyTorch.

use super::avg::{AvgPool, AvgPoolGrad};
use super::max::MaxPoolGrad;
use super::*;
use crate::op::{Op, apply, try_apply};
use crate::{DType, Rng, Tensor};

const PLAIN2: Pool2dOptions = PoolOptions {
    kernel: [2, 2],
    stride: None,
    padding: [0, 0],
    dilation: [1, 1],
    ceil_mode: false,
    count_include_pad: true,
    divisor_override: None,
};
const UNEVEN: Pool2dOptions =
    PoolOptions { kernel: [3, 2], stride: Some([2, 1]), padding: [1, 1], count_include_pad: false, ..PLAIN2 };
const PADDED: Pool2dOptions = PoolOptions { count_include_pad: true, ..UNEVEN };
const PLAIN1: Pool1dOptions = PoolOptions {
    kernel: [2],
    stride: None,
    padding: [0],
    dilation: [1],
    ceil_mode: false,
    count_include_pad: true,
    divisor_override: None,
};
const PLAIN3: Pool3dOptions = PoolOptions {
    kernel: [2, 2, 2],
    stride: None,
    padding: [0, 0, 0],
    dilation: [1, 1, 1],
    ceil_mode: false,
    count_include_pad: true,
    divisor_override: None,
};

/// The options of the numbers from PyTorch.
const MAX1: Pool1dOptions =
    PoolOptions { kernel: [3], stride: Some([2]), padding: [1], dilation: [2], ceil_mode: true, ..PLAIN1 };
const MAX2: Pool2dOptions = PoolOptions {
    kernel: [3, 2],
    stride: Some([2, 3]),
    padding: [1, 1],
    dilation: [1, 2],
    ceil_mode: true,
    ..PLAIN2
};
const MAX3: Pool3dOptions = PoolOptions {
    kernel: [2, 2, 3],
    stride: Some([2, 1, 2]),
    padding: [1, 0, 1],
    dilation: [1, 2, 1],
    ceil_mode: true,
    ..PLAIN3
};
const AVG1: Pool1dOptions =
    PoolOptions { kernel: [4], stride: Some([3]), padding: [1], ceil_mode: true, ..PLAIN1 };
const AVG2: Pool2dOptions =
    PoolOptions { kernel: [3, 4], stride: Some([2, 3]), padding: [1, 2], ceil_mode: true, ..PLAIN2 };
const AVG3: Pool3dOptions =
    PoolOptions { kernel: [2, 3, 2], stride: Some([2, 2, 3]), padding: [1, 1, 0], ceil_mode: true, ..PLAIN3 };

fn numbers(places: &[i64], shape: &[usize]) -> Tensor {
    Tensor::from_slice(places, shape)
}

crate::cases! {
    max_pool1d: |x| x[0].max_pool1d(&PLAIN1); shapes [[2, 3, 4]] [[1, 1, 5]] [[0, 2, 2]] refuses [[2, 3, 1]] [[3, 4]] [[1, 1, 0]];
    max_pool1d_uneven: |x| x[0].max_pool1d(&MAX1); shapes [[2, 2, 8]] [[0, 1, 5]] refuses [[1, 1, 1]];
    max_pool2d: |x| x[0].max_pool2d(&PLAIN2);
        shapes [[2, 3, 4, 4]] [[1, 1, 5, 3]] [[0, 2, 2, 2]] refuses [[2, 3, 1, 4]] [[3, 4, 4]] [[1, 1, 0, 0]];
    max_pool2d_uneven: |x| x[0].max_pool2d(&UNEVEN); shapes [[2, 2, 5, 4]] [[1, 1, 1, 1]];
    max_pool2d_dilated: |x| x[0].max_pool2d(&MAX2); shapes [[1, 2, 5, 4]];
    max_pool3d: |x| x[0].max_pool3d(&PLAIN3);
        shapes [[1, 2, 2, 4, 3]] [[0, 1, 2, 2, 2]] refuses [[1, 1, 2, 1, 2]] [[1, 2, 2, 2]] [[1, 1, 0, 2, 2]];
    max_pool3d_dilated: |x| x[0].max_pool3d(&MAX3); shapes [[1, 1, 2, 3, 4]];
    max_pool1d_with_indices: |x| x[0].max_pool1d_with_indices(&PLAIN1).0; shapes [[2, 1, 4]] [[0, 2, 2]] refuses [[2, 3, 1]];
    max_pool2d_with_indices: |x| x[0].max_pool2d_with_indices(&PLAIN2).0; shapes [[2, 1, 4, 2]] [[0, 2, 2, 2]] refuses [[2, 2]];
    max_pool3d_with_indices: |x| x[0].max_pool3d_with_indices(&PLAIN3).0;
        shapes [[1, 2, 2, 2, 2]] [[0, 2, 2, 2, 2]] refuses [[2, 2]];
    max_pool_grad: |x| apply(MaxPoolGrad { pooling: Pooling::Sliding(PLAIN2), shape: [1, 2, 2, 4].into() },
            &[x[0], &numbers(&[5, 2, 0, 7], &[1, 2, 1, 2])]);
        shapes [[1, 2, 1, 2]] refuses [[1, 2, 2, 2]] [[2]];
    max_pool_grad_of_volumes: |x| apply(MaxPoolGrad { pooling: Pooling::Sliding(PLAIN3), shape: [1, 2, 2, 2, 2].into() },
            &[x[0], &numbers(&[5, 2], &[1, 2, 1, 1, 1])]);
        shapes [[1, 2, 1, 1, 1]] refuses [[1, 2, 1, 1]];
    avg_pool1d: |x| x[0].avg_pool1d(&PLAIN1); shapes [[2, 3, 4]] [[1, 1, 5]] [[0, 2, 2]] refuses [[2, 3, 1]] [[2, 3]];
    avg_pool1d_overhanging: |x| x[0].avg_pool1d(&AVG1); shapes [[2, 1, 6]] [[0, 1, 6]];
    avg_pool2d: |x| x[0].avg_pool2d(&PLAIN2);
        shapes [[2, 3, 4, 4]] [[1, 1, 5, 3]] [[0, 2, 2, 2]] refuses [[2, 3, 1, 4]] [[2, 2]];
    avg_pool2d_uneven: |x| x[0].avg_pool2d(&UNEVEN); shapes [[2, 2, 5, 4]] [[1, 1, 1, 1]];
    avg_pool2d_padded: |x| x[0].avg_pool2d(&PADDED); shapes [[2, 2, 5, 4]];
    avg_pool2d_divided: |x| x[0].avg_pool2d(&PoolOptions { divisor_override: Some(3), ..AVG2 }); shapes [[1, 2, 5, 4]];
    avg_pool3d: |x| x[0].avg_pool3d(&AVG3); shapes [[1, 2, 3, 2, 4]] [[0, 1, 2, 2, 2]] refuses [[1, 1, 2, 2]] [[1, 1, 2, 2, 0]];
    avg_pool_grad: |x| apply(AvgPoolGrad { pooling: Pooling::Sliding(UNEVEN), shape: [1, 2, 4, 3].into() }, x);
        shapes [[1, 2, 2, 4]] refuses [[1, 2, 2, 3]] [[2]];
    avg_pool_grad_of_volumes: |x| apply(AvgPoolGrad { pooling: Pooling::Adaptive([2, 2, 1]), shape: [1, 1, 3, 2, 2].into() }, x);
        shapes [[1, 1, 2, 2, 1]] refuses [[1, 1, 2, 2]];
    adaptive_avg_pool1d: |x| x[0].adaptive_avg_pool1d([3]); shapes [[2, 1, 5]] [[2, 1, 6]] [[0, 1, 2]] refuses [[2, 3]] [[1, 1, 0]];
    adaptive_avg_pool2d: |x| x[0].adaptive_avg_pool2d([3, 2]);
        shapes [[1, 2, 5, 3]] [[1, 2, 3, 4]] [[1, 1, 2, 1]] [[0, 1, 2, 2]] refuses [[2, 3, 3]] [[1, 1, 0, 1]];
    adaptive_avg_pool3d: |x| x[0].adaptive_avg_pool3d([2, 1, 3]); shapes [[1, 2, 3, 2, 4]] [[0, 1, 2, 2, 2]] refuses [[2, 3, 3]];
    adaptive_max_pool1d: |x| x[0].adaptive_max_pool1d([3]); shapes [[2, 1, 5]] [[2, 1, 6]] [[0, 1, 2]] refuses [[2, 3]] [[1, 1, 0]];
    adaptive_max_pool2d: |x| x[0].adaptive_max_pool2d([3, 2]);
        shapes [[1, 2, 5, 3]] [[1, 2, 3, 4]] [[1, 1, 2, 1]] [[0, 1, 2, 2]] refuses [[2, 3, 3]] [[1, 1, 0, 1]];
    adaptive_max_pool3d: |x| x[0].adaptive_max_pool3d([2, 1, 3]); shapes [[1, 2, 3, 2, 4]] [[0, 1, 2, 2, 2]] refuses [[2, 3, 3]];
    adaptive_max_pool1d_with_indices: |x| x[0].adaptive_max_pool1d_with_indices([3]).0; shapes [[2, 1, 5]] [[0, 1, 2]] refuses [[2, 3]];
    adaptive_max_pool2d_with_indices: |x| x[0].adaptive_max_pool2d_with_indices([3, 2]).0;
        shapes [[1, 1, 5, 3]] [[0, 1, 2, 2]] refuses [[2, 3]];
    adaptive_max_pool3d_with_indices: |x| x[0].adaptive_max_pool3d_with_indices([2, 1, 3]).0;
        shapes [[1, 1, 3, 2, 4]] [[0, 1, 2, 2, 2]] refuses [[2, 3]];
    lp_pool1d: |x| x[0].lp_pool1d(3.0, &PoolOptions { padding: [0], ..AVG1 }); shapes [[2, 1, 9]] [[0, 1, 5]] on 0.5..2.0 refuses [[2, 3]];
    lp_pool2d: |x| x[0].lp_pool2d(2.0, &PLAIN2); shapes [[1, 2, 4, 3]] [[0, 1, 2, 2]] refuses [[1, 2, 2]] [[1, 1, 1, 2]];
    lp_pool3d: |x| x[0].lp_pool3d(1.5, &PLAIN3); shapes [[1, 2, 2, 2, 3]] [[0, 1, 2, 2, 2]] on 0.5..2.0 refuses [[1, 2, 2]];
    max_unpool1d: |x| x[0].max_unpool1d(&numbers(&[1, 2], &[1, 1, 2]), &PLAIN1, Some([5])); shapes [[1, 1, 2]] refuses [[1, 1, 3]] [[2]];
    max_unpool2d: |x| x[0].max_unpool2d(&numbers(&[1, 2, 0, 7], &[1, 2, 1, 2]), &PLAIN2, None);
        shapes [[1, 2, 1, 2]] refuses [[1, 2, 2, 2]] [[2]];
    max_unpool2d_empty: |x| x[0].max_unpool2d(&numbers(&[], &[0, 2, 1, 2]), &PLAIN2, None); shapes [[0, 2, 1, 2]];
    max_unpool1d_empty: |x| x[0].max_unpool1d(&numbers(&[], &[0, 1, 2]), &PLAIN1, Some([5])); shapes [[0, 1, 2]];
    max_unpool3d_empty: |x| x[0].max_unpool3d(&numbers(&[], &[0, 1, 1, 1, 1]), &PLAIN3, None); shapes [[0, 1, 1, 1, 1]];
    max_unpool3d_two: |x| x[0].max_unpool3d(&numbers(&[6, 0], &[1, 2, 1, 1, 1]), &PLAIN3, None); shapes [[1, 2, 1, 1, 1]];
    max_unpool3d: |x| x[0].max_unpool3d(&numbers(&[6], &[1, 1, 1, 1, 1]), &PLAIN3, None); shapes [[1, 1, 1, 1, 1]] refuses [[1, 1]];
}

/// For each window, how many elements it has with its padding, and those inside, by the definition.
fn windows<const N: usize>(x: &Tensor, o: &PoolOptions<N>) -> Vec<(usize, Vec<(usize, f64)>)> {
    let (data, pooled) =
        (x.to_vec::<f64>(), Pooling::Sliding(*o).output("windows", &x.spec()).unwrap().to_vec());
    let (sizes, counts) = (&x.shape().to_vec()[2..], &pooled[2..]);
    let split = |mut flat: usize, sizes: &[usize]| -> [usize; N] {
        let mut at = [0; N];
        for i in (0..N).rev() {
            (at[i], flat) = (flat % sizes[i], flat / sizes[i]);
        }
        at
    };
    let plane: usize = sizes.iter().product();
    let mut all = Vec::new();
    for channel in 0..pooled[0] * pooled[1] {
        for window in (0..counts.iter().product()).map(|flat| split(flat, counts)) {
            let (mut padded, mut inside) = (0, Vec::new());
            for tap in (0..o.kernel.iter().product()).map(|flat| split(flat, &o.kernel)) {
                let at: [isize; N] = std::array::from_fn(|i| {
                    (window[i] * o.strides()[i] + tap[i] * o.dilation[i]) as isize - o.padding[i] as isize
                });
                if (0..N).all(|i| at[i] < (sizes[i] + o.padding[i]) as isize) {
                    padded += 1;
                }
                if (0..N).all(|i| (0..sizes[i] as isize).contains(&at[i])) {
                    let place = (0..N).fold(0, |flat, i| flat * sizes[i] + at[i] as usize);
                    inside.push((place, data[channel * plane + place]));
                }
            }
            all.push((padded, inside));
        }
    }
    all
}

fn by_definition<const N: usize>(sizes: &[usize], all: &[PoolOptions<N>]) {
    let x = Rng::seed(9).normal(sizes, 0.0, 1.0, DType::F64);
    for options in all {
        let windows = windows(&x, options);
        let (y, places) = max::with_indices(Pooling::Sliding(*options), &x);
        let best = |w: &(usize, Vec<(usize, f64)>)| *w.1.iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        let want: Vec<(usize, f64)> = windows.iter().map(best).collect();
        let got: Vec<(usize, f64)> =
            places.to_vec::<i64>().iter().map(|&p| p as usize).zip(y.to_vec::<f64>()).collect();
        assert_eq!(got, want, "{options:?}");
        if options.dilation != [1; N] {
            continue;
        }
        let got = apply(AvgPool(Pooling::Sliding(*options)), &[&x]).to_vec::<f64>();
        assert_eq!(got.len(), windows.len());
        for (got, (padded, inside)) in got.iter().zip(&windows) {
            let size = if options.count_include_pad { *padded } else { inside.len() };
            let size = options.divisor_override.unwrap_or(size) as f64;
            // Another order of some ten summands of size 1.
            assert!((got - inside.iter().map(|x| x.1).sum::<f64>() / size).abs() < 1e-14, "{options:?}");
        }
    }
}

#[test]
fn they_are_the_definitions() {
    by_definition(&[2, 3, 11], &[PLAIN1, MAX1, AVG1, PoolOptions { stride: Some([1]), ..AVG1 }]);
    let pairs = [PLAIN2, UNEVEN, PADDED, MAX2, AVG2, PoolOptions { divisor_override: Some(7), ..AVG2 }];
    by_definition(&[2, 3, 7, 6], &pairs);
    by_definition(&[1, 2, 5, 4, 6], &[PLAIN3, MAX3, AVG3, PoolOptions { count_include_pad: false, ..AVG3 }]);
}

/// Whole numbers of quarters, as in the numbers from PyTorch.
fn quarters(shape: &[usize]) -> Tensor {
    let n: usize = shape.iter().product();
    let values: Vec<f64> = (0..n).map(|i| (i * 37 % 23) as f64 / 4.0 - 2.0).collect();
    Tensor::from_slice(&values, shape)
}

#[track_caller]
fn near(y: &Tensor, want: &[f64]) {
    let got = y.to_vec::<f64>();
    // The numbers are printed with twelve digits.
    let close = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-11 || a.is_nan() && b.is_nan();
    assert!(got.len() == want.len() && got.iter().zip(want).all(close), "{got:?} should be {want:?}");
}

#[track_caller]
fn both((y, places): (Tensor, Tensor), want: &[f64], want_places: &[i64]) {
    near(&y, want);
    assert_eq!(places.to_vec::<i64>(), want_places);
}

// Numbers of PyTorch 2 in f64, for x = ((arange(n) * 37) % 23 / 4 - 2).reshape(shape) and the options above:
// y, i = F.max_pool2d(x, (3, 2), (2, 3), (1, 1), dilation=(1, 2), ceil_mode=True, return_indices=True), and so on.
const NAN: f64 = f64::NAN;

#[test]
fn the_greatest_are_those_of_pytorch() {
    let (a, b, c) = (quarters(&[1, 1, 9]), quarters(&[1, 1, 5, 6]), quarters(&[1, 1, 3, 4, 5]));
    both(a.max_pool1d_with_indices(&MAX1), &[2.75, 2.75, 2.75, -0.5], &[3, 3, 3, 7]);
    both(
        b.max_pool2d_with_indices(&MAX2),
        &[1.5, 3.0, 2.0, 3.25, 3.0, 2.0, 1.25, 2.75, 1.75],
        &[1, 8, 11, 13, 8, 11, 19, 26, 29],
    );
    both(
        c.max_pool3d_with_indices(&MAX3),
        &[2.0, 3.25, 3.25, 2.25, 3.5, 3.5, 3.5, 3.5, 3.0, 3.25, 3.25, 3.25],
        &[11, 13, 13, 16, 18, 18, 41, 41, 54, 36, 36, 59],
    );
    both(
        b.adaptive_max_pool2d_with_indices([3, 4]),
        &[1.75, 3.0, 2.75, 2.0, 3.5, 3.25, 2.5, 2.25, 3.5, 2.75, 2.5, 1.75],
        &[6, 8, 3, 11, 18, 13, 21, 16, 18, 26, 21, 29],
    );
    both(
        c.adaptive_max_pool3d_with_indices([2, 3, 2]),
        &[2.75, 3.0, 3.0, 3.25, 3.25, 3.5, 3.5, 2.75, 3.0, 3.0, 3.25, 3.25],
        &[26, 8, 31, 13, 36, 18, 41, 49, 31, 54, 36, 59],
    );
    let mut holes = b.to_vec::<f64>();
    (holes[7], holes[20]) = (NAN, NAN);
    let options = PoolOptions { kernel: [3, 3], stride: Some([2, 2]), padding: [1, 1], ..PLAIN2 };
    let holes = Tensor::from_slice(&holes, [1, 1, 5, 6]);
    let (want, places) = ([NAN, NAN, 2.75, NAN, NAN, 2.5, 3.5, NAN, 2.5], [7, 7, 3, 7, 20, 21, 18, 20, 21]);
    both(holes.max_pool2d_with_indices(&options), &want, &places);
    // The loop of volumes has the same rule.
    let as_volume = PoolOptions { kernel: [1, 3, 3], stride: Some([1, 2, 2]), padding: [0, 1, 1], ..PLAIN3 };
    both(holes.unsqueeze(2).max_pool3d_with_indices(&as_volume), &want, &places);
    let (y, places) = b.max_pool2d_with_indices(&PLAIN2);
    let mut want = [0.0; 30];
    for (place, x) in [(6, 1.75), (8, 3.0), (11, 2.0), (16, 2.25), (18, 3.5), (21, 2.5)] {
        want[place] = x;
    }
    near(&y.max_unpool2d(&places, &PLAIN2, Some([5, 6])), &want);
}

#[test]
fn the_means_are_those_of_pytorch() {
    let (a, b, c) = (quarters(&[1, 1, 9]), quarters(&[1, 1, 5, 6]), quarters(&[1, 1, 3, 4, 5]));
    near(&a.avg_pool1d(&AVG1), &[-0.3125, 0.1875, 0.625, 1.5]);
    let without = PoolOptions { padding: [2], count_include_pad: false, ..AVG1 };
    near(&a.avg_pool1d(&without), &[-0.25, 1.0, 0.0, 1.25]);
    let means = [
        0.0625,
        0.479166666667,
        -0.0625,
        0.75,
        0.833333333333,
        0.083333333333,
        0.458333333333,
        0.3125,
        -0.145833333333,
    ];
    near(&b.avg_pool2d(&AVG2), &means);
    near(
        &b.avg_pool2d(&PoolOptions { count_include_pad: false, ..AVG2 }),
        &[0.1875, 0.71875, -0.1875, 1.5, 0.833333333333, 0.166666666667, 1.375, 0.46875, -0.4375],
    );
    near(
        &b.avg_pool2d(&PoolOptions { divisor_override: Some(5), ..AVG2 }),
        &[0.15, 1.15, -0.15, 1.8, 2.0, 0.2, 1.1, 0.75, -0.35],
    );
    let means = [
        -0.041666666667,
        0.583333333333,
        0.125,
        1.0625,
        0.125,
        0.59375,
        0.4375,
        0.25,
        0.3125,
        0.75,
        0.28125,
        0.5,
    ];
    near(&c.avg_pool3d(&AVG3), &means);
    let means = [
        0.1875,
        0.8125,
        0.625,
        -0.1875,
        1.5,
        1.166666666667,
        0.5,
        0.166666666667,
        1.375,
        0.5625,
        0.375,
        -0.4375,
    ];
    near(&b.adaptive_avg_pool2d([3, 4]), &means);
    let means = [
        0.208333333333,
        0.5,
        0.458333333333,
        0.75,
        0.708333333333,
        1.0,
        0.729166666667,
        0.541666666667,
        0.5,
        0.791666666667,
        0.75,
        1.041666666667,
    ];
    near(&c.adaptive_avg_pool3d([2, 3, 2]), &means);
}

#[test]
fn the_roots_are_those_of_pytorch() {
    let (a, b, c) = (quarters(&[1, 1, 9]), quarters(&[1, 1, 5, 6]), quarters(&[1, 1, 3, 4, 5]));
    let overhanging = PoolOptions { padding: [0], ..AVG1 };
    near(&a.abs().lp_pool1d(3.0, &overhanging), &[3.194317715339, 3.162872494882, 3.511864497516]);
    let options = PoolOptions { kernel: [2, 3], ceil_mode: true, ..PLAIN2 };
    let want =
        [4.373213921134, 4.205650960315, 5.141740950301, 4.115519408289, 4.555216789572, 3.570714214271];
    near(&b.lp_pool2d(2.0, &options), &want);
    let options = PoolOptions { kernel: [2, 2, 3], stride: Some([1, 2, 2]), ..PLAIN3 };
    let want = [
        7.59714768495,
        7.740833133498,
        8.028004184692,
        8.780223824289,
        8.175779029265,
        8.127744212009,
        8.20016315591,
        9.169161401767,
    ];
    near(&c.abs().lp_pool3d(1.5, &options), &want);
    // A sum of 0 has gradient 0, as PyTorch's.
    let x = Tensor::zeros([1, 1, 4], DType::F64).requires_grad();
    let dx = x.lp_pool1d(2.0, &PLAIN1).sum(..).backward().wrt(&x);
    assert_eq!(dx.to_vec::<f64>(), [0.0; 4]);
}

#[test]
fn the_first_of_equal_ones_gets_the_gradient() {
    let x = Tensor::from_slice(&[1.0f64, 2.0, 2.0, 2.0], [1, 1, 2, 2]).requires_grad();
    let dx = x.max_pool2d(&PLAIN2).sum(..).backward().wrt(&x);
    assert_eq!(dx.to_vec::<f64>(), [0.0, 1.0, 0.0, 0.0]);
    let options = PoolOptions { kernel: [1, 2, 2], ..PLAIN3 };
    let dx = x.unsqueeze(0).max_pool3d(&options).sum(..).backward().wrt(&x);
    assert_eq!(dx.to_vec::<f64>(), [0.0, 1.0, 0.0, 0.0]);
}

#[test]
fn windows_of_one_and_two_axes_have_kernels() {
    let shape = [1, 2, 6, 4].into();
    assert!(Pooling::Sliding(UNEVEN).planes(&shape).is_some());
    assert!(Pooling::Adaptive([3, 2]).planes(&shape).is_some());
    assert!(Pooling::Adaptive([1, 1]).planes(&shape).is_some());
    assert!(Pooling::Sliding(PLAIN1).planes(&[1, 2, 5].into()).is_some());
    // Rounding up changes nothing where windows fit exactly.
    assert!(Pooling::Sliding(PoolOptions { ceil_mode: true, ..PLAIN2 }).planes(&shape).is_some());
    assert!(
        Pooling::Sliding(PoolOptions { ceil_mode: true, ..PLAIN2 }).planes(&[1, 1, 5, 4].into()).is_none()
    );
    assert!(Pooling::Adaptive([4, 2]).planes(&shape).is_none());
    assert!(Pooling::Adaptive([0, 2]).planes(&shape).is_none());
    let nothing = Tensor::ones([1, 2, 6, 4], DType::F32).adaptive_avg_pool2d([0, 2]);
    assert_eq!(*nothing.shape(), [1, 2, 0, 2]);
}

#[test]
fn refusals_name_what_does_not_fit() {
    fn refusal(op: impl Op, shape: &[usize]) -> String {
        try_apply(op, &[&Tensor::zeros(shape, DType::F32)]).unwrap_err().to_string()
    }
    let max =
        |options: Pool2dOptions, shape: &[usize]| refusal(max::MaxPool(Pooling::Sliding(options)), shape);
    assert_eq!(
        max(PLAIN2, &[1, 8, 1, 1]),
        "max_pool2d: input [1, 8, 1, 1]: window [2, 2] is larger than the picture with its padding [1, 1]; use a \
         smaller window, or pool less often"
    );
    assert_eq!(
        max(PoolOptions { padding: [2, 0], ..PLAIN2 }, &[1, 8, 4, 4]),
        "max_pool2d: input [1, 8, 4, 4]: padding [2, 0] is more than half the window [2, 2], so that windows would \
         lie in it"
    );
    assert_eq!(
        max(PoolOptions { stride: Some([0, 1]), ..PLAIN2 }, &[1, 8, 4, 4]),
        "max_pool2d: input [1, 8, 4, 4]: window [2, 2] and stride [0, 1] must be at least 1"
    );
    // The windows are the places -2 and 1, and -1 and 2, of one.
    assert_eq!(
        max(PoolOptions { padding: [0, 2], dilation: [1, 3], stride: Some([1, 1]), ..PLAIN2 }, &[1, 1, 2, 1]),
        "max_pool2d: input [1, 1, 2, 1]: a window of [2, 2] elements with dilation [1, 3] has all of them in the \
         padding [0, 2]; use less padding"
    );
    assert_eq!(
        refusal(AvgPool(Pooling::Sliding(PoolOptions { dilation: [2], ..PLAIN1 })), &[1, 1, 9]),
        "avg_pool1d: input [1, 1, 9]: means are of dense windows, the dilation [2] must be 1"
    );
    assert_eq!(
        refusal(AvgPool(Pooling::Sliding(PoolOptions { divisor_override: Some(0), ..PLAIN1 })), &[1, 1, 9]),
        "avg_pool1d: input [1, 1, 9]: dilation [1] and what a mean divides by must be at least 1"
    );
    assert_eq!(
        refusal(AvgPool(Pooling::Adaptive([2, 2])), &[3, 4, 5]),
        "adaptive_avg_pool2d: input [3, 4, 5]: the input needs 4 axes (batch, channels, height, width); make a batch of \
         one picture with .unsqueeze(0)"
    );
}

#[test]
#[should_panic(expected = "lp_pool1d: input [1, 1, 4]: it has no padding and no divisor, got [1] and None")]
fn roots_have_no_padding() {
    Tensor::ones([1, 1, 4], DType::F32).lp_pool1d(2.0, &PoolOptions { padding: [1], ..PLAIN1 });
}

#[test]
#[should_panic(expected = "max_unpool1d: place 4 lies outside the output of 4 elements")]
fn a_place_that_does_not_exist() {
    Tensor::ones([1, 1, 2], DType::F32).max_unpool1d(&numbers(&[0, 4], &[1, 1, 2]), &PLAIN1, None);
}

#[test]
#[should_panic(expected = "the output size [7] must be less than the stride [2] away from [4]")]
fn a_size_that_does_not_pool_to_the_input() {
    Tensor::ones([1, 1, 2], DType::F32).max_unpool1d(&numbers(&[0, 3], &[1, 1, 2]), &PLAIN1, Some([7]));
}
