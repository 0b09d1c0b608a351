//! Modules: what holds parameters, and the names under which they are found.

use std::collections::{BTreeMap, HashSet};
use std::fmt::{self, Display, Write};
use std::marker::PhantomData;
use std::sync::Arc;

use talweg_tensor::{Axes, Buffer, DType, Device, Gradients, Param, Rng, Shape, Tensor};

use crate::gradient_report::GradientReport;
use crate::init::Init;
use crate::state::{Load, LoadReport, StateError};
use crate::suggest::nearest;

/// Where a walk over a module is: the names of the fields that lead there, joined by dots, as in `layers.0.weight`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(String);

impl Path {
    /// The path of the whole module: empty.
    pub fn new() -> Path {
        Path::default()
    }

    /// Calls `f` one name further in.
    ///
    /// # Examples
    /// ```
    /// # use talweg_nn::Path;
    /// let mut path = Path::new();
    /// path.scope("layers", |path| path.scope(0, |path| assert_eq!(path.as_str(), "layers.0")));
    /// assert_eq!(path.as_str(), "");
    /// ```
    pub fn scope<R>(&mut self, name: impl Display, f: impl FnOnce(&mut Path) -> R) -> R {
        let before = self.0.len();
        if before > 0 {
            self.0.push('.');
        }
        write!(self.0, "{name}").expect("writing to a string cannot fail");
        let result = f(self);
        self.0.truncate(before);
        result
    }

    /// The names joined by dots.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a walk over a module meets.
#[derive(Clone, Copy, Debug)]
pub enum Entry<'a> {
    /// A parameter: trained by optimizers.
    Param(&'a Param),
    /// A buffer: changed by its layer, saved with the parameters, never trained.
    Buffer(&'a Buffer),
}

/// What holds parameters and buffers: a layer, a model, or a part of one.
///
/// Written by `#[derive(Module)]`. Every field is visited under its name: a [`Param`], a [`Buffer`], another module,
/// `Vec`, `Option`, `Box`, `Arc`, arrays, tuples and maps of them, or plain settings like numbers and text, which
/// hold nothing.
///
/// # Examples
/// ```
/// extern crate talweg_nn as talweg; // a program that depends on `talweg` needs no such line
/// use talweg_nn::{Linear, Module};
/// use talweg_tensor::Rng;
///
/// #[derive(Module)]
/// struct Net {
///     layers: Vec<Linear>,
///     head: Option<Linear>,
///     scale: f64,
/// }
///
/// fn main() {
///     let rng = &mut Rng::seed(1);
///     let net = Net { layers: vec![Linear::new(2, 8, rng)], head: Some(Linear::new(8, 1, rng)), scale: 0.5 };
///     let names: Vec<String> = net.params().into_iter().map(|(name, _)| name).collect();
///     assert_eq!(names, ["layers.0.weight", "layers.0.bias", "head.weight", "head.bias"]);
///     assert_eq!(net.num_params(), 2 * 8 + 8 + 8 * 1 + 1);
/// }
/// ```
/// A field that is a plain `Tensor` is refused, because nobody could tell whether it is to be trained:
/// ```compile_fail,E0277
/// extern crate talweg_nn as talweg;
/// #[derive(talweg_nn::Module)]
/// struct Shift {
///     by: talweg_tensor::Tensor, // the trait bound `Tensor: Module` is not satisfied
/// }
/// fn main() {}
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a module",
    label = "holds no parameters that `Module` could find",
    note = "derive it: `#[derive(Module)]`; or leave the field out: `#[module(skip)]`",
    note = "a tensor must say what it is: a `Param` is trained, a `Buffer` is saved but not trained"
)]
pub trait Module {
    /// Calls `f` with every parameter and buffer and its path, in the order of the fields. What is held twice is met
    /// twice.
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&Path, Entry<'_>));

    /// The parameters with their names. One that occurs twice, a tied weight, is listed once, under its first name.
    fn params(&self) -> Vec<(String, Param)> {
        let (mut list, mut seen) = (Vec::new(), HashSet::new());
        self.visit(&mut Path::new(), &mut |path, entry| {
            if let Entry::Param(param) = entry
                && seen.insert(param.id())
            {
                list.push((path.to_string(), param.clone()));
            }
        });
        list
    }

    /// The buffers with their names, each listed once.
    fn buffers(&self) -> Vec<(String, Buffer)> {
        let mut list: Vec<(String, Buffer)> = Vec::new();
        self.visit(&mut Path::new(), &mut |path, entry| {
            if let Entry::Buffer(buffer) = entry
                && !list.iter().any(|(_, other)| other.is(buffer))
            {
                list.push((path.to_string(), buffer.clone()));
            }
        });
        list
    }

