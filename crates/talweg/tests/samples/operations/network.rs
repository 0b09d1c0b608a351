//! Convolution, pooling, normalisation, softmax, attention.

use talweg::tensor::{
    AttentionOptions, ConvOptions, ConvTransposeOptions, LocalResponseNormOptions, PoolOptions, Rng, Shape,
    Tensor,
};

use crate::call::{Call, Made, Outcome, Row, one};
use crate::file::Arg;

/// Stride, padding and so on at their usual positions.
fn conv_options<const N: usize>(c: &Call<'_>, weight: &Tensor) -> Made<ConvOptions<N>> {
    let options = ConvOptions {
        stride: c.sizes(3, "stride")?.unwrap_or([1; N]),
        dilation: c.sizes(5, "dilation")?.unwrap_or([1; N]),
        groups: c.int(6, "groups")?.unwrap_or(1) as usize,
        ..Default::default()
    };
    let kernel: [usize; N] = std::array::from_fn(|i| weight.size(i as isize + 2));
    match c.argument(4, "padding") {
        Some(Arg::Text(how)) if how == "same" => Ok(options.same(kernel)),
        Some(Arg::Text(_)) => Ok(options),
        _ => Ok(ConvOptions { padding: c.sizes(4, "padding")?.unwrap_or([0; N]), ..options }),
    }
}

type Conv<const N: usize> = fn(&Tensor, &Tensor, Option<&Tensor>, &ConvOptions<N>) -> Tensor;

fn conv<const N: usize>(c: &Call<'_>, f: Conv<N>) -> Outcome {
    let (x, weight, bias) = (c.x()?, c.needed(1, "weight")?, c.tensor(2, "bias")?);
    let options = conv_options::<N>(c, &weight)?;
    batched(&x, N + 2, |x| f(x, &weight, bias.as_ref(), &options))
}

type Transposed<const N: usize> = fn(&Tensor, &Tensor, Option<&Tensor>, &ConvTransposeOptions<N>) -> Tensor;

fn transposed<const N: usize>(c: &Call<'_>, f: Transposed<N>) -> Outcome {
    let (x, weight, bias) = (c.x()?, c.needed(1, "weight")?, c.tensor(2, "bias")?);
    let options = ConvTransposeOptions {
        stride: c.sizes(3, "stride")?.unwrap_or([1; N]),
        padding: c.sizes(4, "padding")?.unwrap_or([0; N]),
        output_padding: c.sizes(5, "output_padding")?.unwrap_or([0; N]),
        groups: c.int(6, "groups")?.unwrap_or(1) as usize,
        dilation: c.sizes(7, "dilation")?.unwrap_or([1; N]),
    };
    batched(&x, N + 2, |x| f(x, &weight, bias.as_ref(), &options))
}

/// A picture without a batch axis as a batch of one.
fn batched(x: &Tensor, rank: usize, f: impl Fn(&Tensor) -> Tensor) -> Outcome {
    match x.rank() == rank {
        true => one(f(x)),
        false => one(f(&x.unsqueeze(0)).squeeze(0)),
    }
}

/// Window, stride, padding and the shape of the edge, as `max_pool` has them by name.
fn max_options<const N: usize>(c: &Call<'_>) -> Made<PoolOptions<N>> {
    Ok(PoolOptions {
        kernel: c.sizes(1, "kernel_size")?.ok_or("no window")?,
        stride: c.sizes(2, "stride")?,
        padding: c.sizes(3, "padding")?.unwrap_or([0; N]),
        dilation: c.sizes(4, "dilation")?.unwrap_or([1; N]),
        ceil_mode: c.flag(5, "ceil_mode", false)?,
        ..Default::default()
    })
}

/// The same of `avg_pool`.
fn avg_options<const N: usize>(c: &Call<'_>) -> Made<PoolOptions<N>> {
    let divisor = c.int(6, "divisor_override")?.map(usize::try_from).transpose();
    Ok(PoolOptions {
        kernel: c.sizes(1, "kernel_size")?.ok_or("no window")?,
        stride: c.sizes(2, "stride")?,
        padding: c.sizes(3, "padding")?.unwrap_or([0; N]),
        ceil_mode: c.flag(4, "ceil_mode", false)?,
        count_include_pad: c.flag(5, "count_include_pad", true)?,
        divisor_override: divisor.map_err(|_| "a mean with a negative divisor")?,
        ..Default::default()
    })
}

