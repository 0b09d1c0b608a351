//! Anomaly detection: which operation first made a NaN, forward or backward, and where it was called.

use std::any::Any;
use std::cell::RefCell;
use std::fmt::{self, Display};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::Arc;

use crate::autograd::{Back, Grad, Leaf, LeafId, is_watched};
use crate::capture;
use crate::dtype::DType;
use crate::op::Spec;
use crate::shape::Shape;
use crate::tensor::Tensor;
use crate::testing::coordinates;
use crate::watch;

/// Why a step is not replayed while anomalies are looked for.
pub(crate) const REASON: &str =
    "anomaly detection is on, which looks at each operation as it runs; a replay has none";

/// What counts as an anomaly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnomalyOptions {
    /// Whether infinities count too. Not by default: masks put -∞ before a softmax on purpose, and `ln(0)` is often
    /// meant. With them an overflow is found where it happens, before it becomes NaN further on.
    pub infinities: bool,
}

/// Runs `f`, and stops at the first operation that makes a NaN: in its result, or, in a backward pass, in a gradient.
///
/// Forward and backward pass must both be inside for a gradient's anomaly to name the line of the forward call. Each
/// result is looked through, so that this is for finding a mistake, not for training: it costs a pass over every
/// tensor. Without it, operations do nothing for it. It holds on the thread that calls it, and
/// [`capture`](crate::capture()) replays nothing meanwhile.
///
/// # Errors
/// The first anomaly: operation, shapes of its inputs, module, source line, which elements. `f` is left at that point by
/// unwinding, as by a panic; where panics abort the program, the message is that of the panic.
///
/// # Examples
/// ```
/// # use talweg_tensor::{AnomalyOptions, Tensor, detect_anomaly};
/// let x = Tensor::from_slice(&[4.0f32, -1.0], [2]).requires_grad();
/// let found = detect_anomaly(AnomalyOptions::default(), || x.sqrt().sum(..).backward()).unwrap_err();
/// assert_eq!((found.op, found.at.as_slice()), ("sqrt", &[1][..]));
/// assert!(found.to_string().starts_with("sqrt: made NaN in 1 of 2 elements of its result f32 [2], the first at [1]"));
///
/// // 0 · ∞ in the derivative: √0 is 0, but its slope is infinite.
/// let x = Tensor::from_slice(&[0.0f32], [1]).requires_grad();
/// let found = detect_anomaly(AnomalyOptions::default(), || (x.sqrt() * 0.0).sum(..).backward()).unwrap_err();
/// assert!(found.to_string().starts_with("sqrt: its derivative made NaN in 1 of 1 elements of the gradient of input 0"));
/// assert!(found.location.unwrap().line() > 0);
/// ```
pub fn detect_anomaly<R>(options: AnomalyOptions, f: impl FnOnce() -> R) -> Result<R, Box<Anomaly>> {
    if capture::is_on() {
        capture::refuse(REASON);
    }
    let detection = Detection { options, inside: None };
    let run = || watch::with(|watch| watch.detection = Some(detection), f);
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload: Box<dyn Any + Send>| {
        match payload.downcast::<Anomaly>() {
            Ok(anomaly) => anomaly,
            Err(panic) => resume_unwind(panic),
        }
    })
}

/// Runs `f` one module further in, for the messages of [`detect_anomaly`]: what containers of layers call around each
/// of them. Without detection, it only calls `f`.
///
/// # Examples
/// ```
/// # use talweg_tensor::{AnomalyOptions, Tensor, detect_anomaly, in_module};
/// let x = Tensor::from_slice(&[-1.0f32], [1]);
/// let found = detect_anomaly(AnomalyOptions::default(), || in_module("layers", || in_module(&3, || x.ln())));
/// assert_eq!(found.unwrap_err().module, "layers.3");
/// ```
pub fn in_module<R>(name: impl Display, f: impl FnOnce() -> R) -> R {
    if !is_watched() {
        return f();
    }
    let mut path = path().to_string();
    if !path.is_empty() {
        path.push('.');
    }
    with_path((path + &name.to_string()).into(), f)
}

/// The first NaN or infinity that was found, see [`detect_anomaly`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Anomaly {
    /// The operation's name.
    pub op: &'static str,
    /// Where it was found.
    pub found: Found,
    /// The first of the numbers that are no numbers: NaN or an infinity.
    pub value: f64,
    /// How many elements there are of that kind.
    pub count: usize,
    /// The type and the sizes of the tensor that they are in.
    pub of: (DType, Shape),
    /// The position of the first one, along each axis.
    pub at: Vec<usize>,
    /// The operation's inputs.
    pub inputs: Vec<(DType, Shape)>,
    /// Which of the inputs held infinities when the result became NaN.
    pub infinite: Vec<usize>,
    /// The path of the module, `0.layers.2`; empty outside of all.
    pub module: String,
    /// The line that called the operation; for a gradient the line of the forward call. `None` when that call was
    /// before the detection.
    pub location: Option<&'static Location<'static>>,
    /// The parameters and other leaves among the operation's inputs.
    pub leaves: Vec<LeafId>,
}

