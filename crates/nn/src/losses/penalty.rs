//! Penalties on large weights.

use talweg_tensor::{Param, Tensor};

/// A penalty on large weights, added to the loss: `l1 Σ |w| + l2 Σ w²` over the trained weights.
///
/// `w` runs over the parameters with two axes or more. Biases and the scales of normalisations, which have one axis,
/// take no part: they do not make a function less smooth, and pulling a scale towards zero only changes the
/// effective learning rate. [`Penalty::all`] counts them too. Frozen parameters never take part.
///
/// The gradient of the second term is `2 l2 w`: the weight decay `d` of plain gradient descent is the same as
/// `l2 = d / 2`. With Adam the two differ; see `AdamW`.
///
/// # Source
/// Tibshirani, "Regression shrinkage and selection via the lasso", 1996, for `l1`; Hoerl and Kennard, "Ridge
/// regression", 1970, for `l2`.
///
/// # Examples
/// ```
/// # use talweg_nn::{Linear, Module, Penalty};
/// # use talweg_tensor::{Rng, Tensor};
/// let layer = Linear::new(2, 1, &mut Rng::seed(1));
/// layer.weight.set(&Tensor::from_slice(&[2.0f32, -1.0], [1, 2]));
/// let penalty = Penalty { l1: 0.5, l2: 0.25, ..Default::default() };
/// let loss = penalty.add_to(Tensor::scalar(1.0f32), &layer.params());
/// assert_eq!(loss.item(), 1.0 + 0.5 * (2.0 + 1.0) + 0.25 * (4.0 + 1.0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Penalty {
    /// The factor of the sum of sizes, which drives weights to zero; 0 by default, usually 1e-6 to 1e-3.
    pub l1: f64,
    /// The factor of the sum of squares, which keeps weights small; 0 by default, usually 1e-6 to 1e-2.
    pub l2: f64,
    /// Whether parameters with one axis count too.
    pub all: bool,
}

impl Penalty {
    /// A penalty on the sum of sizes.
    pub fn l1(factor: f64) -> Penalty {
        Penalty { l1: factor, ..Penalty::default() }
    }

    /// A penalty on the sum of squares.
    pub fn l2(factor: f64) -> Penalty {
        Penalty { l2: factor, ..Penalty::default() }
    }

    /// The penalty as a tensor with one element; `None` when nothing is penalised.
    pub fn forward(&self, params: &[(String, Param)]) -> Option<Tensor> {
        let counts = |param: &Param| param.is_trainable() && (self.all || param.shape().rank() >= 2);
        let terms = params.iter().filter(|(_, param)| counts(param)).flat_map(|(_, param)| {
            let w = param.get();
            let l1 = (self.l1 != 0.0).then(|| w.abs().sum(..) * self.l1);
            let l2 = (self.l2 != 0.0).then(|| w.square().sum(..) * self.l2);
            [l1, l2]
        });
        terms.flatten().reduce(|a, b| a + b)
    }

    /// A loss with the penalty added.
    pub fn add_to(&self, loss: Tensor, params: &[(String, Param)]) -> Tensor {
        match self.forward(params) {
            Some(penalty) => loss + penalty,
            None => loss,
        }
    }
}
