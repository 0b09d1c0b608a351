//! Gradients against finite differences.

use crate::autograd::{Create, grad, grad_from, no_grad};
use crate::dtype::DType;
use crate::random::Rng;
use crate::tensor::Tensor;

/// Step of the central differences. In f64 the error is about `step² f''' / 6` from truncation and `1e-16 |f| / step`
/// from rounding: 1e-11 each for functions of size 1.
const STEP: f64 = 1e-5;

/// Allowed difference, relative to the larger of 1 and the gradient: 10,000 times the expected error, and far below
/// that of any wrong formula.
const TOLERANCE: f64 = 1e-7;

/// Compares the gradients of `f` with central differences at `inputs`, which must be `f64`.
///
/// The output is contracted with random weights, and every element of every input is moved in turn. Both walks are
/// checked: `backward`, which frees the graph and uses fused kernels, and `grad` with its graph, which does not.
///
/// # Errors
/// A message with the worst element, its two gradients and the tolerance.
///
/// # Examples
/// ```
/// # use talweg_tensor::{DType, Rng, testing::gradcheck};
/// let x = Rng::seed(1).normal([3], 0.0, 1.0, DType::F64);
/// assert!(gradcheck(&|x| x[0].tanh(), &[&x]).is_ok());
/// let error = gradcheck(&|x| x[0] * x[0].detach(), &[&x]).unwrap_err();
/// assert!(error.contains("input 0"));
/// ```
pub fn gradcheck(f: &dyn Fn(&[&Tensor]) -> Tensor, inputs: &[&Tensor]) -> Result<(), String> {
    let leaves: Vec<Tensor> = inputs.iter().map(|x| x.detach().requires_grad()).collect();
    let leaves: Vec<&Tensor> = leaves.iter().collect();
    let y = f(&leaves);
    let weights = Rng::seed(17).uniform(y.shape(), 0.5, 1.5, DType::F64);
    let loss = (&y * &weights).sum(..);
    let freed: Vec<Tensor> = match y.is_tracked() {
        true => {
            let grads = (&f(&leaves) * &weights).sum(..).backward();
            leaves.iter().map(|x| grads.get(*x).map_or(x.zeros_like(), |g| g.to_dense(x.shape()))).collect()
        }
        false => leaves.iter().map(|x| x.zeros_like()).collect(),
    };
    let kept = match y.is_tracked() {
        true => grad(&[&loss], &leaves, Create::Graph),
        false => freed.clone(),
    };
    for i in 0..inputs.len() {
        let numeric = numeric(f, inputs, &weights, i);
        for (walk, analytic) in [("backward", &freed[i]), ("grad with its graph", &kept[i])] {
            let (a, shape) = (analytic.to_vec::<f64>(), inputs[i].shape());
            if analytic.shape() != shape {
                return Err(format!(
                    "input {i} {shape}: {walk} gives a gradient of shape {}",
                    analytic.shape()
                ));
            }
            let error = |k: usize| (a[k] - numeric[k]).abs() / numeric[k].abs().max(1.0);
            let worst = (0..a.len()).max_by(|&j, &k| error(j).total_cmp(&error(k)));
            if let Some(k) = worst.filter(|&k| error(k) > TOLERANCE || error(k).is_nan()) {
                return Err(format!(
                    "input {i} {shape}, element {k}: {walk} gives {}, finite differences {} (relative error {:.1e}, \
                     allowed {TOLERANCE:.0e})",
                    a[k],
                    numeric[k],
                    error(k)
                ));
            }
        }
    }
    Ok(())
}

/// Central differences of the weighted sum of `f` along every element of input `i`.
fn numeric(f: &dyn Fn(&[&Tensor]) -> Tensor, inputs: &[&Tensor], weights: &Tensor, i: usize) -> Vec<f64> {
    let data = inputs[i].to_vec::<f64>();
    let at = |k: usize, x: f64| {
        let mut moved = data.clone();
        moved[k] = x;
        let moved = Tensor::from_slice(&moved, inputs[i].shape());
        let mut list = inputs.to_vec();
        list[i] = &moved;
        no_grad(|| (f(&list) * weights).sum(..).item())
    };
    (0..data.len()).map(|k| (at(k, data[k] + STEP) - at(k, data[k] - STEP)) / (2.0 * STEP)).collect()
}

/// Compares second derivatives with central differences of the gradients: the gradients of `f`, as a function of the
/// inputs and of the output's gradient, go through [`gradcheck`].
///
/// # Errors
/// A message with the worst element.
pub fn gradgradcheck(f: &dyn Fn(&[&Tensor]) -> Tensor, inputs: &[&Tensor]) -> Result<(), String> {
    let y = f(inputs);
    let rng = &mut Rng::seed(23);
    let dy = rng.uniform(y.shape(), 0.5, 1.5, DType::F64);
    let directions: Vec<Tensor> =
        inputs.iter().map(|x| rng.uniform(x.shape(), 0.5, 1.5, DType::F64)).collect();
    let gradient = |list: &[&Tensor]| -> Tensor {
        // Inside finite differences nothing is recorded, but the gradients themselves need a graph.
        let (dy, xs) = list.split_last().expect("the inputs and the output's gradient");
        let tracked: Vec<Tensor> = xs
            .iter()
            .map(|x| if x.is_tracked() { (*x).clone() } else { x.detach().requires_grad() })
            .collect();
        let xs: Vec<&Tensor> = tracked.iter().collect();
        let dxs = crate::autograd::recording(|| {
            let y = f(&xs);
            match y.is_tracked() {
                true => grad_from(&[&y], &[dy], &xs, Create::Graph),
                false => xs.iter().map(|x| x.zeros_like()).collect(),
            }
        });
        let parts: Vec<Tensor> = dxs.iter().zip(&directions).map(|(dx, v)| (dx * v).sum(..)).collect();
        Tensor::stack(&parts.iter().collect::<Vec<_>>(), 0)
    };
    let mut list = inputs.to_vec();
    list.push(&dy);
    gradcheck(&gradient, &list).map_err(|e| format!("second derivative: {e}"))
}
