//! The record of operations: who made a tensor, from what, and what was kept for the way back.

use std::fmt::{self, Debug};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::anomaly::Site;
use crate::autograd::Grad;
use crate::autograd::hooks::Hook;
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
    pub(crate) fn number(&self) -> u64 {
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
pub(crate) struct State {
    /// The inputs' histories; their numbers only where `saved` keeps them.
    pub(super) parents: Vec<Option<History>>,
    pub(super) saved: Saved,
    /// What listens to the gradients of the outputs.
    pub(super) hooks: Vec<Hook>,
}

/// What the walk needs of an operation, whatever its number of outputs.
pub(crate) trait Backward: Debug + Send + Sync {
    fn name(&self) -> &'static str;
    fn vjp(&self, state: &State, dys: OutputGrads, needs: &[bool]) -> Back;

    /// Where the operation was called, if that was to be remembered.
    fn site(&self) -> Option<&Arc<Site>> {
        None
    }
}

/// How the walk goes on from an operation.
pub(crate) enum Back {
    /// With the gradients of its inputs.
    Inputs(Vec<Option<Grad>>),
    /// Through the outputs computed again, with their graph: each with its gradient.
    Again(Vec<(Tensor, Tensor)>),
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

    pub(super) fn as_mut_slice(&mut self) -> &mut [Option<Tensor>] {
        match self {
            OutputGrads::One(dy) => std::slice::from_mut(dy),
            OutputGrads::Several(dys) => dys,
        }
    }

    pub(super) fn into_vec(self) -> Vec<Option<Tensor>> {
        match self {
            OutputGrads::One(dy) => vec![dy],
            OutputGrads::Several(dys) => dys,
        }
    }
}

#[derive(Debug)]
struct Single<O>(O);

impl<O: Op> Backward for Single<O> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn vjp(&self, state: &State, mut dys: OutputGrads, needs: &[bool]) -> Back {
        let dy = dys.slot(0).take().expect("a record is visited because its output has a gradient");
        Back::Inputs(self.0.vjp(&state.saved, dy, needs))
    }
}

#[derive(Debug)]
struct Multi<O>(O);

impl<O: MultiOp> Backward for Multi<O> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn vjp(&self, state: &State, dys: OutputGrads, needs: &[bool]) -> Back {
        Back::Inputs(self.0.vjp(&state.saved, dys.into_vec(), needs))
    }
}

/// An operation that remembers where it was called.
#[derive(Debug)]
struct Sited<B>(B, Arc<Site>);

impl<B: Backward> Backward for Sited<B> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn vjp(&self, state: &State, dys: OutputGrads, needs: &[bool]) -> Back {
        self.0.vjp(state, dys, needs)
    }

    fn site(&self) -> Option<&Arc<Site>> {
        Some(&self.1)
    }
}

impl Record {
    pub(crate) fn of<O: Op>(op: O, inputs: &[&Tensor], saved: Saved) -> Arc<Record> {
        Record::new(Single(op), 1, State::new(inputs, saved))
    }

    pub(crate) fn of_multi<O: MultiOp>(
        op: O,
        inputs: &[&Tensor],
        saved: Saved,
        outputs: usize,
    ) -> Arc<Record> {
        Record::new(Multi(op), outputs, State::new(inputs, saved))
    }

    /// The same as [`Record::of`], with the place of the call.
    pub(crate) fn of_at<O: Op>(op: O, inputs: &[&Tensor], saved: Saved, site: Arc<Site>) -> Arc<Record> {
        Record::new(Sited(Single(op), site), 1, State::new(inputs, saved))
    }

    /// The same as [`Record::of_multi`], with the place of the call.
    pub(crate) fn of_multi_at<O: MultiOp>(
        op: O,
        inputs: &[&Tensor],
        saved: Saved,
        outputs: usize,
        site: Arc<Site>,
    ) -> Arc<Record> {
        Record::new(Sited(Multi(op), site), outputs, State::new(inputs, saved))
    }

    pub(super) fn new<B: Backward + 'static>(backward: B, outputs: usize, state: State) -> Arc<Record> {
        Arc::new(Record { number: next_number(), outputs, state: Mutex::new(Some(state)), op: backward })
    }

    /// Changes the hooks; nothing when a walk has taken the state.
    pub(super) fn change_hooks(&self, f: impl FnOnce(&mut Vec<Hook>)) {
        let mut guard = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = guard.as_mut() {
            f(&mut state.hooks);
        }
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
        let parents = inputs.iter().map(|x| x.history().cloned()).collect();
        State { parents, saved, hooks: Vec::new() }
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
