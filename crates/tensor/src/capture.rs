//! Capture and replay: a step's kernel calls, recorded once and then run again without building a graph.

mod activate;
mod agree;
mod fuse;
mod plan;
mod recorder;
mod replay;

use std::fmt::{self, Debug, Display};

use crate::anomaly;
use crate::autograd::{Grad, Gradients, HOOKED, LeafId, any_hooked};
use crate::backend::Kernel;
use crate::dtype::DType;
use crate::op::Spec;
use crate::random::Rng;
use crate::tensor::Tensor;
use plan::Program;
use recorder::Recording;
pub(crate) use recorder::{Mark, always_the_same, drawn, is_on, log, looked, read, refuse, uploaded, write};
use replay::Plan;

/// Makes a step that is computed from inputs, with its gradients, faster when it is run many times.
///
/// `step` is the forward pass: from the declared inputs and a generator of random numbers it computes the loss, or a
/// list of tensors of which the first is the loss. [`Captured::run`] runs it and the backward pass, and hands out loss
/// and gradients; an optimizer then takes the gradients, as after [`Tensor::backward`].
///
/// The first two runs for each list of input shapes are recorded: every kernel call, with the values that it reads and
/// makes. If both recordings are of the same calls, later runs replay them, with memory that was planned once: no graph,
/// no allocation, and the same bits as without capture. On a tiny network most of a step is such overhead.
///
/// ```
/// # use talweg_tensor::{Param, Reduction, Rng, Tensor, capture};
/// let w = Param::new(Tensor::from_slice(&[0.0f32], [1]));
/// let mut step = capture(|inputs, _| (inputs[0] * w.get()).mse_loss(inputs[1], Reduction::Mean));
/// let rng = &mut Rng::seed(1);
/// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0], [3]);
/// let y = Tensor::from_slice(&[2.0f32, 4.0, 6.0], [3]);
/// for _ in 0..50 {
///     let run = step.run(&[&x, &y], rng);
///     let dw = run.gradients.wrt(&w);
///     w.update(|w| *w = &*w - dw * 0.1);
/// }
/// assert!((w.get().item() - 2.0).abs() < 1e-6);
/// assert_eq!(step.why_not(), None);
/// ```
///
/// # What a replay reads anew
/// - the declared inputs;
/// - every [`crate::Param`] and [`crate::Buffer`] that the step reads. What the step leaves in buffers (running
///   statistics, say) is left there by a replay too;
/// - the generator: random kernels draw from where it stands, and it moves as far as in the step.
///
/// Everything else is part of the recording: numbers in the program's variables, tensors from outside that were not
/// declared, which layers ran. The two recordings must agree on all of it. A variable that changes later, such as a
/// counter that switches a penalty on at step 1000, is not noticed: do such things outside.
///
/// # When a step is not replayed
/// The step then runs as it is at each run, with the same results, and [`Captured::why_not`] says why:
/// - it looks at numbers that it computes (`item`, `to_vec`), so that they may decide what it does;
/// - it makes tensors from numbers of its own (`from_slice`), changes a parameter, runs an optimizer, or draws random
///   numbers other than from its generator;
/// - a gradient hook runs in its backward pass, or anomaly detection is on: until that has ended;
/// - the two recordings differ.
pub fn capture<O: Into<Vec<Tensor>>, F: FnMut(&[&Tensor], &mut Rng) -> O>(step: F) -> Captured<F> {
    Captured { step, recordings: Recordings::new() }
}

/// A step that replays itself, made by [`capture`].
pub struct Captured<F> {
    step: F,
    recordings: Recordings,
}

/// The recordings of a step that is given anew at each run, for programs that cannot keep it beside what it borrows,
/// such as a trainer that owns the model. See [`capture`] for what a step may be.
///
/// # Examples
/// ```
/// # use talweg_tensor::{Param, Recordings, Reduction, Rng, Tensor};
/// let w = Param::new(Tensor::from_slice(&[3.0f32], [1]));
/// let (mut recordings, rng) = (Recordings::new(), &mut Rng::seed(1));
/// let x = Tensor::from_slice(&[1.0f32, 2.0], [2]);
/// for _ in 0..5 {
///     let run = recordings.run(&[&x], rng, |inputs, _| (inputs[0] * w.get()).square().sum(..));
///     assert_eq!((run.loss.item(), run.gradients.wrt(&w).item()), (45.0, 30.0));
/// }
/// assert_eq!(recordings.why_not(), None);
/// ```
#[derive(Default)]
pub struct Recordings {
    /// What is known of each list of input shapes.
    shapes: Vec<Known>,
    results: Results,
    runs: u64,
    /// Why no step is recorded at all, if that was asked for.
    off: Option<&'static str>,
    /// Why the last run was not recorded, though another may be.
    aside: Option<&'static str>,
}

/// What one run computed. A clone of a tensor keeps its numbers; the originals change at the next run.
#[derive(Debug)]
pub struct Ran<'a> {
    /// The first output, not tracked.
    pub loss: &'a Tensor,
    /// All outputs, not tracked: the loss and what else the step returns.
    pub outputs: &'a [Tensor],
    /// The gradients of the loss. They may be changed, as clipping does.
    pub gradients: &'a mut Gradients,
}

