//! Draws of common kinds: standard numbers, whole numbers, yes or no, and choices by weight.

use super::Rng;
use crate::dtype::DType;
use crate::shape::Shape;
use crate::tensor::Tensor;

impl Rng {
    /// Numbers uniform on `[0, 1)`.
    ///
    /// # Panics
    /// When `dtype` is not a floating-point type.
    #[track_caller]
    pub fn rand(&mut self, shape: impl Into<Shape>, dtype: DType) -> Tensor {
        self.uniform(shape, 0.0, 1.0, dtype)
    }

    /// Numbers uniform on `[0, 1)`, with the shape and type of `x`.
    ///
    /// # Panics
    /// When `x` is not floating-point.
    #[track_caller]
    pub fn rand_like(&mut self, x: &Tensor) -> Tensor {
        self.rand(x.shape(), x.dtype())
    }

    /// Normally distributed numbers with mean 0 and standard deviation 1.
    ///
    /// # Panics
    /// When `dtype` is not a floating-point type.
    #[track_caller]
    pub fn randn(&mut self, shape: impl Into<Shape>, dtype: DType) -> Tensor {
        self.normal(shape, 0.0, 1.0, dtype)
    }

    /// Normally distributed numbers with mean 0 and standard deviation 1, with the shape and type of `x`.
    ///
    /// # Panics
    /// When `x` is not floating-point.
    #[track_caller]
    pub fn randn_like(&mut self, x: &Tensor) -> Tensor {
        self.randn(x.shape(), x.dtype())
    }

    /// Whole numbers uniform on `low..high`, as `i64`, without bias.
    ///
    /// # Panics
    /// When there is no number from `low` to `high`.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Rng;
    /// let dice = Rng::seed(1).randint(1, 7, [100]).to_vec::<i64>();
    /// assert!(dice.iter().all(|x| (1..7).contains(x)) && (1..7).all(|x| dice.contains(&x)));
    /// ```
    #[track_caller]
    pub fn randint(&mut self, low: i64, high: i64, shape: impl Into<Shape>) -> Tensor {
        assert!(
            low < high,
            "randint: there is no number from {low} to below {high}; the second must be greater"
        );
        let (shape, span) = (shape.into(), high.abs_diff(low) as usize);
        let numbers: Vec<i64> =
            (0..shape.numel()).map(|_| low.wrapping_add(self.below(span) as i64)).collect();
        Tensor::from_slice(&numbers, shape)
    }

    /// 1 with the probability that stands at each place of `p`, else 0, in the type of `p`.
    ///
    /// # Panics
    /// When `p` is not floating-point, or needs a gradient, which a draw does not have. Probabilities below 0 count as 0, above 1
    /// as 1.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Rng, Tensor};
    /// assert_eq!(Rng::seed(1).bernoulli(&Tensor::from([0.0f32, 1.0])).to_vec::<f32>(), [0.0, 1.0]);
    /// ```
    #[track_caller]
    pub fn bernoulli(&mut self, p: &Tensor) -> Tensor {
        refuse_tracked("bernoulli", p);
        self.rand_like(p).lt(p).cast(p.dtype())
    }

