//! Small, narrow and deep products, straight from the matrices.
//!
//! # Safety
//! Functions here may only be called where the instructions of their machine exist, with pointers that cover the
//! matrices that [`Product`] has checked.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::ahead::{Ahead, Region};
use super::machine::Machine;
use super::pack::Block;
use super::product::{PARALLEL, Product};
use super::tile::{Left, Out, Right};
use crate::Buffer;
use crate::threads::{Shared, for_each, threads};

/// Whether packing both factors would cost more than it gains.
pub(super) fn is_direct<M: Machine>(x: &Product<M::Item>) -> bool {
    let small = x.m * x.n * x.k <= 1 << 18 && x.k <= DEPTH;
    small || is_narrow::<M>(x) || is_flat::<M>(x) || x.k == 0
}

/// Whether the left factor would be packed for a few uses only, and can be read where it is.
fn is_narrow<M: Machine>(x: &Product<M::Item>) -> bool {
    let item = size_of::<M::Item>();
    // Rows at a multiple of the size of a page share one place of the first-level cache, which holds eight lines.
    let apart = M::ROWS <= 8 || x.a.row_stride * item % 2048 != 0;
    let near = x.a.col_stride == 1 && apart || x.a.row_stride == 1 && x.a.col_stride * item <= 1024;
    x.n <= 8 * M::COLS && near || x.n <= 2 * M::COLS && x.k * x.n * item <= 128 << 10
}

/// Whether the right factor would be packed for a few uses only.
fn is_flat<M: Machine>(x: &Product<M::Item>) -> bool {
    x.m <= M::ROWS || x.m <= 4 * M::ROWS && has_near_rows::<M>(x)
}

/// Whether the right factor has rows, and these are not so far apart that they share few places of the caches.
fn has_near_rows<M: Machine>(x: &Product<M::Item>) -> bool {
    x.b.col_stride == 1 && x.b.row_stride * size_of::<M::Item>() <= 4096
}

/// Numbers of the right factor that fit the stack when it must be packed.
const ON_STACK: usize = 1024;
/// A greater depth is cut into parts of at most half of this.
const DEPTH: usize = 1024;
/// Multiplications of a product whose factors are near in any case.
const SMALL: usize = 1 << 15;
/// Bytes of the left factor that are gone through for every strip of the right one.
const LEFT_BYTES: usize = 128 << 10;

/// Computes the product without packing the left factor, and with packing the right one only where its rows are not
/// contiguous, or are read often.
///
/// # Safety
/// As [`Multiply::multiply`](super::product::Multiply::multiply).
pub(super) unsafe fn direct<M: Machine>(x: &Product<M::Item>) {
    // SAFETY: sizes were checked, and tasks write different strips or rows.
    unsafe {
        let again = x.m > 12 * M::ROWS && x.m * x.n * x.k >= PARALLEL;
        let pack = x.n > 1 && x.k > 0 && (x.b.col_stride != 1 || again);
        if x.m <= M::ROWS && x.n <= M::COLS && x.k <= DEPTH && !pack {
            return tile::<M>(x, &x.out(true, true), 0..x.m, 0, 0..x.k, None);
        }
        if x.m * x.n * x.k <= SMALL && x.k <= DEPTH {
            return if pack { small_packed::<M>(x) } else { small::<M>(x, None) };
        }
        let (strips, tiles) = (x.n.div_ceil(M::COLS), x.m.div_ceil(M::ROWS));
        if x.m * x.n * x.k < PARALLEL {
            return if pack { packed::<M>(x, 0..strips) } else { region::<M>(x, 0..strips, 0..x.m, None) };
        }
        let tasks = 2 * threads();
        let part = |all: usize, tasks: usize, i: usize| all * i / tasks..all * (i + 1) / tasks;
        if strips >= 2 * tasks || strips >= tasks && tiles < 2 * tasks {
            return for_each(tasks, &|i| {
                let strips = part(strips, tasks, i);
                if pack { packed::<M>(x, strips) } else { region::<M>(x, strips, 0..x.m, None) }
            });
        }
        let panel = if pack { M::RIGHT.panel(x.k) } else { 0 };
        let mut buffer = Buffer::take(strips * panel * size_of::<M::Item>());
        let panels = Shared::new(buffer.as_mut_slice::<M::Item>().as_mut_ptr());
        if pack {
            for_each(strips, &|i| pack_strips::<M>(x, i..i + 1, panels.get().wrapping_add(i * panel)));
        }
        let tasks = tasks.min(tiles);
        for_each(tasks, &|i| {
            let panels = if pack { Some(panels.get().cast_const()) } else { None };
            region::<M>(x, 0..strips, part(x.m, tasks, i), panels);
        });
    }
}

