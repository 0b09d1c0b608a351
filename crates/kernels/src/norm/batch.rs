//! Batch normalisation.

use std::ops::Range;

use super::{NormGrad, check_side};
use crate::buffer::Buffer;
use crate::dispatch::{Parts, multiversion, ranges, rows_per_task};
use crate::float::Float;
use crate::reduce::{row_dot, row_sum, sum_blocks, sum_columns_with};

/// A batch normalisation: `x` is viewed as \[outer, channels, inner\] and each channel normalised over the rest.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm<'a, T> {
    /// The number of channels.
    pub channels: usize,
    /// The elements of one channel that lie together: height times width for images, 1 for rows of features.
    pub inner: usize,
    /// A factor for each channel; 1 if absent.
    pub weight: Option<&'a [T]>,
    /// A summand for each channel; 0 if absent.
    pub bias: Option<&'a [T]>,
    /// Added to the variance.
    pub eps: T,
}

/// Normalises each channel of `x` into `y` with the statistics of this batch, and leaves the channels' means and
/// biased variances (for running averages) and rstd (for the gradient).
///
/// # Panics
/// If a length does not fit: `x` and `y` whole blocks of `channels * inner`, everything else one number per channel.
#[track_caller]
pub fn batch_norm<T: Float>(s: &BatchNorm<T>, x: &[T], y: &mut [T], [mean, variance, rstd]: [&mut [T]; 3]) {
    let outer = s.outer("batch_norm", &[x.len(), y.len()], &[mean.len(), variance.len(), rstd.len()]);
    let count = T::from_f64((outer * s.inner) as f64);
    channel_sums(s, outer, mean, &|blocks, out| match s.inner {
        1 => sum_rows::<T>(&x[s.flat(blocks)], out),
        _ => sum_runs::<T>(&x[s.flat(blocks)], s.inner, out),
    });
    mean.iter_mut().for_each(|mean| *mean /= count);
    let mean = &*mean;
    channel_sums(s, outer, variance, &|blocks, out| match s.inner {
        1 => square_rows::<T>(&x[s.flat(blocks)], mean, out),
        _ => square_runs::<T>(&x[s.flat(blocks)], s.inner, mean, out),
    });
    for (variance, rstd) in variance.iter_mut().zip(&mut *rstd) {
        *variance /= count;
        *rstd = T::ONE / (*variance + s.eps).sqrt();
    }
    batch_norm_apply(s, x, mean, rstd, y);
}

/// y = (x - mean) * rstd * weight + bias with given statistics, channel by channel: batch normalisation at
/// evaluation, with running averages. `s.eps` plays no part, because `rstd` is given.
///
/// # Panics
/// If a length does not fit, as in [`batch_norm`].
#[track_caller]
pub fn batch_norm_apply<T: Float>(s: &BatchNorm<T>, x: &[T], mean: &[T], rstd: &[T], y: &mut [T]) {
    let outer = s.outer("batch_norm_apply", &[x.len(), y.len()], &[mean.len(), rstd.len()]);
    let mut constants = Buffer::take(2 * s.channels * size_of::<T>());
    let (scale, shift) = constants.as_mut_slice::<T>().split_at_mut(s.channels);
    for c in 0..s.channels {
        scale[c] = rstd[c] * s.weight.map_or(T::ONE, |weight| weight[c]);
        shift[c] = s.bias.map_or(T::ZERO, |bias| bias[c]);
    }
    let (y, scale, shift) = (Parts::new(y), &*scale, &*shift);
    ranges(outer, rows_per_task(s.channels * s.inner), &|blocks| {
        let flat = s.flat(blocks);
        // SAFETY: the ranges are disjoint.
        batch_norm_blocks::<T>(&x[flat.clone()], s.inner, mean, scale, shift, unsafe { y.part(flat) });
    });
}

