//! Values: shared, immutable arrays without history.
//!
//! A [`crate::Tensor`] is a value and, if it is tracked, the history that made it. Operations save values, not
//! tensors, so that saving one's own output makes no cycle.

use std::sync::Arc;

use crate::backend::{Device, Kernel, Out, Storage, View};
use crate::capture::{self, Mark};
use crate::dtype::DType;
use crate::layout::Layout;
use crate::op::Spec;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// A shared handle to an array.
#[derive(Clone, Debug)]
pub(crate) struct Value(Arc<Array>);

#[derive(Debug)]
struct Array {
    layout: Layout,
    dtype: DType,
    device: Device,
    /// Which value of which recorded step this is, if of any.
    mark: Mark,
    bytes: Bytes,
}

/// Own memory, or that of another value: a view holds its base, never a view of a view.
#[derive(Debug)]
enum Bytes {
    Own(Storage),
    Of(Value),
}

impl Value {
    pub(crate) fn new(storage: Storage, shape: Shape, dtype: DType, device: Device) -> Value {
        let (layout, mark) = (Layout::dense(shape), Mark::default());
        Value(Arc::new(Array { layout, dtype, device, mark, bytes: Bytes::Own(storage) }))
    }

    /// Memory for a result; the kernel that fills it writes every element.
    pub(crate) fn fresh(shape: Shape, dtype: DType, device: Device) -> Value {
        let storage = device.backend().alloc(shape.numel() * dtype.size());
        Value::new(storage, shape, dtype, device)
    }

    /// The same memory read by another layout.
    pub(crate) fn with_layout(&self, layout: Layout) -> Value {
        let Array { dtype, device, mark, .. } = *self.0;
        let bytes = Bytes::Of(self.base().clone());
        Value(Arc::new(Array { layout, dtype, device, mark, bytes }))
    }

    /// The value whose memory this one reads: itself, unless it is a view.
    fn base(&self) -> &Value {
        match &self.0.bytes {
            Bytes::Own(_) => self,
            Bytes::Of(base) => base,
        }
    }

    /// Which value of which recorded step this is, or is a view of.
    pub(crate) fn mark(&self) -> Mark {
        self.0.mark
    }

