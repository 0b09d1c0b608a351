//! How one product is computed: straight from the matrices if small, through packed panels if large.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::machine::{self, Machine};
use super::pack::{Block, panel_len};
use super::tile::{Left, Out, Right};
use super::{Activation, Epilogue, Mat};
use crate::threads::{Backoff, for_each, threads};
use crate::{Buffer, Float, Isa};

/// One product with checked sizes.
pub struct Product<'a, T> {
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    pub(super) a: Mat<'a, T>,
    pub(super) b: Mat<'a, T>,
    /// `c[i * row_stride + j]` is ours for i < m, j < n.
    pub(super) c: *mut T,
    pub(super) row_stride: usize,
    pub(super) epilogue: Epilogue<'a, T>,
}

// SAFETY: whoever made the product lent it the items of `c` that it describes; tasks write disjoint parts.
unsafe impl<T: Float> Sync for Product<'_, T> {}

/// The numbers that products exist for.
pub trait Multiply: Sized + Copy {
    /// Computes the product with the instruction set `isa`.
    ///
    /// # Safety
    /// The processor must have it, and the product must describe memory that it may use.
    unsafe fn multiply(isa: Isa, product: &Product<Self>);
}

macro_rules! multiply {
    ($t:ident, $baseline:ident, $avx2:ident, $avx512:ident) => {
        impl Multiply for $t {
            unsafe fn multiply(isa: Isa, product: &Product<Self>) {
                // SAFETY: as the caller's.
                unsafe {
                    match isa {
                        #[cfg(target_arch = "x86_64")]
                        Isa::Avx512 => multiply::<machine::$avx512>(product),
                        #[cfg(target_arch = "x86_64")]
                        Isa::Avx2 => multiply::<machine::$avx2>(product),
                        _ => multiply::<machine::$baseline>(product),
                    }
                }
            }
        }
    };
}
multiply!(f32, BaselineF32, Avx2F32, Avx512F32);
multiply!(f64, BaselineF64, Avx2F64, Avx512F64);

/// Multiplications that are worth a second thread.
const PARALLEL: usize = 1 << 18;
/// Bytes of one packed chunk that all threads share; two of them shall stay in the last-level cache.
const SHARED_BYTES: usize = 4 << 20;

unsafe fn multiply<M: Machine>(x: &Product<M::Item>) {
    let work = x.m * x.n * x.k;
    // SAFETY: as the caller's.
    unsafe {
        if x.k <= M::DEPTH && (work <= 1 << 18 || x.m <= 2 * M::ROWS) {
            small::<M>(x);
        } else {
            large::<M>(x);
        }
    }
    match x.epilogue.activation {
        Activation::Identity | Activation::Relu => {}
        Activation::Tanh => each(x, |z| z.tanh()),
        Activation::Sigmoid => each(x, |z| M::Item::ONE / (M::Item::ONE + (-z).exp())),
    }
}

fn each<T: Float>(x: &Product<T>, f: impl Fn(T) -> T) {
    for i in 0..x.m {
        // SAFETY: the row is ours.
        let row = unsafe { std::slice::from_raw_parts_mut(x.c.add(i * x.row_stride), x.n) };
        row.iter_mut().for_each(|z| *z = f(*z));
    }
}

impl<T: Float> Product<'_, T> {
    /// The destination of the tile at (i, j), `cols` wide, in the chunk of the depth that is `first` or `last`.
    fn out(&self, i: usize, j: usize, cols: usize, first: bool, last: bool) -> Out<T> {
        let bias = match self.epilogue.bias {
            Some(bias) if last => bias[j..].as_ptr(),
            _ => std::ptr::null(),
        };
        Out {
            c: self.c.wrapping_add(i * self.row_stride + j),
            row_stride: self.row_stride,
            cols,
            add: !first || self.epilogue.accumulate,
            bias,
            relu: last && self.epilogue.activation == Activation::Relu,
        }
    }

    fn left(&self, i: usize) -> Left<T> {
        Left {
            start: self.a.data[i * self.a.row_stride..].as_ptr(),
            row: self.a.row_stride,
            step: self.a.col_stride,
        }
    }
}

/// A product that fits the caches: no packing of the left factor, and of the right one only if its rows are not
/// contiguous.
unsafe fn small<M: Machine>(x: &Product<M::Item>) {
    let pack = x.b.col_stride != 1 && x.n > 1;
    let panel = panel_len(M::COLS, x.k);
    let mut buffer =
        Buffer::take(if pack { x.n.div_ceil(M::COLS) * panel * size_of::<M::Item>() } else { 0 });
    let panels = buffer.as_mut_slice::<M::Item>().as_mut_ptr();
    // SAFETY: sizes were checked; the buffer has room for all panels.
    unsafe {
        if pack {
            let block = Block {
                start: x.b.data.as_ptr(),
                lane: x.b.col_stride,
                step: x.b.row_stride,
                lanes: x.n,
                depth: x.k,
            };
            M::pack_right(block, panels);
        }
        for j in (0..x.n).step_by(M::COLS) {
            let cols = M::COLS.min(x.n - j);
            let mut i = 0;
            while i < x.m {
                let rows = even_rows::<M>(x.m - i);
                let out = x.out(i, j, cols, true, true);
                if x.k == 0 {
                    M::direct(
                        rows,
                        0,
                        Left { start: x.a.data.as_ptr(), row: 0, step: 0 },
                        Right { start: x.b.data.as_ptr(), step: 0 },
                        &out,
                    );
                } else if pack {
                    M::half_packed(rows, x.k, x.left(i), panels.add(j / M::COLS * panel), &out);
                } else {
                    let b = Right { start: x.b.data[j..].as_ptr(), step: x.b.row_stride };
                    M::direct(rows, x.k, x.left(i), b, &out);
                }
                i += rows;
            }
        }
    }
}

/// Rows of the next tile when `left` remain: about equal for all tiles.
fn even_rows<M: Machine>(left: usize) -> usize {
    left.div_ceil(left.div_ceil(M::ROWS))
}

/// A product by packed panels. The longer of m and n is cut into blocks, which threads pack and multiply on their
/// own; of the other factor, a chunk at a time is packed by all threads together.
///
/// The sum for an item of `c` runs over chunks of the depth in order, whatever the blocks and threads.
unsafe fn large<M: Machine>(x: &Product<M::Item>) {
    let plan = Plan::new::<M>(x);
    let chunk = plan.shared_panels * plan.shared_panel_len::<M>() * size_of::<M::Item>();
    let mut shared = [Buffer::take(chunk), Buffer::take(if plan.phases() > 1 { chunk } else { 0 })];
    let shared = shared
        .each_mut()
        .map(|buffer| crate::threads::Shared::new(buffer.as_mut_slice::<M::Item>().as_mut_ptr()));
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