    /// `count` choices for each row of weights, as `i64`: number `j` with a probability in proportion to `weights[.., j]`; with
    /// `replacement` any number of times, else once at most.
    ///
    /// # Shapes
    /// `[k]` to `[count]`, or `[n, k]` to `[n, count]`.
    ///
    /// # Panics
    /// When a weight is negative or not finite, a row has no weight above 0, or, without replacement, fewer than `count` of them;
    /// when the weights are not floating-point or need a gradient, which a draw does not have.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Rng, Tensor};
    /// let weights = Tensor::from([0.0f32, 3.0, 1.0]);
    /// let mut both = Rng::seed(1).multinomial(&weights, 2, false).to_vec::<i64>();
    /// both.sort();
    /// assert_eq!(both, [1, 2]);
    /// ```
    #[track_caller]
    pub fn multinomial(&mut self, weights: &Tensor, count: usize, replacement: bool) -> Tensor {
        refuse_tracked("multinomial", weights);
        assert!(
            weights.dtype().is_float() && (1..=2).contains(&weights.rank()),
            "multinomial: needs floating-point weights [k] or [n, k], got {} {}; reshape or cast them",
            weights.dtype(),
            weights.shape()
        );
        let k = weights.size(-1);
        let numbers = weights.cast(DType::F64).to_vec::<f64>();
        let rows = if weights.rank() == 1 { 1 } else { weights.size(0) };
        let mut chosen = Vec::with_capacity(rows * count);
        for row in 0..rows {
            let weights_of_row = &numbers[row * k..][..k];
            check_weights(weights_of_row, row, count, replacement, weights.shape());
            match replacement {
                true => self.choose_any(weights_of_row, count, &mut chosen),
                false => self.choose_once(weights_of_row, count, &mut chosen),
            }
        }
        let shape: Vec<usize> = if weights.rank() == 1 { vec![count] } else { vec![rows, count] };
        Tensor::from_slice(&chosen, shape)
    }

    /// By where a uniform number falls among the running sums.
    fn choose_any(&mut self, weights: &[f64], count: usize, chosen: &mut Vec<i64>) {
        let mut total = 0.0;
        let sums: Vec<f64> = weights.iter().map(|w| (total += w, total).1).collect();
        let last = weights.iter().rposition(|&w| w > 0.0).expect("checked before");
        for _ in 0..count {
            let place = self.unit() * total;
            // The product may round up to the total.
            chosen.push(sums.partition_point(|&sum| sum <= place).min(last) as i64);
        }
    }

    /// The first of clocks that ring after exponential times with these rates (Efraimidis and Spirakis, "Weighted random sampling
    /// with a reservoir", 2006).
    fn choose_once(&mut self, weights: &[f64], count: usize, chosen: &mut Vec<i64>) {
        let mut times: Vec<(f64, i64)> =
            weights
                .iter()
                .enumerate()
                // 1 − u lies in (0, 1], so that its logarithm is finite.
                .map(|(j, &w)| {
                    if w > 0.0 {
                        (-(1.0 - self.unit()).ln() / w, j as i64)
                    } else {
                        (f64::INFINITY, j as i64)
                    }
                })
                .collect();
        times.sort_by(|a, b| a.0.total_cmp(&b.0));
        chosen.extend(times[..count].iter().map(|(_, j)| j));
    }
}

#[track_caller]
fn refuse_tracked(name: &str, x: &Tensor) {
    assert!(
        !x.is_tracked(),
        "{name}: a draw has no derivative, but {} needs a gradient; draw from .detach()",
        x.shape()
    );
}

