//! Chains of elementwise kernels made one kernel, which runs them block by block in the nearest cache.
//!
//! Each link is computed by the function that computes the kernel alone, so the numbers are the same to the bit.

use std::collections::HashMap;

use crate::backend::{Device, Kernel, Link, LinkInput};
use crate::capture::recorder::{Call, Of, Operand};
use crate::op::Spec;

/// Smaller results stay in the cache between two kernels anyhow.
const LEAST_BYTES: usize = 64 << 10;
const MOST_LINKS: usize = 8;
const MOST_INPUTS: usize = 5;

/// Joins each elementwise call to those that made its operands, where nobody else reads these.
pub(super) fn chains(calls: &mut Vec<Call>, specs: &[Spec], keep: &[u32]) {
    let mut readers = vec![0; specs.len()];
    for operand in calls.iter().flat_map(|call| &call.inputs) {
        if let Of::Made(value) = operand.of {
            readers[value as usize] += 1;
        }
    }
    keep.iter().for_each(|&value| readers[value as usize] += 1);
    // The open chains, by the value that they make.
    let mut open: HashMap<u32, usize> = HashMap::new();
    let mut joined = vec![false; calls.len()];
    for i in 0..calls.len() {
        let Some(mut chain) = Chain::of(&calls[i], specs) else { continue };
        while let Some((at, value)) = chain.next(&open, &readers) {
            let before = Chain::of(&calls[at], specs).expect("only chains are open");
            let Some(longer) = chain.after(value, before) else {
                open.remove(&value);
                continue;
            };
            chain = longer;
            joined[at] = true;
            open.remove(&value);
        }
        let value = calls[i].outputs.start;
        open.insert(value, i);
        if chain.links.len() > 1 {
            (calls[i].kernel, calls[i].inputs) = (Kernel::Chain(chain.links), chain.inputs);
        }
    }
    let mut joined = joined.into_iter();
    calls.retain(|_| joined.next() == Some(false));
}

/// Links in order, and what they read from outside.
struct Chain {
    links: Vec<Link>,
    inputs: Vec<Operand>,
}

impl Chain {
    /// A call as a chain, if it is elementwise, without broadcasting but of single numbers, and worth it.
    fn of(call: &Call, specs: &[Spec]) -> Option<Chain> {
        let out = &specs[call.outputs.start as usize];
        let plain = |x: &Operand| {
            x.dtype == out.dtype
                && x.layout.contiguous().is_some()
                && (*x.layout.shape() == out.shape || x.layout.shape().numel() == 1)
        };
        let bytes = out.shape.numel() * out.dtype.size();
        // Other devices need not know chains.
        let here = out.device == Device::cpu() && out.dtype.is_float();
        if !here || bytes < LEAST_BYTES || !call.inputs.iter().all(plain) {
            return None;
        }
        let links = match &call.kernel {
            Kernel::Chain(links) => links.clone(),
            kernel @ (Kernel::Unary(_) | Kernel::Affine(..)) => {
                vec![Link { kernel: kernel.clone(), inputs: [LinkInput::Outside(0); 2] }]
            }
            kernel @ (Kernel::Slope(_) | Kernel::Binary(_)) => {
                vec![Link { kernel: kernel.clone(), inputs: [LinkInput::Outside(0), LinkInput::Outside(1)] }]
            }
            _ => return None,
        };
        Some(Chain { links, inputs: call.inputs.clone() })
    }

    /// An input that an open chain makes for this one alone, whole and as it is.
    fn next(&self, open: &HashMap<u32, usize>, readers: &[usize]) -> Option<(usize, u32)> {
        self.inputs.iter().find_map(|x| match x.of {
            Of::Made(value) if x.layout.is_dense() && readers[value as usize] == 1 => {
                open.get(&value).map(|&at| (at, value))
            }
            _ => None,
        })
    }

    /// This chain behind the one that makes `value`, unless the two are too long together.
    fn after(&self, value: u32, before: Chain) -> Option<Chain> {
        let at = self.inputs.iter().position(|x| x.of == Of::Made(value))?;
        let (first, outside) = (before.links.len(), before.inputs.len());
        let moved = |input: LinkInput| match input {
            LinkInput::Link(i) => LinkInput::Link(i + first),
            LinkInput::Outside(i) if i == at => LinkInput::Link(first - 1),
            LinkInput::Outside(i) => LinkInput::Outside(outside + i - (i > at) as usize),
        };
        let mut links = before.links;
        links.extend(
            self.links
                .iter()
                .map(|link| Link { kernel: link.kernel.clone(), inputs: link.inputs.map(moved) }),
        );
        let mut inputs = before.inputs;
        inputs.extend(self.inputs.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, x)| x.clone()));
        (links.len() <= MOST_LINKS && inputs.len() <= MOST_INPUTS).then_some(Chain { links, inputs })
    }
}
