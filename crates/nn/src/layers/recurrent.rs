//! Recurrent layers over sequences.

use talweg_tensor::{DType, Param, RecurrentWeights, Rng, Tensor};

use crate::Module;
use crate::init::Init;
use crate::layers::{Layer, Linear};
use crate::mode::Mode;

/// The weights of one layer of an [`Lstm`] or a [`Gru`].
#[derive(Debug, Module)]
pub struct Recurrence {
    /// The map of what comes in, `[gates size, inputs]`.
    pub input: Linear,
    /// The map of the state before, `[gates size, size]`.
    pub hidden: Linear,
}

impl Recurrence {
    fn new(gates: usize, inputs: usize, size: usize, rng: &mut Rng) -> Recurrence {
        // Both maps from the size of the state, as PyTorch has it.
        let init = Init::fan_in_uniform(size);
        let mut linear = |inputs: usize| Linear {
            weight: Param::new(init.draw([gates * size, inputs], DType::F32, rng)),
            bias: Some(Param::new(init.draw([gates * size], DType::F32, rng))),
        };
        Recurrence { input: linear(inputs), hidden: linear(size) }
    }

    fn stack(gates: usize, inputs: usize, size: usize, layers: usize, rng: &mut Rng) -> Vec<Recurrence> {
        let width = |layer: usize| if layer == 0 { inputs } else { size };
        (0..layers).map(|layer| Recurrence::new(gates, width(layer), size, rng)).collect()
    }

    fn size(&self) -> usize {
        self.hidden.weight.shape().size(1)
    }

    /// A first state of zeros for an input `[b, t, ..]`.
    #[track_caller]
    fn zeros(&self, name: &str, x: &Tensor) -> Tensor {
        assert!(x.rank() == 3, "{name}: the input must be [batch, steps, inputs], got {}", x.shape());
        Tensor::zeros([x.size(0), self.size()], x.dtype())
    }

    /// Calls `f` with the weights.
    fn with<R>(&self, f: impl FnOnce(&RecurrentWeights<'_>) -> R) -> R {
        let (input, hidden) = (self.input.weight.get(), self.hidden.weight.get());
        let biases = [&self.input, &self.hidden].map(|linear| linear.bias.as_ref().map(Param::get));
        let bias = match &biases {
            [Some(a), Some(b)] => Some([a, b]),
            _ => None,
        };
        f(&RecurrentWeights { input: &input, hidden: &hidden, bias })
    }
}

/// The last element of each sequence, `[b, t, n]` to `[b, n]`.
fn last(x: &Tensor) -> Tensor {
    x.narrow(1, x.size(1) - 1, 1).squeeze(1)
}

/// Noise between layers, in training.
fn noise(x: Tensor, p: f64, mode: &mut Mode<'_>) -> Tensor {
    match mode {
        Mode::Train(rng) if p > 0.0 => x.dropout(p, rng),
        _ => x,
    }
}

/// State and cells of one layer of an [`Lstm`].
#[derive(Clone, Debug)]
pub struct LstmState {
    /// The state, `[b, size]`.
    pub h: Tensor,
    /// The cells, `[b, size]`.
    pub c: Tensor,
}

/// A long short-term memory: layers of cells that gates let in, keep and let out; see
/// [`Tensor::lstm`](talweg_tensor::Tensor::lstm) for the formula.
///
/// # Arguments
/// - `inputs`: the numbers at a step.
/// - `size`: the numbers of a state.
/// - `rng`: where the initial weights come from.
/// - [`Lstm::stacked`] puts several layers on each other; `dropout` is applied between them in training.
///
/// # Shapes
/// `[b, t, inputs]` with at least one step to `[b, t, size]`: the last layer's state after each step.
///
/// # Parameters
/// For each layer, under `layers.i`:
///
/// | name | shape | initial distribution |
/// | --- | --- | --- |
/// | `input.weight` | `[4 size, inputs]`, or `[4 size, size]` from the second layer on | uniform on ±1/√size |
/// | `input.bias` | `[4 size]` | uniform on ±1/√size |
/// | `hidden.weight` | `[4 size, size]` | uniform on ±1/√size |
/// | `hidden.bias` | `[4 size]` | uniform on ±1/√size |
///
/// # Source
/// Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9, 1997; Gers, Schmidhuber and Cummins,
/// "Learning to forget", Neural Computation 12, 2000.
///
/// # Examples
/// ```
/// # use talweg_nn::{Layer, Lstm, Mode};
/// # use talweg_tensor::{DType, Rng, Tensor};
/// let rng = &mut Rng::seed(1);
/// let (layer, x) = (Lstm::new(3, 5, rng), rng.normal([2, 7, 3], 0.0, 1.0, DType::F32));
/// let whole = layer.forward(&x, &mut Mode::Eval);
/// assert_eq!(whole.shape(), &[2, 7, 5]);
/// // In two pieces: the second goes on from the state that the first left.
/// let (_, state) = layer.run(&x.narrow(1, 0, 4), None, &mut Mode::Eval);
/// let (rest, _) = layer.run(&x.narrow(1, 4, 3), Some(&state), &mut Mode::Eval);
/// assert!((rest - whole.narrow(1, 4, 3)).abs().max(..).item() < 1e-6);
/// ```
#[derive(Debug, Module)]
pub struct Lstm {
    /// The layers, the first one first.
    pub layers: Vec<Recurrence>,
    /// The probability of dropout between layers; 0 by default.
    pub dropout: f64,
}

impl Lstm {
    /// One layer.
    pub fn new(inputs: usize, size: usize, rng: &mut Rng) -> Lstm {
        Lstm::stacked(inputs, size, 1, rng)
    }

