use super::{Attention, Dropout, Grads, Heads, Mask, MaskItems, attention, attention_grad};
use crate::dispatch::tests::with_each_isa;
use crate::{Float, Isa, random};

/// A case: sizes and options, with everything at hand in double precision.
struct Case {
    sizes: [usize; 7],
    causal: bool,
    /// Added to the scores [batch, heads, queries, keys]; -infinity hides.
    mask: Option<Vec<f64>>,
    dropout: Option<Dropout>,
}

struct Results {
    out: Vec<f64>,
    dq: Vec<f64>,
    dk: Vec<f64>,
    dv: Vec<f64>,
}

fn numbers(seed: u64, n: usize) -> Vec<f64> {
    let mut out = vec![0.0f64; n];
    random::uniform(seed, 0, 0, -1.0, 1.0, &mut out);
    // Numbers that both types hold.
    out.iter().map(|&x| f64::from(x as f32)).collect()
}

impl Case {
    fn new(sizes: [usize; 7]) -> Case {
        Case { sizes, causal: false, mask: None, dropout: None }
    }

    fn inputs(&self) -> [Vec<f64>; 4] {
        let [b, h, kv, t, n, d, w] = self.sizes;
        [
            numbers(1, b * t * h * d),
            numbers(2, b * n * kv * d),
            numbers(3, b * n * kv * w),
            numbers(4, b * t * h * w),
        ]
    }

    fn scale(&self) -> f64 {
        f64::from(1.7f32)
    }

    /// The definition, one query after another, with the gradient of softmax as a full sum.
    fn naive(&self) -> Results {
        let [b, h, kv, t, n, d, w] = self.sizes;
        let [q, k, v, dout] = self.inputs();
        let mut factors = vec![1.0; b * h * t * n];
        if let Some(Dropout { p, seed, stream, offset }) = self.dropout {
            random::dropout(seed, stream, offset, p, &factors.clone(), &mut factors);
        }
        let mut r = Results {
            out: vec![0.0; dout.len()],
            dq: vec![0.0; q.len()],
            dk: vec![0.0; k.len()],
            dv: vec![0.0; v.len()],
        };
        for row in 0..b * h * t {
            let (b, h0, i) = (row / (h * t), row / t % h, row % t);
            let at_q = ((b * t + i) * h + h0) * d;
            let at_o = ((b * t + i) * h + h0) * w;
            let at = |j: usize, width: usize| ((b * n + j) * kv + h0 / (h / kv)) * width;
            let score = |j: usize| {
                let dot: f64 = (0..d).map(|x| q[at_q + x] * k[at(j, d) + x]).sum();
                let hidden = self.causal && j > i;
                let mask = self.mask.as_ref().map_or(0.0, |mask| mask[row * n + j]);
                if hidden { f64::NEG_INFINITY } else { dot * self.scale() + mask }
            };
            let scores: Vec<f64> = (0..n).map(score).collect();
            let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if max == f64::NEG_INFINITY {
                continue;
            }
            let sum: f64 = scores.iter().map(|s| (s - max).exp()).sum();
            let p: Vec<f64> = scores.iter().map(|s| (s - max).exp() / sum).collect();
            let factors = &factors[row * n..][..n];
            let dp: Vec<f64> = (0..n)
                .map(|j| factors[j] * (0..w).map(|x| dout[at_o + x] * v[at(j, w) + x]).sum::<f64>())
                .collect();
            let dot: f64 = p.iter().zip(&dp).map(|(p, dp)| p * dp).sum();
            for j in 0..n {
                for x in 0..w {
                    r.out[at_o + x] += p[j] * factors[j] * v[at(j, w) + x];
                    r.dv[at(j, w) + x] += p[j] * factors[j] * dout[at_o + x];
                }
                let ds = p[j] * (dp[j] - dot) * self.scale();
                for x in 0..d {
                    r.dq[at_q + x] += ds * k[at(j, d) + x];
                    r.dk[at(j, d) + x] += ds * q[at_q + x];
                }
            }
        }
        r
    }

