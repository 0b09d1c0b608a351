//! A map that is linear in each of two vectors.

use talweg_tensor::{DType, Param, Rng, Tensor};

use crate::Module;
use crate::init::Init;

/// A map of two vectors, `y[o] = Σ w[o, i, j] a[i] b[j] + bias[o]`: how well features of the one go with those of the other.
///
/// # Arguments
/// - `first`, `second`, `outputs`: the numbers of features.
/// - `rng`: where the initial weights come from.
/// - [`Bilinear::without_bias`] leaves the bias out.
///
/// # Shapes
/// `[.., first]` and `[.., second]` with the same other axes, to `[.., outputs]`.
///
/// # Parameters
/// | name | shape | initial distribution |
/// | --- | --- | --- |
/// | `weight` | `[outputs, first, second]` | uniform on ±1/√first |
/// | `bias` | `[outputs]` | uniform on ±1/√first |
///
/// # Source
/// Tenenbaum and Freeman, "Separating style and content with bilinear models", Neural Computation 12, 2000. The initial
/// distribution is PyTorch's.
///
/// # Examples
/// ```
/// # use talweg_nn::Bilinear;
/// # use talweg_tensor::{Rng, Tensor};
/// let layer = Bilinear::new(2, 2, 1, &mut Rng::seed(1)).without_bias();
/// layer.weight.set(&Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [1, 2, 2]));
/// let (a, b) = (Tensor::from_slice(&[1.0f32, 10.0], [1, 2]), Tensor::from_slice(&[1.0f32, -1.0], [1, 2]));
/// // 1 · (1 − 2) + 10 · (3 − 4)
/// assert_eq!(layer.forward(&a, &b).to_vec::<f32>(), [-11.0]);
/// ```
#[derive(Debug, Module)]
pub struct Bilinear {
    /// `w`, `[outputs, first, second]`.
    pub weight: Param,
    /// `bias`, `[outputs]`.
    pub bias: Option<Param>,
}

impl Bilinear {
    /// A layer with bias.
    pub fn new(first: usize, second: usize, outputs: usize, rng: &mut Rng) -> Bilinear {
        let init = Init::fan_in_uniform(first);
        Bilinear {
            weight: Param::new(init.draw([outputs, first, second], DType::F32, rng)),
            bias: Some(Param::new(init.draw([outputs], DType::F32, rng))),
        }
    }

    /// The same layer without bias.
    pub fn without_bias(self) -> Bilinear {
        Bilinear { bias: None, ..self }
    }

    /// The output for two inputs.
    ///
    /// # Panics
    /// When the inputs' shapes or types do not fit the layer or each other.
    #[track_caller]
    pub fn forward(&self, a: &Tensor, b: &Tensor) -> Tensor {
        let weight = self.weight.get();
        let [outputs, first, second] = weight.sizes();
        let rows = |x: &Tensor| x.shape().to_vec()[..x.rank().max(1) - 1].to_vec();
        let fits = a.rank() >= 1 && b.rank() >= 1 && a.size(-1) == first && b.size(-1) == second;
        assert!(
            fits && rows(a) == rows(b),
            "bilinear: inputs {} and {} do not fit; they must be [.., {first}] and [.., {second}] with the same other axes",
            a.shape(),
            b.shape()
        );
        let n: usize = rows(a).iter().product();
        // First one vector, for all rows in one product; then the other, row by row.
        let w = weight.permute([1, 0, 2]).reshape([first, outputs * second]);
        let half = a.reshape([n, first]).matmul(&w).reshape([n, outputs, second]);
        let y = half.matmul(&b.reshape([n, second, 1])).squeeze(-1);
        let y = match &self.bias {
            Some(bias) => y + bias.get(),
            None => y,
        };
        let mut shape = rows(a);
        shape.push(outputs);
        y.reshape(shape)
    }
}
