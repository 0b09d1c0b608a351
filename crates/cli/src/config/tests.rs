//! Tests of the configuration as a whole.

mod examples;
mod malformed;
mod round_trip;
mod schema;
mod shapes;
