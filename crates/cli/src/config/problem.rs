//! What is wrong with a configuration, and how it is shown.

use std::fmt;

use super::source::Origin;

/// One thing wrong, with the place that it was found at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) origin: Origin,
    /// Found, expected and what to do, in one sentence; lower case at the start, no final dot.
    pub(crate) message: String,
}

impl Problem {
    pub(crate) fn new(origin: Origin, message: impl Into<String>) -> Problem {
        // Names from the file may hold line ends and worse; a message is one line.
        let plain = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        let message: String = message.into().chars().map(plain).collect();
        Problem { origin, message: shortened(message) }
    }
}

/// A message that a name of the file makes endless keeps its beginning and its end, where the remedy stands.
fn shortened(message: String) -> String {
    const START: usize = 400;
    const END: usize = 300;
    let length = message.chars().count();
    if length <= START + END {
        return message;
    }
    let start: String = message.chars().take(START).collect();
    let end: String = message.chars().skip(length - END).collect();
    format!("{start} … {end}")
}

/// Everything wrong with one configuration, in the order of the file.
#[derive(Clone, Debug)]
pub(crate) struct Problems {
    /// How the configuration is called in messages: its file name as given.
    pub(crate) file: String,
    /// The file's text, quoted under each message.
    pub(crate) text: String,
    /// The `--set` arguments as given.
    pub(crate) sets: Vec<String>,
    pub(crate) list: Vec<Problem>,
}

impl std::error::Error for Problems {}

/// Nobody reads more before correcting the first.
const MOST_SHOWN: usize = 20;

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list: Vec<&Problem> = self.list.iter().collect();
        list.sort_by_key(|problem| rank(&problem.origin));
        list.dedup();
        for (i, problem) in list.iter().take(MOST_SHOWN).enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            self.show(problem, f)?;
        }
        match list.len() {
            0 | 1 => Ok(()),
            count @ ..=MOST_SHOWN => write!(f, "\n{count} problems in {}", self.file),
            count => {
                write!(f, "\n{count} problems in {}, of which the first {MOST_SHOWN} are shown", self.file)
            }
        }
    }
}

impl Problems {
    fn show(&self, problem: &Problem, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &problem.origin {
            Origin::Whole | Origin::Default => write!(f, "{}: {}", self.file, problem.message),
            Origin::Set(i) => write!(f, "--set {}: {}", self.sets[*i], problem.message),
            Origin::File(span) => {
                let at = locate(&self.text, span.start);
                writeln!(f, "{}, line {}, column {}: {}", self.file, at.line, at.column, problem.message)?;
                let (quoted, before, marked) =
                    excerpt(at.text, at.column - 1, self.text.get(span.clone()).unwrap_or("").chars());
                let number = at.line.to_string();
                writeln!(f, "  {number} | {quoted}")?;
                write!(f, "  {} | {}{}", " ".repeat(number.len()), " ".repeat(before), "^".repeat(marked))
            }
        }
    }
}

/// Problems of the whole file come first, then those of its lines, then those of the arguments.
fn rank(origin: &Origin) -> (usize, usize) {
    match origin {
        Origin::Whole | Origin::Default => (0, 0),
        Origin::File(span) => (1, span.start),
        Origin::Set(i) => (2, *i),
    }
}

struct Place<'a> {
    line: usize,
    column: usize,
    text: &'a str,
}

/// The line and column of a byte, both counted from 1, the column in characters.
fn locate(text: &str, byte: usize) -> Place<'_> {
    let byte = byte.min(text.len());
    let start = text[..byte].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[byte..].find('\n').map_or(text.len(), |newline| byte + newline);
    Place {
        line: text[..start].matches('\n').count() + 1,
        column: text[start..byte].chars().count() + 1,
        text: text[start..end].trim_end_matches('\r'),
    }
}

/// The part of a line that is worth showing, the number of characters before the mark, and the mark's length.
fn excerpt(line: &str, before: usize, marked: std::str::Chars<'_>) -> (String, usize, usize) {
    const WIDTH: usize = 100;
    const LEAD: usize = 40;
    let length = line.chars().count();
    let skip = if length > WIDTH && before > LEAD { before - LEAD } else { 0 };
    // Tabs and control characters would shift the mark or spoil the terminal.
    let shown =
        line.chars().skip(skip).take(WIDTH).map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    let room = shown.chars().count().saturating_sub(before - skip);
    let marked = marked.take_while(|c| *c != '\n' && *c != '\r').count();
    (shown, before - skip, marked.clamp(1, room.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_and_column_are_counted_in_characters() {
        let text = "a = 1\nbé = 2\r\nc";
        for (byte, line, column, shown) in
            [(0, 1, 1, "a = 1"), (6, 2, 1, "bé = 2"), (10, 2, 4, "bé = 2"), (15, 3, 1, "c"), (99, 3, 2, "c")]
        {
            let at = locate(text, byte);
            assert_eq!((at.line, at.column, at.text), (line, column, shown), "byte {byte}");
        }
    }

    #[test]
    fn endless_names_and_endless_lists_are_cut() {
        let long =
            Problem::new(Origin::Whole, format!("unknown key `{}`; there are a, b", "k".repeat(100_000)));
        assert!(long.message.starts_with("unknown key `kkk") && long.message.ends_with("`; there are a, b"));
        assert!(long.message.chars().count() < 800, "{}", long.message.len());
        let problem = |i: usize| Problem::new(Origin::Whole, format!("problem {i} of many"));
        let list = (0..1000).map(problem).collect();
        let problems = Problems { file: "a.toml".into(), text: String::new(), sets: Vec::new(), list };
        let text = problems.to_string();
        assert!(text.ends_with("\n1000 problems in a.toml, of which the first 20 are shown"), "{text}");
        assert_eq!(text.lines().count(), 21);
    }

    #[test]
    fn a_long_line_is_shown_around_the_mark() {
        let line = "x".repeat(500);
        let (shown, before, marked) = excerpt(&line, 300, "xxx".chars());
        assert_eq!((shown.len(), before, marked), (100, 40, 3));
        let (shown, before, marked) = excerpt("\tab", 1, "ab\ncd".chars());
        assert_eq!((shown.as_str(), before, marked), (" ab", 1, 2));
    }
}
