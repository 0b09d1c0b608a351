//! Derivatives against finite differences.

use crate::autograd::{Create, grad, grad_from, jvp, no_grad, recording};
use crate::dtype::DType;
use crate::random::Rng;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// How derivatives are compared with finite differences.
///
/// # Examples
/// ```
/// # use talweg_tensor::{Tensor, testing::{CheckOptions, gradcheck_with}};
/// let x = Tensor::from_slice(&[0.1f64, 0.2], [2]);
/// let scale = Tensor::from_slice(&[3.0f64, 4.0], [2]);
/// // Only the first input is moved.
/// let options = CheckOptions { inputs: Some(vec![0]), tolerance: 1e-8, ..Default::default() };
/// assert!(gradcheck_with(&|x| x[0].sin() * x[1].detach(), &[&x, &scale], &options).is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct CheckOptions {
    /// The step of the central differences. Their error is about `step² f''' / 6` from truncation and `1e-16 |f| / step`
    /// from rounding. Default 1e-5, where both are 1e-11 for functions of size 1.
    pub step: f64,
    /// The allowed difference, relative to the larger of 1 and the derivative. Default 1e-7: 10,000 times the expected
    /// error, and far below that of any wrong formula.
    pub tolerance: f64,
    /// The inputs that are checked, by number; the others stand still. All by default.
    pub inputs: Option<Vec<usize>>,
}

impl Default for CheckOptions {
    fn default() -> CheckOptions {
        CheckOptions { step: 1e-5, tolerance: 1e-7, inputs: None }
    }
}

impl CheckOptions {
    fn covers(&self, input: usize) -> bool {
        self.inputs.as_ref().is_none_or(|inputs| inputs.contains(&input))
    }
}

/// A function that is checked.
type Function<'a> = dyn Fn(&[&Tensor]) -> Tensor + 'a;

/// Compares the gradients of `f` with central differences at `inputs`, which must be `f64`.
///
/// The output is contracted with random weights, and every element of every input is moved in turn. Both walks are
/// checked: `backward`, which frees the graph and uses fused kernels, and `grad` with its graph, which does not.
///
/// # Errors
/// A message with the worst element, its two gradients, the tolerance, and how many elements are wrong.
///
/// # Examples
/// ```
/// # use talweg_tensor::{DType, Rng, testing::gradcheck};
/// let x = Rng::seed(1).normal([2, 3], 0.0, 1.0, DType::F64);
/// assert!(gradcheck(&|x| x[0].tanh(), &[&x]).is_ok());
/// let error = gradcheck(&|x| x[0] * x[0].detach(), &[&x]).unwrap_err();
/// assert!(error.starts_with("input 0 [2, 3], element [1, 0]: backward gives "), "{error}");
/// assert!(error.ends_with("; 6 of 6 elements are wrong"), "{error}");
/// ```
pub fn gradcheck(f: &Function<'_>, inputs: &[&Tensor]) -> Result<(), String> {
    gradcheck_with(f, inputs, &CheckOptions::default())
}

/// The same as [`gradcheck`], with options.
///
/// # Errors
/// As [`gradcheck`].
pub fn gradcheck_with(f: &Function<'_>, inputs: &[&Tensor], options: &CheckOptions) -> Result<(), String> {
    check_inputs("gradcheck", inputs, options)?;
    let leaf = |(i, x): (usize, &&Tensor)| {
        if options.covers(i) { x.detach().requires_grad() } else { x.detach() }
    };
    let leaves: Vec<Tensor> = inputs.iter().enumerate().map(leaf).collect();
    let leaves: Vec<&Tensor> = leaves.iter().collect();
    let moved: Vec<&Tensor> = leaves.iter().copied().filter(|x| x.is_tracked()).collect();
    let y = f(&leaves);
    let weights = Rng::seed(17).uniform(y.shape(), 0.5, 1.5, DType::F64);
    let loss = (&y * &weights).sum(..);
    let zeros = || moved.iter().map(|x| x.zeros_like()).collect::<Vec<_>>();
    let (freed, kept) = match y.is_tracked() {
        true => {
            let grads = (&f(&leaves) * &weights).sum(..).backward();
            let dense = |x: &&Tensor| grads.get(*x).map_or_else(|| x.zeros_like(), |g| g.to_dense(x.shape()));
            (moved.iter().map(dense).collect(), grad(&[&loss], &moved, Create::Graph))
        }
        false => (zeros(), zeros()),
    };
    let numbers = (0..inputs.len()).filter(|&i| options.covers(i));
    for (at, i) in numbers.enumerate() {
        let numeric = numeric(f, inputs, &weights, i, options.step);
        for (walk, analytic) in [("backward", &freed[at]), ("grad with its graph", &kept[at])] {
            let shape = inputs[i].shape();
            if analytic.shape() != shape {
                let shapes = format!("{walk} gives a gradient of shape {}", analytic.shape());
                return Err(format!("input {i} {shape}: {shapes}"));
            }
            compare(&analytic.to_vec(), &numeric, shape, walk, options)
                .map_err(|e| format!("input {i} {shape}, {e}"))?;
        }
    }
    Ok(())
}

