//! Two sizes, of rows and columns.

/// Rows and columns: from one number for both, or from `[rows, columns]`.
///
/// # Examples
/// ```
/// # use talweg_nn::Size2d;
/// assert_eq!(Size2d::from(3), Size2d([3, 3]));
/// assert_eq!(Size2d::from([1, 5]), Size2d([1, 5]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size2d(pub [usize; 2]);

impl From<usize> for Size2d {
    fn from(size: usize) -> Size2d {
        Size2d([size, size])
    }
}

impl From<[usize; 2]> for Size2d {
    fn from(sizes: [usize; 2]) -> Size2d {
        Size2d(sizes)
    }
}
