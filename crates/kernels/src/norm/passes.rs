//! The passes of batch normalisation over a part of the batch.
//!
//! Where the elements of a channel lie together in long runs, a run is a loop with the channel's constants. Short runs
//! are taken many at a time, as one piece of a row, with the constants repeated for each element.

use std::ops::Range;

use super::BatchNorm;
use super::loops::{
    All, add_differences, add_dots, add_squares, fold_runs, gradient_part, normalise_part, pass_part,
    pass_positive, run_dots, run_moments,
};
use crate::dispatch::Parts;
use crate::float::Float;

/// Elements of a piece, at most.
const WIDE: usize = 1024;
/// Runs from this length on are loops of their own.
const LONG: usize = 128;
/// Rows that are summed plainly before their sum is added to others in double precision.
const LEAF: usize = 32;

/// Some rows of the batch, and in them some neighbouring channels.
pub(super) struct Group<'a, T> {
    pub(super) s: &'a BatchNorm<'a, T>,
    pub(super) rows: Range<usize>,
    pub(super) channels: Range<usize>,
}

impl<T: Float> BatchNorm<'_, T> {
    fn long(&self) -> bool {
        self.inner >= LONG
    }

    /// How many numbers stand for one channel's constant: one for long runs, else one for each element.
    pub(super) fn repeats(&self) -> usize {
        if self.long() { 1 } else { self.inner }
    }

    /// Writes a constant of the channels.
    #[inline(always)]
    pub(super) fn spread(&self, to: &mut [T], f: impl Fn(usize) -> T) {
        for (c, run) in to.chunks_exact_mut(self.repeats().max(1)).enumerate() {
            let x = f(c);
            run.iter_mut().for_each(|to| *to = x);
        }
    }
}

impl<T: Float> Group<'_, T> {
    /// Calls `f` with some rows, some channels and the length of their piece of a row, for all of the group.
    fn tiles(&self, rows: usize, mut f: impl FnMut(Range<usize>, Range<usize>)) {
        let count = if self.s.long() { 1 } else { (WIDE / self.s.inner.max(1)).max(1) };
        for first_row in self.rows.clone().step_by(rows) {
            for first in self.channels.clone().step_by(count) {
                let channels = first..self.channels.end.min(first + count);
                f(first_row..self.rows.end.min(first_row + rows), channels);
            }
        }
    }

    /// Where some channels of a row lie.
    #[inline(always)]
    fn place(&self, row: usize, channels: &Range<usize>) -> Range<usize> {
        let (start, inner) = (row * self.s.channels, self.s.inner);
        (start + channels.start) * inner..(start + channels.end) * inner
    }

    /// Calls `f` with the place of each piece, its channels, and where their constants lie.
    fn pieces(&self, mut f: impl FnMut(Range<usize>, Range<usize>)) {
        let repeats = self.s.repeats();
        self.tiles(
            1,
            #[inline(always)]
            |rows, channels| {
                let at = self.place(rows.start, &channels);
                let constants = channels.start * repeats..channels.end * repeats;
                // Only a single channel's run is longer than a piece, and it has one constant.
                for start in at.clone().step_by(WIDE) {
                    f(start..at.end.min(start + WIDE), constants.clone());
                }
            },
        );
    }

    /// Adds each channel's part of a row of sums to the channel's total, and clears it.
    fn fold(&self, row: &mut [T], mut f: impl FnMut(usize, f64)) {
        let mut totals = [0.0f64; WIDE];
        let count = row.len() / self.s.inner;
        fold_runs::<T>(row, self.s.inner, &mut totals[..count]);
        row.fill(T::ZERO);
        totals.into_iter().take(count).enumerate().for_each(|(c, total)| f(c, total));
    }
}

/// Mean and sum of squared differences of some numbers, joined with those of others (Chan, Golub and LeVeque,
/// "Updating formulae and a pairwise algorithm for computing sample variances", 1979).
#[inline(always)]
pub(super) fn join(all: &mut [f64; 2], before: f64, [mean, squares]: [f64; 2], count: f64) {
    let (step, share) = (mean - all[0], count / (before + count));
    all[0] += step * share;
    all[1] += squares + step * step * before * share;
}

