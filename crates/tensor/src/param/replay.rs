//! Buffers of a computation that is run twice: the second run reads them as the first did, and leaves them as they are.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Held;
use crate::tensor::Tensor;

thread_local! {
    static ON: Cell<bool> = const { Cell::new(false) };
    /// The runs that this thread is inside of, outermost first.
    static RUNS: RefCell<Vec<Run>> = const { RefCell::new(Vec::new()) };
}

/// Buffers by the address of their place, which the entry keeps alive.
type Numbers = HashMap<usize, (Arc<Held>, Tensor)>;

enum Run {
    /// A first run: what each buffer held when it was first touched.
    First(Numbers),
    /// A second run: what each buffer holds as far as this run knows.
    Again(Numbers),
}

/// What buffers held when a computation began.
pub(crate) struct BufferLog(Mutex<Numbers>);

impl BufferLog {
    /// Runs `f`, and notes the buffers that it reads or changes.
    pub(crate) fn record<R>(f: impl FnOnce() -> R) -> (BufferLog, R) {
        let (run, result) = inside(Run::First(HashMap::new()), f);
        let (Run::First(numbers) | Run::Again(numbers)) = run;
        (BufferLog(Mutex::new(numbers)), result)
    }

    /// Runs `f` with the buffers as they were; what it changes is forgotten.
    pub(crate) fn replay<R>(&self, f: impl FnOnce() -> R) -> R {
        let numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        inside(Run::Again(numbers), f).1
    }
}

/// Whether buffers need a second look on this thread.
#[inline]
pub(super) fn is_on() -> bool {
    ON.get()
}

/// What a buffer holds in the second run that this thread is inside of, if it is inside of one that knows it.
pub(super) fn held(held: &Arc<Held>) -> Option<Tensor> {
    RUNS.with_borrow(|runs| {
        let again = runs.iter().rev().find_map(|run| match run {
            Run::Again(numbers) => Some(numbers),
            Run::First(_) => None,
        });
        again.and_then(|numbers| numbers.get(&address(held)).map(|(_, x)| x.clone()))
    })
}

/// A buffer is about to be read or changed, and holds `x`.
pub(super) fn touch(held: &Arc<Held>, x: &Tensor) {
    RUNS.with_borrow_mut(|runs| {
        for run in runs.iter_mut().rev() {
            // What a second run does, the first runs around it did already.
            let Run::First(numbers) = run else { return };
            numbers.entry(address(held)).or_insert_with(|| (held.clone(), x.clone()));
        }
    });
}

/// A buffer gets `x` for as long as the second run lasts; false outside of one.
pub(super) fn change(held: &Arc<Held>, x: &Tensor) -> bool {
    RUNS.with_borrow_mut(|runs| {
        for run in runs.iter_mut().rev() {
            if let Run::Again(numbers) = run {
                numbers.insert(address(held), (held.clone(), x.clone()));
                return true;
            }
        }
        false
    })
}

fn address(held: &Arc<Held>) -> usize {
    Arc::as_ptr(held) as usize
}

/// Runs `f` inside of a run, also when it panics.
fn inside<R>(run: Run, f: impl FnOnce() -> R) -> (Run, R) {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            RUNS.with_borrow_mut(|runs| {
                runs.pop();
                ON.set(!runs.is_empty());
            });
        }
    }
    RUNS.with_borrow_mut(|runs| runs.push(run));
    ON.set(true);
    let leave = Leave;
    let result = f();
    let empty = Run::First(HashMap::new());
    let run = RUNS.with_borrow_mut(|runs| std::mem::replace(runs.last_mut().expect("this run"), empty));
    drop(leave);
    (run, result)
}
