//! The result of an attention, a block of queries and a block of keys at a time.

use std::ops::Range;

use super::block::{Cut, Panels, Place, pack_lanes, pack_steps, panels_len, product, scores};
use super::rows::{Running, scale_row, soften};
use super::{Attention, Heads};
use crate::dispatch::isa;
use crate::gemm::{Strided, Target, Tiles};
use crate::threads::{Shared, for_each};
use crate::{Buffer, Float};

/// Tasks that are worth making, so that threads share the work of few heads.
const TASKS: usize = 16;
/// Most blocks of queries of a task.
const MOST_BLOCKS: usize = 16;

/// The result to `out` [batch, queries, heads, width], and the logarithm of each query's sum of exponentials, which
/// the gradient needs, to `lse` [batch, heads, queries].
///
/// A query that sees no key has the result 0 and the logarithm +infinity.
///
/// # Panics
/// If a slice is too short for its sizes, the heads do not divide, or an option is out of its range.
#[track_caller]
pub fn attention<T: Float>(
    s: &Attention<T>,
    q: Heads<T>,
    k: Heads<T>,
    v: Heads<T>,
    out: &mut [T],
    lse: &mut [T],
) {
    s.check("attention", &q, &k, &v);
    let sums = s.batch * s.heads * s.queries;
    assert!(
        out.len() == sums * s.width && lse.len() == sums,
        "attention: the result has {} items and {} logarithms, it needs {} and {sums}",
        out.len(),
        lse.len(),
        sums * s.width
    );
    if s.is_empty() {
        out.fill(T::ZERO);
        return lse.fill(T::INFINITY);
    }
    let tiles = T::tiles(isa());
    let cut = Cut::new(&tiles, s.keys);
    let blocks = s.queries.div_ceil(cut.queries);
    let parts = TASKS.div_ceil(s.batch * s.heads).clamp(blocks.div_ceil(MOST_BLOCKS), blocks.max(1));
    let per_part = blocks.div_ceil(parts) * cut.queries;
    let parts = s.queries.div_ceil(per_part);
    let (out, lse) = (Shared::new(out.as_mut_ptr()), Shared::new(lse.as_mut_ptr()));
    for_each(s.batch * s.heads * parts, &|task| {
        let (head, part) = (task / parts, task % parts);
        let (b, h) = (head / s.heads, head % s.heads);
        let queries = part * per_part..s.queries.min((part + 1) * per_part);
        let out = out.get().wrapping_add((b * s.queries * s.heads + h) * s.width);
        // SAFETY: the logarithms of these queries are this task's alone, and lie inside the slice.
        let lse = unsafe {
            std::slice::from_raw_parts_mut(lse.get().add(head * s.queries + queries.start), queries.len())
        };
        // SAFETY: `isa` finds what the processor has; inputs were checked, and rows of these queries and head in
        // `out` are this task's alone.
        unsafe { Task { s, tiles: &tiles, cut, b, h, queries, q, k, v, out }.run(lse) }
    });
}

/// Some queries of one head.
struct Task<'a, T: 'static> {
    s: &'a Attention<'a, T>,
    tiles: &'a Tiles<T>,
    cut: Cut,
    b: usize,
    h: usize,
    queries: Range<usize>,
    q: Heads<'a, T>,
    k: Heads<'a, T>,
    v: Heads<'a, T>,
    /// The head's first row of results; rows are `heads * width` apart.
    out: *mut T,
}

/// Memory for the panels and the block of scores of one task.
struct Scratch<'a, T> {
    k: &'a mut [T],
    v: &'a mut [T],
    q: &'a mut [T],
    scores: &'a mut [T],
    factors: &'a mut [T],
    run: &'a mut [T],
}

