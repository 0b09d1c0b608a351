//! Reverse-mode automatic differentiation: the record of operations and the walk back through it.
//!
//! A tracked tensor holds the record of the operation that made it, records hold their inputs' records, and so the
//! tensors own the graph: when the loss goes, the graph goes. [`Tensor::backward`] takes the loss and gives back the
//! gradients; nothing is stored on tensors, so there is nothing to zero and nothing stale.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::backend::Kernel;
use crate::op::{MultiOp, Op, Saved};
use crate::ops::Binary;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The gradient of one input or parameter.
#[derive(Clone, Debug)]
pub enum Grad {
    /// A tensor of the parameter's shape.
    Dense(Tensor),
    /// Only some rows of a table, as from embeddings: row `index[i]` has the gradient `values[i]`. Rows may repeat;
    /// their gradients add up.
    Rows {
        /// Row numbers, an `i64` tensor `[n]`.
        index: Tensor,
        /// Their gradients, `[n, ..]`.
        values: Tensor,
    },
}

impl From<Tensor> for Grad {
    fn from(x: Tensor) -> Grad {
        Grad::Dense(x)
    }
}

impl Grad {
    /// The gradient as a tensor of the given shape.
    pub fn to_dense(&self, shape: &Shape) -> Tensor {
        self.clone().into_dense(shape)
    }

    fn into_dense(self, shape: &Shape) -> Tensor {
        match self {
            Grad::Dense(x) => x,
            Grad::Rows { index, values } => values.scatter_rows(&index, shape.size(0)),
        }
    }

    fn plus(self, other: Grad, shape: &Shape) -> Grad {
        match (self, other) {
            (Grad::Rows { index: i, values: a }, Grad::Rows { index: j, values: b }) => {
                Grad::Rows { index: Tensor::cat(&[&i, &j], 0), values: Tensor::cat(&[&a, &b], 0) }
            }
            (a, b) => Grad::Dense(add_into(a.into_dense(shape), b.into_dense(shape))),
        }
    }
}

/// `a + b`, in the memory of one of them when nobody else sees it.
fn add_into(a: Tensor, b: Tensor) -> Tensor {
    if a.is_tracked() || b.is_tracked() {
        return &a + &b;
    }
    let (mut a, mut b) = (a.into_value(), b.into_value());
    if !a.is_unique() && b.is_unique() {
        std::mem::swap(&mut a, &mut b);
    }
    Tensor::from_parts(a.run_over(&Kernel::Binary(Binary::Add), &[&b]), None)
}

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
    fn same(&self, other: &History) -> bool {
        match (self, other) {
            (History::Leaf(a), History::Leaf(b)) => a == b,
            (History::Step(a, i), History::Step(b, j)) => Arc::ptr_eq(a, b) && i == j,
            _ => false,
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
    number: u64,
    outputs: usize,
    state: Mutex<Option<State>>,
    op: O,
}

#[derive(Clone)]
struct State {
    /// The inputs' histories; their numbers only where `saved` keeps them.
    parents: Vec<Option<History>>,
    saved: Saved,
}

/// What the walk needs of an operation, whatever its number of outputs.
pub(crate) trait Backward: Debug + Send + Sync {
    fn name(&self) -> &'static str;
    fn vjp(&self, saved: &Saved, dys: Vec<Option<Tensor>>, needs: &[bool]) -> Vec<Option<Grad>>;
}

#[derive(Debug)]
struct Single<O>(O);

impl<O: Op> Backward for Single<O> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn vjp(&self, saved: &Saved, mut dys: Vec<Option<Tensor>>, needs: &[bool]) -> Vec<Option<Grad>> {
        let dy = dys.pop().flatten().expect("a record is visited because its output has a gradient");
        self.0.vjp(saved, dy, needs)
    }
}

#[derive(Debug)]
struct Multi<O>(O);

impl<O: MultiOp> Backward for Multi<O> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn vjp(&self, saved: &Saved, dys: Vec<Option<Tensor>>, needs: &[bool]) -> Vec<Option<Grad>> {
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

