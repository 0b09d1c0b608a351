//! Normal numbers between bounds.

use std::f64::consts::TAU;

use talweg_tensor::{DType, Rng, Shape, Tensor};

/// Normal numbers of a mean and deviation, given that they lie between bounds, in f64.
///
/// # Panics
/// When the bounds are out of order, or the deviation is not above 0.
#[track_caller]
pub(super) fn normal(shape: Shape, [mean, std]: [f64; 2], [low, high]: [f64; 2], rng: &mut Rng) -> Tensor {
    assert!(
        low < high && std > 0.0,
        "init: a truncated normal distribution needs low < high and a deviation above 0, got {low} to {high} and {std}"
    );
    // Those that lie between the bounds are right as they are; each other one is drawn anew from what it should be.
    let mut numbers = rng.normal(shape, mean, std, DType::F64).to_vec::<f64>();
    let between = Between { low: (low - mean) / std, high: (high - mean) / std };
    for x in numbers.iter_mut().filter(|x| !(low..=high).contains(x)) {
        *x = (mean + std * between.draw(rng)).clamp(low, high);
    }
    Tensor::from_slice(&numbers, shape)
}

/// The standard normal distribution between two bounds, drawn exactly by rejection.
///
/// Robert, "Simulation of truncated normal variables", Statistics and Computing 1995.
#[derive(Clone, Copy)]
struct Between {
    low: f64,
    high: f64,
}

impl Between {
    fn draw(self, rng: &mut Rng) -> f64 {
        let Between { low, high } = self;
        if high < 0.0 {
            return -Between { low: -high, high: -low }.draw(rng);
        }
        loop {
            let x = if low > 0.0 && (high - low) * rate(low) > 1.0 {
                // A tail: exponential numbers lie close above it.
                let x = low - (1.0 - rng.unit()).ln() / rate(low);
                (rng.unit() < (-0.5 * (x - rate(low)).powi(2)).exp()).then_some(x)
            } else if high - low > TAU.sqrt() {
                // The middle and more: most of the whole distribution lies between the bounds.
                let radius = (-2.0 * (1.0 - rng.unit()).ln()).sqrt();
                Some(radius * (TAU * rng.unit()).cos())
            } else {
                // A narrow interval: uniform numbers, by their density over the largest one.
                let x = low + (high - low) * rng.unit();
                let highest = low.max(0.0);
                (rng.unit() < (0.5 * (highest * highest - x * x)).exp()).then_some(x)
            };
            if let Some(x) = x.filter(|x| (low..=high).contains(x)) {
                return x;
            }
        }
    }
}

/// The rate of the exponential distribution that lies closest above a tail.
fn rate(low: f64) -> f64 {
    (low + (low * low + 4.0).sqrt()) / 2.0
}
