//! The two-dimensional transforms, for tiles of vectors of channels.
//!
//! # Safety
//! Functions here work on vectors, so that their instructions must exist, and pointers must be valid for all items that
//! the arguments describe.

use std::marker::PhantomData;

use super::engine::{Engine, Job};
use super::planes::{CHANNELS, HandBack, transpose};
use super::variant::{Line, Variant};
use crate::gemm::Vector;

/// Where transformed tiles are kept: channel c of tile t at position p is item
/// `p * position + c / width * panel + t * row + c % width`.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) position: usize,
    pub(super) width: usize,
    pub(super) panel: usize,
    pub(super) row: usize,
}

/// Tiles in a grid of `rows` x `cols`, numbered from `first` on, over pixels laid out `width` to a row.
#[derive(Clone, Copy)]
pub(super) struct Tiles {
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) first: usize,
    pub(super) width: usize,
}

/// Transforms the tiles of [`CHANNELS`] laid-out channels, of which `channel` is the first: inputs (B^T x B) or, with
/// GRADIENT, output gradients (A dy A^T).
pub(super) struct TransformIn<T, const GRADIENT: bool> {
    pub(super) from: *const f32,
    pub(super) tiles: Tiles,
    pub(super) channel: usize,
    pub(super) place: Place,
    pub(super) to: *mut f32,
    pub(super) variant: PhantomData<T>,
}

