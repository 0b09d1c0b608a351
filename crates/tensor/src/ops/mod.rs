//! The operations: a file for each or for a family, with method, documentation, shape rule, derivative and cases.

mod batch_norm;
mod binary;
mod binary_cross_entropy;
mod cast;
mod compare;
mod conv2d;
mod cross_entropy;
mod dropout;
mod index;
mod join;
mod layer_norm;
mod linear;
mod losses;
mod matmul;
mod norm;
mod operators;
mod pool2d;
mod reduce;
mod shape;
mod slice;
mod softmax;
mod unary;
mod update;

pub use batch_norm::BatchNormOutput;
pub use binary::Binary;
pub use binary_cross_entropy::{BinaryCrossEntropyOptions, BinaryCrossEntropyWithLogitsOptions};
pub use compare::Compare;
pub use conv2d::Conv2dOptions;
pub(crate) use cross_entropy::no_such_class;
pub use cross_entropy::{CrossEntropyKernel, CrossEntropyOptions};
pub use losses::{NllLossOptions, Reduction};
pub use norm::NormKernel;
pub use pool2d::Pool2dOptions;
pub use reduce::{ArgReduce, Reduce};
pub use unary::Unary;
pub use update::Update;
