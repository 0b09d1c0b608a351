//! The time of one training step, through the public interface. The workloads are described in `benches/README.md`.
//!
//! ```text
//! cargo bench --bench steps                                  all workloads at 1 and 2 threads, as a table
//! cargo bench --bench steps -- w2 --threads 1 --steps 50     one of them
//! cargo bench --bench steps -- w2 --threads 1 --json         one line that benches/compare.py reads
//! ```

use std::process::ExitCode;
use std::time::{Duration, Instant};

use talweg::nn::{
    Conv2d, Flatten, Layer, Linear, MaxPool2d, Mode, Module, Relu, Sequential, Sigmoid, Tanh, seq,
};
use talweg::optim::{Adam, Optimizer, Rule, Sgd};
use talweg::tensor::{DType, Reduction, Rng, Tensor};

/// What the command line asks for.
struct Options {
    workloads: Vec<String>,
    threads: Vec<usize>,
    steps: usize,
    json: bool,
}

/// What one workload took.
struct Timing {
    median_us: f64,
    min_us: f64,
    cpu_us: f64,
    samples: usize,
    loss: f64,
}

/// One training step, all of it, that returns the loss.
type Step = Box<dyn FnMut() -> f64>;

const NAMES: [&str; 3] = ["w1", "w2", "w3"];
const WARM_UP: usize = 5;
const AT_LEAST: Duration = Duration::from_secs(2);

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
            "{:4} {:>7} {:>12} {:>12} {:>8} {:>12} {:>10}",
            "", "threads", "median µs", "min µs", "samples", "resident MB", "loss"
        );
    }
    for name in &options.workloads {
        for &threads in &options.threads {
            report(name, threads, &options);
        }
    }
    ExitCode::SUCCESS
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { workloads: Vec::new(), threads: Vec::new(), steps: 20, json: false };
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let text = arguments.next().ok_or(format!("{argument} needs a number"))?;
            text.parse().map_err(|_| format!("{argument} needs a number, got {text:?}"))
        };
        match argument.as_str() {
            "--threads" => options.threads.push(number()?),
            "--steps" => options.steps = number()?,
            "--json" => options.json = true,
            "--bench" => {} // What cargo adds.
            name if NAMES.contains(&name) => options.workloads.push(argument),
            other => {
                return Err(format!(
                    "unknown argument {other:?}; workloads are {NAMES:?}, options --threads, --steps, --json"
                ));
            }
        }
    }
    if options.workloads.is_empty() {
        options.workloads = NAMES.map(String::from).to_vec();
    }
    if options.threads.is_empty() {
        options.threads = vec![1, 2];
    }
    Ok(options)
}

fn report(name: &str, threads: usize, options: &Options) {
    talweg::tensor::set_threads(threads);
    // A step of w1 is too short to time alone.
    let inner = if name == "w1" { 100 } else { 1 };
    let step = match name {
        "w1" => xor(),
        "w2" => mlp(),
        _ => cnn(),
    };
    let t = time(step, inner, options.steps);
    let resident = resident_mb();
    if options.json {
        println!(
            "{{\"who\":\"talweg {}\",\"workload\":\"{name}\",\"threads\":{threads},\"median_us\":{:.3},\"min_us\":{:.3},\
             \"cpu_us\":{:.3},\"samples\":{},\"steps_per_sample\":{inner},\"resident_mb\":{resident:.1},\"loss\":{:e}}}",
            env!("CARGO_PKG_VERSION"),
            t.median_us,
            t.min_us,
            t.cpu_us,
            t.samples,
            t.loss
        );
    } else {
        println!(
            "{name:4} {threads:7} {:12.1} {:12.1} {:12.1} {:8} {resident:12.1} {:10.3e}",
            t.median_us, t.min_us, t.cpu_us, t.samples, t.loss
        );
    }
}

