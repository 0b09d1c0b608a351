//! Operations: what computes a tensor from others, and how gradients go back through it.
//!
//! An operation is a small value that implements [`Op`]. [`apply`] checks its inputs by the shape rule, runs it, and
//! records it if an input is tracked. Users' own operations are written in the same way.

pub(crate) mod check;
mod watched;

use std::fmt::{self, Debug, Display};

use crate::autograd::{self, Grad, History, Record};
use crate::backend::Device;
use crate::dtype::DType;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// What an operation's shape rule may know of a tensor: not its numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spec {
    /// The sizes.
    pub shape: Shape,
    /// The element type.
    pub dtype: DType,
    /// The device.
    pub device: Device,
}

impl Spec {
    /// The same type and device with another shape.
    pub fn with_shape(self, shape: impl Into<Shape>) -> Spec {
        Spec { shape: shape.into(), ..self }
    }

    /// The same shape and device with another element type.
    pub fn with_dtype(self, dtype: DType) -> Spec {
        Spec { dtype, ..self }
    }
}

/// Why an operation refuses its inputs: what was given, what is wrong, and what to do.
#[derive(Clone, PartialEq, Eq)]
pub struct OpError(Box<str>);

impl OpError {
    /// An error from a whole message: the operation first, then the shapes, the cause and the likely fix.
    #[cold]
    pub fn new(message: impl Into<String>) -> OpError {
        OpError(message.into().into_boxed_str())
    }
}

impl Display for OpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Debug for OpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OpError {}

/// An operation with one output.
///
/// See `docs/adding.md` for a worked example outside this crate.
pub trait Op: Debug + Send + Sync + 'static {
    /// The method's name, as messages show it.
    fn name(&self) -> &'static str;

    /// The shape rule: what comes out, or why not. The only place where an operation may refuse.
    ///
    /// # Errors
    /// When the inputs' shapes, types or devices do not fit.
    fn infer(&self, inputs: &[Spec]) -> Result<Spec, OpError>;

    /// Computes the output, keeping in `saved` exactly what [`Op::vjp`] reads. Nothing in here is recorded.
    fn forward(&self, inputs: &[&Tensor], out: &Spec, saved: &mut Saved) -> Tensor;

    /// The gradients of the inputs from the gradient `dy` of the output: the vector-Jacobian product.
    ///
    /// One entry an input; `None` where `needs` is false, or where the gradient is zero. Gradients may have the
    /// output's broadcast shape: they are summed down to the input's. Written with tensor operations, it can itself
    /// be differentiated.
    fn vjp(&self, saved: &Saved, dy: Tensor, needs: &[bool]) -> Vec<Option<Grad>>;

    /// What to do instead, for an operation that has no derivative; `None` for one that has.
    fn no_derivative(&self) -> Option<&'static str> {
        None
    }
}

/// An operation with several outputs.
pub trait MultiOp: Debug + Send + Sync + 'static {
    /// The method's name, as messages show it.
    fn name(&self) -> &'static str;

    /// The shape rule, for every output.
    ///
    /// # Errors
    /// When the inputs' shapes, types or devices do not fit.
    fn infer(&self, inputs: &[Spec]) -> Result<Vec<Spec>, OpError>;

    /// Computes the outputs, keeping in `saved` exactly what [`MultiOp::vjp`] reads.
    fn forward(&self, inputs: &[&Tensor], out: &[Spec], saved: &mut Saved) -> Vec<Tensor>;

    /// The gradients of the inputs from those of the outputs; an output that took no part has `None`.
    fn vjp(&self, saved: &Saved, dys: Vec<Option<Tensor>>, needs: &[bool]) -> Vec<Option<Grad>>;
}

/// What a recorded operation keeps for its backward pass.
#[derive(Clone, Debug, Default)]
pub struct Saved {
    recording: bool,
    shapes: Vec<Shape>,
    kept: Vec<(Role, Tensor)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    Input(usize),
    Output(usize),
    Other,
}

impl Saved {
    fn new(recording: bool, inputs: &[&Tensor]) -> Saved {
        let shapes = if recording { inputs.iter().map(|x| *x.shape()).collect() } else { Vec::new() };
        Saved { recording, shapes, kept: Vec::new() }
    }

    /// All inputs kept.
    pub(crate) fn of_inputs(inputs: &[&Tensor]) -> Saved {
        let mut saved = Saved::new(true, inputs);
        inputs.iter().enumerate().for_each(|(i, x)| saved.keep_input(i, x));
        saved
    }

    /// The number of inputs.
    pub(crate) fn inputs(&self) -> usize {
        self.shapes.len()
    }

    fn push(&mut self, role: Role, x: &Tensor) {
        if self.recording {
            self.kept.push((role, x.detach()));
        }
    }

    /// Keeps input number `i`.
    pub fn keep_input(&mut self, i: usize, x: &Tensor) {
        self.push(Role::Input(i), x);
    }

    /// Keeps the output.
    pub fn keep_output(&mut self, y: &Tensor) {
        self.push(Role::Output(0), y);
    }

    /// Keeps output number `i` of a [`MultiOp`].
    pub fn keep_output_at(&mut self, i: usize, y: &Tensor) {
        self.push(Role::Output(i), y);
    }

    /// Keeps a value that is neither input nor output. A second derivative takes it for a constant.
    pub fn keep(&mut self, x: &Tensor) {
        self.push(Role::Other, x);
    }

    /// The shape of input number `i`: always there, also when its numbers are not kept.
    pub fn shape(&self, i: usize) -> &Shape {
        &self.shapes[i]
    }

    /// Input number `i`, as kept.
    ///
    /// # Panics
    /// When forward did not keep it.
    #[track_caller]
    pub fn input(&self, i: usize) -> &Tensor {
        self.find(Role::Input(i))
    }

