//! Several tensors made one.

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::shape::Shape;
use crate::tensor::Tensor;

#[derive(Debug)]
struct Cat(isize);

impl Op for Cat {
    fn name(&self) -> &'static str {
        "cat"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let Some(first) = inputs.first() else {
            return Err(OpError::new("cat: got no tensors, []; give at least one"));
        };
        check::alike("cat", inputs)?;
        let axis = check::axis("cat", self.0, &first.shape)?;
        let mut size = 0;
        for x in inputs {
            if x.shape.rank() != first.shape.rank() || x.shape.with(axis, 0) != first.shape.with(axis, 0) {
                return Err(OpError::new(format!(
                    "cat: sizes differ besides axis {}, {}; only that axis may differ",
                    self.0,
                    check::shapes(inputs)
                )));
            }
            size += x.shape.at(axis);
        }
        Ok(first.with_shape(first.shape.with(axis, size)))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, _: &mut Saved) -> Tensor {
        let axis = out.shape.axis(self.0).expect("the shape rule accepted the axis");
        Tensor::run(&Kernel::Cat(axis), inputs, out)
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, needs: &[bool]) -> Vec<Option<Grad>> {
        let mut start = 0;
        let part = |(i, &needed): (usize, &bool)| {
            let size = saved.shape(i).size(self.0);
            start += size;
            needed.then(|| dy.narrow(self.0, start - size, size).into())
        };
        needs.iter().enumerate().map(part).collect()
    }
}

impl Tensor {
    /// Tensors one after the other along an axis.
    ///
    /// # Shapes
    /// Equal besides the axis, along which sizes add up.
    ///
    /// # Gradient
    /// Each input's part of `dy`.
    ///
    /// # Panics
    /// Without tensors, when sizes besides the axis differ, or element types do.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let (a, b) = (Tensor::arange(2), Tensor::arange(3));
    /// assert_eq!(Tensor::cat(&[&a, &b], 0).to_vec::<i64>(), [0, 1, 0, 1, 2]);
    /// ```
    #[track_caller]
    pub fn cat(xs: &[&Tensor], axis: isize) -> Tensor {
        apply(Cat(axis), xs)
    }

    /// Tensors of one shape side by side along a new axis.
    ///
    /// # Shapes
    /// `n` of `[a, b]` to `[n, a, b]` for axis 0.
    ///
    /// # Gradient
    /// Each input's part of `dy`.
    ///
    /// # Panics
    /// Without tensors, or when shapes or element types differ.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let (a, b) = (Tensor::arange(2), Tensor::arange(2));
    /// assert_eq!(Tensor::stack(&[&a, &b], 1).to_vec::<i64>(), [0, 0, 1, 1]);
    /// ```
    #[track_caller]
    pub fn stack(xs: &[&Tensor], axis: isize) -> Tensor {
        if let Some((first, rest)) = xs.split_first()
            && let Some(other) = rest.iter().find(|x| x.shape() != first.shape())
        {
            panic!("stack: shapes differ, {} and {}; only equal shapes stack", first.shape(), other.shape());
        }
        let xs: Vec<Tensor> = xs.iter().map(|x| x.unsqueeze(axis)).collect();
        Tensor::cat(&xs.iter().collect::<Vec<_>>(), axis)
    }

    /// Tensors side by side: rows of numbers along their only axis, others along axis 1.
    ///
    /// # Shapes
    /// `[a, b]` and `[a, c]` to `[a, b + c]`; numbers without axes count as `[1]`.
    ///
    /// # Gradient
    /// Each input's part of `dy`.
    ///
    /// # Panics
    /// Without tensors, when sizes besides the axis differ, or element types do.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let (a, b) = (Tensor::arange(2), Tensor::arange(1));
    /// assert_eq!(Tensor::hstack(&[&a, &b]).to_vec::<i64>(), [0, 1, 0]);
    /// ```
    #[track_caller]
    pub fn hstack(xs: &[&Tensor]) -> Tensor {
        let xs: Vec<Tensor> = xs.iter().map(|x| at_least(x, 1)).collect();
        let axis = if xs.first().is_some_and(|x| x.rank() > 1) { 1 } else { 0 };
        Tensor::cat(&xs.iter().collect::<Vec<_>>(), axis)
    }

    /// Tensors one below the other: along axis 0, where rows of numbers count as `[1, n]`.
    ///
    /// # Shapes
    /// `[a, c]` and `[b, c]` to `[a + b, c]`
    ///
    /// # Gradient
    /// Each input's part of `dy`.
    ///
    /// # Panics
    /// Without tensors, when sizes besides the axis differ, or element types do.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let (a, b) = (Tensor::arange(2), Tensor::arange(2));
    /// assert_eq!(Tensor::vstack(&[&a, &b]).shape(), &[2, 2]);
    /// ```
    #[track_caller]
    pub fn vstack(xs: &[&Tensor]) -> Tensor {
        let xs: Vec<Tensor> = xs.iter().map(|x| at_least(x, 2)).collect();
        Tensor::cat(&xs.iter().collect::<Vec<_>>(), 0)
    }

