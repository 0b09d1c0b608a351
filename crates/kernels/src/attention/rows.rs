//! What happens to a block of scores between the products, down its columns. A block has `n` rows (keys) of `q` lanes
//! (queries), of which the first `lanes` are worked on, 16 at a time.

use crate::Float;
use crate::dispatch::{exp, multiversion};

/// Lanes that are worked on together.
pub(super) const STRIP: usize = 16;

/// What the softmax knows of each lane from the keys so far: the largest score, the sum of exponentials relative to
/// it, and the factor that the last keys put on what was summed before.
pub(super) struct Running<'a, T> {
    pub(super) max: &'a mut [T],
    pub(super) sum: &'a mut [T],
    pub(super) factor: &'a mut [T],
}

/// The 16 lanes of a row from `at` on.
#[inline(always)]
fn strip<T>(row: &mut [T], at: usize) -> &mut [T; STRIP] {
    (&mut row[at..at + STRIP]).try_into().expect("a strip has its length")
}

/// x scale - shift
#[inline(always)]
fn moved<const FUSED: bool, T: Float>(x: T, scale: T, shift: T) -> T {
    if FUSED { x.mul_add(scale, -shift) } else { x * scale - shift }
}

multiversion! {
    /// Turns scores x into e^(x scale - max), with the largest of all keys so far, and brings the running numbers up
    /// to date. A lane that has seen no key keeps the most negative number as its largest, so that nothing is
    /// infinity minus infinity.
    pub(super) fn soften[T: Float](x: &mut [T], q: usize, lanes: usize, scale: T, running: &mut Running<T>) {
        for at in (0..lanes).step_by(STRIP) {
            let old: [T; STRIP] = *strip(running.max, at);
            let mut max = old;
            for row in x.chunks_exact_mut(q) {
                for (max, &mut x) in max.iter_mut().zip(strip(row, at)) {
                    let x = x * scale;
                    *max = if x > *max { x } else { *max };
                }
            }
            let mut sum: [T; STRIP] = *strip(running.sum, at);
            let factor = strip(running.factor, at);
            for (((factor, &old), &max), sum) in factor.iter_mut().zip(&old).zip(&max).zip(&mut sum) {
                *factor = exp::<FUSED, T>(old - max);
                *sum *= *factor;
            }
            for row in x.chunks_exact_mut(q) {
                for ((x, &max), sum) in strip(row, at).iter_mut().zip(&max).zip(&mut sum) {
                    *x = exp::<FUSED, T>(moved::<FUSED, T>(*x, scale, max));
                    *sum += *x;
                }
            }
            *strip(running.max, at) = max;
            *strip(running.sum, at) = sum;
        }
    }

    /// Turns scores x into probabilities p = e^(x scale - lse), and the gradients g of the probabilities into those of
    /// the products of queries and keys, p (g - dot) back. The two scales differ where x is scaled already.
    pub(super) fn slopes[T: Float](
        x: &mut [T],
        g: &mut [T],
        q: usize,
        lanes: usize,
        scales: [T; 2],
        known: [&mut [T]; 2],
    ) {
        let ([scale, back], [lse, dot]) = (scales, known);
        for at in (0..lanes).step_by(STRIP) {
            let (lse, dot): ([T; STRIP], [T; STRIP]) = (*strip(lse, at), *strip(dot, at));
            for (x, g) in x.chunks_exact_mut(q).zip(g.chunks_exact_mut(q)) {
                let (x, g) = (strip(x, at), strip(g, at));
                for (((x, g), &lse), &dot) in x.iter_mut().zip(g.iter_mut()).zip(&lse).zip(&dot) {
                    let p = exp::<FUSED, T>(moved::<FUSED, T>(*x, scale, lse));
                    *x = p;
                    *g = p * (*g - dot) * back;
                }
            }
        }
    }

    /// x *= factor
    pub(super) fn multiply[T: Float](x: &mut [T], factor: &[T]) {
        for (x, &factor) in x.iter_mut().zip(factor) {
            *x *= factor;
        }
    }

    /// x *= the same factor
    pub(super) fn scale_row[T: Float](x: &mut [T], factor: T) {
        for x in x {
            *x *= factor;
        }
    }

    /// The sum of products.
    pub(super) fn dot[T: Float](a: &[T], b: &[T]) -> T {
        let mut sums = [T::ZERO; STRIP];
        let (whole_a, rest_a) = a.as_chunks::<STRIP>();
        let (whole_b, rest_b) = b.as_chunks::<STRIP>();
        for (a, b) in whole_a.iter().zip(whole_b) {
            for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
                *sum = if FUSED { a.mul_add(b, *sum) } else { a * b + *sum };
            }
        }
        for ((sum, &a), &b) in sums.iter_mut().zip(rest_a).zip(rest_b) {
            *sum += a * b;
        }
        for half in [8, 4, 2, 1] {
            for i in 0..half {
                sums[i] += sums[i + half];
            }
        }
        sums[0]
    }
}
