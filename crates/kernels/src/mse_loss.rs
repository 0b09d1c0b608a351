//! The squared error of predictions: its sum in one pass, its slope in one pass.

use crate::dispatch::{CHUNK, chunks, multiversion};
use crate::elementwise::{Zip, zip};
use crate::float::Float;
use crate::lane::Lane;
use crate::reduce::{row_dot, sum_blocks};

/// The squared difference of two numbers.
struct SquaredDifference;

impl Zip for SquaredDifference {
    #[inline(always)]
    fn f32(a: Lane<f32>, b: Lane<f32>) -> Lane<f32> {
        (a - b).square()
    }
    #[inline(always)]
    fn f64(a: Lane<f64>, b: Lane<f64>) -> Lane<f64> {
        (a - b).square()
    }
}

/// out\[i\] = (x\[i\] - target\[i\])².
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn squares<T: Float>(x: &[T], target: &[T], out: &mut [T]) {
    check("squares", x.len(), "the target", target.len());
    check("squares", x.len(), "the result", out.len());
    zip::<SquaredDifference, T>(x, target, out);
}

/// The sum of (x\[i\] - target\[i\])², in an order that depends on the length alone.
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn sum<T: Float>(x: &[T], target: &[T]) -> T {
    check("sum of squares", x.len(), "the target", target.len());
    let mut total = [T::ZERO];
    sum_blocks(x.len(), 1, 1, &mut total, &|range, out| {
        sum_part::<T>(&x[range.clone()], &target[range], out);
    });
    total[0]
}

/// out\[i\] = factor dy\[i\] (x\[i\] - target\[i\]); `dy` may have length 1.
///
/// # Panics
/// If a length differs from `x`'s, but for a `dy` of length 1.
#[track_caller]
pub fn slopes<T: Float>(factor: T, dy: &[T], x: &[T], target: &[T], out: &mut [T]) {
    check("slopes of squares", x.len(), "the target", target.len());
    check("slopes of squares", x.len(), "the result", out.len());
    if let [dy] = dy {
        let factor = *dy * factor;
        return chunks(out, CHUNK, &|start, part| {
            let range = start..start + part.len();
            slopes_by_number::<T>(factor, &x[range.clone()], &target[range], part);
        });
    }
    check("slopes of squares", x.len(), "dy", dy.len());
    chunks(out, CHUNK, &|start, part| {
        let range = start..start + part.len();
        slopes_part::<T>(factor, &dy[range.clone()], &x[range.clone()], &target[range], part);
    });
}

multiversion! {
    fn sum_part[T: Float](x: &[T], target: &[T], out: &mut [T]) {
        out[0] = row_dot(x, target, |x, target| {
            let difference = x - target;
            difference * difference
        });
    }

    fn slopes_by_number[T: Float](factor: T, x: &[T], target: &[T], out: &mut [T]) {
        for ((y, &x), &target) in out.iter_mut().zip(x).zip(target) {
            *y = (x - target) * factor;
        }
    }

    fn slopes_part[T: Float](factor: T, dy: &[T], x: &[T], target: &[T], out: &mut [T]) {
        for (((y, &dy), &x), &target) in out.iter_mut().zip(dy).zip(x).zip(target) {
            *y = (x - target) * (dy * factor);
        }
    }
}

#[track_caller]
fn check(op: &str, n: usize, name: &str, len: usize) {
    assert!(n == len, "{op}: x has {n} elements, but {name} has {len}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::tests::with_each_isa;

    fn numbers(n: usize, seed: u64) -> Vec<f64> {
        let mut x = vec![0.0; n];
        crate::random::normal(seed, 0, 0, 0.0, 1.0, &mut x);
        x
    }

    /// Against plain loops in double precision, whose sums of rounded inputs err by less than 1e-15 of the total.
    #[test]
    fn all_agree_with_plain_loops() {
        with_each_isa(|isa| {
            for n in [0, 1, 3, 17, 130, 1500, 9000] {
                let [x, target, dy] = [1, 2, 3].map(|seed| numbers(n, seed));
                let single = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<f32>>();
                let want: f64 = x.iter().zip(&target).map(|(x, t)| (x - t) * (x - t)).sum();
                assert!((sum(&x, &target) - want).abs() <= 1e-13 * want, "{isa:?} {n}");
                let got = f64::from(sum(&single(&x), &single(&target)));
                assert!((got - want).abs() <= 1e-6 * want, "{isa:?} {n}: {got} {want}");
                let mut out = vec![0.0; n];
                squares(&x, &target, &mut out);
                assert!(out.iter().zip(x.iter().zip(&target)).all(|(y, (x, t))| *y == (x - t) * (x - t)));
                slopes(0.5, &[3.0], &x, &target, &mut out);
                assert!(out.iter().zip(x.iter().zip(&target)).all(|(y, (x, t))| *y == (x - t) * 1.5));
                slopes(0.5, &dy, &x, &target, &mut out);
                let each = out.iter().zip(&dy).zip(x.iter().zip(&target));
                assert!(each.map(|((y, dy), (x, t))| (y, (x - t) * (dy * 0.5))).all(|(y, want)| *y == want));
            }
        });
    }

    /// Longer than one block of the sum, on one thread and on two.
    #[test]
    fn long_sums_are_exact_enough_and_do_not_depend_on_threads() {
        let (x, target) = (numbers(200_001, 4), numbers(200_001, 5));
        let want: f64 = x.iter().zip(&target).map(|(x, t)| (x - t) * (x - t)).sum();
        let got = sum(&x, &target);
        assert!((got - want).abs() <= 1e-12 * want, "{got} {want}");
        let before = crate::threads::threads();
        crate::threads::set_threads(1);
        let alone = sum(&x, &target);
        crate::threads::set_threads(before);
        assert_eq!(alone, got);
    }

    #[test]
    #[should_panic(expected = "sum of squares: x has 2 elements, but the target has 3")]
    fn other_lengths_are_refused() {
        sum(&[1.0f32, 2.0], &[1.0, 2.0, 3.0]);
    }
}