impl<T: Variant, const GRADIENT: bool> Job for TransformIn<T, GRADIENT> {
    #[inline(always)]
    unsafe fn run<M: Engine>(self) {
        let (tiles, place) = (self.tiles, self.place);
        for i in 0..tiles.rows {
            for j in 0..tiles.cols {
                let from = self.from.wrapping_add((i * T::M * tiles.width + j * T::M) * CHANNELS);
                let to = self.to.wrapping_add((tiles.first + i * tiles.cols + j) * place.row);
                for l in (0..CHANNELS).step_by(M::V::LANES) {
                    let c = self.channel + l;
                    let to = to.wrapping_add(c / place.width * place.panel + c % place.width);
                    let row = tiles.width * CHANNELS;
                    // SAFETY: as the caller's.
                    unsafe { one_tile::<M::V, T, GRADIENT>(from.wrapping_add(l), row, to, place.position) };
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn one_tile<V: Vector<Item = f32>, T: Variant, const GRADIENT: bool>(
    from: *const f32,
    row: usize,
    to: *mut f32,
    position: usize,
) {
    // SAFETY: as the caller's.
    unsafe {
        let size = if GRADIENT { T::M } else { T::A };
        let mut half = [[V::zero(); 6]; 6];
        for (i, half) in half.iter_mut().enumerate().take(size) {
            let mut line = [V::zero(); 6];
            for (j, x) in line.iter_mut().enumerate().take(size) {
                *x = V::load(from.add(i * row + j * CHANNELS));
            }
            *half = if GRADIENT { T::spread(line) } else { T::input(line) };
        }
        for j in 0..T::A {
            let line = column(&half, j);
            let line = if GRADIENT { T::spread(line) } else { T::input(line) };
            for (i, x) in line.into_iter().enumerate().take(T::A) {
                x.store(to.add((i * T::A + j) * position));
            }
        }
    }
}

#[inline(always)]
fn column<V: Copy>(square: &[Line<V>; 6], j: usize) -> Line<V> {
    [square[0][j], square[1][j], square[2][j], square[3][j], square[4][j], square[5][j]]
}

/// A rectangle of output pixels, `rows` x `cols`, at `to` in planes `plane` items apart with rows of `width` pixels.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub(super) to: *mut f32,
    pub(super) plane: usize,
    pub(super) width: usize,
    pub(super) rows: usize,
    pub(super) cols: usize,
    /// Planes to be written.
    pub(super) lanes: usize,
}

/// Computes one row of `tiles` tiles, A^T m A, of the sums at `from` (`position` items from position to position,
/// `step` from tile to tile), adds `bias` (`step` numbers) and writes the pixels that exist; through `scratch`, which
/// has room for the pixels with `step` channels.
#[inline(always)]
pub(super) unsafe fn transform_out<M: Engine, T: Variant>(
    from: *const f32,
    [position, step]: [usize; 2],
    tiles: usize,
    bias: *const f32,
    target: Target,
    scratch: *mut f32,
) {
    // SAFETY: as the caller's.
    unsafe {
        for t in 0..tiles {
            for v in 0..step / M::V::LANES {
                let from = from.add(t * step + v * M::V::LANES);
                let bias = M::V::load(bias.add(v * M::V::LANES));
                let mut half = [[M::V::zero(); 6]; 6];
                for (i, half) in half.iter_mut().enumerate().take(T::A) {
                    let mut line = [M::V::zero(); 6];
                    for (j, x) in line.iter_mut().enumerate().take(T::A) {
                        *x = M::V::load(from.add((i * T::A + j) * position));
                    }
                    *half = T::output(line);
                }
                for j in 0..T::M {
                    let line = T::output(column(&half, j));
                    for (i, x) in line.into_iter().enumerate().take(T::M) {
                        if t * T::M + j < target.cols && i < target.rows {
                            let pixel = i * target.cols + t * T::M + j;
                            x.add(bias).store(scratch.add(pixel * step + v * M::V::LANES));
                        }
                    }
                }
            }
        }
        // Where the pixels are whole rows of the image, they follow each other closely.
        let whole = target.cols == target.width;
        let (runs, len) = if whole { (1, target.rows * target.cols) } else { (target.rows, target.cols) };
        for i in 0..runs {
            let (from, to) = (scratch.add(i * target.cols * step), target.to.wrapping_add(i * target.width));
            M::work(HandBack { from, step, lanes: target.lanes.min(step), len, to, plane: target.plane });
        }
    }
}

/// The filters of a layer as the right factor of products: its columns are output channels, its depth input channels.
#[derive(Clone, Copy)]
pub(super) struct Filters<'a> {
    pub(super) w: &'a [f32],
    pub(super) columns: usize,
    /// Items from one output channel, and from one input channel, to the next.
    pub(super) column: usize,
    pub(super) step: usize,
    /// Whether the kernels are turned by half a turn.
    pub(super) turned: bool,
}

impl Filters<'_> {
    /// Transforms the filters, G w G^T, of `count` input channels from `first` on for a panel of `width` output
    /// channels: those of input channel k for position p go to `to + p * position + (k - first) * width ..`.
    #[inline(always)]
    pub(super) unsafe fn transform<V: Vector<Item = f32>, T: Variant>(
        &self,
        [panel, width]: [usize; 2],
        [first, count]: [usize; 2],
        to: *mut f32,
        position: usize,
    ) {
        // SAFETY: as the caller's.
        unsafe {
            let mut taps = [0.0f32; 16 * 16];
            for l in (0..width).step_by(V::LANES) {
                let lanes = self.columns.saturating_sub(panel * width + l).min(V::LANES);
                for k in 0..count {
                    let start = (panel * width + l) * self.column + (first + k) * self.step;
                    self.load::<V>(start, lanes, &mut taps);
                    let tap = |t: usize| taps.as_ptr().add(if self.turned { 8 - t } else { t } * V::LANES);
                    let mut half = [[V::zero(); 6]; 6];
                    let z = V::zero();
                    for (i, half) in half.iter_mut().enumerate().take(3) {
                        let (a, b, c) = (tap(3 * i), tap(3 * i + 1), tap(3 * i + 2));
                        *half = T::filter([V::load(a), V::load(b), V::load(c), z, z, z]);
                    }
                    for j in 0..T::A {
                        let line = T::filter(column(&half, j));
                        for (i, x) in line.into_iter().enumerate().take(T::A) {
                            x.store(to.add((i * T::A + j) * position + k * width + l));
                        }
                    }
                }
            }
        }
    }

    /// The nine taps of `lanes` filters from item `start` on, a vector of them per tap.
    #[inline(always)]
    unsafe fn load<V: Vector<Item = f32>>(&self, start: usize, lanes: usize, taps: &mut [f32; 16 * 16]) {
        // Whole vectors are read; behind the last filter, the slice may end too early for that.
        let reach = lanes.saturating_sub(1) * self.column + 9usize.next_multiple_of(V::LANES);
        let mut copy;
        // SAFETY: what is read lies inside the slice or the copy.
        unsafe {
            let (from, column) = if start + reach <= self.w.len() || lanes == 0 {
                (self.w.as_ptr().wrapping_add(start), self.column)
            } else {
                copy = [0.0f32; 16 * 16];
                for (l, copy) in copy.chunks_exact_mut(16).enumerate().take(lanes) {
                    copy[..9].copy_from_slice(&self.w[start + l * self.column..][..9]);
                }
                (copy.as_ptr(), 16)
            };
            for t in (0..9).step_by(V::LANES) {
                transpose::<V>(
                    from.wrapping_add(t),
                    column,
                    lanes,
                    taps.as_mut_ptr().add(t * V::LANES),
                    V::LANES,
                );
            }
        }
    }
}

/// Transforms sums of products for `rows` input channels back, G^T m G: tap t of input channel i and output channel
/// l < `width` is written to `to + (9 * i + t) * width + l`.
#[inline(always)]
pub(super) unsafe fn transform_taps<V: Vector<Item = f32>, T: Variant>(
    from: *const f32,
    position: usize,
    rows: usize,
    width: usize,
    to: *mut f32,
) {
    // SAFETY: as the caller's.
    unsafe {
        for i in 0..rows {
            for l in (0..width).step_by(V::LANES) {
                let from = from.add(i * width + l);
                let mut half = [[V::zero(); 6]; 6];
                for (i, half) in half.iter_mut().enumerate().take(T::A) {
                    let mut line = [V::zero(); 6];
                    for (j, x) in line.iter_mut().enumerate().take(T::A) {
                        *x = V::load(from.add((i * T::A + j) * position));
                    }
                    *half = T::gather(line);
                }
                for j in 0..3 {
                    let line = T::gather(column(&half, j));
                    for (r, x) in line.into_iter().enumerate().take(3) {
                        x.store(to.add((9 * i + 3 * r + j) * width + l));
                    }
                }
            }
        }
    }
}
