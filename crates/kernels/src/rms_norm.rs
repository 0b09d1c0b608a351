//! Root-mean-square normalisation of rows (Zhang and Sennrich, "Root mean square layer normalization", 2019), with its
//! gradient: y = x' weight with x' = x / sqrt(mean(x^2) + eps).

use crate::dispatch::{Parts, multiversion, ranges, rows_per_task};
use crate::reduce::{self, row_dot, row_sum};
use crate::{Buffer, Float};

/// A root-mean-square normalisation: rows of `n` numbers, each normalised by itself.
#[derive(Clone, Copy, Debug)]
pub struct RmsNorm<'a, T> {
    /// The length of a row.
    pub n: usize,
    /// A factor for each position of a row; 1 if absent.
    pub weight: Option<&'a [T]>,
    /// Added to the mean of squares.
    pub eps: T,
}

/// Normalises each row of `x` into `y`, and leaves 1 / sqrt(mean(x^2) + eps) of each row for the gradient.
///
/// # Panics
/// If a length does not fit: `x` and `y` whole rows, `rrms` one number per row, the weight one per position.
#[track_caller]
pub fn rms_norm<T: Float>(s: &RmsNorm<T>, x: &[T], y: &mut [T], rrms: &mut [T]) {
    let rows = s.rows("rms_norm", &[x.len(), y.len()], rrms.len());
    let (y, rrms) = (Parts::new(y), Parts::new(rrms));
    ranges(rows, rows_per_task(s.n), &|rows| {
        let flat = rows.start * s.n..rows.end * s.n;
        // SAFETY: the ranges are disjoint.
        let (y, rrms) = unsafe { (y.part(flat.clone()), rrms.part(rows)) };
        rms_norm_rows::<T>(s, &x[flat], y, rrms);
    });
}

/// The gradients of [`rms_norm`]: with g = dy weight, dx = rrms (g - x' mean(g x')) row by row, and
/// dweight = sum of dy x' over the rows.
///
/// # Panics
/// If a length does not fit, as in [`rms_norm`].
#[track_caller]
pub fn rms_norm_grad<T: Float>(
    s: &RmsNorm<T>,
    x: &[T],
    rrms: &[T],
    dy: &[T],
    dx: &mut [T],
    dweight: &mut [T],
) {
    let rows = s.rows("rms_norm_grad", &[x.len(), dy.len(), dx.len()], rrms.len());
    assert!(dweight.len() == s.n, "rms_norm_grad: {} factors for rows of {}", dweight.len(), s.n);
    let per_task = rows_per_task(s.n);
    let tasks = rows.div_ceil(per_task);
    // Each task leaves its own sums for the weight; they are added in order at the end.
    let mut sums = Buffer::zeroed(tasks * s.n * size_of::<T>());
    let sums = sums.as_mut_slice::<T>();
    let (dx, parts) = (Parts::new(dx), Parts::new(sums));
    ranges(rows, per_task, &|rows| {
        let task = rows.start / per_task;
        let flat = rows.start * s.n..rows.end * s.n;
        // SAFETY: the ranges are disjoint.
        let (dx, sums) = unsafe { (dx.part(flat.clone()), parts.part(task * s.n..(task + 1) * s.n)) };
        rms_norm_grad_rows::<T>(s, &x[flat.clone()], &rrms[rows], &dy[flat], dx, sums);
    });
    reduce::sum(sums, 1, tasks, s.n, dweight);
}

multiversion! {
    fn rms_norm_rows[T: Float](s: &RmsNorm<T>, x: &[T], y: &mut [T], rrms: &mut [T]) {
        let n = T::from_f64(s.n as f64);
        for ((x, y), rrms) in x.chunks_exact(s.n).zip(y.chunks_exact_mut(s.n)).zip(rrms) {
            let r = T::ONE / (row_sum(x, |x| x * x) / n + s.eps).sqrt();
            *rrms = r;
            match s.weight {
                Some(weight) => {
                    for ((y, &x), &weight) in y.iter_mut().zip(x).zip(weight) {
                        *y = x * r * weight;
                    }
                }
                None => {
                    for (y, &x) in y.iter_mut().zip(x) {
                        *y = x * r;
                    }
                }
            }
        }
    }

    fn rms_norm_grad_rows[T: Float](
        s: &RmsNorm<T>,
        x: &[T],
        rrms: &[T],
        dy: &[T],
        dx: &mut [T],
        sums: &mut [T],
    ) {
        let n = T::from_f64(s.n as f64);
        let rows = x.chunks_exact(s.n).zip(dy.chunks_exact(s.n)).zip(dx.chunks_exact_mut(s.n)).zip(rrms);
        for (((x, dy), dx), &r) in rows {
            for ((sum, &x), &dy) in sums.iter_mut().zip(x).zip(dy) {
                *sum += dy * (x * r);
            }
            match s.weight {
                Some(weight) => {
                    for ((dx, &dy), &weight) in dx.iter_mut().zip(dy).zip(weight) {
                        *dx = dy * weight;
                    }
                }
                None => dx.copy_from_slice(dy),
            }
            let dot = row_dot(dx, x, |g, x| g * (x * r)) / n;
            for (dx, &x) in dx.iter_mut().zip(x) {
                *dx = r * (*dx - x * r * dot);
            }
        }
    }
}

