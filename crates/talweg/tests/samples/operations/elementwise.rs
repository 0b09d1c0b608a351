//! Functions of each element, comparisons, choices, casts.

use talweg::tensor::{DType, NanToNumOptions, Tensor};

use crate::call::{Call, Made, Outcome, Row, one};

macro_rules! unary {
    ($($name:literal $method:ident)*) => { &[$(($name, |c| one(c.x()?.$method()))),*] };
}

macro_rules! binary {
    ($($name:literal $method:ident)*) => {
        &[$(($name, |c| {
            let (a, b) = pair(c)?;
            one(a.$method(&b))
        })),*]
    };
}

/// Two operands, numbers as tensors of the run's type.
fn pair(c: &Call<'_>) -> Made<(Tensor, Tensor)> {
    Ok((c.operand(0, "input")?, c.operand(1, "other")?))
}

fn arithmetic(c: &Call<'_>, f: fn(&Tensor, &Tensor) -> Tensor) -> Outcome {
    let (a, b) = pair(c)?;
    match c.number(2, "alpha")? {
        None => one(f(&a, &b)),
        Some(alpha) => one(f(&a, &(b * alpha))),
    }
}

fn to(c: &Call<'_>, dtype: DType) -> Outcome {
    c.without_meaning(&["memory_format"]);
    one(c.x()?.cast(dtype))
}

const UNARY: &[Row] = unary! {
    "neg" neg "abs" abs "sign" sign "sgn" sign "exp" exp "log" ln "log1p" log1p "sqrt" sqrt "rsqrt" rsqrt
    "reciprocal" recip "square" square "sin" sin "cos" cos "tanh" tanh "erf" erf "erfc" erfc "sigmoid" sigmoid
    "floor" floor "round" round "nn.functional.logsigmoid" log_sigmoid "logical_not" logical_not
    "exp2" exp2 "expm1" expm1 "log2" log2 "log10" log10 "tan" tan "asin" asin "acos" acos "atan" atan "sinh" sinh
    "cosh" cosh "asinh" asinh "acosh" acosh "atanh" atanh "erfinv" erfinv "lgamma" lgamma "digamma" digamma "ceil" ceil
    "trunc" trunc "frac" frac "isnan" is_nan "isinf" is_inf "isfinite" is_finite
    "nn.functional.softsign" softsign "nn.functional.tanhshrink" tanhshrink
};

/// Activations that PyTorch can also compute in place.
const ACTIVATIONS: &[Row] = &[
    ("nn.functional.silu", |c| in_place(c, Tensor::silu)),
    ("nn.functional.mish", |c| in_place(c, Tensor::mish)),
    ("nn.functional.selu", |c| in_place(c, Tensor::selu)),
    ("nn.functional.relu6", |c| in_place(c, Tensor::relu6)),
    ("nn.functional.hardsigmoid", |c| in_place(c, Tensor::hardsigmoid)),
    ("nn.functional.hardswish", |c| in_place(c, Tensor::hardswish)),
    ("nn.functional.relu", |c| in_place(c, Tensor::relu)),
    ("nn.functional.leaky_relu", |c| {
        let slope = c.number(1, "negative_slope")?.unwrap_or(0.01);
        one(c.x()?.leaky_relu(slope))
    }),
    ("nn.functional.elu", |c| {
        let alpha = c.number(1, "alpha")?.unwrap_or(1.0);
        one(c.x()?.elu(alpha))
    }),
    ("nn.functional.celu", |c| {
        let alpha = c.number(1, "alpha")?.unwrap_or(1.0);
        one(c.x()?.celu(alpha))
    }),
    ("nn.functional.hardtanh", |c| {
        let (low, high) = (c.number(1, "min_val")?.unwrap_or(-1.0), c.number(2, "max_val")?.unwrap_or(1.0));
        one(c.x()?.hardtanh(low, high))
    }),
    ("nn.functional.softshrink", |c| one(c.x()?.softshrink(c.number(1, "lambd")?.unwrap_or(0.5)))),
    ("nn.functional.hardshrink", |c| one(c.x()?.hardshrink(c.number(1, "lambd")?.unwrap_or(0.5)))),
    ("nn.functional.softplus", |c| {
        let (beta, threshold) =
            (c.number(1, "beta")?.unwrap_or(1.0), c.number(2, "threshold")?.unwrap_or(20.0));
        if threshold != 20.0 {
            return Err("a softplus with a threshold of its own, beyond which it is another function".into());
        }
        one((c.x()? * beta).softplus() / beta)
    }),
    ("nn.functional.prelu", |c| one(c.x()?.prelu(&c.needed(1, "weight")?))),
];

