//! Normalisation over the batch.

use std::ops::RangeInclusive;

use talweg_tensor::{BatchNormOutput, Buffer, DType, Param, Tensor};

use crate::Module;
use crate::layers::Layer;
use crate::mode::Mode;

/// One struct for each number of axes; all else is the same.
macro_rules! batch_norms {
    ($(
        $(#[$doc:meta])*
        $name:ident: $ranks:expr, $shapes:literal;
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Module)]
        pub struct $name {
            /// The scale `w`, `[channels]`.
            pub weight: Option<Param>,
            /// The shift `b`, `[channels]`.
            pub bias: Option<Param>,
            /// The running mean, `[channels]`.
            pub running_mean: Buffer,
            /// The running variance, `[channels]`, of samples: with `n − 1` in the denominator.
            pub running_var: Buffer,
            /// How many batches the running statistics have seen, an `i64` scalar.
            pub num_batches_tracked: Buffer,
            /// How much of each batch goes into the running statistics, from 0 to 1.
            pub momentum: f64,
            /// Added to the variance, so that a channel whose numbers are all alike is not divided by 0.
            pub eps: f64,
        }

        impl $name {
            /// A layer with scale and shift, momentum 0.1 and ε 1e-5.
            pub fn new(channels: usize) -> $name {
                $name {
                    weight: Some(Param::new(Tensor::ones([channels], DType::F32))),
                    bias: Some(Param::new(Tensor::zeros([channels], DType::F32))),
                    running_mean: Buffer::new(Tensor::zeros([channels], DType::F32)),
                    running_var: Buffer::new(Tensor::ones([channels], DType::F32)),
                    num_batches_tracked: Buffer::new(Tensor::scalar(0i64)),
                    momentum: 0.1,
                    eps: 1e-5,
                }
            }

            /// The same layer without scale and shift.
            pub fn without_affine(self) -> $name {
                $name { weight: None, bias: None, ..self }
            }

            /// The layer with a shortcut of the input's shape added, if there is one, and the rectifier behind it,
            /// `relu(forward(x) + shortcut)`: in training one pass instead of three.
            pub fn forward_relu(&self, x: &Tensor, shortcut: Option<&Tensor>, mode: &mut Mode<'_>) -> Tensor {
                if !mode.is_train() {
                    let y = self.forward(x, mode);
                    return match shortcut {
                        Some(shortcut) => (y + shortcut).relu(),
                        None => y.relu(),
                    };
                }
                check(stringify!($name), x, &self.running_mean, $ranks, $shapes);
                let (w, b) = (self.weight.as_ref().map(Param::get), self.bias.as_ref().map(Param::get));
                self.track(x.batch_norm_relu(w.as_ref(), b.as_ref(), shortcut, self.eps), x)
            }

            /// Moves the running statistics towards those of a batch.
            fn track(&self, output: BatchNormOutput, x: &Tensor) -> Tensor {
                let BatchNormOutput { y, mean, variance } = output;
                let n = (x.numel() / mean.numel().max(1)) as f64;
                self.running_mean.update(|r| *r = &*r * (1.0 - self.momentum) + &mean * self.momentum);
                let unbiased = self.momentum * n / (n - 1.0);
                self.running_var.update(|r| *r = &*r * (1.0 - self.momentum) + &variance * unbiased);
                self.num_batches_tracked.update(|count| *count = &*count + &Tensor::ones([], DType::I64));
                y
            }
        }

        impl Layer for $name {
            fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Tensor {
                check(stringify!($name), x, &self.running_mean, $ranks, $shapes);
                let (w, b) = (self.weight.as_ref().map(Param::get), self.bias.as_ref().map(Param::get));
                if !mode.is_train() {
                    let (mean, var) = (self.running_mean.get(), self.running_var.get());
                    return x.batch_norm_eval(&mean, &var, w.as_ref(), b.as_ref(), self.eps);
                }
                self.track(x.batch_norm(w.as_ref(), b.as_ref(), self.eps), x)
            }
        }
    )*};
}

