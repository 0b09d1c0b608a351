//! A language model.

use talweg_tensor::{CrossEntropyOptions, Param, Rng, Tensor, in_module};

use crate::Module;
use crate::init::Init;
use crate::layers::{Embedding, Layer, LayerNorm, Positions, TransformerBlock};
use crate::mode::Mode;

/// The sizes of a [`Gpt`]. The default is a small model of characters that a laptop trains in minutes.
///
/// # Examples
/// ```
/// # use talweg_nn::GptOptions;
/// let options = GptOptions { vocabulary: 65, ..GptOptions::default() };
/// assert_eq!((options.context, options.layers, options.heads, options.size), (256, 6, 6, 384));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GptOptions {
    /// How many tokens there are.
    pub vocabulary: usize,
    /// The most positions of a sequence.
    pub context: usize,
    /// Blocks.
    pub layers: usize,
    /// Heads of each block's attention.
    pub heads: usize,
    /// The length of a position's vector, a multiple of `heads`.
    pub size: usize,
    /// The probability of dropout in training; 0 by default.
    pub dropout: f64,
    /// Whether linear maps have biases; true by default.
    pub bias: bool,
}

impl Default for GptOptions {
    fn default() -> GptOptions {
        GptOptions { vocabulary: 256, context: 256, layers: 6, heads: 6, size: 384, dropout: 0.0, bias: true }
    }
}

/// A transformer that predicts the next token of a sequence from those before it: token and position vectors, blocks
/// that normalise first and see no later position, a last normalisation, and the token vectors again as output map.
///
/// # Arguments
/// - `options`: see [`GptOptions`].
/// - `rng`: where the initial weights come from.
///
/// # Shapes
/// Tokens `[b, t]` of `i64`, with `t` at most `context`, to scores `[b, t, vocabulary]`.
///
/// # Parameters
/// `tokens.weight`, which is the output map too, `positions.weight`, those of each block under `blocks.i`, and `norm`.
/// Matrices are normal with mean 0 and standard deviation 0.02, biases 0, the scales of normalisations 1.
///
/// # Source
/// Radford, Wu, Child, Luan, Amodei and Sutskever, "Language models are unsupervised multitask learners", 2019; the
/// tied output map is from Press and Wolf, "Using the output embedding to improve language models", EACL 2017.
///
/// # Examples
/// ```
/// # use talweg_nn::{Gpt, GptOptions, Layer, Mode};
/// # use talweg_tensor::{Rng, Tensor};
/// let rng = &mut Rng::seed(1);
/// let options = GptOptions { vocabulary: 10, context: 8, layers: 1, heads: 2, size: 16, ..GptOptions::default() };
/// let model = Gpt::new(&options, rng);
/// let text = Tensor::from_slice(&[1i64, 2, 3, 4, 5, 6], [2, 3]);
/// assert_eq!(model.forward(&text, &mut Mode::Eval).shape(), &[2, 3, 10]);
/// // Nothing is learned yet: about as wrong as ten equal chances.
/// let next = Tensor::from_slice(&[2i64, 3, 4, 5, 6, 7], [2, 3]);
/// let loss = model.loss(&text, &next, &mut Mode::Train(rng));
/// assert!((loss.item() - 10f64.ln()).abs() < 0.3);
/// ```
#[derive(Debug, Module)]
pub struct Gpt {
    /// The token vectors, and the output map.
    pub tokens: Embedding,
    /// The position vectors.
    pub positions: Positions,
    /// The blocks.
    pub blocks: Vec<TransformerBlock>,
    /// The last normalisation.
    pub norm: LayerNorm,
    /// Noise on the sum of token and position vectors.
    pub dropout: f64,
}

impl Gpt {
    /// A model with fresh weights.
    ///
    /// # Panics
    /// When `heads` does not divide `size`, or `dropout` is not between 0 and 1.
    #[track_caller]
    pub fn new(options: &GptOptions, rng: &mut Rng) -> Gpt {
        let GptOptions { vocabulary, context, layers, heads, size, dropout, bias } = *options;
        let block = |rng: &mut Rng| {
            let block = TransformerBlock::new(size, heads, rng).causal().dropout(dropout);
            if bias { block } else { block.without_bias() }
        };
        let model = Gpt {
            tokens: Embedding::new(vocabulary, size, rng),
            positions: Positions::new(context, size, rng),
            blocks: (0..layers).map(|_| block(rng)).collect(),
            norm: LayerNorm::new([size]),
            dropout,
        };
        for (name, param) in model.params() {
            model.reset(&name, &param, rng);
        }
        model
    }

    /// The initial numbers of a parameter.
    fn reset(&self, name: &str, param: &Param, rng: &mut Rng) {
        let shape = param.shape();
        let init = match shape.rank() {
            2 => Init::Normal { mean: 0.0, std: 0.02 },
            _ if name.ends_with("bias") => Init::Zeros,
            _ => Init::Ones,
        };
        param.set(&init.draw(shape, param.get().dtype(), rng));
    }

    /// The mean cross-entropy of the next tokens, `targets [b, t]`.
    ///
    /// # Panics
    /// When the tokens do not fit the model, or the targets do not fit the tokens.
    #[track_caller]
    pub fn loss(&self, tokens: &Tensor, targets: &Tensor, mode: &mut Mode<'_>) -> Tensor {
        let scores = self.forward(tokens, mode);
        let [b, t, vocabulary] = scores.sizes();
        assert!(
            targets.shape() == tokens.shape(),
            "gpt: targets {} for tokens {}; there is one for each",
            targets.shape(),
            tokens.shape()
        );
        let options = CrossEntropyOptions::default();
        scores.reshape([b * t, vocabulary]).cross_entropy(&targets.reshape([b * t]), &options)
    }
}

impl Layer for Gpt {
    fn forward(&self, tokens: &Tensor, mode: &mut Mode<'_>) -> Tensor {
        assert!(
            tokens.rank() == 2,
            "gpt: tokens are [batch, positions], got {}; make a batch of one with .unsqueeze(0)",
            tokens.shape()
        );
        let mut x = self.positions.forward(&self.tokens.forward(tokens, mode), mode);
        if let Mode::Train(rng) = mode
            && self.dropout > 0.0
        {
            x = x.dropout(self.dropout, rng);
        }
        for (i, block) in self.blocks.iter().enumerate() {
            x = in_module("blocks", || in_module(i, || block.forward(&x, mode)));
        }
        self.norm.forward(&x, mode).linear(&self.tokens.weight.get(), None)
    }
}
