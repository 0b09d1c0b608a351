//! Initial weights: which distribution the numbers of a parameter are drawn from.
//!
//! The scale matters more than the shape: each layer should leave the variance of what passes through it about the
//! same, forward and backward. Both directions depend on how many terms a sum has, the *fans*.

mod gain;
mod structured;
mod truncated;

pub use gain::Gain;

use talweg_tensor::{DType, Rng, Shape, Tensor};

/// How the initial numbers of a parameter are drawn.
///
/// `fan_in` and `fan_out` are the numbers of terms that a weight's output and the gradient of its input are summed
/// from: for a weight `[outputs, inputs, kernel..]` they are `inputs` and `outputs`, each times the kernel's size.
///
/// # Examples
/// ```
/// # use talweg_nn::Init;
/// # use talweg_tensor::{DType, Rng};
/// let w = Init::xavier_uniform().draw([3, 5], DType::F32, &mut Rng::seed(1));
/// let bound = (6.0f32 / (3.0 + 5.0)).sqrt();
/// assert!(w.to_vec::<f32>().iter().all(|w| w.abs() <= bound));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// All 0.
    Zeros,
    /// All 1.
    Ones,
    /// All the same number.
    Constant(f64),
    /// Uniform on `[low, high)`.
    Uniform {
        /// The smallest number.
        low: f64,
        /// The end of the interval.
        high: f64,
    },
    /// Normal.
    Normal {
        /// The mean.
        mean: f64,
        /// The standard deviation.
        std: f64,
    },
    /// Uniform on ±gain √(6 / (fan_in + fan_out)): Glorot and Bengio, "Understanding the difficulty of training deep
    /// feedforward neural networks", AISTATS 2010.
    XavierUniform {
        /// The factor for the activation that follows.
        gain: Gain,
    },
    /// Normal with mean 0 and standard deviation gain √(2 / (fan_in + fan_out)): the same paper.
    XavierNormal {
        /// The factor for the activation that follows.
        gain: Gain,
    },
    /// Uniform on ±gain √(3 / fan): He, Zhang, Ren and Sun, "Delving deep into rectifiers", ICCV 2015.
    KaimingUniform {
        /// Which direction keeps its variance.
        fan: Fan,
        /// The factor for the activation that follows.
        gain: Gain,
    },
    /// Normal with mean 0 and standard deviation gain / √fan: the same paper.
    KaimingNormal {
        /// Which direction keeps its variance.
        fan: Fan,
        /// The factor for the activation that follows.
        gain: Gain,
    },
    /// Normal, drawn again until the number lies between two bounds.
    TruncatedNormal {
        /// The mean before the bounds.
        mean: f64,
        /// The standard deviation before the bounds.
        std: f64,
        /// The smallest number.
        low: f64,
        /// The largest number.
        high: f64,
    },
    /// gain times a matrix with orthonormal rows or, if there are more rows than columns, orthonormal columns, uniform
    /// among all such. A weight `[outputs, ..]` is taken as a matrix of its first axis against all others. Saxe,
    /// McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks",
    /// ICLR 2014.
    Orthogonal {
        /// The factor for the activation that follows.
        gain: Gain,
    },
    /// A matrix whose columns have a share of zeros, at random places, and normal numbers with mean 0 elsewhere: Martens,
    /// "Deep learning via Hessian-free optimization", ICML 2010.
    Sparse {
        /// The share of zeros in each column; their number is rounded up.
        sparsity: f64,
        /// The standard deviation of the others.
        std: f64,
    },
    /// The weight of a convolution that hands its input on: 1 in the middle of the kernel from input `i` of each group to
    /// output `i` of the group, as far as there are both, and 0 elsewhere.
    Dirac {
        /// Groups of outputs; 1 for a convolution without groups.
        groups: usize,
    },
    /// The identity matrix: 1 on the diagonal, 0 elsewhere; also for matrices that are not square.
    Identity,
}

/// Which of the two fans scales a weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fan {
    /// `fan_in`: the variance stays the same on the way forward.
    #[default]
    In,
    /// `fan_out`: it stays the same on the way back.
    Out,
}

impl Init {
    /// [`Init::XavierUniform`] with gain 1.
    pub fn xavier_uniform() -> Init {
        Init::XavierUniform { gain: Gain::Linear }
    }

    /// [`Init::XavierNormal`] with gain 1.
    pub fn xavier_normal() -> Init {
        Init::XavierNormal { gain: Gain::Linear }
    }

    /// [`Init::KaimingUniform`] for a rectifier, by `fan_in`.
    pub fn kaiming_uniform() -> Init {
        Init::KaimingUniform { fan: Fan::In, gain: Gain::Relu }
    }

    /// [`Init::KaimingNormal`] for a rectifier, by `fan_in`.
    pub fn kaiming_normal() -> Init {
        Init::KaimingNormal { fan: Fan::In, gain: Gain::Relu }
    }

    /// Uniform on ±√(3 / fan_in): LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998. It is [`Init::KaimingUniform`]
    /// with gain 1, and what self-normalising networks of scaled exponential units start from.
    pub fn lecun_uniform() -> Init {
        Init::KaimingUniform { fan: Fan::In, gain: Gain::Linear }
    }

