//! From a recording to a plan: dead calls removed, elementwise chains joined, values placed in memory that is used
//! again.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::autograd::LeafId;
use crate::backend::{Device, Kernel};
use crate::capture::recorder::{Call, Of, Operand, RecordedGrad, Recording, Source};
use crate::capture::replay::lends;
use crate::capture::{activate, fuse};
use crate::cpu::Bound;
use crate::dtype::DType;
use crate::layout::Layout;
use crate::op::Spec;
use crate::param::Held;
use crate::shape::Shape;
use crate::value::Value;

/// A step as a flat list of kernel calls on numbered memory.
pub(super) struct Program {
    pub(super) steps: Vec<Step>,
    /// The size of each slot in bytes, and where it is.
    pub(super) slots: Vec<(usize, Device)>,
    /// Parameters and buffers, and what they were when the step was recorded.
    pub(super) held: Vec<HeldSource>,
    /// Tensors from outside that stay the same, and how many of them are not made of their shape alone.
    pub(super) fixed: Vec<Value>,
    pub(super) constants: usize,
    /// Steps that draw random numbers, and from which place after the generator's at the start.
    pub(super) random: Vec<(usize, u64)>,
    pub(super) advance: u64,
    /// The slot and form of each tensor that the step hands out.
    pub(super) results: Vec<(u32, Spec)>,
    /// Whether some result lends its memory to the run.
    pub(super) any_lent: bool,
    pub(super) outputs: usize,
    /// The leaves with gradients, and whether they are rows.
    pub(super) gradients: Vec<(LeafId, bool)>,
    pub(super) writes: Vec<(Arc<Held>, (u32, Spec))>,
}

/// A parameter or buffer that the step reads.
pub(super) struct HeldSource {
    pub(super) held: Arc<Held>,
    pub(super) trained: bool,
    pub(super) spec: Spec,
}

/// One kernel call.
pub(super) struct Step {
    pub(super) kernel: Kernel,
    /// The same with everything decided that follows from shapes, where that exists, with the places of its inputs and
    /// the slot of its output.
    pub(super) bound: Option<(Bound, [Place; 3], u32)>,
    pub(super) device: Device,
    /// Whether the first output already holds the first input, which is then not among `inputs`.
    pub(super) over: bool,
    pub(super) inputs: Vec<Read>,
    pub(super) outputs: Vec<Write>,
}

pub(super) struct Read {
    pub(super) place: Place,
    pub(super) layout: Layout,
    pub(super) dtype: DType,
}

#[derive(Clone, Copy)]
pub(super) enum Place {
    Slot(u32),
    Input(u32),
    Held(u32),
    Fixed(u32),
}

pub(super) struct Write {
    pub(super) slot: u32,
    pub(super) shape: Shape,
    pub(super) dtype: DType,
}

impl Program {
    pub(super) fn of(mut recording: Recording) -> Program {
        let (results, writes) = own_results(&mut recording);
        let Recording { mut calls, made, sources, outputs, gradients, advance, .. } = recording;
        let keep: Vec<u32> =
            results.iter().chain(writes.iter().map(|(_, kept)| kept)).map(|kept| kept.0).collect();
        remove_dead(&mut calls, made.len(), &keep);
        activate::products(&mut calls, &made, &keep);
        fuse::chains(&mut calls, &made, &keep);
        let lives = Lives::of(&calls, made.len(), &keep);
        let over: Vec<bool> =
            calls.iter().enumerate().map(|(i, call)| lives.overwrites(i, call, &made)).collect();
        let (slot_of, slots) = place(&calls, &over, &made, &lives, &keep);
        let constants = sources.iter().filter(|source| matches!(source, Source::Constant(_))).count();
        let Sources { places, held, fixed } = Sources::of(sources);
        let steps: Vec<Step> = calls
            .into_iter()
            .zip(over)
            .map(|(call, over)| Step::of(call, over, &made, &slot_of, &places))
            .collect();
        let mut random = Vec::new();
        for (i, step) in steps.iter().enumerate() {
            if let Some(place) = step.kernel.clone().random_place() {
                random.push((i, *place.offset));
            }
        }
        let at = |(value, spec): Kept| (slot_of[value as usize], spec);
        Program {
            steps,
            slots,
            held,
            fixed,
            constants,
            random,
            advance,
            any_lent: results.iter().any(|(_, spec)| lends(spec)),
            results: results.into_iter().map(at).collect(),
            outputs: outputs.len(),
            gradients: gradients
                .iter()
                .map(|(id, grad)| (*id, matches!(grad, RecordedGrad::Rows { .. })))
                .collect(),
            writes: writes.into_iter().map(|(held, kept)| (held, at(kept))).collect(),
        }
    }
}

