//! Scaled dot-product attention, fused: no operation here holds a matrix of all scores.

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::dtype::DType;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::random::Rng;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// How [`Tensor::attention`] and [`Tensor::self_attention`] look.
///
/// # Examples
/// ```
/// # use talweg_tensor::AttentionOptions;
/// let options = AttentionOptions { causal: true, ..Default::default() };
/// assert!(options.scale.is_none() && options.mask.is_none() && options.dropout.is_none());
/// ```
#[derive(Clone, Debug, Default)]
pub struct AttentionOptions {
    /// Whether query number i sees the keys 0 to i only. False by default. (As in PyTorch, both count from their
    /// first; a few queries at the end of many keys want a mask instead.)
    pub causal: bool,
    /// The positive factor of the scores; 1/√d by default.
    pub scale: Option<f64>,
    /// Broadcast to `[b, h, t, s]`: of `bool`, true where a query sees a key; or numbers that are added to the scaled
    /// scores, where -∞ hides a key. A key must pass both this and `causal`. None by default.
    pub mask: Option<Tensor>,
    /// Noise on the probabilities, in training. None by default.
    pub dropout: Option<AttentionDropout>,
}

/// Dropout on the probabilities of an attention.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionDropout {
    /// The probability to drop one, from 0 to 1; the rest is divided by `1 − p`.
    pub p: f64,
    /// The place in the random sequence where the mask starts. The same place gives the same mask.
    pub rng: Rng,
}

impl AttentionDropout {
    /// Dropout at the next place of a generator, which moves on past what `scores` numbers, `b h t s` of them, take.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{AttentionDropout, Rng};
    /// let rng = &mut Rng::seed(1);
    /// let (a, b) = (AttentionDropout::draw(0.1, rng, 6), AttentionDropout::draw(0.1, rng, 6));
    /// assert_eq!((a.rng.offset, b.rng.offset, rng.offset), (0, 2, 4));
    /// ```
    pub fn draw(p: f64, rng: &mut Rng, scores: usize) -> AttentionDropout {
        let at = rng.clone();
        // The kernel uses one block for four numbers.
        rng.offset = rng.offset.wrapping_add(scores.div_ceil(4) as u64);
        AttentionDropout { p, rng: at }
    }
}

/// What the kernels of the attention know besides their inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionKernel {
    /// Whether query i sees the keys 0 to i only.
    pub causal: bool,
    /// The factor of the scores.
    pub scale: f64,
    /// Whether the last input is a mask.
    pub mask: bool,
    /// Noise on the probabilities.
    pub dropout: Option<AttentionDropout>,
}

impl AttentionKernel {
    fn new(options: &AttentionOptions, d: usize) -> AttentionKernel {
        AttentionKernel {
            causal: options.causal,
            scale: options.scale.unwrap_or_else(|| 1.0 / (d.max(1) as f64).sqrt()),
            mask: options.mask.is_some(),
            dropout: options.dropout.clone(),
        }
    }

    /// What the shape rules of both operations have in common; `scores` is `[b, h, t, s]`.
    fn check(&self, name: &str, x: &Spec, mask: Option<&Spec>, scores: [usize; 4]) -> Result<(), OpError> {
        let refuse = |message: String| Err(OpError::new(format!("{name}: {message}, for input {}", x.shape)));
        if !(self.scale > 0.0 && self.scale.is_finite()) {
            return refuse(format!("the scale {} is not a positive number", self.scale));
        }
        if let Some(AttentionDropout { p, .. }) = self.dropout
            && !(0.0..=1.0).contains(&p)
        {
            return refuse(format!("dropout needs a probability between 0 and 1, not {p}"));
        }
        let Some(mask) = mask else { return Ok(()) };
        let scores = Shape::new(&scores);
        if mask.dtype != DType::Bool && mask.dtype != x.dtype {
            return refuse(format!(
                "the mask {} is {}, but must be bool or {}",
                mask.shape, mask.dtype, x.dtype
            ));
        }
        if mask.shape.broadcast(&scores) != Some(scores) {
            return refuse(format!("the mask {} must be {scores} but for sizes of 1; repeat it", mask.shape));
        }
        if mask.device != x.device {
            return check::alike(name, &[*x, mask.with_dtype(x.dtype)]);
        }
        Ok(())
    }

