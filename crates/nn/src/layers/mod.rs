//! Layers: modules that make a tensor of another.

mod activation;
mod flatten;
mod layer;
mod linear;
mod sequential;

pub use activation::{Gelu, Identity, Relu, Sigmoid, Tanh};
pub use flatten::Flatten;
pub use layer::Layer;
pub use linear::Linear;
pub use sequential::Sequential;
