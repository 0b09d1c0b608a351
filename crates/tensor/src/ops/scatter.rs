//! Values put, added or joined along an axis where an index says.

use super::places::Join;
use crate::dtype::DType;
use crate::op::{OpError, Spec, check};
use crate::tensor::Tensor;

/// How [`Tensor::scatter_reduce`] and [`Tensor::index_reduce`] join what comes to one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScatterReduce {
    /// The sum.
    Sum,
    /// The product.
    Prod,
    /// The mean; of whole numbers rounded down.
    Mean,
    /// The greatest.
    Amax,
    /// The least.
    Amin,
}

impl Tensor {
    /// The places that an index along an axis names in this tensor, in the index's shape, and the part of `src` that
    /// goes there.
    #[track_caller]
    fn scattered(&self, name: &str, axis: isize, index: &Tensor, src: &Tensor) -> (Tensor, Tensor) {
        let at = |x: &Tensor| if x.rank() == 0 { x.reshape([1]) } else { x.clone() };
        let (x, i) = (at(self), at(index));
        let src = if src.rank() == 0 { src.broadcast_to(i.shape()) } else { src.clone() };
        if let Err(e) = fits(name, &x.spec(), &i.spec(), &src.spec(), axis) {
            panic!("{e}");
        }
        let mut part = src;
        for axis in 0..i.rank() {
            if part.shape().at(axis) != i.shape().at(axis) {
                part = part.narrow(axis as isize, 0, i.shape().at(axis));
            }
        }
        (Tensor::places(x.shape()).gather(axis, &i), part)
    }

    /// This tensor with values put along an axis where an index says: for axis 1, `y[i, index[i, j]] = src[i, j]`.
    /// Of several values for one place the last one stays. A `src` without axes is one value for all.
    ///
    /// # Shapes
    /// The index is no larger than `x` besides the axis and no larger than `src`; the result has the shape of `x`.
    ///
    /// # Gradient
    /// `dx` is `dy`, 0 where a value was put; `dsrc[i, j] = dy[i, index[i, j]]`, right where no place is named twice.
    ///
    /// # Panics
    /// When the index is not `i64`, shapes do not fit, or a place does not exist.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let index = Tensor::from_slice(&[2i64, 0], [2]);
    /// let y = Tensor::arange(3).scatter(0, &index, &Tensor::from_slice(&[8i64, 9], [2]));
    /// assert_eq!(y.to_vec::<i64>(), [9, 1, 8]);
    /// ```
    #[track_caller]
    pub fn scatter(&self, axis: isize, index: &Tensor, src: &Tensor) -> Tensor {
        let (places, values) = self.scattered("scatter", axis, index, src);
        self.with_places(&places, &values)
    }

    /// This tensor with values added along an axis where an index says: for axis 1,
    /// `y[i, index[i, j]] += src[i, j]`.
    ///
    /// # Shapes
    /// The index is no larger than `x` besides the axis and no larger than `src`; the result has the shape of `x`.
    ///
    /// # Gradient
    /// `dx = dy`, `dsrc[i, j] = dy[i, index[i, j]]`
    ///
    /// # Panics
    /// When the index is not `i64`, shapes do not fit, or a place does not exist.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let index = Tensor::from_slice(&[2i64, 2], [2]);
    /// let y = Tensor::arange(3).scatter_add(0, &index, &Tensor::from_slice(&[8i64, 9], [2]));
    /// assert_eq!(y.to_vec::<i64>(), [0, 1, 19]);
    /// ```
    #[track_caller]
    pub fn scatter_add(&self, axis: isize, index: &Tensor, src: &Tensor) -> Tensor {
        let (places, values) = self.scattered("scatter_add", axis, index, src);
        self.added_at_places(&places, &values)
    }

