//! Which operation is found, forward and backward, and what its message says.

use super::*;
use crate::{
    CustomKernel, Op, OpError, Param, Rng, Saved, Tensor, apply, capture, checkpoint, grad_from, no_grad,
};

fn find<R>(f: impl FnOnce() -> R) -> Anomaly {
    *detect_anomaly(AnomalyOptions::default(), f).err().expect("there is an anomaly")
}

fn leaf(numbers: &[f64]) -> Tensor {
    Tensor::from_slice(numbers, [numbers.len()]).requires_grad()
}

#[test]
fn the_first_operation_is_named_with_its_line() {
    let x = leaf(&[1.0, -4.0, -9.0]);
    let line = line!() + 1;
    let found = find(|| (x.ln() + 1.0).exp().sum(..).backward());
    let location = found.location.unwrap();
    assert_eq!((found.op, found.found, found.count), ("ln", Found::Result(0), 2));
    assert_eq!((location.file(), location.line()), (file!(), line));
    assert_eq!(
        found.to_string(),
        format!(
            "ln: made NaN in 2 of 3 elements of its result f64 [3], the first at [1]; inputs f64 [3]; called at {location}"
        )
    );
    assert_eq!(found.leaves, [x.leaf_id().unwrap()]);
}

#[test]
fn a_gradient_names_the_line_of_the_forward_call() {
    let x = leaf(&[0.0, 1.0]);
    let line = line!() + 2;
    let found = find(|| {
        let y = x.sqrt();
        let z = &y * &y * 0.0;
        z.sum(..).backward()
    });
    // 0 from the square, times the infinite slope of the root at 0.
    assert_eq!((found.op, found.found, found.at.as_slice()), ("sqrt", Found::Gradient(0), &[0][..]));
    assert_eq!(found.location.unwrap().line(), line);
    assert!(
        found
            .to_string()
            .contains("its derivative made NaN in 1 of 2 elements of the gradient of input 0 f64 [2]")
    );
}

#[test]
fn what_comes_from_outside_is_not_blamed_on_an_operation() {
    let (data, w) = (Tensor::from_slice(&[1.0f32, f32::NAN], [1, 2]), Tensor::ones([2, 1], DType::F32));
    let found = find(|| data.matmul(&w.clone().requires_grad()));
    assert_eq!((found.op, found.found), ("matmul", Found::Input(0)));
    let message = found.to_string();
    assert!(
        message.starts_with(
            "matmul: received NaN in 1 of 2 elements of input 0 f32 [1, 2], the first at [0, 1]; "
        ),
        "{message}"
    );
    assert!(
        message.contains("look at the data and the parameters; inputs f32 [1, 2] x f32 [2, 1]"),
        "{message}"
    );
}

#[test]
fn sums_starts_and_hooks_are_told_apart() {
    let x = leaf(&[1.0]);
    let infinite = Tensor::from_slice(&[f64::INFINITY], [1]);
    let found = find(|| {
        let y = x.exp();
        grad_from(&[&y, &y], &[&infinite, &-&infinite], &[&x], crate::Create::Value)
    });
    assert_eq!((found.op, found.found), ("exp", Found::Sum(0)));
    let found = find(|| grad_from(&[&x.exp()], &[&(&infinite - &infinite)], &[&x], crate::Create::Value));
    assert_eq!((found.op, found.found), ("sub", Found::Result(0)));
    assert_eq!(found.infinite, [0, 1]);
    assert!(found.to_string().contains("; input 0 holds infinities; input 1 holds infinities; called at "));
    let nan = &infinite - &infinite;
    let found = find(|| grad_from(&[&x.exp()], &[&nan], &[&x], crate::Create::Value));
    assert_eq!(
        found.to_string(),
        "the gradient that the backward pass starts from has NaN in 1 of 1 elements of f64 [1]"
    );
    let found = find(|| {
        let y = x.exp();
        y.register_hook(move |_| Some(nan.clone().into())).keep();
        y.sum(..).backward()
    });
    assert_eq!((found.op, found.found), ("exp", Found::Hooked(0)));
}

#[test]
fn masks_are_no_anomaly_unless_infinities_are_looked_for() {
    let x = leaf(&[1.0, 2.0, 3.0]);
    let mask = Tensor::from_slice(&[false, true, false], [3]);
    let step = || {
        let masked = mask.select(&Tensor::full([], f64::NEG_INFINITY, DType::F64), &x);
        masked.softmax(-1).square().sum(..).backward()
    };
    assert!(detect_anomaly(AnomalyOptions::default(), step).is_ok());
    let found = detect_anomaly(AnomalyOptions { infinities: true }, step).unwrap_err();
    // The number itself comes from outside.
    assert_eq!((found.value, found.found), (f64::NEG_INFINITY, Found::Input(1)));
    let overflow = || (&x * 500.0).exp().sum(..);
    assert!(detect_anomaly(AnomalyOptions::default(), overflow).is_ok());
    let found = detect_anomaly(AnomalyOptions { infinities: true }, overflow).unwrap_err();
    assert_eq!((found.op, found.count, found.value), ("exp", 2, f64::INFINITY));
    assert!(found.to_string().starts_with("exp: made infinity in 2 of 3 elements of its result"));
}

