//! Normalisation over the features by their size alone.

use talweg_tensor::{DType, Param, Tensor};

use crate::Module;
use crate::layers::Layer;
use crate::mode::Mode;

/// Normalises each example over its last axis, `y = x / √(mean x² + ε) w`: like [`LayerNorm`](crate::LayerNorm) without
/// mean and shift.
///
/// # Arguments
/// - `size`: the size of the last axis; `eps` is a field.
/// - [`RmsNorm::without_affine`] leaves `w` out.
///
/// # Shapes
/// `[.., size]` to the same.
///
/// # Parameters
/// | name | shape | initial value |
/// | --- | --- | --- |
/// | `weight` | `[size]` | 1 |
///
/// # Source
/// Zhang and Sennrich, "Root mean square layer normalization", NeurIPS 2019.
///
/// # Examples
/// ```
/// # use talweg_nn::{Layer, Mode, RmsNorm};
/// # use talweg_tensor::Tensor;
/// let layer = RmsNorm { eps: 0.0, ..RmsNorm::new(2) };
/// let y = layer.forward(&Tensor::from_slice(&[1.0f32, 7.0], [1, 2]), &mut Mode::Eval);
/// assert_eq!(y.to_vec::<f32>(), [0.2, 1.4]);
/// ```
#[derive(Debug, Module)]
pub struct RmsNorm {
    /// The scale `w`.
    pub weight: Option<Param>,
    /// Added to the mean of squares, so that nothing is divided by 0.
    pub eps: f64,
}

impl RmsNorm {
    /// A layer with scale, and ε 1e-5.
    pub fn new(size: usize) -> RmsNorm {
        RmsNorm { weight: Some(Param::new(Tensor::ones([size], DType::F32))), eps: 1e-5 }
    }

    /// The same layer without scale.
    pub fn without_affine(self) -> RmsNorm {
        RmsNorm { weight: None, ..self }
    }
}

impl Layer for RmsNorm {
    fn forward(&self, x: &Tensor, _: &mut Mode<'_>) -> Tensor {
        x.rms_norm(self.weight.as_ref().map(Param::get).as_ref(), self.eps)
    }
}
