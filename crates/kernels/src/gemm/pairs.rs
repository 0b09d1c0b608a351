//! Packing pairs: two numbers along the depth, rounded to 16 bits, become one word of a panel. Otherwise panels are as
//! in [`pack`](super::pack), and an odd depth ends with a zero.
//!
//! # Safety
//! As for [`pack`](super::pack).

use super::pack::Block;
use super::vector::{Pairs, load_up_to, prefetch, prefetch_far};
use crate::Bf16;

/// Packs `x` into panels of W lanes at `to`, `panel` words apart.
///
/// # Safety
/// To be inlined into a function compiled for V's instructions; the block must be readable and `to` writable for all
/// its panels and 32 words behind the last row.
#[inline(always)]
pub(super) unsafe fn pack_pairs<V: Pairs, const W: usize>(x: Block<f32>, panel: usize, to: *mut f32) {
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        if x.lane == 1 {
            pack_rows::<V, W>(x, panel, to);
        } else if x.step == 1 {
            pack_columns::<V, W>(x, panel, to);
        } else {
            pack_any::<W>(x, panel, to);
        }
    }
}

/// Lanes side by side in memory: two rows at a time, several panels wide, so that reads stay long and sequential.
#[inline(always)]
unsafe fn pack_rows<V: Pairs, const W: usize>(x: Block<f32>, panel: usize, to: *mut f32) {
    const AHEAD: usize = 8;
    let panels = x.lanes.div_ceil(W);
    let group = (192 / W).max(1);
    for first in (0..panels).step_by(group) {
        let count = group.min(panels - first);
        for p in 0..x.depth.div_ceil(2) {
            // SAFETY: no more lanes are read than the block has, nor a row behind the last. Full vectors are
            // written; where W is no multiple of LANES they run over into the next row, which is written later, or
            // into the slack after the panel.
            unsafe {
                let low = x.start.wrapping_add(2 * p * x.step + first * W);
                let high = if 2 * p + 1 < x.depth { Some(low.wrapping_add(x.step)) } else { None };
                for line in (0..count * W * size_of::<f32>()).step_by(64) {
                    prefetch(low.wrapping_add(AHEAD * x.step).wrapping_byte_add(line));
                    prefetch(low.wrapping_add((AHEAD + 1) * x.step).wrapping_byte_add(line));
                }
                for q in 0..count {
                    for l in (0..W).step_by(V::LANES) {
                        let lane = q * W + l;
                        let n = (W - l).min(x.lanes.saturating_sub(first * W + lane));
                        let first_row = load_up_to::<V>(low.wrapping_add(lane), n);
                        let second_row = match high {
                            Some(high) => load_up_to::<V>(high.wrapping_add(lane), n),
                            None => V::zero(),
                        };
                        V::pair(first_row, second_row).store(to.add((first + q) * panel + p * W + l));
                    }
                }
            }
        }
    }
}

/// Lanes contiguous along the depth: pairs are neighbours, and squares of words are transposed in registers.
#[inline(always)]
unsafe fn pack_columns<V: Pairs, const W: usize>(x: Block<f32>, panel: usize, to: *mut f32) {
    let words = x.depth.div_ceil(2);
    // Squares of at most 16 x 16 words.
    let (mut square, mut turned) = ([0.0f32; 256], [0.0f32; 256]);
    for q in 0..x.lanes.div_ceil(W) {
        let lanes = W.min(x.lanes - q * W);
        let from = x.start.wrapping_add(q * W * x.lane);
        for p in (0..words).step_by(V::LANES) {
            let items = x.depth - 2 * p;
            for l in (0..W).step_by(V::LANES).rev() {
                let rows = lanes.saturating_sub(l).min(W - l).min(V::LANES);
                // SAFETY: existing rows are read as far as they go. Whole squares are written as in `pack`: what runs
                // over is written again later or falls into the slack.
                unsafe {
                    for i in 0..V::LANES {
                        let row = from.wrapping_add((l + i) * x.lane + 2 * p);
                        let words = if i < rows {
                            // Into the second level only: rows at large strides share few places of the first.
                            prefetch_far(row.wrapping_add(W * x.lane));
                            prefetch_far(row.wrapping_add(W * x.lane + V::LANES));
                            let second = items.saturating_sub(V::LANES);
                            let second = load_up_to::<V>(row.wrapping_add(V::LANES), second);
                            V::pair_neighbours(load_up_to::<V>(row, items), second)
                        } else {
                            V::zero()
                        };
                        words.store(square.as_mut_ptr().add(i * V::LANES));
                    }
                    let to = to.add(q * panel + p * W + l);
                    if words - p >= V::LANES {
                        V::transpose(square.as_ptr(), V::LANES, V::LANES, to, W);
                    } else {
                        V::transpose(square.as_ptr(), V::LANES, V::LANES, turned.as_mut_ptr(), V::LANES);
                        for j in 0..words - p {
                            let count = V::LANES.min(W - l);
                            std::ptr::copy_nonoverlapping(
                                turned.as_ptr().add(j * V::LANES),
                                to.add(j * W),
                                count,
                            );
                        }
                    }
                }
            }
        }
    }
}

/// Any strides, item by item.
unsafe fn pack_any<const W: usize>(x: Block<f32>, panel: usize, to: *mut f32) {
    for q in 0..x.lanes.div_ceil(W) {
        for p in 0..x.depth.div_ceil(2) {
            for l in 0..W {
                let bits = |p: usize| {
                    let inside = q * W + l < x.lanes && p < x.depth;
                    let at = x.start.wrapping_add((q * W + l) * x.lane + p * x.step);
                    // SAFETY: the item is inside the block.
                    let item = if inside { unsafe { *at } } else { 0.0 };
                    u32::from(Bf16::from_f32(item).to_bits())
                };
                let word = f32::from_bits(bits(2 * p) | bits(2 * p + 1) << 16);
                // SAFETY: the caller lent whole panels.
                unsafe { *to.add(q * panel + p * W + l) = word };
            }
        }
    }
}