/// The gradients of [`batch_norm`]: with m = elements per channel,
/// dx = weight * rstd * (dy - sum(dy)/m - x' * sum(dy * x')/m), channel by channel.
///
/// # Panics
/// If a length does not fit, as in [`batch_norm`].
#[track_caller]
pub fn batch_norm_grad<T: Float>(
    s: &BatchNorm<T>,
    x: &[T],
    [mean, rstd]: [&[T]; 2],
    dy: &[T],
    out: NormGrad<T>,
) {
    let outer = s.outer("batch_norm_grad", &[x.len(), dy.len(), out.dx.len()], &[mean.len(), rstd.len()]);
    check_side("batch_norm_grad", "dweight", out.dweight.as_deref(), s.channels);
    check_side("batch_norm_grad", "dbias", out.dbias.as_deref(), s.channels);
    let mut sums = Buffer::zeroed(2 * s.channels * size_of::<T>());
    let (dot, sum) = sums.as_mut_slice::<T>().split_at_mut(s.channels);
    channel_sums(s, outer, sum, &|blocks, out| match s.inner {
        1 => sum_rows::<T>(&dy[s.flat(blocks)], out),
        _ => sum_runs::<T>(&dy[s.flat(blocks)], s.inner, out),
    });
    channel_sums(s, outer, dot, &|blocks, out| {
        let (x, dy) = (&x[s.flat(blocks.clone())], &dy[s.flat(blocks)]);
        match s.inner {
            1 => dot_rows::<T>(x, dy, mean, out),
            _ => dot_runs::<T>(x, dy, s.inner, mean, out),
        }
    });
    for (dot, &rstd) in dot.iter_mut().zip(rstd) {
        *dot *= rstd;
    }
    let count = T::from_f64((outer * s.inner) as f64);
    // dx = scale * (dy - shift - (x - mean) * slope)
    let mut constants = Buffer::take(3 * s.channels * size_of::<T>());
    let constants = constants.as_mut_slice::<T>();
    for c in 0..s.channels {
        constants[c] = rstd[c] * s.weight.map_or(T::ONE, |weight| weight[c]);
        constants[s.channels + c] = sum[c] / count;
        constants[2 * s.channels + c] = rstd[c] * dot[c] / count;
    }
    let dx = Parts::new(out.dx);
    ranges(outer, rows_per_task(s.channels * s.inner), &|blocks| {
        let flat = s.flat(blocks);
        // SAFETY: the ranges are disjoint.
        let dx = unsafe { dx.part(flat.clone()) };
        batch_norm_grad_blocks::<T>(&x[flat.clone()], &dy[flat], s.inner, mean, constants, dx);
    });
    if let Some(dweight) = out.dweight {
        dweight.copy_from_slice(dot);
    }
    if let Some(dbias) = out.dbias {
        dbias.copy_from_slice(sum);
    }
}

