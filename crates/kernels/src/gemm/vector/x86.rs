//! The vectors of AVX2 and AVX-512.
//!
//! # Safety
//! As [`Vector`] says: the instructions must exist, and pointers be valid for what is read or written.

use super::{Pairs, Vector};
use std::arch::x86_64::*;

/// The methods that differ between the types by the names of their instructions only.
macro_rules! plain_methods {
    ($t:ty, $zero:ident, $splat:ident, $load:ident, $store:ident, $fma:ident, $add:ident, $sub:ident, $mul:ident, $max:ident) => {
        #[inline(always)]
        unsafe fn zero() -> Self {
            // SAFETY: the caller vouches for the instructions.
            unsafe { $zero() }
        }
        #[inline(always)]
        unsafe fn splat(p: *const $t) -> Self {
            // SAFETY: the caller vouches for the instructions and the pointer.
            unsafe { $splat(*p) }
        }
        #[inline(always)]
        unsafe fn load(p: *const $t) -> Self {
            // SAFETY: the caller vouches for the instructions and the pointer.
            unsafe { $load(p) }
        }
        #[inline(always)]
        unsafe fn store(self, p: *mut $t) {
            // SAFETY: the caller vouches for the instructions and the pointer.
            unsafe { $store(p, self) }
        }
        #[inline(always)]
        unsafe fn mul_add(self, b: Self, c: Self) -> Self {
            // SAFETY: the caller vouches for the instructions.
            unsafe { $fma(self, b, c) }
        }
        #[inline(always)]
        unsafe fn add(self, b: Self) -> Self {
            // SAFETY: the caller vouches for the instructions.
            unsafe { $add(self, b) }
        }
        #[inline(always)]
        unsafe fn sub(self, b: Self) -> Self {
            // SAFETY: the caller vouches for the instructions.
            unsafe { $sub(self, b) }
        }
        #[inline(always)]
        unsafe fn mul(self, b: Self) -> Self {
            // SAFETY: the caller vouches for the instructions.
            unsafe { $mul(self, b) }
        }
        #[inline(always)]
        unsafe fn relu(self) -> Self {
            // The instruction returns its second operand if either is NaN.
            // SAFETY: the caller vouches for the instructions.
            unsafe { $max($zero(), self) }
        }
    };
}

/// Sliding windows into this give masks of 1 to 8 leading lanes.
static MASK: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

impl Vector for __m256 {
    type Item = f32;
    const LANES: usize = 8;
    plain_methods!(
        f32,
        _mm256_setzero_ps,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_fmadd_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_mul_ps,
        _mm256_max_ps
    );

    #[inline(always)]
    unsafe fn load_first(p: *const f32, n: usize) -> Self {
        // SAFETY: n < 8 keeps the window inside MASK; masked lanes are not read.
        unsafe { _mm256_maskload_ps(p, _mm256_loadu_si256(MASK.as_ptr().add(8 - n).cast())) }
    }
    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, n: usize) {
        // Masked stores are slow on some processors; up to three plain ones are not.
        // SAFETY: the parts add up to n items.
        unsafe {
            let (mut p, mut x) = (p, _mm256_castps256_ps128(self));
            if n & 4 != 0 {
                _mm_storeu_ps(p, x);
                p = p.add(4);
                x = _mm256_extractf128_ps::<1>(self);
            }
            if n & 2 != 0 {
                _mm_storel_pd(p.cast(), _mm_castps_pd(x));
                p = p.add(2);
                x = _mm_movehl_ps(x, x);
            }
            if n & 1 != 0 {
                _mm_store_ss(p, x);
            }
        }
    }
    #[inline(always)]
    unsafe fn transpose(from: *const f32, stride: usize, rows: usize, to: *mut f32, step: usize) {
        // SAFETY: the caller vouches for the instructions, the rows and the columns.
        unsafe {
            let mut x = [_mm256_setzero_ps(); 8];
            for (i, x) in x.iter_mut().enumerate() {
                if i < rows {
                    *x = _mm256_loadu_ps(from.add(i * stride));
                }
            }
            // Pairs of rows, then quadruples, each inside the halves of the registers; then the halves.
            let mut y = x;
            for i in 0..4 {
                y[2 * i] = _mm256_unpacklo_ps(x[2 * i], x[2 * i + 1]);
                y[2 * i + 1] = _mm256_unpackhi_ps(x[2 * i], x[2 * i + 1]);
            }
            let mut z = y;
            for i in 0..2 {
                let (p, q) = (&y[4 * i..4 * i + 2], &y[4 * i + 2..4 * i + 4]);
                z[4 * i] = _mm256_shuffle_ps::<0x44>(p[0], q[0]);
                z[4 * i + 1] = _mm256_shuffle_ps::<0xee>(p[0], q[0]);
                z[4 * i + 2] = _mm256_shuffle_ps::<0x44>(p[1], q[1]);
                z[4 * i + 3] = _mm256_shuffle_ps::<0xee>(p[1], q[1]);
            }
            for j in 0..4 {
                _mm256_storeu_ps(to.add(j * step), _mm256_permute2f128_ps::<0x20>(z[j], z[4 + j]));
            }
            for j in 0..4 {
                _mm256_storeu_ps(to.add((4 + j) * step), _mm256_permute2f128_ps::<0x31>(z[j], z[4 + j]));
            }
        }
    }
}

