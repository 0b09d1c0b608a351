//! A kernel call with everything decided that follows from shapes: what is left at the call is numbers.
//!
//! A replayed step makes the same calls again and again, and on small tensors the way from views to slices takes longer
//! than the arithmetic. A bound call ends in the same functions with the same arguments as [`Cpu`](super::Cpu)'s, so
//! its bits are the same.

use talweg_kernels::elementwise as kernels;
use talweg_kernels::gemm::{Activation, Epilogue, Mat, Precision, gemm_in};
use talweg_kernels::{mse_loss, reduce};

use super::reduce::Form;
use crate::backend::{Kernel, Storage};
use crate::dtype::DType;
use crate::layout::Layout;
use crate::ops::{Binary, Reduce, Reduction, Unary};
use crate::shape::Shape;

/// A call on gapless `f32` tensors, or on matrices by strides.
#[derive(Debug)]
pub(crate) struct Bound {
    act: Act,
    /// Where in its memory each input begins, and how many numbers it has.
    inputs: [(usize, usize); 3],
    /// How many numbers the output has.
    len: usize,
}

/// What is computed. `Over` replaces the first input, which lies in the output and is not among the inputs.
#[derive(Debug)]
enum Act {
    Map(Unary),
    MapOver(Unary),
    Slope(Unary),
    SlopeOver(Unary),
    Affine(f32, f32),
    AffineOver(f32, f32),
    Zip(Binary),
    ZipOver(Binary),
    Product(Precision, Form2, Form2),
    Linear { activation: Activation, precision: Precision, x: Form2, w: Form2, bias: bool },
    Reduce(fn(&[f32], usize, usize, usize, &mut [f32]), [usize; 3]),
    MseLoss(Reduction),
    MseLossGrad(f32),
}

/// A matrix in its own memory.
#[derive(Clone, Copy, Debug)]
struct Form2 {
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl Form2 {
    /// The matrix of a layout that the product's kernel can read as it is.
    fn of(x: &Layout) -> Option<Form2> {
        let (shape, strides) = (x.shape(), x.strides());
        if shape.rank() != 2 {
            return None;
        }
        let [row_stride, col_stride] = [strides[0], strides[1]].map(|stride| usize::try_from(stride).ok());
        Some(Form2 { rows: shape.at(0), cols: shape.at(1), row_stride: row_stride?, col_stride: col_stride? })
    }

    #[inline(always)]
    fn on(self, data: &[f32]) -> Mat<'_, f32> {
        let Form2 { rows, cols, row_stride, col_stride } = self;
        Mat { data, rows, cols, row_stride, col_stride }
    }

    /// The numbers from the first to the last of the matrix.
    fn extent(self) -> usize {
        if self.rows == 0 || self.cols == 0 {
            return 0;
        }
        (self.rows - 1) * self.row_stride + (self.cols - 1) * self.col_stride + 1
    }
}

impl Bound {
    /// The call, if it is one of those that can be bound; `over`, if the output holds the first input, which is then not
    /// among `inputs`.
    pub(crate) fn of(
        kernel: &Kernel,
        over: bool,
        inputs: &[(&Layout, DType)],
        (shape, dtype): (&Shape, DType),
    ) -> Option<Bound> {
        let single = dtype == DType::F32 && inputs.iter().all(|(_, dtype)| *dtype == DType::F32);
        if !single || inputs.len() > 3 {
            return None;
        }
        let layouts: Vec<&Layout> = inputs.iter().map(|(layout, _)| *layout).collect();
        let mut ranges = [(0, 0); 3];
        for (range, layout) in ranges.iter_mut().zip(&layouts) {
            *range = match layout.contiguous() {
                Some(start) => (start, layout.shape().numel()),
                None => (layout.offset(), Form2::of(layout)?.extent()),
            };
        }
        let act = Act::of(kernel, over, &layouts, shape)?;
        Some(Bound { act, inputs: ranges, len: shape.numel() })
    }

