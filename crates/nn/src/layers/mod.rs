//! Layers: modules that make a tensor of another.

mod activation;
mod attention;
mod batch_norm;
mod bilinear;
mod checkpoint;
mod conv;
mod dropout;
mod embedding;
mod flatten;
mod group_norm;
mod layer;
mod layer_norm;
mod linear;
mod parallel;
mod pool2d;
mod positions;
mod recurrent;
mod rms_norm;
mod sequential;
mod size;
mod softmax;
mod transformer;
mod transformer_stack;
mod weighted;

pub use activation::{Gelu, Identity, Relu, Sigmoid, Tanh};
pub use attention::MultiHeadAttention;
pub use batch_norm::{BatchNorm1d, BatchNorm2d, BatchNorm3d};
pub use bilinear::Bilinear;
pub use checkpoint::Checkpoint;
pub use conv::{Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d};
pub use dropout::{AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d, FeatureAlphaDropout};
pub use embedding::{Embedding, Positions};
pub use flatten::Flatten;
pub use group_norm::{GroupNorm, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d, LocalResponseNorm};
pub use layer::Layer;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use parallel::{Join, Parallel};
pub use pool2d::{AvgPool2d, MaxPool2d};
pub use positions::{RotaryPositions, SinusoidalPositions};
pub use recurrent::{Gru, Lstm, LstmState, Recurrence};
pub use rms_norm::RmsNorm;
pub use sequential::Sequential;
pub use size::{Size, Size2d};
pub use softmax::{LogSoftmax, Softmax};
pub use transformer::{FeedForward, NormOrder, Residual, TransformerBlock};
pub use transformer_stack::{
    CrossAttention, TransformerDecoder, TransformerDecoderBlock, TransformerEncoder,
};
pub use weighted::{SpectralNorm, WeightNorm, Weighted};
