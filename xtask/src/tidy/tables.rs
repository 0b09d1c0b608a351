//! Operations and layers written as rows of a table: `macro_rules! name { ... }` and its use in the same file.
//!
//! A row ends with a semicolon and begins with its documentation and its names; the macro's own body documents
//! the method that it makes of each row. A reader sees both together, so the checks must, too.

use super::tokens::{Kind, Token, closing};
use super::tree::Rust;

/// A table: the macro that makes the items, and the rows given to it.
pub(crate) struct Table {
    /// The public functions and structs in the macro's body that take their name from a row.
    pub(crate) items: Vec<Item>,
    /// The rows of all its uses.
    pub(crate) rows: Vec<Row>,
    /// Whether the macro's body makes a list of its rows for the tests.
    pub(crate) lists_cases: bool,
}

/// A function or struct in the body of the macro.
pub(crate) struct Item {
    /// Whether it is a function.
    pub(crate) is_function: bool,
    /// The lines of documentation in the body.
    pub(crate) documentation: String,
    /// Whether the row's documentation is put before them.
    pub(crate) takes_row: bool,
    /// Whether it points at its caller's line.
    pub(crate) may_panic: bool,
}

/// One row.
pub(crate) struct Row {
    /// Where the names stand.
    pub(crate) line: usize,
    /// The words that it begins with, the names among them.
    pub(crate) names: Vec<String>,
    /// The lines of documentation.
    pub(crate) documentation: String,
}

impl Row {
    /// The names of functions, which begin with a small letter.
    pub(crate) fn functions(&self) -> impl Iterator<Item = &String> {
        self.names.iter().filter(|name| name.starts_with(char::is_lowercase))
    }
}

/// The tables of a file that make public functions or structs.
pub(crate) fn tables(rust: &Rust) -> Vec<Table> {
    let tokens = rust.shipped();
    let mut tables = Vec::new();
    for position in 0..tokens.len() {
        let Some(name) = defined(&tokens[position..]) else { continue };
        let open = position + 3;
        let body = &tokens[open..closing(&tokens, open)];
        let items = items(body);
        if !items.is_empty() {
            let lists_cases =
                body.windows(2).any(|pair| pair[0].is_word("const") && pair[1].is_word("CASES"));
            tables.push(Table { items, rows: rows_of(name, &tokens), lists_cases });
        }
    }
    tables
}

/// The name, when the tokens begin with `macro_rules! name {`.
fn defined(tokens: &[Token]) -> Option<&str> {
    match tokens {
        [rules, bang, name, open, ..]
            if rules.is_word("macro_rules") && bang.is_sign('!') && open.is_sign('{') =>
        {
            name.word()
        }
        _ => None,
    }
}

/// The items `pub fn $name` and `pub struct $name` in the body of a macro.
fn items(body: &[Token]) -> Vec<Item> {
    let mut items = Vec::new();
    for position in 0..body.len() {
        let after = &body[position..];
        if let [public, kind, dollar, ..] = after
            && public.is_word("pub")
            && (kind.is_word("fn") || kind.is_word("struct"))
            && dollar.is_sign('$')
        {
            let attributes = &body[attributes_before(body, position)..position];
            items.push(Item {
                is_function: kind.is_word("fn"),
                documentation: documentation(attributes),
                takes_row: attributes.iter().any(|token| token.is_sign('$')),
                may_panic: attributes.iter().any(|token| token.is_word("track_caller")),
            });
        }
    }
    items
}

/// Where the run of attributes, among them `$(#[$doc])*`, begins that ends at `end`.
fn attributes_before(body: &[Token], end: usize) -> usize {
    let mut start = end;
    loop {
        let before = &body[..start];
        let bracket = match before {
            [.., close] if close.is_sign(']') => opening(body, start - 1).checked_sub(1),
            // `$( ... )*`: the dollar stands before the bracket, the star behind it.
            [.., close, star] if close.is_sign(')') && star.is_sign('*') => {
                opening(body, start - 2).checked_sub(1)
            }
            _ => None,
        };
        match bracket {
            Some(first) if body[first].is_sign('#') || body[first].is_sign('$') => start = first,
            _ => return start,
        }
    }
}