batch_norms! {
    /// Normalises each feature over the batch, `y = (x − mean) / √(variance + ε) w + b`.
    ///
    /// In training mean and variance are those of the batch, and the running statistics move towards them,
    /// `r ← (1 − momentum) r + momentum s`; in evaluation the running statistics are used, and nothing changes.
    ///
    /// # Arguments
    /// - `channels`: the number of features.
    /// - [`BatchNorm1d::without_affine`] leaves `w` and `b` out; `momentum` and `eps` are fields.
    ///
    /// # Shapes
    /// `[n, channels]` or `[n, channels, length]` to the same. In training each channel needs two numbers or more.
    ///
    /// # Parameters
    /// | name | shape | initial value |
    /// | --- | --- | --- |
    /// | `weight` | `[channels]` | 1 |
    /// | `bias` | `[channels]` | 0 |
    /// | `running_mean` (buffer) | `[channels]` | 0 |
    /// | `running_var` (buffer) | `[channels]` | 1 |
    /// | `num_batches_tracked` (buffer) | `[]` | 0 |
    ///
    /// # Source
    /// Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
    /// shift", ICML 2015. The running averages, and that they hold the variance of a sample, are PyTorch's.
    ///
    /// # Examples
    /// ```
    /// # use talweg_nn::{BatchNorm1d, Layer, Mode};
    /// # use talweg_tensor::{Rng, Tensor};
    /// let layer = BatchNorm1d { eps: 0.0, ..BatchNorm1d::new(2) };
    /// let x = Tensor::from_slice(&[1.0f32, 10.0, 3.0, 30.0], [2, 2]);
    /// let y = layer.forward(&x, &mut Mode::Train(&mut Rng::seed(1)));
    /// assert_eq!(y.to_vec::<f32>(), [-1.0, -1.0, 1.0, 1.0]);
    /// assert_eq!(layer.running_mean.get().to_vec::<f32>(), [0.2, 2.0]); // a tenth of the means 2 and 20
    /// ```
    BatchNorm1d: 2..=3, "[n, channels] or [n, channels, length]";

    /// Normalises each channel over the batch and all positions, `y = (x − mean) / √(variance + ε) w + b`.
    ///
    /// In training mean and variance are those of the batch, and the running statistics move towards them,
    /// `r ← (1 − momentum) r + momentum s`; in evaluation the running statistics are used, and nothing changes.
    ///
    /// # Arguments
    /// - `channels`: the number of channels.
    /// - [`BatchNorm2d::without_affine`] leaves `w` and `b` out; `momentum` and `eps` are fields.
    ///
    /// # Shapes
    /// `[n, channels, h, w]` to the same. In training each channel needs two numbers or more.
    ///
    /// # Parameters
    /// | name | shape | initial value |
    /// | --- | --- | --- |
    /// | `weight` | `[channels]` | 1 |
    /// | `bias` | `[channels]` | 0 |
    /// | `running_mean` (buffer) | `[channels]` | 0 |
    /// | `running_var` (buffer) | `[channels]` | 1 |
    /// | `num_batches_tracked` (buffer) | `[]` | 0 |
    ///
    /// # Source
    /// Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
    /// shift", ICML 2015. The running averages, and that they hold the variance of a sample, are PyTorch's.
    ///
    /// # Examples
    /// ```
    /// # use talweg_nn::{BatchNorm2d, Layer, Mode};
    /// # use talweg_tensor::{Rng, Tensor};
    /// let layer = BatchNorm2d { eps: 0.0, ..BatchNorm2d::new(1) };
    /// let x = Tensor::from_slice(&[1.0f32, 3.0, 3.0, 1.0], [1, 1, 2, 2]);
    /// let y = layer.forward(&x, &mut Mode::Train(&mut Rng::seed(1)));
    /// assert_eq!(y.to_vec::<f32>(), [-1.0, 1.0, 1.0, -1.0]);
    /// ```
    BatchNorm2d: 4..=4, "[n, channels, h, w]";

    /// Normalises each channel over the batch and all positions, `y = (x − mean) / √(variance + ε) w + b`.
    ///
    /// In training mean and variance are those of the batch, and the running statistics move towards them,
    /// `r ← (1 − momentum) r + momentum s`; in evaluation the running statistics are used, and nothing changes.
    ///
    /// # Arguments
    /// - `channels`: the number of channels.
    /// - [`BatchNorm3d::without_affine`] leaves `w` and `b` out; `momentum` and `eps` are fields.
    ///
    /// # Shapes
    /// `[n, channels, d, h, w]` to the same. In training each channel needs two numbers or more.
    ///
    /// # Parameters
    /// | name | shape | initial value |
    /// | --- | --- | --- |
    /// | `weight` | `[channels]` | 1 |
    /// | `bias` | `[channels]` | 0 |
    /// | `running_mean` (buffer) | `[channels]` | 0 |
    /// | `running_var` (buffer) | `[channels]` | 1 |
    /// | `num_batches_tracked` (buffer) | `[]` | 0 |
    ///
    /// # Source
    /// Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
    /// shift", ICML 2015. The running averages, and that they hold the variance of a sample, are PyTorch's.
    ///
    /// # Examples
    /// ```
    /// # use talweg_nn::{BatchNorm3d, Layer, Mode};
    /// # use talweg_tensor::{Rng, Tensor};
    /// let layer = BatchNorm3d { eps: 0.0, ..BatchNorm3d::new(1) };
    /// let x = Tensor::from_slice(&[1.0f32, 3.0, 3.0, 1.0], [1, 1, 1, 2, 2]);
    /// let y = layer.forward(&x, &mut Mode::Train(&mut Rng::seed(1)));
    /// assert_eq!(y.to_vec::<f32>(), [-1.0, 1.0, 1.0, -1.0]);
    /// ```
    BatchNorm3d: 5..=5, "[n, channels, d, h, w]";
}

fn check(name: &str, x: &Tensor, mean: &Buffer, ranks: RangeInclusive<usize>, shapes: &str) {
    let channels = mean.shape().numel();
    assert!(
        ranks.contains(&x.rank()) && x.size(1) == channels,
        "{name}: the layer has {channels} channels and takes {shapes}, got {}; make it for as many as the input has",
        x.shape()
    );
}
