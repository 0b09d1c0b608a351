//! Views with strides: gathering them into row-major order, adding into them, and rows picked by an index.

use crate::dispatch::{CHUNK, Parts, chunks, multiversion, ranges, rows_per_task};
use crate::float::{Float, Pod};

/// The side of the square blocks in which a transposition works, so that both sides stay in the first cache.
const BLOCK: usize = 16;

/// Copies a view into row-major order: out\[i0, i1, ...\] = src\[offset + i0 strides\[0\] + i1 strides\[1\] + ...\].
///
/// Strides may be zero or negative. With an empty shape the view is one number.
///
/// # Panics
/// If `shape` and `strides` differ in length, `out` has another size than the view, or the view leaves `src`.
#[track_caller]
pub fn copy<T: Pod>(shape: &[usize], strides: &[isize], offset: usize, src: &[T], out: &mut [T]) {
    check("copy", shape, strides, offset, src.len(), out.len());
    if out.is_empty() {
        return;
    }
    let axes = Axes::new(shape, strides);
    let (run, stride) = axes.last();
    match axes.contiguous_axis() {
        Some(axis) if stride != 1 && stride != 0 => transpose(&axes, axis, offset, src, out),
        _ => chunks(out, rows_per_task(run) * run, &|start, part| {
            axes.for_each_run(start / run, part.len() / run, offset, &mut |i, at| {
                copy_run::<T>(src, at, stride, &mut part[i * run..(i + 1) * run]);
            });
        }),
    }
}

/// The adjoint of [`copy`]: out\[offset + i0 strides\[0\] + ...\] += src\[i0, i1, ...\] with `src` in row-major order.
/// Places that the view visits several times (stride 0, say) collect a sum, always in the same order.
///
/// # Panics
/// As [`copy`], with the roles of `src` and `out` exchanged.
#[track_caller]
pub fn scatter_add<T: Float>(shape: &[usize], strides: &[isize], offset: usize, src: &[T], out: &mut [T]) {
    check("scatter_add", shape, strides, offset, out.len(), src.len());
    if src.is_empty() {
        return;
    }
    let axes = Axes::new(shape, strides);
    let (run, stride) = axes.last();
    axes.for_each_run(0, src.len() / run, offset, &mut |i, at| {
        add_run::<T>(&src[i * run..(i + 1) * run], stride, out, at);
    });
}

/// out\[i, :\] = table\[index\[i\], :\] with rows of `row_len`: an embedding.
///
/// # Panics
/// If `table` is not whole rows, `out` not one row per index, or an index lies outside the table.
#[track_caller]
pub fn gather_rows<T: Pod>(table: &[T], row_len: usize, index: &[i64], out: &mut [T]) {
    check_rows("gather_rows", table.len(), row_len, index, out.len());
    if row_len == 0 {
        return;
    }
    chunks(out, rows_per_task(row_len) * row_len, &|start, part| {
        for (row, &i) in part.chunks_exact_mut(row_len).zip(&index[start / row_len..]) {
            let at = i as usize * row_len;
            row.copy_from_slice(&table[at..at + row_len]);
        }
    });
}

/// out\[index\[i\], :\] += src\[i, :\] with rows of `row_len`: the gradient of an embedding. Rows that several indices
/// name collect their sum in the order of the indices.
///
/// # Panics
/// If `out` is not whole rows, `src` not one row per index, or an index lies outside `out`.
#[track_caller]
pub fn scatter_add_rows<T: Float>(src: &[T], row_len: usize, index: &[i64], out: &mut [T]) {
    check_rows("scatter_add_rows", out.len(), row_len, index, src.len());
    if row_len == 0 {
        return;
    }
    // Tasks share the columns, never a row's order of additions.
    let columns = if src.len() > 4 * CHUNK { row_len.min(64) } else { row_len };
    let parts = Parts::new(out);
    ranges(row_len, columns, &|range| {
        for (row, &i) in src.chunks_exact(row_len).zip(index) {
            let at = i as usize * row_len;
            // SAFETY: tasks have different columns, and a task holds one part at a time.
            add_run(&row[range.clone()], 1, unsafe { parts.part(at + range.start..at + range.end) }, 0);
        }
    });
}

