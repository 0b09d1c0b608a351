//! Layer normalisation over rows and batch normalisation over channels, with their gradients.
//!
//! Both compute x' = (x - mean) * rstd with rstd = 1 / sqrt(variance + eps) and the biased variance (division by the
//! count), in two passes so that a large mean costs no accuracy, and y = x' * weight + bias.

mod batch;
mod layer;
mod loops;
mod passes;

pub use batch::{BatchNorm, batch_norm, batch_norm_apply, batch_norm_grad};
pub use layer::{LayerNorm, layer_norm, layer_norm_grad};

/// Where a normalisation's gradients go. `dweight` and `dbias` are overwritten, not added to.
#[derive(Debug)]
pub struct NormGrad<'a, T> {
    /// The gradient of x.
    pub dx: &'a mut [T],
    /// The gradient of the weight, sum of dy * x'; skipped if absent.
    pub dweight: Option<&'a mut [T]>,
    /// The gradient of the bias, sum of dy; skipped if absent.
    pub dbias: Option<&'a mut [T]>,
}

#[track_caller]
fn check_side<T>(op: &str, name: &str, side: Option<&[T]>, n: usize) {
    if let Some(side) = side {
        assert!(side.len() == n, "{op}: {name} has length {}, but {n} are needed", side.len());
    }
}

#[cfg(test)]
mod tests;
