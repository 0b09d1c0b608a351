//! What users read when a call is wrong: a snapshot of the messages, and that each names operation, shapes or types, and what to
//! do. `TALWEG_BLESS=1 cargo test -p talweg --test errors` writes the snapshot anew.

use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use talweg::nn::*;
use talweg::optim::{Schedule, Sgd};
use talweg::tensor::*;

/// A name, and a call that must be refused.
type Wrong = (&'static str, Box<dyn Fn()>);

fn t(shape: &[usize]) -> Tensor {
    Tensor::ones(shape, DType::F32)
}

fn whole(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape, DType::I64)
}

fn truth(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape, DType::Bool)
}

macro_rules! wrong {
    ($($name:literal: $call:expr;)*) => {
        vec![$(($name, Box::new(|| { let _ = $call; }) as Box<dyn Fn()>)),*]
    };
}

fn arithmetic() -> Vec<Wrong> {
    wrong! {
        "add": t(&[2, 3]) + t(&[4]);
        "sub": t(&[2, 3]) - t(&[3, 2]);
        "mul": t(&[2]) * t(&[3]);
        "div": t(&[2, 2]) / t(&[2, 3]);
        "add of types": t(&[2]) + t(&[2]).cast(DType::F64);
        "maximum": t(&[2]).maximum(&t(&[3]));
        "minimum": t(&[2]).minimum(&t(&[3]));
        "pow": t(&[2]).pow(&t(&[3]));
        "atan2": t(&[2]).atan2(&t(&[3]));
        "hypot": t(&[2]).hypot(&t(&[3]));
        "rem": t(&[2]).rem(&t(&[3]));
        "exp of whole numbers": whole(&[2]).exp();
        "tanh of truth values": truth(&[2]).tanh();
        "sigmoid of 16 bits": t(&[2]).cast(DType::Bf16).sigmoid();
        "lgamma of whole numbers": whole(&[2]).lgamma();
        "gelu of whole numbers": whole(&[3]).gelu();
        "leaky_relu of whole numbers": whole(&[3]).leaky_relu(0.1);
        "prelu": t(&[2, 3]).prelu(&t(&[4]));
        "lerp": t(&[2]).lerp(&t(&[3]), &t(&[]));
        "addcmul": t(&[2]).addcmul(&t(&[3]), &t(&[2]), 1.0);
        "clamp of truth values": truth(&[2]).clamp(0.0, 1.0);
        "clamp_tensor": t(&[2]).clamp_tensor(&t(&[3]), &t(&[]));
        "lt": t(&[2]).lt(&t(&[3]));
        "eq of types": t(&[2]).eq(&whole(&[2]));
        "select": t(&[2]).select(&t(&[2]), &t(&[2]));
        "select of shapes": truth(&[2]).select(&t(&[3]), &t(&[3]));
        "logical_and": truth(&[2]).logical_and(&truth(&[3]));
    }
}

fn reductions() -> Vec<Wrong> {
    wrong! {
        "sum": t(&[2, 3]).sum(2);
        "sum twice": t(&[2, 3]).sum([0, 0]);
        "mean": t(&[2, 3]).mean(-3);
        "mean of whole numbers": whole(&[2]).mean(..);
        "max of nothing": t(&[0]).max(..);
        "min": t(&[2]).min(1);
        "prod": t(&[2]).prod(1);
        "argmax": t(&[2, 3]).argmax(2);
        "argmin of nothing": t(&[0]).argmin(0);
        "var": t(&[2]).var(1, 1);
        "std of whole numbers": whole(&[2]).std(.., 1);
        "norm": t(&[2]).norm(2.0, 1);
        "logsumexp": t(&[2]).logsumexp(3);
        "cumsum": t(&[2]).cumsum(1);
        "cumprod": t(&[2]).cumprod(-2);
        "sort": t(&[2]).sort(false, 1);
        "topk": t(&[2]).topk(3, true, 0);
        "kthvalue": t(&[2]).kthvalue(3, 0);
        "median": t(&[2]).median(1);
        "quantile": t(&[2]).quantile(&[1.5], 0);
        "bincount": t(&[2]).bincount(None, 0);
        "histc": t(&[2]).histc(0, 0.0, 1.0);
        "searchsorted": t(&[2, 3]).searchsorted(&t(&[3, 3]), false);
        "softmax": t(&[2]).softmax(1);
        "log_softmax of whole numbers": whole(&[2]).log_softmax(0);
    }
}

