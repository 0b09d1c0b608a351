//! Whole parts along an axis by number: selected, added, copied, filled.

use crate::op::check;
use crate::ops::places::Join;
use crate::ops::scatter::ScatterReduce;
use crate::tensor::Tensor;

impl Tensor {
    /// The parts along an axis whose numbers are listed: for axis 1, `y[:, i] = x[:, index[i]]`.
    ///
    /// # Shapes
    /// `[a, b, c]` and index `[n]` to `[a, n, c]` for axis 1.
    ///
    /// # Gradient
    /// `dx[:, index[i]] += dy[:, i]`
    ///
    /// # Panics
    /// When the axis is out of range, the index not a list of `i64`, or a part does not exist.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::arange(6).reshape([2, 3]);
    /// assert_eq!(x.index_select(1, &Tensor::from_slice(&[2i64, 0], [2])).to_vec::<i64>(), [2, 0, 5, 3]);
    /// ```
    #[track_caller]
    pub fn index_select(&self, axis: isize, index: &Tensor) -> Tensor {
        let index = self.list_of_parts("index_select", axis, index);
        if self.rank() == 0 {
            return self.reshape([1]).index_rows(&index).reshape(self.shape());
        }
        match self.shape().axis(axis) {
            Some(0) => self.index_rows(&index),
            _ => self.movedim(axis, 0).index_rows(&index).movedim(0, axis),
        }
    }

    /// The index as a list, if it is one of numbers and the axis exists.
    #[track_caller]
    fn list_of_parts(&self, name: &str, axis: isize, index: &Tensor) -> Tensor {
        if let Err(e) = check::index(name, &index.spec()) {
            panic!("{e}");
        }
        let there = self.shape().axis(axis).is_some() || self.rank() == 0 && (axis == 0 || axis == -1);
        assert!(there, "{name}: {}", self.shape().no_axis(axis));
        assert!(
            index.rank() <= 1 && (self.rank() > 0 || index.numel() == 1),
            "{name}: the index {} must be a list of parts along axis {axis} of {}",
            index.shape(),
            self.shape()
        );
        index.reshape([index.numel()])
    }

    /// The places of the parts along an axis, which must be as large as `src`.
    #[track_caller]
    fn places_of_parts(&self, name: &str, axis: isize, index: &Tensor, src: Option<&Tensor>) -> Tensor {
        let index = self.list_of_parts(name, axis, index);
        if let Some(src) = src {
            if let Err(e) = check::alike(name, &[self.spec(), src.spec()]) {
                panic!("{e}");
            }
            let want = match self.shape().axis(axis) {
                Some(at) => self.shape().with(at, index.numel()),
                None => *self.shape(),
            };
            let number = want.numel() == 1 && src.numel() == 1;
            assert!(
                *src.shape() == want || number,
                "{name}: the values {} do not fit {} parts along axis {axis} of {}, which are {want}; give one part for each \
                 number of the index",
                src.shape(),
                index.numel(),
                self.shape()
            );
        }
        Tensor::places(self.shape()).index_select(axis, &index)
    }

    /// This tensor with `alpha src` added to the parts along an axis whose numbers are listed:
    /// `y[:, index[i]] += alpha src[:, i]` for axis 1.
    ///
    /// # Shapes
    /// `x [a, b, c]`, index `[n]`, `src [a, n, c]` to `[a, b, c]` for axis 1.
    ///
    /// # Gradient
    /// `dx = dy`, `dsrc[:, i] = alpha dy[:, index[i]]`
    ///
    /// # Panics
    /// When the axis is out of range, the index not a list of `i64`, a part does not exist, or `src` does not fit.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let (x, i) = (Tensor::from_slice(&[1.0f32, 2.0], [2]), Tensor::from_slice(&[1i64, 1], [2]));
    /// assert_eq!(x.index_add(0, &i, &x, 10.0).to_vec::<f32>(), [1.0, 32.0]);
    /// ```
    #[track_caller]
    pub fn index_add(&self, axis: isize, index: &Tensor, src: &Tensor, alpha: f64) -> Tensor {
        let places = self.places_of_parts("index_add", axis, index, Some(src));
        let src = src.reshape(places.shape());
        match alpha == 1.0 {
            true => self.added_at_places(&places, &src),
            false => self.added_at_places(&places, &(&src * &src.detach().full_like(alpha))),
        }
    }

