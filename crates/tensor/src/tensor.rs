//! The tensor: a handle to a value and, if it is tracked, to the history that made it.

mod create;
mod host;

use std::sync::Arc;

use crate::autograd::{self, History, Leaf, LeafId, Record};
use crate::backend::{Device, Kernel};
use crate::dtype::DType;
use crate::layout::Layout;
use crate::op::Spec;
use crate::shape::Shape;
use crate::value::Value;

/// An array of numbers with a shape, an element type and a device.
///
/// A tensor is immutable and cheap to clone: a clone shares the numbers. Operations make new tensors; when an input
/// is tracked (see [`Tensor::requires_grad`]), so is the result, and [`Tensor::backward`] finds the gradients.
///
/// # Examples
/// ```
/// # use talweg_tensor::Tensor;
/// let a = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [2, 2]);
/// let b = (&a * 2.0 + 1.0).matmul(&a.t());
/// assert_eq!(b.to_vec::<f32>(), [13.0, 29.0, 25.0, 57.0]);
/// ```
#[derive(Clone)]
pub struct Tensor {
    value: Value,
    history: Option<History>,
}

impl Tensor {
    pub(crate) fn from_parts(value: Value, history: Option<History>) -> Tensor {
        Tensor { value, history }
    }

    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    pub(crate) fn into_value(self) -> Value {
        self.value
    }

    pub(crate) fn history(&self) -> Option<&History> {
        self.history.as_ref()
    }

    pub(crate) fn into_history(self) -> Option<History> {
        self.history
    }

    pub(crate) fn with_history(self, record: Arc<Record>, output: u32) -> Tensor {
        Tensor { value: self.value, history: Some(History::Step(record, output)) }
    }

    /// Runs a kernel, recording nothing: what `forward` of an operation calls.
    pub(crate) fn run(kernel: &Kernel, inputs: &[&Tensor], out: &Spec) -> Tensor {
        debug_assert!(
            keeps_gradients(inputs),
            "{kernel:?}: runs on a tracked tensor outside of an operation"
        );
        let value =
            with_values(inputs, |values| Value::run(kernel, values, out.shape, out.dtype, out.device));
        Tensor { value, history: None }
    }

    /// Runs a kernel with several outputs, recording nothing.
    pub(crate) fn run_many<const N: usize>(
        kernel: &Kernel,
        inputs: &[&Tensor],
        outs: [Spec; N],
    ) -> [Tensor; N] {
        debug_assert!(
            keeps_gradients(inputs),
            "{kernel:?}: runs on a tracked tensor outside of an operation"
        );
        with_values(inputs, |values| Value::run_many(kernel, values, outs))
            .map(|value| Tensor { value, history: None })
    }

    /// Runs an in-place kernel on this untracked tensor's numbers, or on a copy if they are shared.
    pub(crate) fn run_over(self, kernel: &Kernel, rest: &[&Tensor]) -> Tensor {
        debug_assert!(
            keeps_gradients(&[&self]) && keeps_gradients(rest),
            "{kernel:?}: runs over a tracked tensor"
        );
        let value = self.value;
        Tensor { value: with_values(rest, |values| value.run_over(kernel, values)), history: None }
    }

    /// The same numbers read by another layout, recording nothing.
    pub(crate) fn with_layout(&self, layout: Layout) -> Tensor {
        debug_assert!(keeps_gradients(&[self]), "a view of a tracked tensor outside of an operation");
        Tensor { value: self.value.with_layout(layout), history: None }
    }

    pub(crate) fn layout(&self) -> &Layout {
        self.value.layout()
    }

    /// The value for an in-place update.
    pub(crate) fn value_mut(&mut self) -> &mut Value {
        &mut self.value
    }

    /// Runs a computation on host memory defined by [`crate::CustomKernel`]: for `forward` of operations outside
    /// this crate.
    ///
    /// # Panics
    /// When an input is tracked outside of an operation's `forward`: nothing would carry its gradient.
    #[track_caller]
    pub fn run_custom(kernel: Arc<dyn crate::CustomKernel>, inputs: &[&Tensor], out: &Spec) -> Tensor {
        if let Some(i) = inputs.iter().position(|x| !keeps_gradients(&[x])) {
            panic!(
                "run_custom: input {i} {} is tracked, and its gradient would be lost; call this from the forward of an \
                 Op, which has a derivative, or detach() the input",
                inputs[i].shape()
            );
        }
        Tensor::run(&Kernel::Custom(kernel), inputs, out)
    }
}

/// What a tensor is.
impl Tensor {
    /// The sizes along each axis.
    pub fn shape(&self) -> &Shape {
        self.value.shape()
    }

