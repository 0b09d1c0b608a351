//! The choice between convolving directly and with transformed tiles.

use super::{Conv2d, winograd};
use crate::Float;
use crate::float::FloatKind;

/// How 3x3 convolutions of stride 1 and dilation 1, of one group and in `f32`, are computed. All others are always
/// computed directly.
///
/// With transformed tiles (Winograd's minimal filtering; Lavin and Gray, "Fast algorithms for convolutional neural
/// networks", 2016), a convolution takes fewer multiplications, and its error depends on a whole tile: it scales with
/// the largest number there, and an infinity or NaN makes all outputs of the tile NaN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// Tiles of 4x4 where they are faster than computing directly, by a rule on the sizes.
    #[default]
    Auto,
    /// Tiles of 4x4 outputs wherever they are possible: 4 times fewer multiplications. For standard normal numbers the
    /// largest error is below 2e-5 of the root mean square of the result at the sizes of ResNet-18.
    F4,
    /// Tiles of 2x2 outputs wherever they are possible: 2.25 times fewer multiplications, errors as without.
    F2,
    /// No transforms: an infinity or NaN reaches the outputs that see it and no others.
    Direct,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Algorithm; 4] = [Algorithm::Auto, Algorithm::F4, Algorithm::F2, Algorithm::Direct];

    /// The name in configurations and in the environment: `auto`, `f4`, `f2` or `direct`.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Auto => "auto",
            Algorithm::F4 => "f4",
            Algorithm::F2 => "f2",
            Algorithm::Direct => "direct",
        }
    }

    /// The algorithm of a name.
    pub fn from_name(name: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// The tiles to use for a convolution of numbers `T`; none to compute it directly.
    pub(super) fn tile<T: Float>(self, s: &Conv2d) -> Option<winograd::Tile> {
        if T::KIND != FloatKind::F32 || !winograd::is_possible(s) {
            return None;
        }
        match self {
            Algorithm::Auto => is_worth(s).then_some(winograd::Tile::Four),
            Algorithm::F4 => Some(winograd::Tile::Four),
            Algorithm::F2 => Some(winograd::Tile::Two),
            Algorithm::Direct => None,
        }
    }
}

/// Whether tiles of 4x4 are faster than computing directly. With few channels the transforms of the tiles cost more
/// than the products save, with few tiles those of the filters do, and tiles that reach far over the border save little.
fn is_worth(s: &Conv2d) -> bool {
    let [height, width] = s.output();
    let tiles = height.div_ceil(4) * width.div_ceil(4);
    let products = (36 * tiles, 9 * height * width);
    s.in_channels >= 8 && s.out_channels >= 8 && s.batch * tiles >= 8 && products.1 >= 2 * products.0
}
