//! Short lists of whole numbers: sizes of which one may be left open, orders of axes, repetitions.

use std::fmt::{self, Debug, Display};
use std::ops::Deref;

use crate::shape::{MAX_RANK, Shape};

/// A list of at most 8 whole numbers, of whatever integer type: `[2, -1]`, `&order`, `x.shape()`, or a single one.
///
/// It is what methods take whose arguments may be negative: an axis counted from the end, a size of -1 that the
/// others decide.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ints {
    list: [isize; MAX_RANK],
    len: usize,
}

impl Ints {
    #[track_caller]
    fn new<T: Copy + Debug>(list: &[T], number: impl Fn(T) -> isize) -> Ints {
        assert!(
            list.len() <= MAX_RANK,
            "shape: {list:?} has {} axes, the most is {MAX_RANK}; join some with flatten or reshape",
            list.len()
        );
        let mut ints = Ints { list: [0; MAX_RANK], len: list.len() };
        for (to, &from) in ints.list.iter_mut().zip(list) {
            *to = number(from);
        }
        ints
    }
}

impl Deref for Ints {
    type Target = [isize];

    fn deref(&self) -> &[isize] {
        &self.list[..self.len]
    }
}

impl Display for Ints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Debug for Ints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

macro_rules! ints {
    ($($t:ty)*) => {$(
        impl From<$t> for Ints {
            #[track_caller]
            fn from(number: $t) -> Ints {
                Ints::from(&[number])
            }
        }

        impl<const N: usize> From<[$t; N]> for Ints {
            #[track_caller]
            fn from(list: [$t; N]) -> Ints {
                Ints::from(&list[..])
            }
        }

        impl<const N: usize> From<&[$t; N]> for Ints {
            #[track_caller]
            fn from(list: &[$t; N]) -> Ints {
                Ints::from(&list[..])
            }
        }

        impl From<Vec<$t>> for Ints {
            #[track_caller]
            fn from(list: Vec<$t>) -> Ints {
                Ints::from(&list[..])
            }
        }

        impl From<&Vec<$t>> for Ints {
            #[track_caller]
            fn from(list: &Vec<$t>) -> Ints {
                Ints::from(&list[..])
            }
        }

        impl From<&[$t]> for Ints {
            #[track_caller]
            fn from(list: &[$t]) -> Ints {
                Ints::new(list, |number| number as isize)
            }
        }
    )*};
}
// `i32` is what a list of literals is when nothing says otherwise.
ints!(i32 isize usize);

impl From<Shape> for Ints {
    fn from(shape: Shape) -> Ints {
        Ints::from(&shape)
    }
}

impl From<&Shape> for Ints {
    fn from(shape: &Shape) -> Ints {
        let mut ints = Ints { list: [0; MAX_RANK], len: shape.rank() };
        for (to, from) in ints.list.iter_mut().zip(shape.iter()) {
            *to = from as isize;
        }
        ints
    }
}

#[cfg(test)]
mod tests {
    use super::Ints;
    use crate::shape::Shape;

    fn list(ints: impl Into<Ints>) -> Vec<isize> {
        ints.into().to_vec()
    }

    #[test]
    fn every_integer_type_is_taken() {
        assert_eq!(list([2, -1]), [2, -1]);
        assert_eq!(list(3), [3]);
        assert_eq!(list(vec![1usize, 2]), [1, 2]);
        assert_eq!(list(&[4isize, -4][..]), [4, -4]);
        assert_eq!(list(Shape::new(&[5, 6])), [5, 6]);
        assert_eq!(Ints::from([2, -1]).to_string(), "[2, -1]");
    }

    #[test]
    #[should_panic(expected = "has 9 axes, the most is 8")]
    fn nine_are_too_many() {
        list([1; 9]);
    }
}
