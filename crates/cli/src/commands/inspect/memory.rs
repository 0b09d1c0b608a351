//! How much memory training takes, estimated from the configuration.

use crate::config::Config;
use crate::config::shapes::Shaped;
use crate::config::train::Optimizer;

/// Every number is an `f32`.
const NUMBER: u64 = 4;

/// The estimate in words: weights, gradients, the optimizer's state, and what one batch leaves behind on its way
/// through the layers.
pub(super) fn estimate(config: &Config, shaped: &[Shaped]) -> String {
    let parameters: u64 = shaped.iter().map(|layer| layer.parameters).sum();
    let weights = parameters.saturating_mul(NUMBER);
    let state = weights.saturating_mul(slots(&config.train.optimizer));
    let size =
        |shape: &[usize]| shape.iter().fold(NUMBER, |bytes, extent| bytes.saturating_mul(*extent as u64));
    let example = shaped.iter().map(|layer| size(&layer.output)).fold(0u64, u64::saturating_add);
    let mut text = format!(
        "memory: {} of weights, the same again for gradients, {} of optimizer state,\n",
        bytes(weights),
        bytes(state)
    );
    match config.train.batch_size {
        Some(batch) => text.push_str(&format!(
            "        about {} of layer outputs for a batch of {batch}\n",
            bytes(example.saturating_mul(batch as u64))
        )),
        None => text.push_str(&format!(
            "        about {} of layer outputs for each example of the batch\n",
            bytes(example)
        )),
    }
    text
}

/// How many numbers the optimizer keeps for each weight.
fn slots(optimizer: &Optimizer) -> u64 {
    match optimizer {
        Optimizer::Sgd { momentum, .. } => u64::from(*momentum > 0.0),
        Optimizer::Adam { .. } | Optimizer::AdamW { .. } => 2,
        Optimizer::RmsProp { momentum, centered, .. } => {
            1 + u64::from(*momentum > 0.0) + u64::from(*centered)
        }
        Optimizer::Adagrad { .. } => 1,
    }
}

/// A number of bytes in the unit that suits it.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} bytes");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn bytes_in_words() {
        for (count, words) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (4_799_528, "4.6 MiB"),
            (1 << 30, "1.0 GiB"),
            (u64::MAX, "16777216.0 TiB"),
        ] {
            assert_eq!(bytes(count), words);
        }
    }
}
