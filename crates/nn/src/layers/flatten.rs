//! Many axes to one.

use talweg_tensor::Tensor;

use crate::Module;
use crate::layers::Layer;
use crate::mode::Mode;

/// All axes but the first in one: between convolutions and linear layers. The numbers are not copied.
///
/// # Arguments
/// None.
///
/// # Shapes
/// `[n, ..]` to `[n, product of the others]`.
///
/// # Parameters
/// None.
///
/// # Source
/// LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", 1998: the step from
/// feature maps to a full connection.
///
/// # Examples
/// ```
/// # use talweg_nn::{Flatten, Layer, Mode};
/// # use talweg_tensor::{DType, Tensor};
/// let y = Flatten.forward(&Tensor::zeros([8, 64, 12, 12], DType::F32), &mut Mode::Eval);
/// assert_eq!(y.shape(), &[8, 9216]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Module)]
pub struct Flatten;

impl Layer for Flatten {
    fn forward(&self, x: &Tensor, _: &mut Mode<'_>) -> Tensor {
        x.flatten(1)
    }
}
