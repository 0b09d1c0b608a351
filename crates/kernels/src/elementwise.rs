//! Element by element: formulas over one or two slices, comparison, selection, conversion.
//!
//! A formula is a zero-sized type that implements [`Map`] or [`Zip`] by a scalar function over
//! [`Lane`]; the loops here compile it for every instruction set.
//!
//! ```
//! use talweg_kernels::elementwise::{Map, map};
//! use talweg_kernels::lane::Lane;
//!
//! struct Relu;
//! impl Map for Relu {
//!     #[inline(always)]
//!     fn f32(x: Lane<f32>) -> Lane<f32> {
//!         x.max(0.0)
//!     }
//!     #[inline(always)]
//!     fn f64(x: Lane<f64>) -> Lane<f64> {
//!         x.max(0.0)
//!     }
//! }
//! let mut y = [0.0f32; 3];
//! map::<Relu, f32>(&[-1.0, 0.0, 2.0], &mut y);
//! assert_eq!(y, [0.0, 0.0, 2.0]);
//! ```

mod choose;
mod convert;

use std::marker::PhantomData;

use crate::dispatch::{CHUNK, apply, apply2, chunks, multiversion, rows_per_task};
use crate::float::Float;
use crate::lane::Lane;

pub use choose::{Compare, compare, select};
pub use convert::{Convert, cast, to_bool};

/// A formula of one number, y = f(x).
///
/// Both functions must be marked `#[inline(always)]`: a formula that is called instead of inlined is compiled for the
/// plainest instruction set and may be a hundred times slower.
pub trait Map {
    /// The formula in single precision.
    fn f32(x: Lane<f32>) -> Lane<f32>;
    /// The formula in double precision.
    fn f64(x: Lane<f64>) -> Lane<f64>;
}

/// A formula of two numbers, y = f(a, b). Both functions must be marked `#[inline(always)]`, as in [`Map`].
pub trait Zip {
    /// The formula in single precision.
    fn f32(a: Lane<f32>, b: Lane<f32>) -> Lane<f32>;
    /// The formula in double precision.
    fn f64(a: Lane<f64>, b: Lane<f64>) -> Lane<f64>;
}

/// out\[i\] = f(x\[i\]).
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn map<F: Map, T: Float>(x: &[T], out: &mut [T]) {
    same_length("map", x.len(), out.len());
    chunks(out, CHUNK, &|start, part| map_part::<F, T>(&x[start..start + part.len()], part));
}

/// x\[i\] = f(x\[i\]).
pub fn map_in_place<F: Map, T: Float>(x: &mut [T]) {
    chunks(x, CHUNK, &|_, part| map_part_in_place::<F, T>(part));
}

/// out\[i\] = f(a\[i\], b\[i\]), where `a` or `b` may have length 1 and then stands for every position.
///
/// # Panics
/// If a length is neither `out`'s nor 1.
#[track_caller]
pub fn zip<F: Zip, T: Float>(a: &[T], b: &[T], out: &mut [T]) {
    broadcast_length("zip", "a", a.len(), out.len());
    broadcast_length("zip", "b", b.len(), out.len());
    let n = out.len();
    chunks(out, CHUNK, &|start, part| {
        let range = start..start + part.len();
        if b.len() == n && a.len() == n {
            zip_part::<F, T>(&a[range.clone()], &b[range], part);
        } else if a.len() == n {
            zip_part_right::<F, T>(&a[range], b[0], part);
        } else if b.len() == n {
            zip_part_left::<F, T>(a[0], &b[range], part);
        } else {
            zip_part_scalars::<F, T>(a[0], b[0], part);
        }
    });
}

/// a\[i\] = f(a\[i\], b\[i\]), where `b` may have length 1.
///
/// # Panics
/// If the length of `b` is neither `a`'s nor 1.
#[track_caller]
pub fn zip_in_place<F: Zip, T: Float>(a: &mut [T], b: &[T]) {
    broadcast_length("zip_in_place", "b", b.len(), a.len());
    let n = a.len();
    chunks(a, CHUNK, &|start, part| {
        if b.len() == n {
            let range = start..start + part.len();
            zip_part_in_place::<F, T>(part, &b[range]);
        } else {
            zip_part_in_place_right::<F, T>(part, b[0]);
        }
    });
}

/// b\[i\] = f(a\[i\], b\[i\]), where `a` may have length 1: [`zip_in_place`] into the second argument.
///
/// # Panics
/// If the length of `a` is neither `b`'s nor 1.
#[track_caller]
pub fn zip_into_second<F: Zip, T: Float>(a: &[T], b: &mut [T]) {
    zip_in_place::<Swap<F>, T>(b, a);
}

/// f with its arguments exchanged.
struct Swap<F>(PhantomData<F>);

impl<F: Zip> Zip for Swap<F> {
    #[inline(always)]
    fn f32(a: Lane<f32>, b: Lane<f32>) -> Lane<f32> {
        F::f32(b, a)
    }
    #[inline(always)]
    fn f64(a: Lane<f64>, b: Lane<f64>) -> Lane<f64> {
        F::f64(b, a)
    }
}

/// out\[i, j\] = f(a\[i, j\], row\[j\]): a bias, say.
///
/// # Panics
/// If `a` and `out` differ in length or that is no multiple of the row's.
#[track_caller]
pub fn zip_rows<F: Zip, T: Float>(a: &[T], row: &[T], out: &mut [T]) {
    zip_channels::<F, T>(a, row, 1, out);
}

