//! Reading elements and rows by number, and the adjoint: adding them in.

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::dtype::DType;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::tensor::Tensor;

/// Rows of a table by number.
#[derive(Debug)]
struct Rows {
    /// Whether the gradient lists rows instead of filling a table.
    sparse: bool,
    /// A row that gets no gradient.
    padding: Option<usize>,
}

impl Op for Rows {
    fn name(&self) -> &'static str {
        if self.sparse { "embedding" } else { "index_rows" }
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (table, index) = (&inputs[0], &inputs[1]);
        check::index(self.name(), index)?;
        if table.shape.rank() == 0 {
            return Err(OpError::new(format!(
                "{}: needs at least one axis, got {}",
                self.name(),
                table.shape
            )));
        }
        let mut sizes = index.shape.to_vec();
        sizes.extend(table.shape.iter().skip(1));
        Ok(table.with_shape(sizes))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        saved.keep_input(1, inputs[1]);
        Tensor::run(&Kernel::GatherRows, inputs, out)
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        let (table, index) = (saved.shape(0), saved.input(1));
        let index = index.reshape([index.numel()]);
        let mut sizes = table.to_vec();
        sizes[0] = index.numel();
        let mut values = dy.reshape(sizes);
        if let Some(row) = self.padding {
            let padding = index.eq(&Tensor::full([], row as f64, DType::I64));
            let mut column = vec![1; values.rank()];
            column[0] = index.numel();
            values = values.masked_fill(&padding.reshape(column), 0.0);
        }
        let dx = if self.sparse && !values.is_tracked() {
            Grad::Rows { index, values }
        } else {
            values.scatter_rows(&index, table.at(0)).into()
        };
        vec![Some(dx), None]
    }
}

/// Zeros with rows added in: the adjoint of [`Rows`].
#[derive(Debug)]
struct ScatterRows {
    rows: usize,
}

impl Op for ScatterRows {
    fn name(&self) -> &'static str {
        "scatter_rows"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        let (values, index) = (&inputs[0], &inputs[1]);
        check::float("scatter_rows", values)?;
        check::index("scatter_rows", index)?;
        check::rank("scatter_rows", index, 1, "a list of row numbers")?;
        if values.shape.rank() == 0 || values.shape.at(0) != index.shape.at(0) {
            return Err(OpError::new(format!(
                "scatter_rows: {} rows of values {} for {} row numbers {}",
                if values.shape.rank() == 0 { 0 } else { values.shape.at(0) },
                values.shape,
                index.shape.at(0),
                index.shape
            )));
        }
        Ok(values.with_shape(values.shape.with(0, self.rows)))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        saved.keep_input(1, inputs[1]);
        Tensor::run(&Kernel::ScatterRows, inputs, out)
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        vec![Some(dy.index_rows(saved.input(1)).into()), None]
    }
}

/// One element along an axis for each position of the index, which has the sizes of the tensor besides the axis.
#[derive(Debug)]
struct Gather(isize);

fn check_gather(name: &str, x: &Spec, index: &Spec, axis: isize) -> Result<usize, OpError> {
    check::index(name, index)?;
    let at = check::axis(name, axis, &x.shape)?;
    if index.shape.rank() != x.shape.rank() || index.shape.with(at, 0) != x.shape.with(at, 0) {
        return Err(OpError::new(format!(
            "{name}: the index {} does not fit {}; it needs as many axes, and may be larger along axis {axis} alone",
            index.shape, x.shape
        )));
    }
    Ok(at)
}

impl Op for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        check_gather("gather", &inputs[0], &inputs[1], self.0)?;
        Ok(inputs[0].with_shape(inputs[1].shape))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        saved.keep_input(1, inputs[1]);
        let axis = out.shape.axis(self.0).expect("the shape rule accepted the axis");
        Tensor::run(&Kernel::Gather(axis), inputs, out)
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        let size = saved.shape(0).size(self.0);
        vec![Some(apply(Scatter { axis: self.0, size }, &[&dy, saved.input(1)]).into()), None]
    }
}

/// Zeros with elements added in: the adjoint of [`Gather`].
#[derive(Debug)]
struct Scatter {
    axis: isize,
    size: usize,
}

impl Op for Scatter {
    fn name(&self) -> &'static str {
        "scatter"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        check::float("scatter", &inputs[0])?;
        let axis = check_gather("scatter", &inputs[0], &inputs[1], self.axis)?;
        Ok(inputs[0].with_shape(inputs[0].shape.with(axis, self.size)))
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        saved.keep_input(1, inputs[1]);
        let axis = out.shape.axis(self.axis).expect("the shape rule accepted the axis");
        Tensor::run(&Kernel::ScatterAdd(axis), inputs, out)
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, _: &[bool]) -> Vec<Option<Grad>> {
        vec![Some(dy.gather(self.axis, saved.input(1)).into()), None]
    }
}

impl Tensor {
    /// Rows of this table by number, `y[i] = x[index[i]]`.
    ///
    /// # Shapes
    /// `x [n, ..]`, index of any shape `[a, b]` to `[a, b, ..]`.
    ///
    /// # Gradient
    /// `dx[index[i]] += dy[i]`
    ///
    /// # Panics
    /// When the index is not `i64`, or a row does not exist.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [2, 2]);
    /// let rows = x.index_rows(&Tensor::from_slice(&[1i64, 1, 0], [3]));
    /// assert_eq!(rows.to_vec::<f32>(), [3.0, 4.0, 3.0, 4.0, 1.0, 2.0]);
    /// ```
    #[track_caller]
    pub fn index_rows(&self, index: &Tensor) -> Tensor {
        self.rows(index, false, None)
    }

