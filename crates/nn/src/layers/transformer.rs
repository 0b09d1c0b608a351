//! Transformer blocks and what they are made of.

use talweg_tensor::{Rng, Tensor};

use crate::Module;
use crate::layers::{Dropout, Layer, LayerNorm, Linear, MultiHeadAttention};
use crate::mode::Mode;

/// A shortcut past a layer, `y = x + f(x)`.
///
/// # Arguments
/// - The layer `f`, whose output has its input's shape.
///
/// # Shapes
/// Any to the same.
///
/// # Parameters
/// Those of the layer, under its own names.
///
/// # Source
/// He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016.
///
/// # Examples
/// ```
/// # use talweg_nn::{Layer, Mode, Relu, Residual};
/// # use talweg_tensor::Tensor;
/// let y = Residual(Relu).forward(&Tensor::from_slice(&[-1.0f32, 2.0], [2]), &mut Mode::Eval);
/// assert_eq!(y.to_vec::<f32>(), [-1.0, 4.0]);
/// ```
#[derive(Clone, Copy, Debug, Default, Module)]
pub struct Residual<L>(pub L);

impl<L: Layer> Layer for Residual<L> {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Tensor {
        x + self.0.forward(x, mode)
    }
}

/// Two linear maps with a GELU between them, `y = W₂ gelu(W₁ x + b₁) + b₂`, for each position by itself.
///
/// # Arguments
/// - `size`: the length of a vector.
/// - `hidden`: the length between the maps; four times the size is usual.
/// - `rng`: where the initial weights come from.
/// - [`FeedForward::without_bias`] leaves the biases out.
///
/// # Shapes
/// `[.., size]` to the same.
///
/// # Parameters
/// Those of two [`Linear`], `up` and `down`.
///
/// # Source
/// Vaswani et al., "Attention is all you need", NIPS 2017, section 3.3; with GELU in place of the rectifier as in
/// Radford et al., "Improving language understanding by generative pre-training", 2018.
#[derive(Debug, Module)]
pub struct FeedForward {
    /// `W₁` and `b₁`.
    pub up: Linear,
    /// `W₂` and `b₂`.
    pub down: Linear,
}

impl FeedForward {
    /// A layer with biases.
    pub fn new(size: usize, hidden: usize, rng: &mut Rng) -> FeedForward {
        FeedForward { up: Linear::new(size, hidden, rng), down: Linear::new(hidden, size, rng) }
    }

    /// The same layer without biases.
    pub fn without_bias(self) -> FeedForward {
        FeedForward { up: self.up.without_bias(), down: self.down.without_bias() }
    }
}

impl Layer for FeedForward {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Tensor {
        self.down.forward(&self.up.forward(x, mode).gelu(), mode)
    }
}

/// Where a [`TransformerBlock`] normalises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NormOrder {
    /// Before each part, `x + f(norm(x))`: trains without a warm-up.
    #[default]
    Pre,
    /// After each shortcut, `norm(x + f(x))`: as first published.
    Post,
}

/// What a part of a block computes.
pub(super) type Part<'a> = &'a dyn Fn(&Tensor, &mut Mode<'_>) -> Tensor;

impl NormOrder {
    /// One part of a block with its noise, shortcut and normalisation.
    pub(super) fn part(
        self,
        x: &Tensor,
        norm: &LayerNorm,
        dropout: &Dropout,
        mode: &mut Mode<'_>,
        f: Part<'_>,
    ) -> Tensor {
        let run = |x: &Tensor, mode: &mut Mode<'_>| {
            let y = f(x, mode);
            if dropout.p > 0.0 { dropout.forward(&y, mode) } else { y }
        };
        match self {
            NormOrder::Pre => x + run(&norm.forward(x, mode), mode),
            NormOrder::Post => norm.forward(&(x + run(x, mode)), mode),
        }
    }
}