/// A view's axes without those of size 1, and with neighbours joined where one walk covers both.
struct Axes {
    sizes: Vec<usize>,
    strides: Vec<isize>,
}

impl Axes {
    fn new(shape: &[usize], strides: &[isize]) -> Self {
        let mut axes =
            Axes { sizes: Vec::with_capacity(shape.len()), strides: Vec::with_capacity(shape.len()) };
        for (&size, &stride) in shape.iter().zip(strides) {
            if size == 1 {
                continue;
            }
            match (axes.sizes.last_mut(), axes.strides.last_mut()) {
                (Some(last_size), Some(last_stride)) if *last_stride == stride * size as isize => {
                    *last_size *= size;
                    *last_stride = stride;
                }
                _ => {
                    axes.sizes.push(size);
                    axes.strides.push(stride);
                }
            }
        }
        if axes.sizes.is_empty() {
            axes.sizes.push(1);
            axes.strides.push(1);
        }
        axes
    }

    /// Size and stride of the innermost axis.
    fn last(&self) -> (usize, isize) {
        (self.sizes[self.sizes.len() - 1], self.strides[self.strides.len() - 1])
    }

    /// An axis along which the source is contiguous and worth reading in order.
    fn contiguous_axis(&self) -> Option<usize> {
        (0..self.sizes.len()).rev().find(|&axis| self.strides[axis] == 1 && self.sizes[axis] >= 4)
    }

    /// Calls `f(i, position in the source)` for `count` runs of the innermost axis from run `first` on.
    fn for_each_run(&self, first: usize, count: usize, offset: usize, f: &mut impl FnMut(usize, usize)) {
        let outer = self.sizes.len() - 1;
        let mut index = vec![0; outer];
        let (mut rest, mut at) = (first, offset as isize);
        for axis in (0..outer).rev() {
            index[axis] = rest % self.sizes[axis];
            rest /= self.sizes[axis];
            at += index[axis] as isize * self.strides[axis];
        }
        for i in 0..count {
            f(i, at as usize);
            for axis in (0..outer).rev() {
                index[axis] += 1;
                at += self.strides[axis];
                if index[axis] < self.sizes[axis] {
                    break;
                }
                at -= self.strides[axis] * self.sizes[axis] as isize;
                index[axis] = 0;
            }
        }
    }
}

/// Copies with `axis` contiguous in the source and the innermost axis contiguous in `out`, in square blocks.
fn transpose<T: Pod>(axes: &Axes, axis: usize, offset: usize, src: &[T], out: &mut [T]) {
    let last = axes.sizes.len() - 1;
    let (rows, columns, step) = (axes.sizes[axis], axes.sizes[last], axes.strides[last]);
    // How far apart neighbours along `axis` lie in `out`.
    let pitch: usize = axes.sizes[axis + 1..].iter().product();
    // All other axes, outermost first, each with its stride in `src` and in `out`.
    let others: Vec<(usize, isize, usize)> = (0..last)
        .filter(|&other| other != axis)
        .map(|other| (axes.sizes[other], axes.strides[other], axes.sizes[other + 1..].iter().product()))
        .collect();
    let planes: usize = others.iter().map(|&(size, ..)| size).product();
    let strips = rows.div_ceil(BLOCK);
    let strips_per_task = (CHUNK / (BLOCK * columns)).max(1);
    let parts = Parts::new(out);
    ranges(planes * strips, strips_per_task, &|range| {
        let mut tile = [[T::default(); BLOCK]; BLOCK];
        for task in range {
            let (mut plane, strip) = (task / strips, task % strips);
            let (mut from, mut to) = (offset as isize, 0);
            for &(size, src_stride, out_stride) in others.iter().rev() {
                from += (plane % size) as isize * src_stride;
                to += plane % size * out_stride;
                plane /= size;
            }
            let first = strip * BLOCK;
            let height = BLOCK.min(rows - first);
            from += first as isize;
            to += first * pitch;
            for block in (0..columns).step_by(BLOCK) {
                let width = BLOCK.min(columns - block);
                // Whole lines of the source first: they often lie a power of two apart, where the cache cannot
                // keep many of them until the next row asks for their second number.
                for (i, line) in tile[..width].iter_mut().enumerate() {
                    let start = (from + (block + i) as isize * step) as usize;
                    line[..height].copy_from_slice(&src[start..start + height]);
                }
                for row in 0..height {
                    let start = to + row * pitch + block;
                    // SAFETY: rows of different tasks differ, and a task holds one part at a time.
                    let out = unsafe { parts.part(start..start + width) };
                    for (y, line) in out.iter_mut().zip(&tile) {
                        *y = line[row];
                    }
                }
            }
        }
    });
}

