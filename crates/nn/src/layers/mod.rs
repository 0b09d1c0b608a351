//! Layers: modules that make a tensor of another.

mod activation;
mod conv2d;
mod flatten;
mod layer;
mod linear;
mod pool2d;
mod sequential;
mod size2d;
mod softmax;

pub use activation::{Gelu, Identity, Relu, Sigmoid, Tanh};
pub use conv2d::Conv2d;
pub use flatten::Flatten;
pub use layer::Layer;
pub use linear::Linear;
pub use pool2d::{AvgPool2d, MaxPool2d};
pub use sequential::Sequential;
pub use size2d::Size2d;
pub use softmax::{LogSoftmax, Softmax};
