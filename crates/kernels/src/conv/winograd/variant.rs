//! The two sizes of tiles with their transforms along one axis.
//!
//! With points p_1, .., p_(A-1) and infinity, a polynomial product of M + 2 = A terms is found from its values at the
//! points. The transforms are Vandermonde matrices of the points (the filter's with the weights of Lagrange's
//! interpolation), written out so that the values at p and -p share their even and odd parts. All work on vectors of
//! channels and use the first items of their arrays only.
//!
//! # Safety
//! As [`Vector`] says.

use crate::gemm::Vector;

/// Numbers along one axis of a tile.
pub(super) type Line<V> = [V; 6];

/// A tile of M x M outputs, computed through A x A products.
pub(super) trait Variant: Sync + 'static {
    const M: usize;
    const A: usize;
    /// B^T: A inputs to A values.
    unsafe fn input<V: Vector<Item = f32>>(x: Line<V>) -> Line<V>;
    /// A^T: A products to M outputs.
    unsafe fn output<V: Vector<Item = f32>>(x: Line<V>) -> Line<V>;
    /// A, the adjoint of `output`: M output gradients to A values.
    unsafe fn spread<V: Vector<Item = f32>>(x: Line<V>) -> Line<V>;
    /// G: 3 taps to A values.
    unsafe fn filter<V: Vector<Item = f32>>(x: Line<V>) -> Line<V>;
    /// G^T, the adjoint of `filter`: A sums of products to 3 tap gradients.
    unsafe fn gather<V: Vector<Item = f32>>(x: Line<V>) -> Line<V>;
}

/// `c x + y`
#[inline(always)]
unsafe fn fma<V: Vector<Item = f32>>(c: f32, x: V, y: V) -> V {
    // SAFETY: as the caller's.
    unsafe { V::splat(&c).mul_add(x, y) }
}

/// `c x`
#[inline(always)]
unsafe fn scale<V: Vector<Item = f32>>(c: f32, x: V) -> V {
    // SAFETY: as the caller's.
    unsafe { V::splat(&c).mul(x) }
}

/// F(2x2, 3x3): the points 0, 1, -1.
pub(super) struct F2;

impl Variant for F2 {
    const M: usize = 2;
    const A: usize = 4;

    #[inline(always)]
    unsafe fn input<V: Vector<Item = f32>>(x: Line<V>) -> Line<V> {
        // SAFETY: as the caller's.
        unsafe {
            let z = V::zero();
            [x[0].sub(x[2]), x[1].add(x[2]), x[2].sub(x[1]), x[3].sub(x[1]), z, z]
        }
    }
    #[inline(always)]
    unsafe fn output<V: Vector<Item = f32>>(x: Line<V>) -> Line<V> {
        // SAFETY: as the caller's.
        unsafe {
            let z = V::zero();
            [x[0].add(x[1].add(x[2])), x[1].sub(x[2]).add(x[3]), z, z, z, z]
        }
    }
    #[inline(always)]
    unsafe fn spread<V: Vector<Item = f32>>(x: Line<V>) -> Line<V> {
        // SAFETY: as the caller's.
        unsafe {
            let z = V::zero();
            [x[0], x[0].add(x[1]), x[0].sub(x[1]), x[1], z, z]
        }
    }
    #[inline(always)]
    unsafe fn filter<V: Vector<Item = f32>>(x: Line<V>) -> Line<V> {
        // SAFETY: as the caller's.
        unsafe {
            let (z, even) = (V::zero(), scale(0.5, x[0].add(x[2])));
            [x[0], fma(0.5, x[1], even), fma(-0.5, x[1], even), x[2], z, z]
        }
    }
    #[inline(always)]
    unsafe fn gather<V: Vector<Item = f32>>(x: Line<V>) -> Line<V> {
        // SAFETY: as the caller's.
        unsafe {
            let (z, even) = (V::zero(), scale(0.5, x[1].add(x[2])));
            [x[0].add(even), scale(0.5, x[1].sub(x[2])), x[3].add(even), z, z, z]
        }
    }
}

/// F(4x4, 3x3): the points 0, P, -P, Q, -Q. With 5/8 and 3/2 the errors are a quarter of those with the usual 1 and
/// 2, at the same cost; all constants of `input`, `output` and `spread` are exact.
pub(super) struct F4;

