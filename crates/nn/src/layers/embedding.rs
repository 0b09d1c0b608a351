//! Vectors for numbers, and for positions.

use talweg_tensor::{DType, Param, Rng, Tensor};

use crate::Module;
use crate::init::Init;
use crate::layers::Layer;
use crate::mode::Mode;

/// A vector for each number of a vocabulary, `y[i] = W[x[i]]`.
///
/// # Arguments
/// - `count`: how many numbers there are; the input holds 0 to `count - 1`, as `i64`.
/// - `size`: the length of a vector.
/// - `rng`: where the initial vectors come from.
/// - [`Embedding::sparse`] lets the gradient list the rows that were read instead of filling a whole table: for large
///   vocabularies.
///
/// # Shapes
/// Any, `[..]`, to `[.., size]`.
///
/// # Parameters
/// | name | shape | initial distribution |
/// | --- | --- | --- |
/// | `weight` | `[count, size]` | normal with mean 0 and standard deviation 1 |
///
/// # Source
/// Bengio, Ducharme, Vincent and Jauvin, "A neural probabilistic language model", JMLR 3, 2003.
///
/// # Examples
/// ```
/// # use talweg_nn::{Embedding, Layer, Mode};
/// # use talweg_tensor::{Rng, Tensor};
/// let layer = Embedding::new(3, 2, &mut Rng::seed(1));
/// layer.weight.set(&Tensor::from_slice(&[0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0], [3, 2]));
/// let y = layer.forward(&Tensor::from_slice(&[2i64, 0], [2]), &mut Mode::Eval);
/// assert_eq!(y.to_vec::<f32>(), [4.0, 5.0, 0.0, 1.0]);
/// ```
#[derive(Debug, Module)]
pub struct Embedding {
    /// The vectors, `[count, size]`.
    pub weight: Param,
    /// Whether the gradient lists rows. False by default.
    pub sparse: bool,
}

impl Embedding {
    /// A layer whose gradient fills a table.
    pub fn new(count: usize, size: usize, rng: &mut Rng) -> Embedding {
        let init = Init::Normal { mean: 0.0, std: 1.0 };
        Embedding { weight: Param::new(init.draw([count, size], DType::F32, rng)), sparse: false }
    }

    /// The same layer with a gradient that lists the rows that were read.
    pub fn sparse(self) -> Embedding {
        Embedding { sparse: true, ..self }
    }
}

impl Layer for Embedding {
    fn forward(&self, x: &Tensor, _: &mut Mode<'_>) -> Tensor {
        let table = self.weight.get();
        if self.sparse { table.embedding(x) } else { table.index_rows(x) }
    }
}

/// Adds a learned vector to each position, `y[.., i, :] = x[.., i, :] + W[i]`.
///
/// # Arguments
/// - `count`: the most positions; shorter sequences use the first ones.
/// - `size`: the length of a vector.
/// - `rng`: where the initial vectors come from.
///
/// # Shapes
/// `[.., t, size]` with `t` at most `count`, to the same.
///
/// # Parameters
/// | name | shape | initial distribution |
/// | --- | --- | --- |
/// | `weight` | `[count, size]` | normal with mean 0 and standard deviation 0.02 |
///
/// # Source
/// Gehring, Auli, Grangier, Yarats and Dauphin, "Convolutional sequence to sequence learning", ICML 2017.
///
/// # Examples
/// ```
/// # use talweg_nn::{Layer, Mode, Positions};
/// # use talweg_tensor::{DType, Rng, Tensor};
/// let layer = Positions::new(3, 1, &mut Rng::seed(1));
/// layer.weight.set(&Tensor::from_slice(&[1.0f32, 2.0, 3.0], [3, 1]));
/// let y = layer.forward(&Tensor::ones([2, 2, 1], DType::F32), &mut Mode::Eval);
/// assert_eq!(y.to_vec::<f32>(), [2.0, 3.0, 2.0, 3.0]);
/// ```
#[derive(Debug, Module)]
pub struct Positions {
    /// The vectors, `[count, size]`.
    pub weight: Param,
}

impl Positions {
    /// A layer for up to `count` positions.
    pub fn new(count: usize, size: usize, rng: &mut Rng) -> Positions {
        let init = Init::Normal { mean: 0.0, std: 0.02 };
        Positions { weight: Param::new(init.draw([count, size], DType::F32, rng)) }
    }
}

impl Layer for Positions {
    fn forward(&self, x: &Tensor, _: &mut Mode<'_>) -> Tensor {
        let table = self.weight.get();
        let [count, size] = table.sizes();
        let fits = x.rank() >= 2 && x.size(-1) == size && x.size(-2) <= count;
        assert!(
            fits,
            "positions: input {} does not fit {} positions of size {size}; it must be [.., positions, {size}]",
            x.shape(),
            count
        );
        let t = x.size(-2);
        if t == count { x + table } else { x + table.narrow(0, 0, t) }
    }
}
