//! Recurrent layers over whole sequences: the long short-term memory and the gated recurrent unit; the simple network and
//! several layers have files of their own.

mod layers;
mod simple;

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::op::{MultiOp, Op, OpError, Saved, Spec, apply, apply_multi, check};
use crate::tensor::Tensor;

pub use layers::{RecurrentCell, RecurrentOptions, RecurrentOutput};

/// The weights of [`Tensor::lstm`], [`Tensor::gru`], [`Tensor::rnn_tanh`] and [`Tensor::rnn_relu`], with `n` rows: 4 times
/// the size of the state (gates i, f, g, o), 3 times (r, z, n), or once.
#[derive(Clone, Copy, Debug)]
pub struct RecurrentWeights<'a> {
    /// `W [n, inputs]`, for what comes in.
    pub input: &'a Tensor,
    /// `U [n, size]`, for the state before.
    pub hidden: &'a Tensor,
    /// What is added to the products with `W` and with `U`, `[n]` each; none by default.
    pub bias: Option<[&'a Tensor; 2]>,
}

/// What [`Tensor::lstm`] gives.
#[derive(Clone, Debug)]
pub struct LstmOutput {
    /// The states after each step, `[b, t, size]`.
    pub y: Tensor,
    /// The cells after each step, `[b, t, size]`.
    pub cells: Tensor,
}

/// Checks `x [b, t, f]`, weights and biases, and `states` of `[b, size]` at the end. Gives `[b, t, size]`.
fn infer(name: &str, gates: usize, states: usize, inputs: &[Spec]) -> Result<Spec, OpError> {
    let (x, w, u) = (inputs[0], inputs[1], inputs[2]);
    check::float(name, &x)?;
    check::alike(name, inputs)?;
    let refuse = |what: String| {
        Err(OpError::new(format!(
            "{name}: {what}; got input {}, weights {} and {}",
            x.shape, w.shape, u.shape
        )))
    };
    if x.shape.rank() != 3 || w.shape.rank() != 2 || u.shape.rank() != 2 {
        return refuse("the input is [batch, steps, inputs], weights have two axes".into());
    }
    let ([b, t, f], size) = ([0, 1, 2].map(|axis| x.shape.at(axis)), u.shape.at(1));
    if t == 0 {
        return refuse("a sequence has at least one step".into());
    }
    if u.shape.at(0) != gates * size || w.shape != [gates * size, f] {
        return refuse(format!(
            "for states of {size} the weights must be [{0}, {f}] and [{0}, {size}]",
            gates * size
        ));
    }
    let (biases, states) = inputs[3..].split_at(inputs.len() - 3 - states);
    for bias in biases {
        if bias.shape != [gates * size] {
            return refuse(format!("a bias is {}, not [{}]", bias.shape, gates * size));
        }
    }
    for state in states {
        if state.shape != [b, size] {
            return refuse(format!("a first state is {}, not [{b}, {size}]", state.shape));
        }
    }
    Ok(x.with_shape([b, t, size]))
}

/// Step `t` of `[b, t, ..]`.
fn step(x: &Tensor, t: usize) -> Tensor {
    x.narrow(1, t, 1).squeeze(1)
}

/// The states before each step, from the first and those after each step.
fn before(first: &Tensor, y: &Tensor) -> Tensor {
    Tensor::cat(&[&first.unsqueeze(1), &y.narrow(1, 0, y.size(1) - 1)], 1)
}

/// A row cut into parts of one size.
fn parts<const N: usize>(z: &Tensor) -> [Tensor; N] {
    let size = z.size(-1) / N;
    std::array::from_fn(|i| z.narrow(-1, i * size, size))
}

