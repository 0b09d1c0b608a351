//! Recurrent networks of several layers, in one or both directions, over sequences of one or several lengths.

use super::RecurrentWeights;
use crate::dtype::DType;
use crate::random::Rng;
use crate::tensor::Tensor;

/// What a recurrent network computes at each step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecurrentCell {
    /// [`Tensor::lstm`].
    #[default]
    Lstm,
    /// [`Tensor::gru`].
    Gru,
    /// [`Tensor::rnn_tanh`].
    RnnTanh,
    /// [`Tensor::rnn_relu`].
    RnnRelu,
}

/// How [`Tensor::recurrent`] runs.
///
/// # Examples
/// ```
/// # use talweg_tensor::{RecurrentCell, RecurrentOptions};
/// let options = RecurrentOptions { cell: RecurrentCell::Gru, bidirectional: true, ..Default::default() };
/// assert!(options.lengths.is_none() && options.h0.is_none() && options.dropout == 0.0);
/// ```
#[derive(Debug, Default)]
pub struct RecurrentOptions<'a> {
    /// What is computed at each step.
    pub cell: RecurrentCell,
    /// Whether each layer also runs from the last step to the first, with weights of its own; its states come behind
    /// those of the other direction. False by default.
    pub bidirectional: bool,
    /// The number of steps of each sequence of the batch, `[b]` of `i64`; all steps by default. What lies behind them is
    /// not read, and the outputs there are 0; the other direction begins at each sequence's own end. (PyTorch's packed
    /// sequences, which need not be sorted here.) A sequence of no steps leaves its state as it was.
    pub lengths: Option<&'a Tensor>,
    /// The first states, `[layers directions, b, size]`; zeros by default.
    pub h0: Option<&'a Tensor>,
    /// The first cells of the long short-term memory; zeros by default.
    pub c0: Option<&'a Tensor>,
    /// The probability of dropout on what each layer but the last hands on; 0 by default.
    pub dropout: f64,
    /// Where its masks come from; needed if there is dropout.
    pub rng: Option<&'a mut Rng>,
}

/// What [`Tensor::recurrent`] gives.
#[derive(Clone, Debug)]
pub struct RecurrentOutput {
    /// The last layer's states after each step, `[b, t, directions size]`.
    pub y: Tensor,
    /// The states after each sequence's last step, `[layers directions, b, size]`.
    pub h: Tensor,
    /// The cells after it, of the long short-term memory.
    pub c: Option<Tensor>,
}

impl Tensor {
    /// A recurrent network of several layers over sequences, in one direction or both: each layer reads the states of the
    /// one below. There are as many layers as weights, or half as many in both directions: first layer forwards, first
    /// layer backwards, second layer forwards, and so on, also in the states.
    ///
    /// # Shapes
    /// `x [b, t, f]` with `t` at least 1, weights as for the cell (from the second layer on they take `directions n`
    /// numbers), to outputs `[b, t, directions n]` and states `[layers directions, b, n]`.
    ///
    /// # Gradient
    /// That of the cell, through all steps and layers; of outputs, last states and last cells. Steps behind a sequence's
    /// end have none.
    ///
    /// # Panics
    /// When sizes or types do not fit, a length is greater than the number of steps, or dropout has no generator.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{RecurrentCell, RecurrentOptions, RecurrentWeights, Tensor};
    /// // One step is W x + h, rectified: a running sum.
    /// let one = Tensor::from_slice(&[1.0f64], [1, 1]);
    /// let weights = RecurrentWeights { input: &one, hidden: &one, bias: None };
    /// let x = Tensor::from_slice(&[1.0f64, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3, 1]);
    /// let lengths = Tensor::from_slice(&[3i64, 2], [2]);
    /// let options = RecurrentOptions {
    ///     cell: RecurrentCell::RnnRelu, bidirectional: true, lengths: Some(&lengths), ..Default::default()
    /// };
    /// let out = x.recurrent(&[weights, weights], options);
    /// assert_eq!(out.y.to_vec::<f64>(), [1.0, 6.0, 3.0, 5.0, 6.0, 3.0, 4.0, 9.0, 9.0, 5.0, 0.0, 0.0]);
    /// assert_eq!(out.h.to_vec::<f64>(), [6.0, 9.0, 6.0, 9.0]);
    /// ```
    #[track_caller]
    pub fn recurrent(
        &self,
        weights: &[RecurrentWeights<'_>],
        mut options: RecurrentOptions<'_>,
    ) -> RecurrentOutput {
        let directions = 1 + usize::from(options.bidirectional);
        check(self, weights, directions, &options);
        let ends = options.lengths.map(|lengths| Ends::new(self, lengths));
        let (mut x, mut h, mut c) = (self.clone(), Vec::new(), Vec::new());
        for (layer, weights) in weights.chunks(directions).enumerate() {
            if layer > 0 && options.dropout > 0.0 {
                let rng = options.rng.as_deref_mut().expect("checked above");
                x = x.dropout(options.dropout, rng);
            }
            let mut ys = Vec::new();
            for (direction, weights) in weights.iter().enumerate() {
                let state = |all: Option<&Tensor>| match all {
                    Some(all) => all.narrow(0, layer * directions + direction, 1).squeeze(0),
                    None => Tensor::full([x.size(0), weights.hidden.size(1)], 0.0, x.dtype()),
                };
                let first = [state(options.h0), state(options.c0)];
                let (y, state, cells) = run(options.cell, &x, weights, first, direction == 1, ends.as_ref());
                h.push(state);
                c.extend(cells);
                ys.push(y);
            }
            x = if let [y] = &ys[..] { y.clone() } else { Tensor::cat(&ys.iter().collect::<Vec<_>>(), -1) };
        }
        let all = |list: &[Tensor]| Tensor::stack(&list.iter().collect::<Vec<_>>(), 0);
        RecurrentOutput { y: x, h: all(&h), c: (!c.is_empty()).then(|| all(&c)) }
    }
}

/// One layer in one direction: the states after each step, and the last states and cells.
#[track_caller]
fn run(
    cell: RecurrentCell,
    x: &Tensor,
    weights: &RecurrentWeights<'_>,
    [h0, c0]: [Tensor; 2],
    backwards: bool,
    ends: Option<&Ends>,
) -> (Tensor, Tensor, Option<Tensor>) {
    let turned = |x: &Tensor| match ends {
        _ if !backwards => x.clone(),
        Some(ends) => ends.turned(x),
        None => x.flip(1),
    };
    let x = turned(&ends.map_or_else(|| x.clone(), |ends| ends.only_inside(x)));
    let (y, cells) = match cell {
        RecurrentCell::Lstm => {
            let out = x.lstm(weights, [&h0, &c0]);
            (out.y, Some(out.cells))
        }
        RecurrentCell::Gru => (x.gru(weights, &h0), None),
        RecurrentCell::RnnTanh => (x.rnn_tanh(weights, &h0), None),
        RecurrentCell::RnnRelu => (x.rnn_relu(weights, &h0), None),
    };
    let last = |all: &Tensor, first: &Tensor| match ends {
        Some(ends) => ends.last(all, first),
        None => all.narrow(1, all.size(1) - 1, 1).squeeze(1),
    };
    let (state, cells) = (last(&y, &h0), cells.map(|cells| last(&cells, &c0)));
    let y = turned(&y);
    (ends.map_or_else(|| y.clone(), |ends| ends.only_inside(&y)), state, cells)
}

/// Where the sequences of a batch end. Made of tensors throughout, so that a recorded step may get other lengths.
struct Ends {
    /// Which steps take part, `[b, t, 1]`.
    inside: Tensor,
    /// The steps in reverse order inside, in their own behind, `[b, t, 1]`.
    reverse: Tensor,
    /// The last step of each sequence, 0 if it has none, `[b, 1, 1]`.
    last: Tensor,
    /// Which sequences have no steps, `[b, 1]`.
    empty: Tensor,
}

impl Ends {
    fn new(x: &Tensor, lengths: &Tensor) -> Ends {
        let (steps, counted) =
            (Tensor::arange(x.size(1)), Tensor::arange(x.size(1) + 1).narrow(0, 1, x.size(1)));
        let one = Tensor::full([], 1.0, DType::I64);
        let lengths = lengths.unsqueeze(1);
        let inside = steps.lt(&lengths);
        let reverse = inside.select(&(&lengths - &counted), &steps);
        Ends {
            inside: inside.unsqueeze(2),
            reverse: reverse.unsqueeze(2),
            last: (lengths.maximum(&one) - &one).unsqueeze(2),
            empty: lengths.lt(&one),
        }
    }

