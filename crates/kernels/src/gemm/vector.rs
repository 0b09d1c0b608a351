//! The vectors that products are written with, one type per width and item.
//!
//! # Safety
//! Functions here may only run on a processor that has the instructions of the type, with pointers that are valid for
//! what they read or write.

use crate::Float;

/// A few numbers side by side in a register.
///
/// All functions are `unsafe` because they may only run on a processor that has the instructions of the implementing
/// type, and must be inlined into a function compiled for them; the pointers must be valid for what they read or
/// write (no alignment needed).
pub(crate) trait Vector: Copy {
    type Item: Float;
    const LANES: usize;

    unsafe fn zero() -> Self;
    /// `*p` in every lane.
    unsafe fn splat(p: *const Self::Item) -> Self;
    unsafe fn load(p: *const Self::Item) -> Self;
    /// The first `n` lanes, for n < LANES; the others are zero and their memory is not touched.
    unsafe fn load_first(p: *const Self::Item, n: usize) -> Self;
    unsafe fn store(self, p: *mut Self::Item);
    /// Writes the first `n` lanes only, for n < LANES.
    unsafe fn store_first(self, p: *mut Self::Item, n: usize);
    /// `self * b + c`
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;
    unsafe fn add(self, b: Self) -> Self;
    unsafe fn sub(self, b: Self) -> Self;
    unsafe fn mul(self, b: Self) -> Self;
    /// `max(self, 0)` where NaN stays NaN.
    unsafe fn relu(self) -> Self;
    /// Reads LANES items from each of the first `rows` (at most LANES) rows at distance `stride` and writes their
    /// columns to `to`, `to + step`, ..: full vectors in this order, missing rows as zeros.
    unsafe fn transpose(
        from: *const Self::Item,
        stride: usize,
        rows: usize,
        to: *mut Self::Item,
        step: usize,
    );
}

/// Vectors of `f32` whose lanes may also be words: pairs of `f32` numbers rounded to 16 bits, the first one in the lower half.
///
/// Safety as for [`Vector`].
#[cfg(any(target_arch = "x86_64", test))]
pub(super) trait Pairs: Vector<Item = f32> {
    /// Word i holds `low[i]` and `high[i]`.
    unsafe fn pair(low: Self, high: Self) -> Self;
    /// The words of `first`'s and then `second`'s items: word i holds items 2 i and 2 i + 1.
    unsafe fn pair_neighbours(first: Self, second: Self) -> Self;
    /// `c` plus both products of every word.
    unsafe fn dot(self, b: Self, c: Self) -> Self;
}

/// The first `n` lanes, for any n.
///
/// # Safety
/// As for [`Vector`].
#[inline(always)]
pub(super) unsafe fn load_up_to<V: Vector>(p: *const V::Item, n: usize) -> V {
    // SAFETY: the caller's pointer is valid for n items.
    unsafe { if n >= V::LANES { V::load(p) } else { V::load_first(p, n) } }
}

/// Plain arrays, which the compiler turns into the baseline vectors of the target.
#[derive(Clone, Copy)]
pub(crate) struct Plain<T>([T; 4]);

impl<T: Float> Vector for Plain<T> {
    type Item = T;
    const LANES: usize = 4;

    #[inline(always)]
    unsafe fn zero() -> Self {
        Plain([T::ZERO; 4])
    }
    #[inline(always)]
    unsafe fn splat(p: *const T) -> Self {
        // SAFETY: the caller's pointer is valid for one item.
        Plain([unsafe { *p }; 4])
    }
    #[inline(always)]
    unsafe fn load(p: *const T) -> Self {
        // SAFETY: the caller's pointer is valid for four items.
        Plain(unsafe { p.cast::<[T; 4]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn load_first(p: *const T, n: usize) -> Self {
        let mut x = [T::ZERO; 4];
        // SAFETY: the caller's pointer is valid for n items.
        x.iter_mut().enumerate().take(n).for_each(|(i, x)| *x = unsafe { *p.add(i) });
        Plain(x)
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut T) {
        // SAFETY: the caller's pointer is valid for four items.
        unsafe { p.cast::<[T; 4]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn store_first(self, p: *mut T, n: usize) {
        // SAFETY: the caller's pointer is valid for n items.
        self.0.iter().enumerate().take(n).for_each(|(i, &x)| unsafe { *p.add(i) = x });
    }
    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        // Without the instruction a fused multiplication is a library call, far too slow.
        Plain(std::array::from_fn(|i| {
            if cfg!(target_arch = "aarch64") {
                self.0[i].mul_add(b.0[i], c.0[i])
            } else {
                self.0[i] * b.0[i] + c.0[i]
            }
        }))
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        Plain(std::array::from_fn(|i| self.0[i] + b.0[i]))
    }
    #[inline(always)]
    unsafe fn sub(self, b: Self) -> Self {
        Plain(std::array::from_fn(|i| self.0[i] - b.0[i]))
    }
    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        Plain(std::array::from_fn(|i| self.0[i] * b.0[i]))
    }
    #[inline(always)]
    unsafe fn relu(self) -> Self {
        Plain(self.0.map(|x| if x < T::ZERO { T::ZERO } else { x }))
    }
    #[inline(always)]
    unsafe fn transpose(from: *const T, stride: usize, rows: usize, to: *mut T, step: usize) {
        for j in 0..4 {
            for i in 0..4 {
                // SAFETY: rows and columns are inside what the caller vouches for.
                unsafe { *to.add(j * step + i) = if i < rows { *from.add(i * stride + j) } else { T::ZERO } };
            }
        }
    }
}

/// The definition, which tests run where the instructions are missing.
#[cfg(test)]
impl Pairs for Plain<f32> {
    unsafe fn pair(low: Self, high: Self) -> Self {
        let bits = |x: f32| u32::from(crate::Bf16::from_f32(x).to_bits());
        Plain(std::array::from_fn(|i| f32::from_bits(bits(low.0[i]) | bits(high.0[i]) << 16)))
    }
    unsafe fn pair_neighbours(first: Self, second: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (first.0, second.0);
        // SAFETY: plain arrays need no instructions.
        unsafe { Self::pair(Plain([a, c, e, g]), Plain([b, d, f, h])) }
    }
    unsafe fn dot(self, b: Self, c: Self) -> Self {
        let low = |x: f32| f32::from_bits(x.to_bits() << 16);
        let high = |x: f32| f32::from_bits(x.to_bits() & 0xffff_0000);
        Plain(std::array::from_fn(|i| c.0[i] + high(self.0[i]) * high(b.0[i]) + low(self.0[i]) * low(b.0[i])))
    }
}

#[cfg(target_arch = "x86_64")]
mod x86;

/// Asks for the line at `p` to be brought near. A hint: any address will do.
#[inline(always)]
pub(crate) fn prefetch<T>(p: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults, and every x86-64 processor has it.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(p.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = p;
}

/// As [`prefetch`], but only into the second-level cache.
#[inline(always)]
pub(super) fn prefetch_far<T>(p: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults, and every x86-64 processor has it.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T1>(p.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = p;
}
