//! The factors of the products that convolutions are.

use std::ops::Range;

use super::Placed;
use super::frame::{Frame, Layout, SLACK};
use crate::gemm::{Block, Factor, Packer, panel_len};
use crate::{Buffer, Float};

/// The right factor of the forward pass: a column per output pixel, a row per tap, over several images.
pub(super) struct Pixels<'a, T> {
    pub(super) s: &'a Placed,
    pub(super) x: &'a [T],
}

/// The right factor of the weight gradient: a column per tap, a row per output pixel of all images in turn.
pub(super) struct Taps<'a, T> {
    pub(super) s: &'a Placed,
    pub(super) x: &'a [T],
}

/// The left factor of the weight gradient: a row per output channel, a column per output pixel of all images.
pub(super) struct Outputs<'a, T> {
    pub(super) channels: usize,
    pub(super) pixels: usize,
    pub(super) dy: &'a [T],
}

/// The channels that a range of taps belongs to.
fn channels(s: &Placed, taps: &Range<usize>) -> Range<usize> {
    let each = s.kernel[0] * s.kernel[1];
    taps.start / each..taps.end.div_ceil(each)
}

/// Calls `f(image, its pixels, place of the first one in the range)` for a range of pixels of all images.
fn for_images(pixels: usize, range: &Range<usize>, mut f: impl FnMut(usize, Range<usize>, usize)) {
    let mut at = range.start;
    while at < range.end {
        let image = at / pixels;
        let end = ((image + 1) * pixels).min(range.end);
        f(image, at - image * pixels..end - image * pixels, at - range.start);
        at = end;
    }
}

impl<T: Float> Factor<T> for Pixels<'_, T> {
    unsafe fn pack(&self, packer: &Packer<T>, panels: Range<usize>, depths: Range<usize>, to: *mut T) {
        let (s, layout) = (self.s, Layout::new(self.s));
        let pixels = s.pixels();
        let strips = pixels.div_ceil(packer.width);
        let panel = panel_len(packer.width, depths.len());
        let len = s.in_channels * s.height * s.width;
        for_images(strips, &panels, |image, of_image, first| {
            let x = &self.x[image * len..][..len];
            let range = of_image.start * packer.width..(of_image.end * packer.width).min(pixels);
            let frame = Frame::new(layout, x, channels(s, &depths), range);
            let taps = frame.taps(depths.clone());
            for strip in of_image.clone() {
                let start = strip * packer.width;
                let range = start..(start + packer.width).min(pixels);
                // SAFETY: the caller's buffer has room for the panels.
                let to = unsafe { to.add((first + strip - of_image.start) * panel) };
                // SAFETY: likewise; the rows of the panel are written in order, and its slack takes what runs over.
                unsafe { copy_runs(&frame, layout, &taps, range, to, packer.width) };
            }
        });
    }
}

impl<T: Float> Factor<T> for Taps<'_, T> {
    unsafe fn pack(&self, packer: &Packer<T>, panels: Range<usize>, depths: Range<usize>, to: *mut T) {
        let (s, layout) = (self.s, Layout::new(self.s));
        let panel = panel_len(packer.width, depths.len());
        let len = s.in_channels * s.height * s.width;
        let all = panels.start * packer.width..(panels.end * packer.width).min(s.taps());
        for_images(s.pixels(), &depths, |image, pixels, first| {
            let x = &self.x[image * len..][..len];
            let frame = Frame::new(layout, x, channels(s, &all), pixels.clone());
            let lane = (pixels.len() + SLACK).next_multiple_of(16) + 16;
            let mut scratch = Buffer::take(packer.width * lane * size_of::<T>());
            let scratch = scratch.as_mut_slice::<T>();
            for (q, start) in all.clone().step_by(packer.width).enumerate() {
                let taps = frame.taps(start..(start + packer.width).min(all.end));
                // SAFETY: a lane of scratch has room for the pixels and for what runs over.
                unsafe { copy_runs(&frame, layout, &taps, pixels.clone(), scratch.as_mut_ptr(), lane) };
                let block =
                    Block { start: scratch.as_ptr(), lane, step: 1, lanes: taps.len(), depth: pixels.len() };
                // SAFETY: the caller vouches for machine and room; images follow each other in order.
                unsafe { (packer.pack)(block, panel, to.add(q * panel + first * packer.width)) };
            }
        });
    }
}

