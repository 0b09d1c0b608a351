//! [`Bf16`]: the upper half of an `f32`, for storage and as the input of matrix products.

use std::cmp::Ordering;
use std::fmt::{self, Debug, Display};

use crate::dispatch::multiversion;

/// A number of 16 bits: sign, the 8 exponent bits of `f32`, and 7 bits of fraction ("brain float").
///
/// The range is that of `f32`, the precision about two to three decimal digits (the distance from 1 to the next
/// larger number is 1/128).
///
/// ```
/// use talweg_kernels::Bf16;
/// assert_eq!(Bf16::from_f32(1.0 + 1.0 / 256.0).to_f32(), 1.0); // a tie goes to the even neighbour
/// assert_eq!(Bf16::from_f32(3.15).to_f32(), 3.15625);
/// ```
#[derive(Clone, Copy, Default)]
#[repr(transparent)]
pub struct Bf16(u16);

impl Bf16 {
    /// The nearest number; of two equally near ones the even. NaN stays NaN (made quiet), overflow becomes infinity.
    #[inline(always)]
    #[must_use]
    pub fn from_f32(x: f32) -> Bf16 {
        Bf16((round_bits(x.to_bits()) >> 16) as u16)
    }

    /// The same number, exactly.
    #[inline(always)]
    #[must_use]
    pub fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }

    /// The number with these bits.
    #[inline(always)]
    #[must_use]
    pub fn from_bits(bits: u16) -> Bf16 {
        Bf16(bits)
    }

    /// Its bits.
    #[inline(always)]
    #[must_use]
    pub fn to_bits(self) -> u16 {
        self.0
    }
}

/// The bits of an `f32` rounded to a multiple of 2^16.
#[inline(always)]
fn round_bits(bits: u32) -> u32 {
    let nearest = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    let nan = bits & 0x7fff_ffff > 0x7f80_0000;
    (if nan { bits | 0x0040_0000 } else { nearest }) & 0xffff_0000
}

impl PartialEq for Bf16 {
    fn eq(&self, other: &Bf16) -> bool {
        self.to_f32() == other.to_f32()
    }
}

impl PartialOrd for Bf16 {
    fn partial_cmp(&self, other: &Bf16) -> Option<Ordering> {
        self.to_f32().partial_cmp(&other.to_f32())
    }
}

impl Display for Bf16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.to_f32(), f)
    }
}

impl Debug for Bf16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.to_f32(), f)
    }
}

multiversion! {
    /// y\[i\] = x\[i\] rounded to the nearest number of [`Bf16`], kept as `f32`. On the calling thread.
    pub(crate) fn round(x: &[f32], y: &mut [f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = f32::from_bits(round_bits(x.to_bits()));
        }
    }

    /// The same in place.
    pub(crate) fn round_in_place(x: &mut [f32]) {
        for x in x {
            *x = f32::from_bits(round_bits(x.to_bits()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Bf16, round};
    use crate::dispatch::tests::with_each_isa;

    /// The nearest of the two neighbours in `f64`, where the distances are exact.
    fn nearest(x: f32) -> f32 {
        let low = f32::from_bits(x.to_bits() & 0xffff_0000);
        let high = f32::from_bits((x.to_bits() & 0xffff_0000).wrapping_add(0x1_0000));
        let (to_low, to_high) =
            ((f64::from(x) - f64::from(low)).abs(), (f64::from(high) - f64::from(x)).abs());
        let even = low.to_bits() >> 16 & 1 == 0;
        if to_low < to_high || to_low == to_high && even { low } else { high }
    }

    #[test]
    fn the_nearest_number_is_taken() {
        let mut bits = 1u32;
        for _ in 0..200_000 {
            bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Ties and their neighbours come up often.
            for bits in [bits, bits & 0xffff_0000 | 0x8000, bits & 0xffff_0000 | 0x7fff] {
                let x = f32::from_bits(bits);
                // Beside infinity the neighbour has no distance.
                if x.abs() < 3.38e38 {
                    assert_eq!(Bf16::from_f32(x).to_f32(), nearest(x), "{x:e}");
                }
            }
        }
        assert_eq!(Bf16::from_f32(f32::MAX).to_f32(), f32::INFINITY);
        assert_eq!(Bf16::from_f32(f32::NEG_INFINITY).to_f32(), f32::NEG_INFINITY);
        assert_eq!(Bf16::from_f32(-0.0).to_bits(), 0x8000);
    }

    #[test]
    fn nan_stays_nan_and_quiet() {
        for bits in [0x7f80_0001, 0xff80_0001, 0x7fff_ffff, 0x7fc0_0000u32] {
            let y = Bf16::from_f32(f32::from_bits(bits));
            assert!(y.to_f32().is_nan() && y.to_bits() & 0x40 != 0, "{bits:x}");
        }
    }

    #[test]
    fn every_instruction_set_rounds_alike() {
        let x: Vec<f32> = (0..1003u32).map(|i| f32::from_bits(i.wrapping_mul(0x9e37_79b9))).collect();
        with_each_isa(|isa| {
            let mut y = vec![0.0; x.len()];
            round(&x, &mut y);
            for (x, y) in x.iter().zip(y) {
                assert_eq!(y.to_bits(), Bf16::from_f32(*x).to_f32().to_bits(), "{isa:?} {x:e}");
            }
        });
    }
}
