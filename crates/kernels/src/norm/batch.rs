//! Batch normalisation, also with a shortcut added and the rectifier behind it.
//!
//! Both directions read their arrays twice, once for the channels' sums and once for the result, in tasks of some rows
//! of the batch whose size depends on the sizes alone. The sums of tasks are added in order.

use std::ops::Range;

use super::passes::{Affine, Gate, Group, gradient, gradient_sums, join, normalise, split, statistics};
use super::{NormGrad, check_side};
use crate::buffer::Buffer;
use crate::dispatch::{CHUNK, Parts};
use crate::float::Float;
use crate::threads;

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
    /// Whether max(y, 0) takes the place of y, after the shortcut if there is one.
    pub relu: bool,
}

/// Normalises each channel of `x` into `y` with the statistics of this batch, adds the shortcut if there is one, and
/// leaves the channels' means and biased variances (for running averages) and rstd (for the gradient).
///
/// # Panics
/// If a length does not fit: `x`, `y` and the shortcut whole blocks of `channels * inner`, everything else one number
/// per channel.
#[track_caller]
pub fn batch_norm<T: Float>(
    s: &BatchNorm<T>,
    x: &[T],
    shortcut: Option<&[T]>,
    y: &mut [T],
    [mean, variance, rstd]: [&mut [T]; 3],
) {
    let flat = [x.len(), y.len(), shortcut.map_or(x.len(), <[T]>::len)];
    let outer = s.outer("batch_norm", &flat, &[mean.len(), variance.len(), rstd.len()]);
    let tasks = s.tasks(outer);
    let mut partial = Buffer::take(tasks.rows(outer) * s.channels * size_of::<[f64; 2]>());
    let partial = partial.as_mut_slice::<f64>().as_chunks_mut::<2>().0;
    tasks.sums(s, outer, partial, &|group, out| statistics::<T>(group, x, out));
    for c in 0..s.channels {
        let (mut all, mut before) = ([0.0; 2], 0.0);
        for task in 0..tasks.rows(outer) {
            let count = (tasks.range(task, outer).len() * s.inner) as f64;
            join(&mut all, before, partial[task * s.channels + c], count);
            before += count;
        }
        (mean[c], variance[c]) = (T::from_f64(all[0]), T::from_f64(all[1] / before));
        rstd[c] = T::ONE / (variance[c] + s.eps).sqrt();
    }
    batch_norm_apply(s, x, shortcut, [mean, rstd], y);
}

/// y = (x - mean) * rstd * weight + bias with given statistics, channel by channel, with shortcut and rectifier as in
/// [`batch_norm`]: batch normalisation at evaluation, with running averages. `s.eps` plays no part, because `rstd` is
/// given.
///
/// # Panics
/// If a length does not fit, as in [`batch_norm`].
#[track_caller]
pub fn batch_norm_apply<T: Float>(
    s: &BatchNorm<T>,
    x: &[T],
    shortcut: Option<&[T]>,
    [mean, rstd]: [&[T]; 2],
    y: &mut [T],
) {
    let flat = [x.len(), y.len(), shortcut.map_or(x.len(), <[T]>::len)];
    let outer = s.outer("batch_norm_apply", &flat, &[mean.len(), rstd.len()]);
    let mut room = Buffer::take(3 * s.places() * size_of::<T>());
    let affine = s.affine(room.as_mut_slice(), mean, rstd);
    let y = Parts::new(y);
    s.tasks(outer).run(s, outer, &|group| normalise::<T>(group, x, shortcut, affine, &y));
}