/// A value that is handed out, and its form then.
type Kept = (u32, Spec);

/// The values that are handed out, each a dense one of its own: views, sources and what is handed out twice are
/// copied by a call at the end.
fn own_results(recording: &mut Recording) -> (Vec<Kept>, Vec<(Arc<Held>, Kept)>) {
    let mut taken = vec![false; recording.made.len()];
    let mut copies = Vec::new();
    let mut own = |operand: &Operand| {
        let device = match operand.of {
            Of::Made(value) => recording.made[value as usize].device,
            Of::Source(source) => recording.sources[source as usize].device(),
        };
        let spec = Spec { shape: *operand.layout.shape(), dtype: operand.dtype, device };
        if let Of::Made(value) = operand.of
            && operand.layout.is_dense()
            && spec.shape.numel() == recording.made[value as usize].shape.numel()
            && !std::mem::replace(&mut taken[value as usize], true)
        {
            return (value, spec);
        }
        copies.push((operand.clone(), spec));
        ((recording.made.len() + copies.len() - 1) as u32, spec)
    };
    let results = recording.results().into_iter().map(&mut own).collect();
    let writes = recording.writes.iter().map(|(held, x)| (held.clone(), own(x))).collect();
    for (operand, spec) in copies {
        let value = recording.made.len() as u32;
        recording.made.push(spec);
        recording.calls.push(Call { kernel: Kernel::Copy, inputs: vec![operand], outputs: value..value + 1 });
    }
    (results, writes)
}

fn made(operand: &Operand) -> Option<u32> {
    match operand.of {
        Of::Made(value) => Some(value),
        Of::Source(_) => None,
    }
}

/// Removes the calls that nothing kept depends on.
fn remove_dead(calls: &mut Vec<Call>, values: usize, keep: &[u32]) {
    let mut needed = vec![false; values];
    keep.iter().for_each(|&value| needed[value as usize] = true);
    let mut live = vec![false; calls.len()];
    for (call, live) in calls.iter().zip(&mut live).rev() {
        *live = call.outputs.clone().any(|value| needed[value as usize]);
        if *live {
            call.inputs.iter().filter_map(made).for_each(|value| needed[value as usize] = true);
        }
    }
    let mut live = live.into_iter();
    calls.retain(|_| live.next() == Some(true));
}

/// The last call that reads or makes each value; `usize::MAX` for those that are kept.
struct Lives(Vec<usize>);

impl Lives {
    fn of(calls: &[Call], values: usize, keep: &[u32]) -> Lives {
        let mut last = vec![0; values];
        for (i, call) in calls.iter().enumerate() {
            call.inputs
                .iter()
                .filter_map(made)
                .chain(call.outputs.clone())
                .for_each(|v| last[v as usize] = i);
        }
        keep.iter().for_each(|&value| last[value as usize] = usize::MAX);
        Lives(last)
    }

    /// Whether call `i` may write its result over its first input.
    fn overwrites(&self, i: usize, call: &Call, specs: &[Spec]) -> bool {
        let Some((first, rest)) = call.inputs.split_first() else { return false };
        let (Some(value), true) = (made(first), call.kernel.in_place()) else { return false };
        let (from, to) = (&specs[value as usize], &specs[call.outputs.start as usize]);
        self.0[value as usize] == i
            && first.layout.is_dense()
            && *first.layout.shape() == to.shape
            && (from.shape.numel(), from.dtype, from.device) == (to.shape.numel(), to.dtype, to.device)
            && rest.iter().all(|other| made(other) != Some(value))
    }
}

