//! The kernels of the table, each with the bytes it must move and the arithmetic it must do for an element.

use std::hint::black_box;

use talweg_kernels::elementwise::{
    Map, Zip, affine_in_place, map, map_in_place, zip, zip_in_place, zip_rows,
};
use talweg_kernels::norm::{
    BatchNorm, LayerNorm, NormGrad, batch_norm, batch_norm_apply, batch_norm_grad, layer_norm,
    layer_norm_grad,
};
use talweg_kernels::update::{Adagrad, Adam, RmsProp, Sgd, adagrad, adam, rmsprop, sgd};
use talweg_kernels::{Buffer, Lane, random, reduce, softmax, strided};

/// A call of a kernel on arrays that it owns.
pub(super) type Run = Box<dyn FnMut()>;

/// A kernel of the table.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// How many arrays are read, changed in place, and written anew, were each passed over once.
    pub(super) arrays: [f64; 3],
    /// Vector instructions of arithmetic for each element, counted as multiply-adds.
    pub(super) steps: f64,
    /// Makes the arrays for a number of elements.
    pub(super) prepare: Box<dyn Fn(usize) -> Run>,
}

fn case(name: &'static str, arrays: [f64; 3], steps: f64, prepare: impl Fn(usize) -> Run + 'static) -> Case {
    Case { name, arrays, steps, prepare: Box::new(prepare) }
}

/// Numbers from -4 to 4 in an order that branch predictors cannot learn.
fn numbers(n: usize, salt: u64) -> Buffer {
    let mut buffer = Buffer::take(4 * n);
    random::uniform::<f32>(7, salt, 0, -4.0, 4.0, buffer.as_mut_slice());
    buffer
}

macro_rules! formulas {
    ($($name:ident: $trait:ident($($x:ident),*) = $f:expr;)*) => {$(
        struct $name;
        impl $trait for $name {
            #[inline(always)]
            fn f32($($x: Lane<f32>),*) -> Lane<f32> {
                $f
            }
            #[inline(always)]
            fn f64($($x: Lane<f64>),*) -> Lane<f64> {
                $f
            }
        }
    )*};
}
formulas! {
    Add: Zip(a, b) = a + b;
    Mul: Zip(a, b) = a * b;
    Relu: Map(x) = x.max(0.0);
    Exp: Map(x) = x.exp();
    Ln: Map(x) = x.abs().ln();
    Tanh: Map(x) = x.tanh();
    Sigmoid: Map(x) = x.sigmoid();
    Gelu: Map(x) = x * x.normal_cdf();
    Sin: Map(x) = x.sin();
    TanhSlope: Zip(dy, y) = dy * (1.0 - y * y);
    SigmoidSlope: Zip(dy, y) = dy * (y * (1.0 - y));
    GeluSlope: Zip(dy, x) = dy * (x.normal_cdf() + x * (x * x * -0.5).exp() * 0.398_942_3);
}

struct ReluSlope;
impl Zip for ReluSlope {
    #[inline(always)]
    fn f32(dy: Lane<f32>, y: Lane<f32>) -> Lane<f32> {
        Lane::<f32>::select(y > 0.0, dy, Lane(0.0))
    }
    #[inline(always)]
    fn f64(dy: Lane<f64>, y: Lane<f64>) -> Lane<f64> {
        Lane::<f64>::select(y > 0.0, dy, Lane(0.0))
    }
}

/// A plain read of an array.
pub(super) fn read(n: usize) -> Run {
    let (x, mut largest) = (numbers(n, 1), vec![0.0f32; n / 4096]);
    Box::new(move || reduce::max::<f32>(black_box(x.as_slice()), n / 4096, 4096, 1, &mut largest))
}

/// A plain change of an array in place.
pub(super) fn change(n: usize) -> Run {
    let mut x = numbers(n, 1);
    Box::new(move || affine_in_place::<f32>(black_box(x.as_mut_slice()), 1.0, 0.0))
}

/// A plain copy.
pub(super) fn copy(n: usize) -> Run {
    struct Same;
    impl Map for Same {
        #[inline(always)]
        fn f32(x: Lane<f32>) -> Lane<f32> {
            x
        }
        #[inline(always)]
        fn f64(x: Lane<f64>) -> Lane<f64> {
            x
        }
    }
    mapped::<Same>(n)
}

fn mapped<F: Map>(n: usize) -> Run {
    let (x, mut y) = (numbers(n, 1), numbers(n, 2));
    Box::new(move || map::<F, f32>(black_box(x.as_slice()), y.as_mut_slice()))
}

fn mapped_over<F: Map>(n: usize) -> Run {
    let mut x = numbers(n, 1);
    Box::new(move || map_in_place::<F, f32>(black_box(x.as_mut_slice())))
}

