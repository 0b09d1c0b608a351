//! Several tensors made one.

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::tensor::Tensor;

#[derive(Debug)]
struct Cat(isize);

impl Op for Cat {
    fn name(&self) -> &'static str {
        "cat"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let Some(first) = inputs.first() else {
            return Err(OpError::new("cat: got no tensors; give at least one"));
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
}

#[cfg(test)]
mod tests {
    use crate::Tensor;

    crate::cases! {
        cat: |x| Tensor::cat(&[x[0], x[1], x[0]], 1);
            shapes [[2, 3], [2, 1]] [[2, 0], [2, 2]] [[1, 2, 2], [1, 1, 2]]  refuses [[2, 3], [3, 3]] [[2], [2]];
        stack: |x| Tensor::stack(&[x[0], x[1]], -1); shapes [[2, 3], [2, 3]] [[], []]  refuses [[2], [3]];
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
