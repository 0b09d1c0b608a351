//! The instruction set that kernels use, found once per process.

use std::sync::OnceLock;

/// A family of vector instructions. The order is from plain to wide, so that `isa >= Isa::Avx2` reads as "at least".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Plain Rust loops, compiled for the baseline of the target: always there.
    Scalar,
    /// 128-bit vectors of aarch64.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// 256-bit vectors with fused multiply-add (`avx2`, `fma`).
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 512-bit vectors with masks (`avx512f`, `bw`, `dq`, `vl`, beside all of [`Isa::Avx2`]).
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Isa {
    /// The instruction sets that this processor can run, plainest first. Tests walk through them.
    pub fn available() -> Vec<Isa> {
        let mut all = vec![Isa::Scalar];
        #[cfg(target_arch = "aarch64")]
        all.push(Isa::Neon);
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if avx2 {
                all.push(Isa::Avx2);
            }
            if avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
            {
                all.push(Isa::Avx512);
            }
        }
        all
    }

    /// The name that the variable `TALWEG_ISA` takes: `scalar`, `neon`, `avx2` or `avx512`.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Scalar => "scalar",
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => "neon",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => "avx512",
        }
    }
}

/// The widest instruction set of this processor, or the one that the environment variable `TALWEG_ISA` names.
///
/// `TALWEG_ISA=avx2`, say, makes a processor with AVX-512 behave like one without, to reproduce another machine's
/// bits or to test. The answer is found once and then kept.
///
/// # Panics
/// If `TALWEG_ISA` names an instruction set that is unknown or that this processor lacks: silently computing
/// different bits than asked for would be worse.
#[inline]
pub fn detect() -> Isa {
    static FOUND: OnceLock<Isa> = OnceLock::new();
    *FOUND.get_or_init(|| choose(std::env::var("TALWEG_ISA").ok().as_deref(), &Isa::available()))
}

/// The member of `available` that `wanted` names; the last one if nothing is wanted.
fn choose(wanted: Option<&str>, available: &[Isa]) -> Isa {
    let best = available.last().copied().unwrap_or(Isa::Scalar);
    let Some(name) = wanted.filter(|name| !name.is_empty()) else { return best };
    available.iter().copied().find(|isa| isa.name() == name).unwrap_or_else(|| {
        let names: Vec<_> = available.iter().map(|isa| isa.name()).collect();
        panic!(
            "TALWEG_ISA: this processor has no instruction set {name:?}; choose one of {}",
            names.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::{Isa, choose};

    #[test]
    fn without_a_wish_the_widest_is_taken() {
        let available = Isa::available();
        assert_eq!(choose(None, &available), *available.last().unwrap());
        assert_eq!(choose(Some(""), &available), *available.last().unwrap());
    }

    #[test]
    fn a_wish_is_granted() {
        assert_eq!(choose(Some("scalar"), &Isa::available()), Isa::Scalar);
    }

    #[test]
    #[should_panic(expected = "no instruction set \"sse9\"; choose one of scalar")]
    fn an_unknown_name_is_refused() {
        choose(Some("sse9"), &Isa::available());
    }
}
