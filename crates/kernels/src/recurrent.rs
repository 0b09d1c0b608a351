//! Recurrent layers: the long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers,
//! Schmidhuber and Cummins 2000) and the gated recurrent unit (Cho et al. 2014).
//!
//! Arrays are [batch, steps, ..]. All steps' products with the input are one product; each step then adds the product
//! with the state before it in place, and one pass makes gates and state of the sums. The gates that the gradient
//! needs stay where they are; the gradient writes those of the sums, from which everything else is again made by one
//! product each.

mod cells;

#[cfg(test)]
mod tests;

use crate::dispatch::{Parts, ranges, rows_per_task};
use crate::gemm::{Epilogue, Mat, gemm};
use crate::{Buffer, Float};
use cells::{gru_cells, gru_slopes, lstm_cells, lstm_slopes};

/// The sizes of a recurrent layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Independent sequences.
    pub batch: usize,
    /// Steps of each, at least one.
    pub steps: usize,
    /// Numbers that come in at a step.
    pub inputs: usize,
    /// Numbers of the state.
    pub size: usize,
}

/// The weights, with `gates` times `size` rows: 4 (input, forget, cell, output) for the long short-term memory, 3
/// (reset, update, new) for the gated unit.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a, T> {
    /// [gates size, inputs]
    pub input: &'a [T],
    /// [gates size, size]
    pub hidden: &'a [T],
    /// [gates size], added to the product with the input.
    pub input_bias: Option<&'a [T]>,
    /// [gates size], added to the product with the state.
    pub hidden_bias: Option<&'a [T]>,
}

/// Step `t` of an array [batch, steps, width], of which each row has `stride` numbers a step.
#[derive(Clone, Copy)]
struct Step {
    steps: usize,
    t: usize,
    width: usize,
}

impl Step {
    /// Where the numbers of sequence `b` are.
    fn row(self, b: usize) -> std::ops::Range<usize> {
        let start = (b * self.steps + self.t) * self.width;
        start..start + self.width
    }

    /// The step as a matrix [batch, width].
    fn mat<T>(self, x: &[T], batch: usize) -> Mat<'_, T> {
        let data = &x[self.row(0).start..];
        Mat { data, rows: batch, cols: self.width, row_stride: self.steps * self.width, col_stride: 1 }
    }
}

impl Sizes {
    fn step(self, t: usize, width: usize) -> Step {
        Step { steps: self.steps, t, width }
    }

    /// The state before a step, of all sequences.
    fn before<'a, T>(self, t: usize, y: &'a [T], first: &'a [T]) -> Mat<'a, T> {
        match t.checked_sub(1) {
            Some(last) => self.step(last, self.size).mat(y, self.batch),
            None => Mat::row_major(first, self.batch, self.size),
        }
    }

    #[track_caller]
    fn check<T>(self, op: &str, gates: usize, weights: &Weights<T>, x: usize) {
        let Sizes { batch, steps, inputs, size } = self;
        assert!(steps > 0, "{op}: a sequence has at least one step");
        let rows = gates * size;
        let fits = weights.input.len() == rows * inputs
            && weights.hidden.len() == rows * size
            && [weights.input_bias, weights.hidden_bias].iter().flatten().all(|b| b.len() == rows);
        assert!(fits, "{op}: the weights do not fit {self:?} with {gates} gates");
        assert!(x == batch * steps * inputs, "{op}: the input has {x} items, {self:?} needs others");
    }

    #[track_caller]
    fn check_lens(self, op: &str, per_step: &[(usize, usize)], per_sequence: &[usize]) {
        let Sizes { batch, steps, size, .. } = self;
        let fits = per_step.iter().all(|&(len, gates)| len == batch * steps * gates * size)
            && per_sequence.iter().all(|&len| len == batch * size);
        assert!(fits, "{op}: arrays of {per_step:?} and {per_sequence:?} items do not fit {self:?}");
    }