/// The gradients by `x`, weights and biases from those by the sums of input and state, and the states before each step.
fn weight_grads(
    saved: &Saved,
    [dinput, dhidden]: [&Tensor; 2],
    before: &Tensor,
    needs: &[bool],
    bias: bool,
) -> Vec<Option<Tensor>> {
    let (x, w) = (saved.input(0), saved.input(1));
    let rows = |x: &Tensor| x.reshape([x.size(0) * x.size(1), x.size(2)]);
    let (di, dh) = (rows(dinput), rows(dhidden));
    let mut dxs = vec![
        needs[0].then(|| di.matmul(w).reshape(x.shape())),
        needs[1].then(|| di.t().matmul(&rows(x))),
        needs[2].then(|| dh.t().matmul(&rows(before))),
    ];
    if bias {
        dxs.extend([needs[3].then(|| di.sum(0)), needs[4].then(|| dh.sum(0))]);
    }
    dxs
}

/// Inputs `x`, `w`, `u`, perhaps two biases, `h0`, `c0`; outputs all states and all cells.
#[derive(Debug)]
struct Lstm {
    bias: bool,
}

impl MultiOp for Lstm {
    fn name(&self) -> &'static str {
        "lstm"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Vec<Spec>, OpError> {
        let out = infer("lstm", 4, 2, inputs)?;
        Ok(vec![out, out])
    }

    fn forward(&self, inputs: &[&Tensor], out: &[Spec], saved: &mut Saved) -> Vec<Tensor> {
        let [b, t, size] = [0, 1, 2].map(|axis| out[0].shape.at(axis));
        let specs = [out[0], out[0], out[0].with_shape([b, t, 4 * size])];
        let [y, cells, gates] = Tensor::run_many(&Kernel::Lstm, inputs, specs);
        inputs.iter().enumerate().for_each(|(i, x)| saved.keep_input(i, x));
        saved.keep_output_at(0, &y);
        saved.keep_output_at(1, &cells);
        saved.keep(&gates);
        vec![y, cells]
    }

    fn vjp(&self, saved: &Saved, dys: Vec<Option<Tensor>>, needs: &[bool]) -> Vec<Option<Grad>> {
        let n = needs.len();
        let (y, cells) = (saved.output_at(0), saved.output_at(1));
        let [h0, c0] = [n - 2, n - 1].map(|i| saved.input(i));
        let [dy, dcells] = <[Option<Tensor>; 2]>::try_from(dys).expect("one gradient for each output");
        let (dy, dcells) = (dy.unwrap_or_else(|| y.zeros_like()), dcells.unwrap_or_else(|| y.zeros_like()));
        let inputs = (0..n).map(|i| saved.input(i));
        let graph = inputs.chain([y, cells, &dy, &dcells]).any(Tensor::is_tracked);
        let before = before(h0, y);
        let [dz, dh0, dc0] = if graph {
            self.slopes(saved, &before, c0, [&dy, &dcells])
        } else {
            let [b, t, size] = y.sizes();
            let spec = |shape: &[usize]| y.spec().with_shape(shape);
            let specs = [spec(&[b, t, 4 * size]), spec(&[b, size]), spec(&[b, size])];
            let all = [saved.input(2), c0, cells, saved.value(0), &dy, &dcells];
            Tensor::run_many(&Kernel::LstmGrad, &all, specs)
        };
        let mut dxs = weight_grads(saved, [&dz, &dz], &before, needs, self.bias);
        dxs.extend([needs[n - 2].then_some(dh0), needs[n - 1].then_some(dc0)]);
        dxs.into_iter().map(|dx| dx.map(Grad::from)).collect()
    }
}

