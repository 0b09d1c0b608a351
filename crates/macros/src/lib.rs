//! The derive macro for modules: `#[derive(Module)]` walks the fields of a struct or enum.
#![forbid(unsafe_code)]

mod module;

use proc_macro::TokenStream;

/// Implements `Module` for a struct or enum: visits every field under its name.
///
/// - Named fields are called by their names, so that `weight` of the first of `layers` is `layers.0.weight`.
/// - Fields of tuples are called by their positions, `0`, `1`; a single one has no name of its own, so that wrapping a
///   module in a struct changes no name.
/// - Of an enum the fields of the variant at hand are visited; the variant's name takes no part.
/// - Every type parameter that occurs in a visited field must be a module.
///
/// # Attributes
/// - `#[module(skip)]` on a field: it is not visited. For settings whose types are not modules.
/// - `#[module(crate = some::path)]` on the type: where `Module`, `Path` and `Entry` are found, `::talweg::nn` by
///   default.
#[proc_macro_derive(Module, attributes(module))]
pub fn derive_module(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    module::derive(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}