    /// Takes the state for good, or copies it.
    #[track_caller]
    fn state(self: &mut Arc<Self>, take: bool) -> State {
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

thread_local! {
    static RECORDING: Cell<bool> = const { Cell::new(true) };
}

pub(crate) fn is_recording() -> bool {
    RECORDING.get()
}

/// Runs `f` without recording operations, on this thread: for evaluation and for updates by hand.
///
/// # Examples
/// ```
/// # use talweg_tensor::{Tensor, no_grad};
/// let x = Tensor::from_slice(&[2.0f32], [1]).requires_grad();
/// assert!((&x * &x).is_tracked());
/// assert!(!no_grad(|| &x * &x).is_tracked());
/// ```
pub fn no_grad<R>(f: impl FnOnce() -> R) -> R {
    set_recording(false, f)
}

/// Runs `f` with recording on, also inside [`no_grad`].
pub(crate) fn recording<R>(f: impl FnOnce() -> R) -> R {
    set_recording(true, f)
}

fn set_recording<R>(on: bool, f: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            RECORDING.set(self.0);
        }
    }
    let _restore = Restore(RECORDING.replace(on));
    f()
}

/// Gradients by leaf: what [`Tensor::backward`] returns.
#[derive(Clone, Debug, Default)]
pub struct Gradients(Vec<(LeafId, Grad)>);

/// Something that is a leaf of the graph: a parameter, or a tensor made by [`Tensor::requires_grad`].
pub trait Leaf {
    /// Its identity; `None` for a tensor that is not a leaf.
    fn leaf_id(&self) -> Option<LeafId>;
    /// Its sizes.
    fn leaf_shape(&self) -> Shape;
}

impl Gradients {
    fn position(&self, id: LeafId) -> Result<usize, usize> {
        self.0.binary_search_by_key(&id, |entry| entry.0)
    }

    /// The gradient of a leaf, if it took part in the loss.
    pub fn get(&self, of: &impl Leaf) -> Option<&Grad> {
        self.by_id(of.leaf_id()?)
    }

    /// The gradient of the leaf with this identity.
    pub fn by_id(&self, id: LeafId) -> Option<&Grad> {
        self.position(id).ok().map(|at| &self.0[at].1)
    }

    /// The gradient of a leaf as a tensor of its shape.
    ///
    /// # Panics
    /// When the leaf took no part in the loss.
    #[track_caller]
    pub fn wrt(&self, of: &impl Leaf) -> Tensor {
        match self.get(of) {
            Some(grad) => grad.to_dense(&of.leaf_shape()),
            None => panic!(
                "gradients: nothing for the tensor {}; it took no part in the loss, or is not a leaf \
                 (a parameter, or made by requires_grad())",
                of.leaf_shape()
            ),
        }
    }

    /// Puts a gradient in, in place of the one that was there.
    pub fn set(&mut self, id: LeafId, grad: Grad) {
        match self.position(id) {
            Ok(at) => self.0[at].1 = grad,
            Err(at) => self.0.insert(at, (id, grad)),
        }
    }

    fn add(&mut self, id: LeafId, grad: Grad, shape: &Shape) {
        match self.position(id) {
            Ok(at) => {
                let empty = Grad::Dense(Tensor::scalar(0.0f32));
                let old = std::mem::replace(&mut self.0[at].1, empty);
                self.0[at].1 = old.plus(grad, shape);
            }
            Err(at) => self.0.insert(at, (id, grad)),
        }
    }

    /// All gradients, in the order in which their leaves were made.
    pub fn iter(&self) -> impl Iterator<Item = (LeafId, &Grad)> {
        self.0.iter().map(|(id, grad)| (*id, grad))
    }

    /// All gradients, to be changed in place, as clipping does.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (LeafId, &mut Grad)> {
        self.0.iter_mut().map(|(id, grad)| (*id, grad))
    }

    /// How many leaves have a gradient.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no leaf has one.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Adds another batch's gradients: gradient accumulation.
