//! Reductions: any axes are brought to the form `[outer, n, inner]`.

use talweg_kernels::reduce as kernels;

use super::{Dense, dense, float, out_slice};
use crate::backend::{Out, View};
use crate::dtype::DType;
use crate::ops::{ArgReduce, Reduce};
use crate::shape::{AxisSet, Shape};

pub(super) fn reduce(f: Reduce, axes: AxisSet, x: &View<'_>, out: &mut Out<'_>) {
    let form = Form::of(axes, x.layout.shape());
    let moved = form.order.as_ref().map(|order| x.layout.permute(order));
    let x = View { layout: moved.as_ref().unwrap_or(x.layout), ..*x };
    let [outer, n, inner] = form.sizes;
    if out.dtype == DType::I64 {
        return whole(f, &dense(&x), form.sizes, out_slice(out));
    }
    float!(out.dtype, T => {
        let x: Dense<'_, T> = dense(&x);
        let kernel = match f {
            Reduce::Sum => kernels::sum::<T>,
            Reduce::Mean => kernels::mean::<T>,
            Reduce::Max => kernels::max::<T>,
            Reduce::Min => kernels::min::<T>,
        };
        kernel(&x, outer, n, inner, out_slice(out));
    });
}

/// How a set of axes becomes one axis in the middle.
pub(super) struct Form {
    /// Axes in a new order, if the reduced ones are not neighbours.
    pub(super) order: Option<Vec<usize>>,
    pub(super) sizes: [usize; 3],
}

impl Form {
    pub(super) fn of(axes: AxisSet, shape: &Shape) -> Form {
        let size = |keep: &dyn Fn(usize) -> bool| -> usize {
            (0..shape.rank()).filter(|&axis| keep(axis)).map(|axis| shape.at(axis)).product()
        };
        // Axes of size 1 may count as reduced or not, as it suits.
        let real = |axis: usize| shape.at(axis) != 1;
        let mut reduced = (0..shape.rank()).filter(|&a| axes.contains(a) && real(a));
        let Some(first) = reduced.next() else {
            return Form { order: None, sizes: [shape.numel(), 1, 1] };
        };
        let last = reduced.next_back().unwrap_or(first);
        let neighbours = (first..=last).all(|a| axes.contains(a) || !real(a));
        if neighbours {
            let sizes = [size(&|a| a < first), size(&|a| (first..=last).contains(&a)), size(&|a| a > last)];
            return Form { order: None, sizes };
        }
        let (mut order, tail): (Vec<usize>, Vec<usize>) = (0..shape.rank()).partition(|&a| !axes.contains(a));
        order.extend(tail);
        Form { order: Some(order), sizes: [size(&|a| !axes.contains(a)), size(&|a| axes.contains(a)), 1] }
    }
}

fn whole(f: Reduce, x: &[i64], [outer, n, inner]: [usize; 3], out: &mut [i64]) {
    for (o, i) in (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i))) {
        let line = (0..n).map(|k| x[(o * n + k) * inner + i]);
        out[o * inner + i] = match f {
            Reduce::Sum => line.fold(0, i64::wrapping_add),
            Reduce::Max => line.max().expect("the shape rule refuses no elements"),
            Reduce::Min => line.min().expect("the shape rule refuses no elements"),
            Reduce::Mean => unreachable!("the shape rule refuses whole numbers here"),
        };
    }
}

pub(super) fn arg_reduce(f: ArgReduce, axis: usize, x: &View<'_>, out: &mut Out<'_>) {
    let shape = x.layout.shape();
    let (outer, n, inner): (usize, usize, usize) =
        (shape.iter().take(axis).product(), shape.at(axis), shape.iter().skip(axis + 1).product());
    float!(x.dtype, T => {
        let x: Dense<'_, T> = dense(x);
        match f {
            ArgReduce::Max => kernels::argmax(&x, outer, n, inner, out_slice(out)),
            ArgReduce::Min => kernels::argmin(&x, outer, n, inner, out_slice(out)),
        }
    });
}
