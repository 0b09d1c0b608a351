//! The loops of batch normalisation, each over a run or a piece of a row.

use crate::dispatch::multiversion;
use crate::float::Float;
use crate::reduce::{row_dot, row_sum};

/// Numbers that stand beside the elements of a loop: the same one for all, or one for each.
pub(super) trait Beside<T>: Copy {
    fn at(self, i: usize) -> T;
    fn cut(self, n: usize) -> Self;
}

/// One number for all.
#[derive(Clone, Copy)]
pub(super) struct All<T>(pub(super) T);

impl<T: Copy> Beside<T> for All<T> {
    #[inline(always)]
    fn at(self, _: usize) -> T {
        self.0
    }
    #[inline(always)]
    fn cut(self, _: usize) -> Self {
        self
    }
}

impl<T: Copy> Beside<T> for &[T] {
    #[inline(always)]
    fn at(self, i: usize) -> T {
        self[i]
    }
    #[inline(always)]
    fn cut(self, n: usize) -> Self {
        &self[..n]
    }
}

// Each loop is a function of its own, because arguments are known not to overlap, while parts of arguments are not.
multiversion! {
    /// y = (x - mean) * scale + shift, with shortcut and rectifier.
    pub(super) fn normalise_part[T: Float, B: Beside<T>](relu: bool, x: &[T], shortcut: Option<&[T]>, sides: [B; 3], y: &mut [T]) {
        let n = y.len();
        let x = &x[..n];
        let [mean, scale, shift] = sides.map(|side| side.cut(n));
        let positive = |y: T| if (y > T::ZERO) | y.is_nan() { y } else { T::ZERO };
        match (shortcut, relu) {
            (None, false) => {
                for i in 0..n {
                    y[i] = (x[i] - mean.at(i)) * scale.at(i) + shift.at(i);
                }
            }
            (None, true) => {
                for i in 0..n {
                    y[i] = positive((x[i] - mean.at(i)) * scale.at(i) + shift.at(i));
                }
            }
            (Some(other), false) => {
                let other = &other[..n];
                for i in 0..n {
                    y[i] = (x[i] - mean.at(i)) * scale.at(i) + shift.at(i) + other[i];
                }
            }
            (Some(other), true) => {
                let other = &other[..n];
                for i in 0..n {
                    y[i] = positive((x[i] - mean.at(i)) * scale.at(i) + shift.at(i) + other[i]);
                }
            }
        }
    }

    /// dx = scale * (g - middle - (x - mean) * slope).
    pub(super) fn gradient_part[T: Float, B: Beside<T>](x: &[T], g: &[T], sides: [B; 4], dx: &mut [T]) {
        let n = dx.len();
        let (x, g) = (&x[..n], &g[..n]);
        let [mean, scale, middle, slope] = sides.map(|side| side.cut(n));
        for i in 0..n {
            dx[i] = scale.at(i) * (g[i] - middle.at(i) - (x[i] - mean.at(i)) * slope.at(i));
        }
    }

    /// The gradient behind the rectifier where its argument, without a shortcut, is computed again.
    pub(super) fn pass_part[T: Float, B: Beside<T>](x: &[T], dy: &[T], sides: [B; 3], g: &mut [T]) {
        let n = g.len();
        let (x, dy) = (&x[..n], &dy[..n]);
        let [mean, scale, shift] = sides.map(|side| side.cut(n));
        for i in 0..n {
            let open = (x[i] - mean.at(i)) * scale.at(i) + shift.at(i) > T::ZERO;
            g[i] = if open { dy[i] } else { T::ZERO };
        }
    }

    /// The gradient behind the rectifier that gave y.
    pub(super) fn pass_positive[T: Float](y: &[T], dy: &[T], g: &mut [T]) {
        for ((g, &dy), &y) in g.iter_mut().zip(dy).zip(y) {
            *g = if y > T::ZERO { dy } else { T::ZERO };
        }
    }

    /// Mean and sum of squared differences of a run, which stays in the first cache between the two.
    pub(super) fn run_moments[T: Float](run: &[T]) -> [f64; 2] {
        let k = run[0];
        let mean = k.to_f64() + row_sum(run, #[inline(always)] |x| x - k).to_f64() / run.len() as f64;
        let m = T::from_f64(mean);
        [mean, row_sum(run, #[inline(always)] |x| (x - m) * (x - m)).to_f64()]
    }

    /// The sums of g * (x - mean) and of g over a run.
    pub(super) fn run_dots[T: Float](g: &[T], x: &[T], mean: T) -> [f64; 2] {
        let dot = row_dot(g, x, #[inline(always)] |g, x| g * (x - mean));
        [dot.to_f64(), row_sum(g, |g| g).to_f64()]
    }

    /// sums += x - near, for rows of x that begin `step` apart.
    pub(super) fn add_differences[T: Float](sums: &mut [T], x: &[T], step: usize, near: &[T]) {
        for x in x.chunks(step) {
            for ((sum, &x), &k) in sums.iter_mut().zip(x).zip(near) {
                *sum += x - k;
            }
        }
    }

    /// sums += (x - mean)^2, for rows of x that begin `step` apart.
    pub(super) fn add_squares[T: Float](sums: &mut [T], x: &[T], step: usize, mean: &[T]) {
        for x in x.chunks(step) {
            for ((sum, &x), &mean) in sums.iter_mut().zip(x).zip(mean) {
                *sum += (x - mean) * (x - mean);
            }
        }
    }

    /// dots += g * (x - mean), sums += g.
    pub(super) fn add_dots[T: Float](dots: &mut [T], sums: &mut [T], g: &[T], x: &[T], mean: &[T]) {
        for ((((dot, sum), &g), &x), &mean) in dots.iter_mut().zip(sums).zip(g).zip(x).zip(mean) {
            *dot += g * (x - mean);
            *sum += g;
        }
    }

    /// The sum of each run of a row.
    pub(super) fn fold_runs[T: Float](row: &[T], inner: usize, out: &mut [f64]) {
        for (out, run) in out.iter_mut().zip(row.chunks_exact(inner)) {
            *out = row_sum(run, |x| x).to_f64();
        }
    }
}