    /// The gradients in tensor expressions, of queries, keys, values and mask.
    fn slopes(&self, [q, k, v, dy]: [&Tensor; 4], mask: Option<&Tensor>) -> [Tensor; 4] {
        let [b, h, t, _] = q.sizes();
        let kv = k.size(1);
        // The heads that share keys lie one after the other, so that they are one matrix for each head of keys.
        let fold = |x: &Tensor| x.reshape([b, kv, h / kv.max(1) * t, x.size(-1)]);
        let spread = |x: Tensor| {
            let last = x.size(-1);
            x.reshape([b, h, t, last])
        };
        let scores = spread(fold(q).matmul(&k.t())) * self.scale;
        let p = self.probabilities(scores, mask);
        let factors = self
            .dropout
            .as_ref()
            .map(|AttentionDropout { p: rate, rng }| p.detach().ones_like().dropout(*rate, &mut rng.clone()));
        let drop = |x: &Tensor| factors.as_ref().map_or_else(|| x.clone(), |factors| x * factors);
        let dp = drop(&spread(fold(dy).matmul(&v.t())));
        let ds = &p * (&dp - (&dp * &p).sum_keep(-1));
        let dq = spread(fold(&ds).matmul(k) * self.scale);
        let dk = fold(&ds).t().matmul(&fold(q)) * self.scale;
        let dv = fold(&drop(&p)).t().matmul(&fold(dy));
        [dq, dk, dv, ds]
    }

    /// The softmax of what is visible, 0 elsewhere.
    fn probabilities(&self, scores: Tensor, mask: Option<&Tensor>) -> Tensor {
        let [_, _, t, s] = scores.sizes();
        let causal = self.causal.then(|| Tensor::arange(t).unsqueeze(1).ge(&Tensor::arange(s)));
        let (mut scores, mut visible) = (scores, causal);
        if let Some(mask) = mask {
            let seen = match mask.dtype() {
                DType::Bool => mask.clone(),
                _ => mask.detach().gt(&mask.detach().full_like(f64::NEG_INFINITY)),
            };
            if mask.dtype() != DType::Bool {
                scores = scores + seen.select(mask, &mask.zeros_like());
            }
            visible = Some(visible.map_or_else(|| seen.clone(), |visible| visible.logical_and(&seen)));
        }
        let Some(visible) = visible else { return scores.softmax(-1) };
        // Any number will do that is far below all scores: its exponential is 0, also where it is the only one.
        let hidden = scores.detach().full_like(-1e30);
        let visible = visible.broadcast_to(scores.shape());
        visible.select(&scores, &hidden).softmax(-1) * visible.cast(scores.dtype())
    }
}

/// Inputs `q [b, h, t, d]`, `k [b, g, s, d]`, `v [b, g, s, w]` and perhaps the mask.
#[derive(Debug)]
struct Attention(AttentionKernel);