/// A product so small that there is nothing to plan; `panels` are the strips of the right factor, if it is packed.
#[inline]
unsafe fn small<M: Machine>(x: &Product<M::Item>, panels: Option<*const M::Item>) {
    let whole = x.out(true, true);
    let tiles = Tiles::new::<M>(x.m);
    let panel = M::RIGHT.panel(x.k);
    for strip in 0..x.n.div_ceil(M::COLS) {
        let panel = panels.map(|panels| panels.wrapping_add(strip * panel));
        let mut i = 0;
        for number in 0..tiles.count {
            let next = i + tiles.rows(number);
            // SAFETY: tile and factors lie inside the checked matrices and the caller's panels.
            unsafe { tile::<M>(x, &whole, i..next, strip, 0..x.k, panel) };
            i = next;
        }
    }
}

/// [`small`], with the right factor packed.
unsafe fn small_packed<M: Machine>(x: &Product<M::Item>) {
    let strips = x.n.div_ceil(M::COLS);
    if strips * M::RIGHT.panel(x.k) > ON_STACK {
        // SAFETY: as the caller's.
        return unsafe { packed::<M>(x, 0..strips) };
    }
    let mut stack = [MaybeUninit::<M::Item>::uninit(); ON_STACK];
    let panels = stack.as_mut_ptr().cast();
    // SAFETY: there is room for the panels, which are complete before they are read.
    unsafe {
        pack_strips::<M>(x, 0..strips, panels);
        small::<M>(x, Some(panels));
    }
}

/// All rows of some strips, which are packed first.
unsafe fn packed<M: Machine>(x: &Product<M::Item>, strips: Range<usize>) {
    let len = strips.len() * M::RIGHT.panel(x.k);
    let mut stack = [MaybeUninit::<M::Item>::uninit(); ON_STACK];
    let mut buffer;
    let panels = if len <= ON_STACK {
        stack.as_mut_ptr().cast()
    } else {
        buffer = Buffer::take(len * size_of::<M::Item>());
        buffer.as_mut_slice::<M::Item>().as_mut_ptr()
    };
    // SAFETY: there is room for the panels, which are complete before they are read.
    unsafe {
        pack_strips::<M>(x, strips.clone(), panels);
        region::<M>(x, strips, 0..x.m, Some(panels));
    }
}

/// Packs strips of the right factor, COLS columns each.
unsafe fn pack_strips<M: Machine>(x: &Product<M::Item>, strips: Range<usize>, to: *mut M::Item) {
    let cols = strips.start * M::COLS..(strips.end * M::COLS).min(x.n);
    let start = x.b.data.as_ptr().wrapping_add(cols.start * x.b.col_stride);
    let block = Block { start, lane: x.b.col_stride, step: x.b.row_stride, lanes: cols.len(), depth: x.k };
    // SAFETY: the caller's buffer has room; the block lies inside the checked matrix.
    unsafe { (M::RIGHT.pack)(block, M::RIGHT.panel(x.k), to) }
}

