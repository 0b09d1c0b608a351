//! The same elements in another arrangement, and new tensors.

use talweg::tensor::{Axes, DType, PadMode, Shape, Tensor, WindowOptions};

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
    ("full", |c| {
        let number = c.number(1, "fill_value")?.ok_or("a number that is a tensor")?;
        let otherwise = match c.argument(1, "fill_value") {
            Some(Arg::Bool(_)) => DType::Bool,
            Some(Arg::Int(_)) => DType::I64,
            _ => DType::F32,
        };
        let sizes: Vec<usize> =
            c.ints(0, "size")?.unwrap_or_default().into_iter().map(|s| s as usize).collect();
        one(Tensor::full(sizes, number, type_asked(c, otherwise)?))
    }),
    ("new_full", |c| {
        let (x, number) = (c.x()?, c.number(2, "fill_value")?.ok_or("a number that is a tensor")?);
        let sizes: Vec<usize> =
            c.ints(1, "size")?.unwrap_or_default().into_iter().map(|s| s as usize).collect();
        one(Tensor::full(sizes, number, type_asked(c, x.dtype())?))
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

fn axis(c: &Call<'_>, position: usize, name: &str, otherwise: isize) -> Made<isize> {
    Ok(c.axis(position, name)?.unwrap_or(otherwise))
}

const ARRANGED: &[Row] = &[
    ("T", |c| {
        let x = c.x()?;
        one(x.permute((0..x.rank()).rev().collect::<Vec<usize>>()))
    }),
    ("t", |c| {
        let x = c.x()?;
        one(if x.rank() < 2 { x } else { x.t() })
    }),
    ("movedim", |c| {
        let (from, to) =
            (c.ints(1, "source")?.unwrap_or_default(), c.ints(2, "destination")?.unwrap_or_default());
        one(c.x()?.movedim(from, to))
    }),
    ("squeeze", |c| match c.axis(1, "dim")? {
        None => one(c.x()?.squeeze(..)),
        Some(axis) => {
            let x = c.x()?;
            one(if x.rank() > 0 && x.size(axis) == 1 { x.squeeze(axis) } else { x })
        }
    }),
    ("flatten", |c| {
        let x = c.x()?;
        let (start, end) = (axis(c, 1, "start_dim", 0)?, axis(c, 2, "end_dim", -1)?);
        one(if x.rank() == 0 { x.reshape([1]) } else { x.flatten(start..=end) })
    }),
    ("unflatten", |c| {
        let sizes = c.ints(2, "sizes")?.unwrap_or_default();
        one(c.x()?.unflatten(axis(c, 1, "dim", 0)?, sizes))
    }),
    ("flip", |c| one(c.x()?.flip(Axes::Some(c.rest(1, "dims")?)))),
    ("fliplr", |c| one(c.x()?.flip(1))),
    ("flipud", |c| one(c.x()?.flip(0))),
    ("roll", |c| {
        let (x, shifts) = (c.x()?, c.ints(1, "shifts")?.unwrap_or_default());
        match c.ints(2, "dims")? {
            Some(axes) if !axes.is_empty() => one(x.roll(shifts, axes)),
            _ => one(x.roll_all(shifts[0])),
        }
    }),
    ("rot90", |c| {
        let axes = c.ints(2, "dims")?.unwrap_or_else(|| vec![0, 1]);
        one(c.x()?.rot90(axis(c, 1, "k", 1)?, [axes[0], axes[1]]))
    }),
    ("tile", |c| one(c.x()?.tile(c.rest(1, "dims")?))),
    ("repeat", |c| one(c.x()?.repeat(c.rest(1, "repeats")?))),
    ("repeat_interleave", |c| {
        c.without_meaning(&["output_size"]);
        let (mut x, mut along) = (c.x()?, c.axis(2, "dim")?);
        if along.is_none() {
            (x, along) = (x.reshape([x.numel()]), Some(0));
        }
        let along = along.unwrap_or(0);
        match c.argument(1, "repeats") {
            Some(Arg::Tensor { .. }) => one(x.repeat_interleave_each(&c.needed(1, "repeats")?, along)),
            _ => one(x.repeat_interleave(c.int(1, "repeats")?.unwrap_or(1) as usize, along)),
        }
    }),
    ("diagonal", diagonal),
    ("linalg.diagonal", |c| {
        let (a, b) = (axis(c, 99, "dim1", -2)?, axis(c, 99, "dim2", -1)?);
        one(c.x()?.diagonal(axis(c, 99, "offset", 0)?, [a, b]))
    }),
    ("diag", |c| one(c.x()?.diag(axis(c, 1, "diagonal", 0)?))),
    ("diag_embed", |c| {
        let (a, b) = (axis(c, 2, "dim1", -2)?, axis(c, 3, "dim2", -1)?);
        one(c.x()?.diag_embed(axis(c, 1, "offset", 0)?, [a, b]))
    }),
    ("trace", |c| one(c.x()?.trace())),
    ("tril", |c| one(c.x()?.tril(axis(c, 1, "diagonal", 0)?))),
    ("triu", |c| one(c.x()?.triu(axis(c, 1, "diagonal", 0)?))),
    ("select", |c| one(c.x()?.select_at(axis(c, 1, "dim", 0)?, axis(c, 2, "index", 0)?))),
    ("unfold", |c| {
        let (size, step) = (c.int(2, "size")?.unwrap_or(1) as usize, c.int(3, "step")?.unwrap_or(1) as usize);
        one(c.x()?.unfold(axis(c, 1, "dimension", 0)?, size, step))
    }),
    ("nn.functional.pixel_shuffle", |c| {
        one(c.x()?.pixel_shuffle(c.int(1, "upscale_factor")?.unwrap_or(1) as usize))
    }),
    ("nn.functional.pixel_unshuffle", |c| {
        one(c.x()?.pixel_unshuffle(c.int(1, "downscale_factor")?.unwrap_or(1) as usize))
    }),
    ("nn.functional.channel_shuffle", |c| {
        one(c.x()?.channel_shuffle(c.int(1, "groups")?.unwrap_or(1) as usize))
    }),
    ("nn.functional.unfold", |c| {
        let options = WindowOptions {
            size: c.sizes(1, "kernel_size")?.ok_or("no window")?,
            dilation: c.sizes(2, "dilation")?.unwrap_or([1; 2]),
            padding: c.sizes(3, "padding")?.unwrap_or([0; 2]),
            stride: c.sizes(4, "stride")?.unwrap_or([1; 2]),
        };
        let x = c.x()?;
        one(if x.rank() == 3 { x.unsqueeze(0).im2col(&options).squeeze(0) } else { x.im2col(&options) })
    }),
    ("sum_to_size", |c| {
        let (x, sizes) = (c.x()?, c.rest(1, "size")?);
        if !x.dtype().is_float() {
            return Err("sums of truth values, which are counts".into());
        }
        let lead = x.rank() - sizes.len();
        let mut y = x;
        for (i, &size) in sizes.iter().enumerate() {
            if size == 1 {
                y = y.sum_keep((lead + i) as isize);
            }
        }
        let front: Vec<isize> = (0..lead as isize).collect();
        one(if lead > 0 { y.sum(Axes::Some(front)) } else { y })
    }),
];

fn diagonal(c: &Call<'_>) -> Outcome {
    let (a, b) = (axis(c, 2, "dim1", 0)?, axis(c, 3, "dim2", 1)?);
    one(c.x()?.diagonal(axis(c, 1, "offset", 0)?, [a, b]))
}

/// PyTorch gives widths from the last axis on, in pairs.
fn pad(c: &Call<'_>, mode: Option<PadMode>) -> Outcome {
    let (x, widths) = (c.x()?, c.ints(1, "pad")?.unwrap_or_default());
    let mode = match mode {
        Some(mode) => {
            c.text(2, "mode", "")?;
            mode
        }
        None if matches!(c.argument(2, "mode"), Some(Arg::Text(_))) => {
            c.text(2, "mode", "")?;
            PadMode::Constant(c.number(3, "value")?.unwrap_or(0.0))
        }
        None => PadMode::Constant(c.number(2, "value")?.unwrap_or(0.0)),
    };
    let pairs: Vec<(isize, isize)> = widths.chunks(2).map(|pair| (pair[0], pair[1])).collect();
    one(x.pad(&pairs, mode))
}

const PADDED: &[Row] = &[
    ("constant_pad_nd", |c| pad(c, None)),
    ("nn.functional.pad/constant", |c| pad(c, None)),
    ("nn.functional.pad/reflect", |c| pad(c, Some(PadMode::Reflect))),
    ("nn.functional.pad/replicate", |c| pad(c, Some(PadMode::Replicate))),
    ("nn.functional.pad/replicate_negative", |c| pad(c, Some(PadMode::Replicate))),
    ("nn.functional.pad/circular", |c| pad(c, Some(PadMode::Circular))),
];

fn refs(xs: &[Tensor]) -> Vec<&Tensor> {
    xs.iter().collect()
}

/// Tensors as arguments one by one, or in a list.
fn several(c: &Call<'_>) -> Made<Vec<Tensor>> {
    let mut xs = Vec::new();
    for i in 0..c.count() {
        xs.extend(c.list(i, "tensors")?);
    }
    Ok(xs)
}

fn mesh(c: &Call<'_>) -> Outcome {
    let xs: Vec<Tensor> =
        several(c)?.iter().map(|x| if x.rank() == 0 { x.reshape([1]) } else { x.clone() }).collect();
    Ok(match c.text(99, "indexing", "ij")?.as_str() {
        "xy" => Tensor::meshgrid_xy(&refs(&xs)),
        _ => Tensor::meshgrid(&refs(&xs)),
    })
}

const CUT: &[Row] = &[
    ("chunk", |c| Ok(c.x()?.chunk(c.int(1, "chunks")?.unwrap_or(1) as usize, axis(c, 2, "dim", 0)?))),
    ("split", |c| Ok(c.x()?.split(c.int(1, "split_size")?.unwrap_or(1) as usize, axis(c, 2, "dim", 0)?))),
    ("split/list_args", split_sizes),
    ("split_with_sizes", split_sizes),
    ("unbind", |c| Ok(c.x()?.unbind(axis(c, 1, "dim", 0)?))),
    ("hstack", |c| one(Tensor::hstack(&refs(&c.list(0, "tensors")?)))),
    ("vstack", |c| one(Tensor::vstack(&refs(&c.list(0, "tensors")?)))),
    ("dstack", |c| one(Tensor::dstack(&refs(&c.list(0, "tensors")?)))),
    ("meshgrid/list_of_tensors", mesh),
    ("meshgrid/variadic_tensors", mesh),
    ("broadcast_tensors", |c| {
        let xs = several(c)?;
        let shape = xs
            .iter()
            .fold(Shape::SCALAR, |shape, x| shape.broadcast(x.shape()).expect("PyTorch broadcasts them"));
        Ok(xs.iter().map(|x| x.broadcast_to(shape)).collect())
    }),
];

fn split_sizes(c: &Call<'_>) -> Outcome {
    let sizes: Vec<usize> =
        c.ints(1, "split_sizes")?.unwrap_or_default().into_iter().map(|s| s as usize).collect();
    Ok(c.x()?.split_sizes(&sizes, axis(c, 2, "dim", 0)?))
}

/// The lines of this file.
pub(crate) const TABLES: &[&[Row]] = &[VIEWS, JOINS, NEW, ARRANGED, PADDED, CUT];
