//! Layers in a row.

use talweg_tensor::{Tensor, in_module};

use crate::Module;
use crate::layers::Layer;
use crate::mode::Mode;

/// Layers in a row: each takes what the one before gives, `y = fₙ(.. f₂(f₁(x)))`. Made by [`seq!`](crate::seq).
///
/// # Arguments
/// - `layers`: the layers, first one first. They can be changed freely.
///
/// # Shapes
/// What the first layer takes, to what the last one gives; any to the same without layers.
///
/// # Parameters
/// Those of the layers, under their positions: `0.weight`, `0.bias`, `2.weight`.
///
/// # Source
/// Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors", Nature 323, 1986.
#[derive(Debug, Default, Module)]
pub struct Sequential(pub Vec<Box<dyn Layer>>);

impl Sequential {
    /// The layers in a row.
    pub fn new(layers: Vec<Box<dyn Layer>>) -> Sequential {
        Sequential(layers)
    }

    /// Puts a layer at the end.
    pub fn push(&mut self, layer: impl Layer + 'static) {
        self.0.push(Box::new(layer));
    }
}

impl Layer for Sequential {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Tensor {
        let mut run = |i: usize, x: &Tensor| in_module(i, || self.0[i].forward(x, mode));
        match self.0.len() {
            0 => x.clone(),
            layers => (1..layers).fold(run(0, x), |x, i| run(i, &x)),
        }
    }
}

/// Layers in a row, as a [`Sequential`](crate::Sequential).
///
/// # Examples
/// ```
/// use talweg_nn::{Layer, Linear, Mode, Module, Sigmoid, Tanh, seq};
/// use talweg_tensor::{DType, Rng, Tensor};
///
/// let rng = &mut Rng::seed(1);
/// let model = seq![Linear::new(2, 8, rng), Tanh, Linear::new(8, 1, rng), Sigmoid];
/// let y = model.forward(&Tensor::zeros([4, 2], DType::F32), &mut Mode::Eval);
/// assert_eq!(y.shape(), &[4, 1]);
/// assert_eq!(model.params()[2].0, "2.weight");
/// ```
#[macro_export]
macro_rules! seq {
    ($($layer:expr),* $(,)?) => {
        $crate::Sequential::new(::std::vec![$(::std::boxed::Box::new($layer) as ::std::boxed::Box<dyn $crate::Layer>),*])
    };
}
