//! Runs a plan: no graph, no allocation, the same kernels on the same numbers as the eager step.

use std::mem;

use crate::autograd::LeafId;
use crate::backend::{Out, Storage, View};
use crate::capture::Results;
use crate::capture::plan::{HeldSource, Place, Program, Read, Step, Write};
use crate::capture::recorder::copied;
use crate::op::Spec;
use crate::random::Rng;
use crate::tensor::Tensor;
use crate::value::Value;

/// A program with its memory.
pub(super) struct Plan {
    program: Program,
    slots: Vec<Storage>,
    /// The values of parameters and buffers during a run.
    held: Vec<Value>,
    /// Whether the slots have their memory: not before the first run, and not after a kernel has panicked.
    whole: bool,
}

/// What the kernels of a run read.
struct Memory<'a> {
    slots: &'a mut [Storage],
    inputs: &'a [&'a Tensor],
    held: &'a [Value],
    fixed: &'a [Value],
}

/// Results of up to so many bytes are computed in memory of the plan, which then changes places with that of the
/// result. Larger ones lend their memory to the run, so that there is only one of each.
const LEAST_LENT: usize = 64 << 10;

impl Plan {
    pub(super) fn new(program: Program) -> Plan {
        let held = Vec::with_capacity(program.held.len());
        Plan { program, slots: Vec::new(), held, whole: false }
    }

    /// The number of kernel calls.
    pub(super) fn calls(&self) -> usize {
        self.program.steps.len()
    }

    /// The bytes of all slots.
    pub(super) fn bytes(&self) -> usize {
        self.program.slots.iter().map(|(bytes, _)| bytes).sum()
    }

    /// How many tensors from outside are taken for constants.
    pub(super) fn constants(&self) -> usize {
        self.program.constants
    }

    /// The leaves that it gives gradients of.
    pub(super) fn leaves(&self) -> impl Iterator<Item = LeafId> {
        self.program.gradients.iter().map(|(id, _)| *id)
    }

    /// Gives the memory back until the next run.
    pub(super) fn release(&mut self) {
        self.slots.clear();
        self.whole = false;
    }

    /// Runs the step, unless a parameter has another form now or was frozen or unfrozen: then nothing is done.
    pub(super) fn run(&mut self, inputs: &[&Tensor], rng: &mut Rng, results: &mut Results) -> bool {
        if !self.read_held() {
            self.held.clear();
            return false;
        }
        if !mem::replace(&mut self.whole, false) {
            self.slots = self.program.memory();
            *results = Results::default();
        }
        let Plan { program, slots, held, .. } = self;
        program.lend(results, slots);
        for &(step, offset) in &program.random {
            if let Some(place) = program.steps[step].kernel.random_place() {
                (*place.seed, *place.stream) = (rng.seed, rng.stream);
                *place.offset = rng.offset.wrapping_add(offset);
            }
        }
        let mut memory = Memory { slots, inputs, held, fixed: &program.fixed };
        program.steps.iter().for_each(|step| step.run(&mut memory));
        rng.offset = rng.offset.wrapping_add(program.advance);
        program.hand_out(results, slots);
        self.held.clear();
        self.write_buffers();
        self.whole = true;
        true
    }

    /// Takes hold of parameters and buffers.
    fn read_held(&mut self) -> bool {
        self.held.clear();
        for HeldSource { held, trained, spec } in &self.program.held {
            let mut tensor = held.lock();
            let value = tensor.value_mut();
            if held.is_trainable() != *trained || !value.is(spec) {
                return false;
            }
            if !value.layout().is_dense() {
                *value = copied(value);
            }
            self.held.push(value.clone());
        }
        true
    }

    /// Leaves the new values in buffers: their memory and the slot's change places.
    fn write_buffers(&mut self) {
        for (held, (slot, spec)) in &self.program.writes {
            let mut tensor = held.lock();
            let value = tensor.value_mut();
            if !value.is(spec) || !value.is_unique() {
                *value = Value::fresh(spec.shape, spec.dtype, spec.device);
            }
            mem::swap(memory(&mut tensor), &mut self.slots[*slot as usize]);
        }
    }
}

/// The memory of a tensor that was made sure to have its own.
fn memory(x: &mut Tensor) -> &mut Storage {
    x.value_mut().storage_mut().expect("results and buffers have memory of their own")
}

/// The memory of a result, if nobody else sees it and it has the form that the program gives it.
fn own<'a>(x: &'a mut Tensor, spec: &Spec) -> Option<&'a mut Storage> {
    if x.is_tracked() || !x.value().is(spec) {
        return None;
    }
    x.value_mut().storage_mut()
}

/// Whether a result of this form lends its memory.
pub(super) fn lends(spec: &Spec) -> bool {
    bytes(spec) >= LEAST_LENT
}

fn bytes(spec: &Spec) -> usize {
    spec.shape.numel() * spec.dtype.size()
}

