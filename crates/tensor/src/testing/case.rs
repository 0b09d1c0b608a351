//! A case: one operation run in every way.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{gradcheck, gradgradcheck};
use crate::dtype::DType;
use crate::random::Rng;
use crate::tensor::Tensor;

/// An operation and the inputs it is tried on.
pub struct Case<'a> {
    /// The name that failures show.
    pub name: &'a str,
    /// The operation, as a function of its inputs.
    pub f: Box<dyn Fn(&[&Tensor]) -> Tensor + 'a>,
    /// Lists of input shapes that it takes.
    pub shapes: Vec<Vec<Vec<usize>>>,
    /// Lists of input shapes that it must refuse.
    pub refuses: Vec<Vec<Vec<usize>>>,
    /// Where inputs are drawn from: keep kinks out of it.
    pub domain: Range<f64>,
    /// Whether it can be differentiated twice.
    pub twice: bool,
}

impl<'a> Case<'a> {
    /// A case with inputs between -2 and 2 and no shapes yet.
    pub fn new(name: &'a str, f: impl Fn(&[&Tensor]) -> Tensor + 'a) -> Case<'a> {
        Case { name, f: Box::new(f), shapes: vec![], refuses: vec![], domain: -2.0..2.0, twice: true }
    }

    /// Adds one list of input shapes.
    pub fn shapes(mut self, shapes: &[&[usize]]) -> Case<'a> {
        self.shapes.push(shapes.iter().map(|s| s.to_vec()).collect());
        self
    }
}

/// Proves an operation: first and second derivatives against finite differences, the same result for inputs in every
/// memory layout, `f32` beside `f64`, and refusals that name the shapes.
///
/// # Panics
/// When one of these fails, with what was expected.
#[track_caller]
pub fn check_case(case: &Case<'_>) {
    assert!(!case.shapes.is_empty(), "{}: a case without shapes proves nothing", case.name);
    for (number, shapes) in case.shapes.iter().enumerate() {
        let rng = &mut Rng::seed(number as u64 + 1);
        let inputs: Vec<Tensor> = shapes
            .iter()
            .map(|s| rng.uniform(s.as_slice(), case.domain.start, case.domain.end, DType::F64))
            .collect();
        let inputs: Vec<&Tensor> = inputs.iter().collect();
        let fail = |what: &str| -> ! { panic!("{} on {shapes:?}: {what}", case.name) };
        if let Err(e) = gradcheck(&case.f, &inputs) {
            fail(&e);
        }
        if case.twice
            && let Err(e) = gradgradcheck(&case.f, &inputs)
        {
            fail(&e);
        }
        check_layouts(case, &inputs);
        check_single(case, &inputs);
    }
    for shapes in &case.refuses {
        check_refusal(case, shapes);
    }
}

/// The same numbers in other memory: transposed, in the middle of a larger buffer, backwards.
fn check_layouts(case: &Case<'_>, inputs: &[&Tensor]) {
    let want = (case.f)(inputs);
    let layouts: [(&str, fn(&Tensor) -> Tensor); 3] =
        [("transposed", transposed), ("embedded", embedded), ("backwards", backwards)];
    for (layout, change) in layouts {
        for i in 0..inputs.len() {
            let changed = change(inputs[i]);
            assert_eq!(changed.to_vec::<f64>(), inputs[i].to_vec::<f64>(), "the layout changed the numbers");
            let mut list = inputs.to_vec();
            list[i] = &changed;
            let got = (case.f)(&list);
            let (got, want) = (values(&got), values(&want));
            // Another memory layout may only change the order of sums.
            let same = got.len() == want.len()
                && got.iter().zip(&want).all(|(a, b)| (a - b).abs() <= 1e-12 * b.abs().max(1.0) || a == b);
            assert!(same, "{}: input {i} {layout} gives {got:?}, not {want:?}", case.name);
        }
    }
}