impl Op for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let [q, k, v] = [0, 1, 2].map(|i| inputs[i]);
        check::float("attention", &q)?;
        check::alike("attention", &inputs[..3])?;
        let all = format!("q {}, k {}, v {}", q.shape, k.shape, v.shape);
        let refuse = |what: &str| Err(OpError::new(format!("attention: {what}; got {all}")));
        if [q, k, v].iter().any(|x| x.shape.rank() != 4) {
            return refuse("queries, keys and values are [batch, heads, positions, size], with four axes");
        }
        let at = |x: &Spec| [0, 1, 2, 3].map(|axis| x.shape.at(axis));
        let ([b, h, t, d], [kb, g, s, kd], [vb, vg, vs, w]) = (at(&q), at(&k), at(&v));
        if kb != b || vb != b {
            return refuse("the batches differ");
        }
        if d != kd {
            return refuse("queries and keys have different sizes");
        }
        if [g, s] != [vg, vs] {
            return refuse("keys and values have different heads or positions");
        }
        if if g == 0 { h > 0 } else { !h.is_multiple_of(g) } {
            return refuse("the heads of keys do not divide the heads of queries");
        }
        self.0.check("attention", &q, inputs.get(3), [b, h, t, s])?;
        Ok(q.with_shape([b, h, t, w]))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        let [b, h, t, w] = [0, 1, 2, 3].map(|axis| out.shape.at(axis));
        // The heads of a position side by side, so that joining them afterwards moves nothing.
        let specs = [out.with_shape([b, t, h, w]), out.with_shape([b, h, t])];
        let mask = spread_mask(inputs.get(3).copied(), inputs[0], inputs[1]);
        let mut all = inputs[..3].to_vec();
        all.extend(&mask);
        let [y, lse] = Tensor::run_many(&Kernel::Attention(self.0.clone()), &all, specs);
        let y = y.permute([0, 2, 1, 3]);
        inputs.iter().enumerate().for_each(|(i, x)| saved.keep_input(i, x));
        saved.keep_output(&y);
        saved.keep(&lse);
        y
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, needs: &[bool]) -> Vec<Option<Grad>> {
        let [q, k, v] = [0, 1, 2].map(|i| saved.input(i));
        let mask = self.0.mask.then(|| saved.input(3));
        let tracked = [q, k, v, &dy].iter().any(|x| x.is_tracked()) || mask.is_some_and(Tensor::is_tracked);
        let dxs = if tracked || needs.get(3) == Some(&true) {
            self.0.slopes([q, k, v, &dy], mask).map(Grad::from).to_vec()
        } else {
            let mask = spread_mask(mask, q, k);
            let y = saved.output().permute([0, 2, 1, 3]);
            let mut all = vec![q, k, v, &y, saved.value(0), &dy];
            all.extend(&mask);
            let swapped = |x: &Tensor| {
                let [b, h, rows, d] = x.sizes();
                x.spec().with_shape([b, rows, h, d])
            };
            let kernel = Kernel::AttentionGrad(self.0.clone());
            let dxs = Tensor::run_many(&kernel, &all, [swapped(q), swapped(k), swapped(v)]);
            dxs.map(|dx| dx.permute([0, 2, 1, 3]).into()).to_vec()
        };
        // A mask of truth values has no gradient, and the kernel makes none for masks.
        let mut dxs = dxs.into_iter();
        needs.iter().map(|&needed| dxs.next().filter(|_| needed)).collect()
    }
}

/// A mask seen with the shape of the scores.
fn spread_mask(mask: Option<&Tensor>, q: &Tensor, k: &Tensor) -> Option<Tensor> {
    let ([b, h, t, _], s) = (q.sizes(), k.size(2));
    mask.map(|mask| mask.detach().broadcast_to([b, h, t, s]))
}

/// Inputs `x [b, t, (h + 2 g) d]` with queries, keys and values side by side, and perhaps the mask.
#[derive(Debug)]
struct SelfAttention {
    heads: usize,
    kv_heads: usize,
    kernel: AttentionKernel,
}

impl SelfAttention {
    /// Queries, keys and values as views `[b, h, t, d]`.
    fn parts(&self, x: &Tensor) -> [Tensor; 3] {
        let ([b, t, row], all) = (x.sizes(), self.heads + 2 * self.kv_heads);
        let x = x.reshape([b, t, all, row / all]);
        let part = |start, heads| x.narrow(2, start, heads).permute([0, 2, 1, 3]);
        let (h, g) = (self.heads, self.kv_heads);
        [part(0, h), part(h, g), part(h + g, g)]
    }
}

