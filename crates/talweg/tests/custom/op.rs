//! Operations defined outside the library, as `docs/adding.md` shows them: one made of tensor operations, one with
//! a loop of its own.

use std::ops::AddAssign;
use std::sync::Arc;

use talweg::jvp;
use talweg::tensor::testing::{gradcheck, jvp_check};
use talweg::tensor::{
    AnomalyOptions, CustomKernel, DType, Grad, HostArray, HostArrayMut, Op, OpError, Saved, Spec, Tensor,
    apply, detect_anomaly, try_apply,
};

/// The activation `y = x + sin²(a x) / a` (Ziyin, Hartwig and Ueda, 2020), with the slope `1 + sin(2 a x)`.
#[derive(Debug)]
struct Snake {
    frequency: f64,
}

impl Op for Snake {
    fn name(&self) -> &'static str {
        "snake"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let x = inputs[0];
        if !x.dtype.is_float() {
            return Err(OpError::new(format!(
                "snake: needs a floating-point tensor, got {} {}; convert it with .cast(DType::F32)",
                x.dtype, x.shape
            )));
        }
        Ok(x)
    }

    fn forward(&self, inputs: &[&Tensor], _: &Spec, saved: &mut Saved) -> Tensor {
        let x = inputs[0];
        saved.keep_input(0, x);
        x + (x * self.frequency).sin().square() / self.frequency
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        let slope = (saved.input(0) * (2.0 * self.frequency)).sin() + 1.0;
        vec![Some((dy * slope).into())]
    }
}

/// Made of operations that exist: its derivative comes by itself (Misra, 2019).
fn mish(x: &Tensor) -> Tensor {
    x * x.softplus().tanh()
}

fn snake(x: &Tensor, frequency: f64) -> Tensor {
    apply(Snake { frequency }, &[x])
}

/// The running sum along the last axis, `y[.., i] = x[.., 0] + ... + x[.., i]`.
///
/// Element `i` takes part in `y[i]` and all that follow, so its gradient is the running sum from the other end.
#[derive(Debug)]
struct RunningSum;

impl Op for RunningSum {
    fn name(&self) -> &'static str {
        "running_sum"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let x = inputs[0];
        if x.shape.rank() == 0 || !x.dtype.is_float() {
            return Err(OpError::new(format!(
                "running_sum: needs a floating-point tensor with at least one axis, got {} {}",
                x.dtype, x.shape
            )));
        }
        Ok(x)
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, _: &mut Saved) -> Tensor {
        Tensor::run_custom(Arc::new(RunningSumKernel), inputs, out)
    }

    fn vjp(&self, _: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        vec![Some(running_sum(&dy.flip(-1)).flip(-1).into())]
    }
}

fn running_sum(x: &Tensor) -> Tensor {
    apply(RunningSum, &[x])
}

/// The loop. It gets dense arrays, whatever the views and strides of the tensors were.
#[derive(Debug)]
struct RunningSumKernel;

impl CustomKernel for RunningSumKernel {
    fn run(&self, inputs: &[HostArray<'_>], outputs: &mut [HostArrayMut<'_>]) {
        let (x, y) = (&inputs[0], &mut outputs[0]);
        let n = x.shape.size(-1);
        match x.dtype {
            DType::F32 => sum_rows::<f32>(x.buffer.as_slice(), y.buffer.as_mut_slice(), n),
            DType::F64 => sum_rows::<f64>(x.buffer.as_slice(), y.buffer.as_mut_slice(), n),
            other => unreachable!("the shape rule refuses {other}"),
        }
    }
}

fn sum_rows<T: Copy + Default + AddAssign>(x: &[T], y: &mut [T], n: usize) {
    // Rows of no elements would make chunks of size 0, which chunks_exact refuses.
    for (x, y) in x.chunks_exact(n.max(1)).zip(y.chunks_exact_mut(n.max(1))) {
        let mut sum = T::default();
        for (x, y) in x.iter().zip(y) {
            sum += *x;
            *y = sum;
        }
    }
}

