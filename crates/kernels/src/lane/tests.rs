use super::Lane;

/// The distance of `got` from `want` in units in the last place of an `f32` of that size.
fn ulps(got: f32, want: f64) -> f64 {
    if want.is_nan() || got.is_nan() {
        return if want.is_nan() && got.is_nan() { 0.0 } else { f64::INFINITY };
    }
    // The rounded value of a number beyond this is infinite.
    let limit = f64::from(f32::MAX) * (1.0 + 2f64.powi(-25));
    if want.abs() >= limit || got.is_infinite() {
        let rounded = want as f32;
        return if rounded == got { 0.0 } else { f64::INFINITY };
    }
    let exponent = if want == 0.0 { -126 } else { (want.abs().log2().floor() as i32).max(-126) };
    (f64::from(got) - want).abs() / 2f64.powi(exponent - 23)
}

/// Every `step`-th bit pattern of both signs, and the special values.
fn sweep(step: usize) -> impl Iterator<Item = f32> {
    let special = [0.0, -0.0, 1.0, -1.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX, f32::MIN];
    let tiny = [f32::MIN_POSITIVE, -f32::MIN_POSITIVE, f32::from_bits(1), -f32::from_bits(1)];
    (0..=u32::MAX).step_by(step).map(f32::from_bits).chain(special).chain(tiny)
}

#[track_caller]
fn check(name: &str, limit: f64, f: impl Fn(Lane<f32>) -> Lane<f32>, reference: impl Fn(f64) -> f64) {
    let (mut worst, mut at) = (0.0, 0.0);
    for x in sweep(1999) {
        let error = ulps(f(Lane(x)).0, reference(f64::from(x)));
        if error > worst {
            (worst, at) = (error, x);
        }
    }
    println!("{name}: {worst:.3} ulp at {at:e}");
    assert!(worst <= limit, "{name}: {worst} ulp at {at:e}, allowed {limit}: {:e}", f(Lane(at)).0);
}

#[test]
fn exponentials_are_accurate() {
    check("exp", 1.0, Lane::<f32>::exp, f64::exp);
    check("exp2", 0.9, Lane::<f32>::exp2, f64::exp2);
    check("expm1", 1.6, Lane::<f32>::expm1, f64::exp_m1);
    check("tanh", 1.9, Lane::<f32>::tanh, f64::tanh);
    check("sigmoid", 1.9, Lane::<f32>::sigmoid, |x| {
        if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
    });
}

#[test]
fn logarithms_are_accurate() {
    check("ln", 0.9, Lane::<f32>::ln, f64::ln);
    check("log1p", 0.9, Lane::<f32>::log1p, f64::ln_1p);
    check("log2", 0.51, Lane::<f32>::log2, f64::log2);
    check("log10", 0.51, Lane::<f32>::log10, f64::log10);
}

#[test]
fn circular_functions_are_accurate_for_all_arguments() {
    check("sin", 0.51, Lane::<f32>::sin, f64::sin);
    check("cos", 0.51, Lane::<f32>::cos, f64::cos);
    check("tan", 0.51, Lane::<f32>::tan, f64::tan);
}

#[test]
fn error_functions_are_accurate() {
    let erf = |x: f64| Lane(x).erf().0;
    let erfc = |x: f64| Lane(x).erfc().0;
    check("erf", 1.1, Lane::<f32>::erf, erf);
    check("erfc", 2.0, Lane::<f32>::erfc, erfc);
    check("normal_cdf", 2.2, Lane::<f32>::normal_cdf, |x| Lane(x).normal_cdf().0);
}

#[test]
fn gelu_is_accurate() {
    let gelu = |x: f64| Lane(x).gelu().0;
    let only =
        |low: f32, high: f32| move |x: Lane<f32>| if x.0 > low && x.0 < high { x.gelu() } else { Lane(0.0) };
    let want = |low: f64, high: f64| move |x: f64| if x > low && x < high { gelu(x) } else { 0.0 };
    check("gelu", 1.9, only(-0.66, f32::INFINITY), want(f64::from(-0.66f32), f64::INFINITY));
    check("gelu, left tail", 2.9, only(-12.9, -0.6), want(f64::from(-12.9f32), f64::from(-0.6f32)));
    for x in sweep(1999) {
        let (got, want) = (Lane(x).gelu_slope().0, Lane(f64::from(x)).gelu_slope().0);
        let fine = (f64::from(got) - want).abs() < 2.1e-7 || (got.is_nan() && want.is_nan());
        assert!(fine, "gelu_slope({x}) is {got}, not {want}");
    }
    for x in [-40.0, -14.5, f32::NEG_INFINITY] {
        assert_eq!((Lane(x).gelu().0, Lane(x).gelu_slope().0), (0.0, 0.0));
    }
    assert_eq!((Lane(f32::INFINITY).gelu().0, Lane(f32::INFINITY).gelu_slope().0), (f32::INFINITY, 1.0));
    assert!(Lane(f32::NAN).gelu().0.is_nan() && Lane(f32::NAN).gelu_slope().0.is_nan());
    // Central differences of a step whose error and rounding are both about 1e-10.
    for i in -60..60 {
        let x = f64::from(i) / 10.0;
        let difference = (gelu(x + 1e-5) - gelu(x - 1e-5)) / 2e-5;
        assert!((Lane(x).gelu_slope().0 - difference).abs() < 1e-9, "gelu_slope({x})");
    }
}

