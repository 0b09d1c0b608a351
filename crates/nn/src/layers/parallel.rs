//! Layers side by side.

use talweg_tensor::{Tensor, in_module};

use crate::Module;
use crate::layers::Layer;
use crate::mode::Mode;

/// How [`Parallel`] joins what its layers give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Join {
    /// Their sum.
    #[default]
    Sum,
    /// Their mean.
    Mean,
    /// Their product, element by element: gates.
    Product,
    /// One after the other along an axis, which counts from the end when negative.
    Cat(isize),
}

/// Layers side by side: each takes the same input, and their outputs are joined, `y = f₁(x) + f₂(x) + ..`.
///
/// # Arguments
/// - `layers`: the layers; at least one.
/// - `join`: how the outputs are joined.
///
/// # Shapes
/// What all layers take, to what they give; along the axis of [`Join::Cat`] the sizes add up.
///
/// # Parameters
/// Those of the layers, under their positions in `layers`: `layers.0.weight`, `layers.1.weight`.
///
/// # Source
/// Szegedy et al., "Going deeper with convolutions", CVPR 2015, for branches that are concatenated.
///
/// # Examples
/// ```
/// # use talweg_nn::{Identity, Join, Layer, Mode, Parallel, Relu};
/// # use talweg_tensor::Tensor;
/// let x = Tensor::from_slice(&[-1.0f32, 2.0], [2]);
/// let both = |join| Parallel::new(vec![Box::new(Identity), Box::new(Relu)], join).forward(&x, &mut Mode::Eval);
/// assert_eq!(both(Join::Sum).to_vec::<f32>(), [-1.0, 4.0]);
/// assert_eq!(both(Join::Cat(0)).to_vec::<f32>(), [-1.0, 2.0, 0.0, 2.0]);
/// ```
#[derive(Debug, Module)]
pub struct Parallel {
    /// The layers.
    pub layers: Vec<Box<dyn Layer>>,
    /// How their outputs are joined.
    #[module(skip)]
    pub join: Join,
}

impl Parallel {
    /// The layers side by side.
    ///
    /// # Panics
    /// When there is no layer.
    #[track_caller]
    pub fn new(layers: Vec<Box<dyn Layer>>, join: Join) -> Parallel {
        assert!(!layers.is_empty(), "Parallel: needs at least one layer; an Identity passes its input on");
        Parallel { layers, join }
    }
}

impl Layer for Parallel {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Tensor {
        let mut run = |i: usize| in_module("layers", || in_module(i, || self.layers[i].forward(x, mode)));
        let ys: Vec<Tensor> = (0..self.layers.len()).map(&mut run).collect();
        let joined = |f: fn(&Tensor, &Tensor) -> Tensor| {
            let (first, rest) = ys.split_first().expect("new refuses an empty list");
            rest.iter().fold(first.clone(), |sum, y| f(&sum, y))
        };
        match self.join {
            Join::Sum => joined(|a, b| a + b),
            Join::Mean => joined(|a, b| a + b) / ys.len() as f64,
            Join::Product => joined(|a, b| a * b),
            Join::Cat(axis) => Tensor::cat(&ys.iter().collect::<Vec<_>>(), axis),
        }
    }
}