/// The gradients of [`batch_norm`]: with m = elements per channel and g = dy, or 0 where the rectifier gave 0,
/// dx = weight * rstd * (g - sum(g)/m - x' * sum(g * x')/m), channel by channel; that of the shortcut is g.
///
/// `y` is the result, needed if there was a shortcut and a rectifier: without a shortcut it is computed again.
///
/// # Panics
/// If a length does not fit, as in [`batch_norm`].
#[track_caller]
pub fn batch_norm_grad<T: Float>(
    s: &BatchNorm<T>,
    x: &[T],
    [mean, rstd]: [&[T]; 2],
    y: Option<&[T]>,
    dy: &[T],
    out: NormGrad<T>,
    dshortcut: Option<&mut [T]>,
) {
    let len = x.len();
    let flat =
        [len, dy.len(), out.dx.len(), y.map_or(len, <[T]>::len), dshortcut.as_ref().map_or(len, |d| d.len())];
    let outer = s.outer("batch_norm_grad", &flat, &[mean.len(), rstd.len()]);
    check_side("batch_norm_grad", "dweight", out.dweight.as_deref(), s.channels);
    check_side("batch_norm_grad", "dbias", out.dbias.as_deref(), s.channels);
    let mut room = Buffer::take(5 * s.places() * size_of::<T>());
    let (constants, rest) = room.as_mut_slice::<T>().split_at_mut(3 * s.places());
    let gate = Gate { y, dy, affine: s.affine(constants, mean, rstd) };
    let tasks = s.tasks(outer);
    let mut partial = Buffer::take(tasks.rows(outer) * s.channels * size_of::<[f64; 2]>());
    let partial = partial.as_mut_slice::<f64>().as_chunks_mut::<2>().0;
    tasks.sums(s, outer, partial, &|group, out| gradient_sums::<T>(group, x, &gate, out));
    // The sums of all tasks come to stand in the place of the first.
    if let Some((total, rest)) = partial.split_at_mut_checked(s.channels) {
        for task in rest.chunks_exact(s.channels.max(1)) {
            for (total, more) in total.iter_mut().zip(task) {
                (total[0], total[1]) = (total[0] + more[0], total[1] + more[1]);
            }
        }
    }
    let sums = |c: usize| [partial[c][0] * rstd[c].to_f64(), partial[c][1]].map(T::from_f64);
    let count = T::from_f64((outer * s.inner) as f64);
    let [middle, slope] = split(rest, s.places());
    if outer > 0 {
        s.spread(middle, |c| sums(c)[1] / count);
        s.spread(slope, |c| rstd[c] * sums(c)[0] / count);
    }
    let (dx, dshortcut) = (Parts::new(out.dx), dshortcut.map(Parts::new));
    tasks.run(s, outer, &|group| {
        gradient::<T>(group, x, &gate, middle, slope, &dx, dshortcut.as_ref());
    });
    let all = |side: &mut [T], which: usize| {
        side.iter_mut().enumerate().for_each(|(c, x)| *x = if outer > 0 { sums(c)[which] } else { T::ZERO });
    };
    out.dweight.into_iter().for_each(|dweight| all(dweight, 0));
    out.dbias.into_iter().for_each(|dbias| all(dbias, 1));
}

/// How a batch is cut into tasks: by rows, and by channels too when there are few rows.
#[derive(Clone, Copy)]
struct Tasks {
    rows: usize,
    channels: usize,
}

impl Tasks {
    /// The number of tasks along the rows.
    fn rows(&self, outer: usize) -> usize {
        outer.div_ceil(self.rows)
    }

    /// The rows of one of them.
    fn range(&self, task: usize, outer: usize) -> Range<usize> {
        task * self.rows..outer.min((task + 1) * self.rows)
    }

    /// Calls `f` for each task, from the last to the first: a pass before this one left the end in the cache.
    fn run<T: Float>(&self, s: &BatchNorm<T>, outer: usize, f: &(dyn Fn(&Group<'_, T>) + Sync)) {
        let across = s.channels.div_ceil(self.channels);
        let tasks = self.rows(outer) * across;
        threads::for_each(tasks, &|i| self.group(s, outer, tasks - 1 - i, f));
    }

    /// Calls `f` for each task with its place among `partial`, the sums of each task along the rows.
    fn sums<T: Float>(
        &self,
        s: &BatchNorm<T>,
        outer: usize,
        partial: &mut [[f64; 2]],
        f: &(dyn Fn(&Group<'_, T>, &mut [[f64; 2]]) + Sync),
    ) {
        let partial = Parts::new(partial);
        threads::for_each(self.rows(outer) * s.channels.div_ceil(self.channels), &|i| {
            self.group(s, outer, i, &|group| {
                let start = group.rows.start / self.rows * s.channels;
                // SAFETY: tasks differ in their rows or their channels.
                let out = unsafe { partial.part(start + group.channels.start..start + group.channels.end) };
                f(group, out);
            });
        });
    }

    fn group<T: Float>(&self, s: &BatchNorm<T>, outer: usize, i: usize, f: &(dyn Fn(&Group<'_, T>) + Sync)) {
        let across = s.channels.div_ceil(self.channels);
        let first = i % across * self.channels;
        let channels = first..s.channels.min(first + self.channels);
        f(&Group { s, rows: self.range(i / across, outer), channels });
    }
}

impl<T: Float> BatchNorm<'_, T> {
    /// The cut into tasks of about `8 CHUNK` elements.
    fn tasks(&self, outer: usize) -> Tasks {
        let row = (self.channels * self.inner).max(1);
        let rows = (8 * CHUNK).div_ceil(row).clamp(1, outer.max(1));
        let channels =
            if outer < 8 { (4 * CHUNK / (rows * self.inner).max(1)).max(1) } else { self.channels };
        Tasks { rows, channels: channels.clamp(1, self.channels.max(1)) }
    }

    /// How many numbers stand for a constant of the channels.
    fn places(&self) -> usize {
        self.channels * self.repeats()
    }

    /// The constants of y = (x - mean) * scale + shift.
    fn affine<'b>(&self, room: &'b mut [T], mean: &[T], rstd: &[T]) -> Affine<'b, T> {
        let [to_mean, scale, shift] = split(room, self.places());
        self.spread(to_mean, |c| mean[c]);
        self.spread(scale, |c| rstd[c] * self.weight.map_or(T::ONE, |weight| weight[c]));
        self.spread(shift, |c| self.bias.map_or(T::ZERO, |bias| bias[c]));
        Affine { mean: to_mean, scale, shift }
    }

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
}
