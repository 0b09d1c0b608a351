//! Neural networks trained by backpropagation and gradient descent.
#![forbid(unsafe_code)]
