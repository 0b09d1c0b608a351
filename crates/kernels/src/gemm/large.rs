//! Large products, through packed panels.
//!
//! # Safety
//! Functions here may only be called where the instructions of their [`Panels`] exist, with panels and destinations as
//! large as the block sizes say.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Mat;
use super::ahead::{Ahead, Region};
use super::machine::Panels;
use super::pack::{Block, Packer};
use super::product::PARALLEL;
use super::tile::Out;
use crate::threads::{Backoff, Shared, for_each, threads};
use crate::{Buffer, Float};

/// A factor of a large product: it knows how to pack itself.
pub(crate) trait Factor<T>: Sync {
    /// Packs the given panels (of `packer.width` lanes) and depths to `to`, [`Packer::panel`] items per panel.
    ///
    /// # Safety
    /// The packer's machine must be there, panels and depths must lie inside the factor, and `to` must have room.
    unsafe fn pack(&self, packer: &Packer<T>, panels: Range<usize>, depths: Range<usize>, to: *mut T);

    /// The memory that [`Factor::pack`] would read for panels of `width` lanes, where that is simple to say. It is
    /// only ever prefetched.
    fn region(&self, _width: usize, _panels: Range<usize>, _depths: Range<usize>) -> Region {
        Region::NONE
    }
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
        unsafe { (packer.pack)(block, packer.panel(depth), to) }
    }

    fn region(&self, width: usize, panels: Range<usize>, depths: Range<usize>) -> Region {
        let lanes = panels.start * width..(panels.end * width).min(self.lanes);
        let start = self.data.as_ptr().wrapping_add(lanes.start * self.lane + depths.start * self.step);
        let (length, stride, rows) = match (self.step, self.lane) {
            (1, lane) => (depths.len(), lane, lanes.len()),
            (step, 1) => (lanes.len(), step, depths.len()),
            _ => return Region::NONE,
        };
        let item = size_of::<T>();
        Region { start: start.cast(), bytes: length * item, stride: stride * item, rows }
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

/// More that can happen to the sums of a plain matrix product: `alpha` times the sum, plus a matrix.
#[derive(Clone, Copy)]
pub(super) struct Extra<'a, T> {
    pub(super) alpha: T,
    /// Its columns are neighbours.
    pub(super) residual: Option<Mat<'a, T>>,
}

/// Bytes of one packed chunk that all threads share; two of them shall stay in the last-level cache.
const SHARED_BYTES: usize = 4 << 20;
/// Bytes of packed panels that stay in the second-level cache while narrow products go through a longer chunk.
const NARROW_BYTES: usize = 192 << 10;

/// Factors of fewer bytes are not fetched ahead: most of them are in the second-level cache, and asking for them costs
/// some percent of a product of that size.
const AHEAD_BYTES: usize = 1 << 20;

/// Computes the product. The longer of its sides is cut into blocks, which threads pack and multiply on their own;
/// of the other factor, a chunk at a time is packed by all threads together.
///
/// The sum for an item of `c` runs over chunks of the depth in order, whatever the blocks and threads.
///
/// # Safety
/// As [`Multiply::multiply`](super::product::Multiply::multiply).
pub(super) unsafe fn large<M: Panels>(x: &Large<M::Item>, extra: Extra<M::Item>) {
    let plan = Plan::new::<M>(x, extra);
    let chunk = plan.section * plan.shared_packer::<M>().panel(plan.depth) * size_of::<M::Item>();
    let mut shared = [Buffer::take(chunk), Buffer::take(if plan.phases() > 1 { chunk } else { 0 })];
    let shared = shared.each_mut().map(|buffer| Shared::new(buffer.as_mut_slice::<M::Item>().as_mut_ptr()));
    // Tasks are claimed in order: the pack tasks of a phase, then its blocks. Each waits for earlier tasks only.
    let mut memory = Buffer::zeroed((plan.phases() + plan.blocks) * size_of::<AtomicUsize>());
    let (packed, done) = counters(&mut memory).split_at(plan.phases());
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

/// As many counters as the buffer has room for. (A list of them would be an allocation in every product.)
fn counters(zeros: &mut Buffer) -> &[AtomicUsize] {
    let words = zeros.as_mut_slice::<i64>();
    // SAFETY: a counter is a word, and zero is one of its values; the buffer is borrowed as long as the counters are.
    unsafe {
        std::slice::from_raw_parts(words.as_mut_ptr().cast(), size_of_val(words) / size_of::<AtomicUsize>())
    }
}

/// [`large`] without more.
///
/// # Safety
/// As [`large`].
pub(super) unsafe fn factors<M: Panels>(x: &Large<M::Item>) {
    // SAFETY: as the caller's.
    unsafe { large::<M>(x, Extra { alpha: M::Item::ONE, residual: None }) }
}

/// How a large product is cut.
struct Plan<'a, T> {
    extra: Extra<'a, T>,
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
    threads: usize,
    /// Panels of rows that are gone through for each panel of columns.
    block_rows: usize,
    /// Whether fetching ahead pays.
    ahead: bool,
}