/// One or two results of a batch, which may be a single example.
fn both(x: &Tensor, rank: usize, indices: bool, f: impl Fn(&Tensor) -> (Tensor, Tensor)) -> Outcome {
    let single = x.rank() < rank;
    let (y, places) = f(&if single { x.unsqueeze(0) } else { x.clone() });
    let out = |y: Tensor| if single { y.squeeze(0) } else { y };
    Ok(if indices { vec![out(y), out(places)] } else { vec![out(y)] })
}

/// The sizes of an adaptive pooling; an open size is the input's.
fn adaptive<const N: usize>(c: &Call<'_>, x: &Tensor) -> Made<[usize; N]> {
    let of = |i: usize| x.size(i as isize - N as isize);
    match c.argument(1, "output_size") {
        Some(Arg::List(list)) if list.contains(&Arg::None) => {
            let mut sizes = [0; N];
            for (i, size) in sizes.iter_mut().enumerate() {
                *size = match list.get(i) {
                    Some(Arg::Int(n)) => *n as usize,
                    _ => of(i),
                };
            }
            Ok(sizes)
        }
        _ => Ok(c.sizes(1, "output_size")?.ok_or("no size")?),
    }
}

macro_rules! poolings {
    ($($n:literal $max:literal $max_f:ident $avg:literal $avg_f:ident
       $amax:literal $amax_f:ident $aavg:literal $aavg_f:ident)*) => {
        &[$(
            ($max, |c| {
                let (x, options) = (c.x()?, max_options::<$n>(c)?);
                both(&x, $n + 2, c.flag(6, "return_indices", false)?, |x| x.$max_f(&options))
            }),
            ($avg, |c| {
                let (x, options) = (c.x()?, avg_options::<$n>(c)?);
                batched(&x, $n + 2, |x| x.$avg_f(&options))
            }),
            ($amax, |c| {
                let x = c.x()?;
                let size = adaptive::<$n>(c, &x)?;
                both(&x, $n + 2, c.flag(2, "return_indices", false)?, |x| x.$amax_f(size))
            }),
            ($aavg, |c| {
                let x = c.x()?;
                let size = adaptive::<$n>(c, &x)?;
                batched(&x, $n + 2, |x| x.$aavg_f(size))
            }),
        )*]
    };
}

const POOLINGS: &[Row] = poolings! {
    1 "nn.functional.max_pool1d" max_pool1d_with_indices "nn.functional.avg_pool1d" avg_pool1d
      "nn.functional.adaptive_max_pool1d" adaptive_max_pool1d_with_indices "nn.functional.adaptive_avg_pool1d" adaptive_avg_pool1d
    2 "nn.functional.max_pool2d" max_pool2d_with_indices "nn.functional.avg_pool2d" avg_pool2d
      "nn.functional.adaptive_max_pool2d" adaptive_max_pool2d_with_indices "nn.functional.adaptive_avg_pool2d" adaptive_avg_pool2d
    3 "nn.functional.max_pool3d" max_pool3d_with_indices "nn.functional.avg_pool3d" avg_pool3d
      "nn.functional.adaptive_max_pool3d" adaptive_max_pool3d_with_indices "nn.functional.adaptive_avg_pool3d" adaptive_avg_pool3d
};

const PICTURES: &[Row] = &[
    ("nn.functional.conv1d", |c| conv::<1>(c, Tensor::conv1d)),
    ("nn.functional.conv2d", |c| conv::<2>(c, Tensor::conv2d)),
    ("nn.functional.conv3d", |c| conv::<3>(c, Tensor::conv3d)),
    ("nn.functional.conv_transpose1d", |c| transposed::<1>(c, Tensor::conv_transpose1d)),
    ("nn.functional.conv_transpose2d", |c| transposed::<2>(c, Tensor::conv_transpose2d)),
    ("nn.functional.conv_transpose3d", |c| transposed::<3>(c, Tensor::conv_transpose3d)),
];