    /// The identity of the memory, for as long as it lives.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.base().0) as usize
    }

    /// Shape, type and device.
    pub(crate) fn spec(&self) -> Spec {
        Spec { shape: *self.shape(), dtype: self.0.dtype, device: self.0.device }
    }

    /// Whether the value has this shape, type and device.
    pub(crate) fn is(&self, spec: &Spec) -> bool {
        *self.shape() == spec.shape && self.0.dtype == spec.dtype && self.0.device == spec.device
    }

    /// Whether shape, type and device are those of another value.
    pub(crate) fn is_like(&self, other: &Value) -> bool {
        self.shape() == other.shape() && self.0.dtype == other.0.dtype && self.0.device == other.0.device
    }

    /// The memory, to be exchanged for other memory of the same size, if no other handle can see it and it is dense.
    pub(crate) fn storage_mut(&mut self) -> Option<&mut Storage> {
        self.unique().map(|out| out.storage)
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.0.layout
    }

    pub(crate) fn shape(&self) -> &Shape {
        self.0.layout.shape()
    }

    pub(crate) fn dtype(&self) -> DType {
        self.0.dtype
    }

    pub(crate) fn device(&self) -> Device {
        self.0.device
    }

    pub(crate) fn view(&self) -> View<'_> {
        View { storage: self.storage(), layout: &self.0.layout, dtype: self.0.dtype }
    }

    pub(crate) fn storage(&self) -> &Storage {
        match &self.0.bytes {
            Bytes::Own(storage) => storage,
            Bytes::Of(base) => base.storage(),
        }
    }

    fn set_mark(&mut self, mark: Mark) {
        Arc::get_mut(&mut self.0).expect("a fresh value has one handle").mark = mark;
    }

    /// The array as an output, if no other handle can see it and it is dense.
    fn unique(&mut self) -> Option<Out<'_>> {
        let array = Arc::get_mut(&mut self.0)?;
        match &mut array.bytes {
            Bytes::Own(storage) if array.layout.is_dense() => {
                Some(Out { storage, shape: *array.layout.shape(), dtype: array.dtype })
            }
            _ => None,
        }
    }

    /// Whether this is the only handle to memory of its own.
    pub(crate) fn is_unique(&mut self) -> bool {
        self.unique().is_some()
    }

    /// The array as an output, of numbers of its own: shared ones are copied first.
    fn owned(&mut self) -> Out<'_> {
        // Values have no weak handles, so that the count tells; asking for the array itself costs more.
        let own = Arc::strong_count(&self.0) == 1
            && matches!(self.0.bytes, Bytes::Own(_))
            && self.0.layout.is_dense();
        if !own {
            *self = Value::run(&Kernel::Copy, &[self], *self.shape(), self.dtype(), self.device());
        }
        self.unique().expect("shared values were copied above")
    }

    /// Runs a kernel with one output.
    pub(crate) fn run(
        kernel: &Kernel,
        inputs: &[&Value],
        shape: Shape,
        dtype: DType,
        device: Device,
    ) -> Value {
        let mut value = Value::fresh(shape, dtype, device);
        let out = value.unique().expect("a fresh value has one handle");
        with_views(inputs, |views| device.backend().run(kernel, views, &mut [out]));
        if capture::is_on() {
            let mark = capture::log(kernel, inputs, &[value.spec()]);
            value.set_mark(mark);
        }
        value
    }

    /// Runs a kernel with several outputs.
    pub(crate) fn run_many<const N: usize>(
        kernel: &Kernel,
        inputs: &[&Value],
        specs: [Spec; N],
    ) -> [Value; N] {
        let device = specs[0].device;
        let mut values = specs.map(|spec| Value::fresh(spec.shape, spec.dtype, device));
        let mut outs = values.each_mut().map(|v| v.unique().expect("a fresh value has one handle"));
        with_views(inputs, |views| device.backend().run(kernel, views, &mut outs));
        if capture::is_on() {
            let first = capture::log(kernel, inputs, &specs);
            values.iter_mut().enumerate().for_each(|(i, value)| value.set_mark(first.plus(i)));
        }
        values
    }

    /// Runs a kernel over this value, which becomes the first output: in place when no other handle can see it,
    /// else into new memory.
    pub(crate) fn run_over(mut self, kernel: &Kernel, rest: &[&Value]) -> Value {
        debug_assert!(kernel.in_place());
        let device = self.device();
        // A recorded step makes a new value of each result; what can be overwritten is for its plan to find.
        if !capture::is_on()
            && let Some(out) = self.unique()
        {
            with_views(rest, |views| device.backend().run_over(kernel, &mut [out], views));
            return self;
        }
        let (shape, dtype) = (*self.shape(), self.dtype());
        let mut inputs = vec![&self];
        inputs.extend_from_slice(rest);
        Value::run(kernel, &inputs, shape, dtype, device)
    }

    /// Runs an optimizer's step over a parameter and its state; those that are shared are copied first.
    pub(crate) fn update(kernel: &Kernel, param: &mut Value, state: &mut [Tensor], inputs: &[&Value]) {
        if capture::is_on() {
            capture::refuse("an optimizer's update runs in it; update after the run, with its gradients");
        }
        let backend = param.device().backend();
        let first = param.owned();
        with_views(inputs, |inputs| match state {
            [] => backend.run_over(kernel, &mut [first], inputs),
            [a] => backend.run_over(kernel, &mut [first, owned(a)], inputs),
            [a, b] => backend.run_over(kernel, &mut [first, owned(a), owned(b)], inputs),
            [a, b, c] => backend.run_over(kernel, &mut [first, owned(a), owned(b), owned(c)], inputs),
            more => {
                let mut outs = vec![first];
                outs.extend(more.iter_mut().map(owned));
                backend.run_over(kernel, &mut outs, inputs);
            }
        });
    }
}

fn owned(x: &mut Tensor) -> Out<'_> {
    x.value_mut().owned()
}

/// Calls `f` with the values' views, without an allocation for the usual numbers of inputs.
fn with_views<R>(values: &[&Value], f: impl FnOnce(&[View<'_>]) -> R) -> R {
    match values {
        [] => f(&[]),
        [a] => f(&[a.view()]),
        [a, b] => f(&[a.view(), b.view()]),
        [a, b, c] => f(&[a.view(), b.view(), c.view()]),
        [a, b, c, d] => f(&[a.view(), b.view(), c.view(), d.view()]),
        more => f(&more.iter().map(|v| v.view()).collect::<Vec<_>>()),
    }
}
