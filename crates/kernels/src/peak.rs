//! The processor's limit: multiply-adds between registers.
//!
//! A product can reach at most the rate of this loop; what a program measures against it says how much is left.

use std::hint::black_box;

#[cfg(target_arch = "x86_64")]
use crate::isa::{Isa, detect};

const ROUNDS: usize = 100_000;

/// Runs independent f32 multiply-adds on the calling thread, none of which touches memory, by the widest instructions
/// that the kernels use, and returns how many floating-point operations that were (two for each multiply-add).
///
/// # Examples
/// ```
/// let start = std::time::Instant::now();
/// let operations = talweg_kernels::peak::multiply_adds();
/// let gflops = operations as f64 / start.elapsed().as_secs_f64() / 1e9;
/// assert!(gflops > 0.1);
/// ```
pub fn multiply_adds() -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma")]
        fn avx2(x: f32) -> f32 {
            sums::<8, 12, true>(x)
        }
        #[target_feature(enable = "avx512f,fma")]
        fn avx512(x: f32) -> f32 {
            sums::<16, 24, true>(x)
        }
        match detect() {
            Isa::Avx512 => {
                // SAFETY: the processor has the instructions.
                black_box(unsafe { avx512(black_box(1.0)) });
                return 2 * 16 * 24 * ROUNDS;
            }
            Isa::Avx2 => {
                // SAFETY: the processor has the instructions.
                black_box(unsafe { avx2(black_box(1.0)) });
                return 2 * 8 * 12 * ROUNDS;
            }
            _ => {}
        }
    }
    const FUSED: bool = cfg!(target_arch = "aarch64");
    black_box(sums::<4, 12, FUSED>(black_box(1.0)));
    2 * 4 * 12 * ROUNDS
}

#[inline(always)]
fn sums<const LANES: usize, const SUMS: usize, const FUSED: bool>(x: f32) -> f32 {
    let mut acc = [[0.0f32; LANES]; SUMS];
    for _ in 0..ROUNDS {
        for sum in &mut acc {
            for lane in sum {
                *lane = if FUSED { lane.mul_add(x, x) } else { *lane * x + x };
            }
        }
    }
    acc.iter().flatten().sum()
}
