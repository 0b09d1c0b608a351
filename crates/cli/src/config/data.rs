//! `[data]`, typed.

use serde::Serialize;

use super::check::{Item, Table, Value};

/// Which examples there are, and how they are split and prepared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Data {
    pub(crate) source: Source,
    pub(crate) task: Task,
    pub(crate) test_fraction: f64,
    pub(crate) validation_fraction: f64,
    pub(crate) normalize: bool,
    pub(crate) augmentation: Option<Augmentation>,
    /// The seed of the split.
    pub(crate) seed: u64,
}

/// Where the examples come from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Source {
    Xor,
    Digits,
    FashionMnist {
        /// Searched for where absent.
        path: Option<String>,
    },
    Mnist {
        path: Option<String>,
    },
    Idx {
        path: String,
    },
    Csv(Csv),
    Images(Images),
}

/// A table of text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Csv {
    pub(crate) path: String,
    /// A second file with the test part.
    pub(crate) test: Option<String>,
    /// The last column where absent.
    pub(crate) target: Option<Column>,
    pub(crate) ignore: Vec<Column>,
    /// Columns of numbers that stand for categories.
    pub(crate) categorical: Vec<Column>,
    pub(crate) has_header: bool,
    pub(crate) delimiter: char,
    pub(crate) missing: Missing,
    pub(crate) missing_markers: Vec<String>,
}

/// A column of a table of text.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Column {
    Name(String),
    /// Counted from 1.
    Position(usize),
}

/// What to do with an empty cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Missing {
    Refuse,
    Mean,
    Drop,
}

/// A folder with one folder of pictures per class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Images {
    pub(crate) path: String,
    /// A second folder with the test part.
    pub(crate) test: Option<String>,
    /// Height and width that pictures are scaled to.
    pub(crate) size: [usize; 2],
    /// 3 for red, green and blue; 1 for the brightness.
    pub(crate) channels: usize,
}

/// What is to be predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Task {
    Classification,
    Regression,
}

/// Random changes of training pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Augmentation {
    pub(crate) shift: usize,
    pub(crate) flip: bool,
}

impl Data {
    pub(super) fn new(table: &Table) -> Data {
        let word = table.text("source");
        let path = || table.text_if("path").map(str::to_owned);
        let source = match word {
            "xor" => Source::Xor,
            "digits" => Source::Digits,
            "fashion-mnist" => Source::FashionMnist { path: path() },
            "mnist" => Source::Mnist { path: path() },
            "idx" => Source::Idx { path: table.text("path").to_owned() },
            "csv" => Source::Csv(Csv::new(table)),
            "images" => Source::Images(Images::new(table)),
            other => panic!("bug: data source {other}"),
        };
        let augmentation = table.get("augmentation").map(|_| {
            let table = table.table("augmentation");
            Augmentation { shift: table.integer("shift") as usize, flip: table.bool("flip") }
        });
        Data {
            source,
            task: match table.text("task") {
                "classification" => Task::Classification,
                "regression" => Task::Regression,
                other => panic!("bug: task {other}"),
            },
            test_fraction: table.number_if("test_fraction").unwrap_or(0.0),
            validation_fraction: table.number_if("validation_fraction").unwrap_or(0.0),
            normalize: table.bool("normalize"),
            augmentation,
            seed: table.integer_if("seed").unwrap_or(0),
        }
    }

    /// The shape of one input where it is known before any file is read.
    pub(crate) fn input_shape(&self) -> Option<Vec<usize>> {
        match &self.source {
            Source::Xor => Some(vec![2]),
            Source::Digits => Some(vec![1, 8, 8]),
            Source::FashionMnist { .. } | Source::Mnist { .. } => Some(vec![1, 28, 28]),
            Source::Images(Images { size: [height, width], channels, .. }) => {
                Some(vec![*channels, *height, *width])
            }
            Source::Idx { .. } | Source::Csv(_) => None,
        }
    }

    /// The number of classes where it is known before any file is read.
    pub(crate) fn classes(&self) -> Option<usize> {
        match &self.source {
            Source::Xor => Some(2),
            Source::Digits | Source::FashionMnist { .. } | Source::Mnist { .. } => Some(10),
            Source::Images(_) | Source::Idx { .. } | Source::Csv(_) => None,
        }
    }
}

impl Csv {
    fn new(table: &Table) -> Csv {
        Csv {
            path: table.text("path").to_owned(),
            test: table.text_if("test").map(str::to_owned),
            target: table.get("target").map(Column::new),
            ignore: table.list("ignore").iter().map(Column::new).collect(),
            categorical: table.list("categorical").iter().map(Column::new).collect(),
            has_header: table.bool("has_header"),
            delimiter: table.text("delimiter").chars().next().expect("bug: an empty delimiter"),
            missing: match table.text("missing") {
                "refuse" => Missing::Refuse,
                "mean" => Missing::Mean,
                "drop" => Missing::Drop,
                other => panic!("bug: missing {other}"),
            },
            missing_markers: table
                .list("missing_markers")
                .iter()
                .map(|item| item.value.text().to_owned())
                .collect(),
        }
    }
}

impl Column {
    fn new(item: &Item) -> Column {
        match &item.value {
            Value::Text(name) => Column::Name(name.clone()),
            value => Column::Position(value.integer() as usize),
        }
    }
}

impl Images {
    fn new(table: &Table) -> Images {
        let size = table.list("size");
        Images {
            path: table.text("path").to_owned(),
            test: table.text_if("test").map(str::to_owned),
            size: [size[0].value.integer() as usize, size[1].value.integer() as usize],
            channels: if table.text("channels") == "rgb" { 3 } else { 1 },
        }
    }
}
