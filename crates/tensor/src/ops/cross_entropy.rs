//! The cross-entropy of logits, fused: softmax, logarithm, choice of the class and mean in one operation.

use crate::autograd::Grad;
use crate::backend::Kernel;
use crate::dtype::DType;
use crate::op::{MultiOp, OpError, Saved, Spec, apply_multi, check};
use crate::ops::Reduction;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// How [`Tensor::cross_entropy`] counts.
///
/// # Examples
/// ```
/// # use talweg_tensor::{CrossEntropyOptions, Reduction};
/// let options = CrossEntropyOptions { label_smoothing: 0.1, ..Default::default() };
/// assert!(options.weight.is_none() && options.ignore_index.is_none() && options.reduction == Reduction::Mean);
/// ```
#[derive(Clone, Debug, Default)]
pub struct CrossEntropyOptions {
    /// A factor for each class, `[classes]`; all 1 by default. The mean divides by the sum of the targets' factors.
    pub weight: Option<Tensor>,
    /// How much of each target is spread evenly over all classes, from 0 (the default) to 1 (Szegedy et al.,
    /// "Rethinking the Inception architecture for computer vision", 2016); 0.1 is usual.
    pub label_smoothing: f64,
    /// Targets with this number take no part: no loss, no gradient, not counted by the mean. None by default.
    pub ignore_index: Option<i64>,
    /// What becomes of the losses of the rows.
    pub reduction: Reduction,
}

/// What the kernels of the cross-entropy know besides their inputs: see [`CrossEntropyOptions`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CrossEntropyKernel {
    /// The part of each target that is spread over all classes.
    pub label_smoothing: f64,
    /// The number of targets that take no part.
    pub ignore_index: Option<i64>,
    /// What becomes of the losses of the rows.
    pub reduction: Reduction,
}

/// Inputs logits `[n, classes, ..]`, target `[n, ..]` and perhaps the weight; outputs the loss, and the softmax
/// `[n, .., classes]`, which is an output so that the gradient can be differentiated through it.
#[derive(Debug)]
struct CrossEntropy(CrossEntropyKernel);

impl MultiOp for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Vec<Spec>, OpError> {
        let (x, target) = (&inputs[0], &inputs[1]);
        check::float("cross_entropy", x)?;
        check_target("cross_entropy", x, target)?;
        if let Some(weight) = inputs.get(2) {
            check_weight("cross_entropy", x, weight)?;
        }
        if !(0.0..=1.0).contains(&self.0.label_smoothing) {
            return Err(OpError::new(format!(
                "cross_entropy: label_smoothing {} is not between 0 and 1, for logits {}; 0.1 is usual",
                self.0.label_smoothing, x.shape
            )));
        }
        let loss = if self.0.reduction == Reduction::None { target.shape } else { Shape::SCALAR };
        let mut last = target.shape.to_vec();
        last.push(x.shape.at(1));
        Ok(vec![x.with_shape(loss), x.with_shape(last)])
    }

    fn forward(&self, inputs: &[&Tensor], out: &[Spec], saved: &mut Saved) -> Vec<Tensor> {
        let x = classes_last(inputs[0]);
        let mut all = vec![&x];
        all.extend(&inputs[1..]);
        let [loss, softmax] = Tensor::run_many(&Kernel::CrossEntropy(self.0), &all, [out[0], out[1]]);
        saved.keep_output_at(1, &softmax);
        (1..inputs.len()).for_each(|i| saved.keep_input(i, inputs[i]));
        vec![loss, softmax]
    }

    fn vjp(&self, saved: &Saved, dys: Vec<Option<Tensor>>, needs: &[bool]) -> Vec<Option<Grad>> {
        let softmax = saved.output_at(1);
        let weight = (needs.len() > 2).then(|| saved.input(2));
        let [dloss, dsoftmax] = <[Option<Tensor>; 2]>::try_from(dys).expect("one gradient for each output");
        let fused = !softmax.is_tracked();
        let from_loss = dloss.map(|dy| match fused && !dy.is_tracked() {
            true => {
                let mut inputs = vec![&dy, softmax, saved.input(1)];
                inputs.extend(weight);
                Tensor::run(&Kernel::CrossEntropyGrad(self.0), &inputs, &softmax.spec())
            }
            false => self.slope(dy, softmax, saved.input(1), weight),
        });
        let from_softmax = dsoftmax.map(|dy| softmax * (&dy - (&dy * softmax).sum_keep(-1)));
        let dx = match (from_loss, from_softmax) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
        let mut dxs = vec![None; needs.len()];
        dxs[0] = dx.map(|dx| classes_second(&dx).into());
        dxs
    }
}

