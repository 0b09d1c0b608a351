//! The operations: a file for each or for a family, with method, documentation, shape rule, derivative and cases.

mod binary;
mod cast;
mod compare;
mod conv2d;
mod index;
mod join;
mod linear;
mod matmul;
mod pool2d;
mod reduce;
mod shape;
mod unary;
mod update;

pub use binary::Binary;
pub use compare::Compare;
pub use conv2d::Conv2dOptions;
pub use pool2d::Pool2dOptions;
pub use reduce::{ArgReduce, Reduce};
pub use unary::Unary;
pub use update::Update;
