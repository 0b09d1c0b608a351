//! Attention of a sequence to itself.

use talweg_tensor::{AttentionDropout, AttentionOptions, Rng, Tensor};

use crate::Module;
use crate::layers::{Layer, Linear, RotaryPositions};
use crate::mode::Mode;

/// Each position takes from all others what fits to it: heads of
/// `softmax(q kᵀ / √d) v` with `q`, `k` and `v` linear in `x`, joined by a linear map.
///
/// # Arguments
/// - `size`: the length of a vector of the sequence, a multiple of `heads`.
/// - `heads`: how many attentions go on side by side.
/// - `rng`: where the initial weights come from.
/// - [`MultiHeadAttention::causal`] hides later positions; [`MultiHeadAttention::grouped`] lets heads share keys and
///   values; [`MultiHeadAttention::rotary`] turns queries and keys by their positions; [`MultiHeadAttention::dropout`] adds noise to the probabilities in training;
///   [`MultiHeadAttention::without_bias`] leaves the biases out.
///
/// # Shapes
/// `[b, t, size]` to the same.
///
/// # Parameters
/// With `g` heads of keys and values, `heads` unless grouped, and `d = size / heads`:
///
/// | name | shape | initial distribution |
/// | --- | --- | --- |
/// | `qkv.weight` | `[(heads + 2 g) d, size]`: queries, keys, values | uniform on ±1/√size |
/// | `qkv.bias` | `[(heads + 2 g) d]` | uniform on ±1/√size |
/// | `proj.weight` | `[size, size]` | uniform on ±1/√size |
/// | `proj.bias` | `[size]` | uniform on ±1/√size |
///
/// # Source
/// Vaswani, Shazeer, Parmar, Uszkoreit, Jones, Gomez, Kaiser and Polosukhin, "Attention is all you need", NIPS 2017,
/// section 3.2; the shared keys are from Ainslie et al., "GQA: training generalized multi-query transformer models from
/// multi-head checkpoints", EMNLP 2023.
///
/// # Examples
/// ```
/// # use talweg_nn::{Layer, Mode, MultiHeadAttention};
/// # use talweg_tensor::{DType, Rng, Tensor};
/// let rng = &mut Rng::seed(1);
/// let layer = MultiHeadAttention::new(8, 2, rng).causal();
/// let x = rng.normal([1, 3, 8], 0.0, 1.0, DType::F32);
/// let y = layer.forward(&x, &mut Mode::Eval);
/// assert_eq!(y.shape(), &[1, 3, 8]);
/// // Without the last position the first two see what they saw before.
/// let shorter = layer.forward(&x.narrow(1, 0, 2), &mut Mode::Eval);
/// assert!((shorter - y.narrow(1, 0, 2)).abs().max(..).item() < 1e-6);
/// ```
#[derive(Debug, Module)]
pub struct MultiHeadAttention {
    /// The map to queries, keys and values.
    pub qkv: Linear,
    /// The map that joins the heads.
    pub proj: Linear,
    /// Heads of the queries.
    pub heads: usize,
    /// Heads of keys and values, a divisor of `heads`.
    pub kv_heads: usize,
    /// Whether later positions are hidden.
    pub causal: bool,
    /// The probability to drop a probability, in training.
    pub dropout: f64,
    /// What turns queries and keys by their positions.
    #[module(skip)]
    pub rotary: Option<RotaryPositions>,
}

impl MultiHeadAttention {
    /// Attention in both directions, with biases, without noise.
    ///
    /// # Panics
    /// When `heads` does not divide `size`.
    #[track_caller]
    pub fn new(size: usize, heads: usize, rng: &mut Rng) -> MultiHeadAttention {
        MultiHeadAttention::grouped(size, heads, heads, rng)
    }

    /// The same with `kv_heads` heads of keys and values, each for `heads / kv_heads` of the queries.
    ///
    /// # Panics
    /// When `heads` does not divide `size`, or `kv_heads` does not divide `heads`.
    #[track_caller]
    pub fn grouped(size: usize, heads: usize, kv_heads: usize, rng: &mut Rng) -> MultiHeadAttention {
        assert!(
            heads > 0 && size.is_multiple_of(heads),
            "MultiHeadAttention: {heads} heads do not divide vectors of size {size}; take a divisor"
        );
        assert!(
            kv_heads > 0 && heads.is_multiple_of(kv_heads),
            "MultiHeadAttention: {kv_heads} heads of keys do not divide {heads} heads of queries"
        );
        MultiHeadAttention {
            qkv: Linear::new(size, size / heads * (heads + 2 * kv_heads), rng),
            proj: Linear::new(size, size, rng),
            heads,
            kv_heads,
            causal: false,
            dropout: 0.0,
            rotary: None,
        }
    }

