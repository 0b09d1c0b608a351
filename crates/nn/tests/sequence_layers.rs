//! Attention, encoders, decoders and reparametrised layers by what must be true of them, and their gradients.

extern crate talweg_nn as talweg;

use talweg_nn::{
    Bilinear, Conv2d, CrossAttention, Identity, Join, Layer, Linear, Mode, Module, MultiHeadAttention,
    Parallel, SpectralNorm, TransformerBlock, TransformerDecoder, TransformerDecoderBlock,
    TransformerEncoder, WeightNorm,
};
use talweg_tensor::testing::gradcheck;
use talweg_tensor::{DType, Rng, Tensor};

fn drawn(seed: u64, shape: &[usize]) -> Tensor {
    Rng::seed(seed).normal(shape, 0.0, 1.0, DType::F64)
}

/// In f64, with parameters that are not at their special first values.
fn shaken<M: Module>(model: M) -> M {
    model.to_dtype(DType::F64);
    let rng = &mut Rng::seed(9);
    for (_, param) in model.params() {
        let noise = rng.normal(param.shape(), 0.0, 0.1, DType::F64);
        param.set(&(param.get().detach() + noise));
    }
    model
}

fn near(a: &Tensor, b: &Tensor) -> bool {
    a.shape() == b.shape() && (a - b).abs().max(..).item() < 1e-12
}

/// The gradients by the input and by every parameter against differences; none of them is zero everywhere.
fn proven(name: &str, model: &dyn Module, x: &Tensor, f: &dyn Fn(&Tensor) -> Tensor) {
    gradcheck(&|xs| f(xs[0]), &[x]).unwrap_or_else(|e| panic!("{name}: {e}"));
    let weights = drawn(4, &f(x).shape().to_vec());
    let grads = (f(x) * weights).sum(..).backward();
    for (parameter, param) in model.params() {
        let grad = grads.get(&param).unwrap_or_else(|| panic!("{name}: {parameter} gets no gradient"));
        // The same number added to all scores of a query changes no probability.
        if parameter.ends_with("key.bias") {
            continue;
        }
        let size = grad.to_dense(&param.shape()).abs().max(..).item();
        assert!(size > 1e-9, "{name}: the gradient of {parameter} is zero everywhere");
    }
}

#[test]
fn the_bilinear_map_is_its_definition() {
    let layer = shaken(Bilinear::new(3, 4, 2, &mut Rng::seed(1)));
    let (a, b) = (drawn(2, &[5, 3]), drawn(3, &[5, 4]));
    let (w, bias) = (layer.weight.get().to_vec::<f64>(), layer.bias.as_ref().unwrap().get().to_vec::<f64>());
    let (x, y) = (a.to_vec::<f64>(), b.to_vec::<f64>());
    let want: Vec<f64> = (0..10)
        .map(|k| {
            let (n, o) = (k / 2, k % 2);
            let term = |i: usize, j: usize| w[(o * 3 + i) * 4 + j] * x[n * 3 + i] * y[n * 4 + j];
            bias[o] + (0..12).map(|k| term(k / 4, k % 4)).sum::<f64>()
        })
        .collect();
    assert!(near(&layer.forward(&a, &b), &Tensor::from_slice(&want, [5, 2])));
    assert!(near(
        &layer.forward(&a.narrow(0, 0, 1).squeeze(0), &b.narrow(0, 0, 1).squeeze(0)),
        &Tensor::from_slice(&want[..2], [2])
    ));
    proven("Bilinear", &layer, &a, &|x| layer.forward(x, &b));
}

#[test]
#[should_panic(expected = "bilinear: inputs [5, 3] and [4, 4] do not fit; they must be [.., 3] and [.., 4]")]
fn rows_that_do_not_belong_together() {
    let layer = Bilinear::new(3, 4, 2, &mut Rng::seed(1));
    layer.forward(&Tensor::ones([5, 3], DType::F32), &Tensor::ones([4, 4], DType::F32));
}

