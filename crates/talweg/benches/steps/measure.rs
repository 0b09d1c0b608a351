//! What a step costs: time, allocations, page faults, memory.

use std::time::{Duration, Instant};

use crate::workloads::Step;

/// What one workload took, per step.
pub(crate) struct Measured {
    pub(crate) median_us: f64,
    pub(crate) min_us: f64,
    /// Processor time of all threads together.
    pub(crate) cpu_us: f64,
    pub(crate) samples: usize,
    /// Calls of the memory allocator on the calling thread.
    pub(crate) allocations: f64,
    /// Pages that the system had to find for the process while it ran.
    pub(crate) faults: f64,
    pub(crate) loss: f64,
}

const WARM_UP: usize = 5;

/// Times at least `samples` runs of `inner` steps, for at least so long, after a warm-up.
pub(crate) fn measure(mut step: Step, inner: usize, samples: usize, at_least: Duration) -> Measured {
    for _ in 0..WARM_UP * inner {
        step();
    }
    let (mut times, mut loss) = (Vec::with_capacity(1 << 16), 0.0);
    let (start, cpu, faults) = (Instant::now(), cpu_seconds(), faults_so_far());
    while times.len() < samples || start.elapsed() < at_least {
        let t = Instant::now();
        for _ in 0..inner {
            loss = step();
        }
        times.push(t.elapsed().as_secs_f64() * 1e6 / inner as f64);
    }
    let steps = (times.len() * inner) as f64;
    let (cpu_us, faults) = ((cpu_seconds() - cpu) * 1e6 / steps, (faults_so_far() - faults) / steps);
    times.sort_by(f64::total_cmp);
    // Counted apart, since counting takes time.
    let counted = allocation_counter::measure(|| (0..inner).for_each(|_| loss = step()));
    Measured {
        median_us: times[times.len() / 2],
        min_us: times[0],
        cpu_us,
        samples: times.len(),
        allocations: counted.count_total as f64 / inner as f64,
        faults,
        loss,
    }
}

/// The multiply-add rate of one core, in GFLOP/s: the limit of all dense work.
pub(crate) fn peak_gflops() -> f64 {
    let rate = |_| {
        let start = Instant::now();
        let operations = talweg::tensor::peak::multiply_adds();
        operations as f64 / start.elapsed().as_secs_f64() / 1e9
    };
    (0..15).map(rate).fold(0.0, f64::max)
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

/// Minor page faults of this process since its start; NaN where the system does not tell.
fn faults_so_far() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The fields after the program's name, which stands in parentheses; the eighth of them is the count.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    fields.split_whitespace().nth(7).and_then(|n| n.parse().ok()).unwrap_or(f64::NAN)
}

/// The resident memory of this process in MB (10^6 bytes), now and at its highest; NaN where the system does not tell.
pub(crate) fn resident_mb() -> [f64; 2] {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ["VmRSS:", "VmHWM:"].map(|key| {
        let line = status.lines().find_map(|l| l.strip_prefix(key));
        let kib = line.and_then(|l| l.trim().strip_suffix("kB")).and_then(|l| l.trim().parse::<f64>().ok());
        kib.map_or(f64::NAN, |k| k * 1024.0 / 1e6)
    })
}
