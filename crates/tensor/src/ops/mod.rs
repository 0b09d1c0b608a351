//! The operations: a file for each or for a family, with method, documentation, shape rule, derivative and cases.

mod binary;
mod binary_cross_entropy;
mod cast;
mod compare;
mod conv2d;
mod cross_entropy;
mod index;
mod join;
mod linear;
mod losses;
mod matmul;
mod pool2d;
mod reduce;
mod shape;
mod softmax;
mod unary;
mod update;

pub use binary::Binary;
pub use binary_cross_entropy::{BinaryCrossEntropyOptions, BinaryCrossEntropyWithLogitsOptions};
pub use compare::Compare;
pub use conv2d::Conv2dOptions;
pub(crate) use cross_entropy::no_such_class;
pub use cross_entropy::{CrossEntropyKernel, CrossEntropyOptions};
pub use losses::{NllLossOptions, Reduction};
pub use pool2d::Pool2dOptions;
pub use reduce::{ArgReduce, Reduce};
pub use unary::Unary;
pub use update::Update;
