//! Speed of the kernels that pass over memory: nanoseconds an element, GB/s, and the fraction of the floor.
//!
//! `cargo bench -p talweg-kernels --bench elementwise [-- FILTER]`; `TALWEG_ISA` picks the instruction set. Each
//! kernel runs at three sizes: arrays of 64 KiB (second cache), 1 MiB (third) and 32 MiB (memory). The floor is the
//! longer of two times: that of moving the arrays once, from the speeds of a plain read, a change in place and a copy
//! that are measured here at the same size and number of threads; and that of the kernel's arithmetic at one vector
//! instruction for each multiply-add of the measured peak. Before the table come the times of a parallel region: with
//! the workers awake, and after a pause in which they fell asleep.

#[path = "elementwise/cases.rs"]
mod cases;
mod timing;

use std::hint::black_box;
use std::time::{Duration, Instant};

use cases::{Case, cases};
use talweg_kernels::{isa, threads};
use timing::best;

/// Elements of an array: arrays in the second cache, in the third, in memory.
const SIZES: [usize; 3] = [16 << 10, 256 << 10, 8 << 20];

fn main() {
    let filter = std::env::args().skip(1).find(|a| !a.starts_with('-')).unwrap_or_default();
    let most = threads::threads();
    println!("instruction set {}, {most} threads", isa::detect().name());
    regions();
    let peak = multiply_adds();
    let floors = Floors { passes: [1, most].map(|count| SIZES.map(|n| Passes::measure(n, count))), peak };
    for (count, row) in [1, most].iter().zip(&floors.passes) {
        for (n, pass) in SIZES.iter().zip(row) {
            let Passes { read, change, write } = pass;
            let gigabytes = [4.0 / read, 8.0 / change, 4.0 / write].map(|x| format!("{x:.1}")).join(" ");
            println!("{count} threads, {:5} K: read, change, write {gigabytes} GB/s", n >> 10);
        }
    }
    println!("multiply-adds of one thread: {peak:.1} G/s");
    println!("{:28}  ns/element, GB/s, % of the floor", "");
    print!("{:28}", "");
    for (n, count) in columns(most) {
        print!(" | {:>9} x {count}   ", format!("{} K", n >> 10));
    }
    println!();
    for case in cases().iter().filter(|case| case.name.contains(&filter)) {
        line(case, &floors, most);
    }
}

/// Size and number of threads of the table's columns. One task's worth is never split, so there is one column for it.
fn columns(most: usize) -> Vec<(usize, usize)> {
    let mut all = vec![(SIZES[0], 1)];
    for n in &SIZES[1..] {
        all.extend([(*n, 1), (*n, most)]);
    }
    all
}

/// Nanoseconds for an element of an array that is read, changed in place, or written anew.
struct Passes {
    read: f64,
    change: f64,
    write: f64,
}

impl Passes {
    fn measure(n: usize, count: usize) -> Passes {
        threads::set_threads(count);
        let time = |mut run: cases::Run| best(count == 1, &mut run) / n as f64 * 1e9;
        let (read, change, copy) = (time(cases::read(n)), time(cases::change(n)), time(cases::copy(n)));
        Passes { read, change, write: (copy - read).max(0.2 * copy) }
    }
}

struct Floors {
    passes: [[Passes; 3]; 2],
    peak: f64,
}

fn line(case: &Case, floors: &Floors, most: usize) {
    print!("{:28}", case.name);
    for (n, count) in columns(most) {
        threads::set_threads(count);
        let mut run = (case.prepare)(n);
        let time = best(count == 1, &mut run) / n as f64 * 1e9;
        let size = SIZES.iter().position(|&size| size == n).expect("a size of the table");
        let pass = &floors.passes[usize::from(count > 1)][size];
        let [reads, changes, writes] = case.arrays;
        let memory = reads * pass.read + changes * pass.change + writes * pass.write;
        let floor = memory.max(case.steps / floors.peak / count as f64);
        let bytes = 4.0 * (reads + 2.0 * changes + writes);
        print!(" | {time:6.3} {:5.1} {:3.0}%", bytes / time, 100.0 * floor / time);
    }
    println!();
}

/// The time of a parallel region that does nothing.
fn regions() {
    let most = threads::threads();
    let awake = best(false, || threads::for_each(most, &|i| _ = black_box(i)));
    let mut asleep = f64::INFINITY;
    for _ in 0..50 {
        std::thread::sleep(Duration::from_millis(1));
        let begin = Instant::now();
        threads::for_each(most, &|i| _ = black_box(i));
        asleep = asleep.min(begin.elapsed().as_secs_f64());
    }
    println!("an empty parallel region: {:.2} us awake, {:.2} us after a pause", awake * 1e6, asleep * 1e6);
    println!("a worker's first task after a call: {:.2} us awake", joining() * 1e6);
}

/// The time until another thread has begun a task: each of two tasks waits until the other has begun.
fn joining() -> f64 {
    use std::sync::atomic::{AtomicUsize, Ordering};
    if threads::threads() == 1 {
        return 0.0;
    }
    let mut times = Vec::new();
    for _ in 0..2000 {
        let begun = AtomicUsize::new(0);
        let start = Instant::now();
        threads::for_each(2, &|_| {
            begun.fetch_add(1, Ordering::AcqRel);
            // Bounded, since nothing obliges another thread to come.
            let limit = Instant::now();
            while begun.load(Ordering::Acquire) < 2 && limit.elapsed() < Duration::from_millis(1) {
                std::hint::spin_loop();
            }
        });
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Multiply-adds of single precision per second and thread, in billions, from sums that stay in registers.
fn multiply_adds() -> f64 {
    const ROUNDS: usize = 100_000;
    #[inline(always)]
    fn sums<const LANES: usize>(x: f32) -> f32 {
        let fused = cfg!(target_arch = "aarch64") || LANES > 4;
        let mut all = [[0.0f32; LANES]; 12];
        for _ in 0..ROUNDS {
            for sum in &mut all {
                for lane in sum {
                    *lane = if fused { lane.mul_add(x, x) } else { *lane * x + x };
                }
            }
        }
        all.iter().flatten().sum()
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2(x: f32) -> f32 {
        sums::<8>(x)
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx2,fma")]
    fn avx512(x: f32) -> f32 {
        sums::<16>(x)
    }
    let rate = |lanes: usize, mut f: Box<dyn FnMut() -> f32>| {
        (12 * lanes * ROUNDS) as f64 / best(true, || _ = black_box(f())) / 1e9
    };
    match isa::detect() {
        // SAFETY: the processor has the instructions.
        #[cfg(target_arch = "x86_64")]
        isa::Isa::Avx512 => rate(16, Box::new(|| unsafe { avx512(black_box(1.0)) })),
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        isa::Isa::Avx2 => rate(8, Box::new(|| unsafe { avx2(black_box(1.0)) })),
        _ => rate(4, Box::new(|| sums::<4>(black_box(1.0)))),
    }
}