impl Lstm {
    /// The gradients by the sums and by the first state and cells, in tensor expressions.
    fn slopes(&self, saved: &Saved, before: &Tensor, c0: &Tensor, dys: [&Tensor; 2]) -> [Tensor; 3] {
        let (u, cells) = (saved.input(2), saved.output_at(1));
        let mut z = saved.input(0).linear(saved.input(1), None) + before.linear(u, None);
        if self.bias {
            z = z + saved.input(3) + saved.input(4);
        }
        let (mut dh, mut dc) = (c0.zeros_like(), c0.zeros_like());
        let mut dzs = Vec::new();
        for t in (0..cells.size(1)).rev() {
            let [i, f, g, o] = parts(&step(&z, t));
            let (i, f, g, o) = (i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid());
            let last = if t == 0 { c0.clone() } else { step(cells, t - 1) };
            let tanh = step(cells, t).tanh();
            dh = dh + step(dys[0], t);
            dc = dc + step(dys[1], t) + &dh * &o * (1.0 - tanh.square());
            let di = &dc * &g * &i * (1.0 - &i);
            let df = &dc * last * &f * (1.0 - &f);
            let dg = &dc * &i * (1.0 - g.square());
            let do_ = &dh * tanh * &o * (1.0 - &o);
            let dz = Tensor::cat(&[&di, &df, &dg, &do_], -1);
            dh = dz.matmul(u);
            dc = dc * f;
            dzs.push(dz);
        }
        let dzs: Vec<&Tensor> = dzs.iter().rev().collect();
        [Tensor::stack(&dzs, 1), dh, dc]
    }
}

/// Inputs `x`, `w`, `u`, perhaps two biases, `h0`; gives all states.
#[derive(Debug)]
struct Gru {
    bias: bool,
}

impl Op for Gru {
    fn name(&self) -> &'static str {
        "gru"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        infer("gru", 3, 1, inputs)
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        let [b, t, size] = [0, 1, 2].map(|axis| out.shape.at(axis));
        let specs = [*out, out.with_shape([b, t, 3 * size]), *out];
        let [y, gates, candidate] = Tensor::run_many(&Kernel::Gru, inputs, specs);
        inputs.iter().enumerate().for_each(|(i, x)| saved.keep_input(i, x));
        saved.keep_output(&y);
        saved.keep(&gates);
        saved.keep(&candidate);
        y
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, needs: &[bool]) -> Vec<Option<Grad>> {
        let n = needs.len();
        let (y, h0) = (saved.output(), saved.input(n - 1));
        let graph = (0..n).map(|i| saved.input(i)).chain([y, &dy]).any(Tensor::is_tracked);
        let before = before(h0, y);
        let [di, dhidden, dh0] = if graph {
            self.slopes(saved, &before, &dy)
        } else {
            let [b, t, size] = y.sizes();
            let wide = y.spec().with_shape([b, t, 3 * size]);
            let all = [saved.input(2), h0, y, saved.value(0), saved.value(1), &dy];
            Tensor::run_many(&Kernel::GruGrad, &all, [wide, wide, h0.spec()])
        };
        let mut dxs = weight_grads(saved, [&di, &dhidden], &before, needs, self.bias);
        dxs.push(needs[n - 1].then_some(dh0));
        dxs.into_iter().map(|dx| dx.map(Grad::from)).collect()
    }
}

impl Gru {
    /// The gradients by the sums with the input and with the state, and by the first state, in tensor expressions.
    fn slopes(&self, saved: &Saved, before: &Tensor, dy: &Tensor) -> [Tensor; 3] {
        let u = saved.input(2);
        let bias = |i: usize| self.bias.then(|| saved.input(i));
        let input = saved.input(0).linear(saved.input(1), bias(3));
        let hidden = before.linear(u, bias(4));
        let mut dh = step(before, 0).detach().zeros_like();
        let (mut dis, mut dhs) = (Vec::new(), Vec::new());
        for t in (0..dy.size(1)).rev() {
            let [[ir, iz, in_], [hr, hz, hn]] = [&input, &hidden].map(|x| parts(&step(x, t)));
            let (r, z) = ((ir + hr).sigmoid(), (iz + hz).sigmoid());
            let n = (in_ + &r * &hn).tanh();
            dh = dh + step(dy, t);
            let dz = &dh * (step(before, t) - &n) * &z * (1.0 - &z);
            let dn = &dh * (1.0 - &z) * (1.0 - n.square());
            let dr = &dn * hn * &r * (1.0 - &r);
            let dhidden = Tensor::cat(&[&dr, &dz, &(&dn * &r)], -1);
            dis.push(Tensor::cat(&[&dr, &dz, &dn], -1));
            dh = dh * z + dhidden.matmul(u);
            dhs.push(dhidden);
        }
        let join = |list: &[Tensor]| Tensor::stack(&list.iter().rev().collect::<Vec<_>>(), 1);
        [join(&dis), join(&dhs), dh]
    }
}

