//! What happens at one step of one sequence, element by element.

use crate::dispatch::{apply, multiversion};
use crate::elementwise::Map;
use crate::{Float, Lane};

struct Sigmoid;

impl Map for Sigmoid {
    #[inline(always)]
    fn f32(x: Lane<f32>) -> Lane<f32> {
        x.sigmoid()
    }
    #[inline(always)]
    fn f64(x: Lane<f64>) -> Lane<f64> {
        x.sigmoid()
    }
}

struct Tanh;

impl Map for Tanh {
    #[inline(always)]
    fn f32(x: Lane<f32>) -> Lane<f32> {
        x.tanh()
    }
    #[inline(always)]
    fn f64(x: Lane<f64>) -> Lane<f64> {
        x.tanh()
    }
}

/// Cuts a row into parts of equal length.
#[inline(always)]
fn parts<T, const N: usize>(x: &[T]) -> [&[T]; N] {
    let n = x.len() / N;
    std::array::from_fn(|i| &x[i * n..(i + 1) * n])
}

/// The same for a row that is written.
#[inline(always)]
fn parts_mut<T, const N: usize>(mut x: &mut [T]) -> [&mut [T]; N] {
    let n = x.len() / N;
    std::array::from_fn(|_| {
        let (part, rest) = std::mem::take(&mut x).split_at_mut(n);
        x = rest;
        part
    })
}

multiversion! {
    /// Turns the sums of a step into its gates, and makes its cells `c` and state `y` of those before.
    pub(super) fn lstm_cells[T: Float](gates: &mut [T], before: &[T], c: &mut [T], y: &mut [T]) {
        let [i, f, g, o] = parts_mut(gates);
        for gate in [&mut *i, &mut *f, &mut *o] {
            for x in gate {
                *x = apply::<FUSED, Sigmoid, T>(*x);
            }
        }
        for ((((c, &before), g), &i), &f) in c.iter_mut().zip(before).zip(g).zip(&*i).zip(&*f) {
            *g = apply::<FUSED, Tanh, T>(*g);
            *c = f * before + i * *g;
        }
        for ((y, &c), &o) in y.iter_mut().zip(&*c).zip(&*o) {
            *y = o * apply::<FUSED, Tanh, T>(c);
        }
    }

    /// The gradients of a step's sums. `dh` and `dc` hold those of state and cells from the steps that follow; `dc`
    /// becomes that of the cells before.
    pub(super) fn lstm_slopes[T: Float](
        gates: &[T],
        cells: [&[T]; 2],
        given: [&[T]; 2],
        dz: &mut [T],
        dh: &mut [T],
        dc: &mut [T],
    ) {
        let ([before, after], [dy, dcells]) = (cells, given);
        let [i, f, g, o] = parts(gates);
        let [di, df, dg, do_] = parts_mut(dz);
        for (dh, &dy) in dh.iter_mut().zip(dy) {
            *dh += dy;
        }
        for ((((dc, &dcells), &after), &dh), (&o, do_)) in
            dc.iter_mut().zip(dcells).zip(after).zip(&*dh).zip(o.iter().zip(do_))
        {
            let t = apply::<FUSED, Tanh, T>(after);
            *dc += dcells + dh * o * (T::ONE - t * t);
            *do_ = dh * t * o * (T::ONE - o);
        }
        for (((&i, &g), &dc), (di, dg)) in i.iter().zip(g).zip(&*dc).zip(di.iter_mut().zip(dg)) {
            *di = dc * g * i * (T::ONE - i);
            *dg = dc * i * (T::ONE - g * g);
        }
        for (((&f, &before), dc), df) in f.iter().zip(before).zip(dc).zip(df) {
            *df = *dc * before * f * (T::ONE - f);
            *dc *= f;
        }
    }

    /// Turns the sums with the input into gates, with the sums of the state `hidden`, and makes the state `y`.
    pub(super) fn gru_cells[T: Float](
        gates: &mut [T],
        hidden: &[T],
        before: &[T],
        candidate: &mut [T],
        y: &mut [T],
    ) {
        let [r, z, n] = parts_mut(gates);
        let [hr, hz, hn] = parts(hidden);
        candidate.copy_from_slice(hn);
        for (gate, hidden) in [(&mut *r, hr), (&mut *z, hz)] {
            for (x, &h) in gate.iter_mut().zip(hidden) {
                *x = apply::<FUSED, Sigmoid, T>(*x + h);
            }
        }
        for ((n, &r), &h) in n.iter_mut().zip(&*r).zip(hn) {
            *n = apply::<FUSED, Tanh, T>(*n + r * h);
        }
        for (((y, &n), &z), &before) in y.iter_mut().zip(&*n).zip(&*z).zip(before) {
            *y = (T::ONE - z) * n + z * before;
        }
    }

    /// The gradients of a step's sums with the input and with the state, from its gates, the state before, the part
    /// that r multiplies, and the gradient of its state. `dh` holds that of the state from the steps that follow, and
    /// becomes what goes past the sums to the state before.
    pub(super) fn gru_slopes[T: Float](
        read: [&[T]; 4],
        dinput: &mut [T],
        dhidden: &mut [T],
        dh: &mut [T],
    ) {
        let [gates, before, candidate, dy] = read;
        let [r, z, n] = parts(gates);
        let [ir, iz, in_] = parts_mut(dinput);
        let [hr, hz, hn] = parts_mut(dhidden);
        for (dh, &dy) in dh.iter_mut().zip(dy) {
            *dh += dy;
        }
        for ((((&z, &n), &before), dh), (iz, in_)) in
            z.iter().zip(n).zip(before).zip(dh).zip(iz.iter_mut().zip(&mut *in_))
        {
            *iz = *dh * (before - n) * z * (T::ONE - z);
            *in_ = *dh * (T::ONE - z) * (T::ONE - n * n);
            *dh *= z;
        }
        for (((&r, &candidate), &dn), (ir, hn)) in
            r.iter().zip(candidate).zip(&*in_).zip(ir.iter_mut().zip(hn))
        {
            *ir = dn * candidate * r * (T::ONE - r);
            *hn = dn * r;
        }
        hr.copy_from_slice(ir);
        hz.copy_from_slice(iz);
    }
}