impl Vector for __m256d {
    type Item = f64;
    const LANES: usize = 4;
    plain_methods!(
        f64,
        _mm256_setzero_pd,
        _mm256_set1_pd,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        _mm256_fmadd_pd,
        _mm256_add_pd,
        _mm256_sub_pd,
        _mm256_mul_pd,
        _mm256_max_pd
    );

    #[inline(always)]
    unsafe fn load_first(p: *const f64, n: usize) -> Self {
        // SAFETY: n < 4 keeps the window (two words per lane) inside MASK; masked lanes are not read.
        unsafe { _mm256_maskload_pd(p, _mm256_loadu_si256(MASK.as_ptr().add(8 - 2 * n).cast())) }
    }
    #[inline(always)]
    unsafe fn store_first(self, p: *mut f64, n: usize) {
        // SAFETY: the parts add up to n items.
        unsafe {
            let (mut p, mut x) = (p, _mm256_castpd256_pd128(self));
            if n & 2 != 0 {
                _mm_storeu_pd(p, x);
                p = p.add(2);
                x = _mm256_extractf128_pd::<1>(self);
            }
            if n & 1 != 0 {
                _mm_store_sd(p, x);
            }
        }
    }
    #[inline(always)]
    unsafe fn transpose(from: *const f64, stride: usize, rows: usize, to: *mut f64, step: usize) {
        // SAFETY: the caller vouches for the instructions, the rows and the columns.
        unsafe {
            let mut x = [_mm256_setzero_pd(); 4];
            for (i, x) in x.iter_mut().enumerate() {
                if i < rows {
                    *x = _mm256_loadu_pd(from.add(i * stride));
                }
            }
            let (a, b) = (_mm256_unpacklo_pd(x[0], x[1]), _mm256_unpackhi_pd(x[0], x[1]));
            let (c, d) = (_mm256_unpacklo_pd(x[2], x[3]), _mm256_unpackhi_pd(x[2], x[3]));
            _mm256_storeu_pd(to, _mm256_permute2f128_pd::<0x20>(a, c));
            _mm256_storeu_pd(to.add(step), _mm256_permute2f128_pd::<0x20>(b, d));
            _mm256_storeu_pd(to.add(2 * step), _mm256_permute2f128_pd::<0x31>(a, c));
            _mm256_storeu_pd(to.add(3 * step), _mm256_permute2f128_pd::<0x31>(b, d));
        }
    }
}

impl Vector for __m512 {
    type Item = f32;
    const LANES: usize = 16;
    plain_methods!(
        f32,
        _mm512_setzero_ps,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_fmadd_ps,
        _mm512_add_ps,
        _mm512_sub_ps,
        _mm512_mul_ps,
        _mm512_max_ps
    );

