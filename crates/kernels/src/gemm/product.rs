//! One product, and the choice of the way to compute it: straight from the matrices, or through packed panels.
//!
//! # Safety
//! Functions here may only be called with sizes and strides that [`Mat`] has checked.

use super::direct::{direct, is_direct};
use super::gemv::multiply_line;
use super::large::{Extra, Lanes, Large, LargeEpilogue, factors, large};
use super::machine::{self, Machine, Panels, Rounding};
use super::tile::{Left, Out};
use super::tiles::Tiles;
use super::{Activation, Epilogue, Mat, Precision};
use crate::bf16::round;
use crate::elementwise::{Map, map_in_place};
use crate::{Bf16, Buffer, Float, Isa, Lane};

/// One product with checked sizes.
pub struct Product<'a, T> {
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    pub(super) a: Mat<'a, T>,
    pub(super) b: Mat<'a, T>,
    /// `c[i * row_stride + j]` is ours for i < m, j < n.
    pub(super) c: *mut T,
    pub(super) row_stride: usize,
    pub(super) epilogue: &'a Epilogue<'a, T>,
    pub(super) precision: Precision,
}

// SAFETY: whoever made the product lent it the items of `c` that it describes; tasks write disjoint parts.
unsafe impl<T: Float> Sync for Product<'_, T> {}

/// The numbers that products exist for.
pub trait Multiply: Sized + Copy {
    /// Computes the product with the instruction set `isa`.
    ///
    /// # Safety
    /// The processor must have it, and the product must describe memory that it may use.
    unsafe fn multiply(isa: Isa, product: &Product<Self>);

    /// Computes a product of factors that pack themselves.
    ///
    /// # Safety
    /// As [`Multiply::multiply`].
    unsafe fn multiply_factors(isa: Isa, product: &Large<Self>);

    /// The tiles of the instruction set `isa`.
    fn tiles(isa: Isa) -> Tiles<Self>
    where
        Self: 'static;
}

/// Calls a function for the machine of an instruction set.
macro_rules! on_machine {
    ($isa:ident, $f:ident($x:ident), $baseline:ident, $avx2:ident, $avx512:ident) => {
        match $isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => $f::<machine::$avx512>($x),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => $f::<machine::$avx2>($x),
            _ => $f::<machine::$baseline>($x),
        }
    };
}

/// The packed tiles of the machine of an instruction set.
macro_rules! tiles_of {
    ($isa:ident, $baseline:ident, $avx2:ident, $avx512:ident) => {
        match $isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => Tiles::of::<machine::$avx512>(),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => Tiles::of::<machine::$avx2>(),
            _ => Tiles::of::<machine::$baseline>(),
        }
    };
}

impl Multiply for f32 {
    unsafe fn multiply(isa: Isa, product: &Product<f32>) {
        // SAFETY: as the caller's; what it does not vouch for was looked up.
        unsafe {
            match (product.precision, isa) {
                (Precision::Full, _) => on_machine!(isa, multiply(product), BaselineF32, Avx2F32, Avx512F32),
                #[cfg(target_arch = "x86_64")]
                (Precision::Bf16, Isa::Avx512) if is_x86_feature_detected!("avx512bf16") => {
                    multiply_rounded::<machine::Avx512F32, machine::Avx512Bf16>(product);
                }
                #[cfg(target_arch = "x86_64")]
                (Precision::Bf16, Isa::Avx512) => {
                    multiply_rounded::<machine::Avx512F32, Rounding<machine::Avx512F32>>(product);
                }
                #[cfg(target_arch = "x86_64")]
                (Precision::Bf16, Isa::Avx2) => {
                    multiply_rounded::<machine::Avx2F32, Rounding<machine::Avx2F32>>(product);
                }
                (Precision::Bf16, _) => {
                    multiply_rounded::<machine::BaselineF32, Rounding<machine::BaselineF32>>(product);
                }
            }
        }
    }

    unsafe fn multiply_factors(isa: Isa, product: &Large<f32>) {
        // SAFETY: as the caller's.
        unsafe { on_machine!(isa, factors(product), BaselineF32, Avx2F32, Avx512F32) }
    }

    fn tiles(isa: Isa) -> Tiles<f32> {
        tiles_of!(isa, BaselineF32, Avx2F32, Avx512F32)
    }
}

impl Multiply for f64 {
    unsafe fn multiply(isa: Isa, product: &Product<f64>) {
        // SAFETY: as the caller's.
        unsafe { on_machine!(isa, multiply(product), BaselineF64, Avx2F64, Avx512F64) }
    }

    unsafe fn multiply_factors(isa: Isa, product: &Large<f64>) {
        // SAFETY: as the caller's.
        unsafe { on_machine!(isa, factors(product), BaselineF64, Avx2F64, Avx512F64) }
    }

    fn tiles(isa: Isa) -> Tiles<f64> {
        tiles_of!(isa, BaselineF64, Avx2F64, Avx512F64)
    }
}

/// Multiplications that are worth a second thread.
pub(super) const PARALLEL: usize = 1 << 18;

unsafe fn multiply<M: Machine>(x: &Product<M::Item>) {
    // SAFETY: as the caller's.
    unsafe {
        if (x.m == 1 || x.n == 1) && multiply_line::<M>(x) {
            // Done.
        } else if is_direct::<M>(x) {
            direct::<M>(x);
        } else {
            through_panels::<M>(x);
        }
    }
    activate(x);
}

