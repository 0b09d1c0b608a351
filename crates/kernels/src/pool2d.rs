//! Pooling over windows of planes: the maximum and the mean, with their gradients.
//!
//! Window (i, j) covers rows `i * stride[0] - padding[0]` to `.. + kernel[0]` and columns likewise. Sizes are rounded
//! down, as PyTorch does by default.

mod greatest;

use self::greatest::max_plane;
use crate::Float;
use crate::dispatch::multiversion;
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

    /// Whether the windows are neighbouring squares of 2x2.
    fn is_quarters(&self) -> bool {
        self.kernel == [2, 2] && self.stride == [2, 2] && self.padding == [0, 0]
    }

    /// Whether one window is the whole plane.
    fn is_global(&self) -> bool {
        self.kernel == [self.height, self.width] && self.padding == [0, 0]
    }

    /// Whether rows of windows are long and close enough for going through them tap by tap, in vectors.
    fn is_dense(&self, cols: usize) -> bool {
        self.stride[1] <= 2 && cols >= 8
    }

    /// Along `axis`, the extent of window `i` that the mean divides by.
    #[inline(always)]
    fn extent(&self, axis: usize, n: usize, i: usize) -> usize {
        if self.count_include_pad {
            // Rounding down keeps every window inside the padded plane.
            return self.kernel[axis];
        }
        let (start, end) = self.window(axis, n, i);
        end - start
    }

    /// The windows `start .. end` of a row in which column `b` of the window lies inside the plane, and the column of
    /// the plane that the first of them sees there.
    #[inline(always)]
    fn span(&self, b: usize, cols: usize) -> (usize, usize, usize) {
        let (padding, stride) = (self.padding[1], self.stride[1]);
        let end = (self.width + padding).saturating_sub(b).div_ceil(stride).min(cols);
        let start = padding.saturating_sub(b).div_ceil(stride).min(end);
        (start, end, start * stride + b - padding.min(start * stride + b))
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
    let (plane_in, plane_out) = (s.input_plane(), s.output_plane());
    for_planes(s.batch, plane_out * s.kernel[0] * s.kernel[1], y, plane_out, &|plane, y| {
        mean_plane(s, &x[plane * plane_in..][..plane_in], y);
    });
}

multiversion! {
    fn mean_plane[T: Float](s: &Pool2d, x: &[T], y: &mut [T]) {
        if s.is_global() {
            y.fill(sum(x) / T::from_f64(x.len() as f64));
            return;
        }
        let cols = s.output()[1];
        if cols == 0 {
            return;
        }
        for (i, y) in y.chunks_exact_mut(cols).enumerate() {
            if s.is_quarters() {
                let x = &x[2 * i * s.width..];
                let pairs = x.chunks_exact(2).zip(x[s.width..].chunks_exact(2));
                for (y, (top, bottom)) in y.iter_mut().zip(pairs) {
                    *y = (top[0] + top[1] + bottom[0] + bottom[1]) * T::from_f64(0.25);
                }
                continue;
            }
            let (h0, h1) = s.window(0, s.height, i);
            if s.is_dense(cols) {
                y.fill(T::ZERO);
                for h in h0..h1 {
                    for b in 0..s.kernel[1] {
                        let (start, end, column) = s.span(b, cols);
                        let x = &x[(h * s.width + column).min(x.len())..];
                        let y = &mut y[start..end];
                        if s.stride[1] == 1 {
                            y.iter_mut().zip(x).for_each(|(y, &x)| *y += x);
                        } else {
                            y.iter_mut().enumerate().for_each(|(j, y)| *y += x[2 * j]);
                        }
                    }
                }
            } else {
                for (j, y) in y.iter_mut().enumerate() {
                    let (w0, w1) = s.window(1, s.width, j);
                    let rows = x[h0 * s.width..h1 * s.width].chunks_exact(s.width);
                    *y = rows.map(|row| row[w0..w1].iter().copied().sum::<T>()).sum();
                }
            }
            for (j, y) in y.iter_mut().enumerate() {
                *y /= T::from_f64((s.extent(0, s.height, i) * s.extent(1, s.width, j)) as f64);
            }
        }
    }
}

