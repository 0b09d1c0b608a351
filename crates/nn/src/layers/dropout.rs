//! Noise against overfitting: of elements, of whole channels, and for self-normalising networks.

use talweg_tensor::Tensor;

use crate::Module;
use crate::layers::Layer;
use crate::mode::Mode;

/// In training each element is 0 with probability `p`, else divided by `1 − p`, so that its mean stays; in evaluation
/// nothing happens.
///
/// # Arguments
/// - `p`: the probability, from 0 to 1; 0.1 to 0.5 is usual.
///
/// # Shapes
/// Any to the same.
///
/// # Parameters
/// None.
///
/// # Source
/// Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: a simple way to prevent neural networks from
/// overfitting", JMLR 15, 2014. There the weights are made smaller for evaluation; here the elements are made larger
/// in training, as is usual now.
///
/// # Examples
/// ```
/// # use talweg_nn::{Dropout, Layer, Mode};
/// # use talweg_tensor::{DType, Rng, Tensor};
/// let (layer, x) = (Dropout::new(0.5), Tensor::ones([100], DType::F32));
/// let y = layer.forward(&x, &mut Mode::Train(&mut Rng::seed(1))).to_vec::<f32>();
/// assert!(y.iter().all(|&y| y == 0.0 || y == 2.0) && y.contains(&0.0) && y.contains(&2.0));
/// assert_eq!(layer.forward(&x, &mut Mode::Eval).to_vec::<f32>(), [1.0; 100]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Module)]
pub struct Dropout {
    /// The probability of 0.
    pub p: f64,
}

impl Dropout {
    /// A layer with this probability.
    ///
    /// # Panics
    /// When `p` is not between 0 and 1.
    #[track_caller]
    pub fn new(p: f64) -> Dropout {
        assert!(
            (0.0..=1.0).contains(&p),
            "Dropout: the probability {p} is not between 0 and 1; 0.5 drops half"
        );
        Dropout { p }
    }
}

impl Layer for Dropout {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Tensor {
        match mode {
            Mode::Eval => x.clone(),
            Mode::Train(rng) => x.dropout(self.p, rng),
        }
    }
}

/// One struct for each kind; all else is the same.
macro_rules! dropouts {
    ($(
        $(#[$doc:meta])*
        $name:ident.$method:ident$(, $rank:literal, $shapes:literal)?;
    )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Module)]
        pub struct $name {
            /// The probability to drop.
            pub p: f64,
        }

        impl $name {
            /// A layer with this probability.
            ///
            /// # Panics
            /// When `p` is not between 0 and 1.
            #[track_caller]
            pub fn new(p: f64) -> $name {
                assert!((0.0..=1.0).contains(&p), "{}: the probability {p} is not between 0 and 1; 0.5 drops half", stringify!($name));
                $name { p }
            }
        }

        impl Layer for $name {
            fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Tensor {
                $(assert!(
                    x.rank() == $rank,
                    "{}: the layer takes {}, got {}; reshape the input",
                    stringify!($name), $shapes, x.shape()
                );)?
                match mode {
                    Mode::Eval => x.clone(),
                    Mode::Train(rng) => x.$method(self.p, rng),
                }
            }
        }
    )*};
}