fn zipped<F: Zip>(n: usize) -> Run {
    let (a, b, mut y) = (numbers(n, 1), numbers(n, 2), numbers(n, 3));
    Box::new(move || zip::<F, f32>(black_box(a.as_slice()), b.as_slice(), y.as_mut_slice()))
}

fn zipped_over<F: Zip>(n: usize) -> Run {
    let (mut a, b) = (numbers(n, 1), numbers(n, 2));
    // The first operand is overwritten: 1 stays 1 under products, and nothing overflows in sums of small numbers.
    a.as_mut_slice::<f32>().fill(1.0);
    Box::new(move || zip_in_place::<F, f32>(black_box(a.as_mut_slice()), b.as_slice()))
}

/// The whole table.
pub(super) fn cases() -> Vec<Case> {
    let mut all = formulas();
    all.extend(rows());
    all.extend(norms());
    all.extend(sums());
    all.extend(updates());
    all
}

fn formulas() -> Vec<Case> {
    vec![
        case("add", [2.0, 0.0, 1.0], 1.0, zipped::<Add>),
        case("mul", [2.0, 0.0, 1.0], 1.0, zipped::<Mul>),
        case("add bias rows of 256", [1.0, 0.0, 1.0], 1.0, |n| {
            let (x, b, mut y) = (numbers(n, 1), numbers(256, 2), numbers(n, 3));
            Box::new(move || {
                zip_rows::<Add, f32>(black_box(x.as_slice()), b.as_slice(), y.as_mut_slice());
            })
        }),
        case("relu", [1.0, 0.0, 1.0], 1.0, mapped::<Relu>),
        case("relu in place", [0.0, 1.0, 0.0], 1.0, mapped_over::<Relu>),
        case("relu slope in place", [1.0, 1.0, 0.0], 1.0, zipped_over::<ReluSlope>),
        case("exp", [1.0, 0.0, 1.0], 14.0, mapped::<Exp>),
        case("ln", [1.0, 0.0, 1.0], 18.0, mapped::<Ln>),
        case("tanh", [1.0, 0.0, 1.0], 20.0, mapped::<Tanh>),
        case("tanh slope in place", [1.0, 1.0, 0.0], 2.0, zipped_over::<TanhSlope>),
        case("sigmoid", [1.0, 0.0, 1.0], 18.0, mapped::<Sigmoid>),
        case("sigmoid slope in place", [1.0, 1.0, 0.0], 3.0, zipped_over::<SigmoidSlope>),
        case("gelu", [1.0, 0.0, 1.0], 35.0, mapped::<Gelu>),
        case("gelu slope", [2.0, 0.0, 1.0], 50.0, zipped::<GeluSlope>),
        case("sin", [1.0, 0.0, 1.0], 40.0, mapped::<Sin>),
        case("dropout", [1.0, 0.0, 1.0], 18.0, |n| {
            let (x, mut y) = (numbers(n, 1), numbers(n, 2));
            Box::new(move || {
                random::dropout::<f32>(3, 5, 0, 0.1, black_box(x.as_slice()), y.as_mut_slice());
            })
        }),
        case("uniform", [0.0, 0.0, 1.0], 18.0, |n| {
            let mut y = numbers(n, 2);
            Box::new(move || random::uniform::<f32>(3, 5, 0, 0.0, 1.0, black_box(y.as_mut_slice())))
        }),
        case("normal", [0.0, 0.0, 1.0], 40.0, |n| {
            let mut y = numbers(n, 2);
            Box::new(move || random::normal::<f32>(3, 5, 0, 0.0, 1.0, black_box(y.as_mut_slice())))
        }),
    ]
}

fn softmax_case(name: &'static str, width: usize) -> Case {
    case(name, [1.0, 0.0, 1.0], 17.0, move |n| {
        let n = n / width * width;
        let (x, mut y) = (numbers(n, 1), numbers(n, 2));
        Box::new(move || softmax::softmax::<f32>(black_box(x.as_slice()), width, y.as_mut_slice()))
    })
}

fn log_softmax_case(name: &'static str, width: usize) -> Case {
    case(name, [1.0, 0.0, 1.0], 17.0, move |n| {
        let n = n / width * width;
        let (x, mut y) = (numbers(n, 1), numbers(n, 2));
        Box::new(move || softmax::log_softmax::<f32>(black_box(x.as_slice()), width, y.as_mut_slice()))
    })
}

