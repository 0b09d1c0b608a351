//! How a tensor's elements lie in its buffer.

use crate::shape::{MAX_RANK, Shape};

/// A shape, and where each element is: row-major from the start of the buffer unless `view` says otherwise.
///
/// Dense values store no strides, because nearly every value is dense and every operation makes one.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    shape: Shape,
    view: Option<Box<View>>,
}

/// Element `[i, j, ..]` of a view is at `offset + i * strides[0] + j * strides[1] + ..`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct View {
    strides: [isize; MAX_RANK],
    offset: usize,
}

impl Layout {
    /// Row-major from the start of the buffer.
    pub fn dense(shape: Shape) -> Layout {
        Layout { shape, view: None }
    }

    pub(crate) fn strided(shape: Shape, strides: [isize; MAX_RANK], offset: usize) -> Layout {
        // No elements lie nowhere: an offset past the end must not be looked at.
        if (offset == 0 && is_row_major(&shape, &strides)) || shape.numel() == 0 {
            return Layout::dense(shape);
        }
        Layout { shape, view: Some(Box::new(View { strides, offset })) }
    }

    /// The sizes along each axis.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Steps between neighbours along each axis, in elements; entries past the rank mean nothing.
    pub fn strides(&self) -> [isize; MAX_RANK] {
        self.view.as_ref().map_or_else(|| self.shape.strides(), |view| view.strides)
    }

    /// The position of the first element in the buffer.
    pub fn offset(&self) -> usize {
        self.view.as_ref().map_or(0, |view| view.offset)
    }

    /// Whether the elements are row-major from the start of the buffer.
    pub fn is_dense(&self) -> bool {
        self.view.is_none()
    }

    /// Where the elements start if they lie row-major without gaps, also in the middle of a buffer.
    pub fn contiguous(&self) -> Option<usize> {
        match &self.view {
            None => Some(0),
            Some(view) => is_row_major(&self.shape, &view.strides).then_some(view.offset),
        }
    }

    /// The same elements with their axes in another order: axis `i` of the result is axis `order[i]`.
    pub(crate) fn permute(&self, order: &[usize]) -> Layout {
        let (from, mut strides) = (self.strides(), [0; MAX_RANK]);
        for (to, &axis) in strides.iter_mut().zip(order) {
            *to = from[axis];
        }
        Layout::strided(self.shape.permute(order), strides, self.offset())
    }

    /// Elements `start`, `start + step`, .. (`size` of them) along `axis`.
    pub(crate) fn slice(&self, axis: usize, start: usize, step: isize, size: usize) -> Layout {
        let mut strides = self.strides();
        let offset = self.offset() as isize + if size > 0 { start as isize * strides[axis] } else { 0 };
        strides[axis] *= step;
        Layout::strided(self.shape.with(axis, size), strides, offset as usize)
    }

    /// The same elements seen with a shape that they broadcast to: repeated axes get stride 0.
    pub(crate) fn broadcast_to(&self, shape: &Shape) -> Layout {
        let (from, mut strides) = (self.strides(), [0; MAX_RANK]);
        let lead = shape.rank() - self.shape.rank();
        for axis in 0..self.shape.rank() {
            strides[lead + axis] = if self.shape.at(axis) == 1 { 0 } else { from[axis] };
        }
        Layout::strided(*shape, strides, self.offset())
    }

    /// The same elements with another shape, if that needs no copy.
    ///
    /// Runs of old axes that lie without gaps are matched with runs of new axes of the same number of elements.
    pub(crate) fn reshape(&self, shape: &Shape) -> Option<Layout> {
        let Some(view) = &self.view else { return Some(Layout::dense(*shape)) };
        if shape.numel() == 0 {
            return Some(Layout::dense(*shape));
        }
        let old: Vec<(usize, isize)> =
            self.shape.iter().zip(view.strides).filter(|&(size, _)| size != 1).collect();
        let mut strides = [1; MAX_RANK];
        let (mut o, mut n) = (0, 0);
        while o < old.len() {
            let (mut old_count, mut new_count, o0, n0) = (old[o].0, 1, o, n);
            while old_count != new_count || n == n0 {
                if new_count < old_count || n == n0 {
                    new_count *= shape.at(n);
                    n += 1;
                } else {
                    o += 1;
                    old_count *= old[o].0;
                }
            }
            let gapless = old[o0..=o].windows(2).all(|w| w[0].1 == w[1].0 as isize * w[1].1);
            if !gapless {
                return None;
            }
            let mut step = old[o].1;
            for axis in (n0..n).rev() {
                strides[axis] = step;
                step *= shape.at(axis) as isize;
            }
            o += 1;
        }
        Some(Layout::strided(*shape, strides, view.offset))
    }
}

/// Whether strides are those of the row-major layout; an axis of size 1 may have any, and so may an empty shape.
fn is_row_major(shape: &Shape, strides: &[isize; MAX_RANK]) -> bool {
    let mut step = 1;
    for axis in (0..shape.rank()).rev() {
        let size = shape.at(axis);
        if size == 0 {
            return true;
        }
        if size != 1 && strides[axis] != step {
            return false;
        }
        step *= size as isize;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(layout: &Layout) -> Vec<isize> {
        let (shape, strides) = (layout.shape().to_vec(), layout.strides());
        (0..layout.shape().numel())
            .map(|flat| {
                let (mut rest, mut at) = (flat, layout.offset() as isize);
                for axis in (0..shape.len()).rev() {
                    at += (rest % shape[axis]) as isize * strides[axis];
                    rest /= shape[axis];
                }
                at
            })
            .collect()
    }

    #[test]
    fn reshape_without_a_copy_keeps_the_order() {
        let base = Layout::dense(Shape::new(&[4, 6, 5]));
        let views = [base.clone(), base.slice(0, 1, 1, 2), base.slice(2, 1, 2, 2), base.permute(&[1, 0, 2])];
        let mut free = 0;
        for view in &views {
            let n = view.shape().numel();
            for sizes in
                [vec![n], vec![2, n / 2], vec![n / 2, 1, 2], vec![1, n / 4, 4, 1], view.shape().to_vec()]
            {
                if sizes.iter().product::<usize>() != n {
                    continue;
                }
                if let Some(other) = view.reshape(&Shape::new(&sizes)) {
                    assert_eq!(positions(&other), positions(view), "{view:?} to {sizes:?}");
                    free += 1;
                }
            }
        }
        assert!(free >= 10, "only {free} reshapes were free");
        assert!(views[3].reshape(&Shape::new(&[120])).is_none());
    }

    #[test]
    fn a_gapless_part_is_contiguous() {
        let base = Layout::dense(Shape::new(&[4, 3]));
        assert_eq!(base.slice(0, 2, 1, 2).contiguous(), Some(6));
        assert_eq!(base.slice(1, 0, 1, 2).contiguous(), None);
        assert_eq!(base.permute(&[1, 0]).contiguous(), None);
        assert_eq!(base.slice(0, 3, -1, 4).contiguous(), None);
    }
}
