//! The time of one training step, through the public interface. The workloads are described in `benches/README.md`.
//!
//! ```text
//! cargo bench -p talweg --bench steps                                  all workloads at 1 and 2 threads, as a table
//! cargo bench -p talweg --bench steps -- w2 --threads 1 --steps 50     one of them
//! cargo bench -p talweg --bench steps -- w2 --threads 1 --json         one line that benches/compare.py reads
//! ```

mod measure;
mod workloads;

use std::process::ExitCode;
use std::time::Duration;

use measure::{Measured, measure, peak_gflops, resident_mb};
use workloads::{WORKLOADS, Workload};

/// What the command line asks for.
struct Options {
    workloads: Vec<&'static Workload>,
    threads: Vec<usize>,
    steps: usize,
    seconds: f64,
    json: bool,
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("steps: {message}");
            return ExitCode::from(2);
        }
    };
    if !options.json {
        println!(
            "{:12} {:>7} {:>12} {:>12} {:>12} {:>8} {:>8} {:>9} {:>9} {:>9} {:>9} {:>11}",
            "",
            "threads",
            "median µs",
            "min µs",
            "processor µs",
            "GFLOP/s",
            "of peak",
            "allocs",
            "faults",
            "RSS MB",
            "peak MB",
            "loss"
        );
    }
    for workload in &options.workloads {
        for &threads in &options.threads {
            report(workload, threads, &options);
        }
    }
    ExitCode::SUCCESS
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options =
        Options { workloads: Vec::new(), threads: Vec::new(), steps: 20, seconds: 2.0, json: false };
    while let Some(argument) = arguments.next() {
        let mut number = || -> Result<f64, String> {
            let text = arguments.next().ok_or(format!("{argument} needs a number"))?;
            text.parse().map_err(|_| format!("{argument} needs a number, got {text:?}"))
        };
        match argument.as_str() {
            "--threads" => options.threads.push(number()? as usize),
            "--steps" => options.steps = number()? as usize,
            "--seconds" => options.seconds = number()?,
            "--json" => options.json = true,
            "--bench" => {} // What cargo adds.
            name => match WORKLOADS.iter().find(|w| w.name == name) {
                Some(workload) => options.workloads.push(workload),
                None => {
                    let names: Vec<&str> = WORKLOADS.iter().map(|w| w.name).collect();
                    return Err(format!(
                        "unknown argument {name:?}; workloads are {}; options --threads, --steps, --seconds, --json",
                        names.join(", ")
                    ));
                }
            },
        }
    }
    if options.workloads.is_empty() {
        options.workloads = WORKLOADS.iter().collect();
    }
    if options.threads.is_empty() {
        options.threads = vec![1, 2];
    }
    Ok(options)
}

fn report(workload: &Workload, threads: usize, options: &Options) {
    talweg::tensor::set_threads(threads);
    let peak = peak_gflops() * threads as f64;
    let at_least = Duration::from_secs_f64(options.seconds);
    let m: Measured = measure((workload.step)(), workload.inner, options.steps, at_least);
    let gflops = workload.operations / m.median_us / 1e3;
    let [resident, highest] = resident_mb();
    let name = workload.name;
    if options.json {
        println!(
            "{{\"who\":\"talweg {}\",\"workload\":\"{name}\",\"threads\":{threads},\"median_us\":{:.3},\
             \"min_us\":{:.3},\"cpu_us\":{:.3},\"samples\":{},\"gflops\":{gflops:.2},\"peak_gflops\":{peak:.1},\
             \"allocations\":{:.2},\"faults\":{:.2},\"resident_mb\":{resident:.1},\"peak_mb\":{highest:.1},\
             \"loss\":{:e}}}",
            env!("CARGO_PKG_VERSION"),
            m.median_us,
            m.min_us,
            m.cpu_us,
            m.samples,
            m.allocations,
            m.faults,
            m.loss
        );
    } else {
        println!(
            "{name:12} {threads:7} {:12.2} {:12.2} {:12.2} {gflops:8.1} {:7.1}% {:9.1} {:9.2} {resident:9.1} \
             {highest:9.1} {:11.3e}",
            m.median_us,
            m.min_us,
            m.cpu_us,
            100.0 * gflops / peak,
            m.allocations,
            m.faults,
            m.loss
        );
    }
}
