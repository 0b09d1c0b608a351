//! What would be learnt from a CSV file: each column, what it becomes, and the target.
//!
//! ```text
//! cargo run -p talweg-data --example describe_table -- flowers.csv [target] [--no-header] [--missing mean|drop]
//! ```

use talweg_data::datasets::{self, HoldOut};
use talweg_data::formats::csv::CsvOptions;
use talweg_data::preprocessing::{Encoding, Missing, PreprocessingOptions, TargetKind};
use talweg_data::{DataError, Dataset};

fn main() -> Result<(), DataError> {
    let mut words = std::env::args().skip(1);
    let (mut format, mut options) = (CsvOptions::default(), PreprocessingOptions::default());
    let mut path = None;
    while let Some(word) = words.next() {
        match word.as_str() {
            "--no-header" => format.header = false,
            "--missing" => match words.next().as_deref() {
                Some("mean") => options.missing = Missing::Mean,
                Some("drop") => options.missing = Missing::Drop,
                other => {
                    return Err(DataError::Options(format!("--missing {other:?}: expected mean or drop")));
                }
            },
            _ if path.is_none() => path = Some(word),
            _ => options.target = Some(word),
        }
    }
    let path =
        path.ok_or_else(|| DataError::Options("which file? give the path of a CSV file".to_string()))?;
    let parts = datasets::csv(&path, &format, &options, HoldOut::default())?;
    println!("{path}: {} rows to train on, {} to test", parts.train.len(), parts.test.len());
    for column in &parts.preprocessing.columns {
        match &column.encoding {
            Encoding::Number(scale) => {
                println!(
                    "  {}: number, mean {:.4}, deviation {:.4}",
                    column.name, scale.mean, scale.deviation
                );
            }
            Encoding::Category { categories, .. } => {
                let first: Vec<&str> = categories.iter().take(5).map(String::as_str).collect();
                println!("  {}: {} categories, {} ...", column.name, categories.len(), first.join(", "));
            }
        }
    }
    let target = &parts.preprocessing.target;
    match &target.kind {
        TargetKind::Classes(classes) => println!("target {}: classes {}", target.name, classes.join(", ")),
        TargetKind::Number(scale) => {
            println!(
                "target {}: number, mean {:.4}, deviation {:.4}",
                target.name, scale.mean, scale.deviation
            );
        }
    }
    println!("{} inputs", parts.preprocessing.width());
    Ok(())
}