    /// Tensors one behind the other: along axis 2, where rows count as `[1, n, 1]` and matrices as `[a, b, 1]`.
    ///
    /// # Shapes
    /// `[a, b]` and `[a, b]` to `[a, b, 2]`
    ///
    /// # Gradient
    /// Each input's part of `dy`.
    ///
    /// # Panics
    /// Without tensors, when sizes besides the axis differ, or element types do.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let (a, b) = (Tensor::arange(2), Tensor::arange(2));
    /// assert_eq!(Tensor::dstack(&[&a, &b]).shape(), &[1, 2, 2]);
    /// ```
    #[track_caller]
    pub fn dstack(xs: &[&Tensor]) -> Tensor {
        let xs: Vec<Tensor> = xs.iter().map(|x| at_least(x, 3)).collect();
        Tensor::cat(&xs.iter().collect::<Vec<_>>(), 2)
    }

    /// Coordinates of all points of a grid: element `[i, j, ..]` of result `k` is number `i`, `j`, .. of input `k`.
    /// Views.
    ///
    /// # Shapes
    /// `[a]`, `[b]`, `[c]` to three of `[a, b, c]`.
    ///
    /// # Gradient
    /// Each input's is its result's, summed over the other axes.
    ///
    /// # Panics
    /// When an input has more than one axis, or there are more than 8.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let grid = Tensor::meshgrid(&[&Tensor::arange(2), &Tensor::arange(3)]);
    /// assert_eq!(grid[1].to_vec::<i64>(), [0, 1, 2, 0, 1, 2]);
    /// ```
    #[track_caller]
    pub fn meshgrid(xs: &[&Tensor]) -> Vec<Tensor> {
        if let Some(x) = xs.iter().find(|x| x.rank() > 1) {
            panic!("meshgrid: needs lists of numbers, got {}; flatten(..) makes one", x.shape());
        }
        let shape = Shape::new(&xs.iter().map(|x| x.numel()).collect::<Vec<_>>());
        let grid = |(axis, x): (usize, &&Tensor)| {
            let mut sizes = vec![1; shape.rank()];
            sizes[axis] = x.numel();
            x.reshape(sizes).broadcast_to(shape)
        };
        xs.iter().enumerate().map(grid).collect()
    }

    /// [`Tensor::meshgrid`] with the first two axes exchanged, as plots want them: NumPy's and PyTorch's `xy` order.
    ///
    /// # Shapes
    /// `[a]`, `[b]`, `[c]` to three of `[b, a, c]`.
    ///
    /// # Gradient
    /// Each input's is its result's, summed over the other axes.
    ///
    /// # Panics
    /// When an input has more than one axis, or there are more than 8.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let grid = Tensor::meshgrid_xy(&[&Tensor::arange(2), &Tensor::arange(3)]);
    /// assert_eq!(grid[1].to_vec::<i64>(), [0, 0, 1, 1, 2, 2]);
    /// ```
    #[track_caller]
    pub fn meshgrid_xy(xs: &[&Tensor]) -> Vec<Tensor> {
        let grids = Tensor::meshgrid(xs);
        if xs.len() < 2 {
            return grids;
        }
        grids.iter().map(|grid| grid.transpose(0, 1)).collect()
    }
}

/// With as many axes as the stacking functions want: numbers and rows get an axis in front, the third comes last.
fn at_least(x: &Tensor, rank: usize) -> Tensor {
    let mut y = if x.rank() == 0 { x.reshape([1]) } else { x.clone() };
    if rank >= 2 && y.rank() == 1 {
        y = y.unsqueeze(0);
    }
    if rank == 3 && y.rank() == 2 {
        y = y.unsqueeze(2);
    }
    y
}

#[cfg(test)]
mod tests {
    use crate::Tensor;

    crate::cases! {
        cat: |x| Tensor::cat(&[x[0], x[1], x[0]], 1);
            shapes [[2, 3], [2, 1]] [[2, 0], [2, 2]] [[1, 2, 2], [1, 1, 2]]  refuses [[2, 3], [3, 3]] [[2], [2]];
        stack: |x| Tensor::stack(&[x[0], x[1]], -1); shapes [[0], [0]] [[2, 3], [2, 3]] [[], []]  refuses [[2], [3]];
        hstack: |x| Tensor::hstack(&[x[0], x[1]]); shapes [[0, 3], [0, 1]] [[2, 3], [2, 1]] [[2], [3]] [[], [2]]  refuses [[2, 2], [3, 2]];
        vstack: |x| Tensor::vstack(&[x[0], x[1]]); shapes [[2, 3], [3]] [[], [1]] [[0, 2], [1, 2]]  refuses [[2], [3]];
        dstack: |x| Tensor::dstack(&[x[0], x[1]]); shapes [[0, 3], [0, 3]] [[2, 3], [2, 3]] [[2], [2]] [[2, 1, 2], [2, 1]]
            refuses [[2], [3]];
        meshgrid: |x| { let grid = Tensor::meshgrid(x); &grid[0] * &grid[1] }; shapes [[2], [3]] [[], [2]] [[0], [2]]
            refuses [[2, 2], [2]];
        meshgrid_xy: |x| { let grid = Tensor::meshgrid_xy(x); &grid[0] - &grid[1] }; shapes [[0], [2]] [[2], [3]] [[2], [3], [1]]
            refuses [[2, 2], [2]];
    }

    #[test]
    #[should_panic(expected = "cat: sizes differ besides axis 0, [2, 3] x [2, 4]; only that axis may differ")]
    fn a_refusal_names_the_shapes() {
        Tensor::cat(
            &[&Tensor::zeros([2, 3], crate::DType::F32), &Tensor::zeros([2, 4], crate::DType::F32)],
            0,
        );
    }
}
