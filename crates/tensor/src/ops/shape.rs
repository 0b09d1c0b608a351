//! Operations that only read the same numbers in another way: nearly all are views without a copy.

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::op::{Op, OpError, Saved, Spec, apply};
use crate::shape::Shape;
use crate::tensor::Tensor;

#[derive(Debug)]
struct Reshape(Shape);

impl Op for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let x = &inputs[0];
        if x.shape.numel() != self.0.numel() {
            return Err(OpError::new(format!(
                "reshape: {} has {} elements, {} takes {}; the numbers must be equal",
                x.shape,
                x.shape.numel(),
                self.0,
                self.0.numel()
            )));
        }
        Ok(x.with_shape(self.0))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, _: &mut Saved) -> Tensor {
        match inputs[0].layout().reshape(&self.0) {
            Some(layout) => inputs[0].with_layout(layout),
            None => Tensor::run(&Kernel::Copy, inputs, out),
        }
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        vec![Some(dy.reshape(saved.shape(0)).into())]
    }
}

#[derive(Debug)]
struct Permute(Vec<usize>);

impl Op for Permute {
    fn name(&self) -> &'static str {
        "permute"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let x = &inputs[0];
        let named = self.0.iter().fold(0u64, |set, &axis| set | 1 << axis.min(63));
        if self.0.len() != x.shape.rank() || named != (1 << x.shape.rank()) - 1 {
            return Err(OpError::new(format!(
                "permute: {:?} does not name each axis of {} once; give the {} axes in their new order",
                self.0,
                x.shape,
                x.shape.rank()
            )));
        }
        Ok(x.with_shape(x.shape.permute(&self.0)))
    }

    fn forward(&self, inputs: &[&Tensor], _: &Spec, _: &mut Saved) -> Tensor {
        inputs[0].with_layout(inputs[0].layout().permute(&self.0))
    }

    fn vjp(&self, _: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        let mut back = vec![0; self.0.len()];
        for (to, &from) in self.0.iter().enumerate() {
            back[from] = to;
        }
        vec![Some(apply(Permute(back), &[&dy]).into())]
    }
}

#[derive(Debug)]
struct BroadcastTo(Shape);

impl Op for BroadcastTo {
    fn name(&self) -> &'static str {
        "broadcast_to"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let x = &inputs[0];
        if x.shape.broadcast(&self.0) != Some(self.0) {
            return Err(OpError::new(format!(
                "broadcast_to: {} does not broadcast to {}; sizes must be equal or 1, counted from the last axis",
                x.shape, self.0
            )));
        }
        Ok(x.with_shape(self.0))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, _: &mut Saved) -> Tensor {
        inputs[0].with_layout(inputs[0].layout().broadcast_to(&out.shape))
    }

    fn vjp(&self, _: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        // The backward walk sums the gradient down to the input's shape.
        vec![Some(dy.into())]
    }
}

impl Tensor {
    /// The same elements, in the same order, with another shape.
    ///
    /// # Shapes
    /// Any to any with as many elements.
    ///
    /// # Gradient
    /// `dx = dy` with the shape of `x`.
    ///
    /// # Panics
    /// When the numbers of elements differ.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::arange(6).reshape([2, 3]).shape(), &[2, 3]);
    /// ```
    #[track_caller]
    pub fn reshape(&self, shape: impl Into<Shape>) -> Tensor {
        let shape = shape.into();
        if shape == *self.shape() {
            return self.clone();
        }
        apply(Reshape(shape), &[self])
    }

    /// Axes from `start` on made one.
    ///
    /// # Shapes
    /// `[a, b, c]` to `[a, b c]` for `start` 1.
    ///
    /// # Gradient
    /// `dx = dy` with the shape of `x`.
    ///
    /// # Panics
    /// When `start` is out of range.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{DType, Tensor};
    /// assert_eq!(Tensor::zeros([8, 3, 5], DType::F32).flatten(1).shape(), &[8, 15]);
    /// ```
    #[track_caller]
    pub fn flatten(&self, start: isize) -> Tensor {
        let Some(start) = self.shape().axis(start) else {
            panic!("flatten: axis {start} is out of range for shape {}", self.shape())
        };
        let mut sizes = self.shape().to_vec();
        let tail: usize = sizes.drain(start..).product();
        sizes.push(tail);
        self.reshape(sizes)
    }

    /// The axes in another order: axis `i` of the result is axis `order[i]`. A view.
    ///
    /// # Shapes
    /// `[a, b, c]` to `[c, a, b]` for the order `[2, 0, 1]`.
    ///
    /// # Gradient
    /// `dx` is `dy` with its axes back in their places.
    ///
    /// # Panics
    /// When the order does not name each axis once.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{DType, Tensor};
    /// assert_eq!(Tensor::zeros([2, 3, 4], DType::F32).permute(&[2, 0, 1]).shape(), &[4, 2, 3]);
    /// ```
    #[track_caller]
    pub fn permute(&self, order: &[usize]) -> Tensor {
        apply(Permute(order.to_vec()), &[self])
    }

    /// Two axes exchanged. A view.
    ///
    /// # Shapes
    /// `[a, b, c]` to `[a, c, b]` for the axes 1 and 2.
    ///
    /// # Gradient
    /// `dx` is `dy` with the axes exchanged.
    ///
    /// # Panics
    /// When an axis is out of range.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{DType, Tensor};
    /// assert_eq!(Tensor::zeros([2, 3, 4], DType::F32).transpose(-1, -2).shape(), &[2, 4, 3]);
    /// ```
    #[track_caller]
    pub fn transpose(&self, a: isize, b: isize) -> Tensor {
        let (Some(i), Some(j)) = (self.shape().axis(a), self.shape().axis(b)) else {
            panic!("transpose: axes {a} and {b} do not both exist in shape {}", self.shape())
        };
        let mut order: Vec<usize> = (0..self.rank()).collect();
        order.swap(i, j);
        self.permute(&order)
    }

