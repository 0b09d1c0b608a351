//! The walk back through the records: from gradients of outputs to those of leaves, or of any tensors asked for.

use std::sync::Arc;

use super::gradients::add_into;
use super::record::{Back, OutputGrads, Record, State};
use super::{Grad, Gradients, History, LeafId, hooks};
use crate::anomaly;
use crate::dtype::DType;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// What a walk's own operations leave behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Numbers.
    Value,
    /// A graph through the gradients and through what was saved: for higher derivatives.
    Graph,
    /// A graph through the gradients alone: what was saved counts as constant. A derivative is linear in the gradient
    /// that it starts from, so that this graph is a linear map, and a walk back through it applies its transpose.
    Linear,
}

/// The walk: records that have gradients, by number. The highest has no consumer left that was not visited.
pub(super) struct Walk {
    /// In increasing order of the numbers: mostly few, and what arrives is mostly the highest.
    front: Vec<(Arc<Record>, OutputGrads)>,
    take: bool,
    mode: Mode,
    /// Whether there are hooks, or gradients are looked through for NaN.
    heeded: bool,
}

/// Where gradients of leaves go, and which records are of interest beside.
pub(super) trait Sink {
    /// Takes a gradient that arrives at a leaf.
    fn leaf(&mut self, id: LeafId, dx: Grad, shape: &Shape);

    /// Lets the hooks of leaves see their whole gradients.
    fn finish(&mut self);

    /// Looks at a record whose outputs have all their gradients. False ends the walk: nothing below is of interest.
    fn step(&mut self, record: &Arc<Record>, dys: &mut OutputGrads) -> bool;
}

/// The gradients of all leaves.
impl Sink for Gradients {
    fn leaf(&mut self, id: LeafId, dx: Grad, shape: &Shape) {
        self.add(id, dx, shape);
    }

    fn finish(&mut self) {
        for (id, dx) in self.iter_mut() {
            hooks::at_leaf(id, dx, None);
        }
    }

    #[inline]
    fn step(&mut self, _: &Arc<Record>, _: &mut OutputGrads) -> bool {
        true
    }
}

/// The gradients of chosen tensors.
pub(super) struct Aim {
    targets: Vec<History>,
    pub(super) found: Vec<Option<Tensor>>,
    /// The lowest number of a target. What a record was computed from has lower numbers than the record itself, so
    /// that no target can be reached from a record below this one.
    floor: u64,
}

impl Aim {
    pub(super) fn new(targets: Vec<History>) -> Aim {
        let floor = targets.iter().map(History::number).min().unwrap_or(u64::MAX);
        let found = vec![None; targets.len()];
        Aim { targets, found, floor }
    }
}

impl Sink for Aim {
    fn leaf(&mut self, id: LeafId, dx: Grad, shape: &Shape) {
        for (target, found) in self.targets.iter().zip(&mut self.found) {
            if matches!(target, History::Leaf(other) if *other == id) {
                let dx = dx.to_dense(shape);
                *found = Some(match found.take() {
                    Some(old) => add_into(old, dx),
                    None => dx,
                });
            }
        }
    }

    fn finish(&mut self) {
        for (target, found) in self.targets.iter().zip(&mut self.found) {
            if let (History::Leaf(id), Some(dx)) = (target, found) {
                let shape = *dx.shape();
                let mut whole = Grad::Dense(dx.clone());
                hooks::at_leaf(*id, &mut whole, Some(&shape));
                *dx = whole.into_dense(&shape);
            }
        }
    }

    fn step(&mut self, record: &Arc<Record>, dys: &mut OutputGrads) -> bool {
        for (target, found) in self.targets.iter().zip(&mut self.found) {
            if let History::Step(other, output) = target
                && Arc::ptr_eq(other, record)
            {
                found.clone_from(dys.slot(*output as usize));
            }
        }
        record.number > self.floor
    }
}

impl Walk {
    pub(super) fn new(take: bool, mode: Mode) -> Walk {
        Walk { front: Vec::with_capacity(8), take, mode, heeded: hooks::any() || anomaly::is_on() }
    }

    /// A gradient that the walk starts from.
    #[track_caller]
    pub(super) fn start<S: Sink>(&mut self, history: History, dy: Tensor, sink: &mut S) {
        if self.heeded {
            anomaly::check_start(&dy);
        }
        let shape = *dy.shape();
        self.arrive(history, Grad::Dense(dy), &shape, sink);
    }

