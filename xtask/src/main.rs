//! Checks that the repository's own rules hold.
#![forbid(unsafe_code)]
fn main() {}
