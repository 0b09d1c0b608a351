//! Normalisation of groups of channels, of single channels, and by neighbouring channels.

use talweg_tensor::{DType, LocalResponseNormOptions, Param, Tensor};

use crate::Module;
use crate::layers::Layer;
use crate::mode::Mode;

/// Normalises groups of channels of each example, `y = (x − mean) / √(variance + ε) w + b`, with the biased variance. It does
/// the same in training and in evaluation, whatever the size of the batch.
///
/// # Arguments
/// - `groups`: how many groups, a divisor of the channels; 32 is usual.
/// - `channels`: the number of channels.
/// - [`GroupNorm::without_affine`] leaves `w` and `b` out; `eps` is a field.
///
/// # Shapes
/// `[n, channels, ..]` to the same.
///
/// # Parameters
/// | name | shape | initial value |
/// | --- | --- | --- |
/// | `weight` | `[channels]` | 1 |
/// | `bias` | `[channels]` | 0 |
///
/// # Source
/// Wu and He, "Group normalization", ECCV 2018.
///
/// # Examples
/// ```
/// # use talweg_nn::{GroupNorm, Layer, Mode};
/// # use talweg_tensor::Tensor;
/// let layer = GroupNorm { eps: 0.0, ..GroupNorm::new(2, 4) };
/// let y = layer.forward(&Tensor::from_slice(&[1.0f32, 3.0, 30.0, 10.0], [1, 4]), &mut Mode::Eval);
/// assert_eq!(y.to_vec::<f32>(), [-1.0, 1.0, 1.0, -1.0]);
/// ```
#[derive(Debug, Module)]
pub struct GroupNorm {
    /// The scale `w`.
    pub weight: Option<Param>,
    /// The shift `b`.
    pub bias: Option<Param>,
    /// How many groups.
    pub groups: usize,
    /// How many channels.
    pub channels: usize,
    /// Added to the variance, so that numbers that are all alike are not divided by 0.
    pub eps: f64,
}

impl GroupNorm {
    /// A layer with scale and shift, and ε 1e-5.
    ///
    /// # Panics
    /// When `groups` does not divide `channels`.
    #[track_caller]
    pub fn new(groups: usize, channels: usize) -> GroupNorm {
        assert!(
            groups > 0 && channels.is_multiple_of(groups),
            "GroupNorm: {groups} groups do not divide {channels} channels evenly; take a divisor"
        );
        GroupNorm {
            weight: Some(Param::new(Tensor::ones([channels], DType::F32))),
            bias: Some(Param::new(Tensor::zeros([channels], DType::F32))),
            groups,
            channels,
            eps: 1e-5,
        }
    }

    /// The same layer without scale and shift.
    pub fn without_affine(self) -> GroupNorm {
        GroupNorm { weight: None, bias: None, ..self }
    }
}

impl Layer for GroupNorm {
    fn forward(&self, x: &Tensor, _: &mut Mode<'_>) -> Tensor {
        assert!(
            x.rank() >= 2 && x.size(1) == self.channels,
            "GroupNorm: the layer has {} channels and takes [n, channels, ..], got {}; make it for as many as the input has",
            self.channels,
            x.shape()
        );
        let (w, b) = (self.weight.as_ref().map(Param::get), self.bias.as_ref().map(Param::get));
        x.group_norm(self.groups, w.as_ref(), b.as_ref(), self.eps)
    }
}

/// One struct for each number of axes; all else is the same.
macro_rules! instance_norms {
    ($(
        $(#[$doc:meta])*
        $name:ident: $rank:literal, $shapes:literal;
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Module)]
        pub struct $name {
            /// The scale `w`, none at first.
            pub weight: Option<Param>,
            /// The shift `b`, none at first.
            pub bias: Option<Param>,
            /// How many channels.
            pub channels: usize,
            /// Added to the variance, so that numbers that are all alike are not divided by 0.
            pub eps: f64,
        }

        impl $name {
            /// A layer without scale and shift, with ε 1e-5.
            pub fn new(channels: usize) -> $name {
                $name { weight: None, bias: None, channels, eps: 1e-5 }
            }

            /// The same layer with scale 1 and shift 0, which are trained.
            pub fn affine(self) -> $name {
                $name {
                    weight: Some(Param::new(Tensor::ones([self.channels], DType::F32))),
                    bias: Some(Param::new(Tensor::zeros([self.channels], DType::F32))),
                    ..self
                }
            }
        }

        impl Layer for $name {
            fn forward(&self, x: &Tensor, _: &mut Mode<'_>) -> Tensor {
                check_rank(stringify!($name), x, $rank, $shapes);
                assert!(
                    x.size(1) == self.channels,
                    "{}: the layer has {} channels, the input {} has {}",
                    stringify!($name), self.channels, x.shape(), x.size(1)
                );
                let (w, b) = (self.weight.as_ref().map(Param::get), self.bias.as_ref().map(Param::get));
                x.instance_norm(w.as_ref(), b.as_ref(), self.eps)
            }
        }
    )*};
}