/// Attention to oneself is attention to a memory that is oneself.
#[test]
fn cross_attention_to_itself_is_self_attention() {
    let rng = &mut Rng::seed(1);
    let own = shaken(MultiHeadAttention::new(8, 2, rng));
    let cross = shaken(CrossAttention::new(8, 8, 2, rng));
    let (w, b) = (own.qkv.weight.get().detach(), own.qkv.bias.as_ref().unwrap().get().detach());
    for (i, map) in [&cross.query, &cross.key, &cross.value].into_iter().enumerate() {
        map.weight.set(&w.narrow(0, 8 * i, 8));
        map.bias.as_ref().unwrap().set(&b.narrow(0, 8 * i, 8));
    }
    cross.proj.weight.set(&own.proj.weight.get().detach());
    cross.proj.bias.as_ref().unwrap().set(&own.proj.bias.as_ref().unwrap().get().detach());
    let x = drawn(2, &[2, 5, 8]);
    let y = cross.forward(&x, &x, None, &mut Mode::Eval);
    assert!(near(&y, &own.forward(&x, &mut Mode::Eval)));
    // A mask that hides the last two of the memory is a shorter memory.
    let mask = Tensor::from_slice(&[true, true, true, false, false], [5]);
    let short = x.narrow(1, 0, 3);
    let (masked, cut) = (
        cross.forward(&x, &x, Some(&mask), &mut Mode::Eval),
        cross.forward(&x, &short, None, &mut Mode::Eval),
    );
    assert!(near(&masked, &cut));
    let memory = drawn(3, &[2, 4, 8]);
    proven("CrossAttention", &cross, &x, &|x| cross.forward(x, &memory, None, &mut Mode::Eval));
}

#[test]
fn encoders_and_decoders_learn_everywhere() {
    let rng = &mut Rng::seed(1);
    let (x, memory) = (drawn(2, &[2, 3, 4]), drawn(3, &[2, 5, 4]));
    let encoder = shaken(TransformerEncoder::new(2, 4, 2, rng));
    assert!(encoder.norm.is_some());
    proven("TransformerEncoder", &encoder, &x, &|x| encoder.forward(x, &mut Mode::Eval));
    let after =
        vec![TransformerBlock::new(4, 2, rng).post_norm(), TransformerBlock::new(4, 2, rng).post_norm()];
    let encoder = shaken(TransformerEncoder::of(after));
    assert!(encoder.norm.is_none());
    proven("TransformerEncoder, post-norm", &encoder, &x, &|x| encoder.forward(x, &mut Mode::Eval));
    let decoder = shaken(TransformerDecoder::new(2, 4, 2, rng));
    proven("TransformerDecoder", &decoder, &x, &|x| decoder.forward(x, &memory, None, &mut Mode::Eval));
    let decoder = shaken(TransformerDecoder::of(vec![TransformerDecoderBlock::new(4, 2, rng).post_norm()]));
    proven("TransformerDecoder, post-norm", &decoder, &x, &|x| {
        decoder.forward(x, &memory, None, &mut Mode::Eval)
    });
    // A decoder sees nothing that comes later.
    let whole = decoder.forward(&x, &memory, None, &mut Mode::Eval);
    let begun = decoder.forward(&x.narrow(1, 0, 2), &memory, None, &mut Mode::Eval);
    assert!(near(&begun, &whole.narrow(1, 0, 2)));
    // A mask of an encoder is a causal encoder.
    let (plain, causal) = (TransformerBlock::new(4, 2, rng), TransformerBlock::new(4, 2, rng).causal());
    let (plain, causal) = (shaken(plain), shaken(causal));
    plain.params().iter().zip(causal.params()).for_each(|((_, a), (_, b))| b.set(&a.get().detach()));
    let earlier: Vec<bool> = (0..9).map(|i| i % 3 <= i / 3).collect();
    let masked = plain.masked(&x, &Tensor::from_slice(&earlier, [3, 3]), &mut Mode::Eval);
    assert!(near(&masked, &causal.forward(&x, &mut Mode::Eval)));
}

