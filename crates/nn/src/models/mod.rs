//! Whole networks that others have published, with the parameter names of PyTorch's versions.

mod resnet;

pub use resnet::{BasicBlock, ResNet, Stem};
