//! Hooks: functions that see a gradient on its way, and may put another in its place.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::record::Record;
use super::{Grad, History, LeafId, is_recording};
use crate::capture;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// Why a step with hooks is not replayed.
pub(crate) const REASON: &str =
    "a gradient hook runs in it, which a replay would not call; remove the hook to have the step replayed";

/// How many hooks there are, of all tensors: a walk asks only this when there are none.
static ALIVE: AtomicUsize = AtomicUsize::new(0);

/// The hooks of leaves. Those of other tensors are in their records, and go with them.
static LEAVES: Mutex<BTreeMap<LeafId, Vec<Hook>>> = Mutex::new(BTreeMap::new());

type Function = dyn Fn(&Grad) -> Option<Grad> + Send + Sync;

/// A hook of one output of a record, or of a leaf.
#[derive(Clone)]
pub(crate) struct Hook(Arc<Inner>);

struct Inner {
    id: u64,
    output: u32,
    f: Box<Function>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A registered hook, made by [`Tensor::register_hook`] and [`Param::register_hook`](crate::Param::register_hook).
///
/// The hook is removed when the handle is dropped, unless [`HookHandle::keep`] was called.
#[must_use = "the hook is removed when the handle is dropped; keep the handle, or call keep()"]
pub struct HookHandle {
    at: Place,
    id: u64,
}

enum Place {
    Leaf(LeafId),
    Step(Weak<Record>),
    /// Nothing was recorded, or the hook is kept.
    Nowhere,
}

impl HookHandle {
    /// Removes the hook.
    pub fn remove(self) {}

    /// Leaves the hook in place: for as long as the parameter or the tensor's graph lives; with a leaf made by
    /// [`Tensor::requires_grad`], until the program ends.
    pub fn keep(mut self) {
        self.at = Place::Nowhere;
    }
}

impl Drop for HookHandle {
    fn drop(&mut self) {
        // What a hook captured may hold tensors and parameters of its own: it goes when no lock is held.
        let mut removed: Vec<Hook> = Vec::new();
        let mut remove = |hooks: &mut Vec<Hook>| {
            removed.extend(hooks.extract_if(.., |hook| hook.0.id == self.id));
            hooks.is_empty()
        };
        match &self.at {
            Place::Nowhere => {}
            Place::Step(record) => {
                if let Some(record) = record.upgrade() {
                    record.change_hooks(|hooks| {
                        remove(hooks);
                    });
                }
            }
            Place::Leaf(id) => {
                let mut leaves = leaves();
                if leaves.get_mut(id).is_some_and(remove) {
                    leaves.remove(id);
                }
            }
        }
    }
}

impl Debug for HookHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.at {
            Place::Leaf(_) => "HookHandle(leaf)",
            Place::Step(_) => "HookHandle(result)",
            Place::Nowhere => "HookHandle(none)",
        })
    }
}

fn leaves() -> MutexGuard<'static, BTreeMap<LeafId, Vec<Hook>>> {
    LEAVES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Registers a hook at a leaf.
pub(crate) fn register_leaf(leaf: LeafId, f: Box<Function>) -> HookHandle {
    register(Some(&History::Leaf(leaf)), f)
}

/// Registers a hook at a place of the graph.
fn register(history: Option<&History>, f: Box<Function>) -> HookHandle {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let hook = |output: u32| {
        ALIVE.fetch_add(1, Ordering::Relaxed);
        Hook(Arc::new(Inner { id, output, f }))
    };
    let at = match history {
        None => Place::Nowhere,
        Some(History::Leaf(leaf)) => {
            leaves().entry(*leaf).or_default().push(hook(0));
            Place::Leaf(*leaf)
        }
        Some(History::Step(record, output)) => {
            let hook = hook(*output);
            record.change_hooks(|hooks| hooks.push(hook));
            Place::Step(Arc::downgrade(record))
        }
    };
    HookHandle { at, id }
}

/// Removes the hooks of a parameter that is gone.
pub(crate) fn forget(leaf: LeafId) {
    if any() {
        let removed = leaves().remove(&leaf);
        // Dropped without the lock: what a hook captured may hold parameters of its own.
        drop(removed);
    }
}

/// Whether there are hooks at all.
#[inline]
pub(crate) fn any() -> bool {
    ALIVE.load(Ordering::Relaxed) > 0
}

/// Whether one of these leaves has hooks.
pub(crate) fn any_at(mut of: impl Iterator<Item = LeafId>) -> bool {
    if !any() {
        return false;
    }
    let leaves = leaves();
    of.any(|leaf| leaves.contains_key(&leaf))
}

/// Runs the hooks of a leaf on its whole gradient. A dense gradient knows its shape.
#[track_caller]
pub(super) fn at_leaf(leaf: LeafId, dx: &mut Grad, shape: Option<&Shape>) {
    let hooks = leaves().get(&leaf).cloned();
    for hook in hooks.iter().flatten() {
        hook.run(dx, shape);
    }
}

