//! Small and narrow products, straight from the matrices.
//!
//! # Safety
//! Functions here may only be called where the instructions of their [`Machine`] exist, with pointers that cover the
//! matrices that [`Product`] has checked.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::machine::Machine;
use super::pack::{Block, panel_len};
use super::product::{PARALLEL, Product};
use super::tile::{Left, Right};
use crate::Buffer;
use crate::threads::{for_each, threads};

/// Whether packing both factors would cost more than it gains.
pub(super) fn is_direct<M: Machine>(x: &Product<M::Item>) -> bool {
    let bytes = x.k * x.n * size_of::<M::Item>();
    let small = x.m * x.n * x.k <= 1 << 18 && x.k <= 1024;
    // The left factor would be packed for one or two uses only.
    let narrow = x.n <= 2 * M::COLS && bytes <= 128 << 10;
    // The right factor would be packed for a few uses only.
    let flat = x.m <= 4 * M::ROWS && (x.b.col_stride == 1 || x.m <= M::ROWS);
    small || narrow || flat || x.k == 0
}

/// Numbers of the right factor that fit the stack when it must be packed.
const ON_STACK: usize = 1024;

/// Computes the product without packing the left factor, and with packing the right one only if its rows are not
/// contiguous.
///
/// # Safety
/// As [`Multiply::multiply`](super::product::Multiply::multiply).
pub(super) unsafe fn direct<M: Machine>(x: &Product<M::Item>) {
    let pack = x.b.col_stride != 1 && x.n > 1 && x.k > 0;
    let strips = x.n.div_ceil(M::COLS);
    let tasks = if x.m * x.n * x.k < PARALLEL { 1 } else { 2 * threads() };
    let panel = panel_len(M::COLS, x.k);
    // SAFETY: sizes were checked, tasks write different strips or rows, and the buffers have room for the panels.
    unsafe {
        if !pack && tasks == 1 {
            strips_by_rows::<M>(x, 0..strips, 0..x.m, None, 0);
        } else if !pack {
            split::<M>(x, tasks, None, panel);
        } else if strips * panel <= ON_STACK && tasks == 1 {
            let mut panels = [MaybeUninit::<M::Item>::uninit(); ON_STACK];
            let panels = panels.as_mut_ptr().cast();
            pack_strips::<M>(x, 0..strips, panel, panels);
            strips_by_rows::<M>(x, 0..strips, 0..x.m, Some(panels), panel);
        } else {
            let mut buffer = Buffer::take(strips * panel * size_of::<M::Item>());
            split::<M>(x, tasks, Some(buffer.as_mut_slice().as_mut_ptr()), panel);
        }
    }
}

/// Cuts the longer side of the destination into `tasks` parts.
unsafe fn split<M: Machine>(x: &Product<M::Item>, tasks: usize, panels: Option<*mut M::Item>, panel: usize) {
    let strips = x.n.div_ceil(M::COLS);
    let part = |all: usize, i: usize| all * i / tasks..all * (i + 1) / tasks;
    let panels = panels.map(crate::threads::Shared::new);
    let at = |strip: usize| panels.as_ref().map(|p| p.get().wrapping_add(strip * panel));
    // SAFETY: the parts of different tasks are disjoint; panels are complete before they are read.
    unsafe {
        if tasks > 1 && strips >= 2 * tasks {
            for_each(tasks, &|i| {
                let own = part(strips, i);
                let panels = at(own.start);
                if let Some(panels) = panels {
                    pack_strips::<M>(x, own.clone(), panel, panels);
                }
                strips_by_rows::<M>(x, own, 0..x.m, panels, panel);
            });
            return;
        }
        if let Some(panels) = at(0) {
            pack_strips::<M>(x, 0..strips, panel, panels);
        }
        let tiles = x.m.div_ceil(M::ROWS);
        for_each(tasks.min(tiles), &|i| {
            let tasks = tasks.min(tiles);
            let rows = x.m * i / tasks..x.m * (i + 1) / tasks;
            strips_by_rows::<M>(x, 0..strips, rows, at(0), panel);
        });
    }
}

/// Packs strips of the right factor, COLS columns each.
unsafe fn pack_strips<M: Machine>(
    x: &Product<M::Item>,
    strips: Range<usize>,
    panel: usize,
    to: *mut M::Item,
) {
    let cols = strips.start * M::COLS..(strips.end * M::COLS).min(x.n);
    let start = x.b.data.as_ptr().wrapping_add(cols.start * x.b.col_stride);
    let block = Block { start, lane: x.b.col_stride, step: x.b.row_stride, lanes: cols.len(), depth: x.k };
    // SAFETY: the caller's buffer has room; the block lies inside the checked matrix.
    unsafe { (M::RIGHT.pack)(block, panel, to) }
}

/// The tiles of some strips and rows; `panels` starts with the first of the strips.
unsafe fn strips_by_rows<M: Machine>(
    x: &Product<M::Item>,
    strips: Range<usize>,
    rows: Range<usize>,
    panels: Option<*mut M::Item>,
    panel: usize,
) {
    let first = strips.start;
    for strip in strips {
        let j = strip * M::COLS;
        let cols = M::COLS.min(x.n - j);
        let b = Right { start: x.b.data.as_ptr().wrapping_add(j * x.b.col_stride), step: x.b.row_stride };
        let mut i = rows.start;
        while i < rows.end {
            let count = even_rows::<M>(rows.end - i);
            let out = x.out(i, j, cols);
            let a = if x.k == 0 { Left { start: x.a.data.as_ptr(), row: 0, step: 0 } } else { x.left(i, 0) };
            // SAFETY: tile and factors lie inside the checked matrices and the caller's panels.
            unsafe {
                match panels {
                    Some(panels) => M::half_packed(count, x.k, a, panels.add((strip - first) * panel), &out),
                    None => M::direct(count, x.k, a, b, &out),
                }
            }
            i += count;
        }
    }
}

/// Rows of the next tile when `left` remain: about equal for all tiles.
fn even_rows<M: Machine>(left: usize) -> usize {
    if left <= M::ROWS { left } else { left.div_ceil(left.div_ceil(M::ROWS)) }
}