/// out\[o, c, i\] = f(a\[o, c, i\], channel\[c\]) with i below `inner`: a bias per channel of images, or with one
/// outer row a factor per row.
///
/// # Panics
/// If `a` and `out` differ in length or that is no multiple of `channel.len() * inner`.
#[track_caller]
pub fn zip_channels<F: Zip, T: Float>(a: &[T], channel: &[T], inner: usize, out: &mut [T]) {
    same_length("zip_channels", a.len(), out.len());
    let Some(block) = block_length("zip_channels", channel.len(), inner, out.len()) else { return };
    if inner == 1 {
        return chunks(out, rows_per_task(block) * block, &|start, part| {
            zip_rows_part::<F, T>(&a[start..start + part.len()], channel, part);
        });
    }
    chunks(out, rows_per_task(inner) * inner, &|start, part| {
        for (i, y) in part.chunks_exact_mut(inner).enumerate() {
            let at = start + i * inner;
            zip_part_right::<F, T>(&a[at..at + inner], channel[at / inner % channel.len()], y);
        }
    });
}

/// out\[i\] = x\[i\] * scale + shift.
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn affine<T: Float>(x: &[T], scale: T, shift: T, out: &mut [T]) {
    same_length("affine", x.len(), out.len());
    chunks(out, CHUNK, &|start, part| affine_part::<T>(&x[start..start + part.len()], scale, shift, part));
}

/// x\[i\] = x\[i\] * scale + shift.
pub fn affine_in_place<T: Float>(x: &mut [T], scale: T, shift: T) {
    chunks(x, CHUNK, &|_, part| affine_part_in_place::<T>(part, scale, shift));
}

/// y\[i\] += alpha * x\[i\]: accumulating gradients, say.
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn axpy<T: Float>(alpha: T, x: &[T], y: &mut [T]) {
    same_length("axpy", x.len(), y.len());
    chunks(y, CHUNK, &|start, part| axpy_part::<T>(alpha, &x[start..start + part.len()], part));
}

/// -0, which changes no number that it is added to; but the compiler cannot know.
///
/// A loop in place whose formula may give its argument back, as a maximum does, would otherwise be compiled to writes
/// under a mask, which some processors carry out six times as slowly as plain ones.
#[inline(always)]
fn unknown_zero<T: Float>() -> T {
    std::hint::black_box(-T::ZERO)
}

multiversion! {
    fn map_part[F: Map, T: Float](x: &[T], out: &mut [T]) {
        for (y, &x) in out.iter_mut().zip(x) {
            *y = apply::<FUSED, F, T>(x);
        }
    }

    fn map_part_in_place[F: Map, T: Float](x: &mut [T]) {
        let zero = unknown_zero::<T>();
        for x in x {
            *x = apply::<FUSED, F, T>(*x + zero);
        }
    }

    fn zip_part[F: Zip, T: Float](a: &[T], b: &[T], out: &mut [T]) {
        for ((y, &a), &b) in out.iter_mut().zip(a).zip(b) {
            *y = apply2::<FUSED, F, T>(a, b);
        }
    }

    fn zip_part_right[F: Zip, T: Float](a: &[T], b: T, out: &mut [T]) {
        for (y, &a) in out.iter_mut().zip(a) {
            *y = apply2::<FUSED, F, T>(a, b);
        }
    }

    fn zip_part_left[F: Zip, T: Float](a: T, b: &[T], out: &mut [T]) {
        for (y, &b) in out.iter_mut().zip(b) {
            *y = apply2::<FUSED, F, T>(a, b);
        }
    }

    fn zip_part_scalars[F: Zip, T: Float](a: T, b: T, out: &mut [T]) {
        out.fill(apply2::<FUSED, F, T>(a, b));
    }

    fn zip_part_in_place[F: Zip, T: Float](a: &mut [T], b: &[T]) {
        let zero = unknown_zero::<T>();
        for (a, &b) in a.iter_mut().zip(b) {
            *a = apply2::<FUSED, F, T>(*a + zero, b);
        }
    }

    fn zip_part_in_place_right[F: Zip, T: Float](a: &mut [T], b: T) {
        let zero = unknown_zero::<T>();
        for a in a {
            *a = apply2::<FUSED, F, T>(*a + zero, b);
        }
    }

    fn zip_rows_part[F: Zip, T: Float](a: &[T], row: &[T], out: &mut [T]) {
        for (a, out) in a.chunks_exact(row.len()).zip(out.chunks_exact_mut(row.len())) {
            for ((y, &a), &b) in out.iter_mut().zip(a).zip(row) {
                *y = apply2::<FUSED, F, T>(a, b);
            }
        }
    }

    fn affine_part[T: Float](x: &[T], scale: T, shift: T, out: &mut [T]) {
        for (y, &x) in out.iter_mut().zip(x) {
            *y = x * scale + shift;
        }
    }

    fn affine_part_in_place[T: Float](x: &mut [T], scale: T, shift: T) {
        for x in x {
            *x = *x * scale + shift;
        }
    }

    fn axpy_part[T: Float](alpha: T, x: &[T], y: &mut [T]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y += alpha * x;
        }
    }
}

/// The number of elements in one block of all channels; `None` when there is nothing to do.
#[track_caller]
fn block_length(op: &str, channels: usize, inner: usize, len: usize) -> Option<usize> {
    let block = channels * inner;
    let fits = if block == 0 { len == 0 } else { len.is_multiple_of(block) };
    assert!(fits, "{op}: {len} elements cannot be cut into blocks of {channels} x {inner}");
    (len > 0).then_some(block)
}

#[track_caller]
fn same_length(op: &str, a: usize, b: usize) {
    assert!(a == b, "{op}: lengths differ, {a} and {b}");
}

#[track_caller]
fn broadcast_length(op: &str, name: &str, len: usize, out: usize) {
    assert!(len == out || len == 1, "{op}: {name} has length {len}, but the result has length {out}");
}

#[cfg(test)]
mod tests;
