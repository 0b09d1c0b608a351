//! The forward pass, which with turned filters is the input gradient too.

use std::marker::PhantomData;
use std::ops::Range;

use super::engine::{Engine, Job};
use super::grid::{Block, Grid, Piece};
use super::planes::{CHANNELS, LayOut, Planes, Window};
use super::transform::{Filters, Place, Target, Tiles, TransformIn, transform_out};
use super::variant::Variant;
use super::{Scratch, padded, positions, products};
use crate::Buffer;
use crate::conv::Conv2d;
use crate::gemm::Left;
use crate::threads::{Shared, for_each, threads};

/// Bytes of transformed filters up to which they are made once, for all blocks of tiles.
const FILTER_BYTES: usize = 4 << 20;
/// Input channels whose filters are transformed at a time where that is not so.
const DEPTH: usize = 64;
/// Bytes of transformed tiles that stay near: in the second-level cache, or in the last one where the filters pass by.
const NEAR_BYTES: usize = 256 << 10;
const FAR_BYTES: usize = 5 << 20;

/// y = conv(x, filters) + bias, for the 3x3 convolution `s`.
///
/// # Safety
/// The machine's instructions must exist, and all slices must have the lengths that `s` says.
pub(super) unsafe fn forward<M: Engine, T: Variant>(
    s: &Conv2d,
    x: &[f32],
    filters: Filters,
    bias: Option<&[f32]>,
    y: &mut [f32],
) {
    let (depth, positions) = (s.in_channels, positions::<T>());
    let panels = s.out_channels.div_ceil(M::COLS);
    let position = depth * M::COLS + CHANNELS;
    let once = positions * position * panels * size_of::<f32>() <= FILTER_BYTES;
    let mut ready = Buffer::take(if once { panels * positions * position * size_of::<f32>() } else { 0 });
    if once {
        let to = Shared::new(ready.as_mut_slice::<f32>().as_mut_ptr());
        let cut = depth.div_ceil(DEPTH);
        for_each(panels * cut, &|task| {
            let (panel, part) = (task / cut, task % cut);
            let depths = depth * part / cut..depth * (part + 1) / cut;
            let to = to.get().wrapping_add(panel * positions * position + depths.start * M::COLS);
            // SAFETY: as the caller's; every task writes its part of the buffer, which has room for all of them.
            unsafe { M::work(Transform::<T> { filters, panel, depths, to, position, variant: PhantomData }) };
        });
    }
    let mut biases = Buffer::zeroed(panels * M::COLS * size_of::<f32>());
    let biases = biases.as_mut_slice::<f32>();
    if let Some(bias) = bias {
        biases[..bias.len()].copy_from_slice(bias);
    }
    let biases = &*biases;
    let grid = Grid::new(s.batch, s.output(), T::M);
    let near = if once { NEAR_BYTES } else { FAR_BYTES };
    let cut = grid.cut((near / (positions * padded(depth, M::COLS) * size_of::<f32>())).max(2 * M::ROWS));
    // Where there are fewer blocks than threads, each is computed by several that own some output channels each.
    let shares = if once { 1 } else { threads().div_ceil(cut.blocks()).min(panels) };
    let (ready, y) = (ready.as_slice::<f32>(), Shared::new(y.as_mut_ptr()));
    for_each(cut.blocks() * shares, &|task| {
        let share = task % shares;
        let work = Forward::<T> {
            s,
            x,
            filters,
            ready: once.then_some(ready),
            bias: biases,
            y: y.get(),
            block: cut.block(task / shares),
            panels: panels * share / shares..panels * (share + 1) / shares,
            variant: PhantomData,
        };
        // SAFETY: as the caller's; every task writes its own pixels and channels.
        unsafe { M::work(work) };
    });
}

/// The transform of the filters of one panel for some of its depth.
struct Transform<'a, T> {
    filters: Filters<'a>,
    panel: usize,
    depths: Range<usize>,
    to: *mut f32,
    position: usize,
    variant: PhantomData<T>,
}

impl<T: Variant> Job for Transform<'_, T> {
    #[inline(always)]
    unsafe fn run<M: Engine>(self) {
        let depths = [self.depths.start, self.depths.len()];
        // SAFETY: as the caller's.
        unsafe {
            self.filters.transform::<M::V, T>([self.panel, M::COLS], depths, self.to, self.position);
        }
    }
}

/// A block of tiles for some panels of output channels.
struct Forward<'a, T> {
    s: &'a Conv2d,
    x: &'a [f32],
    filters: Filters<'a>,
    /// All transformed filters, if they were made beforehand.
    ready: Option<&'a [f32]>,
    bias: &'a [f32],
    y: *mut f32,
    block: Block,
    panels: Range<usize>,
    variant: PhantomData<T>,
}

