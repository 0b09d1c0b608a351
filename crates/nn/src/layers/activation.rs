//! Activations: functions of each element, without parameters.

use talweg_tensor::Tensor;

use crate::Module;
use crate::layers::Layer;
use crate::mode::Mode;

/// One struct a function; the function itself, its slope and its cases stand in the tensor crate.
macro_rules! activations {
    ($(
        $(#[$doc:meta])*
        $name:ident($x:ident) = $y:expr,
        source $source:literal,
        example $from:literal => $to:literal;
    )*) => {$(
        $(#[$doc])*
        ///
        /// # Arguments
        /// None.
        ///
        /// # Shapes
        /// Any to the same.
        ///
        /// # Parameters
        /// None.
        ///
        /// # Source
        #[doc = $source]
        ///
        /// # Examples
        /// ```
        #[doc = concat!("# use talweg_nn::{", stringify!($name), ", Layer, Mode};")]
        /// # use talweg_tensor::Tensor;
        #[doc = concat!("let y = ", stringify!($name), ".forward(&Tensor::scalar(", stringify!($from), "_f64), &mut Mode::Eval);")]
        #[doc = concat!("assert!((y.item() - ", stringify!($to), ").abs() < 1e-6);")]
        /// ```
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Module)]
        pub struct $name;

        impl Layer for $name {
            fn forward(&self, $x: &Tensor, _: &mut Mode<'_>) -> Tensor {
                $y
            }
        }
    )*};
}

activations! {
    /// The rectifier, `y = max(x, 0)`.
    Relu(x) = x.relu(),
        source "Nair and Hinton, \"Rectified linear units improve restricted Boltzmann machines\", ICML 2010.",
        example -1.5 => 0.0;
    /// The logistic function, `y = 1 / (1 + e^-x)`.
    Sigmoid(x) = x.sigmoid(),
        source "Rumelhart, Hinton and Williams, \"Learning representations by back-propagating errors\", Nature 323, 1986.",
        example 0.5 => 0.622459331202;
    /// The hyperbolic tangent, `y = tanh x`.
    Tanh(x) = x.tanh(),
        source "LeCun, Bottou, Orr and Müller, \"Efficient BackProp\", 1998, section 4.4.",
        example 0.5 => 0.462117157260;
    /// The Gaussian error linear unit, `y = x Φ(x)` with the normal distribution function `Φ`, in its exact form.
    Gelu(x) = x.gelu(),
        source "Hendrycks and Gimpel, \"Gaussian error linear units\", arXiv 1606.08415, 2016.",
        example 1.0 => 0.841344746069;
    /// The identity, `y = x`: a layer for the place where another may stand.
    Identity(x) = x.clone(),
        source "None: the identity map.",
        example -1.5 => -1.5;
}
