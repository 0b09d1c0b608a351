//! L-BFGS.

mod search;

use std::collections::VecDeque;

use talweg_tensor::{DType, Param, Tensor};

use crate::optimizer::{OptimizerState, StateError};
use search::{Point, Search};

/// L-BFGS: steps by an estimate of the inverse Hessian from the last changes of the gradient. For losses without
/// chance, over all examples at once, and models of moderate size.
///
/// ```text
/// s <- the last step, y <- the change of the gradient over it     (kept if y·s > 1e-10)
/// q <- -g; for the kept pairs from the newest: a <- s·q / y·s, q <- q - a y
/// d <- (y·s / y·y of the newest) q; from the oldest: d <- d + (a - y·d / y·s) s
/// w <- w + t d
/// ```
/// The length `t` comes from the line search; without one it is the learning rate, and for the very first direction
/// at most lr / Σ|g|.
///
/// It needs the loss as a function, so it is no [`Rule`](crate::Rule): [`Lbfgs::step`] takes a closure.
///
/// # Hyperparameters
/// - `lr`: the length that is tried first; no unit, usually 1.
/// - `max_iter`: directions taken in one call of [`Lbfgs::step`]; usually 20.
/// - `max_eval`: evaluations of the loss in one call; usually 5/4 of `max_iter`.
/// - `tolerance_grad`: a largest element of the gradient below which the work is done; usually 1e-7.
/// - `tolerance_change`: a change of loss or parameters below which the work is done; usually 1e-9.
/// - `history`: how many pairs are kept; usually 10 to 100.
/// - `line_search`: how the length is found; see [`LineSearch`].
///
/// # Source
/// Nocedal, "Updating quasi-Newton matrices with limited storage" (1980); Nocedal and Wright, "Numerical optimization"
/// (2006), algorithms 7.4 and 3.5.
///
/// # Differs from the paper in
/// Bounds and stopping rules are PyTorch's.
///
/// # Examples
/// ```
/// # use talweg_optim::{Lbfgs, LbfgsOptions};
/// # use talweg_tensor::{Param, Tensor};
/// let w = Param::new(Tensor::from_slice(&[3.0f64, -4.0], [2]));
/// let scale = Tensor::from_slice(&[1.0f64, 50.0], [2]);
/// let mut optimizer = Lbfgs::new(LbfgsOptions::default(), vec![("w".into(), w.clone())]);
/// let before = optimizer.step(&mut || (w.get().square() * &scale).sum(..));
/// assert_eq!(before, 809.0);
/// assert!(w.get().to_vec::<f64>().iter().all(|x| x.abs() < 1e-6));
/// ```
#[derive(Debug)]
pub struct Lbfgs {
    /// The options.
    pub options: LbfgsOptions,
    params: Vec<(String, Param)>,
    memory: Memory,
}

/// The options of [`Lbfgs`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LbfgsOptions {
    /// The length that is tried first.
    pub lr: f64,
    /// Directions taken in one call.
    pub max_iter: u64,
    /// Evaluations of the loss in one call; 5/4 of `max_iter` if it is not given.
    pub max_eval: Option<u64>,
    /// A largest element of the gradient below which the work is done.
    pub tolerance_grad: f64,
    /// A change below which the work is done.
    pub tolerance_change: f64,
    /// How many pairs are kept.
    pub history: usize,
    /// How the length of a step is found.
    pub line_search: LineSearch,
}

/// How [`Lbfgs`] finds the length of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineSearch {
    /// A length that satisfies the strong Wolfe conditions, with c₁ = 1e-4 and c₂ = 0.9: the loss falls enough, and its
    /// slope has become flat enough. By cubic interpolation.
    #[default]
    StrongWolfe,
    /// The learning rate itself.
    None,
}

impl Default for LbfgsOptions {
    fn default() -> LbfgsOptions {
        LbfgsOptions {
            lr: 1.0,
            max_iter: 20,
            max_eval: None,
            tolerance_grad: 1e-7,
            tolerance_change: 1e-9,
            history: 100,
            line_search: LineSearch::StrongWolfe,
        }
    }
}

/// What is kept from direction to direction.
#[derive(Clone, Debug, Default)]
struct Memory {
    /// Directions taken.
    count: u64,
    /// Pairs of a change of the gradient and the step that made it, the oldest first.
    pairs: VecDeque<(Tensor, Tensor)>,
    /// The first estimate of the inverse Hessian: this times the identity.
    diagonal: f64,
    /// The last direction, its length, and the gradient before it.
    last: Option<(Tensor, f64, Tensor)>,
}

