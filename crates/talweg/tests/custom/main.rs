//! What users add to the library without changing it, as `docs/adding.md` shows it.

mod dataset;
mod layer;
mod op;
mod rule;
