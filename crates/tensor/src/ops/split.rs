//! One tensor parted into several along an axis: views without a copy.

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::op::{MultiOp, OpError, Saved, Spec, apply_multi, check};
use crate::tensor::Tensor;

/// Parts of given sizes, one after the other. Their gradients are joined in one copy.
#[derive(Debug)]
struct Split {
    axis: isize,
    sizes: Vec<usize>,
}

impl MultiOp for Split {
    fn name(&self) -> &'static str {
        "split"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Vec<Spec>, OpError> {
        let x = &inputs[0];
        let axis = check::axis("split", self.axis, &x.shape)?;
        let (there, sum) = (x.shape.at(axis), self.sizes.iter().sum::<usize>());
        if there != sum {
            return Err(OpError::new(format!(
                "split: the sizes {:?} add up to {sum}, but axis {} of {} has {there}; name a size for every part",
                self.sizes, self.axis, x.shape
            )));
        }
        Ok(self.sizes.iter().map(|&size| x.with_shape(x.shape.with(axis, size))).collect())
    }

    fn forward(&self, inputs: &[&Tensor], out: &[Spec], _: &mut Saved) -> Vec<Tensor> {
        let (x, mut start) = (inputs[0], 0);
        let axis = x.shape().axis(self.axis).expect("the shape rule accepted the axis");
        let part = |part: &Spec| {
            let size = part.shape.at(axis);
            start += size;
            x.with_layout(x.layout().slice(axis, start - size, 1, size))
        };
        out.iter().map(part).collect()
    }

    fn vjp(&self, saved: &Saved, dys: Vec<Option<Tensor>>, _: &[bool]) -> Vec<Option<Grad>> {
        let some = dys.iter().flatten().next().expect("a record is visited because an output has a gradient");
        let axis = saved.shape(0).axis(self.axis).expect("the shape rule accepted the axis");
        let like = some.spec();
        let zeros =
            |size| Tensor::run(&Kernel::Fill(0.0), &[], &like.with_shape(saved.shape(0).with(axis, size)));
        let parts: Vec<Tensor> = dys
            .iter()
            .zip(&self.sizes)
            .map(|(dy, &size)| dy.clone().unwrap_or_else(|| zeros(size)))
            .collect();
        vec![Some(Tensor::cat(&parts.iter().collect::<Vec<_>>(), self.axis).into())]
    }
}

impl Tensor {
    /// Parts of `size` elements along an axis, the last one with what is left. Views.
    ///
    /// # Shapes
    /// `[5, a]` to `[2, a]`, `[2, a]`, `[1, a]` for axis 0 and size 2.
    ///
    /// # Gradient
    /// `dx` is the parts' gradients one after the other.
    ///
    /// # Panics
    /// When the axis is out of range, or the size 0.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let parts = Tensor::arange(5).split(2, 0);
    /// assert_eq!(parts[2].to_vec::<i64>(), [4]);
    /// ```
    #[track_caller]
    pub fn split(&self, size: usize, axis: isize) -> Vec<Tensor> {
        let Some(at) = self.shape().axis(axis) else { panic!("split: {}", self.shape().no_axis(axis)) };
        let there = self.shape().at(at);
        assert!(
            size > 0 || there == 0,
            "split: parts of size 0 never fill axis {axis} of {}; give at least 1",
            self.shape()
        );
        // Of nothing there is one part, as in PyTorch.
        let count = if there == 0 { 1 } else { there.div_ceil(size) };
        let sizes = (0..count).map(|i| size.min(there - (i * size).min(there))).collect();
        apply_multi(Split { axis, sizes }, &[self])
    }

    /// Parts of the given sizes along an axis: PyTorch's `split` with a list. Views.
    ///
    /// # Shapes
    /// The input's with each of the sizes along the axis.
    ///
    /// # Gradient
    /// `dx` is the parts' gradients one after the other.
    ///
    /// # Panics
    /// When the axis is out of range, or the sizes do not add up to its size.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let parts = Tensor::arange(5).split_sizes(&[1, 4], 0);
    /// assert_eq!(parts[1].to_vec::<i64>(), [1, 2, 3, 4]);
    /// ```
    #[track_caller]
    pub fn split_sizes(&self, sizes: &[usize], axis: isize) -> Vec<Tensor> {
        apply_multi(Split { axis, sizes: sizes.to_vec() }, &[self])
    }