fn transposed(x: &Tensor) -> Tensor {
    let back: Vec<usize> = (0..x.rank()).rev().collect();
    // Reversing twice, with a copy in between, leaves the numbers in reversed memory order.
    let copy = Tensor::from_slice(&x.permute(&back).to_vec::<f64>(), x.permute(&back).shape());
    copy.permute(&back)
}

fn embedded(x: &Tensor) -> Tensor {
    if x.rank() == 0 {
        return Tensor::cat(&[&x.unsqueeze(0).full_like(9.0), &x.unsqueeze(0)], 0).narrow(0, 1, 1).squeeze(0);
    }
    let around = x.full_like(9.0);
    Tensor::cat(&[&around, x, &around], -1).narrow(-1, x.size(-1), x.size(-1))
}

fn backwards(x: &Tensor) -> Tensor {
    if x.rank() == 0 {
        return x.clone();
    }
    let flipped = x.flip(0);
    Tensor::from_slice(&flipped.to_vec::<f64>(), flipped.shape()).flip(0)
}

/// In `f32` the result and the gradients are those of `f64` up to its rounding.
fn check_single(case: &Case<'_>, inputs: &[&Tensor]) {
    let single: Vec<Tensor> = inputs.iter().map(|x| x.cast(DType::F32).requires_grad()).collect();
    let double: Vec<Tensor> = single.iter().map(|x| x.detach().cast(DType::F64).requires_grad()).collect();
    let run = |list: &[Tensor]| {
        let refs: Vec<&Tensor> = list.iter().collect();
        catch_unwind(AssertUnwindSafe(|| (case.f)(&refs)))
    };
    // Closures with f64 constants of their own cannot run in f32; they say so by refusing.
    let (Ok(y), Ok(want)) = (run(&single), run(&double)) else { return };
    if y.dtype() != DType::F32 || !y.is_tracked() {
        return;
    }
    close(case, "the result", &values(&y), &values(&want));
    let (got, want) = (y.sum(..).backward(), want.sum(..).backward());
    for (i, (a, b)) in single.iter().zip(&double).enumerate() {
        let dense =
            |grads: &crate::Gradients, x: &Tensor| grads.get(x).map(|g| values(&g.to_dense(x.shape())));
        match (dense(&got, a), dense(&want, b)) {
            (Some(got), Some(want)) => close(case, &format!("the gradient of input {i}"), &got, &want),
            (got, want) => assert_eq!(got.is_some(), want.is_some(), "{}: input {i}", case.name),
        }
    }
}

fn close(case: &Case<'_>, what: &str, got: &[f64], want: &[f64]) {
    for (k, (got, want)) in got.iter().zip(want).enumerate() {
        // A few hundred roundings of 6e-8 at most.
        let fine = (got - want).abs() <= 2e-5 * want.abs().max(1.0);
        assert!(fine, "{}: {what} in f32 has {got} at element {k}, in f64 {want}", case.name);
    }
}

fn values(x: &Tensor) -> Vec<f64> {
    x.detach().cast(DType::F64).to_vec()
}

fn check_refusal(case: &Case<'_>, shapes: &[Vec<usize>]) {
    let inputs: Vec<Tensor> = shapes.iter().map(|s| Tensor::ones(s.as_slice(), DType::F64)).collect();
    let inputs: Vec<&Tensor> = inputs.iter().collect();
    let message = match catch_unwind(AssertUnwindSafe(|| (case.f)(&inputs))) {
        Ok(y) => panic!("{}: {shapes:?} must be refused, but gives {}", case.name, y.shape()),
        Err(payload) => payload
            .downcast::<String>()
            .map(|s| *s)
            .or_else(|payload| payload.downcast::<&str>().map(|s| s.to_string()))
            .unwrap_or_default(),
    };
    let (op, named) = (message.split(':').next().unwrap_or_default(), message.contains('['));
    let plain =
        !op.is_empty() && op.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit());
    assert!(plain && named, "{}: the refusal of {shapes:?} must name op and shapes: {message:?}", case.name);
}
