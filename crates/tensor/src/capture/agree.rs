//! Whether two recordings are of the same step.

use std::sync::Arc;

use crate::capture::recorder::{Call, Of, Operand, RecordedGrad, Recording, Source};
use crate::value::Value;

impl Recording {
    /// What differs between two runs of a step, if anything does.
    pub(super) fn difference(&self, other: &Recording) -> Option<String> {
        for (i, (a, b)) in self.calls.iter().zip(&other.calls).enumerate() {
            if !a.is(b) {
                return Some(format!("call {i} was {} in one run and {} in the next", a.show(), b.show()));
            }
        }
        if self.calls.len() != other.calls.len() {
            return Some(format!("one run made {} calls, the next {}", self.calls.len(), other.calls.len()));
        }
        if self.sources.len() != other.sources.len() {
            return Some("the two runs read different numbers of tensors".into());
        }
        for (a, b) in self.sources.iter().zip(&other.sources) {
            if let Some(what) = a.differs(b) {
                return Some(what);
            }
        }
        if self.advance != other.advance {
            return Some(format!("one run drew {} random blocks, the next {}", self.advance, other.advance));
        }
        if self.outputs != other.outputs {
            return Some("the outputs were other values".into());
        }
        let same_gradients = self.gradients.len() == other.gradients.len()
            && self.gradients.iter().zip(&other.gradients).all(|(a, b)| a.0 == b.0 && a.1.is(&b.1));
        if !same_gradients {
            return Some("the gradients were those of other leaves, as when the step makes its own".into());
        }
        let same_writes = self.writes.len() == other.writes.len()
            && self.writes.iter().zip(&other.writes).all(|(a, b)| Arc::ptr_eq(&a.0, &b.0) && a.1 == b.1);
        (!same_writes).then(|| "the two runs left different values in buffers".into())
    }

    /// The values that the step hands out, in the order of [`super::Results`].
    pub(super) fn results(&self) -> Vec<&Operand> {
        let mut all: Vec<&Operand> = self.outputs.iter().collect();
        for (_, grad) in &self.gradients {
            match grad {
                RecordedGrad::Dense(x) => all.push(x),
                RecordedGrad::Rows { index, values } => all.extend([index, values]),
            }
        }
        all
    }
}

impl Call {
    /// Kernels are compared by what they print: all their numbers, to the last bit.
    fn is(&self, other: &Call) -> bool {
        self.inputs == other.inputs
            && self.outputs == other.outputs
            && format!("{:?}", self.kernel) == format!("{:?}", other.kernel)
    }

    fn show(&self) -> String {
        let shape = |x: &Operand| match x.of {
            Of::Made(i) => format!("%{i} {}", x.layout.shape()),
            Of::Source(i) => format!("source {i} {}", x.layout.shape()),
        };
        format!("{:?} of {}", self.kernel, self.inputs.iter().map(shape).collect::<Vec<_>>().join(", "))
    }
}

impl Source {
    fn differs(&self, other: &Source) -> Option<String> {
        let same = match (self, other) {
            (Source::Input(i, _), Source::Input(j, _)) => i == j,
            (Source::Held { held: a, trained, .. }, Source::Held { held: b, trained: then, .. }) => {
                Arc::ptr_eq(a, b) && trained == then
            }
            (Source::Fixed(a), Source::Fixed(b)) => a.spec() == b.spec(),
            (Source::Constant(a), Source::Constant(b)) if same_memory(a, b) => true,
            (Source::Constant(a), _) | (_, Source::Constant(a)) => {
                return Some(format!(
                    "the tensor {} from outside was another one in the next run; declare it as an input",
                    a.shape()
                ));
            }
            _ => false,
        };
        (!same).then(|| "the two runs read different tensors".into())
    }
}

fn same_memory(a: &Value, b: &Value) -> bool {
    a.address() == b.address()
}

impl RecordedGrad {
    fn is(&self, other: &RecordedGrad) -> bool {
        match (self, other) {
            (RecordedGrad::Dense(a), RecordedGrad::Dense(b)) => a == b,
            (RecordedGrad::Rows { index: i, values: a }, RecordedGrad::Rows { index: j, values: b }) => {
                i == j && a == b
            }
            _ => false,
        }
    }
}