/// The sum of all items, in sixteen parts.
#[inline(always)]
fn sum<T: Float>(x: &[T]) -> T {
    let mut sums = [T::ZERO; 16];
    let pieces = x.chunks_exact(16);
    let rest = pieces.remainder().iter().copied().sum::<T>();
    for piece in pieces {
        for l in 0..16 {
            sums[l] += piece[l];
        }
    }
    sums.into_iter().sum::<T>() + rest
}

/// The gradient of [`avg_pool2d`]: every item of window (i, j) gets `dy[p, i, j]` over the window's size.
///
/// # Panics
/// As [`avg_pool2d`].
#[track_caller]
pub fn avg_pool2d_grad<T: Float>(s: &Pool2d, dy: &[T], dx: &mut [T]) {
    s.check("avg_pool2d_grad", dx.len(), dy.len());
    let (plane_in, plane_out) = (s.input_plane(), s.output_plane());
    for_planes(s.batch, plane_in + plane_out * s.kernel[0] * s.kernel[1], dx, plane_in, &|plane, dx| {
        mean_plane_grad(s, &dy[plane * plane_out..][..plane_out], dx);
    });
}

multiversion! {
    fn mean_plane_grad[T: Float](s: &Pool2d, dy: &[T], dx: &mut [T]) {
        if s.is_global() {
            let share = dy[0] / T::from_f64(dx.len() as f64);
            dx.fill(share);
            return;
        }
        let cols = s.output()[1];
        if cols == 0 {
            dx.fill(T::ZERO);
            return;
        }
        if s.is_quarters() {
            for (rows, dy) in dx.chunks_mut(2 * s.width).zip(dy.chunks_exact(cols)) {
                for row in rows.chunks_exact_mut(s.width) {
                    let (pairs, rest) = row.split_at_mut(2 * cols);
                    for (pair, &dy) in pairs.chunks_exact_mut(2).zip(dy) {
                        let share = dy * T::from_f64(0.25);
                        (pair[0], pair[1]) = (share, share);
                    }
                    rest.fill(T::ZERO);
                }
            }
            dx[dy.len() / cols * 2 * s.width..].fill(T::ZERO);
            return;
        }
        let plane = dx.len();
        dx.fill(T::ZERO);
        let mut shares = vec![T::ZERO; cols];
        for (i, dy) in dy.chunks_exact(cols).enumerate() {
            for (j, (share, &dy)) in shares.iter_mut().zip(dy).enumerate() {
                *share = dy / T::from_f64((s.extent(0, s.height, i) * s.extent(1, s.width, j)) as f64);
            }
            let (h0, h1) = s.window(0, s.height, i);
            for h in h0..h1 {
                if s.stride[1] == 1 && s.is_dense(cols) {
                    for b in 0..s.kernel[1] {
                        let (start, end, column) = s.span(b, cols);
                        let dx = &mut dx[(h * s.width + column).min(plane)..];
                        dx.iter_mut().zip(&shares[start..end]).for_each(|(x, &share)| *x += share);
                    }
                } else {
                    for (j, &share) in shares.iter().enumerate() {
                        let (w0, w1) = s.window(1, s.width, j);
                        dx[h * s.width..][w0..w1].iter_mut().for_each(|x| *x += share);
                    }
                }
            }
        }
    }
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
        let (mut y, mut index) = ([0.0f32; 2], [9; 2]);
        let x = [f32::NEG_INFINITY, f32::NEG_INFINITY, 1.0, f32::NAN, f32::NEG_INFINITY, -1.0, f32::NAN, 1.0];
        max_pool2d(&Pool2d { height: 2, ..PLAIN }, &x, &mut y, &mut index);
        assert!(y[0] == -1.0 && y[1].is_nan() && index == [5, 6]);
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
            .prop_flat_map(|s| {
                // Windows that have code of their own.
                let quarters = Pool2d { kernel: [2, 2], stride: [2, 2], padding: [0, 0], ..s };
                let global = Pool2d { kernel: [s.height, s.width], padding: [0, 0], ..s };
                prop_oneof![2 => Just(s), 1 => Just(quarters), 1 => Just(global)]
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
