//! Indexing by lists of ranges, places, new axes, tensors of numbers and masks.

use std::fmt::{self, Debug, Display};
use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo};
use std::sync::Arc;

use crate::backend::{CustomKernel, HostArray, HostArrayMut};
use crate::dtype::DType;
use crate::ops::places::Join;
use crate::shape::Shape;
use crate::span::Span;
use crate::tensor::Tensor;

/// What stands for one axis (a mask: for several) in [`Tensor::index`].
#[derive(Clone)]
pub enum Index {
    /// One place, which takes the axis away; a negative one counts from the end.
    At(isize),
    /// A span of places.
    Span(Span),
    /// A new axis of size 1.
    NewAxis,
    /// As many whole axes as are left.
    Ellipsis,
    /// Places by number (`i64`), or a mask (`bool`) over as many axes as it has.
    Tensor(Tensor),
}

/// A new axis of size 1 in [`Tensor::index`].
#[derive(Clone, Copy, Debug)]
pub struct NewAxis;

/// As many whole axes as are left, in [`Tensor::index`].
#[derive(Clone, Copy, Debug)]
pub struct Ellipsis;

impl From<NewAxis> for Index {
    fn from(_: NewAxis) -> Index {
        Index::NewAxis
    }
}

impl From<Ellipsis> for Index {
    fn from(_: Ellipsis) -> Index {
        Index::Ellipsis
    }
}

impl From<&Tensor> for Index {
    fn from(index: &Tensor) -> Index {
        Index::Tensor(index.clone())
    }
}

impl From<Tensor> for Index {
    fn from(index: Tensor) -> Index {
        Index::Tensor(index)
    }
}

macro_rules! spans {
    ($($t:ty)*) => {$(
        impl From<$t> for Index {
            fn from(span: $t) -> Index {
                Index::Span(span.into())
            }
        }
    )*};
}
spans! { Span RangeFull }

macro_rules! numbers {
    ($($t:ty)*) => {$(
        impl From<$t> for Index {
            fn from(place: $t) -> Index {
                Index::At(place as isize)
            }
        }
        spans! { Range<$t> RangeInclusive<$t> RangeFrom<$t> RangeTo<$t> }
    )*};
}
// `i32` is what a literal is when nothing says otherwise.
numbers! { i32 isize usize }

impl Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Index::At(place) => write!(f, "{place}"),
            Index::Span(span) => write!(f, "{span}"),
            Index::NewAxis => f.write_str("new axis"),
            Index::Ellipsis => f.write_str("..."),
            Index::Tensor(x) => write!(f, "{} {}", x.dtype(), x.shape()),
        }
    }
}

impl Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

/// A list of indices: a tuple such as `(0, .., &rows)`, a list of [`Index`], or a single tensor.
pub trait Indices {
    /// The list.
    fn list(self) -> Vec<Index>;
}

impl Indices for &[Index] {
    fn list(self) -> Vec<Index> {
        self.to_vec()
    }
}

impl Indices for Vec<Index> {
    fn list(self) -> Vec<Index> {
        self
    }
}

impl<const N: usize> Indices for [Index; N] {
    fn list(self) -> Vec<Index> {
        self.into()
    }
}

impl Indices for &Tensor {
    fn list(self) -> Vec<Index> {
        vec![self.into()]
    }
}

macro_rules! tuples {
    ($(($($t:ident)+))*) => {$(
        impl<$($t: Into<Index>),+> Indices for ($($t,)+) {
            fn list(self) -> Vec<Index> {
                #[expect(non_snake_case, reason = "each value has the name of its type")]
                let ($($t,)+) = self;
                vec![$($t.into()),+]
            }
        }
    )*};
}
tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) }

/// Numbers of places in row-major order from places along several axes: inputs `i64` of one shape, one an axis.
#[derive(Debug)]
struct Numbers {
    name: &'static str,
    sizes: Vec<usize>,
}

impl CustomKernel for Numbers {
    fn run(&self, inputs: &[HostArray<'_>], outputs: &mut [HostArrayMut<'_>]) {
        let n = outputs[0].shape.numel();
        let out = &mut outputs[0].buffer.as_mut_slice::<i64>()[..n];
        out.fill(0);
        for (axis, (input, &size)) in inputs.iter().zip(&self.sizes).enumerate() {
            let size = size as i64;
            for (to, &place) in out.iter_mut().zip(&input.buffer.as_slice::<i64>()[..n]) {
                assert!(
                    (-size..size).contains(&place),
                    "{}: place {place} is out of range for an axis of size {size} (index tensor {axis}, {}); valid ones \
                     are {} to {}",
                    self.name,
                    input.shape,
                    -size,
                    size - 1
                );
                *to = *to * size + if place < 0 { place + size } else { place };
            }
        }
    }
}