impl<T: Float> RmsNorm<'_, T> {
    /// Checks all lengths and tells the number of rows.
    #[track_caller]
    fn rows(&self, op: &str, flat: &[usize], per_row: usize) -> usize {
        assert!(self.n > 0, "{op}: rows of length 0 have no mean");
        if let Some(weight) = self.weight {
            assert!(weight.len() == self.n, "{op}: {} factors for rows of {}", weight.len(), self.n);
        }
        let rows = flat[0] / self.n;
        assert!(
            flat.iter().all(|&len| len == rows * self.n) && per_row == rows,
            "{op}: lengths {flat:?} with {per_row} numbers for rows are not whole rows of {}",
            self.n
        );
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::{RmsNorm, rms_norm, rms_norm_grad};
    use crate::dispatch::tests::with_each_isa;
    use crate::{Float, random};

    /// Rows against the definition in double precision, and the gradients against its derivative by hand.
    fn check<T: Float>(rows: usize, n: usize, weighted: bool, limit: f64) {
        let draw = |seed, len| {
            let mut x = vec![0.0f64; len];
            random::uniform(seed, 0, 0, -2.0, 2.0, &mut x);
            x.iter().map(|&x| f64::from(x as f32)).collect::<Vec<f64>>()
        };
        let (x, dy, w) = (draw(1, rows * n), draw(2, rows * n), draw(3, n));
        let eps = f64::from(1e-3f32);
        let [tx, tdy, tw] = [&x, &dy, &w].map(|x| x.iter().map(|&x| T::from_f64(x)).collect::<Vec<T>>());
        let s = RmsNorm { n, weight: weighted.then_some(&tw[..]), eps: T::from_f64(eps) };
        let (mut y, mut r, mut dx, mut dw) =
            (vec![T::NAN; rows * n], vec![T::NAN; rows], vec![T::NAN; rows * n], vec![T::NAN; n]);
        rms_norm(&s, &tx, &mut y, &mut r);
        rms_norm_grad(&s, &tx, &r, &tdy, &mut dx, &mut dw);
        let mut want_dw = vec![0.0; n];
        let close = |got: T, want: f64| {
            assert!((got.to_f64() - want).abs() < limit * want.abs().max(1.0), "{got} {want}")
        };
        for row in 0..rows {
            let at = row * n..(row + 1) * n;
            let (x, dy) = (&x[at.clone()], &dy[at.clone()]);
            let root = (x.iter().map(|x| x * x).sum::<f64>() / n as f64 + eps).sqrt();
            let w = |i: usize| if weighted { w[i] } else { 1.0 };
            let dot: f64 = (0..n).map(|i| dy[i] * w(i) * x[i]).sum();
            for i in 0..n {
                close(y[row * n + i], x[i] / root * w(i));
                close(dx[row * n + i], dy[i] * w(i) / root - x[i] * dot / (n as f64 * root.powi(3)));
                want_dw[i] += dy[i] * x[i] / root;
            }
        }
        dw.iter().zip(&want_dw).for_each(|(&got, &want)| close(got, want));
    }

    #[test]
    fn rows_are_normalised() {
        with_each_isa(|_| {
            for (rows, n) in [(1, 1), (3, 7), (5, 16), (2, 384), (0, 4), (40, 33)] {
                for weighted in [false, true] {
                    // Sums of up to 384 terms of size 1.
                    check::<f32>(rows, n, weighted, 2e-5);
                    check::<f64>(rows, n, weighted, 1e-12);
                }
            }
        });
    }

    #[test]
    #[should_panic(expected = "rms_norm: lengths [5, 6] with 2 numbers for rows are not whole rows of 3")]
    fn broken_rows_are_refused() {
        rms_norm(&RmsNorm { n: 3, weight: None, eps: 0.0 }, &[0.0f32; 5], &mut [0.0; 6], &mut [0.0; 2]);
    }
}
