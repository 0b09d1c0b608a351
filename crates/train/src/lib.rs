//! The training loop: trainer, metrics, callbacks, checkpoints.
#![forbid(unsafe_code)]
