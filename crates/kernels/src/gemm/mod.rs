//! Matrix products: `c = a b`, optionally added to what `c` holds, with a bias and an activation on the way out.

mod ahead;
mod direct;
mod gemv;
mod large;
pub(crate) mod machine;
mod operand;
mod pack;
#[cfg(any(target_arch = "x86_64", test))]
mod pairs;
mod product;
mod tile;
mod tiles;
mod vector;

#[cfg(test)]
mod tests;

pub(crate) use large::{Factor, Lanes, Large, LargeEpilogue};
pub(crate) use machine::Machine;
pub use operand::Mat;
pub(crate) use pack::{Block, Packer, panel_len};
pub(crate) use product::Multiply;
pub(crate) use tile::{Left, Out};
pub(crate) use tiles::{Strided, Target, Tiles};
pub(crate) use vector::{Vector, prefetch};

use crate::Float;
use crate::dispatch::isa;
use crate::threads::{Shared, for_each};
use product::Product;

/// The function applied to every item of a finished product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// `z`
    #[default]
    Identity,
    /// `max(z, 0)`; NaN stays NaN.
    Relu,
    /// `tanh z`
    Tanh,
    /// `1 / (1 + e^-z)`
    Sigmoid,
}

/// How exactly the factors of a product enter it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// As they are.
    #[default]
    Full,
    /// Factors of `f32` are first rounded to 16 bits ([`Bf16`](crate::Bf16): nearest, ties to even); products and sums are
    /// `f32`. Factors of `f64` enter as they are.
    ///
    /// Where the processor has AVX512_BF16, large products use its dot product of pairs, at twice the speed: subnormal
    /// numbers then count as zero, and each sum is rounded after every product, two neighbours along the depth at
    /// a time. Elsewhere and in small products, sums are those of [`Precision::Full`] over rounded factors.
    Bf16,
}

/// What [`gemm`] does with the product on its way into `c`:
/// `c = activation(old c (if accumulate) + alpha a b + bias + residual)`.
///
/// The default overwrites `c` with the plain product.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<'a, T> {
    /// Whether the product is added to the old contents of `c`.
    pub accumulate: bool,
    /// A factor of the product.
    pub alpha: T,
    /// One number per column, added to all rows.
    pub bias: Option<&'a [T]>,
    /// A matrix of the size of `c` whose columns are neighbours (`col_stride` 1), added item by item.
    pub residual: Option<Mat<'a, T>>,
    /// Applied last.
    pub activation: Activation,
}

impl<T: Float> Default for Epilogue<'_, T> {
    fn default() -> Self {
        Epilogue {
            accumulate: false,
            alpha: T::ONE,
            bias: None,
            residual: None,
            activation: Activation::Identity,
        }
    }
}

/// `c = a b` for `a` of [m, k] and `b` of [k, n], with the epilogue on top.
///
/// `c` is row-major with `row_stride_c >= n` items from row to row; items between the rows are left alone. With
/// k = 0 the product is zero. The order of summation depends on the sizes and the instruction set only, not on the
/// strides' speed or the number of threads.
///
/// ```
/// use talweg_kernels::gemm::{Activation, Epilogue, Mat, gemm};
/// let a = [1.0, 2.0, 3.0, 4.0];
/// let b = [1.0, 0.0, -1.0, 1.0];
/// let mut c = [0.0; 4];
/// let epilogue = Epilogue { bias: Some(&[0.5, -3.0]), activation: Activation::Relu, ..Epilogue::default() };
/// gemm(Mat::row_major(&a, 2, 2), Mat::row_major(&b, 2, 2), &mut c, 2, &epilogue);
/// assert_eq!(c, [0.0, 0.0, 0.0, 1.0]);
/// gemm(Mat::row_major(&a, 2, 2).t(), Mat::row_major(&b, 2, 2), &mut c, 2, &Epilogue::default());
/// assert_eq!(c, [-2.0, 3.0, -2.0, 4.0]);
/// ```
///
/// # Panics
/// If the inner sizes differ, a slice is too short for its matrix, or ``bias` does not have n items, or the residual is not
/// a matrix of the size of `c` with neighbouring columns.
#[track_caller]
pub fn gemm<T: Float>(a: Mat<T>, b: Mat<T>, c: &mut [T], row_stride_c: usize, epilogue: &Epilogue<T>) {
    gemm_in(Precision::Full, a, b, c, row_stride_c, epilogue);
}

