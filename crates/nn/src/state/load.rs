//! Putting a state into a model.

use std::collections::{HashMap, HashSet};
use std::fmt::{self, Display};

use talweg_tensor::{Buffer, LeafId, Param, Tensor};

use super::{Form, StateError};
use crate::module::{Entry, Module, Path};
use crate::suggest::nearest;

/// What to do with a state that does not fit the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Load {
    /// Every name, shape and type must fit; else nothing is put in.
    #[default]
    Strict,
    /// What fits is put in, floating-point numbers of another precision converted, and the rest reported.
    Lenient,
}

/// What became of a state: see [`Module::load_state`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadReport {
    /// The names that were put in, or would have been.
    pub loaded: Vec<String>,
    /// Those of them that were converted from another precision.
    pub converted: Vec<Mismatch>,
    /// What the model has and the state lacks, with the name in the state that was perhaps meant.
    pub missing: Vec<(String, Option<String>)>,
    /// What the state has and the model lacks.
    pub unexpected: Vec<String>,
    /// What has another shape, or a type that cannot be converted.
    pub mismatched: Vec<Mismatch>,
}

/// A tensor of another shape or type than the model's.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// The name.
    pub name: String,
    /// What the state has.
    pub found: Form,
    /// What the model has.
    pub expected: Form,
}

impl LoadReport {
    /// Whether every name, shape and type fitted.
    pub fn is_exact(&self) -> bool {
        self.converted.is_empty()
            && self.missing.is_empty()
            && self.unexpected.is_empty()
            && self.mismatched.is_empty()
    }
}

/// The counts first, then a line for each name.
impl Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} fit, {} missing, {} unexpected, {} of another shape or type",
            self.loaded.len(),
            self.missing.len(),
            self.unexpected.len(),
            self.mismatched.len() + self.converted.len()
        )?;
        for (name, meant) in &self.missing {
            write!(f, "\n  missing: `{name}`")?;
            if let Some(meant) = meant {
                write!(f, "; the state has `{meant}`")?;
            }
        }
        for name in &self.unexpected {
            write!(f, "\n  unexpected: `{name}`")?;
        }
        for Mismatch { name, found, expected } in self.mismatched.iter().chain(&self.converted) {
            write!(f, "\n  `{name}`: the state has {found}, the model takes {expected}")?;
        }
        Ok(())
    }
}

/// A parameter or buffer with all its names: a tied weight has several.
struct Place {
    names: Vec<String>,
    target: Target,
}

enum Target {
    Param(Param),
    Buffer(Buffer),
}

impl Target {
    fn form(&self) -> Form {
        match self {
            Target::Param(param) => Form::of(&param.get()),
            Target::Buffer(buffer) => Form::of(&buffer.get()),
        }
    }

    fn set(&self, x: &Tensor) {
        match self {
            Target::Param(param) => param.set(x),
            Target::Buffer(buffer) => buffer.set(x),
        }
    }
}

fn places<M: Module + ?Sized>(module: &M) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    let mut known: HashMap<LeafId, usize> = HashMap::new();
    module.visit(&mut Path::new(), &mut |path, entry| {
        let at = match entry {
            Entry::Param(param) => {
                let at = *known.entry(param.id()).or_insert(places.len());
                if at == places.len() {
                    places.push(Place { names: Vec::new(), target: Target::Param(param.clone()) });
                }
                at
            }
            Entry::Buffer(buffer) => {
                let is_same =
                    |place: &Place| matches!(&place.target, Target::Buffer(other) if other.is(buffer));
                places.iter().position(is_same).unwrap_or_else(|| {
                    places.push(Place { names: Vec::new(), target: Target::Buffer(buffer.clone()) });
                    places.len() - 1
                })
            }
        };
        places[at].names.push(path.to_string());
    });
    places
}

/// Compares a state with a module and, if it fits or `how` allows, puts it in.
pub(crate) fn load<M: Module + ?Sized>(
    module: &M,
    state: &[(String, Tensor)],
    how: Load,
) -> Result<LoadReport, StateError> {
    let mut by_name: HashMap<&str, &Tensor> = HashMap::with_capacity(state.len());
    for (name, x) in state {
        if by_name.insert(name, x).is_some() {
            return Err(StateError::Twice(name.clone()));
        }
    }
    let places = places(module);
    let (mut report, mut fits) = (LoadReport::default(), Vec::new());
    let mut absent = Vec::new();
    for place in &places {
        let present = place.names.iter().find_map(|name| Some((name, *by_name.get(name.as_str())?)));
        let Some((name, x)) = present else {
            absent.push(&place.names[0]);
            continue;
        };
        let (name, found, expected) = (name.clone(), Form::of(x), place.target.form());
        let convertible = found.dtype.is_real() && expected.dtype.is_real();
        if found.shape != expected.shape || (found.dtype != expected.dtype && !convertible) {
            report.mismatched.push(Mismatch { name, found, expected });
            continue;
        }
        if found.dtype != expected.dtype {
            report.converted.push(Mismatch { name: name.clone(), found, expected });
        }
        fits.push((&place.target, x.detach(), expected.dtype));
        report.loaded.push(name);
    }
    let expected: HashSet<&String> = places.iter().flat_map(|place| &place.names).collect();
    let is_unexpected = |name: &&String| !expected.contains(*name);
    report.unexpected = state.iter().map(|(name, _)| name).filter(is_unexpected).cloned().collect();
    let spare: Vec<&str> = report.unexpected.iter().map(String::as_str).collect();
    report.missing =
        absent.into_iter().map(|name| (name.clone(), nearest(name, &spare).map(String::from))).collect();
    if how == Load::Strict && !report.is_exact() {
        return Err(StateError::Misfit(Box::new(report)));
    }
    for (target, x, dtype) in fits {
        target.set(&if x.dtype() == dtype { x } else { x.cast(dtype) });
    }
    Ok(report)
}