fn rows() -> Vec<Case> {
    vec![
        softmax_case("softmax rows of 10", 10),
        softmax_case("softmax rows of 256", 256),
        softmax_case("softmax rows of 1000", 1000),
        log_softmax_case("log_softmax rows of 10", 10),
        log_softmax_case("log_softmax rows of 1000", 1000),
        case("softmax grad rows of 256", [2.0, 0.0, 1.0], 4.0, |n| {
            let (y, dy, mut dx) = (numbers(n, 1), numbers(n, 2), numbers(n, 3));
            Box::new(move || {
                softmax::softmax_grad::<f32>(black_box(y.as_slice()), dy.as_slice(), 256, dx.as_mut_slice());
            })
        }),
        case("log_softmax grad, 256", [2.0, 0.0, 1.0], 18.0, |n| {
            let (y, dy, mut dx) = (numbers(n, 1), numbers(n, 2), numbers(n, 3));
            Box::new(move || {
                softmax::log_softmax_grad::<f32>(
                    black_box(y.as_slice()),
                    dy.as_slice(),
                    256,
                    dx.as_mut_slice(),
                );
            })
        }),
    ]
}

/// A batch normalisation of images: 64 channels of 16 x 16 (or of single numbers).
fn batch(inner: usize) -> (usize, BatchNorm<'static, f32>) {
    let ones: &'static [f32] = Box::leak(vec![0.5f32; 64].into_boxed_slice());
    (64, BatchNorm { channels: 64, inner, weight: Some(ones), bias: Some(ones), eps: 1e-5, relu: false })
}

fn batch_case(name: &'static str, inner: usize) -> Case {
    // Statistics and result: two passes over x.
    case(name, [2.0, 0.0, 1.0], 4.0, move |n| {
        let (channels, s) = batch(inner);
        let (x, mut y) = (numbers(n, 1), numbers(n, 2));
        let mut stats = [1, 2, 3].map(|_| vec![0.0f32; channels]);
        Box::new(move || {
            let [mean, variance, rstd] = &mut stats;
            batch_norm(&s, black_box(x.as_slice()), None, y.as_mut_slice(), [mean, variance, rstd]);
        })
    })
}

fn batch_grad_case(name: &'static str, inner: usize) -> Case {
    // The sums and the result: two passes over x and dy.
    case(name, [4.0, 0.0, 1.0], 6.0, move |n| {
        let (channels, s) = batch(inner);
        let (x, dy, mut dx) = (numbers(n, 1), numbers(n, 2), numbers(n, 3));
        let (mean, rstd) = (vec![0.1f32; channels], vec![0.9f32; channels]);
        let (mut dw, mut db) = (vec![0.0f32; channels], vec![0.0f32; channels]);
        Box::new(move || {
            let out = NormGrad { dx: dx.as_mut_slice(), dweight: Some(&mut dw), dbias: Some(&mut db) };
            batch_norm_grad(&s, black_box(x.as_slice()), [&mean, &rstd], None, dy.as_slice(), out, None);
        })
    })
}

fn norms() -> Vec<Case> {
    vec![
        batch_case("batch norm, images", 256),
        batch_grad_case("batch norm grad, images", 256),
        batch_case("batch norm, features", 1),
        batch_grad_case("batch norm grad, features", 1),
        case("batch norm at evaluation", [1.0, 0.0, 1.0], 2.0, |n| {
            let (channels, s) = batch(256);
            let (x, mut y) = (numbers(n, 1), numbers(n, 2));
            let (mean, rstd) = (vec![0.1f32; channels], vec![0.9f32; channels]);
            Box::new(move || {
                batch_norm_apply(&s, black_box(x.as_slice()), None, [&mean, &rstd], y.as_mut_slice());
            })
        }),
        case("layer norm rows of 384", [1.0, 0.0, 1.0], 5.0, |n| {
            let n = n / 384 * 384;
            let (x, mut y) = (numbers(n, 1), numbers(n, 2));
            let (w, b) = (vec![0.5f32; 384], vec![0.5f32; 384]);
            let mut stats = [vec![0.0f32; n / 384], vec![0.0f32; n / 384]];
            Box::new(move || {
                let s = LayerNorm { n: 384, weight: Some(&w), bias: Some(&b), eps: 1e-5 };
                let [mean, rstd] = &mut stats;
                layer_norm(&s, black_box(x.as_slice()), y.as_mut_slice(), mean, rstd);
            })
        }),
        case("layer norm grad, 384", [2.0, 0.0, 1.0], 10.0, |n| {
            let n = n / 384 * 384;
            let (x, dy, mut dx) = (numbers(n, 1), numbers(n, 2), numbers(n, 3));
            let (w, b) = (vec![0.5f32; 384], vec![0.5f32; 384]);
            let (mean, rstd) = (vec![0.1f32; n / 384], vec![0.9f32; n / 384]);
            let (mut dw, mut db) = (vec![0.0f32; 384], vec![0.0f32; 384]);
            Box::new(move || {
                let s = LayerNorm { n: 384, weight: Some(&w), bias: Some(&b), eps: 1e-5 };
                let out = NormGrad { dx: dx.as_mut_slice(), dweight: Some(&mut dw), dbias: Some(&mut db) };
                layer_norm_grad(&s, black_box(x.as_slice()), [&mean, &rstd], dy.as_slice(), out);
            })
        }),
    ]
}