/// [`gemm`] with the factors rounded as `precision` says.
///
/// # Panics
/// As [`gemm`].
#[track_caller]
pub fn gemm_in<T: Float>(
    precision: Precision,
    a: Mat<T>,
    b: Mat<T>,
    c: &mut [T],
    row_stride_c: usize,
    epilogue: &Epilogue<T>,
) {
    let [m, k, n] = check_product(&a, &b);
    a.check("gemm: a");
    b.check("gemm: b");
    if m == 0 || n == 0 {
        return;
    }
    assert!(row_stride_c >= n, "gemm: rows of c are {row_stride_c} items apart, but have {n} items");
    let needed = (m - 1) * row_stride_c + n;
    assert!(
        c.len() >= needed,
        "gemm: c has {} items, {m} x {n} at row stride {row_stride_c} needs {needed}",
        c.len()
    );
    if let Some(bias) = epilogue.bias {
        assert!(bias.len() == n, "gemm: bias has {} items, c has {n} columns", bias.len());
    }
    if let Some(residual) = epilogue.residual {
        assert!(
            [residual.rows, residual.cols] == [m, n] && (residual.col_stride == 1 || n == 1),
            "gemm: the residual is [{}, {}] with column stride {}, c is [{m}, {n}] and takes column stride 1",
            residual.rows,
            residual.cols,
            residual.col_stride
        );
        residual.check("gemm: residual");
    }
    let (c, row_stride) = (c.as_mut_ptr(), row_stride_c);
    let product = Product { m, n, k, a, b, c, row_stride, epilogue, precision };
    // SAFETY: `isa` finds what the processor has; all lengths were checked, and `c` is borrowed mutably.
    unsafe { T::multiply(isa(), &product) };
}

/// `c[i] = a[i] b[i]` for i below `batch`: many products of one size, in the precision asked for.
///
/// `a` and `b` describe the product number 0; number i starts `i * a_step` and `i * b_step` items later (a step of 0
/// shares the matrix) and goes, row-major and dense, to `c[i * c_step ..]`.
///
/// # Panics
/// If the inner sizes differ, a slice is too short for its last matrix, or the results would overlap
/// (`c_step < m * n`).
#[track_caller]
pub fn gemm_batched<T: Float>(
    precision: Precision,
    batch: usize,
    (a, a_step): (Mat<T>, usize),
    (b, b_step): (Mat<T>, usize),
    c: &mut [T],
    c_step: usize,
) {
    let [m, k, n] = check_product(&a, &b);
    if batch == 0 || m == 0 || n == 0 {
        return;
    }
    let last = batch - 1;
    a.check_at(last * a_step, "gemm_batched: a");
    b.check_at(last * b_step, "gemm_batched: b");
    assert!(
        batch == 1 || c_step >= m * n,
        "gemm_batched: c_step {c_step} is below the product's size {m} x {n}"
    );
    let needed = last * c_step + m * n;
    assert!(c.len() >= needed, "gemm_batched: c has {} items, {batch} products need {needed}", c.len());
    let group = (SMALL_PRODUCT / (m * k * n).max(1)).clamp(1, batch);
    let (base, isa, epilogue) = (Shared::new(c.as_mut_ptr()), isa(), Epilogue::default());
    for_each(batch.div_ceil(group), &|g| {
        for i in g * group..((g + 1) * group).min(batch) {
            let (a, b, epilogue) = (a.from(i * a_step), b.from(i * b_step), &epilogue);
            let c = base.get().wrapping_add(i * c_step);
            // SAFETY: the results `i * c_step .. + m * n` do not overlap and end within `c` (asserted above).
            unsafe { T::multiply(isa, &Product { m, n, k, a, b, c, row_stride: n, epilogue, precision }) };
        }
    });
}

/// Multiplications below which a product is not worth a second thread.
const SMALL_PRODUCT: usize = 1 << 18;

#[track_caller]
fn check_product<T>(a: &Mat<T>, b: &Mat<T>) -> [usize; 3] {
    assert!(
        a.cols == b.rows,
        "gemm: inner sizes differ, [{}, {}] x [{}, {}] ({} vs {})",
        a.rows,
        a.cols,
        b.rows,
        b.cols,
        a.cols,
        b.rows
    );
    [a.rows, a.cols, b.cols]
}
