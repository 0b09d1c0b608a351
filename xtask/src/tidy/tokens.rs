//! A Rust file as a flat list of tokens with lines, so that checks also see inside macro bodies.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A token and the line it begins on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// The line, counted from 1.
    pub(crate) line: usize,
    /// What stands there.
    pub(crate) kind: Kind,
}

/// What a token is. Comments are none; doc comments are the literal of a `doc` attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A word: identifier or keyword.
    Word(String),
    /// One character of punctuation, or one bracket.
    Sign(char),
    /// A literal as it is written.
    Literal(String),
}

impl Token {
    /// Whether the token is this word.
    pub(crate) fn is_word(&self, word: &str) -> bool {
        matches!(&self.kind, Kind::Word(found) if found == word)
    }

    /// Whether the token is this character.
    pub(crate) fn is_sign(&self, sign: char) -> bool {
        self.kind == Kind::Sign(sign)
    }

    /// The word, if the token is one.
    pub(crate) fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            Kind::Sign(_) | Kind::Literal(_) => None,
        }
    }
}

/// Flattens a stream; the brackets of groups become signs of their own.
pub(crate) fn flatten(stream: TokenStream) -> Vec<Token> {
    let mut tokens = Vec::new();
    push(stream, &mut tokens);
    tokens
}

/// The position of the bracket that closes the one at `open`, or the end of the list.
pub(crate) fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0usize;
    for (position, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Sign('(' | '[' | '{') => depth += 1,
            Kind::Sign(')' | ']' | '}') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return position;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

fn push(stream: TokenStream, tokens: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Ident(word) => tokens.push(Token { line, kind: Kind::Word(word.to_string()) }),
            TokenTree::Punct(sign) => tokens.push(Token { line, kind: Kind::Sign(sign.as_char()) }),
            TokenTree::Literal(literal) => {
                tokens.push(Token { line, kind: Kind::Literal(literal.to_string()) })
            }
            TokenTree::Group(group) => {
                let brackets = match group.delimiter() {
                    Delimiter::Parenthesis => Some(('(', ')')),
                    Delimiter::Brace => Some(('{', '}')),
                    Delimiter::Bracket => Some(('[', ']')),
                    Delimiter::None => None,
                };
                let last = group.span_close().start().line;
                if let Some((open, _)) = brackets {
                    tokens.push(Token { line, kind: Kind::Sign(open) });
                }
                push(group.stream(), tokens);
                if let Some((_, close)) = brackets {
                    tokens.push(Token { line: last, kind: Kind::Sign(close) });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macro_bodies_are_seen_with_their_lines() {
        let tokens = flatten("m! {\n  a(b[0])\n}".parse().expect("tokens"));
        let shown: Vec<(usize, String)> = tokens
            .iter()
            .map(|t| {
                let text = match &t.kind {
                    Kind::Word(w) | Kind::Literal(w) => w.clone(),
                    Kind::Sign(c) => c.to_string(),
                };
                (t.line, text)
            })
            .collect();
        let expected = [(1, "m"), (1, "!"), (1, "{"), (2, "a"), (2, "("), (2, "b"), (2, "["), (2, "0")];
        let expected = expected.into_iter().chain([(2, "]"), (2, ")"), (3, "}")]);
        assert!(shown.iter().map(|(l, t)| (*l, t.as_str())).eq(expected), "{shown:?}");
        assert_eq!(closing(&tokens, 2), 10);
        assert_eq!(closing(&tokens, 4), 9);
    }
}
