//! Attention: heads go to the kernel where they lie, in slices of a larger array too.

use talweg_kernels::Float;
use talweg_kernels::attention::{self as kernels, Attention, Dropout, Grads, Heads, Mask, MaskItems};

use super::{Dense, dense, float, host, out_slice};
use crate::backend::{Out, View};
use crate::dtype::DType;
use crate::ops::AttentionKernel;

/// A view of four axes as the kernel reads it.
struct Strided<'a, T> {
    data: Dense<'a, T>,
    strides: [usize; 4],
}

impl<'a, T: talweg_kernels::Pod> Strided<'a, T> {
    /// The view in its own memory when `fits` allows its strides, else a copy.
    fn of(x: &View<'a>, fits: impl Fn([usize; 4]) -> bool) -> Strided<'a, T> {
        let (shape, strides) = (x.layout.shape(), x.layout.strides());
        // Whatever an axis of size 1 says, nobody steps along it.
        let along = |axis: usize| if shape.at(axis) == 1 { 0 } else { strides[axis] };
        let own = [0, 1, 2, 3].map(along);
        if own.iter().all(|&stride| stride >= 0) {
            let strides = own.map(|stride| stride as usize);
            if fits(strides) {
                let data = Dense::Borrowed(&host(x.storage).as_slice()[x.layout.offset()..]);
                return Strided { data, strides };
            }
        }
        let strides = [1, 2, 3, 4].map(|axis| shape.iter().skip(axis).product());
        Strided { data: dense(x), strides }
    }

    /// Heads `[b, h, rows, d]`, whose numbers must lie side by side.
    fn heads(x: &View<'a>) -> Strided<'a, T> {
        let single = x.layout.shape().at(3) <= 1;
        Strided::of(x, |strides| strides[3] == 1 || single)
    }

    fn as_heads(&self) -> Heads<'_, T> {
        let [batch, head, row, _] = self.strides;
        Heads { data: &self.data, batch, head, row }
    }
}

/// A mask in either of its forms.
enum AnyMask<'a, T> {
    Visible(Strided<'a, u8>),
    Added(Strided<'a, T>),
}

impl<'a, T: Float> AnyMask<'a, T> {
    fn of(s: &AttentionKernel, inputs: &[View<'a>]) -> Option<AnyMask<'a, T>> {
        let mask = s.mask.then(|| inputs[inputs.len() - 1])?;
        Some(match mask.dtype {
            DType::Bool => AnyMask::Visible(Strided::of(&mask, |_| true)),
            _ => AnyMask::Added(Strided::of(&mask, |_| true)),
        })
    }

    fn as_mask(&self) -> Mask<'_, T> {
        match self {
            AnyMask::Visible(mask) => Mask { items: MaskItems::Visible(&mask.data), strides: mask.strides },
            AnyMask::Added(mask) => Mask { items: MaskItems::Added(&mask.data), strides: mask.strides },
        }
    }
}

/// Sizes from the views of queries, keys and values, `[b, h, rows, d]`.
fn sizes<'a, T: Float>(
    s: &AttentionKernel,
    inputs: &[View<'_>],
    mask: Option<&'a AnyMask<'_, T>>,
) -> Attention<'a, T> {
    let [q, k, v] = [0, 1, 2].map(|i| inputs[i].layout.shape());
    let dropout = s.dropout.as_ref().map(|drop| {
        let at = &drop.rng;
        Dropout { p: drop.p, seed: at.seed, stream: at.stream, offset: at.offset }
    });
    Attention {
        batch: q.at(0),
        heads: q.at(1),
        kv_heads: k.at(1),
        queries: q.at(2),
        keys: k.at(2),
        depth: q.at(3),
        width: v.at(3),
        scale: T::from_f64(s.scale),
        causal: s.causal,
        mask: mask.map(AnyMask::as_mask),
        dropout,
    }
}

/// Inputs `q`, `k`, `v` and perhaps the mask; outputs the result `[b, t, h, d]` and the logarithms `[b, h, t]`.
pub(super) fn attention(s: &AttentionKernel, inputs: &[View<'_>], outputs: &mut [Out<'_>]) {
    let [out, lse] = outputs else { unreachable!("the result and the logarithms") };
    float!(out.dtype, T => {
        let [q, k, v] = [0, 1, 2].map(|i| Strided::<T>::heads(&inputs[i]));
        let mask = AnyMask::<T>::of(s, inputs);
        let sizes = sizes(s, inputs, mask.as_ref());
        kernels::attention(&sizes, q.as_heads(), k.as_heads(), v.as_heads(), out_slice(out), out_slice(lse));
    });
}

/// Inputs `q`, `k`, `v`, result `[b, t, h, d]`, logarithms, the result's gradient `[b, h, t, d]`, and perhaps the mask;
/// outputs the gradients of `q`, `k` and `v`, `[b, rows, h, d]`, or one with the three side by side.
pub(super) fn attention_grad(s: &AttentionKernel, inputs: &[View<'_>], outputs: &mut [Out<'_>]) {
    float!(outputs[0].dtype, T => {
        let [q, k, v, dy] = [0, 1, 2, 5].map(|i| Strided::<T>::heads(&inputs[i]));
        let (out, lse) = (dense::<T>(&inputs[3]), dense::<T>(&inputs[4]));
        let mask = AnyMask::<T>::of(s, inputs);
        let sizes = sizes(s, inputs, mask.as_ref());
        let grads = match outputs {
            [all] => Grads::Packed(out_slice(all)),
            [dq, dk, dv] => Grads::Apart([out_slice(dq), out_slice(dk), out_slice(dv)]),
            _ => unreachable!("three gradients, or one of all"),
        };
        let heads = [q.as_heads(), k.as_heads(), v.as_heads()];
        kernels::attention_grad(&sizes, heads, &out, &lse, dy.as_heads(), grads);
    });
}
