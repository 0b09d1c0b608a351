//! The examples that a configuration names: read, split into parts, and described for later predictions.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use talweg::data::formats::csv::{CsvOptions, Table};
use talweg::data::formats::image::{Colours, PictureOptions};
use talweg::data::preprocessing::{self, Preprocessing, PreprocessingOptions, Targets};
use talweg::data::transforms::Normalise;
use talweg::data::{DataError, Dataset, Examples, ImageFolder, datasets};
use talweg::tensor::Tensor;

use crate::config::data::{Column, Csv, Data, Images, Missing, Source, Task};

/// All examples of a run.
pub(crate) struct Parts {
    pub(crate) train: Examples,
    /// Measured after each epoch.
    pub(crate) validation: Option<Examples>,
    /// Measured once, after training.
    pub(crate) test: Option<Examples>,
    pub(crate) inputs: Inputs,
}

/// How raw data becomes a model's input, and its output an answer. It is saved with the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Inputs {
    /// The shape of one input.
    pub(crate) shape: Vec<usize>,
    /// The names of the classes; empty where a number is predicted.
    pub(crate) classes: Vec<String>,
    /// What bytes are divided by.
    pub(crate) divisor: f64,
    /// Mean and deviation of each channel of the training part, where inputs are normalised.
    pub(crate) normalise: Option<Channels>,
    /// What was learnt from the columns of a table.
    pub(crate) table: Option<Preprocessing>,
}

/// A mean and a standard deviation for each channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Channels {
    pub(crate) mean: Vec<f64>,
    pub(crate) deviation: Vec<f64>,
}

impl Channels {
    /// The transform that applies them to a batch.
    pub(crate) fn transform(&self) -> Normalise {
        Normalise { mean: self.mean.clone(), deviation: self.deviation.clone() }
    }
}

impl Parts {
    /// How many examples each part has, in words.
    pub(crate) fn sizes(&self) -> String {
        let mut sizes = format!("{} examples for training", self.train.len());
        if let Some(validation) = &self.validation {
            sizes.push_str(&format!(", {} for validation", validation.len()));
        }
        if let Some(test) = &self.test {
            sizes.push_str(&format!(", {} for testing", test.len()));
        }
        sizes
    }
}

impl Inputs {
    /// How much of the target's own unit one unit of the network's output is: numbers are learnt standardised.
    pub(crate) fn unit(&self) -> f64 {
        self.table.as_ref().map_or(1.0, |table| table.target.value(1.0) - table.target.value(0.0))
    }

    /// The number of classes; none where a number is predicted.
    pub(crate) fn class_count(&self) -> Option<usize> {
        (!self.classes.is_empty()).then_some(self.classes.len())
    }

    /// Everything as JSON; numbers keep all their bits.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("bug: numbers and text always serialise") + "\n"
    }

    /// Reads what [`Inputs::to_json`] wrote.
    pub(crate) fn from_json(text: &str) -> Result<Inputs, String> {
        let inputs: Inputs = serde_json::from_str(text).map_err(|why| format!("damaged: {why}"))?;
        if inputs.shape.is_empty() || inputs.shape.contains(&0) {
            return Err(format!("damaged: inputs of shape {:?}", inputs.shape));
        }
        if let Some(Channels { mean, deviation }) = &inputs.normalise
            && (mean.len() != inputs.shape[0] || deviation.len() != inputs.shape[0])
        {
            let (means, deviations) = (mean.len(), deviation.len());
            return Err(format!(
                "damaged: {means} means and {deviations} deviations for inputs {:?}",
                inputs.shape
            ));
        }
        if let Some(table) = &inputs.table {
            // The table's own reader knows what is possible.
            Preprocessing::from_json(&table.to_json(), "table").map_err(|why| format!("damaged: {why}"))?;
            if inputs.shape != [table.width()] {
                return Err(format!("damaged: inputs {:?}, but columns for {}", inputs.shape, table.width()));
            }
        }
        Ok(inputs)
    }

    /// What differs from other inputs, in words.
    pub(crate) fn difference(&self, other: &Inputs) -> String {
        if self.shape != other.shape {
            return format!("inputs {:?} then, {:?} now", self.shape, other.shape);
        }
        if self.classes != other.classes {
            return format!("classes {} then, {} now", self.classes.join(", "), other.classes.join(", "));
        }
        "the means and deviations of its inputs differ".to_owned()
    }
}

/// Where the files of a known data set usually are.
const FASHION_MNIST: [&str; 2] = ["data/fashion-mnist", "/usr/share/datasets/fashion-mnist"];
const MNIST: [&str; 2] = ["data/mnist", "/usr/share/datasets/mnist"];

/// Reads and splits everything.
pub(crate) fn read(data: &Data) -> Result<Parts, DataError> {
    match &data.source {
        Source::Xor => {
            let (train, test) = datasets::xor();
            let classes = ["0", "1"].map(str::to_owned).to_vec();
            described(data, Examples { classes, ..train }, Some(test), None)
        }
        Source::Digits => {
            let (train, test) = datasets::digits();
            described(data, train, Some(test), None)
        }
        Source::FashionMnist { path } => {
            let (train, test) = datasets::fashion_mnist(place(path.as_deref(), &FASHION_MNIST))?;
            described(data, train, Some(test), None)
        }
        Source::Mnist { path } => {
            let (train, test) = datasets::mnist(place(path.as_deref(), &MNIST))?;
            described(data, train, Some(test), None)
        }
        Source::Idx { path } => {
            let (train, test) = datasets::idx_folder(path)?;
            described(data, train, Some(test), None)
        }
        Source::Csv(csv) => table(data, csv),
        Source::Images(images) => folder(data, images),
    }
}

