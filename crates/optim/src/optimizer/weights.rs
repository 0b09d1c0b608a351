//! Weights that stand in for others for a while.

use talweg_tensor::{Param, Tensor};

/// The weights of parameters that hold others for now: they come back when this is dropped.
#[must_use = "the weights come back at once if this is dropped"]
#[derive(Debug)]
pub struct KeptWeights(Vec<(Param, Tensor)>);

impl KeptWeights {
    /// Puts other weights into parameters.
    pub(crate) fn exchange(others: Vec<(Param, Tensor)>) -> KeptWeights {
        let exchange = |(param, other): (Param, Tensor)| {
            let kept = param.get().detach();
            param.set(&other);
            (param, kept)
        };
        KeptWeights(others.into_iter().map(exchange).collect())
    }

    /// Whether no parameter holds other weights than before.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Leaves the other weights where they are, for good.
    pub fn forget(mut self) {
        self.0.clear();
    }
}

impl Drop for KeptWeights {
    fn drop(&mut self) {
        for (param, kept) in &self.0 {
            param.set(kept);
        }
    }
}
