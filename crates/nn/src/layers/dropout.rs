//! Noise against overfitting.

use talweg_tensor::Tensor;

use crate::Module;
use crate::layers::Layer;
use crate::mode::Mode;

/// In training each element is 0 with probability `p`, else divided by `1 − p`, so that its mean stays; in evaluation
/// nothing happens.
///
/// # Arguments
/// - `p`: the probability, from 0 to 1; 0.1 to 0.5 is usual.
///
/// # Shapes
/// Any to the same.
///
/// # Parameters
/// None.
///
/// # Source
/// Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: a simple way to prevent neural networks from
/// overfitting", JMLR 15, 2014. There the weights are made smaller for evaluation; here the elements are made larger
/// in training, as is usual now.
///
/// # Examples
/// ```
/// # use talweg_nn::{Dropout, Layer, Mode};
/// # use talweg_tensor::{DType, Rng, Tensor};
/// let (layer, x) = (Dropout::new(0.5), Tensor::ones([100], DType::F32));
/// let y = layer.forward(&x, &mut Mode::Train(&mut Rng::seed(1))).to_vec::<f32>();
/// assert!(y.iter().all(|&y| y == 0.0 || y == 2.0) && y.contains(&0.0) && y.contains(&2.0));
/// assert_eq!(layer.forward(&x, &mut Mode::Eval).to_vec::<f32>(), [1.0; 100]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Module)]
pub struct Dropout {
    /// The probability of 0.
    pub p: f64,
}

impl Dropout {
    /// A layer with this probability.
    ///
    /// # Panics
    /// When `p` is not between 0 and 1.
    #[track_caller]
    pub fn new(p: f64) -> Dropout {
        assert!((0.0..=1.0).contains(&p), "Dropout: the probability {p} is not between 0 and 1");
        Dropout { p }
    }
}

impl Layer for Dropout {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Tensor {
        match mode {
            Mode::Eval => x.clone(),
            Mode::Train(rng) => x.dropout(self.p, rng),
        }
    }
}
