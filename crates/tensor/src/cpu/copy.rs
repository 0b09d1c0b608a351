//! Moving elements: gathering views, converting types, filling, joining.

use talweg_kernels::elementwise::{Convert, cast, to_bool};
use talweg_kernels::{Bf16, Buffer, F16, Pod, random as kernels, strided};

use super::{dense, float, out_slice, stored};
use crate::backend::{Out, View};
use crate::dtype::DType;
use crate::layout::Layout;
use crate::random::{Distribution, Draw};

/// The elements of a view in row-major order.
pub(super) fn gather(x: &View<'_>, out: &mut Buffer) {
    stored!(x.dtype, T => gather_into::<T>(x, out.as_mut_slice()));
}

fn gather_into<T: Pod>(x: &View<'_>, out: &mut [T]) {
    let src = super::host(x.storage).as_slice::<T>();
    match x.layout.contiguous() {
        Some(start) => out.copy_from_slice(&src[start..start + out.len()]),
        None => {
            let (shape, strides) = (x.layout.shape(), x.layout.strides());
            strided::copy(&shape.to_vec(), &strides[..shape.rank()], x.layout.offset(), src, out);
        }
    }
}

/// The only element of a view, whatever its type.
pub(crate) fn number(x: &View<'_>) -> f64 {
    let (memory, at) = (super::host(x.storage), x.layout.offset());
    match x.dtype {
        DType::F32 => memory.as_slice::<f32>()[at] as f64,
        DType::F64 => memory.as_slice::<f64>()[at],
        DType::Bf16 => memory.as_slice::<Bf16>()[at].to_f32() as f64,
        DType::F16 => memory.as_slice::<F16>()[at].to_f32() as f64,
        DType::I64 => memory.as_slice::<i64>()[at] as f64,
        DType::U8 | DType::Bool => memory.as_slice::<u8>()[at] as f64,
    }
}

/// Copies with conversion to the output's type.
pub(super) fn convert(x: &View<'_>, out: &mut Out<'_>) {
    if x.dtype == out.dtype {
        return stored!(x.dtype, T => gather_into::<T>(x, out_slice(out)));
    }
    match out.dtype {
        DType::F32 => stored!(x.dtype, T => cast_into::<T, f32>(x, out)),
        DType::F64 => stored!(x.dtype, T => cast_into::<T, f64>(x, out)),
        DType::Bf16 => stored!(x.dtype, T => cast_into::<T, Bf16>(x, out)),
        DType::F16 => stored!(x.dtype, T => cast_into::<T, F16>(x, out)),
        DType::I64 => stored!(x.dtype, T => cast_into::<T, i64>(x, out)),
        DType::U8 => stored!(x.dtype, T => cast_into::<T, u8>(x, out)),
        DType::Bool => stored!(x.dtype, T => to_bool(&dense::<T>(x), out_slice(out))),
    }
}

fn cast_into<A: Convert<B>, B: Pod>(x: &View<'_>, out: &mut Out<'_>) {
    cast(&dense::<A>(x), out_slice::<B>(out));
}

pub(super) fn fill(x: f64, out: &mut Out<'_>) {
    match out.dtype {
        DType::F32 => out_slice(out).fill(x as f32),
        DType::F64 => out_slice(out).fill(x),
        DType::Bf16 => out_slice(out).fill(Bf16::from_f32(x as f32)),
        DType::F16 => out_slice(out).fill(F16::from_f32(x as f32)),
        DType::I64 => out_slice(out).fill(x as i64),
        DType::U8 => out_slice(out).fill(x as u8),
        DType::Bool => out_slice(out).fill((x != 0.0) as u8),
    }
}

pub(super) fn random(draw: &Draw, out: &mut Out<'_>) {
    let Draw { distribution, seed, stream, offset } = *draw;
    match distribution {
        Distribution::Uniform(low, high) => float!(out.dtype, T =>
            kernels::uniform(seed, stream, offset, low as T, high as T, out_slice::<T>(out))),
        Distribution::Normal(mean, std) => float!(out.dtype, T =>
            kernels::normal(seed, stream, offset, mean as T, std as T, out_slice::<T>(out))),
    }
}

/// Seen from the axis on, each input is one block in each row of the output.
pub(super) fn cat(xs: &[View<'_>], axis: usize, out: &mut Out<'_>) {
    stored!(out.dtype, T => {
        let row: usize = out.shape.iter().skip(axis).product();
        let to = out_slice::<T>(out);
        let mut start = 0;
        for x in xs {
            let block: usize = x.layout.shape().iter().skip(axis).product();
            if block > 0 {
                let from = dense::<T>(x);
                for (to, from) in to.chunks_exact_mut(row).zip(from.chunks_exact(block)) {
                    to[start..start + block].copy_from_slice(from);
                }
            }
            start += block;
        }
    });
}

/// Zeros with the input added in at the places of a layout of the output.
pub(super) fn embed(x: &View<'_>, places: &Layout, out: &mut Out<'_>) {
    float!(out.dtype, T => {
        let (shape, strides) = (places.shape(), places.strides());
        let to = out_slice::<T>(out);
        to.fill(0.0);
        strided::scatter_add(&shape.to_vec(), &strides[..shape.rank()], places.offset(), &dense::<T>(x), to);
    });
}