impl Lbfgs {
    /// An optimizer of named parameters.
    ///
    /// # Panics
    /// When there are no parameters, or they are not all of one type.
    #[track_caller]
    pub fn new(options: LbfgsOptions, params: Vec<(String, Param)>) -> Lbfgs {
        assert!(!params.is_empty(), "lbfgs: there are no parameters to train; was the model built before?");
        let dtype = params[0].1.get().dtype();
        for (name, param) in &params {
            let other = param.get().dtype();
            assert!(
                other == dtype,
                "lbfgs: all parameters must be of one type, {name} is {other}, not {dtype}"
            );
        }
        Lbfgs { options, params, memory: Memory { diagonal: 1.0, ..Default::default() } }
    }

    /// Up to `max_iter` directions. `loss` computes the loss from the parameters as they are, the same function each
    /// time.
    ///
    /// Returns the loss before.
    ///
    /// # Panics
    /// When the loss cannot be differentiated.
    #[track_caller]
    pub fn step(&mut self, loss: &mut dyn FnMut() -> Tensor) -> f64 {
        let options = self.options;
        let max_eval = options.max_eval.unwrap_or(options.max_iter * 5 / 4);
        let (before, mut g) = self.evaluate(loss);
        let (mut value, mut evaluations) = (before, 1);
        if largest(&g) <= options.tolerance_grad {
            return before;
        }
        for iteration in 1..=options.max_iter {
            let d = self.direction(&g);
            let slope = dot(&g, &d);
            let first = self.memory.count == 1;
            let start = if first { (1.0 / g.abs().sum(..).item()).min(1.0) } else { 1.0 } * options.lr;
            if slope > -options.tolerance_change {
                self.memory.last = Some((d, start, g));
                break;
            }
            let (x, old_value, old_g) = (self.gather(), value, g.clone());
            let mut length = start;
            let last = iteration == options.max_iter;
            match options.line_search {
                LineSearch::StrongWolfe => {
                    let search = Search {
                        reach: largest(&d),
                        tolerance: options.tolerance_change,
                        most: max_eval.saturating_sub(evaluations),
                    };
                    let from = Point { at: 0.0, value, slope, g: g.clone() };
                    let (to, used) = search.run(from, start, &mut |at| {
                        self.scatter(&(&x + &d * at));
                        let (value, g) = self.evaluate(loss);
                        Point { at, value, slope: dot(&g, &d), g }
                    });
                    self.scatter(&(&x + &d * to.at));
                    evaluations += used;
                    (length, value, g) = (to.at, to.value, to.g);
                }
                LineSearch::None => {
                    self.scatter(&(&x + &d * length));
                    if !last {
                        (value, g) = self.evaluate(loss);
                        evaluations += 1;
                    }
                }
            }
            let moved = largest(&d) * length.abs();
            self.memory.last = Some((d, length, old_g));
            let done = last
                || evaluations >= max_eval
                || largest(&g) <= options.tolerance_grad
                || moved <= options.tolerance_change
                || (value - old_value).abs() < options.tolerance_change;
            if done {
                break;
            }
        }
        before
    }

    /// Learns from the last step, and gives the next direction.
    fn direction(&mut self, g: &Tensor) -> Tensor {
        let memory = &mut self.memory;
        memory.count += 1;
        let Some((d, length, old)) = &memory.last else { return -g };
        let (y, s) = (g - old, d * *length);
        let ys = dot(&y, &s);
        if ys > 1e-10 {
            if memory.pairs.len() >= self.options.history.max(1) {
                memory.pairs.pop_front();
            }
            memory.diagonal = ys / dot(&y, &y);
            memory.pairs.push_back((y, s));
        }
        let mut q = -g;
        let mut shares = Vec::new();
        for (y, s) in memory.pairs.iter().rev() {
            let share = dot(s, &q) / dot(y, s);
            q = q - y * share;
            shares.push(share);
        }
        let mut d = q * memory.diagonal;
        for ((y, s), share) in memory.pairs.iter().zip(shares.iter().rev()) {
            let other = dot(y, &d) / dot(y, s);
            d = d + s * (share - other);
        }
        d
    }

