//! Whole networks that others have published; residual networks have the parameter names of PyTorch's versions.

mod gpt;
mod resnet;

pub use gpt::{Gpt, GptOptions};
pub use resnet::{BasicBlock, ResNet, Stem};