/// Cuts memory into pieces of `n`.
pub(super) fn split<T, const N: usize>(room: &mut [T], n: usize) -> [&mut [T]; N] {
    let mut rest = room;
    std::array::from_fn(|_| {
        let (piece, more) = std::mem::take(&mut rest).split_at_mut(n);
        rest = more;
        piece
    })
}

/// The constants of y = (x - mean) * scale + shift, as [`BatchNorm::spread`] writes them.
#[derive(Clone, Copy)]
pub(super) struct Affine<'a, T> {
    pub(super) mean: &'a [T],
    pub(super) scale: &'a [T],
    pub(super) shift: &'a [T],
}

impl<'a, T> Affine<'a, T> {
    #[inline(always)]
    fn of(&self, at: Range<usize>) -> [&'a [T]; 3] {
        [&self.mean[at.clone()], &self.scale[at.clone()], &self.shift[at]]
    }
}

/// The gradient that comes in, and what tells where the rectifier lets it through.
pub(super) struct Gate<'a, T> {
    pub(super) y: Option<&'a [T]>,
    pub(super) dy: &'a [T],
    pub(super) affine: Affine<'a, T>,
}

impl<'a, T: Float> Gate<'a, T> {
    /// The gradient of a piece behind the rectifier, in `room` unless it is `dy` itself.
    #[inline(always)]
    fn pass<'b>(
        &self,
        s: &BatchNorm<'_, T>,
        x: &[T],
        at: Range<usize>,
        constants: Range<usize>,
        room: &'b mut [T],
    ) -> &'b [T]
    where
        'a: 'b,
    {
        let dy = &self.dy[at.clone()];
        if !s.relu {
            return dy;
        }
        let g = &mut room[..dy.len()];
        let sides = self.affine.of(constants);
        match self.y {
            Some(y) => pass_positive::<T>(&y[at], dy, g),
            None if s.long() => pass_part::<T, All<T>>(x, dy, sides.map(|side| All(side[0])), g),
            None => pass_part::<T, &[T]>(x, dy, sides, g),
        }
        g
    }
}

/// Mean and sum of squared differences from it, for each channel of the group.
pub(super) fn statistics<T: Float>(group: &Group<'_, T>, x: &[T], out: &mut [[f64; 2]]) {
    let inner = group.s.inner;
    let first = group.channels.start;
    out.fill([0.0; 2]);
    if group.s.long() {
        // A run stays in the first cache while its mean is found and then its differences from it.
        let mut before = 0.0;
        let count = inner as f64;
        for row in group.rows.clone() {
            for (c, all) in group.channels.clone().zip(&mut *out) {
                let moments = run_moments::<T>(&x[group.place(row, &(c..c + 1))]);
                join(all, before, moments, count);
            }
            before += count;
        }
        return;
    }
    let (mut sums, mut near, mut means) = ([T::ZERO; WIDE], [T::ZERO; WIDE], [0.0f64; WIDE]);
    group.tiles(LEAF, |rows, channels| {
        let width = channels.len() * inner;
        let (sums, near) = (&mut sums[..width], &mut near[..width]);
        let before = ((rows.start - group.rows.start) * inner) as f64;
        let count = (rows.len() * inner) as f64;
        // Differences from a number nearby, so that a mean far from zero costs no accuracy.
        for (c, run) in near.chunks_exact_mut(inner).enumerate() {
            run.fill(x[group.place(rows.start, &channels)][c * inner]);
        }
        let (step, first_row) = (group.s.channels * inner, group.place(rows.start, &channels));
        let x = &x[first_row.start..first_row.end + (rows.len() - 1) * step];
        add_differences::<T>(sums, x, step, near);
        group.fold(sums, |c, sum| means[c] = near[c * inner].to_f64() + sum / count);
        for (run, &mean) in near.chunks_exact_mut(inner).zip(&means) {
            run.fill(T::from_f64(mean));
        }
        add_squares::<T>(sums, x, step, near);
        let out = &mut out[channels.start - first..];
        group.fold(sums, |c, squares| join(&mut out[c], before, [means[c], squares], count));
    });
}

