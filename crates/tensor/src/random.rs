//! Random numbers: counter-based, so that they do not depend on the number of threads.

mod draws;

use crate::backend::{Device, Kernel};
use crate::dtype::DType;
use crate::op::Spec;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// A source of random numbers: a seed, a stream, and a position in it.
///
/// The generator is Philox 4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC
/// 2011). The three numbers are its whole state: saving them saves it.
///
/// # Examples
/// ```
/// # use talweg_tensor::{DType, Rng};
/// let (a, b) = (&mut Rng::seed(7), &mut Rng::seed(7));
/// assert_eq!(a.normal([3], 0.0, 1.0, DType::F32).to_vec::<f32>(), b.normal([3], 0.0, 1.0, DType::F32).to_vec::<f32>());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng {
    /// The seed: different seeds give unrelated numbers.
    pub seed: u64,
    /// The stream: one seed has 2^64 independent ones.
    pub stream: u64,
    /// How many blocks of the stream were used.
    pub offset: u64,
}

/// What a random kernel draws, and from where.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Draw {
    /// The distribution.
    pub distribution: Distribution,
    /// The generator's seed.
    pub seed: u64,
    /// The generator's stream.
    pub stream: u64,
    /// The first block used.
    pub offset: u64,
}

/// A distribution of real numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    /// Uniform on `[low, high)`.
    Uniform(f64, f64),
    /// Normal with mean and standard deviation.
    Normal(f64, f64),
}

impl Rng {
    /// The source for a seed, at its start.
    pub fn seed(seed: u64) -> Rng {
        Rng { seed, stream: 0, offset: 0 }
    }

    /// Another stream of the same seed, at its start: independent numbers for another purpose.
    pub fn stream(&self, stream: u64) -> Rng {
        Rng { seed: self.seed, stream, offset: 0 }
    }

    /// Numbers uniform on `[low, high)`.
    ///
    /// # Panics
    /// When `dtype` is not a floating-point type.
    #[track_caller]
    pub fn uniform(&mut self, shape: impl Into<Shape>, low: f64, high: f64, dtype: DType) -> Tensor {
        self.tensor(shape.into(), Distribution::Uniform(low, high), dtype)
    }

    /// Normally distributed numbers.
    ///
    /// # Panics
    /// When `dtype` is not a floating-point type.
    #[track_caller]
    pub fn normal(&mut self, shape: impl Into<Shape>, mean: f64, std: f64, dtype: DType) -> Tensor {
        self.tensor(shape.into(), Distribution::Normal(mean, std), dtype)
    }

    #[track_caller]
    fn tensor(&mut self, shape: Shape, distribution: Distribution, dtype: DType) -> Tensor {
        assert!(dtype.is_float(), "random: numbers of type {dtype} cannot be drawn; draw F32 and cast");
        let draw = self.draw(distribution, shape.numel());
        Tensor::run(&Kernel::Random(draw), &[], &Spec { shape, dtype, device: Device::cpu() })
    }

    /// Reserves the blocks that `n` numbers take.
    pub(crate) fn draw(&mut self, distribution: Distribution, n: usize) -> Draw {
        let draw = Draw { distribution, seed: self.seed, stream: self.stream, offset: self.offset };
        // One block for each number at most: every kernel stays within it.
        self.offset += n as u64;
        draw
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        crate::capture::drawn();
        let bits = talweg_kernels::random::next_u64(self.seed, self.stream, self.offset);
        self.offset += 1;
        bits
    }

    /// A whole number uniform on `0..n`, without bias.
    ///
    /// # Panics
    /// When `n` is 0.
    #[track_caller]
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "below: there is no number below 0");
        // Lemire's method (2019): the high half of a product, redrawn in the rare biased zone.
        let n = n as u64;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            if product as u64 >= n.wrapping_neg() % n {
                return (product >> 64) as usize;
            }
        }
    }

    /// A number uniform on `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The numbers `0..n` in random order (Fisher and Yates).
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permutation_has_every_number_once() {
        let mut order = Rng::seed(3).permutation(1000);
        assert_ne!(order[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        order.sort_unstable();
        assert!(order.into_iter().eq(0..1000));
    }

    #[test]
    fn below_is_uniform() {
        let (mut rng, mut counts) = (Rng::seed(5), [0usize; 6]);
        (0..60_000).for_each(|_| counts[rng.below(6)] += 1);
        // Each count is binomial with mean 10,000 and standard deviation 91; five of those.
        assert!(counts.iter().all(|c| c.abs_diff(10_000) < 460), "{counts:?}");
    }

    #[test]
    fn consecutive_draws_do_not_overlap() {
        let rng = &mut Rng::seed(1);
        let a = rng.normal([1000], 0.0, 1.0, DType::F64).to_vec::<f64>();
        let b = rng.normal([1000], 0.0, 1.0, DType::F64).to_vec::<f64>();
        assert!(a.iter().all(|x| !b.contains(x)));
        let mean = a.iter().chain(&b).sum::<f64>() / 2000.0;
        // The standard error is 0.022; five of those.
        assert!(mean.abs() < 0.11, "mean {mean}");
    }
}