    #[inline(always)]
    unsafe fn load_first(p: *const f32, n: usize) -> Self {
        // SAFETY: masked lanes are not read.
        unsafe { _mm512_maskz_loadu_ps((1 << n) - 1, p) }
    }
    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, n: usize) {
        // SAFETY: masked lanes are not written.
        unsafe { _mm512_mask_storeu_ps(p, (1 << n) - 1, self) }
    }
    #[inline(always)]
    unsafe fn transpose(from: *const f32, stride: usize, rows: usize, to: *mut f32, step: usize) {
        // SAFETY: the caller vouches for the instructions, the rows and the columns.
        unsafe {
            let mut x = [_mm512_setzero_ps(); 16];
            for (i, x) in x.iter_mut().enumerate() {
                if i < rows {
                    *x = _mm512_loadu_ps(from.add(i * stride));
                }
            }
            // Quadruples of rows inside the quarters of the registers; then the quarters, which are a 4 x 4
            // matrix themselves.
            let mut y = x;
            for i in 0..4 {
                let (a, b, c, d) = (x[4 * i], x[4 * i + 1], x[4 * i + 2], x[4 * i + 3]);
                let (p, q) = (_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
                let (r, s) = (_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
                y[4 * i] = _mm512_shuffle_ps::<0x44>(p, r);
                y[4 * i + 1] = _mm512_shuffle_ps::<0xee>(p, r);
                y[4 * i + 2] = _mm512_shuffle_ps::<0x44>(q, s);
                y[4 * i + 3] = _mm512_shuffle_ps::<0xee>(q, s);
            }
            let mut z = y;
            for j in 0..4 {
                let (a, b, c, d) = (y[j], y[4 + j], y[8 + j], y[12 + j]);
                let (p, q) = (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0xdd>(a, b));
                let (r, s) = (_mm512_shuffle_f32x4::<0x88>(c, d), _mm512_shuffle_f32x4::<0xdd>(c, d));
                z[j] = _mm512_shuffle_f32x4::<0x88>(p, r);
                z[4 + j] = _mm512_shuffle_f32x4::<0x88>(q, s);
                z[8 + j] = _mm512_shuffle_f32x4::<0xdd>(p, r);
                z[12 + j] = _mm512_shuffle_f32x4::<0xdd>(q, s);
            }
            for (j, &z) in z.iter().enumerate() {
                _mm512_storeu_ps(to.add(j * step), z);
            }
        }
    }
}

impl Vector for __m512d {
    type Item = f64;
    const LANES: usize = 8;
    plain_methods!(
        f64,
        _mm512_setzero_pd,
        _mm512_set1_pd,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        _mm512_fmadd_pd,
        _mm512_add_pd,
        _mm512_sub_pd,
        _mm512_mul_pd,
        _mm512_max_pd
    );

    #[inline(always)]
    unsafe fn load_first(p: *const f64, n: usize) -> Self {
        // SAFETY: masked lanes are not read.
        unsafe { _mm512_maskz_loadu_pd((1 << n) - 1, p) }
    }
    #[inline(always)]
    unsafe fn store_first(self, p: *mut f64, n: usize) {
        // SAFETY: masked lanes are not written.
        unsafe { _mm512_mask_storeu_pd(p, (1 << n) - 1, self) }
    }
    #[inline(always)]
    unsafe fn transpose(from: *const f64, stride: usize, rows: usize, to: *mut f64, step: usize) {
        // SAFETY: the caller vouches for the instructions, the rows and the columns.
        unsafe {
            let mut x = [_mm512_setzero_pd(); 8];
            for (i, x) in x.iter_mut().enumerate() {
                if i < rows {
                    *x = _mm512_loadu_pd(from.add(i * stride));
                }
            }
            // Pairs of rows inside the quarters; then the quarters, a 4 x 4 matrix.
            let mut y = x;
            for i in 0..4 {
                y[2 * i] = _mm512_unpacklo_pd(x[2 * i], x[2 * i + 1]);
                y[2 * i + 1] = _mm512_unpackhi_pd(x[2 * i], x[2 * i + 1]);
            }
            for j in 0..2 {
                let (a, b, c, d) = (y[j], y[2 + j], y[4 + j], y[6 + j]);
                let (p, q) = (_mm512_shuffle_f64x2::<0x88>(a, b), _mm512_shuffle_f64x2::<0xdd>(a, b));
                let (r, s) = (_mm512_shuffle_f64x2::<0x88>(c, d), _mm512_shuffle_f64x2::<0xdd>(c, d));
                x[j] = _mm512_shuffle_f64x2::<0x88>(p, r);
                x[2 + j] = _mm512_shuffle_f64x2::<0x88>(q, s);
                x[4 + j] = _mm512_shuffle_f64x2::<0xdd>(p, r);
                x[6 + j] = _mm512_shuffle_f64x2::<0xdd>(q, s);
            }
            for (j, &x) in x.iter().enumerate() {
                _mm512_storeu_pd(to.add(j * step), x);
            }
        }
    }
}

/// Where the items of a pair of vectors go to make words: item i of the first to place 2 i, of the second to 2 i + 1.
static INTERLEAVE: [u16; 32] = {
    let mut places = [0; 32];
    let mut i = 0;
    while i < 32 {
        places[i] = (i / 2 + 16 * (i % 2)) as u16;
        i += 1;
    }
    places
};

/// With the instructions of `avx512bf16` beside the others. They take subnormal numbers for zero, and a dot product
/// rounds the sum after each of its two products, the upper one first.
impl Pairs for __m512 {
    #[inline(always)]
    unsafe fn pair(low: Self, high: Self) -> Self {
        // SAFETY: the caller vouches for the instructions; both types are 512 bits without a meaning of their own.
        unsafe {
            let both: __m512i = std::mem::transmute(_mm512_cvtne2ps_pbh(high, low));
            let places = _mm512_loadu_si512(INTERLEAVE.as_ptr().cast());
            _mm512_castsi512_ps(_mm512_permutexvar_epi16(places, both))
        }
    }
    #[inline(always)]
    unsafe fn pair_neighbours(first: Self, second: Self) -> Self {
        // SAFETY: as above.
        unsafe { std::mem::transmute(_mm512_cvtne2ps_pbh(second, first)) }
    }
    #[inline(always)]
    unsafe fn dot(self, b: Self, c: Self) -> Self {
        // SAFETY: as above.
        unsafe {
            _mm512_dpbf16_ps(
                c,
                std::mem::transmute::<__m512, __m512bh>(self),
                std::mem::transmute::<__m512, __m512bh>(b),
            )
        }
    }
}