    /// This tensor with the parts along an axis whose numbers are listed replaced: `y[:, index[i]] = src[:, i]` for
    /// axis 1. Of several for one part the last one stays.
    ///
    /// # Shapes
    /// `x [a, b, c]`, index `[n]`, `src [a, n, c]` to `[a, b, c]` for axis 1.
    ///
    /// # Gradient
    /// `dx` is `dy`, 0 in the replaced parts; `dsrc[:, i] = dy[:, index[i]]`, right where no part is named twice.
    ///
    /// # Panics
    /// When the axis is out of range, the index not a list of `i64`, a part does not exist, or `src` does not fit.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let i = Tensor::from_slice(&[1i64], [1]);
    /// assert_eq!(Tensor::arange(2).index_copy(0, &i, &Tensor::from_slice(&[7i64], [1])).to_vec::<i64>(), [0, 7]);
    /// ```
    #[track_caller]
    pub fn index_copy(&self, axis: isize, index: &Tensor, src: &Tensor) -> Tensor {
        let places = self.places_of_parts("index_copy", axis, index, Some(src));
        self.with_places(&places, &src.reshape(places.shape()))
    }

    /// This tensor with the parts along an axis whose numbers are listed filled with a number.
    ///
    /// # Shapes
    /// `x [a, b, c]`, index `[n]` to `[a, b, c]`.
    ///
    /// # Gradient
    /// `dx` is `dy`, 0 in the filled parts.
    ///
    /// # Panics
    /// When the axis is out of range, the index not a list of `i64`, or a part does not exist.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let i = Tensor::from_slice(&[1i64], [1]);
    /// assert_eq!(Tensor::arange(3).index_fill(0, &i, -1.0).to_vec::<i64>(), [0, -1, 2]);
    /// ```
    #[track_caller]
    pub fn index_fill(&self, axis: isize, index: &Tensor, value: f64) -> Tensor {
        let places = self.places_of_parts("index_fill", axis, index, None);
        let number = crate::backend::Kernel::Fill(value);
        let values = Tensor::run(&number, &[], &self.spec().with_shape(places.shape()));
        self.with_places(&places, &values)
    }

    /// This tensor with the parts of `src` joined to the parts along an axis whose numbers are listed, with what is
    /// there (`include_self`) or without it: [`Tensor::scatter_reduce`] of whole parts.
    ///
    /// # Shapes
    /// `x [a, b, c]`, index `[n]`, `src [a, n, c]` to `[a, b, c]` for axis 1.
    ///
    /// # Gradient
    /// That of [`Tensor::scatter_reduce`].
    ///
    /// # Panics
    /// When the axis is out of range, the index not a list of `i64`, a part does not exist, or `src` does not fit.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{ScatterReduce, Tensor};
    /// let (x, i) = (Tensor::from_slice(&[2.0f32, 3.0], [2]), Tensor::from_slice(&[1i64, 1], [2]));
    /// assert_eq!(x.index_reduce(0, &i, &x, ScatterReduce::Prod, true).to_vec::<f32>(), [2.0, 18.0]);
    /// ```
    #[track_caller]
    pub fn index_reduce(
        &self,
        axis: isize,
        index: &Tensor,
        src: &Tensor,
        reduce: ScatterReduce,
        include_self: bool,
    ) -> Tensor {
        let places = self.places_of_parts("index_reduce", axis, index, Some(src));
        self.reduced_at_places(&places, &src.reshape(places.shape()), reduce, include_self)
    }

