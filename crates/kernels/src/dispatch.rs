//! One body, compiled for every instruction set; and disjoint parts of a slice for parallel tasks.

use std::marker::PhantomData;
use std::ops::Range;

use crate::elementwise::{Map, Zip};
use crate::float::{Float, FloatKind};
use crate::lane::Lane;
use crate::{isa, threads};

/// Elements per parallel task of a loop over elements. A constant, so that the split depends on the size alone.
pub(crate) const CHUNK: usize = 16 * 1024;

/// Defines a function whose body is compiled once for every instruction set and picked at run time.
///
/// The body is inlined into wrappers that carry `#[target_feature]`, where the compiler turns its loops into vector
/// code of that width. Generic parameters stand in square brackets: `fn name[T: Float](x: &[T]) { ... }`. Inside, the
/// constant `FUSED` tells whether this version has fused multiply-add.
macro_rules! multiversion {
    ($($(#[$attribute:meta])* $visibility:vis fn $name:ident $([$($g:ident: $bound:path),*])?
        ($($argument:ident: $type:ty),* $(,)?) $(-> $out:ty)? $body:block)*) => { $(
        $(#[$attribute])*
        $visibility fn $name $(<$($g: $bound),*>)? ($($argument: $type),*) $(-> $out)? {
            #[inline(always)]
            fn body<const FUSED: bool, $($($g: $bound),*)?>($($argument: $type),*) $(-> $out)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2 $(<$($g: $bound),*>)? ($($argument: $type),*) $(-> $out)? {
                body::<true, $($($g),*)?>($($argument),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
            fn avx512 $(<$($g: $bound),*>)? ($($argument: $type),*) $(-> $out)? {
                body::<true, $($($g),*)?>($($argument),*)
            }

            match $crate::dispatch::isa() {
                // SAFETY: this instruction set is only ever chosen on a processor that has it.
                #[cfg(target_arch = "x86_64")]
                $crate::Isa::Avx512 => unsafe { avx512 $(::<$($g),*>)? ($($argument),*) },
                // SAFETY: this instruction set is only ever chosen on a processor that has it.
                #[cfg(target_arch = "x86_64")]
                $crate::Isa::Avx2 => unsafe { avx2 $(::<$($g),*>)? ($($argument),*) },
                // The vectors of aarch64 belong to its baseline, so that the plain body has them already.
                _ => body::<{ cfg!(target_arch = "aarch64") }, $($($g),*)?>($($argument),*),
            }
        }
    )* };
}
pub(crate) use multiversion;

/// The instruction set to run: the process's own, or in tests the one that [`tests::with_isa`] asks for.
#[inline(always)]
pub(crate) fn isa() -> isa::Isa {
    #[cfg(test)]
    if let Some(forced) = tests::FORCED.get() {
        return forced;
    }
    isa::detect()
}

/// Runs `f` on pieces of `out` with the position at which each starts, in parallel when there are several.
pub(crate) fn chunks<T: Send>(out: &mut [T], chunk: usize, f: &(dyn Fn(usize, &mut [T]) + Sync)) {
    threads::for_chunks(out, chunk, &|i, part| f(i * chunk, part));
}

/// Runs `f` on consecutive ranges of `0..n`, in parallel when there are several.
#[inline]
pub(crate) fn ranges(n: usize, chunk: usize, f: &(dyn Fn(Range<usize>) + Sync)) {
    if n <= chunk {
        return if n > 0 {
            f(0..n)
        };
    }
    threads::for_each(n.div_ceil(chunk), &|i| f(i * chunk..n.min((i + 1) * chunk)));
}

/// How many rows of `n` elements make up a parallel task.
pub(crate) fn rows_per_task(n: usize) -> usize {
    (CHUNK / n.max(1)).max(1)
}

/// A mutable slice of which parallel tasks take disjoint parts.
pub(crate) struct Parts<'a, T> {
    start: *mut T,
    len: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: parts are disjoint (see `part`), so that sharing the slice among threads amounts to sending each part.
unsafe impl<T: Send> Sync for Parts<'_, T> {}

impl<'a, T> Parts<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Parts { start: slice.as_mut_ptr(), len: slice.len(), slice: PhantomData }
    }

    /// The elements of one range.
    ///
    /// # Safety
    /// No two parts that live at the same time may overlap.
    #[expect(clippy::mut_from_ref, reason = "the caller promises that parts are disjoint")]
    pub(crate) unsafe fn part(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.len);
        // SAFETY: the range lies inside the slice, which is borrowed for 'a; the caller keeps parts disjoint.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}

/// The same number as the type that it is known to be.
///
/// # Safety
/// `A` and `B` must be the same type.
#[inline(always)]
unsafe fn same<A: Copy, B: Copy>(x: A) -> B {
    // SAFETY: the types are the same.
    unsafe { std::mem::transmute_copy(&x) }
}

/// y = f(x) for a number of either type.
///
/// Without fused multiply-add, single precision is computed in double precision and rounded once: the lane functions
/// of `f32` are made of such steps, each of which would be a library call. The formula is named by its type and
/// called directly, because a function that is passed as a value is not always inlined, and then loses the
/// instruction set of its caller.
#[inline(always)]
pub(crate) fn apply<const FUSED: bool, F: Map, T: Float>(x: T) -> T {
    match T::KIND {
        // SAFETY: the kind says that T is f32.
        FloatKind::F32 if FUSED => unsafe { same(F::f32(Lane(same(x))).0) },
        FloatKind::F32 => T::from_f64(F::f64(Lane(x.to_f64())).0),
        // SAFETY: the kind says that T is f64.
        FloatKind::F64 => unsafe { same(F::f64(Lane(same(x))).0) },
    }
}

/// y = f(a, b) for numbers of either type; see [`apply`].
#[inline(always)]
pub(crate) fn apply2<const FUSED: bool, F: Zip, T: Float>(a: T, b: T) -> T {
    match T::KIND {
        // SAFETY: the kind says that T is f32.
        FloatKind::F32 if FUSED => unsafe { same(F::f32(Lane(same(a)), Lane(same(b))).0) },
        FloatKind::F32 => T::from_f64(F::f64(Lane(a.to_f64()), Lane(b.to_f64())).0),
        // SAFETY: the kind says that T is f64.
        FloatKind::F64 => unsafe { same(F::f64(Lane(same(a)), Lane(same(b))).0) },
    }
}

struct Exp;

impl Map for Exp {
    #[inline(always)]
    fn f32(x: Lane<f32>) -> Lane<f32> {
        x.exp()
    }
    #[inline(always)]
    fn f64(x: Lane<f64>) -> Lane<f64> {
        x.exp()
    }
}

struct Ln;

impl Map for Ln {
    #[inline(always)]
    fn f32(x: Lane<f32>) -> Lane<f32> {
        x.ln()
    }
    #[inline(always)]
    fn f64(x: Lane<f64>) -> Lane<f64> {
        x.ln()
    }
}

/// e^x as [`Lane`] computes it.
#[inline(always)]
pub(crate) fn exp<const FUSED: bool, T: Float>(x: T) -> T {
    apply::<FUSED, Exp, T>(x)
}

/// ln(x) as [`Lane`] computes it.
#[inline(always)]
pub(crate) fn ln<const FUSED: bool, T: Float>(x: T) -> T {
    apply::<FUSED, Ln, T>(x)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    use super::{Parts, chunks, ranges};
    use crate::Isa;

    thread_local! {
        pub(crate) static FORCED: Cell<Option<Isa>> = const { Cell::new(None) };
    }

    /// Runs `f` once for every instruction set of this processor. It holds for kernels called on this thread, so
    /// inputs must be small enough not to be split.
    pub(crate) fn with_each_isa(f: impl Fn(Isa)) {
        for isa in Isa::available() {
            FORCED.set(Some(isa));
            f(isa);
        }
        FORCED.set(None);
    }

    #[test]
    fn pieces_cover_everything_once() {
        for n in [0, 1, 9, 10, 11, 35] {
            let mut out = vec![0; n];
            chunks(&mut out, 10, &|start, part| {
                for (i, y) in part.iter_mut().enumerate() {
                    *y += start + i + 1;
                }
            });
            let parts = Parts::new(&mut out);
            ranges(n, 10, &|range| {
                // SAFETY: the ranges are disjoint.
                for y in unsafe { parts.part(range) } {
                    *y *= 2;
                }
            });
            assert_eq!(out, (0..n).map(|i| 2 * (i + 1)).collect::<Vec<_>>());
        }
    }
}
