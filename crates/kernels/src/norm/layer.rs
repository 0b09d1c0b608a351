//! Layer normalisation.

use super::{NormGrad, check_side};
use crate::buffer::Buffer;
use crate::dispatch::{Parts, multiversion, ranges, rows_per_task};
use crate::float::Float;
use crate::reduce::{self, row_dot, row_sum};

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
            let dot = row_dot(dx, x, |g, x| g * ((x - mean) * rstd)) / n;
            for (dx, &x) in dx.iter_mut().zip(x) {
                *dx = rstd * (*dx - g_mean - (x - mean) * rstd * dot);
            }
        }
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
