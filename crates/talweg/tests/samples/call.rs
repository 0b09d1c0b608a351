//! A sample's arguments, as the mapping to Talweg asks for them.

use std::cell::RefCell;
use std::collections::BTreeSet;

use talweg::tensor::{Axes, DType, Reduction, Tensor};

use crate::file::{Arg, Sample, Samples};

/// Why a sample has no counterpart in Talweg.
#[derive(Debug)]
pub(crate) struct Why(pub(crate) String);

impl From<&str> for Why {
    fn from(text: &str) -> Why {
        Why(text.to_string())
    }
}

/// A value, or why there is none.
pub(crate) type Made<T> = Result<T, Why>;

/// What a mapping gives: the outputs.
pub(crate) type Outcome = Made<Vec<Tensor>>;

/// One line of the table: PyTorch's name, and the call of Talweg.
pub(crate) type Row = (&'static str, fn(&Call<'_>) -> Outcome);

/// One call in one element type. It notes which arguments were asked for, so that none is overlooked.
pub(crate) struct Call<'a> {
    sample: &'a Sample,
    /// The element type of floating-point tensors.
    pub(crate) dtype: DType,
    /// The tensors among the arguments, in their order, with the place of the gradient of those that are tracked.
    pub(crate) tensors: Vec<(Tensor, Option<Option<usize>>)>,
    asked: RefCell<BTreeSet<String>>,
}

/// One output.
pub(crate) fn one(y: Tensor) -> Outcome {
    Ok(vec![y])
}

