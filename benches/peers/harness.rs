// What the peers' programs in Rust share: the command line, timing, one line of JSON. See harness.py.

use std::time::Instant;

/// The command line: WORKLOAD --threads N --steps N --seconds S.
pub struct Arguments {
    pub workload: String,
    pub threads: usize,
    steps: usize,
    seconds: f64,
}

impl Arguments {
    pub fn parse() -> Arguments {
        let mut words = std::env::args().skip(1);
        let mut args = Arguments { workload: words.next().unwrap_or_default(), threads: 1, steps: 20, seconds: 2.0 };
        while let Some(word) = words.next() {
            let number: f64 = words.next().and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{word} needs a number"));
            match word.as_str() {
                "--threads" => args.threads = number as usize,
                "--steps" => args.steps = number as usize,
                "--seconds" => args.seconds = number,
                other => panic!("unknown option {other}"),
            }
        }
        args
    }

    /// Times `step`, which returns the loss as a closure that reads it, so that timing need not.
    pub fn report(&self, who: &str, mut step: impl FnMut() -> Box<dyn FnOnce() -> f32>) {
        let inner = if self.workload == "w1" { 100 } else { 1 };
        let warm = if self.seconds < 1.0 { 1 } else { 5 };
        for _ in 0..warm * inner {
            step();
        }
        let (mut times, mut loss, start) = (Vec::new(), None, Instant::now());
        while times.len() < self.steps || start.elapsed().as_secs_f64() < self.seconds {
            let t = Instant::now();
            for _ in 0..inner {
                loss = Some(step());
            }
            times.push(t.elapsed().as_secs_f64() * 1e6 / inner as f64);
        }
        times.sort_by(f64::total_cmp);
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse().ok());
        println!(
            "{{\"who\":\"{who}\",\"workload\":\"{}\",\"threads\":{},\"median_us\":{:.3},\"min_us\":{:.3},\"samples\":{},\
             \"peak_mb\":{:.1},\"loss\":{:e}}}",
            self.workload,
            self.threads,
            times[times.len() / 2],
            times[0],
            times.len(),
            peak.unwrap_or(f64::NAN) * 1024.0 / 1e6,
            loss.expect("at least one step")()
        );
    }
}

/// The same integers on every run, below `below`.
pub fn integers(n: usize, below: usize) -> Vec<u32> {
    let mut state = 7u32;
    let mut next = || {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        ((state >> 8) as usize % below) as u32
    };
    (0..n).map(|_| next()).collect()
}
