//! Runs a plan: no graph, no allocation, the same kernels on the same numbers as the eager step.

use std::mem;

use crate::autograd::LeafId;
use crate::backend::{Out, Storage, View};
use crate::capture::Results;
use crate::capture::plan::{Place, Program, Read, Step, Write};
use crate::capture::recorder::{Source, copied};
use crate::random::Rng;
use crate::tensor::Tensor;
use crate::value::Value;

/// A program with its memory.
pub(super) struct Plan {
    program: Program,
    slots: Vec<Storage>,
    /// The sources' values during a run.
    sources: Vec<Value>,
    /// Whether the slots have their memory: not before the first run, and not after a kernel has panicked.
    whole: bool,
}

impl Plan {
    pub(super) fn new(program: Program) -> Plan {
        let sources = Vec::with_capacity(program.sources.len());
        Plan { program, slots: Vec::new(), sources, whole: false }
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
        self.program.sources.iter().filter(|source| matches!(source, Source::Constant(_))).count()
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
        if !self.read_sources(inputs) {
            self.sources.clear();
            return false;
        }
        if !mem::replace(&mut self.whole, false) {
            self.slots = self.program.memory();
            *results = Results::default();
        }
        let (program, slots) = (&mut self.program, &mut self.slots);
        program.lend(results, slots);
        for &(step, offset) in &program.random {
            if let Some(place) = program.steps[step].kernel.random_place() {
                (*place.seed, *place.stream) = (rng.seed, rng.stream);
                *place.offset = rng.offset.wrapping_add(offset);
            }
        }
        program.steps.iter().for_each(|step| step.run(slots, &self.sources));
        rng.offset = rng.offset.wrapping_add(program.advance);
        results.each(|k, x| mem::swap(memory(x), &mut slots[program.results[k].0 as usize]));
        self.sources.clear();
        self.write_buffers();
        self.whole = true;
        true
    }

    /// Takes hold of inputs, parameters and constants.
    fn read_sources(&mut self, inputs: &[&Tensor]) -> bool {
        self.sources.clear();
        for source in &self.program.sources {
            let value = match source {
                Source::Input(i, _) => inputs[*i].value().clone(),
                Source::Constant(value) | Source::Fixed(value) => value.clone(),
                Source::Held { held, trained, spec } => {
                    let mut tensor = held.lock();
                    let value = tensor.value_mut();
                    if held.is_trainable() != *trained || !value.is(spec) {
                        return false;
                    }
                    if !value.layout().is_dense() {
                        *value = copied(value);
                    }
                    value.clone()
                }
            };
            self.sources.push(value);
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

impl Program {
    /// Memory for all slots but those of results, whose memory comes from the results and goes back to them.
    fn memory(&self) -> Vec<Storage> {
        let mut slots: Vec<Storage> = self.slots.iter().map(|_| Storage::default()).collect();
        for (i, (bytes, device)) in self.slots.iter().enumerate() {
            if self.results.iter().all(|(slot, _)| *slot as usize != i) {
                slots[i] = device.backend().alloc(*bytes);
            }
        }
        slots
    }

    /// Puts the results' memory into their slots. A result that somebody else sees keeps its numbers: what takes its
    /// place has new memory.
    fn lend(&self, results: &mut Results, slots: &mut [Storage]) {
        if !results.fits(self.outputs, &self.gradients) {
            results.reset(self.outputs, &self.gradients);
        }
        results.each(|k, x| {
            let (slot, spec) = &self.results[k];
            let slot = &mut slots[*slot as usize];
            if !x.is_tracked()
                && x.value().is(spec)
                && let Some(own) = x.value_mut().storage_mut()
            {
                return mem::swap(own, slot);
            }
            *x = Tensor::from_parts(Value::fresh(spec.shape, spec.dtype, spec.device), None);
            mem::swap(memory(x), slot);
        });
    }
}

impl Step {
    fn run(&self, slots: &mut [Storage], sources: &[Value]) {
        match &self.outputs[..] {
            [to] => {
                let mut memory = mem::take(&mut slots[to.slot as usize]);
                let out = Out { storage: &mut memory, shape: to.shape, dtype: to.dtype };
                self.read_and_call(&mut [out], slots, sources);
                slots[to.slot as usize] = memory;
            }
            [a, b] => self.run_into([a, b], slots, sources),
            [a, b, c] => self.run_into([a, b, c], slots, sources),
            [a, b, c, d] => self.run_into([a, b, c, d], slots, sources),
            more => unreachable!("no kernel has {} outputs", more.len()),
        }
    }

    fn run_into<const N: usize>(&self, to: [&Write; N], slots: &mut [Storage], sources: &[Value]) {
        let mut memory = to.map(|to| mem::take(&mut slots[to.slot as usize]));
        let mut places = memory.iter_mut();
        let mut outs = to.map(|to| Out {
            storage: places.next().expect("one for each output"),
            shape: to.shape,
            dtype: to.dtype,
        });
        self.read_and_call(&mut outs, slots, sources);
        for (to, memory) in to.iter().zip(memory) {
            slots[to.slot as usize] = memory;
        }
    }

    #[inline(always)]
    fn read_and_call(&self, outs: &mut [Out<'_>], slots: &[Storage], sources: &[Value]) {
        match &self.inputs[..] {
            [] => self.call(&[], outs),
            [a] => self.call(&[a.view(slots, sources)], outs),
            [a, b] => self.call(&[a.view(slots, sources), b.view(slots, sources)], outs),
            [a, b, c] => {
                self.call(&[a.view(slots, sources), b.view(slots, sources), c.view(slots, sources)], outs)
            }
            [a, b, c, d] => self.call(&[a, b, c, d].map(|x| x.view(slots, sources)), outs),
            [a, b, c, d, e] => self.call(&[a, b, c, d, e].map(|x| x.view(slots, sources)), outs),
            [a, b, c, d, e, f] => self.call(&[a, b, c, d, e, f].map(|x| x.view(slots, sources)), outs),
            more => self.call(&more.iter().map(|x| x.view(slots, sources)).collect::<Vec<_>>(), outs),
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

impl Read {
    fn view<'a>(&'a self, slots: &'a [Storage], sources: &'a [Value]) -> View<'a> {
        let storage = match self.place {
            Place::Slot(slot) => &slots[slot as usize],
            Place::Source(source) => sources[source as usize].storage(),
        };
        View { storage, layout: &self.layout, dtype: self.dtype }
    }
}
