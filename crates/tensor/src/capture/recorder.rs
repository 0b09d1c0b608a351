//! The record of one step: every kernel that runs on this thread, with the values that it reads and makes.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::autograd::{Grad, LeafId};
use crate::backend::{Device, Kernel};
use crate::capture::Results;
use crate::dtype::DType;
use crate::layout::Layout;
use crate::op::Spec;
use crate::param::Held;
use crate::random::Rng;
use crate::tensor::Tensor;
use crate::value::Value;

/// The identity of a value made by a recorded step. Addresses would not do, because the pool uses them again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    /// Which recording; 0 for none.
    recording: u32,
    number: u32,
}

impl Mark {
    /// The mark of the `i`-th output of a kernel from that of its first.
    pub(crate) fn plus(self, i: usize) -> Mark {
        Mark { number: self.number + i as u32, ..self }
    }
}

/// A step as data, in static single assignment: each value is made once.
pub(super) struct Recording {
    pub(super) calls: Vec<Call>,
    /// The values made, by number.
    pub(super) made: Vec<Spec>,
    /// What was read but not made.
    pub(super) sources: Vec<Source>,
    pub(super) outputs: Vec<Operand>,
    pub(super) gradients: Vec<(LeafId, RecordedGrad)>,
    /// What the step leaves in buffers.
    pub(super) writes: Vec<(Arc<Held>, Operand)>,
    /// How far the step moves the generator.
    pub(super) advance: u64,
}

/// One kernel call. Random kernels hold their place relative to the generator's at the start.
pub(super) struct Call {
    pub(super) kernel: Kernel,
    pub(super) inputs: Vec<Operand>,
    /// Numbers of the values that it makes.
    pub(super) outputs: std::ops::Range<u32>,
}

/// A value as it is read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Operand {
    pub(super) of: Of,
    pub(super) layout: Layout,
    pub(super) dtype: DType,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Of {
    Made(u32),
    Source(u32),
}

/// A value that the step did not make.
#[derive(Clone)]
pub(super) enum Source {
    /// A declared input: which, and where it is.
    Input(usize, Device),
    /// A parameter or buffer, which is read anew at each run.
    Held { held: Arc<Held>, trained: bool, spec: Spec },
    /// A tensor from before the step.
    Constant(Value),
    /// Made in the step without a kernel, from nothing but its shape.
    Fixed(Value),
}

pub(super) enum RecordedGrad {
    Dense(Operand),
    Rows { index: Operand, values: Operand },
}

thread_local! {
    static ON: Cell<bool> = const { Cell::new(false) };
    static RECORDER: RefCell<Option<Recorder>> = const { RefCell::new(None) };
}

struct Recorder {
    mark: u32,
    start: Rng,
    recording: Recording,
    /// Sources by the address of their memory, which is kept alive so that no other can get it.
    known: HashMap<usize, (u32, Value)>,
    refused: Option<Box<str>>,
}

/// Whether a step is being recorded on this thread.
#[inline]
pub(crate) fn is_on() -> bool {
    ON.get()
}

/// Whether this thread is inside a recorded step, also one that was refused.
pub(super) fn is_inside() -> bool {
    RECORDER.with_borrow(Option::is_some)
}

/// Gives the step up: it cannot be replayed.
#[cold]
pub(crate) fn refuse(reason: impl Into<Box<str>>) {
    with(|recorder| recorder.refused = Some(reason.into()));
    ON.set(false);
}

/// Records a kernel call; returns the mark of its first output.
#[cold]
pub(crate) fn log(kernel: &Kernel, inputs: &[&Value], outputs: &[Spec]) -> Mark {
    let mut foreign = false;
    let mark = with(|recorder| {
        let inputs = inputs.iter().map(|value| recorder.operand(value)).collect();
        let mut kernel = kernel.clone();
        if let Some(place) = kernel.random_place() {
            let start = &recorder.start;
            let ours = (*place.seed, *place.stream) == (start.seed, start.stream);
            foreign = !ours || *place.offset < start.offset;
            (*place.seed, *place.stream) = (0, 0);
            *place.offset = place.offset.wrapping_sub(start.offset);
        }
        let first = recorder.recording.made.len() as u32;
        recorder.recording.made.extend_from_slice(outputs);
        recorder.recording.calls.push(Call { kernel, inputs, outputs: first..first + outputs.len() as u32 });
        Mark { recording: recorder.mark, number: first }
    });
    if foreign {
        refuse("it draws random numbers from another generator; draw from the one that it is given");
    }
    mark.unwrap_or_default()
}

/// A parameter's or buffer's numbers are about to be read.
#[cold]
pub(crate) fn read(held: &Arc<Held>, value: &mut Value) {
    with(|recorder| {
        if recorder.made(value).is_some() {
            return; // A buffer that the step has written.
        }
        if let Some((source, _)) = recorder.known.get(&value.address())
            && let Source::Held { held: known, .. } = &recorder.recording.sources[*source as usize]
            && Arc::ptr_eq(known, held)
        {
            return;
        }
        // Memory that others see too may be known under another name, now or later. At the next run the two need not
        // be the same any more, so that they must be told apart.
        if !value.is_unique() {
            *value = copied(value);
        }
        let (trained, spec) = (held.is_trainable(), value.spec());
        recorder.know(value, Source::Held { held: held.clone(), trained, spec });
    });
}

/// A buffer has got a new value.
#[cold]
pub(crate) fn write(held: &Arc<Held>, value: &Value) {
    with(|recorder| {
        let operand = recorder.operand(value);
        let writes = &mut recorder.recording.writes;
        writes.retain(|(other, _)| !Arc::ptr_eq(other, held));
        writes.push((held.clone(), operand));
    });
}

