//! Products with Jacobians and Hessians against closed forms, and derivatives of derivatives.

use super::*;
use crate::{DType, Param, Rng, grad, no_grad};

crate::cases! {
    argument: |x| apply(Argument, &[x[0]]); shapes [[2, 3]] [[0]] [[]];
}

fn numbers(seed: u64, shape: &[usize]) -> Tensor {
    Rng::seed(seed).normal(shape, 0.0, 1.0, DType::F64)
}

fn near(a: &Tensor, b: &Tensor) -> bool {
    a.shape() == b.shape()
        && a.to_vec::<f64>()
            .iter()
            .zip(b.to_vec::<f64>())
            .all(|(a, b)| (a - b).abs() <= 1e-12 * b.abs().max(1.0))
}

/// A matrix times a vector.
fn product(a: &Tensor, x: &Tensor) -> Tensor {
    (a * x).sum(1)
}

/// A function with a Jacobian that is known: `tanh(A x)` has `(1 - y²) A`.
#[test]
fn jacobians_of_a_layer_are_the_closed_form() {
    for (out, into) in [(2, 5), (5, 2), (3, 3)] {
        let (a, x) = (numbers(1, &[out, into]), numbers(2, &[into]));
        let f = |x: &Tensor| product(&a, x).tanh();
        let want = (1.0 - f(&x).square()).unsqueeze(1) * &a;
        assert!(near(&jacobian(f, &x), &want), "{out} x {into}");
        let (t, dy) = (numbers(3, &[into]), numbers(4, &[out]));
        let (y, ty) = jvp(|x| f(x[0]), &[&x], &[&t]);
        assert!(near(&y, &f(&x)) && near(&ty, &product(&want, &t)));
        let (y, dx) = vjp(|x| f(x[0]), &[&x], &dy);
        assert!(near(&y, &f(&x)) && near(&dx[0], &product(&want.t(), &dy)));
        assert!(!y.is_tracked() && !ty.is_tracked() && !dx[0].is_tracked());
    }
}

#[test]
fn hessians_of_a_quadratic_form_are_its_matrix() {
    let (a, x, v) = (numbers(1, &[3, 3]), numbers(2, &[3]), numbers(3, &[3]));
    let f = |x: &Tensor| (x * product(&a, x)).sum(..);
    let want = &a + a.t();
    assert!(near(&hessian(f, &x), &want));
    let (y, h) = hvp(|x| f(x[0]), &[&x], &[&v]);
    assert!(near(&y, &f(&x)) && near(&h[0], &product(&want, &v)));
    // In blocks: xᵀ A z.
    let z = numbers(4, &[3]);
    let blocks = hessians(|x| (x[0] * product(&a, x[1])).sum(..), &[&x, &z]);
    assert!(near(&blocks[0][1], &a) && near(&blocks[1][0], &a.t()));
    assert!(near(&blocks[0][0], &a.zeros_like()) && near(&blocks[1][1], &a.zeros_like()));
}

#[test]
fn shapes_are_those_of_result_and_input() {
    let x = numbers(1, &[2, 3]);
    assert_eq!(jacobian(|x| x.sum(1), &x).shape(), &[2, 2, 3]);
    assert_eq!(jacobian(|x| x.sum(..), &x).shape(), &[2, 3]);
    assert_eq!(jacobian(|x| x.unsqueeze(0).broadcast_to([4, 2, 3]), &x).shape(), &[4, 2, 3, 2, 3]);
    assert_eq!(hessian(|x| x.square().sum(..), &x).shape(), &[2, 3, 2, 3]);
    assert_eq!(jacobian(|x| x.narrow(0, 0, 0), &x).shape(), &[0, 3, 2, 3]);
    assert_eq!(jacobian(|x| x.sum(..) + 1.0, &Tensor::zeros([0], DType::F64)).shape(), &[0]);
}

#[test]
fn what_does_not_depend_on_the_input_has_zeros() {
    let (x, c) = (numbers(1, &[2]), numbers(2, &[3]));
    assert!(near(&jacobian(|_| c.clone(), &x), &Tensor::zeros([3, 2], DType::F64)));
    assert!(near(&jvp(|_| c.clone(), &[&x], &[&x]).1, &c.zeros_like()));
    assert!(near(&hessian(|x| x.sum(..), &x), &Tensor::zeros([2, 2], DType::F64)));
    assert!(near(&hvp(|x| x[0].sum(..), &[&x, &c], &[&x, &c]).1[1], &c.zeros_like()));
}

#[test]
fn forward_over_reverse_is_the_product_with_the_hessian() {
    let (x, v) = (numbers(1, &[4]), numbers(2, &[4]));
    let f = |x: &Tensor| (x.sin() * x.sum(..).exp()).sum(..);
    let gradient = |x: &[&Tensor]| vjp(|x| f(x[0]), x, &Tensor::scalar(1.0f64)).1.remove(0);
    let (dx, want) = (gradient(&[&x]), hvp(|x| f(x[0]), &[&x], &[&v]).1.remove(0));
    let (got_dx, got) = jvp(gradient, &[&x], &[&v]);
    assert!(near(&got_dx, &dx) && near(&got, &want));
    assert!(near(&jacobian(|x| gradient(&[x]), &x), &hessian(f, &x)));
    assert!(near(&product(&hessian(f, &x), &v), &want));
}