    /// [`Tensor::gather`] with an index that broadcasts against the tensor besides the axis: it takes what an
    /// argument of the maximum, a sorting or the like has found. PyTorch's `take_along_dim`.
    ///
    /// # Shapes
    /// `x [a, b]`, index `[1, n]` to `[a, n]` for axis 1.
    ///
    /// # Gradient
    /// `dx[i, index[i, j]] += dy[i, j]`
    ///
    /// # Panics
    /// When the index is not `i64`, shapes do not broadcast, or an element does not exist.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::arange(6).reshape([2, 3]);
    /// assert_eq!(x.take_along_axis(&Tensor::from_slice(&[2i64], [1, 1]), 1).to_vec::<i64>(), [2, 5]);
    /// ```
    #[track_caller]
    pub fn take_along_axis(&self, index: &Tensor, axis: isize) -> Tensor {
        let at = self.shape().axis(axis).filter(|_| self.rank() == index.rank());
        let Some(at) = at else {
            panic!(
                "take_along_axis: the index {} must have the axes of {}, and axis {axis} be one of them",
                index.shape(),
                self.shape()
            )
        };
        let Some(shape) = self.shape().with(at, 1).broadcast(&index.shape().with(at, 1)) else {
            panic!(
                "take_along_axis: {} and the index {} do not broadcast besides axis {axis}",
                self.shape(),
                index.shape()
            )
        };
        let x = self.broadcast_to(shape.with(at, self.shape().at(at)));
        x.gather(axis, &index.broadcast_to(shape.with(at, index.shape().at(at))))
    }

    /// This tensor with the part at one place along an axis replaced: the way back of [`Tensor::select_at`].
    ///
    /// # Shapes
    /// `x [a, b, c]`, `src [a, c]` to `[a, b, c]` for axis 1.
    ///
    /// # Gradient
    /// `dx` is `dy`, 0 in the replaced part; `dsrc` is that part of `dy`.
    ///
    /// # Panics
    /// When axis or place are out of range, or `src` does not have the part's shape.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::arange(3).select_scatter(&Tensor::scalar(9i64), 0, -1).to_vec::<i64>(), [0, 1, 9]);
    /// ```
    #[track_caller]
    pub fn select_scatter(&self, src: &Tensor, axis: isize, place: isize) -> Tensor {
        self.with_view("select_scatter", &Tensor::places(self.shape()).select_at(axis, place), src)
    }

    /// This tensor with the elements of a span along an axis replaced: the way back of [`Tensor::slice`].
    ///
    /// # Shapes
    /// `src` has the shape of the slice; the result that of `x`.
    ///
    /// # Gradient
    /// `dx` is `dy`, 0 in the slice; `dsrc` is the slice of `dy`.
    ///
    /// # Panics
    /// When the axis is out of range, or `src` does not have the slice's shape.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let src = Tensor::from_slice(&[8i64, 9], [2]);
    /// assert_eq!(Tensor::arange(3).slice_scatter(&src, 0, 1..).to_vec::<i64>(), [0, 8, 9]);
    /// ```
    #[track_caller]
    pub fn slice_scatter(&self, src: &Tensor, axis: isize, span: impl Into<crate::Span>) -> Tensor {
        self.with_view("slice_scatter", &Tensor::places(self.shape()).slice(axis, span), src)
    }

    /// This tensor with a diagonal replaced: the way back of [`Tensor::diagonal`].
    ///
    /// # Shapes
    /// `src` has the shape of the diagonal; the result that of `x`.
    ///
    /// # Gradient
    /// `dx` is `dy`, 0 on the diagonal; `dsrc` is the diagonal of `dy`.
    ///
    /// # Panics
    /// When the axes are not two axes of the tensor, or `src` does not have the diagonal's shape.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let (x, src) = (Tensor::arange(4).reshape([2, 2]), Tensor::from_slice(&[8i64, 9], [2]));
    /// assert_eq!(x.diagonal_scatter(&src, 0, [0, 1]).to_vec::<i64>(), [8, 1, 2, 9]);
    /// ```
    #[track_caller]
    pub fn diagonal_scatter(&self, src: &Tensor, offset: isize, axes: [isize; 2]) -> Tensor {
        self.with_view("diagonal_scatter", &Tensor::places(self.shape()).diagonal(offset, axes), src)
    }

