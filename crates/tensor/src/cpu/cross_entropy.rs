//! The cross-entropy: the softmax of all rows by its kernel, then a number or a pass for each row.

use talweg_kernels::{Buffer, Float, reduce, softmax, threads};

use super::{Dense, dense, float, indices, out_slice};
use crate::backend::{Out, View};
use crate::ops::{CrossEntropyKernel, Reduction, no_such_class};
use crate::shape::Shape;

/// Inputs logits `[.., classes]`, target and perhaps the weight; outputs loss and softmax.
pub(super) fn cross_entropy(s: &CrossEntropyKernel, inputs: &[View<'_>], outputs: &mut [Out<'_>]) {
    let [loss, probabilities] = outputs else { unreachable!("the loss and the softmax") };
    float!(loss.dtype, T => {
        let (target, weight) = (indices(&inputs[1]), inputs.get(2).map(dense::<T>));
        let classes = probabilities.shape.size(-1);
        let rows = Rows { s, target: &target, shape: inputs[1].layout.shape(), weight: weight.as_deref(), classes };
        rows.losses(&dense::<T>(&inputs[0]), out_slice(loss), out_slice(probabilities));
    });
}

/// Inputs `dy`, the softmax, target and perhaps the weight.
pub(super) fn cross_entropy_grad(s: &CrossEntropyKernel, inputs: &[View<'_>], out: &mut Out<'_>) {
    float!(out.dtype, T => {
        let (target, weight) = (indices(&inputs[2]), inputs.get(3).map(dense::<T>));
        let (dy, probabilities): (Dense<'_, T>, Dense<'_, T>) = (dense(&inputs[0]), dense(&inputs[1]));
        let classes = out.shape.size(-1);
        let rows = Rows { s, target: &target, shape: inputs[2].layout.shape(), weight: weight.as_deref(), classes };
        rows.grads(&dy, &probabilities, out_slice(out));
    });
}

/// All rows, and how they count.
struct Rows<'a, T> {
    s: &'a CrossEntropyKernel,
    target: &'a [i64],
    /// The target's shape, for messages.
    shape: &'a Shape,
    weight: Option<&'a [T]>,
    classes: usize,
}

impl<T: Float> Rows<'_, T> {
    /// The class of a row; `None` for one that takes no part.
    fn class(&self, row: usize) -> Option<usize> {
        let class = self.target[row];
        if self.s.ignore_index == Some(class) {
            return None;
        }
        let known = usize::try_from(class).ok().filter(|&class| class < self.classes);
        if known.is_none() {
            panic!("{}", no_such_class("cross_entropy", class, row, self.shape, self.classes));
        }
        known
    }

    /// The factor of a class.
    fn factor(&self, class: usize) -> f64 {
        self.weight.map_or(1.0, |weight| weight[class].to_f64())
    }

    /// What a mean divides by.
    fn total(&self) -> f64 {
        (0..self.target.len()).filter_map(|row| self.class(row)).map(|class| self.factor(class)).sum()
    }

    /// The weight of every class by smoothing, before its factor.
    fn spread(&self) -> f64 {
        self.s.label_smoothing / self.classes as f64
    }

    fn losses(&self, x: &[T], loss: &mut [T], probabilities: &mut [T]) {
        let (rows, classes) = (self.target.len(), self.classes);
        softmax::softmax(x, classes, probabilities);
        let mut greatest = Buffer::take(2 * rows * size_of::<T>());
        let (top, peak) = greatest.as_mut_slice::<T>().split_at_mut(rows);
        reduce::max(x, rows, classes, 1, top);
        reduce::max(probabilities, rows, classes, 1, peak);
        // The greatest probability is 1 / Σ exp(x - max x): the sum's logarithm comes from a number that cannot
        // vanish, also where the target's own probability does.
        let of_row = |row: usize| {
            let Some(class) = self.class(row) else { return 0.0 };
            let x = &x[row * classes..(row + 1) * classes];
            let (top, log) = (top[row].to_f64(), -peak[row].to_f64().ln());
            let of_class = |class: usize| self.factor(class) * ((top - x[class].to_f64()) + log);
            let hard = of_class(class);
            match self.s.label_smoothing {
                0.0 => hard,
                smoothing => {
                    let soft: f64 = (0..classes).map(of_class).sum();
                    (1.0 - smoothing) * hard + self.spread() * soft
                }
            }
        };
        if self.s.reduction == Reduction::None {
            loss.iter_mut().enumerate().for_each(|(row, loss)| *loss = T::from_f64(of_row(row)));
            return;
        }
        let sum: f64 = (0..rows).map(of_row).sum();
        let mean = self.s.reduction == Reduction::Mean;
        loss[0] = T::from_f64(if mean { sum / self.total() } else { sum });
    }

    /// `dx = g (softmax Σ q - q)` with `g` the gradient of the row's loss.
    fn grads(&self, dy: &[T], probabilities: &[T], dx: &mut [T]) {
        let classes = self.classes;
        let (hard, soft) = (1.0 - self.s.label_smoothing, self.spread());
        let factors: f64 = (0..classes).map(|class| self.factor(class)).sum();
        let scale = if self.s.reduction == Reduction::Mean { 1.0 / self.total() } else { 1.0 };
        // About 16 thousand numbers keep a thread busy for some microseconds.
        let rows = (16_384 / classes).max(1);
        threads::for_chunks(dx, rows * classes, &|chunk, dx| {
            for (i, dx) in dx.chunks_exact_mut(classes).enumerate() {
                let row = chunk * rows + i;
                let Some(class) = self.class(row) else {
                    dx.fill(T::ZERO);
                    continue;
                };
                let g = scale * if dy.len() == 1 { dy[0] } else { dy[row] }.to_f64();
                let own = hard * self.factor(class);
                let whole = T::from_f64(g * (own + soft * factors));
                for (dx, &p) in dx.iter_mut().zip(&probabilities[row * classes..]) {
                    *dx = p * whole;
                }
                if soft != 0.0 {
                    let share = T::from_f64(g * soft);
                    match self.weight {
                        None => dx.iter_mut().for_each(|dx| *dx -= share),
                        Some(weight) => dx.iter_mut().zip(weight).for_each(|(dx, &w)| *dx -= share * w),
                    }
                }
                dx[class] -= T::from_f64(g * own);
            }
        });
    }
}
