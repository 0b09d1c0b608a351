//! Axes in another order, and axes repeated: views without a copy.

use crate::autograd::Grad;
use crate::ints::Ints;
use crate::op::{Op, OpError, Saved, Spec, apply};
use crate::shape::Shape;
use crate::tensor::Tensor;

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
    /// The axes in another order: axis `i` of the result is axis `order[i]`. A view.
    ///
    /// # Shapes
    /// `[a, b, c]` to `[c, a, b]` for the order `[2, 0, 1]`.
    ///
    /// # Gradient
    /// `dx` is `dy` with its axes back in their places.
    ///
    /// # Panics
    /// When the order does not name each axis once; negative ones count from the end.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{DType, Tensor};
    /// assert_eq!(Tensor::zeros([2, 3, 4], DType::F32).permute([2, 0, 1]).shape(), &[4, 2, 3]);
    /// ```
    #[track_caller]
    pub fn permute(&self, order: impl Into<Ints>) -> Tensor {
        let order = order.into();
        let axes: Option<Vec<usize>> = order.iter().map(|&axis| self.shape().axis(axis)).collect();
        match axes {
            Some(axes) => apply(Permute(axes), &[self]),
            None => panic!(
                "permute: {order} does not name each axis of {} once; give the {} axes in their new order",
                self.shape(),
                self.rank()
            ),
        }
    }

    /// Axes moved to other positions, the rest keeping their order. A view.
    ///
    /// # Shapes
    /// `[a, b, c]` to `[b, c, a]` for `movedim(0, -1)`.
    ///
    /// # Gradient
    /// `dx` is `dy` with its axes back in their places.
    ///
    /// # Panics
    /// When the lists differ in length, or an axis or position is out of range or named twice.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{DType, Tensor};
    /// let x = Tensor::zeros([2, 3, 4], DType::F32);
    /// assert_eq!(x.movedim(0, -1).shape(), &[3, 4, 2]);
    /// assert_eq!(x.movedim([0, 1], [1, 2]).shape(), &[4, 2, 3]);
    /// ```
    #[track_caller]
    pub fn movedim(&self, from: impl Into<Ints>, to: impl Into<Ints>) -> Tensor {
        let (from, to) = (from.into(), to.into());
        assert!(
            from.len() == to.len(),
            "movedim: {} axes {from} for {} positions {to} of {}; give as many of one as of the other",
            from.len(),
            to.len(),
            self.shape()
        );
        let mut order = vec![usize::MAX; self.rank()];
        let mut moved = vec![false; self.rank()];
        for (&from, &to) in from.iter().zip(to.iter()) {
            let (Some(a), Some(b)) = (self.shape().axis(from), self.shape().axis(to)) else {
                panic!(
                    "movedim: axis {from} to {to} is out of range for shape {}; axes count from 0, or from -1 at the end",
                    self.shape()
                )
            };
            assert!(
                !moved[a] && order[b] == usize::MAX,
                "movedim: axis {from} to {to} is named twice for shape {}; name each axis once",
                self.shape()
            );
            (moved[a], order[b]) = (true, a);
        }
        let mut rest = (0..self.rank()).filter(|&axis| !moved[axis]);
        for place in order.iter_mut().filter(|place| **place == usize::MAX) {
            *place = rest.next().expect("as many places are free as axes stay");
        }
        self.permute(order)
    }

    /// Two axes exchanged: [`Tensor::transpose`] under NumPy's name.
    ///
    /// # Shapes
    /// `[a, b, c]` to `[c, b, a]` for the axes 0 and 2.
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
    /// assert_eq!(Tensor::zeros([2, 3, 4], DType::F32).swapaxes(0, 2).shape(), &[4, 3, 2]);
    /// ```
    #[track_caller]
    pub fn swapaxes(&self, a: isize, b: isize) -> Tensor {
        match (self.shape().axis(a), self.shape().axis(b)) {
            (Some(_), Some(_)) => self.transpose(a, b),
            _ => panic!(
                "swapaxes: axes {a} and {b} do not both exist in shape {}; count from 0, or back from -1",
                self.shape()
            ),
        }
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
            panic!(
                "transpose: axes {a} and {b} do not both exist in shape {}; count from 0, or back from -1",
                self.shape()
            )
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
        assert!(
            self.rank() >= 2,
            "t: needs at least two axes, got {}; make a matrix of a vector with .unsqueeze(0)",
            self.shape()
        );
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

    /// [`Tensor::broadcast_to`] where a size of -1 leaves an axis as it is. A view.
    ///
    /// # Shapes
    /// Sizes equal or 1, aligned from the last axis; new axes come first.
    ///
    /// # Gradient
    /// `dx` is `dy` summed over the repetitions.
    ///
    /// # Panics
    /// When the shape does not broadcast to the other, or a new axis has size -1.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{DType, Tensor};
    /// assert_eq!(Tensor::zeros([3, 1], DType::F32).expand([2, -1, 4]).shape(), &[2, 3, 4]);
    /// ```
    #[track_caller]
    pub fn expand(&self, sizes: impl Into<Ints>) -> Tensor {
        let sizes = sizes.into();
        let fits = |(i, &size): (usize, &isize)| match size {
            0.. => Some(size as usize),
            -1 => Some(self.shape().at((i + self.rank()).checked_sub(sizes.len())?)),
            _ => None,
        };
        let shape: Option<Vec<usize>> = match sizes.len() >= self.rank() {
            true => sizes.iter().enumerate().map(fits).collect(),
            false => None,
        };
        let shape = shape.map(|shape| Shape::new(&shape));
        match shape.filter(|shape| self.shape().broadcast(shape) == Some(*shape)) {
            Some(shape) => self.broadcast_to(shape),
            None => panic!(
                "expand: {} does not expand to {sizes}; sizes must be equal, 1, or -1 to stay, counted from the last \
                 axis",
                self.shape()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Tensor;

    crate::cases! {
        permute: |x| x[0].permute([2, 0, 1]); shapes [[2, 3, 4]] [[2, 0, 1]]  refuses [[2, 3]];
        transpose: |x| x[0].transpose(0, -1); shapes [[0, 3]] [[2, 3, 4]] [[5]]  refuses [[]];
        broadcast_to_none: |x| x[0].broadcast_to([2, 0]); shapes [[1]] [[0]] [[2, 1]]  refuses [[3]];
        broadcast_to: |x| x[0].broadcast_to([4, 2, 3]); shapes [[2, 1]] [[3]] [[]] [[4, 2, 3]]  refuses [[2]] [[4]];
        permute_from_the_end: |x| x[0].permute([-1, 0, 1]); shapes [[2, 3, 4]]  refuses [[2, 3]];
        movedim: |x| x[0].movedim([0, 1], [-1, 0]); shapes [[2, 3, 4]] [[2, 3]] [[0, 3]]  refuses [[2]];
        swapaxes: |x| x[0].swapaxes(0, -1); shapes [[0, 3]] [[2, 3, 4]] [[5]]  refuses [[]];
        t: |x| x[0].t(); shapes [[0, 3]] [[2, 3]] [[2, 1, 3]]  refuses [[2]];
        expand: |x| x[0].expand([2, -1, 3]); shapes [[2, 1]] [[0, 1]] [[1, 3]] [[2, 2, 3]]  refuses [[2]] [[4, 2, 3]];
    }

    #[test]
    fn views_share_their_memory_until_they_must_not() {
        let x = Tensor::from_slice(&(0..24).map(|i| i as f32).collect::<Vec<_>>(), [2, 3, 4]);
        let y = x.permute([1, 0, 2]).narrow(0, 1, 2).flip(2);
        assert_eq!(
            y.to_vec::<f32>(),
            [7., 6., 5., 4., 19., 18., 17., 16., 11., 10., 9., 8., 23., 22., 21., 20.]
        );
        assert_eq!(y.reshape([4, 4]).sum(1).to_vec::<f32>(), [22., 70., 38., 86.]);
        let z = y + 1.0;
        assert_eq!((x.to_vec::<f32>()[5], z.to_vec::<f32>()[2]), (5.0, 6.0));
    }
}
