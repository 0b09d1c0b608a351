//! How long it takes to read a folder of MNIST's form and to run through an epoch of it in batches of 64.
//!
//! ```text
//! cargo run --release -p talweg-data --example loading_speed -- path/to/fashion-mnist
//! ```

use std::time::Instant;

use talweg_data::transforms::{Normalise, RandomFlip, RandomShift};
use talweg_data::{DataError, DataLoader, Dataset, datasets};

fn main() -> Result<(), DataError> {
    let Some(path) = std::env::args().nth(1) else {
        println!("usage: loading_speed FOLDER");
        return Ok(());
    };
    let start = Instant::now();
    let (train, test) = datasets::idx_folder(&path)?;
    let seconds = start.elapsed().as_secs_f64();
    println!("read {} + {} pictures {:?} in {seconds:.2} s", train.len(), test.len(), train.input_shape());
    let normalise = Normalise::fit(&train)?;
    println!("mean {:.4}, deviation {:.4}", normalise.mean[0], normalise.deviation[0]);
    let plain = DataLoader::new(train).batch(64).shuffle(1);
    let changed = plain.clone().transform(RandomFlip::default()).transform(RandomShift::default());
    for (name, loader) in [("plain", plain), ("flipped and shifted", changed)] {
        for workers in 0..3 {
            let mut times = Vec::new();
            let mut start = Instant::now();
            for batch in loader.clone().workers(workers).epoch(0) {
                batch?;
                times.push(start.elapsed().as_secs_f64() * 1e6);
                start = Instant::now();
            }
            let mean = times.iter().sum::<f64>() / times.len() as f64;
            times.sort_by(f64::total_cmp);
            let median = times[times.len() / 2];
            println!(
                "{name}, {workers} workers: {} batches, median {median:.0} µs, mean {mean:.0} µs",
                times.len()
            );
        }
    }
    Ok(())
}