/// Values, first and second derivatives, every memory layout, f32 beside f64, and the refusals.
mod cases {
    talweg::tensor::cases! {
        snake: |x| super::snake(x[0], 0.7); shapes [[2, 3]] [[0]] [[]];
        running_sum: |x| super::running_sum(x[0]); shapes [[4]] [[2, 3]] [[2, 0]] [[0, 2]] refuses [[]];
    }
}

#[test]
fn the_values_are_those_of_the_formulas() {
    let x = Tensor::from_slice(&[0.0f64, 0.5, -1.25], [3]);
    let by_hand: Vec<f64> = x.to_vec().iter().map(|x: &f64| x + (2.0 * x).sin().powi(2) / 2.0).collect();
    for (y, want) in snake(&x, 2.0).to_vec::<f64>().iter().zip(by_hand) {
        assert!((y - want).abs() < 1e-15, "{y} should be {want}");
    }
    // 1 tanh(ln(1 + e)) and -2 tanh(ln(1 + e^-2))
    let y = mish(&Tensor::from_slice(&[1.0f64, -2.0], [2])).to_vec::<f64>();
    assert!((y[0] - 0.865098388267).abs() < 1e-10 && (y[1] + 0.252501482696).abs() < 1e-10, "{y:?}");
    let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 10.0, 20.0, 30.0], [2, 3]);
    assert_eq!(running_sum(&x).to_vec::<f32>(), [1.0, 3.0, 6.0, 10.0, 30.0, 60.0]);
}

#[test]
fn refusals_come_as_values_through_the_fallible_door() {
    let whole = Tensor::arange(3);
    let error = try_apply(Snake { frequency: 1.0 }, &[&whole]).expect_err("i64 is refused");
    assert_eq!(
        error.to_string(),
        "snake: needs a floating-point tensor, got i64 [3]; convert it with .cast(DType::F32)"
    );
}

#[test]
fn forward_mode_and_anomaly_detection_come_by_themselves() {
    let x = Tensor::from_slice(&[0.0f64, 0.5], [2]);
    let (_, ty) = jvp(|x| snake(x[0], 1.0), &[&x], &[&Tensor::ones([2], DType::F64)]);
    assert_eq!(ty.to_vec::<f64>(), [1.0, 1.0 + 1f64.sin()]);

    let bad = Tensor::from_slice(&[f64::INFINITY, 0.5], [2]);
    let found = detect_anomaly(AnomalyOptions::default(), || snake(&bad, 1.0)).unwrap_err();
    assert_eq!((found.op, found.at.as_slice(), found.infinite.as_slice()), ("snake", &[0][..], &[0][..]));
}

#[test]
fn a_wrong_derivative_is_caught() {
    /// [`Snake`] with the slope `1 + 2 sin(2 a x)`.
    #[derive(Debug)]
    struct Wrong;

    impl Op for Wrong {
        fn name(&self) -> &'static str {
            "wrong"
        }

        fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
            Ok(inputs[0])
        }

        fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
            Snake { frequency: 1.0 }.forward(inputs, out, saved)
        }

        fn vjp(&self, saved: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
            vec![Some((dy * ((saved.input(0) * 2.0).sin() * 2.0 + 1.0)).into())]
        }
    }

    let x = Tensor::from_slice(&[0.3f64, 0.9], [2]);
    let message = gradcheck(&|x| apply(Wrong, &[x[0]]), &[&x]).expect_err("the slope is wrong");
    assert!(message.starts_with("input 0 [2], element [1]: backward gives "), "{message}");
    assert!(message.ends_with("; 2 of 2 elements are wrong"), "{message}");
    let message = jvp_check(&|x| apply(Wrong, &[x[0]]), &[&x]).expect_err("so is forward mode");
    assert!(message.starts_with("forward mode, element ["), "{message}");
}
