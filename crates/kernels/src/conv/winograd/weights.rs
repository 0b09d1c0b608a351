//! The weight gradient, as the adjoint of the forward pass: dw = G^T [sum over tiles of (B^T x B) (A dy A^T)] G.

use std::marker::PhantomData;
use std::ops::Range;

use super::engine::{Engine, Job};
use super::forward::tiles;
use super::grid::{Block, Cut, Grid};
use super::planes::{CHANNELS, HandBack, LayOut, Planes, Window};
use super::transform::{Place, TransformIn, transform_taps};
use super::variant::Variant;
use super::{Scratch, padded, positions, products};
use crate::Buffer;
use crate::conv::Conv2d;
use crate::gemm::Left;
use crate::threads::{Shared, for_chunks, for_each, threads};

/// Tiles are summed in groups of at least this many, and at most [`GROUPS`] of them, each on a thread of its own.
const GROUP_TILES: usize = 96;
const GROUPS: usize = 8;
/// Tiles whose products are summed before the sums are written.
const CHUNK_TILES: usize = 64;
/// Items of the gradient that a task adds up over the groups.
const SUM_CHUNK: usize = 1 << 14;

/// dw = the gradient of the 3x3 convolution `s` with respect to its weights.
///
/// # Safety
/// The machine's instructions must exist, and all slices must have the lengths that `s` says.
pub(super) unsafe fn weight_grad<M: Engine, T: Variant>(s: &Conv2d, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let grid = Grid::new(s.batch, s.output(), T::M);
    let all = grid.all_rows() * grid.cols;
    // The groups depend on the sizes alone, and with them the order of the sums.
    let groups = (all / GROUP_TILES).clamp(1, GROUPS);
    let cut = grid.cut(CHUNK_TILES);
    let panels = s.out_channels.div_ceil(M::COLS);
    let shares = threads().div_ceil(groups).min(panels);
    let len = dw.len();
    let mut others = Buffer::take((groups - 1) * len * size_of::<f32>());
    let others = others.as_mut_slice::<f32>();
    let (first, rest) = (Shared::new(dw.as_mut_ptr()), Shared::new(others.as_mut_ptr()));
    for_each(groups * shares, &|task| {
        let (group, share) = (task / shares, task % shares);
        let dw = if group == 0 { first.get() } else { rest.get().wrapping_add((group - 1) * len) };
        let work = Weights::<T> {
            s,
            x,
            dy,
            dw,
            cut,
            blocks: cut.blocks() * group / groups..cut.blocks() * (group + 1) / groups,
            panels: panels * share / shares..panels * (share + 1) / shares,
            variant: PhantomData,
        };
        // SAFETY: as the caller's; every task writes the channels of its own copy.
        unsafe { M::work(work) };
    });
    if groups > 1 {
        let others = &*others;
        for_chunks(dw, SUM_CHUNK, &|i, dw| {
            for other in others.chunks_exact(len) {
                dw.iter_mut().zip(&other[i * SUM_CHUNK..]).for_each(|(sum, &x)| *sum += x);
            }
        });
    }
}

/// The sum over some blocks of tiles, for some panels of output channels.
struct Weights<'a, T> {
    s: &'a Conv2d,
    x: &'a [f32],
    dy: &'a [f32],
    dw: *mut f32,
    cut: Cut,
    blocks: Range<usize>,
    panels: Range<usize>,
    variant: PhantomData<T>,
}

