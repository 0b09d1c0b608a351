//! The functions of one `f32`, without branches, for processors with fused multiply-add (elsewhere
//! [`apply`](crate::dispatch::apply) evaluates in `f64` instead, because there `mul_add` is a library call).
//!
//! The coefficients are minimax fits (Remez exchange in 40 digits) rounded to the type; the error of each fit before
//! rounding stands beside it.

/// Adding this pushes the fraction out of an `f32`, which rounds to an integer and leaves it in the low bits.
const ROUND: f32 = 12_582_912.0;
const LN2: f64 = std::f64::consts::LN_2;
/// ln 2 in two parts.
const LN2_HIGH: f32 = LN2 as f32;
const LN2_LOW: f32 = (LN2 - LN2_HIGH as f64) as f32;

/// (e^r - 1 - r) / r^2 for |r| <= ln(2)/2; 1.4e-8, weighted by r.
const EXP: [f32; 5] = [0.5, 0.166_665_42, 0.041_666_28, 0.008_366_765, 0.001_394_664_3];
/// (ln(1 + f) - f + f^2/2) / f^3 for 1 + f from sqrt(1/2) to sqrt(2); 5.9e-9, weighted by f^2.
const LOG: [f32; 8] = [
    0.333_333_16,
    -0.250_008_08,
    0.200_022_86,
    -0.166_245_98,
    0.141_812_18,
    -0.131_283_97,
    0.128_813_9,
    -0.078_602_02,
];
/// (ln((1 + s)/(1 - s)) - 2s) / s^3 as a polynomial in s^2 for the same range; 6.1e-14, weighted by s^2.
const ATANH: [f64; 5] =
    [0.6666666667555702, 0.3999999568403026, 0.285721039331179, 0.22176366492435337, 0.19582039795358966];
/// (e^r - 1 - r) / r^2 for |r| <= ln(2)/2; 5.4e-12, weighted by r.
const EXP_DOUBLE: [f64; 7] = [
    0.49999999999723527,
    0.16666666755723436,
    0.041666666965203214,
    0.008333288520670426,
    0.0013888807739707975,
    0.00019905287556334998,
    2.4883194551340508e-05,
];
/// erf(x)/x - 1 as a polynomial in x^2 for x^2 <= 1; 1.2e-9.
const ERF_SMALL: [f32; 7] = [
    0.128_379_17,
    -0.376_126_26,
    0.112_836,
    -0.026_854_446,
    0.005_189_536_6,
    -0.000_802_084_57,
    7.889_119e-5,
];
/// ln(1 - erf(x)) / x for x from 1 to 4; 9.2e-10 in erf.
const ERF_LARGE: [f32; 7] = [
    -1.128_744_8,
    -0.634_763_7,
    -0.106_872_894,
    0.024_306_031,
    -0.003_897_931_7,
    0.000_385_203_98,
    -1.741_795_7e-5,
];
/// Horner's scheme, the constant coefficient first.
#[inline(always)]
pub(super) fn poly<const N: usize>(x: f32, c: &[f32; N]) -> f32 {
    let mut y = c[N - 1];
    let mut i = N - 1;
    while i > 0 {
        i -= 1;
        y = y.mul_add(x, c[i]);
    }
    y
}

/// Horner's scheme in double precision.
#[inline(always)]
pub(super) fn poly_double<const N: usize>(x: f64, c: &[f64; N]) -> f64 {
    let mut y = c[N - 1];
    let mut i = N - 1;
    while i > 0 {
        i -= 1;
        y = y.mul_add(x, c[i]);
    }
    y
}

/// `a` where the condition holds, else `b`; compiles to a blend.
#[inline(always)]
pub(super) fn select<T>(condition: bool, a: T, b: T) -> T {
    if condition { a } else { b }
}

/// The smaller of x and a bound; a NaN stays.
#[inline(always)]
fn at_most(x: f32, bound: f32) -> f32 {
    select(x > bound, bound, x)
}

/// The larger of x and a bound; a NaN stays.
#[inline(always)]
fn at_least(x: f32, bound: f32) -> f32 {
    select(x < bound, bound, x)
}