impl std::ops::AddAssign for Gradients {
    fn add_assign(&mut self, other: Gradients) {
        for (id, grad) in other.0 {
            let shape = match &grad {
                Grad::Dense(x) => *x.shape(),
                // Rows meeting rows stay rows; rows meeting a dense gradient take its shape.
                Grad::Rows { values, .. } => match self.by_id(id) {
                    Some(Grad::Dense(x)) => *x.shape(),
                    _ => *values.shape(),
                },
            };
            self.add(id, grad, &shape);
        }
    }
}

/// Whether gradients are themselves recorded, so that they can be differentiated again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Create {
    /// Numbers only.
    Value,
    /// With their graph, for higher derivatives.
    Graph,
}

/// The gradients of the sum of `ys` with respect to each of `xs`, which may be any tracked tensors.
///
/// Leaves the graph in place, unlike [`Tensor::backward`]. An `x` that took no part gets zeros.
///
/// # Panics
/// When a `y` or `x` is not tracked.
///
/// # Examples
/// ```
/// # use talweg_tensor::{Tensor, Create, grad};
/// let x = Tensor::from_slice(&[3.0f64], [1]).requires_grad();
/// let y = &x * &x * &x;
/// let dy = grad(&[&y], &[&x], Create::Graph).remove(0);
/// let ddy = grad(&[&dy], &[&x], Create::Value).remove(0);
/// assert_eq!((dy.item(), ddy.item()), (27.0, 18.0));
/// ```
#[track_caller]
pub fn grad(ys: &[&Tensor], xs: &[&Tensor], create: Create) -> Vec<Tensor> {
    let dys: Vec<Tensor> = ys.iter().map(|y| y.ones_like()).collect();
    grad_from(ys, &dys.iter().collect::<Vec<_>>(), xs, create)
}

/// The same from given gradients of the `ys`: vector-Jacobian products.
///
/// # Panics
/// When a `y` or `x` is not tracked, or a gradient's shape is not its `y`'s.
#[track_caller]
pub fn grad_from(ys: &[&Tensor], dys: &[&Tensor], xs: &[&Tensor], create: Create) -> Vec<Tensor> {
    assert_eq!(ys.len(), dys.len(), "grad: {} outputs but {} gradients for them", ys.len(), dys.len());
    let targets: Vec<&History> = xs
        .iter()
        .enumerate()
        .map(|(i, x)| {
            x.history().unwrap_or_else(|| {
                panic!("grad: input {i} {} is not tracked; make it by requires_grad()", x.shape())
            })
        })
        .collect();
    let mut found: Vec<Option<Tensor>> = vec![None; xs.len()];
    let mut walk = Walk { front: BTreeMap::new(), take: false, graph: create == Create::Graph };
    let mut collect = |history: &History, dx: &Grad, shape: &Shape| {
        for (target, found) in targets.iter().zip(&mut found) {
            if target.same(history) {
                let dx = dx.to_dense(shape);
                *found = Some(match found.take() {
                    Some(old) => add_into(old, dx),
                    None => dx,
                });
            }
        }
    };
    let start = || {
        for (i, (y, dy)) in ys.iter().zip(dys).enumerate() {
            let Some(history) = y.history() else {
                panic!(
                    "grad: output {i} {} is not tracked: it does not depend on a tracked tensor",
                    y.shape()
                )
            };
            assert_eq!(y.shape(), dy.shape(), "grad: output {i} and its gradient differ in shape");
            walk.arrive(history.clone(), Grad::Dense((*dy).clone()), y.shape(), &mut collect);
        }
        walk.run(&mut collect);
    };
    set_recording(create == Create::Graph, start);
    found.into_iter().zip(xs).map(|(dx, x)| dx.unwrap_or_else(|| x.zeros_like())).collect()
}

