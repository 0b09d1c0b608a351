//! Matrix products: transposed and other strided matrices go to the kernel as they are.

use talweg_kernels::elementwise::cast;
use talweg_kernels::gemm::{self, Activation, Epilogue, Mat, Precision};
use talweg_kernels::{Bf16, Buffer, Float, Pod};

use super::{Dense, dense, float, host, out_slice};
use crate::backend::{Out, View};
use crate::dtype::DType;

/// The last two axes as a matrix in its own memory, if the kernel can read it: no negative strides, and batches a
/// fixed step apart.
struct Matrices<'a, T> {
    data: Dense<'a, T>,
    rows: usize,
    cols: usize,
    strides: [usize; 2],
    /// Elements from one matrix of the batch to the next.
    step: usize,
}

impl<'a, T: Pod> Matrices<'a, T> {
    fn of(x: &View<'a>) -> Matrices<'a, T> {
        let shape = x.layout.shape();
        let rank = shape.rank();
        let (rows, cols) = (shape.at(rank - 2), shape.at(rank - 1));
        let strides = x.layout.strides();
        if let Some(step) = batch_step(x)
            && strides[rank - 2] >= 0
            && strides[rank - 1] >= 0
        {
            let strides = [strides[rank - 2] as usize, strides[rank - 1] as usize];
            let data = Dense::Borrowed(&host(x.storage).as_slice()[x.layout.offset()..]);
            return Matrices { data, rows, cols, strides, step };
        }
        Matrices { data: dense(x), rows, cols, strides: [cols, 1], step: rows * cols }
    }

    fn first(&self) -> Mat<'_, T> {
        Mat {
            data: &self.data,
            rows: self.rows,
            cols: self.cols,
            row_stride: self.strides[0],
            col_stride: self.strides[1],
        }
    }
}

/// The distance between neighbours in the batch, if it is the same for all.
fn batch_step(x: &View<'_>) -> Option<usize> {
    let shape = x.layout.shape();
    if shape.rank() == 2 {
        return Some(0);
    }
    let strides = x.layout.strides();
    let batch: Vec<(usize, isize)> =
        (0..shape.rank() - 2).map(|a| (shape.at(a), strides[a])).filter(|&(size, _)| size != 1).collect();
    let even = batch.windows(2).all(|w| w[0].1 == w[1].0 as isize * w[1].1);
    let step = batch.last().map_or(0, |&(_, stride)| stride);
    (even && step >= 0).then_some(step as usize)
}

impl<'a> Matrices<'a, f32> {
    /// The matrices of a 16-bit tensor, as dense copies.
    fn widened(x: &View<'a>) -> Matrices<'a, f32> {
        let shape = x.layout.shape();
        let (rows, cols) = (shape.at(shape.rank() - 2), shape.at(shape.rank() - 1));
        let mut buffer = Buffer::take(shape.numel() * size_of::<f32>());
        cast(&dense::<Bf16>(x), buffer.as_mut_slice::<f32>());
        Matrices { data: Dense::Copied(buffer), rows, cols, strides: [cols, 1], step: rows * cols }
    }
}

pub(super) fn matmul(precision: Precision, a: &View<'_>, b: &View<'_>, out: &mut Out<'_>) {
    let batch: usize = out.shape.iter().take(out.shape.rank() - 2).product();
    if out.dtype == DType::Bf16 {
        // Sums are single precision; the factors are such that rounding leaves them as they are.
        let mut sums = Buffer::take(out.shape.numel() * size_of::<f32>());
        let sums = sums.as_mut_slice::<f32>();
        product(Precision::Bf16, batch, &Matrices::widened(a), &Matrices::widened(b), sums);
        return cast(sums, out_slice::<Bf16>(out));
    }
    float!(out.dtype, T => {
        product::<T>(precision, batch, &Matrices::of(a), &Matrices::of(b), out_slice(out));
    });
}

fn product<T: Float>(precision: Precision, batch: usize, a: &Matrices<T>, b: &Matrices<T>, to: &mut [T]) {
    let (size, n) = (a.rows * b.cols, b.cols);
    if batch == 1 {
        gemm::gemm_in(precision, a.first(), b.first(), to, n, &Epilogue::default());
    } else if !to.is_empty() {
        gemm::gemm_batched(precision, batch, (a.first(), a.step), (b.first(), b.step), to, size);
    }
}

pub(super) fn linear(activation: Activation, precision: Precision, inputs: &[View<'_>], out: &mut Out<'_>) {
    float!(out.dtype, T => {
        let (x, w) = (dense::<T>(&inputs[0]), Matrices::<T>::of(&inputs[1]));
        let bias = inputs.get(2).map(dense::<T>);
        let (k, n) = (w.cols, w.rows);
        let rows = out.shape.numel() / n.max(1);
        let epilogue = Epilogue { bias: bias.as_deref(), activation, ..Epilogue::default() };
        gemm::gemm_in(precision, Mat::row_major(&x, rows, k), w.first().t(), out_slice(out), n, &epilogue);
    });
}