impl<'a, T: Float> Plan<'a, T> {
    fn new<M: Panels<Item = T>>(x: &Large<T>, extra: Extra<'a, T>) -> Self {
        let (rows, cols) = (x.rows.div_ceil(M::ROWS), x.images * x.cols.div_ceil(M::COLS));
        let (high, wide) = (rows * M::ROWS, cols * M::COLS);
        let items = x.depth.div_ceil(M::PER_ITEM);
        let most = match items <= M::WHOLE_DEPTH {
            true => M::WHOLE_DEPTH,
            false => M::DEPTH.max(NARROW_BYTES / ((high + wide) * size_of::<T>())),
        };
        let chunks = items.div_ceil(most);
        let depth = items.div_ceil(chunks) * M::PER_ITEM;
        let by_rows = high >= wide;
        let block_rows = M::BLOCK_ROWS / M::ROWS;
        let (own, per_block, shared, width) = if by_rows {
            (rows, block_rows, cols, M::COLS)
        } else {
            (cols, M::BLOCK_COLS / M::COLS, rows, M::ROWS)
        };
        let fitting = (SHARED_BYTES / (depth * width * size_of::<T>())).max(1);
        let sections = shared.div_ceil(fitting);
        let section = shared.div_ceil(sections);
        let threads = if x.depth * high * wide < PARALLEL { 1 } else { threads() };
        let blocks = own.div_ceil(per_block).next_multiple_of(threads).min(own);
        let packers = if threads == 1 { 1 } else { (4 * threads).min(section) };
        Plan {
            extra,
            rows,
            cols,
            by_rows,
            blocks,
            chunks,
            depth,
            sections,
            section,
            packers,
            threads,
            block_rows,
            ahead: x.depth * (high + wide) * size_of::<T>() > AHEAD_BYTES,
        }
    }

    fn phases(&self) -> usize {
        self.chunks * self.sections
    }

    fn tasks(&self) -> usize {
        self.packers + self.blocks
    }