/// 2^k for k from -126 to 127.
#[inline(always)]
fn power_of_two(k: i32) -> f32 {
    f32::from_bits((k.wrapping_add(127) as u32) << 23)
}

/// `p * 2^k` for k from -252 to 254, in two steps so that the result may be subnormal or infinite.
#[inline(always)]
pub(super) fn scale(p: f32, k: i32) -> f32 {
    let half = k >> 1;
    p * power_of_two(half) * power_of_two(k.wrapping_sub(half))
}

/// k (as an integer and as a number) and r with x = k ln 2 + r and |r| <= ln(2)/2.
#[inline(always)]
pub(super) fn reduce(x: f32) -> (i32, f32, f32) {
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let k = shifted - ROUND;
    let r = k.mul_add(-LN2_LOW, k.mul_add(-LN2_HIGH, x));
    ((shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32), k, r)
}

/// e^r - 1 for |r| <= ln(2)/2.
#[inline(always)]
pub(super) fn expm1_small(r: f32) -> f32 {
    (r * r).mul_add(poly(r, &EXP), r)
}

/// e^x for x from -104 to 89.
#[inline(always)]
fn exp_inside(x: f32) -> f32 {
    let (k, _, r) = reduce(x);
    scale(1.0 + expm1_small(r), k)
}

#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    exp_inside(at_least(at_most(x, 89.0), -104.0))
}

#[inline(always)]
pub(super) fn exp2(x: f32) -> f32 {
    let x = at_least(at_most(x, 129.0), -151.0);
    let shifted = x + ROUND;
    let f = x - (shifted - ROUND);
    let k = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let r = f * LN2_HIGH;
    // What r lost to rounding matters less after the squaring, so it is added to the first power only.
    let low = f.mul_add(LN2_LOW, f.mul_add(LN2_HIGH, -r));
    scale(1.0 + (r + (r * r).mul_add(poly(r, &EXP), low)), k)
}

#[inline(always)]
pub(super) fn expm1(x: f32) -> f32 {
    let (k, _, r) = reduce(at_least(at_most(x, 89.0), -25.0));
    let q = expm1_small(r);
    // Half the power, because 2^128 is no f32 while results up to it are.
    let s = power_of_two(k.wrapping_sub(1));
    let y = 2.0 * s.mul_add(q, s - 0.5);
    // Halving a subnormal would lose a bit, and -0 its sign.
    select(x.abs() < 1e-8, x, y)
}

#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    // With t = e^(2|x|) - 1, tanh|x| = t / (t + 2): no cancellation anywhere.
    let (k, _, r) = reduce(at_most(2.0 * x.abs(), 20.0));
    let s = power_of_two(k);
    let t = s.mul_add(expm1_small(r), s - 1.0);
    let d = t + 2.0;
    let q = t / d;
    // What the rounding of the divisor changed, over the divisor: 1 / d = (1 - q) / 2. A large t changes nothing.
    let lost = select(t < 1e6, t - (d - 2.0), 0.0);
    (q * -lost).mul_add(q.mul_add(-0.5, 0.5), q).copysign(x)
}

#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    let e = exp_inside(at_least(-x.abs(), -104.0));
    let d = 1.0 + e;
    let q = select(x >= 0.0, 1.0, e) / d;
    // What the rounding of the divisor changed, over the divisor: 1 / d = 1 - q left of 0, where it matters more.
    let lost = e - (d - 1.0);
    (q * -lost).mul_add(1.0 - q, q)
}

/// k and m with x = m 2^k and m from sqrt(1/2) to sqrt(2), for positive finite x, subnormals included.
#[inline(always)]
fn split(x: f32) -> (f32, f32) {
    const SQRT_HALF: u32 = 0x3f35_04f3;
    let tiny = x < f32::MIN_POSITIVE;
    let bits = select(tiny, x * 8_388_608.0, x).to_bits().wrapping_sub(SQRT_HALF);
    let k = (bits as i32 >> 23) as f32;
    (select(tiny, k - 23.0, k), f32::from_bits((bits & 0x007f_ffff).wrapping_add(SQRT_HALF)))
}

