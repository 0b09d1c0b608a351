//! Packing: copying a block of a matrix into panels that the tiles read in one sweep.
//!
//! A panel holds W *lanes* (rows of the left factor, columns of the right one); number p of all lanes lies at
//! `p * W .. (p + 1) * W`. Missing lanes of the last panel are zero.
//!
//! # Safety
//! Functions here may only be called where the instructions of their [`Vector`] exist, with a [`Block`] that lies inside
//! its matrix and room for whole panels.

use super::vector::{Vector, prefetch, prefetch_far};

/// A block to be packed: number p of lane l is at `start + l * lane + p * step`.
#[derive(Clone, Copy)]
pub(crate) struct Block<T> {
    pub(crate) start: *const T,
    pub(crate) lane: usize,
    pub(crate) step: usize,
    pub(crate) lanes: usize,
    pub(crate) depth: usize,
}

/// Items from one panel of W lanes to the next. The slack lets full vectors be written at the end of a panel.
pub(crate) const fn panel_len(width: usize, depth: usize) -> usize {
    (depth * width + 32).next_multiple_of(16)
}

/// A way to pack for one side of a product.
pub(crate) struct Packer<T> {
    /// Lanes of a panel.
    pub(crate) width: usize,
    /// Numbers along the depth that one item of a panel holds.
    pub(super) per_item: usize,
    /// Packs a block into panels at `to`, `panel` items apart.
    ///
    /// It may only be called where the machine that it was made for may run; the block must be readable, and `to`
    /// writable up to 32 items behind the last row that is packed. Rows that follow the block must be packed later.
    pub(crate) pack: unsafe fn(x: Block<T>, panel: usize, to: *mut T),
}

impl<T> Packer<T> {
    /// Items from one panel to the next, for panels of this depth.
    pub(super) fn panel(&self, depth: usize) -> usize {
        panel_len(self.width, depth.div_ceil(self.per_item))
    }
}

/// Packs `x` into panels of W lanes at `to`, `panel` items apart.
///
/// # Safety
/// To be inlined into a function compiled for V's instructions; the block must be readable and `to` writable for all
/// its panels.
#[inline(always)]
pub(super) unsafe fn pack<V: Vector, const W: usize>(x: Block<V::Item>, panel: usize, to: *mut V::Item) {
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        if x.lane == 1 {
            pack_rows::<V, W>(x, panel, to);
        } else if x.step == 1 {
            pack_columns::<V, W>(x, panel, to);
        } else {
            pack_any::<V, W>(x, panel, to);
        }
    }
}

/// Lanes side by side in memory: pieces of rows are copied. A few panels at a time keep reads long and sequential.
#[inline(always)]
unsafe fn pack_rows<V: Vector, const W: usize>(x: Block<V::Item>, panel: usize, to: *mut V::Item) {
    const AHEAD: usize = 8;
    let whole = x.lanes / W;
    let group = (192 / W).max(1);
    // SAFETY: whole panels have W lanes to copy; the last one has `lanes % W`.
    unsafe {
        for first in (0..whole).step_by(group) {
            let count = group.min(whole - first);
            for p in 0..x.depth {
                let from = x.start.add(p * x.step + first * W);
                for line in (0..count * W * size_of::<V::Item>()).step_by(64) {
                    prefetch(from.wrapping_add(AHEAD * x.step).wrapping_byte_add(line));
                }
                for q in 0..count {
                    let to = to.add((first + q) * panel + p * W);
                    std::ptr::copy_nonoverlapping(from.add(q * W), to, W);
                }
            }
        }
        let rest = x.lanes - whole * W;
        if rest > 0 {
            let start = x.start.add(whole * W);
            let to = to.add(whole * panel);
            for p in 0..x.depth {
                for l in 0..W {
                    *to.add(p * W + l) =
                        if l < rest { *start.add(p * x.step + l) } else { Default::default() };
                }
            }
        }
    }
}

/// Lanes contiguous along the depth: squares are transposed in registers.
#[inline(always)]
unsafe fn pack_columns<V: Vector, const W: usize>(x: Block<V::Item>, panel: usize, to: *mut V::Item) {
    let squares = x.depth / V::LANES * V::LANES;
    // SAFETY: squares lie inside the block. Where W is no multiple of LANES, the last vector of a row runs over into
    // the next row, whose first vector is written later, or into the slack after the panel.
    unsafe {
        for q in 0..x.lanes.div_ceil(W) {
            let to = to.add(q * panel);
            let lanes = W.min(x.lanes - q * W);
            let from = x.start.add(q * W * x.lane);
            for p in (0..squares).step_by(V::LANES) {
                for l in (0..W).step_by(V::LANES).rev() {
                    let rows = lanes.saturating_sub(l).min(W - l).min(V::LANES);
                    let from = from.wrapping_add(l * x.lane + p);
                    for i in 0..rows {
                        // Into the second level only: rows at large strides share few places of the first.
                        prefetch_far(from.wrapping_add((i + W) * x.lane));
                    }
                    let to = to.add(p * W + l);
                    // With constant numbers of rows there is nothing to decide inside.
                    if rows == V::LANES {
                        V::transpose(from, x.lane, V::LANES, to, W);
                    } else if rows == W % V::LANES {
                        V::transpose(from, x.lane, W % V::LANES, to, W);
                    } else {
                        V::transpose(from, x.lane, rows, to, W);
                    }
                }
            }
            for p in squares..x.depth {
                for l in 0..lanes {
                    *to.add(p * W + l) = *from.add(l * x.lane + p);
                }
                for l in lanes..W {
                    *to.add(p * W + l) = Default::default();
                }
            }
        }
    }
}

/// Any strides, item by item.
#[inline(always)]
unsafe fn pack_any<V: Vector, const W: usize>(x: Block<V::Item>, panel: usize, to: *mut V::Item) {
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        for q in 0..x.lanes.div_ceil(W) {
            let to = to.add(q * panel);
            let lanes = W.min(x.lanes - q * W);
            let from = x.start.add(q * W * x.lane);
            for p in 0..x.depth {
                for l in 0..W {
                    *to.add(p * W + l) =
                        if l < lanes { *from.add(l * x.lane + p * x.step) } else { Default::default() };
                }
            }
        }
    }
}
