//! Hooks: what they see, in which order, and when they are gone.

use std::sync::Mutex;

use super::*;
use crate::{Create, DType, Param, Rng, capture, grad, no_grad};

fn scaled(by: f64) -> impl Fn(&Grad) -> Option<Grad> + Send + Sync + 'static {
    move |dx| match dx {
        Grad::Dense(dx) => Some((dx * by).into()),
        Grad::Rows { index, values } => Some(Grad::Rows { index: index.clone(), values: values * by }),
    }
}

/// A hook that writes down what it sees.
fn heard() -> (Arc<Mutex<Vec<f64>>>, impl Fn(&Grad) -> Option<Grad> + Send + Sync + 'static) {
    let list = Arc::new(Mutex::new(Vec::new()));
    let heard = list.clone();
    let hook = move |dx: &Grad| {
        if let Grad::Dense(dx) = dx {
            heard.lock().unwrap().push(dx.sum(..).item());
        }
        None
    };
    (list, hook)
}

#[test]
fn a_hook_sees_the_whole_gradient_once() {
    let x = Tensor::scalar(3.0f64).requires_grad();
    let y = x.square();
    let (at_y, hook_y) = heard();
    let (at_x, hook_x) = heard();
    let handles = (y.register_hook(hook_y), x.register_hook(hook_x));
    // Three parts arrive at y, and two at x.
    (&y + &y * 2.0 + y.square() + &x).backward();
    assert_eq!(*at_y.lock().unwrap(), [1.0 + 2.0 + 18.0]);
    assert_eq!(*at_x.lock().unwrap(), [21.0 * 6.0 + 1.0]);
    drop(handles);
}

#[test]
fn hooks_run_in_order_and_each_sees_what_the_one_before_made() {
    let x = Tensor::scalar(1.0f64).requires_grad();
    for tensor in [x.clone(), &x * 1.0] {
        let first = tensor.register_hook(scaled(10.0));
        let (list, hook) = heard();
        let second = tensor.register_hook(hook);
        let third = tensor.register_hook(|dx| Some((dx.to_dense(&Shape::SCALAR) + 1.0).into()));
        let dx = |create| grad(&[&(&tensor * 2.0)], &[&tensor], create)[0].item();
        assert_eq!((dx(Create::Value), dx(Create::Graph)), (21.0, 21.0));
        first.remove();
        assert_eq!(dx(Create::Value), 3.0);
        assert_eq!(*list.lock().unwrap(), [20.0, 20.0, 2.0]);
        drop((second, third));
        assert_eq!(dx(Create::Value), 2.0);
        assert_eq!(list.lock().unwrap().len(), 3);
    }
}

#[test]
fn what_a_hook_makes_goes_on_to_the_leaves() {
    let x = Tensor::scalar(3.0f64).requires_grad();
    let y = x.square();
    y.register_hook(scaled(-1.0)).keep();
    let z = &y * 5.0;
    let got = grad(&[&z], &[&x, &y, &z], Create::Value);
    assert_eq!(got.iter().map(Tensor::item).collect::<Vec<_>>(), [-30.0, -5.0, 1.0]);
    assert_eq!(z.backward().wrt(&x).item(), -30.0);
}

#[test]
fn parameters_have_hooks_of_their_own() {
    let (w, other) = (Param::new(Tensor::scalar(2.0f32)), Param::new(Tensor::scalar(5.0f32)));
    let hook = w.register_hook(scaled(0.5));
    let grads = || {
        let grads = (w.get() * other.get() * w.get()).backward();
        (grads.wrt(&w).item(), grads.wrt(&other).item())
    };
    assert_eq!(grads(), (10.0, 4.0));
    drop(hook);
    assert_eq!(grads(), (20.0, 4.0));
}

#[test]
fn the_gradient_of_a_table_comes_as_rows() {
    let table = Param::new(Tensor::ones([4, 2], DType::F32));
    let rows = Arc::new(Mutex::new(Vec::new()));
    let seen = rows.clone();
    let hook = table.register_hook(move |dx| match dx {
        Grad::Rows { index, values } => {
            seen.lock().unwrap().extend(index.to_vec::<i64>());
            Some(Grad::Rows { index: index.clone(), values: values * 3.0 })
        }
        Grad::Dense(_) => panic!("rows are expected"),
    });
    let index = Tensor::from_slice(&[2i64, 0, 2], [3]);
    let grads = table.get().embedding(&index).sum(..).backward();
    assert!(matches!(grads.get(&table), Some(Grad::Rows { .. })));
    assert_eq!(grads.wrt(&table).to_vec::<f32>(), [3.0, 3.0, 0.0, 0.0, 6.0, 6.0, 0.0, 0.0]);
    assert_eq!(*rows.lock().unwrap(), [2, 0, 2]);
    // It may be made dense, and dense ones may become rows.
    let shape = Shape::from([4, 2]);
    drop(hook);
    let hook = table.register_hook(move |dx| Some(dx.to_dense(&shape).into()));
    let grads = table.get().embedding(&index).sum(..).backward();
    assert!(matches!(grads.get(&table), Some(Grad::Dense(_))));
    drop(hook);
}

