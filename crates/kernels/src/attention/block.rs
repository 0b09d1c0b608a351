//! Blocks of scores, and the products with them.
//!
//! # Safety
//! Functions here may only be called where the instruction set of their [`Tiles`] exists, with pointers to as much as
//! their sizes say.

use std::ops::Range;

use super::rows::{STRIP, multiply};
use super::{Attention, Dropout, Mask, MaskItems};
use crate::Float;
use crate::gemm::{Block, Packer, Strided, Target, Tiles, panel_len};
use crate::random::dropout_factors;

/// Bytes of one query's scores in a block: a block of keys has as many as fit, so that two blocks of scores and the
/// packed keys and values stay in the second-level cache.
const KEY_BYTES: usize = 2048;

/// How an attention is cut on an instruction set.
#[derive(Clone, Copy)]
pub(super) struct Cut {
    /// Queries of a block: the row length of a block of scores.
    pub(super) queries: usize,
    /// Most keys of a block.
    pub(super) keys: usize,
}

impl Cut {
    pub(super) fn new<T: Float>(tiles: &Tiles<T>, keys: usize) -> Cut {
        // A whole number of tiles and strips.
        let queries =
            if 48usize.is_multiple_of(tiles.cols) { 48 } else { 64usize.next_multiple_of(tiles.cols) };
        Cut { queries, keys: keys.min(KEY_BYTES / size_of::<T>()) }
    }

    /// Lanes to work on for `n` queries.
    pub(super) fn lanes(self, n: usize) -> usize {
        n.next_multiple_of(STRIP)
    }
}

/// Items that the panels of `lanes` rows or columns take.
pub(super) fn panels_len<T>(packer: &Packer<T>, lanes: usize, depth: usize) -> usize {
    lanes.div_ceil(packer.width) * panel_len(packer.width, depth)
}

/// Packs rows of `depth` numbers, `stride` apart, as lanes.
///
/// # Safety
/// See the module.
pub(super) unsafe fn pack_lanes<T: Float>(
    packer: &Packer<T>,
    start: *const T,
    stride: usize,
    lanes: usize,
    depth: usize,
    to: *mut T,
) {
    let block = Block { start, lane: stride, step: 1, lanes, depth };
    // SAFETY: as the caller's.
    unsafe { (packer.pack)(block, panel_len(packer.width, depth), to) }
}

/// Packs rows of `lanes` numbers, `stride` apart, as the steps of a sum.
///
/// # Safety
/// See the module.
pub(super) unsafe fn pack_steps<T: Float>(
    packer: &Packer<T>,
    start: *const T,
    stride: usize,
    depth: usize,
    lanes: usize,
    to: *mut T,
) {
    let block = Block { start, lane: 1, step: stride, lanes, depth };
    // SAFETY: as the caller's.
    unsafe { (packer.pack)(block, panel_len(packer.width, depth), to) }
}

/// What a block of queries sees of a block of keys: query i sees the keys below `i + ahead`, or all without a number.
/// Tiles that only hold hidden pairs are left out.
#[derive(Clone, Copy)]
pub(super) struct Sight(pub(super) Option<isize>);

impl Sight {
    /// How many of `n` keys the queries before number `end` see.
    fn keys(self, end: usize, n: usize) -> usize {
        self.0.map_or(n, |ahead| (end as isize - 1 + ahead).clamp(0, n as isize) as usize)
    }

    /// The first of `m` queries that sees key number `key` or one after it.
    fn first_query(self, key: usize, m: usize) -> usize {
        self.0.map_or(0, |ahead| (key as isize + 1 - ahead).clamp(0, m as isize) as usize)
    }
}

/// The block out [n, q] of products of packed rows (keys) with packed columns (queries), of which `lanes` are there.
/// Where nothing is seen, the old numbers stay.
///
/// # Safety
/// See the module.
pub(super) unsafe fn scores<T: Float>(
    tiles: &Tiles<T>,
    [n, lanes, q, depth]: [usize; 4],
    sight: Sight,
    a: *const T,
    b: *const T,
    out: *mut T,
) {
    let (len_a, len_b) = (panel_len(tiles.rows, depth), panel_len(tiles.cols, depth));
    for p in 0..n.div_ceil(tiles.rows) {
        for c in 0..lanes.div_ceil(tiles.cols) {
            if p * tiles.rows >= sight.keys(lanes.min((c + 1) * tiles.cols), n) {
                continue;
            }
            let start = out.wrapping_add(p * tiles.rows * q + c * tiles.cols);
            let target = Target { c: start, row_stride: q, cols: tiles.cols, add: false };
            let rows = tiles.rows.min(n - p * tiles.rows);
            let (a, b) = (a.wrapping_add(p * len_a), b.wrapping_add(c * len_b));
            // SAFETY: as the caller's; the columns fill whole tiles of the block's row.
            unsafe { (tiles.packed)(rows, depth, a, b, target) };
        }
    }
}

/// A right factor whose panels were packed with `depth` steps.
#[derive(Clone, Copy)]
pub(super) struct Panels<T> {
    pub(super) start: *const T,
    pub(super) depth: usize,
}

