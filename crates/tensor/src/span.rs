//! Spans: elements from one place to another along an axis, as Python slices.

use std::fmt::{self, Debug, Display};
use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo};

/// Elements along an axis, as Python's `start:end:step`: a range, `2..5`, `..-1`, `..`, perhaps with a
/// [`Span::step`].
///
/// Negative places count from the end, and places outside the axis are moved to its ends. A negative step walks
/// backwards, from the end to the front where a place is left open (this is more than PyTorch takes).
///
/// # Examples
/// ```
/// # use talweg_tensor::{Span, Tensor};
/// let x = Tensor::arange(6);
/// assert_eq!(x.slice(0, Span::from(1..).step(2)).to_vec::<i64>(), [1, 3, 5]);
/// assert_eq!(x.slice(0, Span::from(..).step(-3)).to_vec::<i64>(), [5, 2]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first place; if none, the end that the walk begins at.
    pub start: Option<isize>,
    /// The place before which to stop; if none, the walk goes to the end.
    pub end: Option<isize>,
    /// From one element to the next, not 0.
    pub step: isize,
}

impl Span {
    /// The same span with another step.
    #[must_use]
    pub fn step(self, step: isize) -> Span {
        Span { step, ..self }
    }

    /// First element and number of elements on an axis of this size, as Python's `slice.indices`; none for step 0.
    pub(crate) fn on(&self, size: usize) -> Option<(usize, usize)> {
        let (n, step) = (size as isize, self.step);
        // Backwards, the ends are the last element and the place before the first one.
        let (low, high) = if step < 0 { (-1, n - 1) } else { (0, n) };
        let place = |at: isize| (if at < 0 { at.saturating_add(n) } else { at }).clamp(low, high);
        let start = self.start.map_or(if step < 0 { high } else { low }, place);
        let end = self.end.map_or(if step < 0 { low } else { high }, place);
        let count = match step {
            0 => return None,
            1.. => (end - start).max(0).unsigned_abs().div_ceil(step.unsigned_abs()),
            _ => (start - end).max(0).unsigned_abs().div_ceil(step.unsigned_abs()),
        };
        Some((start.max(0) as usize, count))
    }
}

impl Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(start) = self.start {
            write!(f, "{start}")?;
        }
        f.write_str("..")?;
        if let Some(end) = self.end {
            write!(f, "{end}")?;
        }
        if self.step != 1 {
            write!(f, " by {}", self.step)?;
        }
        Ok(())
    }
}

impl Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl From<RangeFull> for Span {
    fn from(_: RangeFull) -> Span {
        Span { start: None, end: None, step: 1 }
    }
}

macro_rules! ranges {
    ($($t:ty)*) => {$(
        impl From<Range<$t>> for Span {
            fn from(range: Range<$t>) -> Span {
                Span { start: Some(range.start as isize), end: Some(range.end as isize), step: 1 }
            }
        }

        impl From<RangeInclusive<$t>> for Span {
            /// Up to the last place and with it: `0..=-1` is all.
            fn from(range: RangeInclusive<$t>) -> Span {
                let last = *range.end() as isize;
                let end = if last == -1 { None } else { Some(last + 1) };
                Span { start: Some(*range.start() as isize), end, step: 1 }
            }
        }

        impl From<RangeFrom<$t>> for Span {
            fn from(range: RangeFrom<$t>) -> Span {
                Span { start: Some(range.start as isize), end: None, step: 1 }
            }
        }

        impl From<RangeTo<$t>> for Span {
            fn from(range: RangeTo<$t>) -> Span {
                Span { start: None, end: Some(range.end as isize), step: 1 }
            }
        }
    )*};
}
// `i32` is what a range of literals is when nothing says otherwise.
ranges!(i32 isize usize);

#[cfg(test)]
mod tests {
    use super::{Range, RangeInclusive, Span};

    fn places(span: Span, size: usize) -> Vec<usize> {
        let (start, count) = span.on(size).expect("a step");
        (0..count).map(|i| (start as isize + span.step * i as isize) as usize).collect()
    }

    /// What Python's `list(range(size))[span]` gives.
    #[test]
    fn spans_are_those_of_python() {
        assert_eq!(places(Span::from(1..4), 6), [1, 2, 3]);
        assert_eq!(places(Span::from(-3..-1), 6), [3, 4]);
        assert_eq!(places(Span::from(2..100), 4), [2, 3]);
        assert_eq!(places(Span::from(-100..2), 4), [0, 1]);
        assert_eq!(places(Span::from(Range { start: 3, end: 1 }), 4), [0usize; 0]);
        assert_eq!(places(Span::from(RangeInclusive::new(1, -1)), 4), [1, 2, 3]);
        assert_eq!(places(Span::from(..).step(2), 5), [0, 2, 4]);
        assert_eq!(places(Span::from(..).step(-2), 5), [4, 2, 0]);
        assert_eq!(places(Span::from(Range { start: 3, end: 0 }).step(-1), 5), [3, 2, 1]);
        assert_eq!(places(Span::from(100..).step(-3), 5), [4, 1]);
        assert_eq!(places(Span::from(..2).step(-1), 5), [4, 3]);
        assert_eq!(places(Span::from(..).step(-1), 0), [0usize; 0]);
        assert_eq!(Span::from(..).step(0).on(3), None);
        assert_eq!(Span::from(-2..).step(3).to_string(), "-2.. by 3");
    }
}