#[test]
fn powers_are_accurate() {
    let exponents =
        [-2.5, -1.0, -0.5, 0.0, 0.1, 0.5, 1.0, 2.0, 3.0, 7.3, 1e9, f32::INFINITY, f32::NEG_INFINITY];
    for y in exponents {
        check(&format!("powf({y})"), 0.51, |x| x.powf(y), |x| x.powf(f64::from(y)));
    }
    for x in [0.0, -0.0, 0.3, -0.3, 1.0, -1.0, 2.0, -2.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
        check(&format!("{x} powf"), 0.51, |y| Lane(x).powf(y), |y| f64::from(x).powf(y));
    }
}

/// erf by its Maclaurin series 2/sqrt(pi) e^(-x^2) sum of 2^n x^(2n+1) / (2n+1)!!, whose terms are all positive.
fn erf_series(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..400 {
        term *= 2.0 * x * x / (2 * n + 1) as f64;
        sum += term;
    }
    sum * (-x * x).exp() * std::f64::consts::FRAC_2_SQRT_PI
}

/// erfc for large x by its continued fraction e^(-x^2)/sqrt(pi) / (x + (1/2)/(x + 1/(x + (3/2)/(x + ...)))).
fn erfc_fraction(x: f64) -> f64 {
    let tail = (1..500).rev().fold(x, |below, k| x + 0.5 * f64::from(k) / below);
    (-x * x).exp() * std::f64::consts::FRAC_2_SQRT_PI * 0.5 / tail
}

#[test]
fn double_error_functions_agree_with_series_and_continued_fraction() {
    for i in -1200..=1200 {
        let x = f64::from(i) / 200.0;
        let want = erf_series(x);
        // The exponential of the reference carries the rounding error of its argument x^2.
        let slack = 6e-16 * (1.0 + x * x);
        assert!((Lane(x).erf().0 - want).abs() <= slack * want.abs(), "erf({x})");
        let want = 0.5 + 0.5 * erf_series(x / 2f64.sqrt());
        assert!((Lane(x).normal_cdf().0 - want).abs() <= slack, "normal_cdf({x})");
        if x >= 1.0 {
            let want = erfc_fraction(x);
            assert!(
                (Lane(x).erfc().0 - want).abs() <= 1e-14 * want,
                "erfc({x}): {} {want}",
                Lane(x).erfc().0
            );
        } else {
            assert!((Lane(x).erfc().0 - (1.0 - erf_series(x))).abs() <= slack, "erfc({x})");
        }
    }
    assert!((Lane(-20.0f64).normal_cdf().0 / 2.753_624_118_606_233_7e-89 - 1.0).abs() < 1e-14);
    for (x, erf, erfc) in [(f64::INFINITY, 1.0, 0.0), (f64::NEG_INFINITY, -1.0, 2.0)] {
        assert_eq!(
            (Lane(x).erf().0, Lane(x).erfc().0, Lane(x).normal_cdf().0),
            (erf, erfc, 1.0 - 0.5 * erfc)
        );
    }
    assert!(Lane(f64::NAN).erf().0.is_nan() && Lane(f64::NAN).erfc().0.is_nan());
}

#[test]
fn special_values_follow_pytorch() {
    let nan = f32::NAN;
    assert_eq!(
        (Lane(-0.0f32).signum().0, Lane(-3.0f32).signum().0, Lane(2.0f32).signum().0),
        (0.0, -1.0, 1.0)
    );
    assert!(Lane(nan).signum().is_nan());
    assert!(Lane(nan).max(1.0).is_nan() && Lane(1.0f32).max(nan).is_nan());
    assert!(Lane(nan).min(1.0).is_nan() && Lane(1.0f32).min(nan).is_nan());
    assert!(Lane(nan).clamp(0.0, 1.0).is_nan());
    assert_eq!(Lane(5.0f32).clamp(0.0, 1.0).0, 1.0);
    assert_eq!(Lane(2.5f32).round().0, 2.0);
    assert_eq!(Lane(-2.5f64).round().0, -2.0);
    assert_eq!(Lane(-0.0f32).tanh().0.to_bits(), (-0.0f32).to_bits());
    assert_eq!(Lane(-0.0f32).expm1().0.to_bits(), (-0.0f32).to_bits());
    assert_eq!(Lane(-0.0f32).sin().0.to_bits(), (-0.0f32).to_bits());
    assert_eq!((Lane(1.5f32).powi(3).0, Lane(2.0f32).powi(-2).0, Lane(0.0f32).powi(0).0), (3.375, 0.25, 1.0));
    assert_eq!(Lane(4.0f64).rsqrt().0, 0.5);
}

#[test]
fn literals_infer_for_both_types() {
    fn single(y: Lane<f32>) -> Lane<f32> {
        Lane::<f32>::select(y > 0.0, 1.0 - y * y, 2.0 * y.max(-1.0) / 3.0)
    }
    fn double(y: Lane<f64>) -> Lane<f64> {
        Lane::<f64>::select(y > 0.0, 1.0 - y * y, 2.0 * y.max(-1.0) / 3.0)
    }
    assert_eq!((single(Lane(0.5)).0, double(Lane(0.5)).0), (0.75, 0.75));
    assert_eq!((single(Lane(-6.0)).0, double(Lane(-1.5)).0), (-2.0 / 3.0, -2.0 / 3.0));
}