    #[track_caller]
    pub(super) fn rows(&self, index: &Tensor, sparse: bool, padding: Option<usize>) -> Tensor {
        apply(Rows { sparse, padding }, &[self, index])
    }

    /// A table of `rows` rows, zero but for these values added in, `y[index[i]] += x[i]`.
    ///
    /// # Shapes
    /// `x [k, ..]`, index `[k]` to `[rows, ..]`.
    ///
    /// # Gradient
    /// `dx[i] = dy[index[i]]`
    ///
    /// # Panics
    /// When the index is not a list of `k` numbers below `rows`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 2.0], [2, 1]);
    /// let y = x.scatter_rows(&Tensor::from_slice(&[2i64, 2], [2]), 3);
    /// assert_eq!(y.to_vec::<f32>(), [0.0, 0.0, 3.0]);
    /// ```
    #[track_caller]
    pub fn scatter_rows(&self, index: &Tensor, rows: usize) -> Tensor {
        apply(ScatterRows { rows }, &[self, index])
    }

    /// One element along an axis for each position of the index: for axis 1, `y[i, j] = x[i, index[i, j]]`.
    ///
    /// # Shapes
    /// The index is no larger than `x` besides the axis; the result has the index's shape.
    ///
    /// # Gradient
    /// `dx[i, index[i, j]] += dy[i, j]`
    ///
    /// # Panics
    /// When the index is not `i64`, its shape does not fit, or an element does not exist.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [2, 2]);
    /// let y = x.gather(1, &Tensor::from_slice(&[1i64, 0], [2, 1]));
    /// assert_eq!(y.to_vec::<f32>(), [2.0, 3.0]);
    /// ```
    #[track_caller]
    pub fn gather(&self, axis: isize, index: &Tensor) -> Tensor {
        // A number alone is a list of one.
        if self.rank() == 0 && index.rank() <= 1 && (axis == 0 || axis == -1) {
            let y = self.reshape([1]).gather(0, &index.reshape([index.numel()]));
            return y.reshape(index.shape());
        }
        if index.rank() == 0 && self.rank() == 1 {
            return self.gather(axis, &index.reshape([1])).reshape(index.shape());
        }
        // A smaller index reads the front part of the other axes.
        let mut x = self.clone();
        if let Some(at) = self.shape().axis(axis).filter(|_| index.rank() == self.rank()) {
            for other in (0..self.rank()).filter(|&other| other != at) {
                let (there, wanted) = (self.shape().at(other), index.shape().at(other));
                if wanted < there {
                    x = x.narrow(other as isize, 0, wanted);
                }
            }
        }
        apply(Gather(axis), &[&x, index])
    }

    /// Class numbers as rows with a single 1.
    ///
    /// # Shapes
    /// `[a, b]` to `[a, b, classes]`
    ///
    /// # Gradient
    /// None: the input holds whole numbers.
    ///
    /// # Panics
    /// When the tensor is not `i64`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{DType, Tensor};
    /// let y = Tensor::from_slice(&[2i64, 0], [2]).one_hot(3, DType::F32);
    /// assert_eq!(y.to_vec::<f32>(), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    /// ```
    #[track_caller]
    pub fn one_hot(&self, classes: usize, dtype: DType) -> Tensor {
        check::accept(check::index("one_hot", &self.spec()));
        self.unsqueeze(-1).eq(&Tensor::arange(classes)).cast(dtype)
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Grad, Tensor};

    fn index(numbers: &[i64], shape: &[usize]) -> Tensor {
        Tensor::from_slice(numbers, shape)
    }

    crate::cases! {
        index_rows: |x| x[0].index_rows(&index(&[2, 0, 2, 1], &[2, 2])); shapes [[3, 2]] [[3]] [[4, 1, 2]] [[3, 0]]  refuses [[]];
        scatter_rows: |x| x[0].scatter_rows(&index(&[2, 0, 2], &[3]), 4); shapes [[3, 0]] [[3, 2]] [[3]]  refuses [[2, 2]] [[]];
        gather: |x| x[0].gather(1, &index(&[2, 0, 0, 1], &[2, 2])); shapes [[2, 3]] [[2, 4]] [[3, 3]]  refuses [[1, 3]] [[2]];
        gather_from_a_number: |x| x[0].gather(0, &index(&[0, 0], &[2])); shapes [[]] [[1]];
        gather_none: |x| x[0].gather(0, &Tensor::zeros([0, 2], DType::I64)); shapes [[3, 2]] [[0, 2]]  refuses [[3]];
        gather_rows: |x| x[0].gather(0, &index(&[1, 0, 1], &[1, 3])); shapes [[2, 3]];
    }

    #[test]
    fn sparse_gradients_of_two_readings_add_up() {
        let table = Tensor::from_slice(&[1.0f64; 6], [3, 2]).requires_grad();
        let loss = table.embedding(&index(&[0, 2], &[2])).sum(..)
            + table.embedding(&index(&[2], &[1])).sum(..) * 3.0;
        let grads = loss.backward();
        assert!(matches!(grads.get(&table), Some(Grad::Rows { .. })));
        assert_eq!(grads.wrt(&table).to_vec::<f64>(), [1., 1., 0., 0., 4., 4.]);
        let loss = table.embedding(&index(&[0], &[1])).sum(..) + table.square().sum(..);
        assert_eq!(loss.backward().wrt(&table).to_vec::<f64>(), [3., 3., 2., 2., 2., 2.]);
    }

    #[test]
    #[should_panic(expected = "3")]
    fn a_row_that_does_not_exist() {
        Tensor::from_slice(&[1.0f32; 6], [3, 2]).index_rows(&index(&[3], &[1]));
    }
}