    fn shared_packer<M: Panels<Item = T>>(&self) -> &'static Packer<T> {
        if self.by_rows { &M::RIGHT } else { &M::LEFT }
    }

    fn own_packer<M: Panels<Item = T>>(&self) -> &'static Packer<T> {
        if self.by_rows { &M::LEFT } else { &M::RIGHT }
    }

    /// The depths of a phase. Chunks follow each other inside a section.
    fn depths(&self, x: &Large<T>, phase: usize) -> Range<usize> {
        let start = phase % self.chunks * self.depth;
        start..(start + self.depth).min(x.depth)
    }

    /// The panels of the shared factor that a phase covers.
    fn section(&self, phase: usize) -> Range<usize> {
        let all = if self.by_rows { self.cols } else { self.rows };
        let start = phase / self.chunks * self.section;
        start.min(all)..(start + self.section).min(all)
    }

    unsafe fn pack_shared<M: Panels<Item = T>>(&self, x: &Large<T>, phase: usize, task: usize, to: *mut T) {
        let (depths, section) = (self.depths(x, phase), self.section(phase));
        let part = |i: usize| section.len() * i / self.packers;
        let (p0, p1) = (part(task), part(task + 1));
        if p0 == p1 {
            return;
        }
        let panels = section.start + p0..section.start + p1;
        // SAFETY: the buffer has room for the section's panels, and this task has p0 .. p1 for itself.
        unsafe {
            let packer = self.shared_packer::<M>();
            let to = to.add(p0 * packer.panel(depths.len()));
            if self.by_rows { x.right } else { x.left }.pack(packer, panels, depths, to);
        }
    }

    /// The panels of a block, of the factor that is cut into blocks.
    fn own(&self, block: usize) -> Range<usize> {
        let all = if self.by_rows { self.rows } else { self.cols };
        all * block / self.blocks..all * (block + 1) / self.blocks
    }

    unsafe fn multiply_block<M: Panels<Item = T>>(
        &self,
        x: &Large<T>,
        phase: usize,
        block: usize,
        shared: *const T,
    ) {
        let depths = self.depths(x, phase);
        let own = self.own(block);
        let packer = self.own_packer::<M>();
        let mut buffer = Buffer::take(own.len() * packer.panel(depths.len()) * size_of::<T>());
        let panels = buffer.as_mut_slice::<T>().as_mut_ptr();
        let mut next = self.next::<M>(x, phase, block);
        // SAFETY: the buffer has room for the block's panels, and `shared` has the section's.
        unsafe {
            if self.by_rows {
                x.left.pack(packer, own.clone(), depths, panels);
                self.tiles::<M>(x, phase, [own, self.section(phase)], [panels, shared], &mut next);
            } else {
                x.right.pack(packer, own.clone(), depths, panels);
                self.tiles::<M>(x, phase, [self.section(phase), own], [shared, panels], &mut next);
            }
        }
    }

    /// What this thread will probably pack when it is through with a block: another block, if threads take turns,
    /// and at the end of a phase its part of the next one's shared factor.
    fn next<M: Panels<Item = T>>(&self, x: &Large<T>, phase: usize, block: usize) -> [Ahead; 2] {
        let steps = self.own(block).len() * self.section(phase).len();
        let (next, block) = match block + self.threads {
            later if later < self.blocks => (phase, later),
            later => (phase + 1, later - self.blocks),
        };
        if next == self.phases() || !self.ahead {
            return [Ahead::new(Region::NONE, 1), Ahead::new(Region::NONE, 1)];
        }
        let depths = self.depths(x, next);
        let (own, shared) = if self.by_rows { (x.left, x.right) } else { (x.right, x.left) };
        let own =
            own.region(self.own_packer::<M>().width, self.own(block.min(self.blocks - 1)), depths.clone());
        let shared = if next > phase {
            let all = self.section(next);
            let part = |i: usize| all.start + all.len() * i.min(self.threads) / self.threads;
            shared.region(self.shared_packer::<M>().width, part(block)..part(block + 1), depths)
        } else {
            Region::NONE
        };
        [Ahead::new(own, steps), Ahead::new(shared, steps)]
    }

    /// The tiles of some panels of rows and of columns, packed at `from`.
    unsafe fn tiles<M: Panels<Item = T>>(
        &self,
        x: &Large<T>,
        phase: usize,
        [rows, cols]: [Range<usize>; 2],
        [a, b]: [*const T; 2],
        next: &mut [Ahead; 2],
    ) {
        let depth = self.depths(x, phase).len();
        let (len_a, len_b) = (M::LEFT.panel(depth), M::RIGHT.panel(depth));
        let items = depth.div_ceil(M::PER_ITEM);
        let per = self.block_rows;
        for start in rows.clone().step_by(per) {
            let end = (start + per).min(rows.end);
            for q in cols.clone() {
                let b = b.wrapping_add((q - cols.start) * len_b);
                let following = if self.ahead && q + 1 < cols.end { len_b } else { 0 };
                let mut following = Ahead::new(Region::piece(b.wrapping_add(len_b), following), end - start);
                // What needs a division is found once for all tiles of the panel.
                let strip = self.out::<M>(x, phase, q);
                for p in start..end {
                    next.iter_mut().for_each(Ahead::step);
                    following.step();
                    let out = strip.at(p * M::ROWS, 0, strip.cols);
                    let a = a.wrapping_add((p - rows.start) * len_a);
                    // SAFETY: the panels are packed, and the tile lies inside the destination.
                    unsafe { M::packed(M::ROWS.min(x.rows - p * M::ROWS), items, a, b, &out) };
                }
            }
        }
    }

    /// The destination of all rows of a panel of columns.
    fn out<M: Panels<Item = T>>(&self, x: &Large<T>, phase: usize, q: usize) -> Out<T> {
        let chunk = phase % self.chunks;
        let last = chunk + 1 == self.chunks;
        let strips = self.cols / x.images;
        let (image, j) = (q / strips, q % strips * M::COLS);
        let at = |numbers: Option<&[T]>, start: usize| match numbers {
            Some(numbers) if last => numbers[start..].as_ptr(),
            _ => std::ptr::null(),
        };
        let (residual, residual_stride) = match self.extra.residual {
            Some(x) if last => (x.data[j..].as_ptr(), x.row_stride),
            _ => (std::ptr::null(), 0),
        };
        Out {
            c: x.c.wrapping_add(image * x.image_stride + j),
            row_stride: x.row_stride,
            cols: M::COLS.min(x.cols - j),
            add: chunk > 0 || x.epilogue.accumulate,
            bias: at(x.epilogue.bias, j),
            row_bias: at(x.epilogue.row_bias, 0),
            alpha: self.extra.alpha,
            residual,
            residual_stride,
            relu: last && x.epilogue.relu,
        }
    }
}
