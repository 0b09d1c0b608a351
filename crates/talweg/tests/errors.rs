//! Wrong calls, and what each is told: every message of `errors.txt` stands there word for word.
//!
//! A message begins with the operation, has the shapes or element types that were given, says what is wrong with them,
//! and after a semicolon what to do. `TALWEG_BLESS=1` rewrites the file after a change of words.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use talweg::prelude::*;
use talweg::tensor::{
    AttentionOptions, BinaryCrossEntropyOptions, BinaryCrossEntropyWithLogitsOptions, Conv1dOptions,
    Conv2dOptions, Conv3dOptions, ConvTransposeOptions, CosineEmbeddingOptions, CrossEntropyOptions,
    CtcOptions, DiceOptions, EmbeddingBagOptions, EmbeddingOptions, FocalOptions, GaussianNllOptions,
    InfoNceOptions, KlDivOptions, LocalResponseNormOptions, LossOptions, MultiMarginOptions, NllLossOptions,
    PadMode, PoissonNllOptions, Pool2dOptions, RecurrentWeights, Reduction, ScatterReduce,
    TripletMarginOptions, WindowOptions, grad_from,
};

const GOLDEN: &str = include_str!("errors.txt");

/// A mistake: what it is, and the call.
type Mistake = (&'static str, fn());

/// Ones in `f32`.
fn x<const N: usize>(shape: [usize; N]) -> Tensor {
    Tensor::ones(shape, DType::F32)
}

/// Zeros in another element type.
fn of<const N: usize>(dtype: DType, shape: [usize; N]) -> Tensor {
    Tensor::zeros(shape, dtype)
}

/// Whole numbers.
fn n<const N: usize>(numbers: [i64; N]) -> Tensor {
    Tensor::from_slice(&numbers, [N])
}

macro_rules! mistakes {
    ($($what:literal => $call:expr;)*) => {
        &[$(($what, || {
            let _ = $call;
        })),*]
    };
}

const ELEMENTWISE: &[Mistake] = mistakes! {
    "a sum of shapes that do not broadcast" => x([2, 3]) + x([2]);
    "a difference of shapes that do not broadcast" => x([2, 3]) - x([4, 3]);
    "a product of f32 and f64" => x([2]) * of(DType::F64, [2]);
    "a quotient of whole numbers" => n([1, 2]).div(&n([1, 2]));
    "a power of whole numbers" => n([1, 2]).pow(&n([1, 2]));
    "the greater of truth values" => of(DType::Bool, [2]).maximum(&of(DType::Bool, [2]));
    "the lesser of shapes that do not broadcast" => x([2, 3]).minimum(&x([3, 2]));
    "a remainder of shapes that do not broadcast" => x([2, 3]).rem(&x([4]));
    "atan2 of two types" => x([2]).atan2(&of(DType::F64, [2]));
    "hypot of whole numbers" => n([3]).hypot(&n([4]));
    "a sine of whole numbers" => n([1]).sin();
    "an exponential of truth values" => of(DType::Bool, [3]).exp();
    "a logarithm of bytes" => of(DType::U8, [3]).ln();
    "a rectifier of whole numbers" => n([1]).relu();
    "lgamma of whole numbers" => n([1]).lgamma();
    "leaky_relu of whole numbers" => n([1]).leaky_relu(0.1);
    "elu of whole numbers" => n([1]).elu(1.0);
    "softshrink with a negative threshold" => x([2]).softshrink(-1.0);
    "hardtanh with limits the wrong way round" => x([2]).hardtanh(1.0, -1.0);
    "prelu with a weight for other channels" => x([2, 3]).prelu(&x([4]));
    "a clamp by tensors that do not broadcast" => x([2, 3]).clamp_tensor(&x([2]), &x([3]));
    "lerp of shapes that do not broadcast" => x([2]).lerp(&x([3]), &x([2]));
    "addcmul of shapes that do not broadcast" => x([2]).addcmul(&x([3]), &x([2]), 1.0);
    "addcdiv of two types" => x([2]).addcdiv(&of(DType::F64, [2]), &x([2]), 1.0);
    "a comparison of two types" => x([2]).lt(&n([1, 2]));
    "a comparison of shapes that do not broadcast" => x([2]).eq(&x([3]));
    "a choice by numbers" => x([2]).select(&x([2]), &x([2]));
    "a choice between two types" => of(DType::Bool, [2]).select(&x([2]), &of(DType::F64, [2]));
    "a choice between shapes that do not broadcast" => of(DType::Bool, [2]).select(&x([2]), &x([3]));
};

const REDUCTIONS: &[Mistake] = mistakes! {
    "a sum over an axis that is not there" => x([2, 3]).sum(2);
    "a sum over an axis named twice" => x([2, 3]).sum([0, -2]);
    "a mean of whole numbers" => n([1, 2]).mean(0);
    "the greatest of nothing" => x([0]).max(0);
    "the position of the greatest of nothing" => x([2, 0]).argmax(1);
    "the position of the least over an axis that is not there" => x([2]).argmin(3);
    "a variance of whole numbers" => n([1, 2]).var(0, 1);
    "a standard deviation over an axis that is not there" => x([2]).std(1, 1);
    "a norm of whole numbers" => n([1, 2]).norm(2.0, 0);
    "logsumexp over an axis that is not there" => x([2]).logsumexp(-2);
    "a product over an axis that is not there" => x([2]).prod(1);
    "a running sum along an axis that is not there" => x([2]).cumsum(1);
    "sorting along an axis that is not there" => x([2]).sort(false, 1);
    "argsort along an axis that is not there" => x([2]).argsort(false, -2);
    "more of the greatest than there are" => x([2]).topk(3, true, 0);
    "the median of nothing" => x([0]).median_all();
    "a quantile of a fraction above 1" => x([3]).quantile(&[1.5], 0);
    "a quantile of whole numbers" => n([1, 2]).quantile(&[0.5], 0);
    "any of an axis that is not there" => of(DType::Bool, [2]).any(1);
    "bincount of numbers that are not whole" => x([2]).bincount(None, 0);
    "bincount of a negative number" => n([1, -1]).bincount(None, 0);
    "bincount with weights for other numbers" => n([1, 2]).bincount(Some(&x([3])), 0);
    "a histogram without bins" => x([2]).histc(0, 0.0, 1.0);
    "searchsorted with rows that do not fit" => x([2, 3]).searchsorted(&x([3, 3]), false);
};

const SHAPES: &[Mistake] = mistakes! {
    "a reshape to more elements" => x([2, 3]).reshape([7]);
    "a reshape with two free sizes" => x([2, 3]).reshape([-1, -1]);
    "a view of fewer elements" => x([2, 3]).view([2, 2]);
    "flattening from an axis that is not there" => x([2, 3]).flatten(2..);
    "unflattening into sizes that do not multiply" => x([2, 6]).unflatten(1, [4, 2]);
    "a permutation with an axis twice" => x([2, 3]).permute([0, 0]);
    "a permutation of too few axes" => x([2, 3, 4]).permute([1, 0]);
    "a transposition with an axis that is not there" => x([2, 3]).transpose(0, 2);
    "a transposed vector" => x([3]).t();
    "movedim with lists of two lengths" => x([2, 3]).movedim([0, 1], [0]);
    "broadcasting to a shape that does not fit" => x([2, 3]).broadcast_to([2, 4]);
    "expanding to fewer axes" => x([2, 3]).expand([3]);
    "a new axis too far out" => x([2, 3]).unsqueeze(4);
    "squeezing an axis that is not there" => x([2, 1]).squeeze(3);
    "a cut that goes over the end" => x([2, 3]).narrow(1, 2, 2);
    "a cut along an axis that is not there" => x([2, 3]).narrow(2, 0, 1);
    "a slice along an axis that is not there" => x([2, 3]).slice(2, 0..1);
    "a place that is not there" => x([2, 3]).select_at(0, 2);
    "a flip of an axis that is not there" => x([2, 3]).flip(2);
    "joining different sizes" => Tensor::cat(&[&x([2, 3]), &x([2, 4])], 0);
    "joining two types" => Tensor::cat(&[&x([2]), &n([1])], 0);
    "joining nothing" => Tensor::cat(&[], 0);
    "stacking different shapes" => Tensor::stack(&[&x([2]), &x([3])], 0);
    "a split into parts of size 0" => x([4]).split(0, 0);
    "a split into sizes that do not add up" => x([4]).split_sizes(&[1, 2], 0);
    "no chunks at all" => x([4]).chunk(0, 0);
    "padding more axes than there are" => x([4]).pad(&[(1, 1), (1, 1)], PadMode::Constant(0.0));
    "reflecting more than there is" => x([2, 3]).pad(&[(3, 0)], PadMode::Reflect);
    "going round more than once" => x([2, 3]).pad(&[(4, 0)], PadMode::Circular);
    "cutting off more than there is" => x([2, 3]).pad(&[(-2, -2)], PadMode::Constant(0.0));
    "repeating fewer axes than there are" => x([2, 3]).repeat([2]);
    "each element as often as another list says" => x([2]).repeat_interleave_each(&n([1, 2, 3]), 0);
    "rolling an axis that is not there" => x([2, 3]).roll([1], [2]);
    "turning in one axis" => x([2, 3]).rot90(1, [0, 0]);
    "the diagonal of a vector" => x([3]).diagonal(0, [0, 1]);
    "the lower triangle of a vector" => x([3]).tril(0);
    "the trace of a vector" => x([3]).trace();
    "windows longer than the axis" => x([3]).unfold(0, 4, 1);
    "pixels of a number of channels that is no square" => x([1, 3, 2, 2]).pixel_shuffle(2);
    "blocks of a picture that has none" => x([1, 3, 3, 3]).pixel_unshuffle(2);
    "shuffling channels in groups that do not divide" => x([1, 3, 2, 2]).channel_shuffle(2);
    "a grid of matrices" => Tensor::meshgrid(&[&x([2, 2])]);
    "more than eight axes" => x([1, 1, 1, 1, 1, 1, 1, 1]).unsqueeze(0);
};

const INDEXING: &[Mistake] = mistakes! {
    "rows by numbers that are not whole" => x([2, 3]).index_rows(&x([1]));
    "a row that is not there" => x([2, 3]).index_rows(&n([2]));
    "elements by an index of other sizes" => x([2, 3]).gather(1, &of(DType::I64, [3, 3]));
    "an element that is not there" => x([2]).gather(0, &n([2]));
    "index_select by numbers that are not whole" => x([2]).index_select(0, &x([1]));
    "index_select of a place that is not there" => x([2]).index_select(0, &n([5]));
    "index_add of rows that do not fit" => x([2, 3]).index_add(0, &n([0]), &x([1, 4]), 1.0);
    "index_copy of rows that do not fit" => x([2, 3]).index_copy(0, &n([0]), &x([2, 3]));
    "scatter of a source smaller than the index" => x([4]).scatter(0, &n([0, 1, 2]), &x([2]));
    "scatter_add to a place that is not there" => x([2]).scatter_add(0, &n([2]), &x([1]));
    "scatter_reduce of two types" =>
        x([2]).scatter_reduce(0, &n([0]), &of(DType::F64, [1]), ScatterReduce::Sum, true);
    "take of a place that is not there" => x([2, 2]).take(&n([4]));
    "a mask of numbers" => x([2]).masked_fill(&x([2]), 0.0);
    "a mask that does not broadcast" => x([2]).masked_fill(&of(DType::Bool, [3]), 0.0);
    "masked_select by numbers" => x([2]).masked_select(&x([2]));
    "classes that are not whole numbers" => x([2]).one_hot(3, DType::F32);
    "an embedding that is not there" => x([4, 2]).embedding(&n([4]));
    "an embedding whose padding is not there" =>
        x([4, 2]).embedding_with(&n([1]), &EmbeddingOptions { padding: Some(4), ..Default::default() });
    "a bag without bounds" => x([4, 2]).embedding_bag(&n([1]), &EmbeddingBagOptions::default());
    "an index with too many axes" => x([2]).index((0, 0));
};

const LINEAR: &[Mistake] = mistakes! {
    "a product whose inner sizes differ" => x([2, 3]).matmul(&x([4, 5]));
    "a product of two types" => x([2, 3]).matmul(&of(DType::F64, [3, 2]));
    "a product with a number" => x([2, 3]).matmul(&x([]));
    "a product of batches that do not broadcast" => x([2, 2, 3]).matmul(&x([3, 3, 2]));
    "a product of whole numbers" => of(DType::I64, [2, 2]).matmul(&of(DType::I64, [2, 2]));
    "a scalar product of matrices" => x([2, 3]).dot(&x([2, 3]));
    "a scalar product of two lengths" => x([2]).dot(&x([3]));
    "an outer product of matrices" => x([2, 3]).outer(&x([2]));
    "a matrix with a vector that is none" => x([2, 3]).mv(&x([3, 1]));
    "a batch of matrices that is none" => x([2, 3]).bmm(&x([3, 2]));
    "addmm with inner sizes that differ" => x([2, 2]).addmm(&x([2, 3]), &x([4, 2]), 1.0, 1.0);
    "a linear map of another width" => x([2, 3]).linear(&x([5, 4]), None);
    "a linear map with another bias" => x([2, 3]).linear(&x([5, 3]), Some(&x([4])));
    "einsum with a letter of two sizes" => Tensor::einsum("ij,jk->ik", &[&x([2, 3]), &x([4, 5])]);
    "einsum with too few letters" => Tensor::einsum("i,j->ij", &[&x([2, 2]), &x([3])]);
    "einsum with an output letter from nowhere" => Tensor::einsum("i->j", &[&x([2])]);
    "tensordot over sizes that differ" => x([2, 3]).tensordot(&x([4, 2]), 1);
};

const NETWORK: &[Mistake] = mistakes! {
    "conv1d of a matrix" => x([3, 8]).conv1d(&x([4, 3, 3]), None, &Conv1dOptions::default());
    "conv2d with other channels" => x([1, 3, 8, 8]).conv2d(&x([4, 2, 3, 3]), None, &Conv2dOptions::default());
    "conv2d with another bias" =>
        x([1, 3, 8, 8]).conv2d(&x([4, 3, 3, 3]), Some(&x([5])), &Conv2dOptions::default());
    "conv2d with groups that do not divide" => x([1, 3, 8, 8])
        .conv2d(&x([4, 3, 3, 3]), None, &Conv2dOptions { groups: 2, ..Default::default() });
    "conv2d with a kernel larger than the picture" =>
        x([1, 3, 2, 2]).conv2d(&x([4, 3, 3, 3]), None, &Conv2dOptions::default());
    "conv2d with a stride of 0" => x([1, 3, 8, 8])
        .conv2d(&x([4, 3, 3, 3]), None, &Conv2dOptions { stride: [0, 1], ..Default::default() });
    "conv3d of pictures" => x([1, 3, 8, 8]).conv3d(&x([4, 3, 3, 3, 3]), None, &Conv3dOptions::default());
    "a transposed convolution with other channels" =>
        x([1, 3, 8, 8]).conv_transpose2d(&x([4, 2, 3, 3]), None, &ConvTransposeOptions::default());
    "a transposed convolution with much output padding" => x([1, 3, 8]).conv_transpose1d(
        &x([3, 2, 3]), None, &ConvTransposeOptions { output_padding: [2], ..Default::default() });
    "pooling one picture without its batch" => x([3, 8, 8]).max_pool2d(&Pool2dOptions::default());
    "pooling with a window larger than the picture" =>
        x([1, 1, 2, 2]).avg_pool2d(&Pool2dOptions { kernel: [3, 3], ..Default::default() });
    "im2col of a vector" => x([3]).im2col(&WindowOptions::default());
    "batch norm of a vector" => x([3]).batch_norm(None, None, 1e-5);
    "batch norm with a weight for other channels" => x([2, 3]).batch_norm(Some(&x([4])), None, 1e-5);
    "layer norm over another shape" => x([2, 3]).layer_norm([4], None, None, 1e-5);
    "layer norm with another weight" => x([2, 3]).layer_norm([3], Some(&x([2])), None, 1e-5);
    "layer norm with a negative ε" => x([2, 3]).layer_norm([3], None, None, -1.0);
    "group norm in groups that do not divide" => x([1, 3, 4]).group_norm(2, None, None, 1e-5);
    "instance norm of a matrix" => x([2, 3]).instance_norm(None, None, 1e-5);
    "rms norm with another weight" => x([2, 3]).rms_norm(Some(&x([2])), 1e-5);
    "local response norm of a vector" => x([3]).local_response_norm(&LocalResponseNormOptions::new(3));
    "softmax over an axis that is not there" => x([2, 3]).softmax(2);
    "softmax of whole numbers" => n([1, 2]).softmax(0);
    "log_softmax over an axis that is not there" => x([2, 3]).log_softmax(-3);
    "attention without heads" => x([2, 3]).attention(&x([2, 3]), &x([2, 3]), &AttentionOptions::default());
    "attention with keys of another width" =>
        x([1, 1, 2, 3]).attention(&x([1, 1, 2, 4]), &x([1, 1, 2, 3]), &AttentionOptions::default());
    "attention with a mask of another shape" => x([1, 1, 2, 3]).attention(&x([1, 1, 2, 3]), &x([1, 1, 2, 3]),
        &AttentionOptions { mask: Some(of(DType::Bool, [3, 3])), ..Default::default() });
    "attention in heads that do not share" =>
        x([1, 3, 2, 4]).attention(&x([1, 2, 2, 4]), &x([1, 2, 2, 4]), &AttentionOptions::default());
    "dropout with a probability above 1" => x([2]).dropout(1.5, &mut Rng::seed(1));
    "dropout of whole numbers" => n([1]).dropout(0.5, &mut Rng::seed(1));
    "dropout of channels that are not there" => x([3]).feature_dropout(0.5, &mut Rng::seed(1));
    "an LSTM with states of another size" => x([4, 2, 3]).lstm(
        &RecurrentWeights { input: &x([20, 3]), hidden: &x([20, 5]), bias: None }, [&x([2, 4]), &x([2, 4])]).y;
    "a GRU with weights of another input" =>
        x([4, 2, 3]).gru(&RecurrentWeights { input: &x([15, 4]), hidden: &x([15, 5]), bias: None }, &x([2, 5]));
    "cosines of vectors that do not broadcast" => x([2, 3]).cosine_similarity(&x([2, 4]), 1, 1e-8);
    "distances of vectors of two lengths" => x([2, 3]).pairwise_distance(&x([2, 4]), 2.0, 1e-6);
    "distances between points of two dimensions" => x([2, 3]).cdist(&x([4, 5]), 2.0);
};

const LOSSES: &[Mistake] = mistakes! {
    "a squared error of two shapes" => x([2, 3]).mse_loss(&x([2]), Reduction::Mean);
    "an absolute error of two shapes" => x([2, 3]).l1_loss(&x([3]), &LossOptions::default());
    "Huber's loss with a negative width" => x([2]).huber_loss(&x([2]), -1.0, &LossOptions::default());
    "a smooth L1 with a weight that does not broadcast" => x([2]).smooth_l1_loss(
        &x([2]), 1.0, &LossOptions { weight: Some(x([3])), ..Default::default() });
    "cross-entropy with as many targets as classes" =>
        x([2, 3]).cross_entropy(&n([0, 1, 2]), &CrossEntropyOptions::default());
    "cross-entropy with a class that is not there" =>
        x([2, 3]).cross_entropy(&n([0, 3]), &CrossEntropyOptions::default());
    "cross-entropy of one row without its batch" =>
        x([3]).cross_entropy(&n([0]), &CrossEntropyOptions::default());
    "cross-entropy with much smoothing" => x([1, 3]).cross_entropy(
        &n([0]), &CrossEntropyOptions { label_smoothing: 1.5, ..Default::default() });
    "cross-entropy with weights for other classes" => x([1, 3]).cross_entropy(
        &n([0]), &CrossEntropyOptions { weight: Some(x([4])), ..Default::default() });
    "likelihoods of classes that are not there" => x([1, 3]).nll_loss(&n([-1]), &NllLossOptions::default());
    "likelihoods with targets that are not whole" => x([1, 3]).nll_loss(&x([1]), &NllLossOptions::default());
    "binary cross-entropy of two shapes" =>
        x([2]).binary_cross_entropy(&x([2, 1]), &BinaryCrossEntropyOptions::default());
    "binary cross-entropy of logits with whole targets" => x([2])
        .binary_cross_entropy_with_logits(&n([0, 1]), &BinaryCrossEntropyWithLogitsOptions::default());
    "a divergence of two shapes" => x([2, 3]).kl_div(&x([2, 4]), &KlDivOptions::default());
    "Poisson's loss of two shapes" => x([2]).poisson_nll_loss(&x([3]), &PoissonNllOptions::default());
    "a Gaussian likelihood with another variance" =>
        x([2, 3]).gaussian_nll_loss(&x([2, 3]), &x([2, 2]), &GaussianNllOptions::default());
    "a hinge of two shapes" => x([2]).hinge_loss(&x([3]), &LossOptions::default());
    "margins with a class that is not there" => x([1, 3]).multi_margin_loss(&n([3]), &MultiMarginOptions::default());
    "a ranking of two shapes" =>
        x([2]).margin_ranking_loss(&x([3]), &x([2]), 0.0, &LossOptions::default());
    "cosines of pairs of two shapes" => x([2, 3])
        .cosine_embedding_loss(&x([2, 4]), &x([2]), &CosineEmbeddingOptions::default());
    "triplets of two shapes" =>
        x([2, 3]).triplet_margin_loss(&x([2, 3]), &x([2, 4]), &TripletMarginOptions::default());
    "contrast of vectors of two lengths" => x([2, 3]).info_nce_loss(&x([2, 4]), &InfoNceOptions::default());
    "a focal loss with as many targets as classes" =>
        x([2, 3]).focal_loss(&n([0, 1, 2]), &FocalOptions::default());
    "an overlap of two shapes" => x([2, 3]).dice_loss(&x([2, 4]), &DiceOptions::default());
    "CTC with lengths for another batch" =>
        x([4, 2, 3]).ctc_loss(&of(DType::I64, [2, 2]), &[4], &[1, 1], &CtcOptions::default());
    "CTC with more steps than there are" =>
        x([4, 1, 3]).ctc_loss(&of(DType::I64, [1, 2]), &[5], &[1], &CtcOptions::default());
};

const TENSORS: &[Mistake] = mistakes! {
    "numbers that do not fill a shape" => Tensor::from_slice(&[1.0f32, 2.0], [3]);
    "bytes that do not fill a shape" => Tensor::from_bytes(&[0; 7], [2], DType::F32);
    "numbers read as another type" => x([2]).to_vec::<f64>();
    "several numbers read as one" => x([2]).item();
    "a size along an axis that is not there" => x([2]).size(1);
    "sizes of another rank" => x([2, 3]).sizes::<3>();
    "a gradient of whole numbers" => n([1]).requires_grad();
    "a leaf of a result" => (x([1]).requires_grad() * 2.0).requires_grad();
    "a backward pass from several numbers" => x([2]).requires_grad().backward();
    "a backward pass from a tensor without history" => x([]).backward();
    "a gradient by a tensor that is not tracked" => grad(&[&x([]).requires_grad()], &[&x([2])], Create::Value);
    "a gradient of another shape sent back" => {
        let a = x([2]).requires_grad();
        grad_from(&[&(&a * 2.0)], &[&x([3])], &[&a], Create::Value)
    };
    "a gradient that was not computed" => {
        let (a, b) = (x([]).requires_grad(), x([2]).requires_grad());
        a.backward().wrt(&b)
    };
    "a range that never ends" => Tensor::range(0.0, 1.0, 0.0, DType::F32);
    "more draws than there are" => Rng::seed(1).multinomial(&x([2]), 3, false);
    "random numbers in whole numbers" => Rng::seed(1).normal([2], 0.0, 1.0, DType::I64);
};

/// Layers, under the names of their types.
const LAYERS: &[Mistake] = mistakes! {
    "Linear of another width" => Linear::new(3, 4, &mut Rng::seed(1)).forward(&x([2, 5]), &mut Mode::Eval);
    "BatchNorm2d of other channels" => BatchNorm2d::new(3).forward(&x([2, 4, 5, 5]), &mut Mode::Eval);
    "GroupNorm of groups that do not divide" => GroupNorm::new(2, 3);
    "Dropout with a probability above 1" => Dropout::new(1.5);
    "Dropout2d of rows" => Dropout2d::new(0.5).forward(&x([2, 3]), &mut Mode::Eval);
    "MultiHeadAttention with heads that do not divide" => MultiHeadAttention::new(7, 2, &mut Rng::seed(1));
    "RotaryPositions of an odd size" => RotaryPositions::new(4, 3, 10_000.0);
    "Bilinear of two batches" =>
        Bilinear::new(2, 3, 1, &mut Rng::seed(1)).forward(&x([5, 2]), &x([4, 3]));
};

fn message(call: fn()) -> Option<String> {
    let payload = catch_unwind(AssertUnwindSafe(call)).err()?;
    Some(match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast::<&str>().map_or_else(|_| "no text".into(), |text| text.to_string()),
    })
}

