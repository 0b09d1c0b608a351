//! The gradients of an attention. A task has a head of keys and values and some blocks of queries of the heads that read
//! it: the gradients of the queries are its own, those of keys and values it sums up over its queries.

use std::ops::Range;

use super::block::{Cut, Panels, Place, pack_lanes, pack_steps, panels_len, product, scores};
use super::forward::split;
use super::rows::{dot, slopes};
use super::{Attention, Grads, Heads};
use crate::dispatch::isa;
use crate::gemm::{Strided, Target, Tiles};
use crate::threads::{Shared, for_each};
use crate::{Buffer, Float, reduce};

/// Heads from which on each is one task. Fewer are cut into parts, whose sums for keys and values are added at the end.
const TASKS: usize = 16;

/// The gradients of [`attention`](super::attention) from its result `out`, its logarithms `lse` and the gradient
/// `dout` of the result.
///
/// # Panics
/// If a slice is too short for its sizes, or gradients that shall be packed have different sizes.
#[track_caller]
pub fn attention_grad<T: Float>(
    s: &Attention<T>,
    [q, k, v]: [Heads<T>; 3],
    out: &[T],
    lse: &[T],
    dout: Heads<T>,
    grads: Grads<T>,
) {
    s.check("attention_grad", &q, &k, &v);
    dout.check("attention_grad", "dout", [s.batch, s.heads, s.queries, s.width]);
    let sums = s.batch * s.heads * s.queries;
    assert!(
        out.len() == sums * s.width && lse.len() == sums,
        "attention_grad: the result has {} items and {} logarithms, it needs {} and {sums}",
        out.len(),
        lse.len(),
        sums * s.width
    );
    let mut grads = grads;
    let places = grads.places(s);
    if s.is_empty() {
        return grads.clear();
    }
    let tiles = T::tiles(isa());
    let cut = Cut::new(&tiles, s.keys);
    let blocks = s.queries.div_ceil(cut.queries);
    let per_part = blocks.div_ceil(TASKS.div_ceil(s.batch * s.kv_heads).min(blocks)) * cut.queries;
    let parts = s.queries.div_ceil(per_part);
    // Without parts the sums go straight to where they belong.
    let sides = s.keys * (s.depth + s.width);
    let heads = s.batch * s.kv_heads;
    let mut sums = Buffer::take(if parts > 1 { parts * heads * sides * size_of::<T>() } else { 0 });
    let shared = Shared::new(sums.as_mut_slice::<T>().as_mut_ptr());
    let work = Work { s, tiles: &tiles, cut, q, k, v, out, lse, dout };
    for_each(parts * heads, &|task| {
        let (part, head) = (task / heads, task % heads);
        let (b, kv) = (head / s.kv_heads, head % s.kv_heads);
        let queries = part * per_part..s.queries.min((part + 1) * per_part);
        let [dq, mut dk, mut dv] = places.each_ref().map(|place| place.head(b));
        dk.first = dk.first.wrapping_add(kv * s.depth);
        dv.first = dv.first.wrapping_add(kv * s.width);
        if parts > 1 {
            let start = shared.get().wrapping_add((part * heads + head) * sides);
            dk = Rows { first: start, stride: s.depth };
            dv = Rows { first: start.wrapping_add(s.keys * s.depth), stride: s.width };
        }
        // SAFETY: `isa` finds what the processor has, and all lengths were checked. Tasks have different heads of keys
        // or different queries, so that what they write is theirs alone.
        unsafe { work.run(b, kv, queries, dq, [dk, dv]) }
    });
    if parts > 1 {
        add_parts(s, sums.as_slice(), parts, &places);
    }
}

/// Adds the sums [parts, batch, heads, keys] of keys and values into their gradients.
fn add_parts<T: Float>(s: &Attention<T>, sums: &[T], parts: usize, places: &[Gradient<T>; 3]) {
    let sides = s.keys * (s.depth + s.width);
    let heads = s.batch * s.kv_heads;
    let mut total = Buffer::take(heads * sides * size_of::<T>());
    let total = total.as_mut_slice::<T>();
    reduce::sum(sums, 1, parts, heads * sides, total);
    for (head, total) in total.chunks_exact(sides.max(1)).enumerate() {
        let (b, kv) = (head / s.kv_heads, head % s.kv_heads);
        let (dk, dv) = total.split_at(s.keys * s.depth);
        for (place, from, width) in [(&places[1], dk, s.depth), (&places[2], dv, s.width)] {
            let to = place.head(b);
            let to = Rows { first: to.first.wrapping_add(kv * width), ..to };
            // SAFETY: the rows lie inside the gradients, and no task runs any more.
            unsafe { to.store(0, from, width) };
        }
    }
}

