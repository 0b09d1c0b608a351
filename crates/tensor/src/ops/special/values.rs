//! Values in `f64` of functions that the standard library lacks.

use std::f64::consts::{FRAC_2_SQRT_PI, PI};

use talweg_kernels::Lane;

/// The digamma function: by reflection to positive arguments, by the recurrence `ψ(x + 1) = ψ(x) + 1/x` to large ones,
/// and there by its asymptotic series (Abramowitz and Stegun, 1964, 6.3.5 to 6.3.18).
pub(super) fn digamma(x: f64) -> f64 {
    if x == 0.0 {
        return f64::INFINITY.copysign(-x);
    }
    if x < 0.0 {
        return match x == x.floor() {
            true => f64::NAN,
            false => digamma(1.0 - x) - PI / (PI * x.fract()).tan(),
        };
    }
    let (mut x, mut sum) = (x, 0.0);
    while x < 10.0 {
        sum -= 1.0 / x;
        x += 1.0;
    }
    let z = 1.0 / (x * x);
    let odd = 1.0 / 132.0 - z * (691.0 / 32_760.0 - z / 12.0);
    let series = 1.0 / 12.0 - z * (1.0 / 120.0 - z * (1.0 / 252.0 - z * (1.0 / 240.0 - z * odd)));
    sum + x.ln() - 0.5 / x - z * series
}

/// The polygamma function of order `n >= 1`, `(-1)^(n+1) n! Σ 1 / (x + k)^(n+1)` over k from 0.
pub(super) fn polygamma(n: u32, x: f64) -> f64 {
    if n == 1 && x < 0.0 && x != x.floor() {
        let sine = (PI * x.fract()).sin();
        return (PI / sine).powi(2) - polygamma(1, 1.0 - x);
    }
    let factorial: f64 = (1..=n).map(f64::from).product();
    let sign = if n % 2 == 1 { 1.0 } else { -1.0 };
    sign * factorial * inverse_powers(n as i32 + 1, x)
}

/// `Σ (x + k)^-s` over k from 0, for `s >= 2`: terms until the argument is large, then the Euler-Maclaurin sum of the
/// rest (Abramowitz and Stegun, 1964, 23.1.30).
fn inverse_powers(s: i32, x: f64) -> f64 {
    // B_2j / (2j)! for j from 1.
    const FACTORS: [f64; 8] = [
        1.0 / 12.0,
        -1.0 / 720.0,
        1.0 / 30_240.0,
        -1.0 / 1_209_600.0,
        1.0 / 47_900_160.0,
        -691.0 / 1_307_674_368_000.0,
        1.0 / 74_724_249_600.0,
        -3_617.0 / 10_670_622_842_880_000.0,
    ];
    if x <= 0.0 && x == x.floor() {
        return f64::INFINITY;
    }
    if x < -1e6 {
        return f64::NAN;
    }
    let (mut x, mut sum) = (x, 0.0);
    while x < 12.0 + f64::from(s) {
        sum += x.powi(-s);
        x += 1.0;
    }
    if x == f64::INFINITY {
        return sum;
    }
    sum += x.powi(1 - s) / f64::from(s - 1) + 0.5 * x.powi(-s);
    let (mut rising, mut power) = (f64::from(s), x.powi(-s - 1));
    for (j, factor) in (1..).zip(FACTORS) {
        sum += factor * rising * power;
        let next = s + 2 * j;
        rising *= f64::from(next - 1) * f64::from(next);
        power /= x * x;
    }
    sum
}

/// The inverse of the error function: a polynomial in `-ln(1 - x²)` (Giles, "Approximating the erfinv function", GPU
/// Computing Gems, 2011), then two steps of Halley's method, which bring its seven digits to all.
pub(super) fn erfinv(x: f64) -> f64 {
    const MIDDLE: [f64; 9] = [
        2.810_226_36e-8,
        3.432_739_39e-7,
        -3.523_387_7e-6,
        -4.391_506_54e-6,
        0.000_218_580_87,
        -0.001_253_725_03,
        -0.004_177_681_64,
        0.246_640_727,
        1.501_409_41,
    ];
    const TAIL: [f64; 9] = [
        -0.000_200_214_257,
        0.000_100_950_558,
        0.001_349_343_22,
        -0.003_673_428_44,
        0.005_739_507_73,
        -0.007_622_461_3,
        0.009_438_870_47,
        1.001_674_06,
        2.832_976_82,
    ];
    let size = x.abs();
    if size >= 1.0 || x.is_nan() {
        return if size == 1.0 { f64::INFINITY.copysign(x) } else { f64::NAN };
    }
    let w = -((1.0 - size) * (1.0 + size)).ln();
    let (at, factors) = if w < 5.0 { (w - 2.5, MIDDLE) } else { (w.sqrt() - 3.0, TAIL) };
    let mut y = size * factors.iter().fold(0.0, |sum, factor| sum * at + factor);
    for _ in 0..2 {
        // Towards 1 the complement is exact, and the error function itself is not.
        let error = if size < 0.5 { Lane(y).erf().0 - size } else { (1.0 - size) - Lane(y).erfc().0 };
        let step = error / (FRAC_2_SQRT_PI * (-y * y).exp());
        y -= step / (1.0 + y * step);
    }
    y.copysign(x)
}
