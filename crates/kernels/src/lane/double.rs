//! The functions of one `f64` that the standard library lacks. These may branch: nothing here is meant for vectors.

/// erf(x)/x - 1 as a polynomial in x^2 for x^2 <= 1; 7.1e-18.
const ERF_SMALL: [f64; 12] = [
    0.12837916709551256,
    -0.3761263890318355,
    0.11283791670945253,
    -0.02686617064327622,
    0.005223977607423468,
    -0.0008548325989696758,
    0.00012055295320494294,
    -1.4924744663335489e-05,
    1.6447517677871873e-06,
    -1.6209175911748696e-07,
    1.3722976265924504e-08,
    -7.801188874097751e-10,
];
/// e^(z^2) erfc(z) (1 + 2z) as a polynomial in (z - 4)/(z + 4) for z from 0.5 to 28; relative 2.8e-17.
const ERFCX: [f64; 21] = [
    1.2329951186255526,
    -0.13962111684056164,
    0.015379652102614045,
    0.0680970542545836,
    -0.10103906603594517,
    0.09373283500242142,
    -0.06633036582096585,
    0.03716751546764246,
    -0.016197733949702392,
    0.005031970638160351,
    -0.0007577740577132335,
    -0.0001992604584672756,
    0.00015062503367756425,
    -2.4385698955106132e-05,
    -1.1231256539207545e-05,
    5.6788483089970265e-06,
    3.0965830792309125e-07,
    -7.815392537009651e-07,
    5.839158713371849e-08,
    7.403304974128084e-08,
    -9.095708680367785e-09,
];

/// Horner's scheme, the constant coefficient first, without fused steps: those are library calls here.
#[inline(always)]
fn poly<const N: usize>(x: f64, c: &[f64; N]) -> f64 {
    c.iter().rev().fold(0.0, |y, &c| y * x + c)
}

#[inline(always)]
pub(super) fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    (if x >= 0.0 { 1.0 } else { e }) / (1.0 + e)
}

/// erf for |x| <= 1.
#[inline(always)]
fn erf_small(x: f64) -> f64 {
    x + x * poly(x * x, &ERF_SMALL)
}

/// e^(z^2) erfc(z) for z from 0.5 to 28.
#[inline(always)]
fn erfcx(z: f64) -> f64 {
    poly((z - 4.0) / (z + 4.0), &ERFCX) / (1.0 + 2.0 * z)
}

/// e^(-z^2 * half) with a relative error that does not grow with z: z is cut in two so that the square is exact.
#[inline(always)]
fn bell(z: f64, half: f64) -> f64 {
    let high = f64::from_bits(z.to_bits() & 0xffff_ffff_f800_0000);
    let low = (z - high) * (z + high);
    (-half * (high * high)).exp() * (-half * low).exp()
}

#[inline(always)]
pub(super) fn erf(x: f64) -> f64 {
    if x.abs() <= 1.0 || x.is_nan() {
        return erf_small(x);
    }
    let z = x.abs().min(28.0);
    (1.0 - bell(z, 1.0) * erfcx(z)).copysign(x)
}

#[inline(always)]
pub(super) fn erfc(x: f64) -> f64 {
    if x.abs() <= 0.5 || x.is_nan() {
        return 1.0 - erf_small(x);
    }
    let z = x.abs().min(28.0);
    let y = bell(z, 1.0) * erfcx(z);
    if x < 0.0 { 2.0 - y } else { y }
}

#[inline(always)]
pub(super) fn normal_cdf(x: f64) -> f64 {
    let z = x * std::f64::consts::FRAC_1_SQRT_2;
    if z.abs() <= 0.5 || x.is_nan() {
        return 0.5 + 0.5 * erf_small(z);
    }
    let y = 0.5 * bell(x.abs().min(39.0), 0.5) * erfcx(z.abs().min(28.0));
    if x < 0.0 { y } else { 1.0 - y }
}

#[inline(always)]
pub(super) fn gelu(x: f64) -> f64 {
    // Far out the distribution function is 0, and 0 times infinity is nothing.
    if x < -39.0 { -0.0 } else { x * normal_cdf(x) }
}

#[inline(always)]
pub(super) fn gelu_slope(x: f64) -> f64 {
    const DENSITY: f64 = 0.3989422804014327;
    if x.abs() > 39.0 {
        return if x > 0.0 { 1.0 } else { 0.0 };
    }
    normal_cdf(x) + x * DENSITY * (-0.5 * x * x).exp()
}
