//! Elements and rows by number.

use talweg::tensor::DType;

use crate::call::Row;

const BY_NUMBER: &[Row] = &[
    ("gather", |c| {
        c.without_meaning(&["sparse_grad"]);
        let (x, axis, index) = (c.x()?, c.axis(1, "dim")?.unwrap_or(0), c.needed(2, "index")?);
        crate::call::one(x.gather(axis, &index))
    }),
    ("nn.functional.one_hot", |c| {
        let classes = c.int(1, "num_classes")?.unwrap_or(-1);
        let classes = usize::try_from(classes).map_err(|_| "as many classes as the greatest number")?;
        crate::call::one(c.x()?.one_hot(classes, DType::I64))
    }),
];

/// The lines of this file.
pub(crate) const TABLES: &[&[Row]] = &[BY_NUMBER];
