//! Compares what Talweg computed with what PyTorch did.

use talweg::tensor::{DType, Tensor};

use crate::file::{Array, Kind};

/// A tensor's numbers.
pub(crate) fn numbers(x: &Tensor) -> Vec<f64> {
    match x.dtype() {
        DType::F64 => x.to_vec(),
        DType::I64 => x.to_vec::<i64>().into_iter().map(|x| x as f64).collect(),
        DType::Bool => x.to_vec::<bool>().into_iter().map(f64::from).collect(),
        _ => x.detach().cast(DType::F64).to_vec(),
    }
}

/// What is wrong with `got`, if anything is: shape, kind of element, or the worst element.
///
/// An element may differ by `limit` times the greatest finite size in `want`: an element near zero is a sum of terms
/// that cancel, and has an error of their size. Infinities and NaN must stand where they stand in `want`.
pub(crate) fn differs(got: &Tensor, want: &Array, limit: f64) -> Option<String> {
    if got.shape().to_vec() != want.shape {
        return Some(format!("shape {}, expected {:?}", got.shape(), want.shape));
    }
    let fits = match want.kind {
        Kind::Float => got.dtype().is_float(),
        // A conversion to half precision is dumped as f32.
        Kind::Single => matches!(got.dtype(), DType::F32 | DType::Bf16 | DType::F16),
        Kind::Whole => got.dtype() == DType::I64,
        Kind::Truth => got.dtype() == DType::Bool,
        Kind::Byte => got.dtype() == DType::U8,
    };
    if !fits {
        return Some(format!("holds {}, expected {:?}", got.dtype(), want.kind));
    }
    let size = want.data.iter().filter(|x| x.is_finite()).fold(0.0, |m: f64, x| m.max(x.abs()));
    let limit = if matches!(want.kind, Kind::Float) { limit * size } else { 0.0 };
    let mut worst: Option<(f64, usize, f64)> = None;
    for (place, (&a, &b)) in numbers(got).iter().zip(&want.data).enumerate() {
        let apart = match (a.is_finite(), b.is_finite()) {
            (true, true) => (a - b).abs(),
            _ if a == b || (a.is_nan() && b.is_nan()) => 0.0,
            _ => f64::INFINITY,
        };
        if apart > limit && worst.is_none_or(|(most, _, _)| apart > most) {
            worst = Some((apart, place, a));
        }
    }
    let (apart, place, a) = worst?;
    Some(format!(
        "element {place} is {a:e}, expected {:e} (off by {apart:.1e}, allowed {limit:.1e})",
        want.data[place]
    ))
}

#[test]
fn differences_are_seen() {
    let want = Array { shape: vec![3], kind: Kind::Float, data: vec![1.0, f64::NAN, -4.0] };
    let x = |list: [f64; 3]| Tensor::from_slice(&list, [3]);
    assert_eq!(differs(&x([1.0, f64::NAN, -4.0 + 3e-10]), &want, 1e-10), None);
    assert!(differs(&x([1.0, f64::NAN, -4.0 + 5e-10]), &want, 1e-10).is_some());
    assert!(differs(&x([1.0, 2.0, -4.0]), &want, 1e-10).is_some());
    assert!(differs(&x([f64::INFINITY, f64::NAN, -4.0]), &want, 1e-10).is_some());
    assert!(differs(&x([1.0, f64::NAN, -4.0]).reshape([3, 1]), &want, 1e-10).is_some());
    assert!(differs(&Tensor::from_slice(&[1i64, 0, -4], [3]), &want, 1e-10).is_some());
    let zero = Array { shape: vec![1], kind: Kind::Float, data: vec![0.0] };
    assert!(differs(&Tensor::from_slice(&[1e-300], [1]), &zero, 1e-5).is_some(), "zero must be zero");
}
