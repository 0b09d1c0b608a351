//! The same with the trainer. Give the folder of Fashion-MNIST; without one, the built-in digits are used.

use talweg::prelude::*;
use talweg::train::callbacks::Progress;

fn main() -> talweg::Result<()> {
    let (train, test) = match std::env::args().nth(1) {
        Some(folder) => datasets::fashion_mnist(folder)?,
        None => datasets::digits(),
    };
    let rng = &mut Rng::seed(1);
    let pixels = train.x.numel() / train.x.size(0);
    let model =
        seq![Flatten, Linear::new(pixels, 128, rng), Relu, Dropout::new(0.2), Linear::new(128, 10, rng)];
    let mut trainer = Trainer::new(model, CrossEntropy::default())
        .optimizer(AdamW::default(), Schedule::one_cycle(3e-3))
        .metric(Accuracy)
        .callback(Progress::default())
        .epochs(5)
        .early_stopping(2);
    println!("{}", trainer.fit(&train, &test)?);
    Ok(talweg::save(trainer.model(), "model.safetensors")?)
}
