//! Callbacks that come with Talweg.

mod progress;

pub use progress::Progress;