/// Some rows and strips, a part of the depth after the other; `panels` starts with the first of the strips.
unsafe fn region<M: Machine>(
    x: &Product<M::Item>,
    strips: Range<usize>,
    rows: Range<usize>,
    panels: Option<*const M::Item>,
) {
    let depth = if x.k <= DEPTH { x.k } else { x.k.div_ceil(x.k.div_ceil(DEPTH / 2)) };
    let block = rows_of_block::<M>(rows.len(), strips.len(), depth);
    let panel = M::RIGHT.panel(x.k);
    let mut p = 0;
    loop {
        let depths = p..(p + depth).min(x.k);
        let out = x.out(p == 0, depths.end == x.k);
        for start in rows.clone().step_by(block) {
            let end = (start + block).min(rows.end);
            let following = left_region(x, end..(end + block).min(rows.end), depths.clone());
            let tiles = Tiles::new::<M>(end - start);
            let mut ahead = Ahead::new(following, strips.len() * tiles.count);
            for strip in strips.clone() {
                let panel =
                    panels.map(|panels| panels.wrapping_add((strip - strips.start) * panel + p * M::COLS));
                let mut i = start;
                for number in 0..tiles.count {
                    let next = i + tiles.rows(number);
                    ahead.step();
                    // SAFETY: tile and factors lie inside the checked matrices and the caller's panels.
                    unsafe { tile::<M>(x, &out, i..next, strip, depths.clone(), panel) };
                    i = next;
                }
            }
        }
        p = depths.end;
        if p == x.k {
            return;
        }
    }
}

/// Rows of the left factor, to be fetched ahead; nothing where they are not contiguous.
fn left_region<T>(x: &Product<T>, rows: Range<usize>, depths: Range<usize>) -> Region {
    if x.a.col_stride != 1 || rows.is_empty() {
        return Region::NONE;
    }
    let start = x.a.data.as_ptr().wrapping_add(rows.start * x.a.row_stride + depths.start);
    let item = size_of::<T>();
    Region {
        start: start.cast(),
        bytes: depths.len() * item,
        stride: x.a.row_stride * item,
        rows: rows.len(),
    }
}

/// The rows that stay in the second-level cache while several strips go by.
fn rows_of_block<M: Machine>(rows: usize, strips: usize, depth: usize) -> usize {
    let bytes = rows * depth * size_of::<M::Item>();
    if strips <= 1 || bytes <= LEFT_BYTES || rows <= 4 * M::ROWS {
        return rows.max(1);
    }
    rows.div_ceil(bytes.div_ceil(LEFT_BYTES)).next_multiple_of(M::ROWS)
}

/// One tile for a part of the depth.
#[inline(always)]
unsafe fn tile<M: Machine>(
    x: &Product<M::Item>,
    whole: &Out<M::Item>,
    rows: Range<usize>,
    strip: usize,
    depths: Range<usize>,
    panel: Option<*const M::Item>,
) {
    let j = strip * M::COLS;
    let cols = M::COLS.min(x.n - j);
    let out = whole.at(rows.start, j, cols);
    let a = if x.k == 0 {
        Left { start: x.a.data.as_ptr(), row: 0, step: 0 }
    } else {
        x.left(rows.start, depths.start)
    };
    // SAFETY: as the caller's.
    unsafe {
        match panel {
            Some(panel) => M::half_packed(rows.len(), depths.len(), a, panel, &out),
            None => {
                let b = depths.start * x.b.row_stride + j * x.b.col_stride;
                let b = Right { start: x.b.data.as_ptr().wrapping_add(b), step: x.b.row_stride };
                M::direct(rows.len(), depths.len(), a, b, &out);
            }
        }
    }
}

/// Rows that are shared out to tiles: about equally, the first ones have one more.
struct Tiles {
    count: usize,
    rows: usize,
    more: usize,
}

impl Tiles {
    fn new<M: Machine>(rows: usize) -> Tiles {
        let count = rows.div_ceil(M::ROWS);
        let each = rows / count.max(1);
        Tiles { count, rows: each, more: rows - each * count }
    }

    /// The rows of a tile.
    fn rows(&self, number: usize) -> usize {
        self.rows + usize::from(number < self.more)
    }
}