    /// The matrix transposed: the last two axes exchanged. A view.
    ///
    /// # Shapes
    /// `[.., m, n]` to `[.., n, m]`
    ///
    /// # Gradient
    /// `dx = dyᵀ`
    ///
    /// # Panics
    /// With fewer than two axes.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1i64, 2, 3, 4, 5, 6], [2, 3]);
    /// assert_eq!(x.t().to_vec::<i64>(), [1, 4, 2, 5, 3, 6]);
    /// ```
    #[track_caller]
    pub fn t(&self) -> Tensor {
        assert!(self.rank() >= 2, "t: needs at least two axes, got {}", self.shape());
        self.transpose(-1, -2)
    }

    /// The elements repeated to a shape that this one broadcasts to. A view.
    ///
    /// # Shapes
    /// Sizes equal or 1, aligned from the last axis.
    ///
    /// # Gradient
    /// `dx` is `dy` summed over the repetitions.
    ///
    /// # Panics
    /// When the shape does not broadcast to the other.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1i64, 2], [2, 1]);
    /// assert_eq!(x.broadcast_to([2, 2]).to_vec::<i64>(), [1, 1, 2, 2]);
    /// ```
    #[track_caller]
    pub fn broadcast_to(&self, shape: impl Into<Shape>) -> Tensor {
        apply(BroadcastTo(shape.into()), &[self])
    }

    /// A new axis of size 1 at a position; -1 puts it last. A view.
    ///
    /// # Shapes
    /// `[a, b]` to `[a, 1, b]` for position 1.
    ///
    /// # Gradient
    /// `dx = dy` with the shape of `x`.
    ///
    /// # Panics
    /// When the position is out of range.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// assert_eq!(Tensor::arange(3).unsqueeze(-1).shape(), &[3, 1]);
    /// ```
    #[track_caller]
    pub fn unsqueeze(&self, axis: isize) -> Tensor {
        let rank = self.rank() as isize;
        let at = if axis < 0 { axis + rank + 1 } else { axis };
        assert!(
            (0..=rank).contains(&at),
            "unsqueeze: position {axis} is out of range for shape {}",
            self.shape()
        );
        let mut sizes = self.shape().to_vec();
        sizes.insert(at as usize, 1);
        self.reshape(sizes)
    }

    /// An axis of size 1 taken away. A view.
    ///
    /// # Shapes
    /// `[a, 1, b]` to `[a, b]` for axis 1.
    ///
    /// # Gradient
    /// `dx = dy` with the shape of `x`.
    ///
    /// # Panics
    /// When the axis is out of range or its size is not 1.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{DType, Tensor};
    /// assert_eq!(Tensor::zeros([3, 1], DType::F32).squeeze(-1).shape(), &[3]);
    /// ```
    #[track_caller]
    pub fn squeeze(&self, axis: isize) -> Tensor {
        let Some(at) = self.shape().axis(axis) else {
            panic!("squeeze: axis {axis} is out of range for shape {}", self.shape())
        };
        assert!(
            self.shape().at(at) == 1,
            "squeeze: axis {axis} of {} has size {}, not 1",
            self.shape(),
            self.shape().at(at)
        );
        self.reshape(self.shape().without(at))
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Tensor};

    crate::cases! {
        reshape: |x| x[0].t().reshape([x[0].numel()]); shapes [[2, 3]] [[1, 4]];
        flatten: |x| x[0].flatten(1); shapes [[2, 3, 4]] [[2, 3]] [[2, 0, 3]]  refuses [[3]];
        permute: |x| x[0].permute(&[2, 0, 1]); shapes [[2, 3, 4]] [[2, 0, 1]]  refuses [[2, 3]];
        transpose: |x| x[0].transpose(0, -1); shapes [[2, 3, 4]] [[5]]  refuses [[]];
        broadcast_to: |x| x[0].broadcast_to([4, 2, 3]); shapes [[2, 1]] [[3]] [[]] [[4, 2, 3]]  refuses [[2]] [[4]];
        unsqueeze: |x| x[0].unsqueeze(1); shapes [[2, 3]] [[4]]  refuses [[]];
        squeeze: |x| x[0].squeeze(1); shapes [[2, 1, 3]] [[2, 1]]  refuses [[2, 3]];
    }

    #[test]
    fn views_share_their_memory_until_they_must_not() {
        let x = Tensor::from_slice(&(0..24).map(|i| i as f32).collect::<Vec<_>>(), [2, 3, 4]);
        let y = x.permute(&[1, 0, 2]).narrow(0, 1, 2).flip(2);
        assert_eq!(
            y.to_vec::<f32>(),
            [7., 6., 5., 4., 19., 18., 17., 16., 11., 10., 9., 8., 23., 22., 21., 20.]
        );
        assert_eq!(y.reshape([4, 4]).sum(1).to_vec::<f32>(), [22., 70., 38., 86.]);
        let z = y + 1.0;
        assert_eq!((x.to_vec::<f32>()[5], z.to_vec::<f32>()[2]), (5.0, 6.0));
    }

    #[test]
    fn nine_axes_are_refused() {
        let x = Tensor::zeros([1; 8], DType::F32);
        let error = std::panic::catch_unwind(|| x.unsqueeze(0)).unwrap_err();
        let text = error.downcast_ref::<String>().unwrap();
        assert!(text.contains("has 9 axes, the most is 8"), "{text}");
    }
}
