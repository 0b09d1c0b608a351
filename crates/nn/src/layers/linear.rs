//! A linear map of the features.

use talweg_tensor::{DType, Param, Rng, Tensor};

use crate::Module;
use crate::init::Init;
use crate::layers::Layer;
use crate::mode::Mode;

/// A linear map of the last axis, `y = x Wᵀ + b`.
///
/// # Arguments
/// - `inputs`, `outputs`: the numbers of features.
/// - `rng`: where the initial weights come from.
/// - [`Linear::without_bias`] leaves `b` out.
///
/// # Shapes
/// `[.., inputs]` to `[.., outputs]`.
///
/// # Parameters
/// | name | shape | initial distribution |
/// | --- | --- | --- |
/// | `weight` | `[outputs, inputs]` | uniform on ±1/√inputs |
/// | `bias` | `[outputs]` | uniform on ±1/√inputs |
///
/// # Source
/// The initial distribution is PyTorch's; it goes back to LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998,
/// section 4.6.
///
/// # Examples
/// ```
/// # use talweg_nn::{Layer, Linear, Mode};
/// # use talweg_tensor::{Rng, Tensor};
/// let layer = Linear::new(2, 1, &mut Rng::seed(1));
/// layer.weight.set(&Tensor::from_slice(&[2.0f32, -1.0], [1, 2]));
/// layer.bias.as_ref().expect("made with a bias").set(&Tensor::from_slice(&[0.5f32], [1]));
/// let y = layer.forward(&Tensor::from_slice(&[1.0f32, 1.0, 3.0, 0.0], [2, 2]), &mut Mode::Eval);
/// assert_eq!(y.to_vec::<f32>(), [1.5, 6.5]);
/// ```
#[derive(Debug, Module)]
pub struct Linear {
    /// `W`, `[outputs, inputs]`.
    pub weight: Param,
    /// `b`, `[outputs]`.
    pub bias: Option<Param>,
}

impl Linear {
    /// A layer with bias.
    pub fn new(inputs: usize, outputs: usize, rng: &mut Rng) -> Linear {
        let init = Init::fan_in_uniform(inputs);
        Linear {
            weight: Param::new(init.draw([outputs, inputs], DType::F32, rng)),
            bias: Some(Param::new(init.draw([outputs], DType::F32, rng))),
        }
    }

    /// The same layer without bias, `y = x Wᵀ`.
    pub fn without_bias(self) -> Linear {
        Linear { bias: None, ..self }
    }
}

impl Layer for Linear {
    fn forward(&self, x: &Tensor, _: &mut Mode<'_>) -> Tensor {
        x.linear(&self.weight.get(), self.bias.as_ref().map(Param::get).as_ref())
    }
}