/// What is wrong with a message, if anything is. A layer has the name of its type, and its sizes may be plain numbers.
fn fault(message: &str, layer: bool) -> Option<&'static str> {
    let (op, rest) = message.split_once(": ").unwrap_or((message, ""));
    let letter =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || layer && c.is_ascii_uppercase();
    let named = !op.is_empty() && op.chars().all(letter);
    let words: BTreeSet<&str> = rest.split(|c: char| !c.is_alphanumeric()).collect();
    let typed = ["f32", "f64", "i64", "u8", "bool"].iter().any(|name| words.contains(name));
    let sized =
        rest.split('[').skip(1).any(|inside| inside.starts_with(|c: char| c.is_ascii_digit() || c == ']'))
            || layer && rest.contains(|c: char| c.is_ascii_digit());
    let hint = rest.rsplit_once("; ").map_or("", |(_, hint)| hint);
    match () {
        () if !named => Some("does not begin with the operation"),
        () if !typed && !sized => Some("names neither shape nor element type"),
        () if hint.split(' ').count() < 2 => Some("says nothing, after a semicolon, about what to do"),
        () if message.ends_with(['.', ' ', '\n']) => Some("ends with a full stop or a space"),
        () => None,
    }
}

#[test]
fn every_wrong_call_gets_its_message() {
    let tables = [ELEMENTWISE, REDUCTIONS, SHAPES, INDEXING, LINEAR, NETWORK, LOSSES, TENSORS, LAYERS];
    let (mut golden, mut faults, mut names) = (String::new(), Vec::new(), BTreeSet::new());
    std::panic::set_hook(Box::new(|_| {}));
    let all = tables
        .iter()
        .flat_map(|&table| table.iter().map(move |row| (row, table.as_ptr() == LAYERS.as_ptr())));
    for ((what, call), layer) in all {
        assert!(names.insert(what), "{what} stands there twice");
        match message(*call) {
            None => faults.push(format!("{what}: is not refused")),
            Some(message) => {
                if let Some(fault) = fault(&message, layer) {
                    faults.push(format!("{what}: the message {fault}: {message}"));
                }
                writeln!(golden, "{what}\n    {message}").expect("a string");
            }
        }
    }
    drop(std::panic::take_hook());
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), names.len(), faults.join("\n"));
    assert!(names.len() >= 120, "only {} calls", names.len());
    if std::env::var_os("TALWEG_BLESS").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors.txt");
        std::fs::write(path, &golden).expect("the golden file can be written");
    } else if golden != GOLDEN {
        let differs = golden.lines().zip(GOLDEN.lines()).enumerate().find(|(_, (new, old))| new != old);
        panic!("errors.txt differs (line, new, old): {differs:?}; TALWEG_BLESS=1 rewrites it");
    }
}

#[test]
fn faults_of_messages_are_seen() {
    let good = "matmul: inner sizes differ, [2, 3] x [4, 5] (3 vs 4); did you mean b.t()?";
    assert_eq!(fault(good, false), None);
    for (bad, why) in [
        ("inner sizes differ, [2, 3] x [4, 5]; did you mean b.t()?", "begin"),
        ("matmul: inner sizes differ; did you mean b.t()?", "neither"),
        ("matmul: inner sizes differ, [2, 3] x [4, 5]", "what to do"),
        ("matmul: inner sizes differ, [2, 3] x [4, 5]; did you mean b.t()?.", "full stop"),
    ] {
        assert!(fault(bad, false).is_some_and(|fault| fault.contains(why)), "{bad}: {:?}", fault(bad, false));
    }
}
