//! What `#[derive(Module)]` writes.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Field, Fields, GenericParam, Generics, Ident, Result};

/// The implementation of `Module` for a type.
pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let krate = root(input)?;
    let mut visited = Vec::new();
    let arms = match &input.data {
        Data::Struct(data) => arm(&krate, &quote!(Self), &data.fields, &mut visited)?,
        Data::Enum(data) => {
            let mut arms = TokenStream::new();
            for variant in &data.variants {
                refuse_attributes(&variant.attrs, "a variant")?;
                let name = &variant.ident;
                arms.extend(arm(&krate, &quote!(Self::#name), &variant.fields, &mut visited)?);
            }
            arms
        }
        Data::Union(data) => {
            return Err(Error::new(
                data.union_token.span(),
                "Module: a union cannot be a module, because nobody knows which of its fields is there; use an enum",
            ));
        }
    };
    let body = match arms.is_empty() {
        true => quote!(match *self {}),
        false => quote!(match self { #arms }),
    };
    let name = &input.ident;
    let generics = bounded(&krate, &input.generics, &visited);
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    // A module without fields uses neither the path nor the function.
    let (path, f) = match visited.is_empty() {
        true => (quote!(_), quote!(_)),
        false => (quote!(path), quote!(f)),
    };
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics #krate::Module for #name #ty_generics #where_clause {
            fn visit(
                &self,
                #path: &mut #krate::Path,
                #f: &mut dyn ::core::ops::FnMut(&#krate::Path, #krate::Entry<'_>),
            ) {
                #body
            }
        }
    })
}

/// One arm of the match: binds the visited fields and visits them in their order.
fn arm(
    krate: &TokenStream,
    variant: &TokenStream,
    fields: &Fields,
    visited: &mut Vec<Field>,
) -> Result<TokenStream> {
    let alone = matches!(fields, Fields::Unnamed(fields) if fields.unnamed.len() == 1);
    let (mut bindings, mut visits) = (TokenStream::new(), TokenStream::new());
    for (i, field) in fields.iter().enumerate() {
        let key = syn::Member::from(i);
        let (member, name) = match &field.ident {
            Some(ident) => (ident.to_token_stream(), ident.unraw().to_string()),
            None => (key.to_token_stream(), i.to_string()),
        };
        if is_skipped(field)? {
            continue;
        }
        let (binding, ty) = (format_ident!("field_{i}"), &field.ty);
        bindings.extend(quote!(#member: #binding,));
        // The span of the type: an error about a type that is no module points at the field.
        let visit = quote_spanned!(ty.span()=> <#ty as #krate::Module>::visit);
        visits.extend(match alone {
            true => quote!(#visit(#binding, path, f);),
            false => quote!(path.scope(#name, |path| #visit(#binding, path, f));),
        });
        visited.push(field.clone());
    }
    // `Name { .. }` matches structs and variants of every kind.
    Ok(quote!(#variant { #bindings .. } => { #visits }))
}

/// The generics with `T: Module` for every type parameter that a visited field mentions.
fn bounded(krate: &TokenStream, generics: &Generics, visited: &[Field]) -> Generics {
    let mut generics = generics.clone();
    for parameter in &mut generics.params {
        if let GenericParam::Type(parameter) = parameter
            && visited.iter().any(|field| mentions(field.ty.to_token_stream(), &parameter.ident))
        {
            parameter.bounds.push(syn::parse_quote!(#krate::Module));
        }
    }
    generics
}

fn mentions(tokens: TokenStream, name: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == *name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// Where the trait is found: `#[module(crate = path)]` on the type, else the facade.
fn root(input: &DeriveInput) -> Result<TokenStream> {
    let mut root = quote!(::talweg::nn);
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("module")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("crate") {
                root = meta.value()?.parse::<syn::Path>()?.to_token_stream();
                return Ok(());
            }
            let name = meta.path.to_token_stream();
            let help = if meta.path.is_ident("skip") { "; `skip` stands on a field" } else { "" };
            Err(meta
                .error(format!("Module: no attribute `{name}` for a type, only `crate = some::path`{help}")))
        })?;
    }
    Ok(root)
}

fn is_skipped(field: &Field) -> Result<bool> {
    let mut skip = false;
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("module")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("skip") {
                skip = true;
                return Ok(());
            }
            let name = meta.path.to_token_stream();
            Err(meta.error(format!("Module: no attribute `{name}` for a field, only `skip`")))
        })?;
    }
    Ok(skip)
}

fn refuse_attributes(attributes: &[syn::Attribute], place: &str) -> Result<()> {
    match attributes.iter().find(|attribute| attribute.path().is_ident("module")) {
        Some(attribute) => Err(Error::new(
            attribute.span(),
            format!("Module: {place} has no attributes of its own; `skip` stands on a field"),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        let input: DeriveInput = syn::parse_str(text).expect("an item");
        derive(&input).expect_err("the derive accepts it").to_string()
    }

    #[test]
    fn mistakes_are_named_with_what_is_possible() {
        for (text, want) in [
            (
                "union U { a: u8 }",
                "a union cannot be a module, because nobody knows which of its fields is there; use an enum",
            ),
            ("struct S { #[module(skipp)] a: u8 }", "no attribute `skipp` for a field, only `skip`"),
            (
                "#[module(skip)] struct S;",
                "no attribute `skip` for a type, only `crate = some::path`; `skip` stands on a field",
            ),
            ("#[module(path)] struct S;", "no attribute `path` for a type, only `crate = some::path`"),
            (
                "enum E { #[module(skip)] A(u8) }",
                "a variant has no attributes of its own; `skip` stands on a field",
            ),
        ] {
            assert_eq!(refusal(text), format!("Module: {want}"), "{text}");
        }
        assert!(refusal("#[module(crate)] struct S;").contains("expected `=`"));
    }

    #[test]
    fn only_parameters_of_visited_fields_are_bounded() {
        let text =
            "struct S<A, B, C: Clone, const N: usize> { a: Vec<(A, u8)>, #[module(skip)] b: B, c: [C; N] }";
        let written = derive(&syn::parse_str(text).expect("an item")).expect("a module").to_string();
        let bounds = "impl < A : :: talweg :: nn :: Module , B , C : Clone + :: talweg :: nn :: Module , const N : usize >";
        assert!(written.contains(bounds), "{written}");
    }
}
