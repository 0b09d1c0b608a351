//! Optimizer steps in one pass over memory, in place. They have no derivative.

use talweg_kernels::update as rules;

use crate::backend::Kernel;
use crate::dtype::DType;
use crate::tensor::Tensor;
use crate::value::Value;

/// One optimizer's step as data. The kernels' structures hold the hyperparameters and state the formulas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Update {
    /// Gradient descent. State: the velocity, if there is momentum.
    Sgd(rules::Sgd),
    /// Adam and AdamW. State: the means of gradients and of their squares; with a third tensor, AMSGrad's largest
    /// mean of squares.
    Adam(rules::Adam),
    /// RMSprop. State: the mean of squares; then, if centred, the mean; then, if there is momentum, the last step.
    RmsProp {
        /// The hyperparameters.
        rule: rules::RmsProp,
        /// Whether the squared mean gradient is subtracted from the mean square.
        centred: bool,
    },
    /// Adagrad. State: the sum of squares.
    Adagrad(rules::Adagrad),
}

impl Update {
    /// How many state tensors the step takes.
    fn states(&self) -> std::ops::RangeInclusive<usize> {
        match self {
            Update::Sgd(rule) => {
                let n = (rule.momentum != 0.0) as usize;
                n..=n
            }
            Update::Adam(_) => 2..=3,
            Update::RmsProp { rule, centred } => {
                let n = 1 + *centred as usize + (rule.momentum != 0.0) as usize;
                n..=n
            }
            Update::Adagrad(_) => 1..=1,
        }
    }
}

impl Tensor {
    /// One optimizer step: this tensor moves against its gradient, and the state advances, all in place (shared
    /// numbers are copied first).
    ///
    /// # Shapes
    /// Gradient and state tensors have this tensor's shape and type.
    ///
    /// # Gradient
    /// None: the tensor must not be tracked.
    ///
    /// # Panics
    /// When the tensor is tracked, shapes or types differ, or the number of state tensors is not the step's.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Tensor, Update, update_rules::Sgd};
    /// let mut w = Tensor::from_slice(&[1.0f32, 2.0], [2]);
    /// let step = Update::Sgd(Sgd { lr: 0.5, ..Default::default() });
    /// w.update(&step, &Tensor::from_slice(&[1.0f32, -1.0], [2]), &mut []);
    /// assert_eq!(w.to_vec::<f32>(), [0.5, 2.5]);
    /// ```
    #[track_caller]
    pub fn update(&mut self, step: &Update, gradient: &Tensor, state: &mut [Tensor]) {
        assert!(
            !self.is_tracked(),
            "update: the tensor {} is tracked; update a Param, or detach()",
            self.shape()
        );
        assert!(
            step.states().contains(&state.len()),
            "update: {step:?} takes {:?} state tensors, got {}",
            step.states(),
            state.len()
        );
        for other in std::iter::once(gradient).chain(state.iter()) {
            assert!(
                other.value().is_like(self.value()),
                "update: gradient and state must be {} {} as the parameter, got {} {}",
                self.dtype(),
                self.shape(),
                other.dtype(),
                other.shape()
            );
        }
        Value::update(&Kernel::Update(*step), self.value_mut(), state, &[gradient.value()]);
    }