impl Op for SelfAttention {
    fn name(&self) -> &'static str {
        "self_attention"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (x, h, g) = (inputs[0], self.heads, self.kv_heads);
        check::float("self_attention", &x)?;
        check::rank("self_attention", &x, 3, "[batch, positions, queries, keys and values side by side]")?;
        if g == 0 || !h.is_multiple_of(g) || h == 0 {
            return Err(OpError::new(format!(
                "self_attention: {g} heads of keys do not divide {h} heads of queries, for input {}",
                x.shape
            )));
        }
        let [b, t, row] = [0, 1, 2].map(|axis| x.shape.at(axis));
        if !row.is_multiple_of(h + 2 * g) {
            return Err(OpError::new(format!(
                "self_attention: the last axis of {} is no multiple of {}, for {h} heads of queries and {g} each of \
                 keys and values",
                x.shape,
                h + 2 * g
            )));
        }
        self.kernel.check("self_attention", &x, inputs.get(1), [b, h, t, t])?;
        Ok(x.with_shape([b, t, row / (h + 2 * g) * h]))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        let [q, k, v] = self.parts(&inputs[0].detach());
        let mask = spread_mask(inputs.get(1).copied(), &q, &k);
        let [b, h, t, _] = q.sizes();
        let mut all = vec![&q, &k, &v];
        all.extend(&mask);
        let specs = [*out, out.with_shape([b, h, t])];
        let [y, lse] = Tensor::run_many(&Kernel::Attention(self.kernel.clone()), &all, specs);
        inputs.iter().enumerate().for_each(|(i, x)| saved.keep_input(i, x));
        saved.keep_output(&y);
        saved.keep(&lse);
        y
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, needs: &[bool]) -> Vec<Option<Grad>> {
        let x = saved.input(0);
        let mask = self.kernel.mask.then(|| saved.input(1));
        let [q, k, v] = self.parts(x);
        let split = |y: &Tensor| {
            let [b, t, row] = y.sizes();
            y.reshape([b, t, self.heads, row / self.heads]).permute([0, 2, 1, 3])
        };
        let tracked = x.is_tracked() || dy.is_tracked() || mask.is_some_and(Tensor::is_tracked);
        if tracked || needs.get(1) == Some(&true) {
            let [dq, dk, dv, dmask] = self.kernel.slopes([&q, &k, &v, &split(&dy)], mask);
            let dx = Tensor::cat(&[&dq, &dk, &dv], 1).permute([0, 2, 1, 3]).reshape(x.shape());
            let dxs = [Some(dx.into()), Some(dmask.into())];
            return dxs.into_iter().zip(needs).map(|(dx, &needed)| dx.filter(|_| needed)).collect();
        }
        let mask = spread_mask(mask, &q, &k);
        let dy = split(&dy);
        let mut all = vec![&q, &k, &v, saved.output(), saved.value(0), &dy];
        all.extend(&mask);
        let [dx] = Tensor::run_many(&Kernel::AttentionGrad(self.kernel.clone()), &all, [x.spec()]);
        let mut dxs = vec![None; needs.len()];
        dxs[0] = Some(dx.into());
        dxs
    }
}

impl Tensor {
    /// Scaled dot-product attention, `y = softmax(q kᵀ scale + mask) v` for every head (Vaswani et al., "Attention is
    /// all you need", 2017). The scores are computed in blocks and never stored, also for the gradient; see
    /// [`AttentionOptions`] for causal and other masks, and dropout. A query that sees no key at all gives 0.
    ///
    /// # Shapes
    /// `q [b, h, t, d]`, `k [b, g, s, d]`, `v [b, g, s, w]` to `[b, h, t, w]`. With fewer heads `g` of keys than `h` of
    /// queries, `h / g` neighbours share one (Ainslie et al., "GQA", 2023). Any strides will do; where the last
    /// axis lies without gaps, as in slices of one projection, nothing is copied.
    ///
    /// # Gradient
    /// With `p` the probabilities and `g = dy vᵀ`: `ds = p (g − Σ p g)`, the sum over keys, and `dq = ds k scale`,
    /// `dk = dsᵀ q scale`, `dv = pᵀ dy`; of a mask of numbers `ds`. Hidden keys get none.
    ///
    /// # Panics
    /// When the sizes do not fit, the inputs are not floating-point of one type, the mask is neither `bool` nor of that
    /// type, or the scale is not positive.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{AttentionOptions, Tensor};
    /// // Scores 0 and ln 3 give the probabilities 1/4 and 3/4.
    /// let q = Tensor::from_slice(&[3f64.ln()], [1, 1, 1, 1]);
    /// let k = Tensor::from_slice(&[0.0, 1.0], [1, 1, 2, 1]);
    /// let v = Tensor::from_slice(&[4.0, 8.0], [1, 1, 2, 1]);
    /// let y = q.attention(&k, &v, &AttentionOptions::default());
    /// assert!((y.item() - 7.0).abs() < 1e-12);
    /// let first = q.attention(&k, &v, &AttentionOptions { causal: true, ..Default::default() });
    /// assert_eq!(first.item(), 4.0);
    /// ```
    #[track_caller]
    pub fn attention(&self, k: &Tensor, v: &Tensor, options: &AttentionOptions) -> Tensor {
        let d = if self.rank() == 0 { 1 } else { self.size(-1) };
        let op = Attention(AttentionKernel::new(options, d));
        match &options.mask {
            Some(mask) => apply(op, &[self, k, v, mask]),
            None => apply(op, &[self, k, v]),
        }
    }