    /// At most `count` parts of equal size along an axis, the last one perhaps smaller. Views.
    ///
    /// # Shapes
    /// `[5, a]` to `[2, a]`, `[2, a]`, `[1, a]` for three parts along axis 0.
    ///
    /// # Gradient
    /// `dx` is the parts' gradients one after the other.
    ///
    /// # Panics
    /// When the axis is out of range, or `count` is 0.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let parts = Tensor::arange(5).chunk(3, 0);
    /// assert_eq!(parts[2].to_vec::<i64>(), [4]);
    /// ```
    #[track_caller]
    pub fn chunk(&self, count: usize, axis: isize) -> Vec<Tensor> {
        let Some(at) = self.shape().axis(axis) else { panic!("chunk: {}", self.shape().no_axis(axis)) };
        assert!(
            count > 0,
            "chunk: 0 parts along axis {axis} of {} hold nothing; ask for at least one",
            self.shape()
        );
        let size = self.shape().at(at).div_ceil(count);
        match size {
            // An empty axis is parted into as many empty ones as were asked for.
            0 => self.split_sizes(&vec![0; count], axis),
            size => self.split(size, axis),
        }
    }

    /// The parts at every place of an axis, which is taken away. Views.
    ///
    /// # Shapes
    /// `[a, b, c]` to `b` of `[a, c]` for axis 1.
    ///
    /// # Gradient
    /// `dx` is the parts' gradients side by side.
    ///
    /// # Panics
    /// When the axis is out of range.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let columns = Tensor::arange(4).reshape([2, 2]).unbind(1);
    /// assert_eq!(columns[1].to_vec::<i64>(), [1, 3]);
    /// ```
    #[track_caller]
    pub fn unbind(&self, axis: isize) -> Vec<Tensor> {
        let Some(at) = self.shape().axis(axis) else { panic!("unbind: {}", self.shape().no_axis(axis)) };
        let parts = self.split_sizes(&vec![1; self.shape().at(at)], axis);
        parts.iter().map(|part| part.reshape(self.shape().without(at))).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Tensor};

    /// Different use of each part, and none of the second.
    fn weighed(parts: &[Tensor], axis: isize) -> Tensor {
        let used: Vec<Tensor> = parts
            .iter()
            .enumerate()
            .filter(|(i, _)| *i != 1)
            .map(|(i, part)| part * (i as f64 + 2.0))
            .collect();
        Tensor::cat(&used.iter().collect::<Vec<_>>(), axis).square()
    }

    crate::cases! {
        split: |x| weighed(&x[0].split(2, -1), -1); shapes [[2, 5]] [[1]] [[0]] [[3, 6]]  refuses [[]];
        split_sizes: |x| weighed(&x[0].split_sizes(&[1, 2, 0], 0), 0); shapes [[3, 2]] [[3]] [[3, 0]]
            refuses [[2]] [[]];
        chunk: |x| weighed(&x[0].chunk(3, 1), 1); shapes [[2, 5]] [[2, 3]] [[2, 0]] [[0, 2]]  refuses [[2]];
        unbind: |x| weighed(&x[0].unbind(1), 0); shapes [[0, 2]] [[2, 3]] [[2, 1, 2]]  refuses [[2]];
    }

    #[test]
    fn parts_are_those_of_pytorch() {
        let sizes = |parts: Vec<Tensor>| parts.iter().map(|x| x.size(0)).collect::<Vec<_>>();
        assert_eq!(sizes(Tensor::arange(7).split(3, 0)), [3, 3, 1]);
        assert_eq!(sizes(Tensor::arange(0).split(3, 0)), [0]);
        assert_eq!(sizes(Tensor::arange(7).chunk(4, 0)), [2, 2, 2, 1]);
        assert_eq!(sizes(Tensor::arange(6).chunk(4, 0)), [2, 2, 2]);
        assert_eq!(sizes(Tensor::arange(0).chunk(2, 0)), [0, 0]);
        assert!(Tensor::zeros([2, 0], DType::F32).unbind(1).is_empty());
    }
}
