//! What a model holds between steps: parameters, which optimizers change, and buffers, which layers change.

mod replay;

use std::fmt::{self, Debug};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::autograd::{self, Grad, HookHandle, Leaf, LeafId};
use crate::capture;
use crate::shape::Shape;
use crate::tensor::Tensor;
use crate::value::Value;

pub(crate) use replay::BufferLog;

/// A trainable tensor. A clone is the same parameter: two layers that hold clones share a tied weight.
#[derive(Clone)]
pub struct Param(Arc<Held>);

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
        Param(Held::new(Kind::Param, x))
    }

    /// The value now, tracked unless the parameter is frozen.
    ///
    /// Holding it across an optimizer step makes the step copy the parameter instead of changing it in place.
    pub fn get(&self) -> Tensor {
        self.0.get()
    }

    /// Puts other numbers in.
    ///
    /// # Panics
    /// When shape or element type differ.
    #[track_caller]
    pub fn set(&self, x: &Tensor) {
        self.0.set(x);
    }

    /// Changes the numbers, in place if no other handle sees them. The tensor given to `f` is not tracked.
    pub fn update(&self, f: impl FnOnce(&mut Tensor)) {
        self.0.update(f);
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
        self.0.is_trainable()
    }

    /// The identity under which its gradient is found.
    pub fn id(&self) -> LeafId {
        self.0.id
    }

    /// The sizes.
    pub fn shape(&self) -> Shape {
        *self.0.lock().shape()
    }

    /// Calls `f` with the parameter's gradient at the end of each backward pass that reaches it; what `f` returns takes
    /// its place. Otherwise as [`Tensor::register_hook`].
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::{Grad, Param, Tensor};
    /// let w = Param::new(Tensor::from_slice(&[3.0f32], [1]));
    /// let hook = w.register_hook(|dw| match dw {
    ///     Grad::Dense(dw) => Some(dw.clamp(-1.0, 1.0).into()),
    ///     Grad::Rows { .. } => None,
    /// });
    /// assert_eq!(w.get().square().sum(..).backward().wrt(&w).item(), 1.0);
    /// drop(hook);
    /// assert_eq!(w.get().square().sum(..).backward().wrt(&w).item(), 6.0);
    /// ```
    pub fn register_hook(&self, f: impl Fn(&Grad) -> Option<Grad> + Send + Sync + 'static) -> HookHandle {
        autograd::register_leaf_hook(self.0.id, Box::new(f))
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
pub struct Buffer(Arc<Held>);

impl Buffer {
    /// A buffer with these numbers to start from.
    pub fn new(x: Tensor) -> Buffer {
        Buffer(Held::new(Kind::Buffer, x))
    }

    /// The value now, not tracked.
    pub fn get(&self) -> Tensor {
        self.0.get()
    }

    /// Puts other numbers in.
    ///
    /// # Panics
    /// When shape or element type differ.
    #[track_caller]
    pub fn set(&self, x: &Tensor) {
        self.0.set(x);
    }

    /// Changes the numbers, in place if no other handle sees them. The tensor given to `f` is not tracked.
    pub fn update(&self, f: impl FnOnce(&mut Tensor)) {
        self.0.update(f);
    }

    /// The sizes.
    pub fn shape(&self) -> Shape {
        *self.0.lock().shape()
    }

    /// Whether two handles are the same buffer.
    pub fn is(&self, other: &Buffer) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({})", self.shape())
    }
}

/// The place of a parameter's or a buffer's numbers.
pub(crate) struct Held {
    kind: Kind,
    id: LeafId,
    trainable: AtomicBool,
    /// Not tracked.
    tensor: Mutex<Tensor>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Param,
    Buffer,
}

impl Held {
    fn new(kind: Kind, x: Tensor) -> Arc<Held> {
        let trainable = AtomicBool::new(kind == Kind::Param);
        let tensor = Mutex::new(Tensor::from_parts(x.into_value(), None));
        Arc::new(Held { kind, id: LeafId::new(), trainable, tensor })
    }

    pub(crate) fn is_trainable(&self) -> bool {
        self.trainable.load(Ordering::Relaxed)
    }

    /// The tensor, for as long as nobody else needs it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Tensor> {
        self.tensor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(self: &Arc<Held>) -> Tensor {
        if self.is_heeded()
            && let Some(x) = replay::held(self)
        {
            replay::touch(self, &x);
            return x;
        }
        let mut tensor = self.lock();
        if capture::is_on() {
            capture::read(self, tensor.value_mut());
        }
        if self.is_heeded() {
            replay::touch(self, &tensor);
        }
        if self.is_trainable() { Tensor::as_leaf(tensor.value(), self.id) } else { tensor.clone() }
    }

    /// Whether this is a buffer of a computation that is run twice.
    fn is_heeded(&self) -> bool {
        self.kind == Kind::Buffer && replay::is_on()
    }

    #[track_caller]
    fn set(self: &Arc<Held>, x: &Tensor) {
        let name = match self.kind {
            Kind::Param => "param",
            Kind::Buffer => "buffer",
        };
        {
            let tensor = self.lock();
            assert!(
                tensor.shape() == x.shape() && tensor.dtype() == x.dtype(),
                "{name}: cannot put {} {} into a {name} {} {}",
                x.dtype(),
                x.shape(),
                tensor.dtype(),
                tensor.shape()
            );
        }
        if self.is_heeded() {
            let now = self.get();
            replay::touch(self, &now);
            if replay::change(self, &x.detach()) {
                return;
            }
        }
        let mut tensor = self.lock();
        *tensor = x.detach();
        self.changed(tensor.value());
    }

    fn update(self: &Arc<Held>, f: impl FnOnce(&mut Tensor)) {
        if self.is_heeded() {
            let mut x = self.get();
            f(&mut x);
            self.set(&x);
            return;
        }
        let mut tensor = self.lock();
        if capture::is_on() {
            capture::read(self, tensor.value_mut());
        }
        f(&mut tensor);
        if tensor.is_tracked() {
            *tensor = tensor.detach();
        }
        self.changed(tensor.value());
    }

    fn changed(self: &Arc<Held>, value: &Value) {
        if !capture::is_on() {
            return;
        }
        match self.kind {
            Kind::Param => capture::refuse(
                "a parameter is changed in it; change parameters after the run, with its gradients",
            ),
            Kind::Buffer => capture::write(self, value),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        autograd::forget_hooks(self.id);
    }
}
