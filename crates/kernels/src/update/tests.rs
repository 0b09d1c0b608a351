use super::*;
use crate::dispatch::tests::with_each_isa;

const STEPS: u64 = 5;

/// One step of a kernel: number of the step, parameter, gradient, states.
type Kernel<'a, T> = &'a dyn Fn(u64, &mut [T], &[T], &mut [Vec<T>; 3]);
/// The same for one element, by the formulas of the papers; returns the parameter.
type Formula<'a> = &'a dyn Fn(u64, f64, f64, &mut [f64; 3]) -> f64;

/// The gradient at step t: not constant, so that every moment matters.
fn gradient(i: usize, t: u64) -> f64 {
    f64::from(((i as f64 + 1.0) * 0.7 + t as f64 * 1.3).sin() as f32)
}

fn start(i: usize) -> f64 {
    f64::from((i as f64 * 0.9 + 0.2).cos() as f32)
}

/// Runs `step(t, p, g, states)` for several steps and compares p with `one(t, p, g, states)` of single numbers.
fn compare<T: Float>(tolerance: f64, step: Kernel<T>, one: Formula) {
    for n in [0, 1, 7, 33, 100, CHUNK + 3] {
        let mut p: Vec<T> = (0..n).map(|i| T::from_f64(start(i))).collect();
        let mut states = [vec![T::ZERO; n], vec![T::ZERO; n], vec![T::ZERO; n]];
        for t in 1..=STEPS {
            let g: Vec<T> = (0..n).map(|i| T::from_f64(gradient(i, t))).collect();
            step(t, &mut p, &g, &mut states);
        }
        for (i, got) in p.iter().enumerate() {
            let (mut want, mut state) = (start(i), [0.0; 3]);
            for t in 1..=STEPS {
                want = one(t, want, gradient(i, t), &mut state);
            }
            assert!((got.to_f64() - want).abs() <= tolerance, "at {i} of {n}: {got}, not {want}");
        }
    }
}

fn both(single: Kernel<f32>, double: Kernel<f64>, one: Formula) {
    with_each_isa(|_| {
        compare(3e-6, single, one);
        compare(1e-13, double, one);
    });
}

#[test]
fn descent_with_and_without_momentum() {
    for (momentum, dampening, nesterov) in
        [(0.0, 0.0, false), (0.9, 0.0, false), (0.9, 0.3, false), (0.8, 0.0, true)]
    {
        let rule = Sgd { lr: 0.1, momentum, dampening, nesterov, weight_decay: 0.05, first: false };
        let at = |t: u64| Sgd { first: t == 1, ..rule };
        both(
            &|t, p, g, [v, ..]| sgd(&at(t), p, g, Some(v)),
            &|t, p, g, [v, ..]| sgd(&at(t), p, g, (momentum != 0.0).then_some(&mut v[..])),
            &|t, p, g, [v, ..]| {
                let g = g + 0.05 * p;
                if momentum == 0.0 {
                    return p - 0.1 * g;
                }
                *v = if t == 1 { g } else { momentum * *v + (1.0 - dampening) * g };
                p - 0.1 * if nesterov { g + momentum * *v } else { *v }
            },
        );
    }
}

#[test]
fn adam_in_four_variants() {
    for decoupled in [false, true] {
        for amsgrad in [false, true] {
            let rule =
                Adam { lr: 0.05, beta1: 0.8, beta2: 0.95, eps: 1e-6, weight_decay: 0.1, decoupled, step: 1 };
            let at = |t| Adam { step: t, ..rule };
            both(
                &|t, p, g, [m, v, l]| adam(&at(t), p, g, [m, v], amsgrad.then_some(&mut l[..])),
                &|t, p, g, [m, v, l]| adam(&at(t), p, g, [m, v], amsgrad.then_some(&mut l[..])),
                &|t, p, g, [m, v, largest]| {
                    let (p, g) = if decoupled { (p - 0.05 * 0.1 * p, g) } else { (p, g + 0.1 * p) };
                    *m = 0.8 * *m + 0.2 * g;
                    *v = 0.95 * *v + 0.05 * g * g;
                    *largest = largest.max(*v);
                    let m_hat = *m / (1.0 - 0.8f64.powi(t as i32));
                    let v_hat = if amsgrad { *largest } else { *v } / (1.0 - 0.95f64.powi(t as i32));
                    p - 0.05 * m_hat / (v_hat.sqrt() + 1e-6)
                },
            );
        }
    }
}

#[test]
fn rmsprop_in_four_variants() {
    for centred in [false, true] {
        for momentum in [0.0, 0.7] {
            let rule = RmsProp { lr: 0.02, alpha: 0.9, eps: 1e-4, weight_decay: 0.1, momentum };
            both(
                &|_, p, g, [s, a, b]| rmsprop(&rule, p, g, s, centred.then_some(&mut a[..]), Some(b)),
                &|_, p, g, [s, a, b]| rmsprop(&rule, p, g, s, centred.then_some(&mut a[..]), Some(b)),
                &|_, p, g, [s, a, b]| {
                    let g = g + 0.1 * p;
                    *s = 0.9 * *s + 0.1 * g * g;
                    *a = 0.9 * *a + 0.1 * g;
                    let variance = if centred { *s - *a * *a } else { *s };
                    *b = momentum * *b + g / (variance.sqrt() + 1e-4);
                    p - 0.02 * *b
                },
            );
        }
    }
}

#[test]
fn adagrad_slows_down() {
    let rule = Adagrad { lr: 0.1, lr_decay: 0.2, weight_decay: 0.1, eps: 1e-6, step: 1 };
    both(
        &|t, p, g, [s, ..]| adagrad(&Adagrad { step: t, ..rule }, p, g, s),
        &|t, p, g, [s, ..]| adagrad(&Adagrad { step: t, ..rule }, p, g, s),
        &|t, p, g, [s, ..]| {
            let g = g + 0.1 * p;
            *s += g * g;
            p - 0.1 / (1.0 + (t - 1) as f64 * 0.2) * g / (s.sqrt() + 1e-6)
        },
    );
}

#[test]
#[should_panic(expected = "sgd: momentum 0.9 needs a velocity")]
fn momentum_without_a_velocity_is_refused() {
    sgd(&Sgd { momentum: 0.9, ..Sgd::default() }, &mut [0.0f32], &[0.0], None);
}

#[test]
#[should_panic(expected = "adam: the parameter has 2 elements, but v has 1")]
fn a_state_of_wrong_length_is_refused() {
    adam(&Adam::default(), &mut [0.0f32; 2], &[0.0; 2], [&mut [0.0; 2], &mut [0.0; 1]], None);
}
