//! Connectionist temporal classification: texts without known places in a longer sequence.

use crate::Tensor;
use crate::op::check;
use crate::ops::losses::{Reduction, number};

/// How [`Tensor::ctc_loss`] counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CtcOptions {
    /// The class that stands for nothing; 0 by default.
    pub blank: i64,
    /// Whether rows whose target does not fit into their steps cost nothing instead of infinity.
    pub zero_infinity: bool,
    /// What becomes of the losses of the rows. The mean divides each by the length of its target first.
    pub reduction: Reduction,
}

/// The logarithm of what cannot happen: small enough to vanish in every sum, and far from overflow.
const NEVER: f64 = -1e30;

/// A row's states: its classes with blanks before, between and after them, `2 S + 1` for targets `[n, S]`.
struct States {
    /// The class of each state, `[n, states]`.
    class: Tensor,
    /// 0 where a state may be entered from the one before the last, [`NEVER`] elsewhere, `[n, states]`.
    skip: Tensor,
}

impl States {
    fn of(targets: &Tensor, blank: i64, like: &Tensor) -> States {
        let [n, length] = targets.sizes();
        let blanks = targets.full_like(blank as f64);
        // Pairs of blank and class, and a last blank.
        let pairs = Tensor::stack(&[&blanks, targets], 2).reshape([n, 2 * length]);
        let last = Tensor::full([n, 1], blank as f64, targets.dtype());
        let class = Tensor::cat(&[&pairs, &last], 1);
        let states = 2 * length + 1;
        // Two equal classes in a row need the blank between them.
        let never = number(NEVER, like);
        let skip = match length {
            0 => Tensor::full([n, states], NEVER, like.dtype()),
            _ => {
                let (now, before) = (class.narrow(1, 2, states - 2), class.narrow(1, 0, states - 2));
                let stays =
                    now.eq(&before).logical_or(&now.eq(&Tensor::full([], blank as f64, class.dtype())));
                let skip = stays.select(&never, &number(0.0, like));
                Tensor::cat(&[&Tensor::full([n, 2], NEVER, like.dtype()), &skip], 1)
            }
        };
        States { class, skip }
    }
}

/// `y[:, s] = x[:, s − by]`, and what cannot happen in front.
fn shifted(x: &Tensor, by: usize) -> Tensor {
    let [n, states] = x.sizes();
    let by = by.min(states);
    Tensor::cat(&[&Tensor::full([n, by], NEVER, x.dtype()), &x.narrow(1, 0, states - by)], 1)
}

fn lengths(of: &[usize]) -> Tensor {
    Tensor::from_slice(&of.iter().map(|&n| n as i64).collect::<Vec<i64>>(), [of.len()])
}

