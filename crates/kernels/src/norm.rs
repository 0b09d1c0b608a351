//! Layer normalisation over rows and batch normalisation over channels, with their gradients.
//!
//! Both compute x' = (x - mean) * rstd with rstd = 1 / sqrt(variance + eps) and the biased variance (division by the
//! count), in two passes so that a large mean costs no accuracy, and y = x' * weight + bias.

use crate::buffer::Buffer;
use crate::dispatch::{Parts, multiversion, ranges, rows_per_task};
use crate::float::Float;
use crate::reduce::{self, row_sum};

/// A layer normalisation: rows of `n` numbers, each normalised by itself.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm<'a, T> {
    /// The length of a row.
    pub n: usize,
    /// A factor for each position of a row; 1 if absent.
    pub weight: Option<&'a [T]>,
    /// A summand for each position of a row; 0 if absent.
    pub bias: Option<&'a [T]>,
    /// Added to the variance.
    pub eps: T,
}

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

/// Where a normalisation's gradients go. `dweight` and `dbias` are overwritten, not added to.
#[derive(Debug)]
pub struct NormGrad<'a, T> {
    /// The gradient of x.
    pub dx: &'a mut [T],
    /// The gradient of the weight, sum of dy * x'; skipped if absent.
    pub dweight: Option<&'a mut [T]>,
    /// The gradient of the bias, sum of dy; skipped if absent.
    pub dbias: Option<&'a mut [T]>,
}

/// Normalises each row of `x` into `y`, and leaves each row's mean and rstd for the gradient.
///
/// # Panics
/// If a length does not fit: `x` and `y` whole rows, `mean` and `rstd` one number per row, weight and bias one per
/// position.
#[track_caller]
pub fn layer_norm<T: Float>(s: &LayerNorm<T>, x: &[T], y: &mut [T], mean: &mut [T], rstd: &mut [T]) {
    let rows = s.rows("layer_norm", &[x.len(), y.len()], &[mean.len(), rstd.len()]);
    let (y, mean, rstd) = (Parts::new(y), Parts::new(mean), Parts::new(rstd));
    ranges(rows, rows_per_task(s.n), &|rows| {
        let flat = rows.start * s.n..rows.end * s.n;
        // SAFETY: the ranges are disjoint.
        let (y, mean, rstd) = unsafe { (y.part(flat.clone()), mean.part(rows.clone()), rstd.part(rows)) };
        layer_norm_rows::<T>(s, &x[flat], y, mean, rstd);
    });
}

/// The gradients of [`layer_norm`]: with g = dy * weight,
/// dx = rstd * (g - mean(g) - x' * mean(g * x')), row by row.
///
/// # Panics
/// If a length does not fit, as in [`layer_norm`].
#[track_caller]
pub fn layer_norm_grad<T: Float>(
    s: &LayerNorm<T>,
    x: &[T],
    [mean, rstd]: [&[T]; 2],
    dy: &[T],
    out: NormGrad<T>,
) {
    let rows = s.rows("layer_norm_grad", &[x.len(), dy.len(), out.dx.len()], &[mean.len(), rstd.len()]);
    check_side("layer_norm_grad", "dweight", out.dweight.as_deref(), s.n);
    check_side("layer_norm_grad", "dbias", out.dbias.as_deref(), s.n);
    let per_task = rows_per_task(s.n);
    let tasks = rows.div_ceil(per_task);
    // Each task leaves its own sums for weight and bias; they are added in order at the end.
    let mut sums = Buffer::zeroed(tasks * 2 * s.n * size_of::<T>());
    let sums = sums.as_mut_slice::<T>();
    let (dx, parts) = (Parts::new(out.dx), Parts::new(sums));
    ranges(rows, per_task, &|rows| {
        let task = rows.start / per_task;
        let flat = rows.start * s.n..rows.end * s.n;
        // SAFETY: the ranges are disjoint.
        let (dx, sums) = unsafe { (dx.part(flat.clone()), parts.part(task * 2 * s.n..(task + 1) * 2 * s.n)) };
        layer_norm_grad_rows::<T>(s, &x[flat.clone()], &mean[rows.clone()], &rstd[rows], &dy[flat], dx, sums);
    });
    let mut total = Buffer::take(2 * s.n * size_of::<T>());
    let total = total.as_mut_slice::<T>();
    reduce::sum(sums, 1, tasks, 2 * s.n, total);
    if let Some(dweight) = out.dweight {
        dweight.copy_from_slice(&total[..s.n]);
    }
    if let Some(dbias) = out.dbias {
        dbias.copy_from_slice(&total[s.n..]);
    }
}

