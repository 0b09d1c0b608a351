//! Large products, through packed panels.
//!
//! # Safety
//! Functions here may only be called where the instructions of their [`Machine`] exist, with panels and destinations as
//! large as the block sizes say.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::machine::Machine;
use super::pack::{Block, Packer, panel_len};
use super::product::PARALLEL;
use super::tile::Out;
use crate::threads::{Backoff, Shared, for_each, threads};
use crate::{Buffer, Float};

/// A factor of a large product: it knows how to pack itself.
pub(crate) trait Factor<T>: Sync {
    /// Packs the given panels (of `packer.width` lanes) and depths to `to`, [`panel_len`] items per panel.
    ///
    /// # Safety
    /// The packer's machine must be there, panels and depths must lie inside the factor, and `to` must have room.
    unsafe fn pack(&self, packer: &Packer<T>, panels: Range<usize>, depths: Range<usize>, to: *mut T);
}

/// A matrix as a factor: rows of the left one, columns of the right one, are its lanes.
pub(crate) struct Lanes<'a, T> {
    pub(crate) lanes: usize,
    pub(crate) lane: usize,
    pub(crate) step: usize,
    pub(crate) data: &'a [T],
}

impl<T: Float> Factor<T> for Lanes<'_, T> {
    unsafe fn pack(&self, packer: &Packer<T>, panels: Range<usize>, depths: Range<usize>, to: *mut T) {
        let lanes = panels.start * packer.width..(panels.end * packer.width).min(self.lanes);
        let start = self.data[lanes.start * self.lane + depths.start * self.step..].as_ptr();
        let (lane, step, depth) = (self.lane, self.step, depths.len());
        let block = Block { start, lane, step, lanes: lanes.len(), depth };
        // SAFETY: the block lies inside the checked matrix; the caller vouches for the rest.
        unsafe { (packer.pack)(block, panel_len(packer.width, depth), to) }
    }
}

/// What happens to the sums of a large product.
pub(crate) struct LargeEpilogue<'a, T> {
    pub(crate) accumulate: bool,
    /// One number per column.
    pub(crate) bias: Option<&'a [T]>,
    /// One number per row.
    pub(crate) row_bias: Option<&'a [T]>,
    pub(crate) relu: bool,
}

/// A large product with checked sizes. Its columns fall into images of `cols` columns each, which lie
/// `image_stride` items apart; a plain matrix is one image. No panel of the right factor reaches into two images.
pub struct Large<'a, T> {
    /// Terms of every sum; at least 1.
    pub(crate) depth: usize,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) images: usize,
    pub(crate) left: &'a dyn Factor<T>,
    pub(crate) right: &'a dyn Factor<T>,
    /// Item (i, j) of image g is `c[g * image_stride + i * row_stride + j]`, and ours.
    pub(crate) c: *mut T,
    pub(crate) row_stride: usize,
    pub(crate) image_stride: usize,
    pub(crate) epilogue: LargeEpilogue<'a, T>,
}

// SAFETY: whoever made the product lent it the items of `c` that it describes; tasks write disjoint parts.
unsafe impl<T: Float> Sync for Large<'_, T> {}

/// Bytes of one packed chunk that all threads share; two of them shall stay in the last-level cache.
const SHARED_BYTES: usize = 4 << 20;
/// Bytes of packed panels that stay in the second-level cache while narrow products go through a longer chunk.
const NARROW_BYTES: usize = 192 << 10;