/// Every tensor among these arguments, in order.
pub(crate) fn places(sample: &Sample) -> Vec<(usize, Option<Option<usize>>)> {
    fn visit(argument: &Arg, found: &mut Vec<(usize, Option<Option<usize>>)>) {
        match argument {
            Arg::Tensor { array, gradient } => found.push((*array, *gradient)),
            Arg::List(list) => list.iter().for_each(|x| visit(x, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    sample.arguments.iter().chain(sample.named.values()).for_each(|x| visit(x, &mut found));
    found
}

impl<'a> Call<'a> {
    pub(crate) fn new(samples: &Samples, sample: &'a Sample, dtype: DType) -> Call<'a> {
        let tensor = |(array, gradient): (usize, Option<Option<usize>>)| {
            let x = samples.arrays[array].tensor(dtype);
            (if gradient.is_some() { x.requires_grad() } else { x }, gradient)
        };
        let tensors = places(sample).into_iter().map(tensor).collect();
        Call { sample, dtype, tensors, asked: RefCell::default() }
    }

    /// The arguments that the mapping did not ask for.
    pub(crate) fn overlooked(&self) -> Vec<String> {
        let asked = self.asked.borrow();
        let positions = (0..self.sample.arguments.len()).map(|i| i.to_string());
        positions.chain(self.sample.named.keys().cloned()).filter(|name| !asked.contains(name)).collect()
    }

    /// Arguments that change no number: how PyTorch computes, where the result goes.
    pub(crate) fn without_meaning(&self, names: &[&str]) {
        self.asked.borrow_mut().extend(names.iter().map(|name| name.to_string()));
    }

    /// The argument at a position or under a name; `None` when it is neither given nor PyTorch's `None`.
    pub(crate) fn argument(&self, position: usize, name: &str) -> Option<&'a Arg> {
        let found = match self.sample.arguments.get(position) {
            Some(found) => {
                self.asked.borrow_mut().insert(position.to_string());
                found
            }
            None => {
                self.asked.borrow_mut().insert(name.to_string());
                self.sample.named.get(name)?
            }
        };
        (*found != Arg::None).then_some(found)
    }

    /// How many arguments have positions.
    pub(crate) fn count(&self) -> usize {
        self.sample.arguments.len()
    }

    fn read<T>(
        &self,
        position: usize,
        name: &str,
        what: &str,
        read: impl Fn(&'a Arg) -> Option<T>,
    ) -> Made<Option<T>> {
        match self.argument(position, name) {
            None => Ok(None),
            Some(argument) => match read(argument) {
                Some(value) => Ok(Some(value)),
                None => Err(Why(format!("an argument that is not {what}"))),
            },
        }
    }

    /// The tensor that an argument is.
    pub(crate) fn at(&self, argument: &Arg) -> Option<Tensor> {
        let every = self.sample.arguments.iter().chain(self.sample.named.values());
        let mut number = 0;
        let mut stack: Vec<&Arg> = every.collect();
        stack.reverse();
        // Two arguments may be equal; their tensors then are, too, but each has its own gradient.
        while let Some(next) = stack.pop() {
            match next {
                Arg::Tensor { .. } => {
                    if std::ptr::eq(next, argument) {
                        return Some(self.tensors[number].0.clone());
                    }
                    number += 1;
                }
                Arg::List(list) => stack.extend(list.iter().rev()),
                _ => {}
            }
        }
        None
    }

    /// The first argument, a tensor.
    pub(crate) fn x(&self) -> Made<Tensor> {
        self.tensor(0, "input")?.ok_or_else(|| "the input is not given".into())
    }

    /// A tensor that is always given.
    pub(crate) fn needed(&self, position: usize, name: &str) -> Made<Tensor> {
        self.tensor(position, name)?.ok_or_else(|| "a tensor is not given".into())
    }

    pub(crate) fn tensor(&self, position: usize, name: &str) -> Made<Option<Tensor>> {
        self.read(position, name, "a tensor", |a| self.at(a))
    }

    /// A tensor, or a number as a tensor of the run's type.
    pub(crate) fn operand(&self, position: usize, name: &str) -> Made<Tensor> {
        let full = |x: f64| Tensor::full([], x, self.dtype);
        let made = self.read(position, name, "a tensor or a number", |a| match a {
            Arg::Tensor { .. } => self.at(a),
            _ => number(a).map(full),
        })?;
        made.ok_or_else(|| "an operand is not given".into())
    }

    /// A list of tensors.
    pub(crate) fn list(&self, position: usize, name: &str) -> Made<Vec<Tensor>> {
        let made = self.read(position, name, "a list of tensors", |a| match a {
            Arg::List(list) => list.iter().map(|x| self.at(x)).collect(),
            Arg::Tensor { .. } => self.at(a).map(|x| vec![x]),
            _ => None,
        })?;
        made.ok_or_else(|| "a list of tensors is not given".into())
    }

    pub(crate) fn number(&self, position: usize, name: &str) -> Made<Option<f64>> {
        self.read(position, name, "a number", number)
    }

    pub(crate) fn int(&self, position: usize, name: &str) -> Made<Option<i64>> {
        self.read(position, name, "a whole number", int)
    }

    pub(crate) fn axis(&self, position: usize, name: &str) -> Made<Option<isize>> {
        Ok(self.int(position, name)?.map(|x| x as isize))
    }

    pub(crate) fn flag(&self, position: usize, name: &str, default: bool) -> Made<bool> {
        let flag = |a: &Arg| match a {
            Arg::Bool(x) => Some(*x),
            _ => None,
        };
        Ok(self.read(position, name, "a truth value", flag)?.unwrap_or(default))
    }

    pub(crate) fn text(&self, position: usize, name: &str, default: &str) -> Made<String> {
        let text = |a: &Arg| match a {
            Arg::Text(x) => Some(x.clone()),
            _ => None,
        };
        Ok(self.read(position, name, "a text", text)?.unwrap_or_else(|| default.to_string()))
    }

    /// Whole numbers in a list, or one.
    pub(crate) fn ints(&self, position: usize, name: &str) -> Made<Option<Vec<isize>>> {
        self.read(position, name, "a list of whole numbers", ints)
    }

    /// Whole numbers that stand at the end of the positions one by one, or in a list: `x.view(2, 3)`.
    pub(crate) fn rest(&self, from: usize, name: &str) -> Made<Vec<isize>> {
        if self.count() <= from {
            return Ok(self.ints(from, name)?.unwrap_or_default());
        }
        let mut all = Vec::new();
        for position in from..self.count() {
            all.extend(self.ints(position, name)?.unwrap_or_default());
        }
        Ok(all)
    }

    /// Numbers in a list, or one.
    pub(crate) fn numbers(&self, position: usize, name: &str) -> Made<Option<Vec<f64>>> {
        self.read(position, name, "a list of numbers", |a| match a {
            Arg::List(list) => list.iter().map(number).collect(),
            _ => number(a).map(|x| vec![x]),
        })
    }

    /// Sizes along `N` axes, or one for all of them.
    pub(crate) fn sizes<const N: usize>(&self, position: usize, name: &str) -> Made<Option<[usize; N]>> {
        let sizes = |a: &Arg| {
            let list: Vec<usize> =
                ints(a)?.into_iter().map(|x| usize::try_from(x).ok()).collect::<Option<_>>()?;
            match list.len() {
                1 => Some([list[0]; N]),
                _ => list.try_into().ok(),
            }
        };
        self.read(position, name, "sizes", sizes)
    }

    /// The axes of a reduction: none given, or an empty list, is all of them.
    pub(crate) fn axes(&self, position: usize, name: &str) -> Made<Axes> {
        Ok(match self.ints(position, name)? {
            None => Axes::All,
            Some(list) if list.is_empty() => Axes::All,
            Some(list) => Axes::Some(list),
        })
    }

    /// How a loss is reduced.
    pub(crate) fn reduction(&self, position: usize) -> Made<Reduction> {
        match self.text(position, "reduction", "mean")?.as_str() {
            "mean" => Ok(Reduction::Mean),
            "sum" => Ok(Reduction::Sum),
            "none" => Ok(Reduction::None),
            other => Err(Why(format!("a reduction by {other}"))),
        }
    }

    /// The element type asked for, where PyTorch's f64 is the run's type.
    pub(crate) fn dtype(&self, position: usize, name: &str) -> Made<Option<DType>> {
        let dtype = |a: &Arg| match a {
            Arg::Dtype(name) => match name.as_str() {
                "float64" => Some(self.dtype),
                "float32" => Some(DType::F32),
                "int64" => Some(DType::I64),
                "bool" => Some(DType::Bool),
                "uint8" => Some(DType::U8),
                "bfloat16" => Some(DType::Bf16),
                _ => None,
            },
            _ => None,
        };
        self.read(position, name, "an element type that Talweg has", dtype)
    }
}

fn number(a: &Arg) -> Option<f64> {
    match a {
        Arg::Int(x) => Some(*x as f64),
        Arg::Float(x) => Some(*x),
        Arg::Bool(x) => Some(f64::from(*x)),
        _ => None,
    }
}

fn int(a: &Arg) -> Option<i64> {
    match a {
        Arg::Int(x) => Some(*x),
        Arg::Bool(x) => Some(i64::from(*x)),
        _ => None,
    }
}

fn ints(a: &Arg) -> Option<Vec<isize>> {
    match a {
        Arg::List(list) => list.iter().map(|x| int(x).map(|x| x as isize)).collect(),
        _ => int(a).map(|x| vec![x as isize]),
    }
}