/// Puts the values of a logarithm at 0, below it and at infinity (and NaN) over `y`.
#[inline(always)]
fn log_edges(x: f32, y: f32) -> f32 {
    let y = select(x < f32::INFINITY, y, x);
    select(x > 0.0, y, select(x == 0.0, f32::NEG_INFINITY, f32::NAN))
}

/// k ln 2 + ln(1 + f) + low for 1 + f from sqrt(1/2) to sqrt(2) and a small correction `low`.
#[inline(always)]
fn log_sum(k: f32, f: f32, low: f32) -> f32 {
    let square = f * f;
    let tail = (square * f).mul_add(poly(f, &LOG), k.mul_add(LN2_LOW, low));
    k.mul_add(LN2_HIGH, f + square.mul_add(-0.5, tail))
}

#[inline(always)]
pub(super) fn ln(x: f32) -> f32 {
    let (k, m) = split(x);
    log_edges(x, log_sum(k, m - 1.0, 0.0))
}

#[inline(always)]
pub(super) fn log1p(x: f32) -> f32 {
    let u = 1.0 + x;
    let (k, m) = split(u);
    // What 1 + x lost to rounding, relative to u.
    let lost = select(u > 2.0, 1.0 - (u - x), x - (u - 1.0)) / u;
    let y = log_sum(k, m - 1.0, lost);
    // A zero keeps its sign.
    select(x.abs() < 1e-8, x, log_edges(u, y))
}

/// The exponent of x and the natural logarithm of its mantissa, the latter good to 1e-13.
#[inline(always)]
fn log_double(x: f32) -> (f64, f64) {
    let (k, m) = split(x);
    let m = f64::from(m);
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    (f64::from(k), (s * z).mul_add(poly_double(z, &ATANH), 2.0 * s))
}

#[inline(always)]
pub(super) fn log2(x: f32) -> f32 {
    let (k, ln) = log_double(x);
    log_edges(x, ln.mul_add(std::f64::consts::LOG2_E, k) as f32)
}

#[inline(always)]
pub(super) fn log10(x: f32) -> f32 {
    let (k, ln) = log_double(x);
    log_edges(x, (k.mul_add(LN2, ln) * std::f64::consts::LOG10_E) as f32)
}

/// 2^t in double precision for t from -160 to 130, good to 1e-11.
#[inline(always)]
fn exp2_double(t: f64) -> f64 {
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let shifted = t + ROUND;
    let r = (t - (shifted - ROUND)) * LN2;
    let power = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(1023) << 52;
    (1.0 + (r * r).mul_add(poly_double(r, &EXP_DOUBLE), r)) * f64::from_bits(power)
}

#[inline(always)]
pub(super) fn powf(x: f32, y: f32) -> f32 {
    let size = x.abs();
    let (k, ln) = log_double(size);
    let log = ln.mul_add(std::f64::consts::LOG2_E, k);
    let log = select(size == 0.0, f64::NEG_INFINITY, select(size < f32::INFINITY, log, f64::from(size)));
    let t = f64::from(y) * log;
    let t = select(t > 130.0, 130.0, t);
    let power = exp2_double(select(t < -160.0, -160.0, t)) as f32;
    let whole = y.trunc() == y;
    let half = 0.5 * y;
    // Beyond 2^24 every number is even.
    let odd = whole & (half.trunc() != half) & (y.abs() < 16_777_216.0);
    let negative = x.is_sign_negative();
    let signed = select(negative & odd, -power, power);
    let fractional = (x < 0.0) & (size < f32::INFINITY) & !whole;
    let signed = select(fractional, f32::NAN, signed);
    let one = (y == 0.0) | (x == 1.0) | ((size == 1.0) & (y.abs() == f32::INFINITY));
    select(one, 1.0, signed)
}

/// erf for |x| <= 1.
#[inline(always)]
fn erf_small(x: f32) -> f32 {
    x.mul_add(poly(x * x, &ERF_SMALL), x)
}

#[inline(always)]
pub(super) fn erf(x: f32) -> f32 {
    let a = x.abs();
    let b = at_most(a, 4.0);
    let large = 1.0 - exp_inside(b * poly(b, &ERF_LARGE));
    select(a < 1.0, erf_small(a), large).copysign(x)
}
