//! The examples of `docs/autodiff.md`, word for word, and what the layers do under them.

use talweg::prelude::*;
use talweg::tensor::testing::{gradcheck, gradgradcheck, jvp_check};
use talweg::tensor::{AnomalyOptions, checkpoint, detect_anomaly};
use talweg::{grad_from, hessian, hvp, jacobian, jvp, vjp};

#[test]
fn gradients_of_any_order() {
    let x = Tensor::from_slice(&[3.0f64], [1]).requires_grad();
    let y = &x * &x * &x;
    let dy = grad(&[&y], &[&x], Create::Graph).remove(0);
    let ddy = grad(&[&dy], &[&x], Create::Graph).remove(0);
    let dddy = grad(&[&ddy], &[&x], Create::Value).remove(0);
    assert_eq!((dy.item(), ddy.item(), dddy.item()), (27.0, 18.0, 6.0));
    let weighted = grad_from(&[&y], &[&Tensor::full([1], 2.0, DType::F64)], &[&x], Create::Value);
    assert_eq!(weighted[0].item(), 54.0);
}

#[test]
fn derivatives_of_functions() {
    let f = |x: &[&Tensor]| x[0] * x[1].exp();
    let (a, b) = (Tensor::scalar(2.0f64), Tensor::scalar(0.0f64));
    let one = Tensor::scalar(1.0f64);

    let (y, dx) = vjp(f, &[&a, &b], &one); // both partial derivatives at once
    assert_eq!((y.item(), dx[0].item(), dx[1].item()), (2.0, 1.0, 2.0));

    let (_, ty) = jvp(f, &[&a, &b], &[&one, &one]); // the change along (1, 1)
    assert_eq!(ty.item(), 3.0);

    let (_, h) = hvp(f, &[&a, &b], &[&one, &one]); // [[0, 1], [1, 2]] times (1, 1)
    assert_eq!((h[0].item(), h[1].item()), (1.0, 3.0));

    let x = Tensor::from_slice(&[1.0f64, 2.0], [2]);
    let j = jacobian(|x| x.square(), &x);
    assert_eq!(j.to_vec::<f64>(), [2.0, 0.0, 0.0, 4.0]);

    let h = hessian(|x| x.powf(3.0).sum(..), &x);
    assert_eq!(h.to_vec::<f64>(), [6.0, 0.0, 0.0, 12.0]);
}

#[test]
fn newton_by_products_with_the_hessian() {
    // One step of Newton's method on a parabola finds its bottom.
    let f = |x: &Tensor| (x - 3.0).square().sum(..);
    let x = Tensor::from_slice(&[10.0f64], [1]);
    let slope = jacobian(f, &x);
    let curvature = hessian(f, &x).reshape([1]);
    assert_eq!((x - slope / curvature).item(), 3.0);
}

#[test]
fn hooks() {
    let model = seq![Linear::new(2, 4, &mut Rng::seed(1)), Tanh, Linear::new(4, 1, &mut Rng::seed(2))];
    let x = Tensor::ones([3, 2], DType::F32);
    let (_, weight) = model.params().remove(0);

    let hook = weight.register_hook(|dw| match dw {
        Grad::Dense(dw) => Some(dw.clamp(-0.01, 0.01).into()),
        Grad::Rows { .. } => None, // leave it
    });
    let grads = model.forward(&x, &mut Mode::Eval).sum(..).backward();
    assert!(grads.wrt(&weight).abs().max(..).item() <= 0.01);
    drop(hook); // the hook is gone

    let grads = model.forward(&x, &mut Mode::Eval).sum(..).backward();
    assert!(grads.wrt(&weight).abs().max(..).item() > 0.01);
}

#[test]
fn memory_for_time() {
    let rng = &mut Rng::seed(1);
    let block =
        |rng: &mut Rng| seq![Linear::new(8, 32, rng), Gelu, Dropout::new(0.1), Linear::new(32, 8, rng)];
    let model = seq![Checkpoint::new(block(rng)), Checkpoint::new(block(rng)), Linear::new(8, 1, rng)];
    let loss = model.forward(&Tensor::ones([4, 8], DType::F32), &mut Mode::Train(rng)).square().mean(..);
    assert!(model.gradient_report(&loss.backward()).is_complete());

    let x = Tensor::ones([4, 8], DType::F32).requires_grad();
    let y = checkpoint(|x, rng| x[0].sin().dropout(0.5, rng).exp(), &[&x], rng);
    assert_eq!(y.sum(..).backward().wrt(&x).shape(), &[4, 8]);
}

#[test]
fn the_operation_that_made_a_nan() {
    let model = seq![Linear::new(2, 4, &mut Rng::seed(1)), seq![Relu]];
    let x = Tensor::ones([3, 2], DType::F32);
    let found = detect_anomaly(AnomalyOptions::default(), || {
        let y = model.forward(&x, &mut Mode::Eval);
        (y - 1e3).ln().mean(..).backward()
    });
    let message = found.unwrap_err().to_string();
    let start = "ln: made NaN in 12 of 12 elements of its result f32 [3, 4], the first at [0, 0]; inputs f32 [3, 4]; called at ";
    assert!(message.starts_with(start), "{message}");
    assert!(message.contains("autodiff.rs:"), "{message}");
}

#[test]
fn parameters_that_nothing_reaches() {
    let (body, head) = (Linear::new(2, 4, &mut Rng::seed(1)), Linear::new(4, 1, &mut Rng::seed(2)));
    let hidden = body.forward(&Tensor::ones([3, 2], DType::F32), &mut Mode::Eval);
    let loss = head.forward(&hidden.detach(), &mut Mode::Eval).sum(..);
    let report = body.gradient_report(&loss.backward());
    assert!(
        report
            .to_string()
            .starts_with("0 of 2 trained parameters have a gradient\nweight: none; no parameter of the")
    );
}

#[test]
fn checks_against_finite_differences() {
    let x = Rng::seed(1).normal([2, 3], 0.0, 1.0, DType::F64);
    let f = |x: &[&Tensor]| x[0].tanh() * x[0];
    gradcheck(&f, &[&x]).unwrap();
    gradgradcheck(&f, &[&x]).unwrap();
    jvp_check(&f, &[&x]).unwrap();
    let cut = |x: &[&Tensor]| x[0].detach() * x[0];
    let message = gradcheck(&cut, &[&x]).unwrap_err();
    assert!(message.starts_with("input 0 [2, 3], element ["), "{message}");
    assert!(message.ends_with("; 6 of 6 elements are wrong"), "{message}");
}

/// Second derivatives and forward mode go through whole models with their parameters.
#[test]
fn transforms_of_a_model() {
    let model = seq![Linear::new(3, 5, &mut Rng::seed(1)), Tanh, Linear::new(5, 2, &mut Rng::seed(2))];
    model.to_dtype(DType::F64);
    let x = Rng::seed(3).normal([4, 3], 0.0, 1.0, DType::F64);
    let f = |x: &[&Tensor]| model.forward(x[0], &mut Mode::Eval);
    gradcheck(&f, &[&x]).unwrap();
    jvp_check(&f, &[&x]).unwrap();
    // A penalty on the slope by the input has a gradient by every weight.
    let (_, dx) = vjp(|x| f(x).square().sum(..), &[&x], &Tensor::scalar(1.0f64));
    let report = model.gradient_report(&dx[0].square().sum(..).backward());
    assert!(report.is_complete(), "{report}");
}
