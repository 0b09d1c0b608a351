//! The cross-entropy of two classes, from probabilities or from logits.

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::op::{Op, OpError, Saved, Spec, apply, check};
use crate::ops::Reduction;
use crate::ops::losses::assert_same_shape;
use crate::tensor::Tensor;

/// How [`Tensor::binary_cross_entropy`] counts.
#[derive(Clone, Debug, Default)]
pub struct BinaryCrossEntropyOptions {
    /// A factor for each element, of a shape that broadcasts to the input's; all 1 by default. The mean divides by the
    /// number of elements, whatever their factors.
    pub weight: Option<Tensor>,
    /// What becomes of the losses of the elements.
    pub reduction: Reduction,
}

/// How [`Tensor::binary_cross_entropy_with_logits`] counts.
#[derive(Clone, Debug, Default)]
pub struct BinaryCrossEntropyWithLogitsOptions {
    /// As in [`BinaryCrossEntropyOptions`].
    pub weight: Option<Tensor>,
    /// A factor for the positive part of each element, of a shape that broadcasts to the input's: more than 1 where
    /// positive examples are rare. All 1 by default.
    pub pos_weight: Option<Tensor>,
    /// What becomes of the losses of the elements.
    pub reduction: Reduction,
}

/// Logarithms do not fall below this.
const LEAST: f64 = -100.0;

/// The product of p and 1 - p, which the gradient divides by, does not fall below this.
const SMALLEST: f64 = 1e-12;

/// Inputs the probabilities and the target.
#[derive(Debug)]
struct BinaryCrossEntropy;

fn limited_log(p: &Tensor) -> Tensor {
    p.ln().maximum(&Tensor::full([], LEAST, p.dtype()))
}

impl Op for BinaryCrossEntropy {
    fn name(&self) -> &'static str {
        "binary_cross_entropy"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        check::float("binary_cross_entropy", &inputs[0])?;
        check::alike("binary_cross_entropy", inputs)?;
        Ok(inputs[0])
    }

    fn forward(&self, inputs: &[&Tensor], _: &Spec, saved: &mut Saved) -> Tensor {
        let [p, target] = inputs else { unreachable!("two inputs") };
        saved.keep_input(0, p);
        saved.keep_input(1, target);
        -(*target * limited_log(p) + (1.0 - *target) * limited_log(&(1.0 - *p)))
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, needs: &[bool]) -> Vec<Option<Grad>> {
        let (p, target) = (saved.input(0), saved.input(1));
        let rest = 1.0 - p;
        let dp = needs[0].then(|| {
            let product = (p * &rest).maximum(&Tensor::full([], SMALLEST, p.dtype()));
            (&dy * ((p - target) / product)).into()
        });
        let dtarget = needs[1].then(|| (&dy * (limited_log(&rest) - limited_log(p))).into());
        vec![dp, dtarget]
    }
}

/// Inputs the logits and the target, without a factor for the positive part.
#[derive(Debug)]
struct BinaryCrossEntropyWithLogits;

impl Op for BinaryCrossEntropyWithLogits {
    fn name(&self) -> &'static str {
        "binary_cross_entropy_with_logits"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError> {
        check::float("binary_cross_entropy_with_logits", &inputs[0])?;
        check::alike("binary_cross_entropy_with_logits", inputs)?;
        Ok(inputs[0])
    }

    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor {
        saved.keep_input(0, inputs[0]);
        saved.keep_input(1, inputs[1]);
        Tensor::run(&Kernel::BinaryCrossEntropyWithLogits, inputs, out)
    }

    fn vjp(&self, saved: &Saved, dy: Tensor, needs: &[bool]) -> Vec<Option<Grad>> {
        let (x, target) = (saved.input(0), saved.input(1));
        let graph = x.is_tracked() || target.is_tracked();
        let dx = needs[0].then(|| {
            let slope = match graph {
                true => x.sigmoid() - target,
                false => Tensor::run(&Kernel::BinaryCrossEntropyWithLogitsSlope, &[x, target], &x.spec()),
            };
            (slope * &dy).into()
        });
        let dtarget = needs[1].then(|| (-x * &dy).into());
        vec![dx, dtarget]
    }
}

/// Losses times their factors, which must not enlarge them.
#[track_caller]
fn weighted(name: &str, losses: Tensor, weight: Option<&Tensor>) -> Tensor {
    let Some(weight) = weight else { return losses };
    assert_factor(name, "weight", weight, &losses);
    losses * weight
}

