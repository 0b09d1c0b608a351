//! Convolutions: kernels on dense NCHW pictures.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use talweg_kernels::conv::{self, Algorithm, Conv2d};

use super::{dense, float, out_slice};
use crate::backend::{Out, View};

/// How the CPU computes 3x3 convolutions of `f32` from now on, in all threads; see [`Algorithm`].
///
/// ```
/// use talweg_tensor::{ConvAlgorithm, convolution, set_convolution};
/// set_convolution(ConvAlgorithm::F2);
/// assert_eq!(convolution(), ConvAlgorithm::F2);
/// ```
pub fn set_convolution(algorithm: Algorithm) {
    CHOSEN.store(1 + algorithm as usize, Ordering::Relaxed);
}

/// How the CPU computes 3x3 convolutions of `f32`.
///
/// Unless [`set_convolution`] was called, this is what the environment variable `TALWEG_CONV` says (`auto`, `f4`, `f2`
/// or `direct`), else [`Algorithm::Auto`].
///
/// # Panics
/// If `TALWEG_CONV` is another word: silently computing otherwise than asked for would be worse.
pub fn convolution() -> Algorithm {
    static ASKED: OnceLock<Algorithm> = OnceLock::new();
    match CHOSEN.load(Ordering::Relaxed).checked_sub(1) {
        Some(chosen) => Algorithm::ALL[chosen],
        None => *ASKED.get_or_init(|| named(std::env::var("TALWEG_CONV").ok().as_deref())),
    }
}

/// The chosen algorithm's place among [`Algorithm::ALL`], plus 1; 0 means that none was chosen.
static CHOSEN: AtomicUsize = AtomicUsize::new(0);

/// The algorithm that the environment asks for.
fn named(asked: Option<&str>) -> Algorithm {
    let Some(name) = asked.filter(|name| !name.is_empty()) else { return Algorithm::default() };
    Algorithm::from_name(name).unwrap_or_else(|| {
        let names = Algorithm::ALL.map(Algorithm::name).join(", ");
        panic!("TALWEG_CONV: there is no algorithm {name:?} for convolutions; choose one of {names}")
    })
}

pub(super) fn conv2d(s: &Conv2d, inputs: &[View<'_>], out: &mut Out<'_>) {
    float!(out.dtype, T => {
        let bias = inputs.get(2).map(dense::<T>);
        let (x, w) = (dense::<T>(&inputs[0]), dense::<T>(&inputs[1]));
        conv::conv2d::<T>(s, convolution(), &x, &w, bias.as_deref(), out_slice(out));
    });
}

pub(super) fn conv2d_input_grad(s: &Conv2d, dy: &View<'_>, w: &View<'_>, out: &mut Out<'_>) {
    float!(out.dtype, T => {
        conv::conv2d_input_grad::<T>(s, convolution(), &dense(dy), &dense(w), out_slice(out));
    });
}

pub(super) fn conv2d_weight_grad(s: &Conv2d, x: &View<'_>, dy: &View<'_>, out: &mut Out<'_>) {
    float!(out.dtype, T => {
        conv::conv2d_weight_grad::<T>(s, convolution(), &dense(x), &dense(dy), out_slice(out));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_names_an_algorithm() {
        assert_eq!(named(None), Algorithm::Auto);
        assert_eq!(named(Some("")), Algorithm::Auto);
        for algorithm in Algorithm::ALL {
            assert_eq!(named(Some(algorithm.name())), algorithm);
            assert_eq!(Algorithm::ALL[algorithm as usize], algorithm);
        }
    }

    #[test]
    #[should_panic(
        expected = "no algorithm \"winograd\" for convolutions; choose one of auto, f4, f2, direct"
    )]
    fn an_unknown_name_is_refused() {
        named(Some("winograd"));
    }
}
