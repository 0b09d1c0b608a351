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

use std::marker::PhantomData;

use crate::dispatch::{CHUNK, apply, apply2, chunks, multiversion, rows_per_task};
use crate::float::{Float, Pod};
use crate::lane::Lane;

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

/// A comparison of two numbers of any type, such as `a < b`; its function is best marked `#[inline(always)]`.
pub trait Compare {
    /// Whether the comparison holds.
    fn compare<T: Pod>(a: T, b: T) -> bool;
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

/// out\[i\] = whether the comparison holds for a\[i\] and b\[i\], as 0 or 1; `a` or `b` may have length 1.
///
/// # Panics
/// If a length is neither `out`'s nor 1.
#[track_caller]
pub fn compare<C: Compare, T: Pod>(a: &[T], b: &[T], out: &mut [u8]) {
    broadcast_length("compare", "a", a.len(), out.len());
    broadcast_length("compare", "b", b.len(), out.len());
    let n = out.len();
    chunks(out, CHUNK, &|start, part| {
        let range = start..start + part.len();
        let a = if a.len() == n { &a[range.clone()] } else { a };
        let b = if b.len() == n { &b[range] } else { b };
        compare_part::<C, T>(a, b, part);
    });
}

/// out\[i\] = a\[i\] where cond\[i\] is not 0, else b\[i\]; `a` or `b` may have length 1.
///
/// # Panics
/// If `cond` and `out` differ in length, or the length of `a` or `b` is neither theirs nor 1.
#[track_caller]
pub fn select<T: Pod>(cond: &[u8], a: &[T], b: &[T], out: &mut [T]) {
    same_length("select", cond.len(), out.len());
    broadcast_length("select", "a", a.len(), out.len());
    broadcast_length("select", "b", b.len(), out.len());
    let n = out.len();
    chunks(out, CHUNK, &|start, part| {
        let range = start..start + part.len();
        let a = if a.len() == n { &a[range.clone()] } else { a };
        let b = if b.len() == n { &b[range.clone()] } else { b };
        select_part::<T>(&cond[range], a, b, part);
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

/// A numeric conversion with the meaning of Rust's `as`: to the nearest value between floating-point types,
/// truncating and saturating from those to integers (NaN becomes 0), wrapping between integers.
pub trait Convert<B>: Pod {
    /// The number as type `B`.
    fn convert(self) -> B;
}

macro_rules! conversions {
    ($($a:ident)*) => { $( conversions!(@ $a: f32 f64 i64 i32 u32 u16 u8); )* };
    (@ $a:ident: $($b:ident)*) => { $(
        impl Convert<$b> for $a {
            #[inline(always)]
            fn convert(self) -> $b {
                self as $b
            }
        }
    )* };
}
conversions!(f32 f64 i64 i32 u32 u16 u8);

/// out\[i\] = x\[i\] converted ([`Convert`]).
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn cast<A: Convert<B>, B: Pod>(x: &[A], out: &mut [B]) {
    same_length("cast", x.len(), out.len());
    chunks(out, CHUNK, &|start, part| cast_part::<A, B>(&x[start..start + part.len()], part));
}

/// out\[i\] = 0 where x\[i\] is zero, else 1 (so 1 at NaN, as PyTorch's `bool`).
///
/// # Panics
/// If the lengths differ.
#[track_caller]
pub fn to_bool<A: Pod>(x: &[A], out: &mut [u8]) {
    same_length("to_bool", x.len(), out.len());
    chunks(out, CHUNK, &|start, part| to_bool_part::<A>(&x[start..start + part.len()], part));
}

multiversion! {
    fn map_part[F: Map, T: Float](x: &[T], out: &mut [T]) {
        for (y, &x) in out.iter_mut().zip(x) {
            *y = apply::<FUSED, F, T>(x);
        }
    }

    fn map_part_in_place[F: Map, T: Float](x: &mut [T]) {
        for x in x {
            *x = apply::<FUSED, F, T>(*x);
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
        for (a, &b) in a.iter_mut().zip(b) {
            *a = apply2::<FUSED, F, T>(*a, b);
        }
    }

    fn zip_part_in_place_right[F: Zip, T: Float](a: &mut [T], b: T) {
        for a in a {
            *a = apply2::<FUSED, F, T>(*a, b);
        }
    }

    fn zip_rows_part[F: Zip, T: Float](a: &[T], row: &[T], out: &mut [T]) {
        for (a, out) in a.chunks_exact(row.len()).zip(out.chunks_exact_mut(row.len())) {
            for ((y, &a), &b) in out.iter_mut().zip(a).zip(row) {
                *y = apply2::<FUSED, F, T>(a, b);
            }
        }
    }

    fn compare_part[C: Compare, T: Pod](a: &[T], b: &[T], out: &mut [u8]) {
        match (a, b) {
            _ if a.len() == b.len() => {
                for ((y, &a), &b) in out.iter_mut().zip(a).zip(b) {
                    *y = u8::from(C::compare(a, b));
                }
            }
            (_, &[b]) => {
                for (y, &a) in out.iter_mut().zip(a) {
                    *y = u8::from(C::compare(a, b));
                }
            }
            _ => {
                for (y, &b) in out.iter_mut().zip(b) {
                    *y = u8::from(C::compare(a[0], b));
                }
            }
        }
    }

    fn select_bits[B: Bits](cond: &[u8], a: &[B], b: &[B], out: &mut [B]) {
        let n = out.len();
        if a.len() == n && b.len() == n {
            for (((y, &cond), &a), &b) in out.iter_mut().zip(cond).zip(a).zip(b) {
                *y = B::pick(cond, a, b);
            }
        } else if a.len() == n {
            let b = b[0];
            for ((y, &cond), &a) in out.iter_mut().zip(cond).zip(a) {
                *y = B::pick(cond, a, b);
            }
        } else if b.len() == n {
            let a = a[0];
            for ((y, &cond), &b) in out.iter_mut().zip(cond).zip(b) {
                *y = B::pick(cond, a, b);
            }
        } else {
            let (a, b) = (a[0], b[0]);
            for (y, &cond) in out.iter_mut().zip(cond) {
                *y = B::pick(cond, a, b);
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

    fn cast_part[A: Convert<B>, B: Pod](x: &[A], out: &mut [B]) {
        for (y, &x) in out.iter_mut().zip(x) {
            *y = x.convert();
        }
    }

    fn to_bool_part[A: Pod](x: &[A], out: &mut [u8]) {
        for (y, &x) in out.iter_mut().zip(x) {
            *y = u8::from(x != A::default());
        }
    }

    fn axpy_part[T: Float](alpha: T, x: &[T], y: &mut [T]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y += alpha * x;
        }
    }
}

/// An unsigned integer that stands for a number of its size in [`select`].
trait Bits: Copy {
    /// `a` where `cond` is not 0, else `b`: by masks, because a choice between two loads is compiled to branches.
    fn pick(cond: u8, a: Self, b: Self) -> Self;
}

macro_rules! bits {
    ($($t:ty)*) => { $(
        impl Bits for $t {
            #[inline(always)]
            fn pick(cond: u8, a: Self, b: Self) -> Self {
                let mask = <$t>::from(cond != 0).wrapping_neg();
                (a & mask) | (b & !mask)
            }
        }
    )* };
}
bits!(u8 u16 u32 u64);

fn select_part<T: Pod>(cond: &[u8], a: &[T], b: &[T], out: &mut [T]) {
    match size_of::<T>() {
        1 => select_bits::<u8>(cond, as_bits(a), as_bits(b), as_bits_mut(out)),
        2 => select_bits::<u16>(cond, as_bits(a), as_bits(b), as_bits_mut(out)),
        4 => select_bits::<u32>(cond, as_bits(a), as_bits(b), as_bits_mut(out)),
        _ => select_bits::<u64>(cond, as_bits(a), as_bits(b), as_bits_mut(out)),
    }
}

fn as_bits<T: Pod, B: Bits>(x: &[T]) -> &[B] {
    assert!(size_of::<T>() == size_of::<B>() && align_of::<T>() == align_of::<B>());
    // SAFETY: size and alignment agree, and every bit pattern is valid for both.
    unsafe { std::slice::from_raw_parts(x.as_ptr().cast(), x.len()) }
}

fn as_bits_mut<T: Pod, B: Bits>(x: &mut [T]) -> &mut [B] {
    assert!(size_of::<T>() == size_of::<B>() && align_of::<T>() == align_of::<B>());
    // SAFETY: size and alignment agree, and every bit pattern is valid for both.
    unsafe { std::slice::from_raw_parts_mut(x.as_mut_ptr().cast(), x.len()) }
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