#[track_caller]
fn assert_factor(name: &str, what: &str, factor: &Tensor, x: &Tensor) {
    assert!(
        factor.shape().broadcast(x.shape()) == Some(*x.shape()),
        "{name}: {what} {} does not broadcast to input {}",
        factor.shape(),
        x.shape()
    );
}

impl Tensor {
    /// The cross-entropy of these probabilities of the positive class,
    /// `loss = −(target ln x + (1 − target) ln(1 − x))` for each element. Logarithms do not fall below -100, so that
    /// a wrong certainty costs 100 and not infinity. The numbers are those of PyTorch's `binary_cross_entropy`; from
    /// logits, [`Tensor::binary_cross_entropy_with_logits`] is more accurate.
    ///
    /// # Shapes
    /// Probabilities and target of one shape, to `[]`, or to that shape without reduction.
    ///
    /// # Gradient
    /// `dx = dy (x − target) / max(x (1 − x), 1e-12)`, `dtarget = dy (ln(1 − x) − ln x)` with limited logarithms; for a
    /// mean over the number of elements.
    ///
    /// # Panics
    /// When a probability is not between 0 and 1, shapes do not fit, or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{BinaryCrossEntropyOptions, Tensor};
    /// let (p, target) = (Tensor::from_slice(&[0.8f64, 0.5], [2]), Tensor::from_slice(&[1.0f64, 0.0], [2]));
    /// let loss = p.binary_cross_entropy(&target, &BinaryCrossEntropyOptions::default());
    /// // -ln 0.8 = 0.223144 and -ln 0.5 = 0.693147.
    /// assert!((loss.item() - 0.458145365937).abs() < 1e-9);
    /// ```
    #[track_caller]
    pub fn binary_cross_entropy(&self, target: &Tensor, options: &BinaryCrossEntropyOptions) -> Tensor {
        assert_same_shape("binary_cross_entropy", self, target);
        if self.dtype().is_float() && self.numel() > 0 {
            let p = self.detach();
            let (least, greatest) = (p.min(..).item(), p.max(..).item());
            assert!(
                !(least < 0.0 || greatest > 1.0),
                "binary_cross_entropy: input {} must hold probabilities, but its numbers reach from {least} to \
                 {greatest}; give logits to binary_cross_entropy_with_logits",
                self.shape()
            );
        }
        let losses = apply(BinaryCrossEntropy, &[self, target]);
        options.reduction.apply(&weighted("binary_cross_entropy", losses, options.weight.as_ref()))
    }

