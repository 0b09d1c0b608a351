//! Layers: modules that make a tensor of another.

mod activation;
mod attention;
mod batch_norm;
mod bilinear;
mod conv2d;
mod dropout;
mod embedding;
mod flatten;
mod layer;
mod layer_norm;
mod linear;
mod parallel;
mod pool2d;
mod positions;
mod recurrent;
mod rms_norm;
mod sequential;
mod size2d;
mod softmax;
mod transformer;
mod transformer_stack;
mod weighted;

pub use activation::{Gelu, Identity, Relu, Sigmoid, Tanh};
pub use attention::MultiHeadAttention;
pub use batch_norm::{BatchNorm1d, BatchNorm2d};
pub use bilinear::Bilinear;
pub use conv2d::Conv2d;
pub use dropout::Dropout;
pub use embedding::{Embedding, Positions};
pub use flatten::Flatten;
pub use layer::Layer;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use parallel::{Join, Parallel};
pub use pool2d::{AvgPool2d, MaxPool2d};
pub use positions::{RotaryPositions, SinusoidalPositions};
pub use recurrent::{Gru, Lstm, LstmState, Recurrence};
pub use rms_norm::RmsNorm;
pub use sequential::Sequential;
pub use size2d::Size2d;
pub use softmax::{LogSoftmax, Softmax};
pub use transformer::{FeedForward, NormOrder, Residual, TransformerBlock};
pub use transformer_stack::{
    CrossAttention, TransformerDecoder, TransformerDecoderBlock, TransformerEncoder,
};
pub use weighted::{SpectralNorm, WeightNorm, Weighted};