/// A product with a block of scores, or its transpose, on the left and `cols` columns on the right. For each range of
/// rows, `terms` says which terms of its sums there are to add.
///
/// # Safety
/// See the module.
pub(super) unsafe fn product<T: Float>(
    tiles: &Tiles<T>,
    [rows, cols]: [usize; 2],
    terms: impl Fn(&Range<usize>) -> Range<usize>,
    a: Strided<T>,
    b: Panels<T>,
    out: Target<T>,
) {
    // Tiles of about the same height.
    let count = rows.div_ceil(tiles.rows);
    for c in 0..cols.div_ceil(tiles.cols) {
        let b = b.start.wrapping_add(c * panel_len(tiles.cols, b.depth));
        for p in 0..count {
            let own = rows * p / count..rows * (p + 1) / count;
            let terms = terms(&own);
            if terms.is_empty() && out.add {
                continue;
            }
            let a = Strided { start: a.start.wrapping_add(own.start * a.row + terms.start * a.step), ..a };
            let b = b.wrapping_add(terms.start * tiles.cols);
            let target = Target {
                c: out.c.wrapping_add(own.start * out.row_stride + c * tiles.cols),
                cols: tiles.cols.min(cols - c * tiles.cols),
                ..out
            };
            // SAFETY: as the caller's.
            unsafe { (tiles.half_packed)(own.len(), terms.len(), a, b, target) };
        }
    }
}

/// The place of a block: an example, a head, its queries and its keys.
pub(super) struct Place {
    pub(super) b: usize,
    pub(super) h: usize,
    pub(super) queries: Range<usize>,
    pub(super) keys: Range<usize>,
}

impl Place {
    pub(super) fn sight<T: Float>(&self, s: &Attention<T>) -> Sight {
        Sight(s.causal.then(|| self.queries.start as isize - self.keys.start as isize + 1))
    }

    /// The keys, as terms of sums for a range of the queries.
    pub(super) fn terms_for_queries(&self, sight: Sight) -> impl Fn(&Range<usize>) -> Range<usize> {
        let n = self.keys.len();
        move |queries| 0..sight.keys(queries.end, n)
    }

    /// The queries, as terms of sums for a range of the keys.
    pub(super) fn terms_for_keys(&self, sight: Sight) -> impl Fn(&Range<usize>) -> Range<usize> {
        let m = self.queries.len();
        move |keys| sight.first_query(keys.start, m)..m
    }

    /// Hides keys of a block x [keys, q]. Returns the scale that is left to be applied: masks that are added are
    /// added to scaled scores.
    pub(super) fn hide<T: Float>(&self, s: &Attention<T>, x: &mut [T], q: usize) -> T {
        let scale = s.mask.as_ref().map_or(s.scale, |mask| self.mask(mask, s.scale, x, q));
        self.fill_later(s, x, q, T::NEG_INFINITY);
        scale
    }

    /// Puts a number where a causal attention hides a key, since [`scores`] may have left anything there.
    pub(super) fn fill_later<T: Float>(&self, s: &Attention<T>, x: &mut [T], q: usize, value: T) {
        if s.causal {
            // Key j is hidden from the queries before it.
            let first = (self.queries.start + 1).clamp(self.keys.start, self.keys.end);
            for key in first..self.keys.end {
                let row = &mut x[(key - self.keys.start) * q..][..q];
                row[..(key - self.queries.start).min(self.queries.len())].fill(value);
            }
        }
    }

    fn mask<T: Float>(&self, mask: &Mask<T>, scale: T, x: &mut [T], q: usize) -> T {
        let [sb, sh, si, sj] = mask.strides;
        let start = self.b * sb + self.h * sh;
        for (x, key) in x.chunks_exact_mut(q).zip(self.keys.clone()) {
            let lanes = x.iter_mut().zip(self.queries.clone()).map(|(x, i)| (x, start + i * si + key * sj));
            match mask.items {
                MaskItems::Visible(items) => lanes.for_each(|(x, at)| {
                    if items[at] == 0 {
                        *x = T::NEG_INFINITY;
                    }
                }),
                MaskItems::Added(items) => lanes.for_each(|(x, at)| *x = *x * scale + items[at]),
            }
        }
        match mask.items {
            MaskItems::Visible(_) => scale,
            MaskItems::Added(_) => T::ONE,
        }
    }

    /// The factors that dropout puts on the probabilities of a block, to `out` [keys, q]; `run` has room for the keys
    /// and 4 more.
    pub(super) fn factors<T: Float>(
        &self,
        s: &Attention<T>,
        at: Dropout,
        out: &mut [T],
        q: usize,
        run: &mut [T],
    ) {
        let head = self.b * s.heads + self.h;
        for (lane, i) in self.queries.clone().enumerate() {
            let first = (head * s.queries + i) * s.keys + self.keys.start;
            let skip = first % 4;
            let run = &mut run[..skip + self.keys.len()];
            dropout_factors([at.seed, at.stream, at.offset], at.p, first - skip, run);
            for (out, &factor) in out.chunks_exact_mut(q).zip(&run[skip..]) {
                out[lane] = factor;
            }
        }
    }

    /// Multiplies a block by the factors of dropout.
    pub(super) fn drop<T: Float>(&self, x: &mut [T], factors: &[T]) {
        multiply::<T>(x, &factors[..x.len()]);
    }
}
