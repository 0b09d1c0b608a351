//! Speed of convolutions: milliseconds and GFLOP/s of the three passes, for a list of layers.
//!
//! `cargo bench -p talweg-kernels --bench conv [-- FILTER]`; `TALWEG_ISA` picks the instruction set. See `timing` for
//! what is measured.

mod timing;

use talweg_kernels::conv::{Conv2d, conv2d, conv2d_input_grad, conv2d_weight_grad};
use talweg_kernels::{Buffer, isa, threads};
use timing::best;

/// Name, batch, input channels, output channels, size of the image, kernel, stride, padding.
const LAYERS: &[(&str, [usize; 7])] = &[
    ("small cnn, first", [64, 1, 32, 28, 3, 1, 0]),
    ("small cnn, second", [64, 32, 64, 26, 3, 1, 0]),
    ("resnet, first", [32, 3, 64, 32, 3, 1, 1]),
    ("resnet, 64", [32, 64, 64, 32, 3, 1, 1]),
    ("resnet, 128", [32, 128, 128, 16, 3, 1, 1]),
    ("resnet, 256", [32, 256, 256, 8, 3, 1, 1]),
    ("resnet, 512", [32, 512, 512, 4, 3, 1, 1]),
    ("resnet, 64 to 128", [32, 64, 128, 32, 3, 2, 1]),
    ("resnet, 1x1", [32, 64, 128, 32, 1, 2, 0]),
    ("1x1", [32, 128, 128, 16, 1, 1, 0]),
    ("5x5", [64, 6, 16, 14, 5, 1, 0]),
];

fn main() {
    let filter = std::env::args().skip(1).find(|a| !a.starts_with('-')).unwrap_or_default();
    let most = threads::threads();
    println!(
        "instruction set {}; ms (GFLOP/s) forward, input gradient, weight gradient",
        isa::detect().name()
    );
    for &(name, [batch, in_channels, out_channels, size, kernel, stride, padding]) in LAYERS {
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
            groups: 1,
        };
        for count in [1, most] {
            threads::set_threads(count);
            println!("{name:20} {count} threads {}", passes(&layer));
        }
    }
}

fn passes(s: &Conv2d) -> String {
    let alone = threads::threads() == 1;
    let [nx, nw, ny] = s.lens();
    let flops = 2.0 * ny as f64 * (nw / s.out_channels) as f64;
    let numbers = |len: usize| {
        let mut buffer = Buffer::take(4 * len);
        buffer.as_mut_slice::<f32>().iter_mut().enumerate().for_each(|(i, x)| *x = (i % 13) as f32 - 6.0);
        buffer
    };
    let (mut x, mut w, mut y) = (numbers(nx), numbers(nw), numbers(ny));
    let forward = best(alone, || conv2d(s, x.as_slice(), w.as_slice(), None, y.as_mut_slice::<f32>()));
    let input = best(alone, || conv2d_input_grad(s, y.as_slice(), w.as_slice(), x.as_mut_slice::<f32>()));
    let weight = best(alone, || conv2d_weight_grad(s, x.as_slice(), y.as_slice(), w.as_mut_slice::<f32>()));
    [forward, input, weight].map(|time| format!("{:7.2} ({:5.1})", time * 1e3, flops / time / 1e9)).join("  ")
}
