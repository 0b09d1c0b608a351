//! The functions of one `f32` that rest on the tail of the normal distribution: erfc, the distribution function, and
//! GELU. As in [`single`](super::single), there are no branches, and steps are fused multiply-adds.
//!
//! A tail falls like a bell, e^(-h z^2), times a function g(z) that changes slowly. The bell is made as 2^k (1 + q) and
//! g as a polynomial in t = 1/(1 + c z), and what each step loses to rounding is carried along, so that in effect only
//! the last product is rounded.

use super::single::{expm1_small, poly, reduce, scale, select};

/// The tail g(z) e^(-half z^2) with g(z) = t P(t).
struct Tail {
    half: f32,
    /// c in t = 1/(1 + c z).
    rate: f32,
    /// P.
    series: [f32; 9],
    /// By how much g changes, relatively, with a relative change of t: this and t times that.
    slope: [f32; 2],
}

/// Φ(-z) for z from 0.65 to 14.4; relative 1.1e-8.
const NORMAL: Tail = Tail {
    half: 0.5,
    rate: 0.35,
    series: [
        0.139_619_41,
        0.139_897_38,
        0.119_585_52,
        0.106_357_93,
        -0.024_525_365,
        0.159_792_07,
        -0.254_326_5,
        0.141_945_24,
        -0.028_339_928,
    ],
    slope: [0.941, 1.459],
};
/// Φ(-z) e^(z^2/2) / t with the same t, for z from 0 to 14.4; relative 3.2e-8.
const NORMAL_WHOLE: [f32; 9] = [
    0.139_621_32,
    0.139_863_27,
    0.119_823_08,
    0.105_545_59,
    -0.023_196_41,
    0.159_297_05,
    -0.255_819_6,
    0.144_021_69,
    -0.029_156_022,
];
/// erfc(z) for z from 0.46 to 10.2; relative 9.3e-9.
const ERFC: Tail = Tail {
    half: 1.0,
    rate: 0.5,
    series: [
        0.282_076_03,
        0.282_585_08,
        0.241_361_38,
        0.210_468_28,
        -0.047_083_933,
        0.310_530_7,
        -0.517_577_77,
        0.299_884_44,
        -0.062_237_598,
    ],
    slope: [0.947, 1.435],
};
/// (Φ(x) - 1/2) / x as a polynomial in x^2 for |x| <= 0.7; 1.0e-11.
const NORMAL_MIDDLE: [f32; 6] =
    [0.398_942_3, -0.066_490_38, 0.009_973_543, -0.001_187_202_6, 1.149_352_6e-4, -8.520_301e-6];
/// erf(x) / x as a polynomial in x^2 for |x| <= 0.52; 1.8e-11.
const ERF_MIDDLE: [f32; 6] = [
    std::f32::consts::FRAC_2_SQRT_PI,
    -0.376_126_38,
    0.112_837_68,
    -0.026_862_385,
    0.005_196_662_6,
    -7.630_326e-4,
];
/// 1/sqrt(2 pi).
const DENSITY: f32 = 0.398_942_3;

impl Tail {
    /// The tail for a z in the range of the series.
    #[inline(always)]
    fn at(&self, z: f32) -> f32 {
        let d = z.mul_add(self.rate, 1.0);
        let t = 1.0 / d;
        // The relative error of t, from rounding d and from the division.
        let error = (-z.mul_add(self.rate, 1.0 - d)).mul_add(t, (-d).mul_add(t, 1.0));
        let [first, rest @ ..] = &self.series;
        let rest = poly(t, rest);
        let p = rest.mul_add(t, *first);
        let g = t * p;
        // What p and g lost to rounding, and what t did to g.
        let lost = t.mul_add(rest.mul_add(t, first - p), t.mul_add(p, -g));
        let low = g.mul_add(self.slope[1].mul_add(t, self.slope[0]) * error, lost);
        let (k, q) = self.bell(z);
        scale(g + g.mul_add(q, low.mul_add(q, low)), k)
    }

    /// k and q with e^(-half z^2) = 2^k (1 + q). What z^2 loses to rounding is added back after the reduction.
    #[inline(always)]
    fn bell(&self, z: f32) -> (i32, f32) {
        let square = z * z;
        let lost = z.mul_add(z, -square);
        let (k, _, r) = reduce(-self.half * square);
        (k, expm1_small(lost.mul_add(-self.half, r)))
    }
}

#[inline(always)]
pub(super) fn erfc(x: f32) -> f32 {
    let a = x.abs();
    let tail = ERFC.at(select(a > 10.15, 10.15, a));
    let middle = (-x).mul_add(poly(x * x, &ERF_MIDDLE), 1.0);
    select(a < 0.47, middle, select(x < 0.0, 2.0 - tail, tail))
}

#[inline(always)]
pub(super) fn normal_cdf(x: f32) -> f32 {
    let a = x.abs();
    let tail = NORMAL.at(select(a > 14.4, 14.4, a));
    let middle = x.mul_add(poly(x * x, &NORMAL_MIDDLE), 0.5);
    select(a < 0.66, middle, select(x > 0.0, 1.0 - tail, tail))
}

#[inline(always)]
pub(super) fn gelu(x: f32) -> f32 {
    // Far out the distribution function is 0, and 0 times infinity is nothing.
    select(x < -14.4, -0.0, x * normal_cdf(x))
}

#[inline(always)]
pub(super) fn gelu_slope(x: f32) -> f32 {
    // Only the absolute error matters, because the slope has a zero: nothing needs to be carried along, and one series
    // serves from 0 on.
    let a = x.abs();
    let z = select(a > 14.4, 14.4, a);
    let (k, q) = NORMAL.bell(z);
    let bell = scale(1.0 + q, k);
    let t = 1.0 / z.mul_add(NORMAL.rate, 1.0);
    let tail = t * poly(t, &NORMAL_WHOLE) * bell;
    let slope = (x * DENSITY).mul_add(bell, select(x > 0.0, 1.0 - tail, tail));
    select(a > 14.4, select(x > 0.0, 1.0, 0.0), slope)
}