/// The position of the bracket that the one at `close` closes.
fn opening(tokens: &[Token], close: usize) -> usize {
    let mut depth = 0usize;
    for position in (0..=close).rev() {
        match tokens[position].kind {
            Kind::Sign(')' | ']' | '}') => depth += 1,
            Kind::Sign('(' | '[' | '{') => {
                depth -= 1;
                if depth == 0 {
                    return position;
                }
            }
            _ => {}
        }
    }
    0
}

/// The rows in all uses `name! { ... }`.
fn rows_of(name: &str, tokens: &[Token]) -> Vec<Row> {
    let mut rows = Vec::new();
    for position in 0..tokens.len() {
        if let [word, bang, open, ..] = &tokens[position..]
            && word.is_word(name)
            && bang.is_sign('!')
            && open.is_sign('{')
        {
            let inside = &tokens[position + 3..closing(tokens, position + 2)];
            rows.extend(split(inside).into_iter().filter_map(row));
        }
    }
    rows
}

/// Cuts at the semicolons outside brackets.
fn split(tokens: &[Token]) -> Vec<&[Token]> {
    let mut parts = Vec::new();
    let (mut start, mut position) = (0, 0);
    while position < tokens.len() {
        if tokens[position].is_sign(';') {
            parts.push(&tokens[start..position]);
            start = position + 1;
        }
        let open = matches!(tokens[position].kind, Kind::Sign('(' | '[' | '{'));
        position = if open { closing(tokens, position) } else { position } + 1;
    }
    parts.push(&tokens[start..]);
    parts
}

fn row(tokens: &[Token]) -> Option<Row> {
    let mut first = 0;
    while tokens.get(first).is_some_and(|token| token.is_sign('#')) {
        first = closing(tokens, first + 1) + 1;
    }
    let names = tokens.get(first..)?.iter().map_while(Token::word).map(str::to_string).collect();
    Some(Row { line: tokens.get(first)?.line, names, documentation: documentation(&tokens[..first]) })
}

/// The lines of `#[doc = "..."]`, which is also what doc comments are.
fn documentation(attributes: &[Token]) -> String {
    let mut text = String::new();
    for window in attributes.windows(3) {
        if let Kind::Literal(literal) = &window[2].kind
            && window[0].is_word("doc")
            && window[1].is_sign('=')
            && let Ok(line) = syn::parse_str::<syn::LitStr>(literal)
        {
            text.push_str(&line.value());
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::Tree;

    #[test]
    fn rows_and_methods_are_read() {
        let text = "\
macro_rules! waves {
    ($($(#[$doc:meta])* $kind:ident $name:ident $keep:ident = $value:expr;)*) => {
        impl Tensor {
            /// Not made from a row.
            pub fn other() {}
            $(
                $(#[$doc])*
                /// # Shapes
                #[track_caller]
                pub fn $name(&self) {}
                #[doc = concat!(\"x\")]
                /// # Gradient
                pub fn $keep(&self) {}
            )*
        }
        #[cfg(test)]
        const CASES: &[u8] = &[];
    };
}
waves! {
    /// The sine.
    Sin sin sin_keep = { a; b };
    Cos cos cos_keep = f(c);
}
";
        let tree = Tree::of(&[("a.rs", text)]);
        let tables = tables(tree.files[0].rust.as_ref().expect("parses"));
        let [table] = tables.as_slice() else { panic!("{} tables", tables.len()) };
        assert!(table.lists_cases);
        let methods: Vec<(&str, bool, bool)> =
            table.items.iter().map(|m| (m.documentation.trim(), m.takes_row, m.may_panic)).collect();
        assert_eq!(methods, [("# Shapes", true, true), ("# Gradient", false, false)]);
        let rows: Vec<(usize, String, &str)> = table
            .rows
            .iter()
            .map(|r| (r.line, r.functions().cloned().collect::<Vec<_>>().join(" "), r.documentation.trim()))
            .collect();
        assert_eq!(
            rows,
            [(22, "sin sin_keep".to_string(), "The sine."), (23, "cos cos_keep".to_string(), "")]
        );
    }
}