/// Compares second derivatives with central differences of the gradients: the gradients of `f`, as a function of the
/// inputs and of the output's gradient, go through [`gradcheck`].
///
/// # Errors
/// A message with the worst element.
///
/// # Examples
/// ```
/// # use talweg_tensor::{DType, Rng, testing::gradgradcheck};
/// let x = Rng::seed(1).normal([3], 0.0, 1.0, DType::F64);
/// assert!(gradgradcheck(&|x| x[0].tanh(), &[&x]).is_ok());
/// ```
pub fn gradgradcheck(f: &Function<'_>, inputs: &[&Tensor]) -> Result<(), String> {
    gradgradcheck_with(f, inputs, &CheckOptions::default())
}

/// The same as [`gradgradcheck`], with options.
///
/// # Errors
/// As [`gradgradcheck`].
pub fn gradgradcheck_with(
    f: &Function<'_>,
    inputs: &[&Tensor],
    options: &CheckOptions,
) -> Result<(), String> {
    check_inputs("gradgradcheck", inputs, options)?;
    let y = no_grad(|| f(inputs));
    let rng = &mut Rng::seed(23);
    let dy = rng.uniform(y.shape(), 0.5, 1.5, DType::F64);
    let directions: Vec<Tensor> =
        inputs.iter().map(|x| rng.uniform(x.shape(), 0.5, 1.5, DType::F64)).collect();
    let gradient = |list: &[&Tensor]| -> Tensor {
        // Inside finite differences nothing is recorded, but the gradients themselves need a graph.
        let (dy, xs) = list.split_last().expect("the inputs and the output's gradient");
        let own = |(i, x): (usize, &&Tensor)| match x.is_tracked() || !options.covers(i) {
            true => (*x).clone(),
            false => x.detach().requires_grad(),
        };
        let xs: Vec<Tensor> = xs.iter().enumerate().map(own).collect();
        let xs: Vec<&Tensor> = xs.iter().collect();
        let moved: Vec<&Tensor> = xs.iter().copied().filter(|x| x.is_tracked()).collect();
        let dxs = recording(|| {
            let y = f(&xs);
            match y.is_tracked() {
                true => grad_from(&[&y], &[dy], &moved, Create::Graph),
                false => moved.iter().map(|x| x.zeros_like()).collect(),
            }
        });
        let directions = directions.iter().enumerate().filter(|(i, _)| options.covers(*i));
        let parts: Vec<Tensor> = dxs.iter().zip(directions).map(|(dx, (_, v))| (dx * v).sum(..)).collect();
        Tensor::stack(&parts.iter().collect::<Vec<_>>(), 0)
    };
    let mut list = inputs.to_vec();
    list.push(&dy);
    let mut options = options.clone();
    if let Some(chosen) = &mut options.inputs {
        chosen.push(inputs.len());
    }
    gradcheck_with(&gradient, &list, &options).map_err(|e| format!("second derivative: {e}"))
}

/// Compares forward mode with central differences: the change of `f` when all inputs move along random tangents, by
/// [`jvp`](crate::jvp) and by two evaluations.
///
/// # Errors
/// A message with the worst element.
///
/// # Examples
/// ```
/// # use talweg_tensor::{DType, Rng, testing::jvp_check};
/// let x = Rng::seed(1).normal([3], 0.0, 1.0, DType::F64);
/// assert!(jvp_check(&|x| x[0].tanh(), &[&x]).is_ok());
/// let error = jvp_check(&|x| x[0] * x[0].detach(), &[&x]).unwrap_err();
/// assert!(error.starts_with("forward mode, element ["), "{error}");
/// ```
pub fn jvp_check(f: &Function<'_>, inputs: &[&Tensor]) -> Result<(), String> {
    jvp_check_with(f, inputs, &CheckOptions::default())
}