/// Where a NaN or an infinity was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// In this result of the operation, whose inputs had none.
    Result(usize),
    /// In this input of the operation, made where nothing was looked at.
    Input(usize),
    /// In the gradient of this input, from gradients that had none.
    Gradient(usize),
    /// In the sum of the gradients that reach this result of the operation.
    Sum(usize),
    /// In the gradient of this result, after its hooks had run.
    Hooked(usize),
    /// In a gradient that the backward pass was started from.
    Start,
}

impl Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if self.value.is_nan() { "NaN" } else { "infinity" };
        let (count, all, (dtype, shape)) = (self.count, self.of.1.numel(), &self.of);
        let part = format!("{value} in {count} of {all} elements of");
        let several = if all > 1 { format!(", the first at {:?}", self.at) } else { String::new() };
        match self.found {
            Found::Result(0) => write!(f, "{}: made {part} its result {dtype} {shape}{several}", self.op),
            Found::Result(i) => write!(f, "{}: made {part} its result {i} {dtype} {shape}{several}", self.op),
            Found::Input(i) => write!(
                f,
                "{}: received {part} input {i} {dtype} {shape}{several}; it was not made by an operation that was \
                 looked at: look at the data and the parameters",
                self.op
            ),
            Found::Gradient(i) => write!(
                f,
                "{}: its derivative made {part} the gradient of input {i} {dtype} {shape}{several}",
                self.op
            ),
            Found::Sum(i) => write!(
                f,
                "{}: the gradients that reach its result {i} add up to {part} {dtype} {shape}{several}",
                self.op
            ),
            Found::Hooked(i) => write!(
                f,
                "{}: a gradient hook on its result {i} made {part} {dtype} {shape}{several}",
                self.op
            ),
            Found::Start => {
                write!(
                    f,
                    "the gradient that the backward pass starts from has {part} {dtype} {shape}{several}"
                )
            }
        }?;
        if !self.inputs.is_empty() {
            let inputs: Vec<String> =
                self.inputs.iter().map(|(dtype, shape)| format!("{dtype} {shape}")).collect();
            write!(f, "; inputs {}", inputs.join(" x "))?;
        }
        for i in &self.infinite {
            write!(f, "; input {i} holds infinities")?;
        }
        if !self.module.is_empty() {
            write!(f, "; in the module {}", self.module)?;
        }
        match (self.location, self.found) {
            (_, Found::Start) => Ok(()),
            (Some(location), _) => write!(f, "; called at {location}"),
            (None, _) => f.write_str(
                "; it was called before the detection began: run the forward pass inside too to have its line",
            ),
        }
    }
}

impl std::error::Error for Anomaly {}

/// What is looked for on this thread.
#[derive(Clone)]
pub(crate) struct Detection {
    options: AnomalyOptions,
    /// The operation whose derivative runs: its parts are not looked at one by one.
    inside: Option<Option<Arc<Site>>>,
}

/// Where an operation was called.
#[derive(Debug)]
pub(crate) struct Site {
    inputs: Vec<(DType, Shape)>,
    leaves: Vec<LeafId>,
    module: Arc<str>,
    location: &'static Location<'static>,
}

thread_local! {
    /// The path of the module that runs.
    static PATH: RefCell<Arc<str>> = RefCell::new("".into());
}

/// The path of the module that runs, where that is heard of.
pub(crate) fn path() -> Arc<str> {
    PATH.with_borrow(Arc::clone)
}

fn with_path<R>(path: Arc<str>, f: impl FnOnce() -> R) -> R {
    struct Restore(Arc<str>);
    impl Drop for Restore {
        fn drop(&mut self) {
            PATH.set(self.0.clone());
        }
    }
    let _restore = Restore(PATH.replace(path));
    f()
}

/// Computes a part of a module again, in a backward pass: its operations are looked at like the first time.
pub(crate) fn in_path<R>(path: &Arc<str>, f: impl FnOnce() -> R) -> R {
    match watch::detection() {
        None => f(),
        Some(Detection { options, .. }) => {
            let detection = Some(Detection { options, inside: None });
            with_path(path.clone(), || watch::with(|watch| watch.detection = detection, f))
        }
    }
}

/// Whether anomalies are looked for on this thread.
#[inline]
pub(crate) fn is_on() -> bool {
    is_watched() && watch::detection().is_some()
}