/// The numbers of places along axes of these sizes; the index tensors broadcast together.
#[track_caller]
pub(super) fn numbers(name: &'static str, index: &[&Tensor], sizes: &[usize]) -> Tensor {
    let mut shape = Shape::SCALAR;
    for x in index {
        if let Err(e) = crate::op::check::index(name, &x.spec()) {
            panic!("{e}");
        }
        shape = shape.broadcast(x.shape()).unwrap_or_else(|| {
            let shapes: Vec<String> = index.iter().map(|x| x.shape().to_string()).collect();
            panic!(
                "{name}: the index tensors {} do not broadcast together; sizes must be equal or 1",
                shapes.join(" x ")
            )
        });
    }
    let index: Vec<Tensor> = index.iter().map(|x| x.detach().broadcast_to(shape)).collect();
    let spec = index[0].spec();
    let kernel = Numbers { name, sizes: sizes.to_vec() };
    Tensor::run_custom(Arc::new(kernel), &index.iter().collect::<Vec<_>>(), &spec)
}

/// The axes that index tensors stand for, with the tensors.
type Chosen = Vec<(usize, Tensor)>;

impl Tensor {
    /// The part that a list of indices names, one for each axis from the first on; axes without one stay whole.
    ///
    /// | index | meaning |
    /// | --- | --- |
    /// | `2`, `-1` | one place; the axis is taken away |
    /// | `1..3`, `..-1`, `Span::from(..).step(-2)` | a [`Span`], as Python's slices |
    /// | `Ellipsis` | as many whole axes as are left |
    /// | `NewAxis` | a new axis of size 1 |
    /// | `&numbers`, an `i64` tensor | places by number; several tensors broadcast together |
    /// | `&mask`, a `bool` tensor | the places where it holds, over as many axes as it has |
    ///
    /// Places, spans and new axes come first and make a view. Then the axes of the tensors give way to those of their
    /// common shape: where the first of them was, if they are next to each other, else in front. That is PyTorch's
    /// rule; in NumPy's a single place counts as a tensor when there is another one.
    ///
    /// A step that indexes by a mask is not recorded for replay: the size of the result depends on its numbers.
    ///
    /// # Shapes
    /// `[a, b, c]` to `[a, n]` for `(.., 0, &numbers)` with `numbers [n]`.
    ///
    /// # Gradient
    /// `dx` is `dy` added where it was read, 0 elsewhere.
    ///
    /// # Panics
    /// With more indices than axes, when a place does not exist, or tensors do not broadcast or hold other numbers.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Ellipsis, NewAxis, Tensor};
    /// let x = Tensor::arange(12).reshape([3, 4]);
    /// assert_eq!(x.index((-1, 1..3)).to_vec::<i64>(), [9, 10]);
    /// assert_eq!(x.index((Ellipsis, NewAxis, 0)).shape(), &[3, 1]);
    /// let (rows, columns) = (Tensor::from_slice(&[0i64, 2], [2]), Tensor::from_slice(&[1i64, -1], [2]));
    /// assert_eq!(x.index((&rows, &columns)).to_vec::<i64>(), [1, 11]);
    /// ```
    #[track_caller]
    pub fn index(&self, indices: impl Indices) -> Tensor {
        self.indexed("index", indices.list())
    }

    /// This tensor with values where a list of indices points, as [`Tensor::index`] takes it, or with the values added
    /// there. Of several values for one place the last one stays.
    ///
    /// # Shapes
    /// The values broadcast to the part that the indices name; the result has the shape of `x`.
    ///
    /// # Gradient
    /// `dx` is `dy`, 0 where a value was put in its place; the values' is the part of `dy`.
    ///
    /// # Panics
    /// Where [`Tensor::index`] does, and when the values do not broadcast to the part or are of another type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::arange(4).reshape([2, 2]);
    /// assert_eq!(x.index_put((.., 1), &Tensor::scalar(9i64), false).to_vec::<i64>(), [0, 9, 2, 9]);
    /// let twice = Tensor::from_slice(&[0i64, 0], [2]);
    /// assert_eq!(x.index_put(&twice, &Tensor::scalar(1i64), true).to_vec::<i64>(), [2, 3, 2, 3]);
    /// ```
    #[track_caller]
    pub fn index_put(&self, indices: impl Indices, values: &Tensor, accumulate: bool) -> Tensor {
        let places = Tensor::places(self.shape()).indexed("index_put", indices.list());
        // Leading axes of size 1 too many are let go, as everywhere when something is assigned.
        let mut values = values.clone();
        while values.rank() > places.rank() && values.size(0) == 1 {
            values = values.squeeze(0);
        }
        assert!(
            values.shape().broadcast(places.shape()) == Some(*places.shape()),
            "index_put: the values {} do not broadcast to {}, the part of {} that the indices name",
            values.shape(),
            places.shape(),
            self.shape()
        );
        let join = if accumulate { Join::Add } else { Join::Set };
        self.joined_at_places(join, &places, &values.broadcast_to(places.shape()))
    }