    /// How many numbers the parameters hold, frozen ones too.
    fn num_params(&self) -> usize {
        self.params().iter().map(|(_, param)| param.shape().numel()).sum()
    }

    /// Which parameters a backward pass reached, which it did not and why that may be, and which got only zeros.
    ///
    /// # Examples
    /// ```
    /// # use talweg_nn::{Layer, Linear, Mode, Module, seq};
    /// # use talweg_tensor::{DType, Rng, Tensor};
    /// let rng = &mut Rng::seed(1);
    /// let model = seq![Linear::new(2, 3, rng), Linear::new(3, 1, rng)];
    /// let hidden = model.0[0].forward(&Tensor::ones([1, 2], DType::F32), &mut Mode::Eval).detach();
    /// let loss = model.0[1].forward(&hidden, &mut Mode::Eval).square().sum(..);
    /// let report = model.gradient_report(&loss.backward());
    /// assert_eq!((report.reached, report.missing[0].0.as_str()), (2, "0.weight"));
    /// assert!(report.missing[0].1.contains("its result was cut by detach()"));
    /// ```
    fn gradient_report(&self, gradients: &Gradients) -> GradientReport {
        GradientReport::of(&self.params(), gradients)
    }

    /// Stops training the parameters at and below a path: `"layers.0"` means `layers.0.weight` but not
    /// `layers.01.weight`, and `""` means all. Says how many there are.
    ///
    /// # Panics
    /// When there is no parameter at or below the path.
    #[track_caller]
    fn freeze(&self, prefix: &str) -> usize {
        let chosen = below(self.params(), prefix, "freeze");
        chosen.iter().for_each(Param::freeze);
        chosen.len()
    }

    /// Trains the parameters at and below a path again. Says how many there are.
    ///
    /// # Panics
    /// When there is no parameter at or below the path.
    #[track_caller]
    fn unfreeze(&self, prefix: &str) -> usize {
        let chosen = below(self.params(), prefix, "unfreeze");
        chosen.iter().for_each(Param::unfreeze);
        chosen.len()
    }

    /// Draws the weights anew: all parameters with two axes or more. Biases and the scales of normalisations keep
    /// their numbers; [`Module::init_with`] reaches them too.
    ///
    /// # Examples
    /// ```
    /// # use talweg_nn::{Init, Linear, Module};
    /// # use talweg_tensor::Rng;
    /// let rng = &mut Rng::seed(1);
    /// let layer = Linear::new(3, 2, rng);
    /// layer.init(Init::Constant(0.1), rng);
    /// assert_eq!(layer.weight.get().to_vec::<f32>(), [0.1; 6]);
    /// ```
    #[track_caller]
    fn init(&self, init: Init, rng: &mut Rng) {
        self.init_with(rng, &mut |_, shape| (shape.rank() >= 2).then_some(init));
    }

    /// Draws parameters anew, in the order of their names in [`Module::params`]: `choose` gets name and shape and
    /// says how, or `None` to keep the numbers.
    #[track_caller]
    fn init_with(&self, rng: &mut Rng, choose: &mut dyn FnMut(&str, &Shape) -> Option<Init>) {
        for (name, param) in self.params() {
            if let Some(init) = choose(&name, &param.shape()) {
                // Drawn outside `update`, so that a refusal leaves the parameter as it is.
                let new = init.draw(param.shape(), param.get().dtype(), rng);
                param.set(&new);
            }
        }
    }

    /// Parameters, then buffers, each with its name: what a file of weights holds. Tied ones are listed once.
    ///
    /// The numbers are shared, not copied, and do not change with the model.
    fn state(&self) -> Vec<(String, Tensor)> {
        let params = self.params().into_iter().map(|(name, param)| (name, param.get().detach()));
        let buffers = self.buffers().into_iter().map(|(name, buffer)| (name, buffer.get()));
        params.chain(buffers).collect()
    }

    /// Puts a state in, and says what became of it. A tied weight may stand under any of its names; the first counts.
    ///
    /// # Errors
    /// When a name occurs twice and, with [`Load::Strict`], when a name is missing or not known, or a shape or type
    /// differs. The message lists all of them, and the model is unchanged.
    ///
    /// # Examples
    /// ```
    /// # use talweg_nn::{Linear, Load, Module, seq};
    /// # use talweg_tensor::Rng;
    /// let rng = &mut Rng::seed(1);
    /// let (small, large) = (seq![Linear::new(2, 3, rng)], seq![Linear::new(2, 3, rng), Linear::new(3, 1, rng)]);
    /// let error = large.load_state(&small.state(), Load::Strict).unwrap_err();
    /// assert!(error.to_string().contains("missing: `1.weight`"));
    /// let report = large.load_state(&small.state(), Load::Lenient)?;
    /// assert_eq!((report.loaded.len(), report.missing.len()), (2, 2));
    /// # Ok::<(), talweg_nn::StateError>(())
    /// ```
    fn load_state(&self, state: &[(String, Tensor)], how: Load) -> Result<LoadReport, StateError> {
        crate::state::load(self, state, how)
    }

