//! The tiles of an instruction set as plain functions, for kernels that cut their products themselves.
//!
//! # Safety
//! The functions may only be called where the instruction set exists that they were asked for, with pointers that are
//! valid as the fields say.

use super::machine::Machine;
use super::pack::Packer;
use super::tile::{Left, Out};
use crate::Float;

/// Where a tile goes.
#[derive(Clone, Copy)]
pub(crate) struct Target<T> {
    /// Its first item.
    pub(crate) c: *mut T,
    /// Items from one row to the next.
    pub(crate) row_stride: usize,
    /// Columns that exist, 1 to [`Tiles::cols`].
    pub(crate) cols: usize,
    /// Whether the sums are added to the old items.
    pub(crate) add: bool,
}

/// A left factor in its own memory: item (i, p) is at `start + i * row + p * step`.
#[derive(Clone, Copy)]
pub(crate) struct Strided<T> {
    pub(crate) start: *const T,
    pub(crate) row: usize,
    pub(crate) step: usize,
}

/// The tiles of one instruction set for one type of number.
pub struct Tiles<T: 'static> {
    /// Most rows of a tile, which is the width of a packed panel of the left factor.
    pub(crate) rows: usize,
    /// Most columns of a tile, which is the width of a packed panel of the right factor.
    pub(crate) cols: usize,
    /// How panels of the left and of the right factor are packed.
    pub(crate) left: Packer<T>,
    pub(crate) right: Packer<T>,
    /// `packed(rows, depth, a, b, target)`: the product of the panels `a` and `b`, of whose rows the first 1 to
    /// [`Tiles::rows`] are wanted.
    pub(crate) packed: unsafe fn(usize, usize, *const T, *const T, Target<T>),
    /// The same with a left factor that is not packed.
    pub(crate) half_packed: unsafe fn(usize, usize, Strided<T>, *const T, Target<T>),
}

impl<T: Float> Tiles<T> {
    pub(super) const fn of<M: Machine<Item = T>>() -> Tiles<T> {
        Tiles {
            rows: M::ROWS,
            cols: M::COLS,
            left: M::LEFT,
            right: M::RIGHT,
            packed: packed::<M>,
            half_packed: half_packed::<M>,
        }
    }
}

unsafe fn packed<M: Machine>(
    rows: usize,
    depth: usize,
    a: *const M::Item,
    b: *const M::Item,
    target: Target<M::Item>,
) {
    // SAFETY: as the caller's.
    unsafe { M::packed(rows, depth, a, b, &out(target)) }
}

unsafe fn half_packed<M: Machine>(
    rows: usize,
    depth: usize,
    a: Strided<M::Item>,
    b: *const M::Item,
    target: Target<M::Item>,
) {
    let a = Left { start: a.start, row: a.row, step: a.step };
    // SAFETY: as the caller's.
    unsafe { M::half_packed(rows, depth, a, b, &out(target)) }
}

fn out<T: Float>(target: Target<T>) -> Out<T> {
    Out {
        c: target.c,
        row_stride: target.row_stride,
        cols: target.cols,
        add: target.add,
        bias: std::ptr::null(),
        row_bias: std::ptr::null(),
        alpha: T::ONE,
        residual: std::ptr::null(),
        residual_stride: 0,
        relu: false,
    }
}
