//! Schedule-free gradient descent and AdamW.

use std::sync::Arc;

use talweg_tensor::{DType, Grad, Tensor};

use super::moments::approach_square;
use crate::rule::{Rule, Slots, Step};

/// Schedule-free gradient descent: the weights that are trained lie between a plain sequence z and its average x, and
/// x is what is evaluated. No rate needs to fall, so no length of the run needs to be known.
///
/// ```text
/// g <- g + weight_decay w
/// z <- z - lr g
/// L <- max(L, lr), S <- S + L², c <- L² / S
/// x <- (1 - c) x + c z
/// w <- beta x + (1 - beta) z
/// ```
/// The average x is not stored: it is (w - (1 - beta) z) / beta, and takes the place of w for evaluation and in the
/// saved model ([`Optimizer::evaluation_weights`](crate::Optimizer::evaluation_weights); the trainer does it by itself).
///
/// # Hyperparameters
/// - `beta`: how near w is to the average; no unit, above 0 and below 1, usually 0.9.
/// - `weight_decay`: the factor of w added to the gradient; usually 0.
///
/// The learning rate is constant, after a warm-up if there is one; usually larger than under a schedule.
///
/// # Source
/// Defazio, Yang, Mehta, Mishchenko, Khaled and Cutkosky, "The road less scheduled" (2024), section 2 and algorithm 1.
///
/// # Differs from the paper in
/// The average weighs a step by the square of the largest rate so far, as the authors' program does.
///
/// # Examples
/// ```
/// # use talweg_optim::{Optimizer, ScheduleFreeSgd};
/// # use talweg_tensor::{Param, Tensor};
/// let w = Param::new(Tensor::from_slice(&[1.0f64], [1]));
/// let mut optimizer = Optimizer::new(ScheduleFreeSgd::default(), 0.1, vec![("w".into(), w.clone())]);
/// optimizer.step(&w.get().sum(..).backward());
/// optimizer.step(&w.get().sum(..).backward());
/// // z is 0.9, then 0.8; x is their mean 0.85; w is 0.9 · 0.85 + 0.1 · 0.8.
/// assert!((w.get().item() - 0.845).abs() < 1e-12);
/// let averaged = optimizer.evaluation_weights();
/// assert!((w.get().item() - 0.85).abs() < 1e-12);
/// # drop(averaged);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScheduleFreeSgd {
    /// How near the weights are to the average.
    pub beta: f64,
    /// The factor of the parameter added to its gradient.
    pub weight_decay: f64,
}

impl Default for ScheduleFreeSgd {
    fn default() -> ScheduleFreeSgd {
        ScheduleFreeSgd { beta: 0.9, weight_decay: 0.0 }
    }
}

/// Schedule-free AdamW: [`ScheduleFreeSgd`] with Adam's units, a step per element in the gradient's recent size.
///
/// ```text
/// v <- beta2 v + (1 - beta2) g²
/// u <- g / (√(v / (1 - beta2^t)) + eps) + weight_decay w
/// z <- z - lr u
/// L <- max(L, lr), S <- S + L², c <- L² / S
/// x <- (1 - c) x + c z
/// w <- beta1 x + (1 - beta1) z
/// ```
///
/// # Hyperparameters
/// - `beta1`: how near w is to the average, in the place of Adam's momentum; no unit, above 0 and below 1, usually 0.9.
/// - `beta2`, `eps`: see [`Adam`](crate::Adam).
/// - `weight_decay`: the share of w in the direction; no unit, usually 0 to 0.1.
///
/// # Source
/// Defazio, Yang, Mehta, Mishchenko, Khaled and Cutkosky, "The road less scheduled" (2024), algorithm 1.
///
/// # Differs from the paper in
/// As [`ScheduleFreeSgd`]; the learning rate of the average's weights is without Adam's correction.
///
/// # Examples
/// ```
/// # use talweg_optim::{Optimizer, ScheduleFreeAdamW};
/// # use talweg_tensor::{Param, Tensor};
/// let w = Param::new(Tensor::from_slice(&[1.0f64], [1]));
/// let mut optimizer = Optimizer::new(ScheduleFreeAdamW::default(), 0.1, vec![("w".into(), w.clone())]);
/// optimizer.step(&(w.get() * 7.0).sum(..).backward());
/// assert!((w.get().item() - 0.9).abs() < 1e-8);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScheduleFreeAdamW {
    /// How near the weights are to the average.
    pub beta1: f64,
    /// Decay of the mean of squares.
    pub beta2: f64,
    /// The smallest size a gradient is divided by.
    pub eps: f64,
    /// The share of the weights in the direction.
    pub weight_decay: f64,
}