/// Looks at an operation's results; gives what its record is to remember.
pub(crate) fn check_results(
    op: &'static str,
    inputs: &[&Tensor],
    ys: &[&Tensor],
    location: &'static Location<'static>,
) -> Option<Arc<Site>> {
    let Detection { options, inside } = watch::detection()?;
    if let Some(site) = inside {
        return site;
    }
    let site = Arc::new(Site {
        inputs: inputs.iter().map(|x| (x.dtype(), *x.shape())).collect(),
        leaves: inputs.iter().filter_map(|x| x.leaf_id()).collect(),
        module: path(),
        location,
    });
    for (i, y) in ys.iter().enumerate() {
        let Some(bad) = Bad::of(y, options.infinities) else { continue };
        let inputs = || inputs.iter().enumerate();
        let from = inputs().find_map(|(i, x)| Some((i, Bad::of(x, options.infinities)?)));
        if let Some((i, bad)) = from {
            stop(bad.anomaly(op, Found::Input(i), Some(&site)));
        }
        let mut anomaly = bad.anomaly(op, Found::Result(i), Some(&site));
        anomaly.infinite = inputs().filter(|(_, x)| Bad::of(x, true).is_some()).map(|(i, _)| i).collect();
        stop(anomaly);
    }
    Some(site)
}

/// Looks at a gradient that a walk starts from.
pub(crate) fn check_start(dy: &Tensor) {
    if let Some(detection) = watch::detection()
        && let Some(bad) = Bad::of(dy, detection.options.infinities)
    {
        stop(bad.anomaly("backward", Found::Start, None));
    }
}

/// Looks at the gradients of an operation's results.
pub(crate) fn check_arrived(
    op: &'static str,
    site: Option<&Arc<Site>>,
    dys: &[Option<Tensor>],
    hooked: bool,
) {
    let Some(detection) = watch::detection() else { return };
    for (i, dy) in dys.iter().enumerate() {
        if let Some(bad) = dy.as_ref().and_then(|dy| Bad::of(dy, detection.options.infinities)) {
            let found = if hooked { Found::Hooked(i) } else { Found::Sum(i) };
            stop(bad.anomaly(op, found, site));
        }
    }
}

/// Runs an operation's derivative, and looks at the gradients that it gives.
pub(crate) fn in_derivative(op: &'static str, site: Option<&Arc<Site>>, f: impl FnOnce() -> Back) -> Back {
    let Some(Detection { options, .. }) = watch::detection() else { return f() };
    let detection = Some(Detection { options, inside: Some(site.cloned()) });
    let back = watch::with(|watch| watch.detection = detection, f);
    if let Back::Inputs(dxs) = &back {
        for (i, dx) in dxs.iter().enumerate() {
            let values = match dx {
                None => continue,
                Some(Grad::Dense(dx)) => dx,
                Some(Grad::Rows { values, .. }) => values,
            };
            if let Some(bad) = Bad::of(values, options.infinities) {
                stop(bad.anomaly(op, Found::Gradient(i), site));
            }
        }
    }
    back
}

/// The elements of a tensor that are no numbers.
struct Bad {
    value: f64,
    count: usize,
    at: Vec<usize>,
    of: Spec,
}

impl Bad {
    fn of(x: &Tensor, infinities: bool) -> Option<Bad> {
        if !x.dtype().is_real() {
            return None;
        }
        let numbers: Vec<f64> = crate::autograd::set_watched(false, || match x.dtype() {
            DType::F64 => x.to_vec::<f64>(),
            _ => x.detach().cast(DType::F32).to_vec::<f32>().into_iter().map(f64::from).collect(),
        });
        let is_bad = |x: &f64| x.is_nan() || infinities && x.is_infinite();
        let first = numbers.iter().position(is_bad)?;
        let count = numbers.iter().filter(|x| is_bad(x)).count();
        Some(Bad { value: numbers[first], count, at: coordinates(first, x.shape()), of: x.spec() })
    }

    fn anomaly(self, op: &'static str, found: Found, site: Option<&Arc<Site>>) -> Anomaly {
        Anomaly {
            op,
            found,
            value: self.value,
            count: self.count,
            of: (self.of.dtype, self.of.shape),
            at: self.at,
            inputs: site.map_or(Vec::new(), |site| site.inputs.clone()),
            infinite: Vec::new(),
            module: site.map_or(String::new(), |site| site.module.to_string()),
            location: site.map(|site| site.location),
            leaves: site.map_or(Vec::new(), |site| site.leaves.clone()),
        }
    }
}

/// Leaves the function that is looked at.
fn stop(anomaly: Anomaly) -> ! {
    if cfg!(panic = "abort") {
        panic!("{anomaly}");
    }
    resume_unwind(Box::new(anomaly))
}

#[cfg(test)]
mod tests;
