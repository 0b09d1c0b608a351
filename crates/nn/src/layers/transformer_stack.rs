//! Encoders and decoders: transformer blocks in a row.

use talweg_tensor::{AttentionDropout, AttentionOptions, Rng, Tensor, in_module};

use crate::Module;
use crate::layers::transformer::Part;
use crate::layers::{
    Dropout, FeedForward, Layer, LayerNorm, Linear, MultiHeadAttention, NormOrder, TransformerBlock,
};
use crate::mode::Mode;

/// Attention of one sequence to another, the memory: heads of `softmax(q kᵀ / √d) v` with `q` linear in `x`, `k` and `v` linear
/// in the memory, joined by a linear map.
///
/// # Arguments
/// - `size`: the length of a vector of `x`, a multiple of `heads`.
/// - `memory`: the length of a vector of the memory.
/// - `heads`: how many attentions go on side by side.
/// - `rng`: where the initial weights come from.
/// - The field `dropout` is the probability to drop a probability, in training; 0 at first.
///
/// # Shapes
/// `[b, t, size]` and `[b, s, memory]` to `[b, t, size]`.
///
/// # Parameters
/// Those of the [`Linear`] maps `query`, `key`, `value` and `proj`.
///
/// # Source
/// Vaswani et al., "Attention is all you need", NIPS 2017, section 3.2.3.
///
/// # Examples
/// ```
/// # use talweg_nn::{CrossAttention, Mode};
/// # use talweg_tensor::{DType, Rng, Tensor};
/// let layer = CrossAttention::new(8, 6, 2, &mut Rng::seed(1));
/// let (x, memory) = (Tensor::ones([2, 3, 8], DType::F32), Tensor::ones([2, 5, 6], DType::F32));
/// assert_eq!(layer.forward(&x, &memory, None, &mut Mode::Eval).shape(), &[2, 3, 8]);
/// ```
#[derive(Debug, Module)]
pub struct CrossAttention {
    /// The map to queries.
    pub query: Linear,
    /// The map to keys.
    pub key: Linear,
    /// The map to values.
    pub value: Linear,
    /// The map that joins the heads.
    pub proj: Linear,
    /// How many heads.
    pub heads: usize,
    /// The probability to drop a probability, in training.
    pub dropout: f64,
}

impl CrossAttention {
    /// A layer with biases, without noise.
    ///
    /// # Panics
    /// When `heads` does not divide `size`.
    #[track_caller]
    pub fn new(size: usize, memory: usize, heads: usize, rng: &mut Rng) -> CrossAttention {
        assert!(
            heads > 0 && size.is_multiple_of(heads),
            "CrossAttention: {heads} heads do not divide vectors of size {size}; take a divisor"
        );
        CrossAttention {
            query: Linear::new(size, size, rng),
            key: Linear::new(memory, size, rng),
            value: Linear::new(memory, size, rng),
            proj: Linear::new(size, size, rng),
            heads,
            dropout: 0.0,
        }
    }

    /// The output for a sequence and a memory, perhaps with a mask: of `bool`, true where a position sees one of the memory,
    /// or numbers to add to the scores; it broadcasts to `[b, heads, t, s]`.
    ///
    /// # Panics
    /// When the inputs do not fit the layer or each other.
    #[track_caller]
    pub fn forward(&self, x: &Tensor, memory: &Tensor, mask: Option<&Tensor>, mode: &mut Mode<'_>) -> Tensor {
        assert!(
            x.rank() == 3 && memory.rank() == 3 && x.size(0) == memory.size(0),
            "cross_attention: input {} and memory {} must be [batch, positions, size] with one batch",
            x.shape(),
            memory.shape()
        );
        let [b, t, _] = x.sizes();
        let dropout = match mode {
            Mode::Train(rng) if self.dropout > 0.0 => {
                Some(AttentionDropout::draw(self.dropout, rng, b * self.heads * t * memory.size(1)))
            }
            _ => None,
        };
        let mut heads = |map: &Linear, x: &Tensor| {
            let y = map.forward(x, mode);
            let [b, t, size] = y.sizes();
            y.reshape([b, t, self.heads, size / self.heads]).permute([0, 2, 1, 3])
        };
        let (q, k, v) = (heads(&self.query, x), heads(&self.key, memory), heads(&self.value, memory));
        let y = q.attention(&k, &v, &AttentionOptions { mask: mask.cloned(), dropout, ..Default::default() });
        let size = y.size(1) * y.size(3);
        self.proj.forward(&y.permute([0, 2, 1, 3]).reshape([b, t, size]), mode)
    }
}