    /// Several layers, each of which reads the states of the one below.
    pub fn stacked(inputs: usize, size: usize, layers: usize, rng: &mut Rng) -> Lstm {
        Lstm { layers: Recurrence::stack(4, inputs, size, layers, rng), dropout: 0.0 }
    }

    /// The last layer's states, and each layer's state after the last step, from the given ones before the first step, or
    /// from zeros.
    ///
    /// # Panics
    /// When the input does not fit, or there is not one state for each layer.
    #[track_caller]
    pub fn run(
        &self,
        x: &Tensor,
        state: Option<&[LstmState]>,
        mode: &mut Mode<'_>,
    ) -> (Tensor, Vec<LstmState>) {
        check_states("lstm", self.layers.len(), state.map(<[LstmState]>::len));
        let (mut x, mut left) = (x.clone(), Vec::new());
        for (i, layer) in self.layers.iter().enumerate() {
            if i > 0 {
                x = noise(x, self.dropout, mode);
            }
            let first = match state {
                Some(states) => states[i].clone(),
                None => {
                    let zeros = layer.zeros("lstm", &x);
                    LstmState { h: zeros.clone(), c: zeros }
                }
            };
            let out = layer.with(|weights| x.lstm(weights, [&first.h, &first.c]));
            left.push(LstmState { h: last(&out.y), c: last(&out.cells) });
            x = out.y;
        }
        (x, left)
    }
}

impl Layer for Lstm {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Tensor {
        self.run(x, None, mode).0
    }
}

/// Gated recurrent units: layers whose gates mix the state with a new one; see
/// [`Tensor::gru`](talweg_tensor::Tensor::gru) for the formula.
///
/// # Arguments
/// As for [`Lstm`].
///
/// # Shapes
/// `[b, t, inputs]` with at least one step to `[b, t, size]`: the last layer's state after each step.
///
/// # Parameters
/// As for [`Lstm`], with 3 in place of 4.
///
/// # Source
/// Cho, van Merriënboer, Gulcehre, Bahdanau, Bougares, Schwenk and Bengio, "Learning phrase representations using RNN
/// encoder-decoder for statistical machine translation", EMNLP 2014.
///
/// # Examples
/// ```
/// # use talweg_nn::{Gru, Layer, Mode};
/// # use talweg_tensor::{DType, Rng, Tensor};
/// let layer = Gru::stacked(3, 5, 2, &mut Rng::seed(1));
/// let (y, states) = layer.run(&Tensor::ones([2, 7, 3], DType::F32), None, &mut Mode::Eval);
/// assert_eq!((y.shape().to_vec(), states.len(), states[1].shape().to_vec()), (vec![2, 7, 5], 2, vec![2, 5]));
/// ```
#[derive(Debug, Module)]
pub struct Gru {
    /// The layers, the first one first.
    pub layers: Vec<Recurrence>,
    /// The probability of dropout between layers; 0 by default.
    pub dropout: f64,
}

impl Gru {
    /// One layer.
    pub fn new(inputs: usize, size: usize, rng: &mut Rng) -> Gru {
        Gru::stacked(inputs, size, 1, rng)
    }

    /// Several layers, each of which reads the states of the one below.
    pub fn stacked(inputs: usize, size: usize, layers: usize, rng: &mut Rng) -> Gru {
        Gru { layers: Recurrence::stack(3, inputs, size, layers, rng), dropout: 0.0 }
    }

    /// The last layer's states, and each layer's state `[b, size]` after the last step, from the given ones before the
    /// first step, or from zeros.
    ///
    /// # Panics
    /// When the input does not fit, or there is not one state for each layer.
    #[track_caller]
    pub fn run(&self, x: &Tensor, state: Option<&[Tensor]>, mode: &mut Mode<'_>) -> (Tensor, Vec<Tensor>) {
        check_states("gru", self.layers.len(), state.map(<[Tensor]>::len));
        let (mut x, mut left) = (x.clone(), Vec::new());
        for (i, layer) in self.layers.iter().enumerate() {
            if i > 0 {
                x = noise(x, self.dropout, mode);
            }
            let first = state.map_or_else(|| layer.zeros("gru", &x), |states| states[i].clone());
            x = layer.with(|weights| x.gru(weights, &first));
            left.push(last(&x));
        }
        (x, left)
    }
}

impl Layer for Gru {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Tensor {
        self.run(x, None, mode).0
    }
}

#[track_caller]
fn check_states(name: &str, layers: usize, states: Option<usize>) {
    if let Some(states) = states {
        assert!(states == layers, "{name}: {states} states for {layers} layers; give one for each, or none");
    }
}