    #[track_caller]
    fn indexed(&self, name: &'static str, list: Vec<Index>) -> Tensor {
        let (view, chosen) = self.viewed(name, list);
        let Some(&(first, _)) = chosen.first() else { return view };
        let axes: Vec<usize> = chosen.iter().map(|(axis, _)| *axis).collect();
        let sizes: Vec<usize> = axes.iter().map(|&axis| view.shape().at(axis)).collect();
        let tensors: Vec<&Tensor> = chosen.iter().map(|(_, x)| x).collect();
        let rows = numbers(name, &tensors, &sizes);
        let rest: Vec<usize> = (0..view.rank()).filter(|axis| !axes.contains(axis)).collect();
        let order: Vec<usize> = axes.iter().chain(&rest).copied().collect();
        let mut table = vec![sizes.iter().product()];
        table.extend(rest.iter().map(|&axis| view.shape().at(axis)));
        let y = view.permute(order).reshape(table).index_rows(&rows);
        let together = axes.windows(2).all(|w| w[1] == w[0] + 1);
        if !together || first == 0 {
            return y;
        }
        // The axes of the index go where the first of those was that they stand for.
        let n = rows.rank();
        let order: Vec<usize> = (n..n + first).chain(0..n).chain(n + first..y.rank()).collect();
        y.permute(order)
    }

    /// The view of places, spans and new axes, and the axes of it that tensors stand for.
    #[track_caller]
    fn viewed(&self, name: &'static str, list: Vec<Index>) -> (Tensor, Chosen) {
        let taken = |index: &Index| match index {
            Index::NewAxis | Index::Ellipsis => 0,
            Index::Tensor(x) if x.dtype() == DType::Bool => x.rank(),
            _ => 1,
        };
        let (count, rest) = (list.iter().map(taken).sum::<usize>(), self.rank());
        let dots = list.iter().filter(|index| matches!(index, Index::Ellipsis)).count();
        assert!(
            count <= rest && dots <= 1,
            "{name}: {list:?} for the {rest} axes of {}; give at most one for each, and one .. at most",
            self.shape()
        );
        let (mut y, mut axis, mut chosen) = (self.clone(), 0, Chosen::new());
        for index in list {
            match index {
                Index::At(place) => {
                    let size = y.shape().at(axis) as isize;
                    assert!(
                        (-size..size).contains(&place),
                        "{name}: place {place} does not exist along an axis of {}, which has {size}",
                        self.shape()
                    );
                    y = y.select_at(axis as isize, place);
                }
                Index::Span(span) => {
                    assert!(span.step != 0, "{name}: {span} of {} never ends; the step is 0", self.shape());
                    if span != Span::from(..) {
                        y = y.slice(axis as isize, span);
                    }
                    axis += 1;
                }
                Index::NewAxis => {
                    y = y.unsqueeze(axis as isize);
                    axis += 1;
                }
                Index::Ellipsis => axis += rest - count,
                Index::Tensor(mask) if mask.dtype() == DType::Bool => {
                    (y, axis) = masked(name, &y, axis, &mask, &mut chosen);
                }
                Index::Tensor(x) => {
                    chosen.push((axis, x));
                    axis += 1;
                }
            }
        }
        (y, chosen)
    }
}

/// A mask is as good as the positions where it holds, a tensor for each of its axes.
#[track_caller]
fn masked(name: &str, y: &Tensor, axis: usize, mask: &Tensor, chosen: &mut Chosen) -> (Tensor, usize) {
    let n = mask.rank();
    if n == 0 {
        // A truth value alone stands for a new axis that holds all or nothing.
        let count = usize::from(mask.to_vec::<bool>()[0]);
        chosen.push((axis, Tensor::arange(count)));
        return (y.unsqueeze(axis as isize), axis + 1);
    }
    let fits = (0..n).all(|i| y.shape().at(axis + i) == mask.shape().at(i));
    assert!(
        fits,
        "{name}: the mask {} does not have the sizes of {} from axis {axis} on",
        mask.shape(),
        y.shape()
    );
    let positions = mask.nonzero();
    chosen.extend((0..n).map(|i| (axis + i, positions.select_at(1, i as isize))));
    (y.clone(), axis + n)
}

