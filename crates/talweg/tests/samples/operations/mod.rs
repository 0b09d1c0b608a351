//! PyTorch's names, and the calls of Talweg that they stand for.

mod elementwise;
mod indexing;
mod linear;
mod losses;
mod network;
mod reductions;
mod shapes;

use crate::call::Row;

/// All lines.
pub(crate) fn rows() -> impl Iterator<Item = Row> {
    let files = [
        elementwise::TABLES,
        reductions::TABLES,
        shapes::TABLES,
        indexing::TABLES,
        linear::TABLES,
        network::TABLES,
        losses::TABLES,
    ];
    files.into_iter().flatten().flat_map(|table| table.iter().copied())
}
