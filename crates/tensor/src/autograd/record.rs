//! The record of operations: who made a tensor, from what, and what was kept for the way back.

use std::fmt::{self, Debug};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::autograd::Grad;
use crate::op::{MultiOp, Op, Saved};
use crate::tensor::Tensor;

/// The identity of a leaf of the graph: a parameter, or a tensor made by [`Tensor::requires_grad`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeafId(u64);

/// Numbers for records and leaves. One counter for all threads: an operation always gets a higher number than the
/// operations that made its inputs.
fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl LeafId {
    pub(crate) fn new() -> LeafId {
        LeafId(next_number())
    }
}

/// Where a tensor came from.
#[derive(Clone)]
pub(crate) enum History {
    Leaf(LeafId),
    /// Output number `.1` of a recorded operation.
    Step(Arc<Record>, u32),
}

impl History {
    /// Higher than the numbers of all that it was computed from.
    pub(super) fn number(&self) -> u64 {
        match self {
            History::Leaf(id) => id.0,
            History::Step(record, _) => record.number,
        }
    }
}

impl Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            History::Leaf(id) => write!(f, "leaf {}", id.0),
            History::Step(record, _) => write!(f, "{}", record.op.name()),
        }
    }
}

/// A recorded operation. The operation lies inside the record: `Arc<Record<MatMul>>` unsizes to `Arc<Record>`.
pub(crate) struct Record<O: ?Sized = dyn Backward> {
    pub(super) number: u64,
    pub(super) outputs: usize,
    state: Mutex<Option<State>>,
    pub(super) op: O,
}

#[derive(Clone)]
pub(super) struct State {
    /// The inputs' histories; their numbers only where `saved` keeps them.
    pub(super) parents: Vec<Option<History>>,
    pub(super) saved: Saved,
}

/// What the walk needs of an operation, whatever its number of outputs.
pub(crate) trait Backward: Debug + Send + Sync {
    fn name(&self) -> &'static str;
    fn vjp(&self, saved: &Saved, dys: OutputGrads, needs: &[bool]) -> Vec<Option<Grad>>;
}

/// The gradients of an operation's outputs, as far as they have arrived. Most operations have one output.
pub(crate) enum OutputGrads {
    One(Option<Tensor>),
    Several(Vec<Option<Tensor>>),
}

impl OutputGrads {
    pub(super) fn none(outputs: usize) -> OutputGrads {
        if outputs == 1 { OutputGrads::One(None) } else { OutputGrads::Several(vec![None; outputs]) }
    }

    pub(super) fn slot(&mut self, output: usize) -> &mut Option<Tensor> {
        match self {
            OutputGrads::One(dy) => dy,
            OutputGrads::Several(dys) => &mut dys[output],
        }
    }
}

#[derive(Debug)]
struct Single<O>(O);

impl<O: Op> Backward for Single<O> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn vjp(&self, saved: &Saved, mut dys: OutputGrads, needs: &[bool]) -> Vec<Option<Grad>> {
        let dy = dys.slot(0).take().expect("a record is visited because its output has a gradient");
        self.0.vjp(saved, dy, needs)
    }
}

#[derive(Debug)]
struct Multi<O>(O);

impl<O: MultiOp> Backward for Multi<O> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn vjp(&self, saved: &Saved, dys: OutputGrads, needs: &[bool]) -> Vec<Option<Grad>> {
        let dys = match dys {
            OutputGrads::One(dy) => vec![dy],
            OutputGrads::Several(dys) => dys,
        };
        self.0.vjp(saved, dys, needs)
    }
}

impl Record {
    pub(crate) fn of<O: Op>(op: O, inputs: &[&Tensor], saved: Saved) -> Arc<Record> {
        let state = Mutex::new(Some(State::new(inputs, saved)));
        Arc::new(Record { number: next_number(), outputs: 1, state, op: Single(op) })
    }

    pub(crate) fn of_multi<O: MultiOp>(
        op: O,
        inputs: &[&Tensor],
        saved: Saved,
        outputs: usize,
    ) -> Arc<Record> {
        let state = Mutex::new(Some(State::new(inputs, saved)));
        Arc::new(Record { number: next_number(), outputs, state, op: Multi(op) })
    }

    /// The histories of the inputs; none when a walk has taken them.
    pub(super) fn parents(&self) -> Vec<History> {
        let guard = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        guard.as_ref().map_or(Vec::new(), |state| state.parents.iter().flatten().cloned().collect())
    }

    /// Takes the state for good, or copies it.
    #[track_caller]
    pub(super) fn state(self: &mut Arc<Self>, take: bool) -> State {
        let state = match Arc::get_mut(self) {
            Some(record) if take => record.state.get_mut().unwrap_or_else(PoisonError::into_inner).take(),
            _ => {
                let mut guard = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                if take { guard.take() } else { guard.clone() }
            }
        };
        state.unwrap_or_else(|| {
            panic!(
                "{}: this part of the graph was already used by a backward(), which frees it; compute the loss \
                 again, or take several gradients of one graph with talweg::grad",
                self.op.name()
            )
        })
    }
}

impl State {
    fn new(inputs: &[&Tensor], saved: Saved) -> State {
        State { parents: inputs.iter().map(|x| x.history().cloned()).collect(), saved }
    }
}

/// Frees a graph of any depth without recursion: the records that only this one holds are taken apart in a loop.
impl Drop for State {
    fn drop(&mut self) {
        let mut stack: Vec<Arc<Record>> = Vec::new();
        let collect = |parents: &mut Vec<Option<History>>, stack: &mut Vec<Arc<Record>>| {
            for parent in parents.drain(..) {
                if let Some(History::Step(record, _)) = parent {
                    stack.push(record);
                }
            }
        };
        collect(&mut self.parents, &mut stack);
        while let Some(mut record) = stack.pop() {
            if let Some(record) = Arc::get_mut(&mut record)
                && let Some(state) = record.state.get_mut().unwrap_or_else(PoisonError::into_inner)
            {
                collect(&mut state.parents, &mut stack);
            }
        }
    }
}
