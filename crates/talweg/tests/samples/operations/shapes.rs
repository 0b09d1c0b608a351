//! The same elements in another arrangement, and new tensors.

use talweg::tensor::{DType, Tensor};

use crate::call::{Call, Made, Outcome, Row, one};
use crate::file::Arg;

/// Sizes with at most one -1, for as many elements as `x` has.
fn filled(x: &Tensor, sizes: &[isize]) -> Made<Vec<usize>> {
    let known: isize = sizes.iter().filter(|&&s| s != -1).product();
    let free = |s: isize| match s {
        -1 if known == 0 => Err("a size -1 beside a size 0".into()),
        -1 => Ok(x.numel() / known as usize),
        s => Ok(s as usize),
    };
    sizes.iter().map(|&s| free(s)).collect()
}

fn reshape(c: &Call<'_>) -> Outcome {
    let x = c.x()?;
    let sizes = filled(&x, &c.rest(1, "shape")?)?;
    one(x.reshape(sizes))
}

fn like(c: &Call<'_>, f: fn(&Tensor, &Tensor) -> Tensor) -> Outcome {
    one(f(&c.x()?, &c.needed(1, "other")?))
}

fn expand(c: &Call<'_>) -> Outcome {
    let x = c.x()?;
    let sizes = c.rest(1, "size")?;
    let lead = sizes.len().saturating_sub(x.rank());
    let size =
        |(i, &s): (usize, &isize)| if s == -1 { x.shape().size((i - lead) as isize) } else { s as usize };
    one(x.broadcast_to(sizes.iter().enumerate().map(size).collect::<Vec<usize>>()))
}

fn permute(c: &Call<'_>) -> Outcome {
    let x = c.x()?;
    let rank = x.rank() as isize;
    let order: Vec<usize> =
        c.rest(1, "dims")?.into_iter().map(|a| a.rem_euclid(rank.max(1)) as usize).collect();
    one(x.permute(&order))
}

const VIEWS: &[Row] = &[
    ("reshape", reshape),
    ("view", reshape),
    ("reshape_as", |c| like(c, |x, other| x.reshape(other.shape()))),
    ("view_as", |c| like(c, |x, other| x.reshape(other.shape()))),
    ("expand_as", |c| like(c, |x, other| x.broadcast_to(other.shape()))),
    ("ravel", |c| one(c.x()?).map(|xs| xs.iter().map(|x| x.reshape([x.numel()])).collect())),
    ("expand", expand),
    ("broadcast_to", expand),
    ("permute", permute),
    ("transpose", |c| {
        let (a, b) = (c.axis(1, "dim0")?.unwrap_or(0), c.axis(2, "dim1")?.unwrap_or(0));
        let x = c.x()?;
        one(if x.rank() == 0 { x } else { x.transpose(a, b) })
    }),
    ("mT", |c| one(c.x()?.t())),
    ("unsqueeze", |c| one(c.x()?.unsqueeze(c.axis(1, "dim")?.unwrap_or(0)))),
    ("narrow", |c| {
        let (x, axis) = (c.x()?, c.axis(1, "dim")?.unwrap_or(0));
        let start = c.int(2, "start")?.ok_or("a start that is a tensor")?;
        let size = x.size(axis) as i64;
        let start = if start < 0 { start + size } else { start };
        one(x.narrow(axis, start as usize, c.int(3, "length")?.unwrap_or(0) as usize))
    }),
    ("contiguous", |c| {
        c.without_meaning(&["memory_format"]);
        one(c.x()?)
    }),
    ("clone", |c| {
        c.without_meaning(&["memory_format"]);
        one(c.x()?)
    }),
];

fn joined(c: &Call<'_>, f: fn(&[&Tensor], isize) -> Tensor) -> Outcome {
    let xs = c.list(0, "tensors")?;
    let axis = c.axis(1, "dim")?.unwrap_or(0);
    one(f(&xs.iter().collect::<Vec<_>>(), axis))
}

const JOINS: &[Row] = &[("cat", |c| joined(c, Tensor::cat)), ("stack", |c| joined(c, Tensor::stack))];

fn sizes(c: &Call<'_>, from: usize) -> Made<Vec<usize>> {
    Ok(c.rest(from, "size")?.into_iter().map(|s| s as usize).collect())
}

fn type_asked(c: &Call<'_>, otherwise: DType) -> Made<DType> {
    c.without_meaning(&["device", "layout", "memory_format", "requires_grad", "pin_memory"]);
    Ok(c.dtype(99, "dtype")?.unwrap_or(otherwise))
}

const NEW: &[Row] = &[
    ("zeros", |c| one(Tensor::zeros(sizes(c, 0)?, type_asked(c, DType::F32)?))),
    ("ones", |c| one(Tensor::ones(sizes(c, 0)?, type_asked(c, DType::F32)?))),
    ("zeros_like", |c| {
        let x = c.x()?;
        one(x.zeros_like().cast(type_asked(c, x.dtype())?))
    }),
    ("ones_like", |c| {
        let x = c.x()?;
        one(x.ones_like().cast(type_asked(c, x.dtype())?))
    }),
    ("new_zeros", |c| {
        let x = c.x()?;
        one(Tensor::zeros(sizes(c, 1)?, type_asked(c, x.dtype())?))
    }),
    ("new_ones", |c| {
        let x = c.x()?;
        one(Tensor::ones(sizes(c, 1)?, type_asked(c, x.dtype())?))
    }),
    ("fill", |c| {
        let (x, number) = (c.x()?, c.operand(1, "value")?);
        if number.is_tracked() {
            return Err("filling with a number that needs a gradient".into());
        }
        one(x.full_like(number.item()))
    }),
    ("linspace", |c| {
        let (start, end) = (c.number(0, "start")?.unwrap_or(0.0), c.number(1, "end")?.unwrap_or(0.0));
        let count = c.int(2, "steps")?.unwrap_or(0) as usize;
        one(Tensor::linspace(start, end, count, type_asked(c, DType::F32)?))
    }),
    ("arange", |c| {
        let at = |i: usize, name: &str| c.number(i, name);
        let whole = [(0, "start"), (1, "end"), (2, "step")]
            .iter()
            .all(|(i, name)| !matches!(c.argument(*i, name), Some(Arg::Float(_))));
        let (start, end) = match c.count() {
            1 if c.argument(99, "end").is_none() => (0.0, at(0, "end")?.unwrap_or(0.0)),
            1 => (at(0, "start")?.unwrap_or(0.0), at(99, "end")?.unwrap_or(0.0)),
            _ => (at(0, "start")?.unwrap_or(0.0), at(1, "end")?.unwrap_or(0.0)),
        };
        let step = at(2, "step")?.unwrap_or(1.0);
        let otherwise = if whole { DType::I64 } else { DType::F32 };
        one(Tensor::range(start, end, step, type_asked(c, otherwise)?))
    }),
    ("full_like", |c| {
        let (x, number) = (c.x()?, c.number(1, "fill_value")?.unwrap_or(0.0));
        one(Tensor::full(x.shape(), number, type_asked(c, x.dtype())?))
    }),
];

/// The lines of this file.
pub(crate) const TABLES: &[&[Row]] = &[VIEWS, JOINS, NEW];
