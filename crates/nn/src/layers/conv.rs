//! Convolution of sequences, pictures and volumes, and its transpose.

use talweg_tensor::{ConvOptions, ConvTransposeOptions, DType, Param, Rng, Tensor};

use crate::Module;
use crate::init::Init;
use crate::layers::{Layer, Size, Weighted};
use crate::mode::Mode;

/// One struct for each number of axes; all else is the same.
macro_rules! convolutions {
    ($(
        $(#[$doc:meta])*
        $name:ident: $axes:literal, $method:ident;
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Module)]
        pub struct $name {
            /// `w`, `[outputs, inputs / groups, kernel..]`.
            pub weight: Param,
            /// `b`, `[outputs]`.
            pub bias: Option<Param>,
            /// Stride, padding, dilation and groups.
            #[module(skip)]
            pub options: ConvOptions<$axes>,
        }

        impl $name {
            /// A layer with bias, stride 1 and no padding.
            pub fn new(inputs: usize, outputs: usize, kernel: impl Into<Size<$axes>>, rng: &mut Rng) -> $name {
                $name::with(inputs, outputs, kernel, ConvOptions::default(), rng)
            }

            /// A layer with bias and options.
            ///
            /// # Panics
            /// When the groups do not divide the channels.
            #[track_caller]
            pub fn with(
                inputs: usize,
                outputs: usize,
                kernel: impl Into<Size<$axes>>,
                options: ConvOptions<$axes>,
                rng: &mut Rng,
            ) -> $name {
                assert_groups(stringify!($name), options.groups, inputs, outputs);
                let [weight, bias] = draw(outputs, inputs / options.groups, &kernel.into().0, outputs, rng);
                $name { weight, bias: Some(bias), options }
            }

            /// The same layer with the windows this far apart.
            pub fn stride(mut self, stride: impl Into<Size<$axes>>) -> $name {
                self.options.stride = stride.into().0;
                self
            }

            /// The same layer with so many zeros on both sides of each axis of the input.
            pub fn padding(mut self, padding: impl Into<Size<$axes>>) -> $name {
                self.options.padding = padding.into().0;
                self
            }

            /// The same layer with as many zeros as make the output as large as the input, for stride 1. Set the dilation
            /// before.
            pub fn same(mut self) -> $name {
                let shape = self.weight.shape();
                self.options = self.options.same(std::array::from_fn(|i| shape.size(i as isize + 2)));
                self
            }

            /// The same layer with the elements of a window this far apart.
            pub fn dilation(mut self, dilation: impl Into<Size<$axes>>) -> $name {
                self.options.dilation = dilation.into().0;
                self
            }

            /// The same layer without bias.
            pub fn without_bias(self) -> $name {
                $name { bias: None, ..self }
            }
        }

        impl Layer for $name {
            fn forward(&self, x: &Tensor, _: &mut Mode<'_>) -> Tensor {
                x.$method(&self.weight.get(), self.bias.as_ref().map(Param::get).as_ref(), &self.options)
            }
        }

        impl Weighted for $name {
            fn weight(&self) -> &Param {
                &self.weight
            }

            fn forward_with(&self, weight: &Tensor, x: &Tensor, _: &mut Mode<'_>) -> Tensor {
                x.$method(weight, self.bias.as_ref().map(Param::get).as_ref(), &self.options)
            }
        }
    )*};
}

