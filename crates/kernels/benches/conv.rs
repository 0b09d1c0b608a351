//! Speed of convolutions: the three passes of a list of layers, with 1 thread and with all of them.
//!
//! `cargo bench -p talweg-kernels --bench conv [-- FILTER [ALGORITHM ..]]`; `TALWEG_ISA` picks the instruction set. For
//! each pass it prints milliseconds, GFLOP/s (as if computed directly, so that fewer multiplications show as more
//! speed), and the percentage of the peak of so many cores, which the program measures first with nothing but
//! multiply-adds in registers. See `timing` for what is measured.

mod timing;

use talweg_kernels::conv::{Algorithm, Conv2d, conv2d, conv2d_input_grad, conv2d_weight_grad};
use talweg_kernels::peak::multiply_adds;
use talweg_kernels::pool2d::{Pool2d, avg_pool2d, avg_pool2d_grad, max_pool2d, max_pool2d_grad};
use talweg_kernels::{Buffer, isa, threads};
use timing::best;

/// Name, batch, input channels, output channels, size of the image, kernel, stride, padding, groups.
const LAYERS: &[(&str, [usize; 8])] = &[
    ("small cnn, first", [64, 1, 32, 28, 3, 1, 0, 1]),
    ("small cnn, second", [64, 32, 64, 26, 3, 1, 0, 1]),
    ("resnet, first", [32, 3, 64, 32, 3, 1, 1, 1]),
    ("resnet, 64", [32, 64, 64, 32, 3, 1, 1, 1]),
    ("resnet, 128", [32, 128, 128, 16, 3, 1, 1, 1]),
    ("resnet, 256", [32, 256, 256, 8, 3, 1, 1, 1]),
    ("resnet, 512", [32, 512, 512, 4, 3, 1, 1, 1]),
    ("resnet, 64 to 128", [32, 64, 128, 32, 3, 2, 1, 1]),
    ("resnet, 128 to 256", [32, 128, 256, 16, 3, 2, 1, 1]),
    ("resnet, 256 to 512", [32, 256, 512, 8, 3, 2, 1, 1]),
    ("resnet, 64 to 128 1x1", [32, 64, 128, 32, 1, 2, 0, 1]),
    ("resnet, 128 to 256 1x1", [32, 128, 256, 16, 1, 2, 0, 1]),
    ("resnet, 256 to 512 1x1", [32, 256, 512, 8, 1, 2, 0, 1]),
    ("1x1", [32, 128, 128, 16, 1, 1, 0, 1]),
    ("5x5", [64, 6, 16, 14, 5, 1, 0, 1]),
    ("few channels", [64, 8, 8, 32, 3, 1, 1, 1]),
    ("some channels", [64, 16, 16, 32, 3, 1, 1, 1]),
    ("depthwise 3x3", [32, 64, 64, 32, 3, 1, 1, 64]),
    ("depthwise 3x3 /2", [32, 64, 64, 32, 3, 2, 1, 64]),
    ("groups 4", [32, 64, 64, 32, 3, 1, 1, 4]),
];

fn main() {
    let mut words = std::env::args().skip(1).filter(|a| !a.starts_with('-'));
    let filter = words.next().unwrap_or_default();
    let chosen: Vec<Algorithm> = words
        .map(|name| Algorithm::from_name(&name).unwrap_or_else(|| panic!("no algorithm is called {name:?}")))
        .collect();
    let most = threads::threads();
    let peaks = [1, most].map(peak);
    println!(
        "instruction set {}, peak {:.0} GFLOP/s with 1 thread, {:.0} with {most}",
        isa::detect().name(),
        peaks[0] / 1e9,
        peaks[1] / 1e9
    );
    println!("ms, GFLOP/s and % of the peak: forward, input gradient, weight gradient");
    for &(name, [batch, in_channels, out_channels, size, kernel, stride, padding, groups]) in LAYERS {
        if !name.contains(&filter) {
            continue;
        }
        let layer = Conv2d {
            batch,
            in_channels,
            out_channels,
            height: size,
            width: size,
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: [padding; 2],
            dilation: [1, 1],
            groups,
        };
        for (count, peak) in [1, most].into_iter().zip(peaks) {
            threads::set_threads(count);
            for &algorithm in if chosen.is_empty() { &[Algorithm::Auto] } else { &chosen[..] } {
                println!("{name:22} {:6} {count} {}", algorithm.name(), passes(&layer, algorithm, peak));
            }
        }
    }
    println!("ms and GB/s: max, its gradient, mean, its gradient");
    pools(&filter, most);
}

