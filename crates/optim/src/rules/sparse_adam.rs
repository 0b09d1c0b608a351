//! Adam on row-sparse gradients.

use talweg_tensor::{Grad, Tensor, Update, update_rules};

use crate::rows::step_on_rows;
use crate::rule::{Rule, Slots, Step};

/// Lazy Adam for large tables: only the rows that a gradient lists move, and only their state advances.
///
/// ```text
/// m <- beta1 m + (1 - beta1) g
/// v <- beta2 v + (1 - beta2) g²
/// w <- w - lr √(1 - beta2^t) / (1 - beta1^t) m / (√v + eps)
/// ```
/// All three for the rows of the gradient alone; rows that are listed more than once have their gradients added up
/// first. The work is that of the listed rows, whatever the size of the table. A dense gradient moves all rows.
///
/// # Hyperparameters
/// - `beta1`, `beta2`, `eps`: see [`Adam`](crate::Adam).
///
/// # Source
/// Kingma and Ba, "Adam: a method for stochastic optimization" (2015); the lazy form is PyTorch's `SparseAdam`.
///
/// # Differs from the paper in
/// The means of a row stand still while it is not read, where Adam's would fall; t counts the steps of the table, not of
/// the row. `eps` is added before the correction of v, as in PyTorch's form of this rule.
///
/// # Examples
/// ```
/// # use talweg_optim::{Optimizer, SparseAdam};
/// # use talweg_tensor::{DType, Param, Tensor};
/// let table = Param::new(Tensor::ones([1000, 2], DType::F64));
/// let mut optimizer = Optimizer::new(SparseAdam::default(), 0.1, vec![("table".into(), table.clone())]);
/// let read = table.get().embedding(&Tensor::from_slice(&[7i64, 7], [2]));
/// optimizer.step(&read.sum(..).backward());
/// let row = |i| table.get().narrow(0, i, 1).to_vec::<f64>()[0];
/// assert!((row(7) - 0.9).abs() < 1e-6 && row(8) == 1.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SparseAdam {
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squares.
    pub beta2: f64,
    /// The smallest size a gradient is divided by.
    pub eps: f64,
}

impl Default for SparseAdam {
    fn default() -> SparseAdam {
        SparseAdam { beta1: 0.9, beta2: 0.999, eps: 1e-8 }
    }
}

impl Rule for SparseAdam {
    fn name(&self) -> &'static str {
        "sparse_adam"
    }

    fn init(&self, param: &Tensor) -> Slots {
        Slots::zeros(param, &["m", "v"])
    }

    fn update(&self, param: &mut Tensor, grad: &Grad, slots: &mut Slots, at: Step) {
        let SparseAdam { beta1, beta2, eps } = *self;
        // Adam's own step corrects v under the root; this eps makes the two the same.
        let eps = eps / at.correction(beta2).sqrt();
        let (lr, step) = (at.lr, at.count);
        let rule = update_rules::Adam { lr, beta1, beta2, eps, weight_decay: 0.0, decoupled: false, step };
        step_on_rows(param, grad, slots, |rows, g, state| rows.update(&Update::Adam(rule), g, state));
    }
}
