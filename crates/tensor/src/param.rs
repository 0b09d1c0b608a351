//! What a model holds between steps: parameters, which optimizers change, and buffers, which layers change.

use std::fmt::{self, Debug};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::autograd::{Leaf, LeafId};
use crate::shape::Shape;
use crate::tensor::Tensor;
use crate::value::Value;

/// A trainable tensor. A clone is the same parameter: two layers that hold clones share a tied weight.
#[derive(Clone)]
pub struct Param(Arc<Cell>);

struct Cell {
    id: LeafId,
    trainable: AtomicBool,
    value: Mutex<Value>,
}

impl Param {
    /// A parameter with these numbers to start from.
    ///
    /// # Panics
    /// When the tensor is not floating-point.
    #[track_caller]
    pub fn new(x: Tensor) -> Param {
        assert!(
            x.dtype().is_float(),
            "param: parameters are floating-point, got {} {}",
            x.dtype(),
            x.shape()
        );
        let value = Mutex::new(x.into_value());
        Param(Arc::new(Cell { id: LeafId::new(), trainable: AtomicBool::new(true), value }))
    }

    /// The value now, tracked unless the parameter is frozen.
    ///
    /// Holding it across an optimizer step makes the step copy the parameter instead of changing it in place.
    pub fn get(&self) -> Tensor {
        let value = self.lock();
        if self.is_trainable() { Tensor::as_leaf(&value, self.0.id) } else { untracked(&value) }
    }

    /// Puts other numbers in.
    ///
    /// # Panics
    /// When shape or element type differ.
    #[track_caller]
    pub fn set(&self, x: &Tensor) {
        let mut value = self.lock();
        assert!(
            value.shape() == x.shape() && value.dtype() == x.dtype(),
            "param: cannot put {} {} into a parameter {} {}",
            x.dtype(),
            x.shape(),
            value.dtype(),
            value.shape()
        );
        *value = x.value().clone();
    }

    /// Changes the numbers, in place if no other handle sees them. The tensor given to `f` is not tracked.
    pub fn update(&self, f: impl FnOnce(&mut Tensor)) {
        let mut value = self.lock();
        // The parameter's own handle is lent to `f`, so that it is the only one.
        let lent = std::mem::replace(&mut *value, Tensor::scalar(0.0f32).into_value());
        let mut x = Tensor::from_parts(lent, None);
        f(&mut x);
        *value = x.into_value();
    }

    /// Stops training this parameter: it gets no gradient, and optimizers leave it alone.
    pub fn freeze(&self) {
        self.0.trainable.store(false, Ordering::Relaxed);
    }

    /// Trains it again.
    pub fn unfreeze(&self) {
        self.0.trainable.store(true, Ordering::Relaxed);
    }

    /// Whether it is trained.
    pub fn is_trainable(&self) -> bool {
        self.0.trainable.load(Ordering::Relaxed)
    }

    /// The identity under which its gradient is found.
    pub fn id(&self) -> LeafId {
        self.0.id
    }

    /// The sizes.
    pub fn shape(&self) -> Shape {
        *self.lock().shape()
    }

    fn lock(&self) -> MutexGuard<'_, Value> {
        self.0.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leaf for Param {
    fn leaf_id(&self) -> Option<LeafId> {
        Some(self.0.id)
    }

    fn leaf_shape(&self) -> Shape {
        self.shape()
    }
}

impl Debug for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Param({})", self.shape())
    }
}

/// A tensor that belongs to a layer's state but is not trained, such as a running mean. A clone is the same buffer.
#[derive(Clone)]
pub struct Buffer(Arc<Mutex<Value>>);

impl Buffer {
    /// A buffer with these numbers to start from.
    pub fn new(x: Tensor) -> Buffer {
        Buffer(Arc::new(Mutex::new(x.into_value())))
    }

    /// The value now, not tracked.
    pub fn get(&self) -> Tensor {
        untracked(&self.lock())
    }

    /// Puts other numbers in.
    ///
    /// # Panics
    /// When shape or element type differ.
    #[track_caller]
    pub fn set(&self, x: &Tensor) {
        let mut value = self.lock();
        assert!(
            value.shape() == x.shape() && value.dtype() == x.dtype(),
            "buffer: cannot put {} {} into a buffer {} {}",
            x.dtype(),
            x.shape(),
            value.dtype(),
            value.shape()
        );
        *value = x.value().clone();
    }

    /// Changes the numbers, in place if no other handle sees them. The tensor given to `f` is not tracked.
    pub fn update(&self, f: impl FnOnce(&mut Tensor)) {
        let mut value = self.lock();
        // The buffer's own handle is lent to `f`, so that it is the only one.
        let lent = std::mem::replace(&mut *value, Tensor::scalar(0.0f32).into_value());
        let mut x = Tensor::from_parts(lent, None);
        f(&mut x);
        *value = x.into_value();
    }

    /// The sizes.
    pub fn shape(&self) -> Shape {
        *self.lock().shape()
    }

    /// Whether two handles are the same buffer.
    pub fn is(&self, other: &Buffer) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn lock(&self) -> MutexGuard<'_, Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({})", self.shape())
    }
}

fn untracked(value: &Value) -> Tensor {
    Tensor::from_parts(value.clone(), None)
}
