//! Replays one sample in both element types.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use talweg::tensor::{Create, DType, Tensor, grad_from};

use crate::call::{Call, Outcome, Why, places};
use crate::compare::{differs, numbers};
use crate::exclusions::{RULES, Trouble};
use crate::file::{Kind, Sample, Samples};

/// Results with free signs (of eigenvectors and the like): their absolute values were dumped.
const ABSOLUTE: &[&str] = &["linalg.qr", "linalg.eigh", "linalg.svd", "svd"];

/// What became of a sample.
pub(crate) enum Verdict {
    /// Everything agrees.
    Passed { double_only: bool },
    /// Not compared.
    Excluded { reason: String, rule: Option<usize> },
    /// It differs, for no known reason.
    Failed(String),
}

/// A run that did not agree.
enum Unlike {
    /// There is no such call.
    Unmapped(String),
    /// Talweg refused it, with this message.
    Refused(String),
    /// The numbers differ.
    Differs(String),
}

/// Runs a sample in f64 and in f32.
pub(crate) fn replay(
    samples: &Samples,
    op: &str,
    number: usize,
    sample: &Sample,
    run: fn(&Call<'_>) -> Outcome,
) -> Verdict {
    let floats = places(sample).iter().any(|(array, _)| samples.arrays[*array].kind == Kind::Float)
        || sample.outputs.iter().any(|array| samples.arrays[*array].kind == Kind::Float);
    let mut runs = vec![(DType::F64, 1e-10)];
    if floats && !sample.unstable {
        runs.push((DType::F32, 1e-5));
    }
    for (dtype, limit) in runs {
        let attempt = catch_unwind(AssertUnwindSafe(|| compare(samples, op, sample, run, dtype, limit)));
        let unlike = match attempt {
            Ok(Ok(())) => continue,
            Ok(Err(unlike)) => unlike,
            Err(payload) => Unlike::Refused(message(payload)),
        };
        return judge(samples, op, number, sample, dtype, unlike);
    }
    Verdict::Passed { double_only: sample.unstable }
}

fn message(payload: Box<dyn Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => {
            payload.downcast::<&str>().map_or_else(|_| "a panic".to_string(), |text| text.to_string())
        }
    }
}

fn compare(
    samples: &Samples,
    op: &str,
    sample: &Sample,
    run: fn(&Call<'_>) -> Outcome,
    dtype: DType,
    limit: f64,
) -> Result<(), Unlike> {
    let call = Call::new(samples, sample, dtype);
    let mut outputs = run(&call).map_err(|Why(why)| Unlike::Unmapped(why))?;
    let overlooked = call.overlooked();
    if !overlooked.is_empty() {
        return Err(Unlike::Differs(format!("the mapping overlooks the arguments {overlooked:?}")));
    }
    if ABSOLUTE.contains(&op) {
        outputs = outputs.iter().map(Tensor::abs).collect();
    }
    let wrong = |what: String, how: String| Err(Unlike::Differs(format!("{what}: {how}")));
    if outputs.len() != sample.outputs.len() {
        return wrong("outputs".into(), format!("{}, expected {}", outputs.len(), sample.outputs.len()));
    }
    for (i, (got, want)) in outputs.iter().zip(&sample.outputs).enumerate() {
        if let Some(how) = differs(got, &samples.arrays[*want], limit) {
            return wrong(format!("output {i}"), how);
        }
    }
    let tracked: Vec<(&Tensor, Option<usize>)> =
        call.tensors.iter().filter_map(|(x, gradient)| gradient.map(|place| (x, place))).collect();
    let gradients = gradients(&outputs, &tracked);
    for (i, (got, (_, want))) in gradients.iter().zip(&tracked).enumerate() {
        let how = match want {
            Some(want) => differs(got, &samples.arrays[*want], limit),
            // Nothing depends on it.
            None => numbers(got).iter().any(|x| *x != 0.0).then(|| "not zero, but expected none".to_string()),
        };
        if let Some(how) = how {
            return wrong(format!("gradient {i}"), how);
        }
    }
    Ok(())
}

/// The gradients of the outputs contracted with the weights of the file's README; zeros where nothing depends.
fn gradients(outputs: &[Tensor], tracked: &[(&Tensor, Option<usize>)]) -> Vec<Tensor> {
    let roots: Vec<(&Tensor, Tensor)> = outputs
        .iter()
        .enumerate()
        .filter(|(_, y)| y.is_tracked())
        .map(|(number, y)| {
            let weight = |i: usize| ((i * 7 + 3 * number) % 11) as f64 / 4.0 - 1.25 + 0.125;
            let weights: Vec<f64> = (0..y.numel()).map(weight).collect();
            (y, Tensor::from_slice(&weights, y.shape()).cast(y.dtype()))
        })
        .collect();
    let xs: Vec<&Tensor> = tracked.iter().map(|(x, _)| *x).collect();
    if roots.is_empty() {
        return xs.iter().map(|x| x.zeros_like()).collect();
    }
    let (ys, dys): (Vec<&Tensor>, Vec<&Tensor>) = roots.iter().map(|(y, dy)| (*y, dy)).unzip();
    grad_from(&ys, &dys, &xs, Create::Value)
}

fn judge(
    samples: &Samples,
    op: &str,
    number: usize,
    sample: &Sample,
    dtype: DType,
    unlike: Unlike,
) -> Verdict {
    let (trouble, text) = match unlike {
        Unlike::Unmapped(reason) => return Verdict::Excluded { reason, rule: None },
        Unlike::Refused(text) => (Trouble::Refused, text),
        Unlike::Differs(text) => (Trouble::Differs, text),
    };
    let excuse = RULES.iter().position(|rule| rule.covers(op, trouble, &text, samples, sample));
    match excuse {
        Some(rule) => Verdict::Excluded { reason: RULES[rule].reason.to_string(), rule: Some(rule) },
        None => {
            let shape = |(array, _): &(usize, Option<Option<usize>>)| {
                let array = &samples.arrays[*array];
                format!("{:?} {:?}", array.kind, array.shape)
            };
            let tensors: Vec<String> = places(sample).iter().map(shape).collect();
            let arguments = format!("{:?} {:?}", sample.arguments, sample.named);
            Verdict::Failed(format!(
                "{op} sample {number} in {dtype}: {text}\n    tensors: {}\n    arguments: {arguments}",
                tensors.join(", ")
            ))
        }
    }
}