multiversion! {
    /// y = (x - mean) * scale + shift; for features channel runs along the row.
    fn batch_norm_blocks[T: Float](x: &[T], inner: usize, mean: &[T], scale: &[T], shift: &[T], y: &mut [T]) {
        let channels = mean.len();
        if inner == 1 {
            for (x, y) in x.chunks_exact(channels).zip(y.chunks_exact_mut(channels)) {
                for ((((y, &x), &mean), &scale), &shift) in y.iter_mut().zip(x).zip(mean).zip(scale).zip(shift) {
                    *y = (x - mean) * scale + shift;
                }
            }
            return;
        }
        for (x, y) in x.chunks_exact(channels * inner).zip(y.chunks_exact_mut(channels * inner)) {
            for (c, (x, y)) in x.chunks_exact(inner).zip(y.chunks_exact_mut(inner)).enumerate() {
                let (mean, scale, shift) = (mean[c], scale[c], shift[c]);
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = (x - mean) * scale + shift;
                }
            }
        }
    }

    /// dx = scale * (dy - shift - (x - mean) * slope), with scale, shift and slope one after the other in `constants`.
    fn batch_norm_grad_blocks[T: Float](
        x: &[T],
        dy: &[T],
        inner: usize,
        mean: &[T],
        constants: &[T],
        dx: &mut [T],
    ) {
        let channels = mean.len();
        let (scale, rest) = constants.split_at(channels);
        let (shift, slope) = rest.split_at(channels);
        if inner == 1 {
            for ((x, dy), dx) in
                x.chunks_exact(channels).zip(dy.chunks_exact(channels)).zip(dx.chunks_exact_mut(channels))
            {
                for c in 0..channels {
                    dx[c] = scale[c] * (dy[c] - shift[c] - (x[c] - mean[c]) * slope[c]);
                }
            }
            return;
        }
        for (i, ((x, dy), dx)) in
            x.chunks_exact(inner).zip(dy.chunks_exact(inner)).zip(dx.chunks_exact_mut(inner)).enumerate()
        {
            let c = i % channels;
            let (mean, scale, shift, slope) = (mean[c], scale[c], shift[c], slope[c]);
            for ((dx, &x), &dy) in dx.iter_mut().zip(x).zip(dy) {
                *dx = scale * (dy - shift - (x - mean) * slope);
            }
        }
    }

    /// Per channel of rows of features, the sum of x.
    fn sum_rows[T: Float](x: &[T], out: &mut [T]) {
        let channels = out.len();
        sum_columns_with(x.len() / channels, out, #[inline(always)] |row, first, sums| {
            let at = row * channels + first;
            for (sum, &x) in sums.iter_mut().zip(&x[at..]) {
                *sum += x;
            }
        });
    }

    /// Per channel of rows of features, the sum of (x - mean)^2.
    fn square_rows[T: Float](x: &[T], mean: &[T], out: &mut [T]) {
        let channels = out.len();
        sum_columns_with(x.len() / channels, out, #[inline(always)] |row, first, sums| {
            let at = row * channels + first;
            for ((sum, &x), &mean) in sums.iter_mut().zip(&x[at..]).zip(&mean[first..]) {
                *sum += (x - mean) * (x - mean);
            }
        });
    }

    /// Per channel of rows of features, the sum of dy * (x - mean).
    fn dot_rows[T: Float](x: &[T], dy: &[T], mean: &[T], out: &mut [T]) {
        let channels = out.len();
        sum_columns_with(x.len() / channels, out, #[inline(always)] |row, first, sums| {
            let at = row * channels + first;
            for (((sum, &x), &dy), &mean) in sums.iter_mut().zip(&x[at..]).zip(&dy[at..]).zip(&mean[first..]) {
                *sum += dy * (x - mean);
            }
        });
    }

    /// Per channel of images, the sum of x.
    fn sum_runs[T: Float](x: &[T], inner: usize, out: &mut [T]) {
        let channels = out.len();
        sum_columns_with(x.len() / inner / channels, out, #[inline(always)] |block, first, sums| {
            for (c, sum) in sums.iter_mut().enumerate() {
                let at = (block * channels + first + c) * inner;
                *sum += row_sum(&x[at..at + inner], |x| x);
            }
        });
    }

    /// Per channel of images, the sum of (x - mean)^2.
    fn square_runs[T: Float](x: &[T], inner: usize, mean: &[T], out: &mut [T]) {
        let channels = mean.len();
        sum_columns_with(x.len() / inner / channels, out, #[inline(always)] |block, first, sums| {
            for (c, sum) in sums.iter_mut().enumerate() {
                let at = (block * channels + first + c) * inner;
                let mean = mean[first + c];
                *sum += row_sum(&x[at..at + inner], #[inline(always)] |x| (x - mean) * (x - mean));
            }
        });
    }

    /// Per channel of images, the sum of dy * (x - mean).
    fn dot_runs[T: Float](x: &[T], dy: &[T], inner: usize, mean: &[T], out: &mut [T]) {
        let channels = mean.len();
        sum_columns_with(x.len() / inner / channels, out, #[inline(always)] |block, first, sums| {
            for (c, sum) in sums.iter_mut().enumerate() {
                let at = (block * channels + first + c) * inner;
                let mean = mean[first + c];
                let (x, dy) = (&x[at..at + inner], &dy[at..at + inner]);
                *sum += row_dot(x, dy, #[inline(always)] |x, dy| dy * (x - mean));
            }
        });
    }
}

/// Sums over everything but the channels: `f` sums a range of outer blocks.
fn channel_sums<T: Float>(
    s: &BatchNorm<T>,
    outer: usize,
    out: &mut [T],
    f: &(dyn Fn(Range<usize>, &mut [T]) + Sync),
) {
    if s.inner == 0 || out.is_empty() {
        return out.fill(T::ZERO);
    }
    sum_blocks(outer, s.channels, s.inner, out, f);
}

impl<T: Float> BatchNorm<'_, T> {
    /// Checks all lengths and tells the outer size.
    #[track_caller]
    fn outer(&self, op: &str, flat: &[usize], per_channel: &[usize]) -> usize {
        let block = self.channels * self.inner;
        check_side(op, "weight", self.weight, self.channels);
        check_side(op, "bias", self.bias, self.channels);
        let outer = flat[0].checked_div(block).unwrap_or(0);
        assert!(
            flat.iter().all(|&len| len == outer * block)
                && per_channel.iter().all(|&len| len == self.channels),
            "{op}: lengths {flat:?} with {per_channel:?} statistics do not fit {} channels of {}",
            self.channels,
            self.inner
        );
        outer
    }

    /// The elements of a range of outer blocks.
    fn flat(&self, blocks: Range<usize>) -> Range<usize> {
        let block = self.channels * self.inner;
        blocks.start * block..blocks.end * block
    }
}