/// Rows of numbers that are written: row i starts at `first + i * stride`.
#[derive(Clone, Copy)]
struct Rows<T> {
    first: *mut T,
    stride: usize,
}

impl<T: Float> Rows<T> {
    /// # Safety
    /// The rows must be writable and nobody else's.
    unsafe fn store(self, start: usize, from: &[T], width: usize) {
        for (i, from) in from.chunks_exact(width.max(1)).enumerate() {
            // SAFETY: the caller's promise.
            let to =
                unsafe { std::slice::from_raw_parts_mut(self.first.add((start + i) * self.stride), width) };
            to.copy_from_slice(from);
        }
    }
}

/// Where one of the three gradients is: row i of example b starts at `first + b * batch + i * row`.
struct Gradient<T> {
    first: Shared<T>,
    batch: usize,
    row: usize,
}

impl<T> Gradient<T> {
    /// The rows of an example, with all heads.
    fn head(&self, b: usize) -> Rows<T> {
        Rows { first: self.first.get().wrapping_add(b * self.batch), stride: self.row }
    }
}

impl<T: Float> Grads<'_, T> {
    /// Where the gradients of queries, keys and values are, with their lengths checked.
    #[track_caller]
    fn places(&mut self, s: &Attention<T>) -> [Gradient<T>; 3] {
        let rows = [s.heads * s.depth, s.kv_heads * s.depth, s.kv_heads * s.width];
        match self {
            Grads::Packed(all) => {
                assert!(
                    s.queries == s.keys && s.depth == s.width,
                    "attention_grad: {} queries of {} and {} keys with values of {} cannot be packed",
                    s.queries,
                    s.depth,
                    s.keys,
                    s.width
                );
                let row: usize = rows.iter().sum();
                assert!(
                    all.len() == s.batch * s.queries * row,
                    "attention_grad: the gradients have {} items, they need {}",
                    all.len(),
                    s.batch * s.queries * row
                );
                [0, rows[0], rows[0] + rows[1]].map(|start| Gradient {
                    first: Shared::new(all.as_mut_ptr().wrapping_add(start)),
                    batch: s.queries * row,
                    row,
                })
            }
            Grads::Apart(three) => {
                let counts = [s.queries, s.keys, s.keys];
                for ((all, count), row) in three.iter().zip(counts).zip(rows) {
                    assert!(
                        all.len() == s.batch * count * row,
                        "attention_grad: a gradient has {} items, it needs {}",
                        all.len(),
                        s.batch * count * row
                    );
                }
                let mut sizes = counts.iter().zip(rows);
                three.each_mut().map(|all| {
                    let (count, row) = sizes.next().expect("three gradients");
                    Gradient { first: Shared::new(all.as_mut_ptr()), batch: count * row, row }
                })
            }
        }
    }

    fn clear(&mut self) {
        match self {
            Grads::Packed(all) => all.fill(T::ZERO),
            Grads::Apart(three) => three.iter_mut().for_each(|all| all.fill(T::ZERO)),
        }
    }
}

/// What all tasks read.
struct Work<'a, T: 'static> {
    s: &'a Attention<'a, T>,
    tiles: &'a Tiles<T>,
    cut: Cut,
    q: Heads<'a, T>,
    k: Heads<'a, T>,
    v: Heads<'a, T>,
    out: &'a [T],
    lse: &'a [T],
    dout: Heads<'a, T>,
}

/// Memory of one task.
struct Scratch<'a, T> {
    /// Keys and values as lanes of a left factor, keys as steps of a right one.
    k: &'a mut [T],
    v: &'a mut [T],
    k_steps: &'a mut [T],
    /// Queries and gradients of results, as lanes and as steps of right factors.
    q: &'a mut [T],
    dout: &'a mut [T],
    q_steps: &'a mut [T],
    dout_steps: &'a mut [T],
    /// Blocks of probabilities and of their gradients.
    p: &'a mut [T],
    g: &'a mut [T],
    factors: &'a mut [T],
    /// Sums for a block of keys.
    dk: &'a mut [T],
    dv: &'a mut [T],
    run: &'a mut [T],
}

