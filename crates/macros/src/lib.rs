//! The derive macro for modules.
#![forbid(unsafe_code)]