impl RecurrentWeights<'_> {
    /// All inputs in the operations' order.
    fn inputs<'a>(&'a self, x: &'a Tensor, states: &[&'a Tensor]) -> Vec<&'a Tensor> {
        let mut all = vec![x, self.input, self.hidden];
        all.extend(self.bias.iter().flatten());
        all.extend(states);
        all
    }
}

impl Tensor {
    /// A long short-term memory over sequences (Hochreiter and Schmidhuber, 1997, with the forget gate of Gers,
    /// Schmidhuber and Cummins, 2000). At each step, with `z = W x + U h + b` cut into four:
    ///
    /// ```text
    /// i, f, o = sigmoid(z₁), sigmoid(z₂), sigmoid(z₄)     g = tanh(z₃)
    /// c <- f c + i g                                      h <- o tanh(c)
    /// ```
    ///
    /// # Shapes
    /// `x [b, t, f]` with `t` at least 1, `W [4 n, f]`, `U [4 n, n]`, biases `[4 n]`, first state and cells `[b, n]`, to
    /// states and cells after each step, `[b, t, n]`.
    ///
    /// # Gradient
    /// Through all steps backwards, without truncation; of both outputs.
    ///
    /// # Panics
    /// When the sizes do not fit, or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{DType, RecurrentWeights, Tensor};
    /// // All weights 0: every gate is half open and nothing new comes in, so the cell halves at each step.
    /// let (w, u) = (Tensor::zeros([4, 2], DType::F64), Tensor::zeros([4, 1], DType::F64));
    /// let weights = RecurrentWeights { input: &w, hidden: &u, bias: None };
    /// let (h, c) = (Tensor::zeros([1, 1], DType::F64), Tensor::ones([1, 1], DType::F64));
    /// let out = Tensor::ones([1, 3, 2], DType::F64).lstm(&weights, [&h, &c]);
    /// assert_eq!(out.cells.to_vec::<f64>(), [0.5, 0.25, 0.125]);
    /// assert!((out.y.narrow(1, 2, 1).item() - 0.5 * 0.125f64.tanh()).abs() < 1e-12);
    /// ```
    #[track_caller]
    pub fn lstm(&self, weights: &RecurrentWeights<'_>, [h0, c0]: [&Tensor; 2]) -> LstmOutput {
        let op = Lstm { bias: weights.bias.is_some() };
        let mut outs = apply_multi(op, &weights.inputs(self, &[h0, c0])).into_iter();
        let mut next = || outs.next().expect("two outputs");
        LstmOutput { y: next(), cells: next() }
    }

    /// A gated recurrent unit over sequences (Cho et al., "Learning phrase representations using RNN encoder-decoder",
    /// 2014; the reset gate after the product, as in PyTorch). At each step, with `W x + b` and `U h + b'` cut into
    /// three, `p` and `q`:
    ///
    /// ```text
    /// r, z = sigmoid(p₁ + q₁), sigmoid(p₂ + q₂)     n = tanh(p₃ + r q₃)
    /// h <- (1 − z) n + z h
    /// ```
    ///
    /// # Shapes
    /// `x [b, t, f]` with `t` at least 1, `W [3 n, f]`, `U [3 n, n]`, biases `[3 n]`, first state `[b, n]`, to the states
    /// after each step, `[b, t, n]`.
    ///
    /// # Gradient
    /// Through all steps backwards, without truncation.
    ///
    /// # Panics
    /// When the sizes do not fit, or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{DType, RecurrentWeights, Tensor};
    /// // All weights 0: half of the state stays at each step, and the other half becomes tanh 0.
    /// let (w, u) = (Tensor::zeros([3, 2], DType::F64), Tensor::zeros([3, 1], DType::F64));
    /// let weights = RecurrentWeights { input: &w, hidden: &u, bias: None };
    /// let y = Tensor::ones([1, 3, 2], DType::F64).gru(&weights, &Tensor::ones([1, 1], DType::F64));
    /// assert_eq!(y.to_vec::<f64>(), [0.5, 0.25, 0.125]);
    /// ```
    #[track_caller]
    pub fn gru(&self, weights: &RecurrentWeights<'_>, h0: &Tensor) -> Tensor {
        apply(Gru { bias: weights.bias.is_some() }, &weights.inputs(self, &[h0]))
    }
}