    /// The size along `axis`, which counts from the end when negative.
    ///
    /// # Panics
    /// When there is no such axis.
    #[track_caller]
    pub fn size(&self, axis: isize) -> usize {
        self.shape().size(axis)
    }

    /// All sizes, when the number of axes is known: `let [n, c, h, w] = x.sizes();`.
    ///
    /// # Panics
    /// When the tensor has another number of axes.
    #[track_caller]
    pub fn sizes<const N: usize>(&self) -> [usize; N] {
        assert!(
            self.rank() == N,
            "sizes: {N} axes expected, the tensor {} has {}; name as many sizes as axes",
            self.shape(),
            self.rank()
        );
        std::array::from_fn(|axis| self.shape().at(axis))
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.shape().rank()
    }

    /// The number of elements.
    pub fn numel(&self) -> usize {
        self.shape().numel()
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.value.dtype()
    }

    /// Where the numbers are.
    pub fn device(&self) -> Device {
        self.value.device()
    }

    /// Shape, type and device.
    pub fn spec(&self) -> Spec {
        Spec { shape: *self.shape(), dtype: self.dtype(), device: self.device() }
    }

    /// This tensor's numbers on another device; itself when it is already there.
    ///
    /// # Panics
    /// When the tensor is tracked and lies on another device: the copy could not hand its gradient back. Move the
    /// numbers with `detach()` before this call, and make a leaf of the copy with `requires_grad()`.
    #[track_caller]
    pub fn to(&self, device: Device) -> Tensor {
        if device == self.device() {
            return self.clone();
        }
        assert!(
            !self.is_tracked(),
            "to: the tensor {} on {} is tracked, and its gradient would be lost on the way to {}; call detach() \
             first, and requires_grad() on the copy",
            self.shape(),
            self.device().name(),
            device.name()
        );
        let host = self.download("to");
        let value = Value::new(device.backend().upload(host), *self.shape(), self.dtype(), device);
        Tensor { value, history: None }
    }
}

/// Tracking.
impl Tensor {
    /// A leaf with these numbers: what is computed from it is recorded, and `backward` finds its gradient.
    ///
    /// # Panics
    /// For tensors that are not floating-point, and for tracked ones that are not leaves (detach them first).
    #[track_caller]
    pub fn requires_grad(self) -> Tensor {
        assert!(
            self.dtype().is_float(),
            "requires_grad: only floating-point tensors have gradients, this one {} holds {}; convert it with \
             .cast(DType::F32)",
            self.shape(),
            self.dtype()
        );
        match self.history {
            Some(History::Leaf(_)) => self,
            Some(History::Step(..)) => panic!(
                "requires_grad: the tensor {} is the result of an operation and already tracked; detach() it to make \
                 a leaf of it",
                self.shape()
            ),
            None => Tensor { value: self.value, history: Some(History::Leaf(LeafId::new())) },
        }
    }

    pub(crate) fn as_leaf(value: &Value, id: LeafId) -> Tensor {
        Tensor { value: value.clone(), history: Some(History::Leaf(id)) }
    }

    /// Whether operations on this tensor are recorded.
    pub fn is_tracked(&self) -> bool {
        self.history.is_some()
    }

    /// The same numbers without history: gradients stop here.
    pub fn detach(&self) -> Tensor {
        Tensor { value: self.value.clone(), history: None }
    }
}

/// Whether no gradient is lost when kernels run on these tensors: in an operation's `forward` nothing is recorded,
/// because the operation as a whole is.
fn keeps_gradients(inputs: &[&Tensor]) -> bool {
    !autograd::is_recording() || inputs.iter().all(|x| !x.is_tracked())
}

/// Calls `f` with the tensors' values, without an allocation for the usual numbers of inputs.
fn with_values<R>(tensors: &[&Tensor], f: impl FnOnce(&[&Value]) -> R) -> R {
    match tensors {
        [] => f(&[]),
        [a] => f(&[&a.value]),
        [a, b] => f(&[&a.value, &b.value]),
        [a, b, c] => f(&[&a.value, &b.value, &c.value]),
        [a, b, c, d] => f(&[&a.value, &b.value, &c.value, &d.value]),
        more => f(&more.iter().map(|x| &x.value).collect::<Vec<_>>()),
    }
}

impl Leaf for Tensor {
    fn leaf_id(&self) -> Option<LeafId> {
        match self.history {
            Some(History::Leaf(id)) => Some(id),
            _ => None,
        }
    }

    fn leaf_shape(&self) -> Shape {
        *self.shape()
    }
}

// A tensor's numbers never change while another handle sees them, so a panic cannot leave one half-changed.
impl std::panic::UnwindSafe for Tensor {}
impl std::panic::RefUnwindSafe for Tensor {}