    /// Loss and gradient at the parameters as they are.
    #[track_caller]
    fn evaluate(&self, loss: &mut dyn FnMut() -> Tensor) -> (f64, Tensor) {
        let loss = loss();
        let value = loss.item();
        let grads = loss.backward();
        let parts = self.trained().map(|param| match grads.get(param) {
            Some(grad) => grad.to_dense(&param.shape()).reshape([param.shape().numel()]),
            None => Tensor::zeros([param.shape().numel()], param.get().dtype()),
        });
        (value, join(parts))
    }

    fn trained(&self) -> impl Iterator<Item = &Param> {
        self.params.iter().map(|(_, param)| param).filter(|param| param.is_trainable())
    }

    /// All parameters as one list.
    fn gather(&self) -> Tensor {
        join(self.trained().map(|param| param.get().detach().reshape([param.shape().numel()])))
    }

    /// The list back into the parameters.
    fn scatter(&self, x: &Tensor) {
        let mut start = 0;
        for param in self.trained() {
            let size = param.shape().numel();
            param.set(&x.narrow(0, start, size).reshape(param.shape()));
            start += size;
        }
    }
}

impl Lbfgs {
    /// Everything that the next steps depend on besides the parameters.
    pub fn state(&self) -> OptimizerState {
        let Memory { count, pairs, diagonal, last } = &self.memory;
        let mut state = OptimizerState { count: *count, ..Default::default() };
        let mut keep = |name: String, x: &Tensor| state.slots.push((name, x.clone()));
        let length = last.as_ref().map_or(0.0, |last| last.1);
        keep("lbfgs/numbers".into(), &Tensor::from_slice(&[*diagonal, length], [2]));
        if let Some((d, _, g)) = last {
            keep("lbfgs/direction".into(), d);
            keep("lbfgs/gradient".into(), g);
        }
        for (i, (y, s)) in pairs.iter().enumerate() {
            keep(format!("lbfgs/change.{i}"), y);
            keep(format!("lbfgs/step.{i}"), s);
        }
        state
    }

    /// Puts a saved state back: the next steps are those that would have followed it, to the bit.
    ///
    /// # Errors
    /// When the state is of other parameters or another optimizer; this one is then unchanged.
    pub fn load_state(&mut self, state: &OptimizerState) -> Result<(), StateError> {
        let size = self.gather().spec();
        let find = |name: &str| state.slots.iter().find(|(found, _)| found == name).map(|(_, x)| x.clone());
        let whole = |name: &str| match find(name) {
            Some(x) if x.spec() == size => Ok(x),
            Some(x) => Err(StateError::new(format!(
                "the saved optimizer state has {name} as {} {}, but the parameters need {} {}",
                x.dtype(),
                x.shape(),
                size.dtype,
                size.shape
            ))),
            None => {
                Err(StateError::new(format!("the saved optimizer state has no {name}, which lbfgs needs")))
            }
        };
        let numbers = find("lbfgs/numbers").filter(|x| x.dtype() == DType::F64 && x.numel() == 2);
        let Some(numbers) = numbers.map(|x| x.to_vec::<f64>()) else {
            return Err(StateError::new("the saved optimizer state is not that of lbfgs".into()));
        };
        let last = match find("lbfgs/direction") {
            Some(_) => Some((whole("lbfgs/direction")?, numbers[1], whole("lbfgs/gradient")?)),
            None => None,
        };
        let mut pairs = VecDeque::new();
        while find(&format!("lbfgs/change.{}", pairs.len())).is_some() {
            let i = pairs.len();
            pairs.push_back((whole(&format!("lbfgs/change.{i}"))?, whole(&format!("lbfgs/step.{i}"))?));
        }
        self.memory = Memory { count: state.count, pairs, diagonal: numbers[0], last };
        Ok(())
    }
}

fn join(parts: impl Iterator<Item = Tensor>) -> Tensor {
    let parts: Vec<Tensor> = parts.collect();
    Tensor::cat(&parts.iter().collect::<Vec<_>>(), 0)
}

fn dot(a: &Tensor, b: &Tensor) -> f64 {
    (a * b).sum(..).item()
}

fn largest(x: &Tensor) -> f64 {
    if x.numel() == 0 { 0.0 } else { x.abs().max(..).item() }
}

#[cfg(test)]
mod tests;
