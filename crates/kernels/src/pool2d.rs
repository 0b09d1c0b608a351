//! Pooling over windows of planes: the maximum and the mean, with their gradients.
//!
//! Window (i, j) covers rows `i * stride[0] - padding[0]` to `.. + kernel[0]` and columns likewise. Sizes are rounded
//! down, as PyTorch does by default.

use std::hint::select_unpredictable;

use crate::Float;
use crate::threads::{Shared, for_each};

/// The sizes of a pooling; all pairs are (rows, columns).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool2d {
    /// The number of planes: batch size times channels.
    pub batch: usize,
    /// Rows of an input plane.
    pub height: usize,
    /// Columns of an input plane.
    pub width: usize,
    /// The size of a window.
    pub kernel: [usize; 2],
    /// The distance between windows.
    pub stride: [usize; 2],
    /// Rows and columns added on every side: at most half the kernel. They never are the maximum.
    pub padding: [usize; 2],
    /// Whether the mean divides by the size of the window with its padding, or without. (The mean only.)
    pub count_include_pad: bool,
}

impl Pool2d {
    /// The size of an output plane: `(size + 2 * padding - kernel) / stride + 1`, rounded down; 0 where the kernel is
    /// larger than the padded input.
    pub fn output(&self) -> [usize; 2] {
        let size = |n: usize, axis: usize| {
            let padded = n + 2 * self.padding[axis];
            if padded < self.kernel[axis] {
                0
            } else {
                (padded - self.kernel[axis]) / self.stride[axis].max(1) + 1
            }
        };
        [size(self.height, 0), size(self.width, 1)]
    }

    fn input_plane(&self) -> usize {
        self.height * self.width
    }

    fn output_plane(&self) -> usize {
        let [h, w] = self.output();
        h * w
    }

    #[track_caller]
    fn check(&self, op: &str, input: usize, output: usize) {
        assert!(
            self.kernel.iter().all(|&k| k > 0) && self.stride.iter().all(|&s| s > 0),
            "{op}: kernel {:?} and stride {:?} must be at least 1",
            self.kernel,
            self.stride
        );
        assert!(
            (0..2).all(|i| 2 * self.padding[i] <= self.kernel[i]),
            "{op}: padding {:?} is more than half the kernel {:?}",
            self.padding,
            self.kernel
        );
        let expected = self.batch * self.input_plane();
        assert!(input == expected, "{op}: the input has {input} items, {self:?} needs {expected}");
        let expected = self.batch * self.output_plane();
        assert!(output == expected, "{op}: the output has {output} items, {self:?} needs {expected}");
    }

    /// The part of window `i` along `axis` (of size `n`) that lies inside the plane.
    #[inline]
    fn window(&self, axis: usize, n: usize, i: usize) -> (usize, usize) {
        let start = i * self.stride[axis];
        let end = (start + self.kernel[axis]).saturating_sub(self.padding[axis]).min(n);
        (start.saturating_sub(self.padding[axis]).min(end), end)
    }

    /// The number that the mean over window (i, j) divides by.
    #[inline]
    fn divisor(&self, i: usize, j: usize) -> usize {
        if self.count_include_pad {
            // Rounding down keeps every window inside the padded plane.
            return self.kernel[0] * self.kernel[1];
        }
        let ((h0, h1), (w0, w1)) = (self.window(0, self.height, i), self.window(1, self.width, j));
        (h1 - h0) * (w1 - w0)
    }
}

