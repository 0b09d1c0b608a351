//! Sizes along the axes of space.

/// One size for each axis of space: from one number for all, or from an array, `[rows, columns]` for pictures.
///
/// # Examples
/// ```
/// # use talweg_nn::Size;
/// assert_eq!(Size::<2>::from(3), Size([3, 3]));
/// assert_eq!(Size::<2>::from([1, 5]), Size([1, 5]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size<const N: usize>(pub [usize; N]);

/// Rows and columns.
pub type Size2d = Size<2>;

impl<const N: usize> From<usize> for Size<N> {
    fn from(size: usize) -> Size<N> {
        Size([size; N])
    }
}

impl<const N: usize> From<[usize; N]> for Size<N> {
    fn from(sizes: [usize; N]) -> Size<N> {
        Size(sizes)
    }
}