fn softmax(c: &Call<'_>, f: fn(&Tensor, isize) -> Tensor) -> Outcome {
    c.without_meaning(&["_stacklevel"]);
    let (mut x, axis) = (c.x()?, c.axis(1, "dim")?.unwrap_or(-1));
    if let Some(dtype) = c.dtype(2, "dtype")? {
        x = x.cast(dtype);
    }
    match x.rank() {
        0 => one(f(&x.reshape([1]), 0).reshape(Shape::SCALAR)),
        _ => one(f(&x, axis)),
    }
}

const PROBABILITIES: &[Row] = &[
    ("softmax", |c| softmax(c, Tensor::softmax)),
    ("softmax/with_dtype", |c| softmax(c, Tensor::softmax)),
    ("log_softmax", |c| softmax(c, Tensor::log_softmax)),
    ("log_softmax/with_dtype", |c| softmax(c, Tensor::log_softmax)),
    ("nn.functional.softmin", |c| softmax(c, |x, axis| (-x).softmax(axis))),
    ("nn.functional.softmin/with_dtype", |c| softmax(c, |x, axis| (-x).softmax(axis))),
    ("nn.functional.scaled_dot_product_attention", |c| {
        let (q, k, v) = (c.x()?, c.needed(1, "key")?, c.needed(2, "value")?);
        if c.number(4, "dropout_p")?.unwrap_or(0.0) != 0.0 {
            return Err("dropout: another generator gives other numbers".into());
        }
        c.without_meaning(&["enable_gqa"]);
        let options = AttentionOptions {
            mask: c.tensor(3, "attn_mask")?,
            causal: c.flag(5, "is_causal", false)?,
            scale: c.number(99, "scale")?,
            ..Default::default()
        };
        batched(&q, 4, |q| match q.rank() == k.rank() {
            true => q.attention(&k, &v, &options),
            false => q.attention(&k.unsqueeze(0), &v.unsqueeze(0), &options),
        })
    }),
];

fn number(c: &Call<'_>, name: &str, otherwise: f64) -> Made<f64> {
    Ok(c.number(99, name)?.unwrap_or(otherwise))
}