    /// Values that come to one place along an axis joined, with what is there (`include_self`) or without it.
    ///
    /// # Shapes
    /// The index is no larger than `x` besides the axis and no larger than `src`; the result has the shape of `x`.
    ///
    /// # Gradient
    /// That of a sum, product or mean; a greatest or least shares `dy` equally among all that attain it.
    ///
    /// # Panics
    /// When the index is not `i64`, shapes do not fit, or a place does not exist.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{ScatterReduce, Tensor};
    /// let index = Tensor::from_slice(&[0i64, 0], [2]);
    /// let src = Tensor::from_slice(&[2.0f32, 4.0], [2]);
    /// let y = Tensor::scalar(9.0f32).reshape([1]).scatter_reduce(0, &index, &src, ScatterReduce::Mean, false);
    /// assert_eq!(y.to_vec::<f32>(), [3.0]);
    /// ```
    #[track_caller]
    pub fn scatter_reduce(
        &self,
        axis: isize,
        index: &Tensor,
        src: &Tensor,
        reduce: ScatterReduce,
        include_self: bool,
    ) -> Tensor {
        let (places, values) = self.scattered("scatter_reduce", axis, index, src);
        self.reduced_at_places(&places, &values, reduce, include_self)
    }

    pub(super) fn reduced_at_places(
        &self,
        places: &Tensor,
        values: &Tensor,
        reduce: ScatterReduce,
        include_self: bool,
    ) -> Tensor {
        let (first, join) = match (reduce, self.dtype()) {
            (ScatterReduce::Sum | ScatterReduce::Mean, _) => (0.0, Join::Add),
            (ScatterReduce::Prod, _) => (1.0, Join::Mul),
            (ScatterReduce::Amax, DType::F32 | DType::F64) => (f64::NEG_INFINITY, Join::Max),
            (ScatterReduce::Amin, DType::F32 | DType::F64) => (f64::INFINITY, Join::Min),
            (ScatterReduce::Amax, DType::I64) => (i64::MIN as f64, Join::Max),
            (ScatterReduce::Amin, DType::I64) => (i64::MAX as f64, Join::Min),
            (ScatterReduce::Amax, _) => (0.0, Join::Max),
            (ScatterReduce::Amin, DType::Bool) => (1.0, Join::Min),
            (ScatterReduce::Amin, _) => (255.0, Join::Min),
        };
        let start = match include_self {
            true => self.clone(),
            // What is there gives way to what changes nothing.
            false => self.with_places(places, &values.detach().full_like(first)),
        };
        let y = start.joined_at_places(join, places, values);
        if reduce != ScatterReduce::Mean {
            return y;
        }
        let one = values.detach().ones_like();
        let there = match include_self {
            true => self.detach().ones_like(),
            false => self.detach().ones_like().with_places(places, &one.zeros_like()),
        };
        let count = there.added_at_places(places, &one);
        if y.dtype().is_float() {
            return y / count;
        }
        // Whole numbers are divided as f64 and rounded down.
        y.cast(DType::F64).div(&count.cast(DType::F64)).floor_to(y.dtype())
    }

    /// The numbers rounded down, as another type.
    fn floor_to(&self, dtype: DType) -> Tensor {
        let whole = self.cast(DType::I64).cast(DType::F64);
        let down = whole.gt(self).cast(DType::F64);
        (whole - down).cast(dtype)
    }
}

