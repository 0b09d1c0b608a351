//! Lines of an array along one axis, for the loops of scans, sorting and positions.

use std::cmp::Ordering;

use talweg_kernels::Pod;

use crate::shape::Shape;

/// A stored number with an order in which NaN comes after everything else, as PyTorch sorts.
pub(super) trait Number: Pod + PartialOrd {
    /// Whether it is no number.
    fn is_nan(self) -> bool {
        self.partial_cmp(&self).is_none()
    }

    /// The order.
    fn order(self, other: Self) -> Ordering {
        self.partial_cmp(&other).unwrap_or_else(|| self.is_nan().cmp(&other.is_nan()))
    }
}

impl Number for f32 {}
impl Number for f64 {}
impl Number for i64 {}
impl Number for u8 {}

/// Calls a generic function for the type in which the elements of `$dtype` are stored.
macro_rules! number {
    ($name:expr, $dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            $crate::dtype::DType::F32 => {
                type $t = f32;
                $body
            }
            $crate::dtype::DType::F64 => {
                type $t = f64;
                $body
            }
            $crate::dtype::DType::I64 => {
                type $t = i64;
                $body
            }
            $crate::dtype::DType::U8 | $crate::dtype::DType::Bool => {
                type $t = u8;
                $body
            }
            $crate::dtype::DType::Bf16 | $crate::dtype::DType::F16 => {
                unreachable!("the shape rule of {} refuses 16-bit numbers", $name)
            }
        }
    };
}
pub(super) use number;

/// How an array falls into lines along an axis: element `k` of the line `(o, i)` is number `(o n + k) inner + i`.
#[derive(Clone, Copy)]
pub(super) struct Lines {
    outer: usize,
    n: usize,
    inner: usize,
}

impl Lines {
    pub(super) fn of(shape: &Shape, axis: usize) -> Lines {
        let outer = shape.iter().take(axis).product();
        Lines { outer, n: shape.at(axis), inner: shape.iter().skip(axis + 1).product() }
    }

    /// Calls `f` with each line of `x` and a line for the results, which is then put into `y`.
    ///
    /// The lines of `y` have `m` elements.
    pub(super) fn map<A: Pod, B: Pod>(
        self,
        x: &[A],
        m: usize,
        y: &mut [B],
        f: &mut dyn FnMut(&[A], &mut [B]),
    ) {
        let Lines { outer, n, inner } = self;
        let (mut from, mut to) = (vec![A::default(); n], vec![B::default(); m]);
        for (o, i) in (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i))) {
            for (k, from) in from.iter_mut().enumerate() {
                *from = x[(o * n + k) * inner + i];
            }
            f(&from, &mut to);
            for (k, to) in to.iter().enumerate() {
                y[(o * m + k) * inner + i] = *to;
            }
        }
    }
}
