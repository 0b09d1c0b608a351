//! Does a network learn as well when convolutions take fewer multiplications? ResNet-18, the same weights and the same
//! pictures, once for each way of computing a 3×3 convolution; the losses as a table for a spreadsheet.
//!
//! `cargo run --release -p talweg --example convolutions -- [FOLDER OF FASHION-MNIST] [STEPS]`; without a folder it takes the
//! digits that are part of Talweg.

use std::time::Instant;

use talweg::nn::Stem;
use talweg::prelude::*;
use talweg::tensor::{ConvAlgorithm, set_convolution};

fn main() -> talweg::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (train, _) = match arguments.next().filter(|folder| !folder.is_empty()) {
        Some(folder) => datasets::fashion_mnist(folder)?,
        None => datasets::digits(),
    };
    let steps = arguments.next().and_then(|steps| steps.parse().ok()).unwrap_or(200);
    let ways = [ConvAlgorithm::F4, ConvAlgorithm::F2, ConvAlgorithm::Direct];
    let mut curves = Vec::new();
    for way in ways {
        let start = Instant::now();
        set_convolution(way);
        curves.push(losses(&train, steps)?);
        eprintln!("{}: {steps} steps in {:.1} s", way.name(), start.elapsed().as_secs_f64());
    }
    println!("step,{}", ways.map(ConvAlgorithm::name).join(","));
    for step in 0..steps {
        let row: Vec<String> = curves.iter().map(|losses| format!("{:.5}", losses[step])).collect();
        println!("{},{}", step + 1, row.join(","));
    }
    Ok(())
}

/// The loss of each of the first steps of training.
fn losses(train: &Examples, steps: usize) -> talweg::Result<Vec<f64>> {
    let rng = &mut Rng::seed(1);
    let model = ResNet::resnet18(1, 10, Stem::Small, rng);
    let rule = Sgd { momentum: 0.9, weight_decay: 5e-4, ..Sgd::default() };
    let mut optimizer = Optimizer::new(rule, 0.02, model.params());
    let (loss, loader) = (CrossEntropy::default(), DataLoader::new(train.clone()).batch(32).shuffle(1));
    let (mut curve, mut epoch) = (Vec::new(), 0);
    loop {
        for batch in loader.epoch(epoch) {
            if curve.len() == steps {
                return Ok(curve);
            }
            let Batch { x, y, .. } = batch?;
            let loss = loss.forward(&model.forward(&x, &mut Mode::Train(rng)), &y);
            curve.push(loss.item());
            optimizer.step(&loss.backward());
        }
        epoch += 1;
    }
}