    fn run<T: Float>(&self) -> Results {
        let [b, h, kv, t, n, d, w] = self.sizes;
        let [q, k, v, dout] = self.inputs().map(|x| x.iter().map(|&x| T::from_f64(x)).collect::<Vec<T>>());
        let mask: Option<Vec<T>> = self.mask.as_ref().map(|m| m.iter().map(|&x| T::from_f64(x)).collect());
        let s = Attention {
            batch: b,
            heads: h,
            kv_heads: kv,
            queries: t,
            keys: n,
            depth: d,
            width: w,
            scale: T::from_f64(self.scale()),
            causal: self.causal,
            mask: mask
                .as_deref()
                .map(|mask| Mask { items: MaskItems::Added(mask), strides: [h * t * n, t * n, n, 1] }),
            dropout: self.dropout,
        };
        let heads =
            [Heads::dense(&q[..], t, h, d), Heads::dense(&k[..], n, kv, d), Heads::dense(&v[..], n, kv, w)];
        let mut out = vec![T::NAN; dout.len()];
        let mut lse = vec![T::NAN; b * h * t];
        attention(&s, heads[0], heads[1], heads[2], &mut out, &mut lse);
        let [mut dq, mut dk, mut dv] = [q.len(), k.len(), v.len()].map(|n| vec![T::NAN; n]);
        let grads = Grads::Apart([&mut dq, &mut dk, &mut dv]);
        attention_grad(&s, heads, &out, &lse, Heads::dense(&dout, t, h, w), grads);
        let double = |x: Vec<T>| x.iter().map(|x| x.to_f64()).collect();
        Results { out: double(out), dq: double(dq), dk: double(dk), dv: double(dv) }
    }

    /// Compares with the definition: sums of some hundred terms of size 1, so about as many roundings.
    #[track_caller]
    fn check(&self, isa: Isa) {
        let want = self.naive();
        for (got, limit, name) in [(self.run::<f32>(), 3e-6, "f32"), (self.run::<f64>(), 1e-13, "f64")] {
            let pairs = [
                ("out", &got.out, &want.out),
                ("dq", &got.dq, &want.dq),
                ("dk", &got.dk, &want.dk),
                ("dv", &got.dv, &want.dv),
            ];
            for (what, got, want) in pairs {
                let size = want.iter().fold(1.0f64, |size, x| size.max(x.abs()));
                for (i, (got, want)) in got.iter().zip(want).enumerate() {
                    assert!(
                        (got - want).abs() <= limit * size,
                        "{isa:?} {name} {:?} causal {}: {what} {i} is {got}, not {want}",
                        self.sizes,
                        self.causal
                    );
                }
            }
        }
    }
}

#[test]
fn any_sizes_are_the_definition() {
    let sizes = [
        [1, 1, 1, 1, 1, 1, 1],
        [1, 1, 1, 5, 7, 3, 4],
        [2, 3, 3, 17, 17, 8, 8],
        [1, 1, 1, 48, 48, 64, 64],
        [1, 2, 1, 49, 31, 20, 33],
        [1, 4, 2, 65, 97, 16, 16],
        [1, 1, 1, 3, 130, 40, 5],
        [2, 1, 1, 130, 3, 5, 40],
    ];
    with_each_isa(|isa| {
        for sizes in sizes {
            for causal in [false, true] {
                Case { causal, ..Case::new(sizes) }.check(isa);
            }
        }
    });
}

/// More keys than one block has, so that the softmax is corrected as it goes.
#[test]
fn many_keys_are_the_definition() {
    with_each_isa(|isa| {
        for causal in [false, true] {
            Case { causal, ..Case::new([1, 1, 1, 70, 1100, 8, 6]) }.check(isa);
            Case { causal, ..Case::new([1, 2, 1, 1100, 1060, 4, 4]) }.check(isa);
        }
    });
}

#[test]
fn masks_hide_and_move() {
    let sizes = [2, 2, 1, 51, 530, 4, 4];
    let [b, h, _, t, n, ..] = sizes;
    let mask: Vec<f64> = numbers(9, b * h * t * n)
        .iter()
        .enumerate()
        // Some keys are hidden, and every eleventh query sees none at all.
        .map(|(i, &x)| if x > 0.4 || i / n % 11 == 3 { f64::NEG_INFINITY } else { 2.0 * x })
        .collect();
    with_each_isa(|isa| {
        for causal in [false, true] {
            Case { causal, mask: Some(mask.clone()), ..Case::new(sizes) }.check(isa);
        }
    });
}

#[test]
fn truth_masks_are_masks_of_infinities() {
    let (q, visible) = (numbers(1, 10 * 3), [1u8, 0, 1, 1, 0, 1, 0, 0, 1, 1]);
    let added = visible.map(|x| if x == 0 { f64::NEG_INFINITY } else { 0.0 });
    let run = |items: MaskItems<f64>| {
        let heads = Heads::dense(&q[..], 10, 1, 3);
        let s = Attention {
            batch: 1,
            heads: 1,
            kv_heads: 1,
            queries: 10,
            keys: 10,
            depth: 3,
            width: 3,
            scale: 0.5,
            causal: false,
            // One row for all queries.
            mask: Some(Mask { items, strides: [0, 0, 0, 1] }),
            dropout: None,
        };
        let (mut out, mut lse) = (vec![0.0; 30], vec![0.0; 10]);
        attention(&s, heads, heads, heads, &mut out, &mut lse);
        (out, lse)
    };
    assert_eq!(run(MaskItems::Visible(&visible)), run(MaskItems::Added(&added)));
}

