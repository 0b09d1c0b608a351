//! Reading and adding by number.

use talweg_kernels::{Float, Pod, strided};

use super::{dense, float, indices, out_slice, stored};
use crate::backend::{Out, View};
use crate::shape::Shape;

pub(super) fn gather_rows(table: &View<'_>, index: &View<'_>, out: &mut Out<'_>) {
    let row: usize = table.layout.shape().iter().skip(1).product();
    rows_exist("index_rows", &indices(index), table.layout.shape());
    stored!(table.dtype, T => strided::gather_rows(&dense::<T>(table), row, &indices(index), out_slice(out)));
}

pub(super) fn scatter_rows(values: &View<'_>, index: &View<'_>, out: &mut Out<'_>) {
    let row: usize = values.layout.shape().iter().skip(1).product();
    rows_exist("scatter_rows", &indices(index), &out.shape);
    float!(values.dtype, T => {
        let to = out_slice::<T>(out);
        to.fill(0.0);
        strided::scatter_add_rows(&dense::<T>(values), row, &indices(index), to);
    });
}

/// Refuses numbers of rows that the table does not have.
fn rows_exist(name: &str, index: &[i64], table: &Shape) {
    let rows = table.at(0) as i64;
    if let Some(place) = index.iter().position(|at| !(0..rows).contains(at)) {
        panic!(
            "{name}: index {} at position {place} is out of range for the rows of {table}; valid ones are 0 to {}",
            index[place],
            rows - 1
        )
    }
}

pub(super) fn put_rows(index: &View<'_>, rows: &View<'_>, out: &mut Out<'_>) {
    let row: usize = rows.layout.shape().iter().skip(1).product();
    let shape = out.shape;
    stored!(rows.dtype, T => put(&dense::<T>(rows), row, &indices(index), out_slice(out), &shape));
}

fn put<T: Pod>(rows: &[T], row: usize, index: &[i64], out: &mut [T], shape: &Shape) {
    // Rows without elements would make chunks of size 0, which chunks_exact refuses.
    for (from, &at) in rows.chunks_exact(row.max(1)).zip(index) {
        let start = position("put_rows", 0, at, [out.len() / row, 1, row], shape);
        out[start..start + row].copy_from_slice(from);
    }
}

/// The sizes before, along and after an axis.
fn split(x: &View<'_>, axis: usize) -> [usize; 3] {
    let shape = x.layout.shape();
    [shape.iter().take(axis).product(), shape.at(axis), shape.iter().skip(axis + 1).product()]
}

pub(super) fn gather(axis: usize, x: &View<'_>, index: &View<'_>, out: &mut Out<'_>) {
    let ([_, n, inner], [_, k, _]) = (split(x, axis), split(index, axis));
    stored!(x.dtype, T => pick(&dense::<T>(x), [n, k, inner], &indices(index), out_slice(out), x.layout.shape()));
}

fn pick<T: Pod>(x: &[T], [n, k, inner]: [usize; 3], index: &[i64], out: &mut [T], shape: &Shape) {
    for (flat, (to, &at)) in out.iter_mut().zip(index).enumerate() {
        *to = x[position("gather", flat, at, [n, k, inner], shape)];
    }
}

pub(super) fn scatter_add(axis: usize, values: &View<'_>, index: &View<'_>, out: &mut Out<'_>) {
    let [_, k, inner] = split(index, axis);
    let (n, shape) = (out.shape.at(axis), out.shape);
    float!(out.dtype, T => {
        let to = out_slice::<T>(out);
        to.fill(0.0);
        add(&dense::<T>(values), [n, k, inner], &indices(index), to, &shape);
    });
}

fn add<T: Float>(values: &[T], sizes: [usize; 3], index: &[i64], out: &mut [T], shape: &Shape) {
    for (flat, (&value, &at)) in values.iter().zip(index).enumerate() {
        out[position("scatter", flat, at, sizes, shape)] += value;
    }
}

/// Where element number `flat` of `[outer, k, inner]` lies in `[outer, n, inner]` when it is row `at`.
fn position(name: &str, flat: usize, at: i64, [n, k, inner]: [usize; 3], shape: &Shape) -> usize {
    assert!(
        (0..n as i64).contains(&at),
        "{name}: index {at} is out of range for an axis of size {n} of {shape}; valid ones are 0 to {}",
        n as i64 - 1
    );
    (flat / (k * inner) * n + at as usize) * inner + flat % inner
}