    /// 0 behind the ends, whatever was there, also what is no number.
    fn only_inside(&self, x: &Tensor) -> Tensor {
        self.inside.select(x, &Tensor::full([], 0.0, x.dtype()))
    }

    /// Each sequence from its end to its beginning.
    fn turned(&self, x: &Tensor) -> Tensor {
        x.gather(1, &self.reverse.broadcast_to(x.shape()))
    }

    /// The element at the last step, or the first state of a sequence without steps.
    fn last(&self, y: &Tensor, first: &Tensor) -> Tensor {
        let [b, _, size] = y.sizes();
        let last = y.gather(1, &self.last.broadcast_to([b, 1, size])).squeeze(1);
        self.empty.select(first, &last)
    }
}

#[track_caller]
fn check(x: &Tensor, weights: &[RecurrentWeights<'_>], directions: usize, options: &RecurrentOptions<'_>) {
    let shape = x.shape();
    assert!(
        shape.rank() == 3 && shape.at(1) > 0,
        "recurrent: the input must be [batch, steps, inputs] with at least one step, got {shape}"
    );
    let (count, b) = (weights.len(), shape.at(0));
    assert!(
        count > 0 && count.is_multiple_of(directions),
        "recurrent: {count} weights are no layers in {directions} directions, for input {shape}; give one for each layer \
         and direction"
    );
    let u = weights[0].hidden.shape();
    for (name, states) in [("h0", options.h0), ("c0", options.c0)] {
        let Some(states) = states else { continue };
        assert!(
            u.rank() == 2 && *states.shape() == [count, b, u.at(1)],
            "recurrent: {name} {} does not fit input {shape} and {count} weights {u}; it is [layers and directions, \
             batch, size]",
            states.shape()
        );
    }
    assert!(
        options.c0.is_none() || options.cell == RecurrentCell::Lstm,
        "recurrent: c0 is for the long short-term memory, not for {:?} on input {shape}",
        options.cell
    );
    if let Some(lengths) = options.lengths {
        assert!(
            lengths.dtype() == DType::I64 && *lengths.shape() == [b],
            "recurrent: lengths {} {} must be [{b}] of i64, one for each sequence of {shape}",
            lengths.dtype(),
            lengths.shape()
        );
    }
    assert!(
        options.dropout == 0.0 || options.rng.is_some(),
        "recurrent: dropout {} on input {shape} needs a generator; give rng, or dropout 0",
        options.dropout
    );
}

#[cfg(test)]
mod tests;