/// One struct for each number of axes; all else is the same.
macro_rules! transposed {
    ($(
        $(#[$doc:meta])*
        $name:ident: $axes:literal, $method:ident;
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Module)]
        pub struct $name {
            /// `w`, `[inputs, outputs / groups, kernel..]`.
            pub weight: Param,
            /// `b`, `[outputs]`.
            pub bias: Option<Param>,
            /// Stride, padding, output padding, dilation and groups.
            #[module(skip)]
            pub options: ConvTransposeOptions<$axes>,
        }

        impl $name {
            /// A layer with bias, stride 1 and no padding.
            pub fn new(inputs: usize, outputs: usize, kernel: impl Into<Size<$axes>>, rng: &mut Rng) -> $name {
                $name::with(inputs, outputs, kernel, ConvTransposeOptions::default(), rng)
            }

            /// A layer with bias and options.
            ///
            /// # Panics
            /// When the groups do not divide the channels.
            #[track_caller]
            pub fn with(
                inputs: usize,
                outputs: usize,
                kernel: impl Into<Size<$axes>>,
                options: ConvTransposeOptions<$axes>,
                rng: &mut Rng,
            ) -> $name {
                assert_groups(stringify!($name), options.groups, inputs, outputs);
                let [weight, bias] = draw(inputs, outputs / options.groups, &kernel.into().0, outputs, rng);
                $name { weight, bias: Some(bias), options }
            }

            /// The same layer with the places of two inputs this far apart.
            pub fn stride(mut self, stride: impl Into<Size<$axes>>) -> $name {
                self.options.stride = stride.into().0;
                self
            }

            /// The same layer with so many outputs cut off on both sides of each axis.
            pub fn padding(mut self, padding: impl Into<Size<$axes>>) -> $name {
                self.options.padding = padding.into().0;
                self
            }

            /// The same layer with so many outputs more at the end of each axis, less than the stride.
            pub fn output_padding(mut self, padding: impl Into<Size<$axes>>) -> $name {
                self.options.output_padding = padding.into().0;
                self
            }

            /// The same layer with the elements of the kernel this far apart.
            pub fn dilation(mut self, dilation: impl Into<Size<$axes>>) -> $name {
                self.options.dilation = dilation.into().0;
                self
            }

            /// The same layer without bias.
            pub fn without_bias(self) -> $name {
                $name { bias: None, ..self }
            }
        }

        impl Layer for $name {
            fn forward(&self, x: &Tensor, _: &mut Mode<'_>) -> Tensor {
                x.$method(&self.weight.get(), self.bias.as_ref().map(Param::get).as_ref(), &self.options)
            }
        }
    )*};
}

#[track_caller]
fn assert_groups(name: &str, groups: usize, inputs: usize, outputs: usize) {
    assert!(
        groups > 0 && inputs.is_multiple_of(groups) && outputs.is_multiple_of(groups),
        "{name}: {groups} groups do not divide {inputs} input channels and {outputs} output channels evenly; take a divisor of both"
    );
}

/// A weight `[first, second, kernel..]` and a bias `[outputs]`, uniform on ±1/√(second · kernel), as PyTorch draws both kinds.
fn draw(first: usize, second: usize, kernel: &[usize], outputs: usize, rng: &mut Rng) -> [Param; 2] {
    let init = Init::fan_in_uniform(second * kernel.iter().product::<usize>());
    let mut sizes = vec![first, second];
    sizes.extend(kernel);
    [Param::new(init.draw(sizes, DType::F32, rng)), Param::new(init.draw([outputs], DType::F32, rng))]
}