fn in_place(c: &Call<'_>, f: fn(&Tensor) -> Tensor) -> Outcome {
    c.without_meaning(&["inplace"]);
    one(f(&c.x()?))
}

const BINARY: &[Row] = binary! {
    "mul" mul "true_divide" div "div/no_rounding_mode" div "maximum" maximum "minimum" minimum "max/binary" maximum
    "min/binary" minimum "pow" pow "float_power" pow "__radd__" add "__rmul__" mul
    "eq" eq "ne" ne "lt" lt "le" le "gt" gt "ge" ge "logical_and" logical_and "logical_or" logical_or
    "logical_xor" logical_xor "remainder" rem "fmod" fmod "atan2" atan2 "hypot" hypot
};

const OTHER: &[Row] = &[
    ("add", |c| arithmetic(c, |a, b| a + b)),
    ("sub", |c| arithmetic(c, |a, b| a - b)),
    ("rsub", |c| {
        let ((a, b), alpha) = (pair(c)?, c.number(2, "alpha")?.unwrap_or(1.0));
        one(if alpha == 1.0 { b - a } else { b - a * alpha })
    }),
    ("__rsub__", |c| arithmetic(c, |a, b| b - a)),
    ("__rdiv__", |c| arithmetic(c, |a, b| b / a)),
    ("__rpow__", |c| arithmetic(c, |a, b| b.pow(a))),
    ("__rmod__", |c| arithmetic(c, |a, b| b.rem(a))),
    ("floor_divide", |c| arithmetic(c, |a, b| (a / b).floor())),
    ("div/floor_rounding", |c| {
        c.without_meaning(&["rounding_mode"]);
        arithmetic(c, |a, b| (a / b).floor())
    }),
    ("div/trunc_rounding", |c| {
        c.without_meaning(&["rounding_mode"]);
        arithmetic(c, |a, b| (a / b).trunc())
    }),
    ("clamp", |c| {
        let x = c.x()?;
        let bound = |position: usize, name: &str, none: f64| match c.argument(position, name) {
            None => Ok(Tensor::full([], none, x.dtype())),
            Some(_) => c.operand(position, name),
        };
        let (low, high) = (bound(1, "min", f64::NEG_INFINITY)?, bound(2, "max", f64::INFINITY)?);
        one(x.clamp_tensor(&low, &high))
    }),
    ("clamp_min", |c| one(c.x()?.maximum(&c.operand(1, "min")?))),
    ("clamp_max", |c| one(c.x()?.minimum(&c.operand(1, "max")?))),
    ("nan_to_num", |c| {
        let nan = c.number(1, "nan")?.unwrap_or(0.0);
        let options = NanToNumOptions { nan, posinf: c.number(2, "posinf")?, neginf: c.number(3, "neginf")? };
        one(c.x()?.nan_to_num(options))
    }),
    ("lerp", |c| one(c.x()?.lerp(&c.needed(1, "end")?, &c.operand(2, "weight")?))),
    ("addcmul", |c| {
        let scale = c.number(99, "value")?.unwrap_or(1.0);
        one(c.x()?.addcmul(&c.needed(1, "tensor1")?, &c.needed(2, "tensor2")?, scale))
    }),
    ("addcdiv", |c| {
        let scale = c.number(99, "value")?.unwrap_or(1.0);
        one(c.x()?.addcdiv(&c.needed(1, "tensor1")?, &c.needed(2, "tensor2")?, scale))
    }),
    ("positive", |c| one(c.x()?)),
    ("deg2rad", |c| one(c.x()? * (std::f64::consts::PI / 180.0))),
    ("rad2deg", |c| one(c.x()? * (180.0 / std::f64::consts::PI))),
    ("where", |c| {
        let condition = c.needed(1, "condition")?;
        one(condition.select(&c.operand(0, "input")?, &c.operand(2, "other")?))
    }),
    ("nn.functional.gelu", |c| match c.text(1, "approximate", "none")?.as_str() {
        "tanh" => one(c.x()?.gelu_tanh()),
        _ => one(c.x()?.gelu()),
    }),
    ("float", |c| to(c, DType::F32)),
    ("double", |c| to(c, DType::F64)),
    ("long", |c| to(c, DType::I64)),
    ("bool", |c| to(c, DType::Bool)),
    ("byte", |c| to(c, DType::U8)),
    ("half", |c| to(c, DType::F16)),
    ("bfloat16", |c| to(c, DType::Bf16)),
];

/// The lines of this file.
pub(crate) const TABLES: &[&[Row]] = &[UNARY, ACTIVATIONS, BINARY, OTHER];