impl<'a, T: Float> Scratch<'a, T> {
    /// The lengths of all parts.
    fn lens(work: &Work<T>) -> [usize; 13] {
        let (s, cut, left, right) = (work.s, work.cut, &work.tiles.left, &work.tiles.right);
        let block = cut.keys * cut.queries;
        [
            panels_len(left, cut.keys, s.depth),
            panels_len(left, cut.keys, s.width),
            panels_len(right, s.depth, cut.keys),
            panels_len(right, cut.queries, s.depth),
            panels_len(right, cut.queries, s.width),
            panels_len(right, s.depth, cut.queries),
            panels_len(right, s.width, cut.queries),
            block,
            block,
            if s.dropout.is_some() { block } else { 0 },
            cut.keys * s.depth,
            cut.keys * s.width,
            cut.keys + 4,
        ]
    }

    fn new(memory: &'a mut [T], work: &Work<T>) -> Scratch<'a, T> {
        let [k, v, k_steps, q, dout, q_steps, dout_steps, p, g, factors, dk, dv, run] =
            split(memory, Scratch::lens(work));
        Scratch { k, v, k_steps, q, dout, q_steps, dout_steps, p, g, factors, dk, dv, run }
    }
}

/// What the gradient knows of each query: the logarithm of its sum of exponentials, and the product of its result with
/// that result's gradient.
struct Known<'a, T> {
    lse: &'a mut [T],
    dot: &'a mut [T],
}

