//! Recurrent layers: kernels on dense arrays.

use talweg_kernels::Float;
use talweg_kernels::recurrent::{self as kernels, GruKept, GruOut, LstmKept, LstmOut, Sizes, Weights};

use super::{Dense, dense, float, out_slice};
use crate::backend::{Out, View};

/// Input, weights, biases if there are any, and `N` first states, dense.
struct Inputs<'a, T, const N: usize> {
    sizes: Sizes,
    all: Vec<Dense<'a, T>>,
}

impl<'a, T: Float, const N: usize> Inputs<'a, T, N> {
    fn of(inputs: &[View<'a>]) -> Self {
        let (x, u) = (inputs[0].layout.shape(), inputs[2].layout.shape());
        let sizes = Sizes { batch: x.at(0), steps: x.at(1), inputs: x.at(2), size: u.at(1) };
        Inputs { sizes, all: inputs.iter().map(dense).collect() }
    }

    fn weights(&self) -> Weights<'_, T> {
        let bias = |i: usize| (self.all.len() > 3 + N).then(|| &*self.all[i]);
        Weights { input: &self.all[1], hidden: &self.all[2], input_bias: bias(3), hidden_bias: bias(4) }
    }

    fn states(&self) -> [&[T]; N] {
        std::array::from_fn(|i| &*self.all[self.all.len() - N + i])
    }
}

/// Sizes from all states `[b, t, size]`; what comes in does not matter to the gradients of the sums.
fn sizes(states: &View<'_>) -> Sizes {
    let shape = states.layout.shape();
    Sizes { batch: shape.at(0), steps: shape.at(1), inputs: 0, size: shape.at(2) }
}

/// Inputs `x`, `w`, `u`, perhaps two biases, `h0`, `c0`; outputs states, cells and gates.
pub(super) fn lstm(inputs: &[View<'_>], outputs: &mut [Out<'_>]) {
    let [y, cells, gates] = outputs else { unreachable!("states, cells and gates") };
    float!(y.dtype, T => {
        let given = Inputs::<T, 2>::of(inputs);
        let out = LstmOut { y: out_slice(y), cells: out_slice(cells), gates: out_slice(gates) };
        kernels::lstm(given.sizes, &given.all[0], &given.weights(), given.states(), out);
    });
}

/// Inputs `u`, `c0`, cells, gates, and the gradients of states and cells; outputs those of sums, `h0` and `c0`.
pub(super) fn lstm_grad(inputs: &[View<'_>], outputs: &mut [Out<'_>]) {
    let [dz, dh0, dc0] = outputs else { unreachable!("sums and first states") };
    float!(dz.dtype, T => {
        let [u, c0, cells, gates, dy, dcells]: [Dense<'_, T>; 6] = std::array::from_fn(|i| dense(&inputs[i]));
        let kept = LstmKept { hidden: &u, c0: &c0, cells: &cells, gates: &gates };
        let first = [out_slice(dh0), out_slice(dc0)];
        kernels::lstm_grad(sizes(&inputs[2]), &kept, [&dy, &dcells], out_slice(dz), first);
    });
}

/// Inputs `x`, `w`, `u`, perhaps two biases, `h0`; outputs states, gates, and the part of n that r multiplies.
pub(super) fn gru(inputs: &[View<'_>], outputs: &mut [Out<'_>]) {
    let [y, gates, candidate] = outputs else { unreachable!("states, gates and candidate") };
    float!(y.dtype, T => {
        let given = Inputs::<T, 1>::of(inputs);
        let [h0] = given.states();
        let out = GruOut { y: out_slice(y), gates: out_slice(gates), candidate: out_slice(candidate) };
        kernels::gru(given.sizes, &given.all[0], &given.weights(), h0, out);
    });
}

/// Inputs `u`, `h0`, states, gates, candidate, and the gradient of the states; outputs those of the sums with the input
/// and with the state, and of `h0`.
pub(super) fn gru_grad(inputs: &[View<'_>], outputs: &mut [Out<'_>]) {
    let [dinput, dhidden, dh0] = outputs else { unreachable!("sums and the first state") };
    float!(dinput.dtype, T => {
        let [u, h0, y, gates, candidate, dy]: [Dense<'_, T>; 6] = std::array::from_fn(|i| dense(&inputs[i]));
        let kept = GruKept { hidden: &u, h0: &h0, y: &y, gates: &gates, candidate: &candidate };
        let sums = [out_slice(dinput), out_slice(dhidden)];
        kernels::gru_grad(sizes(&inputs[2]), &kept, &dy, sums, out_slice(dh0));
    });
}
