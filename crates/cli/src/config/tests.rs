//! Tests of the configuration as a whole.

mod examples;
mod malformed;
pub(crate) mod round_trip;
mod schema;
mod shapes;
