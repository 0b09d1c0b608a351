//! Code compiled for the vectors of each machine.

use crate::gemm::Machine;
use crate::gemm::machine::BaselineF32;
#[cfg(target_arch = "x86_64")]
use crate::gemm::machine::{Avx2F32, Avx512F32};

/// Work written for any vectors. Its method must be `#[inline(always)]`, with all that it calls on vectors.
pub(super) trait Job {
    /// # Safety
    /// The machine's instructions must exist; the rest is up to the job.
    unsafe fn run<M: Engine>(self);
}

/// A machine for single precision that can run jobs.
pub(super) trait Engine: Machine<Item = f32> {
    /// Runs a job, compiled for the machine.
    ///
    /// # Safety
    /// As [`Job::run`].
    unsafe fn work<J: Job>(job: J);
}

macro_rules! engine {
    ($name:ident, $(features $features:literal)?) => {
        impl Engine for $name {
            #[inline]
            unsafe fn work<J: Job>(job: J) {
                $(#[target_feature(enable = $features)])?
                unsafe fn compiled<J: Job>(job: J) {
                    // SAFETY: as the caller's.
                    unsafe { job.run::<$name>() }
                }
                // SAFETY: as the caller's.
                unsafe { compiled(job) }
            }
        }
    };
}

engine!(BaselineF32,);
#[cfg(target_arch = "x86_64")]
engine!(Avx2F32, features "avx2,fma");
#[cfg(target_arch = "x86_64")]
engine!(Avx512F32, features "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma");
