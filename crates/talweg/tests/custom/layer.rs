//! A layer with parameters, settings and another layer inside.

use talweg::nn::{Init, Layer, Linear, Mode, Module, Relu};
use talweg::seq;
use talweg::tensor::testing::gradcheck;
use talweg::tensor::{DType, Param, Rng, Tensor};

/// A way around a linear map that the network learns to open, `y = x + g (x Wᵀ + b)`.
///
/// # Arguments
/// - `size`: the number of features.
/// - `rng`: where the initial weights come from.
///
/// # Shapes
/// `[.., size]` to the same.
///
/// # Parameters
/// | name | shape | initial distribution |
/// | --- | --- | --- |
/// | `gate` | `[size]` | zeros, so that the layer begins as the identity |
/// | `map.weight`, `map.bias` | those of [`Linear`] | those of [`Linear`] |
///
/// # Source
/// Bachlechner, Majumder, Mao, Cottrell and McAuley, "ReZero is all you need", 2020, with a gate for each feature.
#[derive(Debug, Module)]
struct Gated {
    gate: Param,
    map: Linear,
}

impl Gated {
    fn new(size: usize, rng: &mut Rng) -> Gated {
        let gate = Param::new(Init::Zeros.draw([size], DType::F32, rng));
        Gated { gate, map: Linear::new(size, size, rng) }
    }
}

impl Layer for Gated {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Tensor {
        x + self.map.forward(x, mode) * self.gate.get()
    }
}

#[test]
fn its_parameters_are_found_by_the_names_of_the_fields() {
    let rng = &mut Rng::seed(1);
    let model = seq![Gated::new(3, rng), Relu, Linear::new(3, 1, rng)];
    let names: Vec<String> = model.params().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["0.gate", "0.map.weight", "0.map.bias", "2.weight", "2.bias"]);
}

#[test]
fn it_begins_as_the_identity_and_computes_its_formula() {
    let rng = &mut Rng::seed(2);
    let layer = Gated::new(2, rng);
    let x = Tensor::from_slice(&[1.0f32, 2.0], [1, 2]);
    assert_eq!(layer.forward(&x, &mut Mode::Eval).to_vec::<f32>(), [1.0, 2.0]);

    layer.gate.set(&Tensor::from_slice(&[0.5f32, 2.0], [2]));
    layer.map.weight.set(&Tensor::from_slice(&[1.0f32, 1.0, 1.0, -1.0], [2, 2]));
    layer.map.bias.as_ref().expect("made with a bias").set(&Tensor::from_slice(&[1.0f32, 0.0], [2]));
    // x + g (W x + b) = [1 + 0.5 (3 + 1), 2 + 2 (-1 + 0)]
    assert_eq!(layer.forward(&x, &mut Mode::Eval).to_vec::<f32>(), [3.0, 0.0]);
}

#[test]
fn its_gradients_are_those_of_finite_differences() {
    let rng = &mut Rng::seed(3);
    let layer = Gated::new(3, rng);
    let mut draw = |shape: &[usize]| rng.normal(shape, 0.0, 1.0, DType::F64);
    let (x, gate, weight) = (draw(&[2, 3]), draw(&[3]), draw(&[3, 3]));
    let f = |inputs: &[&Tensor]| {
        // The layer's own formula, on tensors that the check can move.
        inputs[0] + inputs[0].linear(inputs[2], None) * inputs[1]
    };
    gradcheck(&f, &[&x, &gate, &weight]).expect("the formula is differentiable");

    // The layer itself, in f32, agrees with that formula.
    let single = |x: &Tensor| x.cast(DType::F32);
    layer.gate.set(&single(&gate));
    layer.map.weight.set(&single(&weight));
    let layer = Gated { map: layer.map.without_bias(), gate: layer.gate };
    let (y, want) = (layer.forward(&single(&x), &mut Mode::Eval), f(&[&x, &gate, &weight]));
    for (y, want) in y.to_vec::<f32>().iter().zip(want.to_vec::<f64>()) {
        assert!((f64::from(*y) - want).abs() < 1e-5 * want.abs().max(1.0), "{y} should be {want}");
    }
}