const NORMS: &[Row] = &[
    ("nn.functional.layer_norm", |c| {
        let (x, shape) = (c.x()?, c.ints(1, "normalized_shape")?.unwrap_or_default());
        let shape: Vec<usize> = shape.into_iter().map(|s| s as usize).collect();
        let (weight, bias) = (c.tensor(2, "weight")?, c.tensor(3, "bias")?);
        one(x.layer_norm(shape, weight.as_ref(), bias.as_ref(), c.number(4, "eps")?.unwrap_or(1e-5)))
    }),
    ("nn.functional.rms_norm", |c| {
        let (x, shape) = (c.x()?, c.ints(1, "normalized_shape")?.unwrap_or_default());
        let (weight, eps) = (c.tensor(2, "weight")?, c.number(3, "eps")?);
        let Some(eps) = eps else { return Err("an ε that depends on the element type".into()) };
        // Several axes as one.
        let n: usize = shape.iter().map(|&s| s as usize).product();
        let rows = x.reshape([x.numel() / n.max(1), n]);
        let weight = weight.map(|w| w.reshape([n]));
        one(rows.rms_norm(weight.as_ref(), eps).reshape(x.shape()))
    }),
    ("nn.functional.group_norm", |c| {
        let groups = c.int(1, "num_groups")?.unwrap_or(1) as usize;
        let (weight, bias) = (c.tensor(2, "weight")?, c.tensor(3, "bias")?);
        one(c.x()?.group_norm(groups, weight.as_ref(), bias.as_ref(), number(c, "eps", 1e-5)?))
    }),
    ("nn.functional.instance_norm", |c| {
        c.without_meaning(&["momentum"]);
        let (mean, variance) = (c.tensor(99, "running_mean")?, c.tensor(99, "running_var")?);
        let (weight, bias) = (c.tensor(99, "weight")?, c.tensor(99, "bias")?);
        if !c.flag(99, "use_input_stats", true)? {
            let (mean, variance) = (mean.ok_or("no mean")?, variance.ok_or("no variance")?);
            let eps = number(c, "eps", 1e-5)?;
            return one(c.x()?.batch_norm_eval(&mean, &variance, weight.as_ref(), bias.as_ref(), eps));
        }
        one(c.x()?.instance_norm(weight.as_ref(), bias.as_ref(), number(c, "eps", 1e-5)?))
    }),
    ("nn.functional.batch_norm", |c| {
        c.without_meaning(&["momentum"]);
        let (mean, variance) = (c.tensor(1, "running_mean")?, c.tensor(2, "running_var")?);
        let (weight, bias) = (c.tensor(3, "weight")?, c.tensor(4, "bias")?);
        let (training, eps) = (c.flag(99, "training", false)?, number(c, "eps", 1e-5)?);
        if training {
            return one(c.x()?.batch_norm(weight.as_ref(), bias.as_ref(), eps).y);
        }
        let (mean, variance) = (mean.ok_or("no mean")?, variance.ok_or("no variance")?);
        one(c.x()?.batch_norm_eval(&mean, &variance, weight.as_ref(), bias.as_ref(), eps))
    }),
    ("nn.functional.local_response_norm", |c| {
        let options = LocalResponseNormOptions {
            size: c.int(1, "size")?.unwrap_or(1) as usize,
            alpha: number(c, "alpha", 1e-4)?,
            beta: number(c, "beta", 0.75)?,
            k: number(c, "k", 1.0)?,
        };
        one(c.x()?.local_response_norm(&options))
    }),
    ("nn.functional.normalize", |c| {
        let (p, axis) = (number(c, "p", 2.0)?, c.axis(99, "dim")?.unwrap_or(1));
        one(c.x()?.normalize(p, axis, number(c, "eps", 1e-12)?))
    }),
];

const DISTANCES: &[Row] = &[
    ("nn.functional.cosine_similarity", |c| {
        let axis = c.axis(99, "dim")?.unwrap_or(1);
        one(c.x()?.cosine_similarity(&c.needed(1, "x2")?, axis, number(c, "eps", 1e-8)?))
    }),
    ("nn.functional.pairwise_distance", |c| {
        let (p, eps) = (number(c, "p", 2.0)?, number(c, "eps", 1e-6)?);
        let y = c.x()?.pairwise_distance(&c.needed(1, "x2")?, p, eps);
        one(if c.flag(99, "keepdim", false)? { y.unsqueeze(-1) } else { y })
    }),
    ("cdist", |c| {
        c.text(3, "compute_mode", "")?;
        let p = c.number(2, "p")?.unwrap_or(2.0);
        one(c.x()?.cdist(&c.needed(1, "x2")?, p))
    }),
];

/// Dropout that drops nothing: out of training, or with a probability of 0.
fn dropout(c: &Call<'_>, f: fn(&Tensor, f64, &mut Rng) -> Tensor) -> Outcome {
    c.without_meaning(&["inplace"]);
    let p = number(c, "p", 0.5)?;
    match c.flag(99, "training", true)? {
        false => one(c.x()?),
        true if p == 0.0 || p == 1.0 => one(f(&c.x()?, p, &mut Rng::seed(1))),
        true => Err("dropout: another generator gives other numbers".into()),
    }
}

const NOISE: &[Row] = &[
    ("nn.functional.dropout", |c| dropout(c, Tensor::dropout)),
    ("nn.functional.dropout2d", |c| dropout(c, Tensor::feature_dropout)),
    ("nn.functional.dropout3d", |c| dropout(c, Tensor::feature_dropout)),
    ("nn.functional.alpha_dropout", |c| dropout(c, Tensor::alpha_dropout)),
];

/// The lines of this file.
pub(crate) const TABLES: &[&[Row]] = &[PICTURES, POOLINGS, PROBABILITIES, NORMS, DISTANCES, NOISE];
