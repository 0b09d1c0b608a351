//! Large products, through packed panels.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::machine::Machine;
use super::pack::{Block, panel_len};
use super::product::{PARALLEL, Product};
use crate::Buffer;
use crate::threads::{Backoff, Shared, for_each, threads};

/// Bytes of one packed chunk that all threads share; two of them shall stay in the last-level cache.
const SHARED_BYTES: usize = 4 << 20;

/// A product by packed panels. The longer of m and n is cut into blocks, which threads pack and multiply on their
/// own; of the other factor, a chunk at a time is packed by all threads together.
///
/// The sum for an item of `c` runs over chunks of the depth in order, whatever the blocks and threads.
pub(super) unsafe fn large<M: Machine>(x: &Product<M::Item>) {
    let plan = Plan::new::<M>(x);
    let chunk = plan.shared_panels * plan.shared_panel_len::<M>() * size_of::<M::Item>();
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
    /// Whether rows are cut into blocks (and the right factor is shared), or columns (and the left one is).
    by_rows: bool,
    /// Chunks of the depth, and their length (the last may be shorter).
    chunks: usize,
    depth: usize,
    /// Sections of the shared factor, and panels in each (the last may have fewer).
    sections: usize,
    shared_panels: usize,
    /// Tasks that pack a chunk of the shared factor.
    packers: usize,
    blocks: usize,
}

impl Plan {
    fn new<M: Machine>(x: &Product<M::Item>) -> Plan {
        let chunks = x.k.div_ceil(M::DEPTH);
        let depth = x.k.div_ceil(chunks);
        let by_rows = x.m >= x.n;
        let (rows, cols) = (x.m.div_ceil(M::ROWS), x.n.div_ceil(M::COLS));
        let (own, per_block, shared, width) = if by_rows {
            (rows, M::BLOCK_ROWS / M::ROWS, cols, M::COLS)
        } else {
            (cols, M::BLOCK_COLS / M::COLS, rows, M::ROWS)
        };
        let most = (SHARED_BYTES / (depth * width * size_of::<M::Item>())).max(1);
        let sections = shared.div_ceil(most);
        let shared_panels = shared.div_ceil(sections);
        let threads = if x.m * x.n * x.k < PARALLEL { 1 } else { threads() };
        let blocks = own.div_ceil(per_block).next_multiple_of(threads).min(own);
        let packers = if threads == 1 { 1 } else { (4 * threads).min(shared_panels) };
        Plan { by_rows, chunks, depth, sections, shared_panels, packers, blocks }
    }

    fn phases(&self) -> usize {
        self.chunks * self.sections
    }

    fn tasks(&self) -> usize {
        self.packers + self.blocks
    }

    fn shared_panel_len<M: Machine>(&self) -> usize {
        panel_len(if self.by_rows { M::COLS } else { M::ROWS }, self.depth)
    }

    /// The depth's range of a phase. Chunks follow each other inside a section.
    fn depths<T>(&self, x: &Product<T>, phase: usize) -> std::ops::Range<usize> {
        let start = phase % self.chunks * self.depth;
        start..(start + self.depth).min(x.k)
    }

    /// The panels of the shared factor that a phase covers.
    fn section(&self, phase: usize, all: usize) -> std::ops::Range<usize> {
        let start = phase / self.chunks * self.shared_panels;
        start.min(all)..(start + self.shared_panels).min(all)
    }

    unsafe fn pack_shared<M: Machine>(
        &self,
        x: &Product<M::Item>,
        phase: usize,
        task: usize,
        to: *mut M::Item,
    ) {
        let depths = self.depths(x, phase);
        let width = if self.by_rows { M::COLS } else { M::ROWS };
        let all = if self.by_rows { x.n.div_ceil(width) } else { x.m.div_ceil(width) };
        let section = self.section(phase, all);
        let part = |i: usize| section.len() * i / self.packers;
        let (p0, p1) = (part(task), part(task + 1));
        if p0 == p1 {
            return;
        }
        // SAFETY: the buffer has room for the section's panels, and this task has p0 .. p1 for itself.
        unsafe {
            let to = to.add(p0 * panel_len(width, depths.len()));
            let panels = section.start + p0..section.start + p1;
            if self.by_rows {
                pack_right::<M>(x, panels, depths, to)
            } else {
                pack_left::<M>(x, panels, depths, to)
            }
        }
    }