/// How a step runs, see [`Captured::status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status<'a> {
    /// As it is, while it is recorded.
    Recording,
    /// By replay.
    Replaying {
        /// Kernel calls of a run.
        calls: usize,
        /// Bytes for values in between, beside inputs, parameters and results.
        bytes: usize,
        /// Tensors from outside that were not declared, and are taken for constants.
        constants: usize,
    },
    /// As it is, at each run, for this reason.
    Eager(&'a str),
}

impl Display for Status<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Recording => f.write_str("the step is being recorded"),
            Status::Replaying { calls, .. } => write!(f, "the step is replayed in {calls} kernel calls"),
            Status::Eager(reason) => write!(f, "the step is not replayed: {reason}"),
        }
    }
}

/// A step: outputs, the loss first, from inputs and a generator.
type Step<'a> = dyn FnMut(&[&Tensor], &mut Rng) -> Vec<Tensor> + 'a;

/// Plans for more lists of shapes are not kept: the one unused longest goes.
const MOST_SHAPES: usize = 8;

struct Known {
    inputs: Vec<Spec>,
    state: State,
    used: u64,
}

enum State {
    New,
    Recorded(Box<Recording>),
    Ready(Box<Plan>),
    Eager(Box<str>),
}

/// The tensors that runs hand out.
#[derive(Default)]
struct Results {
    outputs: Vec<Tensor>,
    gradients: Gradients,
}

impl<O: Into<Vec<Tensor>>, F: FnMut(&[&Tensor], &mut Rng) -> O> Captured<F> {
    /// Runs the step and its backward pass. Strided inputs are made dense first.
    ///
    /// # Panics
    /// When an input is tracked, the step returns no tensor, or its first is not a tracked loss of one element.
    #[track_caller]
    pub fn run(&mut self, inputs: &[&Tensor], rng: &mut Rng) -> Ran<'_> {
        self.recordings.run(inputs, rng, &mut self.step)
    }
}

impl<F> Captured<F> {
    /// How the step runs with the shapes of the last run.
    pub fn status(&self) -> Status<'_> {
        self.recordings.status()
    }

    /// Why runs with the last run's shapes are not replayed; `None` when they are, or will be after another recording.
    pub fn why_not(&self) -> Option<&str> {
        self.recordings.why_not()
    }
}

impl<F> Debug for Captured<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Captured").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl Recordings {
    /// Nothing is recorded yet.
    pub fn new() -> Recordings {
        Recordings::default()
    }

    /// Records nothing: every step runs as it is.
    pub fn off() -> Recordings {
        Recordings { off: Some("capture is switched off"), ..Recordings::default() }
    }

    /// Runs a step and its backward pass, or replays what it did. Strided inputs are made dense first.
    ///
    /// # Panics
    /// As [`Captured::run`].
    #[track_caller]
    pub fn run<O: Into<Vec<Tensor>>>(
        &mut self,
        inputs: &[&Tensor],
        rng: &mut Rng,
        mut step: impl FnMut(&[&Tensor], &mut Rng) -> O,
    ) -> Ran<'_> {
        let step = &mut |inputs: &[&Tensor], rng: &mut Rng| step(inputs, rng).into();
        for (i, x) in inputs.iter().enumerate() {
            assert!(!x.is_tracked(), "capture: input {i} {} is tracked; detach() it", x.shape());
        }
        if inputs.iter().all(|x| x.layout().is_dense()) {
            self.run_dense(inputs, rng, step);
        } else {
            let dense = |x: &&Tensor| Tensor::run(&Kernel::Copy, &[x], &x.spec());
            let inputs: Vec<Tensor> = inputs.iter().map(dense).collect();
            self.run_dense(&inputs.iter().collect::<Vec<_>>(), rng, step);
        }
        let Results { outputs, gradients } = &mut self.results;
        Ran { loss: &outputs[0], outputs, gradients }
    }

    #[track_caller]
    fn run_dense(&mut self, inputs: &[&Tensor], rng: &mut Rng, step: &mut Step<'_>) {
        self.aside = anomaly::is_on().then_some(anomaly::REASON);
        if self.off.is_some() || self.aside.is_some() {
            self.results = Results::default();
            self.results = Results::of(step(inputs, rng));
            return;
        }
        let at = self.find(inputs);
        let known = &mut self.shapes[at];
        (known.used, self.runs) = (self.runs, self.runs + 1);
        // Inside another capture the step is a part of that.
        let inside = recorder::is_inside();
        if let (State::Ready(plan), false) = (&mut known.state, inside) {
            if any_hooked(plan.leaves()) {
                self.aside = Some(HOOKED);
                self.results = Results::of(step(inputs, rng));
                return;
            }
            if plan.run(inputs, rng, &mut self.results) {
                return;
            }
            known.state = State::New;
        }
        // The memory of the last results can serve this run.
        self.results = Results::default();
        let mut eager = |inputs: &[&Tensor], rng: &mut Rng| Results::of(step(inputs, rng));
        if inside || matches!(known.state, State::Eager(_)) {
            self.results = eager(inputs, rng);
            return;
        }
        let (results, recording) = recorder::record(inputs, rng, eager);
        self.results = results;
        match recording {
            // A hook may be removed again.
            Err(reason) if *reason == *HOOKED => (known.state, self.aside) = (State::New, Some(HOOKED)),
            recording => known.state = known.state.next(recording),
        }
    }

    /// The entry of the inputs' shapes, which may be new.
    fn find(&mut self, inputs: &[&Tensor]) -> usize {
        let fits = |known: &Known| {
            known.inputs.len() == inputs.len()
                && known.inputs.iter().zip(inputs).all(|(spec, x)| x.value().is(spec))
        };
        let newest = self.shapes.iter().position(|known| known.used + 1 == self.runs);
        if let Some(at) = newest.filter(|&at| fits(&self.shapes[at])) {
            return at;
        }
        // The plan of other shapes lends its memory, through the pool.
        if let Some(State::Ready(plan)) = newest.map(|at| &mut self.shapes[at].state) {
            plan.release();
        }
        if let Some(at) = self.shapes.iter().position(fits) {
            return at;
        }
        if self.shapes.len() == MOST_SHAPES {
            let oldest = self.shapes.iter().enumerate().min_by_key(|(_, known)| known.used);
            let oldest = oldest.map(|(at, _)| at).expect("there are some");
            self.shapes.swap_remove(oldest);
        }
        let inputs = inputs.iter().map(|x| x.spec()).collect();
        self.shapes.push(Known { inputs, state: State::New, used: self.runs });
        self.shapes.len() - 1
    }
}

