//! Several elementwise kernels in one pass: block by block, so that what is in between stays in the nearest cache.

use talweg_kernels::{Buffer, Float, elementwise as kernels, threads};

use super::{float, host, out_slice};
use crate::backend::{Kernel, Link, LinkInput, Out, View};

/// Elements of a block: with a few numbers in between, they fit the nearest cache.
const BLOCK: usize = 1024;
/// Elements of a parallel task.
const TASK: usize = 16 * BLOCK;

pub(super) fn chain(links: &[Link], inputs: &[View<'_>], out: &mut Out<'_>) {
    float!(out.dtype, T => run::<T>(links, inputs, out_slice(out)));
}

fn run<T: Float>(links: &[Link], inputs: &[View<'_>], out: &mut [T]) {
    let single = |x: &View<'_>| x.layout.shape().numel() == 1;
    threads::for_chunks(out, TASK, &|task, part| {
        let mut between = Buffer::take(links.len() * BLOCK * size_of::<T>());
        for (i, block) in part.chunks_mut(BLOCK).enumerate() {
            let (start, n) = (task * TASK + i * BLOCK, block.len());
            let outside = |i: usize| {
                let x = &inputs[i];
                let first = x.layout.contiguous().expect("only such inputs are joined to a chain");
                let numbers = &host(x.storage).as_slice::<T>()[first..];
                if single(x) { &numbers[..1] } else { &numbers[start..start + n] }
            };
            for (at, link) in links.iter().enumerate() {
                let (done, rest) = between.as_mut_slice::<T>().split_at_mut(at * BLOCK);
                let input = |x: LinkInput| match x {
                    LinkInput::Outside(i) => outside(i),
                    LinkInput::Link(i) => &done[i * BLOCK..i * BLOCK + n],
                };
                let to = if at + 1 == links.len() { &mut *block } else { &mut rest[..n] };
                let [a, b] = link.inputs.map(input);
                match &link.kernel {
                    Kernel::Unary(f) => f.map::<T>(a, to),
                    Kernel::Slope(f) => f.slope_map::<T>(a, b, to),
                    Kernel::Binary(f) => f.zip::<T>(a, b, to),
                    Kernel::Affine(scale, shift) => {
                        kernels::affine(a, T::from_f64(*scale), T::from_f64(*shift), to)
                    }
                    other => unreachable!("{other:?} is no link of a chain"),
                }
            }
        }
    });
}