    unsafe fn multiply_block<M: Machine>(
        &self,
        x: &Product<M::Item>,
        phase: usize,
        block: usize,
        shared: *const M::Item,
    ) {
        let depths = self.depths(x, phase);
        let chunk = phase % self.chunks;
        let (first, last) = (chunk == 0, chunk + 1 == self.chunks);
        let (rows, cols) = (x.m.div_ceil(M::ROWS), x.n.div_ceil(M::COLS));
        let own = if self.by_rows { rows } else { cols };
        let own = own * block / self.blocks..own * (block + 1) / self.blocks;
        let section = self.section(phase, if self.by_rows { cols } else { rows });
        let (len_a, len_b) = (panel_len(M::ROWS, depths.len()), panel_len(M::COLS, depths.len()));
        let mut buffer =
            Buffer::take(own.len() * if self.by_rows { len_a } else { len_b } * size_of::<M::Item>());
        let panels = buffer.as_mut_slice::<M::Item>().as_mut_ptr();
        // SAFETY: the buffer has room for the block's panels.
        unsafe {
            let (a, b, rows, cols) = if self.by_rows {
                pack_left::<M>(x, own.clone(), depths.clone(), panels);
                (panels.cast_const(), shared, own, section)
            } else {
                pack_right::<M>(x, own.clone(), depths.clone(), panels);
                (shared, panels.cast_const(), section, own)
            };
            let per = M::BLOCK_ROWS / M::ROWS;
            for start in rows.clone().step_by(per) {
                for q in cols.clone() {
                    for p in start..(start + per).min(rows.end) {
                        let (i, j) = (p * M::ROWS, q * M::COLS);
                        let out = x.out(i, j, M::COLS.min(x.n - j), first, last);
                        let a = a.add((p - rows.start) * len_a);
                        let b = b.add((q - cols.start) * len_b);
                        M::packed(M::ROWS.min(x.m - i), depths.len(), a, b, &out);
                    }
                }
            }
        }
    }
}

/// Packs panels of the left factor.
unsafe fn pack_left<M: Machine>(
    x: &Product<M::Item>,
    panels: std::ops::Range<usize>,
    depths: std::ops::Range<usize>,
    to: *mut M::Item,
) {
    let rows = panels.start * M::ROWS..(panels.end * M::ROWS).min(x.m);
    let start = x.a.data[rows.start * x.a.row_stride + depths.start * x.a.col_stride..].as_ptr();
    let block =
        Block { start, lane: x.a.row_stride, step: x.a.col_stride, lanes: rows.len(), depth: depths.len() };
    // SAFETY: the caller's buffer has room; the block lies inside the checked matrix.
    unsafe { M::pack_left(block, to) }
}

/// Packs panels of the right factor.
unsafe fn pack_right<M: Machine>(
    x: &Product<M::Item>,
    panels: std::ops::Range<usize>,
    depths: std::ops::Range<usize>,
    to: *mut M::Item,
) {
    let cols = panels.start * M::COLS..(panels.end * M::COLS).min(x.n);
    let start = x.b.data[depths.start * x.b.row_stride + cols.start * x.b.col_stride..].as_ptr();
    let block =
        Block { start, lane: x.b.col_stride, step: x.b.row_stride, lanes: cols.len(), depth: depths.len() };
    // SAFETY: the caller's buffer has room; the block lies inside the checked matrix.
    unsafe { M::pack_right(block, to) }
}