    /// The cross-entropy of these logits of the positive class, `loss = −(w target ln σ(x) + (1 − target) ln(1 − σ(x)))`
    /// for each element, with the logistic function `σ` and factors `w` for the positive part (1 by default), without
    /// overflow: `(1 − target) x + (1 + (w − 1) target) softplus(−x)`.
    ///
    /// # Shapes
    /// Logits and target of one shape, to `[]`, or to that shape without reduction.
    ///
    /// # Gradient
    /// `dx = dy (σ(x) − target)` without factors, for a mean over the number of elements; also by target and factors.
    ///
    /// # Panics
    /// When shapes do not fit, or the inputs are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{BinaryCrossEntropyWithLogitsOptions, Tensor};
    /// let (x, target) = (Tensor::from_slice(&[0.0f64, -200.0], [2]), Tensor::from_slice(&[1.0f64, 1.0], [2]));
    /// let loss = x.binary_cross_entropy_with_logits(&target, &BinaryCrossEntropyWithLogitsOptions::default());
    /// // ln 2 = 0.693147 and 200.
    /// assert!((loss.item() - 100.346573590280).abs() < 1e-9);
    /// ```
    #[track_caller]
    pub fn binary_cross_entropy_with_logits(
        &self,
        target: &Tensor,
        options: &BinaryCrossEntropyWithLogitsOptions,
    ) -> Tensor {
        let name = "binary_cross_entropy_with_logits";
        assert_same_shape(name, self, target);
        let losses = match &options.pos_weight {
            None => apply(BinaryCrossEntropyWithLogits, &[self, target]),
            Some(factor) => {
                assert_factor(name, "pos_weight", factor, self);
                (1.0 - target) * self + (-self).softplus() * ((factor - 1.0) * target + 1.0)
            }
        };
        options.reduction.apply(&weighted(name, losses, options.weight.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Rng};

    fn logits_options() -> BinaryCrossEntropyWithLogitsOptions {
        BinaryCrossEntropyWithLogitsOptions::default()
    }

    crate::cases! {
        binary_cross_entropy: |x| x[0].binary_cross_entropy(x[1], &BinaryCrossEntropyOptions::default());
            shapes [[2, 3], [2, 3]] [[], []] on 0.1..0.9  refuses [[2, 1], [2]] [[3], []];
        binary_cross_entropy_weighted: |x| x[0].binary_cross_entropy(
                x[1], &BinaryCrossEntropyOptions { weight: Some(x[2].clone()), reduction: Reduction::Sum });
            shapes [[2, 3], [2, 3], [3]] on 0.1..0.9  refuses [[3], [3], [2, 3]] [[3], [3], [2]];
        binary_cross_entropy_with_logits: |x| x[0].binary_cross_entropy_with_logits(x[1], &logits_options());
            shapes [[2, 3], [2, 3]] [[], []]  refuses [[2, 1], [2]];
        binary_cross_entropy_with_logits_none: |x| x[0].binary_cross_entropy_with_logits(
                x[1], &BinaryCrossEntropyWithLogitsOptions { reduction: Reduction::Sum, ..Default::default() });
            shapes [[2, 3], [2, 3]] [[0], [0]]  refuses [[0], [2]];
        binary_cross_entropy_with_logits_weighted: |x| x[0].binary_cross_entropy_with_logits(
                x[1], &BinaryCrossEntropyWithLogitsOptions {
                    weight: Some(x[2].clone()), pos_weight: Some(x[3].clone()), reduction: Reduction::None });
            shapes [[2, 3], [2, 3], [2, 1], [3]]  refuses [[3], [3], [3], [2]];
    }

    #[test]
    fn logits_and_probabilities_agree() {
        let rng = &mut Rng::seed(2);
        let x = rng.normal([50], 0.0, 2.0, DType::F64);
        let target = rng.uniform([50], 0.0, 1.0, DType::F64);
        let factor = rng.uniform([50], 0.5, 3.0, DType::F64);
        let a = x.binary_cross_entropy_with_logits(&target, &logits_options()).item();
        let b = x.sigmoid().binary_cross_entropy(&target, &BinaryCrossEntropyOptions::default()).item();
        assert!((a - b).abs() < 1e-13, "{a} {b}");
        let options =
            BinaryCrossEntropyWithLogitsOptions { pos_weight: Some(factor.clone()), ..logits_options() };
        let a = x.binary_cross_entropy_with_logits(&target, &options).item();
        let numbers = [&x, &target, &factor].map(|t| t.to_vec::<f64>());
        let b = (0..50).map(|i| {
            let (p, t, w) = (1.0 / (1.0 + (-numbers[0][i]).exp()), numbers[1][i], numbers[2][i]);
            -(w * t * p.ln() + (1.0 - t) * (1.0 - p).ln())
        });
        let b = b.sum::<f64>() / 50.0;
        assert!((a - b).abs() < 1e-12, "{a} {b}");
        let options =
            BinaryCrossEntropyWithLogitsOptions { pos_weight: Some(factor.ones_like()), ..logits_options() };
        let b = x.binary_cross_entropy_with_logits(&target, &options).item();
        let a = x.binary_cross_entropy_with_logits(&target, &logits_options()).item();
        assert!((a - b).abs() < 1e-14, "{a} {b}");
    }

    #[test]
    fn a_wrong_certainty_costs_a_hundred() {
        let p = Tensor::from_slice(&[0.0f32, 1.0, 0.0, 1.0], [4]).requires_grad();
        let target = Tensor::from_slice(&[1.0f32, 0.0, 0.0, 1.0], [4]);
        let options = BinaryCrossEntropyOptions { reduction: Reduction::None, ..Default::default() };
        let losses = p.binary_cross_entropy(&target, &options);
        assert_eq!(losses.to_vec::<f32>(), [100.0, 100.0, 0.0, 0.0]);
        let dp = losses.sum(..).backward().wrt(&p).to_vec::<f32>();
        assert_eq!(dp, [-1e12, 1e12, 0.0, 0.0]);
    }

    #[test]
    #[should_panic(
        expected = "binary_cross_entropy: input [2] must hold probabilities, but its numbers reach from -1 to 0.5; give \
                    logits to binary_cross_entropy_with_logits"
    )]
    fn logits_in_place_of_probabilities() {
        let x = Tensor::from_slice(&[-1.0f32, 0.5], [2]);
        x.binary_cross_entropy(&x.zeros_like(), &BinaryCrossEntropyOptions::default());
    }
}