    /// The same layer with later positions hidden.
    pub fn causal(self) -> MultiHeadAttention {
        MultiHeadAttention { causal: true, ..self }
    }

    /// The same layer with noise on the probabilities in training.
    ///
    /// # Panics
    /// When `p` is not between 0 and 1.
    #[track_caller]
    pub fn dropout(self, p: f64) -> MultiHeadAttention {
        assert!(
            (0.0..=1.0).contains(&p),
            "MultiHeadAttention: the probability {p} is not between 0 and 1; 0.5 drops half"
        );
        MultiHeadAttention { dropout: p, ..self }
    }

    /// The same layer with queries and keys turned by their positions, up to `count` of them: see [`RotaryPositions`].
    ///
    /// # Panics
    /// When the length of a head's vector is odd.
    #[track_caller]
    pub fn rotary(self, count: usize) -> MultiHeadAttention {
        let size = self.proj.weight.shape().size(1) / self.heads;
        MultiHeadAttention { rotary: Some(RotaryPositions::new(count, size, 10_000.0)), ..self }
    }

    /// The same layer without biases.
    pub fn without_bias(self) -> MultiHeadAttention {
        MultiHeadAttention { qkv: self.qkv.without_bias(), proj: self.proj.without_bias(), ..self }
    }

    /// The output with a mask on top: of `bool`, true where a position (the second to last axis) sees another (the
    /// last), or numbers to add to the scores; it broadcasts to `[b, heads, t, t]`.
    ///
    /// # Panics
    /// When input or mask do not fit.
    #[track_caller]
    pub fn masked(&self, x: &Tensor, mask: &Tensor, mode: &mut Mode<'_>) -> Tensor {
        self.attend(x, Some(mask.clone()), mode)
    }

    #[track_caller]
    fn attend(&self, x: &Tensor, mask: Option<Tensor>, mode: &mut Mode<'_>) -> Tensor {
        let size = self.qkv.weight.shape().size(1);
        assert!(
            x.rank() == 3 && x.size(-1) == size,
            "MultiHeadAttention: input {} does not fit, it must be [batch, positions, {size}]",
            x.shape()
        );
        let dropout = match mode {
            Mode::Train(rng) if self.dropout > 0.0 => {
                let [b, t, _] = x.sizes();
                Some(AttentionDropout::draw(self.dropout, rng, b * self.heads * t * t))
            }
            _ => None,
        };
        let options = AttentionOptions { causal: self.causal, scale: None, mask, dropout };
        let qkv = self.qkv.forward(x, mode);
        let y = match &self.rotary {
            Some(rotary) => self.turned(&qkv, rotary, &options, mode),
            None => qkv.self_attention(self.heads, self.kv_heads, &options),
        };
        self.proj.forward(&y, mode)
    }
}

impl MultiHeadAttention {
    /// Attention with queries and keys turned by their positions.
    fn turned(
        &self,
        qkv: &Tensor,
        rotary: &RotaryPositions,
        options: &AttentionOptions,
        mode: &mut Mode<'_>,
    ) -> Tensor {
        let [b, t, width] = qkv.sizes();
        let size = width / (self.heads + 2 * self.kv_heads);
        let heads = qkv.reshape([b, t, width / size, size]).permute([0, 2, 1, 3]);
        let both = rotary.forward(&heads.narrow(1, 0, self.heads + self.kv_heads), mode);
        let (q, k) = (both.narrow(1, 0, self.heads), both.narrow(1, self.heads, self.kv_heads));
        let v = heads.narrow(1, self.heads + self.kv_heads, self.kv_heads);
        q.attention(&k, &v, options).permute([0, 2, 1, 3]).reshape([b, t, self.heads * size])
    }
}

impl Layer for MultiHeadAttention {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Tensor {
        self.attend(x, None, mode)
    }
}
