//! One product, and the choice of the way to compute it: straight from the matrices, or through packed panels.
//!
//! # Safety
//! Functions here may only be called with sizes and strides that [`Mat`] has checked.

use super::direct::{direct, is_direct};
use super::large::{Lanes, Large, LargeEpilogue, large};
use super::machine::{self, Machine};
use super::tile::{Left, Out};
use super::tiles::Tiles;
use super::{Activation, Epilogue, Mat};
use crate::elementwise::{Map, map_in_place};
use crate::{Float, Isa, Lane};

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
    pub(super) epilogue: Epilogue<'a, T>,
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

macro_rules! multiply {
    ($t:ident, $baseline:ident, $avx2:ident, $avx512:ident) => {
        impl Multiply for $t {
            unsafe fn multiply(isa: Isa, product: &Product<Self>) {
                // SAFETY: as the caller's.
                unsafe { on_machine!(isa, multiply(product), $baseline, $avx2, $avx512) }
            }

            unsafe fn multiply_factors(isa: Isa, product: &Large<Self>) {
                // SAFETY: as the caller's.
                unsafe { on_machine!(isa, large(product), $baseline, $avx2, $avx512) }
            }

            fn tiles(isa: Isa) -> Tiles<Self> {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 => Tiles::of::<machine::$avx512>(),
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 => Tiles::of::<machine::$avx2>(),
                    _ => Tiles::of::<machine::$baseline>(),
                }
            }
        }
    };
}
multiply!(f32, BaselineF32, Avx2F32, Avx512F32);
multiply!(f64, BaselineF64, Avx2F64, Avx512F64);

/// Multiplications that are worth a second thread.
pub(super) const PARALLEL: usize = 1 << 18;

unsafe fn multiply<M: Machine>(x: &Product<M::Item>) {
    // SAFETY: as the caller's.
    unsafe {
        if is_direct::<M>(x) {
            direct::<M>(x);
        } else {
            let relu = x.epilogue.activation == Activation::Relu;
            let epilogue = LargeEpilogue {
                accumulate: x.epilogue.accumulate,
                bias: x.epilogue.bias,
                row_bias: None,
                relu,
            };
            large::<M>(&Large {
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
            });
        }
    }
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
    /// The destination of the tile at (i, j), `cols` wide, for a sum over the whole depth.
    pub(super) fn out(&self, i: usize, j: usize, cols: usize) -> Out<T> {
        Out {
            c: self.c.wrapping_add(i * self.row_stride + j),
            row_stride: self.row_stride,
            cols,
            add: self.epilogue.accumulate,
            bias: self.epilogue.bias.map_or(std::ptr::null(), |bias| bias[j..].as_ptr()),
            row_bias: std::ptr::null(),
            relu: self.epilogue.activation == Activation::Relu,
        }
    }

    /// The left factor from item (i, p) on.
    pub(super) fn left(&self, i: usize, p: usize) -> Left<T> {
        let start = self.a.data.as_ptr().wrapping_add(i * self.a.row_stride + p * self.a.col_stride);
        Left { start, row: self.a.row_stride, step: self.a.col_stride }
    }
}