/// The product of rounded factors: small ones on M from rounded copies, large ones on P, which rounds when it packs.
unsafe fn multiply_rounded<M: Machine<Item = f32>, P: Panels<Item = f32>>(x: &Product<f32>) {
    // SAFETY: as the caller's; the copies have the sizes of the originals.
    unsafe {
        if is_direct::<M>(x) || x.m == 1 || x.n == 1 {
            let mut buffers = [Buffer::take(x.m * x.k * 4), Buffer::take(x.k * x.n * 4)];
            let [a, b] = &mut buffers;
            let (a, b) = (rounded(&x.a, a.as_mut_slice()), rounded(&x.b, b.as_mut_slice()));
            let x = Product { a, b, ..*x };
            if !multiply_line::<M>(&x) {
                direct::<M>(&x);
            }
        } else {
            through_panels::<P>(x);
        }
    }
    activate(x);
}

/// A dense copy of rounded numbers, in the order of rows or of columns as the original.
fn rounded<'a>(x: &Mat<f32>, to: &'a mut [f32]) -> Mat<'a, f32> {
    if x.row_stride < x.col_stride {
        return rounded(&x.t(), to).t();
    }
    for i in 0..if x.cols == 0 { 0 } else { x.rows } {
        let (from, to) = (&x.data[i * x.row_stride..], &mut to[i * x.cols..][..x.cols]);
        if x.col_stride == 1 {
            round(&from[..x.cols], to);
        } else {
            (0..x.cols).for_each(|j| to[j] = Bf16::from_f32(from[j * x.col_stride]).to_f32());
        }
    }
    Mat::row_major(to, x.rows, x.cols)
}

pub(super) unsafe fn through_panels<M: Panels>(x: &Product<M::Item>) {
    let epilogue = LargeEpilogue {
        accumulate: x.epilogue.accumulate,
        bias: x.epilogue.bias,
        row_bias: None,
        relu: x.epilogue.activation == Activation::Relu,
    };
    // SAFETY: as the caller's.
    unsafe {
        let large_product = Large {
            depth: x.k,
            rows: x.m,
            cols: x.n,
            images: 1,
            left: &Lanes { lanes: x.m, lane: x.a.row_stride, step: x.a.col_stride, data: x.a.data },
            right: &Lanes { lanes: x.n, lane: x.b.col_stride, step: x.b.row_stride, data: x.b.data },
            c: x.c,
            row_stride: x.row_stride,
            image_stride: 0,
            epilogue,
        };
        large::<M>(&large_product, Extra { alpha: x.epilogue.alpha, residual: x.epilogue.residual });
    }
}

/// Applies the activations that tiles do not apply.
fn activate<T: Float>(x: &Product<T>) {
    match x.epilogue.activation {
        Activation::Identity | Activation::Relu => {}
        Activation::Tanh => each::<Tanh, _>(x),
        Activation::Sigmoid => each::<Sigmoid, _>(x),
    }
}

/// Applies a formula to the finished product.
fn each<F: Map, T: Float>(x: &Product<T>) {
    let (rows, cols) = if x.row_stride == x.n { (1, x.m * x.n) } else { (x.m, x.n) };
    for i in 0..rows {
        // SAFETY: the row, or the whole matrix where rows follow each other closely, is ours.
        let row = unsafe { std::slice::from_raw_parts_mut(x.c.add(i * x.row_stride), cols) };
        map_in_place::<F, T>(row);
    }
}

struct Tanh;

impl Map for Tanh {
    #[inline(always)]
    fn f32(z: Lane<f32>) -> Lane<f32> {
        z.tanh()
    }
    #[inline(always)]
    fn f64(z: Lane<f64>) -> Lane<f64> {
        z.tanh()
    }
}

struct Sigmoid;

impl Map for Sigmoid {
    #[inline(always)]
    fn f32(z: Lane<f32>) -> Lane<f32> {
        z.sigmoid()
    }
    #[inline(always)]
    fn f64(z: Lane<f64>) -> Lane<f64> {
        z.sigmoid()
    }
}

impl<T: Float> Product<'_, T> {
    /// The destination of the whole product, for the first or the last part of the depth or both.
    pub(super) fn out(&self, first: bool, last: bool) -> Out<T> {
        let (residual, residual_stride) = match &self.epilogue.residual {
            Some(x) if last => (x.data.as_ptr(), x.row_stride),
            _ => (std::ptr::null(), 0),
        };
        Out {
            c: self.c,
            row_stride: self.row_stride,
            cols: self.n,
            add: self.epilogue.accumulate || !first,
            alpha: self.epilogue.alpha,
            bias: self.epilogue.bias.filter(|_| last).map_or(std::ptr::null(), <[T]>::as_ptr),
            row_bias: std::ptr::null(),
            residual,
            residual_stride,
            relu: last && self.epilogue.activation == Activation::Relu,
        }
    }

    /// The left factor from item (i, p) on.
    pub(super) fn left(&self, i: usize, p: usize) -> Left<T> {
        let start = self.a.data.as_ptr().wrapping_add(i * self.a.row_stride + p * self.a.col_stride);
        Left { start, row: self.a.row_stride, step: self.a.col_stride }
    }
}
