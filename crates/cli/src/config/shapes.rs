//! The shapes and parameter counts of a model, worked out without a tensor.

use super::model::{Conv2d, LayerKind, Model, Padding, Pool2d, Units};

/// One layer with its sizes; shapes leave the batch axis out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shaped {
    pub(crate) input: Vec<usize>,
    pub(crate) output: Vec<usize>,
    /// Learnt numbers.
    pub(crate) parameters: u64,
}

/// Why a layer cannot work: its position in `model.layers` and the reason, from "gets" on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub(crate) layer: usize,
    pub(crate) reason: String,
}

/// More parameters than this fit no machine that the program could run on.
const MOST_PARAMETERS: u64 = 1 << 40;

/// Walks the layers from the input's shape. `classes` is what `linear = "classes"` stands for.
pub(crate) fn shapes(model: &Model, input: &[usize], classes: Option<usize>) -> Result<Vec<Shaped>, Misfit> {
    let mut shape = input.to_vec();
    let mut total: u64 = 0;
    let mut shaped = Vec::new();
    for (i, layer) in model.layers.iter().enumerate() {
        let misfit = |reason| Misfit { layer: i, reason };
        let (output, parameters) = step(layer, &shape, classes).map_err(misfit)?;
        total = total.saturating_add(parameters);
        let size = output.iter().try_fold(1usize, |size, extent| size.checked_mul(*extent));
        if total > MOST_PARAMETERS || size.is_none_or(|size| size as u64 > MOST_PARAMETERS) {
            let reason = format!(
                "gets {shape:?} and makes {output:?} with {parameters} parameters: no machine holds that; \
                 make it smaller"
            );
            return Err(misfit(reason));
        }
        shaped.push(Shaped { input: shape, output: output.clone(), parameters });
        shape = output;
    }
    Ok(shaped)
}

/// The output shape and the parameter count of one layer.
fn step(layer: &LayerKind, x: &[usize], classes: Option<usize>) -> Result<(Vec<usize>, u64), String> {
    match layer {
        LayerKind::Linear { units, bias, .. } => {
            let features = one_axis("linear", x)?;
            let units = match (units, classes) {
                (Units::Exactly(units), _) => *units,
                (Units::Classes, Some(classes)) => classes,
                (Units::Classes, None) => return Err("needs classes, but the data has none".to_owned()),
            };
            Ok((vec![units], product(&[features, units]).saturating_add(counted(*bias, units))))
        }
        LayerKind::Conv2d(conv) => conv2d(conv, x),
        LayerKind::MaxPool2d(pool) | LayerKind::AvgPool2d(pool) => pool2d(pool, x),
        LayerKind::Flatten => {
            let features = x.iter().try_fold(1usize, |size, extent| size.checked_mul(*extent));
            let features = features.ok_or_else(|| format!("gets {x:?}: too large for one row"))?;
            Ok((vec![features], 0))
        }
        LayerKind::BatchNorm1d { affine, .. } => {
            if let [channels, _, _] = x {
                return Err(format!(
                    "gets {x:?}: it normalises a row of features; use \"batch_norm2d\" for {channels} channels, \
                     or put \"flatten\" before it"
                ));
            }
            let features = one_axis("batch_norm1d", x)?;
            Ok((x.to_vec(), counted(*affine, features).saturating_mul(2)))
        }
        LayerKind::BatchNorm2d { affine, .. } => {
            let [channels, _, _] = picture("batch_norm2d", x, "; use \"batch_norm1d\"")?;
            Ok((x.to_vec(), counted(*affine, channels).saturating_mul(2)))
        }
        LayerKind::LayerNorm { affine, .. } => {
            let last = *x.last().ok_or("gets a single number: there is no axis to normalise")?;
            Ok((x.to_vec(), counted(*affine, last).saturating_mul(2)))
        }
        LayerKind::Dropout { .. } | LayerKind::Activation(_) | LayerKind::Softmax => Ok((x.to_vec(), 0)),
    }
}