/// A block of a transformer: attention and a feed-forward map, each with a shortcut and a normalisation,
/// `x + a(norm(x))`, then `x + f(norm(x))`.
///
/// # Arguments
/// - `size`, `heads`: as for [`MultiHeadAttention`].
/// - `rng`: where the initial weights come from.
/// - The fields can be changed: `attention` may be causal or grouped, `order` may be [`NormOrder::Post`], `dropout` is
///   applied to what attention and feed-forward map give, in training. The hidden size is four times `size`.
///
/// # Shapes
/// `[b, t, size]` to the same.
///
/// # Parameters
/// Those of `norm1`, `attention`, `norm2` and `feed_forward`.
///
/// # Source
/// Vaswani et al., "Attention is all you need", NIPS 2017; the order is compared in Xiong et al., "On layer
/// normalization in the transformer architecture", ICML 2020.
///
/// # Examples
/// ```
/// # use talweg_nn::{Layer, Mode, TransformerBlock};
/// # use talweg_tensor::{DType, Rng, Tensor};
/// let block = TransformerBlock::new(8, 2, &mut Rng::seed(1)).causal();
/// assert_eq!(block.forward(&Tensor::ones([2, 5, 8], DType::F32), &mut Mode::Eval).shape(), &[2, 5, 8]);
/// ```
#[derive(Debug, Module)]
pub struct TransformerBlock {
    /// The normalisation of the attention.
    pub norm1: LayerNorm,
    /// The attention.
    pub attention: MultiHeadAttention,
    /// The normalisation of the feed-forward map.
    pub norm2: LayerNorm,
    /// The feed-forward map.
    pub feed_forward: FeedForward,
    /// Noise on what both give.
    pub dropout: Dropout,
    /// Where the normalisations are.
    #[module(skip)]
    pub order: NormOrder,
}

impl TransformerBlock {
    /// A block that normalises first and sees in both directions, without noise.
    ///
    /// # Panics
    /// When `heads` does not divide `size`.
    #[track_caller]
    pub fn new(size: usize, heads: usize, rng: &mut Rng) -> TransformerBlock {
        TransformerBlock {
            norm1: LayerNorm::new([size]),
            attention: MultiHeadAttention::new(size, heads, rng),
            norm2: LayerNorm::new([size]),
            feed_forward: FeedForward::new(size, 4 * size, rng),
            dropout: Dropout::new(0.0),
            order: NormOrder::Pre,
        }
    }

    /// The same block with later positions hidden.
    pub fn causal(self) -> TransformerBlock {
        TransformerBlock { attention: self.attention.causal(), ..self }
    }

    /// The same block that normalises after its parts.
    pub fn post_norm(self) -> TransformerBlock {
        TransformerBlock { order: NormOrder::Post, ..self }
    }

    /// The same block with noise in training: on the probabilities of the attention, and on what both parts give.
    ///
    /// # Panics
    /// When `p` is not between 0 and 1.
    #[track_caller]
    pub fn dropout(self, p: f64) -> TransformerBlock {
        TransformerBlock { attention: self.attention.dropout(p), dropout: Dropout::new(p), ..self }
    }

    /// The same block without biases in its linear maps.
    pub fn without_bias(self) -> TransformerBlock {
        TransformerBlock {
            attention: self.attention.without_bias(),
            feed_forward: self.feed_forward.without_bias(),
            ..self
        }
    }

    /// The output with a mask of who sees whom: see [`MultiHeadAttention::masked`].
    ///
    /// # Panics
    /// When input or mask do not fit.
    #[track_caller]
    pub fn masked(&self, x: &Tensor, mask: &Tensor, mode: &mut Mode<'_>) -> Tensor {
        let x = self.part(x, &self.norm1, mode, &|x, mode| self.attention.masked(x, mask, mode));
        self.part(&x, &self.norm2, mode, &|x, mode| self.feed_forward.forward(x, mode))
    }

    fn part(&self, x: &Tensor, norm: &LayerNorm, mode: &mut Mode<'_>, f: Part<'_>) -> Tensor {
        self.order.part(x, norm, &self.dropout, mode, f)
    }
}

impl Layer for TransformerBlock {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Tensor {
        let x = self.part(x, &self.norm1, mode, &|x, mode| self.attention.forward(x, mode));
        self.part(&x, &self.norm2, mode, &|x, mode| self.feed_forward.forward(x, mode))
    }
}