fn sum_case(name: &'static str, sizes: fn(usize) -> [usize; 3]) -> Case {
    case(name, [1.0, 0.0, 0.0], 1.0, move |n| {
        let [outer, len, inner] = sizes(n);
        let (x, mut y) = (numbers(outer * len * inner, 1), numbers(outer * inner, 2));
        Box::new(move || reduce::sum::<f32>(black_box(x.as_slice()), outer, len, inner, y.as_mut_slice()))
    })
}

fn sums() -> Vec<Case> {
    vec![
        sum_case("sum of all", |n| [1, n, 1]),
        sum_case("sums of rows of 256", |n| [n / 256, 256, 1]),
        sum_case("sums of rows of 10", |n| [n / 10, 10, 1]),
        sum_case("sums of columns, 10", |n| [1, n / 10, 10]),
        sum_case("sums of columns, 128", |n| [1, n / 128, 128]),
        sum_case("sums of columns, 1536", |n| [1, n / 1536, 1536]),
        sum_case("sums of columns, 8192", |n| [1, n / 8192, 8192]),
        sum_case("sums of the middle axis", |n| [n / (64 * 64), 64, 64]),
        case("gather rows of 384", [1.0, 0.0, 1.0], 0.0, |n| {
            let (rows, table) = (n / 384, numbers(384 * 1000, 1));
            let index: Vec<i64> = (0..rows).map(|i| (i * 7919 % 1000) as i64).collect();
            let mut y = numbers(rows * 384, 2);
            Box::new(move || {
                strided::gather_rows::<f32>(black_box(table.as_slice()), 384, &index, y.as_mut_slice());
            })
        }),
        case("scatter rows of 384", [1.0, 1.0, 0.0], 1.0, |n| {
            let (rows, mut table) = (n / 384, Buffer::zeroed(4 * 384 * 1000));
            let index: Vec<i64> = (0..rows).map(|i| (i * 7919 % 1000) as i64).collect();
            let y = numbers(rows * 384, 2);
            Box::new(move || {
                strided::scatter_add_rows::<f32>(black_box(y.as_slice()), 384, &index, table.as_mut_slice());
            })
        }),
    ]
}

fn updates() -> Vec<Case> {
    vec![
        case("sgd", [1.0, 1.0, 0.0], 2.0, |n| {
            let (mut p, g) = (numbers(n, 1), numbers(n, 2));
            let rule = Sgd { lr: 1e-6, ..Default::default() };
            Box::new(move || sgd::<f32>(&rule, black_box(p.as_mut_slice()), g.as_slice(), None))
        }),
        case("sgd with momentum", [1.0, 2.0, 0.0], 4.0, |n| {
            let (mut p, g, mut v) = (numbers(n, 1), numbers(n, 2), Buffer::zeroed(4 * n));
            let rule = Sgd { lr: 1e-6, momentum: 0.9, weight_decay: 1e-4, ..Default::default() };
            Box::new(move || {
                sgd::<f32>(&rule, black_box(p.as_mut_slice()), g.as_slice(), Some(v.as_mut_slice()));
            })
        }),
        // A root and two divisions cost as much as some 25 multiply-adds.
        case("adamw", [1.0, 3.0, 0.0], 30.0, |n| {
            let (mut p, g) = (numbers(n, 1), numbers(n, 2));
            let (mut m, mut v) = (Buffer::zeroed(4 * n), Buffer::zeroed(4 * n));
            let rule = Adam { lr: 1e-6, decoupled: true, weight_decay: 0.01, ..Default::default() };
            Box::new(move || {
                let means = [m.as_mut_slice(), v.as_mut_slice()];
                adam::<f32>(&rule, black_box(p.as_mut_slice()), g.as_slice(), means, None);
            })
        }),
        case("rmsprop", [1.0, 2.0, 0.0], 25.0, |n| {
            let (mut p, g, mut s) = (numbers(n, 1), numbers(n, 2), Buffer::zeroed(4 * n));
            let rule = RmsProp { lr: 1e-6, ..Default::default() };
            Box::new(move || {
                rmsprop::<f32>(
                    &rule,
                    black_box(p.as_mut_slice()),
                    g.as_slice(),
                    s.as_mut_slice(),
                    None,
                    None,
                );
            })
        }),
        case("adagrad", [1.0, 2.0, 0.0], 25.0, |n| {
            let (mut p, g, mut s) = (numbers(n, 1), numbers(n, 2), Buffer::zeroed(4 * n));
            let rule = Adagrad { lr: 1e-6, ..Default::default() };
            Box::new(move || {
                adagrad::<f32>(&rule, black_box(p.as_mut_slice()), g.as_slice(), s.as_mut_slice());
            })
        }),
    ]
}
