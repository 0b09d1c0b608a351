//! Tensors with automatic differentiation.
#![forbid(unsafe_code)]
