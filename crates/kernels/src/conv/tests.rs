use super::*;
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
fn check<T: Float>(s: &Conv2d) {
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
    let nan = T::NAN;
    let (mut ty, mut tdx, mut tdw) = (vec![nan; ny], vec![nan; nx], vec![nan; nw]);
    conv2d(s, &tx, &tw, Some(&tb), &mut ty);
    conv2d_input_grad(s, &tdy, &tw, &mut tdx);
    conv2d_weight_grad(s, &tx, &tdy, &mut tdw);
    for (name, got, expected) in [("y", &ty, &y), ("dx", &tdx, &dx), ("dw", &tdw, &dw)] {
        // Errors grow like the root of the number of terms, at most some thousands here.
        let size = expected.iter().fold(1.0f64, |m, x| m.max(x.abs()));
        for (i, (g, e)) in got.iter().zip(expected).enumerate() {
            let error = (g.to_f64() - e).abs();
            assert!(error <= 32.0 * T::EPSILON.to_f64() * size, "{s:?}: {name}[{i}] = {g}, expected {e}");
        }
    }
    let mut without = vec![nan; ny];
    conv2d(s, &tx, &tw, None, &mut without);
    let size = y.iter().fold(1.0f64, |m, x| m.max(x.abs()));
    for (i, (g, e)) in without.iter().zip(&y).enumerate() {
        let error = (g.to_f64() - (e - bias[i / pixels % s.out_channels])).abs();
        assert!(error <= 32.0 * T::EPSILON.to_f64() * size, "{s:?}: y[{i}] without bias is {error} off");
    }
}

#[test]
fn one_small_image_by_hand() {
    let x = [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
    let mut y = [0.0; 4];
    conv2d(&PLAIN, &x, &[1.0, 0.0, 0.0, -1.0], Some(&[0.5]), &mut y);
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
        if double { check::<f64>(&s) } else { check::<f32>(&s) }
    }
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
        check::<f32>(&s);
        check::<f64>(&s);
    }
}

#[test]
#[should_panic(expected = "conv2d: 3 input and 4 output channels do not fall into 2 groups")]
fn channels_must_fall_into_groups() {
    let s = Conv2d { in_channels: 3, out_channels: 4, groups: 2, ..PLAIN };
    conv2d(&s, &[0.0f32; 27], &[0.0; 16], None, &mut [0.0; 16]);
}

#[test]
#[should_panic(expected = "conv2d_weight_grad: y has 3 items")]
fn a_wrong_length_is_refused() {
    conv2d_weight_grad(&PLAIN, &[0.0f32; 9], &[0.0; 3], &mut [0.0; 4]);
}