impl<T: Float> Factor<T> for Outputs<'_, T> {
    unsafe fn pack(&self, packer: &Packer<T>, panels: Range<usize>, depths: Range<usize>, to: *mut T) {
        let lanes = panels.start * packer.width..(panels.end * packer.width).min(self.channels);
        for_images(self.pixels, &depths, |image, pixels, first| {
            let start = (image * self.channels + lanes.start) * self.pixels + pixels.start;
            let start = self.dy[start..].as_ptr();
            let block = Block { start, lane: self.pixels, step: 1, lanes: lanes.len(), depth: pixels.len() };
            // SAFETY: the caller vouches for machine and room; images follow each other in order.
            unsafe {
                (packer.pack)(block, panel_len(packer.width, depths.len()), to.add(first * packer.width));
            }
        });
    }
}

/// For every tap in turn, copies what it sees from the output pixels `range` to `to`, `step` items per tap. Up to
/// [`SLACK`] items behind each tap's may be overwritten.
///
/// # Safety
/// `to` must have room.
unsafe fn copy_runs<T: Float>(
    frame: &Frame<T>,
    layout: Layout,
    taps: &[usize],
    range: Range<usize>,
    to: *mut T,
    step: usize,
) {
    const MOST: usize = 32;
    let items = frame.items();
    let (mut runs, mut count, mut longest) = ([(0, 0, 0); MOST], 0, 0);
    let mut last = 0;
    layout.for_runs(range.clone(), |place, source, len| {
        if count < MOST {
            runs[count] = (place, source, len);
        }
        count += 1;
        longest = longest.max(len);
        last = source;
    });
    let furthest = taps.iter().map(|&tap| tap.wrapping_add(last)).max().unwrap_or(0);
    let room = items.len().saturating_sub(furthest);
    let size = if longest <= 8 { 8 } else { longest.next_multiple_of(16) };
    // SAFETY: fixed sizes stay inside the items (`room`) and the slack of the destination.
    unsafe {
        if count <= MOST && size <= room && size <= SLACK {
            let runs = &runs[..count];
            match size {
                8 => copy_fixed::<T, 8>(items, taps, runs, to, step),
                16 => copy_fixed::<T, 16>(items, taps, runs, to, step),
                _ => copy_fixed::<T, 32>(items, taps, runs, to, step),
            }
        } else {
            for (t, &tap) in taps.iter().enumerate() {
                layout.for_runs(range.clone(), |place, source, len| {
                    let from = &items[tap.wrapping_add(source)..][..len];
                    std::ptr::copy_nonoverlapping(from.as_ptr(), to.add(t * step + place), len);
                });
            }
        }
    }
}

/// Copies N items per run, whatever its length: runs follow each other, so each is put right by the next.
///
/// # Safety
/// N items must be readable from every run's source on, and writable from its place on.
#[inline(always)]
unsafe fn copy_fixed<T: Float, const N: usize>(
    items: &[T],
    taps: &[usize],
    runs: &[(usize, usize, usize)],
    to: *mut T,
    step: usize,
) {
    for (t, &tap) in taps.iter().enumerate() {
        for &(place, source, _) in runs {
            let from = items.as_ptr().wrapping_add(tap.wrapping_add(source));
            // SAFETY: the caller vouches for N items on both sides.
            unsafe { std::ptr::copy_nonoverlapping(from, to.add(t * step + place), N) };
        }
    }
}