    /// A gradient arrives at a tensor with this history and shape.
    fn arrive<S: Sink>(&mut self, history: History, dx: Grad, shape: &Shape, sink: &mut S) {
        let (record, output) = match history {
            History::Leaf(id) => return sink.leaf(id, dx, shape),
            History::Step(record, output) => (record, output),
        };
        let dx = dx.into_dense(shape);
        let below = self.front.iter().rposition(|(other, _)| other.number <= record.number);
        let at = match below {
            Some(at) if self.front[at].0.number == record.number => at,
            _ => {
                let at = below.map_or(0, |below| below + 1);
                let dys = OutputGrads::none(record.outputs);
                self.front.insert(at, (record, dys));
                at
            }
        };
        let slot = self.front[at].1.slot(output as usize);
        *slot = Some(match slot.take() {
            Some(old) => add_into(old, dx),
            None => dx,
        });
    }

    #[track_caller]
    pub(super) fn run<S: Sink>(&mut self, sink: &mut S) {
        while let Some((mut record, mut dys)) = self.front.pop() {
            if self.heeded {
                heed(&record, &mut dys);
            }
            if !sink.step(&record, &mut dys) {
                break;
            }
            let mut state = record.state(self.take);
            if self.mode == Mode::Graph {
                state.saved = state.saved.linked(&state.parents, &record);
            }
            let back = match self.heeded {
                false => vjp(&record, &state, dys),
                true => {
                    anomaly::in_derivative(record.op.name(), record.op.site(), || vjp(&record, &state, dys))
                }
            };
            // What was saved goes before the gradients are added up, so that they find memory in the pool.
            state.saved.release();
            let dxs = match back {
                Back::Inputs(dxs) => dxs,
                Back::Again(ys) => {
                    for (y, dy) in ys {
                        let shape = *y.shape();
                        let Some(history) = y.into_history() else { continue };
                        self.arrive(history, Grad::Dense(dy), &shape, sink);
                    }
                    continue;
                }
            };
            for (i, (parent, dx)) in state.parents.drain(..).zip(dxs).enumerate() {
                let (Some(history), Some(dx)) = (parent, dx) else { continue };
                let shape = *state.saved.shape(i);
                self.arrive(history, fit(dx, &shape), &shape, sink);
            }
        }
        if self.heeded {
            sink.finish();
        }
    }
}

#[track_caller]
fn vjp(record: &Record, state: &State, dys: OutputGrads) -> Back {
    let needs = |i: usize| state.parents[i].is_some();
    let inputs = state.parents.len();
    let back = match inputs {
        1 => record.op.vjp(state, dys, &[needs(0)]),
        2 => record.op.vjp(state, dys, &[needs(0), needs(1)]),
        3 => record.op.vjp(state, dys, &[needs(0), needs(1), needs(2)]),
        n => record.op.vjp(state, dys, &(0..n).map(needs).collect::<Vec<_>>()),
    };
    if let Back::Inputs(dxs) = &back {
        let given = dxs.len();
        assert!(given == inputs, "{}: vjp gives {given} gradients for {inputs} inputs", record.op.name());
    }
    back
}

/// Hooks, and a look for NaN, before and after them.
#[cold]
#[track_caller]
fn heed(record: &Arc<Record>, dys: &mut OutputGrads) {
    let check = |dys: &mut OutputGrads, hooked| {
        let dys = dys.as_mut_slice();
        anomaly::check_arrived(record.op.name(), record.op.site(), dys, hooked);
    };
    check(dys, false);
    if hooks::at_step(record, dys.as_mut_slice()) {
        check(dys, true);
    }
}

/// A dense gradient brought to its input's shape: summed over axes that were broadcast, repeated over axes that
/// were reduced.
fn fit(dx: Grad, shape: &Shape) -> Grad {
    match dx {
        Grad::Dense(dx) if dx.shape() == shape => Grad::Dense(dx),
        Grad::Dense(dx) if dx.shape().broadcast(shape) == Some(*shape) => Grad::Dense(dx.broadcast_to(shape)),
        Grad::Dense(dx) if matches!(dx.dtype(), DType::Bf16 | DType::F16) => {
            Grad::Dense(dx.cast(DType::F32).sum_to(shape).cast(dx.dtype()))
        }
        Grad::Dense(dx) => Grad::Dense(dx.sum_to(shape)),
        rows => rows,
    }
}
