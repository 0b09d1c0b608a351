use super::*;
use crate::dispatch::tests::with_each_isa;
use crate::threads::{set_threads, threads};
use proptest::prelude::*;

const PLAIN: Conv2d = Conv2d {
    batch: 1,
    in_channels: 1,
    out_channels: 1,
    height: 3,
    width: 3,
    kernel: [2, 2],
    stride: [1, 1],
    padding: [0, 0],
    dilation: [1, 1],
    groups: 1,
};

fn noise(len: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        })
        .collect()
}

/// Calls `f(place in x, place in w, place in y)` for every product that the definition of the convolution has.
fn for_products(s: &Conv2d, mut f: impl FnMut(usize, usize, usize)) {
    let ([rows, cols], [kr, kc]) = (s.output(), s.kernel);
    let (group_in, group_out) = (s.in_channels / s.groups, s.out_channels / s.groups);
    for n in 0..s.batch {
        for o in 0..s.out_channels {
            for y in 0..rows * cols {
                for c in 0..group_in {
                    for t in 0..kr * kc {
                        let at = |axis: usize, i: usize, r: usize| {
                            (i * s.stride[axis] + r * s.dilation[axis]) as isize - s.padding[axis] as isize
                        };
                        let (h, w) = (at(0, y / cols, t / kc), at(1, y % cols, t % kc));
                        if (0..s.height as isize).contains(&h) && (0..s.width as isize).contains(&w) {
                            let channel = n * s.in_channels + o / group_out * group_in + c;
                            let x = (channel * s.height + h as usize) * s.width + w as usize;
                            f(
                                x,
                                (o * group_in + c) * kr * kc + t,
                                (n * s.out_channels + o) * rows * cols + y,
                            );
                        }
                    }
                }
            }
        }
    }
}

/// Compares all three passes with the definition.
fn check<T: Float>(s: &Conv2d, algorithm: Algorithm) {
    let [nx, nw, ny] = s.lens();
    let cast = |x: &[f64]| -> Vec<T> { x.iter().map(|&x| T::from_f64(x)).collect() };
    let exact = |x: &[T]| -> Vec<f64> { x.iter().map(|x| x.to_f64()).collect() };
    let (x, w, dy, bias) = (noise(nx, 1), noise(nw, 2), noise(ny, 3), noise(s.out_channels, 4));
    let (tx, tw, tdy, tb) = (cast(&x), cast(&w), cast(&dy), cast(&bias));
    let (x, w, dy, bias) = (exact(&tx), exact(&tw), exact(&tdy), exact(&tb));
    let pixels: usize = s.output().iter().product();
    let mut y: Vec<f64> = (0..ny).map(|i| bias[i / pixels.max(1) % s.out_channels]).collect();
    let (mut dx, mut dw) = (vec![0.0; nx], vec![0.0; nw]);
    for_products(s, |ix, iw, iy| {
        y[iy] += x[ix] * w[iw];
        dx[ix] += dy[iy] * w[iw];
        dw[iw] += dy[iy] * x[ix];
    });
    // Errors grow like the root of the number of terms, at most some thousands here; the transforms of F4 multiply them.
    let bound = if algorithm == Algorithm::F4 { 256.0 } else { 32.0 } * T::EPSILON.to_f64();
    let nan = T::NAN;
    let (mut ty, mut tdx, mut tdw) = (vec![nan; ny], vec![nan; nx], vec![nan; nw]);
    conv2d(s, algorithm, &tx, &tw, Some(&tb), &mut ty);
    conv2d_input_grad(s, algorithm, &tdy, &tw, &mut tdx);
    conv2d_weight_grad(s, algorithm, &tx, &tdy, &mut tdw);
    for (name, got, expected) in [("y", &ty, &y), ("dx", &tdx, &dx), ("dw", &tdw, &dw)] {
        let size = expected.iter().fold(1.0f64, |m, x| m.max(x.abs()));
        for (i, (g, e)) in got.iter().zip(expected).enumerate() {
            let error = (g.to_f64() - e).abs();
            assert!(
                error <= bound * size,
                "{s:?} {algorithm:?}: {name}[{i}] = {g}, expected {e}: {error} off"
            );
        }
    }
    let mut without = vec![nan; ny];
    conv2d(s, algorithm, &tx, &tw, None, &mut without);
    let size = y.iter().fold(1.0f64, |m, x| m.max(x.abs()));
    for (i, (g, e)) in without.iter().zip(&y).enumerate() {
        let error = (g.to_f64() - (e - bias[i / pixels % s.out_channels])).abs();
        assert!(error <= bound * size, "{s:?} {algorithm:?}: y[{i}] without bias is {error} off");
    }
}