impl<T: Variant> Job for Weights<'_, T> {
    #[inline(always)]
    unsafe fn run<M: Engine>(self) {
        let (rows, positions) = (self.s.in_channels, positions::<T>());
        let most = self.blocks.clone().map(|b| self.cut.block(b).tiles()).max().unwrap_or(0);
        let row = padded(rows, M::COLS) + CHANNELS;
        let x_place = Place { position: most * row + CHANNELS, width: row, panel: 0, row };
        let position = most * M::COLS + CHANNELS;
        let dy_place = Place { position, width: M::COLS, panel: positions * position, row: M::COLS };
        let mut inputs = Scratch::take(positions * x_place.position);
        let lanes = padded(self.panels.len() * M::COLS, M::COLS);
        let mut outputs = Scratch::take(lanes / M::COLS * dy_place.panel);
        let step = rows * M::COLS + CHANNELS;
        let mut sums = Scratch::take(self.panels.len() * positions * step);
        // SAFETY: the scratch has room for what the sizes say; the rest is the caller's.
        unsafe {
            for number in self.blocks.clone() {
                let block = self.cut.block(number);
                let depth = block.tiles();
                self.transform_block::<M>(&block, [x_place, dy_place], [inputs.start(), outputs.start()]);
                for q in 0..self.panels.len() {
                    for p in 0..positions {
                        let start = inputs.start().add(p * x_place.position).cast_const();
                        let left = Left { start, row: 1, step: row };
                        let right = outputs.start().add(q * dy_place.panel + p * dy_place.position);
                        let to = sums.start().add((q * positions + p) * step);
                        let ahead = x_place.position;
                        products::<M>([rows, depth], left, ahead, right, to, number > self.blocks.start);
                    }
                }
            }
            self.transform_sums::<M>(sums.start(), step);
        }
    }
}

impl<T: Variant> Weights<'_, T> {
    /// # Safety
    /// The destinations must have room for the transformed tiles.
    #[inline(always)]
    unsafe fn transform_block<M: Engine>(&self, block: &Block, places: [Place; 2], to: [*mut f32; 2]) {
        let (s, grid) = (self.s, block.grid);
        let (len_x, len_y) = (s.in_channels * s.height * s.width, s.out_channels * grid.height * grid.width);
        let [rows, cols] = block.piece();
        let border = T::A - T::M;
        let mut frame = Scratch::take((rows * T::M + border) * (cols * T::M + border) * CHANNELS);
        let from = frame.start();
        let channels = self.panels.start * M::COLS..(self.panels.end * M::COLS).min(s.out_channels);
        for piece in block.pieces() {
            let x = &self.x[piece.image * len_x..][..len_x];
            let x = Planes { data: x, channels: s.in_channels, height: s.height, width: s.width };
            let dy = &self.dy[piece.image * len_y..][..len_y];
            let dy = Planes { data: dy, channels: s.out_channels, height: grid.height, width: grid.width };
            let (top, left) = ((piece.rows.start * T::M) as isize, (piece.cols.start * T::M) as isize);
            let (rows, cols) = (piece.rows.len() * T::M, piece.cols.len() * T::M);
            // SAFETY: the frame has room for the windows of a piece; the rest is the caller's.
            unsafe {
                let window = Window {
                    top: top - s.padding[0] as isize,
                    left: left - s.padding[1] as isize,
                    rows: rows + border,
                    cols: cols + border,
                };
                for channel in (0..s.in_channels).step_by(CHANNELS) {
                    M::work(LayOut { planes: x, first: channel, window, to: from });
                    let (tiles, place, to) = (tiles(&piece, window.cols), places[0], to[0]);
                    let variant = PhantomData;
                    M::work(TransformIn::<T, false> { from, tiles, channel, place, to, variant });
                }
                let window = Window { top, left, rows, cols };
                for first in channels.clone().step_by(CHANNELS) {
                    M::work(LayOut { planes: dy, first, window, to: from });
                    let (tiles, place, to) = (tiles(&piece, cols), places[1], to[1]);
                    let (channel, variant) = (first - channels.start, PhantomData);
                    M::work(TransformIn::<T, true> { from, tiles, channel, place, to, variant });
                }
            }
        }
    }

    /// # Safety
    /// `sums` must hold the sums of all panels.
    #[inline(always)]
    unsafe fn transform_sums<M: Engine>(&self, sums: *const f32, step: usize) {
        let (channels, taps) = (self.s.in_channels, self.s.taps());
        let mut panel = Scratch::take(taps * M::COLS);
        for (q, number) in self.panels.clone().enumerate() {
            let first = number * M::COLS;
            // SAFETY: as the caller's; only channels that exist are written.
            unsafe {
                let from = sums.add(q * positions::<T>() * step);
                transform_taps::<M::V, T>(from, step, channels, M::COLS, panel.start());
                let (lanes, to) =
                    (M::COLS.min(self.s.out_channels - first), self.dw.wrapping_add(first * taps));
                M::work(HandBack { from: panel.start(), step: M::COLS, lanes, len: taps, to, plane: taps });
            }
        }
    }
}
