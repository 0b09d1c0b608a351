//! Shapes: the sizes of a tensor along each axis, and lists of axes.

use std::fmt::{self, Debug, Display};
use std::ops::RangeFull;

/// The greatest number of axes a tensor can have.
pub const MAX_RANK: usize = 8;

/// The sizes of a tensor along each axis, e.g. `[64, 3, 32, 32]`.
///
/// At most 8 axes, each of at most 2^32 - 1. It is small and inline, because every operation makes one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    sizes: [u32; MAX_RANK],
    rank: u32,
}

impl Shape {
    /// The shape of a scalar: no axes, one element.
    pub const SCALAR: Shape = Shape { sizes: [0; MAX_RANK], rank: 0 };

    /// A shape from its sizes.
    ///
    /// # Panics
    /// With more than 8 axes, or a size of 2^32 or more.
    #[track_caller]
    pub fn new(sizes: &[usize]) -> Shape {
        assert!(
            sizes.len() <= MAX_RANK,
            "shape: {sizes:?} has {} axes, the most is {MAX_RANK}; join some with flatten or reshape",
            sizes.len()
        );
        let mut shape = Shape { sizes: [0; MAX_RANK], rank: sizes.len() as u32 };
        for (to, &from) in shape.sizes.iter_mut().zip(sizes) {
            *to = u32::try_from(from).unwrap_or_else(|_| {
                panic!("shape: the size {from} in {sizes:?} is too large (the most is 2^32 - 1)")
            });
        }
        shape
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.rank as usize
    }

    /// The number of elements: the product of the sizes, 1 for a scalar.
    pub fn numel(&self) -> usize {
        self.iter().product()
    }

    /// The size along `axis`, which counts from the end when negative.
    ///
    /// # Panics
    /// When there is no such axis.
    #[track_caller]
    pub fn size(&self, axis: isize) -> usize {
        match self.axis(axis) {
            Some(axis) => self.at(axis),
            None => panic!("size: {}", self.no_axis(axis)),
        }
    }

    /// What to say of an axis that does not exist.
    #[cold]
    pub(crate) fn no_axis(&self, axis: isize) -> String {
        let rank = self.rank();
        let hint = match rank {
            0 => "it is a single number, unsqueeze(0) gives it an axis".to_string(),
            1 => "its only axis is 0, or -1".to_string(),
            _ => format!("they are 0 to {}, or -{rank} to -1 from the end", rank - 1),
        };
        format!("axis {axis} is out of range for shape {self}, which has {rank} axes; {hint}")
    }

    /// The size along an axis already known to exist.
    pub(crate) fn at(&self, axis: usize) -> usize {
        debug_assert!(axis < self.rank());
        self.sizes[axis] as usize
    }

    /// The position of `axis` from the front, where a negative one counts from the end; `None` when out of range.
    pub fn axis(&self, axis: isize) -> Option<usize> {
        let rank = self.rank() as isize;
        let axis = if axis < 0 { axis + rank } else { axis };
        (0..rank).contains(&axis).then_some(axis as usize)
    }

    /// The sizes, first axis first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = usize> + ExactSizeIterator + '_ {
        self.sizes[..self.rank()].iter().map(|&size| size as usize)
    }

    /// The sizes as a list.
    pub fn to_vec(&self) -> Vec<usize> {
        self.iter().collect()
    }

    /// This shape with the size along `axis` replaced.
    pub(crate) fn with(mut self, axis: usize, size: usize) -> Shape {
        debug_assert!(axis < self.rank());
        self.sizes[axis] = u32::try_from(size).expect("a size made from existing sizes");
        self
    }

    /// The axes in another order: axis `i` of the result is axis `order[i]`, each once.
    pub(crate) fn permute(mut self, order: &[usize]) -> Shape {
        let from = self.sizes;
        for (to, &axis) in self.sizes.iter_mut().zip(order) {
            *to = from[axis];
        }
        self
    }

    /// The first `rank` axes.
    pub(crate) fn front(mut self, rank: usize) -> Shape {
        self.sizes[rank..].fill(0);
        self.rank = rank as u32;
        self
    }

    /// One more axis at the end, with an existing size.
    #[track_caller]
    pub(crate) fn push(mut self, size: usize) -> Shape {
        assert!(self.rank() < MAX_RANK, "shape: {self} and an axis of {size} are more than {MAX_RANK} axes");
        self.rank += 1;
        let last = self.rank() - 1;
        self.with(last, size)
    }

    /// This shape without `axis`.
    pub(crate) fn without(mut self, axis: usize) -> Shape {
        let rank = self.rank();
        self.sizes.copy_within(axis + 1..rank, axis);
        self.rank -= 1;
        self.sizes[self.rank()] = 0;
        self
    }

    /// The shape that two tensors broadcast to: sizes aligned from the last axis, equal, or one of them 1.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Shape;
    /// let (a, b) = (Shape::new(&[4, 1, 3]), Shape::new(&[5, 3]));
    /// assert_eq!(a.broadcast(&b), Some(Shape::new(&[4, 5, 3])));
    /// assert_eq!(Shape::new(&[2]).broadcast(&Shape::new(&[3])), None);
    /// ```
    pub fn broadcast(&self, other: &Shape) -> Option<Shape> {
        let (mut long, short) = if self.rank >= other.rank { (*self, other) } else { (*other, self) };
        let lead = long.rank() - short.rank();
        for i in 0..short.rank() {
            let (to, from) = (&mut long.sizes[lead + i], short.sizes[i]);
            match (*to, from) {
                (a, b) if a == b => {}
                (1, b) => *to = b,
                (_, 1) => {}
                _ => return None,
            }
        }
        Some(long)
    }

    /// Strides of the row-major layout, in elements.
    pub(crate) fn strides(&self) -> [isize; MAX_RANK] {
        let mut strides = [0; MAX_RANK];
        let mut step = 1;
        for axis in (0..self.rank()).rev() {
            strides[axis] = step;
            step *= self.at(axis).max(1) as isize;
        }
        strides
    }
}