#[test]
fn one_small_image_by_hand() {
    let x = [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
    let mut y = [0.0; 4];
    conv2d(&PLAIN, Algorithm::Auto, &x, &[1.0, 0.0, 0.0, -1.0], Some(&[0.5]), &mut y);
    assert_eq!(y, [-3.5; 4]);
}

prop_compose! {
    fn sizes()(
        batch in 0usize..4, group in (1usize..4, 1usize..4, 1usize..3), image in (1usize..9, 1usize..9),
        k in (1usize..4, 1usize..4), st in (1usize..4, 1usize..4), p in (0usize..4, 0usize..4), d in (1usize..3, 1usize..3),
    ) -> Conv2d {
        Conv2d {
            batch, in_channels: group.0 * group.2, out_channels: group.1 * group.2, height: image.0, width: image.1,
            kernel: [k.0, k.1], stride: [st.0, st.1], padding: [p.0, p.1], dilation: [d.0, d.1], groups: group.2,
        }
    }
}

proptest! {
    #[test]
    fn all_passes_by_definition(s in sizes(), double: bool) {
        if double { check::<f64>(&s, Algorithm::Auto) } else { check::<f32>(&s, Algorithm::Auto) }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn transformed_tiles_by_definition(
        batch in 1usize..5, channels in (1usize..40, 1usize..40), image in (1usize..16, 1usize..16), p in (0usize..5, 0usize..5),
    ) {
        let s = Conv2d {
            batch, in_channels: channels.0, out_channels: channels.1, height: image.0, width: image.1,
            kernel: [3, 3], padding: [p.0, p.1], ..PLAIN
        };
        with_each_isa(|_| {
            check::<f32>(&s, Algorithm::F4);
            check::<f32>(&s, Algorithm::F2);
        });
    }
}

/// Standard normal numbers.
fn normal(len: usize, seed: u64) -> Vec<f32> {
    let mut x = vec![0.0; len];
    crate::random::normal(seed, 0, 0, 0.0, 1.0, &mut x);
    x
}

/// The layers of ResNet-18 for small images and the second layer of a small network, in batches of `batch`.
fn three_by_three(batch: usize) -> impl Iterator<Item = Conv2d> {
    let layers = [[64, 64, 32, 1], [128, 128, 16, 1], [256, 256, 8, 1], [512, 512, 4, 1], [32, 64, 26, 0]];
    layers.into_iter().map(move |[in_channels, out_channels, size, padding]| Conv2d {
        batch,
        in_channels,
        out_channels,
        height: size,
        width: size,
        kernel: [3, 3],
        padding: [padding; 2],
        ..PLAIN
    })
}

#[test]
fn errors_of_transformed_tiles() {
    for s in three_by_three(2) {
        let [nx, nw, ny] = s.lens();
        let (x, w, dy) = (normal(nx, 1), normal(nw, 2), normal(ny, 3));
        let [x64, w64, dy64] = [&x, &w, &dy].map(|x| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
        let (mut y64, mut dx64, mut dw64) = (vec![0.0; ny], vec![0.0; nx], vec![0.0; nw]);
        conv2d(&s, Algorithm::Direct, &x64, &w64, None, &mut y64);
        conv2d_input_grad(&s, Algorithm::Direct, &dy64, &w64, &mut dx64);
        conv2d_weight_grad(&s, Algorithm::Direct, &x64, &dy64, &mut dw64);
        for (algorithm, bound) in [(Algorithm::F4, 2e-5), (Algorithm::F2, 5e-6)] {
            let (mut y, mut dx, mut dw) = (vec![0.0; ny], vec![0.0; nx], vec![0.0; nw]);
            conv2d(&s, algorithm, &x, &w, None, &mut y);
            conv2d_input_grad(&s, algorithm, &dy, &w, &mut dx);
            conv2d_weight_grad(&s, algorithm, &x, &dy, &mut dw);
            for (name, got, exact) in [("y", &y, &y64), ("dx", &dx, &dx64), ("dw", &dw, &dw64)] {
                let rms = (exact.iter().map(|x| x * x).sum::<f64>() / exact.len() as f64).sqrt();
                let most = got.iter().zip(exact).map(|(&g, e)| (f64::from(g) - e).abs()).fold(0.0, f64::max);
                assert!(
                    most <= bound * rms,
                    "{s:?} {algorithm:?}: {name} is {:.1e} of its rms off",
                    most / rms
                );
            }
        }
    }
}

#[test]
fn transformed_tiles_do_not_depend_on_threads() {
    let before = threads();
    for s in three_by_three(9) {
        let [nx, nw, ny] = s.lens();
        let (x, w, dy) = (normal(nx, 1), normal(nw, 2), normal(ny, 3));
        let results = [1, 2, 3].map(|count| {
            set_threads(count);
            let (mut y, mut dx, mut dw) = (vec![0.0; ny], vec![0.0; nx], vec![0.0; nw]);
            conv2d(&s, Algorithm::F4, &x, &w, None, &mut y);
            conv2d_input_grad(&s, Algorithm::F4, &dy, &w, &mut dx);
            conv2d_weight_grad(&s, Algorithm::F4, &x, &dy, &mut dw);
            [y, dx, dw]
        });
        assert!(results.iter().all(|r| r == &results[0]), "{s:?}");
    }
    set_threads(before);
}

#[test]
fn usual_layers() {
    let image = Conv2d { batch: 3, height: 14, width: 13, kernel: [3, 3], ..PLAIN };
    for s in [
        Conv2d { in_channels: 3, out_channels: 32, ..image },
        Conv2d { in_channels: 32, out_channels: 24, padding: [1, 1], ..image },
        Conv2d { in_channels: 16, out_channels: 40, padding: [1, 1], stride: [2, 2], ..image },
        Conv2d { in_channels: 20, out_channels: 20, kernel: [1, 1], ..image },
        Conv2d { in_channels: 20, out_channels: 10, kernel: [1, 1], stride: [2, 2], ..image },
        Conv2d {
            in_channels: 130,
            out_channels: 33,
            dilation: [2, 1],
            padding: [2, 0],
            stride: [1, 3],
            ..image
        },
        Conv2d { in_channels: 24, out_channels: 20, batch: 9, height: 5, width: 5, padding: [1, 1], ..image },
        Conv2d {
            in_channels: 8,
            out_channels: 16,
            height: 40,
            width: 70,
            kernel: [5, 2],
            padding: [2, 1],
            ..image
        },
        Conv2d { in_channels: 12, out_channels: 12, groups: 12, padding: [1, 1], ..image },
    ] {
        check::<f32>(&s, Algorithm::Auto);
        check::<f64>(&s, Algorithm::Auto);
    }
}

#[test]
#[should_panic(expected = "conv2d: 3 input and 4 output channels do not fall into 2 groups")]
fn channels_must_fall_into_groups() {
    let s = Conv2d { in_channels: 3, out_channels: 4, groups: 2, ..PLAIN };
    conv2d(&s, Algorithm::Auto, &[0.0f32; 27], &[0.0; 16], None, &mut [0.0; 16]);
}

#[test]
#[should_panic(expected = "conv2d_weight_grad: y has 3 items")]
fn a_wrong_length_is_refused() {
    conv2d_weight_grad(&PLAIN, Algorithm::Auto, &[0.0f32; 9], &[0.0; 3], &mut [0.0; 4]);
}

prop_compose! {
    /// Convolutions whose outputs see one channel each.
    fn depthwise_sizes()(
        batch in 1usize..4, channels in (1usize..5, 1usize..4), image in (1usize..24, 1usize..24),
        k in (1usize..5, 1usize..5), st in (1usize..4, 1usize..4), p in (0usize..4, 0usize..4), d in (1usize..3, 1usize..3),
    ) -> Conv2d {
        Conv2d {
            batch, in_channels: channels.0, out_channels: channels.0 * channels.1, height: image.0, width: image.1,
            kernel: [k.0, k.1], stride: [st.0, st.1], padding: [p.0, p.1], dilation: [d.0, d.1], groups: channels.0,
        }
    }
}

prop_compose! {
    /// Strided convolutions of enough channels for the parts of [`strided`].
    fn strided_sizes()(
        batch in 1usize..3, channels in (9usize..20, 1usize..12), image in (1usize..15, 1usize..15),
        k in (1usize..5, 1usize..5), st in (1usize..4, 1usize..4), p in (0usize..4, 0usize..4),
    ) -> Conv2d {
        Conv2d {
            batch, in_channels: channels.0, out_channels: channels.1, height: image.0, width: image.1,
            kernel: [k.0, k.1], stride: [st.0, st.1], padding: [p.0, p.1], ..PLAIN
        }
    }
}

proptest! {
    #[test]
    fn depthwise_by_definition(s in depthwise_sizes(), double: bool) {
        if double { check::<f64>(&s, Algorithm::Auto) } else { check::<f32>(&s, Algorithm::Auto) }
    }

    #[test]
    fn strided_by_definition(s in strided_sizes(), double: bool) {
        if double { check::<f64>(&s, Algorithm::Auto) } else { check::<f32>(&s, Algorithm::Auto) }
    }
}