dropouts! {
    /// In training whole channels of a sequence are 0 with probability `p`, else divided by `1 − p`; in evaluation nothing
    /// happens.
    ///
    /// # Arguments
    /// - `p`: the probability, from 0 to 1.
    ///
    /// # Shapes
    /// `[n, channels, length]` to the same.
    ///
    /// # Parameters
    /// None.
    ///
    /// # Source
    /// Tompson, Goroshin, Jain, LeCun and Bregler, "Efficient object localization using convolutional networks", CVPR 2015.
    ///
    /// # Examples
    /// ```
    /// # use talweg_nn::{Dropout1d, Layer, Mode};
    /// # use talweg_tensor::{DType, Rng, Tensor};
    /// let y = Dropout1d::new(0.5).forward(&Tensor::ones([1, 9, 2], DType::F32), &mut Mode::Train(&mut Rng::seed(1)));
    /// assert!(y.to_vec::<f32>().chunks(2).all(|channel| channel == [0.0; 2] || channel == [2.0; 2]));
    /// ```
    Dropout1d.feature_dropout, 3, "[n, channels, length]";

    /// In training whole channels of a picture are 0 with probability `p`, else divided by `1 − p`; in evaluation nothing
    /// happens.
    ///
    /// # Arguments
    /// - `p`: the probability, from 0 to 1.
    ///
    /// # Shapes
    /// `[n, channels, h, w]` to the same.
    ///
    /// # Parameters
    /// None.
    ///
    /// # Source
    /// Tompson, Goroshin, Jain, LeCun and Bregler, "Efficient object localization using convolutional networks", CVPR 2015.
    ///
    /// # Examples
    /// ```
    /// # use talweg_nn::{Dropout2d, Layer, Mode};
    /// # use talweg_tensor::{DType, Rng, Tensor};
    /// let y = Dropout2d::new(0.5).forward(&Tensor::ones([1, 9, 1, 2], DType::F32), &mut Mode::Train(&mut Rng::seed(1)));
    /// assert!(y.to_vec::<f32>().chunks(2).all(|channel| channel == [0.0; 2] || channel == [2.0; 2]));
    /// ```
    Dropout2d.feature_dropout, 4, "[n, channels, h, w]";

    /// In training whole channels of a volume are 0 with probability `p`, else divided by `1 − p`; in evaluation nothing
    /// happens.
    ///
    /// # Arguments
    /// - `p`: the probability, from 0 to 1.
    ///
    /// # Shapes
    /// `[n, channels, d, h, w]` to the same.
    ///
    /// # Parameters
    /// None.
    ///
    /// # Source
    /// Tompson, Goroshin, Jain, LeCun and Bregler, "Efficient object localization using convolutional networks", CVPR 2015.
    ///
    /// # Examples
    /// ```
    /// # use talweg_nn::{Dropout3d, Layer, Mode};
    /// # use talweg_tensor::{DType, Rng, Tensor};
    /// let y = Dropout3d::new(0.5).forward(&Tensor::ones([1, 9, 1, 1, 2], DType::F32), &mut Mode::Train(&mut Rng::seed(1)));
    /// assert!(y.to_vec::<f32>().chunks(2).all(|channel| channel == [0.0; 2] || channel == [2.0; 2]));
    /// ```
    Dropout3d.feature_dropout, 5, "[n, channels, d, h, w]";

    /// Dropout for networks of SELU, which keeps mean 0 and variance 1: see [`Tensor::alpha_dropout`]. In evaluation nothing
    /// happens.
    ///
    /// # Arguments
    /// - `p`: the probability, from 0 to 1; 0.05 to 0.1 is usual.
    ///
    /// # Shapes
    /// Any to the same.
    ///
    /// # Parameters
    /// None.
    ///
    /// # Source
    /// Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks", NIPS 2017, section 3.
    ///
    /// # Examples
    /// ```
    /// # use talweg_nn::{AlphaDropout, Layer, Mode};
    /// # use talweg_tensor::{DType, Rng};
    /// let rng = &mut Rng::seed(1);
    /// let x = rng.normal([10_000], 0.0, 1.0, DType::F64);
    /// let y = AlphaDropout::new(0.2).forward(&x, &mut Mode::Train(rng));
    /// assert!(y.mean(..).item().abs() < 0.05 && (y.square().mean(..).item() - 1.0).abs() < 0.05);
    /// ```
    AlphaDropout.alpha_dropout;

    /// [`AlphaDropout`] of whole channels.
    ///
    /// # Arguments
    /// - `p`: the probability, from 0 to 1.
    ///
    /// # Shapes
    /// `[n, channels, ..]` to the same.
    ///
    /// # Parameters
    /// None.
    ///
    /// # Source
    /// That of [`AlphaDropout`]; whole channels as in [`Dropout2d`].
    ///
    /// # Examples
    /// ```
    /// # use talweg_nn::{FeatureAlphaDropout, Layer, Mode};
    /// # use talweg_tensor::{DType, Rng, Tensor};
    /// let x = Tensor::ones([1, 9, 2], DType::F32);
    /// let y = FeatureAlphaDropout::new(0.5).forward(&x, &mut Mode::Train(&mut Rng::seed(1)));
    /// assert!(y.to_vec::<f32>().chunks(2).all(|channel| channel[0] == channel[1]));
    /// ```
    FeatureAlphaDropout.feature_alpha_dropout;
}
