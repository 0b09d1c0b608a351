//! The configuration of a training run: read, checked as a whole, filled up with defaults, and printed back.
//!
//! ```text
//! text ──source──▶ tree with places ──set──▶ … ──check──▶ checked tree ──combine──▶ typed structs
//!                                                (keys)        └──print──▶ resolved TOML
//! ```

mod check;
mod choice;
mod combine;
pub(crate) mod data;
mod hint;
mod keys;
pub(crate) mod model;
mod nearest;
mod print;
mod problem;
mod read;
pub(crate) mod reference;
mod schema;
mod set;
pub(crate) mod shapes;
mod source;
pub(crate) mod train;

#[cfg(test)]
pub(crate) mod tests;

use check::{Checker, Item, Table, Value};
use keys::GROUPS;
use nearest::nearest;
pub(crate) use problem::{Problem, Problems};
use source::{Node, Origin, Raw};

/// A checked configuration.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) data: data::Data,
    pub(crate) model: model::Model,
    pub(crate) train: train::Train,
    /// All values with their places: what the printed form and later messages are made from.
    root: Table,
    file: String,
    text: String,
    sets: Vec<String>,
}

impl Config {
    /// Checks a configuration's text. `file` is its name in messages; `sets` are the `--set` arguments.
    pub(crate) fn parse(file: &str, text: &str, sets: &[String]) -> Result<Config, Problems> {
        // Some editors put a byte order mark in front; it carries nothing.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let problems =
            |list| Problems { file: file.to_owned(), text: text.to_owned(), sets: sets.to_vec(), list };
        let mut document = Node::document(text).map_err(problems)?;
        let failed: Vec<Problem> =
            sets.iter().enumerate().filter_map(|(i, set)| set::apply(&mut document, set, i).err()).collect();
        if !failed.is_empty() {
            return Err(problems(failed));
        }
        let mut checker = Checker::default();
        let root = sections(&document, &mut checker).filter(|_| checker.problems.is_empty());
        let Some(mut root) = root else { return Err(problems(checker.problems)) };
        combine::sources(&mut root, &mut checker);
        if !checker.problems.is_empty() {
            return Err(problems(checker.problems));
        }
        combine::derived(&mut root);
        let config = Config {
            data: data::Data::new(root.table("data")),
            model: model::Model::new(root.table("model")),
            train: train::Train::new(root.table("train")),
            root,
            file: file.to_owned(),
            text: text.to_owned(),
            sets: sets.to_vec(),
        };
        combine::combinations(&config, &mut checker);
        if !checker.problems.is_empty() {
            return Err(problems(checker.problems));
        }
        Ok(config)
    }

    /// Works out the shape of every layer, and checks that the last one gives what the loss takes.
    pub(crate) fn shapes(
        &self,
        input: &[usize],
        classes: Option<usize>,
    ) -> Result<Vec<shapes::Shaped>, Problem> {
        let shaped = shapes::shapes(&self.model, input, classes).map_err(|misfit| {
            let layer = self.layer_name(misfit.layer);
            let origin = self.layer_origin(misfit.layer).clone();
            Problem::new(origin, format!("`model.layers[{}]` ({layer}) {}", misfit.layer, misfit.reason))
        })?;
        self.fits_classes(classes)?;
        let last = shaped.len() - 1;
        let output = &shaped[last].output;
        let wanted = self.outputs(classes);
        if wanted.iter().any(|(shape, _)| shape == output) || wanted.is_empty() {
            return Ok(shaped);
        }
        let wanted = schema::one_of(wanted.iter().map(|(shape, why)| format!("{shape:?} ({why})")));
        let message =
            format!("the network ends with {output:?}, but loss {} takes {wanted}", self.loss_name());
        Err(Problem::new(self.layer_origin(last).clone(), message))
    }

    /// Checks the loss against the number of classes.
    fn fits_classes(&self, classes: Option<usize>) -> Result<(), Problem> {
        let Some(classes) = classes else { return Ok(()) };
        let message = match &self.train.loss {
            train::Loss::Bce | train::Loss::BceWithLogits { .. } if classes != 2 => {
                format!(
                    "loss {} tells two classes apart, but there are {classes}; use \"cross-entropy\"",
                    self.loss_name()
                )
            }
            train::Loss::CrossEntropy { class_weights: Some(weights), .. } if weights.len() != classes => {
                format!("class_weights has {} entries, but there are {classes} classes", weights.len())
            }
            _ => return Ok(()),
        };
        Err(Problem::new(self.origin("train.loss"), message))
    }

