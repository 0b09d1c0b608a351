//! `talweg trace`: one step of gradient descent on a small dense network, written out.

mod backward;
mod document;
mod explain;
mod html;
mod network;

pub(crate) use explain::{Subject, explain};
pub(crate) use html::page;
pub(crate) use network::{Activation, Loss, Network, Stage, Target};
