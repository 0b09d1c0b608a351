//! Diagonals of matrices, and matrices cut along one.

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::dtype::DType;
use crate::layout::Layout;
use crate::op::{Op, OpError, Saved, Spec, apply};
use crate::shape::{MAX_RANK, Shape};
use crate::tensor::Tensor;

/// The diagonal of the matrices of two axes, as a new last axis.
#[derive(Clone, Copy, Debug)]
struct Diagonal {
    offset: isize,
    axes: [usize; 2],
}

impl Diagonal {
    /// The places of the diagonal in a layout.
    fn of(&self, x: &Layout) -> Layout {
        let ([a, b], shape) = (self.axes, x.shape());
        let (down, right) = ((-self.offset).max(0) as usize, self.offset.max(0) as usize);
        let size = shape.at(a).saturating_sub(down).min(shape.at(b).saturating_sub(right));
        let from = x.strides();
        let mut strides = [0; MAX_RANK];
        let rest: Vec<usize> = (0..shape.rank()).filter(|axis| !self.axes.contains(axis)).collect();
        let mut sizes = Vec::with_capacity(rest.len() + 1);
        for (to, &axis) in rest.iter().enumerate() {
            (strides[to], _) = (from[axis], sizes.push(shape.at(axis)));
        }
        strides[rest.len()] = from[a] + from[b];
        sizes.push(size);
        let start = if size > 0 { down as isize * from[a] + right as isize * from[b] } else { 0 };
        Layout::strided(Shape::new(&sizes), strides, (x.offset() as isize + start) as usize)
    }
}

impl Op for Diagonal {
    fn name(&self) -> &'static str {
        "diagonal"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        Ok(inputs[0].with_shape(self.of(&Layout::dense(inputs[0].shape)).shape()))
    }

    fn forward(&self, inputs: &[&Tensor], _: &Spec, _: &mut Saved) -> Tensor {
        inputs[0].with_layout(self.of(inputs[0].layout()))
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        vec![Some(apply(Undiagonal { diagonal: *self, shape: *saved.shape(0) }, &[&dy]).into())]
    }
}

/// Zeros with a diagonal in its place: the adjoint of [`Diagonal`].
#[derive(Debug)]
struct Undiagonal {
    diagonal: Diagonal,
    shape: Shape,
}

impl Op for Undiagonal {
    fn name(&self) -> &'static str {
        "diag_embed"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        Ok(inputs[0].with_shape(self.shape))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, _: &mut Saved) -> Tensor {
        let places = self.diagonal.of(&Layout::dense(self.shape));
        if out.dtype.is_float() {
            return Tensor::run(&Kernel::Embed(places), inputs, out);
        }
        let zeros = Tensor::run(&Kernel::Fill(0.0), &[], out);
        zeros.with_places(&Tensor::places(&self.shape).with_layout(places), inputs[0])
    }

    fn vjp(&self, _: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        vec![Some(apply(self.diagonal, &[&dy]).into())]
    }
}

impl Tensor {
    /// Two different axes of the tensor.
    #[track_caller]
    fn matrix_axes(&self, name: &str, [a, b]: [isize; 2]) -> [usize; 2] {
        match (self.shape().axis(a), self.shape().axis(b)) {
            (Some(i), Some(j)) if i != j => [i, j],
            _ => panic!(
                "{name}: axes {a} and {b} are not two axes of shape {}; name two that exist",
                self.shape()
            ),
        }
    }

    /// The diagonal of the matrices of two axes, as the last axis: element `i` is `x[i, i + offset]`. A view.
    ///
    /// # Shapes
    /// `[a, b, c]` to `[a, min(b, c)]` for the axes 1 and 2 and offset 0.
    ///
    /// # Gradient
    /// `dx` is `dy` on the diagonal, 0 elsewhere.
    ///
    /// # Panics
    /// When the axes are not two axes of the tensor.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::arange(6).reshape([2, 3]);
    /// assert_eq!(x.diagonal(1, [0, 1]).to_vec::<i64>(), [1, 5]);
    /// ```
    #[track_caller]
    pub fn diagonal(&self, offset: isize, axes: [isize; 2]) -> Tensor {
        apply(Diagonal { offset, axes: self.matrix_axes("diagonal", axes) }, &[self])
    }

