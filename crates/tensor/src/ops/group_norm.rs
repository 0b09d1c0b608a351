//! Normalisations within one example: over groups of channels, over single channels, over neighbouring channels, and to
//! length 1.

use crate::op::check;
use crate::ops::conv::padded;
use crate::tensor::Tensor;

/// How [`Tensor::local_response_norm`] counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LocalResponseNormOptions {
    /// How many neighbouring channels count, itself among them.
    pub size: usize,
    /// The factor of their mean square; 1e-4 by default.
    pub alpha: f64,
    /// The power; 0.75 by default.
    pub beta: f64,
    /// The summand; 1 by default.
    pub k: f64,
}

impl LocalResponseNormOptions {
    /// The usual numbers with so many channels.
    pub fn new(size: usize) -> LocalResponseNormOptions {
        LocalResponseNormOptions { size, alpha: 1e-4, beta: 0.75, k: 1.0 }
    }
}

/// A batch of channels, and a weight or bias for each channel.
#[track_caller]
fn check_channels(name: &str, x: &Tensor, sides: &[(&str, Option<&Tensor>)]) {
    check::accept(check::float(name, &x.spec()));
    assert!(
        x.rank() >= 2,
        "{name}: needs a batch of channels [n, channels, ..], got {}; add an axis with .unsqueeze(0)",
        x.shape()
    );
    for (what, side) in sides {
        if let Some(side) = side {
            check::accept(check::alike(name, &[x.spec(), side.spec()]));
            assert!(
                *side.shape() == [x.size(1)],
                "{name}: {what} {} does not fit input {}; it must be [{}], one number for each channel",
                side.shape(),
                x.shape(),
                x.size(1)
            );
        }
    }
}

