//! Between planes, one per channel, and pixels that hold their channels side by side.
//!
//! # Safety
//! Functions here work on vectors, so that their instructions must exist, and pointers must be valid for all items that
//! the arguments describe.

use super::engine::{Engine, Job};
use crate::gemm::Vector;

/// Channels that are laid out together: one cache line.
pub(super) const CHANNELS: usize = 16;

/// The planes of one image.
#[derive(Clone, Copy)]
pub(super) struct Planes<'a> {
    pub(super) data: &'a [f32],
    pub(super) channels: usize,
    pub(super) height: usize,
    pub(super) width: usize,
}

/// A rectangle of an image that may reach over its border.
#[derive(Clone, Copy)]
pub(super) struct Window {
    pub(super) top: isize,
    pub(super) left: isize,
    pub(super) rows: usize,
    pub(super) cols: usize,
}

impl Window {
    /// The rows, or columns, of the window that lie in an image of `size`, counted from the window's first.
    fn inside(start: isize, len: usize, size: usize) -> [usize; 2] {
        let end = (size as isize - start).clamp(0, len as isize) as usize;
        [((-start).max(0) as usize).min(end), end]
    }
}

/// Lays [`CHANNELS`] channels from `first` on out pixel by pixel: item (i, j) of the window goes to
/// `to + (i * cols + j) * CHANNELS ..`. Pixels outside the image and channels that do not exist are zero.
pub(super) struct LayOut<'a> {
    pub(super) planes: Planes<'a>,
    pub(super) first: usize,
    pub(super) window: Window,
    pub(super) to: *mut f32,
}

impl Job for LayOut<'_> {
    #[inline(always)]
    unsafe fn run<M: Engine>(self) {
        // SAFETY: as the caller's.
        unsafe { lay_out::<M::V>(&self.planes, self.first, self.window, self.to) }
    }
}

#[inline(always)]
unsafe fn lay_out<V: Vector<Item = f32>>(planes: &Planes, first: usize, window: Window, to: *mut f32) {
    let [top, bottom] = Window::inside(window.top, window.rows, planes.height);
    let [left, right] = Window::inside(window.left, window.cols, planes.width);
    // SAFETY: everything written lies inside the window, everything read inside the planes.
    unsafe {
        for i in 0..window.rows {
            let row = to.add(i * window.cols * CHANNELS);
            let (left, right) = if (top..bottom).contains(&i) { (left, right) } else { (0, 0) };
            clear::<V>(row, left);
            clear::<V>(row.add(right * CHANNELS), window.cols - right);
        }
        if top == bottom || left == right {
            return;
        }
        let plane = planes.height * planes.width;
        let source =
            (window.top + top as isize) as usize * planes.width + (window.left + left as isize) as usize;
        let width = right - left;
        // Whole rows of the image follow each other closely.
        let (runs, len) =
            if width == planes.width { (1, (bottom - top) * width) } else { (bottom - top, width) };
        for v in 0..CHANNELS / V::LANES {
            let channel = first + v * V::LANES;
            let lanes = planes.channels.saturating_sub(channel).min(V::LANES);
            let from = planes.data.as_ptr().wrapping_add(channel * plane + source);
            let to = to.add((top * window.cols + left) * CHANNELS + v * V::LANES);
            let run = Run { lanes, plane, len, width, skip: window.cols };
            for i in 0..runs {
                copy_run::<V>(from.wrapping_add(i * planes.width), run, to.add(i * window.cols * CHANNELS));
            }
        }
    }
}

/// Sets `count` pixels to zero. (There are few at a time, for which a call would take longer.)
#[inline(always)]
unsafe fn clear<V: Vector<Item = f32>>(to: *mut f32, count: usize) {
    for i in 0..count * (CHANNELS / V::LANES) {
        // SAFETY: the caller's pixels.
        unsafe { V::zero().store(to.add(i * V::LANES)) };
    }
}

/// Pixels that follow each other in their planes; in the window, `width` in a row and rows `skip` pixels apart.
#[derive(Clone, Copy)]
struct Run {
    /// Channels, at most one vector.
    lanes: usize,
    plane: usize,
    len: usize,
    width: usize,
    skip: usize,
}