#[test]
fn second_derivatives_go_through_a_hook() {
    let x = Tensor::scalar(2.0f64).requires_grad();
    let y = x.square() * &x;
    // dy², so that dx = 9 x⁴ for dy = 1... the hook sits on x³ with gradient g = dy² of the square below.
    let hook = y.register_hook(|dy| match dy {
        Grad::Dense(dy) => Some(dy.square().into()),
        Grad::Rows { .. } => None,
    });
    // z = y²: the gradient at y is 2 y, the hook makes (2 y)², and dx = 4 y² · 3 x² = 12 x⁸.
    let z = y.square();
    let dx = grad(&[&z], &[&x], Create::Graph).remove(0);
    assert_eq!(dx.item(), 12.0 * 256.0);
    hook.remove();
    // Without the hook from here on: d/dx 12 x⁸ = 96 x⁷.
    assert_eq!(grad(&[&dx], &[&x], Create::Value)[0].item(), 96.0 * 128.0);
}

#[test]
fn where_nothing_is_recorded_there_is_nothing_to_hear() {
    let x = Tensor::ones([2], DType::F32);
    let handle = no_grad(|| x.register_hook(|_| panic!("it is never called")));
    assert_eq!(format!("{handle:?}"), "HookHandle(none)");
}

#[test]
#[should_panic(expected = "register_hook: the tensor [2] is not tracked, so that no gradient reaches it")]
fn an_untracked_tensor_has_no_hooks() {
    Tensor::ones([2], DType::F32).register_hook(|_| None).keep();
}

#[test]
#[should_panic(
    expected = "hook: the gradient f64 [2] was replaced by f64 []; a hook gives a gradient for the same"
)]
fn a_gradient_of_another_shape_is_refused() {
    let x = Tensor::ones([2], DType::F64).requires_grad();
    let _hook = x.register_hook(|_| Some(Tensor::scalar(1.0f64).into()));
    x.sum(..).backward();
}

#[test]
fn a_hook_may_hold_what_it_is_registered_on() {
    let w = Param::new(Tensor::scalar(2.0f32));
    let held = w.clone();
    w.register_hook(move |dw| Some(Grad::Dense(dw.to_dense(&Shape::SCALAR) * held.get().item()))).keep();
    assert_eq!((w.get() * 3.0).backward().wrt(&w).item(), 6.0);
    // A hook that holds another parameter, with hooks of its own, goes with its handle.
    let other = Param::new(Tensor::scalar(2.0f32));
    other.register_hook(|_| None).keep();
    let id = other.id();
    let handle = w.register_hook(move |_| {
        other.get();
        None
    });
    assert!(any_at([id].into_iter()));
    drop(handle);
    assert!(!any_at([id].into_iter()));
}

#[test]
fn a_captured_step_is_not_replayed_while_it_has_hooks() {
    let w = Param::new(Tensor::scalar(2.0f32));
    let mut step = capture(|x: &[&Tensor], _: &mut Rng| x[0] * w.get());
    let (rng, x) = (&mut Rng::seed(1), Tensor::scalar(3.0f32));
    let mut run = |hooked: bool| {
        let dw = step.run(&[&x], rng).gradients.wrt(&w).item();
        assert_eq!(step.why_not(), hooked.then_some(REASON));
        dw
    };
    let hook = w.register_hook(scaled(2.0));
    for _ in 0..4 {
        assert_eq!(run(true), 6.0);
    }
    drop(hook);
    for _ in 0..4 {
        assert_eq!(run(false), 3.0);
    }
    // And on a step that is already replayed.
    let hook = w.register_hook(scaled(4.0));
    assert_eq!((run(true), run(true)), (12.0, 12.0));
    drop(hook);
    assert_eq!(run(false), 3.0);
}
