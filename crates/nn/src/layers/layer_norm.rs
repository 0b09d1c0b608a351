//! Normalisation over the features.

use talweg_tensor::{DType, Param, Shape, Tensor};

use crate::Module;
use crate::layers::Layer;
use crate::mode::Mode;

/// Normalises each example over its last axes, `y = (x − mean) / √(variance + ε) w + b`, with the biased variance. It does
/// the same in training and in evaluation.
///
/// # Arguments
/// - `shape`: the sizes of the last axes, which are normalised together: `[features]` for one.
/// - [`LayerNorm::without_affine`] leaves `w` and `b` out; `eps` is a field.
///
/// # Shapes
/// `[.., shape]` to the same.
///
/// # Parameters
/// | name | shape | initial value |
/// | --- | --- | --- |
/// | `weight` | `shape` | 1 |
/// | `bias` | `shape` | 0 |
///
/// # Source
/// Ba, Kiros and Hinton, "Layer normalization", arXiv 1607.06450, 2016.
///
/// # Examples
/// ```
/// # use talweg_nn::{Layer, LayerNorm, Mode};
/// # use talweg_tensor::Tensor;
/// let layer = LayerNorm { eps: 0.0, ..LayerNorm::new([2]) };
/// let y = layer.forward(&Tensor::from_slice(&[1.0f32, 3.0, 30.0, 10.0], [2, 2]), &mut Mode::Eval);
/// assert_eq!(y.to_vec::<f32>(), [-1.0, 1.0, 1.0, -1.0]);
/// ```
#[derive(Debug, Module)]
pub struct LayerNorm {
    /// The scale `w`.
    pub weight: Option<Param>,
    /// The shift `b`.
    pub bias: Option<Param>,
    /// The sizes of the axes that are normalised together.
    pub shape: Shape,
    /// Added to the variance, so that numbers that are all alike are not divided by 0.
    pub eps: f64,
}

impl LayerNorm {
    /// A layer with scale and shift, and ε 1e-5.
    pub fn new(shape: impl Into<Shape>) -> LayerNorm {
        let shape = shape.into();
        LayerNorm {
            weight: Some(Param::new(Tensor::ones(shape, DType::F32))),
            bias: Some(Param::new(Tensor::zeros(shape, DType::F32))),
            shape,
            eps: 1e-5,
        }
    }

    /// The same layer without scale and shift.
    pub fn without_affine(self) -> LayerNorm {
        LayerNorm { weight: None, bias: None, ..self }
    }
}

impl Layer for LayerNorm {
    fn forward(&self, x: &Tensor, _: &mut Mode<'_>) -> Tensor {
        let (w, b) = (self.weight.as_ref().map(Param::get), self.bias.as_ref().map(Param::get));
        x.layer_norm(self.shape, w.as_ref(), b.as_ref(), self.eps)
    }
}