    #[track_caller]
    fn with_view(&self, name: &str, places: &Tensor, src: &Tensor) -> Tensor {
        assert!(
            src.shape() == places.shape(),
            "{name}: the values {} do not fit that part of {}, which is {}",
            src.shape(),
            self.shape(),
            places.shape()
        );
        self.joined_at_places(Join::Set, places, src)
    }
}

#[cfg(test)]
mod tests {
    use crate::{ScatterReduce, Span, Tensor};

    fn index() -> Tensor {
        Tensor::from_slice(&[2i64, 0], [2])
    }

    fn twice() -> Tensor {
        Tensor::from_slice(&[2i64, 0, 2], [3])
    }

    crate::cases! {
        index_select: |x| x[0].index_select(-1, &twice()); shapes [[2, 3]] [[3]] [[2, 1, 4]] [[0, 3]]  refuses [[]];
        index_select_first: |x| x[0].index_select(0, &twice()); shapes [[3, 2]] [[3, 0]];
        index_add: |x| x[0].index_add(1, &twice(), x[1], 0.5); shapes [[0, 3], [0, 3]] [[2, 3], [2, 3]] [[1, 4, 2], [1, 3, 2]]
            refuses [[2, 3], [2, 2]] [[3], [3]];
        index_copy: |x| x[0].index_copy(0, &index(), x[1]); shapes [[3, 0], [2, 0]] [[3, 2], [2, 2]] [[3], [2]]  refuses [[3, 2], [3, 2]];
        index_fill: |x| x[0].index_fill(1, &index(), 0.25); shapes [[2, 3]] [[0, 3]]  refuses [[3]];
        index_reduce: |x| x[0].index_reduce(1, &twice(), x[1], ScatterReduce::Mean, true); shapes [[0, 3], [0, 3]] [[2, 3], [2, 3]]
            refuses [[2, 3], [2, 2]];
        take_along_axis: |x| x[0].take_along_axis(&Tensor::from_slice(&[2i64, 0], [1, 2]), 1);
            shapes [[3, 3]] [[1, 4]] [[0, 3]]  refuses [[3]] [[]];
        select_scatter: |x| x[0].select_scatter(x[1], 1, -1); shapes [[0, 2], [0]] [[2, 3], [2]] [[1, 1], [1]]  refuses [[2, 3], [3]];
        slice_scatter: |x| x[0].slice_scatter(x[1], 0, Span::from(..).step(2)); shapes [[3, 0], [2, 0]] [[3, 2], [2, 2]] [[1], [1]]
            refuses [[3], [3]];
        diagonal_scatter: |x| x[0].diagonal_scatter(x[1], 1, [0, 1]); shapes [[2, 3], [2]] [[1, 1], [0]]
            refuses [[2, 3], [3]];
    }

    #[test]
    fn any_type_is_selected_and_filled() {
        let x = Tensor::from_slice(&[true, false, true], [3]);
        assert_eq!(x.index_select(0, &index()).to_vec::<bool>(), [true, true]);
        assert_eq!(x.index_fill(0, &index(), 0.0).to_vec::<bool>(), [false, false, false]);
        assert_eq!(
            Tensor::arange(3).index_add(0, &twice(), &Tensor::arange(3), 2.0).to_vec::<i64>(),
            [2, 1, 6]
        );
        let one = Tensor::scalar(5i64);
        assert_eq!(one.index_select(0, &Tensor::scalar(0i64)).rank(), 0);
    }
}