fn shapes() -> Vec<Wrong> {
    wrong! {
        "reshape": t(&[2, 3]).reshape([4]);
        "reshape with an open size": t(&[2, 3]).reshape([4, -1]);
        "permute": t(&[2, 3]).permute([0, 0]);
        "transpose": t(&[2, 3]).transpose(0, 2);
        "t": t(&[3]).t();
        "squeeze": t(&[2, 3]).squeeze(0);
        "unsqueeze": t(&[2]).unsqueeze(3);
        "broadcast_to": t(&[2]).broadcast_to([3]);
        "expand": t(&[2]).expand([3]);
        "flatten": t(&[2]).flatten(3);
        "narrow": t(&[2]).narrow(0, 1, 2);
        "select_at": t(&[2]).select_at(0, 2);
        "flip": t(&[2]).flip(1);
        "roll": t(&[2]).roll(1, 1);
        "rot90": t(&[2]).rot90(1, [0, 1]);
        "cat": Tensor::cat(&[&t(&[2, 3]), &t(&[3, 2])], 0);
        "cat of nothing": Tensor::cat(&[], 0);
        "stack": Tensor::stack(&[&t(&[2]), &t(&[3])], 0);
        "split": t(&[4]).split(0, 0);
        "split_sizes": t(&[4]).split_sizes(&[1, 2], 0);
        "chunk": t(&[4]).chunk(0, 0);
        "pad": t(&[2]).pad(&[(2, 0)], PadMode::Reflect);
        "tile": t(&[2]).tile([-1]);
        "diag": t(&[2, 2, 2]).diag(0);
        "tril": t(&[2]).tril(0);
        "trace": t(&[2]).trace();
        "unfold": t(&[2]).unfold(0, 3, 1);
        "pixel_shuffle": t(&[1, 3, 2, 2]).pixel_shuffle(2);
        "channel_shuffle": t(&[1, 3, 2, 2]).channel_shuffle(2);
        "from_slice": Tensor::from_slice(&[1.0f32; 3], [2, 2]);
        "item": t(&[2]).item();
        "to_vec": t(&[2]).to_vec::<f64>();
        "range": Tensor::range(0.0, 1.0, -1.0, DType::F32);
    }
}

fn indices() -> Vec<Wrong> {
    wrong! {
        "gather": t(&[2, 3]).gather(1, &t(&[2, 1]));
        "gather outside": t(&[2, 2]).gather(1, &Tensor::from([[5i64], [0]]));
        "scatter": t(&[2, 3]).scatter(1, &whole(&[3, 3]), &t(&[3, 3]));
        "scatter_add": t(&[2, 3]).scatter_add(0, &whole(&[2]), &t(&[2]));
        "index_select": t(&[2, 3]).index_select(1, &t(&[1]));
        "index_add": t(&[2, 3]).index_add(1, &whole(&[2]), &t(&[2, 3]), 1.0);
        "index_rows": t(&[]).index_rows(&whole(&[1]));
        "embedding": t(&[3, 2]).embedding(&t(&[1]));
        "masked_fill": t(&[2]).masked_fill(&t(&[2]), 0.0);
        "masked_select": t(&[2]).masked_select(&truth(&[3]));
        "take_along_axis": t(&[2]).take_along_axis(&whole(&[2]), 1);
        "one_hot": t(&[2]).one_hot(3, DType::F32);
        "put": t(&[2]).put(&whole(&[2]), &t(&[3]), false);
    }
}

fn products() -> Vec<Wrong> {
    wrong! {
        "matmul": t(&[2, 3]).matmul(&t(&[2, 3]));
        "matmul of batches": t(&[2, 3, 4]).matmul(&t(&[3, 4, 2]));
        "matmul of a number": t(&[]).matmul(&t(&[2]));
        "matmul of types": t(&[2, 2]).matmul(&t(&[2, 2]).cast(DType::F64));
        "linear": t(&[2, 3]).linear(&t(&[4, 5]), None);
        "linear with a bias": t(&[2, 3]).linear(&t(&[4, 3]), Some(&t(&[3])));
        "dot": t(&[2]).dot(&t(&[3]));
        "outer": t(&[2, 2]).outer(&t(&[3]));
        "mv": t(&[2, 3]).mv(&t(&[3, 1]));
        "bmm": t(&[1, 2, 3]).bmm(&t(&[2, 3, 2]));
        "addmm": t(&[5]).addmm(&t(&[2, 3]), &t(&[3, 4]), 1.0, 1.0);
        "einsum": Tensor::einsum("ij,jk", &[&t(&[2, 3])]);
        "einsum of sizes": Tensor::einsum("ij,jk", &[&t(&[2, 3]), &t(&[2, 3])]);
        "tensordot": t(&[2, 3]).tensordot(&t(&[2, 3]), 1);
        "kron": t(&[1, 1, 1, 1, 1]).kron(&t(&[1]));
    }
}