#[test]
fn forward_mode_repeated_gives_derivatives_of_any_order() {
    let one = Tensor::scalar(1.0f64);
    let x = Tensor::scalar(0.7f64);
    let d1 = |x: &[&Tensor]| jvp(|x| x[0].sin(), x, &[&one]).1;
    let d2 = |x: &[&Tensor]| jvp(d1, x, &[&one]).1;
    let d3 = |x: &[&Tensor]| jvp(d2, x, &[&one]).1;
    assert!((d1(&[&x]).item() - 0.7f64.cos()).abs() < 1e-15);
    assert!((d2(&[&x]).item() + 0.7f64.sin()).abs() < 1e-15);
    assert!((d3(&[&x]).item() + 0.7f64.cos()).abs() < 1e-15);
}

/// The inner derivative is by the argument alone, the outer one sees what the closure captures too.
#[test]
fn inner_and_outer_arguments_are_not_confused() {
    let one = Tensor::scalar(1.0f64);
    // d/dx ( x · d/dz (x + z) at z = 1 ) = 1, not 2.
    let x = Tensor::scalar(3.0f64).requires_grad();
    let inner = jvp(|z| &x + z[0], &[&one], &[&one]).1;
    let y = &x * inner;
    assert_eq!(grad(&[&y], &[&x], Create::Value)[0].item(), 1.0);
    // d/dx ( d/dz (x z) at z = x ) = 1: the point of the inner derivative is the outer variable.
    let (_, inner) = vjp(|z| &x * z[0], &[&x], &one);
    assert_eq!(grad(&[&inner[0]], &[&x], Create::Value)[0].item(), 1.0);
    // And of x z² at z = x, by z: 2 x², whose derivative is 4 x.
    let (_, inner) = vjp(|z| &x * z[0].square(), &[&x], &one);
    assert_eq!(inner[0].item(), 18.0);
    assert_eq!(grad(&[&inner[0]], &[&x], Create::Value)[0].item(), 12.0);
}

#[test]
fn parameters_that_the_function_brings_along_get_their_gradients() {
    let w = Param::new(Tensor::from_slice(&[2.0f64, -1.0], [2]));
    let x = Tensor::from_slice(&[0.5f64, 0.25], [2]);
    // A penalty on the gradient by the input: |∇ₓ (w x³)|² = 9 w² x⁴, whose gradient by w is 18 w x⁴.
    let (_, dx) = vjp(|x| (w.get() * x[0].powf(3.0)).sum(..), &[&x], &Tensor::scalar(1.0f64));
    let got = dx[0].square().sum(..).backward().wrt(&w);
    assert!(near(&got, &Tensor::from_slice(&[2.25f64, -18.0 / 256.0], [2])));
    let (y, ty) = jvp(|x| (w.get() * x[0].powf(3.0)).sum(..), &[&x], &[&x]);
    assert!(near(&ty.backward().wrt(&w), &(x.powf(3.0) * 3.0)) && y.is_tracked());
    let inside = no_grad(|| jvp(|x| w.get() * x[0], &[&x], &[&x]));
    assert!(!inside.0.is_tracked() && !inside.1.is_tracked());
    assert!(near(&inside.1, &Tensor::from_slice(&[1.0f64, -0.25], [2])));
}

/// A linear walk keeps no graph of what was saved, so that forward mode needs no second derivative.
#[test]
fn forward_mode_works_where_second_derivatives_do_not() {
    #[derive(Debug)]
    struct Cube;
    impl Op for Cube {
        fn name(&self) -> &'static str {
            "cube"
        }
        fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
            Ok(inputs[0])
        }
        fn forward(&self, inputs: &[&Tensor], _: &Spec, saved: &mut Saved) -> Tensor {
            saved.keep_input(0, inputs[0]);
            inputs[0].square() * inputs[0]
        }
        fn vjp(&self, saved: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
            let x = saved.input(0);
            assert!(!x.is_tracked(), "cube: has no second derivative");
            vec![Some((dy * (x.square() * 3.0)).into())]
        }
    }
    let x = numbers(1, &[3]);
    let (_, ty) = jvp(|x| apply(Cube, &[x[0]]), &[&x], &[&x]);
    assert!(near(&ty, &(x.powf(3.0) * 3.0)));
}

#[test]
fn mistakes_are_named() {
    let refused = |f: &dyn Fn()| {
        let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).expect_err("it is refused");
        payload.downcast::<String>().map(|s| *s).expect("a message")
    };
    let (x, whole) = (numbers(1, &[2]), Tensor::arange(2));
    let messages = [
        refused(&|| drop(vjp(|x| x[0].sum(..), &[&x], &x))),
        refused(&|| drop(jvp(|x| x[0].clone(), &[&x], &[&x.sum(..)]))),
        refused(&|| drop(jvp(|x| x[0].clone(), &[&x], &[]))),
        refused(&|| drop(hvp(|x| x[0].square(), &[&x], &[&x]))),
        refused(&|| drop(jacobian(|x| x.clone(), &whole))),
        refused(&|| drop(jacobian(|x| x.argmax(0), &x))),
        refused(&|| drop(jacobian(|x| x.reshape([1, 1, 1, 1, 2]), &x.reshape([1, 1, 1, 2])))),
    ];
    let want = [
        "vjp: the function gives [], but the gradient of its result is [2]; they must have one shape",
        "jvp: input 0 is f64 [2], its tangent f64 []; they must be alike",
        "jvp: 1 inputs but 0 tangents; each input needs one of its shape",
        "hvp: second derivatives are of a function with one element, this one gives [2]; reduce it with .sum(..) or \
         .mean(..)",
        "jacobian: input 0 [2] holds i64, but derivatives are by floating-point numbers; let the closure capture it",
        "jacobian: the function gives i64 [], which has no derivative; it must give floating-point numbers",
        "jacobian: the derivatives of [1, 1, 1, 1, 2] by [1, 1, 1, 2] have 9 axes, and a tensor has at most 8; flatten \
         the input or the result",
    ];
    assert_eq!(messages, want);
}
