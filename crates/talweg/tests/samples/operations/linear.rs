//! Products of matrices and vectors.

use talweg::tensor::Tensor;

use crate::call::{Call, Outcome, Row, one};
use crate::file::Arg;

/// `beta x + alpha a b`
fn scaled(c: &Call<'_>, f: fn(&Tensor, &Tensor, &Tensor, f64, f64) -> Tensor) -> Outcome {
    let (x, a, b) = (c.x()?, c.needed(1, "mat1")?, c.needed(2, "mat2")?);
    one(f(&x, &a, &b, c.number(99, "beta")?.unwrap_or(1.0), c.number(99, "alpha")?.unwrap_or(1.0)))
}

const PRODUCTS: &[Row] = &[
    ("matmul", |c| one(c.x()?.matmul(&c.needed(1, "other")?))),
    ("mm", |c| one(c.x()?.matmul(&c.needed(1, "mat2")?))),
    ("bmm", |c| one(c.x()?.matmul(&c.needed(1, "mat2")?))),
    ("__rmatmul__", |c| one(c.needed(1, "other")?.matmul(&c.x()?))),
    ("dot", |c| one(c.x()?.dot(&c.needed(1, "tensor")?))),
    ("vdot", |c| one(c.x()?.dot(&c.needed(1, "other")?))),
    ("outer", |c| one(c.x()?.outer(&c.needed(1, "vec2")?))),
    ("mv", |c| one(c.x()?.mv(&c.needed(1, "vec")?))),
    ("kron", |c| one(c.x()?.kron(&c.needed(1, "other")?))),
    ("addmm", |c| scaled(c, Tensor::addmm)),
    ("addmm/decomposed", |c| scaled(c, Tensor::addmm)),
    ("baddbmm", |c| scaled(c, Tensor::baddbmm)),
    ("einsum", |c| {
        let xs = c.list(0, "operands")?;
        one(Tensor::einsum(&c.text(1, "equation", "")?, &xs.iter().collect::<Vec<_>>()))
    }),
    ("tensordot", |c| {
        let Some(Arg::Int(axes)) = c.argument(2, "dims") else {
            return Err("products over axes by name".into());
        };
        one(c.x()?.tensordot(&c.needed(1, "other")?, *axes as usize))
    }),
    ("nn.functional.linear", |c| {
        let (x, weight, bias) = (c.x()?, c.needed(1, "weight")?, c.tensor(2, "bias")?);
        one(x.linear(&weight, bias.as_ref()))
    }),
];

/// The lines of this file.
pub(crate) const TABLES: &[&[Row]] = &[PRODUCTS];
