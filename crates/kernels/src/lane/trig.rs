//! Sine, cosine and tangent of one `f32`, in double precision inside, for arguments of any size.
//!
//! The quarter turns in x are `x * 2/pi`, of which only the value modulo 4 matters. With x = m 2^e and m an integer
//! of 24 bits, that is m times (2^e * 2/pi modulo 4), and the second factor is a constant for each of the 255
//! exponents: a window into the binary digits of 2/pi. The table keeps it as three numbers, of which the first two
//! have 28 bits so that their products with m are exact.

use super::single::poly_double;

/// The first 256 binary digits of 2/pi.
const TWO_OVER_PI: [u64; 4] =
    [0xa2f9_836e_4e44_1529, 0xfc27_57d1_f534_ddc0, 0xdb62_9599_3c43_9041, 0xfe51_63ab_debb_c561];

/// (sin(r) - r) / r^3 as a polynomial in r^2 for |r| <= pi/4; 4.9e-12, weighted by r^2.
const SIN: [f64; 4] =
    [-0.16666666641559616, 0.008333329376686524, -0.00019839331577999297, 2.718278539249974e-06];
/// (cos(r) - 1 + r^2/2) / r^4 as a polynomial in r^2 for |r| <= pi/4; 1.0e-13, weighted by r^4.
const COS: [f64; 4] =
    [0.041666666622792316, -0.0013888883747739547, 2.4799518041030423e-05, -2.7210046414633664e-07];

/// By the biased exponent of x: 2^(exponent - 150) * 2/pi modulo 4, in three parts.
static QUARTER_TURNS: [[f64; 4]; 256] = quarter_turns();

const fn quarter_turns() -> [[f64; 4]; 256] {
    let mut table = [[0.0; 4]; 256];
    let mut exponent = 0;
    while exponent < 255 {
        // Subnormal numbers have the exponent of the smallest normal ones.
        let shift = (if exponent == 0 { 1 } else { exponent as i32 }) - 150;
        // Digit i (from 1) has the weight 2^(shift - i); weights of 4 and more are whole turns.
        let first = if shift > 2 { shift - 1 } else { 1 };
        let lengths = [28, 28, 52];
        let (mut part, mut start) = (0, first);
        while part < 3 {
            let mut digits = 0u64;
            let mut i = 0;
            while i < lengths[part] {
                let at = (start - 1 + i) as usize;
                digits = digits << 1 | TWO_OVER_PI[at / 64] >> (63 - at % 64) & 1;
                i += 1;
            }
            start += lengths[part];
            let weight = f64::from_bits(((1023 + shift - (start - 1)) as u64) << 52);
            table[exponent][part] = digits as f64 * weight;
            part += 1;
        }
        exponent += 1;
    }
    table
}

/// The nearest number of quarter turns in |x| (its low bits) and the remainder in radians; NaN for infinities.
#[inline(always)]
fn reduce(x: f32) -> (u64, f64) {
    /// Adding this rounds an `f64` to an integer and leaves it in the low bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let bits = x.to_bits() & 0x7fff_ffff;
    let exponent = bits >> 23;
    let implicit = if exponent == 0 { 0 } else { 0x0080_0000 };
    // Below 2^24, so the detour by i32 is exact, and that conversion exists as a vector instruction.
    let m = f64::from((bits & 0x007f_ffff | implicit) as i32);
    let [a, b, c, _] = QUARTER_TURNS[(exponent & 0xff) as usize];
    let (a, b, c) = (m * a, m * b, m * c);
    let shifted = (a + b) + ROUND;
    let n = shifted - ROUND;
    let rest = ((a - n) + b) + c;
    let r = rest * std::f64::consts::FRAC_PI_2;
    (shifted.to_bits(), if exponent == 255 { f64::NAN } else { r })
}

#[inline(always)]
fn sin_cos_small(r: f64) -> (f64, f64) {
    let z = r * r;
    ((r * z).mul_add(poly_double(z, &SIN), r), (z * z).mul_add(poly_double(z, &COS), z.mul_add(-0.5, 1.0)))
}

/// The sine of `quarters` quarter turns plus r.
#[inline(always)]
fn sin_from(quarters: u64, r: f64) -> f32 {
    let (s, c) = sin_cos_small(r);
    let y = if quarters & 1 == 1 { c } else { s };
    (if quarters & 2 == 2 { -y } else { y }) as f32
}

#[inline(always)]
pub(super) fn sin(x: f32) -> f32 {
    let (quarters, r) = reduce(x);
    let y = sin_from(quarters, r);
    if x.is_sign_negative() { -y } else { y }
}

#[inline(always)]
pub(super) fn cos(x: f32) -> f32 {
    let (quarters, r) = reduce(x);
    sin_from(quarters.wrapping_add(1), r)
}

#[inline(always)]
pub(super) fn tan(x: f32) -> f32 {
    let (quarters, r) = reduce(x);
    let (s, c) = sin_cos_small(r);
    let odd = quarters & 1 == 1;
    let y = (if odd { -c } else { s } / if odd { s } else { c }) as f32;
    if x.is_sign_negative() { -y } else { y }
}
