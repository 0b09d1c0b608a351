//! Where the windows of a pooling lie along one axis.

/// The windows along an axis with `size` places.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::ops) enum Windows {
    /// Window `i` has the places `i stride − padding + k dilation` for `k` below `kernel`.
    Sliding {
        size: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
        dilation: usize,
        /// How many windows there are.
        count: usize,
    },
    /// Windows that cover the axis: window `i` begins at `i size / count`, rounded down, and ends before
    /// `(i + 1) size / count`, rounded up.
    Covering { size: usize, count: usize },
}

/// What the sum of a window is divided by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::ops) enum Divide {
    /// Nothing.
    One,
    /// The number of its places that exist.
    Places,
    /// The number of its places in the axis with its padding, which the last window may overhang.
    Padded,
}

impl Windows {
    /// The size of the axis.
    pub(in crate::ops) fn size(&self) -> usize {
        match *self {
            Windows::Sliding { size, .. } | Windows::Covering { size, .. } => size,
        }
    }

    /// The number of windows.
    pub(in crate::ops) fn count(&self) -> usize {
        match *self {
            Windows::Sliding { count, .. } | Windows::Covering { count, .. } => count,
        }
    }

    /// The places of a window that exist.
    pub(in crate::ops) fn places(&self, window: usize) -> std::iter::StepBy<std::ops::Range<usize>> {
        match *self {
            Windows::Sliding { size, kernel, stride, padding, dilation, .. } => {
                let start = window * stride;
                let skipped = padding.saturating_sub(start).div_ceil(dilation);
                let end = (start + (kernel - 1) * dilation + 1).saturating_sub(padding);
                (start + skipped * dilation - padding..end.min(size)).step_by(dilation)
            }
            Windows::Covering { size, count } => {
                (window * size / count..((window + 1) * size).div_ceil(count)).step_by(1)
            }
        }
    }

    /// What the sum of a window is divided by.
    pub(in crate::ops) fn divisor(&self, window: usize, divide: Divide) -> usize {
        match (divide, *self) {
            (Divide::One, _) => 1,
            (Divide::Padded, Windows::Sliding { size, kernel, stride, padding, .. }) => {
                (window * stride + kernel).min(size + 2 * padding) - window * stride
            }
            _ => self.places(window).len(),
        }
    }

    /// How many windows slide along an axis, `(size + 2 padding − dilation (kernel − 1) − 1) / stride + 1`, rounded down,
    /// or up for `ceil` unless the last window would begin behind axis and padding. `None` where none fits. Kernel,
    /// stride and dilation are at least 1.
    pub(in crate::ops) fn sliding(
        [size, kernel, stride, padding, dilation]: [usize; 5],
        ceil: bool,
    ) -> Option<Windows> {
        let span = dilation * (kernel - 1) + 1;
        // Rounding up makes one more window if even its first place is there.
        let overhang = if ceil { stride - 1 } else { 0 };
        let mut count = (size + 2 * padding + overhang).checked_sub(span)? / stride + 1;
        if ceil && (count - 1) * stride >= size + padding {
            count -= 1;
        }
        (count > 0).then_some(Windows::Sliding { size, kernel, stride, padding, dilation, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every small choice of sizes against the definition.
    #[test]
    fn places_are_those_of_the_definition() {
        let mut tried = 0;
        for (size, kernel, stride) in (0..6 * 3 * 3).map(|i| (1 + i / 9, 1 + i / 3 % 3, 1 + i % 3)) {
            for (padding, dilation) in (0..6).map(|i| (i / 2, 1 + i % 2)) {
                let Some(windows) = Windows::sliding([size, kernel, stride, padding, dilation], false) else {
                    continue;
                };
                for i in 0..windows.count() {
                    let all = (0..kernel).map(|k| (i * stride + k * dilation) as isize - padding as isize);
                    let there: Vec<usize> =
                        all.filter(|p| (0..size as isize).contains(p)).map(|p| p as usize).collect();
                    assert_eq!(windows.places(i).collect::<Vec<_>>(), there, "{windows:?}, window {i}");
                    tried += 1;
                }
            }
        }
        assert!(tried > 500, "{tried}");
    }

    #[test]
    fn windows_cover_an_axis() {
        let windows = Windows::Covering { size: 5, count: 3 };
        let all: Vec<Vec<usize>> = (0..3).map(|i| windows.places(i).collect()).collect();
        assert_eq!(all, [vec![0, 1], vec![1, 2, 3], vec![3, 4]]);
        assert_eq!(windows.divisor(1, Divide::Places), 3);
    }

    #[test]
    fn rounding_up_makes_no_window_in_the_padding() {
        let count = |sizes, ceil| Windows::sliding(sizes, ceil).map(|w| w.count());
        assert_eq!((count([5, 2, 2, 0, 1], false), count([5, 2, 2, 0, 1], true)), (Some(2), Some(3)));
        // A window at 3 would begin in the padding behind [-1, 3).
        assert_eq!(count([3, 2, 2, 1, 1], true), Some(2));
        assert_eq!((count([2, 3, 1, 0, 1], true), count([2, 4, 2, 0, 1], false)), (None, None));
        // A window larger than the axis by less than the stride hangs over.
        assert_eq!(count([3, 4, 2, 0, 1], true), Some(1));
        let last = Windows::sliding([5, 2, 2, 0, 1], true).unwrap();
        assert_eq!((last.divisor(2, Divide::Padded), last.divisor(1, Divide::Padded)), (1, 2));
    }
}