impl CrossEntropy {
    /// The gradient in tensor expressions: with target weights `q` for each row and class,
    /// `(softmax Σ q − q) dy`, over the sum of the targets' factors for a mean.
    fn slope(&self, dy: Tensor, softmax: &Tensor, target: &Tensor, weight: Option<&Tensor>) -> Tensor {
        let (classes, dtype) = (softmax.size(-1), softmax.dtype());
        let (target, counts) = kept(target, self.0.ignore_index, dtype);
        let ones = Tensor::ones([classes], dtype);
        let weight = weight.unwrap_or(&ones);
        let own = weight.index_rows(&target) * &counts;
        let hard = own.unsqueeze(-1) * target.one_hot(classes, dtype) * (1.0 - self.0.label_smoothing);
        let soft = counts.unsqueeze(-1) * weight * (self.0.label_smoothing / classes as f64);
        let q = hard + soft;
        let dy = match self.0.reduction {
            Reduction::Mean => dy / own.sum(..),
            Reduction::Sum => dy,
            Reduction::None => dy.unsqueeze(-1),
        };
        (softmax * q.sum_keep(-1) - q) * dy
    }
}

/// The targets with 0 in place of those that take no part, and 1 for each of the others.
pub(super) fn kept(target: &Tensor, ignore_index: Option<i64>, dtype: DType) -> (Tensor, Tensor) {
    match ignore_index {
        None => (target.clone(), Tensor::ones(target.shape(), dtype)),
        Some(ignored) => {
            let out = target.eq(&Tensor::scalar(ignored));
            (out.select(&Tensor::scalar(0i64), target), out.logical_not().cast(dtype))
        }
    }
}

/// Axis 1 at the end: `[n, classes, ..]` to `[n, .., classes]`.
fn classes_last(x: &Tensor) -> Tensor {
    let rank = x.rank();
    if rank == 2 {
        return x.detach();
    }
    let order: Vec<usize> = (0..rank).filter(|&axis| axis != 1).chain([1]).collect();
    x.detach().permute(&order)
}

/// The last axis second, as it was.
fn classes_second(x: &Tensor) -> Tensor {
    let rank = x.rank();
    if rank == 2 {
        return x.clone();
    }
    let order: Vec<usize> = [0, rank - 1].into_iter().chain(1..rank - 1).collect();
    x.permute(&order)
}

/// Targets are class numbers, one for each row and position.
pub(super) fn check_target(name: &str, x: &Spec, target: &Spec) -> Result<(), OpError> {
    if x.shape.rank() < 2 {
        return Err(OpError::new(format!(
            "{name}: input {} needs at least 2 axes (batch, classes); make a batch of one row with .unsqueeze(0)",
            x.shape
        )));
    }
    if x.shape.at(1) == 0 {
        return Err(OpError::new(format!("{name}: input {} has no classes (axis 1)", x.shape)));
    }
    let want = x.shape.without(1);
    if target.dtype != DType::I64 {
        return Err(OpError::new(format!(
            "{name}: target {} {} for input {} {} must be class numbers, i64 {want}; convert it with \
             .cast(DType::I64)",
            target.dtype, target.shape, x.dtype, x.shape
        )));
    }
    if target.shape != want {
        let hint = if target.shape == x.shape && x.shape.at(1) > 1 {
            "; class numbers come from rows with a single 1 by .argmax(1)"
        } else if target.shape.numel() == want.numel() {
            "; take the extra axis off with .squeeze(1)"
        } else {
            ""
        };
        return Err(OpError::new(format!(
            "{name}: target {} does not fit input {}; it must be {want}{hint}",
            target.shape, x.shape
        )));
    }
    if target.device != x.device {
        return check::alike(name, &[*x, target.with_dtype(x.dtype)]);
    }
    Ok(())
}

