//! Sums, means, extrema, spreads, norms, running sums, orders and counts.

use talweg::tensor::{Axes, DType, Indexed, Shape, Tensor};

use crate::call::{Call, Made, Outcome, Row, one};
use crate::file::Arg;

/// A reduction over axes, with its form that keeps them.
fn reduce(c: &Call<'_>, gone: fn(&Tensor, Axes) -> Tensor, kept: fn(&Tensor, Axes) -> Tensor) -> Outcome {
    let (mut x, axes, keep) = (c.x()?, c.axes(1, "dim")?, c.flag(2, "keepdim", false)?);
    if let Some(dtype) = c.dtype(3, "dtype")? {
        x = x.cast(dtype);
    }
    one(if keep { kept(&x, axes) } else { gone(&x, axes) })
}

macro_rules! reductions {
    ($($name:literal $gone:ident $kept:ident)*) => {
        &[$(($name, |c| reduce(c, |x, axes| x.$gone(axes), |x, axes| x.$kept(axes)))),*]
    };
}

const OVER_AXES: &[Row] = reductions! {
    "sum" sum sum_keep "mean" mean mean_keep "amax" max max_keep "amin" min min_keep
    "prod" prod prod_keep "logsumexp" logsumexp logsumexp_keep "max/reduction_no_dim" max max_keep "min/reduction_no_dim" min min_keep
};

/// Position along one axis; without one, in the flattened tensor.
fn position(c: &Call<'_>, f: fn(&Tensor, isize) -> Tensor) -> Outcome {
    let (x, keep) = (c.x()?, c.flag(2, "keepdim", false)?);
    match c.axis(1, "dim")? {
        None if keep => Err("positions in the flattened tensor that keep its axes".into()),
        None => one(f(&x.reshape([x.numel()]), 0)),
        Some(axis) => {
            let y = f(&x, axis);
            one(if keep { y.unsqueeze(axis) } else { y })
        }
    }
}

const POSITIONS: &[Row] = &[
    ("argmax", |c| position(c, |x, axis| x.argmax(axis))),
    ("argmin", |c| position(c, |x, axis| x.argmin(axis))),
    ("aminmax", |c| {
        let (x, keep) = (c.x()?, c.flag(1, "keepdim", false)?);
        let axes = c.axes(9, "dim")?;
        let (least, greatest) = match keep {
            true => (x.min_keep(axes.clone()), x.max_keep(axes)),
            false => (x.min(axes.clone()), x.max(axes)),
        };
        Ok(vec![least, greatest])
    }),
];

/// What is divided by less than the number of elements.
fn correction(c: &Call<'_>) -> Made<usize> {
    if let Some(correction) = c.number(99, "correction")? {
        if correction < 0.0 || correction.fract() != 0.0 {
            return Err("a correction that is no whole number from 0 on".into());
        }
        return Ok(correction as usize);
    }
    Ok(usize::from(c.flag(98, "unbiased", true)?))
}

/// Axes, the correction, and whether axes are kept.
fn spread(c: &Call<'_>) -> Made<(Axes, usize, bool)> {
    // `x.var(True)` has the flag at the place of the axes.
    if matches!(c.argument(1, "dim"), Some(Arg::Bool(_))) {
        return Ok((Axes::All, usize::from(c.flag(1, "unbiased", true)?), false));
    }
    let axes = c.axes(1, "dim")?;
    let correction = match c.count() > 2 {
        true => usize::from(c.flag(2, "unbiased", true)?),
        false => correction(c)?,
    };
    Ok((axes, correction, c.flag(3, "keepdim", false)?))
}

fn variance(c: &Call<'_>, root: bool, mean: bool) -> Outcome {
    let (x, (axes, correction, keep)) = (c.x()?, spread(c)?);
    let y = match (root, keep) {
        (false, false) => x.var(axes.clone(), correction),
        (false, true) => x.var_keep(axes.clone(), correction),
        (true, false) => x.std(axes.clone(), correction),
        (true, true) => x.std_keep(axes.clone(), correction),
    };
    let middle = || if keep { x.mean_keep(axes.clone()) } else { x.mean(axes.clone()) };
    Ok(if mean { vec![y, middle()] } else { vec![y] })
}

const SPREADS: &[Row] = &[
    ("var", |c| variance(c, false, false)),
    ("var/unbiased", |c| variance(c, false, false)),
    ("std", |c| variance(c, true, false)),
    ("std/unbiased", |c| variance(c, true, false)),
    ("var_mean", |c| variance(c, false, true)),
    ("var_mean/unbiased", |c| variance(c, false, true)),
    ("std_mean", |c| variance(c, true, true)),
    ("std_mean/unbiased", |c| variance(c, true, true)),
];

