//! The walk: depth, order, freeing, errors.

use super::*;
use crate::op::{MultiOp, Op, OpError, Saved, Spec, apply, apply_multi};
use crate::{DType, Param};

#[test]
fn a_million_operations_run_and_drop_without_recursion() {
    let chain = |x: &Tensor| (0..1_000_000).fold(x.clone(), |y, _| y + 1.0);
    let x = Tensor::scalar(0.0f64).requires_grad();
    let y = chain(&x);
    assert_eq!(y.item(), 1_000_000.0);
    assert_eq!(y.backward().wrt(&x).item(), 1.0);
    drop(chain(&x));
}

#[test]
fn a_value_used_twice_gets_both_gradients() {
    let x = Tensor::scalar(3.0f64).requires_grad();
    let y = &x * &x;
    let z = &y + &y * &x;
    // z = x² + x³
    assert_eq!(z.backward().wrt(&x).item(), 6.0 + 27.0);
}

#[test]
fn a_wide_graph_adds_up() {
    let xs: Vec<Tensor> = (0..5000).map(|i| Tensor::scalar(i as f64).requires_grad()).collect();
    let squares: Vec<Tensor> = xs.iter().map(|x| x.square()).collect();
    let total = Tensor::stack(&squares.iter().collect::<Vec<_>>(), 0).sum(..);
    let grads = total.backward();
    assert!(xs.iter().enumerate().all(|(i, x)| grads.wrt(x).item() == 2.0 * i as f64));
}

#[test]
fn third_derivatives() {
    let x = Tensor::scalar(0.7f64).requires_grad();
    let mut y = x.sin();
    for want in [0.7f64.cos(), -0.7f64.sin(), -0.7f64.cos(), 0.7f64.sin()] {
        y = grad(&[&y], &[&x], Create::Graph).remove(0);
        assert!((y.item() - want).abs() < 1e-15);
    }
}

#[test]
fn gradients_of_intermediate_values() {
    let x = Tensor::scalar(2.0f64).requires_grad();
    let y = x.square();
    let z = y.exp();
    let got = grad(&[&z], &[&y, &x], Create::Value);
    assert_eq!(got[0].item(), 4.0f64.exp());
    assert_eq!(got[1].item(), 4.0 * 4.0f64.exp());
}

#[test]
fn an_input_that_took_no_part_gets_zeros() {
    let (x, other) = (Tensor::scalar(2.0f64).requires_grad(), Tensor::scalar(2.0f64).requires_grad());
    assert_eq!(grad(&[&x.square()], &[&other], Create::Value)[0].item(), 0.0);
    assert!(x.square().backward().get(&other).is_none());
}

#[test]
fn backward_frees_what_was_saved_even_when_tensors_stay() {
    let w = Param::new(Tensor::ones([2], DType::F32));
    let y = w.get() * &w.get();
    let loss = y.sum(..);
    loss.backward();
    // `y` still points into the graph; the parameter is nevertheless changed in place.
    let before = w.get().to_vec::<f32>();
    w.update(|x| assert!(x.value_mut().is_unique()));
    assert_eq!((before, y.to_vec::<f32>()), (vec![1.0, 1.0], vec![1.0, 1.0]));
}

#[test]
#[should_panic(expected = "already used by a backward()")]
fn a_graph_is_used_once() {
    let x = Tensor::scalar(2.0f64).requires_grad();
    let y = x.square();
    let z = y.exp();
    z.clone().backward();
    z.backward();
}

#[test]
#[should_panic(expected = "backward: the loss must have one element, got [3]")]
fn a_loss_is_a_scalar() {
    Tensor::ones([3], DType::F32).requires_grad().square().backward();
}

#[test]
#[should_panic(expected = "backward: the loss [1] is not tracked")]
fn a_loss_is_tracked() {
    Tensor::ones([1], DType::F32).square().backward();
}

#[derive(Debug)]
struct Opaque;

impl Op for Opaque {
    fn name(&self) -> &'static str {
        "opaque"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        Ok(inputs[0])
    }

    fn forward(&self, inputs: &[&Tensor], _: &Spec, _: &mut Saved) -> Tensor {
        inputs[0].exp()
    }

    fn vjp(&self, _: &Saved, _: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        unreachable!("never recorded")
    }

    fn no_derivative(&self) -> Option<&'static str> {
        Some("use exp() instead, or detach() the input")
    }
}

#[test]
fn an_operation_without_derivative_refuses_tracked_inputs() {
    let x = Tensor::scalar(1.0f32);
    assert_eq!(apply(Opaque, &[&x]).item(), 1.0f32.exp() as f64);
    let error = crate::try_apply(Opaque, &[&x.requires_grad()]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "opaque: has no derivative, but input 0 [] needs a gradient; use exp() instead, or detach() the input"
    );
}

