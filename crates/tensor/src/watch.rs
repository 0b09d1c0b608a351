//! What wants to hear of every operation on this thread.
//!
//! Nothing does as a rule, and then an operation does nothing for it but test a bit that it reads anyway.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::anomaly::Detection;
use crate::autograd::{self, History};
use crate::tensor::Tensor;

thread_local! {
    static WATCH: RefCell<Watch> =
        const { RefCell::new(Watch { names: None, tracked: None, detection: None }) };
}

/// Who listens on this thread.
#[derive(Clone, Default)]
pub(crate) struct Watch {
    /// The names of the operations, for the record of what was proven.
    names: Option<Rc<RefCell<BTreeSet<&'static str>>>>,
    /// The histories of tracked inputs, by their numbers, for checkpoints.
    tracked: Option<Rc<RefCell<BTreeMap<u64, History>>>>,
    /// The search for NaN.
    pub(crate) detection: Option<Detection>,
}

/// Runs `f`, and says which operations it calls. Those inside of others do not count.
pub(crate) fn names<R>(f: impl FnOnce() -> R) -> (R, BTreeSet<&'static str>) {
    let names = Rc::new(RefCell::new(BTreeSet::new()));
    let listener = names.clone();
    let result = with(|watch| watch.names = Some(listener), f);
    (result, names.take())
}

/// Runs `f`, and says which tracked tensors its operations read.
pub(crate) fn tracked_inputs<R>(f: impl FnOnce() -> R) -> (R, Vec<History>) {
    let tracked = Rc::new(RefCell::new(BTreeMap::new()));
    let listener = tracked.clone();
    let result = with(|watch| watch.tracked = Some(listener), f);
    (result, tracked.take().into_values().collect())
}

/// An operation is about to run.
pub(crate) fn operation(name: &'static str, inputs: &[&Tensor]) {
    WATCH.with_borrow(|watch| {
        if let Some(names) = &watch.names {
            names.borrow_mut().insert(name);
        }
        if let Some(tracked) = &watch.tracked {
            let histories = inputs.iter().filter_map(|x| x.history().cloned());
            tracked.borrow_mut().extend(histories.map(|history| (history.number(), history)));
        }
    });
}

/// The search for NaN, if there is one.
pub(crate) fn detection() -> Option<Detection> {
    WATCH.with_borrow(|watch| watch.detection.clone())
}

/// Runs `f` with a change to who listens.
pub(crate) fn with<R>(change: impl FnOnce(&mut Watch), f: impl FnOnce() -> R) -> R {
    struct Restore(Watch);
    impl Drop for Restore {
        fn drop(&mut self) {
            WATCH.set(std::mem::take(&mut self.0));
        }
    }
    let _restore = Restore(WATCH.with_borrow(Watch::clone));
    WATCH.with_borrow_mut(change);
    autograd::set_watched(true, f)
}