impl Default for ScheduleFreeAdamW {
    fn default() -> ScheduleFreeAdamW {
        ScheduleFreeAdamW { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 }
    }
}

impl Rule for ScheduleFreeSgd {
    fn name(&self) -> &'static str {
        "schedule_free_sgd"
    }

    fn init(&self, param: &Tensor) -> Slots {
        slots(param)
    }

    fn update(&self, param: &mut Tensor, grad: &Grad, slots: &mut Slots, at: Step) {
        let direction = grad.to_dense(param.shape()) + &*param * self.weight_decay;
        advance(param, &direction, slots, at, self.beta);
    }

    fn evaluated(&self, param: &Tensor, slots: &Slots, _: u64) -> Option<Tensor> {
        average(param, slots, self.beta)
    }

    fn with_weight_decay(&self, weight_decay: f64) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(ScheduleFreeSgd { weight_decay, ..*self }))
    }
}

impl Rule for ScheduleFreeAdamW {
    fn name(&self) -> &'static str {
        "schedule_free_adamw"
    }

    fn init(&self, param: &Tensor) -> Slots {
        slots(param).with("v", param.zeros_like())
    }

    fn update(&self, param: &mut Tensor, grad: &Grad, slots: &mut Slots, at: Step) {
        let g = grad.to_dense(param.shape());
        let v = slots.get_mut("v").expect("init made it");
        approach_square(v, &g, self.beta2);
        let size = (&*v / at.correction(self.beta2)).sqrt() + self.eps;
        let direction = g / &size + &*param * self.weight_decay;
        advance(param, &direction, slots, at, self.beta1);
    }

    fn evaluated(&self, param: &Tensor, slots: &Slots, _: u64) -> Option<Tensor> {
        average(param, slots, self.beta1)
    }

    fn with_weight_decay(&self, weight_decay: f64) -> Option<Arc<dyn Rule>> {
        Some(Arc::new(ScheduleFreeAdamW { weight_decay, ..*self }))
    }
}

fn slots(param: &Tensor) -> Slots {
    let zero = || Tensor::zeros([], DType::F64);
    Slots::none().with("z", param.clone()).with("largest_lr", zero()).with("weights", zero())
}

/// Moves z along a direction, and w with z and the average.
fn advance(param: &mut Tensor, direction: &Tensor, slots: &mut Slots, at: Step, beta: f64) {
    let [z, largest_lr, weights, ..] = slots.tensors_mut() else { unreachable!("init made three") };
    *largest_lr = largest_lr.maximum(&Tensor::full([], at.lr, DType::F64));
    let weight = largest_lr.square();
    *weights = &*weights + &weight;
    // Rates of 0, as a warm-up may have, have no weight; the bound makes their quotient 0 instead of NaN.
    let share = weight / weights.clamp(f64::MIN_POSITIVE, f64::INFINITY);
    // beta x' + (1 - beta) z' for x' = (1 - c) x + c z', where beta x = w - (1 - beta) z.
    let of_z = (&share * beta + (1.0 - beta)).cast(param.dtype());
    let of_average = (1.0 - share).cast(param.dtype());
    let average = &*param - &*z * (1.0 - beta);
    *z = &*z - direction * at.lr;
    *param = average * &of_average + &*z * &of_z;
}

fn average(param: &Tensor, slots: &Slots, beta: f64) -> Option<Tensor> {
    Some((param - slots.get("z")? * (1.0 - beta)) / beta)
}