/// Copies one run from the places that start at `at`.
#[inline(always)]
fn copy_run<T: Pod>(src: &[T], at: usize, stride: isize, out: &mut [T]) {
    match stride {
        1 => out.copy_from_slice(&src[at..at + out.len()]),
        0 => out.fill(src[at]),
        _ => {
            let mut at = at as isize;
            for y in out {
                *y = src[at as usize];
                at += stride;
            }
        }
    }
}

multiversion! {
    fn add_contiguous[T: Float](src: &[T], out: &mut [T]) {
        for (y, &x) in out.iter_mut().zip(src) {
            *y += x;
        }
    }
}

/// Adds one run into places that start at `at`.
#[inline(always)]
fn add_run<T: Float>(src: &[T], stride: isize, out: &mut [T], at: usize) {
    match stride {
        1 => add_contiguous::<T>(src, &mut out[at..at + src.len()]),
        0 => out[at] += crate::reduce::row_sum(src, |x| x),
        _ => {
            let mut at = at as isize;
            for &x in src {
                out[at as usize] += x;
                at += stride;
            }
        }
    }
}

/// Checks that the view has `count` elements and stays inside `len`.
#[track_caller]
fn check(op: &str, shape: &[usize], strides: &[isize], offset: usize, len: usize, count: usize) {
    assert!(shape.len() == strides.len(), "{op}: shape {shape:?} and strides {strides:?} differ in length");
    let size: usize = shape.iter().product();
    assert!(size == count, "{op}: shape {shape:?} has {size} elements, but {count} were given");
    if size == 0 {
        return;
    }
    let (mut low, mut high) = (offset as isize, offset as isize);
    for (&size, &stride) in shape.iter().zip(strides) {
        let reach = (size as isize - 1) * stride;
        low += reach.min(0);
        high += reach.max(0);
    }
    assert!(
        low >= 0 && high < len as isize,
        "{op}: the view of shape {shape:?}, strides {strides:?}, offset {offset} reaches from {low} to {high}, \
         outside {len} elements"
    );
}

#[track_caller]
fn check_rows(op: &str, table: usize, row_len: usize, index: &[i64], picked: usize) {
    let rows = table.checked_div(row_len).unwrap_or(0);
    assert!(rows * row_len == table, "{op}: a table of {table} elements is not whole rows of {row_len}");
    assert!(
        picked == index.len() * row_len,
        "{op}: {} indices of rows of {row_len} do not make {picked}",
        index.len()
    );
    if let Some(at) = index.iter().position(|&i| i < 0 || i as usize >= rows) {
        assert!(row_len == 0, "{op}: index {} at position {at} is outside a table of {rows} rows", index[at]);
    }
}

#[cfg(test)]
mod tests;