impl Tensor {
    /// The negative log-likelihood of target sequences under these log-probabilities of classes at each step, over all ways
    /// to stretch the target with repetitions and blanks (Graves et al., "Connectionist temporal classification", 2006,
    /// section 4.1). The forward variables are computed as logarithms.
    ///
    /// # Shapes
    /// Log-probabilities `[steps, n, classes]` as [`Tensor::log_softmax`] gives them, `i64` targets `[n, S]` padded with any class,
    /// `n` numbers of steps and `n` lengths of targets; to `[]`, or to `[n]` without reduction.
    ///
    /// # Gradient
    /// `dx[t, i, c] = −dy[i]` times the probability, given the target, of being in class `c` at step `t`. It can be
    /// differentiated again. A row whose target does not fit has the gradient 0.
    ///
    /// # Panics
    /// When shapes, types or lengths do not fit, or a target is no class.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{CtcOptions, Tensor};
    /// // Two steps of a blank and one class, all with probability 1/2. The target [1] is 11, 1- or -1: 3/4.
    /// let x = Tensor::from_slice(&[0.5f64; 4], [2, 1, 2]).ln();
    /// let loss = x.ctc_loss(&Tensor::from_slice(&[1i64], [1, 1]), &[2], &[1], &CtcOptions::default());
    /// assert!((loss.item() + 0.75f64.ln()).abs() < 1e-12);
    /// ```
    #[track_caller]
    pub fn ctc_loss(
        &self,
        targets: &Tensor,
        input_lengths: &[usize],
        target_lengths: &[usize],
        options: &CtcOptions,
    ) -> Tensor {
        check_inputs(self, targets, input_lengths, target_lengths, options);
        let [steps, n, _] = self.sizes();
        let states = States::of(targets, options.blank, self);
        let count = states.class.size(1);
        let class = states.class.unsqueeze(0).broadcast_to([steps, n, count]);
        let scores = self.gather(2, &class).clamp(NEVER, f64::INFINITY);
        let at = |t: usize| scores.narrow(0, t, 1).squeeze(0);
        // Before the first step a row is in front of its first state, from where the first two can be entered.
        let first = Tensor::arange(count).lt(&Tensor::from_slice(&[2i64], [1]));
        let mut alpha = first.select(&at(0), &number(NEVER, self));
        let ends = lengths(input_lengths).unsqueeze(1);
        for t in 1..steps {
            let entered =
                Tensor::stack(&[&alpha, &shifted(&alpha, 1), &(shifted(&alpha, 2) + &states.skip)], 0);
            let next = entered.logsumexp(0) + at(t);
            let goes_on = input_lengths.iter().all(|&end| t < end);
            alpha = match goes_on {
                true => next,
                false => ends.gt(&Tensor::from_slice(&[t as i64], [1])).select(&next, &alpha),
            };
        }
        // A row ends in the blank after its last class, or, if it has one, in that class.
        let last = |back: usize| {
            let states: Vec<usize> = target_lengths.iter().map(|n| (2 * n).saturating_sub(back)).collect();
            alpha.gather(1, &lengths(&states).unsqueeze(1))
        };
        let some = lengths(target_lengths).unsqueeze(1).gt(&Tensor::from_slice(&[0i64], [1]));
        let on_class = some.select(&last(1), &number(NEVER, self));
        let losses = -Tensor::cat(&[&last(0), &on_class], 1).logsumexp(1);
        reduce(&losses, target_lengths, options)
    }
}

#[track_caller]
fn check_inputs(x: &Tensor, targets: &Tensor, input: &[usize], target: &[usize], options: &CtcOptions) {
    check::accept(check::float("ctc_loss", &x.spec()));
    check::accept(check::index("ctc_loss", &targets.spec()));
    let fits = x.rank() == 3 && targets.rank() == 2 && x.size(1) == targets.size(0) && x.size(0) > 0;
    assert!(
        fits,
        "ctc_loss: log-probabilities {} and targets {} must be [steps, n, classes] with at least one step, and [n, length]; \
         permute or pad them",
        x.shape(),
        targets.shape()
    );
    let [steps, n, classes] = x.sizes();
    let wrong = |what: &str, given: &[usize], least: usize, most: usize| {
        assert!(
            given.len() == n,
            "ctc_loss: {} {what} for {n} rows of {}; give one for each row",
            given.len(),
            x.shape()
        );
        if let Some((row, length)) = given.iter().enumerate().find(|(_, l)| !(least..=most).contains(*l)) {
            panic!(
                "ctc_loss: the {what} hold {length} for row {row}, with log-probabilities {} and targets {}; give {least} to {most}",
                x.shape(),
                targets.shape()
            );
        }
    };
    wrong("numbers of steps", input, 1, steps);
    wrong("lengths of targets", target, 0, targets.size(1));
    assert!(
        (0..classes as i64).contains(&options.blank),
        "ctc_loss: blank {} with log-probabilities {}; it must be a class, 0 to {}",
        options.blank,
        x.shape(),
        classes as i64 - 1
    );
}