    /// Runs `f` on ranges of sequences whose rows have `width` numbers.
    fn sequences(self, width: usize, f: &(dyn Fn(std::ops::Range<usize>) + Sync)) {
        ranges(self.batch, rows_per_task(width), f);
    }

    /// The product of all steps with the input, with both biases where `both` says that they are added alike.
    fn project<T: Float>(self, gates: usize, x: &[T], weights: &Weights<T>, both: bool, out: &mut [T]) {
        let (rows, cols) = (self.batch * self.steps, gates * self.size);
        let sum: Option<Vec<T>> = match (weights.input_bias, weights.hidden_bias.filter(|_| both)) {
            (Some(a), Some(b)) => Some(a.iter().zip(b).map(|(&a, &b)| a + b).collect()),
            (a, b) => a.or(b).map(<[T]>::to_vec),
        };
        let epilogue = Epilogue { bias: sum.as_deref(), ..Epilogue::default() };
        let w = Mat::row_major(weights.input, cols, self.inputs).t();
        gemm(Mat::row_major(x, rows, self.inputs), w, out, cols, &epilogue);
    }
}

/// What [`lstm`] computes, and keeps for the gradient.
#[derive(Debug)]
pub struct LstmOut<'a, T> {
    /// The states, [batch, steps, size].
    pub y: &'a mut [T],
    /// The cells, [batch, steps, size].
    pub cells: &'a mut [T],
    /// The gates i, f, g, o of each step side by side, [batch, steps, 4 size].
    pub gates: &'a mut [T],
}

/// The long short-term memory: with z = W x + U h + b cut into four,
/// i, f, o = sigmoid, g = tanh, c' = f c + i g, h' = o tanh c'.
///
/// # Panics
/// If a length does not fit the sizes.
#[track_caller]
pub fn lstm<T: Float>(s: Sizes, x: &[T], weights: &Weights<T>, [h0, c0]: [&[T]; 2], out: LstmOut<T>) {
    s.check("lstm", 4, weights, x.len());
    let LstmOut { y, cells, gates } = out;
    s.check_lens("lstm", &[(y.len(), 1), (cells.len(), 1), (gates.len(), 4)], &[h0.len(), c0.len()]);
    if s.batch * s.size == 0 {
        return;
    }
    s.project(4, x, weights, true, gates);
    let hidden = Mat::row_major(weights.hidden, 4 * s.size, s.size).t();
    for t in 0..s.steps {
        let (step, wide) = (s.step(t, s.size), s.step(t, 4 * s.size));
        let add = Epilogue { accumulate: true, ..Epilogue::default() };
        gemm(s.before(t, y, h0), hidden, &mut gates[wide.row(0).start..], s.steps * 4 * s.size, &add);
        let (y, cells, gates) = (Parts::new(y), Parts::new(cells), Parts::new(gates));
        s.sequences(4 * s.size, &|sequences| {
            for b in sequences {
                // SAFETY: rows of different sequences and steps are disjoint, and one task has a sequence.
                let (y, gates, c) =
                    unsafe { (y.part(step.row(b)), gates.part(wide.row(b)), cells.part(step.row(b))) };
                let before = match t.checked_sub(1) {
                    // SAFETY: as above; the step before is only read.
                    Some(last) => unsafe { &*cells.part(s.step(last, s.size).row(b)) },
                    None => &c0[b * s.size..(b + 1) * s.size],
                };
                lstm_cells::<T>(gates, before, c, y);
            }
        });
    }
}

/// What the gradient of [`lstm`] reads.
#[derive(Clone, Copy, Debug)]
pub struct LstmKept<'a, T> {
    /// U, [4 size, size].
    pub hidden: &'a [T],
    /// The cells before the first step, [batch, size].
    pub c0: &'a [T],
    /// As [`lstm`] left them.
    pub cells: &'a [T],
    /// As [`lstm`] left them.
    pub gates: &'a [T],
}

