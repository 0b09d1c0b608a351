//! NAdam.

use std::sync::Arc;

use talweg_tensor::{DType, Grad, Tensor};

use super::moments::{approach, approach_square, decayed};
use crate::rule::{Rule, Slots, Step};

/// NAdam: Adam with Nesterov's look ahead, and a momentum that grows over the first steps.
///
/// ```text
/// g <- g + weight_decay w                    (decoupled: w <- w - lr weight_decay w)
/// mu <- beta1 (1 - 0.5 · 0.96^(momentum_decay t))
/// mu' <- beta1 (1 - 0.5 · 0.96^(momentum_decay (t + 1)))
/// p <- p mu                                  (p is 1 at the start)
/// m <- beta1 m + (1 - beta1) g
/// v <- beta2 v + (1 - beta2) g²
/// d <- √(v / (1 - beta2^t)) + eps
/// w <- w - lr (1 - mu) / (1 - p) g / d - lr mu' / (1 - p mu') m / d
/// ```
///
/// # Hyperparameters
/// - `beta1`, `beta2`, `eps`: see [`Adam`](crate::Adam).
/// - `momentum_decay`: how fast the momentum grows to `beta1`; per step, usually 4e-3.
/// - `weight_decay`: the factor of w added to the gradient, or, `decoupled`, the share of w taken away each step, times
///   the learning rate; usually 0.
/// - `decoupled`: which of the two.
///
/// # Source
/// Dozat, "Incorporating Nesterov momentum into Adam" (2016), algorithm 8; Sutskever and others (2013) for the schedule
/// of the momentum.
///
/// # Differs from the paper in
/// The weight decay, which the paper does not have. The product `p` is kept in `f64`.
///
/// # Examples
/// ```
/// # use talweg_optim::{NAdam, Optimizer};
/// # use talweg_tensor::{Param, Tensor};
/// let w = Param::new(Tensor::from_slice(&[1.0f64], [1]));
/// let rule = NAdam { momentum_decay: 0.0, ..Default::default() };
/// let mut optimizer = Optimizer::new(rule, 0.1, vec![("w".into(), w.clone())]);
/// optimizer.step(&w.get().sum(..).backward());
/// // mu = 0.45 and d = 1: 1 of the gradient, and 0.45 / (1 - 0.45²) of m = 0.1.
/// assert!((w.get().item() - (1.0 - 0.1 - 0.1 * 0.045 / 0.7975)).abs() < 1e-8);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NAdam {
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squares.
    pub beta2: f64,
    /// The smallest size a gradient is divided by.
    pub eps: f64,
    /// How fast the momentum grows.
    pub momentum_decay: f64,
    /// The weight decay.
    pub weight_decay: f64,
    /// Whether the weights decay by themselves instead of through the gradient.
    pub decoupled: bool,
}

impl Default for NAdam {
    fn default() -> NAdam {
        NAdam {
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            momentum_decay: 4e-3,
            weight_decay: 0.0,
            decoupled: false,
        }
    }
}

impl Rule for NAdam {
    fn name(&self) -> &'static str {
        "nadam"
    }

    fn init(&self, param: &Tensor) -> Slots {
        Slots::zeros(param, &["m", "v"]).with("momentum_product", Tensor::ones([], DType::F64))
    }

    fn update(&self, param: &mut Tensor, grad: &Grad, slots: &mut Slots, at: Step) {
        let NAdam { beta1, beta2, eps, momentum_decay, weight_decay, decoupled } = *self;
        let g = decayed(grad, param, if decoupled { 0.0 } else { weight_decay });
        if decoupled && weight_decay != 0.0 {
            *param = &*param * (1.0 - at.lr * weight_decay);
        }
        let [m, v, product] = slots.tensors_mut() else { unreachable!("init made three") };
        let momentum = |step: u64| beta1 * (1.0 - 0.5 * 0.96f64.powf(momentum_decay * step as f64));
        let (mu, next) = (momentum(at.count), momentum(at.count + 1));
        *product = &*product * mu;
        approach(m, &g, beta1);
        approach_square(v, &g, beta2);
        let d = (&*v / at.correction(beta2)).sqrt() + eps;
        // lr a / (1 - b), computed where the product is, in f64.
        let share = |a: f64, product: Tensor| ((1.0 - product).recip() * (at.lr * a)).cast(param.dtype());
        let of_gradient = share(1.0 - mu, product.clone());
        let of_mean = share(next, &*product * next);
        *param = &*param - (g * &of_gradient + &*m * &of_mean) / &d;
    }

    fn with_weight_decay(&self, weight_decay: f64) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(NAdam { weight_decay, ..*self }))
    }
}
