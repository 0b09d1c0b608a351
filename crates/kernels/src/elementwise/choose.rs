//! Comparison and selection.

use super::{broadcast_length, same_length};
use crate::dispatch::{CHUNK, chunks, multiversion};
use crate::float::Pod;

/// A comparison of two numbers of any type, such as `a < b`; its function is best marked `#[inline(always)]`.
pub trait Compare {
    /// Whether the comparison holds.
    fn compare<T: Pod>(a: T, b: T) -> bool;
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

multiversion! {
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