/// The gradients of [`lstm`] by z, [batch, steps, 4 size], and by state and cells before the first step, from those of
/// the states, `dy`, and of the cells, `dcells`, [batch, steps, size].
///
/// # Panics
/// If a length does not fit the sizes.
#[track_caller]
pub fn lstm_grad<T: Float>(
    s: Sizes,
    kept: &LstmKept<T>,
    [dy, dcells]: [&[T]; 2],
    dz: &mut [T],
    [dh0, dc0]: [&mut [T]; 2],
) {
    let LstmKept { hidden, c0, cells, gates } = *kept;
    let lens = [(dy.len(), 1), (dcells.len(), 1), (cells.len(), 1), (gates.len(), 4), (dz.len(), 4)];
    s.check_lens("lstm_grad", &lens, &[c0.len(), dh0.len(), dc0.len()]);
    assert!(hidden.len() == 4 * s.size * s.size, "lstm_grad: the weights do not fit {s:?}");
    if s.batch * s.size == 0 {
        return;
    }
    let hidden = Mat::row_major(hidden, 4 * s.size, s.size);
    // dh0 and dc0 hold the gradients of the state and the cells after the step at hand.
    dh0.fill(T::ZERO);
    dc0.fill(T::ZERO);
    for t in (0..s.steps).rev() {
        let (step, wide) = (s.step(t, s.size), s.step(t, 4 * s.size));
        let (z, dh, dc) = (Parts::new(dz), Parts::new(dh0), Parts::new(dc0));
        s.sequences(4 * s.size, &|sequences| {
            for b in sequences {
                let own = b * s.size..(b + 1) * s.size;
                // SAFETY: rows of different sequences are disjoint, and one task has a sequence.
                let (z, dh, dc) =
                    unsafe { (z.part(wide.row(b)), dh.part(own.clone()), dc.part(own.clone())) };
                let before = match t.checked_sub(1) {
                    Some(last) => &cells[s.step(last, s.size).row(b)],
                    None => &c0[own],
                };
                let row = step.row(b);
                let given = [&dy[row.clone()], &dcells[row.clone()]];
                lstm_slopes::<T>(&gates[wide.row(b)], [before, &cells[row]], given, z, dh, dc);
            }
        });
        gemm(wide.mat(dz, s.batch), hidden, dh0, s.size, &Epilogue::default());
    }
}

/// What [`gru`] computes, and keeps for the gradient.
#[derive(Debug)]
pub struct GruOut<'a, T> {
    /// The states, [batch, steps, size].
    pub y: &'a mut [T],
    /// The gates r, z, n of each step side by side, [batch, steps, 3 size].
    pub gates: &'a mut [T],
    /// The part of n that r multiplies, U h + b, [batch, steps, size].
    pub candidate: &'a mut [T],
}

/// The gated recurrent unit: with W x + b and U h + b cut into three,
/// r, z = sigmoid of the sums, n = tanh(W x + b + r (U h + b)), h' = (1 - z) n + z h.
///
/// # Panics
/// If a length does not fit the sizes.
#[track_caller]
pub fn gru<T: Float>(s: Sizes, x: &[T], weights: &Weights<T>, h0: &[T], out: GruOut<T>) {
    s.check("gru", 3, weights, x.len());
    let GruOut { y, gates, candidate } = out;
    s.check_lens("gru", &[(y.len(), 1), (candidate.len(), 1), (gates.len(), 3)], &[h0.len()]);
    if s.batch * s.size == 0 {
        return;
    }
    s.project(3, x, weights, false, gates);
    let hidden = Mat::row_major(weights.hidden, 3 * s.size, s.size).t();
    let mut sums = Buffer::take(3 * s.batch * s.size * size_of::<T>());
    let sums = sums.as_mut_slice::<T>();
    for t in 0..s.steps {
        let (step, wide) = (s.step(t, s.size), s.step(t, 3 * s.size));
        let bias = Epilogue { bias: weights.hidden_bias, ..Epilogue::default() };
        gemm(s.before(t, y, h0), hidden, sums, 3 * s.size, &bias);
        let (y, gates, candidate) = (Parts::new(y), Parts::new(gates), Parts::new(candidate));
        s.sequences(3 * s.size, &|sequences| {
            for b in sequences {
                // SAFETY: rows of different sequences and steps are disjoint, and one task has a sequence.
                let (out, gates, candidate) =
                    unsafe { (y.part(step.row(b)), gates.part(wide.row(b)), candidate.part(step.row(b))) };
                let before = match t.checked_sub(1) {
                    // SAFETY: as above; the step before is only read.
                    Some(last) => unsafe { &*y.part(s.step(last, s.size).row(b)) },
                    None => &h0[b * s.size..(b + 1) * s.size],
                };
                gru_cells::<T>(gates, &sums[3 * b * s.size..3 * (b + 1) * s.size], before, candidate, out);
            }
        });
    }
}

