//! One optimizer step over one parameter, in one pass: PyTorch's formulas in PyTorch's order.
//!
//! Hyperparameters are `f64` and rounded to the parameter's type once, after constants such as the bias corrections
//! have been computed from them. The learning rate is that of this step: schedules live with the caller.

use crate::dispatch::{CHUNK, Parts, multiversion, ranges};
use crate::float::Float;

/// Gradient descent with momentum.
///
/// g <- g + weight_decay p; v <- momentum v + (1 - dampening) g; p <- p - lr v, where Nesterov's variant takes
/// g + momentum v for v in the last step, and v <- g at the first one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// The step size.
    pub lr: f64,
    /// How much of the velocity stays; 0 means no velocity is kept.
    pub momentum: f64,
    /// How much of the gradient is kept out of the velocity.
    pub dampening: f64,
    /// Whether the step looks ahead along the velocity (Nesterov).
    pub nesterov: bool,
    /// The factor of the squared norm's gradient.
    pub weight_decay: f64,
    /// Whether this is the first step, at which the velocity becomes the gradient itself, undampened.
    pub first: bool,
}

impl Default for Sgd {
    fn default() -> Self {
        Sgd { lr: 1e-3, momentum: 0.0, dampening: 0.0, nesterov: false, weight_decay: 0.0, first: false }
    }
}

/// Adam (Kingma and Ba 2015) and, with `decoupled`, AdamW (Loshchilov and Hutter 2019).
///
/// g <- g + weight_decay p, or decoupled p <- p (1 - lr weight_decay); m <- m + (1 - beta1) (g - m);
/// v <- beta2 v + (1 - beta2) g^2; p <- p - lr / (1 - beta1^step) m / (sqrt(v) / sqrt(1 - beta2^step) + eps).
/// AMSGrad (Reddi, Kale and Kumar 2018) takes the largest v so far in place of v.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// The step size.
    pub lr: f64,
    /// The decay of the mean of gradients.
    pub beta1: f64,
    /// The decay of the mean of squared gradients.
    pub beta2: f64,
    /// Added to the root.
    pub eps: f64,
    /// The weight decay.
    pub weight_decay: f64,
    /// Whether the weights decay by themselves (AdamW) or through the gradient (Adam).
    pub decoupled: bool,
    /// The number of this step, from 1.
    pub step: u64,
}

impl Default for Adam {
    fn default() -> Self {
        Adam { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0, decoupled: false, step: 1 }
    }
}

/// RMSprop (Tieleman and Hinton 2012), centred by Graves (2013) if a mean is kept.
///
/// g <- g + weight_decay p; s <- alpha s + (1 - alpha) g^2; centred: a <- a + (1 - alpha) (g - a);
/// d = sqrt(s) + eps, centred sqrt(s - a^2) + eps; p <- p - lr g / d, with momentum
/// b <- momentum b + g / d; p <- p - lr b.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsProp {
    /// The step size.
    pub lr: f64,
    /// The decay of the mean of squared gradients.
    pub alpha: f64,
    /// Added to the root.
    pub eps: f64,
    /// The factor of the squared norm's gradient.
    pub weight_decay: f64,
    /// How much of the last step stays, where a momentum buffer is given.
    pub momentum: f64,
}

impl Default for RmsProp {
    fn default() -> Self {
        RmsProp { lr: 1e-2, alpha: 0.99, eps: 1e-8, weight_decay: 0.0, momentum: 0.0 }
    }
}

/// Adagrad (Duchi, Hazan and Singer 2011).
///
/// g <- g + weight_decay p; s <- s + g^2; p <- p - lr / (1 + (step - 1) lr_decay) g / (sqrt(s) + eps).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adagrad {
    /// The step size.
    pub lr: f64,
    /// How fast the step size falls.
    pub lr_decay: f64,
    /// The factor of the squared norm's gradient.
    pub weight_decay: f64,
    /// Added to the root.
    pub eps: f64,
    /// The number of this step, from 1.
    pub step: u64,
}

