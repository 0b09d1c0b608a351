//! The trait of all layers.

use std::fmt::Debug;
use std::sync::Arc;

use talweg_tensor::Tensor;

use crate::Module;
use crate::mode::Mode;

/// A module that makes a tensor of another.
///
/// # Examples
/// ```
/// extern crate talweg_nn as talweg; // a program that depends on `talweg` needs no such line
/// use talweg_nn::{Layer, Linear, Mode, Module};
/// use talweg_tensor::{DType, Rng, Tensor};
///
/// /// Two layers and a shortcut past them, `y = x + b(relu(a(x)))`.
/// #[derive(Debug, Module)]
/// struct Block {
///     a: Linear,
///     b: Linear,
/// }
///
/// impl Layer for Block {
///     fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Tensor {
///         x + self.b.forward(&self.a.forward(x, mode).relu(), mode)
///     }
/// }
///
/// fn main() {
///     let rng = &mut Rng::seed(1);
///     let block = Block { a: Linear::new(4, 16, rng), b: Linear::new(16, 4, rng) };
///     let y = block.forward(&Tensor::ones([2, 4], DType::F32), &mut Mode::Eval);
///     assert_eq!(y.shape(), &[2, 4]);
/// }
/// ```
pub trait Layer: Module + Debug + Send + Sync {
    /// The output for an input.
    ///
    /// # Panics
    /// When the input's shape or type does not fit the layer.
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Tensor;

    /// The name of the layer's kind, as summaries show it: its type without path and parameters.
    fn name(&self) -> &'static str {
        let path = std::any::type_name::<Self>();
        let path = path.split('<').next().unwrap_or(path);
        path.rsplit("::").next().unwrap_or(path)
    }
}

macro_rules! pointers {
    ($($pointer:ident)*) => {$(
        impl<L: Layer + ?Sized> Layer for $pointer<L> {
            fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Tensor {
                (**self).forward(x, mode)
            }

            fn name(&self) -> &'static str {
                (**self).name()
            }
        }
    )*};
}
pointers! { Box Arc }
