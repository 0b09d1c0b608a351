//! Positions that need no learning.

use talweg_tensor::Tensor;

use crate::Module;
use crate::layers::Layer;
use crate::mode::Mode;

/// Frequencies from 1 down to 1 / `base`, one for each pair of features: `base^(−2 i / size)`.
fn frequencies(size: usize, base: f64) -> Vec<f64> {
    (0..size.div_ceil(2)).map(|i| base.powf(-2.0 * i as f64 / size as f64)).collect()
}

/// `positions[t] · frequencies[i]`, `[t, size / 2]`.
fn angles(t: usize, size: usize, base: f64) -> Tensor {
    let frequencies = frequencies(size, base);
    let angles: Vec<f64> = (0..t).flat_map(|p| frequencies.iter().map(move |f| p as f64 * f)).collect();
    Tensor::from_slice(&angles, [t, frequencies.len()])
}

/// Adds waves of many lengths to each position, `y[.., p, 2i] = x + sin(p f)`, `y[.., p, 2i+1] = x + cos(p f)` with
/// `f = 10000^(−2i/size)`.
///
/// # Arguments
/// - `count`: the most positions; shorter sequences use the first ones.
/// - `size`: the length of a vector.
///
/// # Shapes
/// `[.., t, size]` with `t` at most `count`, to the same.
///
/// # Parameters
/// None.
///
/// # Source
/// Vaswani et al., "Attention is all you need", NIPS 2017, section 3.5.
///
/// # Examples
/// ```
/// # use talweg_nn::{Layer, Mode, SinusoidalPositions};
/// # use talweg_tensor::{DType, Tensor};
/// let y = SinusoidalPositions::new(8, 4).forward(&Tensor::zeros([1, 2, 4], DType::F32), &mut Mode::Eval);
/// let want = [0.0, 1.0, 0.0, 1.0, 1f32.sin(), 1f32.cos(), 0.01f32.sin(), 0.01f32.cos()];
/// assert!(y.to_vec::<f32>().iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6));
/// ```
#[derive(Debug, Module)]
pub struct SinusoidalPositions {
    /// The waves, `[count, size]` in `f64`: computed, not part of the state.
    #[module(skip)]
    waves: Tensor,
}

impl SinusoidalPositions {
    /// Waves for up to `count` positions.
    pub fn new(count: usize, size: usize) -> SinusoidalPositions {
        let angles = angles(count, size, 10_000.0);
        let pairs = Tensor::stack(&[&angles.sin(), &angles.cos()], 2);
        let waves = pairs.reshape([count, 2 * size.div_ceil(2)]).narrow(1, 0, size);
        SinusoidalPositions { waves }
    }
}

impl Layer for SinusoidalPositions {
    fn forward(&self, x: &Tensor, _: &mut Mode<'_>) -> Tensor {
        let [count, size] = self.waves.sizes();
        assert!(
            x.rank() >= 2 && x.size(-1) == size && x.size(-2) <= count,
            "sinusoidal_positions: input {} does not fit {count} positions of size {size}; it must be [.., positions, {size}]",
            x.shape()
        );
        x + self.waves.narrow(0, 0, x.size(-2)).cast(x.dtype())
    }
}

/// Turns each pair of features by an angle that grows with the position, so that the product of two vectors depends on
/// their distance: for queries and keys of attention, see [`MultiHeadAttention::rotary`](crate::MultiHeadAttention).
///
/// Feature `i` of the first half and feature `i` of the second half form a pair, turned by `p base^(−2i/size)`.
///
/// # Arguments
/// - `count`: the most positions.
/// - `size`: the length of a head's vector, even.
/// - `base`: the slowest wave's length over 2π; 10000 is usual.
///
/// # Shapes
/// `[.., t, size]` with `t` at most `count`, to the same.
///
/// # Parameters
/// None.
///
/// # Source
/// Su et al., "RoFormer: enhanced transformer with rotary position embedding", 2021, section 3.2; the pairs of halves are
/// those of GPT-NeoX and Llama.
///
/// # Examples
/// ```
/// # use talweg_nn::{Layer, Mode, RotaryPositions};
/// # use talweg_tensor::Tensor;
/// let x = Tensor::from_slice(&[1.0f64, 0.0, 1.0, 0.0], [2, 2]);
/// // The first position stays, the second is turned by 1 radian.
/// let y = RotaryPositions::new(2, 2, 10_000.0).forward(&x, &mut Mode::Eval).to_vec::<f64>();
/// assert!(y[..2] == [1.0, 0.0] && (y[2] - 1f64.cos()).abs() < 1e-15 && (y[3] - 1f64.sin()).abs() < 1e-15);
/// ```
#[derive(Clone, Debug, Module)]
pub struct RotaryPositions {
    /// `[count, size]` in `f64`, each half the same.
    #[module(skip)]
    cos: Tensor,
    #[module(skip)]
    sin: Tensor,
}

impl RotaryPositions {
    /// Angles for up to `count` positions.
    ///
    /// # Panics
    /// When `size` is odd.
    #[track_caller]
    pub fn new(count: usize, size: usize, base: f64) -> RotaryPositions {
        assert!(
            size.is_multiple_of(2),
            "RotaryPositions: vectors of size {size} have no pairs; the size must be even"
        );
        let angles = angles(count, size, base);
        let (cos, sin) = (angles.cos(), angles.sin());
        // The pair (a, b) becomes (a cos − b sin, b cos + a sin): the sign of the sine belongs to the first half.
        RotaryPositions { cos: Tensor::cat(&[&cos, &cos], 1), sin: Tensor::cat(&[&-&sin, &sin], 1) }
    }
}

impl Layer for RotaryPositions {
    fn forward(&self, x: &Tensor, _: &mut Mode<'_>) -> Tensor {
        let [count, size] = self.cos.sizes();
        assert!(
            x.rank() >= 2 && x.size(-1) == size && x.size(-2) <= count,
            "rotary_positions: input {} does not fit {count} positions of size {size}; it must be [.., positions, {size}]",
            x.shape()
        );
        let t = x.size(-2);
        let of = |waves: &Tensor| waves.narrow(0, 0, t).cast(x.dtype());
        let half = size / 2;
        let swapped = Tensor::cat(&[&x.narrow(-1, half, half), &x.narrow(-1, 0, half)], -1);
        x * of(&self.cos) + swapped * of(&self.sin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use talweg_tensor::{DType, Rng};

    #[test]
    fn products_depend_on_the_distance_alone() {
        let rng = &mut Rng::seed(3);
        let layer = RotaryPositions::new(16, 8, 10_000.0);
        let (q, k) = (rng.normal([8], 0.0, 1.0, DType::F64), rng.normal([8], 0.0, 1.0, DType::F64));
        let everywhere = |x: &Tensor| layer.forward(&x.broadcast_to([16, 8]), &mut Mode::Eval);
        let products = everywhere(&q).matmul(&everywhere(&k).t()).to_vec::<f64>();
        for i in 1..16 {
            for j in 1..16 {
                let (here, before) = (products[i * 16 + j], products[(i - 1) * 16 + j - 1]);
                assert!((here - before).abs() < 1e-12, "{i} {j}: {here} {before}");
            }
        }
        // And turning changes no length.
        let lengths = everywhere(&q).square().sum(1).to_vec::<f64>();
        assert!(lengths.iter().all(|l| (l - lengths[0]).abs() < 1e-12));
    }
}
