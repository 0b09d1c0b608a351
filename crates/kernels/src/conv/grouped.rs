//! Convolutions by whole columns of one image and group at a time.

use super::Conv2d;
use super::columns::{fold, scratch_len, unfold};
use crate::gemm::{Epilogue, Mat, gemm};
use crate::threads::{Shared, for_each};
use crate::{Buffer, Float};

pub(super) fn forward<T: Float>(s: &Conv2d, x: &[T], w: &[T], bias: Option<&[T]>, y: &mut [T]) {
    let (taps, pixels, out) = (s.taps(), s.pixels(), s.out_channels / s.groups);
    for_images(s, y, s.out_channels * pixels, &|image, y, scratch| {
        for g in 0..s.groups {
            let columns = unfold(s, x, image, g, scratch);
            let y = &mut y[g * out * pixels..][..out * pixels];
            if let Some(bias) = bias {
                y.chunks_mut(pixels).zip(&bias[g * out..]).for_each(|(y, &b)| y.fill(b));
            }
            let w = Mat::row_major(&w[g * out * taps..][..out * taps], out, taps);
            let epilogue = Epilogue { accumulate: bias.is_some(), ..Epilogue::default() };
            gemm(w, Mat::row_major(columns, taps, pixels), y, pixels, &epilogue);
        }
    });
}

pub(super) fn input_grad<T: Float>(s: &Conv2d, dy: &[T], w: &[T], dx: &mut [T]) {
    let (taps, pixels, out) = (s.taps(), s.pixels(), s.out_channels / s.groups);
    let (image_in, group_in) =
        (s.in_channels * s.height * s.width, s.in_channels / s.groups * s.height * s.width);
    for_images(s, dx, image_in, &|image, dx, scratch| {
        for g in 0..s.groups {
            let dx = &mut dx[g * group_in..][..group_in];
            let dy = &dy[(image * s.groups + g) * out * pixels..][..out * pixels];
            let w = Mat::row_major(&w[g * out * taps..][..out * taps], out, taps);
            let dy = Mat::row_major(dy, out, pixels);
            if s.is_pointwise() {
                gemm(w.t(), dy, dx, pixels, &Epilogue::default());
            } else {
                let columns = &mut scratch[..taps * pixels];
                gemm(w.t(), dy, columns, pixels, &Epilogue::default());
                fold(s, columns, dx);
            }
        }
    });
}

/// One group after the other; within a group, image after image.
pub(super) fn weight_grad<T: Float>(s: &Conv2d, x: &[T], dy: &[T], dw: &mut [T]) {
    let (taps, pixels, out) = (s.taps(), s.pixels(), s.out_channels / s.groups);
    let base = Shared::new(dw.as_mut_ptr());
    for_each(s.groups, &|g| {
        // SAFETY: groups do not overlap, lie inside `dw`, and every one is visited once.
        let dw = unsafe { std::slice::from_raw_parts_mut(base.get().add(g * out * taps), out * taps) };
        dw.fill(T::ZERO);
        let mut scratch = Buffer::take(scratch_len(s) * size_of::<T>());
        for image in 0..s.batch {
            let columns = unfold(s, x, image, g, scratch.as_mut_slice());
            let dy = &dy[(image * s.groups + g) * out * pixels..][..out * pixels];
            let epilogue = Epilogue { accumulate: true, ..Epilogue::default() };
            gemm(
                Mat::row_major(dy, out, pixels),
                Mat::row_major(columns, taps, pixels).t(),
                dw,
                taps,
                &epilogue,
            );
        }
    });
}

/// What is done for an image: (its number, its part of the destination, scratch).
type PerImage<'a, T> = &'a (dyn Fn(usize, &mut [T], &mut [T]) + Sync);

/// Calls `f(image, its part of out, scratch)` for every image, on several threads.
fn for_images<T: Float>(s: &Conv2d, out: &mut [T], image: usize, f: PerImage<T>) {
    let base = Shared::new(out.as_mut_ptr());
    debug_assert_eq!(out.len(), s.batch * image);
    for_each(s.batch, &|i| {
        let mut scratch = Buffer::take(scratch_len(s) * size_of::<T>());
        // SAFETY: images do not overlap, lie inside `out`, and every one is visited once.
        let out = unsafe { std::slice::from_raw_parts_mut(base.get().add(i * image), image) };
        f(i, out, scratch.as_mut_slice());
    });
}