#[test]
fn turned_attention_knows_distances_only() {
    let layer = shaken(MultiHeadAttention::grouped(8, 4, 2, &mut Rng::seed(1)).rotary(16));
    let x = drawn(2, &[1, 5, 8]);
    proven("MultiHeadAttention, rotary", &layer, &x, &|x| layer.forward(x, &mut Mode::Eval));
    // Swapping two positions swaps their outputs without positions, but not with them.
    let swapped = Tensor::cat(&[&x.narrow(1, 1, 1), &x.narrow(1, 0, 1), &x.narrow(1, 2, 3)], 1);
    let (y, z) = (layer.forward(&x, &mut Mode::Eval), layer.forward(&swapped, &mut Mode::Eval));
    assert!(!near(&y.narrow(1, 0, 1), &z.narrow(1, 1, 1)));
    let blind = MultiHeadAttention { rotary: None, ..layer };
    let (y, z) = (blind.forward(&x, &mut Mode::Eval), blind.forward(&swapped, &mut Mode::Eval));
    assert!(near(&y.narrow(1, 0, 1), &z.narrow(1, 1, 1)));
}

#[test]
fn branches_are_joined() {
    let rng = &mut Rng::seed(1);
    let x = drawn(2, &[3, 4]);
    let (a, b) = (shaken(Linear::new(4, 4, rng)), shaken(Linear::new(4, 4, rng)));
    let (ya, yb) = (a.forward(&x, &mut Mode::Eval), b.forward(&x, &mut Mode::Eval));
    let mut both = Parallel::new(vec![Box::new(a), Box::new(b), Box::new(Identity)], Join::Sum);
    proven("Parallel", &both, &x, &|x| both.forward(x, &mut Mode::Eval));
    let wants = [
        (Join::Sum, &ya + &yb + &x),
        (Join::Mean, (&ya + &yb + &x) / 3.0),
        (Join::Product, &ya * &yb * &x),
        (Join::Cat(-1), Tensor::cat(&[&ya, &yb, &x], -1)),
    ];
    for (join, want) in wants {
        both.join = join;
        assert!(near(&both.forward(&x, &mut Mode::Eval), &want), "{join:?}");
    }
    assert_eq!(both.params()[0].0, "layers.0.weight");
}

#[test]
fn weight_norm_changes_nothing_at_first_and_then_trains_lengths() {
    let rng = &mut Rng::seed(1);
    let linear = shaken(Linear::new(4, 3, rng));
    let x = drawn(2, &[5, 4]);
    let before = linear.forward(&x, &mut Mode::Eval);
    let layer = WeightNorm::new(linear);
    assert!(near(&layer.forward(&x, &mut Mode::Eval), &before));
    proven("WeightNorm", &layer, &x, &|x| layer.forward(x, &mut Mode::Eval));
    // The direction's own length does not matter.
    layer.layer.weight.set(&(layer.layer.weight.get().detach() * 7.0));
    assert!(near(&layer.forward(&x, &mut Mode::Eval), &before));
    let conv = WeightNorm::new(shaken(Conv2d::new(2, 3, 2, rng)));
    let picture = drawn(3, &[1, 2, 3, 3]);
    proven("WeightNorm of Conv2d", &conv, &picture, &|x| conv.forward(x, &mut Mode::Eval));
}

#[test]
fn spectral_norm_makes_the_greatest_singular_value_1() {
    let rng = &mut Rng::seed(1);
    let layer = SpectralNorm::new(shaken(Conv2d::new(2, 3, 2, rng).without_bias()), rng);
    layer.to_dtype(DType::F64);
    let picture = drawn(3, &[1, 2, 3, 3]);
    // Fifty more steps of the iteration converge to rounding.
    (0..50).for_each(|_| drop(layer.forward(&picture, &mut Mode::Train(&mut Rng::seed(1)))));
    proven("SpectralNorm", &layer, &picture, &|x| layer.forward(x, &mut Mode::Eval));
    // Along v the layer gives u, whose length is 1.
    let patch = layer.v.get().reshape([1, 2, 2, 2]);
    let y = layer.forward(&patch, &mut Mode::Eval);
    assert!((y.square().sum(..).item() - 1.0).abs() < 1e-9, "{}", y.square().sum(..).item());
    let u = layer.u.get();
    layer.forward(&picture, &mut Mode::Eval);
    assert_eq!(layer.u.get().to_vec::<f64>(), u.to_vec::<f64>(), "evaluation changes nothing");
}
