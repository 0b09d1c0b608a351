//! Fetching ahead: while one block is multiplied, the lines that will be packed next come into the second-level cache.

use super::vector::prefetch_far;

/// Memory that packing will read: `rows` pieces of `bytes` each, `stride` bytes apart.
#[derive(Clone, Copy)]
pub(crate) struct Region {
    pub(crate) start: *const u8,
    pub(crate) bytes: usize,
    pub(crate) stride: usize,
    pub(crate) rows: usize,
}

impl Region {
    /// Nothing to fetch.
    pub(crate) const NONE: Region = Region { start: std::ptr::null(), bytes: 0, stride: 0, rows: 0 };

    /// The same of a packed panel, or any other memory in one piece.
    pub(super) fn piece<T>(start: *const T, items: usize) -> Region {
        Region { start: start.cast(), bytes: items * size_of::<T>(), stride: 0, rows: usize::from(items > 0) }
    }
}

const LINE: usize = 64;

/// Walks through a region, some lines at a step.
pub(super) struct Ahead {
    row: *const u8,
    bytes: usize,
    stride: usize,
    rows: usize,
    at: usize,
    lines: usize,
}

impl Ahead {
    /// A walk that is through with the region after `steps` steps.
    pub(super) fn new(region: Region, steps: usize) -> Ahead {
        let Region { start, bytes, stride, rows } = region;
        // (No division where there is nothing to fetch: small products feel it.)
        let lines = if rows == 0 { 0 } else { (bytes.div_ceil(LINE) * rows).div_ceil(steps.max(1)) };
        Ahead { row: start, bytes, stride, rows, at: 0, lines }
    }

    /// Asks for the next few lines.
    #[inline(always)]
    pub(super) fn step(&mut self) {
        let mut left = self.lines;
        while left > 0 && self.rows > 0 {
            prefetch_far(self.row.wrapping_add(self.at));
            left -= 1;
            self.at += LINE;
            if self.at >= self.bytes {
                self.at = 0;
                self.rows -= 1;
                self.row = self.row.wrapping_add(self.stride);
            }
        }
    }
}