/// Transformer blocks in a row, and a last normalisation where blocks normalise first.
///
/// # Arguments
/// - `depth`: the number of blocks.
/// - `size`, `heads`, `rng`: as for [`TransformerBlock`].
/// - [`TransformerEncoder::of`] makes the stack of blocks of one's own: causal, grouped, post-norm, with dropout.
///
/// # Shapes
/// `[b, t, size]` to the same.
///
/// # Parameters
/// Those of the blocks, `blocks.0.norm1.weight` and so on, and of `norm`.
///
/// # Source
/// Vaswani et al., "Attention is all you need", NIPS 2017, section 3.1.
///
/// # Examples
/// ```
/// # use talweg_nn::{Layer, Mode, TransformerEncoder};
/// # use talweg_tensor::{DType, Rng, Tensor};
/// let model = TransformerEncoder::new(2, 8, 2, &mut Rng::seed(1));
/// assert_eq!(model.forward(&Tensor::ones([2, 5, 8], DType::F32), &mut Mode::Eval).shape(), &[2, 5, 8]);
/// ```
#[derive(Debug, Module)]
pub struct TransformerEncoder {
    /// The blocks, first one first.
    pub blocks: Vec<TransformerBlock>,
    /// The last normalisation.
    pub norm: Option<LayerNorm>,
}

impl TransformerEncoder {
    /// A stack of blocks that normalise first, see in both directions, and have no noise.
    ///
    /// # Panics
    /// When `heads` does not divide `size`.
    #[track_caller]
    pub fn new(depth: usize, size: usize, heads: usize, rng: &mut Rng) -> TransformerEncoder {
        TransformerEncoder::of((0..depth).map(|_| TransformerBlock::new(size, heads, rng)).collect())
    }

    /// A stack of these blocks, with a last normalisation if the last one normalises first.
    pub fn of(blocks: Vec<TransformerBlock>) -> TransformerEncoder {
        let last = blocks.last().filter(|block| block.order == NormOrder::Pre);
        let norm = last.map(|block| LayerNorm::new([block.attention.proj.weight.shape().size(0)]));
        TransformerEncoder { blocks, norm }
    }

    /// The output with a mask of who sees whom: see [`MultiHeadAttention::masked`].
    ///
    /// # Panics
    /// When input or mask do not fit.
    #[track_caller]
    pub fn masked(&self, x: &Tensor, mask: &Tensor, mode: &mut Mode<'_>) -> Tensor {
        self.run(x, Some(mask), mode)
    }

    #[track_caller]
    fn run(&self, x: &Tensor, mask: Option<&Tensor>, mode: &mut Mode<'_>) -> Tensor {
        let y = self.blocks.iter().enumerate().fold(x.clone(), |x, (i, block)| {
            in_block(i, || match mask {
                Some(mask) => block.masked(&x, mask, mode),
                None => block.forward(&x, mode),
            })
        });
        match &self.norm {
            Some(norm) => norm.forward(&y, mode),
            None => y,
        }
    }
}

/// Runs a block under its path.
#[track_caller]
fn in_block<R>(i: usize, f: impl FnOnce() -> R) -> R {
    in_module("blocks", || in_module(i, f))
}

impl Layer for TransformerEncoder {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Tensor {
        self.run(x, None, mode)
    }
}

/// A block of a decoder: causal attention to itself, attention to a memory, and a feed-forward map, each with a shortcut and
/// a normalisation.
///
/// # Arguments
/// - `size`, `heads`: as for [`MultiHeadAttention`]; the memory has vectors of the same length.
/// - `rng`: where the initial weights come from.
/// - The fields can be changed, as those of [`TransformerBlock`].
///
/// # Shapes
/// `[b, t, size]` and `[b, s, size]` to `[b, t, size]`.
///
/// # Parameters
/// Those of `norm1`, `attention`, `norm2`, `cross`, `norm3` and `feed_forward`.
///
/// # Source
/// Vaswani et al., "Attention is all you need", NIPS 2017, section 3.1.
///
/// # Examples
/// ```
/// # use talweg_nn::{Mode, TransformerDecoderBlock};
/// # use talweg_tensor::{DType, Rng, Tensor};
/// let block = TransformerDecoderBlock::new(8, 2, &mut Rng::seed(1));
/// let (x, memory) = (Tensor::ones([2, 3, 8], DType::F32), Tensor::ones([2, 5, 8], DType::F32));
/// assert_eq!(block.forward(&x, &memory, None, &mut Mode::Eval).shape(), &[2, 3, 8]);
/// ```
#[derive(Debug, Module)]
pub struct TransformerDecoderBlock {
    /// The normalisation of the attention to itself.
    pub norm1: LayerNorm,
    /// The attention to itself, causal.
    pub attention: MultiHeadAttention,
    /// The normalisation of the attention to the memory.
    pub norm2: LayerNorm,
    /// The attention to the memory.
    pub cross: CrossAttention,
    /// The normalisation of the feed-forward map.
    pub norm3: LayerNorm,
    /// The feed-forward map.
    pub feed_forward: FeedForward,
    /// Noise on what the three give.
    pub dropout: Dropout,
    /// Where the normalisations are.
    #[module(skip)]
    pub order: NormOrder,
}