fn networks() -> Vec<Wrong> {
    wrong! {
        "conv1d": t(&[2, 3, 8]).conv1d(&t(&[4, 4, 3]), None, &Conv1dOptions::default());
        "conv2d": t(&[2, 3, 8, 8]).conv2d(&t(&[4, 4, 3, 3]), None, &Conv2dOptions::default());
        "conv2d without a batch": t(&[3, 8, 8]).conv2d(&t(&[4, 3, 3, 3]), None, &Conv2dOptions::default());
        "conv2d too small": t(&[1, 3, 2, 2]).conv2d(&t(&[4, 3, 3, 3]), None, &Conv2dOptions::default());
        "conv3d": t(&[2, 3, 8, 8]).conv3d(&t(&[4, 3, 3, 3, 3]), None, &Conv3dOptions::default());
        "conv_transpose2d": t(&[1, 3, 4, 4]).conv_transpose2d(&t(&[2, 3, 3, 3]), None, &ConvTransposeOptions::default());
        "max_pool2d": t(&[3, 4]).max_pool2d(&Pool2dOptions::default());
        "avg_pool2d": t(&[1, 1, 2, 2]).avg_pool2d(&Pool2dOptions { kernel: [3, 3], ..Default::default() });
        "batch_norm": t(&[1, 8]).batch_norm(None, None, 1e-5);
        "layer_norm": t(&[2, 3]).layer_norm([2], None, None, 1e-5);
        "group_norm": t(&[2, 3]).group_norm(2, None, None, 1e-5);
        "instance_norm": t(&[2, 3, 1]).instance_norm(None, None, 1e-5);
        "rms_norm": t(&[2, 3]).rms_norm(Some(&t(&[2])), 1e-5);
        "normalize": t(&[2]).normalize(2.0, 1, 1e-12);
        "dropout": t(&[2]).dropout(1.5, &mut Rng::seed(1));
        "feature_dropout": t(&[2]).feature_dropout(0.5, &mut Rng::seed(1));
        "attention": t(&[1, 2, 3, 4]).attention(&t(&[1, 2, 3, 5]), &t(&[1, 2, 3, 5]), &AttentionOptions::default());
        "cosine_similarity": t(&[2, 3]).cosine_similarity(&t(&[2, 2]), 1, 1e-8);
        "cdist": t(&[2, 3]).cdist(&t(&[2, 2]), 2.0);
        "mse_loss": t(&[2, 1]).mse_loss(&t(&[2]), Reduction::Mean);
        "l1_loss": t(&[2, 1]).l1_loss(&t(&[2]), &LossOptions::default());
        "huber_loss": t(&[2]).huber_loss(&t(&[2]), 0.0, &LossOptions::default());
        "kl_div": t(&[2]).kl_div(&t(&[3]), &KlDivOptions::default());
        "cross_entropy": t(&[2, 3]).cross_entropy(&whole(&[3]), &CrossEntropyOptions::default());
        "cross_entropy of a class": t(&[1, 3]).cross_entropy(&Tensor::from([7i64]), &CrossEntropyOptions::default());
        "nll_loss": t(&[2]).nll_loss(&whole(&[2]), &NllLossOptions::default());
        "binary_cross_entropy": (t(&[2]) * 2.0).binary_cross_entropy(&t(&[2]), &BinaryCrossEntropyOptions::default());
        "ctc_loss": t(&[4, 2, 3]).ctc_loss(&whole(&[2, 2]), &[4, 5], &[2, 1], &CtcOptions::default());
        "triplet_margin_loss": t(&[2, 3]).triplet_margin_loss(&t(&[2, 2]), &t(&[2, 3]), &TripletMarginOptions::default());
        "info_nce_loss": t(&[2, 3]).info_nce_loss(&t(&[3, 3]), &InfoNceOptions::default());
        "focal_loss": t(&[3]).focal_loss(&whole(&[3]), &FocalOptions::default());
        "dice_loss": t(&[]).dice_loss(&t(&[]), &DiceOptions::default());
        "backward of numbers": (t(&[2]).requires_grad() * 2.0).backward();
        "backward of a constant": t(&[]).backward();
        "multinomial": Rng::seed(1).multinomial(&t(&[2]), 3, false);
        "randint": Rng::seed(1).randint(3, 3, [1]);
        "bernoulli": Rng::seed(1).bernoulli(&t(&[1]).requires_grad());
    }
}