/// y = (x - mean) * scale + shift, with shortcut and rectifier.
pub(super) fn normalise<T: Float>(
    group: &Group<'_, T>,
    x: &[T],
    shortcut: Option<&[T]>,
    affine: Affine<'_, T>,
    out: &Parts<'_, T>,
) {
    let relu = group.s.relu;
    group.pieces(|at, constants| {
        // SAFETY: pieces are disjoint, in other groups too.
        let y = unsafe { out.part(at.clone()) };
        let (x, shortcut) = (&x[at.clone()], shortcut.map(|other| &other[at]));
        let sides = affine.of(constants);
        if group.s.long() {
            normalise_part::<T, All<T>>(relu, x, shortcut, sides.map(|side| All(side[0])), y);
        } else {
            normalise_part::<T, &[T]>(relu, x, shortcut, sides, y);
        }
    });
}

/// For each channel of the group, the sums of g * (x - mean) and of g.
pub(super) fn gradient_sums<T: Float>(
    group: &Group<'_, T>,
    x: &[T],
    gate: &Gate<'_, T>,
    out: &mut [[f64; 2]],
) {
    let (s, first) = (group.s, group.channels.start);
    let mut room = [T::ZERO; WIDE];
    out.fill([0.0; 2]);
    if s.long() {
        return group.pieces(|at, constants| {
            let x = &x[at.clone()];
            let g = gate.pass(s, x, at, constants.clone(), &mut room);
            let mean = gate.affine.mean[constants.start];
            let [dot, sum] = run_dots::<T>(g, x, mean);
            let out = &mut out[constants.start - first];
            *out = [out[0] + dot, out[1] + sum];
        });
    }
    let (mut dots, mut sums) = ([T::ZERO; WIDE], [T::ZERO; WIDE]);
    group.tiles(LEAF, |rows, channels| {
        let constants = channels.start * s.inner..channels.end * s.inner;
        let (dots, sums) = (&mut dots[..constants.len()], &mut sums[..constants.len()]);
        let mean = &gate.affine.mean[constants.clone()];
        for row in rows {
            let at = group.place(row, &channels);
            let x = &x[at.clone()];
            let g = gate.pass(s, x, at, constants.clone(), &mut room);
            add_dots::<T>(dots, sums, g, x, mean);
        }
        let out = &mut out[channels.start - first..];
        group.fold(dots, |c, dot| out[c][0] += dot);
        group.fold(sums, |c, sum| out[c][1] += sum);
    });
}

/// dx = scale * (g - middle - (x - mean) * slope), and g itself for the shortcut.
pub(super) fn gradient<T: Float>(
    group: &Group<'_, T>,
    x: &[T],
    gate: &Gate<'_, T>,
    middle: &[T],
    slope: &[T],
    dx: &Parts<'_, T>,
    dshortcut: Option<&Parts<'_, T>>,
) {
    let mut room = [T::ZERO; WIDE];
    group.pieces(|at, constants| {
        // SAFETY: pieces are disjoint, in other groups too.
        let (dx, dshortcut) = unsafe { (dx.part(at.clone()), dshortcut.map(|parts| parts.part(at.clone()))) };
        let x = &x[at.clone()];
        let g = gate.pass(group.s, x, at, constants.clone(), &mut room);
        if let Some(dshortcut) = dshortcut {
            dshortcut.copy_from_slice(g);
        }
        let [mean, scale, _] = gate.affine.of(constants.clone());
        let sides = [mean, scale, &middle[constants.clone()], &slope[constants]];
        if group.s.long() {
            gradient_part::<T, All<T>>(x, g, sides.map(|side| All(side[0])), dx);
        } else {
            gradient_part::<T, &[T]>(x, g, sides, dx);
        }
    });
}
