//! The simple recurrent network: its state is a function of a sum, without gates.

use super::{RecurrentWeights, infer, step};
use crate::tensor::Tensor;

impl Tensor {
    /// A simple recurrent network over sequences (Elman, "Finding structure in time", 1990). At each step
    /// `h <- tanh(W x + b + U h + b')`.
    ///
    /// # Shapes
    /// `x [b, t, f]` with `t` at least 1, `W [n, f]`, `U [n, n]`, biases `[n]`, first state `[b, n]`, to the states after
    /// each step, `[b, t, n]`.
    ///
    /// # Gradient
    /// Through all steps backwards, without truncation.
    ///
    /// # Panics
    /// When the sizes do not fit, or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{RecurrentWeights, Tensor};
    /// let (w, u) = (Tensor::from_slice(&[1.0f64], [1, 1]), Tensor::from_slice(&[0.5f64], [1, 1]));
    /// let weights = RecurrentWeights { input: &w, hidden: &u, bias: None };
    /// let x = Tensor::from_slice(&[1.0f64, 0.0], [1, 2, 1]);
    /// let y = x.rnn_tanh(&weights, &Tensor::from_slice(&[2.0f64], [1, 1])).to_vec::<f64>();
    /// assert!((y[0] - 2f64.tanh()).abs() < 1e-12 && (y[1] - (0.5 * 2f64.tanh()).tanh()).abs() < 1e-12);
    /// ```
    #[track_caller]
    pub fn rnn_tanh(&self, weights: &RecurrentWeights<'_>, h0: &Tensor) -> Tensor {
        run("rnn_tanh", self, weights, h0, Tensor::tanh)
    }

    /// A simple recurrent network over sequences, like [`Tensor::rnn_tanh`], with the rectifier: at each step
    /// `h <- max(0, W x + b + U h + b')`.
    ///
    /// # Shapes
    /// As [`Tensor::rnn_tanh`].
    ///
    /// # Gradient
    /// Through all steps backwards, without truncation; 0 through states that are 0.
    ///
    /// # Panics
    /// As [`Tensor::rnn_tanh`].
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{RecurrentWeights, Tensor};
    /// let (w, u) = (Tensor::from_slice(&[1.0f64], [1, 1]), Tensor::from_slice(&[0.5f64], [1, 1]));
    /// let weights = RecurrentWeights { input: &w, hidden: &u, bias: None };
    /// let x = Tensor::from_slice(&[1.0f64, 0.0, -3.0], [1, 3, 1]);
    /// let y = x.rnn_relu(&weights, &Tensor::from_slice(&[2.0f64], [1, 1]));
    /// assert_eq!(y.to_vec::<f64>(), [2.0, 1.0, 0.0]);
    /// ```
    #[track_caller]
    pub fn rnn_relu(&self, weights: &RecurrentWeights<'_>, h0: &Tensor) -> Tensor {
        run("rnn_relu", self, weights, h0, Tensor::relu)
    }
}

#[track_caller]
fn run(
    name: &str,
    x: &Tensor,
    weights: &RecurrentWeights<'_>,
    h0: &Tensor,
    activation: fn(&Tensor) -> Tensor,
) -> Tensor {
    let specs: Vec<_> = weights.inputs(x, &[h0]).iter().map(|x| x.spec()).collect();
    if let Err(error) = infer(name, 1, 1, &specs) {
        panic!("{error}");
    }
    let [input, hidden] = [0, 1].map(|i| weights.bias.map(|bias| bias[i]));
    // The input's part of all steps is one product.
    let sums = x.linear(weights.input, input);
    let mut h = h0.clone();
    let mut states = Vec::new();
    for t in 0..x.size(1) {
        h = activation(&(step(&sums, t) + h.linear(weights.hidden, hidden)));
        states.push(h.clone());
    }
    Tensor::stack(&states.iter().collect::<Vec<_>>(), 1)
}

#[cfg(test)]
mod tests {
    use super::RecurrentWeights;
    use crate::Tensor;

    fn weights<'a>(x: &'a [&Tensor]) -> RecurrentWeights<'a> {
        RecurrentWeights { input: x[1], hidden: x[2], bias: Some([x[3], x[4]]) }
    }

    crate::cases! {
        rnn_tanh: |x| x[0].rnn_tanh(&weights(x), x[5]);
            shapes [[2, 3, 2], [2, 2], [2, 2], [2], [2], [2, 2]] [[1, 1, 1], [1, 1], [1, 1], [1], [1], [1, 1]]
             [[0, 2, 2], [1, 2], [1, 1], [1], [1], [0, 1]]
             on -1.0..1.0
             refuses [[2, 0, 2], [2, 2], [2, 2], [2], [2], [2, 2]] [[2, 3, 2], [4, 2], [2, 2], [2], [2], [2, 2]]
             [[2, 3, 2], [2, 2], [2, 2], [2], [2], [2, 3]] [[3, 2], [2, 2], [2, 2], [2], [2], [3, 2]];
        rnn_relu: |x| x[0].rnn_relu(&weights(x), x[5]);
            shapes [[0, 2, 2], [1, 2], [1, 1], [1], [1], [0, 1]] [[2, 3, 2], [2, 2], [2, 2], [2], [2], [2, 2]] on 0.1..1.0
             refuses [[2, 3, 2], [2, 2], [2, 2], [3], [2], [2, 2]];
        rnn_plain: |x| x[0].rnn_tanh(&RecurrentWeights { input: x[1], hidden: x[2], bias: None }, x[3]);
            shapes [[2, 2, 3], [1, 3], [1, 1], [2, 1]] on -1.0..1.0;
    }
}