    /// Normal with mean 0 and standard deviation 1 / √fan_in: the same paper. It is [`Init::KaimingNormal`] with gain 1.
    ///
    /// JAX and Keras truncate this distribution at two deviations; here it is whole.
    pub fn lecun_normal() -> Init {
        Init::KaimingNormal { fan: Fan::In, gain: Gain::Linear }
    }

    /// [`Init::Orthogonal`] with gain 1.
    pub fn orthogonal() -> Init {
        Init::Orthogonal { gain: Gain::Linear }
    }

    /// [`Init::TruncatedNormal`] with mean 0, cut off at two deviations: what transformers for pictures start from.
    ///
    /// The deviation of what is left is 0.88 `std`.
    pub fn truncated_normal(std: f64) -> Init {
        Init::TruncatedNormal { mean: 0.0, std, low: -2.0 * std, high: 2.0 * std }
    }

    /// Uniform on ±1/√fan_in: what linear and convolutional layers start from, bias and weight. The bias has no fan
    /// of its own, so the fan is an argument.
    ///
    /// For a weight it is the same as Kaiming's uniform distribution for a leaky rectifier of slope √5.
    pub fn fan_in_uniform(fan_in: usize) -> Init {
        let bound = per_root(1.0, fan_in);
        Init::Uniform { low: -bound, high: bound }
    }

    /// Draws a tensor.
    ///
    /// # Panics
    /// When `dtype` is not a floating-point type; for Xavier's, Kaiming's and the orthogonal distributions when the shape
    /// has fewer than two axes, so no fans; for the others when it is not of the kind that they are for.
    #[track_caller]
    pub fn draw(&self, shape: impl Into<Shape>, dtype: DType, rng: &mut Rng) -> Tensor {
        let shape = shape.into();
        assert!(dtype.is_float(), "init: parameters are floating-point, not {dtype}; choose F32 or F64");
        let uniform = |bound: f64, rng: &mut Rng| rng.uniform(shape, -bound, bound, dtype);
        match *self {
            Init::Zeros => Tensor::zeros(shape, dtype),
            Init::Ones => Tensor::ones(shape, dtype),
            Init::Constant(x) => Tensor::full(shape, x, dtype),
            Init::Uniform { low, high } => rng.uniform(shape, low, high, dtype),
            Init::Normal { mean, std } => rng.normal(shape, mean, std, dtype),
            Init::XavierUniform { gain } => {
                let (fan_in, fan_out) = fans(&shape);
                uniform(per_root(gain.value() * 6.0f64.sqrt(), fan_in + fan_out), rng)
            }
            Init::XavierNormal { gain } => {
                let (fan_in, fan_out) = fans(&shape);
                let std = per_root(gain.value() * 2.0f64.sqrt(), fan_in + fan_out);
                rng.normal(shape, 0.0, std, dtype)
            }
            Init::KaimingUniform { fan, gain } => {
                uniform(per_root(gain.value() * 3.0f64.sqrt(), fan.of(&shape)), rng)
            }
            Init::KaimingNormal { fan, gain } => {
                rng.normal(shape, 0.0, per_root(gain.value(), fan.of(&shape)), dtype)
            }
            Init::TruncatedNormal { mean, std, low, high } => {
                truncated::normal(shape, [mean, std], [low, high], rng).cast(dtype).clamp(low, high)
            }
            Init::Orthogonal { gain } => structured::orthogonal(shape, gain.value(), rng).cast(dtype),
            Init::Sparse { sparsity, std } => structured::sparse(shape, sparsity, std, dtype, rng),
            Init::Dirac { groups } => structured::dirac(shape, groups, dtype),
            Init::Identity => structured::identity(shape, dtype),
        }
    }
}

impl Fan {
    #[track_caller]
    fn of(self, shape: &Shape) -> usize {
        let (fan_in, fan_out) = fans(shape);
        match self {
            Fan::In => fan_in,
            Fan::Out => fan_out,
        }
    }
}

/// `fan_in` and `fan_out` of a weight `[outputs, inputs, kernel..]`.
///
/// # Panics
/// When the shape has fewer than two axes.
///
/// # Examples
/// ```
/// # use talweg_nn::fans;
/// # use talweg_tensor::Shape;
/// assert_eq!(fans(&Shape::from([128, 784])), (784, 128));
/// assert_eq!(fans(&Shape::from([64, 32, 3, 3])), (288, 576));
/// ```
#[track_caller]
pub fn fans(shape: &Shape) -> (usize, usize) {
    assert!(
        shape.rank() >= 2,
        "init: the shape {shape} has no fans, which need at least 2 axes, [outputs, inputs, kernel..]; use Uniform \
         or Normal"
    );
    let kernel: usize = shape.iter().skip(2).product();
    (shape.size(1) * kernel, shape.size(0) * kernel)
}

/// `x / √n`, and 0 for the empty tensors that have no terms.
fn per_root(x: f64, n: usize) -> f64 {
    if n == 0 { 0.0 } else { x / (n as f64).sqrt() }
}
