//! A case: one operation run in every way.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};

use super::{Proof, Property, gradcheck, gradgradcheck, jvp_check};
use crate::dtype::DType;
use crate::random::Rng;
use crate::tensor::Tensor;
use crate::watch;

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
    /// What is deliberately not proven, and why: see [`Case::without`].
    pub unproven: Vec<(Property, String)>,
}

impl<'a> Case<'a> {
    /// A case with inputs between -2 and 2 and no shapes yet.
    pub fn new(name: &'a str, f: impl Fn(&[&Tensor]) -> Tensor + 'a) -> Case<'a> {
        let (shapes, refuses, unproven) = (vec![], vec![], vec![]);
        Case { name, f: Box::new(f), shapes, refuses, domain: -2.0..2.0, unproven }
    }

    /// Adds one list of input shapes.
    pub fn shapes(mut self, shapes: &[&[usize]]) -> Case<'a> {
        self.shapes.push(shapes.iter().map(|s| s.to_vec()).collect());
        self
    }

    /// Leaves a property unproven, for a reason that the coverage table shows.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::testing::{Case, Property, check_case};
    /// let case = Case::new("step", |x| x[0].sign()).shapes(&[&[3]]);
    /// check_case(&case.without(Property::Second, "the first derivative is 0 everywhere"));
    /// ```
    pub fn without(mut self, property: Property, reason: impl Into<String>) -> Case<'a> {
        self.unproven.push((property, reason.into()));
        self
    }

    fn wants(&self, property: Property) -> bool {
        self.unproven.iter().all(|(other, _)| *other != property)
    }
}

/// Proves an operation: first and second derivatives and forward mode against finite differences, the same result for
/// inputs in every memory layout, `f32` beside `f64`, and refusals that name the shapes.
///
/// What holds is recorded for the coverage table, see [`Proof::record`].
///
/// # Panics
/// When one of these fails, with what was expected.
#[track_caller]
pub fn check_case(case: &Case<'_>) {
    assert!(!case.shapes.is_empty(), "{}: a case without shapes proves nothing", case.name);
    let mut proof = Proof::new(case.name, Location::caller());
    for (number, shapes) in case.shapes.iter().enumerate() {
        let rng = &mut Rng::seed(number as u64 + 1);
        let inputs: Vec<Tensor> = shapes
            .iter()
            .map(|s| rng.uniform(s.as_slice(), case.domain.start, case.domain.end, DType::F64))
            .collect();
        check_shapes(case, &inputs.iter().collect::<Vec<_>>(), &mut proof);
    }
    for shapes in case.refuses.iter().filter(|_| case.wants(Property::Refusals)) {
        check_refusal(case, shapes);
        proof.refusals += 1;
        proof.proven.insert(Property::Refusals);
    }
    proof.shapes = case.shapes.len();
    proof.reasons.extend(case.unproven.iter().cloned());
    if proof.inputs == 1 {
        proof.reasons.entry(Property::Broadcast).or_insert("it has one input".into());
    }
    proof.record();
}

/// All properties for one list of inputs.
#[track_caller]
fn check_shapes(case: &Case<'_>, inputs: &[&Tensor], proof: &mut Proof) {
    let shapes: Vec<String> = inputs.iter().map(|x| x.shape().to_string()).collect();
    let check = |result: Result<(), String>| {
        if let Err(e) = result {
            panic!("{} on {}: {e}", case.name, shapes.join(" x "));
        }
    };
    let leaves: Vec<Tensor> = inputs.iter().map(|x| x.detach().requires_grad()).collect();
    let (y, names) = watch::names(|| (case.f)(&leaves.iter().collect::<Vec<_>>()));
    proof.ops.extend(names);
    proof.inputs = proof.inputs.max(inputs.len());
    let mut proven = |property: Property, holds: bool| {
        if holds && case.wants(property) {
            proof.proven.insert(property);
        }
    };
    // Nothing can be wrong with the derivative of nothing.
    let differentiable = y.is_tracked() && y.numel() > 0 && inputs.iter().any(|x| x.numel() > 0);
    if case.wants(Property::First) {
        check(gradcheck(&case.f, inputs));
        proven(Property::First, differentiable);
    }
    if case.wants(Property::Second) {
        check(gradgradcheck(&case.f, inputs));
        proven(Property::Second, differentiable);
    }
    if case.wants(Property::Forward) {
        check(jvp_check(&case.f, inputs));
        proven(Property::Forward, differentiable);
    }
    if case.wants(Property::Strided) {
        check_layouts(case, inputs);
        proven(Property::Strided, inputs.iter().any(|x| x.numel() > 1));
    }
    let pairs = || inputs.iter().enumerate().flat_map(|(i, a)| inputs[..i].iter().map(move |b| (a, b)));
    proven(
        Property::Broadcast,
        pairs().any(|(a, b)| a.shape() != b.shape() && a.shape().broadcast(b.shape()).is_some()),
    );
    proven(Property::Empty, inputs.iter().any(|x| x.numel() == 0));
    proof.dtypes.insert(DType::F64);
    if case.wants(Property::Dtypes) && check_single(case, inputs) {
        proof.dtypes.insert(DType::F32);
        proof.proven.insert(Property::Dtypes);
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

/// In `f32` the result and the gradients are those of `f64` up to its rounding. False when the case runs in `f64` only.
fn check_single(case: &Case<'_>, inputs: &[&Tensor]) -> bool {
    let single: Vec<Tensor> = inputs.iter().map(|x| x.cast(DType::F32).requires_grad()).collect();
    let double: Vec<Tensor> = single.iter().map(|x| x.detach().cast(DType::F64).requires_grad()).collect();
    let run = |list: &[Tensor]| {
        let refs: Vec<&Tensor> = list.iter().collect();
        catch_unwind(AssertUnwindSafe(|| (case.f)(&refs)))
    };
    // Closures with f64 constants of their own cannot run in f32; they say so by refusing.
    let (Ok(y), Ok(want)) = (run(&single), run(&double)) else { return false };
    if y.dtype() != DType::F32 || !y.is_tracked() {
        return false;
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
    true
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
