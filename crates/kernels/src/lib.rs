//! Numeric kernels over slices, for several instruction sets.
//!
//! This crate is the lowest layer of Talweg and the only one that contains `unsafe` code. It knows neither tensors
//! nor derivatives: every function takes slices and plain numbers (sizes, strides), checks the lengths at its door,
//! picks the best instruction set that the processor has ([`isa::detect`]) and works.
//!
//! Two promises hold for every kernel:
//! - **The result does not depend on the number of threads.** Work is split by its size alone, and partial sums
//!   are added in a fixed order.
//! - **Memory is only read and written inside the slices that were passed in.** A wrong length panics with a message
//!   that names both lengths.

pub mod attention;
mod bf16;
pub mod buffer;
pub mod conv;
mod dispatch;
pub mod elementwise;
mod f16;
pub mod float;
pub mod gemm;
pub mod isa;
pub mod lane;
pub mod mse_loss;
pub mod norm;
pub mod peak;
pub mod pool2d;
pub mod random;
pub mod recurrent;
pub mod reduce;
pub mod rms_norm;
pub mod softmax;
pub mod strided;
pub mod threads;
pub mod update;

pub use bf16::Bf16;
pub use buffer::Buffer;
pub use f16::F16;
pub use float::{Float, Pod};
pub use isa::Isa;
pub use lane::Lane;
