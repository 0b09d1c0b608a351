//! Scaled dot-product attention, softmax(q kᵀ scale + mask) v for each head, without a matrix of all scores: blocks of
//! queries meet blocks of keys, and the softmax is corrected as further keys come in (Dao, Fu, Ermon, Rudra and Ré,
//! "FlashAttention: fast and memory-efficient exact attention with IO-awareness", 2022; the running softmax is from
//! Milakov and Gimelshein, 2018). For the gradient the probabilities are computed anew from one number for each query.
//!
//! A block of scores is kept transposed, keys by queries. So the softmax runs down columns, without sums across a
//! register, and both its results are left factors that the tiles of the matrix product read as they lie.

mod backward;
mod block;
mod forward;
mod rows;

#[cfg(test)]
mod tests;

pub use backward::attention_grad;
pub use forward::attention;

use crate::Float;

/// The sizes and options of an attention.
#[derive(Clone, Copy, Debug)]
pub struct Attention<'a, T> {
    /// Independent examples.
    pub batch: usize,
    /// Heads of the queries.
    pub heads: usize,
    /// Heads of keys and values, a divisor of `heads`: head h of the queries reads head h / (heads / kv_heads).
    pub kv_heads: usize,
    /// Queries of each head.
    pub queries: usize,
    /// Keys, and values, of each head.
    pub keys: usize,
    /// Numbers in a query and in a key.
    pub depth: usize,
    /// Numbers in a value.
    pub width: usize,
    /// The factor of the scores, positive and finite.
    pub scale: T,
    /// Whether query i sees the keys 0 to i only.
    pub causal: bool,
    /// What else hides keys, or moves scores.
    pub mask: Option<Mask<'a, T>>,
    /// Noise on the probabilities.
    pub dropout: Option<Dropout>,
}

/// A mask over batch, heads, queries and keys: item (b, h, i, j) is number `b * strides[0] + h * strides[1] +
/// i * strides[2] + j * strides[3]`. Strides of 0 repeat.
#[derive(Clone, Copy, Debug)]
pub struct Mask<'a, T> {
    /// The numbers.
    pub items: MaskItems<'a, T>,
    /// Where each is.
    pub strides: [usize; 4],
}

/// What the numbers of a mask mean.
#[derive(Clone, Copy, Debug)]
pub enum MaskItems<'a, T> {
    /// A key is visible where this is not 0.
    Visible(&'a [u8]),
    /// Added to the scaled scores; -infinity hides a key.
    Added(&'a [T]),
}

/// Probabilities 0 with probability `p`, else over 1 - p, by the random bits that
/// [`random::dropout`](crate::random::dropout) takes for an array of [batch, heads, queries, keys].
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    /// The probability.
    pub p: f64,
    /// The generator's seed.
    pub seed: u64,
    /// The generator's stream.
    pub stream: u64,
    /// The first counter used.
    pub offset: u64,
}

/// Rows of heads: row i of head h of example b starts at `b * batch + h * head + i * row`; its numbers lie side by
/// side.
#[derive(Clone, Copy, Debug)]
pub struct Heads<'a, T> {
    /// The numbers.
    pub data: &'a [T],
    /// From one example to the next.
    pub batch: usize,
    /// From one head to the next.
    pub head: usize,
    /// From one row to the next.
    pub row: usize,
}

/// Where gradients go.
#[derive(Debug)]
pub enum Grads<'a, T> {
    /// One array of [batch, queries, (heads + 2 kv_heads) depth]: queries, keys and values side by side. `keys` and
    /// `queries`, and `depth` and `width`, must be the same.
    Packed(&'a mut [T]),
    /// Arrays of [batch, rows, heads, numbers] for queries, keys and values.
    Apart([&'a mut [T]; 3]),
}

impl<'a, T> Heads<'a, T> {
    /// The array of [batch, rows, heads, width] in `data`.
    pub fn dense(data: &'a [T], rows: usize, heads: usize, width: usize) -> Self {
        Heads { data, batch: rows * heads * width, head: width, row: heads * width }
    }

    /// The first number of a row. (Not a slice: packing reads rows with strides.)
    fn at(&self, b: usize, h: usize, i: usize) -> *const T {
        self.data[b * self.batch + h * self.head + i * self.row..].as_ptr()
    }

    /// Sees to it that all rows lie inside the data.
    #[track_caller]
    fn check(&self, op: &str, name: &str, [batch, heads, rows, width]: [usize; 4]) {
        if batch * heads * rows * width == 0 {
            return;
        }
        let along = |count: usize, stride: usize| (count - 1).checked_mul(stride);
        let end = along(batch, self.batch)
            .zip(along(heads, self.head))
            .and_then(|(b, h)| b.checked_add(h)?.checked_add(along(rows, self.row)?)?.checked_add(width));
        assert!(
            end.is_some_and(|end| end <= self.data.len()),
            "{op}: {name} has {} items, too few for [{batch}, {heads}, {rows}, {width}] with strides [{}, {}, {}]",
            self.data.len(),
            self.batch,
            self.head,
            self.row
        );
    }
}

impl<T: Float> Attention<'_, T> {
    /// Query heads that share a head of keys and values.
    fn group(&self) -> usize {
        self.heads / self.kv_heads.max(1)
    }

    /// Whether there is nothing to compute with: then results and gradients are zero or have no elements.
    fn is_empty(&self) -> bool {
        self.batch * self.heads * self.queries * self.keys == 0
    }

    /// Keys that a range of queries sees: those below this number.
    fn visible(&self, last_query: usize) -> usize {
        if self.causal { self.keys.min(last_query + 1) } else { self.keys }
    }

    #[track_caller]
    fn check(&self, op: &str, q: &Heads<T>, k: &Heads<T>, v: &Heads<T>) {
        assert!(
            self.heads == self.kv_heads * self.group(),
            "{op}: {} heads of keys do not divide {} heads of queries",
            self.kv_heads,
            self.heads
        );
        assert!(
            self.scale > T::ZERO && self.scale.is_finite(),
            "{op}: the scale {} is not positive",
            self.scale
        );
        q.check(op, "q", [self.batch, self.heads, self.queries, self.depth]);
        k.check(op, "k", [self.batch, self.kv_heads, self.keys, self.depth]);
        v.check(op, "v", [self.batch, self.kv_heads, self.keys, self.width]);
        if let Some(Dropout { p, .. }) = self.dropout {
            assert!((0.0..=1.0).contains(&p), "{op}: the probability {p} is not between 0 and 1");
        }
        if let Some(mask) = &self.mask
            && !self.is_empty()
        {
            let len = match mask.items {
                MaskItems::Visible(items) => items.len(),
                MaskItems::Added(items) => items.len(),
            };
            let sizes = [self.batch, self.heads, self.queries, self.keys];
            let last: usize = sizes.iter().zip(mask.strides).map(|(size, stride)| (size - 1) * stride).sum();
            assert!(
                last < len,
                "{op}: the mask has {len} items, too few for {sizes:?} with {:?}",
                mask.strides
            );
        }
    }
}