impl Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    #[track_caller]
    fn from(sizes: [usize; N]) -> Shape {
        Shape::new(&sizes)
    }
}

impl From<&[usize]> for Shape {
    #[track_caller]
    fn from(sizes: &[usize]) -> Shape {
        Shape::new(sizes)
    }
}

impl From<Vec<usize>> for Shape {
    #[track_caller]
    fn from(sizes: Vec<usize>) -> Shape {
        Shape::new(&sizes)
    }
}

impl From<&Vec<usize>> for Shape {
    #[track_caller]
    fn from(sizes: &Vec<usize>) -> Shape {
        Shape::new(sizes)
    }
}

impl From<&Shape> for Shape {
    fn from(shape: &Shape) -> Shape {
        *shape
    }
}

impl<const N: usize> PartialEq<[usize; N]> for Shape {
    fn eq(&self, other: &[usize; N]) -> bool {
        self.iter().eq(other.iter().copied())
    }
}

impl PartialEq<[usize]> for Shape {
    fn eq(&self, other: &[usize]) -> bool {
        self.iter().eq(other.iter().copied())
    }
}

/// Which axes an operation runs over: `..` for all, one axis `-1`, or several `[0, 2]`.
///
/// Negative axes count from the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Axes {
    /// Every axis.
    All,
    /// The axes named.
    Some(Vec<isize>),
}

impl From<RangeFull> for Axes {
    fn from(_: RangeFull) -> Axes {
        Axes::All
    }
}

impl From<isize> for Axes {
    fn from(axis: isize) -> Axes {
        Axes::Some(vec![axis])
    }
}

impl<const N: usize> From<[isize; N]> for Axes {
    fn from(axes: [isize; N]) -> Axes {
        Axes::Some(axes.to_vec())
    }
}

impl From<&[isize]> for Axes {
    fn from(axes: &[isize]) -> Axes {
        Axes::Some(axes.to_vec())
    }
}

/// A set of axes of one shape, as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AxisSet(u32);

impl AxisSet {
    pub(crate) fn all(rank: usize) -> AxisSet {
        AxisSet((1 << rank) - 1)
    }

    /// The axes for which `f` holds.
    pub(crate) fn where_true(rank: usize, f: impl Fn(usize) -> bool) -> AxisSet {
        AxisSet((0..rank).filter(|&axis| f(axis)).fold(0, |set, axis| set | 1 << axis))
    }

    /// Whether the axis, counted from the front, is in the set.
    pub fn contains(self, axis: usize) -> bool {
        self.0 >> axis & 1 == 1
    }

    /// The axes of `axes` in `shape`, or what is wrong with them.
    pub(crate) fn of(axes: &Axes, shape: &Shape) -> Result<AxisSet, String> {
        let Axes::Some(list) = axes else { return Ok(AxisSet::all(shape.rank())) };
        let mut set = AxisSet(0);
        for &axis in list {
            let at = shape.axis(axis).ok_or_else(|| shape.no_axis(axis))?;
            if set.contains(at) {
                return Err(format!("axis {axis} is named twice for shape {shape}; name each axis once"));
            }
            set.0 |= 1 << at;
        }
        Ok(set)
    }

    /// `shape` with these axes set to 1 (`keep`) or taken out.
    pub(crate) fn reduce(self, shape: &Shape, keep: bool) -> Shape {
        let mut out = *shape;
        for axis in (0..shape.rank()).rev() {
            if self.contains(axis) {
                out = if keep { out.with(axis, 1) } else { out.without(axis) };
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_follows_the_last_axes() {
        let s = |sizes: &[usize]| Shape::new(sizes);
        for (a, b, want) in [
            (s(&[2, 3]), s(&[3]), Some(s(&[2, 3]))),
            (s(&[2, 1]), s(&[1, 4]), Some(s(&[2, 4]))),
            (s(&[]), s(&[5, 6]), Some(s(&[5, 6]))),
            (s(&[0, 3]), s(&[1, 3]), Some(s(&[0, 3]))),
            (s(&[0]), s(&[2]), None),
            (s(&[2, 3]), s(&[2]), None),
        ] {
            assert_eq!(a.broadcast(&b), want, "{a} with {b}");
            assert_eq!(b.broadcast(&a), want, "{b} with {a}");
        }
    }

    #[test]
    fn axes_count_from_both_ends() {
        let shape = Shape::new(&[2, 3, 4]);
        assert_eq!((shape.size(0), shape.size(-1), shape.numel()), (2, 4, 24));
        assert_eq!(shape.axis(3), None);
        assert_eq!(shape.axis(-4), None);
        assert_eq!(shape.without(1), [2, 4]);
        let set = AxisSet::of(&Axes::from([0, -1]), &shape).unwrap();
        assert_eq!(set.reduce(&shape, true), [1, 3, 1]);
        assert_eq!(set.reduce(&shape, false), [3]);
        assert!(AxisSet::of(&Axes::from([0, -3]), &shape).unwrap_err().contains("twice"));
    }
}