    /// Matrices with the last axis on a diagonal and 0 elsewhere, along two axes of the result.
    ///
    /// # Shapes
    /// `[a, b]` to `[a, b, b]` for the axes -2 and -1 and offset 0; an offset of `k` adds `|k|` rows and columns.
    ///
    /// # Gradient
    /// `dx` is the diagonal of `dy`.
    ///
    /// # Panics
    /// Without an axis, or when the axes are not two axes of the result.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1i64, 2], [2]);
    /// assert_eq!(x.diag_embed(0, [-2, -1]).to_vec::<i64>(), [1, 0, 0, 2]);
    /// ```
    #[track_caller]
    pub fn diag_embed(&self, offset: isize, axes: [isize; 2]) -> Tensor {
        assert!(self.rank() >= 1, "diag_embed: needs at least one axis, got {}", self.shape());
        let side = self.size(-1) + offset.unsigned_abs();
        let rank = self.rank() as isize + 1;
        let place = |axis: isize| if axis < 0 { axis + rank } else { axis };
        let [a, b] = axes.map(place);
        assert!(
            a != b && (0..rank).contains(&a) && (0..rank).contains(&b),
            "diag_embed: axes {} and {} are not two of the {rank} axes that {} gets",
            axes[0],
            axes[1],
            self.shape()
        );
        let mut sizes = self.shape().front(self.rank() - 1).to_vec();
        let (low, high) = (a.min(b) as usize, a.max(b) as usize);
        sizes.insert(low, side);
        sizes.insert(high, side);
        let diagonal = Diagonal { offset, axes: [a as usize, b as usize] };
        apply(Undiagonal { diagonal, shape: Shape::new(&sizes) }, &[self])
    }

    /// The diagonal of a matrix, or the matrix of a diagonal.
    ///
    /// # Shapes
    /// `[a, b]` to `[min(a, b)]`, `[a]` to `[a, a]`, for offset 0.
    ///
    /// # Gradient
    /// `dx` is `dy` on the diagonal, or the diagonal of `dy`.
    ///
    /// # Panics
    /// When the tensor has neither one axis nor two.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1i64, 2], [2]);
    /// assert_eq!(x.diag(0).to_vec::<i64>(), [1, 0, 0, 2]);
    /// assert_eq!(x.diag(1).diag(1).to_vec::<i64>(), [1, 2]);
    /// ```
    #[track_caller]
    pub fn diag(&self, offset: isize) -> Tensor {
        match self.rank() {
            1 => self.diag_embed(offset, [0, 1]),
            2 => self.diagonal(offset, [0, 1]),
            _ => panic!(
                "diag: needs a list of numbers or a matrix, got {}; diagonal(..) and diag_embed(..) take more axes",
                self.shape()
            ),
        }
    }

    /// The sum of the diagonal of a matrix, `Σ x[i, i]`.
    ///
    /// # Shapes
    /// `[a, b]` to a number.
    ///
    /// # Gradient
    /// `dx[i, i] = dy`, 0 elsewhere.
    ///
    /// # Panics
    /// When the tensor is not a matrix.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::arange(4).reshape([2, 2]).trace().item(), 3.0);
    /// ```
    #[track_caller]
    pub fn trace(&self) -> Tensor {
        assert!(
            self.rank() == 2,
            "trace: needs a matrix, got {}; diagonal(0, [-2, -1]).sum(-1) is that of many",
            self.shape()
        );
        self.diagonal(0, [0, 1]).sum(..)
    }

    /// The lower triangle of matrices: 0 above the diagonal, or above one `offset` places to its right.
    ///
    /// # Shapes
    /// `[.., a, b]`; the result has the same.
    ///
    /// # Gradient
    /// `dx` is the same triangle of `dy`.
    ///
    /// # Panics
    /// With fewer than two axes.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1i64, 2, 3, 4], [2, 2]);
    /// assert_eq!(x.tril(0).to_vec::<i64>(), [1, 0, 3, 4]);
    /// ```
    #[track_caller]
    pub fn tril(&self, offset: isize) -> Tensor {
        self.triangle("tril", offset, |places, limit| places.le(limit))
    }