fn reduce(losses: &Tensor, target_lengths: &[usize], options: &CtcOptions) -> Tensor {
    // A way of no probability has crossed a state that cannot be entered, at least once.
    let impossible = losses.gt(&number(-NEVER / 2.0, losses));
    let instead = if options.zero_infinity { 0.0 } else { f64::INFINITY };
    let losses = impossible.select(&number(instead, losses), losses);
    match options.reduction {
        Reduction::Mean => {
            let lengths: Vec<f64> = target_lengths.iter().map(|&n| n.max(1) as f64).collect();
            (&losses / Tensor::from_slice(&lengths, [lengths.len()]).cast(losses.dtype())).mean(..)
        }
        other => other.apply(&losses),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Rng};

    fn targets() -> Tensor {
        Tensor::from_slice(&[1i64, 1, 2, 1], [2, 2])
    }

    fn loss(x: &Tensor, reduction: Reduction) -> Tensor {
        x.log_softmax(2).ctc_loss(
            &targets(),
            &[4, 3],
            &[2, 1],
            &CtcOptions { reduction, ..Default::default() },
        )
    }

    crate::cases! {
        ctc_loss: |x| x[0].ctc_loss(&targets(), &[4, 3], &[2, 1], &CtcOptions { reduction: Reduction::Sum, ..Default::default() });
            shapes [[4, 2, 3]]  refuses [[4, 2]] [[4, 3, 3]] [[2, 2, 3]] [[4, 2, 0]];
        ctc_loss_of_logits: |x| loss(x[0], Reduction::Mean); shapes [[4, 2, 3]];
        ctc_loss_none: |x| loss(x[0], Reduction::None); shapes [[4, 2, 3]];
        ctc_loss_of_nothing: |x| x[0].log_softmax(2).ctc_loss(&Tensor::from_slice::<i64>(&[], [1, 0]), &[2], &[0], &CtcOptions::default());
            shapes [[2, 1, 2]];
    }

    /// What remains of a way when repetitions and blanks are taken out.
    fn collapsed(way: &[i64]) -> Vec<i64> {
        let mut way = way.to_vec();
        way.dedup();
        way.retain(|&class| class != 0);
        way
    }

    /// The probability of a target as the sum over all ways through all classes.
    fn by_definition(p: &[Vec<f64>], target: &[i64]) -> f64 {
        let classes = p[0].len();
        let ways = classes.pow(p.len() as u32);
        let way = |mut number: usize| -> Vec<i64> {
            let mut digit = || (number % classes, number /= classes).0 as i64;
            p.iter().map(|_| digit()).collect()
        };
        let fitting = (0..ways).map(way).filter(|way| collapsed(way) == target);
        fitting.map(|way| way.iter().zip(p).map(|(&c, p)| p[c as usize]).product::<f64>()).sum()
    }

    #[test]
    fn it_is_the_sum_over_all_ways() {
        let x = Rng::seed(5).normal([4, 2, 3], 0.0, 1.0, DType::F64);
        let p = x.softmax(2).to_vec::<f64>();
        let rows = |row: usize, steps: usize| -> Vec<Vec<f64>> {
            (0..steps).map(|t| p[(t * 2 + row) * 3..][..3].to_vec()).collect()
        };
        let want = [-by_definition(&rows(0, 4), &[1, 1]).ln(), -by_definition(&rows(1, 3), &[2]).ln()];
        let got = loss(&x, Reduction::None).to_vec::<f64>();
        assert!(got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-12), "{got:?} {want:?}");
        let mean = loss(&x, Reduction::Mean).item();
        assert!((mean - (want[0] / 2.0 + want[1]) / 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_target_that_does_not_fit_is_impossible() {
        // Two equal classes need a blank between them: three steps at least.
        let x = Tensor::zeros([2, 1, 2], DType::F32).requires_grad();
        let target = Tensor::from_slice(&[1i64, 1], [1, 2]);
        let loss = |zero_infinity| {
            let options = CtcOptions { zero_infinity, ..Default::default() };
            x.log_softmax(2).ctc_loss(&target, &[2], &[2], &options)
        };
        assert_eq!(loss(false).item(), f64::INFINITY);
        assert_eq!(loss(true).item(), 0.0);
        assert_eq!(loss(true).backward().wrt(&x).to_vec::<f32>(), [0.0; 4]);
    }

    #[test]
    #[should_panic(
        expected = "ctc_loss: the numbers of steps hold 5 for row 1, with log-probabilities [4, 2, 3]"
    )]
    fn a_row_that_is_too_long() {
        let x = Tensor::zeros([4, 2, 3], DType::F32);
        x.ctc_loss(&targets(), &[4, 5], &[2, 1], &CtcOptions::default());
    }
}
