//! A network defined, trained by a hand-written loop, and saved. Give the folder of Fashion-MNIST; without one, the
//! built-in digits are used.

use talweg::prelude::*;

#[derive(Debug, Module)]
struct Net {
    hidden: Linear,
    output: Linear,
}

impl Layer for Net {
    fn forward(&self, x: &Tensor, mode: &mut Mode) -> Tensor {
        self.output.forward(&self.hidden.forward(&x.flatten(1), mode).relu(), mode)
    }
}

fn main() -> talweg::Result<()> {
    let (train, test) = match std::env::args().nth(1) {
        Some(folder) => datasets::fashion_mnist(folder)?,
        None => datasets::digits(),
    };
    let rng = &mut Rng::seed(1);
    let pixels = train.x.numel() / train.x.size(0);
    let net = Net { hidden: Linear::new(pixels, 128, rng), output: Linear::new(128, 10, rng) };
    let mut optimizer = Optimizer::new(Adam::default(), 1e-3, net.params());
    let loss = CrossEntropy::default();
    let loader = DataLoader::new(train).batch(64).shuffle(1);
    for epoch in 0..5 {
        for batch in loader.epoch(epoch) {
            let batch = batch?;
            let prediction = net.forward(&batch.x, &mut Mode::Train(rng));
            optimizer.step(&loss.forward(&prediction, &batch.y).backward());
        }
        let scores = evaluate(&net, &loss, &[], &DataLoader::new(test.clone()).batch(500))?;
        println!("epoch {epoch}: test loss {:.4}", scores.loss);
    }
    Ok(talweg::save(&net, "net.safetensors")?)
}