impl Tensor {
    /// The gradients of this scalar with respect to every leaf it was computed from.
    ///
    /// Takes the tensor and its graph; saved values are freed during the walk, also when other tensors still point
    /// into the graph.
    ///
    /// # Panics
    /// When the tensor has more than one element, when it is not tracked (nothing it was computed from is a
    /// parameter or made by [`Tensor::requires_grad`]), or when its graph was used before.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let w = Tensor::from_slice(&[1.0f32, -2.0], [2]).requires_grad();
    /// let loss = (&w * &w).sum(..);
    /// let grads = loss.backward();
    /// assert_eq!(grads.wrt(&w).to_vec::<f32>(), [2.0, -4.0]);
    /// ```
    #[track_caller]
    pub fn backward(self) -> Gradients {
        assert!(
            self.shape().numel() == 1,
            "backward: the loss must have one element, got {}; reduce it with .mean(..) or .sum(..), or give its \
             gradient to grad_from",
            self.shape()
        );
        let (dy, shape) = (self.ones_like(), *self.shape());
        let Some(history) = self.into_history() else {
            panic!(
                "backward: the loss is not tracked: it was computed from no parameter and no requires_grad() \
                 tensor, or inside no_grad, or after detach()"
            )
        };
        let mut grads = Gradients::default();
        let mut walk = Walk { front: BTreeMap::new(), take: true, graph: false };
        let mut collect = |history: &History, dx: &Grad, shape: &Shape| {
            if let History::Leaf(id) = history {
                grads.add(*id, dx.clone(), shape);
            }
        };
        no_grad(|| {
            walk.arrive(history, Grad::Dense(dy), &shape, &mut collect);
            walk.run(&mut collect);
        });
        grads
    }
}

/// What hears of every gradient that arrives at a tensor: its history, the gradient, its shape.
type Collect<'a> = dyn FnMut(&History, &Grad, &Shape) + 'a;

/// The walk: records that have gradients, by number. The highest has no consumer left that was not visited.
struct Walk {
    front: BTreeMap<u64, (Arc<Record>, Vec<Option<Tensor>>)>,
    take: bool,
    graph: bool,
}

impl Walk {
    fn arrive(&mut self, history: History, dx: Grad, shape: &Shape, collect: &mut Collect<'_>) {
        collect(&history, &dx, shape);
        let History::Step(record, output) = history else { return };
        let dx = dx.into_dense(shape);
        let (_, dys) = self.front.entry(record.number).or_insert_with(|| {
            let outputs = record.outputs;
            (record, vec![None; outputs])
        });
        let slot = &mut dys[output as usize];
        *slot = Some(match slot.take() {
            Some(old) => add_into(old, dx),
            None => dx,
        });
    }

    #[track_caller]
    fn run(&mut self, collect: &mut Collect<'_>) {
        while let Some((_, (mut record, dys))) = self.front.pop_last() {
            let mut state = record.state(self.take);
            if self.graph {
                state.saved = state.saved.linked(&state.parents, &record);
            }
            let needs: Vec<bool> = state.parents.iter().map(Option::is_some).collect();
            let dxs = record.op.vjp(&state.saved, dys, &needs);
            assert_eq!(
                dxs.len(),
                needs.len(),
                "{}: vjp gives {} gradients for {} inputs",
                record.op.name(),
                dxs.len(),
                needs.len()
            );
            // What was saved goes before the gradients are added up, so that they find memory in the pool.
            state.saved.release();
            for (i, (parent, dx)) in state.parents.drain(..).zip(dxs).enumerate() {
                let (Some(history), Some(dx)) = (parent, dx) else { continue };
                let shape = *state.saved.shape(i);
                self.arrive(history, fit(dx, &shape), &shape, collect);
            }
        }
    }
}

/// A dense gradient brought to its input's shape: summed over axes that were broadcast, repeated over axes that
/// were reduced.
fn fit(dx: Grad, shape: &Shape) -> Grad {
    match dx {
        Grad::Dense(dx) if dx.shape() == shape => Grad::Dense(dx),
        Grad::Dense(dx) if dx.shape().broadcast(shape) == Some(*shape) => Grad::Dense(dx.broadcast_to(shape)),
        Grad::Dense(dx) => Grad::Dense(dx.sum_to(shape)),
        rows => rows,
    }
}

#[cfg(test)]
mod tests;