/// Calls `f(plane, its part of out)` for every plane, on several threads; `out` is cut into planes of `out_plane`
/// items, each of which takes about `work` steps.
fn for_planes<T: Send>(
    planes: usize,
    work: usize,
    out: &mut [T],
    out_plane: usize,
    f: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    // About 16 thousand window items keep a thread busy for ten microseconds.
    let group = (16_384 / work.max(1)).clamp(1, planes.max(1));
    debug_assert_eq!(out.len(), planes * out_plane);
    let base = Shared::new(out.as_mut_ptr());
    for_each(planes.div_ceil(group), &|g| {
        for plane in g * group..((g + 1) * group).min(planes) {
            // SAFETY: planes do not overlap, lie inside `out`, and every one is visited once.
            let out = unsafe { std::slice::from_raw_parts_mut(base.get().add(plane * out_plane), out_plane) };
            f(plane, out);
        }
    });
}

/// `y[p, i, j]` = the maximum of window (i, j) of plane p, and `index` = its position `row * width + column` in the
/// plane.
///
/// The first maximum in row-major order wins; a NaN in the window wins over everything (the last one, as in PyTorch).
///
/// # Panics
/// If a slice has the wrong length, a kernel or stride is 0, or the padding exceeds half the kernel.
#[track_caller]
pub fn max_pool2d<T: Float>(s: &Pool2d, x: &[T], y: &mut [T], index: &mut [i64]) {
    s.check("max_pool2d", x.len(), y.len());
    assert!(index.len() == y.len(), "max_pool2d: index has {} items, y has {}", index.len(), y.len());
    let (plane_in, plane_out) = (s.input_plane(), s.output_plane());
    let indices = Shared::new(index.as_mut_ptr());
    for_planes(s.batch, plane_out * s.kernel[0] * s.kernel[1], y, plane_out, &|plane, y| {
        // SAFETY: as for `y` in `for_planes`: disjoint planes inside `index`, which has the same length as `y`.
        let index =
            unsafe { std::slice::from_raw_parts_mut(indices.get().add(plane * plane_out), plane_out) };
        max_plane(s, &x[plane * plane_in..][..plane_in], y, index);
    });
}

fn max_plane<T: Float>(s: &Pool2d, x: &[T], y: &mut [T], index: &mut [i64]) {
    let [rows, cols] = s.output();
    for i in 0..rows {
        let (h0, h1) = s.window(0, s.height, i);
        for j in 0..cols {
            let (w0, w1) = s.window(1, s.width, j);
            // Only the place is kept, and chosen without a branch: which tap wins cannot be predicted, and a wrong
            // guess costs more than all of the arithmetic.
            let mut place = h0 * s.width + w0;
            for h in h0..h1 {
                for at in h * s.width + w0..h * s.width + w1 {
                    let v = x[at];
                    place = select_unpredictable((v > x[place]) | v.is_nan(), at, place);
                }
            }
            y[i * cols + j] = x[place];
            index[i * cols + j] = place as i64;
        }
    }
}

/// `dx[p, index[p, i, j]] += dy[p, i, j]`, from zero: the gradient of [`max_pool2d`].
///
/// # Panics
/// As [`max_pool2d`], and if an index lies outside its plane.
#[track_caller]
pub fn max_pool2d_grad<T: Float>(s: &Pool2d, dy: &[T], index: &[i64], dx: &mut [T]) {
    s.check("max_pool2d_grad", dx.len(), dy.len());
    assert!(index.len() == dy.len(), "max_pool2d_grad: index has {} items, dy has {}", index.len(), dy.len());
    let (plane_in, plane_out) = (s.input_plane(), s.output_plane());
    for_planes(s.batch, plane_in + plane_out, dx, plane_in, &|plane, dx| {
        dx.fill(T::ZERO);
        let range = plane * plane_out..(plane + 1) * plane_out;
        for (&g, &place) in dy[range.clone()].iter().zip(&index[range]) {
            let inside = usize::try_from(place).ok().filter(|&p| p < plane_in);
            let Some(place) = inside else {
                panic!("max_pool2d_grad: index {place} lies outside its plane of {plane_in} items")
            };
            dx[place] += g;
        }
    });
}

