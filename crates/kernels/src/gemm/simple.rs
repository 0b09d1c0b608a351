//! Products by plain loops.

use super::{Activation, Epilogue, Mat};
use crate::Float;

/// The product, a row of `c` at a time.
pub(super) fn gemm<T: Float>(
    [m, k, n]: [usize; 3],
    a: Mat<T>,
    b: Mat<T>,
    c: &mut [T],
    row_stride_c: usize,
    epilogue: &Epilogue<T>,
) {
    for i in 0..m {
        let row = &mut c[i * row_stride_c..][..n];
        if !epilogue.accumulate {
            row.fill(T::ZERO);
        }
        for p in 0..k {
            let x = a.data[i * a.row_stride + p * a.col_stride];
            let b_row = &b.data[p * b.row_stride..];
            if b.col_stride == 1 {
                row.iter_mut().zip(b_row).for_each(|(c, &b)| *c += x * b);
            } else {
                row.iter_mut().enumerate().for_each(|(j, c)| *c += x * b_row[j * b.col_stride]);
            }
        }
        if let Some(bias) = epilogue.bias {
            row.iter_mut().zip(bias).for_each(|(c, &b)| *c += b);
        }
        activate(epilogue.activation, row);
    }
}

fn activate<T: Float>(activation: Activation, row: &mut [T]) {
    match activation {
        Activation::Identity => {}
        Activation::Relu => row.iter_mut().for_each(|z| *z = if *z < T::ZERO { T::ZERO } else { *z }),
        Activation::Tanh => row.iter_mut().for_each(|z| *z = z.tanh()),
        Activation::Sigmoid => row.iter_mut().for_each(|z| *z = T::ONE / (T::ONE + (-*z).exp())),
    }
}
