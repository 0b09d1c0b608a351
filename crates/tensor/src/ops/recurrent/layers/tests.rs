use super::*;

/// One direction of one layer in plain loops, for one sequence: the states of its steps in their order, and the last
/// state and cells.
struct Plain<'a> {
    cell: RecurrentCell,
    w: &'a [f64],
    u: &'a [f64],
    biases: [&'a [f64]; 2],
    size: usize,
}

impl Plain<'_> {
    fn run(
        &self,
        xs: &[Vec<f64>],
        h0: &[f64],
        c0: &[f64],
        backwards: bool,
    ) -> (Vec<Vec<f64>>, [Vec<f64>; 2]) {
        let n = self.size;
        let (mut h, mut c, mut states) = (h0.to_vec(), c0.to_vec(), vec![vec![]; xs.len()]);
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let order: Vec<usize> =
            if backwards { (0..xs.len()).rev().collect() } else { (0..xs.len()).collect() };
        for t in order {
            let product = |m: &[f64], v: &[f64], row: usize| -> f64 {
                (0..v.len()).map(|j| m[row * v.len() + j] * v[j]).sum()
            };
            let p = |row: usize| product(self.w, &xs[t], row) + self.biases[0][row];
            let q = |row: usize| product(self.u, &h, row) + self.biases[1][row];
            let (mut next, mut cells) = (h.clone(), c.clone());
            for k in 0..n {
                let sum = |gate: usize| p(gate * n + k) + q(gate * n + k);
                next[k] = match self.cell {
                    RecurrentCell::RnnTanh => sum(0).tanh(),
                    RecurrentCell::RnnRelu => sum(0).max(0.0),
                    RecurrentCell::Gru => {
                        let (r, z) = (sigmoid(sum(0)), sigmoid(sum(1)));
                        (1.0 - z) * (p(2 * n + k) + r * q(2 * n + k)).tanh() + z * h[k]
                    }
                    RecurrentCell::Lstm => {
                        cells[k] = sigmoid(sum(1)) * c[k] + sigmoid(sum(0)) * sum(2).tanh();
                        sigmoid(sum(3)) * cells[k].tanh()
                    }
                };
            }
            (h, c) = (next, cells);
            states[t] = h.clone();
        }
        (states, [h, c])
    }
}

const CELLS: [(RecurrentCell, usize); 4] = [
    (RecurrentCell::Lstm, 4),
    (RecurrentCell::Gru, 3),
    (RecurrentCell::RnnTanh, 1),
    (RecurrentCell::RnnRelu, 1),
];

/// Two layers in both directions, on four sequences of lengths 4, 1, 0 and 3.
#[test]
fn it_is_one_sequence_after_the_other_in_plain_loops() {
    let (b, t, f, n, lengths) = (4, 4, 3, 2, [4usize, 1, 0, 3]);
    for (cell, gates) in CELLS {
        let rng = &mut Rng::seed(11);
        let mut draw = |shape: &[usize]| rng.uniform(shape, -1.0, 1.0, DType::F64);
        let own: Vec<[Tensor; 4]> = (0..4)
            .map(|i| {
                let inputs = if i < 2 { f } else { 2 * n };
                [&[gates * n, inputs][..], &[gates * n, n], &[gates * n], &[gates * n]].map(&mut draw)
            })
            .collect();
        let (x, h0, c0) = (draw(&[b, t, f]), draw(&[4, b, n]), draw(&[4, b, n]));
        let weights: Vec<RecurrentWeights<'_>> = own
            .iter()
            .map(|w| RecurrentWeights { input: &w[0], hidden: &w[1], bias: Some([&w[2], &w[3]]) })
            .collect();
        let ends = Tensor::from_slice(&lengths.map(|n| n as i64), [b]);
        let c0 = (cell == RecurrentCell::Lstm).then_some(&c0);
        let options = RecurrentOptions {
            cell,
            bidirectional: true,
            lengths: Some(&ends),
            h0: Some(&h0),
            c0,
            ..Default::default()
        };
        let out = x.recurrent(&weights, options);
        let (y, h) = (out.y.to_vec::<f64>(), out.h.to_vec::<f64>());
        let c = out.c.map(|c| c.to_vec::<f64>());
        assert_eq!(c.is_some(), cell == RecurrentCell::Lstm);
        let [data, h0] = [&x, &h0].map(|x| x.to_vec::<f64>());
        let c0 = c0.map_or(vec![0.0; 4 * b * n], |c0| c0.to_vec::<f64>());
        let own: Vec<[Vec<f64>; 4]> = own.iter().map(|w| w.each_ref().map(|w| w.to_vec::<f64>())).collect();
        let close = |got: f64, want: f64| {
            assert!((got - want).abs() < 1e-13, "{cell:?}: {got}, not {want}");
        };
        for row in 0..b {
            let mut xs: Vec<Vec<f64>> =
                (0..lengths[row]).map(|s| data[(row * t + s) * f..][..f].to_vec()).collect();
            for layer in 0..2 {
                let both = [0, 1].map(|direction| {
                    let i = layer * 2 + direction;
                    let at = (i * b + row) * n;
                    let [w, u, p, q] = &own[i];
                    let plain = Plain { cell, w, u, biases: [p, q], size: n };
                    let (states, left) = plain.run(&xs, &h0[at..][..n], &c0[at..][..n], direction == 1);
                    for k in 0..n {
                        close(h[at + k], left[0][k]);
                        if let Some(c) = &c {
                            close(c[at + k], left[1][k]);
                        }
                    }
                    states
                });
                xs = both[0].iter().zip(&both[1]).map(|(a, b)| [&a[..], b].concat()).collect();
            }
            for s in 0..t {
                for k in 0..2 * n {
                    close(y[(row * t + s) * 2 * n + k], xs.get(s).map_or(0.0, |x| x[k]));
                }
            }
        }
    }
}

