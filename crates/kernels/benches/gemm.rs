//! Speed of matrix products: GFLOP/s and the fraction of the peak, for a list of shapes.
//!
//! `cargo bench -p talweg-kernels --bench gemm [-- FILTER]`; `TALWEG_ISA` picks the instruction set. The peak is
//! measured by multiply-adds that stay in registers.

mod timing;

use std::hint::black_box;
use std::time::Instant;

use talweg_kernels::gemm::{Epilogue, Mat, Precision, gemm_in};
use talweg_kernels::{Buffer, Float, isa, peak, threads};
use timing::best;

/// (m, k, n): cubes, the products of a small network, of a transformer and of convolutions, and their gradients.
const SHAPES: &[[usize; 3]] = &[
    [4, 2, 8],
    [4, 8, 1],
    [16, 16, 16],
    [32, 32, 32],
    [64, 64, 64],
    [128, 128, 128],
    [256, 256, 256],
    [512, 512, 512],
    [1024, 1024, 1024],
    [2048, 2048, 2048],
    [128, 784, 512],
    [784, 128, 512],
    [128, 512, 512],
    [512, 128, 512],
    [128, 512, 10],
    [128, 10, 512],
    [512, 128, 10],
    [50, 512, 2048],
    [64, 9216, 128],
    [64, 288, 36864],
    [3072, 384, 1536],
    [3072, 1536, 384],
    [384, 3072, 1536],
    [1536, 3072, 384],
    [3072, 384, 1152],
    [384, 3072, 1152],
    [3072, 1152, 384],
    [3072, 384, 384],
    [384, 3072, 384],
    [3072, 384, 65],
    [384, 3072, 65],
    [3072, 65, 384],
    [256, 64, 256],
    [256, 256, 64],
    [1, 1024, 1024],
    [1024, 1024, 1],
    [4, 1024, 1024],
];

fn main() {
    let filter = std::env::args().skip(1).find(|a| !a.starts_with('-')).unwrap_or_default();
    let most = threads::threads();
    let peak = peak();
    println!(
        "instruction set {}, {most} threads, peak of one core {peak:.1} GFLOP/s (f32)",
        isa::detect().name()
    );
    println!(
        "{:>4} {:>5} {:>5} {:>5}   GFLOP/s of 1 and {most} threads for NN NT TN TT, % of the peak (f64: of half of it; \
         bf16: of the double where the processor multiplies pairs)",
        "", "m", "k", "n"
    );
    let pairs = if pairs() { 2.0 } else { 1.0 };
    for &[m, k, n] in SHAPES {
        let asked = |kind: &str| format!("{kind} {m}x{k}x{n}").contains(&filter);
        if asked("f32") {
            line::<f32>(Precision::Full, "f32", [m, k, n], peak, most);
        }
        if asked("f64") {
            line::<f64>(Precision::Full, "f64", [m, k, n], peak / 2.0, most);
        }
        if asked("bf16") {
            line::<f32>(Precision::Bf16, "bf16", [m, k, n], peak * pairs, most);
        }
    }
}

/// Whether products of 16-bit factors have instructions of their own.
fn pairs() -> bool {
    #[cfg(target_arch = "x86_64")]
    return isa::detect() == isa::Isa::Avx512 && is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

fn line<T: Float>(precision: Precision, name: &str, [m, k, n]: [usize; 3], peak: f64, most: usize) {
    let flops = 2.0 * (m * k * n) as f64;
    let (mut a, mut b) = (Buffer::take(m * k * size_of::<T>()), Buffer::take(k * n * size_of::<T>()));
    a.as_mut_slice::<T>().iter_mut().enumerate().for_each(|(i, x)| *x = T::from_f64((i % 13) as f64 - 6.0));
    b.as_mut_slice::<T>().iter_mut().enumerate().for_each(|(i, x)| *x = T::from_f64((i % 11) as f64 - 5.0));
    let (a, b) = (a.as_slice::<T>(), b.as_slice::<T>());
    let mut c = Buffer::zeroed(m * n * size_of::<T>());
    print!("{name:>4} {m:>5} {k:>5} {n:>5}  ");
    for count in [1, most] {
        threads::set_threads(count);
        for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
            let a = if ta { Mat::row_major(a, k, m).t() } else { Mat::row_major(a, m, k) };
            let b = if tb { Mat::row_major(b, n, k).t() } else { Mat::row_major(b, k, n) };
            let c = c.as_mut_slice();
            let time = best(count == 1, || {
                gemm_in(precision, black_box(a), black_box(b), c, n, &Epilogue::default());
            });
            let speed = flops / time / 1e9;
            print!(" {speed:6.1} {:3.0}%", 100.0 * speed / peak / count as f64);
            if flops < 1e5 {
                print!(" ({:.0} ns)", time * 1e9);
            }
        }
        print!("  |");
    }
    println!();
}

/// Multiply-adds per second of one core, from sums that stay in registers.
fn peak() -> f64 {
    let rate = |_| {
        let start = Instant::now();
        let operations = peak::multiply_adds();
        operations as f64 / start.elapsed().as_secs_f64() / 1e9
    };
    (0..15).map(rate).fold(0.0, f64::max)
}
