use super::{GruKept, GruOut, LstmKept, LstmOut, Sizes, Weights, gru, gru_grad, lstm, lstm_grad};
use crate::dispatch::tests::with_each_isa;
use crate::{Float, random};

/// A layer with its numbers in double precision: input, weights, biases, first states, and gradients from above.
struct Case {
    s: Sizes,
    gates: usize,
    x: Vec<f64>,
    w: Vec<f64>,
    u: Vec<f64>,
    a: Vec<f64>,
    b: Vec<f64>,
    h0: Vec<f64>,
    c0: Vec<f64>,
    dy: Vec<f64>,
    dc: Vec<f64>,
}

fn draw(seed: u64, n: usize) -> Vec<f64> {
    let mut out = vec![0.0f64; n];
    random::uniform(seed, 0, 0, -1.0, 1.0, &mut out);
    // Numbers that both types hold.
    out.iter().map(|&x| f64::from(x as f32)).collect()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Everything that comes out, forward and backward.
struct Results<T> {
    y: Vec<T>,
    cells: Vec<T>,
    /// Gradients of the sums with the input, and with the state.
    di: Vec<T>,
    dh: Vec<T>,
    dh0: Vec<T>,
    dc0: Vec<T>,
}

impl Case {
    fn new(gates: usize, [batch, steps, inputs, size]: [usize; 4]) -> Case {
        let s = Sizes { batch, steps, inputs, size };
        let n = gates * size;
        Case {
            s,
            gates,
            x: draw(1, batch * steps * inputs),
            w: draw(2, n * inputs),
            u: draw(3, n * size),
            a: draw(4, n),
            b: draw(5, n),
            h0: draw(6, batch * size),
            c0: draw(7, batch * size),
            dy: draw(8, batch * steps * size),
            dc: draw(9, batch * steps * size),
        }
    }

    /// States and cells (for the gated unit, states twice) by the definition.
    fn naive(&self) -> [Vec<f64>; 2] {
        let Sizes { batch, steps, inputs, size } = self.s;
        let (mut ys, mut cs) = (vec![0.0; self.dy.len()], vec![0.0; self.dy.len()]);
        for b in 0..batch {
            let mut h = self.h0[b * size..][..size].to_vec();
            let mut c = self.c0[b * size..][..size].to_vec();
            for t in 0..steps {
                let x = &self.x[(b * steps + t) * inputs..][..inputs];
                let sum = |w: &[f64], x: &[f64], row: usize| -> f64 {
                    x.iter().zip(&w[row * x.len()..]).map(|(x, w)| x * w).sum()
                };
                let p: Vec<f64> = (0..self.gates * size).map(|k| sum(&self.w, x, k) + self.a[k]).collect();
                let q: Vec<f64> = (0..self.gates * size).map(|k| sum(&self.u, &h, k) + self.b[k]).collect();
                for k in 0..size {
                    let z = |gate: usize| p[gate * size + k] + q[gate * size + k];
                    if self.gates == 4 {
                        c[k] = sigmoid(z(1)) * c[k] + sigmoid(z(0)) * z(2).tanh();
                        h[k] = sigmoid(z(3)) * c[k].tanh();
                    } else {
                        let new = (p[2 * size + k] + sigmoid(z(0)) * q[2 * size + k]).tanh();
                        h[k] = (1.0 - sigmoid(z(1))) * new + sigmoid(z(1)) * h[k];
                    }
                }
                ys[(b * steps + t) * size..][..size].copy_from_slice(&h);
                cs[(b * steps + t) * size..][..size].copy_from_slice(&c);
            }
        }
        [ys, cs]
    }

    fn run<T: Float>(&self) -> Results<T> {
        let cast = |x: &[f64]| x.iter().map(|&x| T::from_f64(x)).collect::<Vec<T>>();
        let (w, u, a, b) = (cast(&self.w), cast(&self.u), cast(&self.a), cast(&self.b));
        let (x, h0, c0, dy, dc) =
            (cast(&self.x), cast(&self.h0), cast(&self.c0), cast(&self.dy), cast(&self.dc));
        let weights = Weights { input: &w, hidden: &u, input_bias: Some(&a), hidden_bias: Some(&b) };
        let per_step = |gates: usize| vec![T::NAN; gates * dy.len()];
        let (mut y, mut cells, mut gates) = (per_step(1), per_step(1), per_step(self.gates));
        let (mut di, mut dh) = (per_step(self.gates), per_step(self.gates));
        let (mut dh0, mut dc0) = (vec![T::NAN; h0.len()], vec![T::NAN; h0.len()]);
        if self.gates == 4 {
            let out = LstmOut { y: &mut y, cells: &mut cells, gates: &mut gates };
            lstm(self.s, &x, &weights, [&h0, &c0], out);
            let kept = LstmKept { hidden: &u, c0: &c0, cells: &cells, gates: &gates };
            lstm_grad(self.s, &kept, [&dy, &dc], &mut di, [&mut dh0, &mut dc0]);
            dh.copy_from_slice(&di);
        } else {
            let out = GruOut { y: &mut y, gates: &mut gates, candidate: &mut cells };
            gru(self.s, &x, &weights, &h0, out);
            let kept = GruKept { hidden: &u, h0: &h0, y: &y, gates: &gates, candidate: &cells };
            gru_grad(self.s, &kept, &dy, [&mut di, &mut dh], &mut dh0);
            dc0.fill(T::ZERO);
        }
        Results { y, cells, di, dh, dh0, dc0 }
    }

    /// The weighted sum of everything that comes out.
    fn loss(&self) -> f64 {
        let [y, c] = self.naive();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        dot(&y, &self.dy) + if self.gates == 4 { dot(&c, &self.dc) } else { 0.0 }
    }
}

#[track_caller]
fn close<T: Float>(got: &[T], want: &[f64], limit: f64) {
    assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got.to_f64() - want).abs() <= limit * want.abs().max(1.0), "{i}: {got} {want}");
    }
}