impl TransformerDecoderBlock {
    /// A block that normalises first, without noise.
    ///
    /// # Panics
    /// When `heads` does not divide `size`.
    #[track_caller]
    pub fn new(size: usize, heads: usize, rng: &mut Rng) -> TransformerDecoderBlock {
        TransformerDecoderBlock {
            norm1: LayerNorm::new([size]),
            attention: MultiHeadAttention::new(size, heads, rng).causal(),
            norm2: LayerNorm::new([size]),
            cross: CrossAttention::new(size, size, heads, rng),
            norm3: LayerNorm::new([size]),
            feed_forward: FeedForward::new(size, 4 * size, rng),
            dropout: Dropout::new(0.0),
            order: NormOrder::Pre,
        }
    }

    /// The same block that normalises after its parts.
    pub fn post_norm(self) -> TransformerDecoderBlock {
        TransformerDecoderBlock { order: NormOrder::Post, ..self }
    }

    /// The same block with noise in training: on the probabilities of both attentions, and on what the parts give.
    ///
    /// # Panics
    /// When `p` is not between 0 and 1.
    #[track_caller]
    pub fn dropout(mut self, p: f64) -> TransformerDecoderBlock {
        self.dropout = Dropout::new(p);
        self.attention = self.attention.dropout(p);
        self.cross.dropout = p;
        self
    }

    /// The output for a sequence and a memory, perhaps with a mask of the memory: see [`CrossAttention::forward`].
    ///
    /// # Panics
    /// When the inputs do not fit the block or each other.
    #[track_caller]
    pub fn forward(&self, x: &Tensor, memory: &Tensor, mask: Option<&Tensor>, mode: &mut Mode<'_>) -> Tensor {
        let x = self.part(x, &self.norm1, mode, &|x, mode| self.attention.forward(x, mode));
        let x = self.part(&x, &self.norm2, mode, &|x, mode| self.cross.forward(x, memory, mask, mode));
        self.part(&x, &self.norm3, mode, &|x, mode| self.feed_forward.forward(x, mode))
    }

    fn part(&self, x: &Tensor, norm: &LayerNorm, mode: &mut Mode<'_>, f: Part<'_>) -> Tensor {
        self.order.part(x, norm, &self.dropout, mode, f)
    }
}

/// Decoder blocks in a row, all of which see one memory, and a last normalisation where blocks normalise first.
///
/// # Arguments
/// - `depth`: the number of blocks.
/// - `size`, `heads`, `rng`: as for [`TransformerDecoderBlock`].
/// - [`TransformerDecoder::of`] makes the stack of blocks of one's own.
///
/// # Shapes
/// `[b, t, size]` and `[b, s, size]` to `[b, t, size]`.
///
/// # Parameters
/// Those of the blocks, `blocks.0.norm1.weight` and so on, and of `norm`.
///
/// # Source
/// Vaswani et al., "Attention is all you need", NIPS 2017, section 3.1.
///
/// # Examples
/// ```
/// # use talweg_nn::{Layer, Mode, TransformerDecoder, TransformerEncoder};
/// # use talweg_tensor::{DType, Rng, Tensor};
/// let rng = &mut Rng::seed(1);
/// let (encoder, decoder) = (TransformerEncoder::new(1, 8, 2, rng), TransformerDecoder::new(1, 8, 2, rng));
/// let (text, so_far) = (Tensor::ones([2, 5, 8], DType::F32), Tensor::ones([2, 3, 8], DType::F32));
/// let memory = encoder.forward(&text, &mut Mode::Eval);
/// assert_eq!(decoder.forward(&so_far, &memory, None, &mut Mode::Eval).shape(), &[2, 3, 8]);
/// ```
#[derive(Debug, Module)]
pub struct TransformerDecoder {
    /// The blocks, first one first.
    pub blocks: Vec<TransformerDecoderBlock>,
    /// The last normalisation.
    pub norm: Option<LayerNorm>,
}

impl TransformerDecoder {
    /// A stack of blocks that normalise first, without noise.
    ///
    /// # Panics
    /// When `heads` does not divide `size`.
    #[track_caller]
    pub fn new(depth: usize, size: usize, heads: usize, rng: &mut Rng) -> TransformerDecoder {
        TransformerDecoder::of((0..depth).map(|_| TransformerDecoderBlock::new(size, heads, rng)).collect())
    }

    /// A stack of these blocks, with a last normalisation if the last one normalises first.
    pub fn of(blocks: Vec<TransformerDecoderBlock>) -> TransformerDecoder {
        let last = blocks.last().filter(|block| block.order == NormOrder::Pre);
        let norm = last.map(|block| LayerNorm::new([block.attention.proj.weight.shape().size(0)]));
        TransformerDecoder { blocks, norm }
    }

    /// The output for a sequence and a memory, perhaps with a mask of the memory: see [`CrossAttention::forward`].
    ///
    /// # Panics
    /// When the inputs do not fit the blocks or each other.
    #[track_caller]
    pub fn forward(&self, x: &Tensor, memory: &Tensor, mask: Option<&Tensor>, mode: &mut Mode<'_>) -> Tensor {
        let y = (self.blocks.iter().enumerate())
            .fold(x.clone(), |x, (i, block)| in_block(i, || block.forward(&x, memory, mask, mode)));
        match &self.norm {
            Some(norm) => norm.forward(&y, mode),
            None => y,
        }
    }
}