/// Everything that comes out, for the gradients: one layer in both directions, and its states.
fn both_ways(x: &[&Tensor], cell: RecurrentCell) -> Tensor {
    let lengths = Tensor::from_slice(&[2i64, 0, 3], [3]);
    let weights = RecurrentWeights { input: x[1], hidden: x[2], bias: None };
    let options = RecurrentOptions {
        cell,
        bidirectional: true,
        lengths: Some(&lengths),
        h0: Some(x[3]),
        ..Default::default()
    };
    everything(x[0].recurrent(&[weights, weights], options))
}

fn everything(out: RecurrentOutput) -> Tensor {
    let flat = |x: &Tensor| x.reshape([x.numel()]);
    let mut all = vec![flat(&out.y), flat(&out.h)];
    all.extend(out.c.as_ref().map(flat));
    Tensor::cat(&all.iter().collect::<Vec<_>>(), 0)
}

/// Two layers in one direction with dropout between them, all sequences whole.
fn two_layers(x: &[&Tensor]) -> Tensor {
    let weights = |i: usize| RecurrentWeights { input: x[i], hidden: x[i + 1], bias: None };
    let rng = &mut Rng::seed(5);
    let options =
        RecurrentOptions { cell: RecurrentCell::Gru, dropout: 0.3, rng: Some(rng), ..Default::default() };
    everything(x[0].recurrent(&[weights(1), weights(3)], options))
}

crate::cases! {
    recurrent: |x| both_ways(x, RecurrentCell::Lstm);
        shapes [[3, 3, 2], [4, 2], [4, 1], [2, 3, 1]] on -1.0..1.0
         refuses [[3, 0, 2], [4, 2], [4, 1], [2, 3, 1]] [[3, 3, 2], [4, 2], [4, 1], [1, 3, 1]]
         [[2, 3, 2], [4, 2], [4, 1], [2, 2, 1]] [[3, 2], [4, 2], [4, 1], [2, 3, 1]];
    recurrent_tanh: |x| both_ways(x, RecurrentCell::RnnTanh); shapes [[3, 3, 2], [2, 2], [2, 2], [2, 3, 2]] on -1.0..1.0;
    recurrent_layers: |x| two_layers(x);
        shapes [[2, 3, 2], [3, 2], [3, 1], [3, 1], [3, 1]] [[0, 2, 1], [3, 1], [3, 1], [3, 1], [3, 1]] on -1.0..1.0;
}

#[test]
fn what_lies_behind_an_end_is_not_read() {
    let w = Tensor::from_slice(&[0.5f64], [1, 1]);
    let weights = RecurrentWeights { input: &w, hidden: &w, bias: None };
    let x = Tensor::from_slice(&[1.0, f64::NAN, f64::INFINITY], [1, 3, 1]).requires_grad();
    let lengths = Tensor::from_slice(&[1i64], [1]);
    let options = RecurrentOptions {
        cell: RecurrentCell::RnnTanh,
        bidirectional: true,
        lengths: Some(&lengths),
        ..Default::default()
    };
    let out = x.recurrent(&[weights, weights], options);
    assert_eq!(out.y.to_vec::<f64>()[2..], [0.0; 4]);
    let dx = out.y.sum(..).backward().wrt(&x).to_vec::<f64>();
    assert!(dx[0] > 0.0 && dx[1..] == [0.0, 0.0], "{dx:?}");
}

#[test]
#[should_panic(expected = "recurrent: 3 weights are no layers in 2 directions, for input [1, 2, 1]")]
fn an_odd_number_of_weights_for_both_directions() {
    let w = Tensor::ones([1, 1], DType::F32);
    let weights = RecurrentWeights { input: &w, hidden: &w, bias: None };
    let options =
        RecurrentOptions { cell: RecurrentCell::RnnRelu, bidirectional: true, ..Default::default() };
    Tensor::ones([1, 2, 1], DType::F32).recurrent(&[weights; 3], options);
}

#[test]
#[should_panic(
    expected = "recurrent: dropout 0.5 on input [1, 2, 1] needs a generator; give rng, or dropout 0"
)]
fn noise_from_nowhere() {
    let w = Tensor::ones([1, 1], DType::F32);
    let weights = RecurrentWeights { input: &w, hidden: &w, bias: None };
    let options = RecurrentOptions { cell: RecurrentCell::RnnRelu, dropout: 0.5, ..Default::default() };
    Tensor::ones([1, 2, 1], DType::F32).recurrent(&[weights], options);
}
