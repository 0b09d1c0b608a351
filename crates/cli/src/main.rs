//! The program `talweg`.
#![forbid(unsafe_code)]
fn main() {}