/// A norm of the numbers along axes; the order may be a number or a name.
fn norm(c: &Call<'_>, order: (usize, &str), axes: usize, keep: usize) -> Outcome {
    let p = match c.argument(order.0, order.1) {
        None => 2.0,
        Some(Arg::Text(name)) if name == "fro" => 2.0,
        Some(Arg::Text(_)) => return Err("a norm of a matrix by its singular values".into()),
        Some(_) => c.number(order.0, order.1)?.expect("it is given"),
    };
    let (mut x, axes, keep) = (c.x()?, c.axes(axes, "dim")?, c.flag(keep, "keepdim", false)?);
    if let Some(dtype) = c.dtype(99, "dtype")? {
        x = x.cast(dtype);
    }
    one(if keep { x.norm_keep(p, axes) } else { x.norm(p, axes) })
}

const NORMS: &[Row] = &[
    ("norm", |c| norm(c, (1, "p"), 2, 3)),
    ("norm/fro", |c| norm(c, (1, "p"), 2, 3)),
    ("norm/inf", |c| norm(c, (1, "p"), 2, 3)),
    ("linalg.vector_norm", |c| norm(c, (1, "ord"), 2, 3)),
    ("dist", |c| {
        let p = c.number(2, "p")?.unwrap_or(2.0);
        one((c.x()? - c.needed(1, "other")?).norm(p, ..))
    }),
];

/// Whether something holds, over one axis or all.
fn truth(c: &Call<'_>, f: fn(&Tensor, Axes) -> Tensor) -> Outcome {
    let (x, axes, keep) = (c.x()?, c.axes(1, "dim")?, c.flag(2, "keepdim", false)?);
    let y = f(&x, axes.clone());
    if !keep {
        return one(y);
    }
    let mut sizes = x.shape().to_vec();
    let rank = x.rank() as isize;
    match axes {
        Axes::Some(list) => list.iter().for_each(|a| {
            if rank > 0 {
                sizes[a.rem_euclid(rank) as usize] = 1;
            }
        }),
        _ => sizes.fill(1),
    }
    one(y.reshape(sizes))
}

const TRUTHS: &[Row] = &[
    ("any", |c| truth(c, |x, axes| x.any(axes))),
    ("all", |c| truth(c, |x, axes| x.all(axes))),
    ("count_nonzero", |c| truth(c, |x, axes| x.count_nonzero(axes))),
];

/// A tensor without axes as a list of one number, which goes again at the end.
fn along(x: &Tensor, axis: isize, f: impl Fn(&Tensor, isize) -> Vec<Tensor>) -> Outcome {
    if x.rank() > 0 {
        return Ok(f(x, axis));
    }
    Ok(f(&x.reshape([1]), 0).iter().map(|y| y.reshape(Shape::SCALAR)).collect())
}

fn scan(c: &Call<'_>, f: fn(&Tensor, isize) -> Vec<Tensor>) -> Outcome {
    let (mut x, axis) = (c.x()?, c.axis(1, "dim")?.unwrap_or(-1));
    if let Some(dtype) = c.dtype(2, "dtype")? {
        x = x.cast(dtype);
    }
    along(&x, axis, f)
}

const SCANS: &[Row] = &[
    ("cumsum", |c| scan(c, |x, axis| vec![x.cumsum(axis)])),
    ("cumprod", |c| scan(c, |x, axis| vec![x.cumprod(axis)])),
    ("logcumsumexp", |c| scan(c, |x, axis| vec![x.logcumsumexp(axis)])),
    ("cummax", |c| scan(c, |x, axis| pair(x.cummax(axis)))),
    ("cummin", |c| scan(c, |x, axis| pair(x.cummin(axis)))),
];

fn pair(y: Indexed) -> Vec<Tensor> {
    vec![y.values, y.indices]
}

/// Along one axis, perhaps keeping it with size 1.
fn chosen(c: &Call<'_>, axis: usize, keep: usize, f: impl Fn(&Tensor, isize) -> Vec<Tensor>) -> Outcome {
    let (x, axis, keep) = (c.x()?, c.axis(axis, "dim")?.unwrap_or(-1), c.flag(keep, "keepdim", false)?);
    if x.rank() == 0 {
        return along(&x, axis, f);
    }
    let ys = f(&x, axis);
    Ok(if keep { ys.iter().map(|y| y.unsqueeze(axis)).collect() } else { ys })
}