#[test]
fn dropped_probabilities_are_those_of_dropout() {
    let dropout = Some(Dropout { p: 0.3, seed: 5, stream: 2, offset: 77 });
    with_each_isa(|isa| {
        Case { dropout, ..Case::new([2, 2, 2, 19, 27, 4, 4]) }.check(isa);
        Case { dropout, causal: true, ..Case::new([1, 2, 1, 60, 1029, 4, 4]) }.check(isa);
        let all = Some(Dropout { p: 1.0, seed: 5, stream: 2, offset: 77 });
        Case { dropout: all, ..Case::new([1, 1, 1, 9, 9, 4, 4]) }.check(isa);
    });
}

/// Queries, keys and values as slices of one array, and gradients back into one.
#[test]
fn packed_arrays_are_three_arrays() {
    let (b, h, kv, t, d) = (2, 4, 2, 53, 10);
    let row = (h + 2 * kv) * d;
    let (all, dout) = (numbers(1, b * t * row), numbers(2, b * t * h * d));
    let part = |start: usize| Heads { data: &all[start..], batch: t * row, head: d, row };
    let s = Attention {
        batch: b,
        heads: h,
        kv_heads: kv,
        queries: t,
        keys: t,
        depth: d,
        width: d,
        scale: 0.3,
        causal: true,
        mask: None,
        dropout: None,
    };
    let cut = |start: usize, heads: usize| -> Vec<f64> {
        all.chunks_exact(row).flat_map(|row| row[start..start + heads * d].to_vec()).collect()
    };
    let (q, k, v) = (cut(0, h), cut(h * d, kv), cut((h + kv) * d, kv));
    let run = |heads: [Heads<f64>; 3], grads: Grads<f64>| {
        let (mut out, mut lse) = (vec![0.0; b * t * h * d], vec![0.0; b * h * t]);
        attention(&s, heads[0], heads[1], heads[2], &mut out, &mut lse);
        attention_grad(&s, heads, &out, &lse, Heads::dense(&dout, t, h, d), grads);
        out
    };
    let mut packed = vec![f64::NAN; all.len()];
    let out = run([part(0), part(h * d), part((h + kv) * d)], Grads::Packed(&mut packed));
    let [mut dq, mut dk, mut dv] = [&q, &k, &v].map(|x| vec![f64::NAN; x.len()]);
    let heads =
        [Heads::dense(&q[..], t, h, d), Heads::dense(&k[..], t, kv, d), Heads::dense(&v[..], t, kv, d)];
    assert_eq!(out, run(heads, Grads::Apart([&mut dq, &mut dk, &mut dv])));
    let joined: Vec<f64> = (0..b * t)
        .flat_map(|i| {
            [&dq[i * h * d..][..h * d], &dk[i * kv * d..][..kv * d], &dv[i * kv * d..][..kv * d]].concat()
        })
        .collect();
    assert_eq!(packed, joined);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let case = Case { causal: true, ..Case::new([1, 2, 1, 300, 300, 8, 8]) };
    let before = crate::threads::threads();
    let runs = [1, 3].map(|n| {
        crate::threads::set_threads(n);
        case.run::<f32>()
    });
    crate::threads::set_threads(before);
    assert!(runs[0].out == runs[1].out && runs[0].dq == runs[1].dq);
    assert!(runs[0].dk == runs[1].dk && runs[0].dv == runs[1].dv);
}

#[test]
fn a_missing_number_spreads_to_its_query_alone() {
    let mut q = [0.5f32; 12];
    q[3] = f32::NAN;
    let k = [0.25f32; 12];
    let s = Attention {
        batch: 1,
        heads: 1,
        kv_heads: 1,
        queries: 4,
        keys: 4,
        depth: 3,
        width: 3,
        scale: 1.0,
        causal: false,
        mask: None,
        dropout: None,
    };
    let (mut out, mut lse) = (vec![0.0; 12], vec![0.0; 4]);
    let heads = Heads::dense(&k[..], 4, 1, 3);
    attention(&s, Heads::dense(&q[..], 4, 1, 3), heads, heads, &mut out, &mut lse);
    assert!(out[3..6].iter().all(|x| x.is_nan()));
    assert!(out[..3].iter().chain(&out[6..]).all(|&x| (x - 0.25).abs() < 1e-7));
}