#[test]
fn the_parts_of_an_operation_are_its_own_business() {
    // Inside of logsumexp infinities are taken from each other, and put right.
    let low = f64::NEG_INFINITY;
    let x = Tensor::from_slice(&[low, low, 1.0, 2.0], [2, 2]).requires_grad();
    assert!(detect_anomaly(AnomalyOptions::default(), || x.logsumexp(-1).exp().sum(..).backward()).is_ok());
}

#[test]
fn untracked_and_in_place_operations_are_looked_at_too() {
    let x = Tensor::from_slice(&[0.0f32, 1.0], [2]);
    let found = find(|| no_grad(|| (x.clone() - &x) / (x.clone() * 0.0)));
    assert_eq!((found.op, found.count), ("div", 2));
}

#[test]
fn modules_are_named() {
    let x = leaf(&[-1.0]);
    let found = find(|| in_module("block", || in_module(1, || x.ln())));
    assert!(found.to_string().contains("; in the module block.1; called at "));
    let found = find(|| {
        let y = in_module("outer", || in_module("root", || x.square().sqrt() * 0.0));
        let z = in_module("after", || y.sqrt() * 0.0);
        z.sum(..).backward()
    });
    assert_eq!((found.op, found.module.as_str()), ("sqrt", "after"));
}

#[test]
fn a_derivative_before_the_detection_has_no_line() {
    let y = leaf(&[0.0]).sqrt();
    let loss = (y * 0.0).sum(..);
    let found = find(|| loss.backward());
    assert_eq!((found.op, found.location), ("sqrt", None));
    assert!(found.to_string().ends_with("run the forward pass inside too to have its line"));
}

#[test]
fn second_derivatives_name_the_line_of_the_operation_that_they_are_of() {
    let x = leaf(&[0.0]);
    let line = line!() + 2;
    let found = find(|| {
        let y = x.powf(1.5).sum(..);
        let dx = crate::grad(&[&y], &[&x], crate::Create::Graph).remove(0);
        // The second derivative of x^1.5 is infinite at 0, and meets a 0.
        (dx * 0.0).sum(..).backward()
    });
    assert!(matches!(found.found, Found::Gradient(_)));
    assert_eq!(found.location.unwrap().line(), line);
}

#[test]
fn checkpoints_are_looked_into() {
    let x = leaf(&[0.0]);
    let block = |x: &[&Tensor], _: &mut Rng| in_module("root", || x[0].sqrt()) * 0.0;
    let found =
        find(|| in_module("outer", || checkpoint(block, &[&x], &mut Rng::seed(1))).sum(..).backward());
    assert_eq!((found.op, found.found, found.module.as_str()), ("sqrt", Found::Gradient(0), "outer.root"));
    let found = find(|| checkpoint(|x, _| (x[0] - 1.0).ln(), &[&x], &mut Rng::seed(1)));
    assert_eq!((found.op, found.found), ("ln", Found::Result(0)));
}

#[test]
fn panics_of_other_kinds_pass_through_and_the_detection_ends() {
    let x = leaf(&[-1.0]);
    let payload =
        catch_unwind(AssertUnwindSafe(|| detect_anomaly(AnomalyOptions::default(), || panic!("mine"))));
    assert_eq!(*payload.unwrap_err().downcast::<&str>().unwrap(), "mine");
    assert!(!is_on() && x.ln().sum(..).item().is_nan());
    assert_eq!(detect_anomaly(AnomalyOptions::default(), || 7).unwrap(), 7);
    find(|| x.ln());
    assert!(!is_on());
}

#[test]
fn a_captured_step_runs_as_it_is_meanwhile() {
    let w = Param::new(Tensor::from_slice(&[4.0f32], [1]));
    let mut step = capture(|x: &[&Tensor], _: &mut Rng| (x[0] * w.get()).sqrt().sum(..));
    let (rng, x, bad) =
        (&mut Rng::seed(1), Tensor::ones([1], DType::F32), Tensor::from_slice(&[-1.0f32], [1]));
    for _ in 0..3 {
        step.run(&[&x], rng);
    }
    assert_eq!(step.why_not(), None);
    let found = detect_anomaly(AnomalyOptions::default(), || {
        step.run(&[&x], rng);
        assert_eq!(step.why_not(), Some(REASON));
        step.run(&[&bad], rng);
    });
    assert_eq!(found.unwrap_err().op, "sqrt");
    assert_eq!(step.run(&[&x], rng).loss.item(), 2.0);
    assert_eq!(step.why_not(), None);
}

/// A custom operation is named like the others, and its own parts are not looked at.
#[test]
fn custom_operations_are_named() {
    #[derive(Debug)]
    struct Spoil;
    impl CustomKernel for Spoil {
        fn run(&self, _: &[crate::HostArray<'_>], outputs: &mut [crate::HostArrayMut<'_>]) {
            outputs[0].buffer.as_mut_slice::<f64>().fill(f64::NAN);
        }
    }
    impl Op for Spoil {
        fn name(&self) -> &'static str {
            "spoil"
        }
        fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
            Ok(inputs[0])
        }
        fn forward(&self, inputs: &[&Tensor], out: &Spec, _: &mut Saved) -> Tensor {
            Tensor::run_custom(Arc::new(Spoil), inputs, out)
        }
        fn vjp(&self, _: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
            vec![Some(dy.into())]
        }
    }
    let x = leaf(&[1.0, 2.0]);
    let found = find(|| apply(Spoil, &[&x]));
    assert_eq!((found.op, found.count, found.location.unwrap().file()), ("spoil", 2, file!()));
}