/// The four rows of XOR.
fn xor() -> Step {
    let rng = &mut Rng::seed(1);
    let model = seq![Linear::new(2, 8, rng), Tanh, Linear::new(8, 1, rng), Sigmoid];
    let x = Tensor::from_slice(&[0.0f32, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0], [4, 2]);
    let y = Tensor::from_slice(&[0.0f32, 1.0, 1.0, 0.0], [4, 1]);
    step(model, Sgd::default(), 0.5, x, move |out| out.mse_loss(&y, Reduction::Mean))
}

/// A dense network on 128 pictures of 784 random numbers.
fn mlp() -> Step {
    let rng = &mut Rng::seed(1);
    let model =
        seq![Linear::new(784, 512, rng), Relu, Linear::new(512, 512, rng), Relu, Linear::new(512, 10, rng)];
    let (x, y) = (rng.normal([128, 784], 0.0, 1.0, DType::F32), classes(128, rng));
    step(model, Adam::default(), 1e-3, x, move |out| out.cross_entropy(&y, &Default::default()))
}

/// A convolutional network on 64 pictures of 28 by 28 random numbers.
fn cnn() -> Step {
    let rng = &mut Rng::seed(1);
    let model = seq![
        Conv2d::new(1, 32, 3, rng),
        Relu,
        Conv2d::new(32, 64, 3, rng),
        Relu,
        MaxPool2d::new(2),
        Flatten,
        Linear::new(9216, 128, rng),
        Relu,
        Linear::new(128, 10, rng),
    ];
    let (x, y) = (rng.normal([64, 1, 28, 28], 0.0, 1.0, DType::F32), classes(64, rng));
    let rule = Sgd { momentum: 0.9, ..Sgd::default() };
    step(model, rule, 0.01, x, move |out| out.cross_entropy(&y, &Default::default()))
}

/// Random classes, 0 to 9.
fn classes(n: usize, rng: &mut Rng) -> Tensor {
    Tensor::from_slice(&(0..n).map(|_| rng.below(10) as i64).collect::<Vec<_>>(), [n])
}

/// Forward, loss, backward and update, always on the same batch.
fn step(
    model: Sequential,
    rule: impl Rule + 'static,
    lr: f64,
    x: Tensor,
    loss_of: impl Fn(&Tensor) -> Tensor + 'static,
) -> Step {
    let mut optimizer = Optimizer::new(rule, lr, model.params());
    let mut rng = Rng::seed(2);
    Box::new(move || {
        let loss = loss_of(&model.forward(&x, &mut Mode::Train(&mut rng)));
        let value = loss.item();
        optimizer.step(&loss.backward());
        value
    })
}

/// Times at least `samples` runs of `inner` steps, for at least two seconds, after a warm-up.
fn time(mut step: Step, inner: usize, samples: usize) -> Timing {
    for _ in 0..WARM_UP * inner {
        step();
    }
    let (mut times, mut loss, start, cpu) = (Vec::new(), 0.0, Instant::now(), cpu_seconds());
    while times.len() < samples || start.elapsed() < AT_LEAST {
        let t = Instant::now();
        for _ in 0..inner {
            loss = step();
        }
        times.push(t.elapsed().as_secs_f64() * 1e6 / inner as f64);
    }
    let cpu_us = (cpu_seconds() - cpu) * 1e6 / (times.len() * inner) as f64;
    times.sort_by(f64::total_cmp);
    Timing { cpu_us, median_us: times[times.len() / 2], min_us: times[0], samples: times.len(), loss }
}

/// The processor time that all threads of this process have had; NaN where the system does not tell.
///
/// On a busy machine it says more than the time on the clock.
fn cpu_seconds() -> f64 {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return f64::NAN };
    let nanoseconds = |task: std::fs::DirEntry| -> Option<f64> {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse().ok()
    };
    tasks.map(|task| task.ok().and_then(nanoseconds).unwrap_or(f64::NAN)).sum::<f64>() / 1e9
}

/// The resident memory of this process in MB (10^6 bytes); NaN where the system does not tell.
fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kib = line.and_then(|l| l.trim().strip_suffix("kB")).and_then(|l| l.trim().parse::<f64>().ok());
    kib.map_or(f64::NAN, |k| k * 1024.0 / 1e6)
}