impl Default for Adagrad {
    fn default() -> Self {
        Adagrad { lr: 1e-2, lr_decay: 0.0, weight_decay: 0.0, eps: 1e-10, step: 1 }
    }
}

/// One step of [`Sgd`]. With momentum 0, `velocity` is not touched and may be `None`.
///
/// # Panics
/// If the lengths differ, or `momentum` is not 0 and there is no velocity.
#[track_caller]
pub fn sgd<T: Float>(rule: &Sgd, p: &mut [T], g: &[T], velocity: Option<&mut [T]>) {
    check("sgd", p.len(), "the gradient", g.len());
    if rule.momentum == 0.0 {
        let p = Parts::new(p);
        return ranges(g.len(), CHUNK, &|range| {
            // SAFETY: the ranges are disjoint.
            sgd_plain::<T>(rule, unsafe { p.part(range.clone()) }, &g[range]);
        });
    }
    let velocity = velocity.unwrap_or_else(|| panic!("sgd: momentum {} needs a velocity", rule.momentum));
    check("sgd", p.len(), "the velocity", velocity.len());
    let (p, velocity) = (Parts::new(p), Parts::new(velocity));
    ranges(g.len(), CHUNK, &|range| {
        // SAFETY: the ranges are disjoint.
        let (p, velocity) = unsafe { (p.part(range.clone()), velocity.part(range.clone())) };
        sgd_momentum::<T>(rule, p, &g[range], velocity);
    });
}

/// One step of [`Adam`] with the means `m` and `v`, and AMSGrad's largest v if given; all start at zero.
///
/// # Panics
/// If the lengths differ or `step` is 0.
#[track_caller]
pub fn adam<T: Float>(rule: &Adam, p: &mut [T], g: &[T], [m, v]: [&mut [T]; 2], largest: Option<&mut [T]>) {
    assert!(rule.step > 0, "adam: steps count from 1");
    check("adam", p.len(), "the gradient", g.len());
    check("adam", p.len(), "m", m.len());
    check("adam", p.len(), "v", v.len());
    check_optional("adam", p.len(), "the largest v", largest.as_deref());
    let (p, m, v, largest) = (Parts::new(p), Parts::new(m), Parts::new(v), largest.map(Parts::new));
    ranges(g.len(), CHUNK, &|range| {
        // SAFETY: the ranges are disjoint.
        let (p, m, v) = unsafe { (p.part(range.clone()), m.part(range.clone()), v.part(range.clone())) };
        match &largest {
            None => adam_part::<T>(rule, p, &g[range], m, v),
            Some(largest) => {
                // SAFETY: the ranges are disjoint.
                let largest = unsafe { largest.part(range.clone()) };
                amsgrad_part::<T>(rule, p, &g[range], m, v, largest);
            }
        }
    });
}

/// One step of [`RmsProp`] with the mean of squares `square`; `mean` (if given, the rule is centred) and `momentum`
/// (needed if the rule's is not 0). All start at zero.
///
/// # Panics
/// If the lengths differ, or the rule's momentum is not 0 and there is no momentum buffer.
#[track_caller]
pub fn rmsprop<T: Float>(
    rule: &RmsProp,
    p: &mut [T],
    g: &[T],
    square: &mut [T],
    mean: Option<&mut [T]>,
    momentum: Option<&mut [T]>,
) {
    check("rmsprop", p.len(), "the gradient", g.len());
    check("rmsprop", p.len(), "the mean of squares", square.len());
    check_optional("rmsprop", p.len(), "the mean", mean.as_deref());
    check_optional("rmsprop", p.len(), "the momentum", momentum.as_deref());
    let momentum = if rule.momentum == 0.0 {
        None
    } else {
        Some(momentum.unwrap_or_else(|| panic!("rmsprop: momentum {} needs a buffer", rule.momentum)))
    };
    let (p, square) = (Parts::new(p), Parts::new(square));
    let (mean, momentum) = (mean.map(Parts::new), momentum.map(Parts::new));
    ranges(g.len(), CHUNK, &|range| {
        // SAFETY: the ranges are disjoint.
        let (p, square) = unsafe { (p.part(range.clone()), square.part(range.clone())) };
        // SAFETY: the ranges are disjoint.
        let mean = mean.as_ref().map(|mean| unsafe { mean.part(range.clone()) });
        // SAFETY: the ranges are disjoint.
        let momentum = momentum.as_ref().map(|momentum| unsafe { momentum.part(range.clone()) });
        rmsprop_part::<T>(rule, p, &g[range.clone()], square, mean, momentum);
    });
}