/// Computes the product. The longer of its sides is cut into blocks, which threads pack and multiply on their own;
/// of the other factor, a chunk at a time is packed by all threads together.
///
/// The sum for an item of `c` runs over chunks of the depth in order, whatever the blocks and threads.
///
/// # Safety
/// As [`Multiply::multiply`](super::product::Multiply::multiply).
pub(super) unsafe fn large<M: Machine>(x: &Large<M::Item>) {
    let plan = Plan::new::<M>(x);
    let chunk = plan.section * panel_len(plan.shared_width::<M>(), plan.depth) * size_of::<M::Item>();
    let mut shared = [Buffer::take(chunk), Buffer::take(if plan.phases() > 1 { chunk } else { 0 })];
    let shared = shared.each_mut().map(|buffer| Shared::new(buffer.as_mut_slice::<M::Item>().as_mut_ptr()));
    // Tasks are claimed in order: the pack tasks of a phase, then its blocks. Each waits for earlier tasks only.
    let packed: Vec<AtomicUsize> = (0..plan.phases()).map(|_| AtomicUsize::new(0)).collect();
    let done: Vec<AtomicUsize> = (0..plan.blocks).map(|_| AtomicUsize::new(0)).collect();
    let until = |counter: &AtomicUsize, value: usize| {
        let mut backoff = Backoff::new();
        while counter.load(Ordering::Acquire) < value {
            backoff.wait();
        }
    };
    for_each(plan.phases() * plan.tasks(), &|task| {
        let (phase, task) = (task / plan.tasks(), task % plan.tasks());
        let buffer = shared[phase % 2].get();
        if task < plan.packers {
            // The buffer was last read two phases ago.
            done.iter().for_each(|done| until(done, phase.saturating_sub(1)));
            // SAFETY: the buffer is free, and every task packs panels of its own.
            unsafe { plan.pack_shared::<M>(x, phase, task, buffer) };
            packed[phase].fetch_add(1, Ordering::Release);
        } else {
            let block = task - plan.packers;
            until(&packed[phase], plan.packers);
            until(&done[block], phase);
            // SAFETY: the shared panels are complete, and the block's part of `c` is this task's alone.
            unsafe { plan.multiply_block::<M>(x, phase, block, buffer) };
            done[block].store(phase + 1, Ordering::Release);
        }
    });
}

/// How a large product is cut.
struct Plan {
    /// Panels of rows and of columns.
    rows: usize,
    cols: usize,
    /// Whether rows are cut into blocks (and the right factor is shared), or columns (and the left one is).
    by_rows: bool,
    blocks: usize,
    /// Chunks of the depth, and their length (the last may be shorter).
    chunks: usize,
    depth: usize,
    /// Sections of the shared factor, and panels in each (the last may have fewer).
    sections: usize,
    section: usize,
    /// Tasks that pack a chunk of the shared factor.
    packers: usize,
}

impl Plan {
    fn new<M: Machine>(x: &Large<M::Item>) -> Plan {
        let (rows, cols) = (x.rows.div_ceil(M::ROWS), x.images * x.cols.div_ceil(M::COLS));
        let (high, wide) = (rows * M::ROWS, cols * M::COLS);
        let most = M::DEPTH.max(NARROW_BYTES / ((high + wide) * size_of::<M::Item>()));
        let chunks = x.depth.div_ceil(most);
        let depth = x.depth.div_ceil(chunks);
        let by_rows = high >= wide;
        let (own, per_block, shared, width) = if by_rows {
            (rows, M::BLOCK_ROWS / M::ROWS, cols, M::COLS)
        } else {
            (cols, M::BLOCK_COLS / M::COLS, rows, M::ROWS)
        };
        let fitting = (SHARED_BYTES / (depth * width * size_of::<M::Item>())).max(1);
        let sections = shared.div_ceil(fitting);
        let section = shared.div_ceil(sections);
        let threads = if x.depth * high * wide < PARALLEL { 1 } else { threads() };
        let blocks = own.div_ceil(per_block).next_multiple_of(threads).min(own);
        let packers = if threads == 1 { 1 } else { (4 * threads).min(section) };
        Plan { rows, cols, by_rows, blocks, chunks, depth, sections, section, packers }
    }

    fn phases(&self) -> usize {
        self.chunks * self.sections
    }

    fn tasks(&self) -> usize {
        self.packers + self.blocks
    }

    fn shared_width<M: Machine>(&self) -> usize {
        if self.by_rows { M::COLS } else { M::ROWS }
    }

    /// The depths of a phase. Chunks follow each other inside a section.
    fn depths<T>(&self, x: &Large<T>, phase: usize) -> Range<usize> {
        let start = phase % self.chunks * self.depth;
        start..(start + self.depth).min(x.depth)
    }

    /// The panels of the shared factor that a phase covers.
    fn section(&self, phase: usize) -> Range<usize> {
        let all = if self.by_rows { self.cols } else { self.rows };
        let start = phase / self.chunks * self.section;
        start.min(all)..(start + self.section).min(all)
    }

