//! Datasets, loaders and file formats.
#![forbid(unsafe_code)]