fn parts() -> Vec<Wrong> {
    wrong! {
        "Linear": Linear::new(3, 4, &mut Rng::seed(1)).forward(&t(&[2, 5]), &mut Mode::Eval);
        "Conv2d of groups": Conv2d::with(3, 4, 3, Conv2dOptions { groups: 2, ..Default::default() }, &mut Rng::seed(1));
        "BatchNorm2d": BatchNorm2d::new(3).forward(&t(&[2, 4, 5, 5]), &mut Mode::Eval);
        "GroupNorm": GroupNorm::new(2, 3);
        "Dropout": Dropout::new(1.5);
        "Dropout2d": Dropout2d::new(0.5).forward(&t(&[2, 3]), &mut Mode::Eval);
        "MultiHeadAttention": MultiHeadAttention::new(7, 2, &mut Rng::seed(1));
        "RotaryPositions": RotaryPositions::new(4, 3, 10_000.0);
        "Parallel": Parallel::new(vec![], Join::Sum);
        "Bilinear": Bilinear::new(2, 3, 1, &mut Rng::seed(1)).forward(&t(&[5, 2]), &t(&[4, 3]));
        "Optimizer": talweg::optim::Optimizer::new(Sgd::default(), Schedule::constant(0.1), vec![]);
    }
}

/// The message of a call that panics; `None` when it does not.
fn message(call: &dyn Fn()) -> Option<String> {
    let payload = catch_unwind(AssertUnwindSafe(call)).err()?;
    Some(match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast::<&str>().map_or_else(|_| String::new(), |text| text.to_string()),
    })
}

#[test]
fn wrong_calls_are_told_what_is_wrong() {
    std::panic::set_hook(Box::new(|_| {}));
    let groups = [arithmetic(), reductions(), shapes(), indices(), products(), networks(), parts()];
    let (mut text, mut faults, mut count) = (String::new(), Vec::new(), 0);
    for (name, call) in groups.iter().flatten() {
        let Some(message) = message(&**call) else {
            faults.push(format!("{name}: nothing is wrong"));
            continue;
        };
        count += 1;
        writeln!(text, "{name}\n    {}\n", message.replace('\n', "\n    ")).expect("text");
        let (first, rest) = message.split_once(": ").unwrap_or(("", &message));
        let plain = !first.is_empty() && first.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        // Where there is nothing whose shape could be told.
        let nothing = ["cat of nothing", "Parallel", "Optimizer", "backward of a constant"].contains(name);
        let concrete = nothing
            || rest.contains('[')
            || rest.chars().any(|c| c.is_ascii_digit())
            || message.contains("f32");
        // What to do, what must hold, or both sides of what differs.
        let helpful = [
            ";",
            "must",
            "needs",
            "takes",
            "does not fit",
            "do not fit",
            "not between",
            "add up to",
            "which has",
            "no parameter",
        ];
        if !plain || !concrete || !helpful.iter().any(|word| rest.contains(word)) {
            faults.push(format!(
                "{name}: {message:?} must name operation, shapes or numbers, and what is wrong"
            ));
        }
    }
    drop(std::panic::take_hook());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(count >= 120, "{count} wrong calls");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/errors.txt");
    if std::env::var_os("TALWEG_BLESS").is_some() {
        std::fs::write(path, &text).expect("the snapshot is written");
    }
    let known = std::fs::read_to_string(path).unwrap_or_default();
    let changed = text.lines().zip(known.lines()).find(|(a, b)| a != b);
    assert!(
        text == known,
        "the messages have changed ({changed:?}); read them, and bless them with TALWEG_BLESS=1"
    );
}