impl<T: Float> Work<'_, T> {
    /// # Safety
    /// The instruction set must exist, all sizes be checked, and what is written be ours: `dq` for these queries in
    /// the heads that read `kv`, and all rows of `dk` and `dv`.
    unsafe fn run(&self, b: usize, kv: usize, queries: Range<usize>, dq: Rows<T>, [dk, dv]: [Rows<T>; 2]) {
        let (s, cut) = (self.s, self.cut);
        let lanes = queries.len().next_multiple_of(cut.queries);
        let known = 2 * s.group() * lanes;
        let all = known + Scratch::lens(self).iter().sum::<usize>();
        let mut buffer = Buffer::take(all * size_of::<T>());
        let (known, rest) = buffer.as_mut_slice::<T>().split_at_mut(known);
        let (lse, dot) = known.split_at_mut(s.group() * lanes);
        let mut scratch = Scratch::new(rest, self);
        for (g, h) in (kv * s.group()..(kv + 1) * s.group()).enumerate() {
            let own = g * lanes..g * lanes + queries.len();
            self.know(b, h, &queries, &mut lse[own.clone()], &mut dot[own]);
        }
        for first in (0..s.keys).step_by(cut.keys) {
            let keys = first..s.keys.min(first + cut.keys);
            // SAFETY: as the caller's; the panels have room for a block of keys.
            unsafe { self.pack_keys(b, kv, &keys, &mut scratch) };
            scratch.dk[..keys.len() * s.depth].fill(T::ZERO);
            scratch.dv[..keys.len() * s.width].fill(T::ZERO);
            for (g, h) in (kv * s.group()..(kv + 1) * s.group()).enumerate() {
                let dq = Rows { first: dq.first.wrapping_add(h * s.depth), ..dq };
                for start in queries.clone().step_by(cut.queries) {
                    let block = start..queries.end.min(start + cut.queries);
                    let seen = first..keys.end.min(s.visible(block.end - 1));
                    let own =
                        g * lanes + start - queries.start..g * lanes + start - queries.start + cut.queries;
                    let known = Known { lse: &mut lse[own.clone()], dot: &mut dot[own] };
                    if !seen.is_empty() {
                        let place = Place { b, h, queries: block, keys: seen };
                        // SAFETY: as the caller's.
                        unsafe { self.block(&place, keys.len(), &mut scratch, known, dq) };
                    }
                }
            }
            // SAFETY: the rows are ours.
            unsafe {
                dk.store(first, &scratch.dk[..keys.len() * s.depth], s.depth);
                dv.store(first, &scratch.dv[..keys.len() * s.width], s.width);
            }
        }
    }

    fn know(&self, b: usize, h: usize, queries: &Range<usize>, lse: &mut [T], products: &mut [T]) {
        let s = self.s;
        let head = (b * s.heads + h) * s.queries;
        lse.copy_from_slice(&self.lse[head + queries.start..head + queries.end]);
        for (product, i) in products.iter_mut().zip(queries.clone()) {
            let row = ((b * s.queries + i) * s.heads + h) * s.width;
            let drow = b * self.dout.batch + h * self.dout.head + i * self.dout.row;
            *product = dot::<T>(&self.out[row..row + s.width], &self.dout.data[drow..drow + s.width]);
        }
    }

    /// # Safety
    /// As [`Work::run`].
    unsafe fn pack_keys(&self, b: usize, kv: usize, keys: &Range<usize>, scratch: &mut Scratch<T>) {
        let (s, tiles, n) = (self.s, self.tiles, keys.len());
        let (k, v) = (self.k.at(b, kv, keys.start), self.v.at(b, kv, keys.start));
        // SAFETY: the keys lie inside their checked arrays.
        unsafe {
            pack_lanes(&tiles.left, k, self.k.row, n, s.depth, scratch.k.as_mut_ptr());
            pack_lanes(&tiles.left, v, self.v.row, n, s.width, scratch.v.as_mut_ptr());
            pack_steps(&tiles.right, k, self.k.row, n, s.depth, scratch.k_steps.as_mut_ptr());
        }
    }

    /// # Safety
    /// As [`Work::run`].
    unsafe fn pack_queries(&self, place: &Place, scratch: &mut Scratch<T>) {
        let (s, right, n) = (self.s, &self.tiles.right, place.queries.len());
        let q = self.q.at(place.b, place.h, place.queries.start);
        let dout = self.dout.at(place.b, place.h, place.queries.start);
        // SAFETY: the queries lie inside their checked arrays.
        unsafe {
            pack_lanes(right, q, self.q.row, n, s.depth, scratch.q.as_mut_ptr());
            pack_steps(right, q, self.q.row, n, s.depth, scratch.q_steps.as_mut_ptr());
            pack_lanes(right, dout, self.dout.row, n, s.width, scratch.dout.as_mut_ptr());
            pack_steps(right, dout, self.dout.row, n, s.width, scratch.dout_steps.as_mut_ptr());
        }
    }

    /// What a block of queries gives to the gradients of a block of keys, and takes from it.
    ///
    /// # Safety
    /// As [`Work::run`], with panels of `packed` keys from [`Work::pack_keys`], which start where the place's do.
    unsafe fn block(
        &self,
        place: &Place,
        packed: usize,
        scratch: &mut Scratch<T>,
        known: Known<T>,
        dq: Rows<T>,
    ) {
        let (s, tiles, q) = (self.s, self.tiles, self.cut.queries);
        let (n, m) = (place.keys.len(), place.queries.len());
        let sight = place.sight(s);
        // SAFETY: as the caller's; the blocks have room.
        unsafe {
            self.pack_queries(place, scratch);
            let (p, g) = (scratch.p.as_mut_ptr(), scratch.g.as_mut_ptr());
            scores(tiles, [n, m, q, s.depth], sight, scratch.k.as_ptr(), scratch.q.as_ptr(), p);
            scores(tiles, [n, m, q, s.width], sight, scratch.v.as_ptr(), scratch.dout.as_ptr(), g);
        }
        let (p, g) = (&mut scratch.p[..n * q], &mut scratch.g[..n * q]);
        let scale = place.hide(s, p, q);
        place.fill_later(s, g, q, T::ZERO);
        if let Some(at) = s.dropout {
            place.factors(s, at, scratch.factors, q, scratch.run);
            place.drop(g, scratch.factors);
        }
        slopes::<T>(p, g, q, self.cut.lanes(m), [scale, s.scale], [known.lse, known.dot]);
        if s.dropout.is_some() {
            place.drop(p, scratch.factors);
        }
        let add = place.keys.start > 0;
        let c = dq.first.wrapping_add(place.queries.start * dq.stride);
        let to_q = Target { c, row_stride: dq.stride, cols: s.depth, add };
        let to_k = Target { c: scratch.dk.as_mut_ptr(), row_stride: s.depth, cols: s.depth, add: true };
        let to_v = Target { c: scratch.dv.as_mut_ptr(), row_stride: s.width, cols: s.width, add: true };
        let panels = |start: &[T], depth| Panels { start: start.as_ptr(), depth };
        let k = panels(scratch.k_steps, packed);
        let (q_steps, dout_steps) = (panels(scratch.q_steps, m), panels(scratch.dout_steps, m));
        let down = |start: &[T]| Strided { start: start.as_ptr(), row: 1, step: q };
        let along = |start: &[T]| Strided { start: start.as_ptr(), row: q, step: 1 };
        // SAFETY: as the caller's.
        unsafe {
            product(tiles, [m, s.depth], place.terms_for_queries(sight), down(g), k, to_q);
            product(tiles, [n, s.width], place.terms_for_keys(sight), along(p), dout_steps, to_v);
            product(tiles, [n, s.depth], place.terms_for_keys(sight), along(g), q_steps, to_k);
        }
    }
}