/// One step of [`Adagrad`] with the sum of squares `sum`, which starts at zero (or another initial value).
///
/// # Panics
/// If the lengths differ or `step` is 0.
#[track_caller]
pub fn adagrad<T: Float>(rule: &Adagrad, p: &mut [T], g: &[T], sum: &mut [T]) {
    assert!(rule.step > 0, "adagrad: steps count from 1");
    check("adagrad", p.len(), "the gradient", g.len());
    check("adagrad", p.len(), "the sum", sum.len());
    let (p, sum) = (Parts::new(p), Parts::new(sum));
    ranges(g.len(), CHUNK, &|range| {
        // SAFETY: the ranges are disjoint.
        let (p, sum) = unsafe { (p.part(range.clone()), sum.part(range.clone())) };
        adagrad_part::<T>(rule, p, &g[range], sum);
    });
}

/// Adam's constants for one step, in the parameter's type.
struct AdamConstants<T> {
    keep: T,
    decay: T,
    new_mean: T,
    beta2: T,
    new_square: T,
    step_size: T,
    root_correction: T,
    eps: T,
}

impl<T: Float> AdamConstants<T> {
    fn new(rule: &Adam) -> Self {
        let step = i32::try_from(rule.step).unwrap_or(i32::MAX);
        let (keep, decay) =
            if rule.decoupled { (1.0 - rule.lr * rule.weight_decay, 0.0) } else { (1.0, rule.weight_decay) };
        AdamConstants {
            keep: T::from_f64(keep),
            decay: T::from_f64(decay),
            new_mean: T::from_f64(1.0 - rule.beta1),
            beta2: T::from_f64(rule.beta2),
            new_square: T::from_f64(1.0 - rule.beta2),
            step_size: T::from_f64(rule.lr / (1.0 - rule.beta1.powi(step))),
            root_correction: T::from_f64((1.0 - rule.beta2.powi(step)).sqrt()),
            eps: T::from_f64(rule.eps),
        }
    }

    /// One element: decays p, updates m and v, and returns the second moment for the denominator.
    #[inline(always)]
    fn moments(&self, p: &mut T, g: T, m: &mut T, v: &mut T) {
        *p *= self.keep;
        let g = g + self.decay * *p;
        *m += self.new_mean * (g - *m);
        *v = self.beta2 * *v + self.new_square * g * g;
    }

    #[inline(always)]
    fn step(&self, p: &mut T, m: T, v: T) {
        *p -= self.step_size * m / (v.sqrt() / self.root_correction + self.eps);
    }
}

