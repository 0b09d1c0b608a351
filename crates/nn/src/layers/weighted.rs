//! Layers whose weight is computed from what is trained.

use talweg_tensor::{Buffer, DType, Param, Rng, Tensor, no_grad};

use crate::Module;
use crate::layers::{Layer, Linear};
use crate::mode::Mode;

/// A layer that can work with another weight in the place of its own: what [`WeightNorm`] and [`SpectralNorm`] wrap.
pub trait Weighted: Layer {
    /// The layer's weight, with the outputs along its first axis.
    fn weight(&self) -> &Param;

    /// The output with this weight.
    ///
    /// # Panics
    /// When input or weight do not fit the layer.
    fn forward_with(&self, weight: &Tensor, x: &Tensor, mode: &mut Mode<'_>) -> Tensor;
}

impl Weighted for Linear {
    fn weight(&self) -> &Param {
        &self.weight
    }

    fn forward_with(&self, weight: &Tensor, x: &Tensor, _: &mut Mode<'_>) -> Tensor {
        x.linear(weight, self.bias.as_ref().map(Param::get).as_ref())
    }
}

/// A weight as a matrix, `[outputs, everything else]`.
fn matrix(w: &Tensor) -> Tensor {
    let outputs = w.size(0);
    w.reshape([outputs, w.numel() / outputs.max(1)])
}

/// Trains length and direction of each output's weights by themselves: `w = g v / |v|`.
///
/// # Arguments
/// - The layer, whose weight becomes the direction `v`; its lengths become the first `g`, so that nothing changes at
///   first.
///
/// # Shapes
/// Those of the layer.
///
/// # Parameters
/// | name | shape | initial |
/// | --- | --- | --- |
/// | `layer.weight` and the layer's others | its own | its own |
/// | `g` | `[outputs]` | the lengths of the layer's weights |
///
/// # Source
/// Salimans and Kingma, "Weight normalization: a simple reparameterization to accelerate training of deep neural networks",
/// NIPS 2016, eq. 2.
///
/// # Examples
/// ```
/// # use talweg_nn::{Layer, Linear, Mode, WeightNorm};
/// # use talweg_tensor::{Rng, Tensor};
/// let linear = Linear::new(2, 1, &mut Rng::seed(1)).without_bias();
/// linear.weight.set(&Tensor::from_slice(&[3.0f32, 4.0], [1, 2]));
/// let layer = WeightNorm::new(linear);
/// assert_eq!(layer.g.get().to_vec::<f32>(), [5.0]);
/// layer.g.set(&Tensor::from_slice(&[10.0f32], [1]));
/// let y = layer.forward(&Tensor::from_slice(&[1.0f32, 0.0], [1, 2]), &mut Mode::Eval);
/// assert!((y.item() - 6.0).abs() < 1e-5);
/// ```
#[derive(Debug, Module)]
pub struct WeightNorm<L> {
    /// The layer; its weight is the direction `v`.
    pub layer: L,
    /// The lengths `g`, `[outputs]`.
    pub g: Param,
}

impl<L: Weighted> WeightNorm<L> {
    /// The layer with its weight split in length and direction.
    pub fn new(layer: L) -> WeightNorm<L> {
        let lengths = matrix(&layer.weight().get().detach()).norm(2.0, 1);
        WeightNorm { layer, g: Param::new(lengths) }
    }
}

impl<L: Weighted> Layer for WeightNorm<L> {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Tensor {
        let v = self.layer.weight().get();
        let rows = matrix(&v);
        let scale = self.g.get() / rows.norm(2.0, 1);
        let w = (rows * scale.unsqueeze(1)).reshape(v.shape());
        self.layer.forward_with(&w, x, mode)
    }
}

/// Divides the weight by its greatest singular value `σ`, so that the layer enlarges no difference: `w / σ`, with
/// `σ = uᵀ w v` from one step of the power iteration for each forward pass in training.
///
/// # Arguments
/// - The layer.
/// - `rng`: where the first `u` comes from; 15 steps follow at once.
///
/// # Shapes
/// Those of the layer.
///
/// # Parameters
/// | name | shape | initial |
/// | --- | --- | --- |
/// | `layer.weight` and the layer's others | its own | its own |
/// | `u` (buffer) | `[outputs]` | the left singular vector, nearly |
/// | `v` (buffer) | `[everything else]` | the right singular vector, nearly |
///
/// # Source
/// Miyato, Kataoka, Koyama and Yoshida, "Spectral normalization for generative adversarial networks", ICLR 2018,
/// algorithm 1. `u` and `v` count as constants in the gradient, as there.
///
/// # Examples
/// ```
/// # use talweg_nn::{Layer, Linear, Mode, SpectralNorm};
/// # use talweg_tensor::{Rng, Tensor};
/// let rng = &mut Rng::seed(1);
/// let linear = Linear::new(2, 2, rng).without_bias();
/// linear.weight.set(&Tensor::from_slice(&[4.0f32, 0.0, 0.0, 2.0], [2, 2]));
/// let layer = SpectralNorm::new(linear, rng);
/// let y = layer.forward(&Tensor::from_slice(&[1.0f32, 1.0], [1, 2]), &mut Mode::Eval).to_vec::<f32>();
/// assert!((y[0] - 1.0).abs() < 1e-5 && (y[1] - 0.5).abs() < 1e-5);
/// ```
#[derive(Debug, Module)]
pub struct SpectralNorm<L> {
    /// The layer.
    pub layer: L,
    /// The left singular vector.
    pub u: Buffer,
    /// The right singular vector.
    pub v: Buffer,
}

impl<L: Weighted> SpectralNorm<L> {
    /// The layer with its weight divided by its greatest singular value.
    pub fn new(layer: L, rng: &mut Rng) -> SpectralNorm<L> {
        let w = matrix(&layer.weight().get().detach());
        let [outputs, rest] = w.sizes();
        let u = rng.normal([outputs], 0.0, 1.0, DType::F32).cast(w.dtype()).normalize(2.0, 0, 1e-12);
        let norm =
            SpectralNorm { layer, u: Buffer::new(u), v: Buffer::new(Tensor::zeros([rest], w.dtype())) };
        (0..15).for_each(|_| norm.iterate(&w));
        norm
    }

    /// One step of the power iteration.
    fn iterate(&self, w: &Tensor) {
        let [outputs, rest] = w.sizes();
        let v = w.t().matmul(&self.u.get().reshape([outputs, 1])).reshape([rest]).normalize(2.0, 0, 1e-12);
        self.u.set(&w.matmul(&v.reshape([rest, 1])).reshape([outputs]).normalize(2.0, 0, 1e-12));
        self.v.set(&v);
    }
}

impl<L: Weighted> Layer for SpectralNorm<L> {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Tensor {
        let weight = self.layer.weight().get();
        let w = matrix(&weight);
        if mode.is_train() {
            no_grad(|| self.iterate(&w.detach()));
        }
        let [outputs, rest] = w.sizes();
        let along = w.matmul(&self.v.get().reshape([rest, 1])).reshape([outputs]);
        let sigma = (along * self.u.get()).sum(..);
        self.layer.forward_with(&(weight / sigma), x, mode)
    }
}