    /// Computes the output from the memory of the inputs.
    #[inline]
    pub(crate) fn run<'a>(&self, memory: impl Fn(usize) -> &'a Storage, out: &mut Storage) {
        let read = |i: usize| -> &[f32] {
            let (start, len) = self.inputs[i];
            &super::host(memory(i)).as_slice()[start..start + len]
        };
        let out: &mut [f32] = &mut super::host_mut(out).as_mut_slice()[..self.len];
        match &self.act {
            Act::Map(f) => f.map(read(0), out),
            Act::MapOver(f) => f.map_in_place(out),
            Act::Slope(f) => f.slope_map(read(0), read(1), out),
            Act::SlopeOver(f) => f.slope_in_place(out, read(0)),
            Act::Affine(scale, shift) => kernels::affine(read(0), *scale, *shift, out),
            Act::AffineOver(scale, shift) => kernels::affine_in_place(out, *scale, *shift),
            Act::Zip(f) => f.zip(read(0), read(1), out),
            Act::ZipOver(f) => f.zip_in_place(out, read(0)),
            Act::Product(precision, a, b) => {
                gemm_in(*precision, a.on(read(0)), b.on(read(1)), out, b.cols, &Epilogue::default());
            }
            Act::Linear { activation, precision, x, w, bias } => {
                let bias = bias.then(|| read(2));
                let epilogue = Epilogue { bias, activation: *activation, ..Epilogue::default() };
                gemm_in(*precision, x.on(read(0)), w.on(read(1)).t(), out, w.rows, &epilogue);
            }
            Act::Reduce(f, [outer, n, inner]) => f(read(0), *outer, *n, *inner, out),
            Act::MseLoss(reduction) => super::mse_loss::losses(*reduction, read(0), read(1), out),
            Act::MseLossGrad(factor) => mse_loss::slopes(*factor, read(0), read(1), read(2), out),
        }
    }
}

impl Act {
    fn of(kernel: &Kernel, over: bool, inputs: &[&Layout], out: &Shape) -> Option<Act> {
        let gapless = inputs.iter().all(|x| x.contiguous().is_some());
        let fits = |x: &Layout| x.shape() == out || x.shape().numel() == 1;
        let plain = gapless && inputs.iter().all(|x| fits(x));
        Some(match (kernel, over, inputs) {
            (Kernel::Unary(f), false, [_]) if plain => Act::Map(*f),
            (Kernel::Unary(f), true, []) => Act::MapOver(*f),
            (Kernel::Slope(f), false, [_, _]) if plain => Act::Slope(*f),
            (Kernel::Slope(f), true, [_]) if plain => Act::SlopeOver(*f),
            (Kernel::Affine(scale, shift), false, [_]) if plain => Act::Affine(*scale as f32, *shift as f32),
            (Kernel::Affine(scale, shift), true, []) => Act::AffineOver(*scale as f32, *shift as f32),
            (Kernel::Binary(f), false, [_, _]) if plain => Act::Zip(*f),
            (Kernel::Binary(f), true, [_]) if plain => Act::ZipOver(*f),
            (Kernel::MatMul(p), false, [a, b]) if out.rank() == 2 => {
                Act::Product(*p, Form2::of(a)?, Form2::of(b)?)
            }
            (Kernel::Linear(activation, precision), false, [x, w, bias @ ..]) => {
                let (x, w) = (rows(x)?, Form2::of(w)?);
                let bias = match bias {
                    [] => false,
                    [bias] => bias.contiguous().map(|_| true)?,
                    _ => return None,
                };
                Act::Linear { activation: *activation, precision: *precision, x, w, bias }
            }
            (Kernel::Reduce(kind, axes), false, [x]) if gapless => {
                let form = Form::of(*axes, x.shape());
                if form.order.is_some() {
                    return None;
                }
                let f = match kind {
                    Reduce::Sum => reduce::sum::<f32>,
                    Reduce::Mean => reduce::mean::<f32>,
                    Reduce::Max => reduce::max::<f32>,
                    Reduce::Min => reduce::min::<f32>,
                };
                Act::Reduce(f, form.sizes)
            }
            (Kernel::MseLoss(reduction), false, [_, _]) if gapless => Act::MseLoss(*reduction),
            (Kernel::MseLossGrad(factor), false, [_, _, _]) if gapless => Act::MseLossGrad(*factor as f32),
            _ => return None,
        })
    }
}

/// The rows of a gapless tensor, whose last axis they lie along.
fn rows(x: &Layout) -> Option<Form2> {
    x.contiguous()?;
    let shape = x.shape();
    let cols = shape.at(shape.rank().checked_sub(1)?);
    let rows = shape.iter().take(shape.rank() - 1).product();
    Some(Form2 { rows, cols, row_stride: cols, col_stride: 1 })
}