/// A slot for each value. Values that are kept have slots of their own; so have what they are written over.
fn place(
    calls: &[Call],
    over: &[bool],
    specs: &[Spec],
    lives: &Lives,
    keep: &[u32],
) -> (Vec<u32>, Vec<(usize, Device)>) {
    let bytes = |value: u32| specs[value as usize].shape.numel() * specs[value as usize].dtype.size();
    let mut slots: Vec<(usize, Device)> = Vec::new();
    let mut own: HashMap<u32, u32> = HashMap::new();
    for &value in keep {
        own.insert(value, slots.len() as u32);
        slots.push((bytes(value), specs[value as usize].device));
    }
    for (call, _) in calls.iter().zip(over).rev().filter(|(_, over)| **over) {
        if let (Some(&slot), Some(first)) = (own.get(&call.outputs.start), made(&call.inputs[0])) {
            own.insert(first, slot);
        }
    }
    let mut slot_of = vec![u32::MAX; specs.len()];
    let mut free: Vec<u32> = Vec::new();
    for (i, (call, &over)) in calls.iter().zip(over).enumerate() {
        let outputs: Range<u32> = call.outputs.clone();
        for value in outputs.clone() {
            let first = (over && value == outputs.start).then(|| made(&call.inputs[0])).flatten();
            slot_of[value as usize] = match (own.get(&value), first) {
                (Some(&slot), _) => slot,
                (None, Some(first)) => slot_of[first as usize],
                (None, None) => take(&mut free, &mut slots, bytes(value), specs[value as usize].device),
            };
        }
        // What dies here is free for the next call, but not what lives on in an output.
        let mut dead: Vec<u32> = call.inputs.iter().filter_map(made).chain(outputs).collect();
        dead.sort_unstable();
        dead.dedup();
        let overwritten = if over { made(&call.inputs[0]) } else { None };
        let ends = |v: &u32| lives.0[*v as usize] == i && !own.contains_key(v) && Some(*v) != overwritten;
        free.extend(dead.iter().filter(|v| ends(v)).map(|&v| slot_of[v as usize]));
    }
    (slot_of, slots)
}

/// The smallest free slot that is large enough; else the largest one, which grows; else a new one.
fn take(free: &mut Vec<u32>, slots: &mut Vec<(usize, Device)>, bytes: usize, device: Device) -> u32 {
    let size = |slot: u32| slots[slot as usize].0;
    let fitting = |(_, slot): &(usize, &u32)| slots[**slot as usize].1 == device;
    let candidates = || free.iter().enumerate().filter(fitting);
    let best = candidates()
        .filter(|(_, slot)| size(**slot) >= bytes)
        .min_by_key(|(_, slot)| size(**slot))
        .or_else(|| candidates().max_by_key(|(_, slot)| size(**slot)))
        .map(|(at, _)| at);
    let Some(at) = best else {
        slots.push((bytes, device));
        return slots.len() as u32 - 1;
    };
    let slot = free.swap_remove(at);
    slots[slot as usize].0 = slots[slot as usize].0.max(bytes);
    slot
}

/// The sources by kind, and the place of each.
struct Sources {
    places: Vec<Place>,
    held: Vec<HeldSource>,
    fixed: Vec<Value>,
}

impl Sources {
    fn of(sources: Vec<Source>) -> Sources {
        let (mut places, mut all_held, mut fixed) = (Vec::new(), Vec::new(), Vec::new());
        for source in sources {
            places.push(match source {
                Source::Input(i, _) => Place::Input(i as u32),
                Source::Held { held, trained, spec } => {
                    all_held.push(HeldSource { held, trained, spec });
                    Place::Held(all_held.len() as u32 - 1)
                }
                Source::Constant(value) | Source::Fixed(value) => {
                    fixed.push(value);
                    Place::Fixed(fixed.len() as u32 - 1)
                }
            });
        }
        Sources { places, held: all_held, fixed }
    }
}

impl Step {
    fn of(call: Call, over: bool, specs: &[Spec], slot_of: &[u32], places: &[Place]) -> Step {
        let place = |of: Of| match of {
            Of::Made(value) => Place::Slot(slot_of[value as usize]),
            Of::Source(source) => places[source as usize],
        };
        let read = |x: Operand| Read { place: place(x.of), layout: x.layout, dtype: x.dtype };
        let write = |value: u32| {
            let Spec { shape, dtype, .. } = specs[value as usize];
            Write { slot: slot_of[value as usize], shape, dtype }
        };
        let device = specs[call.outputs.start as usize].device;
        let inputs: Vec<Read> = call.inputs.into_iter().skip(over as usize).map(read).collect();
        let outputs: Vec<Write> = call.outputs.map(write).collect();
        let bound = match &outputs[..] {
            [out] if device == Device::cpu() => {
                let forms: Vec<_> = inputs.iter().map(|x| (&x.layout, x.dtype)).collect();
                let mut places = [Place::Slot(0); 3];
                places.iter_mut().zip(&inputs).for_each(|(place, x)| *place = x.place);
                let bound = Bound::of(&call.kernel, over, &forms, (&out.shape, out.dtype));
                bound.map(|bound| (bound, places, out.slot))
            }
            _ => None,
        };
        Step { kernel: call.kernel, bound, device, over, inputs, outputs }
    }
}