impl Program {
    /// Memory for all slots but those of large results, whose memory comes from the results and goes back to them.
    fn memory(&self) -> Vec<Storage> {
        let mut slots: Vec<Storage> = self.slots.iter().map(|_| Storage::default()).collect();
        let lent = |i: usize| self.results.iter().any(|(slot, spec)| *slot as usize == i && lends(spec));
        for (i, (bytes, device)) in self.slots.iter().enumerate() {
            if !lent(i) {
                slots[i] = device.backend().alloc(*bytes);
            }
        }
        slots
    }

    /// Puts the memory of large results into their slots. A result that somebody else sees keeps its numbers: what takes
    /// its place has new memory.
    fn lend(&self, results: &mut Results, slots: &mut [Storage]) {
        if !results.fits(self.outputs, &self.gradients) {
            results.reset(self.outputs, &self.gradients);
        }
        if !self.any_lent {
            return;
        }
        results.each(|k, x| {
            let (slot, spec) = &self.results[k];
            if lends(spec) {
                let slot = &mut slots[*slot as usize];
                match own(x, spec) {
                    Some(own) => mem::swap(own, slot),
                    None => *slot = spec.device.backend().alloc(bytes(spec)),
                }
            }
        });
    }

    /// Puts what was computed into the results.
    fn hand_out(&self, results: &mut Results, slots: &mut [Storage]) {
        results.each(|k, x| {
            let (slot, spec) = &self.results[k];
            let slot = &mut slots[*slot as usize];
            if let Some(own) = own(x, spec) {
                return mem::swap(own, slot);
            }
            let next =
                if lends(spec) { Storage::default() } else { spec.device.backend().alloc(bytes(spec)) };
            let value = Value::new(mem::replace(slot, next), spec.shape, spec.dtype, spec.device);
            *x = Tensor::from_parts(value, None);
        });
    }
}

impl Step {
    #[inline]
    fn run(&self, memory: &mut Memory<'_>) {
        if let Some((bound, places, to)) = &self.bound {
            let mut out = mem::take(&mut memory.slots[*to as usize]);
            bound.run(|i| places[i].storage(memory), &mut out);
            memory.slots[*to as usize] = out;
            return;
        }
        match &self.outputs[..] {
            [a] => self.run_into([a], memory),
            [a, b] => self.run_into([a, b], memory),
            [a, b, c] => self.run_into([a, b, c], memory),
            [a, b, c, d] => self.run_into([a, b, c, d], memory),
            more => unreachable!("no kernel has {} outputs", more.len()),
        }
    }

    fn run_into<const N: usize>(&self, to: [&Write; N], memory: &mut Memory<'_>) {
        let mut taken = to.map(|to| mem::take(&mut memory.slots[to.slot as usize]));
        let mut places = taken.iter_mut();
        let mut outs = to.map(|to| Out {
            storage: places.next().expect("one for each output"),
            shape: to.shape,
            dtype: to.dtype,
        });
        self.read_and_call(&mut outs, memory);
        for (to, taken) in to.iter().zip(taken) {
            memory.slots[to.slot as usize] = taken;
        }
    }

    #[inline(always)]
    fn read_and_call(&self, outs: &mut [Out<'_>], m: &Memory<'_>) {
        match &self.inputs[..] {
            [] => self.call(&[], outs),
            [a] => self.call(&[a.view(m)], outs),
            [a, b] => self.call(&[a.view(m), b.view(m)], outs),
            [a, b, c] => self.call(&[a, b, c].map(|x| x.view(m)), outs),
            [a, b, c, d] => self.call(&[a, b, c, d].map(|x| x.view(m)), outs),
            [a, b, c, d, e] => self.call(&[a, b, c, d, e].map(|x| x.view(m)), outs),
            [a, b, c, d, e, f] => self.call(&[a, b, c, d, e, f].map(|x| x.view(m)), outs),
            [a, b, c, d, e, f, g] => self.call(&[a, b, c, d, e, f, g].map(|x| x.view(m)), outs),
            [a, b, c, d, e, f, g, h] => self.call(&[a, b, c, d, e, f, g, h].map(|x| x.view(m)), outs),
            more => self.call(&more.iter().map(|x| x.view(m)).collect::<Vec<_>>(), outs),
        }
    }

    fn call(&self, inputs: &[View<'_>], outputs: &mut [Out<'_>]) {
        let backend = self.device.backend();
        if self.over {
            backend.run_over(&self.kernel, outputs, inputs);
        } else {
            backend.run(&self.kernel, inputs, outputs);
        }
    }
}

impl Place {
    #[inline(always)]
    fn storage<'a>(&self, memory: &'a Memory<'_>) -> &'a Storage {
        match *self {
            Place::Slot(slot) => &memory.slots[slot as usize],
            Place::Input(i) => memory.inputs[i as usize].value().storage(),
            Place::Held(i) => memory.held[i as usize].storage(),
            Place::Fixed(i) => memory.fixed[i as usize].storage(),
        }
    }
}

impl Read {
    fn view<'a>(&'a self, memory: &'a Memory<'_>) -> View<'a> {
        View { storage: self.place.storage(memory), layout: &self.layout, dtype: self.dtype }
    }
}