multiversion! {
    fn sgd_plain[T: Float](rule: &Sgd, p: &mut [T], g: &[T]) {
        let (lr, decay) = (T::from_f64(rule.lr), T::from_f64(rule.weight_decay));
        for (p, &g) in p.iter_mut().zip(g) {
            *p -= lr * (g + decay * *p);
        }
    }

    fn sgd_momentum[T: Float](rule: &Sgd, p: &mut [T], g: &[T], velocity: &mut [T]) {
        let (lr, decay, momentum) =
            (T::from_f64(rule.lr), T::from_f64(rule.weight_decay), T::from_f64(rule.momentum));
        // At the first step the velocity becomes the gradient: nothing of it stays and all of that comes in.
        let (stay, come) = if rule.first {
            (T::ZERO, T::ONE)
        } else {
            (momentum, T::from_f64(1.0 - rule.dampening))
        };
        let (of_gradient, of_velocity) = if rule.nesterov { (T::ONE, momentum) } else { (T::ZERO, T::ONE) };
        for ((p, &g), v) in p.iter_mut().zip(g).zip(velocity) {
            let g = g + decay * *p;
            *v = stay * *v + come * g;
            *p -= lr * (of_gradient * g + of_velocity * *v);
        }
    }

    fn adam_part[T: Float](rule: &Adam, p: &mut [T], g: &[T], m: &mut [T], v: &mut [T]) {
        let constants = AdamConstants::<T>::new(rule);
        for (((p, &g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
            constants.moments(p, g, m, v);
            constants.step(p, *m, *v);
        }
    }

    fn amsgrad_part[T: Float](
        rule: &Adam,
        p: &mut [T],
        g: &[T],
        m: &mut [T],
        v: &mut [T],
        largest: &mut [T],
    ) {
        let constants = AdamConstants::<T>::new(rule);
        for ((((p, &g), m), v), largest) in p.iter_mut().zip(g).zip(m).zip(v).zip(largest) {
            constants.moments(p, g, m, v);
            *largest = if (*v > *largest) | v.is_nan() { *v } else { *largest };
            constants.step(p, *m, *largest);
        }
    }

    fn rmsprop_part[T: Float](
        rule: &RmsProp,
        p: &mut [T],
        g: &[T],
        square: &mut [T],
        mean: Option<&mut [T]>,
        momentum: Option<&mut [T]>,
    ) {
        let [lr, alpha, new, eps, decay, keep] =
            [rule.lr, rule.alpha, 1.0 - rule.alpha, rule.eps, rule.weight_decay, rule.momentum].map(T::from_f64);
        let squares = |p: T, g: T, s: &mut T| {
            let g = g + decay * p;
            *s = alpha * *s + new * g * g;
            g
        };
        let centre = |g: T, s: T, a: &mut T| {
            *a += new * (g - *a);
            (s - *a * *a).sqrt() + eps
        };
        match (mean, momentum) {
            (None, None) => {
                for ((p, &g), s) in p.iter_mut().zip(g).zip(square) {
                    let g = squares(*p, g, s);
                    *p -= lr * g / (s.sqrt() + eps);
                }
            }
            (None, Some(momentum)) => {
                for (((p, &g), s), b) in p.iter_mut().zip(g).zip(square).zip(momentum) {
                    let g = squares(*p, g, s);
                    *b = keep * *b + g / (s.sqrt() + eps);
                    *p -= lr * *b;
                }
            }
            (Some(mean), None) => {
                for (((p, &g), s), a) in p.iter_mut().zip(g).zip(square).zip(mean) {
                    let g = squares(*p, g, s);
                    *p -= lr * g / centre(g, *s, a);
                }
            }
            (Some(mean), Some(momentum)) => {
                for ((((p, &g), s), a), b) in p.iter_mut().zip(g).zip(square).zip(mean).zip(momentum) {
                    let g = squares(*p, g, s);
                    *b = keep * *b + g / centre(g, *s, a);
                    *p -= lr * *b;
                }
            }
        }
    }

    fn adagrad_part[T: Float](rule: &Adagrad, p: &mut [T], g: &[T], sum: &mut [T]) {
        let lr = T::from_f64(rule.lr / (1.0 + (rule.step - 1) as f64 * rule.lr_decay));
        let (decay, eps) = (T::from_f64(rule.weight_decay), T::from_f64(rule.eps));
        for ((p, &g), s) in p.iter_mut().zip(g).zip(sum) {
            let g = g + decay * *p;
            *s += g * g;
            *p -= lr * g / (s.sqrt() + eps);
        }
    }
}

#[track_caller]
fn check(op: &str, n: usize, name: &str, len: usize) {
    assert!(len == n, "{op}: the parameter has {n} elements, but {name} has {len}");
}

#[track_caller]
fn check_optional<T>(op: &str, n: usize, name: &str, buffer: Option<&[T]>) {
    if let Some(buffer) = buffer {
        check(op, n, name, buffer.len());
    }
}

#[cfg(test)]
mod tests;
