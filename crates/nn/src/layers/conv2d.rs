//! Convolution of pictures.

use talweg_tensor::{Conv2dOptions, DType, Param, Rng, Tensor};

use crate::Module;
use crate::init::Init;
use crate::layers::{Layer, Size2d};
use crate::mode::Mode;

/// A two-dimensional convolution: every output pixel is a weighted sum of a window of the input,
/// `y[o, i, j] = b[o] + Σ w[o, c, r, s] x[c, i + r, j + s]`, with stride 1 and without padding.
///
/// # Arguments
/// - `inputs`, `outputs`: the numbers of channels.
/// - `kernel`: the size of the window, one number or `[rows, columns]`.
/// - `rng`: where the initial weights come from.
/// - [`Conv2d::stride`], [`Conv2d::padding`], [`Conv2d::dilation`] and [`Conv2d::without_bias`] change the layer;
///   [`Conv2d::with`] takes [`Conv2dOptions`], which also have groups.
///
/// # Shapes
/// `[n, inputs, h, w]` to `[n, outputs, h', w']`, `h' = (h + 2 padding − dilation (rows − 1) − 1) / stride + 1`,
/// rounded down, and `w'` likewise.
///
/// # Parameters
/// | name | shape | initial distribution |
/// | --- | --- | --- |
/// | `weight` | `[outputs, inputs / groups, rows, columns]` | uniform on ±1/√n, `n = inputs / groups · rows · columns` |
/// | `bias` | `[outputs]` | uniform on ±1/√n |
///
/// # Source
/// LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", Proceedings of the
/// IEEE 86, 1998. The initial distribution is PyTorch's.
///
/// # Examples
/// ```
/// # use talweg_nn::{Conv2d, Layer, Mode};
/// # use talweg_tensor::{DType, Rng, Tensor};
/// let layer = Conv2d::new(1, 1, 2, &mut Rng::seed(1)).without_bias();
/// layer.weight.set(&Tensor::from_slice(&[1.0f32, 0.0, 0.0, -1.0], [1, 1, 2, 2]));
/// let x = Tensor::from_slice(&[1.0f32, 2.0, 4.0, 7.0, 11.0, 16.0, 22.0, 29.0, 37.0], [1, 1, 3, 3]);
/// let y = layer.forward(&x, &mut Mode::Eval);
/// assert_eq!(y.to_vec::<f32>(), [1.0 - 11.0, 2.0 - 16.0, 7.0 - 29.0, 11.0 - 37.0]);
/// let halving = Conv2d::new(3, 8, 3, &mut Rng::seed(1)).stride(2).padding(1);
/// let y = halving.forward(&Tensor::zeros([5, 3, 16, 16], DType::F32), &mut Mode::Eval);
/// assert_eq!(y.shape(), &[5, 8, 8, 8]);
/// ```
#[derive(Debug, Module)]
pub struct Conv2d {
    /// `w`, `[outputs, inputs / groups, rows, columns]`.
    pub weight: Param,
    /// `b`, `[outputs]`.
    pub bias: Option<Param>,
    /// Stride, padding, dilation and groups.
    #[module(skip)]
    pub options: Conv2dOptions,
}

impl Conv2d {
    /// A layer with bias, stride 1 and no padding.
    pub fn new(inputs: usize, outputs: usize, kernel: impl Into<Size2d>, rng: &mut Rng) -> Conv2d {
        Conv2d::with(inputs, outputs, kernel, Conv2dOptions::default(), rng)
    }

    /// A layer with bias and options.
    ///
    /// # Panics
    /// When the groups do not divide the channels.
    #[track_caller]
    pub fn with(
        inputs: usize,
        outputs: usize,
        kernel: impl Into<Size2d>,
        options: Conv2dOptions,
        rng: &mut Rng,
    ) -> Conv2d {
        let groups = options.groups;
        assert!(
            groups > 0 && inputs.is_multiple_of(groups) && outputs.is_multiple_of(groups),
            "Conv2d: {groups} groups do not divide {inputs} input channels and {outputs} output channels evenly"
        );
        let Size2d([rows, columns]) = kernel.into();
        let init = Init::fan_in_uniform(inputs / groups * rows * columns);
        Conv2d {
            weight: Param::new(init.draw([outputs, inputs / groups, rows, columns], DType::F32, rng)),
            bias: Some(Param::new(init.draw([outputs], DType::F32, rng))),
            options,
        }
    }

    /// The same layer with the windows this far apart.
    pub fn stride(mut self, stride: impl Into<Size2d>) -> Conv2d {
        self.options.stride = stride.into().0;
        self
    }

    /// The same layer with so many rows and columns of zeros on every side of the input.
    pub fn padding(mut self, padding: impl Into<Size2d>) -> Conv2d {
        self.options.padding = padding.into().0;
        self
    }

    /// The same layer with the elements of a window this far apart.
    pub fn dilation(mut self, dilation: impl Into<Size2d>) -> Conv2d {
        self.options.dilation = dilation.into().0;
        self
    }

    /// The same layer without bias.
    pub fn without_bias(self) -> Conv2d {
        Conv2d { bias: None, ..self }
    }
}

impl Layer for Conv2d {
    fn forward(&self, x: &Tensor, _: &mut Mode<'_>) -> Tensor {
        x.conv2d(&self.weight.get(), self.bias.as_ref().map(Param::get).as_ref(), &self.options)
    }
}
