//! Adafactor.

use std::sync::Arc;

use talweg_tensor::{DType, Grad, Tensor};

use super::moments::norm;
use crate::rule::{Rule, Slots, Step};

/// Adafactor: the mean of squares of a matrix kept as one number for each row and one for each column, so that the
/// state of a matrix `[n, m]` is n + m numbers.
///
/// ```text
/// rho <- min(lr, 1 / √t)
/// alpha <- max(eps2, rms(w)) rho
/// beta <- 1 - t^beta2_decay
/// w <- w - lr weight_decay w
/// r <- beta r + (1 - beta) (row means of g²)
/// c <- beta c + (1 - beta) (column means of g²)
/// v <- r c / max(mean of r, eps1)            (for a vector: v <- beta v + (1 - beta) g²)
/// u <- g / √max(v, eps1²)
/// w <- w - alpha u / max(1, rms(u) / clip)
/// ```
/// Rows and columns are the last two axes. All is relative to the size of the weights, so the learning rate is usually
/// 0.01.
///
/// # Hyperparameters
/// - `beta2_decay`: the power by which the newest square's share falls; no unit, usually -0.8.
/// - `eps1`: the smallest size a gradient is divided by; the gradient's unit, by default the distance from 1 to the next
///   number of the parameter's type.
/// - `eps2`: the smallest size that weights are taken to have; the parameter's unit, usually 1e-3.
/// - `clip`: the largest root mean square of a step before its rate; no unit, usually 1.
/// - `weight_decay`: the share of w taken away each step, times the learning rate; usually 0.
///
/// # Source
/// Shazeer and Stern, "Adafactor: adaptive learning rates with sublinear memory cost" (2018), algorithms 4 to 6.
///
/// # Differs from the paper in
/// `rho`, which the paper bounds by 0.01, is bounded by the learning rate; `eps1` is a bound where the paper adds its
/// square; the weight decay. All of it as in PyTorch.
///
/// # Examples
/// ```
/// # use talweg_optim::{Adafactor, Optimizer};
/// # use talweg_tensor::{DType, Param, Tensor};
/// let w = Param::new(Tensor::ones([2, 2], DType::F64));
/// let mut optimizer = Optimizer::new(Adafactor::default(), 0.01, vec![("w".into(), w.clone())]);
/// optimizer.step(&(w.get() * 7.0).sum(..).backward());
/// assert!((w.get().to_vec::<f64>()[0] - 0.99).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adafactor {
    /// The power by which the newest square's share falls.
    pub beta2_decay: f64,
    /// The smallest size a gradient is divided by; that of the parameter's type if it is not given.
    pub eps1: Option<f64>,
    /// The smallest size that weights are taken to have.
    pub eps2: f64,
    /// The largest root mean square of a step before its rate.
    pub clip: f64,
    /// The share of the weights taken away each step, times the learning rate.
    pub weight_decay: f64,
}

impl Default for Adafactor {
    fn default() -> Adafactor {
        Adafactor { beta2_decay: -0.8, eps1: None, eps2: 1e-3, clip: 1.0, weight_decay: 0.0 }
    }
}

impl Adafactor {
    /// The estimate of the mean of squares, advanced by a gradient.
    fn square(&self, g: &Tensor, slots: &mut Slots, share: f64, eps1: f64) -> Tensor {
        let approach = |mean: &mut Tensor, x: Tensor| {
            *mean = (x - &*mean) * share + &*mean;
        };
        match slots.tensors_mut() {
            [rows, columns] => {
                approach(rows, g.square().mean_keep(-1));
                approach(columns, g.square().mean_keep(-2));
                let mean = rows.mean_keep(-2).clamp(eps1, f64::INFINITY);
                &*rows * &*columns / mean
            }
            [square] => {
                approach(square, g.square());
                square.clone()
            }
            _ => unreachable!("init made one or two"),
        }
    }
}

impl Rule for Adafactor {
    fn name(&self) -> &'static str {
        "adafactor"
    }

    fn init(&self, param: &Tensor) -> Slots {
        if param.rank() < 2 {
            return Slots::zeros(param, &["square"]);
        }
        let zeros = param.zeros_like();
        Slots::none().with("rows", zeros.sum_keep(-1)).with("columns", zeros.sum_keep(-2))
    }

    fn update(&self, param: &mut Tensor, grad: &Grad, slots: &mut Slots, at: Step) {
        if param.numel() == 0 {
            return;
        }
        let g = grad.to_dense(param.shape());
        let t = at.count as f64;
        let smallest = if param.dtype() == DType::F64 { f64::EPSILON } else { f32::EPSILON.into() };
        let eps1 = self.eps1.unwrap_or(smallest);
        let root = (param.numel() as f64).sqrt();
        let alpha = (norm(param) / root).clamp(self.eps2, f64::INFINITY) * at.lr.min(1.0 / t.sqrt());
        if self.weight_decay != 0.0 {
            *param = &*param * (1.0 - at.lr * self.weight_decay);
        }
        let square = self.square(&g, slots, t.powf(self.beta2_decay), eps1);
        let u = square.clamp(eps1 * eps1, f64::INFINITY).rsqrt() * &g;
        let divisor = (norm(&u) / (root * self.clip)).clamp(1.0, f64::INFINITY);
        *param = &*param - u * &(alpha / divisor);
    }

    fn with_weight_decay(&self, weight_decay: f64) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(Adafactor { weight_decay, ..*self }))
    }
}
