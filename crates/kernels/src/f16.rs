//! [`F16`]: half precision, for storage.

use std::cmp::Ordering;
use std::fmt::{self, Debug, Display};

use crate::elementwise::Convert;

/// A number of 16 bits as IEEE 754 calls it half precision: sign, 5 bits of exponent, 10 of fraction.
///
/// Between 6e-8 and 65504, with about three to four decimal digits (the distance from 1 to the next larger number is
/// 1/1024). For storage: it converts by way of `f32`, which holds all of its numbers.
///
/// ```
/// use talweg_kernels::F16;
/// assert_eq!(F16::from_f32(0.1).to_f32(), 0.099975586);
/// assert_eq!(F16::from_f32(70000.0).to_f32(), f32::INFINITY);
/// ```
#[derive(Clone, Copy, Default)]
#[repr(transparent)]
pub struct F16(u16);

impl F16 {
    /// The nearest number; of two equally near ones the even. NaN stays NaN (made quiet), overflow becomes infinity.
    #[inline]
    #[must_use]
    pub fn from_f32(x: f32) -> F16 {
        let bits = x.to_bits();
        let sign = (bits >> 16 & 0x8000) as u16;
        let magnitude = bits & 0x7fff_ffff;
        if magnitude > 0x7f80_0000 {
            return F16(sign | 0x7e00 | (magnitude >> 13 & 0x3ff) as u16);
        }
        // From 65520 on, halfway to what would come after the largest number.
        if magnitude >= 0x477f_f000 {
            return F16(sign | 0x7c00);
        }
        // The smallest number with a whole fraction is 2^-14. Below, adding 0.5 leaves x in units of 2^-24 in the
        // lowest bits, rounded as every sum is.
        if magnitude < 0x3880_0000 {
            return F16(sign | ((f32::from_bits(magnitude) + 0.5).to_bits() - 0.5f32.to_bits()) as u16);
        }
        let even = magnitude >> 13 & 1;
        // The exponent counts from 15 instead of 127; a carry of the fraction goes on into it, rightly.
        let rounded = magnitude - (112 << 23) + 0xfff + even;
        F16(sign | (rounded >> 13) as u16)
    }

    /// The same number, exactly.
    #[inline]
    #[must_use]
    pub fn to_f32(self) -> f32 {
        let (sign, magnitude) = (u32::from(self.0 & 0x8000) << 16, u32::from(self.0 & 0x7fff));
        let bits = match magnitude {
            // Without the leading 1: a multiple of 2^-24.
            0..0x400 => (magnitude as f32 * (1.0 / 16_777_216.0)).to_bits(),
            0x400..0x7c00 => (magnitude << 13) + (112 << 23),
            _ => 0x7f80_0000 | magnitude << 13,
        };
        f32::from_bits(sign | bits)
    }

    /// The number with these bits.
    #[inline]
    #[must_use]
    pub fn from_bits(bits: u16) -> F16 {
        F16(bits)
    }

    /// Its bits.
    #[inline]
    #[must_use]
    pub fn to_bits(self) -> u16 {
        self.0
    }
}

impl PartialEq for F16 {
    fn eq(&self, other: &F16) -> bool {
        self.to_f32() == other.to_f32()
    }
}

impl PartialOrd for F16 {
    fn partial_cmp(&self, other: &F16) -> Option<Ordering> {
        self.to_f32().partial_cmp(&other.to_f32())
    }
}

impl Display for F16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.to_f32(), f)
    }
}

impl Debug for F16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.to_f32(), f)
    }
}

macro_rules! conversions {
    ($($t:ident)*) => { $(
        impl Convert<$t> for F16 {
            #[inline(always)]
            fn convert(self) -> $t {
                self.to_f32() as $t
            }
        }
        impl Convert<F16> for $t {
            #[inline(always)]
            fn convert(self) -> F16 {
                F16::from_f32(self as f32)
            }
        }
    )* };
}
conversions!(f32 f64 i64 i32 u32 u16 u8);

impl Convert<F16> for F16 {
    #[inline(always)]
    fn convert(self) -> F16 {
        self
    }
}

impl Convert<crate::Bf16> for F16 {
    #[inline(always)]
    fn convert(self) -> crate::Bf16 {
        crate::Bf16::from_f32(self.to_f32())
    }
}

impl Convert<F16> for crate::Bf16 {
    #[inline(always)]
    fn convert(self) -> F16 {
        F16::from_f32(self.to_f32())
    }
}

#[cfg(test)]
mod tests {
    use super::F16;

    /// The value of 16 bits by the definition of the format, in `f64`.
    fn value(bits: u16) -> f64 {
        let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 0x3ff));
        let size = match exponent {
            0 => fraction * 2f64.powi(-24),
            31 if fraction == 0.0 => f64::INFINITY,
            31 => f64::NAN,
            e => (1.0 + fraction / 1024.0) * 2f64.powi(e - 15),
        };
        if bits & 0x8000 == 0 { size } else { -size }
    }

    #[test]
    fn every_number_has_its_value_and_comes_back() {
        for bits in 0..=u16::MAX {
            let x = F16::from_bits(bits).to_f32();
            let want = value(bits);
            assert!(f64::from(x) == want || x.is_nan() && want.is_nan(), "{bits:x}: {x} {want}");
            let back = F16::from_f32(x);
            // A NaN that signals becomes quiet.
            assert!(back.to_bits() == bits || x.is_nan() && back.to_bits() == bits | 0x200, "{bits:x}");
        }
    }

    #[test]
    fn the_nearest_number_is_taken() {
        for bits in 0..0x7bffu16 {
            let (low, high) = (value(bits), value(bits + 1));
            let middle = (low + high) / 2.0;
            let even = bits + (bits & 1);
            // The middle and the numbers on its sides are exact in f32 but for the last digits of the neighbours.
            assert_eq!(F16::from_f32(middle as f32).to_bits(), even, "{bits:x}");
            assert_eq!(F16::from_f32((middle as f32).next_up()).to_bits(), bits + 1, "{bits:x}");
            assert_eq!(F16::from_f32(-(middle as f32).next_down()).to_bits(), bits | 0x8000, "{bits:x}");
        }
        assert_eq!(F16::from_f32(65519.99).to_f32(), 65504.0);
        assert_eq!(F16::from_f32(65520.0).to_f32(), f32::INFINITY);
        assert_eq!(F16::from_f32(f32::NEG_INFINITY).to_f32(), f32::NEG_INFINITY);
        assert!(F16::from_f32(f32::NAN).to_f32().is_nan());
    }
}
