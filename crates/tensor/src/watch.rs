//! What wants to hear of every operation on this thread.
//!
//! Nothing does as a rule, and then an operation does nothing for it but test a bit that it reads anyway.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use crate::autograd;
use crate::tensor::Tensor;

thread_local! {
    static WATCH: RefCell<Watch> = const { RefCell::new(Watch { names: None }) };
}

/// Who listens on this thread.
#[derive(Clone, Default)]
struct Watch {
    /// The names of the operations, for the record of what was proven.
    names: Option<Rc<RefCell<BTreeSet<&'static str>>>>,
}

/// Runs `f`, and says which operations it calls. Those inside of others do not count.
pub(crate) fn names<R>(f: impl FnOnce() -> R) -> (R, BTreeSet<&'static str>) {
    let names = Rc::new(RefCell::new(BTreeSet::new()));
    let listener = names.clone();
    let result = with(|watch| watch.names = Some(listener), f);
    (result, names.take())
}

/// An operation is about to run.
pub(crate) fn operation(name: &'static str, _inputs: &[&Tensor]) {
    let watch = WATCH.with_borrow(Watch::clone);
    if let Some(names) = watch.names {
        names.borrow_mut().insert(name);
    }
}

/// Runs `f` with a change to who listens.
fn with<R>(change: impl FnOnce(&mut Watch), f: impl FnOnce() -> R) -> R {
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