/// The same as [`jvp_check`], with options.
///
/// # Errors
/// As [`jvp_check`].
pub fn jvp_check_with(f: &Function<'_>, inputs: &[&Tensor], options: &CheckOptions) -> Result<(), String> {
    check_inputs("jvp_check", inputs, options)?;
    let rng = &mut Rng::seed(29);
    let tangent = |(i, x): (usize, &&Tensor)| {
        // Divided by the number of elements, the whole step is as long as that of one element.
        let t = rng.uniform(x.shape(), 0.5, 1.5, DType::F64) / (x.numel().max(1) as f64).sqrt();
        if options.covers(i) { t } else { t.zeros_like() }
    };
    let inputs: Vec<Tensor> = inputs.iter().map(|x| x.detach()).collect();
    let inputs: Vec<&Tensor> = inputs.iter().collect();
    let tangents: Vec<Tensor> = inputs.iter().enumerate().map(tangent).collect();
    let (y, ty) = jvp(f, &inputs, &tangents.iter().collect::<Vec<_>>());
    if y.shape() != ty.shape() {
        return Err(format!("forward mode gives a tangent {} for the result {}", ty.shape(), y.shape()));
    }
    let at = |step: f64| {
        let moved: Vec<Tensor> = inputs.iter().zip(&tangents).map(|(x, t)| *x + t * step).collect();
        no_grad(|| f(&moved.iter().collect::<Vec<_>>())).detach()
    };
    let numeric = (at(options.step) - at(-options.step)) / (2.0 * options.step);
    compare(&ty.to_vec(), &numeric.to_vec(), y.shape(), "the tangent", options)
        .map_err(|e| format!("forward mode, {e}"))
}

/// Central differences of the weighted sum of `f` along every element of input `i`.
fn numeric(f: &Function<'_>, inputs: &[&Tensor], weights: &Tensor, i: usize, step: f64) -> Vec<f64> {
    let data = inputs[i].to_vec::<f64>();
    let at = |k: usize, x: f64| {
        let mut moved = data.clone();
        moved[k] = x;
        let moved = Tensor::from_slice(&moved, inputs[i].shape());
        let mut list = inputs.to_vec();
        list[i] = &moved;
        no_grad(|| (f(&list) * weights).sum(..).item())
    };
    (0..data.len()).map(|k| (at(k, data[k] + step) - at(k, data[k] - step)) / (2.0 * step)).collect()
}

/// The message of the worst element, if it is wrong.
fn compare(
    analytic: &[f64],
    numeric: &[f64],
    shape: &Shape,
    what: &str,
    options: &CheckOptions,
) -> Result<(), String> {
    let error = |k: usize| {
        let error = (analytic[k] - numeric[k]).abs() / numeric[k].abs().max(1.0);
        if error.is_nan() { f64::INFINITY } else { error }
    };
    let wrong = (0..analytic.len()).filter(|&k| error(k) > options.tolerance);
    let Some(worst) = wrong.clone().max_by(|&j, &k| error(j).total_cmp(&error(k))) else { return Ok(()) };
    Err(format!(
        "element {:?}: {what} gives {}, finite differences {} (relative error {:.1e}, allowed {:.0e}); {} of {} \
         elements are wrong",
        coordinates(worst, shape),
        analytic[worst],
        numeric[worst],
        error(worst),
        options.tolerance,
        wrong.count(),
        analytic.len()
    ))
}

/// The position of element `k` along each axis.
pub(crate) fn coordinates(mut k: usize, shape: &Shape) -> Vec<usize> {
    let mut at: Vec<usize> = Vec::with_capacity(shape.rank());
    for size in shape.iter().rev() {
        at.push(k % size);
        k /= size;
    }
    at.reverse();
    at
}

fn check_inputs(name: &str, inputs: &[&Tensor], options: &CheckOptions) -> Result<(), String> {
    for (i, x) in inputs.iter().enumerate() {
        if x.dtype() != DType::F64 {
            return Err(format!(
                "{name}: input {i} {} holds {}, but finite differences need f64; convert it with .cast(DType::F64), or \
                 let the closure capture it",
                x.shape(),
                x.dtype()
            ));
        }
    }
    match options.inputs.iter().flatten().find(|&&i| i >= inputs.len()) {
        Some(i) => Err(format!("{name}: there is no input {i} to check, only {}", inputs.len())),
        None => Ok(()),
    }
}