convolutions! {
    /// A convolution of sequences: every output is a weighted sum of a window of the input,
    /// `y[o, i] = b[o] + Σ w[o, c, r] x[c, i + r]`, with stride 1 and without padding.
    ///
    /// # Arguments
    /// - `inputs`, `outputs`: the numbers of channels.
    /// - `kernel`: the size of the window.
    /// - `rng`: where the initial weights come from.
    /// - [`Conv1d::stride`], [`Conv1d::padding`], [`Conv1d::same`], [`Conv1d::dilation`] and [`Conv1d::without_bias`] change the
    ///   layer; [`Conv1d::with`] takes [`ConvOptions`], which also have groups.
    ///
    /// # Shapes
    /// `[n, inputs, l]` to `[n, outputs, l']`, `l' = (l + 2 padding − dilation (kernel − 1) − 1) / stride + 1`, rounded down.
    ///
    /// # Parameters
    /// | name | shape | initial distribution |
    /// | --- | --- | --- |
    /// | `weight` | `[outputs, inputs / groups, kernel]` | uniform on ±1/√n, `n = inputs / groups · kernel` |
    /// | `bias` | `[outputs]` | uniform on ±1/√n |
    ///
    /// # Source
    /// Waibel et al., "Phoneme recognition using time-delay neural networks", 1989. The initial distribution is PyTorch's.
    ///
    /// # Examples
    /// ```
    /// # use talweg_nn::{Conv1d, Layer, Mode};
    /// # use talweg_tensor::{DType, Rng, Tensor};
    /// let layer = Conv1d::new(1, 1, 2, &mut Rng::seed(1)).without_bias();
    /// layer.weight.set(&Tensor::from_slice(&[-1.0f32, 1.0], [1, 1, 2]));
    /// let y = layer.forward(&Tensor::from_slice(&[1.0f32, 2.0, 4.0, 7.0], [1, 1, 4]), &mut Mode::Eval);
    /// assert_eq!(y.to_vec::<f32>(), [1.0, 2.0, 3.0]);
    /// let causal = Conv1d::new(3, 8, 4, &mut Rng::seed(1)).same();
    /// assert_eq!(causal.forward(&Tensor::zeros([5, 3, 16], DType::F32), &mut Mode::Eval).shape(), &[5, 8, 16]);
    /// ```
    Conv1d: 1, conv1d;

    /// A two-dimensional convolution: every output pixel is a weighted sum of a window of the input,
    /// `y[o, i, j] = b[o] + Σ w[o, c, r, s] x[c, i + r, j + s]`, with stride 1 and without padding.
    ///
    /// # Arguments
    /// - `inputs`, `outputs`: the numbers of channels.
    /// - `kernel`: the size of the window, one number or `[rows, columns]`.
    /// - `rng`: where the initial weights come from.
    /// - [`Conv2d::stride`], [`Conv2d::padding`], [`Conv2d::same`], [`Conv2d::dilation`] and [`Conv2d::without_bias`] change the layer;
    ///   [`Conv2d::with`] takes [`ConvOptions`], which also have groups.
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
    Conv2d: 2, conv2d;

    /// A convolution of volumes, as [`Conv2d`] with one more axis, the depth; with stride 1 and without padding.
    ///
    /// # Arguments
    /// - `inputs`, `outputs`: the numbers of channels.
    /// - `kernel`: the size of the window, one number or `[depth, rows, columns]`.
    /// - `rng`: where the initial weights come from.
    /// - The methods of [`Conv2d`] change the layer.
    ///
    /// # Shapes
    /// `[n, inputs, d, h, w]` to `[n, outputs, d', h', w']`, `d' = (d + 2 padding − dilation (depth − 1) − 1) / stride + 1`, rounded
    /// down, and `h'` and `w'` likewise.
    ///
    /// # Parameters
    /// | name | shape | initial distribution |
    /// | --- | --- | --- |
    /// | `weight` | `[outputs, inputs / groups, depth, rows, columns]` | uniform on ±1/√n, `n` numbers to an output |
    /// | `bias` | `[outputs]` | uniform on ±1/√n |
    ///
    /// # Source
    /// Ji, Xu, Yang and Yu, "3D convolutional neural networks for human action recognition", PAMI 35, 2013. The initial
    /// distribution is PyTorch's.
    ///
    /// # Examples
    /// ```
    /// # use talweg_nn::{Conv3d, Layer, Mode};
    /// # use talweg_tensor::{DType, Rng, Tensor};
    /// let layer = Conv3d::new(2, 4, 3, &mut Rng::seed(1)).padding(1).stride([1, 2, 2]);
    /// let y = layer.forward(&Tensor::zeros([1, 2, 4, 8, 8], DType::F32), &mut Mode::Eval);
    /// assert_eq!(y.shape(), &[1, 4, 4, 4, 4]);
    /// ```
    Conv3d: 3, conv3d;
}