#[cfg(test)]
mod tests {
    use super::{Ellipsis, NewAxis};
    use crate::{DType, Rng, Span, Tensor};

    fn numbers(list: &[i64], shape: &[usize]) -> Tensor {
        Tensor::from_slice(list, shape)
    }

    fn pair() -> Tensor {
        numbers(&[1, -1, 1], &[3])
    }

    fn mask() -> Tensor {
        Tensor::from_slice(&[true, false, true, true], [2, 2])
    }

    crate::cases! {
        index: |x| x[0].index((1, .., NewAxis, Span::from(..).step(-2))); shapes [[2, 3, 4]] [[2, 0, 1]]
            refuses [[2]] [[1, 2, 2]];
        index_numbers: |x| x[0].index((&pair(), &numbers(&[0, 1], &[2, 1]))); shapes [[2, 2]] [[3, 2, 2]] [[2, 2, 0]]
            refuses [[3]] [[1, 2]];
        index_apart: |x| x[0].index((&pair(), .., &pair())); shapes [[2, 3, 2]]  refuses [[2]];
        index_behind: |x| x[0].index((.., &numbers(&[1, 0], &[2, 1]), &pair())); shapes [[2, 2, 3]] [[1, 2, 2, 2]];
        index_mask: |x| x[0].index((Ellipsis, &mask())); shapes [[2, 2]] [[3, 2, 2]]  refuses [[2, 3]] [[2]];
        index_put: |x| x[0].index_put((&numbers(&[2, 0], &[2]), 1..), x[1], false);
            shapes [[3, 3], [2, 2]] [[3, 2], [1]] [[3, 3], [1, 1, 2]] [[3, 1], [2, 0]]  refuses [[3, 3], [3]] [[2, 2], [1]];
        index_put_accumulate: |x| x[0].index_put(&pair(), x[1], true); shapes [[2, 3], [3, 1]] [[2], []];
    }

    /// An element of the result by the plain rule, from positions along every axis.
    fn plain(x: &Tensor, at: &[usize]) -> f64 {
        let place = at.iter().zip(x.shape().iter()).fold(0, |place, (i, size)| place * size + i);
        x.to_vec::<f64>()[place]
    }

    #[test]
    fn tensors_next_to_each_other_stay_and_apart_go_first() {
        let x = Rng::seed(1).normal([3, 4, 2, 5], 0.0, 1.0, DType::F64);
        let (a, b) = (numbers(&[3, 0], &[2, 1]), numbers(&[1, 0, 1], &[3]));
        let y = x.index((.., &a, &b));
        assert_eq!(y.shape(), &[3, 2, 3, 5]);
        let z = x.index((&numbers(&[2, 0], &[2, 1]), .., &b));
        assert_eq!(z.shape(), &[2, 3, 4, 5]);
        let (ys, zs) = (y.to_vec::<f64>(), z.to_vec::<f64>());
        for (n, got) in ys.iter().enumerate() {
            let (l, j, i, k) = (n % 5, n / 5 % 3, n / 15 % 2, n / 30);
            assert_eq!(*got, plain(&x, &[k, [3, 0][i], [1, 0, 1][j], l]));
        }
        for (n, got) in zs.iter().enumerate() {
            let (l, k, j, i) = (n % 5, n / 5 % 4, n / 20 % 3, n / 60);
            assert_eq!(*got, plain(&x, &[[2, 0][i], k, [1, 0, 1][j], l]));
        }
        // A place takes its axis away before the tensors are looked at.
        assert_eq!(x.index((0, .., &b)).shape(), &[4, 3, 5]);
    }

    #[test]
    fn masks_choose_elements() {
        let x = Tensor::arange(8).reshape([2, 2, 2]);
        assert_eq!(x.index(&mask()).to_vec::<i64>(), [0, 1, 4, 5, 6, 7]);
        assert_eq!(x.index((.., &mask())).to_vec::<i64>(), [0, 2, 3, 4, 6, 7]);
        assert_eq!(x.index((Tensor::scalar(true),)).shape(), &[1, 2, 2, 2]);
        assert_eq!(x.index((Tensor::scalar(false),)).shape(), &[0, 2, 2, 2]);
        assert_eq!(
            x.index_put(&mask(), &Tensor::scalar(0i64), false).to_vec::<i64>(),
            [0, 0, 2, 3, 0, 0, 0, 0]
        );
    }

    #[test]
    #[should_panic(expected = "index: place 2 is out of range for an axis of size 2 (index tensor 0, [1])")]
    fn a_place_that_does_not_exist() {
        Tensor::arange(2).index(&numbers(&[2], &[1]));
    }
}