/// Weights are one for each class.
pub(super) fn check_weight(name: &str, x: &Spec, weight: &Spec) -> Result<(), OpError> {
    check::alike(name, &[*x, *weight])?;
    if weight.shape != [x.shape.at(1)] {
        return Err(OpError::new(format!(
            "{name}: weight {} does not fit input {}; it must be one number for each class, [{}]",
            weight.shape,
            x.shape,
            x.shape.at(1)
        )));
    }
    Ok(())
}

/// What to say of a target that is no class, element number `flat` of a target of the given shape.
#[cold]
pub(crate) fn no_such_class(name: &str, class: i64, flat: usize, shape: &Shape, classes: usize) -> String {
    let mut place = Vec::new();
    let mut rest = flat;
    for axis in (0..shape.rank()).rev() {
        place.insert(0, rest % shape.at(axis));
        rest /= shape.at(axis);
    }
    let row = if let [row] = place[..] { row.to_string() } else { format!("{place:?}") };
    format!(
        "{name}: the target {shape} has class {class} in row {row}, but there are {classes} classes, 0 to {}; rows that \
         should take no part need ignore_index",
        classes - 1
    )
}

impl Tensor {
    /// The cross-entropy of these logits and class numbers: with `q` the target's weight on each class, for a row
    ///
    /// `loss = −Σ q[c] log_softmax(x)[c]`, `q[c] = w[c] ((1 − ε) [c = target] + ε / classes)`
    ///
    /// for class factors `w` (1 by default) and label smoothing `ε` (0 by default), so plainly
    /// `−log_softmax(x)[target]`. The mean divides the sum over the rows by `Σ w[target]`; when all targets are
    /// ignored, it is NaN. The numbers are those of PyTorch's `cross_entropy`.
    ///
    /// A floating-point target of the logits' own shape holds probabilities, which take the place of `[c = target]`;
    /// then the mean divides by the number of rows.
    ///
    /// # Shapes
    /// Logits `[n, classes]` or `[n, classes, ..]`, target `[n]` or `[n, ..]`, to `[]`, or to the target's shape
    /// without reduction.
    ///
    /// # Gradient
    /// `dx = dy (softmax(x) Σ q − q)`, for a mean over the sum of the targets' factors; computed in one pass. None by
    /// the factors.
    ///
    /// # Panics
    /// When a target is no class, shapes or types do not fit, `ε` is not between 0 and 1, a factor is tracked, or
    /// `ignore_index` comes with probabilities.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{CrossEntropyOptions, Tensor};
    /// let logits = Tensor::from_slice(&[0.0f64, 1.0, 2.0, 1.0, 1.0, 1.0], [2, 3]);
    /// let target = Tensor::from_slice(&[2i64, 0], [2]);
    /// let loss = logits.cross_entropy(&target, &CrossEntropyOptions::default());
    /// // The rows' losses are ln(1 + e^-1 + e^-2) = 0.407606 and ln 3 = 1.098612.
    /// assert!((loss.item() - 0.753109126556).abs() < 1e-9);
    /// ```
    #[track_caller]
    pub fn cross_entropy(&self, target: &Tensor, options: &CrossEntropyOptions) -> Tensor {
        let CrossEntropyOptions { weight, label_smoothing, ignore_index, reduction } = options;
        if let Some(weight) = weight {
            assert!(
                !weight.is_tracked(),
                "cross_entropy: weight {} needs a gradient, but the loss has none by it; detach() it",
                weight.shape()
            );
        }
        if target.dtype().is_float() && target.shape() == self.shape() {
            return self.soft_cross_entropy(target, options);
        }
        let kernel = CrossEntropyKernel {
            label_smoothing: *label_smoothing,
            ignore_index: *ignore_index,
            reduction: *reduction,
        };
        let mut outputs = match weight {
            None => apply_multi(CrossEntropy(kernel), &[self, target]),
            Some(weight) => apply_multi(CrossEntropy(kernel), &[self, target, weight]),
        };
        outputs.swap_remove(0)
    }

