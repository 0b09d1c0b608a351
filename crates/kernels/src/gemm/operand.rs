//! A matrix inside a slice.

/// A matrix that is read: item (i, j) is `data[i * row_stride + j * col_stride]`.
///
/// Any strides will do, zero included (a repeated row or column); products are fastest where one of them is 1.
#[derive(Clone, Copy, Debug)]
pub struct Mat<'a, T> {
    /// The items; the matrix starts at the first one.
    pub data: &'a [T],
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// Items from one row to the next.
    pub row_stride: usize,
    /// Items from one column to the next.
    pub col_stride: usize,
}

impl<'a, T> Mat<'a, T> {
    /// The dense row-major matrix of `rows` x `cols` at the start of `data`.
    ///
    /// (The functions that take the matrix check that `data` is long enough.)
    pub fn row_major(data: &'a [T], rows: usize, cols: usize) -> Self {
        Mat { data, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// The transposed matrix: the same items, nothing moves.
    #[must_use]
    pub fn t(self) -> Self {
        Mat {
            data: self.data,
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }

    /// The matrix of the same form that starts `start` items later.
    pub(crate) fn from(self, start: usize) -> Self {
        Mat { data: &self.data[start.min(self.data.len())..], ..self }
    }

    #[track_caller]
    pub(crate) fn check(&self, name: &str) {
        self.check_at(0, name);
    }

    /// Sees to it that the matrix, `start` items further on, ends inside `data`.
    #[track_caller]
    pub(crate) fn check_at(&self, start: usize, name: &str) {
        if self.rows == 0 || self.cols == 0 {
            return;
        }
        let along = |count: usize, stride: usize| (count - 1).checked_mul(stride);
        let last = along(self.rows, self.row_stride)
            .zip(along(self.cols, self.col_stride))
            .and_then(|(r, c)| r.checked_add(c)?.checked_add(start));
        assert!(
            last.is_some_and(|last| last < self.data.len()),
            "{name} has {} items, too few for [{}, {}] with strides [{}, {}] from item {start} on",
            self.data.len(),
            self.rows,
            self.cols,
            self.row_stride,
            self.col_stride
        );
    }
}