/// The folder that was named, or the first usual one that is there, or else the first, for the message.
fn place(path: Option<&str>, usual: &[&str]) -> PathBuf {
    let found = path.or_else(|| usual.iter().copied().find(|folder| Path::new(folder).is_dir()));
    PathBuf::from(found.unwrap_or(usual[0]))
}

/// Splits the validation part off and learns the normalisation from what is left.
fn described(
    data: &Data,
    train: Examples,
    test: Option<Examples>,
    table: Option<Preprocessing>,
) -> Result<Parts, DataError> {
    let (train, validation) = match data.validation_fraction {
        0.0 => (train, None),
        // Another stream of chance than that of the test part, which the same seed has split off.
        share => {
            let seed = data.seed.wrapping_add(1);
            let (train, validation) = match data.task {
                Task::Classification => train.split_stratified(share, seed),
                Task::Regression => train.split(share, seed),
            };
            (train, Some(validation))
        }
    };
    for (part, name) in [(Some(&train), "training"), (validation.as_ref(), "validation")] {
        if part.is_some_and(Dataset::is_empty) {
            return Err(DataError::Options(format!(
                "the {name} part is empty: there are too few examples to split"
            )));
        }
    }
    // A table's columns are scaled by its preprocessing already.
    let normalise = match data.normalize && table.is_none() {
        true => {
            let Normalise { mean, deviation } = Normalise::fit(&train)?;
            Some(Channels { mean, deviation })
        }
        false => None,
    };
    let inputs = Inputs {
        shape: train.input_shape(),
        classes: train.classes.clone(),
        divisor: train.divisor,
        normalise,
        table,
    };
    let test = test.filter(|test| !test.is_empty());
    Ok(Parts { train, validation, test, inputs })
}

fn table(data: &Data, csv: &Csv) -> Result<Parts, DataError> {
    let format = csv_options(csv);
    let table = Table::read(&csv.path, &format)?;
    let share = datasets::HoldOut { share: data.test_fraction, seed: data.seed };
    let parts = datasets::table(&table, &preprocessing_options(data, csv), share)?;
    let test = match &csv.test {
        Some(path) => labelled(&parts.preprocessing, &Table::read(path, &format)?)?,
        None => parts.test,
    };
    described(data, parts.train, Some(test), Some(parts.preprocessing))
}

/// All rows of a table, with their targets.
pub(crate) fn labelled(preprocessing: &Preprocessing, table: &Table) -> Result<Examples, DataError> {
    let rows: Vec<usize> = (0..table.len()).collect();
    let (encoded, targets) = preprocessing.encode_with_targets(table, &rows)?;
    let y = match &targets {
        Targets::Classes(classes) => Tensor::from_slice(classes, [classes.len()]),
        Targets::Numbers(numbers) => Tensor::from_slice(numbers, [numbers.len(), 1]),
    };
    let classes = preprocessing.target.classes().unwrap_or_default().to_vec();
    Ok(Examples { classes, ..Examples::new(encoded.tensor(), y) })
}

/// How a CSV file is written, by the configuration.
pub(crate) fn csv_options(csv: &Csv) -> CsvOptions {
    // The configuration takes ASCII characters only.
    CsvOptions { header: csv.has_header, delimiter: csv.delimiter as u8, ..CsvOptions::default() }
}

fn preprocessing_options(data: &Data, csv: &Csv) -> PreprocessingOptions {
    let names = |columns: &[Column]| columns.iter().map(column).collect();
    PreprocessingOptions {
        target: csv.target.as_ref().map(column),
        task: match data.task {
            Task::Classification => preprocessing::Task::Classification,
            Task::Regression => preprocessing::Task::Regression,
        },
        ignore: names(&csv.ignore),
        categorical: names(&csv.categorical),
        missing: match csv.missing {
            Missing::Refuse => preprocessing::Missing::Refuse,
            Missing::Mean => preprocessing::Missing::Mean,
            Missing::Drop => preprocessing::Missing::Drop,
        },
        missing_markers: csv.missing_markers.clone(),
        standardise: data.normalize,
        ..PreprocessingOptions::default()
    }
}

fn column(column: &Column) -> String {
    match column {
        Column::Name(name) => name.clone(),
        Column::Position(position) => position.to_string(),
    }
}

fn folder(data: &Data, images: &Images) -> Result<Parts, DataError> {
    let options = picture_options(images);
    let all = ImageFolder::new(&images.path, options.clone())?.load()?;
    let (train, test) = match &images.test {
        Some(path) => {
            let test = ImageFolder::new(path, options)?.load()?;
            same_classes(&all.classes, &test.classes, path)?;
            (all, Some(test))
        }
        None if data.test_fraction == 0.0 => (all, None),
        None => {
            let (train, test) = all.split_stratified(data.test_fraction, data.seed);
            (train, Some(test))
        }
    };
    described(data, train, test, None)
}

/// Refuses a folder whose class folders are not those of the training part.
pub(crate) fn same_classes(trained: &[String], found: &[String], path: &str) -> Result<(), DataError> {
    if trained == found {
        return Ok(());
    }
    Err(DataError::Options(format!(
        "{path}: its class folders are {}, but {} in the training part",
        found.join(", "),
        trained.join(", ")
    )))
}

/// What pictures are brought to, by the configuration.
pub(crate) fn picture_options(images: &Images) -> PictureOptions {
    let [height, width] = images.size;
    let colours = if images.channels == 3 { Colours::Rgb } else { Colours::Grey };
    PictureOptions { height, width, colours, ..PictureOptions::default() }
}