    /// The upper triangle of matrices: 0 below the diagonal, or below one `offset` places to its right.
    ///
    /// # Shapes
    /// `[.., a, b]`; the result has the same.
    ///
    /// # Gradient
    /// `dx` is the same triangle of `dy`.
    ///
    /// # Panics
    /// With fewer than two axes.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1i64, 2, 3, 4], [2, 2]);
    /// assert_eq!(x.triu(0).to_vec::<i64>(), [1, 2, 0, 4]);
    /// ```
    #[track_caller]
    pub fn triu(&self, offset: isize) -> Tensor {
        self.triangle("triu", offset, |places, limit| places.ge(limit))
    }

    #[track_caller]
    fn triangle(&self, name: &str, offset: isize, kept: fn(&Tensor, &Tensor) -> Tensor) -> Tensor {
        assert!(
            self.rank() >= 2,
            "{name}: needs at least two axes, got {}; make a matrix of a vector with .unsqueeze(0)",
            self.shape()
        );
        let (rows, columns) = (Tensor::arange(self.size(-2)), Tensor::arange(self.size(-1)));
        let limit = Tensor::full([], offset as f64, DType::I64);
        let kept = kept(&(&columns - &rows.unsqueeze(1)), &limit);
        kept.select(self, &Tensor::run(&Kernel::Fill(0.0), &[], &self.spec().with_shape(Shape::SCALAR)))
    }
}

#[cfg(test)]
mod tests {
    use crate::Tensor;

    crate::cases! {
        diagonal: |x| x[0].diagonal(1, [0, -1]); shapes [[2, 3]] [[3, 2, 3]] [[3, 1]] [[0, 2]]  refuses [[3]] [[]];
        diagonal_below: |x| x[0].diagonal(-1, [-1, 0]); shapes [[2, 3]] [[3, 2, 4]];
        diag_embed: |x| x[0].diag_embed(-1, [0, -1]); shapes [[3]] [[2, 3]] [[0]]  refuses [[]];
        diag: |x| x[0].diag(1); shapes [[2, 3]] [[3]] [[0]]  refuses [[2, 2, 2]] [[]];
        trace: |x| x[0].trace(); shapes [[2, 3]] [[1, 1]] [[0, 2]]  refuses [[2]] [[2, 2, 2]];
        tril: |x| x[0].tril(1); shapes [[3, 4]] [[2, 3, 2]] [[0, 2]]  refuses [[3]] [[]];
        triu: |x| x[0].triu(-1); shapes [[4, 3]] [[2, 3, 2]] [[2, 0]]  refuses [[3]] [[]];
    }

    /// `numpy.diag`, `tril` and `triu` of `arange(1, 7).reshape(2, 3)`.
    #[test]
    fn values_are_those_of_numpy() {
        let x = Tensor::from_slice(&[1i64, 2, 3, 4, 5, 6], [2, 3]);
        assert_eq!(x.diag(0).to_vec::<i64>(), [1, 5]);
        assert_eq!(x.diag(-1).to_vec::<i64>(), [4]);
        assert!(x.diag(5).to_vec::<i64>().is_empty());
        assert_eq!(x.tril(-1).to_vec::<i64>(), [0, 0, 0, 4, 0, 0]);
        assert_eq!(x.triu(1).to_vec::<i64>(), [0, 2, 3, 0, 0, 6]);
        let d = Tensor::from_slice(&[1i64, 2], [2]);
        assert_eq!(d.diag(-1).to_vec::<i64>(), [0, 0, 0, 1, 0, 0, 0, 2, 0]);
        assert_eq!(Tensor::from_slice(&[true], [1]).diag(1).to_vec::<bool>(), [false, true, false, false]);
    }

    /// Axes of the result given the other way round give the transpose.
    #[test]
    fn the_axes_of_an_embedded_diagonal_have_an_order() {
        let x = Tensor::arange(4).reshape([2, 2]);
        let a = x.diag_embed(1, [0, 2]);
        assert_eq!(a.to_vec::<i64>(), x.diag_embed(1, [2, 0]).transpose(0, 2).to_vec::<i64>());
        assert_eq!(a.diagonal(1, [0, 2]).to_vec::<i64>(), [0, 1, 2, 3]);
    }
}