impl<T: Float> Task<'_, T> {
    /// # Safety
    /// The instruction set must exist, the inputs be checked, and the rows of the result be ours.
    unsafe fn run(&self, lse: &mut [T]) {
        let (s, cut) = (self.s, self.cut);
        let lanes = self.queries.len().next_multiple_of(cut.queries);
        let dropped = if s.dropout.is_some() { cut.keys * cut.queries } else { 0 };
        let lens = [
            panels_len(&self.tiles.left, cut.keys, s.depth),
            panels_len(&self.tiles.right, s.width, cut.keys),
            panels_len(&self.tiles.right, cut.queries, s.depth),
            cut.keys * cut.queries,
            dropped,
            3 * lanes,
            cut.keys + 4,
        ];
        let mut buffer = Buffer::take(lens.iter().sum::<usize>() * size_of::<T>());
        let [k, v, q, scores, factors, running, run] = split(buffer.as_mut_slice::<T>(), lens);
        let mut scratch = Scratch { k, v, q, scores, factors, run };
        let (max, rest) = running.split_at_mut(lanes);
        let (sum, factor) = rest.split_at_mut(lanes);
        max.fill(T::MIN);
        sum.fill(T::ZERO);
        let seen = s.visible(self.queries.end - 1);
        for first in (0..seen).step_by(cut.keys) {
            let keys = first..seen.min(first + cut.keys);
            // SAFETY: as the caller's; the panels have room for a block of keys.
            unsafe { self.pack_keys(&keys, &mut scratch) };
            for start in self.queries.clone().step_by(cut.queries) {
                let queries = start..self.queries.end.min(start + cut.queries);
                let keys = first..keys.end.min(s.visible(queries.end - 1));
                if !keys.is_empty() {
                    let own = start - self.queries.start..start - self.queries.start + cut.queries;
                    let mut running = Running {
                        max: &mut max[own.clone()],
                        sum: &mut sum[own.clone()],
                        factor: &mut factor[own],
                    };
                    // SAFETY: as the caller's.
                    unsafe { self.block(queries, keys, &mut scratch, &mut running) };
                }
            }
        }
        for (i, lse) in lse.iter_mut().enumerate() {
            let empty = sum[i] == T::ZERO;
            *lse = if empty { T::INFINITY } else { max[i] + sum[i].ln() };
            let factor = if empty { T::ZERO } else { T::ONE / sum[i] };
            // SAFETY: the row is ours.
            scale_row::<T>(unsafe { self.row(self.queries.start + i) }, factor);
        }
    }

    /// # Safety
    /// As [`Task::run`].
    unsafe fn pack_keys(&self, keys: &Range<usize>, scratch: &mut Scratch<T>) {
        let (s, kv) = (self.s, self.h / self.s.group());
        let (k, v) = (self.k.at(self.b, kv, keys.start), self.v.at(self.b, kv, keys.start));
        // SAFETY: the keys lie inside their checked arrays.
        unsafe {
            pack_lanes(&self.tiles.left, k, self.k.row, keys.len(), s.depth, scratch.k.as_mut_ptr());
            pack_steps(&self.tiles.right, v, self.v.row, keys.len(), s.width, scratch.v.as_mut_ptr());
        }
    }

    /// Adds what a block of keys gives to the results of a block of queries.
    ///
    /// # Safety
    /// As [`Task::run`], with the keys' panels from [`Task::pack_keys`] for keys that start where these do.
    unsafe fn block(
        &self,
        queries: Range<usize>,
        keys: Range<usize>,
        scratch: &mut Scratch<T>,
        running: &mut Running<T>,
    ) {
        let (s, n, q) = (self.s, keys.len(), self.cut.queries);
        let place = Place { b: self.b, h: self.h, queries: queries.clone(), keys: keys.clone() };
        let sizes = [n, queries.len(), q, s.depth];
        let sight = place.sight(s);
        let from = self.q.at(self.b, self.h, queries.start);
        // SAFETY: the queries lie inside their checked array; the panels and the block have room.
        unsafe {
            pack_lanes(&self.tiles.right, from, self.q.row, queries.len(), s.depth, scratch.q.as_mut_ptr());
            scores(
                self.tiles,
                sizes,
                sight,
                scratch.k.as_ptr(),
                scratch.q.as_ptr(),
                scratch.scores.as_mut_ptr(),
            );
        }
        let x = &mut scratch.scores[..n * q];
        let scale = place.hide(s, x, q);
        soften::<T>(x, q, self.cut.lanes(queries.len()), scale, running);
        if let Some(at) = s.dropout {
            place.factors(s, at, scratch.factors, q, scratch.run);
            place.drop(x, scratch.factors);
        }
        if keys.start > 0 {
            for (i, &factor) in queries.clone().zip(&*running.factor) {
                // SAFETY: the row is ours.
                scale_row::<T>(unsafe { self.row(i) }, factor);
            }
        }
        let row_stride = s.heads * s.width;
        let c = self.out.wrapping_add(queries.start * row_stride);
        let target = Target { c, row_stride, cols: s.width, add: keys.start > 0 };
        let left = Strided { start: x.as_ptr(), row: 1, step: q };
        // The panels of the values were packed for the whole block of keys, of which the first n count.
        let v = Panels { start: scratch.v.as_ptr(), depth: self.packed_keys(keys.start) };
        let terms = place.terms_for_queries(sight);
        // SAFETY: as the caller's.
        unsafe { product(self.tiles, [queries.len(), s.width], terms, left, v, target) };
    }

    /// How many keys the block that starts here was packed with.
    fn packed_keys(&self, first: usize) -> usize {
        self.s.visible(self.queries.end - 1).min(first + self.cut.keys) - first
    }

    /// The result of a query.
    ///
    /// # Safety
    /// The query must be one of this task's; no other reference to its result may live.
    #[expect(clippy::mut_from_ref, reason = "the rows of the result belong to the task, not to this struct")]
    unsafe fn row(&self, i: usize) -> &mut [T] {
        // SAFETY: the row lies inside the result, and is this task's alone.
        unsafe { std::slice::from_raw_parts_mut(self.out.add(i * self.s.heads * self.s.width), self.s.width) }
    }
}

/// Cuts memory into parts of these lengths.
pub(super) fn split<T, const N: usize>(mut x: &mut [T], lens: [usize; N]) -> [&mut [T]; N] {
    lens.map(|len| {
        let (part, rest) = std::mem::take(&mut x).split_at_mut(len);
        x = rest;
        part
    })
}