    unsafe fn pack_shared<M: Machine>(
        &self,
        x: &Large<M::Item>,
        phase: usize,
        task: usize,
        to: *mut M::Item,
    ) {
        let (depths, section) = (self.depths(x, phase), self.section(phase));
        let part = |i: usize| section.len() * i / self.packers;
        let (p0, p1) = (part(task), part(task + 1));
        if p0 == p1 {
            return;
        }
        let panels = section.start + p0..section.start + p1;
        // SAFETY: the buffer has room for the section's panels, and this task has p0 .. p1 for itself.
        unsafe {
            let to = to.add(p0 * panel_len(self.shared_width::<M>(), depths.len()));
            if self.by_rows {
                x.right.pack(&M::RIGHT, panels, depths, to);
            } else {
                x.left.pack(&M::LEFT, panels, depths, to);
            }
        }
    }

    unsafe fn multiply_block<M: Machine>(
        &self,
        x: &Large<M::Item>,
        phase: usize,
        block: usize,
        shared: *const M::Item,
    ) {
        let depths = self.depths(x, phase);
        let all = if self.by_rows { self.rows } else { self.cols };
        let own = all * block / self.blocks..all * (block + 1) / self.blocks;
        let width = if self.by_rows { M::ROWS } else { M::COLS };
        let mut buffer = Buffer::take(own.len() * panel_len(width, depths.len()) * size_of::<M::Item>());
        let panels = buffer.as_mut_slice::<M::Item>().as_mut_ptr();
        // SAFETY: the buffer has room for the block's panels, and `shared` has the section's.
        unsafe {
            if self.by_rows {
                x.left.pack(&M::LEFT, own.clone(), depths.clone(), panels);
                self.tiles::<M>(x, phase, own, self.section(phase), panels, shared);
            } else {
                x.right.pack(&M::RIGHT, own.clone(), depths.clone(), panels);
                self.tiles::<M>(x, phase, self.section(phase), own, shared, panels);
            }
        }
    }

    /// The tiles of some panels of rows, packed at `a`, and of columns, packed at `b`.
    unsafe fn tiles<M: Machine>(
        &self,
        x: &Large<M::Item>,
        phase: usize,
        rows: Range<usize>,
        cols: Range<usize>,
        a: *const M::Item,
        b: *const M::Item,
    ) {
        let depth = self.depths(x, phase).len();
        let (len_a, len_b) = (panel_len(M::ROWS, depth), panel_len(M::COLS, depth));
        let per = M::BLOCK_ROWS / M::ROWS;
        for start in rows.clone().step_by(per) {
            for q in cols.clone() {
                for p in start..(start + per).min(rows.end) {
                    let out = self.out::<M>(x, phase, p, q);
                    let a = a.wrapping_add((p - rows.start) * len_a);
                    let b = b.wrapping_add((q - cols.start) * len_b);
                    // SAFETY: the panels are packed, and the tile lies inside the destination.
                    unsafe { M::packed(M::ROWS.min(x.rows - p * M::ROWS), depth, a, b, &out) };
                }
            }
        }
    }

    /// The destination of the tile of two panels.
    fn out<M: Machine>(&self, x: &Large<M::Item>, phase: usize, p: usize, q: usize) -> Out<M::Item> {
        let chunk = phase % self.chunks;
        let last = chunk + 1 == self.chunks;
        let strips = self.cols / x.images;
        let (image, i, j) = (q / strips, p * M::ROWS, q % strips * M::COLS);
        let at = |numbers: Option<&[M::Item]>, start: usize| match numbers {
            Some(numbers) if last => numbers[start..].as_ptr(),
            _ => std::ptr::null(),
        };
        Out {
            c: x.c.wrapping_add(image * x.image_stride + i * x.row_stride + j),
            row_stride: x.row_stride,
            cols: M::COLS.min(x.cols - j),
            add: chunk > 0 || x.epilogue.accumulate,
            bias: at(x.epilogue.bias, j),
            row_bias: at(x.epilogue.row_bias, i),
            relu: last && x.epilogue.relu,
        }
    }
}