/// What the gradient of [`gru`] reads.
#[derive(Clone, Copy, Debug)]
pub struct GruKept<'a, T> {
    /// U, [3 size, size].
    pub hidden: &'a [T],
    /// The state before the first step, [batch, size].
    pub h0: &'a [T],
    /// As [`gru`] left them.
    pub y: &'a [T],
    /// As [`gru`] left them.
    pub gates: &'a [T],
    /// As [`gru`] left it.
    pub candidate: &'a [T],
}

/// The gradients of [`gru`] by W x + b and by U h + b, [batch, steps, 3 size] each, and by the state before the first
/// step, from that of the states, `dy` [batch, steps, size].
///
/// # Panics
/// If a length does not fit the sizes.
#[track_caller]
pub fn gru_grad<T: Float>(
    s: Sizes,
    kept: &GruKept<T>,
    dy: &[T],
    [dinput, dhidden]: [&mut [T]; 2],
    dh0: &mut [T],
) {
    let GruKept { hidden, h0, y, gates, candidate } = *kept;
    let lens = [
        (dy.len(), 1),
        (y.len(), 1),
        (candidate.len(), 1),
        (gates.len(), 3),
        (dinput.len(), 3),
        (dhidden.len(), 3),
    ];
    s.check_lens("gru_grad", &lens, &[h0.len(), dh0.len()]);
    assert!(hidden.len() == 3 * s.size * s.size, "gru_grad: the weights do not fit {s:?}");
    if s.batch * s.size == 0 {
        return;
    }
    let hidden = Mat::row_major(hidden, 3 * s.size, s.size);
    // dh0 holds the gradient of the state after the step at hand.
    dh0.fill(T::ZERO);
    for t in (0..s.steps).rev() {
        let (step, wide) = (s.step(t, s.size), s.step(t, 3 * s.size));
        let (di, dhid, dh) = (Parts::new(dinput), Parts::new(dhidden), Parts::new(dh0));
        s.sequences(3 * s.size, &|sequences| {
            for b in sequences {
                let own = b * s.size..(b + 1) * s.size;
                // SAFETY: rows of different sequences are disjoint, and one task has a sequence.
                let (di, dhid, dh) =
                    unsafe { (di.part(wide.row(b)), dhid.part(wide.row(b)), dh.part(own.clone())) };
                let before = match t.checked_sub(1) {
                    Some(last) => &y[s.step(last, s.size).row(b)],
                    None => &h0[own],
                };
                let row = step.row(b);
                let read = [&gates[wide.row(b)], before, &candidate[row.clone()], &dy[row]];
                gru_slopes::<T>(read, di, dhid, dh);
            }
        });
        let add = Epilogue { accumulate: true, ..Epilogue::default() };
        gemm(wide.mat(dhidden, s.batch), hidden, dh0, s.size, &add);
    }
}