/// A kernel alone has no derivative: on a tracked tensor it runs inside of an operation or not at all.
#[test]
#[should_panic(
    expected = "run_custom: input 1 [2] is tracked, and its gradient would be lost; call this from the"
)]
fn a_kernel_outside_of_an_operation_refuses_tracked_tensors() {
    #[derive(Debug)]
    struct Nothing;
    impl crate::CustomKernel for Nothing {
        fn run(&self, _: &[crate::HostArray<'_>], _: &mut [crate::HostArrayMut<'_>]) {}
    }
    let x = Tensor::ones([2], DType::F32);
    let y = x.clone().requires_grad();
    Tensor::run_custom(std::sync::Arc::new(Nothing), &[&x, &y], &x.spec());
}

#[test]
fn tracked_tensors_are_changed_in_place_by_nobody() {
    let x = Tensor::ones([2], DType::F32).requires_grad();
    let message = |f: &dyn Fn()| {
        let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).expect_err("it is refused");
        match payload.downcast::<String>() {
            Ok(message) => *message,
            Err(payload) => payload.downcast::<&str>().expect("a message").to_string(),
        }
    };
    let update = || {
        let step = crate::Update::Sgd(crate::update_rules::Sgd { lr: 1.0, ..Default::default() });
        x.clone().update(&step, &Tensor::ones([2], DType::F32), &mut []);
    };
    assert_eq!(message(&update), "update: the tensor [2] is tracked; update a Param, or detach()");
    // What is given away lends its memory only where nothing is recorded.
    let y = x.clone() * 2.0 + &x;
    assert_eq!(y.sum(..).backward().wrt(&x).to_vec::<f32>(), [3.0, 3.0]);
    // Results of whole numbers carry no gradient, and the loss says so.
    let loss = || drop(x.argmax(0).backward());
    assert!(message(&loss).starts_with("backward: the loss [] is not tracked"));
}

/// Sum and difference at once.
#[derive(Debug)]
struct SumDifference;

impl MultiOp for SumDifference {
    fn name(&self) -> &'static str {
        "sum_difference"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Vec<Spec>, OpError> {
        Ok(vec![inputs[0], inputs[0]])
    }

    fn forward(&self, inputs: &[&Tensor], _: &[Spec], _: &mut Saved) -> Vec<Tensor> {
        vec![inputs[0] + inputs[1], inputs[0] - inputs[1]]
    }

    fn vjp(&self, saved: &Saved, dys: Vec<Option<Tensor>>, _: &[bool]) -> Vec<Option<Grad>> {
        let zero = || Tensor::zeros(saved.shape(0), DType::F64);
        let [s, d] = [0, 1].map(|i| dys[i].clone().unwrap_or_else(zero));
        vec![Some((&s + &d).into()), Some((s - d).into())]
    }
}

#[test]
fn several_outputs_share_one_record() {
    let (a, b) = (Tensor::scalar(5.0f64).requires_grad(), Tensor::scalar(3.0f64).requires_grad());
    let ys = apply_multi(SumDifference, &[&a, &b]);
    let loss = &ys[0] * &ys[1];
    let grads = loss.backward();
    assert_eq!((grads.wrt(&a).item(), grads.wrt(&b).item()), (10.0, -6.0));
    let ys = apply_multi(SumDifference, &[&a, &b]);
    let grads = ys[1].square().backward();
    assert_eq!((grads.wrt(&a).item(), grads.wrt(&b).item()), (4.0, -4.0));
    let product = |x: &[&Tensor]| {
        let ys = apply_multi(SumDifference, &[x[0], x[1]]);
        &ys[0] * ys[1].exp()
    };
    crate::testing::gradcheck(&product, &[&a, &b]).unwrap();
    crate::testing::gradgradcheck(&product, &[&a, &b]).unwrap();
}

#[test]
fn accumulated_gradients_are_those_of_the_whole() {
    let x = Tensor::from_slice(&[1.0f64, 2.0], [2]).requires_grad();
    let mut grads = (&x * 3.0).sum(..).backward();
    grads += x.square().sum(..).backward();
    assert_eq!(grads.wrt(&x).to_vec::<f64>(), [5.0, 7.0]);
}

#[test]
fn gradients_of_graphs_joined_across_threads() {
    let x = Tensor::scalar(2.0f64).requires_grad();
    let parts: Vec<Tensor> = std::thread::scope(|s| {
        let threads: Vec<_> = (0..4)
            .map(|i| {
                s.spawn({
                    let x = &x;
                    move || x.powf(i as f64)
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let total = Tensor::stack(&parts.iter().collect::<Vec<_>>(), 0).sum(..);
    // 1 + x + x² + x³
    assert_eq!(total.backward().wrt(&x).item(), 1.0 + 4.0 + 12.0);
}
