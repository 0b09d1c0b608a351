//! The first checks of most shape rules, with messages in the common form.

use super::{OpError, Spec};
use crate::dtype::DType;
use crate::shape::Shape;

/// What a check gives, for methods that refuse before they apply an operation.
///
/// # Panics
/// With the check's message, at the caller's place.
#[track_caller]
pub(crate) fn accept<T>(checked: Result<T, OpError>) -> T {
    match checked {
        Ok(x) => x,
        Err(error) => panic!("{error}"),
    }
}

/// `[2, 3] x [4, 5]`
pub(crate) fn shapes(inputs: &[Spec]) -> String {
    inputs.iter().map(|s| s.shape.to_string()).collect::<Vec<_>>().join(" x ")
}

pub(crate) fn float(name: &str, x: &Spec) -> Result<(), OpError> {
    if x.dtype.is_float() {
        return Ok(());
    }
    if x.dtype == DType::Bf16 {
        return Err(OpError::new(format!(
            "{name}: not defined for bf16, which is for storage and matmul, got {}; convert it with .cast(DType::F32)",
            x.shape
        )));
    }
    if x.dtype == DType::F16 {
        return Err(OpError::new(format!(
            "{name}: not defined for f16, which is for storage, got {}; convert it with .cast(DType::F32)",
            x.shape
        )));
    }
    Err(OpError::new(format!(
        "{name}: needs a floating-point tensor, got {} {}; convert it with .cast(DType::F32)",
        x.dtype, x.shape
    )))
}

pub(crate) fn index(name: &str, x: &Spec) -> Result<(), OpError> {
    if x.dtype == DType::I64 {
        return Ok(());
    }
    Err(OpError::new(format!(
        "{name}: the index must be an i64 tensor, got {} {}; convert it with .cast(DType::I64)",
        x.dtype, x.shape
    )))
}

/// All inputs of one type, on one device.
pub(crate) fn alike(name: &str, inputs: &[Spec]) -> Result<(), OpError> {
    let Some((first, rest)) = inputs.split_first() else { return Ok(()) };
    for other in rest {
        if other.dtype != first.dtype {
            return Err(OpError::new(format!(
                "{name}: element types differ, {} {} and {} {}; convert one with .cast(DType::{:?})",
                first.dtype,
                first.shape,
                other.dtype,
                other.shape,
                VariantName(first.dtype)
            )));
        }
        if other.device != first.device {
            return Err(OpError::new(format!(
                "{name}: devices differ, {} {} and {} {}; move one with .to(device)",
                first.device.name(),
                first.shape,
                other.device.name(),
                other.shape
            )));
        }
    }
    Ok(())
}

pub(crate) fn axis(name: &str, axis: isize, shape: &Shape) -> Result<usize, OpError> {
    shape.axis(axis).ok_or_else(|| OpError::new(format!("{name}: {}", shape.no_axis(axis))))
}

pub(crate) fn rank(name: &str, x: &Spec, rank: usize, meaning: &str) -> Result<(), OpError> {
    if x.shape.rank() == rank {
        return Ok(());
    }
    Err(OpError::new(format!("{name}: needs {rank} axes ({meaning}), got {}", x.shape)))
}

pub(crate) fn broadcast(name: &str, a: &Spec, b: &Spec) -> Result<Shape, OpError> {
    if a.shape == b.shape {
        return Ok(a.shape);
    }
    a.shape.broadcast(&b.shape).ok_or_else(|| {
        let at = (1..=a.shape.rank().min(b.shape.rank()) as isize)
            .find(|&i| {
                let (x, y) = (a.shape.size(-i), b.shape.size(-i));
                x != y && x != 1 && y != 1
            })
            .unwrap_or(1);
        OpError::new(format!(
            "{name}: shapes do not broadcast, {} x {} ({} vs {} along axis -{at}); sizes must be equal or 1, \
             counted from the last axis",
            a.shape,
            b.shape,
            a.shape.size(-at),
            b.shape.size(-at)
        ))
    })
}

struct VariantName(DType);

impl std::fmt::Debug for VariantName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            DType::F32 => "F32",
            DType::F64 => "F64",
            DType::Bf16 => "Bf16",
            DType::F16 => "F16",
            DType::I64 => "I64",
            DType::U8 => "U8",
            DType::Bool => "Bool",
        })
    }
}