    /// [`Tensor::attention`] of a sequence to itself, on the output of one projection that holds queries, keys and
    /// values side by side: nothing is split or joined, forward or backward.
    ///
    /// # Shapes
    /// `x [b, t, (h + 2 g) d]`, with `h` heads of queries, then `g` of keys, then `g` of values, to `[b, t, h d]`.
    ///
    /// # Gradient
    /// That of [`Tensor::attention`], side by side.
    ///
    /// # Panics
    /// As [`Tensor::attention`], and when `g` does not divide `h` or the last axis is no multiple of `h + 2 g`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{AttentionOptions, Tensor};
    /// // One head of size 1, two positions: the second sees both with the same score.
    /// let x = Tensor::from_slice(&[0.0f32, 5.0, 1.0, 0.0, 6.0, 3.0], [1, 2, 3]);
    /// let y = x.self_attention(1, 1, &AttentionOptions { causal: true, ..Default::default() });
    /// assert_eq!(y.to_vec::<f32>(), [1.0, 2.0]);
    /// ```
    #[track_caller]
    pub fn self_attention(&self, heads: usize, kv_heads: usize, options: &AttentionOptions) -> Tensor {
        let last = if self.rank() == 0 { 0 } else { self.size(-1) };
        let kernel = AttentionKernel::new(options, last / (heads + 2 * kv_heads).max(1));
        let op = SelfAttention { heads, kv_heads, kernel };
        match &options.mask {
            Some(mask) => apply(op, &[self, mask]),
            None => apply(op, &[self]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AttentionDropout, AttentionOptions};
    use crate::{DType, Rng, Tensor};

    fn plain() -> AttentionOptions {
        AttentionOptions::default()
    }

    fn causal() -> AttentionOptions {
        AttentionOptions { causal: true, scale: Some(0.7), ..plain() }
    }

    fn dropped() -> AttentionOptions {
        AttentionOptions { dropout: Some(AttentionDropout { p: 0.4, rng: Rng::seed(3) }), ..plain() }
    }

    /// The second query sees nothing, the others some.
    fn masked() -> AttentionOptions {
        let seen = [true, false, true, false, false, false, true, true, true];
        AttentionOptions { mask: Some(Tensor::from_slice(&seen, [3, 3])), ..plain() }
    }

    fn added(mask: &Tensor) -> AttentionOptions {
        AttentionOptions { mask: Some(mask.clone()), causal: true, ..plain() }
    }

    crate::cases! {
        attention: |x| x[0].attention(x[1], x[2], &plain());
            shapes [[2, 2, 3, 2], [2, 2, 4, 2], [2, 2, 4, 3]] [[1, 4, 2, 2], [1, 2, 3, 2], [1, 2, 3, 1]]
             [[1, 1, 0, 2], [1, 1, 3, 2], [1, 1, 3, 2]] [[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]
             refuses [[3, 2], [4, 2], [4, 2]] [[1, 1, 3, 2], [2, 1, 3, 2], [1, 1, 3, 2]]
             [[1, 1, 3, 2], [1, 1, 3, 3], [1, 1, 3, 2]] [[1, 1, 3, 2], [1, 1, 3, 2], [1, 1, 4, 2]]
             [[1, 3, 3, 2], [1, 2, 3, 2], [1, 2, 3, 2]];
        attention_causal: |x| x[0].attention(x[1], x[2], &causal());
            shapes [[1, 2, 3, 2], [1, 1, 3, 2], [1, 1, 3, 2]] [[1, 1, 4, 2], [1, 1, 2, 2], [1, 1, 2, 2]];
        attention_dropped: |x| x[0].attention(x[1], x[2], &dropped());
            shapes [[1, 2, 3, 2], [1, 1, 5, 2], [1, 1, 5, 2]];
        attention_masked: |x| x[0].attention(x[1], x[2], &masked());
            shapes [[2, 1, 3, 2], [2, 1, 3, 2], [2, 1, 3, 2]]
             refuses [[1, 1, 2, 2], [1, 1, 3, 2], [1, 1, 3, 2]];
        attention_added: |x| x[0].attention(x[1], x[2], &added(x[3]));
            shapes [[2, 2, 3, 2], [2, 1, 3, 2], [2, 1, 3, 2], [2, 1, 3]] [[1, 1, 2, 1], [1, 1, 3, 1], [1, 1, 3, 1], []]
             refuses [[1, 1, 3, 2], [1, 1, 3, 2], [1, 1, 3, 2], [2]];
        self_attention: |x| x[0].self_attention(4, 2, &causal());
            shapes [[2, 3, 16]] [[1, 0, 8]]
             refuses [[3, 16]] [[2, 3, 15]];
        self_attention_masked: |x| x[0].self_attention(1, 1, &masked()); shapes [[2, 3, 6]];
        self_attention_added: |x| x[0].self_attention(2, 1, &added(x[1])); shapes [[2, 3, 8], [2, 3, 3]];
    }

    /// The same as one operation after another.
    fn composed(q: &Tensor, k: &Tensor, v: &Tensor) -> Tensor {
        let scores = q.matmul(&k.t()) * (q.size(-1) as f64).sqrt().recip();
        let t = q.size(2);
        let future = Tensor::arange(t).unsqueeze(1).lt(&Tensor::arange(t));
        let hidden = scores.detach().full_like(f64::NEG_INFINITY);
        future.broadcast_to(scores.shape()).select(&hidden, &scores).softmax(-1).matmul(v)
    }

    #[test]
    fn it_agrees_with_separate_operations() {
        let rng = &mut Rng::seed(1);
        let x: Vec<Tensor> =
            (0..3).map(|_| rng.normal([2, 3, 70, 16], 0.0, 1.0, DType::F64).requires_grad()).collect();
        let dy = rng.normal([2, 3, 70, 16], 0.0, 1.0, DType::F64);
        let options = AttentionOptions { causal: true, ..plain() };
        let run = |y: Tensor| {
            let grads = (&y * &dy).sum(..).backward();
            let mut all = vec![y.detach()];
            all.extend(x.iter().map(|x| grads.wrt(x)));
            all
        };
        let fused = run(x[0].attention(&x[1], &x[2], &options));
        for (a, b) in fused.iter().zip(&run(composed(&x[0], &x[1], &x[2]))) {
            assert!((a - b).abs().max(..).item() < 1e-13);
        }
    }

    /// Probabilities of ones are summed: each result counts what dropout kept of its row.
    #[test]
    fn the_noise_is_that_of_dropout() {
        let x = Tensor::zeros([1, 2, 5, 7], DType::F64);
        let options =
            AttentionOptions { dropout: Some(AttentionDropout { p: 0.5, rng: Rng::seed(9) }), ..plain() };
        let y = x.attention(&x, &x.full_like(5.0), &options);
        let kept = Tensor::ones([1, 2, 5, 5], DType::F64).dropout(0.5, &mut Rng::seed(9)).sum(-1);
        assert_eq!(y.narrow(-1, 0, 1).squeeze(-1).to_vec::<f64>(), kept.to_vec::<f64>());
    }

    #[test]
    #[should_panic(expected = "attention: the mask [2] must be [1, 1, 3, 3] but for sizes of 1; repeat it")]
    fn a_mask_of_another_size() {
        let x = Tensor::ones([1, 1, 3, 2], DType::F32);
        x.attention(&x, &x, &added(&Tensor::ones([2], DType::F32)));
    }

    #[test]
    #[should_panic(expected = "attention: the scale -1 is not a positive number, for input [1, 1, 3, 2]")]
    fn a_negative_scale() {
        let x = Tensor::ones([1, 1, 3, 2], DType::F32);
        x.attention(&x, &x, &AttentionOptions { scale: Some(-1.0), ..plain() });
    }
}
