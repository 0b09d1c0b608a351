//! A layer whose intermediate values are computed again instead of being kept.

use std::fmt::{self, Debug};
use std::sync::Arc;

use talweg_tensor::{Rng, Tensor, checkpoint};

use crate::layers::Layer;
use crate::mode::Mode;
use crate::module::{Entry, Module, Path};

/// Another layer, run so that nothing inside of it is kept for the backward pass, which runs it once more instead:
/// `y = f(x)` with less memory and more time. See [`talweg_tensor::checkpoint`].
///
/// Gradients, dropout masks, running statistics and the generator are the same as without it, to the bit. Worth it for
/// blocks with much inside and little at their borders, such as those of a transformer.
///
/// # Arguments
/// - `layer`: the layer, a [`Sequential`](crate::Sequential) for several.
///
/// # Shapes
/// Those of the layer.
///
/// # Parameters
/// Those of the layer, under its own names.
///
/// # Source
/// Chen, Xu, Zhang and Guestrin, "Training deep nets with sublinear memory cost", 2016.
///
/// # Examples
/// ```
/// use talweg_nn::{Checkpoint, Layer, Linear, Mode, Module, Tanh, seq};
/// use talweg_tensor::{DType, Rng, Tensor};
///
/// let rng = &mut Rng::seed(1);
/// let block = seq![Linear::new(2, 8, rng), Tanh, Linear::new(8, 2, rng)];
/// let model = seq![Checkpoint::new(block), Tanh];
/// assert_eq!(model.params()[0].0, "0.0.weight");
/// let loss = model.forward(&Tensor::ones([1, 2], DType::F32), &mut Mode::Train(rng)).square().sum(..);
/// assert_eq!(loss.backward().len(), 4);
/// ```
pub struct Checkpoint(Arc<dyn Layer>);

impl Checkpoint {
    /// The layer, with its inside computed twice.
    pub fn new(layer: impl Layer + 'static) -> Checkpoint {
        Checkpoint(Arc::new(layer))
    }
}

impl Module for Checkpoint {
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&Path, Entry<'_>)) {
        self.0.visit(path, f);
    }
}

impl Layer for Checkpoint {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Tensor {
        let layer = Arc::clone(&self.0);
        match mode {
            Mode::Train(rng) => {
                checkpoint(move |x, rng| layer.forward(x[0], &mut Mode::Train(rng)), &[x], rng)
            }
            // Evaluation draws nothing.
            Mode::Eval => {
                checkpoint(move |x, _| layer.forward(x[0], &mut Mode::Eval), &[x], &mut Rng::seed(0))
            }
        }
    }
}

impl Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checkpoint({:?})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use talweg_tensor::{DType, Gradients};

    use super::*;
    use crate::{BatchNorm1d, Dropout, Linear, Tanh, seq};

    /// Loss, gradients, running statistics and generator after a step of training, as bits.
    fn step(wrap: fn(crate::Sequential) -> Box<dyn Layer>) -> (Vec<Vec<u8>>, Rng) {
        let rng = &mut Rng::seed(3);
        let block = seq![
            Linear::new(4, 6, rng),
            BatchNorm1d::new(6),
            Tanh,
            Dropout::new(0.4),
            Linear::new(6, 4, rng)
        ];
        let x = rng.normal([5, 4], 0.0, 1.0, DType::F32);
        let model = wrap(block);
        let loss = model.forward(&x, &mut Mode::Train(rng)).square().mean(..);
        let mut bits = vec![loss.to_bytes()];
        let grads: Gradients = loss.backward();
        bits.extend(model.params().iter().map(|(_, p)| grads.wrt(p).to_bytes()));
        bits.extend(model.buffers().iter().map(|(_, b)| b.get().to_bytes()));
        bits.push(model.forward(&x, &mut Mode::Eval).to_bytes());
        (bits, rng.clone())
    }

    #[test]
    fn a_step_is_the_same_to_the_bit() {
        let plain = step(|block| Box::new(block));
        assert!(step(|block| Box::new(Checkpoint::new(block))) == plain);
        assert!(step(|block| Box::new(Checkpoint::new(Checkpoint::new(block)))) == plain);
    }
}