/// Normalises each channel of `x` into `y` with the statistics of this batch, and leaves the channels' means and
/// biased variances (for running averages) and rstd (for the gradient).
///
/// # Panics
/// If a length does not fit: `x` and `y` whole blocks of `channels * inner`, everything else one number per channel.
#[track_caller]
pub fn batch_norm<T: Float>(s: &BatchNorm<T>, x: &[T], y: &mut [T], [mean, variance, rstd]: [&mut [T]; 3]) {
    s.outer("batch_norm", &[x.len(), y.len()], &[mean.len(), variance.len(), rstd.len()]);
    {
        let (mean, variance, rstd) = (Parts::new(mean), Parts::new(variance), Parts::new(rstd));
        ranges(s.channels, s.channels_per_task(x.len()), &|range| {
            for c in range {
                let (m, v) = channel_moments(s, x, c);
                // SAFETY: every channel is in one range only.
                let places = unsafe { [mean.part(c..c + 1), variance.part(c..c + 1), rstd.part(c..c + 1)] };
                for (place, value) in places.into_iter().zip([m, v, T::ONE / (v + s.eps).sqrt()]) {
                    place[0] = value;
                }
            }
        });
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
    s.outer("batch_norm_apply", &[x.len(), y.len()], &[mean.len(), rstd.len()]);
    if x.is_empty() {
        return;
    }
    let block = s.channels * s.inner;
    let y = Parts::new(y);
    ranges(x.len() / block, rows_per_task(block), &|range| {
        let flat = range.start * block..range.end * block;
        // SAFETY: the ranges are disjoint.
        batch_norm_apply_rows::<T>(s, &x[flat.clone()], mean, rstd, unsafe { y.part(flat) });
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
    {
        let (dot, sum) = (Parts::new(dot), Parts::new(sum));
        ranges(s.channels, s.channels_per_task(x.len()), &|range| {
            for c in range {
                let (product, plain) = channel_grad_sums(s, x, dy, c, mean[c]);
                // SAFETY: every channel is in one range only.
                let (dot, sum) = unsafe { (dot.part(c..c + 1), sum.part(c..c + 1)) };
                dot[0] = product * rstd[c];
                sum[0] = plain;
            }
        });
    }
    if !x.is_empty() {
        let count = T::from_f64((outer * s.inner) as f64);
        let block = s.channels * s.inner;
        let dx = Parts::new(out.dx);
        ranges(outer, rows_per_task(block), &|range| {
            let flat = range.start * block..range.end * block;
            // SAFETY: the ranges are disjoint.
            let dx = unsafe { dx.part(flat.clone()) };
            for (i, dx) in dx.chunks_exact_mut(s.inner).enumerate() {
                let c = i % s.channels;
                let at = flat.start + i * s.inner;
                let (x, dy) = (&x[at..at + s.inner], &dy[at..at + s.inner]);
                let scale = rstd[c] * s.weight.map_or(T::ONE, |weight| weight[c]);
                let slope = rstd[c] * dot[c] / count;
                // dx = scale * (dy - sum/m - (x - mean) * slope)
                batch_norm_grad_run::<T>(x, dy, [scale, sum[c] / count, mean[c], slope], dx);
            }
        });
    }
    if let Some(dweight) = out.dweight {
        dweight.copy_from_slice(dot);
    }
    if let Some(dbias) = out.dbias {
        dbias.copy_from_slice(sum);
    }
}

multiversion! {
    fn layer_norm_rows[T: Float](s: &LayerNorm<T>, x: &[T], y: &mut [T], mean: &mut [T], rstd: &mut [T]) {
        let n = T::from_f64(s.n as f64);
        for (row, (mean, rstd)) in mean.iter_mut().zip(rstd).enumerate() {
            let x = &x[row * s.n..(row + 1) * s.n];
            let y = &mut y[row * s.n..(row + 1) * s.n];
            let m = row_sum(x, |x| x) / n;
            let variance = row_sum(x, |x| (x - m) * (x - m)) / n;
            let r = T::ONE / (variance + s.eps).sqrt();
            (*mean, *rstd) = (m, r);
            match (s.weight, s.bias) {
                (Some(weight), Some(bias)) => {
                    for (((y, &x), &weight), &bias) in y.iter_mut().zip(x).zip(weight).zip(bias) {
                        *y = (x - m) * r * weight + bias;
                    }
                }
                (Some(side), None) => {
                    for ((y, &x), &weight) in y.iter_mut().zip(x).zip(side) {
                        *y = (x - m) * r * weight;
                    }
                }
                (None, Some(side)) => {
                    for ((y, &x), &bias) in y.iter_mut().zip(x).zip(side) {
                        *y = (x - m) * r + bias;
                    }
                }
                (None, None) => {
                    for (y, &x) in y.iter_mut().zip(x) {
                        *y = (x - m) * r;
                    }
                }
            }
        }
    }

    fn layer_norm_grad_rows[T: Float](
        s: &LayerNorm<T>,
        x: &[T],
        mean: &[T],
        rstd: &[T],
        dy: &[T],
        dx: &mut [T],
        sums: &mut [T],
    ) {
        let n = T::from_f64(s.n as f64);
        let (dweight, dbias) = sums.split_at_mut(s.n);
        for (row, (&mean, &rstd)) in mean.iter().zip(rstd).enumerate() {
            let x = &x[row * s.n..(row + 1) * s.n];
            let dy = &dy[row * s.n..(row + 1) * s.n];
            let dx = &mut dx[row * s.n..(row + 1) * s.n];
            for (((dw, db), &x), &dy) in dweight.iter_mut().zip(&mut *dbias).zip(x).zip(dy) {
                *dw += dy * ((x - mean) * rstd);
                *db += dy;
            }
            match s.weight {
                Some(weight) => {
                    for ((dx, &dy), &weight) in dx.iter_mut().zip(dy).zip(weight) {
                        *dx = dy * weight;
                    }
                }
                None => dx.copy_from_slice(dy),
            }
            let g_mean = row_sum(dx, |g| g) / n;
            let dot = reduce::row_dot(dx, x, |g, x| g * ((x - mean) * rstd)) / n;
            for (dx, &x) in dx.iter_mut().zip(x) {
                *dx = rstd * (*dx - g_mean - (x - mean) * rstd * dot);
            }
        }
    }

    fn batch_norm_apply_rows[T: Float](s: &BatchNorm<T>, x: &[T], mean: &[T], rstd: &[T], y: &mut [T]) {
        let side = |side: Option<&[T]>, c: usize, or: T| side.map_or(or, |side| side[c]);
        if s.inner == 1 {
            for (x, y) in x.chunks_exact(s.channels).zip(y.chunks_exact_mut(s.channels)) {
                for (c, (y, &x)) in y.iter_mut().zip(x).enumerate() {
                    *y = (x - mean[c]) * rstd[c] * side(s.weight, c, T::ONE) + side(s.bias, c, T::ZERO);
                }
            }
            return;
        }
        for (i, (x, y)) in x.chunks_exact(s.inner).zip(y.chunks_exact_mut(s.inner)).enumerate() {
            let c = i % s.channels;
            let (m, scale) = (mean[c], rstd[c] * side(s.weight, c, T::ONE));
            let shift = side(s.bias, c, T::ZERO);
            for (y, &x) in y.iter_mut().zip(x) {
                *y = (x - m) * scale + shift;
            }
        }
    }

    fn batch_norm_grad_run[T: Float](x: &[T], dy: &[T], constants: [T; 4], dx: &mut [T]) {
        let [scale, shift, mean, slope] = constants;
        for ((dx, &x), &dy) in dx.iter_mut().zip(x).zip(dy) {
            *dx = scale * (dy - shift - (x - mean) * slope);
        }
    }

    fn run_sum[T: Float](x: &[T]) -> T {
        row_sum(x, |x| x)
    }

    fn run_square_sum[T: Float](x: &[T], mean: T) -> T {
        row_sum(x, |x| (x - mean) * (x - mean))
    }

    fn run_dot[T: Float](x: &[T], dy: &[T], mean: T) -> T {
        reduce::row_dot(x, dy, |x, dy| dy * (x - mean))
    }
}

impl<T: Float> LayerNorm<'_, T> {
    /// Checks all lengths and tells the number of rows.
    #[track_caller]
    fn rows(&self, op: &str, flat: &[usize], per_row: &[usize]) -> usize {
        assert!(self.n > 0, "{op}: rows of length 0 have no mean");
        check_side(op, "weight", self.weight, self.n);
        check_side(op, "bias", self.bias, self.n);
        let rows = flat[0] / self.n;
        assert!(
            flat.iter().all(|&len| len == rows * self.n) && per_row.iter().all(|&len| len == rows),
            "{op}: lengths {flat:?} with {per_row:?} statistics are not whole rows of {}",
            self.n
        );
        rows
    }
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

    /// How many channels one task reads: a fixed amount of work.
    fn channels_per_task(&self, len: usize) -> usize {
        rows_per_task(len / self.channels.max(1))
    }
}

/// Mean and biased variance of one channel.
fn channel_moments<T: Float>(s: &BatchNorm<T>, x: &[T], c: usize) -> (T, T) {
    let block = s.channels * s.inner;
    if block == 0 {
        return (T::NAN, T::NAN);
    }
    let runs = || x.chunks_exact(block).map(|block| &block[c * s.inner..(c + 1) * s.inner]);
    let count = T::from_f64((x.len() / s.channels) as f64);
    let mean = runs().map(|run| run_sum::<T>(run)).sum::<T>() / count;
    let squares = runs().map(|run| run_square_sum::<T>(run, mean)).sum::<T>();
    (mean, squares / count)
}

/// The sums of dy * (x - mean) and of dy over one channel.
fn channel_grad_sums<T: Float>(s: &BatchNorm<T>, x: &[T], dy: &[T], c: usize, mean: T) -> (T, T) {
    let block = s.channels * s.inner;
    let (mut dot, mut sum) = (T::ZERO, T::ZERO);
    if block > 0 {
        for (x, dy) in x.chunks_exact(block).zip(dy.chunks_exact(block)) {
            let range = c * s.inner..(c + 1) * s.inner;
            dot += run_dot::<T>(&x[range.clone()], &dy[range.clone()], mean);
            sum += run_sum::<T>(&dy[range]);
        }
    }
    (dot, sum)
}

#[track_caller]
fn check_side<T>(op: &str, name: &str, side: Option<&[T]>, n: usize) {
    if let Some(side) = side {
        assert!(side.len() == n, "{op}: {name} has length {}, but {n} are needed", side.len());
    }
}

#[cfg(test)]
mod tests;