/// The program looks at numbers.
#[cold]
pub(crate) fn looked(method: &str, value: &Value) {
    let changes = with(|recorder| {
        let known = recorder.known.get(&value.address()).map(|(source, _)| *source as usize);
        let source = known.map(|source| &recorder.recording.sources[source]);
        recorder.made(value).is_some() || matches!(source, Some(Source::Input(..) | Source::Held { .. }))
    });
    if changes == Some(true) {
        refuse(format!(
            "{method}() reads numbers {} that change from run to run, so that the program may depend on them; return \
             the tensor and read it after the run",
            value.shape()
        ));
    }
}

/// The program makes a tensor from numbers of its own.
#[inline]
pub(crate) fn uploaded(method: &str) {
    if is_on() {
        refuse(format!(
            "{method}() brings in numbers that may change from run to run; declare the tensor as an input, or make it \
             before"
        ));
    }
}

/// The program draws a random number for itself.
#[inline]
pub(crate) fn drawn() {
    if is_on() {
        refuse("the program draws a random number for itself; draw before the run");
    }
}

/// A tensor was made whose numbers follow from its shape.
#[inline]
pub(crate) fn always_the_same(value: &Value) {
    if is_on() {
        with(|recorder| recorder.know(value, Source::Fixed(value.clone())));
    }
}

impl Source {
    /// Where the source is.
    pub(super) fn device(&self) -> Device {
        match self {
            Source::Input(_, device) => *device,
            Source::Held { spec, .. } => spec.device,
            Source::Constant(value) | Source::Fixed(value) => value.device(),
        }
    }
}

/// A copy with memory of its own.
pub(super) fn copied(value: &Value) -> Value {
    let on = ON.replace(false);
    let copy = Value::run(&Kernel::Copy, &[value], *value.shape(), value.dtype(), value.device());
    ON.set(on);
    copy
}

/// Runs a step and records it.
///
/// Returns why not, if it cannot be replayed; what it computes is right all the same.
pub(super) fn record(
    inputs: &[&Tensor],
    rng: &mut Rng,
    step: impl FnOnce(&[&Tensor], &mut Rng) -> Results,
) -> (Results, Result<Recording, Box<str>>) {
    // Copies have names of their own: an input may share its memory with another, or with a parameter.
    let inputs: Vec<Tensor> = inputs.iter().map(|x| Tensor::from_parts(copied(x.value()), None)).collect();
    let mut recorder = Recorder::new(rng.clone());
    for (i, x) in inputs.iter().enumerate() {
        recorder.know(x.value(), Source::Input(i, x.device()));
    }
    let guard = Inside::new(recorder);
    let results = step(&inputs.iter().collect::<Vec<_>>(), rng);
    let recorder = guard.leave();
    let recording = recorder.finish(&results, rng);
    (results, recording)
}

/// Ends the recording, also when the step panics.
struct Inside;

impl Inside {
    fn new(recorder: Recorder) -> Inside {
        RECORDER.set(Some(recorder));
        ON.set(true);
        Inside
    }

    fn leave(self) -> Recorder {
        RECORDER.take().expect("the recorder stays until it is taken here")
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        ON.set(false);
        RECORDER.set(None);
    }
}

fn with<R>(f: impl FnOnce(&mut Recorder) -> R) -> Option<R> {
    RECORDER.with_borrow_mut(|recorder| recorder.as_mut().map(f))
}

impl Recorder {
    fn new(start: Rng) -> Recorder {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let recording = Recording {
            calls: Vec::new(),
            made: Vec::new(),
            sources: Vec::new(),
            outputs: Vec::new(),
            gradients: Vec::new(),
            writes: Vec::new(),
            advance: 0,
        };
        let mark = NEXT.fetch_add(1, Ordering::Relaxed);
        Recorder { mark, start, recording, known: HashMap::new(), refused: None }
    }

    /// The number of a value that this step made.
    fn made(&self, value: &Value) -> Option<u32> {
        let Mark { recording, number } = value.mark();
        (recording == self.mark).then_some(number)
    }

    fn know(&mut self, value: &Value, source: Source) -> u32 {
        let number = self.recording.sources.len() as u32;
        self.recording.sources.push(source);
        self.known.insert(value.address(), (number, value.clone()));
        number
    }

    fn operand(&mut self, value: &Value) -> Operand {
        let of = match (self.made(value), self.known.get(&value.address())) {
            (Some(number), _) => Of::Made(number),
            (None, Some((source, _))) => Of::Source(*source),
            (None, None) => Of::Source(self.know(value, Source::Constant(value.clone()))),
        };
        Operand { of, layout: value.layout().clone(), dtype: value.dtype() }
    }

    fn finish(mut self, results: &Results, rng: &Rng) -> Result<Recording, Box<str>> {
        if let Some(reason) = self.refused {
            return Err(reason);
        }
        if (rng.seed, rng.stream) != (self.start.seed, self.start.stream) {
            return Err("it puts another generator in the place of the one that it is given".into());
        }
        self.recording.advance = rng.offset.wrapping_sub(self.start.offset);
        self.recording.outputs = results.outputs.iter().map(|x| self.operand(x.value())).collect();
        for (id, grad) in results.gradients.iter() {
            let grad = match grad {
                Grad::Dense(x) => RecordedGrad::Dense(self.operand(x.value())),
                Grad::Rows { index, values } => RecordedGrad::Rows {
                    index: self.operand(index.value()),
                    values: self.operand(values.value()),
                },
            };
            self.recording.gradients.push((id, grad));
        }
        Ok(self.recording)
    }
}
