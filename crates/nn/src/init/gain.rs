//! How much weights grow for the activation behind them.

/// The factor by which weights grow to make up for what an activation takes away.
///
/// | activation | factor | from |
/// | --- | --- | --- |
/// | none, a convolution, a linear layer | 1 | |
/// | `sigmoid` | 1 | PyTorch's table |
/// | `tanh` | 5/3 | PyTorch's table; LeCun, Bottou, Orr and Müller (1998) scale tanh so that its variance is 1 there |
/// | `relu` | √2 | He, Zhang, Ren and Sun (2015), equation 10: half of the variance passes |
/// | `leaky_relu` of slope `a` | √(2 / (1 + a²)) | the same paper, equation 15 |
/// | `selu` | 3/4 | PyTorch's table; with 1 the units normalise themselves (Klambauer and others, 2017) |
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Gain {
    /// No activation, or one that takes nothing away: 1.
    #[default]
    Linear,
    /// The logistic function: 1.
    Sigmoid,
    /// The hyperbolic tangent: 5/3.
    Tanh,
    /// The rectifier, which takes half of the variance: √2.
    Relu,
    /// The rectifier with this slope `a` for negative numbers: √(2 / (1 + a²)).
    LeakyRelu(f64),
    /// The scaled exponential unit: 3/4.
    Selu,
    /// Another factor.
    Factor(f64),
}

impl Gain {
    /// The factor for the activation of a name, as in PyTorch: `linear`, `conv1d` to `conv3d`, `sigmoid`, `tanh`, `relu`,
    /// `leaky_relu` (with slope 0.01) or `selu`; `None` for any other.
    ///
    /// # Examples
    /// ```
    /// # use talweg_nn::Gain;
    /// assert_eq!(Gain::of("relu").unwrap().value(), 2f64.sqrt());
    /// assert_eq!(Gain::of("leaky_relu"), Some(Gain::LeakyRelu(0.01)));
    /// assert_eq!(Gain::of("cube"), None);
    /// ```
    pub fn of(activation: &str) -> Option<Gain> {
        match activation {
            "linear" | "conv1d" | "conv2d" | "conv3d" => Some(Gain::Linear),
            "sigmoid" => Some(Gain::Sigmoid),
            "tanh" => Some(Gain::Tanh),
            "relu" => Some(Gain::Relu),
            "leaky_relu" => Some(Gain::LeakyRelu(0.01)),
            "selu" => Some(Gain::Selu),
            _ => None,
        }
    }

    /// The factor as a number.
    ///
    /// # Examples
    /// ```
    /// # use talweg_nn::Gain;
    /// assert_eq!(Gain::Tanh.value(), 5.0 / 3.0);
    /// assert_eq!(Gain::LeakyRelu(0.0), Gain::LeakyRelu(0.0));
    /// assert_eq!(Gain::LeakyRelu(1.0).value(), Gain::Linear.value());
    /// ```
    pub fn value(self) -> f64 {
        match self {
            Gain::Linear | Gain::Sigmoid => 1.0,
            Gain::Tanh => 5.0 / 3.0,
            Gain::Relu => 2.0f64.sqrt(),
            Gain::LeakyRelu(a) => (2.0 / (1.0 + a * a)).sqrt(),
            Gain::Selu => 0.75,
            Gain::Factor(gain) => gain,
        }
    }
}