#[track_caller]
fn check_weights(weights: &[f64], row: usize, count: usize, replacement: bool, shape: &Shape) {
    if let Some((j, w)) = weights.iter().enumerate().find(|(_, w)| !(w.is_finite() && **w >= 0.0)) {
        panic!(
            "multinomial: weight {w} at place {j} of row {row} of {shape}; weights must be finite and 0 or more"
        );
    }
    let some = weights.iter().filter(|&&w| w > 0.0).count();
    let needed = if replacement { count.min(1) } else { count };
    assert!(
        some >= needed,
        "multinomial: row {row} of {shape} has {some} weights above 0, but {count} choices are asked for; ask for fewer, or \
         choose with replacement"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Means and variances of 40000 numbers; the bounds are six standard deviations of each.
    #[test]
    fn draws_have_their_means_and_variances() {
        let zeros = Tensor::zeros([200, 200], DType::F64);
        let rng = &mut Rng::seed(5);
        let even = [rng.rand([200, 200], DType::F64), rng.rand_like(&zeros)];
        let bell = [rng.randn([200, 200], DType::F64), rng.randn_like(&zeros)];
        for x in &even {
            assert!(
                (x.mean(..).item() - 0.5).abs() < 0.0087 && (x.var(.., 1).item() - 1.0 / 12.0).abs() < 0.0023
            );
            assert!(x.min(..).item() >= 0.0 && x.max(..).item() < 1.0);
        }
        for x in &bell {
            assert!(x.mean(..).item().abs() < 0.03 && (x.var(.., 1).item() - 1.0).abs() < 0.043);
        }
        let x = rng.uniform([40_000], -3.0, 1.0, DType::F64);
        assert!((x.mean(..).item() + 1.0).abs() < 0.035 && (x.var(.., 1).item() - 4.0 / 3.0).abs() < 0.036);
        assert!(x.min(..).item() >= -3.0 && x.max(..).item() < 1.0);
        assert!(even[0].to_vec::<f64>() != even[1].to_vec::<f64>());
        assert_eq!(
            rng.rand_like(&Tensor::zeros([0, 3], DType::F32)).spec(),
            Tensor::zeros([0, 3], DType::F32).spec()
        );
    }

    #[test]
    fn choices_come_in_proportion() {
        let weights = Tensor::from([[1.0f32, 0.0, 3.0], [2.0, 2.0, 0.0]]);
        let n = 40_000;
        let any = Rng::seed(2).multinomial(&weights, n, true).to_vec::<i64>();
        let share =
            |row: usize, j: i64| any[row * n..][..n].iter().filter(|&&x| x == j).count() as f64 / n as f64;
        for (row, want) in [[0.25, 0.0, 0.75], [0.5, 0.5, 0.0]].iter().enumerate() {
            for (j, want) in want.iter().enumerate() {
                // The standard deviation is 0.0025; five of those.
                assert!((share(row, j as i64) - want).abs() < 0.0125, "{row} {j}: {}", share(row, j as i64));
            }
        }
        // Without replacement, the first of two: in proportion, too; and never the same twice.
        let rng = &mut Rng::seed(3);
        let pairs: Vec<Vec<i64>> = (0..20_000)
            .map(|_| rng.multinomial(&Tensor::from([1.0f64, 2.0, 1.0]), 2, false).to_vec::<i64>())
            .collect();
        let first = pairs.iter().filter(|p| p[0] == 1).count() as f64 / 20_000.0;
        assert!((first - 0.5).abs() < 0.018 && pairs.iter().all(|p| p[0] != p[1]), "{first}");
    }

    #[test]
    fn standard_draws_have_their_moments() {
        let rng = &mut Rng::seed(4);
        let x = rng.randn_like(&Tensor::zeros([20_000], DType::F64));
        assert!(x.mean(..).item().abs() < 0.036 && (x.square().mean(..).item() - 1.0).abs() < 0.05);
        let u = rng.rand([20_000], DType::F32);
        assert!((u.mean(..).item() - 0.5).abs() < 0.011 && u.max(..).item() < 1.0 && u.min(..).item() >= 0.0);
        let yes = rng.bernoulli(&Tensor::full([20_000], 0.3, DType::F64)).mean(..).item();
        // The standard error is 0.0033; five of those.
        assert!((yes - 0.3).abs() < 0.017, "{yes}");
        let wide = rng.randint(i64::MIN, i64::MAX, [100]).to_vec::<i64>();
        assert!(wide.iter().any(|&x| x < 0) && wide.iter().any(|&x| x > 0));
    }

    #[test]
    #[should_panic(
        expected = "multinomial: row 1 of [2, 2] has 1 weights above 0, but 2 choices are asked for; ask for fewer"
    )]
    fn too_many_choices() {
        Rng::seed(1).multinomial(&Tensor::from([[1.0f32, 1.0], [0.0, 1.0]]), 2, false);
    }

    #[test]
    #[should_panic(
        expected = "bernoulli: a draw has no derivative, but [1] needs a gradient; draw from .detach()"
    )]
    fn a_draw_has_no_derivative() {
        Rng::seed(1).bernoulli(&Tensor::from([0.5f32]).requires_grad());
    }
}