impl Tensor {
    /// Group normalisation, `y = (x − mean) / √(variance + ε) w + b`, with the mean and the biased variance of each example's
    /// groups of channels (Wu and He, "Group normalization", 2018).
    ///
    /// # Shapes
    /// `x [n, c, ..]` with `groups` a divisor of `c`, `w` and `b` `[c]`, to the input's shape.
    ///
    /// # Gradient
    /// That of [`Tensor::layer_norm`] for each group; `dw` and `db` are sums over the examples and positions.
    ///
    /// # Panics
    /// When `groups` does not divide the channels, a group has no elements, or shapes and types do not fit.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 3.0, 10.0, 30.0], [1, 4]);
    /// assert_eq!(x.group_norm(2, None, None, 0.0).to_vec::<f32>(), [-1.0, 1.0, -1.0, 1.0]);
    /// ```
    #[track_caller]
    pub fn group_norm(
        &self,
        groups: usize,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Tensor {
        check_channels("group_norm", self, &[("weight", weight), ("bias", bias)]);
        let (n, channels) = (self.size(0), self.size(1));
        assert!(
            groups > 0 && channels.is_multiple_of(groups),
            "group_norm: {groups} groups do not divide the {channels} channels of {}; take a divisor",
            self.shape()
        );
        let each: usize = self.shape().iter().skip(1).product::<usize>() / groups;
        assert!(
            each > 0,
            "group_norm: input {} has no elements in a group of channels; give at least one",
            self.shape()
        );
        // Without examples nothing is normalised, and the shape of the rows is no longer known.
        let rows = self.reshape([n, groups, each]);
        let mut y = rows.layer_norm([each], None, None, eps).reshape(self.shape());
        let mut sizes = vec![1; self.rank() - 1];
        sizes[0] = channels;
        if let Some(weight) = weight {
            y = y * weight.reshape(sizes.as_slice());
        }
        match bias {
            Some(bias) => y + bias.reshape(sizes.as_slice()),
            None => y,
        }
    }

    /// Instance normalisation, `y = (x − mean) / √(variance + ε) w + b`, with the mean and the biased variance of each channel of
    /// each example (Ulyanov, Vedaldi and Lempitsky, "Instance normalization: the missing ingredient for fast stylization",
    /// 2016).
    ///
    /// # Shapes
    /// `x [n, c, ..]` with at least two positions, `w` and `b` `[c]`, to the input's shape.
    ///
    /// # Gradient
    /// That of [`Tensor::group_norm`] with a group for each channel.
    ///
    /// # Panics
    /// When a channel has a single number, or shapes and types do not fit.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 3.0, 10.0, 30.0], [1, 2, 2]);
    /// assert_eq!(x.instance_norm(None, None, 0.0).to_vec::<f32>(), [-1.0, 1.0, -1.0, 1.0]);
    /// ```
    #[track_caller]
    pub fn instance_norm(&self, weight: Option<&Tensor>, bias: Option<&Tensor>, eps: f64) -> Tensor {
        check_channels("instance_norm", self, &[("weight", weight), ("bias", bias)]);
        let positions: usize = self.shape().iter().skip(2).product();
        assert!(
            self.rank() > 2 && positions > 1,
            "instance_norm: input {} has a single number for each channel, which is always its own mean; give at least two \
             positions",
            self.shape()
        );
        self.group_norm(self.size(1), weight, bias, eps)
    }

    /// Normalisation by neighbouring channels, `y[c] = x[c] / (k + α / size Σ x[c']²)^β`, the sum over `size` channels around `c`, with
    /// zeros outside (Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks", 2012,
    /// section 3.3, there without the division by the size).
    ///
    /// # Shapes
    /// `x [n, c, ..]` to the same.
    ///
    /// # Gradient
    /// By the quotient rule, through the sums of neighbours.
    ///
    /// # Panics
    /// When `size` is 0, the input has fewer than two axes, or is not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{LocalResponseNormOptions, Tensor};
    /// let x = Tensor::from_slice(&[3.0f32, 4.0], [1, 2]);
    /// let options = LocalResponseNormOptions { alpha: 2.0, beta: 0.5, k: 0.0, ..LocalResponseNormOptions::new(2) };
    /// // Each channel and the one before it: 3 / √9 and 4 / √25.
    /// assert_eq!(x.local_response_norm(&options).to_vec::<f32>(), [1.0, 0.8]);
    /// ```
    #[track_caller]
    pub fn local_response_norm(&self, options: &LocalResponseNormOptions) -> Tensor {
        check_channels("local_response_norm", self, &[]);
        let LocalResponseNormOptions { size, alpha, beta, k } = *options;
        assert!(
            size > 0,
            "local_response_norm: size 0 for input {}; at least the channel itself counts",
            self.shape()
        );
        let squares = padded(&self.square(), 1, size / 2, (size - 1) / 2);
        let neighbour = |i: usize| squares.narrow(1, i, self.size(1));
        let sum = (1..size).fold(neighbour(0), |sum, i| sum + neighbour(i));
        self / (sum * (alpha / size as f64) + k).powf(beta)
    }

    /// Vectors along an axis divided by their length, `y = x / max(‖x‖_p, ε)`.
    ///
    /// # Shapes
    /// Any with the axis, to the same.
    ///
    /// # Gradient
    /// For `p = 2` and a length `l` above ε: `dx = (dy − y Σ y dy) / l`; `dx = dy / ε` for shorter vectors.
    ///
    /// # Panics
    /// When there is no such axis, `p` is not above 0, or the tensor is not floating-point.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[3.0f32, 4.0], [2]);
    /// assert_eq!(x.normalize(2.0, 0, 1e-12).to_vec::<f32>(), [0.6, 0.8]);
    /// assert_eq!(x.normalize(f64::INFINITY, 0, 1e-12).to_vec::<f32>(), [0.75, 1.0]);
    /// ```
    #[track_caller]
    pub fn normalize(&self, p: f64, axis: isize, eps: f64) -> Tensor {
        check::accept(check::float("normalize", &self.spec()));
        check::accept(check::axis("normalize", axis, self.shape()).map(|_| ()));
        assert!(p > 0.0, "normalize: p {p} for input {}; it must be above 0", self.shape());
        self / length(self, p, axis, eps)
    }
}

/// `max((Σ |x|^p)^(1/p), eps)` along an axis, which stays with size 1. The gradient of what is below `eps` is 0, so that no
/// vector of zeros makes a NaN.
pub(super) fn length(x: &Tensor, p: f64, axis: isize, eps: f64) -> Tensor {
    let least = |power: f64| eps.powf(power);
    if p == 2.0 {
        x.square().sum_keep(axis).clamp(least(2.0), f64::INFINITY).sqrt()
    } else if p == 1.0 {
        x.abs().sum_keep(axis).clamp(eps, f64::INFINITY)
    } else if p == f64::INFINITY {
        x.abs().max_keep(axis).clamp(eps, f64::INFINITY)
    } else {
        x.abs().powf(p).sum_keep(axis).clamp(least(p), f64::INFINITY).powf(1.0 / p)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Rng};

    fn local(size: usize) -> LocalResponseNormOptions {
        LocalResponseNormOptions { size, alpha: 0.3, beta: 0.75, k: 0.5 }
    }

    crate::cases! {
        group_norm: |x| x[0].group_norm(2, Some(x[1]), Some(x[2]), 1e-2);
            shapes [[2, 4, 2], [4], [4]] [[3, 2], [2], [2]] [[0, 4, 2], [4], [4]]
            refuses [[2, 3, 2], [3], [3]] [[2, 4], [3], [4]] [[4], [4], [4]] [[2, 4, 0], [4], [4]];
        group_norm_plain: |x| x[0].group_norm(1, None, None, 1e-2); shapes [[2, 3, 2, 1]];
        instance_norm: |x| x[0].instance_norm(Some(x[1]), Some(x[2]), 1e-2);
            shapes [[2, 3, 4], [3], [3]] [[1, 2, 2, 2], [2], [2]]  refuses [[2, 3, 1], [3], [3]] [[2, 3], [3], [3]] [[2, 3, 4], [3], [4]];
        local_response_norm: |x| x[0].local_response_norm(&local(3)); shapes [[2, 4]] [[1, 2, 3]] [[0, 2]]  refuses [[3]];
        local_response_norm_of_an_even_number: |x| x[0].local_response_norm(&local(4)); shapes [[2, 3]];
        normalize: |x| x[0].normalize(2.0, -1, 1e-12); shapes [[2, 3]] [[0, 3]] [[3]]  refuses [[]];
        normalize_by_other_norms: |x| x[0].normalize(1.0, 0, 1e-12) + x[0].normalize(3.0, 0, 1e-12); shapes [[3, 2]] on 0.2..2.0;
        normalize_by_the_greatest: |x| x[0].normalize(f64::INFINITY, 1, 1e-12); shapes [[2, 3]] on 0.2..2.0;
    }

    #[test]
    fn groups_are_rows() {
        let x = Rng::seed(3).normal([2, 6, 2, 2], 3.0, 2.0, DType::F64);
        let y = x.group_norm(3, None, None, 0.0).to_vec::<f64>();
        for group in y.chunks(8) {
            let mean = group.iter().sum::<f64>() / 8.0;
            let variance = group.iter().map(|y| y * y).sum::<f64>() / 8.0;
            assert!(mean.abs() < 1e-14 && (variance - 1.0).abs() < 1e-13);
        }
    }

    #[test]
    fn zeros_stay_zeros_and_have_a_gradient() {
        let x = Tensor::zeros([2], DType::F32).requires_grad();
        let y = x.normalize(2.0, 0, 0.5);
        assert_eq!(y.to_vec::<f32>(), [0.0, 0.0]);
        assert_eq!(y.sum(..).backward().wrt(&x).to_vec::<f32>(), [2.0, 2.0]);
    }
}
