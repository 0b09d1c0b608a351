//! Elementwise kernels with broadcasting.

use talweg_kernels::elementwise as kernels;
use talweg_kernels::{Float, Pod};

use super::{dense, float, out_slice, spread, stored};
use crate::backend::{Out, View};
use crate::dtype::DType;
use crate::ops::{Binary, Compare, Unary};
use crate::shape::Shape;

/// Arithmetic of whole numbers, which wraps.
macro_rules! whole {
    ($t:ident, $f:expr, $a:expr, $b:expr, $out:expr) => {{
        let shape = $out.shape;
        let (a, b) = (spread::<$t>($a, &shape), spread::<$t>($b, &shape));
        let compute = match $f {
            Binary::Add => $t::wrapping_add,
            Binary::Sub => $t::wrapping_sub,
            Binary::Mul => $t::wrapping_mul,
            Binary::Maximum => $t::max,
            Binary::Minimum => $t::min,
            Binary::Div | Binary::Pow => unreachable!("the shape rule refuses whole numbers here"),
        };
        let at = |x: &[$t], i: usize| if x.len() == 1 { x[0] } else { x[i] };
        for (i, to) in out_slice::<$t>($out).iter_mut().enumerate() {
            *to = compute(at(&a, i), at(&b, i));
        }
    }};
}

pub(super) fn unary(f: Unary, x: &View<'_>, out: &mut Out<'_>) {
    float!(out.dtype, T => f.map::<T>(&dense(x), out_slice(out)));
}

pub(super) fn unary_over(f: Unary, out: &mut Out<'_>) {
    float!(out.dtype, T => f.map_in_place::<T>(out_slice(out)));
}

pub(super) fn slope(f: Unary, dy: &View<'_>, kept: &View<'_>, out: &mut Out<'_>) {
    float!(out.dtype, T => f.slope_map::<T>(&dense(dy), &dense(kept), out_slice(out)));
}

pub(super) fn slope_over(f: Unary, out: &mut Out<'_>, kept: &View<'_>) {
    float!(out.dtype, T => f.slope_in_place::<T>(out_slice(out), &dense(kept)));
}

pub(super) fn affine(scale: f64, shift: f64, x: &View<'_>, out: &mut Out<'_>) {
    float!(out.dtype, T => kernels::affine(&dense::<T>(x), scale as T, shift as T, out_slice(out)));
}

pub(super) fn affine_over(scale: f64, shift: f64, out: &mut Out<'_>) {
    float!(out.dtype, T => kernels::affine_in_place(out_slice::<T>(out), scale as T, shift as T));
}

pub(super) fn binary(f: Binary, a: &View<'_>, b: &View<'_>, out: &mut Out<'_>) {
    match out.dtype {
        DType::F32 => pairs::<f32>(f, a, b, out),
        DType::F64 => pairs::<f64>(f, a, b, out),
        DType::U8 => whole!(u8, f, a, b, out),
        _ => whole!(i64, f, a, b, out),
    }
}

fn pairs<T: Float>(f: Binary, a: &View<'_>, b: &View<'_>, out: &mut Out<'_>) {
    let shape = out.shape;
    if *a.layout.shape() == shape
        && let Some(inner) = channel(b, &shape)
    {
        return f.zip_channels::<T>(&dense(a), &dense(b), inner, out_slice(out));
    }
    f.zip::<T>(&spread(a, &shape), &spread(b, &shape), out_slice(out));
}

/// The number of elements that share one element of `b` if `b` varies along neighbouring axes only: a bias `[c]`
/// against `[n, c]` gives 1, a channel's mean `[c, 1, 1]` against `[n, c, h, w]` gives `h w`.
fn channel(b: &View<'_>, shape: &Shape) -> Option<usize> {
    let own = b.layout.shape();
    let count = own.numel();
    if count <= 1 || count == shape.numel() || b.layout.contiguous().is_none() {
        return None;
    }
    let lead = shape.rank() - own.rank();
    let last = (0..own.rank()).rev().find(|&axis| own.at(axis) != 1)?;
    let first = (0..own.rank()).find(|&axis| own.at(axis) != 1)?;
    let whole = (first..=last).all(|axis| own.at(axis) == shape.at(lead + axis));
    whole.then(|| shape.iter().skip(lead + last + 1).product())
}

pub(super) fn binary_over(f: Binary, out: &mut Out<'_>, b: &View<'_>) {
    let shape = out.shape;
    float!(out.dtype, T => f.zip_in_place::<T>(out_slice(out), &spread(b, &shape)));
}

/// Comparisons as types, so that kernels are compiled for each.
mod relations {
    use talweg_kernels::Pod;
    use talweg_kernels::elementwise::Compare;

    macro_rules! relation {
        ($($name:ident $op:tt;)*) => {$(
            pub(super) struct $name;
            impl Compare for $name {
                #[inline(always)]
                fn compare<T: Pod>(a: T, b: T) -> bool {
                    a $op b
                }
            }
        )*};
    }
    relation! { Eq ==; Ne !=; Lt <; Le <=; Gt >; Ge >=; }
}

pub(super) fn compare(f: Compare, a: &View<'_>, b: &View<'_>, out: &mut Out<'_>) {
    let shape = out.shape;
    stored!(a.dtype, T => relate::<T>(f, &spread(a, &shape), &spread(b, &shape), out_slice(out)));
}

fn relate<T: Pod>(f: Compare, a: &[T], b: &[T], out: &mut [u8]) {
    match f {
        Compare::And => logic(a, b, out, |a, b| a & b),
        Compare::Or => logic(a, b, out, |a, b| a | b),
        Compare::Xor => logic(a, b, out, |a, b| a ^ b),
        Compare::Eq => kernels::compare::<relations::Eq, T>(a, b, out),
        Compare::Ne => kernels::compare::<relations::Ne, T>(a, b, out),
        Compare::Lt => kernels::compare::<relations::Lt, T>(a, b, out),
        Compare::Le => kernels::compare::<relations::Le, T>(a, b, out),
        Compare::Gt => kernels::compare::<relations::Gt, T>(a, b, out),
        Compare::Ge => kernels::compare::<relations::Ge, T>(a, b, out),
    }
}

fn logic<T: Pod>(a: &[T], b: &[T], out: &mut [u8], f: impl Fn(bool, bool) -> bool) {
    let at = |x: &[T], i: usize| if x.len() == 1 { x[0] != T::default() } else { x[i] != T::default() };
    for (i, to) in out.iter_mut().enumerate() {
        *to = f(at(a, i), at(b, i)) as u8;
    }
}

pub(super) fn select(condition: &View<'_>, a: &View<'_>, b: &View<'_>, out: &mut Out<'_>) {
    let shape = out.shape;
    let condition = spread::<u8>(condition, &shape);
    stored!(out.dtype, T => {
        let (a, b) = (spread::<T>(a, &shape), spread::<T>(b, &shape));
        let to = out_slice::<T>(out);
        match condition.len() == to.len() {
            true => kernels::select(&condition, &a, &b, to),
            false => kernels::select(&vec![condition[0]; to.len()], &a, &b, to),
        }
    });
}
