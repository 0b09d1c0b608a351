//! Whether a forward pass trains or evaluates.

use talweg_tensor::Rng;

/// What a forward pass is for.
///
/// Dropout and batch normalisation do something else in training than in evaluation; no flag inside a layer says
/// which, and no hidden generator gives the random numbers.
///
/// # Examples
/// ```
/// # use talweg_nn::Mode;
/// # use talweg_tensor::{DType, Rng, Tensor};
/// /// Adds noise in training.
/// fn blur(x: &Tensor, mode: &mut Mode<'_>) -> Tensor {
///     match mode {
///         Mode::Eval => x.clone(),
///         Mode::Train(rng) => x + rng.normal(x.shape(), 0.0, 0.1, x.dtype()),
///     }
/// }
/// let x = Tensor::ones([3], DType::F32);
/// assert_eq!(blur(&x, &mut Mode::Eval).to_vec::<f32>(), [1.0, 1.0, 1.0]);
/// assert_ne!(blur(&x, &mut Mode::Train(&mut Rng::seed(1))).to_vec::<f32>(), [1.0, 1.0, 1.0]);
/// ```
#[derive(Debug)]
pub enum Mode<'a> {
    /// Evaluation: the output is a function of the input and the parameters alone.
    Eval,
    /// Training, with the random numbers that layers draw from.
    Train(&'a mut Rng),
}

impl Mode<'_> {
    /// Whether this is training.
    pub fn is_train(&self) -> bool {
        matches!(self, Mode::Train(_))
    }
}