impl Recordings {
    /// How the step runs with the shapes of the last run.
    pub fn status(&self) -> Status<'_> {
        if let Some(reason) = self.off.or(self.aside) {
            return Status::Eager(reason);
        }
        let last = self.shapes.iter().find(|known| known.used + 1 == self.runs);
        match last.map(|known| &known.state) {
            None | Some(State::New | State::Recorded(_)) => Status::Recording,
            Some(State::Ready(plan)) => {
                Status::Replaying { calls: plan.calls(), bytes: plan.bytes(), constants: plan.constants() }
            }
            Some(State::Eager(reason)) => Status::Eager(reason),
        }
    }

    /// Why runs with the last run's shapes are not replayed; `None` when they are, or will be after another recording.
    pub fn why_not(&self) -> Option<&str> {
        match self.status() {
            Status::Eager(reason) => Some(reason),
            _ => None,
        }
    }
}

impl Debug for Recordings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recordings").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl State {
    /// After one more recording.
    fn next(&mut self, recording: Result<Recording, Box<str>>) -> State {
        match (std::mem::replace(self, State::New), recording) {
            (_, Err(reason)) => State::Eager(reason),
            (State::Recorded(first), Ok(second)) => match first.difference(&second) {
                Some(what) => State::Eager(what.into()),
                None => State::Ready(Box::new(Plan::new(Program::of(second)))),
            },
            (_, Ok(first)) => State::Recorded(Box::new(first)),
        }
    }
}

impl Results {
    #[track_caller]
    fn of(outputs: Vec<Tensor>) -> Results {
        let detached = outputs.iter().map(Tensor::detach).collect();
        let Some(loss) = outputs.into_iter().next() else {
            panic!("capture: the step returns no tensor; its first is the loss")
        };
        Results { outputs: detached, gradients: loss.backward() }
    }

    /// Calls `f` with each tensor and its number: outputs first, then gradients by leaf.
    fn each(&mut self, mut f: impl FnMut(usize, &mut Tensor)) {
        let mut k = 0;
        let mut next = |x: &mut Tensor| {
            f(k, x);
            k += 1;
        };
        self.outputs.iter_mut().for_each(&mut next);
        for (_, grad) in self.gradients.iter_mut() {
            match grad {
                Grad::Dense(x) => next(x),
                Grad::Rows { index, values } => [index, values].into_iter().for_each(&mut next),
            }
        }
    }

    /// Whether there are as many tensors, for the same leaves, as a program hands out.
    fn fits(&self, outputs: usize, gradients: &[(LeafId, bool)]) -> bool {
        let form = |(id, grad): (LeafId, &Grad)| (id, matches!(grad, Grad::Rows { .. }));
        self.outputs.len() == outputs && self.gradients.iter().map(form).eq(gradients.iter().copied())
    }

    /// As many tensors as a program hands out, with nothing in them.
    fn reset(&mut self, outputs: usize, gradients: &[(LeafId, bool)]) {
        let nothing = || Tensor::zeros([0], DType::F32);
        self.outputs = std::iter::repeat_with(nothing).take(outputs).collect();
        self.gradients = Gradients::default();
        for &(id, rows) in gradients {
            let grad = match rows {
                true => Grad::Rows { index: nothing(), values: nothing() },
                false => Grad::Dense(nothing()),
            };
            self.gradients.set(id, grad);
        }
    }
}

/// A single output is a list of one.
impl From<Tensor> for Vec<Tensor> {
    fn from(x: Tensor) -> Vec<Tensor> {
        vec![x]
    }
}