instance_norms! {
    /// Normalises each channel of each sequence over its positions, `y = (x − mean) / √(variance + ε)`.
    ///
    /// # Arguments
    /// - `channels`: the number of channels.
    /// - [`InstanceNorm1d::affine`] adds scale and shift; `eps` is a field.
    ///
    /// # Shapes
    /// `[n, channels, length]` to the same.
    ///
    /// # Parameters
    /// None at first; with [`InstanceNorm1d::affine`] `weight` (1) and `bias` (0), both `[channels]`.
    ///
    /// # Source
    /// Ulyanov, Vedaldi and Lempitsky, "Instance normalization: the missing ingredient for fast stylization", 2016.
    ///
    /// # Examples
    /// ```
    /// # use talweg_nn::{InstanceNorm1d, Layer, Mode};
    /// # use talweg_tensor::Tensor;
    /// let layer = InstanceNorm1d { eps: 0.0, ..InstanceNorm1d::new(2) };
    /// let y = layer.forward(&Tensor::from_slice(&[1.0f32, 3.0, 30.0, 10.0], [1, 2, 2]), &mut Mode::Eval);
    /// assert_eq!(y.to_vec::<f32>(), [-1.0, 1.0, 1.0, -1.0]);
    /// ```
    InstanceNorm1d: 3, "[n, channels, length]";

    /// Normalises each channel of each picture over its pixels, `y = (x − mean) / √(variance + ε)`.
    ///
    /// # Arguments
    /// - `channels`: the number of channels.
    /// - [`InstanceNorm2d::affine`] adds scale and shift; `eps` is a field.
    ///
    /// # Shapes
    /// `[n, channels, h, w]` to the same.
    ///
    /// # Parameters
    /// None at first; with [`InstanceNorm2d::affine`] `weight` (1) and `bias` (0), both `[channels]`.
    ///
    /// # Source
    /// Ulyanov, Vedaldi and Lempitsky, "Instance normalization: the missing ingredient for fast stylization", 2016.
    ///
    /// # Examples
    /// ```
    /// # use talweg_nn::{InstanceNorm2d, Layer, Mode};
    /// # use talweg_tensor::Tensor;
    /// let layer = InstanceNorm2d { eps: 0.0, ..InstanceNorm2d::new(1) };
    /// let y = layer.forward(&Tensor::from_slice(&[1.0f32, 3.0, 3.0, 1.0], [1, 1, 2, 2]), &mut Mode::Eval);
    /// assert_eq!(y.to_vec::<f32>(), [-1.0, 1.0, 1.0, -1.0]);
    /// ```
    InstanceNorm2d: 4, "[n, channels, h, w]";

    /// Normalises each channel of each volume over its positions, `y = (x − mean) / √(variance + ε)`.
    ///
    /// # Arguments
    /// - `channels`: the number of channels.
    /// - [`InstanceNorm3d::affine`] adds scale and shift; `eps` is a field.
    ///
    /// # Shapes
    /// `[n, channels, d, h, w]` to the same.
    ///
    /// # Parameters
    /// None at first; with [`InstanceNorm3d::affine`] `weight` (1) and `bias` (0), both `[channels]`.
    ///
    /// # Source
    /// Ulyanov, Vedaldi and Lempitsky, "Instance normalization: the missing ingredient for fast stylization", 2016.
    ///
    /// # Examples
    /// ```
    /// # use talweg_nn::{InstanceNorm3d, Layer, Mode};
    /// # use talweg_tensor::Tensor;
    /// let layer = InstanceNorm3d { eps: 0.0, ..InstanceNorm3d::new(1) };
    /// let y = layer.forward(&Tensor::from_slice(&[1.0f32, 3.0], [1, 1, 2, 1, 1]), &mut Mode::Eval);
    /// assert_eq!(y.to_vec::<f32>(), [-1.0, 1.0]);
    /// ```
    InstanceNorm3d: 5, "[n, channels, d, h, w]";
}

#[track_caller]
fn check_rank(name: &str, x: &Tensor, rank: usize, shapes: &str) {
    assert!(x.rank() == rank, "{name}: the layer takes {shapes}, got {}; reshape the input", x.shape());
}

/// Divides each number by the size of its neighbouring channels, `y[c] = x[c] / (k + α / size Σ x[c']²)^β`.
///
/// # Arguments
/// - `size`: how many neighbouring channels count; 5 was first used.
/// - `alpha`, `beta` and `k` are fields of `options`: 1e-4, 0.75 and 1.
///
/// # Shapes
/// `[n, channels, ..]` to the same.
///
/// # Parameters
/// None.
///
/// # Source
/// Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks", NIPS 2012, section 3.3,
/// there without the division by the size; with it in PyTorch.
///
/// # Examples
/// ```
/// # use talweg_nn::{Layer, LocalResponseNorm, Mode};
/// # use talweg_tensor::Tensor;
/// let mut layer = LocalResponseNorm::new(2);
/// (layer.options.alpha, layer.options.beta, layer.options.k) = (2.0, 0.5, 0.0);
/// let y = layer.forward(&Tensor::from_slice(&[3.0f32, 4.0], [1, 2]), &mut Mode::Eval);
/// assert_eq!(y.to_vec::<f32>(), [1.0, 0.8]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Module)]
pub struct LocalResponseNorm {
    /// Size, factor, power and summand.
    #[module(skip)]
    pub options: LocalResponseNormOptions,
}

impl LocalResponseNorm {
    /// A layer with the usual numbers.
    pub fn new(size: usize) -> LocalResponseNorm {
        LocalResponseNorm { options: LocalResponseNormOptions::new(size) }
    }
}

impl Layer for LocalResponseNorm {
    fn forward(&self, x: &Tensor, _: &mut Mode<'_>) -> Tensor {
        x.local_response_norm(&self.options)
    }
}