    /// Writes rows of this table in place, `y[index[i]] = rows[i]` (shared numbers are copied first): what a step on a
    /// row-sparse gradient ends with. The work is that of the rows, whatever the size of the table.
    ///
    /// # Shapes
    /// This table `[n, ..]`, index `[k]`, rows `[k, ..]`.
    ///
    /// # Gradient
    /// None: the tensor must not be tracked.
    ///
    /// # Panics
    /// When the table is tracked, the index is not a list of `k` numbers of type `i64`, a row does not exist, or the
    /// rows are not of the table's shape and type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let mut table = Tensor::from_slice(&[1.0f32, 2.0, 3.0], [3, 1]);
    /// let index = Tensor::from_slice(&[2i64, 0], [2]);
    /// table.put_rows(&index, &Tensor::from_slice(&[30.0f32, 10.0], [2, 1]));
    /// assert_eq!(table.to_vec::<f32>(), [10.0, 2.0, 30.0]);
    /// ```
    #[track_caller]
    pub fn put_rows(&mut self, index: &Tensor, rows: &Tensor) {
        assert!(
            !self.is_tracked(),
            "put_rows: the table {} is tracked; update a Param, or detach()",
            self.shape()
        );
        let fits = self.rank() > 0
            && rows.rank() == self.rank()
            && rows.shape().iter().skip(1).eq(self.shape().iter().skip(1))
            && index.rank() == 1
            && index.dtype() == DType::I64
            && index.size(0) == rows.size(0)
            && rows.dtype() == self.dtype();
        assert!(
            fits,
            "put_rows: into a table {} {} go rows of its other sizes and type by an i64 index of their number, got rows \
             {} {} by {} {}",
            self.dtype(),
            self.shape(),
            rows.dtype(),
            rows.shape(),
            index.dtype(),
            index.shape()
        );
        Value::update(&Kernel::PutRows, self.value_mut(), &mut [], &[index.value(), rows.value()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_numbers_are_copied_first() {
        let mut w = Tensor::from_slice(&[1.0f32, 2.0], [2]);
        let kept = w.clone();
        let step = Update::Sgd(rules::Sgd { lr: 1.0, ..Default::default() });
        w.update(&step, &kept, &mut []);
        assert_eq!((w.to_vec::<f32>(), kept.to_vec::<f32>()), (vec![0.0, 0.0], vec![1.0, 2.0]));
    }

    #[test]
    #[should_panic(expected = "takes 2..=3 state tensors, got 0")]
    fn missing_state_is_refused() {
        let mut w = Tensor::zeros([2], crate::DType::F32);
        let g = w.clone();
        w.update(&Update::Adam(rules::Adam::default()), &g, &mut []);
    }

    #[test]
    fn rows_are_written_where_they_belong_and_nowhere_else() {
        let mut table = Tensor::from_slice(&[0.0f64, 1.0, 2.0, 3.0, 4.0, 5.0], [3, 2]);
        let kept = table.clone();
        let rows = Tensor::from_slice(&[7.0f64, 9.0, 8.0, 10.0], [2, 2]).t();
        table.put_rows(&Tensor::from_slice(&[2i64, 0], [2]), &rows);
        assert_eq!(table.to_vec::<f64>(), [9.0, 10.0, 2.0, 3.0, 7.0, 8.0]);
        assert_eq!(kept.to_vec::<f64>(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "shared numbers are copied first");
        let nothing = Tensor::from_slice::<i64>(&[], [0]);
        table.put_rows(&nothing, &Tensor::zeros([0, 2], DType::F64));
        assert_eq!(table.to_vec::<f64>(), [9.0, 10.0, 2.0, 3.0, 7.0, 8.0]);
        let mut list = Tensor::from_slice(&[1.0f32, 2.0], [2]);
        list.put_rows(&Tensor::from_slice(&[1i64], [1]), &Tensor::from_slice(&[5.0f32], [1]));
        assert_eq!(list.to_vec::<f32>(), [1.0, 5.0]);
    }

    #[test]
    #[should_panic(expected = "put_rows: index 3 is out of range for an axis of size 3")]
    fn a_row_that_is_not_there_is_refused() {
        let rows = Tensor::zeros([1, 2], DType::F32);
        Tensor::zeros([3, 2], DType::F32).put_rows(&Tensor::from_slice(&[3i64], [1]), &rows);
    }

    #[test]
    #[should_panic(expected = "put_rows: into a table f32 [3, 2] go rows of its other sizes and type")]
    fn rows_of_another_width_are_refused() {
        let rows = Tensor::zeros([1, 3], DType::F32);
        Tensor::zeros([3, 2], DType::F32).put_rows(&Tensor::from_slice(&[0i64], [1]), &rows);
    }
}
