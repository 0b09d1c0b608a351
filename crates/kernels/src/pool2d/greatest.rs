//! The maxima of one plane.

use std::hint::select_unpredictable;

use super::Pool2d;
use crate::Float;
use crate::dispatch::multiversion;

multiversion! {
    /// The maxima of the windows of one plane, and their places.
    pub(super) fn max_plane[T: Float](s: &Pool2d, x: &[T], y: &mut [T], index: &mut [i64]) {
        let cols = s.output()[1];
        if cols == 0 {
            return;
        }
        for (i, (y, index)) in y.chunks_exact_mut(cols).zip(index.chunks_exact_mut(cols)).enumerate() {
            if s.is_quarters() {
                let start = 2 * i * s.width;
                max_quarters(&x[start..], s.width, start, y, index);
                continue;
            }
            if !s.is_dense(cols) {
                max_windows(s, x, i, y, index);
                continue;
            }
            // No place yet: whatever comes first is taken, -infinity too.
            y.fill(T::NEG_INFINITY);
            index.fill(-1);
            let (h0, h1) = s.window(0, s.height, i);
            for h in h0..h1 {
                for b in 0..s.kernel[1] {
                    let (start, end, column) = s.span(b, cols);
                    let (y, index) = (&mut y[start..end], &mut index[start..end]);
                    let place = h * s.width + column;
                    let x = &x[place.min(x.len())..];
                    // Strides that the compiler knows become vector code.
                    if s.stride[1] == 1 {
                        max_taps(x, 1, place, y, index);
                    } else {
                        max_taps(x, 2, place, y, index);
                    }
                }
            }
        }
    }
}

/// Takes one tap of each window of a row into account.
#[inline(always)]
fn max_taps<T: Float>(x: &[T], stride: usize, place: usize, y: &mut [T], index: &mut [i64]) {
    for (j, (y, index)) in y.iter_mut().zip(index).enumerate() {
        let v = x[j * stride];
        let better = (v > *y) | v.is_nan() | (*index < 0);
        *y = if better { v } else { *y };
        *index = if better { (place + j * stride) as i64 } else { *index };
    }
}

/// Row `i` of windows, window by window.
#[inline(always)]
fn max_windows<T: Float>(s: &Pool2d, x: &[T], i: usize, y: &mut [T], index: &mut [i64]) {
    let (h0, h1) = s.window(0, s.height, i);
    for (j, (y, index)) in y.iter_mut().zip(index).enumerate() {
        let (w0, w1) = s.window(1, s.width, j);
        // Only the place is kept, and chosen without a branch: which tap wins cannot be predicted, and a wrong guess
        // costs more than all of the arithmetic.
        let mut place = h0 * s.width + w0;
        for h in h0..h1 {
            for at in h * s.width + w0..h * s.width + w1 {
                let v = x[at];
                place = select_unpredictable((v > x[place]) | v.is_nan(), at, place);
            }
        }
        *y = x[place];
        *index = place as i64;
    }
}

/// One row of windows of 2x2 pixels; `x` begins at the first one, which is number `start` of its plane.
#[inline(always)]
fn max_quarters<T: Float>(x: &[T], width: usize, start: usize, y: &mut [T], index: &mut [i64]) {
    let pairs = x.chunks_exact(2).zip(x[width..].chunks_exact(2));
    for (j, ((y, index), (top, bottom))) in y.iter_mut().zip(index).zip(pairs).enumerate() {
        let (mut best, mut place) = (top[0], 0);
        for (v, at) in [(top[1], 1), (bottom[0], width), (bottom[1], width + 1)] {
            let better = (v > best) | v.is_nan();
            best = if better { v } else { best };
            place = if better { at } else { place };
        }
        *y = best;
        *index = (start + 2 * j + place) as i64;
    }
}