/// `y[p, i, j]` = the sum of window (i, j) of plane p over the window's size (with or without padding, see
/// [`Pool2d::count_include_pad`]).
///
/// # Panics
/// If a slice has the wrong length, a kernel or stride is 0, or the padding exceeds half the kernel.
#[track_caller]
pub fn avg_pool2d<T: Float>(s: &Pool2d, x: &[T], y: &mut [T]) {
    s.check("avg_pool2d", x.len(), y.len());
    let (plane_in, plane_out, [_, cols]) = (s.input_plane(), s.output_plane(), s.output());
    for_planes(s.batch, plane_out * s.kernel[0] * s.kernel[1], y, plane_out, &|plane, y| {
        let x = &x[plane * plane_in..][..plane_in];
        for (place, y) in y.iter_mut().enumerate() {
            let (i, j) = (place / cols, place % cols);
            let ((h0, h1), (w0, w1)) = (s.window(0, s.height, i), s.window(1, s.width, j));
            let mut sum = T::ZERO;
            for h in h0..h1 {
                for &v in &x[h * s.width..][w0..w1] {
                    sum += v;
                }
            }
            *y = sum / T::from_f64(s.divisor(i, j) as f64);
        }
    });
}

/// The gradient of [`avg_pool2d`]: every item of window (i, j) gets `dy[p, i, j]` over the window's size.
///
/// # Panics
/// As [`avg_pool2d`].
#[track_caller]
pub fn avg_pool2d_grad<T: Float>(s: &Pool2d, dy: &[T], dx: &mut [T]) {
    s.check("avg_pool2d_grad", dx.len(), dy.len());
    let (plane_in, plane_out, [rows, cols]) = (s.input_plane(), s.output_plane(), s.output());
    for_planes(s.batch, plane_in + plane_out * s.kernel[0] * s.kernel[1], dx, plane_in, &|plane, dx| {
        dx.fill(T::ZERO);
        let dy = &dy[plane * plane_out..][..plane_out];
        for i in 0..rows {
            let (h0, h1) = s.window(0, s.height, i);
            for j in 0..cols {
                let (w0, w1) = s.window(1, s.width, j);
                let share = dy[i * cols + j] / T::from_f64(s.divisor(i, j) as f64);
                for h in h0..h1 {
                    for v in &mut dx[h * s.width..][w0..w1] {
                        *v += share;
                    }
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAIN: Pool2d = Pool2d {
        batch: 1,
        height: 4,
        width: 4,
        kernel: [2, 2],
        stride: [2, 2],
        padding: [0, 0],
        count_include_pad: true,
    };

    #[test]
    fn four_windows_of_four() {
        let x: Vec<f32> = (0..16).map(|i| i as f32).collect();
        let (mut y, mut index) = ([0.0; 4], [0; 4]);
        max_pool2d(&PLAIN, &x, &mut y, &mut index);
        assert_eq!((y, index), ([5.0, 7.0, 13.0, 15.0], [5, 7, 13, 15]));
        avg_pool2d(&PLAIN, &x, &mut y);
        assert_eq!(y, [2.5, 4.5, 10.5, 12.5]);
    }

    #[test]
    fn ties_take_the_first_and_nan_wins() {
        let s = Pool2d { height: 1, width: 4, kernel: [1, 4], stride: [1, 1], ..PLAIN };
        let (mut y, mut index) = ([0.0f64], [9]);
        max_pool2d(&s, &[1.0, 3.0, 3.0, 2.0], &mut y, &mut index);
        assert_eq!((y, index), ([3.0], [1]));
        max_pool2d(&s, &[1.0, f64::NAN, 3.0, 2.0], &mut y, &mut index);
        assert!(y[0].is_nan() && index == [1]);
        max_pool2d(&s, &[f64::NEG_INFINITY; 4], &mut y, &mut index);
        assert_eq!((y, index), ([f64::NEG_INFINITY], [0]));
    }

    #[test]
    #[should_panic(expected = "padding [2, 0] is more than half the kernel [3, 2]")]
    fn too_much_padding_is_refused() {
        let s = Pool2d { kernel: [3, 2], padding: [2, 0], ..PLAIN };
        avg_pool2d(&s, &[0.0f32; 16], &mut [0.0; 12]);
    }

    #[test]
    #[should_panic(expected = "the output has 5 items")]
    fn a_wrong_length_is_refused() {
        avg_pool2d(&PLAIN, &[0.0f32; 16], &mut [0.0; 5]);
    }

    /// The items of window (i, j) by the definition: all kernel offsets, those outside dropped.
    fn window(s: &Pool2d, i: usize, j: usize) -> Vec<usize> {
        let mut items = vec![];
        for a in 0..s.kernel[0] {
            for b in 0..s.kernel[1] {
                let h = (i * s.stride[0] + a) as isize - s.padding[0] as isize;
                let w = (j * s.stride[1] + b) as isize - s.padding[1] as isize;
                if (0..s.height as isize).contains(&h) && (0..s.width as isize).contains(&w) {
                    items.push(h as usize * s.width + w as usize);
                }
            }
        }
        items
    }

    fn sizes() -> impl Strategy<Value = Pool2d> {
        (
            (0usize..4, 1usize..9, 1usize..40),
            (1usize..5, 1usize..5),
            (1usize..4, 1usize..4),
            (0usize..3, 0usize..3),
            any::<bool>(),
        )
            .prop_map(|((batch, height, width), k, s, p, count_include_pad)| Pool2d {
                batch,
                height,
                width,
                kernel: [k.0, k.1],
                stride: [s.0, s.1],
                padding: [p.0.min(k.0 / 2), p.1.min(k.1 / 2)],
                count_include_pad,
            })
    }

    proptest! {
        #[test]
        fn windows_by_definition(s in sizes(), seed in 0u32..1000) {
            let [rows, cols] = s.output();
            let (n_in, n_out) = (s.batch * s.height * s.width, s.batch * rows * cols);
            let x: Vec<f64> = (0..n_in as u32).map(|i| f64::from((i * 7919 + seed * 31) % 101) - 50.0).collect();
            let dy: Vec<f64> = (0..n_out as u32).map(|i| f64::from((i * 104_729 + seed) % 17) - 8.0).collect();
            let (mut max, mut index, mut mean) = (vec![0.0; n_out], vec![0; n_out], vec![0.0; n_out]);
            let (mut dx_max, mut dx_mean) = (vec![9.0; n_in], vec![9.0; n_in]);
            max_pool2d(&s, &x, &mut max, &mut index);
            avg_pool2d(&s, &x, &mut mean);
            max_pool2d_grad(&s, &dy, &index, &mut dx_max);
            avg_pool2d_grad(&s, &dy, &mut dx_mean);
            let (mut ref_max, mut ref_mean) = (vec![0.0; n_in], vec![0.0; n_in]);
            for o in 0..n_out {
                let (p, i, j) = (o / (rows * cols), o / cols % rows, o % cols);
                let base = p * s.height * s.width;
                let items = window(&s, i, j);
                let best = items.iter().copied().rev().max_by(|&a, &b| x[base + a].total_cmp(&x[base + b])).unwrap();
                prop_assert_eq!((max[o], index[o]), (x[base + best], best as i64));
                ref_max[base + best] += dy[o];
                let size = if s.count_include_pad { s.kernel[0] * s.kernel[1] } else { items.len() } as f64;
                let sum: f64 = items.iter().map(|&w| x[base + w]).sum();
                prop_assert!((mean[o] - sum / size).abs() < 1e-12);
                items.iter().for_each(|&w| ref_mean[base + w] += dy[o] / size);
            }
            prop_assert_eq!(dx_max, ref_max);
            prop_assert!(dx_mean.iter().zip(&ref_mean).all(|(a, b)| (a - b).abs() < 1e-12));
        }
    }
}