fn conv2d(conv: &Conv2d, x: &[usize]) -> Result<(Vec<usize>, u64), String> {
    let [channels, height, width] = picture("conv2d", x, "")?;
    let Conv2d { channels: out, kernel, stride, dilation, groups, bias, .. } = *conv;
    for (which, count) in [("input", channels), ("output", out)] {
        if count % groups != 0 {
            return Err(format!(
                "gets {x:?}: groups = {groups} does not divide its {count} {which} channels evenly"
            ));
        }
    }
    // The distance from the first to the last tap of a dilated kernel.
    let reach = [dilation[0] * (kernel[0] - 1), dilation[1] * (kernel[1] - 1)];
    let padding = match conv.padding {
        Padding::Exactly(padding) => padding,
        Padding::Same if stride != [1, 1] => {
            return Err(format!(
                "gets {x:?}: padding = \"same\" needs stride = 1, found {}; give the padding as a number",
                by(stride)
            ));
        }
        Padding::Same if reach[0] % 2 != 0 || reach[1] % 2 != 0 => {
            return Err(format!(
                "gets {x:?}: padding = \"same\" needs an odd kernel, found {}; give the padding as a number",
                by(kernel)
            ));
        }
        Padding::Same => [reach[0] / 2, reach[1] / 2],
    };
    let mut output = vec![out];
    for (axis, size) in [height, width].into_iter().enumerate() {
        let padded = size + 2 * padding[axis];
        if padded <= reach[axis] {
            return Err(format!(
                "gets {x:?}: kernel {} does not fit{}; {}",
                by(kernel),
                around(padding),
                "use a smaller kernel, padding = \"same\", or remove a layer before it"
            ));
        }
        output.push((padded - reach[axis] - 1) / stride[axis] + 1);
    }
    let weights = product(&[out, channels / groups, kernel[0], kernel[1]]);
    Ok((output, weights.saturating_add(counted(bias, out))))
}

fn pool2d(pool: &Pool2d, x: &[usize]) -> Result<(Vec<usize>, u64), String> {
    let [channels, height, width] = picture("a pool", x, "")?;
    let Pool2d { window, stride, padding, .. } = *pool;
    let mut output = vec![channels];
    for (axis, size) in [height, width].into_iter().enumerate() {
        if padding[axis] * 2 > window[axis] {
            return Err(format!(
                "gets {x:?}: padding {} is more than half of window {}",
                by(padding),
                by(window)
            ));
        }
        let padded = size + 2 * padding[axis];
        if padded < window[axis] {
            return Err(format!(
                "gets {x:?}: window {} does not fit{}; remove it or a layer before it, or use a smaller window",
                by(window),
                around(padding)
            ));
        }
        output.push((padded - window[axis]) / stride[axis] + 1);
    }
    Ok((output, 0))
}

/// The one axis of a row of features.
fn one_axis(layer: &str, x: &[usize]) -> Result<usize, String> {
    match x {
        [features] => Ok(*features),
        _ => Err(format!(
            "gets {x:?}: {layer} takes one axis; put \"flatten\" before it, which gives [{}]",
            product(x)
        )),
    }
}

/// The three axes of a picture.
fn picture(layer: &str, x: &[usize], instead: &str) -> Result<[usize; 3], String> {
    <[usize; 3]>::try_from(x).map_err(|_| {
        let cause =
            if x.len() == 1 { "a row of features has no height and width" } else { "expected three axes" };
        format!("gets {x:?}: {layer} takes [channels, height, width], and {cause}{instead}")
    })
}

fn product(extents: &[usize]) -> u64 {
    extents.iter().fold(1u64, |size, extent| size.saturating_mul(*extent as u64))
}

fn counted(on: bool, count: usize) -> u64 {
    if on { count as u64 } else { 0 }
}

fn by(pair: [usize; 2]) -> String {
    format!("{}x{}", pair[0], pair[1])
}

fn around(padding: [usize; 2]) -> String {
    if padding == [0, 0] { String::new() } else { format!(" even with padding {}", by(padding)) }
}