/// Runs the hooks of a record on the gradients of its outputs; says whether there were any.
#[track_caller]
pub(super) fn at_step(record: &Arc<Record>, dys: &mut [Option<Tensor>]) -> bool {
    let mut hooks = Vec::new();
    record.change_hooks(|list| hooks.clone_from(list));
    for hook in &hooks {
        if let Some(dy) = &mut dys[hook.0.output as usize] {
            let shape = *dy.shape();
            let mut dx = Grad::Dense(dy.clone());
            hook.run(&mut dx, Some(&shape));
            *dy = dx.into_dense(&shape);
        }
    }
    !hooks.is_empty()
}

impl Hook {
    #[track_caller]
    fn run(&self, dx: &mut Grad, shape: Option<&Shape>) {
        if capture::is_on() {
            capture::refuse(REASON);
        }
        if let Some(new) = (self.0.f)(dx) {
            check(dx, &new, shape);
            *dx = new;
        }
    }
}

/// A gradient may be replaced by one for the same tensor.
#[track_caller]
fn check(old: &Grad, new: &Grad, shape: Option<&Shape>) {
    let rows = |values: &Tensor| values.shape().iter().skip(1).collect::<Vec<_>>();
    let (fits, shape) = match (old, new) {
        (Grad::Dense(a), Grad::Dense(b)) => (a.spec() == b.spec(), format!("{} {}", a.dtype(), a.shape())),
        (Grad::Rows { values: a, .. }, Grad::Rows { values: b, .. }) => {
            (rows(a) == rows(b) && a.dtype() == b.dtype(), format!("rows {} {:?}", a.dtype(), rows(a)))
        }
        // How many rows the table has, only the parameter knows; the optimizer compares.
        (Grad::Rows { values: a, .. }, Grad::Dense(b)) => {
            let tail: Vec<usize> = b.shape().iter().skip(1).collect();
            (rows(a) == tail && a.dtype() == b.dtype(), format!("rows {} {:?}", a.dtype(), rows(a)))
        }
        (Grad::Dense(a), Grad::Rows { values: b, .. }) => {
            let tail: Vec<usize> = shape.unwrap_or(a.shape()).iter().skip(1).collect();
            (rows(b) == tail && a.dtype() == b.dtype(), format!("{} {}", a.dtype(), a.shape()))
        }
    };
    let given = match new {
        Grad::Dense(x) => format!("{} {}", x.dtype(), x.shape()),
        Grad::Rows { values, .. } => format!("rows {} {:?}", values.dtype(), rows(values)),
    };
    assert!(
        fits,
        "hook: the gradient {shape} was replaced by {given}; a hook gives a gradient for the same tensor, or None to \
         leave it"
    );
}

impl Tensor {
    /// Calls `f` with each gradient that reaches this tensor, in every walk back; what `f` returns takes its place.
    ///
    /// `f` sees the sum of all that arrives, once a walk: for a leaf at the end of the walk, for other tensors before the
    /// walk goes on to what they were computed from. Several hooks run in the order in which they were registered, and
    /// each sees what the one before has made. The gradient of a leaf may be [`Grad::Rows`]. In a walk with
    /// [`Create::Graph`](crate::Create::Graph) the gradient is tracked, and what `f` computes is differentiated like the
    /// rest. [`grad`](crate::grad) for this very tensor gives what the hooks have made.
    ///
    /// Inside [`no_grad`](crate::no_grad) there is nothing to hear of, and the handle is empty. A step with hooks is
    /// not replayed by [`capture`](crate::capture()).
    ///
    /// # Panics
    /// When the tensor is not tracked. The walk panics when `f` returns a gradient of another shape or element type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Grad, Tensor};
    /// let x = Tensor::from_slice(&[1.0f32, 2.0], [2]).requires_grad();
    /// let y = x.square();
    /// let hook = y.register_hook(|dy| match dy {
    ///     Grad::Dense(dy) => Some((dy * 0.5).into()),
    ///     Grad::Rows { .. } => None,
    /// });
    /// assert_eq!(y.sum(..).backward().wrt(&x).to_vec::<f32>(), [1.0, 2.0]);
    /// hook.remove();
    /// assert_eq!(x.square().sum(..).backward().wrt(&x).to_vec::<f32>(), [2.0, 4.0]);
    /// ```
    #[track_caller]
    pub fn register_hook(&self, f: impl Fn(&Grad) -> Option<Grad> + Send + Sync + 'static) -> HookHandle {
        assert!(
            self.is_tracked() || !is_recording(),
            "register_hook: the tensor {} is not tracked, so that no gradient reaches it; make a leaf of it with \
             requires_grad(), or compute it from a tracked tensor",
            self.shape()
        );
        register(self.history(), Box::new(f))
    }
}

#[cfg(test)]
mod tests;