const P: f32 = 0.625;
const Q: f32 = 1.5;
const P2: f32 = P * P;
const Q2: f32 = Q * Q;
const P3: f32 = P * P2;
const Q3: f32 = Q * Q2;
/// The weights of the interpolation: 1 over the product of the distances to the other points.
const W0: f32 = 1.0 / (P2 * Q2);
const WP: f32 = 0.5 / (P2 * (P2 - Q2));
const WQ: f32 = 0.5 / (Q2 * (Q2 - P2));

impl Variant for F4 {
    const M: usize = 4;
    const A: usize = 6;

    #[inline(always)]
    unsafe fn input<V: Vector<Item = f32>>(x: Line<V>) -> Line<V> {
        // SAFETY: as the caller's.
        unsafe {
            let (even_p, odd_p) = (fma(-Q2, x[2], x[4]), fma(-Q2, x[1], x[3]));
            let (even_q, odd_q) = (fma(-P2, x[2], x[4]), fma(-P2, x[1], x[3]));
            [
                fma(P2 * Q2, x[0], fma(-(P2 + Q2), x[2], x[4])),
                fma(P, odd_p, even_p),
                fma(-P, odd_p, even_p),
                fma(Q, odd_q, even_q),
                fma(-Q, odd_q, even_q),
                fma(P2 * Q2, x[1], fma(-(P2 + Q2), x[3], x[5])),
            ]
        }
    }
    #[inline(always)]
    unsafe fn output<V: Vector<Item = f32>>(x: Line<V>) -> Line<V> {
        // SAFETY: as the caller's.
        unsafe {
            let (even_p, odd_p) = (x[1].add(x[2]), x[1].sub(x[2]));
            let (even_q, odd_q) = (x[3].add(x[4]), x[3].sub(x[4]));
            let z = V::zero();
            [
                x[0].add(even_p.add(even_q)),
                fma(P, odd_p, scale(Q, odd_q)),
                fma(P2, even_p, scale(Q2, even_q)),
                fma(P3, odd_p, fma(Q3, odd_q, x[5])),
                z,
                z,
            ]
        }
    }
    #[inline(always)]
    unsafe fn spread<V: Vector<Item = f32>>(x: Line<V>) -> Line<V> {
        // SAFETY: as the caller's.
        unsafe {
            let (even_p, odd_p) = (fma(P2, x[2], x[0]), fma(P2, x[3], x[1]));
            let (even_q, odd_q) = (fma(Q2, x[2], x[0]), fma(Q2, x[3], x[1]));
            [
                x[0],
                fma(P, odd_p, even_p),
                fma(-P, odd_p, even_p),
                fma(Q, odd_q, even_q),
                fma(-Q, odd_q, even_q),
                x[3],
            ]
        }
    }
    #[inline(always)]
    unsafe fn filter<V: Vector<Item = f32>>(x: Line<V>) -> Line<V> {
        // SAFETY: as the caller's.
        unsafe {
            let (even_p, odd_p) = (scale(WP, fma(P2, x[2], x[0])), scale(WP * P, x[1]));
            let (even_q, odd_q) = (scale(WQ, fma(Q2, x[2], x[0])), scale(WQ * Q, x[1]));
            [
                scale(W0, x[0]),
                even_p.add(odd_p),
                even_p.sub(odd_p),
                even_q.add(odd_q),
                even_q.sub(odd_q),
                x[2],
            ]
        }
    }
    #[inline(always)]
    unsafe fn gather<V: Vector<Item = f32>>(x: Line<V>) -> Line<V> {
        // SAFETY: as the caller's.
        unsafe {
            let (even_p, odd_p) = (scale(WP, x[1].add(x[2])), scale(WP * P, x[1].sub(x[2])));
            let (even_q, odd_q) = (scale(WQ, x[3].add(x[4])), scale(WQ * Q, x[3].sub(x[4])));
            let z = V::zero();
            [
                fma(W0, x[0], even_p.add(even_q)),
                odd_p.add(odd_q),
                fma(P2, even_p, fma(Q2, even_q, x[5])),
                z,
                z,
                z,
            ]
        }
    }
}
