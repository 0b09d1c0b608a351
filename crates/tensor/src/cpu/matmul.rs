//! Matrix products: transposed and other strided matrices go to the kernel as they are.

use talweg_kernels::gemm::{self, Activation, Epilogue, Mat};
use talweg_kernels::{Float, Pod};

use super::{Dense, dense, float, host, out_slice};
use crate::backend::{Out, View};

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
    let (shape, strides) = (x.layout.shape(), x.layout.strides());
    let batch: Vec<(usize, isize)> =
        (0..shape.rank() - 2).map(|a| (shape.at(a), strides[a])).filter(|&(size, _)| size != 1).collect();
    let even = batch.windows(2).all(|w| w[0].1 == w[1].0 as isize * w[1].1);
    let step = batch.last().map_or(0, |&(_, stride)| stride);
    (even && step >= 0).then_some(step as usize)
}

pub(super) fn matmul(a: &View<'_>, b: &View<'_>, out: &mut Out<'_>) {
    float!(out.dtype, T => product::<T>(a, b, out));
}

fn product<T: Float>(a: &View<'_>, b: &View<'_>, out: &mut Out<'_>) {
    let (a, b) = (Matrices::<T>::of(a), Matrices::<T>::of(b));
    let (size, n) = (a.rows * b.cols, b.cols);
    let batch: usize = out.shape.iter().take(out.shape.rank() - 2).product();
    let to = out_slice::<T>(out);
    if batch == 1 {
        gemm::gemm(a.first(), b.first(), to, n, &Epilogue::default());
    } else if !to.is_empty() {
        gemm::gemm_batched(batch, a.first(), a.step, b.first(), b.step, to, size);
    }
}

pub(super) fn linear(activation: Activation, inputs: &[View<'_>], out: &mut Out<'_>) {
    float!(out.dtype, T => {
        let (x, w) = (dense::<T>(&inputs[0]), Matrices::<T>::of(&inputs[1]));
        let bias = inputs.get(2).map(dense::<T>);
        let (k, n) = (w.cols, w.rows);
        let rows = out.shape.numel() / n.max(1);
        let epilogue = Epilogue { accumulate: false, bias: bias.as_deref(), activation };
        gemm::gemm(Mat::row_major(&x, rows, k), w.first().t(), out_slice(out), n, &epilogue);
    });
}
