//! Products of matrices and vectors.

use crate::call::{Row, one};

const PRODUCTS: &[Row] = &[
    ("matmul", |c| one(c.x()?.matmul(&c.needed(1, "other")?))),
    ("mm", |c| one(c.x()?.matmul(&c.needed(1, "mat2")?))),
    ("bmm", |c| one(c.x()?.matmul(&c.needed(1, "mat2")?))),
    ("__rmatmul__", |c| one(c.needed(1, "other")?.matmul(&c.x()?))),
    ("nn.functional.linear", |c| {
        let (x, weight, bias) = (c.x()?, c.needed(1, "weight")?, c.tensor(2, "bias")?);
        one(x.linear(&weight, bias.as_ref()))
    }),
];

/// The lines of this file.
pub(crate) const TABLES: &[&[Row]] = &[PRODUCTS];