#[cfg(test)]
mod tests {
    use super::RecurrentWeights;
    use crate::Tensor;

    fn lstm(x: &[&Tensor]) -> Tensor {
        let weights = RecurrentWeights { input: x[1], hidden: x[2], bias: Some([x[3], x[4]]) };
        let out = x[0].lstm(&weights, [x[5], x[6]]);
        Tensor::cat(&[&out.y, &out.cells], -1)
    }

    fn lstm_plain(x: &[&Tensor]) -> Tensor {
        x[0].lstm(&RecurrentWeights { input: x[1], hidden: x[2], bias: None }, [x[3], x[4]]).y
    }

    fn gru(x: &[&Tensor]) -> Tensor {
        let weights = RecurrentWeights { input: x[1], hidden: x[2], bias: Some([x[3], x[4]]) };
        x[0].gru(&weights, x[5])
    }

    fn gru_plain(x: &[&Tensor]) -> Tensor {
        x[0].gru(&RecurrentWeights { input: x[1], hidden: x[2], bias: None }, x[3])
    }

    crate::cases! {
        lstm_both: |x| lstm(x);
            shapes [[2, 3, 2], [8, 2], [8, 2], [8], [8], [2, 2], [2, 2]] [[1, 1, 1], [4, 1], [4, 1], [4], [4], [1, 1], [1, 1]]
             [[0, 2, 2], [4, 2], [4, 1], [4], [4], [0, 1], [0, 1]]
             on -1.0..1.0
             refuses [[2, 0, 2], [8, 2], [8, 2], [8], [8], [2, 2], [2, 2]] [[2, 3, 2], [8, 3], [8, 2], [8], [8], [2, 2], [2, 2]]
             [[2, 3, 2], [8, 2], [8, 3], [8], [8], [2, 2], [2, 2]] [[2, 3, 2], [8, 2], [8, 2], [8], [4], [2, 2], [2, 2]]
             [[2, 3, 2], [8, 2], [8, 2], [8], [8], [2, 2], [1, 2]] [[3, 2], [8, 2], [8, 2], [8], [8], [2, 2], [2, 2]];
        lstm_states: |x| lstm_plain(x); shapes [[2, 2, 3], [4, 3], [4, 1], [2, 1], [2, 1]] on -1.0..1.0;
        gru_biased: |x| gru(x);
            shapes [[2, 3, 2], [6, 2], [6, 2], [6], [6], [2, 2]] [[1, 1, 1], [3, 1], [3, 1], [3], [3], [1, 1]]
             [[0, 2, 2], [3, 2], [3, 1], [3], [3], [0, 1]]
             on -1.0..1.0
             refuses [[2, 0, 2], [6, 2], [6, 2], [6], [6], [2, 2]] [[2, 3, 2], [8, 2], [8, 2], [8], [8], [2, 2]]
             [[2, 3, 2], [6, 2], [6, 2], [6], [6], [2, 3]];
        gru_bare: |x| gru_plain(x); shapes [[2, 2, 3], [3, 3], [3, 1], [2, 1]] on -1.0..1.0;
    }
}
