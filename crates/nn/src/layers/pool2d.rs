//! Pooling of pictures.

use talweg_tensor::{Pool2dOptions, Tensor};

use crate::Module;
use crate::layers::{Layer, Size2d};
use crate::mode::Mode;

/// The greatest element of each window of each channel.
///
/// # Arguments
/// - `kernel`: the size of the window, one number or `[rows, columns]`. Windows lie side by side.
/// - [`MaxPool2d::stride`] and [`MaxPool2d::padding`] change the layer.
///
/// # Shapes
/// `[n, c, h, w]` to `[n, c, h', w']`, `h' = (h + 2 padding − rows) / stride + 1`, rounded down, and `w'` likewise.
///
/// # Parameters
/// None.
///
/// # Source
/// Riesenhuber and Poggio, "Hierarchical models of object recognition in cortex", Nature Neuroscience 2, 1999.
///
/// # Examples
/// ```
/// # use talweg_nn::{Layer, MaxPool2d, Mode};
/// # use talweg_tensor::Tensor;
/// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], [1, 1, 2, 4]);
/// assert_eq!(MaxPool2d::new(2).forward(&x, &mut Mode::Eval).to_vec::<f32>(), [6.0, 8.0]);
/// ```
#[derive(Clone, Debug, Module)]
pub struct MaxPool2d {
    /// Window, stride and padding.
    #[module(skip)]
    pub options: Pool2dOptions,
}

/// The mean of each window of each channel.
///
/// # Arguments
/// - `kernel`: the size of the window, one number or `[rows, columns]`. Windows lie side by side.
/// - [`AvgPool2d::stride`] and [`AvgPool2d::padding`] change the layer; whether padding counts in the mean is a field
///   of [`Pool2dOptions`].
///
/// # Shapes
/// `[n, c, h, w]` to `[n, c, h', w']`, `h' = (h + 2 padding − rows) / stride + 1`, rounded down, and `w'` likewise.
///
/// # Parameters
/// None.
///
/// # Source
/// LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", Proceedings of the
/// IEEE 86, 1998: the subsampling layers, without their weights.
///
/// # Examples
/// ```
/// # use talweg_nn::{AvgPool2d, Layer, Mode};
/// # use talweg_tensor::Tensor;
/// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], [1, 1, 2, 4]);
/// assert_eq!(AvgPool2d::new(2).forward(&x, &mut Mode::Eval).to_vec::<f32>(), [3.5, 5.5]);
/// ```
#[derive(Clone, Debug, Module)]
pub struct AvgPool2d {
    /// Window, stride, padding, and whether padding counts.
    #[module(skip)]
    pub options: Pool2dOptions,
}

macro_rules! pools {
    ($($name:ident.$method:ident)*) => {$(
        impl $name {
            /// A layer whose windows lie side by side.
            pub fn new(kernel: impl Into<Size2d>) -> $name {
                $name { options: Pool2dOptions { kernel: kernel.into().0, ..Default::default() } }
            }

            /// The same layer with the windows this far apart.
            pub fn stride(mut self, stride: impl Into<Size2d>) -> $name {
                self.options.stride = Some(stride.into().0);
                self
            }

            /// The same layer with so many rows and columns added on every side of the input.
            pub fn padding(mut self, padding: impl Into<Size2d>) -> $name {
                self.options.padding = padding.into().0;
                self
            }
        }

        impl Layer for $name {
            fn forward(&self, x: &Tensor, _: &mut Mode<'_>) -> Tensor {
                x.$method(&self.options)
            }
        }
    )*};
}
pools! { MaxPool2d.max_pool2d AvgPool2d.avg_pool2d }