impl<T: Variant> Job for Forward<'_, T> {
    #[inline(always)]
    unsafe fn run<M: Engine>(self) {
        let (depth, tiles, positions) = (self.s.in_channels, self.block.tiles(), positions::<T>());
        let row = padded(depth, M::COLS) + CHANNELS;
        let place = Place { position: tiles * row + CHANNELS, width: row, panel: 0, row };
        let mut inputs = Scratch::take(positions * place.position);
        let step = tiles * M::COLS + CHANNELS;
        let mut sums = Scratch::take(positions * step);
        let chunk = if self.ready.is_some() { depth } else { DEPTH.min(depth) };
        let fresh_position = chunk * M::COLS + CHANNELS;
        let mut fresh = Scratch::take(if self.ready.is_some() { 0 } else { positions * fresh_position });
        let mut pixels = Scratch::take(T::M * self.block.cols.len() * T::M * M::COLS);
        // SAFETY: the scratch has room for what the sizes say; the rest is the caller's.
        unsafe {
            self.transform_inputs::<M>(place, inputs.start());
            for panel in self.panels.clone() {
                for first in (0..depth).step_by(chunk) {
                    let count = chunk.min(depth - first);
                    let (filters, position) = match self.ready {
                        Some(ready) => {
                            let position = depth * M::COLS + CHANNELS;
                            (ready.as_ptr().add(panel * positions * position), position)
                        }
                        None => {
                            let (filters, depths, to) = (self.filters, first..first + count, fresh.start());
                            let (position, variant) = (fresh_position, PhantomData);
                            M::work(Transform::<T> { filters, panel, depths, to, position, variant });
                            (to.cast_const(), fresh_position)
                        }
                    };
                    for p in 0..positions {
                        let start = inputs.start().add(p * place.position + first).cast_const();
                        let left = Left { start, row, step: 1 };
                        let (right, to) = (filters.add(p * position), sums.start().add(p * step));
                        products::<M>([tiles, count], left, place.position, right, to, first > 0);
                    }
                }
                self.transform_outputs::<M>(panel, step, sums.start(), pixels.start());
            }
        }
    }
}

impl<T: Variant> Forward<'_, T> {
    /// # Safety
    /// `to` must have room for the transformed tiles.
    #[inline(always)]
    unsafe fn transform_inputs<M: Engine>(&self, place: Place, to: *mut f32) {
        let s = self.s;
        let len = s.in_channels * s.height * s.width;
        let [rows, cols] = self.block.piece();
        let border = T::A - T::M;
        let mut frame = Scratch::take((rows * T::M + border) * (cols * T::M + border) * CHANNELS);
        for piece in self.block.pieces() {
            let data = &self.x[piece.image * len..][..len];
            let planes = Planes { data, channels: s.in_channels, height: s.height, width: s.width };
            let window = Window {
                top: (piece.rows.start * T::M) as isize - s.padding[0] as isize,
                left: (piece.cols.start * T::M) as isize - s.padding[1] as isize,
                rows: piece.rows.len() * T::M + border,
                cols: piece.cols.len() * T::M + border,
            };
            for channel in (0..s.in_channels).step_by(CHANNELS) {
                let from = frame.start();
                let tiles = tiles(&piece, window.cols);
                let transform =
                    TransformIn::<T, false> { from, tiles, channel, place, to, variant: PhantomData };
                // SAFETY: the frame has room for the window of a piece; the rest is the caller's.
                unsafe {
                    M::work(LayOut { planes, first: channel, window, to: from });
                    M::work(transform);
                }
            }
        }
    }

    /// # Safety
    /// `sums` must hold all products of the block's tiles with the panel.
    #[inline(always)]
    unsafe fn transform_outputs<M: Engine>(
        &self,
        panel: usize,
        step: usize,
        sums: *const f32,
        pixels: *mut f32,
    ) {
        let (grid, first) = (self.block.grid, panel * M::COLS);
        let plane = grid.height * grid.width;
        let bias = self.bias[first..].as_ptr();
        for piece in self.block.pieces() {
            let left = piece.cols.start * T::M;
            let cols = (piece.cols.end * T::M).min(grid.width) - left;
            for (i, row) in piece.rows.clone().enumerate() {
                let top = row * T::M;
                let pixel = top * grid.width + left;
                let target = Target {
                    to: self.y.wrapping_add((piece.image * self.s.out_channels + first) * plane + pixel),
                    plane,
                    width: grid.width,
                    rows: T::M.min(grid.height - top),
                    cols,
                    lanes: self.s.out_channels - first,
                };
                let count = piece.cols.len();
                // SAFETY: as the caller's; the pixels of the target lie inside the image.
                unsafe {
                    let from = sums.add((piece.first + i * count) * M::COLS);
                    transform_out::<M, T>(from, [step, M::COLS], count, bias, target, pixels);
                }
            }
        }
    }
}

/// The tiles of a piece over pixels laid out `width` to a row.
pub(super) fn tiles(piece: &Piece, width: usize) -> Tiles {
    Tiles { rows: piece.rows.len(), cols: piece.cols.len(), first: piece.first, width }
}
