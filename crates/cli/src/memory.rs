//! How much memory training takes, estimated from the configuration.

use std::fs;

use crate::config::Config;
use crate::config::shapes::Shaped;
use crate::config::train::{Average, Train};
use crate::error::CliError;

/// Every number is an `f32`.
const NUMBER: u64 = 4;

/// The estimate in words: weights, gradients, the optimizer's state, and what one batch leaves behind on its way
/// through the layers.
pub(crate) fn estimate(config: &Config, shaped: &[Shaped]) -> String {
    let parameters: u64 = shaped.iter().map(|layer| layer.parameters).sum();
    let weights = parameters.saturating_mul(NUMBER);
    let state = weights.saturating_mul(slots(&config.train));
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

/// Refuses a network for which the memory is not there; the first large allocation would end the program. Of each
/// weight there are `copies`, and the outputs of all layers for `batch` examples.
pub(crate) fn suffices(shaped: &[Shaped], copies: u64, batch: usize) -> Result<(), CliError> {
    let size = |shape: &[usize]| shape.iter().fold(NUMBER, |bytes, n| bytes.saturating_mul(*n as u64));
    let weights =
        shaped.iter().map(|layer| layer.parameters.saturating_mul(NUMBER)).fold(0, u64::saturating_add);
    let outputs = shaped.iter().map(|layer| size(&layer.output)).fold(0, u64::saturating_add);
    let needed = weights.saturating_mul(copies).saturating_add(outputs.saturating_mul(batch as u64));
    let there = available().unwrap_or(u64::MAX);
    let granted =
        usize::try_from(needed).is_ok_and(|needed| Vec::<u8>::new().try_reserve_exact(needed).is_ok());
    if granted && needed <= there {
        return Ok(());
    }
    let there = if needed > there { format!(", but {} are free", bytes(there)) } else { String::new() };
    Err(CliError::Failed(format!(
        "`model.layers`: the network takes about {} of memory, which the system does not grant{there}; make the \
         layers smaller, or batch_size",
        bytes(needed)
    )))
}

/// How many times the weights are in memory while training: themselves, their gradients, and the optimizer's state.
pub(crate) fn copies(train: &Train) -> u64 {
    2 + slots(train)
}

/// How many numbers are kept for each weight between steps.
fn slots(train: &Train) -> u64 {
    let averages = match train.average {
        None => 0,
        Some(Average::Ema { .. } | Average::Swa { .. } | Average::Lookahead { .. }) => 1,
    };
    train.optimizer.slots() + averages
}

/// The memory that the system says is free, where it says so.
fn available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.saturating_mul(1024))
}

/// A number of bytes in the unit that suits it.
pub(crate) fn bytes(count: u64) -> String {
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
    use super::{Shaped, bytes, suffices};

    #[test]
    fn a_network_that_fits_no_machine_is_refused_before_it_is_built() {
        let layer = |inputs: usize, outputs: usize| Shaped {
            input: vec![inputs],
            output: vec![outputs],
            parameters: (inputs * outputs) as u64,
        };
        assert!(suffices(&[layer(784, 128), layer(128, 10)], 4, 64).is_ok());
        // Each weight alone, then the outputs alone, are more than 100 TiB.
        for (shaped, batch) in [(layer(1 << 20, 1 << 20), 1), (layer(1, 1 << 20), 1 << 26)] {
            let message = suffices(&[shaped], 4, batch).unwrap_err().to_string();
            assert!(message.starts_with("`model.layers`: the network takes about "), "{message}");
        }
    }

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