const ORDERS: &[Row] = &[
    ("sort", |c| {
        c.without_meaning(&["stable"]);
        let (x, axis) = (c.x()?, c.axis(1, "dim")?.unwrap_or(-1));
        let descending = c.flag(2, "descending", false)?;
        along(&x, axis, |x, axis| pair(x.sort(descending, axis)))
    }),
    ("argsort", |c| {
        c.without_meaning(&["stable"]);
        let (x, axis) = (c.x()?, c.axis(1, "dim")?.unwrap_or(-1));
        let descending = c.flag(2, "descending", false)?;
        along(&x, axis, |x, axis| vec![x.argsort(descending, axis)])
    }),
    ("msort", |c| one(c.x()?.sort(false, 0).values)),
    ("topk", |c| {
        let (k, axis) = (c.int(1, "k")?.unwrap_or(1) as usize, c.axis(2, "dim")?.unwrap_or(-1));
        let largest = c.flag(3, "largest", true)?;
        c.flag(4, "sorted", true)?;
        along(&c.x()?, axis, |x, axis| pair(x.topk(k, largest, axis)))
    }),
    ("kthvalue", |c| {
        let k = c.int(1, "k")?.unwrap_or(1) as usize;
        chosen(c, 2, 3, move |x, axis| pair(x.kthvalue(k, axis)))
    }),
    ("median", |c| match c.argument(1, "dim") {
        None => one(c.x()?.median_all()),
        Some(_) => chosen(c, 1, 2, |x, axis| pair(x.median(axis))),
    }),
    ("max/reduction_with_dim", |c| chosen(c, 1, 2, |x, axis| pair(x.max_with_index(axis)))),
    ("min/reduction_with_dim", |c| chosen(c, 1, 2, |x, axis| pair(x.min_with_index(axis)))),
    ("quantile", |c| {
        if c.text(99, "interpolation", "linear")? != "linear" {
            return Err("quantiles between two numbers by another rule than a straight line".into());
        }
        if c.flag(3, "keepdim", false)? {
            return Err("quantiles that keep their axis".into());
        }
        let x = c.x()?;
        let (list, q) = match c.argument(1, "q") {
            Some(Arg::Tensor { .. }) => {
                let q = c.needed(1, "q")?;
                if q.is_tracked() {
                    return Err("quantiles whose places need a gradient".into());
                }
                (q.rank() > 0, q.cast(DType::F64).to_vec::<f64>())
            }
            _ => (false, c.numbers(1, "q")?.unwrap_or_default()),
        };
        let y = match c.axis(2, "dim")? {
            Some(axis) if x.rank() > 0 => x.quantile(&q, axis),
            _ => x.reshape([x.numel()]).quantile(&q, 0),
        };
        one(if list { y } else { y.squeeze(0) })
    }),
];

const COUNTS: &[Row] = &[
    ("bincount", |c| {
        let weights = c.tensor(1, "weights")?;
        one(c.x()?.bincount(weights.as_ref(), c.int(2, "minlength")?.unwrap_or(0) as usize))
    }),
    ("histc", |c| {
        let bins = c.int(1, "bins")?.unwrap_or(100) as usize;
        let (low, high) = (c.number(2, "min")?.unwrap_or(0.0), c.number(3, "max")?.unwrap_or(0.0));
        one(c.x()?.histc(bins, low, high))
    }),
    ("unique", |c| {
        c.without_meaning(&["sorted"]);
        if c.argument(99, "dim").is_some() {
            return Err("unique rows along an axis".into());
        }
        let (inverse, counts) = (c.flag(99, "return_inverse", false)?, c.flag(99, "return_counts", false)?);
        let y = c.x()?.detach().unique();
        let wanted = [(true, y.values), (inverse, y.inverse), (counts, y.counts)];
        Ok(wanted.into_iter().filter(|(wanted, _)| *wanted).map(|(_, y)| y).collect())
    }),
    ("searchsorted", |c| {
        if c.tensor(99, "sorter")?.is_some() {
            return Err("searching in numbers that are sorted by an index".into());
        }
        c.without_meaning(&["out_int32"]);
        let right = c.flag(99, "right", false)? || c.text(99, "side", "left")? == "right";
        let (row, values) = (c.x()?.detach(), c.operand(1, "input")?.detach());
        one(row.searchsorted(&values, right))
    }),
    ("bucketize", |c| {
        c.without_meaning(&["out_int32"]);
        let (values, row) = (c.operand(0, "input")?.detach(), c.needed(1, "boundaries")?.detach());
        one(row.searchsorted(&values, c.flag(99, "right", false)?))
    }),
];

/// The lines of this file.
pub(crate) const TABLES: &[&[Row]] = &[OVER_AXES, POSITIONS, SPREADS, NORMS, TRUTHS, SCANS, ORDERS, COUNTS];
