//! Elements and rows by number.

use talweg::tensor::{BagMode, DType, EmbeddingBagOptions, EmbeddingOptions, ScatterReduce, Tensor};

use crate::call::{Call, Made, Outcome, Row, one};

fn axis(c: &Call<'_>) -> Made<isize> {
    Ok(c.axis(1, "dim")?.unwrap_or(0))
}

/// The index and the values behind an axis.
fn put(c: &Call<'_>) -> Made<(Tensor, isize, Tensor, Tensor)> {
    let index = c.needed(2, "index")?;
    let index = if index.rank() == 0 { index.reshape([1]) } else { index };
    Ok((c.x()?, axis(c)?, index, c.operand(3, "source")?))
}

const BY_NUMBER: &[Row] = &[
    ("gather", |c| {
        c.without_meaning(&["sparse_grad"]);
        one(c.x()?.gather(axis(c)?, &c.needed(2, "index")?))
    }),
    ("nn.functional.one_hot", |c| {
        let classes = c.int(1, "num_classes")?.unwrap_or(-1);
        let classes = usize::try_from(classes).map_err(|_| "as many classes as the greatest number")?;
        one(c.x()?.one_hot(classes, DType::I64))
    }),
    ("index_select", |c| {
        let index = c.needed(2, "index")?;
        one(c.x()?.index_select(axis(c)?, &if index.rank() == 0 { index.reshape([1]) } else { index }))
    }),
    ("index_add", |c| {
        let ((x, axis, index, source), alpha) = (put(c)?, c.number(99, "alpha")?.unwrap_or(1.0));
        one(x.index_add(axis, &index, &source, alpha))
    }),
    ("index_copy", |c| {
        let (x, axis, index, source) = put(c)?;
        one(x.index_copy(axis, &index, &source))
    }),
    ("index_fill", |c| {
        let (x, axis, index, value) = put(c)?;
        if value.is_tracked() {
            return Err("filling with a number that needs a gradient".into());
        }
        one(x.index_fill(axis, &index, value.item()))
    }),
    ("scatter", |c| {
        let (x, axis, index, source) = (c.x()?, axis(c)?, c.needed(2, "index")?, c.operand(3, "src")?);
        let source =
            if source.rank() == 0 && index.rank() > 0 { source.broadcast_to(index.shape()) } else { source };
        match c.text(99, "reduce", "")?.as_str() {
            "" => one(x.scatter(axis, &index, &source)),
            "add" => one(x.scatter_add(axis, &index, &source)),
            _ => one(x.scatter_reduce(axis, &index, &source, ScatterReduce::Prod, true)),
        }
    }),
    ("scatter_add", |c| {
        let (x, axis, index, source) = (c.x()?, axis(c)?, c.needed(2, "index")?, c.operand(3, "src")?);
        one(x.scatter_add(axis, &index, &source))
    }),
    ("scatter_reduce/sum", |c| scatter_reduce(c, ScatterReduce::Sum)),
    ("scatter_reduce/prod", |c| scatter_reduce(c, ScatterReduce::Prod)),
    ("scatter_reduce/mean", |c| scatter_reduce(c, ScatterReduce::Mean)),
    ("scatter_reduce/amax", |c| scatter_reduce(c, ScatterReduce::Amax)),
    ("scatter_reduce/amin", |c| scatter_reduce(c, ScatterReduce::Amin)),
    ("take", |c| one(c.x()?.take(&c.needed(1, "index")?))),
    ("take_along_dim", |c| {
        let (x, index) = (c.x()?, c.needed(1, "indices")?);
        match c.axis(2, "dim")? {
            Some(axis) => one(x.take_along_axis(&index, axis)),
            None => one(x.reshape([x.numel()]).take_along_axis(&index.reshape([index.numel()]), 0)),
        }
    }),
    ("masked_fill", |c| {
        let value = c.operand(2, "value")?;
        if value.is_tracked() {
            return Err("filling with a number that needs a gradient".into());
        }
        one(c.x()?.masked_fill(&c.needed(1, "mask")?, value.item()))
    }),
    ("masked_select", |c| one(c.x()?.masked_select(&c.needed(1, "mask")?))),
    ("masked_scatter", |c| one(c.x()?.masked_scatter(&c.needed(1, "mask")?, &c.needed(2, "source")?))),
    ("nonzero", |c| {
        if c.flag(99, "as_tuple", false)? {
            return Err("one list for each axis".into());
        }
        one(c.x()?.detach().nonzero())
    }),
    ("argwhere", |c| one(c.x()?.detach().nonzero())),
    ("nn.functional.embedding", |c| {
        c.without_meaning(&["scale_grad_by_freq", "sparse"]);
        let (table, index) = (c.x()?, c.needed(1, "input")?);
        let padding = c.int(99, "padding_idx")?.map(|p| p.rem_euclid(table.size(0) as i64) as usize);
        one(table.embedding_with(&index, &EmbeddingOptions { padding, sparse: false }))
    }),
    ("nn.functional.embedding_bag", |c| {
        let (table, index) = (c.x()?, c.needed(1, "input")?);
        let (offsets, weights) = (c.tensor(99, "offsets")?, c.tensor(99, "per_sample_weights")?);
        let mode = match c.text(99, "mode", "mean")?.as_str() {
            "sum" => BagMode::Sum,
            "max" => BagMode::Max,
            _ => BagMode::Mean,
        };
        let padding = c.int(99, "padding_idx")?.map(|p| p.rem_euclid(table.size(0) as i64) as usize);
        let options = EmbeddingBagOptions {
            mode,
            offsets: offsets.as_ref(),
            include_last_offset: false,
            per_sample_weights: weights.as_ref(),
            padding,
            sparse: false,
        };
        one(table.embedding_bag(&index, &options))
    }),
];

fn scatter_reduce(c: &Call<'_>, reduce: ScatterReduce) -> Outcome {
    c.text(4, "reduce", "")?;
    let (x, axis, index, source) = (c.x()?, axis(c)?, c.needed(2, "index")?, c.operand(3, "src")?);
    one(x.scatter_reduce(axis, &index, &source, reduce, c.flag(99, "include_self", true)?))
}

/// The lines of this file.
pub(crate) const TABLES: &[&[Row]] = &[BY_NUMBER];