const SIZES: [[usize; 4]; 4] = [[1, 1, 1, 1], [2, 3, 4, 5], [3, 5, 1, 17], [5, 2, 33, 8]];

#[test]
fn states_are_the_definition() {
    with_each_isa(|_| {
        for sizes in SIZES {
            for gates in [3, 4] {
                let case = Case::new(gates, sizes);
                let [y, cells] = case.naive();
                let (single, double) = (case.run::<f32>(), case.run::<f64>());
                close(&double.y, &y, 1e-13);
                // A few sums of 40 terms, and gates to some 1e-7.
                close(&single.y, &y, 5e-6);
                if gates == 4 {
                    close(&double.cells, &cells, 1e-13);
                    close(&single.cells, &cells, 5e-6);
                }
            }
        }
    });
}

/// The gradients of biases and first states against central differences along a direction; single precision beside
/// double.
#[test]
fn gradients_are_those_of_the_definition() {
    with_each_isa(|_| {
        for sizes in SIZES {
            for gates in [3, 4] {
                let mut case = Case::new(gates, sizes);
                let double = case.run::<f64>();
                let single = case.run::<f32>();
                let n = gates * case.s.size;
                let along = draw(11, 2 * n + 2 * case.h0.len());
                let rows = |d: &[f64], v: &[f64]| -> f64 {
                    d.chunks(v.len()).map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum::<f64>()).sum()
                };
                let (va, rest) = along.split_at(n);
                let (vb, rest) = rest.split_at(n);
                let (vh, vc) = rest.split_at(case.h0.len());
                let slope = rows(&double.di, va)
                    + rows(&double.dh, vb)
                    + rows(&double.dh0, vh)
                    + rows(&double.dc0, vc);
                let start = [case.a.clone(), case.b.clone(), case.h0.clone(), case.c0.clone()];
                let mut at = |step: f64| {
                    let moved = |x: &[f64], v: &[f64]| x.iter().zip(v).map(|(x, v)| x + step * v).collect();
                    case.a = moved(&start[0], va);
                    case.b = moved(&start[1], vb);
                    case.h0 = moved(&start[2], vh);
                    case.c0 = moved(&start[3], vc);
                    case.loss()
                };
                let want = (at(1e-5) - at(-1e-5)) / 2e-5;
                assert!(
                    (slope - want).abs() < 1e-7 * want.abs().max(1.0),
                    "{sizes:?} {gates}: {slope} {want}"
                );
                close(&single.di, &double.di, 2e-5);
                close(&single.dh, &double.dh, 2e-5);
                close(&single.dh0, &double.dh0, 2e-5);
                close(&single.dc0, &double.dc0, 2e-5);
            }
        }
    });
}

#[test]
#[should_panic(expected = "lstm: a sequence has at least one step")]
fn a_sequence_without_steps_is_refused() {
    Case::new(4, [1, 0, 1, 1]).run::<f32>();
}