    /// A problem found later, such as when the data is known, shown like those of the configuration.
    pub(crate) fn problems(&self, list: Vec<Problem>) -> Problems {
        Problems { file: self.file.clone(), text: self.text.clone(), sets: self.sets.clone(), list }
    }

    /// The number of classes, where the data or the configuration says it without a look at the files.
    pub(crate) fn classes(&self) -> Option<usize> {
        match self.data.task {
            data::Task::Classification => self.data.classes(),
            data::Task::Regression => None,
        }
    }

    /// The shape of one input and the number of classes, where both are known without a look at the files.
    pub(crate) fn sizes(&self) -> Option<(Vec<usize>, Option<usize>)> {
        let classes = self.classes();
        let settled = classes.is_some() || self.data.task == data::Task::Regression;
        self.data.input_shape().filter(|_| settled).map(|input| (input, classes))
    }

    /// A layer as the file writes it, without its lesser settings: `conv2d = 32`.
    pub(crate) fn layer_name(&self, i: usize) -> String {
        print::head(&self.root.table("model").list("layers")[i].value)
    }

    /// The name of the loss.
    pub(crate) fn loss_name(&self) -> &'static str {
        self.root.table("train").choice("loss").0
    }

    fn source(&self) -> &str {
        self.root.table("data").text("source")
    }

    fn has(&self, path: &str) -> bool {
        self.item(path).is_some()
    }

    /// Where the value of a key such as `train.loss` stands.
    fn origin(&self, path: &str) -> Origin {
        self.item(path).map_or(Origin::Whole, |item| item.origin.clone())
    }

    fn item(&self, path: &str) -> Option<&Item> {
        let (section, key) = path.split_once('.').expect("bug: a path without a section");
        self.root.table(section).get(key)
    }

    fn layer_origin(&self, i: usize) -> &Origin {
        &self.root.table("model").list("layers")[i].origin
    }

    /// The output shapes that the loss accepts, each with its reason; empty where nothing is known.
    fn outputs(&self, classes: Option<usize>) -> Vec<(Vec<usize>, &'static str)> {
        let binary = (vec![1], "one value per example");
        match (&self.train.loss, self.data.task, classes) {
            (_, data::Task::Regression, _) => vec![binary],
            (train::Loss::CrossEntropy { .. }, _, Some(classes)) => {
                vec![(vec![classes], "one value per class")]
            }
            (train::Loss::Mse, _, Some(2)) => vec![binary, (vec![2], "one value per class")],
            (train::Loss::Mse, _, Some(classes)) => vec![(vec![classes], "one value per class")],
            (train::Loss::Bce | train::Loss::BceWithLogits { .. }, _, _) => vec![binary],
            (_, _, None) => Vec::new(),
        }
    }
}

/// Checks the sections of a file.
fn sections(document: &Node, checker: &mut Checker) -> Option<Table> {
    let Raw::Table(entries) = &document.raw else { return None };
    for entry in entries {
        if !GROUPS.iter().any(|group| group.name == entry.key) {
            let hint = hint::unknown_section(&entry.key);
            checker.refuse::<()>(&entry.key_origin, format!("unknown table or key `{}`{hint}", entry.key));
        }
    }
    let mut root = Table::default();
    for group in GROUPS {
        let found = entries.iter().find(|entry| entry.key == group.name);
        let table = match found.map(|entry| (&entry.node.raw, entry)) {
            Some((Raw::Table(given), entry)) => {
                let given = given.iter().collect::<Vec<_>>();
                let inside = check::Inside { name: &format!("[{}]", group.name), family: None };
                checker.keys(group.keys, &given, &entry.key_origin, group.name, &inside)
            }
            Some((_, entry)) => {
                let message =
                    format!("`{0}`: expected the table [{0}], found {1}", group.name, entry.node.words());
                checker.refuse(&entry.node.origin, message)
            }
            // A misspelt name has been complained about already.
            None if entries.iter().any(|entry| nearest(&entry.key, [group.name].into_iter()).is_some()) => {
                None
            }
            None => {
                let name = format!("the file has no table [{}] and", group.name);
                let inside = check::Inside { name: &name, family: None };
                checker.keys(group.keys, &[], &Origin::Whole, group.name, &inside)
            }
        };
        let origin = found.map_or(Origin::Default, |entry| entry.node.origin.clone());
        if let Some(table) = table {
            root.0.push((group.name, Item { value: Value::Table(table), origin }));
        }
    }
    (root.0.len() == GROUPS.len()).then_some(root)
}
