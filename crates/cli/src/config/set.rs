//! `--set train.epochs=3`: changes of single values on the command line.

use super::problem::Problem;
use super::source::{Entry, Node, Origin, Raw};

/// Applies the `--set` argument number `index` to the tree.
pub(crate) fn apply(document: &mut Node, argument: &str, index: usize) -> Result<(), Problem> {
    let origin = Origin::Set(index);
    let (path, value) = parse(argument, &origin).map_err(|message| Problem::new(origin.clone(), message))?;
    put(document, &path, value, &origin).map_err(|message| Problem::new(origin, message))
}

/// One step of a path: a key, or a position in a list.
enum Step {
    Key(String),
    Index(usize),
}

const SHAPE: &str = "expected KEY=VALUE, such as train.epochs=3 or model.layers[0].linear=64";

fn parse(argument: &str, origin: &Origin) -> Result<(Vec<Step>, Node), String> {
    let (path, value) = argument.split_once('=').ok_or_else(|| format!("{SHAPE}; there is no `=`"))?;
    Ok((parse_path(path.trim())?, parse_value(value.trim(), origin)?))
}

fn parse_path(path: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let (name, mut rest) = match part.find('[') {
            Some(at) => part.split_at(at),
            None => (part, ""),
        };
        let plain = name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
        if name.is_empty() || !plain {
            return Err(format!("{SHAPE}; `{path}` is not a path of keys"));
        }
        steps.push(Step::Key(name.to_owned()));
        while !rest.is_empty() {
            let inner = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
            let (number, after) = inner.ok_or_else(|| format!("{SHAPE}; `{part}` has an unfinished `[`"))?;
            let number = number.trim().parse();
            steps.push(Step::Index(
                number.map_err(|_| format!("{SHAPE}; the index in `{part}` is no number"))?,
            ));
            rest = after;
        }
    }
    Ok(steps)
}

/// A TOML value, or a bare word: shells take quotes away, so `optimizer=adam` stands for `optimizer="adam"`.
fn parse_value(text: &str, origin: &Origin) -> Result<Node, String> {
    Node::value(text, origin).or_else(|why| {
        let bare = !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_-./~\\: ".contains(c));
        if bare {
            return Ok(Node { raw: Raw::Text(text.to_owned()), origin: origin.clone() });
        }
        Err(format!("the value `{text}` is not valid TOML: {why}"))
    })
}

fn put(document: &mut Node, path: &[Step], value: Node, origin: &Origin) -> Result<(), String> {
    let mut node = document;
    let mut name = String::new();
    for step in path {
        node = match step {
            Step::Key(key) => {
                let entries = table(node, &name, key, origin)?;
                name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                let at = entries.iter().position(|entry| entry.key == *key).unwrap_or_else(|| {
                    let node = Node { raw: Raw::Table(Vec::new()), origin: origin.clone() };
                    entries.push(Entry { key: key.clone(), key_origin: origin.clone(), node });
                    entries.len() - 1
                });
                &mut entries[at].node
            }
            Step::Index(i) => {
                let found = node.words();
                let Raw::List(items) = &mut node.raw else {
                    return Err(format!("`{name}` is no list: found {found}"));
                };
                let length = items.len();
                let item = items.get_mut(*i).ok_or_else(|| match length {
                    0 => format!("`{name}[{i}]` does not exist: the list is empty"),
                    _ => format!("`{name}[{i}]` does not exist: the list goes from [0] to [{}]", length - 1),
                })?;
                name = format!("{name}[{i}]");
                item
            }
        };
    }
    *node = value;
    Ok(())
}

/// The entries of a table that a key is about to be set in.
fn table<'a>(
    node: &'a mut Node,
    name: &str,
    key: &str,
    origin: &Origin,
) -> Result<&'a mut Vec<Entry>, String> {
    // A bare name such as "adam" may get settings: it becomes { adam = {} } first.
    if let Raw::Text(text) = &node.raw {
        let empty = Node { raw: Raw::Table(Vec::new()), origin: origin.clone() };
        let entry = Entry { key: text.clone(), key_origin: node.origin.clone(), node: empty };
        node.raw = Raw::Table(vec![entry]);
    }
    let found = node.words();
    match &mut node.raw {
        Raw::Table(entries) => Ok(entries),
        Raw::List(_) => Err(format!("`{name}` is a list: write `{name}[0].{key}` for its first entry")),
        _ => Err(format!("`{name}` has no settings to change: found {found}; set `{name}` as a whole")),
    }
}