    /// The output, as kept.
    ///
    /// # Panics
    /// When forward did not keep it.
    #[track_caller]
    pub fn output(&self) -> &Tensor {
        self.find(Role::Output(0))
    }

    /// Output number `i` of a [`MultiOp`], as kept.
    ///
    /// # Panics
    /// When forward did not keep it.
    #[track_caller]
    pub fn output_at(&self, i: usize) -> &Tensor {
        self.find(Role::Output(i))
    }

    /// The `k`-th value kept by [`Saved::keep`].
    ///
    /// # Panics
    /// When forward kept fewer.
    #[track_caller]
    pub fn value(&self, k: usize) -> &Tensor {
        let mut others = self.kept.iter().filter(|(role, _)| *role == Role::Other);
        match others.nth(k) {
            Some((_, x)) => x,
            None => panic!("saved: forward kept no value number {k}"),
        }
    }

    #[track_caller]
    fn find(&self, wanted: Role) -> &Tensor {
        match self.kept.iter().find(|(role, _)| *role == wanted) {
            Some((_, x)) => x,
            None => panic!("saved: vjp reads {wanted:?}, which forward did not keep"),
        }
    }

    /// Lets go of the kept values; the shapes stay.
    pub(crate) fn release(&mut self) {
        self.kept = Vec::new();
    }

    /// The same values with their histories back, so that operations on them are recorded.
    pub(crate) fn linked(&self, parents: &[Option<History>], record: &std::sync::Arc<Record>) -> Saved {
        let link = |(role, x): &(Role, Tensor)| {
            let history = match *role {
                Role::Input(i) => parents[i].clone(),
                Role::Output(i) => Some(History::Step(record.clone(), i as u32)),
                Role::Other => None,
            };
            (*role, Tensor::from_parts(x.value().clone(), history))
        };
        Saved { recording: true, shapes: self.shapes.clone(), kept: self.kept.iter().map(link).collect() }
    }
}

/// Runs an operation.
///
/// # Panics
/// When the shape rule refuses the inputs, with its message and the caller's place.
#[track_caller]
pub fn apply<O: Op>(op: O, inputs: &[&Tensor]) -> Tensor {
    match try_apply(op, inputs) {
        Ok(y) => y,
        Err(error) => panic!("{error}"),
    }
}

/// Runs an operation: the one fallible door, for programs that try shapes they cannot know.
///
/// # Errors
/// What the shape rule says, or that a tracked input meets an operation without a derivative.
#[track_caller]
pub fn try_apply<O: Op>(op: O, inputs: &[&Tensor]) -> Result<Tensor, OpError> {
    let out = with_specs(inputs, |specs| op.infer(specs))?;
    let recording = out.dtype.is_real() && wants_record(inputs);
    if recording && let Some(remedy) = op.no_derivative() {
        return Err(refuse_untraceable(op.name(), inputs, remedy));
    }
    let mut saved = Saved::new(recording, inputs);
    if autograd::is_watched() {
        return Ok(watched::single(op, inputs, &out, saved));
    }
    if !recording && out.dtype.is_real() {
        return Ok(op.forward(inputs, &out, &mut saved));
    }
    let y = autograd::no_grad(|| op.forward(inputs, &out, &mut saved));
    debug_assert_eq!(*y.shape(), out.shape, "{}: forward and shape rule disagree", op.name());
    if !recording {
        return Ok(y); // Whole numbers, of inputs that may be tracked.
    }
    Ok(y.with_history(Record::of(op, inputs, saved), 0))
}

/// Runs an operation with several outputs.
///
/// # Panics
/// When the shape rule refuses the inputs.
#[track_caller]
pub fn apply_multi<O: MultiOp>(op: O, inputs: &[&Tensor]) -> Vec<Tensor> {
    let outs = match with_specs(inputs, |specs| op.infer(specs)) {
        Ok(outs) => outs,
        Err(error) => panic!("{error}"),
    };
    let recording = wants_record(inputs);
    let mut saved = Saved::new(recording, inputs);
    if autograd::is_watched() {
        return watched::several(op, inputs, &outs, saved);
    }
    let ys = autograd::no_grad(|| op.forward(inputs, &outs, &mut saved));
    if !recording {
        return ys;
    }
    link(ys, &Record::of_multi(op, inputs, saved, outs.len()))
}

/// The outputs of a record; whole numbers among them carry no gradient.
fn link(ys: Vec<Tensor>, record: &std::sync::Arc<Record>) -> Vec<Tensor> {
    let link = |(i, y): (usize, Tensor)| {
        if y.dtype().is_real() { y.with_history(record.clone(), i as u32) } else { y }
    };
    ys.into_iter().enumerate().map(link).collect()
}

fn wants_record(inputs: &[&Tensor]) -> bool {
    inputs.iter().any(|x| x.is_tracked()) && autograd::is_recording()
}

/// Calls `f` with the inputs' specs, without an allocation for the usual numbers of inputs.
fn with_specs<R>(inputs: &[&Tensor], f: impl FnOnce(&[Spec]) -> R) -> R {
    match inputs {
        [a] => f(&[a.spec()]),
        [a, b] => f(&[a.spec(), b.spec()]),
        [a, b, c] => f(&[a.spec(), b.spec(), c.spec()]),
        _ => f(&inputs.iter().map(|x| x.spec()).collect::<Vec<_>>()),
    }
}

#[cold]
fn refuse_untraceable(name: &str, inputs: &[&Tensor], remedy: &str) -> OpError {
    let (i, x) = inputs.iter().enumerate().find(|(_, x)| x.is_tracked()).expect("a tracked input");
    OpError::new(format!("{name}: has no derivative, but input {i} {} needs a gradient; {remedy}", x.shape()))
}