    /// Converts all parameters and floating-point buffers, in place: layers are made in `f32`.
    ///
    /// # Panics
    /// When `dtype` is not a floating-point type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_nn::{Layer, Linear, Mode, Module};
    /// # use talweg_tensor::{DType, Rng, Tensor};
    /// let layer = Linear::new(3, 2, &mut Rng::seed(1));
    /// layer.to_dtype(DType::F64);
    /// let y = layer.forward(&Tensor::ones([1, 3], DType::F64), &mut Mode::Eval);
    /// assert_eq!(y.dtype(), DType::F64);
    /// ```
    #[track_caller]
    fn to_dtype(&self, dtype: DType) {
        assert!(dtype.is_float(), "to_dtype: parameters are floating-point, not {dtype}; choose F32 or F64");
        self.params().iter().for_each(|(_, param)| param.update(|x| *x = x.cast(dtype)));
        for (_, buffer) in self.buffers() {
            buffer.update(|x| {
                if x.dtype().is_float() {
                    *x = x.cast(dtype);
                }
            });
        }
    }
}

#[track_caller]
fn below(params: Vec<(String, Param)>, prefix: &str, what: &str) -> Vec<Param> {
    let is_below = |name: &str| {
        prefix.is_empty()
            || name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let chosen: Vec<Param> =
        params.iter().filter(|(name, _)| is_below(name)).map(|(_, param)| param.clone()).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = params.iter().map(|(name, _)| name.as_str()).collect();
        let hint = match nearest(prefix, &names) {
            Some(name) => format!("the nearest name is `{name}`"),
            None => format!("there are {} parameters: {}", names.len(), names.join(", ")),
        };
        panic!("{what}: no parameter at or below `{prefix}`; {hint}");
    }
    chosen
}

impl Module for Param {
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&Path, Entry<'_>)) {
        f(path, Entry::Param(self));
    }
}

impl Module for Buffer {
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&Path, Entry<'_>)) {
        f(path, Entry::Buffer(self));
    }
}

macro_rules! pointers {
    ($($pointer:ident)*) => {$(
        impl<M: Module + ?Sized> Module for $pointer<M> {
            fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&Path, Entry<'_>)) {
                (**self).visit(path, f);
            }
        }
    )*};
}
pointers! { Box Arc }

impl<M: Module> Module for Option<M> {
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&Path, Entry<'_>)) {
        if let Some(module) = self {
            module.visit(path, f);
        }
    }
}

impl<M: Module> Module for [M] {
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&Path, Entry<'_>)) {
        for (i, module) in self.iter().enumerate() {
            path.scope(i, |path| module.visit(path, f));
        }
    }
}

impl<M: Module> Module for Vec<M> {
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&Path, Entry<'_>)) {
        self.as_slice().visit(path, f);
    }
}

impl<M: Module, const N: usize> Module for [M; N] {
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&Path, Entry<'_>)) {
        self.as_slice().visit(path, f);
    }
}

impl<K: Display, M: Module> Module for BTreeMap<K, M> {
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&Path, Entry<'_>)) {
        for (key, module) in self {
            path.scope(key, |path| module.visit(path, f));
        }
    }
}

macro_rules! tuples {
    ($(($($t:ident $i:tt),+))*) => {$(
        impl<$($t: Module),+> Module for ($($t,)+) {
            fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&Path, Entry<'_>)) {
                $(path.scope($i, |path| self.$i.visit(path, f));)+
            }
        }
    )*};
}
tuples! {
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
}

/// Settings: they hold no parameters.
macro_rules! plain {
    ($($t:ty)*) => {$(
        impl Module for $t {
            fn visit(&self, _: &mut Path, _: &mut dyn FnMut(&Path, Entry<'_>)) {}
        }
    )*};
}
plain! {
    () bool char f32 f64 i8 i16 i32 i64 isize u8 u16 u32 u64 usize String &'static str DType Device Shape Axes
}

impl<T: ?Sized> Module for PhantomData<T> {
    fn visit(&self, _: &mut Path, _: &mut dyn FnMut(&Path, Entry<'_>)) {}
}
