//! Linear maps along one axis with constant weights, `y[.., o, ..] = Σ w[o, i] x[.., i, ..]`, of which few in a row are
//! not 0: sums and means of windows, resampling.
//!
//! What is separable, as the mean of a window of a picture is, is such a map along each axis. A map and its adjoint are
//! each other's derivative, so that derivatives of any order come with them.

use std::sync::Arc;

use talweg_kernels::Float;

use crate::autograd::Grad;
use crate::backend::{CustomKernel, HostArray, HostArrayMut};
use crate::dtype::DType;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::ops::pool::{Divide, Windows};
use crate::tensor::Tensor;

/// The rows of weights, as a rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum AxisWeights {
    /// A row for each window: the sum of what lies in it, over a number.
    Sums(Windows, Divide),
}

impl AxisWeights {
    /// How many numbers come in, and how many go out.
    fn sizes(&self) -> (usize, usize) {
        match self {
            AxisWeights::Sums(windows, _) => (windows.size(), windows.count()),
        }
    }

    /// All rows, one after the other.
    fn table(&self) -> Table {
        let mut table = Table { starts: vec![0], entries: Vec::new() };
        let mut row = |entries: &mut dyn Iterator<Item = (usize, f64)>| {
            table.entries.extend(entries);
            table.starts.push(table.entries.len());
        };
        match self {
            AxisWeights::Sums(windows, divide) => (0..windows.count()).for_each(|window| {
                let weight = 1.0 / windows.divisor(window, *divide) as f64;
                row(&mut windows.places(window).map(|place| (place, weight)));
            }),
        }
        table
    }
}

/// A sparse matrix: row `o` has the entries `starts[o]..starts[o + 1]`.
struct Table {
    starts: Vec<usize>,
    entries: Vec<(usize, f64)>,
}

impl Table {
    fn rows(&self) -> impl Iterator<Item = &[(usize, f64)]> {
        self.starts.windows(2).map(|ends| &self.entries[ends[0]..ends[1]])
    }
}

#[derive(Clone, Copy, Debug)]
struct AxisMap {
    /// Counted from the front.
    axis: usize,
    weights: AxisWeights,
    /// Whether the matrix is transposed.
    adjoint: bool,
}

impl Op for AxisMap {
    fn name(&self) -> &'static str {
        "axis_map"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let x = &inputs[0];
        check::float("axis_map", x)?;
        let (mut from, mut to) = self.weights.sizes();
        if self.adjoint {
            (from, to) = (to, from);
        }
        if self.axis >= x.shape.rank() || x.shape.at(self.axis) != from {
            return Err(OpError::new(format!(
                "axis_map: input {} must have {from} elements along axis {}",
                x.shape, self.axis
            )));
        }
        Ok(x.with_shape(x.shape.with(self.axis, to)))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, _: &mut Saved) -> Tensor {
        Tensor::run_custom(Arc::new(AxisMapKernel(*self)), inputs, out)
    }

    fn vjp(&self, _: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        vec![Some(apply(AxisMap { adjoint: !self.adjoint, ..*self }, &[&dy]).into())]
    }
}

#[derive(Debug)]
struct AxisMapKernel(AxisMap);

impl CustomKernel for AxisMapKernel {
    fn run(&self, inputs: &[HostArray<'_>], outputs: &mut [HostArrayMut<'_>]) {
        let (x, y) = (&inputs[0], &mut outputs[0]);
        let [from, to] = [x.shape, y.shape].map(|shape| shape.at(self.0.axis));
        let inner = x.shape.iter().skip(self.0.axis + 1).product();
        let (sizes, numel) = (Sizes { from, to, inner }, [x.shape, y.shape].map(|shape| shape.numel()));
        let (table, adjoint) = (self.0.weights.table(), self.0.adjoint);
        match x.dtype {
            DType::F32 => sizes.map::<f32>(
                &table,
                adjoint,
                &x.buffer.as_slice()[..numel[0]],
                &mut y.buffer.as_mut_slice()[..numel[1]],
            ),
            DType::F64 => sizes.map::<f64>(
                &table,
                adjoint,
                &x.buffer.as_slice()[..numel[0]],
                &mut y.buffer.as_mut_slice()[..numel[1]],
            ),
            other => unreachable!("the shape rule refuses {other}"),
        }
    }
}

/// The input as `[.., from, inner]`, the output as `[.., to, inner]`.
#[derive(Clone, Copy)]
struct Sizes {
    from: usize,
    to: usize,
    inner: usize,
}

impl Sizes {
    fn map<T: Float>(self, table: &Table, adjoint: bool, x: &[T], y: &mut [T]) {
        y.fill(T::ZERO);
        // Blocks of no elements would be of size 0, which the iterators refuse; then there is nothing to add.
        let [from, to] = [self.from * self.inner, self.to * self.inner].map(|n| n.max(1));
        for (x, y) in x.chunks_exact(from).zip(y.chunks_exact_mut(to)) {
            for (o, row) in table.rows().enumerate() {
                for &(i, weight) in row {
                    let (source, target) = if adjoint { (o, i) } else { (i, o) };
                    let weight = T::from_f64(weight);
                    let source = &x[source * self.inner..][..self.inner];
                    let target = &mut y[target * self.inner..][..self.inner];
                    for (target, source) in target.iter_mut().zip(source) {
                        *target += weight * *source;
                    }
                }
            }
        }
    }
}

impl Tensor {
    /// The map along an axis that is known to fit.
    pub(super) fn axis_map(&self, axis: usize, weights: AxisWeights) -> Tensor {
        apply(AxisMap { axis, weights, adjoint: false }, &[self])
    }

    /// The adjoint of [`Tensor::axis_map`].
    pub(super) fn axis_map_adjoint(&self, axis: usize, weights: AxisWeights) -> Tensor {
        apply(AxisMap { axis, weights, adjoint: true }, &[self])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DILATED: Windows =
        Windows::Sliding { size: 5, kernel: 2, stride: 2, padding: 1, dilation: 3, count: 2 };

    crate::cases! {
        axis_map: |x| x[0].axis_map(1, AxisWeights::Sums(DILATED, Divide::Places));
            shapes [[2, 5, 3]] [[1, 5]] [[0, 5]] [[2, 5, 0]] refuses [[2, 4]] [[5]];
        axis_map_adjoint: |x| x[0].axis_map_adjoint(0, AxisWeights::Sums(DILATED, Divide::One)); shapes [[2, 3]] [[2]] refuses [[5]];
    }

    #[test]
    fn sums_are_those_of_the_windows() {
        let x = Tensor::from_slice(&[1.0f64, 2.0, 3.0, 4.0, 5.0], [5]);
        // Window 0 has the places -1 and 2, window 1 the places 1 and 4.
        assert_eq!(x.axis_map(0, AxisWeights::Sums(DILATED, Divide::Places)).to_vec::<f64>(), [3.0, 3.5]);
        assert_eq!(x.axis_map(0, AxisWeights::Sums(DILATED, Divide::One)).to_vec::<f64>(), [3.0, 7.0]);
        let dy = Tensor::from_slice(&[1.0f64, 10.0], [2]);
        let dx = dy.axis_map_adjoint(0, AxisWeights::Sums(DILATED, Divide::One));
        assert_eq!(dx.to_vec::<f64>(), [0.0, 10.0, 1.0, 0.0, 10.0]);
    }
}