impl Run {
    /// The distance of a pixel from the first one in the window.
    #[inline(always)]
    fn place(&self, pixel: usize) -> usize {
        (pixel / self.width * self.skip + pixel % self.width) * CHANNELS
    }
}

/// Copies a run, transposing squares of a vector's length; the last one overlaps the one before.
#[inline(always)]
unsafe fn copy_run<V: Vector<Item = f32>>(from: *const f32, run: Run, to: *mut f32) {
    // SAFETY: squares lie inside the run, and every pixel has a place.
    unsafe {
        if run.len < V::LANES {
            for pixel in 0..run.len {
                let to = to.add(run.place(pixel));
                for l in 0..V::LANES {
                    *to.add(l) = if l < run.lanes { *from.add(l * run.plane + pixel) } else { 0.0 };
                }
            }
            return;
        }
        let mut square = [0.0f32; 16 * 16];
        for start in (0..run.len).step_by(V::LANES) {
            let start = start.min(run.len - V::LANES);
            let from = from.wrapping_add(start);
            if start % run.width + V::LANES <= run.width {
                transpose::<V>(from, run.plane, run.lanes, to.add(run.place(start)), CHANNELS);
                continue;
            }
            transpose::<V>(from, run.plane, run.lanes, square.as_mut_ptr(), V::LANES);
            for q in 0..V::LANES {
                V::load(square.as_ptr().add(q * V::LANES)).store(to.add(run.place(start + q)));
            }
        }
    }
}

/// [`Vector::transpose`] with the usual number of rows known to the compiler.
#[inline(always)]
pub(super) unsafe fn transpose<V: Vector<Item = f32>>(
    from: *const f32,
    stride: usize,
    rows: usize,
    to: *mut f32,
    step: usize,
) {
    // SAFETY: as the caller's.
    unsafe {
        if rows == V::LANES {
            V::transpose(from, stride, V::LANES, to, step);
        } else {
            V::transpose(from, stride, rows, to, step);
        }
    }
}

/// The way back: item l < `lanes` of pixel p is read at `from + p * step + l` and written to `to + l * plane + p`, for
/// all p < `len`. A step is a whole number of vectors.
pub(super) struct HandBack {
    pub(super) from: *const f32,
    pub(super) step: usize,
    pub(super) lanes: usize,
    pub(super) len: usize,
    pub(super) to: *mut f32,
    pub(super) plane: usize,
}

impl Job for HandBack {
    #[inline(always)]
    unsafe fn run<M: Engine>(self) {
        for l in (0..self.lanes).step_by(M::V::LANES) {
            let lanes = M::V::LANES.min(self.lanes - l);
            let (from, to) = (self.from.wrapping_add(l), self.to.wrapping_add(l * self.plane));
            // SAFETY: as the caller's.
            unsafe { hand_back::<M::V>(from, self.step, lanes, self.len, to, self.plane) };
        }
    }
}

/// [`HandBack`] for at most one vector of lanes.
#[inline(always)]
unsafe fn hand_back<V: Vector<Item = f32>>(
    from: *const f32,
    step: usize,
    lanes: usize,
    len: usize,
    to: *mut f32,
    plane: usize,
) {
    // SAFETY: squares lie inside the run; only lanes that exist are written.
    unsafe {
        if len < V::LANES {
            for pixel in 0..len {
                for l in 0..lanes {
                    *to.add(l * plane + pixel) = *from.add(pixel * step + l);
                }
            }
            return;
        }
        let mut square = [0.0f32; 16 * 16];
        for start in (0..len).step_by(V::LANES) {
            let start = start.min(len - V::LANES);
            let from = from.add(start * step);
            if lanes == V::LANES {
                V::transpose(from, step, V::LANES, to.add(start), plane);
                continue;
            }
            V::transpose(from, step, V::LANES, square.as_mut_ptr(), V::LANES);
            for l in 0..lanes {
                V::load(square.as_ptr().add(l * V::LANES)).store(to.add(l * plane + start));
            }
        }
    }
}