/// Name, planes, size of a plane, size of the windows (which lie side by side).
const POOLS: &[(&str, [usize; 3])] =
    &[("pool 2x2", [64 * 64, 24, 2]), ("pool 3x3", [64 * 64, 24, 3]), ("pool global", [32 * 512, 7, 7])];

/// Milliseconds and GB/s (of what is read and written once) of the pooling kernels.
fn pools(filter: &str, most: usize) {
    for &(name, [batch, size, window]) in POOLS {
        let s = Pool2d {
            batch,
            height: size,
            width: size,
            kernel: [window; 2],
            stride: [window; 2],
            padding: [0, 0],
            count_include_pad: true,
        };
        if !name.contains(filter) {
            continue;
        }
        let (nx, ny) = (batch * size * size, batch * (size / window) * (size / window));
        let (x, dy) = (vec![1.5f32; nx], vec![0.5f32; ny]);
        let (mut y, mut dx, mut index) = (dy.clone(), x.clone(), vec![0i64; ny]);
        for count in [1, most] {
            threads::set_threads(count);
            let alone = count == 1;
            let times = [
                (best(alone, || max_pool2d(&s, &x, &mut y, &mut index)), 4 * nx + 12 * ny),
                (best(alone, || max_pool2d_grad(&s, &dy, &index, &mut dx)), 4 * nx + 12 * ny),
                (best(alone, || avg_pool2d(&s, &x, &mut y)), 4 * nx + 4 * ny),
                (best(alone, || avg_pool2d_grad(&s, &dy, &mut dx)), 4 * nx + 4 * ny),
            ];
            let show =
                times.map(|(time, bytes)| format!("{:7.3} {:5.1}", time * 1e3, bytes as f64 / time / 1e9));
            println!("{name:22} {count} {}", show.join("  "));
        }
    }
}

fn passes(s: &Conv2d, algorithm: Algorithm, peak: f64) -> String {
    let alone = threads::threads() == 1;
    let [nx, nw, ny] = s.lens();
    let flops = 2.0 * ny as f64 * (nw / s.out_channels) as f64;
    let numbers = |len: usize| {
        let mut buffer = Buffer::take(4 * len);
        buffer.as_mut_slice::<f32>().iter_mut().enumerate().for_each(|(i, x)| *x = (i % 13) as f32 - 6.0);
        buffer
    };
    let (x, w, dy) = (numbers(nx), numbers(nw), numbers(ny));
    let (x, w, dy) = (x.as_slice::<f32>(), w.as_slice::<f32>(), dy.as_slice::<f32>());
    let (mut y, mut dx, mut dw) = (numbers(ny), numbers(nx), numbers(nw));
    let (y, dx, dw) = (y.as_mut_slice::<f32>(), dx.as_mut_slice::<f32>(), dw.as_mut_slice::<f32>());
    let forward = best(alone, || conv2d(s, algorithm, x, w, None, y));
    let input = best(alone, || conv2d_input_grad(s, algorithm, dy, w, dx));
    let weight = best(alone, || conv2d_weight_grad(s, algorithm, x, dy, dw));
    let show = |time: f64| {
        let rate = flops / time;
        format!("{:8.3} {:6.1} {:4.0} %", time * 1e3, rate / 1e9, 100.0 * rate / peak)
    };
    [forward, input, weight].map(show).join("  ")
}

/// The most floating-point operations per second that `count` cores do.
fn peak(count: usize) -> f64 {
    threads::set_threads(count);
    let operations = multiply_adds() * count;
    let time = best(count == 1, || {
        threads::for_each(count, &|_| {
            multiply_adds();
        });
    });
    operations as f64 / time
}