transposed! {
    /// A transposed convolution of sequences, which makes them longer: every input adds the kernel, times itself, to the outputs
    /// at its place.
    ///
    /// # Arguments
    /// - `inputs`, `outputs`: the numbers of channels.
    /// - `kernel`: the size of the window.
    /// - `rng`: where the initial weights come from.
    /// - [`ConvTranspose1d::stride`], [`ConvTranspose1d::padding`], [`ConvTranspose1d::output_padding`],
    ///   [`ConvTranspose1d::dilation`] and [`ConvTranspose1d::without_bias`] change the layer; [`ConvTranspose1d::with`] takes
    ///   [`ConvTransposeOptions`], which also have groups.
    ///
    /// # Shapes
    /// `[n, inputs, l]` to `[n, outputs, l']`, `l' = (l − 1) stride − 2 padding + dilation (kernel − 1) + 1 + output_padding`.
    ///
    /// # Parameters
    /// | name | shape | initial distribution |
    /// | --- | --- | --- |
    /// | `weight` | `[inputs, outputs / groups, kernel]` | uniform on ±1/√n, `n = outputs / groups · kernel` |
    /// | `bias` | `[outputs]` | uniform on ±1/√n |
    ///
    /// # Source
    /// Zeiler, Krishnan, Taylor and Fergus, "Deconvolutional networks", CVPR 2010. The initial distribution is PyTorch's.
    ///
    /// # Examples
    /// ```
    /// # use talweg_nn::{ConvTranspose1d, Layer, Mode};
    /// # use talweg_tensor::{DType, Rng, Tensor};
    /// let layer = ConvTranspose1d::new(2, 3, 4, &mut Rng::seed(1)).stride(2).padding(1);
    /// assert_eq!(layer.forward(&Tensor::zeros([1, 2, 8], DType::F32), &mut Mode::Eval).shape(), &[1, 3, 16]);
    /// ```
    ConvTranspose1d: 1, conv_transpose1d;

    /// A transposed convolution of pictures, which makes them larger: every input pixel adds the kernel, times itself, to the
    /// output at its place.
    ///
    /// # Arguments
    /// - `inputs`, `outputs`: the numbers of channels.
    /// - `kernel`: the size of the window, one number or `[rows, columns]`.
    /// - `rng`: where the initial weights come from.
    /// - The methods of [`ConvTranspose1d`] change the layer.
    ///
    /// # Shapes
    /// `[n, inputs, h, w]` to `[n, outputs, h', w']`, `h' = (h − 1) stride − 2 padding + dilation (rows − 1) + 1 + output_padding`,
    /// and `w'` likewise.
    ///
    /// # Parameters
    /// | name | shape | initial distribution |
    /// | --- | --- | --- |
    /// | `weight` | `[inputs, outputs / groups, rows, columns]` | uniform on ±1/√n, `n = outputs / groups · rows · columns` |
    /// | `bias` | `[outputs]` | uniform on ±1/√n |
    ///
    /// # Source
    /// Zeiler, Krishnan, Taylor and Fergus, "Deconvolutional networks", CVPR 2010. The initial distribution is PyTorch's.
    ///
    /// # Examples
    /// ```
    /// # use talweg_nn::{ConvTranspose2d, Layer, Mode};
    /// # use talweg_tensor::{DType, Rng, Tensor};
    /// let layer = ConvTranspose2d::new(2, 3, 4, &mut Rng::seed(1)).stride(2).padding(1);
    /// assert_eq!(layer.forward(&Tensor::zeros([1, 2, 8, 8], DType::F32), &mut Mode::Eval).shape(), &[1, 3, 16, 16]);
    /// ```
    ConvTranspose2d: 2, conv_transpose2d;

    /// A transposed convolution of volumes, as [`ConvTranspose2d`] with one more axis, the depth.
    ///
    /// # Arguments
    /// - `inputs`, `outputs`: the numbers of channels.
    /// - `kernel`: the size of the window, one number or `[depth, rows, columns]`.
    /// - `rng`: where the initial weights come from.
    /// - The methods of [`ConvTranspose1d`] change the layer.
    ///
    /// # Shapes
    /// `[n, inputs, d, h, w]` to `[n, outputs, d', h', w']`, `d' = (d − 1) stride − 2 padding + dilation (depth − 1) + 1 +
    /// output_padding`, and `h'` and `w'` likewise.
    ///
    /// # Parameters
    /// | name | shape | initial distribution |
    /// | --- | --- | --- |
    /// | `weight` | `[inputs, outputs / groups, depth, rows, columns]` | uniform on ±1/√n, `n = outputs / groups · kernel` |
    /// | `bias` | `[outputs]` | uniform on ±1/√n |
    ///
    /// # Source
    /// Zeiler, Krishnan, Taylor and Fergus, "Deconvolutional networks", CVPR 2010. The initial distribution is PyTorch's.
    ///
    /// # Examples
    /// ```
    /// # use talweg_nn::{ConvTranspose3d, Layer, Mode};
    /// # use talweg_tensor::{DType, Rng, Tensor};
    /// let layer = ConvTranspose3d::new(2, 3, 2, &mut Rng::seed(1)).stride(2);
    /// assert_eq!(layer.forward(&Tensor::zeros([1, 2, 4, 4, 4], DType::F32), &mut Mode::Eval).shape(), &[1, 3, 8, 8, 8]);
    /// ```
    ConvTranspose3d: 3, conv_transpose3d;
}