    /// Cross-entropy with a target of probabilities.
    #[track_caller]
    fn soft_cross_entropy(&self, target: &Tensor, options: &CrossEntropyOptions) -> Tensor {
        assert!(
            self.rank() >= 2,
            "cross_entropy: input {} needs at least 2 axes (batch, classes); make a batch of one row with \
             .unsqueeze(0)",
            self.shape()
        );
        assert!(
            options.ignore_index.is_none(),
            "cross_entropy: ignore_index is for targets of class numbers, the target {} holds probabilities",
            target.shape()
        );
        let smoothing = options.label_smoothing;
        assert!(
            (0.0..=1.0).contains(&smoothing),
            "cross_entropy: label_smoothing {smoothing} is not between 0 and 1, for logits {}; 0.1 is usual",
            self.shape()
        );
        let log = self.log_softmax(1);
        let mut terms = target.affine(1.0 - smoothing, smoothing / self.size(1).max(1) as f64) * log;
        if let Some(weight) = &options.weight {
            check::accept(check_weight("cross_entropy", &self.spec(), &weight.spec()));
            let mut sizes = vec![1; self.rank() - 1];
            sizes[0] = weight.numel();
            terms = terms * weight.reshape(sizes);
        }
        options.reduction.apply(&-terms.sum(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    fn target(classes: &[i64], shape: &[usize]) -> Tensor {
        Tensor::from_slice(classes, shape)
    }

    fn options(
        weighted: Option<usize>,
        smoothing: f64,
        ignore: bool,
        reduction: Reduction,
    ) -> CrossEntropyOptions {
        CrossEntropyOptions {
            weight: weighted
                .map(|n| Tensor::from_slice(&(1..=n).map(|c| c as f64 * 0.5).collect::<Vec<_>>(), [n])),
            label_smoothing: smoothing,
            ignore_index: ignore.then_some(1),
            reduction,
        }
    }

    crate::cases! {
        cross_entropy: |x| x[0].cross_entropy(&target(&[2, 0, 1], &[3]), &CrossEntropyOptions::default());
            shapes [[3, 3]] [[3, 5]]  refuses [[3]] [[2, 3]] [[3, 3, 1]] [[3, 0]];
        cross_entropy_sum: |x| x[0].cross_entropy(&target(&[2, 0, 1], &[3]), &options(Some(3), 0.2, true, Reduction::Sum));
            shapes [[3, 3]]  refuses [[3, 4]];
        cross_entropy_mean: |x| x[0].cross_entropy(&target(&[2, 0, 1], &[3]), &options(Some(4), 0.1, true, Reduction::Mean));
            shapes [[3, 4]];
        cross_entropy_of_positions: |x| x[0].cross_entropy(&target(&[2, 0, 1, 2], &[2, 1, 2]), &options(None, 0.3, false, Reduction::None));
            shapes [[2, 3, 1, 2]]  refuses [[2, 3, 2, 1]];
        cross_entropy_of_probabilities: |x| x[0].cross_entropy(x[1], &options(Some(3), 0.3, false, Reduction::Mean));
            shapes [[2, 3, 2], [2, 3, 2]] [[4, 3], [4, 3]]  refuses [[2, 3], [2]] [[2, 2], [2, 2]] [[3], [3]];
    }

    /// The definition in loops: the loss of each row, and what the mean divides by.
    fn by_definition(x: &[f64], classes: usize, target: &[i64], o: &CrossEntropyOptions) -> (Vec<f64>, f64) {
        let weight = o.weight.as_ref().map_or(vec![1.0; classes], |w| w.to_vec::<f64>());
        let mut total = 0.0;
        let losses = x.chunks(classes).zip(target).map(|(x, &t)| {
            if o.ignore_index == Some(t) {
                return 0.0;
            }
            total += weight[t as usize];
            let sum: f64 = x.iter().map(|x| x.exp()).sum();
            let q = |c: usize| {
                (1.0 - o.label_smoothing) * f64::from(c as i64 == t) + o.label_smoothing / classes as f64
            };
            -(0..classes).map(|c| weight[c] * q(c) * (x[c].exp() / sum).ln()).sum::<f64>()
        });
        (losses.collect(), total)
    }

    #[test]
    fn every_combination_of_options_is_the_definition() {
        let x = Rng::seed(3).normal([6, 4], 0.0, 2.0, DType::F64);
        let t = [3, 1, 0, 2, 1, 3];
        for (bits, smoothing) in (0..4).flat_map(|b| [0.0, 0.1, 1.0].map(|s| (b, s))) {
            for reduction in [Reduction::Mean, Reduction::Sum, Reduction::None] {
                let o = options((bits & 1 == 1).then_some(4), smoothing, bits & 2 == 2, reduction);
                let (rows, total) = by_definition(&x.to_vec::<f64>(), 4, &t, &o);
                let want = match reduction {
                    Reduction::Mean => vec![rows.iter().sum::<f64>() / total],
                    Reduction::Sum => vec![rows.iter().sum::<f64>()],
                    Reduction::None => rows,
                };
                let got = x.cross_entropy(&target(&t, &[6]), &o).to_vec::<f64>();
                let worst = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                assert!(got.len() == want.len() && worst < 1e-12, "{o:?}: {got:?}, not {want:?}");
            }
        }
    }

    #[test]
    fn probabilities_with_a_single_one_are_classes() {
        let x = Rng::seed(3).normal([6, 4], 0.0, 2.0, DType::F64);
        let t = target(&[3, 1, 0, 2, 1, 3], &[6]);
        let o = options(None, 0.1, false, Reduction::Mean);
        let (a, b) = (x.cross_entropy(&t, &o), x.cross_entropy(&t.one_hot(4, DType::F64), &o));
        assert!((a.item() - b.item()).abs() < 1e-14);
    }

    #[test]
    fn large_logits_neither_overflow_nor_vanish() {
        let x = Tensor::from_slice(&[1000.0f32, 0.0, -1000.0], [1, 3]).requires_grad();
        let loss = x.cross_entropy(&target(&[2], &[1]), &CrossEntropyOptions::default());
        assert_eq!(loss.item(), 2000.0);
        assert_eq!(loss.backward().wrt(&x).to_vec::<f32>(), [1.0, 0.0, -1.0]);
    }

    #[test]
    fn without_targets_the_mean_is_not_a_number_and_the_gradient_zero() {
        let x = Tensor::ones([2, 3], DType::F64).requires_grad();
        let loss = x.cross_entropy(&target(&[1, 1], &[2]), &options(None, 0.0, true, Reduction::Mean));
        assert!(loss.item().is_nan());
        assert_eq!(loss.backward().wrt(&x).to_vec::<f64>(), [0.0; 6]);
        let none = Tensor::ones([0, 3], DType::F64)
            .cross_entropy(&target(&[], &[0]), &CrossEntropyOptions::default());
        assert!(none.item().is_nan());
    }

    #[test]
    #[should_panic(
        expected = "cross_entropy: the target [2] has class 3 in row 1, but there are 3 classes, 0 to 2; rows that should \
                    take no part need ignore_index"
    )]
    fn a_class_that_does_not_exist() {
        Tensor::ones([2, 3], DType::F32)
            .cross_entropy(&target(&[0, 3], &[2]), &CrossEntropyOptions::default());
    }

    #[test]
    #[should_panic(expected = "has class -1 in row [1, 0], but there are 3 classes")]
    fn a_position_s_class_that_does_not_exist() {
        Tensor::ones([2, 3, 2], DType::F32)
            .cross_entropy(&target(&[0, 1, -1, 0], &[2, 2]), &CrossEntropyOptions::default());
    }

    #[test]
    #[should_panic(
        expected = "cross_entropy: target [2, 1] does not fit input [2, 3]; it must be [2]; take the extra axis off \
                    with .squeeze(1)"
    )]
    fn a_column_of_targets() {
        Tensor::ones([2, 3], DType::F32)
            .cross_entropy(&target(&[0, 1], &[2, 1]), &CrossEntropyOptions::default());
    }
}
