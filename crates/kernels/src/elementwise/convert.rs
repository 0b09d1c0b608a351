//! Conversion between number types.

use super::same_length;
use crate::Bf16;
use crate::dispatch::{CHUNK, chunks, multiversion};
use crate::float::Pod;

/// A numeric conversion with the meaning of Rust's `as`: to the nearest value between floating-point types,
/// truncating and saturating from those to integers (NaN becomes 0), wrapping between integers. [`Bf16`] converts by
/// way of `f32`.
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

macro_rules! bf16_conversions {
    ($($t:ident)*) => { $(
        impl Convert<$t> for Bf16 {
            #[inline(always)]
            fn convert(self) -> $t {
                self.to_f32() as $t
            }
        }
        impl Convert<Bf16> for $t {
            #[inline(always)]
            fn convert(self) -> Bf16 {
                Bf16::from_f32(self as f32)
            }
        }
    )* };
}
bf16_conversions!(f32 f64 i64 i32 u32 u16 u8);

impl Convert<Bf16> for Bf16 {
    #[inline(always)]
    fn convert(self) -> Bf16 {
        self
    }
}

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
}
