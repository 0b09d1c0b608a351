//! The cross-entropy of yes and no.

use talweg_tensor::{BinaryCrossEntropyOptions, BinaryCrossEntropyWithLogitsOptions, Reduction, Tensor};

use crate::losses::{Loss, as_prediction};

/// The binary cross-entropy of probabilities, `−t ln y − (1 − t) ln(1 − y)` averaged over all elements: for models that
/// end with [`Sigmoid`](crate::Sigmoid).
///
/// [`BceWithLogits`] is more accurate where a probability is near 0 or 1.
///
/// # Shapes
/// Probabilities and targets from 0 to 1, of one shape; they do not broadcast.
///
/// # Examples
/// ```
/// # use talweg_nn::{Bce, Loss};
/// # use talweg_tensor::Tensor;
/// let (y, t) = (Tensor::from_slice(&[0.5f64, 0.9], [2]), Tensor::from_slice(&[1.0f64, 0.0], [2]));
/// // -ln 0.5 and -ln 0.1, by hand.
/// assert!((Bce::default().forward(&y, &t).item() - (0.693147180560 + 2.302585092994) / 2.0).abs() < 1e-9);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Bce {
    /// A factor for each element, of a shape that broadcasts to the prediction's; all 1 by default.
    pub weight: Option<Tensor>,
    /// What becomes of the elements' losses; the mean by default.
    pub reduction: Reduction,
}

impl Loss for Bce {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let weight = as_prediction(self.weight.as_ref(), prediction);
        let options = BinaryCrossEntropyOptions { weight, reduction: self.reduction };
        prediction.binary_cross_entropy(target, &options)
    }
}

/// The binary cross-entropy of logits, `−t ln σ(y) − (1 − t) ln(1 − σ(y))` averaged over all elements, without overflow:
/// for yes or no, also several at once. The model ends with plain numbers, without a sigmoid.
///
/// # Shapes
/// Logits and targets of one shape; they do not broadcast. Targets are from 0 to 1.
///
/// # Examples
/// ```
/// # use talweg_nn::{BceWithLogits, Loss};
/// # use talweg_tensor::Tensor;
/// let (y, t) = (Tensor::from_slice(&[0.0f64, -200.0], [2]), Tensor::from_slice(&[1.0f64, 1.0], [2]));
/// // ln 2 and 200, by hand.
/// assert!((BceWithLogits::default().forward(&y, &t).item() - 100.346573590280).abs() < 1e-9);
/// ```
#[derive(Clone, Debug, Default)]
pub struct BceWithLogits {
    /// A factor for each element, of a shape that broadcasts to the prediction's; all 1 by default.
    pub weight: Option<Tensor>,
    /// A factor for the first term, of a shape that broadcasts to the prediction's: above 1 it makes a missed yes
    /// dearer than a false one; all 1 by default.
    pub pos_weight: Option<Tensor>,
    /// What becomes of the elements' losses; the mean by default.
    pub reduction: Reduction,
}

impl Loss for BceWithLogits {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let options = BinaryCrossEntropyWithLogitsOptions {
            weight: as_prediction(self.weight.as_ref(), prediction),
            pos_weight: as_prediction(self.pos_weight.as_ref(), prediction),
            reduction: self.reduction,
        };
        prediction.binary_cross_entropy_with_logits(target, &options)
    }
}
