//! The operations: a file for each or for a family, with method, documentation, shape rule, derivative and cases.

mod activation;
mod argmax;
mod attention;
mod batch_norm;
mod binary;
mod binary_cross_entropy;
mod blend;
mod cast;
mod clamp;
mod classify;
mod compare;
mod conv;
mod conv2d;
mod conv_transpose;
mod counting;
mod cross_entropy;
mod distance;
mod dropout;
mod feature_dropout;
mod group_norm;
mod index;
mod join;
mod layer_norm;
mod linear;
mod lines;
mod losses;
mod matmul;
mod moments;
mod norm;
mod operators;
mod order;
mod pairs;
mod pool2d;
mod quantile;
mod recurrent;
mod reduce;
mod rms_norm;
mod scan;
mod shape;
mod slice;
mod softmax;
mod special;
mod truth;
mod unary;
mod update;

pub use argmax::ArgReduce;
pub use attention::{AttentionDropout, AttentionKernel, AttentionOptions};
pub use batch_norm::BatchNormOutput;
pub use binary::Binary;
pub use binary_cross_entropy::{BinaryCrossEntropyOptions, BinaryCrossEntropyWithLogitsOptions};
pub use clamp::NanToNumOptions;
pub use compare::Compare;
pub use conv::{Conv1dOptions, Conv2dOptions, Conv3dOptions, ConvOptions};
pub use conv_transpose::ConvTransposeOptions;
pub use counting::Unique;
pub(crate) use cross_entropy::no_such_class;
pub use cross_entropy::{CrossEntropyKernel, CrossEntropyOptions};
pub use group_norm::LocalResponseNormOptions;
pub use losses::{
    CosineEmbeddingOptions, CtcOptions, DiceOptions, FocalOptions, GaussianNllOptions, InfoNceOptions,
    KlDivOptions, LossOptions, MultiMarginOptions, NllLossOptions, PoissonNllOptions, Reduction,
    SigmoidFocalOptions, TripletMarginOptions,
};
pub use norm::NormKernel;
pub use order::Indexed;
pub use pool2d::Pool2dOptions;
pub use recurrent::{LstmOutput, RecurrentWeights};
pub use reduce::Reduce;
pub use unary::Unary;
pub use update::Update;