/// The rule of PyTorch's scatter functions.
fn fits(name: &str, x: &Spec, index: &Spec, src: &Spec, axis: isize) -> Result<(), OpError> {
    check::index(name, index)?;
    check::alike(name, &[*x, *src])?;
    let at = check::axis(name, axis, &x.shape)?;
    let ranks = index.shape.rank() == x.shape.rank() && src.shape.rank() == x.shape.rank();
    let fits = |i: usize| {
        let n = index.shape.at(i);
        n <= src.shape.at(i) && (i == at || n <= x.shape.at(i))
    };
    if !ranks || index.shape.numel() > 0 && !(0..x.shape.rank()).all(fits) {
        return Err(OpError::new(format!(
            "{name}: the index {} does not fit {} and the values {}; it needs as many axes, and may be larger than the \
             tensor along axis {axis} alone, than the values nowhere",
            index.shape, x.shape, src.shape
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::ScatterReduce;
    use crate::{DType, Tensor};

    fn index() -> Tensor {
        Tensor::from_slice(&[2i64, 0, 0, 1], [2, 2])
    }

    fn twice() -> Tensor {
        Tensor::from_slice(&[2i64, 0, 0, 0], [2, 2])
    }

    fn none() -> Tensor {
        Tensor::zeros([0, 2], DType::I64)
    }

    fn reduce(x: &[&Tensor], how: ScatterReduce, with: bool) -> Tensor {
        x[0].scatter_reduce(1, &twice(), x[1], how, with)
    }

    crate::cases! {
        scatter: |x| x[0].scatter(1, &index(), x[1]); shapes [[2, 3], [2, 2]] [[3, 3], [2, 4]] [[2, 3], []]
            refuses [[1, 3], [2, 2]] [[2, 3], [2, 1]] [[2], [2]];
        scatter_add: |x| x[0].scatter_add(-1, &twice(), x[1]); shapes [[2, 3], [2, 2]] [[3, 4], [2, 3]]
            refuses [[1, 3], [2, 2]] [[2, 3], [2, 1]];
        scatter_none: |x| x[0].scatter(1, &none(), x[1]); shapes [[2, 3], [0, 2]];
        scatter_add_none: |x| x[0].scatter_add(1, &none(), x[1]); shapes [[2, 3], [0, 2]];
        scatter_reduce: |x| reduce(x, ScatterReduce::Sum, false); shapes [[2, 3], [2, 2]]
            refuses [[1, 3], [2, 2]] [[2, 3], [2, 1]];
        scatter_reduce_none: |x| x[0].scatter_reduce(1, &none(), x[1], ScatterReduce::Sum, true); shapes [[2, 3], [0, 2]];
        scatter_reduce_prod: |x| reduce(x, ScatterReduce::Prod, true); shapes [[2, 3], [2, 2]] on 0.5..2.0;
        scatter_reduce_mean: |x| reduce(x, ScatterReduce::Mean, true); shapes [[2, 3], [2, 2]];
        scatter_reduce_mean_without: |x| reduce(x, ScatterReduce::Mean, false); shapes [[2, 3], [2, 2]];
        scatter_reduce_amax: |x| reduce(x, ScatterReduce::Amax, true); shapes [[2, 3], [2, 2]];
        scatter_reduce_amin: |x| reduce(x, ScatterReduce::Amin, false); shapes [[2, 3], [2, 2]];
    }

    /// `torch.scatter_reduce` of `[5, -7, 3]` with index `[0, 0, 1]` and values `[2, 2, -4]`.
    #[test]
    fn whole_numbers_are_joined_as_in_pytorch() {
        let x = Tensor::from_slice(&[5i64, -7, 3], [3]);
        let (i, v) = (Tensor::from_slice(&[0i64, 0, 1], [3]), Tensor::from_slice(&[2i64, 2, -4], [3]));
        let run = |how, with| x.scatter_reduce(0, &i, &v, how, with).to_vec::<i64>();
        assert_eq!(run(ScatterReduce::Sum, true), [9, -11, 3]);
        assert_eq!(run(ScatterReduce::Prod, false), [4, -4, 3]);
        assert_eq!(run(ScatterReduce::Mean, true), [3, -6, 3]);
        assert_eq!(run(ScatterReduce::Amax, true), [5, -4, 3]);
        assert_eq!(run(ScatterReduce::Amin, false), [2, -4, 3]);
    }

    #[test]
    fn a_number_alone_is_scattered_into() {
        let (x, i) = (Tensor::scalar(1.0f32), Tensor::scalar(0i64));
        assert_eq!(x.scatter(0, &i, &Tensor::scalar(4.0f32)).item(), 4.0);
        assert_eq!(x.scatter(0, &i, &Tensor::scalar(4.0f32)).rank(), 0);
    }

    #[test]
    #[should_panic(
        expected = "scatter: the index [2, 2] does not fit [3] and the values [3]; it needs as many axes"
    )]
    fn a_refusal_names_the_shapes() {
        let x = Tensor::zeros([3], DType::F32);
        x.scatter(0, &index(), &x);
    }
}
